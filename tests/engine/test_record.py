"""First a row, then a message; and a message all the same while there can be no row. On a real database."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.result import Result
from probe.clock import SystemClock
from probe.engine.record import Recorder
from probe.store.base import Entry
from probe.store.deliveries import Delivery, Outcome
from probe.store.sql import SqlStore
from probe.store.sqlite import SqliteDriver
from tests.conftest import FakeClock
from tests.engine.test_deliver import notice
from tests.store.samples import telling
from thresholds.base import Event, Level, State, Transition, Verdict

ROOM = 100_000  # pages: as good as no limit


def entry(check: str, *receivers: str, at_ms: int = 1) -> Entry:
    moved = Transition(check, at_ms, at_ms, Level.UP, Level.DOWN, Event.OPENED, f"{check}@1", 1, "refused")
    verdict = Verdict(Result(check, at_ms, 0.1), Level.DOWN, "", State(), moved if receivers else None)
    return Entry(verdict, telling(notice("opened", f"{check}@1"), *receivers) if receivers else None)


async def eventually(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


class Desk:
    """A Recorder on a database whose disk can be full, and what comes out of it."""

    def __init__(self, driver: SqliteDriver, size: int = 1000) -> None:
        self.driver = driver
        self.store = SqlStore(driver)
        self.delivered: list[str] = []
        self.trouble: list[str] = []
        self.recorder = Recorder(self.store, SystemClock(), self._deliver, self.trouble.append, size=size)
        self.task = asyncio.create_task(self.recorder.pump.run())

    def _deliver(self, delivery: Delivery) -> None:
        self.delivered.append(f"{delivery.notice.check} to {delivery.receiver}")

    async def disk(self, *, full: bool) -> None:
        """Let the file grow no more, or again."""
        assert self.driver._writer is not None
        pages = 1 if full else ROOM  # SQLite takes the file's present size for a smaller limit
        cursor = await self.driver._writer.execute(f"PRAGMA max_page_count = {pages}")
        await cursor.close()

    async def drained(self) -> None:
        async with asyncio.timeout(20):
            await self.recorder.pump.drain()

    async def kept(self, check: str) -> int:
        return len(await self.store.results(check, 0, 1 << 60, 1000))


@pytest.fixture
async def driver(tmp_path: Path) -> AsyncIterator[SqliteDriver]:
    driver = SqliteDriver(tmp_path / "probe.db")
    await driver.open()
    yield driver
    await driver.close()


@pytest.fixture
async def desk(driver: SqliteDriver) -> AsyncIterator[Desk]:
    desk = Desk(driver)
    yield desk
    desk.task.cancel()


def bulky(number: int) -> Entry:
    """A result that takes more than a page: a full disk has no room for it."""
    one = entry(f"bulky-{number}")
    facts = {"http.excerpt": "x" * 9000 + str(number)}
    return replace(one, verdict=replace(one.verdict, result=replace(one.verdict.result, facts=facts)))


async def test_people_are_told_after_the_row_is_written(desk: Desk) -> None:
    desk.recorder.record(entry("a", "chat", "oncall"))
    desk.recorder.record(entry("b"))
    assert not desk.delivered
    await desk.drained()
    assert (await desk.kept("a"), await desk.kept("b")) == (1, 1)
    assert [delivery.receiver for delivery in await desk.store.pending()] == ["chat", "oncall"]
    assert desk.delivered == ["a to chat", "a to oncall"]


async def test_a_full_disk_keeps_nobody_from_being_told_once(desk: Desk) -> None:
    await desk.disk(full=True)
    desk.recorder.record(bulky(1))
    desk.recorder.record(entry("a", "chat"))
    await eventually(lambda: desk.recorder.pump.failures >= 2)
    assert desk.delivered == ["a to chat"]
    assert "full" in desk.trouble[0]
    assert await desk.kept("a") == 0
    desk.recorder.settle(Delivery(notice("opened", "a@1"), "chat", Outcome.DELIVERED))
    await desk.disk(full=False)
    await desk.drained()
    assert desk.delivered == ["a to chat"]
    assert desk.trouble[-1] == ""
    assert await desk.kept("a") == 1
    assert not await desk.store.pending()


async def test_transitions_outlive_results_in_memory(driver: SqliteDriver) -> None:
    desk = Desk(driver, size=10)
    await desk.disk(full=True)
    desk.recorder.record(entry("first", "chat"))
    for number in range(100):
        desk.recorder.record(bulky(number))
    await eventually(lambda: desk.recorder.pump.failures >= 1)
    await desk.disk(full=False)
    await desk.drained()
    desk.task.cancel()
    assert await desk.kept("first") == 1
    assert [await desk.kept(f"bulky-{number}") for number in (0, 89, 90, 99)] == [0, 0, 1, 1]
    assert desk.recorder.pump.dropped == 90


async def test_whoever_waits_behind_others_is_told_too_while_the_store_fails(driver: SqliteDriver) -> None:
    """More than a batch waits: the one that is tried again and again is not the one with the news."""
    desk = Desk(driver, size=100_000)
    await desk.disk(full=True)
    for number in range(2_500):
        desk.recorder.record(bulky(number) if number < 5 else entry(f"r{number}"))
    desk.recorder.record(entry("behind", "chat"))
    await eventually(lambda: desk.delivered == ["behind to chat"])
    desk.recorder.record(entry("after", "chat"))
    assert desk.delivered == ["behind to chat", "after to chat"]
    await desk.disk(full=False)
    await desk.drained()
    desk.task.cancel()
    assert desk.delivered == ["behind to chat", "after to chat"]


async def test_a_write_that_hangs_silences_nobody(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("probe.engine.record._PATIENCE", 0.05)
    other = sqlite3.connect(desk.driver.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")  # the writer waits for this lock, for seconds
    desk.recorder.record(entry("a", "chat"))
    await eventually(lambda: desk.delivered == ["a to chat"])
    assert desk.trouble[0].startswith("no answer for")
    other.execute("ROLLBACK")
    other.close()
    await desk.drained()
    assert desk.delivered == ["a to chat"]
    assert desk.trouble[-1] == ""
    assert await desk.kept("a") == 1


async def test_results_wait_for_company_and_people_do_not(driver: SqliteDriver, clock: FakeClock) -> None:
    told: list[str] = []
    store = SqlStore(driver)
    recorder = Recorder(store, clock, lambda delivery: told.append(delivery.receiver), lambda _trouble: None)
    task = asyncio.create_task(recorder.pump.run())
    recorder.record(entry("a"))
    await clock.advance(0.5)
    assert len(recorder.pump) == 1
    recorder.record(entry("b", "chat"))
    await clock.advance(0.1)
    await eventually(lambda: told == ["chat"])
    assert len(await store.results("a", 0, 1 << 60, 10)) == 1
    recorder.settle(Delivery(notice("opened", "b@1"), "chat", Outcome.DELIVERED))
    await clock.advance(0.1)  # written down at once, too: a crash would have it sent again
    async with asyncio.timeout(20):
        while await store.pending():
            await asyncio.sleep(0.01)
    task.cancel()
