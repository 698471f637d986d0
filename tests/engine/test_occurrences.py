"""Good runs of a time, against counting them one by one: with maintenance, gaps, rollups, and runs that are gone."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from checks.core.base import CheckSpec
from checks.core.result import Failure, FailureKind, Result
from probe.config.model import Config
from probe.engine.hub import Hub
from probe.engine.records import Records
from probe.engine.roll import Roller
from probe.store.base import Announcement, Entry, Kind, Store
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.engine.test_hub import Page, config, planned
from tests.engine.test_roll import Restless
from thresholds.base import Level, Policy
from thresholds.occurrences import Occurrences
from thresholds.spans import inside

MIN = 60_000
DAY = 86_400_000
NAME = "shop/home"
REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")
OURS = Failure(FailureKind.LOCAL, "", "no descriptors left")


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    yield opened
    await opened.close()


class Life:
    """Two days of a run a minute, some of them bad: for long, or alone."""

    def __init__(self, clock: FakeClock, store: Store, seed: int) -> None:
        policy = Policy(down_after=(2, 2), up_after=2, flap=None)
        self.conf: Config = config(planned(NAME, policy=policy, spec=CheckSpec(NAME, Page(), 60.0, 5.0)))
        self.clock, self.store, self.began = clock, store, clock.now_ms()
        self.runs: list[tuple[int, Level]] = []
        self._rng = random.Random(seed)

    async def live(self, minutes: int) -> None:
        entries: list[Entry] = []
        hub = Hub(self.conf, self.clock, entries.append, lambda _: None, {})
        left, fate = 0, "good"
        for minute in range(minutes):
            if not left:
                fate = self._rng.choice(["good", "good", "good", "alone", "outage", "silent", "ours"])
                left = {"alone": 1, "good": self._rng.randrange(2, 30)}.get(fate, self._rng.randrange(3, 20))
            left -= 1
            if fate != "silent":
                self._run(hub, {"alone": REFUSED, "outage": REFUSED, "ours": OURS}.get(fate))
            self.clock.step_wall(60_000)
            if minute % 500 == 499:
                await self.store.append(entries)
                entries.clear()
        await self.store.append(entries)

    def _run(self, hub: Hub, failure: Failure | None) -> None:
        at_ms = self.clock.now_ms()
        if failure is REFUSED and self._rng.random() < 0.3:
            hub.emit(Result(NAME, at_ms, 0.1, failure=failure, provisional=True))
            at_ms += 2000
            hub.emit(Result(NAME, at_ms, 0.1, failure=failure, attempt=2))
        else:
            hub.emit(Result(NAME, at_ms, 0.1, failure=failure))
        level = Level.UP if failure is None else Level.UNKNOWN if failure is OURS else Level.DOWN
        self.runs.append((at_ms, level))

    async def asked(self, window: tuple[int, int]) -> tuple[Occurrences, Occurrences]:
        """What is said of a window, and what counting one by one finds."""
        records = await Records.read(self.conf, self.store, self.clock, self.began)
        subject = records.subject(NAME)
        assert subject is not None
        line = [one for one in records.timeline(subject, window) if one.in_scope]
        scope = [(one.start_ms, one.end_ms) for one in line]
        down = [(one.start_ms, one.end_ms) for one in line if one.condition.name == "DOWN"]
        counted = [(at, level) for at, level in self.runs if inside(scope, at)]
        bad = [at for at, level in counted if level is Level.DOWN]
        good = sum(level is Level.UP for _, level in counted)
        one_by_one = Occurrences(good, len(bad), sum(not inside(down, at) for at in bad))
        return await records.occurrences(self.store, subject, window), one_by_one


@pytest.mark.parametrize("seed", [1, 2])
@pytest.mark.parametrize("rolled", [True, False])
async def test_runs_are_counted_as_one_by_one(clock: FakeClock, store: Store, seed: int, rolled: bool) -> None:
    clock.step_wall(DAY - clock.now_ms() % DAY + 7 * MIN + 12_345)
    life = Life(clock, store, seed)
    await life.live(2 * 1440)
    began, now = life.began, clock.now_ms()
    for number, start in enumerate(range(began + 3 * 3_600_000, now, 9 * 3_600_000)):
        work = Announcement(f"m{number}", Kind.MAINTENANCE, start + 17_000, start + 65 * MIN, ("*",), mode="mute")
        await store.announce(work)
    if rolled:
        await Roller(store, Restless(clock.now_ms())).roll()
    for window in ((began, now), (began + 100 * MIN + 1, now - 77 * MIN), (began + DAY, began + DAY + 1)):
        said, one_by_one = await life.asked(window)
        assert said == one_by_one
    said, _ = await life.asked((began, now))
    assert said.transient > 3
    assert said.bad > 100


async def test_runs_that_are_gone_are_counted_by_their_buckets(clock: FakeClock, store: Store) -> None:
    clock.step_wall(DAY - clock.now_ms() % DAY)
    life = Life(clock, store, 3)
    await life.live(2 * 1440)
    began, now = life.began, clock.now_ms()
    whole = began, now
    await Roller(store, Restless(clock.now_ms())).roll()
    before, _ = await life.asked(whole)
    while await store.prune(now - 3 * 3_600_000, 1000):
        pass
    after, _ = await life.asked(whole)
    assert after.counted == before.counted
    assert after.bad == before.bad
    assert 0 <= after.transient <= before.transient
    part, _ = await life.asked((began, began + 100 * MIN + 7_000))
    assert abs(part.counted - sum(level is not Level.UNKNOWN for _, level in life.runs[:101])) <= 12
