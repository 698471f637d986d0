"""The simulation of baselines still runs, and counts what it says it counts."""

import random

import pytest

from benchmarks import baseline
from thresholds.profile import SLOTS


@pytest.mark.parametrize(
    ("over", "degraded"),
    [
        ([False, True, False, True], [False] * 4),
        ([True, True, False, True, False, False], [False, True, True, True, True, False]),
    ],
)
def test_the_alternative_is_held_by_two_hours_in_a_row_as_ours_is(over: list[bool], degraded: list[bool]) -> None:
    week = [2.0 if one else 0.2 for one in over]
    steady = [0.2] * SLOTS * 5
    assert baseline.held(over) == degraded
    assert baseline.OURS.over(steady, week) == over
    assert baseline.OURS.degraded(steady, week) == degraded


def test_both_methods_are_measured_beside_what_was_published() -> None:
    for method in (baseline.OURS, baseline.ALTERNATIVE):
        seen = baseline.simulated(method, 2, seed=1)
        assert len(baseline.row(method, seen)) == 5
        assert baseline.goals(method, seen)[0].wanted in {"0.26%", "3.29%"}
        assert len(baseline.goals(method, seen)) == 3


def test_what_is_learned_is_polluted_as_it_says() -> None:
    hours = baseline.learned(random.Random(1), 5)
    wrong = [value / baseline.shape(i) > 1.5 for i, value in enumerate(hours)]
    assert 9 + 10 < sum(wrong) < 9 + 45  # 3 % of 840, and an incident


def test_its_cost_is_measured() -> None:
    table, goal = baseline.cost(1)
    assert len(table.rows) == 4
    assert goal.reached is not None
