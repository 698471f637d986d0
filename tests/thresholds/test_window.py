"""Windows, against lists of the runs that lie in them."""

from __future__ import annotations

import math
import random
import tracemalloc
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import replace
from itertools import accumulate

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thresholds.base import Aggregate, Level, WindowThreshold
from thresholds.sketch import Sketch, rank_of
from thresholds.sliding import LARGEST
from thresholds.window import Window

_MINUTE = 60_000
_P95 = WindowThreshold("p95(total) over 10m", Aggregate.P95, "total", over=600, degraded=0.7, down=2.0)
_RATIO = WindowThreshold("failure_ratio over 10m", Aggregate.FAILURE_RATIO, "", over=600, degraded=0.05, down=0.5)
_FAILURES = WindowThreshold("failures over 10m", Aggregate.FAILURES, "", over=600, degraded=2, down=4)
_DAYS = WindowThreshold(
    "min(tls.days_left) over 10m", Aggregate.MIN, "tls.days_left", 600, 21, 3, lower_is_worse=True, timing=False
)

Run = tuple[int, float | None, bool]

_RUNS = st.lists(
    st.tuples(
        st.integers(0, 300),
        st.none() | st.floats(1e-4, 60) | st.integers(-3, 3).map(float) | st.floats(-1e9, 1e9),
        st.sampled_from([False, False, False, True]),
    ),
    max_size=80,
)


def _timed(steps: list[Run]) -> list[Run]:
    """Runs some way after each other, from any start."""
    instants = accumulate(step for step, _, _ in steps)
    return [(1_760_000_000_000 + at, value, failed) for at, (_, value, failed) in zip(instants, steps, strict=True)]


def _window(threshold: WindowThreshold, runs: Sequence[Run]) -> Window:
    window = Window(threshold)
    for run in runs:
        window.take(*run)
    return window


def _judged(threshold: WindowThreshold, values: list[float], current: Level = Level.UP) -> tuple[Level, str]:
    return _window(threshold, [(i * 1000, value, False) for i, value in enumerate(values)]).judge(current)


def _percentile(q: float) -> Callable[[list[float], int, int], float | None]:
    def of(values: list[float], _: int, __: int) -> float | None:
        sketch = Sketch()
        for value in values:
            sketch.add(value)
        return sketch.quantile(q)

    return of


_TRUTH: dict[Aggregate, Callable[[list[float], int, int], float | None]] = {
    Aggregate.P50: _percentile(0.5),
    Aggregate.P75: _percentile(0.75),
    Aggregate.P90: _percentile(0.9),
    Aggregate.P95: _percentile(0.95),
    Aggregate.P99: _percentile(0.99),
    Aggregate.MEAN: lambda values, _, __: math.fsum(values) / len(values) if values else None,
    Aggregate.MAX: lambda values, _, __: max(values, default=None),
    Aggregate.MIN: lambda values, _, __: min(values, default=None),
    Aggregate.FAILURES: lambda _, failed, runs: failed if runs else None,
    Aggregate.FAILURE_RATIO: lambda _, failed, runs: failed / runs if runs else None,
}


@pytest.mark.parametrize("aggregate", Aggregate)
def test_after_each_run_a_window_says_what_its_runs_come_to(aggregate: Aggregate) -> None:
    threshold = replace(_P95, aggregate=aggregate, over=1.0)

    @given(_RUNS)
    @example([(1000, 1.0, False)] * 50)
    def holds(steps: list[Run]) -> None:
        window, runs = Window(threshold), _timed(steps)
        for i, run in enumerate(runs):
            window.take(*run)
            held = [other for other in runs[: i + 1] if run[0] - 1000 < other[0]]
            values = [value for _, value, failed in held if value is not None and not failed]
            wanted = _TRUTH[aggregate](values, sum(failed for _, _, failed in held), len(held))
            assert window.count == len(held if aggregate.of_runs else values)
            exact = aggregate is not Aggregate.MEAN
            assert window.value == (wanted if exact or wanted is None else pytest.approx(wanted, rel=1e-12, abs=1e-12))

    holds()


@pytest.mark.parametrize("aggregate", Aggregate)
def test_a_window_filled_again_after_a_restart_is_the_same_to_the_last_bit(aggregate: Aggregate) -> None:
    threshold = replace(_P95, aggregate=aggregate, over=1.0, degraded=0.5)

    @given(_RUNS, st.data())
    def holds(steps: list[Run], data: st.DataObject) -> None:
        runs = _timed(steps)
        restart = data.draw(st.integers(0, len(runs)))
        always, again = Window(threshold), Window(threshold)
        for i, run in enumerate(runs):
            always.take(*run)
            if i >= restart or run[0] > runs[min(restart, len(runs) - 1)][0] - 1000:
                again.take(*run)
            if i >= restart:
                assert (again.value, again.count) == (always.value, always.count)
                for current in Level:
                    assert again.judge(current) == always.judge(current)

    holds()


def test_a_run_is_let_go_when_it_is_as_old_as_the_window_and_no_sooner() -> None:
    window = _window(replace(_P95, aggregate=Aggregate.MAX), [(0, 5.0, False), (599_999, 1.0, False)])
    assert (window.value, window.count) == (5.0, 2)
    window.take(600_000, 1.0, False)
    assert (window.value, window.count) == (1.0, 2)


def test_long_histories_leave_nothing_behind() -> None:
    """Values of very different sizes: a running sum of floats would be left with their rounding errors."""
    chance = random.Random(8)
    window = Window(replace(_P95, aggregate=Aggregate.MEAN))
    for at in range(5000):
        window.take(at * 1000, chance.choice([1e12, 1e-6, 0.1]) * chance.random(), False)
    for at in range(5000, 5600):
        window.take(at * 1000, 0.25, False)
    assert window.value == 0.25


@pytest.mark.parametrize("aggregate", [Aggregate.P95, Aggregate.MAX, Aggregate.FAILURE_RATIO, Aggregate.MEAN])
def test_a_failed_run_gives_no_value(aggregate: Aggregate) -> None:
    runs = [(i * 1000, 0.1, False) for i in range(9)] + [(9000, 30.0, True)]
    window = _window(replace(_P95, aggregate=aggregate), runs)
    assert window.value == pytest.approx(0.1)  # s, and 10 % of the runs


@pytest.mark.parametrize(
    ("value", "level"),
    [
        (math.nan, Level.UP),
        (math.inf, Level.DOWN),
        (10**400, Level.DOWN),
        (-math.inf, Level.UP),
        (-(10**400), Level.UP),
    ],
)
@pytest.mark.parametrize("aggregate", [Aggregate.MEAN, Aggregate.P50, Aggregate.MAX])
def test_numbers_beyond_sense_are_very_large_or_none(aggregate: Aggregate, value: float, level: Level) -> None:
    window = _window(replace(_P95, aggregate=aggregate, timing=False), [(i * 1000, value, False) for i in range(9)])
    assert window.judge(Level.UP)[0] is level
    for i in range(9):
        window.take(_MINUTE * 11 + i, 0.1, False)
    assert window.value == pytest.approx(0.1)


@pytest.mark.parametrize("aggregate", Aggregate)
def test_a_window_without_runs_knows_nothing(aggregate: Aggregate) -> None:
    window = Window(replace(_P95, aggregate=aggregate))
    assert (window.value, window.count, window.judge(Level.DOWN)) == (None, 0, (Level.UP, ""))


def test_integers_and_zeros_of_either_sign_are_numbers_like_others() -> None:
    window = _window(replace(_P95, aggregate=Aggregate.MAX), [(0, 0, False), (1, -0.0, False)])
    assert str(window.value) == "0.0"
    assert _window(_P95, [(0, -0.0, False)]).value == 0.0


# -- levels --


@pytest.mark.parametrize(
    ("threshold", "values", "level"),
    [
        (_P95, [0.5] * 20, Level.UP),
        (_P95, [0.5] * 19 + [9.0], Level.UP),  # one slow run of many
        (_P95, [0.5] * 18 + [0.8] * 2, Level.DEGRADED),
        (_P95, [0.5] * 18 + [2.1] * 2, Level.DOWN),
        (_P95, [0.7] * 20, Level.UP),  # at the limit
        (replace(_P95, degraded=None), [0.8] * 20, Level.UP),
        (replace(_P95, degraded=None), [2.1] * 20, Level.DOWN),
        (replace(_P95, down=None), [2.1] * 20, Level.DEGRADED),
        (_DAYS, [30.0] * 5, Level.UP),
        (_DAYS, [30.0] * 4 + [20.9], Level.DEGRADED),
        (_DAYS, [30.0] * 4 + [2.0], Level.DOWN),
    ],
)
def test_a_level_is_the_worst_whose_limit_is_crossed(
    threshold: WindowThreshold, values: list[float], level: Level
) -> None:
    assert _judged(threshold, values)[0] is level


@pytest.mark.parametrize(
    ("threshold", "failed", "runs", "level"),
    [
        (_RATIO, 1, 20, Level.UP),  # 5 %, and the limit is 5 %
        (_RATIO, 2, 20, Level.DEGRADED),
        (_RATIO, 11, 20, Level.DOWN),
        (_RATIO, 4, 4, Level.UP),  # too few
        (_FAILURES, 1, 20, Level.UP),
        (_FAILURES, 2, 20, Level.DEGRADED),  # 2 of N are 2
        (_FAILURES, 2, 2, Level.DEGRADED),  # others would change nothing
        (_FAILURES, 4, 20, Level.DOWN),
    ],
)
def test_failures_are_counted_and_their_share_is_of_all_runs(
    threshold: WindowThreshold, failed: int, runs: int, level: Level
) -> None:
    window = _window(threshold, [(i * 1000, None, i < failed) for i in range(runs)])
    assert window.judge(Level.UP)[0] is level
    assert window.count == runs


@pytest.mark.parametrize(
    ("threshold", "current", "value", "level"),
    [
        (_P95, Level.DEGRADED, 0.69, Level.DEGRADED),
        (_P95, Level.DEGRADED, 0.631, Level.DEGRADED),
        (_P95, Level.DEGRADED, 0.63, Level.UP),  # 700 ms less 10 %
        (_P95, Level.DOWN, 1.9, Level.DOWN),
        (_P95, Level.DOWN, 1.8, Level.DEGRADED),
        (_P95, Level.DOWN, 0.65, Level.DEGRADED),  # it has been under 2 s, and not under 630 ms
        (_P95, Level.DOWN, 0.6, Level.UP),
        (_P95, Level.UP, 0.69, Level.UP),  # what never was needs no easing
        (_P95, Level.UNKNOWN, 0.69, Level.UP),
        (_P95, Level.DEGRADED, 1.9, Level.DEGRADED),
        (_P95, Level.DEGRADED, 2.1, Level.DOWN),
        (replace(_P95, hysteresis=0.0), Level.DEGRADED, 0.7, Level.UP),
        (replace(_P95, degraded=0.0, down=None), Level.DEGRADED, 0.0, Level.UP),  # it can be left
        (replace(_P95, degraded=-10.0, down=None), Level.DEGRADED, -10.5, Level.DEGRADED),
        (replace(_P95, degraded=-10.0, down=None), Level.DEGRADED, -11.0, Level.UP),
        (_DAYS, Level.DEGRADED, 22.0, Level.DEGRADED),
        (_DAYS, Level.DEGRADED, 23.2, Level.UP),
        (_DAYS, Level.DOWN, 3.2, Level.DOWN),
        (_DAYS, Level.DOWN, 3.4, Level.DEGRADED),
    ],
)
def test_a_level_is_left_once_its_eased_limit_is_reached(
    threshold: WindowThreshold, current: Level, value: float, level: Level
) -> None:
    assert _judged(threshold, [value] * 20, current)[0] is level


@pytest.mark.parametrize(
    ("failed", "current", "level"),
    [
        (2, Level.DEGRADED, Level.DEGRADED),
        (1, Level.DEGRADED, Level.UP),
        (3, Level.DOWN, Level.DEGRADED),
        (0, Level.DOWN, Level.UP),
    ],
)
def test_a_number_of_failures_is_left_with_the_next_lower_one(failed: int, current: Level, level: Level) -> None:
    for threshold in (_FAILURES, replace(_FAILURES, hysteresis=0.0)):
        assert _window(threshold, [(i, None, i < failed) for i in range(20)]).judge(current)[0] is level


@given(st.lists(st.floats(0.4, 3), min_size=5, max_size=60), st.sampled_from(list(Level)))
def test_a_window_that_judged_itself_judges_the_same_again(values: list[float], current: Level) -> None:
    level, _ = _judged(_P95, values, current)
    assert _judged(_P95, values, level)[0] is level


@pytest.mark.parametrize(
    ("values", "current", "level"),
    [
        ([9.0] * 4, Level.UP, Level.UP),
        ([9.0] * 4, Level.UNKNOWN, Level.UP),
        ([9.0] * 5, Level.UP, Level.DOWN),
        ([9.0] * 4, Level.DEGRADED, Level.DEGRADED),  # kept, not made worse
        ([9.0] * 4, Level.DOWN, Level.DOWN),
        ([0.65] * 2, Level.DEGRADED, Level.DEGRADED),  # not yet under the eased limit
        ([0.1], Level.DOWN, Level.UP),  # the few there are do not say so
        ([], Level.DOWN, Level.UP),  # nothing is known
    ],
)
def test_too_few_values_reach_no_level_and_keep_one_only_while_they_say_so(
    values: list[float], current: Level, level: Level
) -> None:
    assert _judged(_P95, values, current)[0] is level


@pytest.mark.parametrize(
    ("threshold", "runs", "current", "reason"),
    [
        (_P95, [(0.812, False)] * 60, Level.UP, "p95(total) over 10m 812 ms is over 700 ms, 60 runs"),
        (
            _P95,
            [(0.65, False)] * 60,
            Level.DEGRADED,
            "p95(total) over 10m 650 ms was over 700 ms and is not yet down to 630 ms, 60 runs",
        ),
        (_DAYS, [(20.5, False)] * 9, Level.UP, "min(tls.days_left) over 10m 20.5 is under 21, 9 runs"),
        (
            _DAYS,
            [(22.0, False)] * 9,
            Level.DEGRADED,
            "min(tls.days_left) over 10m 22 was under 21 and is not yet up to 23.1, 9 runs",
        ),
        (_RATIO, [(None, True)] * 3 + [(None, False)] * 17, Level.UP, "failure_ratio over 10m 15% is over 5%, 20 runs"),
        (_FAILURES, [(None, True)] * 2 + [(None, False)] * 8, Level.UP, "failures over 10m 2 is at 2, 10 runs"),
        (_FAILURES, [(None, True)] * 3 + [(None, False)] * 7, Level.UP, "failures over 10m 3 is over 2, 10 runs"),
        (_P95, [(0.5, False)] * 60, Level.UP, ""),
    ],
)
def test_the_reason_says_what_was_seen_what_was_wanted_and_of_how_many(
    threshold: WindowThreshold, runs: list[tuple[float | None, bool]], current: Level, reason: str
) -> None:
    window = _window(threshold, [(i * 1000, value, failed) for i, (value, failed) in enumerate(runs)])
    assert window.judge(current)[1] == reason


# -- clocks and sizes --


@pytest.mark.parametrize("aggregate", [Aggregate.P95, Aggregate.MEAN, Aggregate.MAX, Aggregate.FAILURES])
def test_runs_of_a_clock_that_went_back_leave_the_window_in_time(aggregate: Aggregate) -> None:
    window = Window(replace(_P95, aggregate=aggregate))
    year = 365 * 86_400_000
    for i in range(30):
        window.take(year + i * _MINUTE // 3, 9.0, aggregate.of_runs)
    for i in range(30):
        window.take(i * _MINUTE // 3, 0.1, False)
    assert window.count == 60  # the old ones are taken to be of when the clock went back
    window.take(10 * _MINUTE, 0.1, False)
    assert window.count == 30
    assert window.value == pytest.approx(0.0 if aggregate.of_runs else 0.1)


@given(st.lists(st.tuples(st.integers(0, 3000), st.floats(0.1, 9)), min_size=1, max_size=60))
def test_any_order_of_instants_is_survived_and_the_next_while_forgets_them(runs: list[tuple[int, float]]) -> None:
    for aggregate in Aggregate:
        window = _window(replace(_P95, aggregate=aggregate, over=1.0), [(at, value, False) for at, value in runs])
        assert 1 <= window.count <= len(runs)
        window.judge(Level.UP)
        window.take(runs[-1][0] + 1000, 5.0, False)
        assert window.count == 1
        assert window.value == pytest.approx(0.0 if aggregate.of_runs else 5.0)


@pytest.mark.parametrize("aggregate", [Aggregate.P95, Aggregate.MEAN])
def test_a_window_holds_so_many_runs_at_most_the_last_ones(aggregate: Aggregate) -> None:
    window = Window(replace(_P95, aggregate=aggregate, over=7 * 86_400.0))
    for at in range(LARGEST + 100):
        window.take(at * 100, 9.0 if at < 100 else 0.1, False)
    assert window.count == LARGEST
    assert window.value == pytest.approx(0.1, rel=1e-9)


def test_what_a_window_let_go_takes_no_room_of_what_it_holds() -> None:
    window, held = Window(replace(_P95, over=4000.0)), 40_000
    for at in range(2 * LARGEST):
        window.take(at * 100, 0.1, False)
        assert window.count == min(at + 1, held)


def test_percentiles_of_many_runs_keep_the_promise() -> None:
    chance = random.Random(8)
    window = Window(replace(_P95, aggregate=Aggregate.P99, over=3600.0))
    values = [chance.lognormvariate(-1, 0.8) for _ in range(40_000)]
    for i, value in enumerate(values):
        window.take(i * 100, value, False)
    held = sorted(values[-36_000:])
    exact = held[rank_of(0.99, len(held))]
    assert window.value == pytest.approx(exact, rel=0.011)
    assert bisect_right(held, exact) / len(held) >= 0.99


def test_a_window_of_sixty_runs_takes_few_kilobytes() -> None:
    """Ten minutes at 10 s, with the room that arrays keep in reserve, after hours of sliding."""
    tracemalloc.start()
    try:
        window = Window(_P95)
        for i in range(2000):
            window.take(i * 10_000, 0.1 + i % 7 / 100, False)
        size, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert window.count == 60
    assert size < 5000
