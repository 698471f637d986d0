"""A series is what counting all runs by hand says, wherever its parts are kept. On a real database."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from checks.core.result import Result
from probe.engine.roll import Roller
from probe.engine.trend import Point, Series, step_for, tier_of, trend
from probe.store.base import Entry, Store
from probe.store.sqlite import open_store
from tests.engine.test_roll import CHECKS, DAY_MS, START_MS, Restless, Truth, run_at, truth
from thresholds.base import Level, Verdict
from thresholds.rollup import DAY, FIVE_MINUTES, HOUR, begin

HOME = CHECKS[0]


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[Store]:
    opened = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    yield opened
    await opened.close()


def assert_true(point: Point, true: Truth) -> None:
    counted = {"up": point.up, "degraded": point.degraded, "down": point.down, "unknown": point.unknown}
    assert counted == {level: true.levels[level] for level in counted}
    assert point.kinds == dict(true.kinds)
    assert point.runs == true.levels.total()
    for metric, found in point.latencies.items():
        values = sorted(true.values[metric])
        assert (found.count, found.least, found.most) == (len(values), values[0], values[-1])
        assert found.mean == pytest.approx(sum(values) / len(values))
        for share, value in ((0.5, found.p50), (0.9, found.p90), (0.95, found.p95), (0.99, found.p99)):
            assert value == pytest.approx(values[int(share * (len(values) - 1))], rel=0.0109)


def assert_series(series: Series, entries: list[Entry], window: tuple[int, int]) -> None:
    """Every run of the window is in one point, no point overlaps another, each is what its runs come to."""
    end_ms, covered = 0, 0
    trues = {step: truth(entries, step) for step in {point.step for point in series.points}}
    for point in series.points:
        assert point.at_ms >= end_ms
        assert point.at_ms % (point.step * 1000) == 0
        end_ms = point.at_ms + point.step * 1000
        assert_true(point, trues[point.step][HOME, point.at_ms])
        covered += point.runs
    # As whole points are there, so are a few runs before and after the window.
    first_ms, last_ms = series.points[0].at_ms, max(window[1], end_ms)
    counted = [entry.verdict.result for entry in entries if not entry.verdict.result.provisional]
    assert first_ms <= min(run.at_ms for run in counted if window[0] <= run.at_ms < window[1])
    within = [run for run in counted if first_ms <= run.at_ms < last_ms]
    if end_ms < window[1]:
        assert max(run.at_ms for run in within if run.at_ms < window[1]) < end_ms
    assert covered == sum(first_ms <= run.at_ms < end_ms for run in counted) == series.whole.runs


def history(dice: random.Random, seconds: int, every: int) -> list[Entry]:
    instants = range(START_MS, START_MS + seconds * 1000, every * 1000)
    return [run_at(dice, HOME, at_ms + dice.randrange(every * 900)) for at_ms in instants]


async def test_a_series_has_no_seams(store: Store) -> None:
    """Days, hours, five minutes and raw runs, each where nothing coarser is made yet."""
    entries = history(random.Random(1), 102_000, 120)
    await store.append(entries)
    end_ms = START_MS + 102_000_000
    await Roller(store, Restless(START_MS + 100_000_000)).roll()
    rolled = await store.rolled()
    assert rolled[DAY] < rolled[HOUR] < rolled[FIVE_MINUTES] < end_ms
    for step in (1, 60, 300, 900, 3600, 7200, 86_400, 172_800):
        for window in ((START_MS, end_ms), (START_MS + 3_700_000, end_ms - 1_100_000)):
            series = await trend(store, HOME, window, step=step, metrics=None)
            assert {point.step for point in series.points} == {step}
            assert {metric for point in series.points for metric in point.latencies} == {
                "total", "dns", "ttfb", "connect",
            }  # fmt: skip
            assert_series(series, entries, window)
    assert (await trend(store, HOME, (START_MS, end_ms))).step == 300


@pytest.mark.parametrize("seed", range(3))
async def test_what_is_not_kept_so_fine_any_more_comes_coarser(store: Store, seed: int) -> None:
    dice = random.Random(seed)
    entries = history(dice, 400_000, 1700)
    await store.append(entries)
    end_ms = START_MS + 400_000_000
    await Roller(store, Restless(end_ms)).roll()
    raw_ms, fine_ms, hours_ms = sorted((dice.randrange(START_MS, end_ms) for _ in range(3)), reverse=True)
    await store.prune(raw_ms, 10_000)
    await store.prune_buckets(FIVE_MINUTES, fine_ms, 10_000)
    await store.prune_buckets(HOUR, min(hours_ms, (await store.rolled())[DAY]), 10_000)
    kept_ms = {60: raw_ms, 300: fine_ms, 3600: hours_ms, 86_400: 0}
    for step in kept_ms:
        series = await trend(store, HOME, (START_MS, end_ms), step=step)
        assert_series(series, entries, (START_MS, end_ms))
        steps = [point.step for point in series.points]
        assert steps == sorted(steps, reverse=True)
        assert steps[-1] == step or raw_ms > end_ms - DAY_MS
        for point in series.points:
            # No coarser than it must be: finer ones are gone, or were in part.
            finer = [one for one in kept_ms if step <= one < point.step]
            assert all(kept_ms[one] > point.at_ms for one in finer)


async def test_what_waits_to_be_counted_again_is_counted_here(store: Store) -> None:
    dice = random.Random(5)
    entries = history(dice, 100_000, 300)
    late = entries[20:80:7]
    await store.append([*entries[:20], *entries[80:], *(e for n, e in enumerate(entries[20:80]) if n % 7)])
    await Roller(store, Restless(START_MS + 100_000_000)).roll()
    await store.append(late)
    for step in (60, 300, 3600, 86_400):
        window = START_MS, START_MS + 100_000_000
        assert_series(await trend(store, HOME, window, step=step), entries, window)


async def test_what_was_counted_is_not_hidden_by_what_is_left_of_its_runs(store: Store) -> None:
    entries = history(random.Random(8), 1200, 10)
    await store.append(entries)
    await Roller(store, Restless(START_MS + 2 * DAY_MS)).roll()
    await store.prune(START_MS + 1_000_000, 10_000)
    await store.append([Entry(Verdict(Result(HOME, START_MS + 1, 0.1), Level.UP, ""))])  # late, and alone
    for step in (300, 3600, 86_400):
        window = START_MS, START_MS + 1_200_000
        assert_series(await trend(store, HOME, window, step=step), entries, window)


async def test_before_anything_is_rolled_all_comes_from_runs(store: Store) -> None:
    entries = history(random.Random(6), 10_000, 30)
    await store.append(entries)
    window = START_MS, START_MS + 10_000_000
    assert_series(await trend(store, HOME, window, step=3600), entries, window)


async def test_a_clock_that_was_a_year_ahead_leaves_the_present_visible(store: Store) -> None:
    """Everything is rolled into next year; now the clock is right, and what comes is late."""
    entries = history(random.Random(7), 10_000, 30)
    await store.append(entries[:50])
    await Roller(store, Restless(START_MS + 365 * DAY_MS)).roll()
    await store.append(entries[50:])
    window = START_MS, START_MS + 10_000_000
    clock = Restless(START_MS + 5_000_000)
    for step in (60, 300, 3600, 86_400):
        assert_series(await trend(store, HOME, window, step=step), entries, window)
    await Roller(store, clock).roll()
    assert await store.late() != []  # what is not over yet waits
    for step in (60, 300, 3600, 86_400):
        assert_series(await trend(store, HOME, window, step=step), entries, window)


async def test_latencies_are_those_asked_for(store: Store) -> None:
    await store.append([Entry(Verdict(Result(HOME, START_MS, 0.3, {"dns": 0.1, "ttfb": 0.2}), Level.UP, ""))])
    window = START_MS, START_MS + 1000
    found = [
        set((await trend(store, HOME, window, metrics=metrics)).whole.latencies)
        for metrics in (("total",), ("ttfb", "tls"), (), None)
    ]
    assert found == [{"total"}, {"ttfb"}, set(), {"total", "dns", "ttfb"}]


async def test_the_whole_is_its_runs_and_not_its_points(store: Store) -> None:
    """Percentiles of percentiles are nobody's: one slow day of ten is not the p50 of the ten."""
    runs = [
        Entry(Verdict(Result(HOME, START_MS + day * DAY_MS + n, 10.0 if day == 9 else 0.1), Level.UP, ""))
        for day in range(10)
        for n in range(1 if day < 9 else 91)
    ]
    await store.append(runs)
    await Roller(store, Restless(START_MS + 20 * DAY_MS)).roll()
    series = await trend(store, HOME, (START_MS, START_MS + 10 * DAY_MS), step=DAY)
    assert len(series.points) == 10
    assert series.whole.latencies["total"].p50 == pytest.approx(10.0, rel=0.0109)
    assert (series.whole.at_ms, series.whole.step) == (begin(START_MS, DAY), 11 * DAY)


async def test_nothing_is_no_point(store: Store) -> None:
    for window in ((START_MS, START_MS + DAY_MS), (START_MS, START_MS), (START_MS, START_MS - 1)):
        series = await trend(store, "nobody", window)
        assert (series.points, series.whole.runs) == ((), 0)


@pytest.mark.parametrize(
    ("seconds", "step"),
    [(60, 60), (6 * 3600, 60), (86_400, 300), (4 * 86_400, 900), (14 * 86_400, 3600), (90 * 86_400, 21_600),
     (365 * 86_400, 86_400), (3650 * 86_400, 7 * 86_400)],
)  # fmt: skip
def test_a_window_is_a_few_hundred_points(seconds: int, step: int) -> None:
    assert step_for((START_MS, START_MS + seconds * 1000)) == step


@pytest.mark.parametrize(
    ("step", "tier"),
    [(1, 0), (60, 0), (150, 0), (300, 300), (900, 300), (1800, 300), (3600, 3600), (21_600, 3600), (86_400, 86_400),
     (7 * 86_400, 86_400)],
)  # fmt: skip
def test_a_step_is_made_of_the_coarsest_there_is(step: int, tier: int) -> None:
    assert tier_of(step) == tier


@pytest.mark.parametrize("step", [-1, 0, 7, 45, 301, 420, 1000, 5400, 100_000])
def test_a_step_that_fits_nowhere_is_refused(step: int) -> None:
    with pytest.raises(ValueError, match=f"a step of {step} s"):
        tier_of(step)
