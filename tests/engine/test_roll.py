"""Rolled up while it lives and dies: every bucket is what counting all results by hand says. On a real database."""

from __future__ import annotations

import asyncio
import math
import random
import sqlite3
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from checks.core.base import CheckSpec
from checks.core.result import Failure, FailureKind, Result
from checks.tcp import Tcp
from probe.config.model import Planned
from probe.engine.roll import Roller, grace_for
from probe.store.base import Bucket, Entry, Store, StoreError
from probe.store.batch import Change
from probe.store.rows import Row
from probe.store.sql import SqlStore
from probe.store.sqlite import SqliteDriver, open_store
from tests.conftest import FakeClock
from thresholds.base import Level, Policy, Verdict
from thresholds.rollup import DAY, FIVE_MINUTES, HOUR, STEPS, begin
from thresholds.sketch import Sketch

FOREVER = 2**53
DAY_MS = 86_400_000
START_MS = begin(1_763_800_000_000, DAY) + 22 * 3_600_000  # soon it is midnight
CHECKS = ("shop/home", "shop/cart", "shop/{}'\"é")


class Restless(FakeClock):
    """Nobody else sleeps on this clock: time passes by itself."""

    async def sleep(self, seconds: float) -> None:
        self._now += seconds


class Death(BaseException):
    """kill -9, as far as the store can tell: one call is the last, done or not."""


class Mortal(SqliteDriver):
    """A driver that dies at a call."""

    left = math.inf  # calls
    done = False  # whether the last one is

    async def write(self, changes: Sequence[Change]) -> Sequence[int]:
        self._age()
        written = await super().write(changes)
        if self.left <= 0:
            raise Death
        return written

    async def read(self, statement: str, values: Row = ()) -> Sequence[Sequence[Any]]:
        self._age()
        return await super().read(statement, values)

    def _age(self) -> None:
        self.left -= 1
        if self.left < 0 or (self.left == 0 and not self.done):
            raise Death


@dataclass
class Truth:
    """One bucket, counted by hand."""

    levels: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    values: dict[str, list[float]] = field(default_factory=dict)


def truth(entries: Iterable[Entry], step: int) -> dict[tuple[str, int], Truth]:
    """Every bucket by check and beginning, from all that was ever stored."""
    buckets: dict[tuple[str, int], Truth] = {}
    for entry in entries:
        run, level = entry.verdict.result, entry.verdict.level
        if run.provisional:
            continue
        bucket = buckets.setdefault((run.check, run.at_ms // (step * 1000) * step * 1000), Truth())
        local = run.failure is not None and run.failure.kind is FailureKind.LOCAL
        bucket.levels["unknown" if local else level.name.lower()] += 1
        if run.failure is not None:
            bucket.kinds[run.failure.kind.value] += 1
        elif float(run.facts.get("loop.lag", 0)) <= run.duration / 10:
            for metric, seconds in {"total": run.duration, **run.phases}.items():
                bucket.values.setdefault(metric, []).append(seconds)
    return buckets


def assert_true(bucket: Bucket, true: Truth) -> None:
    counted = {"up": bucket.up, "degraded": bucket.degraded, "down": bucket.down, "unknown": bucket.unknown}
    assert Counter(counted) == true.levels
    assert bucket.kinds == dict(true.kinds)
    assert bucket.sketches.keys() == true.values.keys()
    for metric, values in true.values.items():
        sketch = Sketch.decode(bucket.sketches[metric])
        assert (sketch.count, sketch.least, sketch.most) == (len(values), min(values), max(values))
        assert sketch.total == pytest.approx(sum(values))
        exact = sorted(values)[(len(values) - 1) // 2]
        assert sketch.quantile(0.5) == pytest.approx(exact, rel=0.0109)


async def assert_rolled(store: Store, entries: Sequence[Entry], steps: Iterable[int] = STEPS) -> None:
    """Every bucket is there once, nothing else is, and each is what its runs come to."""
    for step in steps:
        expected = truth(entries, step)
        found = {
            (check, bucket.at_ms): bucket for check in CHECKS for bucket in await store.buckets(check, step, 0, FOREVER)
        }
        assert found.keys() == expected.keys()
        for key, bucket in found.items():
            assert_true(bucket, expected[key])


def run_at(dice: random.Random, check: str, at_ms: int) -> Entry:
    kind = dice.choice([None, None, None, None, FailureKind.TIMEOUT, FailureKind.LOCAL])
    seconds = round(dice.lognormvariate(-3, 1), 6)
    phases = {"dns": 0.001, "ttfb": round(seconds / 2, 6)} if dice.random() < 0.8 else {"connect": 0.002}
    facts: dict[str, float] = {} if dice.random() < 0.8 else {"loop.lag": round(seconds * dice.choice([0.05, 0.5]), 6)}
    failure = None if kind is None else Failure(kind, "ttfb", "no")
    run = Result(check, at_ms, seconds, phases, facts, failure, provisional=bool(failure) and dice.random() < 0.3)
    return Entry(Verdict(run, Level.DOWN if failure else dice.choice([Level.UP, Level.DEGRADED]), ""))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "probe.db"


@pytest.fixture
async def store(path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:{path}")
    yield opened
    await opened.close()


async def test_what_is_over_is_rolled_and_what_is_not_waits(store: Store) -> None:
    dice = random.Random(1)
    entries = [run_at(dice, CHECKS[0], START_MS + seconds * 1000) for seconds in range(0, 7500, 30)]
    await store.append(entries)
    clock = Restless(START_MS + 7_500_000)
    roller = Roller(store, clock, grace=40.0)
    await roller.roll()
    assert await store.rolled() == {
        FIVE_MINUTES: START_MS + 7_200_000,
        HOUR: START_MS + 7_200_000,
        DAY: START_MS + 2 * 3_600_000,
    }
    await assert_rolled(store, [one for one in entries if one.verdict.result.at_ms < START_MS + 7_200_000], [300, HOUR])
    clock._now += 39
    await roller.roll()
    assert (await store.rolled())[FIVE_MINUTES] == START_MS + 7_200_000
    clock._now += 1
    await roller.roll()
    assert (await store.rolled())[FIVE_MINUTES] == START_MS + 7_500_000
    await assert_rolled(store, entries, [FIVE_MINUTES])


async def test_how_far_history_is_behind_is_how_long_the_oldest_bucket_has_waited(store: Store) -> None:
    await store.append([run_at(random.Random(2), CHECKS[0], START_MS + number * 30_000) for number in range(20)])
    clock = Restless(START_MS + 640_000)
    roller = Roller(store, clock, grace=30.0)
    assert roller.behind == 0  # nothing is known yet
    await roller.roll()
    assert roller.behind == 0  # the third five minutes are not over
    clock._now += 900 - 640 + 30
    assert roller.behind == 0
    clock._now += 20
    assert roller.behind == pytest.approx(20.0)
    clock._now += 40_000
    assert roller.behind == pytest.approx(40_020.0)
    await roller.roll()
    assert roller.behind < 300


async def test_history_that_no_roller_reached_for_long_is_behind_from_the_first_look(store: Store) -> None:
    """A service that was down, and whose roller gets no further than to its first bucket."""
    await store.append([run_at(random.Random(2), CHECKS[0], START_MS)])
    roller = Roller(store, Restless(START_MS + DAY_MS), grace=30.0)

    async def seal(_until_ms: int) -> None: ...

    async def keep(*_: object, **__: object) -> None:
        raise StoreError("the disk fails")

    store.seal, store.keep = seal, keep  # type: ignore[method-assign,assignment]
    with pytest.raises(StoreError):
        await roller.roll()
    assert roller.behind == pytest.approx(DAY_MS / 1000 - 300 - 30, abs=2)


async def test_long_times_without_a_run_take_no_time(store: Store) -> None:
    """Of three years of which two days have runs, no more is read than these."""
    dice = random.Random(1)
    entries = [run_at(dice, CHECKS[0], START_MS + day * DAY_MS) for day in (0, 400, 1000)]
    await store.append(entries)
    driver = store._driver  # type: ignore[attr-defined]
    calls, read = 0, driver.read

    async def counted(*args: Any) -> Any:
        nonlocal calls
        calls += 1
        return await read(*args)

    driver.read = counted
    await Roller(store, Restless(START_MS + 1095 * DAY_MS)).roll()
    assert calls < 100
    await assert_rolled(store, entries)


async def test_what_comes_late_is_counted_once(store: Store) -> None:
    """A full disk: two hours of results are stored after the day was rolled."""
    dice = random.Random(2)
    entries = [run_at(dice, check, START_MS + s * 1000) for s in range(0, 30_000, 100) for check in CHECKS]
    early = [one for one in entries if not START_MS + 5_000_000 < one.verdict.result.at_ms < START_MS + 12_200_000]
    await store.append(early)
    clock = Restless(START_MS + 2 * DAY_MS)
    roller = Roller(store, clock)
    await roller.roll()
    await assert_rolled(store, early)
    await store.append([one for one in entries if one not in early])
    assert (await store.settled())[DAY] < START_MS
    await roller.roll()
    await assert_rolled(store, entries)
    assert await store.late() == []
    assert (await store.settled())[DAY] == begin(clock.now_ms() - 30_000, DAY)


async def test_what_comes_while_it_is_being_rolled_is_counted_too(store: Store) -> None:
    dice = random.Random(3)
    first, second = run_at(dice, CHECKS[0], START_MS), run_at(dice, CHECKS[0], START_MS + 1000)
    await store.append([first])
    real = store.keep

    async def keep(*args: Any, **options: Any) -> None:
        store.keep = real  # type: ignore[method-assign]
        await store.append([second])  # read already, not kept yet
        await real(*args, **options)

    store.keep = keep  # type: ignore[method-assign]
    await Roller(store, Restless(START_MS + 2 * DAY_MS)).roll()
    await assert_rolled(store, [first, second])


async def test_an_old_bucket_is_not_made_again_from_what_is_left_of_its_runs(store: Store) -> None:
    dice = random.Random(4)
    entries = [run_at(dice, CHECKS[0], START_MS + s * 1000) for s in range(0, 600, 10)]
    await store.append(entries)
    roller = Roller(store, Restless(START_MS + 2 * DAY_MS))
    await roller.roll()
    await store.prune(START_MS + 290_000, 1000)
    await store.append([run_at(dice, CHECKS[0], START_MS + 1)])
    await roller.roll()
    await assert_rolled(store, entries)
    assert await store.late() == []


@pytest.mark.parametrize("seed", range(3))
async def test_whatever_dies_and_comes_late_every_run_is_counted_once(
    path: Path, seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Days of runs: some stored hours late, the clock set to and fro, the process killed at any call of the store."""
    monkeypatch.setattr("probe.engine.roll._TOGETHER", 2)  # checks: a bucket is kept in parts
    dice = random.Random(seed)
    driver, clock = Mortal(path), Restless(START_MS)
    await driver.open()
    store = SqlStore(driver)
    roller = Roller(store, clock, grace=30.0)
    waiting: list[Entry] = []
    stored: dict[tuple[str, int], Entry] = {}
    deaths = 0
    for _ in range(80):
        for _ in range(dice.randrange(12)):
            check = dice.choice(CHECKS)
            waiting.append(run_at(dice, check, clock.now_ms() - dice.randrange(60_000)))
        clock._now += dice.choice([20, 300, 1200, 4000])
        if dice.random() < 0.05:
            clock.step_wall(dice.choice([-7_200_000, 7_200_000, -1000, DAY_MS, -DAY_MS]))
        driver.left, driver.done = dice.choice([math.inf, dice.randrange(40)]), dice.random() < 0.5
        try:
            if dice.random() < 0.7:
                batch = [waiting.pop(dice.randrange(len(waiting))) for _ in range(len(waiting) // 2)]
                waiting += batch
                await store.append(batch)
                for entry in batch:
                    stored.setdefault((entry.verdict.result.check, entry.verdict.result.at_ms), entry)
                waiting = [entry for entry in waiting if entry not in batch]
            await roller.roll()
        except Death:
            deaths += 1
            driver.left = math.inf
            await driver.close()
            driver = Mortal(path)
            await driver.open()
            store = SqlStore(driver)
            roller = Roller(store, clock, grace=30.0)
    driver.left = math.inf
    await store.append(waiting)
    for entry in waiting:
        stored.setdefault((entry.verdict.result.check, entry.verdict.result.at_ms), entry)
    clock.step_wall(400 * DAY_MS)
    roller = Roller(store, clock)
    await roller.roll()
    assert deaths > 10
    assert await store.late() == []
    await assert_rolled(store, list(stored.values()))
    await driver.close()


KILLED = """
import asyncio, sys
from probe.config.model import Planned
from probe.engine.roll import Roller, grace_for
from probe.store.sqlite import open_store
from tests.engine.test_roll import Restless

async def main(url, at_ms):
    store = await open_store(url)
    keep = store.keep

    async def told(*args, **options):
        await keep(*args, **options)
        print("kept", flush=True)

    store.keep = told
    await Roller(store, Restless(at_ms)).roll()

asyncio.run(main(sys.argv[1], int(sys.argv[2])))
"""


async def test_kill_9_costs_nothing_but_time(path: Path) -> None:
    dice = random.Random(7)
    store = await open_store(f"sqlite:{path}")
    entries = [run_at(dice, check, START_MS + s * 1000) for s in range(0, 30_000, 40) for check in CHECKS]
    await store.append(entries)
    await store.close()
    reached = []
    for _ in range(3):
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", KILLED, f"sqlite:{path}", str(START_MS + 2 * DAY_MS), stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        for _ in range(dice.randint(1, 20)):
            assert await process.stdout.readline() == b"kept\n"
        await asyncio.sleep(dice.uniform(0, 0.005))  # the instant of the kill: anywhere
        process.kill()
        await process.communicate()
        with sqlite3.connect(path) as connection:
            reached.append(connection.execute("SELECT max(until_ms) FROM rolled").fetchone()[0] or 0)
            assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        connection.close()
    assert reached == sorted(reached)
    assert 0 < reached[-1] < START_MS + 30_000_000
    store = await open_store(f"sqlite:{path}")
    try:
        await Roller(store, Restless(START_MS + 2 * DAY_MS)).roll()
        await assert_rolled(store, entries)
    finally:
        await store.close()


async def test_a_store_that_fails_is_tried_again(store: Store, caplog: pytest.LogCaptureFixture) -> None:
    await store.append([run_at(random.Random(8), CHECKS[0], START_MS)])
    clock, calls = FakeClock(START_MS + DAY_MS), 0
    real = store.rolled

    async def rolled() -> Any:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise StoreError("the disk fails")
        return await real()

    store.rolled = rolled  # type: ignore[method-assign]
    rolling = asyncio.create_task(Roller(store, clock).run())
    try:
        await clock.advance(9.0)
        assert calls == 0  # probes come first
        await clock.advance(1.0)
        assert "history could not be rolled up: the disk fails" in caplog.text
        async with asyncio.timeout(10):
            while not await store.buckets(CHECKS[0], FIVE_MINUTES, 0, FOREVER):
                await clock.advance(1.0)
    finally:
        rolling.cancel()
        await asyncio.gather(rolling, return_exceptions=True)


def test_grace_covers_the_slowest_check() -> None:
    def planned(timeout: float) -> Planned:
        return Planned(CheckSpec("a", Tcp(host="h", port=1), 60.0, timeout), Policy(), "tcp")

    assert grace_for([]) == 30.0
    assert grace_for([planned(10.0), planned(90.0)]) == 120.0
    assert grace_for([planned(600.0)]) == 600.0  # a run at that limit is late at most
