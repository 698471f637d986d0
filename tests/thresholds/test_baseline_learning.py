"""What a baseline holds for usual, against wall clocks and medians worked out another way."""

from __future__ import annotations

import math
import random
import statistics
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.base import BaselineThreshold, Level
from thresholds.baseline import Baseline
from thresholds.gathered import Gathered, Hour
from thresholds.profile import HOUR_MS, REACH, History, Stage
from thresholds.sketch import Sketch

EXACT = BaselineThreshold("baseline(total)", "total", 4.0, floor=0.0, floor_ratio=0.0)


def at(text: str, zone: str = "UTC") -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


def taught(start_ms: int, values: list[float], threshold: BaselineThreshold = EXACT) -> Baseline:
    baseline = Baseline(threshold)
    baseline.restore(Hour(start_ms + i * HOUR_MS, value, 60, 0, 60) for i, value in enumerate(values))
    return baseline


def wall(at_ms: int, zone: str) -> tuple[int, int]:
    shown = datetime.fromtimestamp(at_ms / 1000, UTC).astimezone(ZoneInfo(zone))
    return shown.weekday(), shown.hour


# -- slots and stages --


@pytest.mark.parametrize("seed", range(4))
def test_usual_is_the_median_of_the_same_hours_of_the_last_five_weeks(seed: int) -> None:
    chance = random.Random(seed)
    start = at("2026-05-04") + chance.randrange(168) * HOUR_MS
    values = [chance.lognormvariate(-1.5, 0.5) for _ in range(REACH + 30)]  # the first 30 are too old
    baseline = taught(start, values)
    logs = [math.log(value) for value in values[30:]]
    middles = [statistics.median(logs[slot::168]) for slot in range(168)]
    apart = statistics.median(abs(log - middles[i % 168]) for i, log in enumerate(logs))
    sigma = apart / statistics.NormalDist().inv_cdf(0.75)  # of normal noise, half lies within so much of it
    for slot, middle in enumerate(middles):
        usual = baseline.usual(start + (30 + REACH + slot) * HOUR_MS)
        assert usual is not None
        assert usual.stage is Stage.HOUR_OF_WEEK
        assert usual.median == pytest.approx(math.exp(middle), rel=1e-5)
        assert usual.factor == pytest.approx(math.exp(sigma), rel=1e-4)
        assert usual.limit == pytest.approx(math.exp(middle + 4 * sigma), rel=1e-3)


@pytest.mark.parametrize(
    ("start", "days", "stages"),  # of the seven days from then on, Monday first
    [
        ("2026-06-01", 3, "-------"),
        ("2026-06-01", 4, "kkkkk--"),
        ("2026-06-01", 5, "kkkkkdd"),
        ("2026-06-06", 4, "-------"),  # a Saturday: two days of a weekend, two of a week
        ("2026-06-06", 5, "ddddddd"),
        ("2026-06-06", 6, "kkkkkdd"),
        ("2026-06-06", 9, "kkkkkkk"),  # two weekends
        ("2026-06-01", 14, "kkkkkkk"),
        ("2026-06-01", 15, "wkkkkkk"),  # the third Monday
        ("2026-06-01", 20, "wwwwwwk"),
        ("2026-06-01", 21, "wwwwwww"),
    ],
)
def test_each_hour_is_compared_with_the_finest_that_is_known(start: str, days: int, stages: str) -> None:
    baseline = taught(at(start), [0.2] * days * 24)
    for day, letter in enumerate(stages):
        stage = {"-": None, "d": Stage.HOUR_OF_DAY, "k": Stage.WEEKDAY_WEEKEND, "w": Stage.HOUR_OF_WEEK}[letter]
        for hour in (0, 13, 23):
            usual = baseline.usual(at("2026-07-06") + (day * 24 + hour) * HOUR_MS)
            assert (usual and usual.stage) is stage
    assert baseline.learned == days * 24
    begins = datetime.fromisoformat(start) + timedelta(days=days)
    assert baseline.stage is {"-": Stage.LEARNING, "d": Stage.HOUR_OF_DAY, "k": Stage.WEEKDAY_WEEKEND}.get(
        stages[begins.weekday()], Stage.HOUR_OF_WEEK
    )


def test_coarser_medians_are_of_the_days_that_they_say() -> None:
    """Weekdays at 100 ms, weekends at 50 ms: the first stands alone, so what most days were is usual for it."""
    hours = [0.1 if i // 24 % 7 < 5 else 0.05 for i in range(14 * 24)]
    for days, weekend in ((7, 0.1), (14, 0.05)):
        baseline = taught(at("2026-06-01"), hours[: days * 24])
        for day, wanted in ((0, 0.1), (4, 0.1), (5, weekend), (6, weekend)):
            usual = baseline.usual(at("2026-07-06") + (day * 24 + 3) * HOUR_MS)
            assert usual is not None
            assert usual.median == pytest.approx(wanted, rel=1e-5)


def test_nobody_is_woken_on_monday_because_learning_began_on_a_saturday() -> None:
    baseline = taught(at("2026-06-06"), [])
    level = Level.UP
    for i in range(21 * 24 * 6):
        at_ms = at("2026-06-06") + i * HOUR_MS // 6
        baseline.take(at_ms, 0.4 if wall(at_ms, "UTC")[0] < 5 else 0.2, failed=False)
        level, why = baseline.judge(level)
        assert level is Level.UP, why


# -- wall clocks --

_CHANGES = [  # zone, the first Monday of five weeks, how clocks change in the week after or within them
    ("Europe/Berlin", "2026-02-23", "forward on 29 March"),
    ("Europe/Berlin", "2026-09-21", "back on 25 October"),
    ("America/New_York", "2026-02-02", "forward on 8 March"),
    ("America/New_York", "2026-09-28", "back on 1 November"),
    ("Australia/Sydney", "2026-03-02", "back on 5 April"),
    ("Australia/Lord_Howe", "2026-03-02", "half an hour back on 5 April"),
    ("Australia/Lord_Howe", "2026-08-31", "half an hour forward on 4 October"),
    ("Asia/Kolkata", "2026-03-02", "never, and half an hour off"),
]


@pytest.mark.parametrize(("zone", "monday", "_change"), _CHANGES)
def test_the_morning_rush_is_usual_also_after_clocks_change(zone: str, monday: str, _change: str) -> None:
    """People come at nine of their clock, and latency doubles from one hour to the next."""
    start = at(monday, zone) // HOUR_MS * HOUR_MS
    shift = 0 if zone != "Australia/Lord_Howe" else HOUR_MS  # an hour of UTC is half of two of its hours at times

    def rush(at_ms: int) -> float:
        day, hour = wall(at_ms, zone)
        return 0.8 if day < 5 and 9 <= hour < 17 else 0.2

    values = [rush(start + i * HOUR_MS) for i in range(REACH)]
    threshold = BaselineThreshold("baseline(total)", "total", 4.0, zone=zone)
    baseline = taught(start, values, threshold)
    level = Level.UP
    for i in range(REACH * 6, (REACH + 15 * 24) * 6):
        at_ms = start + i * HOUR_MS // 6
        baseline.take(at_ms, min(rush(at_ms), rush(at_ms // HOUR_MS * HOUR_MS)) if shift else rush(at_ms), failed=False)
        level, why = baseline.judge(level)
        assert level is Level.UP, (zone, datetime.fromtimestamp(at_ms / 1000, ZoneInfo(zone)), why)


@pytest.mark.parametrize(("zone", "monday", "_change"), _CHANGES)
def test_slots_are_hours_of_the_zones_wall_clock(zone: str, monday: str, _change: str) -> None:
    start = at(monday, zone) // HOUR_MS * HOUR_MS
    chance = random.Random(zone)
    values = [chance.uniform(0.1, 0.2) for _ in range(REACH)]
    baseline = taught(start, values, BaselineThreshold("baseline(total)", "total", 4.0, zone=zone))
    by_wall: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for i, value in enumerate(values):
        by_wall[wall(start + i * HOUR_MS, zone)].append(math.log(value))
    for i in range(REACH, REACH + 400):
        at_ms = start + i * HOUR_MS
        usual = baseline.usual(at_ms + 1)
        assert usual is not None
        assert usual.median == pytest.approx(math.exp(statistics.median(by_wall[wall(at_ms, zone)])), rel=1e-5)


# -- what is left out --


@pytest.mark.parametrize(
    ("runs", "failures", "measured", "learned"),
    [
        (60, 0, 60, True),
        (60, 1, 59, True),  # one lost run is no outage
        (60, 5, 55, True),
        (60, 6, 54, False),  # 10 %
        (6, 1, 5, True),
        (6, 2, 5, False),  # two are, among few
        (60, 0, 4, False),  # a percentile of four
        (60, 60, 0, False),
        (4, 0, 4, False),
    ],
)
def test_down_times_and_a_few_runs_teach_nothing(runs: int, failures: int, measured: int, learned: bool) -> None:
    start = at("2026-06-01")
    restored, live = Baseline(EXACT), Baseline(EXACT)
    restored.restore([Hour(start, 0.2 if measured else None, runs, failures, measured)])
    for i in range(runs):
        value = None if i < failures or i >= failures + measured else 0.2
        live.take(start + i * 1000, value, i < failures)
    live.take(start + HOUR_MS, 0.2, failed=False)
    assert live.learned == restored.learned == int(learned)


def test_maintenance_teaches_nothing_where_it_touches() -> None:
    start = at("2026-06-01")
    work = (start + 5 * HOUR_MS + 3_599_999, start + 7 * HOUR_MS)
    live = Baseline(EXACT, lambda span: span[0] < work[1] and work[0] < span[1])
    for i in range(10 * 60):
        live.take(start + i * 60_000, 0.2, failed=False)
    restored = Baseline(EXACT, lambda span: span[0] < work[1] and work[0] < span[1])
    restored.restore(Hour(start + i * HOUR_MS, 0.2, 60, 0, 60) for i in range(9))
    assert live.learned == restored.learned == 9 - 2  # hours 5 and 6


def test_an_outlier_and_an_incident_do_not_become_usual() -> None:
    """One week of five at four times the latency, and every thirtieth hour six-fold."""
    chance = random.Random(3)
    clean = [0.2 * math.exp(chance.gauss(0, 0.06)) for _ in range(REACH)]
    dirty = [value * (4 if 200 <= i < 209 else 6 if i % 31 == 0 else 1) for i, value in enumerate(clean)]
    without, with_ = (taught(at("2026-06-01"), some) for some in (clean, dirty))
    for slot in range(168):
        one, other = (some.usual(at("2026-07-06") + slot * HOUR_MS) for some in (without, with_))
        assert one is not None
        assert other is not None
        assert other.median == pytest.approx(one.median, rel=0.12), slot
        assert other.factor == pytest.approx(one.factor, rel=0.02)


def test_what_is_learned_late_counts_at_once() -> None:
    history = History("UTC")
    history.learn(10, 0.2)
    assert history.before(20).hours == 1
    history.learn(11, 0.2)
    assert history.before(20).hours == 2


# -- percentiles --


@given(st.lists(st.floats(0, 100), max_size=60), st.sampled_from([1, 9, 40]))
def test_an_hour_comes_to_what_its_sketch_does(values: list[float], times: int) -> None:
    gathered, sketch = Gathered(), Sketch()
    for value in values * times:
        gathered.take(value, failed=False)
        sketch.add(value)
    gathered.take(9.0, failed=True)
    assert gathered.hour(0) == Hour.of(0, sketch.count + 1, 1, sketch)
    gathered.clear()
    assert gathered.hour(0) == Hour.of(0, 0, 0, None)
