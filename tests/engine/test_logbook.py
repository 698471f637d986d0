"""Maintenance of the configuration as it was: whatever becomes of the file, its past stays."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks.core.result import Failure, FailureKind, Result
from probe.config.model import Config
from probe.engine.hub import Hub
from probe.engine.judgement import Judgement
from probe.engine.records import Records
from probe.store.base import Announcement, Entry, Kind, Store, StoreError
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.engine.test_hub import planned
from thresholds.availability import Availability
from thresholds.base import Policy
from thresholds.hours import parse_hours
from thresholds.maintenance import Mode, OneOff, Window

MIN = 60_000
HOUR = 60 * MIN
START_MS = 1_788_048_000_000  # date -u -d 2026-08-30: a Sunday
REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")
NAME = "shop/home"


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(START_MS)


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    yield opened
    await opened.close()


def config(*windows: Window) -> Config:
    plan = planned(NAME, policy=Policy(down_after=(1, 1), up_after=1, flap=None))
    checks = {NAME: replace(plan, spec=replace(plan.spec, every=60.0))}
    return Config(Path("x"), "t", "127.0.0.1", 0, "", checks, maintenance=windows)


def once(first: int, last: int, mode: Mode = Mode.MUTE) -> Window:
    """Once, from a minute to another."""
    return Window("move", OneOff((START_MS + first * MIN, START_MS + last * MIN)), checks=("shop/*",), mode=mode)


class Life:
    """A service with one check that runs once a minute, from start to kill."""

    def __init__(self, store: Store, clock: FakeClock) -> None:
        self.store, self.clock = store, clock
        self.judgement = Judgement(store, clock, lambda: None)
        self.entries: list[Entry] = []

    async def begin(self, *windows: Window) -> Life:
        conf = config(*windows)
        await self.judgement.configure(conf)
        states, seen_ms = await self.store.states(), await self.store.last_runs()
        self.hub = Hub(conf, self.clock, self.entries.append, lambda _: None, states, seen_ms=seen_ms)
        self.judgement.attach(self.hub)
        return self

    async def minutes(self, until: int, bad: range = range(0)) -> None:
        """Live until a minute, counted from the start of all; runs of paused checks do not happen."""
        while (minute := (self.clock.now_ms() - START_MS) // MIN) < until:
            if NAME not in self.judgement.upkeep.paused():
                failure = REFUSED if minute in bad else None
                self.hub.emit(Result(NAME, self.clock.now_ms(), 0.1, {"connect": 0.1}, failure=failure))
            await self.judgement.note()
            await self.clock.advance(60)
        await self.judgement.note()
        await self.store.append(self.entries)
        self.entries.clear()

    async def told(self, *windows: Window) -> Availability:
        """What `probe query` says with a file, which is what the service says."""
        window = START_MS, self.clock.now_ms()
        beside = await Records.read(config(*windows), self.store, self.clock, START_MS - HOUR)
        within = await self.judgement.records(config(*windows), START_MS - HOUR)
        subject = beside.subject(NAME)
        assert subject is not None
        assert beside.availability(subject, window) == within.availability(subject, window)
        return beside.availability(subject, window)


async def noted(store: Store) -> list[tuple[str, int, int]]:
    """Minutes of what is written down."""
    found = [one for one in await store.announcements(0) if one.kind is Kind.PLANNED]
    return [
        (one.id.partition("@")[0], (one.began_ms - START_MS) // MIN, (one.ended_ms - START_MS) // MIN) for one in found
    ]


async def test_what_was_excused_stays_so_after_it_is_taken_out_of_the_file(store: Store, clock: FakeClock) -> None:
    life = await Life(store, clock).begin(once(10, 40))
    await life.minutes(60, bad=range(20, 30))
    before = await life.told(once(10, 40))
    assert (before.down, before.planned, before.ratio) == (0.0, 1800.0, 1.0)
    assert await life.told() == before
    await life.judgement.configure(config())
    assert await life.told() == before
    again = await Life(store, clock).begin()
    assert await again.told() == before
    (kept,) = await store.announcements(0)
    assert kept == Announcement(
        f"move@{START_MS + 10 * MIN}",
        Kind.PLANNED,
        START_MS + 10 * MIN,
        START_MS + 40 * MIN,
        ("shop/*",),
        author="configuration",
    )


async def test_a_pause_that_is_taken_out_of_the_file_was_one_all_the_same(store: Store, clock: FakeClock) -> None:
    counted = replace(once(10, 40, Mode.PAUSE), excluded=False)
    life = await Life(store, clock).begin(counted)
    await life.minutes(60)
    before = await life.told(counted)
    assert (before.paused, before.unknown) == (1800.0, 0.0)
    assert await (await Life(store, clock).begin()).told() == before


async def test_a_weekly_window_that_is_added_excuses_nothing_that_is_past(store: Store, clock: FakeClock) -> None:
    """00:00 to 02:00 on Sundays; the outage was from 00:20 to 00:30, the window is written at 01:00 and at 03:00."""
    weekly = Window("patches", parse_hours("Sun 00:00-02:00 UTC"), checks=("*",))
    life = await Life(store, clock).begin()
    await life.minutes(60, bad=range(20, 30))
    await life.judgement.configure(config(weekly))
    assert (await life.told(weekly)).down == 600.0
    assert await noted(store) == [("patches", 60, 120)]
    await life.minutes(180, bad=range(90, 95))
    found = await life.told(weekly)
    assert (found.down, found.planned) == (600.0, 3600.0)


async def test_a_window_that_is_added_while_the_service_is_away_excuses_nothing_that_was_seen(
    store: Store, clock: FakeClock
) -> None:
    weekly = Window("patches", parse_hours("Sun 00:00-02:00 UTC"), checks=("*",))
    life = await Life(store, clock).begin()
    await life.minutes(60, bad=range(20, 30))
    again = await Life(store, clock).begin(weekly)
    assert (await again.told(weekly)).down == 600.0


@pytest.mark.parametrize("windows", [(), (once(10, 20),), (once(10, 25),), (once(50, 60),)])
async def test_a_reload_that_shortens_what_is_on_ends_it_then(
    store: Store, clock: FakeClock, windows: tuple[Window, ...]
) -> None:
    life = await Life(store, clock).begin(once(10, 40))
    await life.minutes(25)
    await life.judgement.configure(config(*windows))
    await life.minutes(45)
    assert await noted(store) == [("move", 10, 25)]


async def test_a_reload_that_changes_what_it_does_changes_it_from_then_on(store: Store, clock: FakeClock) -> None:
    life = await Life(store, clock).begin(replace(once(10, 40, Mode.PAUSE), excluded=False))
    await life.minutes(25)
    await life.judgement.configure(config(once(10, 50)))
    await life.minutes(60)
    assert await noted(store) == [("move", 10, 25), ("move", 25, 50)]
    found = await life.told()
    assert (found.paused, found.planned) == (900.0, 1500.0)


async def test_a_restart_in_the_middle_goes_on_with_the_same(store: Store, clock: FakeClock) -> None:
    life = await Life(store, clock).begin(once(10, 40))
    await life.minutes(20)
    for _ in range(2):
        life = await Life(store, clock).begin(once(10, 40))
    await life.minutes(60, bad=range(30, 35))
    assert await noted(store) == [("move", 10, 40)]
    assert (await life.told()).down == 0.0


async def test_what_came_while_the_service_was_away_was_planned_by_the_file_that_it_finds(
    store: Store, clock: FakeClock
) -> None:
    hourly = Window("backup", parse_hours("00:30-00:40,02:30-02:40 UTC"), checks=("*",))
    life = await Life(store, clock).begin(hourly)
    await life.minutes(60)
    await clock.advance(3 * 3600)
    await Life(store, clock).begin(hourly)
    assert await noted(store) == [("backup", 30, 40), ("backup", 150, 160)]


async def test_what_never_ends_is_one_record_that_grows(store: Store, clock: FakeClock) -> None:
    always = Window("lab", parse_hours("00:00-24:00 UTC"), checks=("*",))
    life = await Life(store, clock).begin(always)
    for _ in range(9):
        await life.minutes(1 + (clock.now_ms() - START_MS) // MIN)
        await clock.advance(12 * 3600)
        await life.judgement.note()
    (one,) = await store.announcements(0)
    assert one.began_ms <= START_MS
    assert clock.now_ms() < one.ended_ms <= clock.now_ms() + 48 * HOUR


class Failing:
    """A store whose disk is full, as far as announcements go."""

    def __init__(self, store: Store) -> None:
        self._store, self.full, self.tries = store, True, 0

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def announce(self, announcement: Announcement) -> None:
        self.tries += 1
        if self.full:
            raise StoreError("the disk is full")
        await self._store.announce(announcement)


async def test_a_store_that_fails_is_tried_again_and_ends_nothing(
    store: Store, clock: FakeClock, caplog: pytest.LogCaptureFixture
) -> None:
    failing = Failing(store)
    life = await Life(failing, clock).begin(once(10, 40))
    running = asyncio.create_task(life.judgement.run())
    await clock.advance(11 * 60)
    assert failing.tries > 5
    assert len(caplog.messages) == 1
    assert "move@" in caplog.text
    assert "the disk is full" in caplog.text
    at_ms = START_MS + 10 * MIN
    assert life.judgement.upkeep.of(NAME, (START_MS, at_ms + 1))[0] == [(at_ms, at_ms + 1)]
    failing.full = False
    async with asyncio.timeout(30):
        while not await noted(store):  # the store has a thread of its own: it may not wait for its next try yet
            await clock.advance(5)
    assert await noted(store) == [("move", 10, 40)]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_it_is_written_down_the_moment_it_begins(store: Store, clock: FakeClock) -> None:
    life = await Life(store, clock).begin(once(10, 40))
    running = asyncio.create_task(life.judgement.run())
    await clock.advance(10 * 60)
    assert [one.began_ms for one in life.judgement.upkeep.unkept()] in ([], [START_MS + 10 * MIN])
    assert life.judgement.upkeep.of(NAME, (START_MS, clock.now_ms() + MIN))[0] == [
        (clock.now_ms(), clock.now_ms() + MIN)
    ]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_what_is_noted_is_no_announcement_of_people(store: Store, clock: FakeClock) -> None:
    life = await Life(store, clock).begin(once(0, 40))
    await life.minutes(5)
    assert await noted(store) == [("move", 0, 40)]
    assert life.judgement.upkeep.announced() == []
    assert (await Life(store, clock).begin()).judgement.upkeep.announced() == []


async def test_what_began_just_before_it_is_taken_out_was_on_until_then(store: Store, clock: FakeClock) -> None:
    life = await Life(store, clock).begin(once(10, 40))
    await life.minutes(9)
    await clock.advance(120)
    await life.judgement.configure(config())
    assert await noted(store) == [("move", 10, 11)]


async def test_a_pause_that_is_only_muted_after_a_restart_was_one_until_then(store: Store, clock: FakeClock) -> None:
    life = await Life(store, clock).begin(once(10, 40, Mode.PAUSE))
    await life.minutes(20)
    life = await Life(store, clock).begin(once(10, 40))
    assert await noted(store) == [("move", 10, 20), ("move", 20, 40)]
    assert life.judgement.upkeep.of(NAME, (START_MS, clock.now_ms()))[1] == [(START_MS + 10 * MIN, START_MS + 20 * MIN)]


async def test_it_is_known_of_times_before_those_that_are_in_memory(store: Store, clock: FakeClock) -> None:
    life = await Life(store, clock).begin(once(10, 40))
    await life.minutes(60, bad=range(20, 30))
    await clock.advance(3 * 86_400)
    found = await (await Life(store, clock).begin()).told()
    assert (found.down, found.planned) == (0.0, 1800.0)
