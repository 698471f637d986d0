"""When checks run: the grid by itself, then the engine on a clock of the test."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from probe.engine.schedule import grid

NOW_MS = 1_700_000_000_000


@given(st.text(min_size=1), st.sampled_from([1.0, 15.0, 60.0]), st.floats(0, 1e6))
def test_a_restart_keeps_the_instants_of_the_wall_clock(name: str, every: float, later: float) -> None:
    first = grid(name, every, NOW_MS, monotonic=100.0)
    again = grid(name, every, NOW_MS + round(later * 1000), monotonic=7.0)
    wall_of_first = NOW_MS / 1000 + first.next_due(100.0) - 100.0
    wall_of_again = NOW_MS / 1000 + round(later * 1000) / 1000 + again.next_due(7.0) - 7.0
    apart = (wall_of_again - wall_of_first) % every
    assert min(apart, every - apart) < 1e-3


@given(st.floats(0, 1e6))
def test_next_due_is_after_now_and_within_one_interval(now: float) -> None:
    times = grid("shop/home", 15.0, NOW_MS, monotonic=0.0)
    assert now < times.next_due(now) <= now + 15.0 + 1e-6


def test_names_spread_over_the_interval() -> None:
    due = [grid(f"check-{n}", 10.0, NOW_MS, 0.0).next_due(0.0) for n in range(1000)]
    per_second = [sum(second <= at < second + 1 for at in due) for second in range(10)]
    assert min(per_second) > 60  # 1,000 checks over 10 s: 100 each, give or take


@pytest.mark.parametrize(("due", "following", "missed"), [(0.0, 15.0, 0), (0.0, 30.0, 1), (15.0, 150.0, 8)])
def test_skipped_instants_are_counted(due: float, following: float, missed: int) -> None:
    assert grid("a", 15.0, 0, 0.0).missed(due, following) == missed
