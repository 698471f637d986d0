"""False pages of burn-rate alerts, simulated, against a simulation that was made beforehand."""

from __future__ import annotations

import pytest

from benchmarks.burn import EXPECTED, LEAST, agrees, detected, simulated


@pytest.mark.parametrize(("target", "every"), EXPECTED)
def test_a_service_that_meets_its_objective_pages_as_seldom_as_was_found(target: float, every: int) -> None:
    textbook, two, three, raised = simulated(target, every, months=30, seed=20)
    for counts, wanted in zip((textbook, two, three), EXPECTED[target, every], strict=True):
        assert agrees(counts, wanted)
    assert sum(textbook) > 20 * sum(three)
    assert sum(raised) < sum(textbook) / 10


def test_three_bad_slices_cost_two_minutes_of_detection() -> None:
    assert [detected(0.999, 60, least) for least in LEAST] == [60, 120, 180]
