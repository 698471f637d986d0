"""Judging against what is usual: rows of buckets, each by what its runs were."""

from __future__ import annotations

import random
import tracemalloc
from collections.abc import Callable
from dataclasses import replace

import pytest

from thresholds.base import BaselineThreshold, Level
from thresholds.baseline import Baseline, Usual
from thresholds.gathered import Hour
from thresholds.profile import HOUR_MS, REACH, Stage
from thresholds.spans import Span

WEEKS = 5
MONDAY = 1_767_571_200_000 // HOUR_MS  # 2026-01-05 00:00 UTC, since 1970
NOW = MONDAY + REACH
TTFB = BaselineThreshold("baseline(ttfb)", "ttfb", 4.0)

# What the runs of a bucket are, by letter. 200 ms are usual, and 300 ms are the limit.
_RUNS: dict[str, list[tuple[float | None, bool]]] = {
    "O": [(0.4, False)] * 10,  # over
    "o": [(0.4, False)] * 4,  # over, by few
    "B": [(0.2, False)] * 10,  # back
    "b": [(0.2, False)] * 2,
    "x": [(None, True)] * 10,  # failed
    "v": [(None, False)] * 10,  # without a value
    "-": [],
    "P": [(0.4, False)] * 10,  # over, in maintenance
}


def steady(threshold: BaselineThreshold = TTFB, planned: Callable[[Span], bool] = lambda _: False) -> Baseline:
    """One that has learned five weeks of 200 ms, and stands on a Monday at 0 h."""
    baseline = Baseline(threshold, planned)
    baseline.restore(Hour((MONDAY + i) * HOUR_MS, 0.2, 60, 0, 60) for i in range(REACH))
    return baseline


def levels(row: str, threshold: BaselineThreshold = TTFB, current: Level = Level.UP) -> str:
    """The level after each bucket of a row that has runs, a letter each; judged with every run, as live ones are."""
    step = round(threshold.bucket * 1000)
    planned = [(NOW * HOUR_MS + i * step, NOW * HOUR_MS + (i + 1) * step) for i, kind in enumerate(row) if kind == "P"]
    baseline = steady(threshold, lambda span: span in planned)
    seen = ""
    for i, kind in enumerate(row + "B"):
        runs = _RUNS[kind]
        for n, (value, failed) in enumerate(runs):
            baseline.take(NOW * HOUR_MS + i * step + n * step // len(runs), value, failed)
            before, (current, why) = current, baseline.judge(current)
            assert n == 0 or current is before  # a bucket that is under way says nothing
            assert bool(why) == current.bad
        seen += current.name[0] if runs else ""
    return seen[1:]


@pytest.mark.parametrize("bucket", [3600.0, 900.0, 300.0])
@pytest.mark.parametrize(
    ("row", "seen"),
    [
        ("BBBB", "UUUU"),
        ("OBOB", "UUUU"),  # never two in a row
        ("OOBBB", "UDDUU"),
        ("OOOBOBB", "UDDDDDU"),  # back for one is not back
        ("OoOO", "UUUD"),  # few begin nothing
        ("OOoobbB", "UDDDDUU"),  # and end nothing while they are over, but do when they are not
        ("OxOO", "UUUD"),  # failed ones say nothing of latency
        ("OOxxxxB", "UDDDDDU"),
        ("OvOO", "UUUD"),
        ("OOvvB", "UDDUU"),  # what is never seen again is not bad for ever
        ("OPOO", "UUUD"),
        ("OOPPPB", "UDDDDU"),  # maintenance neither ends it
        ("BPPPB", "UUUUU"),  # nor begins it
        ("O--OO", "UUD"),  # in a row is in a row of time
        ("OOO---BB", "UDDUU"),  # the first bucket that says something
        ("OOO---OB", "UDDDD"),
    ],
)
def test_as_many_buckets_in_a_row_degrade_a_check_and_as_many_bring_it_back(row: str, seen: str, bucket: float) -> None:
    assert levels(row, replace(TTFB, bucket=bucket)) == seen


@pytest.mark.parametrize(("buckets", "seen"), [(1, "DUDDDUU"), (2, "UUUDDDU"), (3, "UUUUDDD")])
def test_how_many_is_said_by_the_threshold(buckets: int, seen: str) -> None:
    assert levels("OBOOOBB", replace(TTFB, buckets=buckets)) == seen


def test_a_bucket_that_lies_in_two_hours_is_one() -> None:
    baseline = steady(replace(TTFB, bucket=420.0, buckets=1))
    number = next(n for n in range(NOW * HOUR_MS // 420_000, 10**9) if n * 420_000 % HOUR_MS > HOUR_MS - 400_000)
    for n in range(9):
        baseline.take(number * 420_000 + n, 0.4, failed=False)
    for at_ms in ((number + 1) * 420_000 - 1, (number + 1) * 420_000):
        baseline.take(at_ms, 0.2, failed=False)
    assert baseline.judge(Level.UP)[0] is Level.DEGRADED  # by nine of ten


def test_a_level_that_came_from_elsewhere_is_kept_until_something_is_known() -> None:
    """After a restart the level comes from the store, and what was learned may be gone."""
    empty = Baseline(TTFB)
    empty.take(NOW * HOUR_MS, 0.2, failed=False)
    level, why = empty.judge(Level.DEGRADED)
    assert (level, why) == (Level.DEGRADED, "baseline(ttfb) was over what is usual, and little is known since")
    for i in range(1, 8):
        empty.take(NOW * HOUR_MS + i * HOUR_MS // 7, 0.2, failed=False)
    assert empty.judge(Level.DEGRADED) == (Level.UP, "")
    assert empty.judge(Level.UP) == (Level.UP, "")


def test_learning_reaches_no_level() -> None:
    baseline, chance = Baseline(TTFB), random.Random(1)
    for i in range(96 * 10):
        at_ms = NOW * HOUR_MS + i * HOUR_MS // 10
        baseline.take(at_ms, chance.uniform(0.01, 30), failed=False)
        assert baseline.stage is Stage.LEARNING
        assert baseline.usual(at_ms) is None
        assert baseline.judge(Level.UP) == (Level.UP, "")
    assert baseline.learned == 95


# -- the limit --


@pytest.mark.parametrize(
    ("floor", "ratio", "limit"),
    [
        (0.1, 0.0, 0.3),
        (0.1, 0.3, 0.3),
        (0.01, 0.3, 0.26),
        (0.0, 0.0, 0.2 * 1.0443),  # e^(4 x 1.083 %): a percentile cannot be told more finely
        (0.0, 0.03, 0.2 * 1.0443),
    ],
)
def test_the_limit_is_the_farthest_of_three(floor: float, ratio: float, limit: float) -> None:
    baseline = steady(replace(TTFB, floor=floor, floor_ratio=ratio))
    usual = baseline.usual(NOW * HOUR_MS)
    assert usual is not None
    assert usual.median == pytest.approx(0.2, rel=1e-5)
    assert usual.limit == pytest.approx(limit, rel=1e-4)
    for value, level in ((limit * 0.98, Level.UP), (limit * 1.02, Level.DEGRADED)):
        one = steady(replace(TTFB, floor=floor, floor_ratio=ratio))
        for i in range(3 * 60):
            one.take(NOW * HOUR_MS + i * 60_000, value, failed=False)
        assert one.judge(Level.UP)[0] is level


def test_absurd_numbers_are_survived() -> None:
    baseline = Baseline(replace(TTFB, degraded=1e6, floor=0.0))
    baseline.restore(Hour((MONDAY + i) * HOUR_MS, (0.0, 1e300)[i // 24 % 2], 60, 0, 60) for i in range(REACH))
    for i in range(60):
        for value in (0.0, -1.0, 1e300, float("nan"), float("inf"), 10**400):
            baseline.take(NOW * HOUR_MS + i * HOUR_MS // 10, value, failed=False)
            assert baseline.judge(Level.UP) == (Level.UP, "")
    assert isinstance(baseline.usual(NOW * HOUR_MS), Usual)


# -- what is told --


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ("OO", "baseline(ttfb) 400 ms is over 300 ms, 2 x 1h in a row; 200 ms is usual (hour of week)"),
        ("OOB", "baseline(ttfb) 200 ms is within 300 ms, but not yet 2 x 1h in a row"),
        ("OOBO", "baseline(ttfb) 400 ms is over 300 ms; 200 ms is usual (hour of week)"),
        ("OO--", "baseline(ttfb) was over what is usual, and little is known since"),
        ("OOv", "baseline(ttfb) was over what is usual, and little is known since"),
    ],
)
def test_the_reason_says_what_was_seen_and_what_is_usual(row: str, reason: str) -> None:
    baseline = steady()
    for i, kind in enumerate(row + "B"):
        for n, (value, failed) in enumerate(_RUNS[kind]):
            baseline.take((NOW + i) * HOUR_MS + n * 60_000, value, failed)
    assert baseline.judge(Level.DEGRADED) == (Level.DEGRADED, reason)


def test_it_never_says_down() -> None:
    baseline = steady()
    for i in range(40):
        baseline.take(NOW * HOUR_MS + i * HOUR_MS // 10, 3600.0, failed=False)
    for current in Level:
        assert baseline.judge(current)[0] is Level.DEGRADED


# -- clocks and sizes --


def test_runs_of_a_clock_that_goes_back_a_little_count_as_of_now() -> None:
    baseline = steady()
    for at in (0, 10, -5, -500, 20, -60_000, 30):
        baseline.take((NOW + 1) * HOUR_MS + at, 0.4, failed=False)
    for i in (2, 3):
        for n in range(9):
            baseline.take((NOW + i) * HOUR_MS + n, 0.4, failed=False)
    assert baseline.judge(Level.UP)[0] is Level.DEGRADED  # 7 and 9 runs
    assert baseline.learned == REACH - 1  # two more, and three too old


@pytest.mark.parametrize("hours", [-2, -400, -30_000, 400, 30_000])
def test_a_clock_that_was_wrong_for_a_while_takes_little_of_what_was_learned(hours: int) -> None:
    baseline = steady()
    for at in (NOW, NOW + hours, NOW, NOW + 1):
        for n in range(9):
            baseline.take(at * HOUR_MS + n, 5.0, failed=False)
            baseline.judge(Level.UP)
    assert baseline.learned >= REACH - 2
    usual = baseline.usual(NOW * HOUR_MS)
    assert usual is not None
    assert usual.median == pytest.approx(0.2, rel=1e-5)
    for i in range(60):
        baseline.take((NOW + 2) * HOUR_MS + i * HOUR_MS // 10, 0.4, failed=False)
    assert baseline.judge(Level.UP)[0] is Level.DEGRADED


def test_a_bucket_that_a_clock_cut_off_says_nothing_and_teaches_nothing() -> None:
    wrong = Baseline(TTFB)
    for hour in (5, 0, 6):
        for n in range(9):
            wrong.take((NOW + hour) * HOUR_MS + n, 0.2, failed=False)
    assert wrong.learned == 1  # hour 0
    again = steady()
    for hour, failed in ((3, False), (4, False), (5, False), (1, True), (5, False)):
        for n in range(9):
            again.take((NOW + hour) * HOUR_MS + n, 0.4, failed)
    assert again.judge(Level.UP)[0] is Level.UP  # hours 3 and 4 were of another time


def test_years_of_runs_take_few_kilobytes() -> None:
    """The numbers of five weeks, and of the hour under way, with the room that arrays keep in reserve."""
    tracemalloc.start()
    try:
        baseline = steady()
        for i in range(5000):
            baseline.take(NOW * HOUR_MS + i * 10_000, 0.2 + i % 7 / 100, failed=False)
        baseline.usual(NOW * HOUR_MS)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # Hours of the week are kept for all checks together: some 60 bytes for each of 900 hours.
    assert size < 20_000 + 900 * 300


def test_a_zone_that_does_not_exist_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="did you mean Europe/Berlin"):
        Baseline(replace(TTFB, zone="Europe/Berlni"))
