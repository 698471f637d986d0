"""First a row, then a message; and a message all the same while there can be no row."""

import asyncio
from collections.abc import Sequence

import pytest

from checks.core.result import Result
from probe.engine.record import Recorder
from probe.store.base import Delivery, Entry, Outcome, StoreError
from tests.conftest import FakeClock, settled
from tests.engine.test_deliver import notice
from thresholds.base import Event, Level, State, Transition, Verdict


class Disk:
    """A disk that may be full: keeps what reaches it, as the store's methods give it."""

    def __init__(self) -> None:
        self.full = False
        self.rows: list[str] = []

    async def append(self, entries: Sequence[Entry]) -> None:
        self._room()
        self.rows += [entry.verdict.result.check for entry in entries]

    async def settle(self, deliveries: Sequence[Delivery]) -> None:
        self._room()
        self.rows += [f"{delivery.notice.id} {delivery.outcome}" for delivery in deliveries]

    def _room(self) -> None:
        if self.full:
            raise StoreError("disk full")


def entry(check: str, *receivers: str, transition: bool = False) -> Entry:
    moved = Transition(check, 1, 1, Level.UP, Level.DOWN, Event.OPENED, f"{check}@1", 1, "refused")
    verdict = Verdict(Result(check, 1, 0.1), Level.DOWN, "", State(), moved if transition or receivers else None)
    return Entry(verdict, notice("opened", f"{check}@1") if receivers else None, receivers)


class Desk:
    """A Recorder on a disk, and what comes out of it."""

    def __init__(self, clock: FakeClock, size: int = 1000) -> None:
        self.disk = Disk()
        self.delivered: list[str] = []
        self.trouble: list[str] = []
        self.recorder = Recorder(self.disk, clock, self._deliver, self.trouble.append, size=size)  # type: ignore[arg-type]
        self.task = asyncio.create_task(self.recorder.pump.run())

    def _deliver(self, delivery: Delivery) -> None:
        assert self.disk.full or delivery.notice.check in self.disk.rows
        self.delivered.append(f"{delivery.notice.check} to {delivery.receiver}")


@pytest.fixture
async def desk(clock: FakeClock):
    desk = Desk(clock)
    await settled()
    yield desk
    desk.task.cancel()


async def test_people_are_told_after_the_row_is_written(desk: Desk, clock: FakeClock) -> None:
    desk.recorder.record(entry("a", "chat", "oncall"))
    desk.recorder.record(entry("b"))
    await settled()
    assert not desk.delivered
    await clock.advance(1)
    assert desk.disk.rows == ["a", "b"]
    assert desk.delivered == ["a to chat", "a to oncall"]


async def test_a_full_disk_keeps_nobody_from_being_told_once(desk: Desk, clock: FakeClock) -> None:
    desk.disk.full = True
    desk.recorder.record(entry("a", "chat"))
    await clock.advance(120)
    assert desk.delivered == ["a to chat"]
    assert set(desk.trouble) == {"disk full"}
    desk.recorder.settle(Delivery(notice("opened", "a@1"), "chat", Outcome.DELIVERED))
    desk.disk.full = False
    await clock.advance(30)
    assert desk.delivered == ["a to chat"]
    assert desk.disk.rows == ["a", "a@1-opened-0 delivered"]
    assert desk.trouble[-1] == ""


async def test_transitions_outlive_results_in_memory(clock: FakeClock) -> None:
    desk = Desk(clock, size=10)
    desk.disk.full = True
    desk.recorder.record(entry("first", "chat"))
    for number in range(100):
        desk.recorder.record(entry(f"r{number}"))
    await clock.advance(1)
    desk.disk.full = False
    await clock.advance(60)
    desk.task.cancel()
    assert desk.disk.rows[0] == "first"
    assert len(desk.disk.rows) == 11
    assert desk.recorder.pump.dropped == 90
