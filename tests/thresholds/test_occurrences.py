"""Runs in scope, by hand and against counting one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.occurrences import Occurrences, scope
from thresholds.timeline import Condition, Interval

LINE = [
    Interval(0, 100, Condition.UP),
    Interval(100, 140, Condition.DOWN),
    Interval(140, 200, Condition.UP),
    Interval(200, 300, Condition.UP, planned=True),
    Interval(300, 340, Condition.DOWN, planned=True),
    Interval(340, 400, Condition.DEGRADED, served=False),
    Interval(400, 500, Condition.UNKNOWN),
    Interval(500, 600, Condition.PAUSED),
    Interval(600, 700, Condition.DEGRADED),
]


@pytest.mark.parametrize(
    ("span", "counts"),
    [
        ((0, 100), Occurrences(7, 3, 3)),  # nothing was confirmed there
        ((100, 140), Occurrences(7, 3, 0)),
        ((90, 110), Occurrences(7, 3, 0)),  # partly down: the bad ones are taken for those
        ((200, 340), Occurrences()),
        ((150, 240), Occurrences(7, 3, 3)),  # most of it counts
        ((170, 240), Occurrences()),  # most of it does not
        ((340, 400), Occurrences()),
        ((400, 500), Occurrences(7, 3, 3)),
        ((500, 600), Occurrences()),
        ((600, 700), Occurrences(7, 3, 3)),
        ((700, 800), Occurrences()),
        ((139, 140), Occurrences(7, 3, 0)),
        ((140, 141), Occurrences(7, 3, 3)),
    ],
)
def test_what_runs_of_a_while_come_to(span: tuple[int, int], counts: Occurrences) -> None:
    assert scope(LINE).of(span, 7, 3) == counts


@given(st.lists(st.integers(0, 799), max_size=40), st.integers(1, 120))
def test_a_while_that_is_not_parted_counts_as_its_runs_do(instants: list[int], step: int) -> None:
    asked = scope(LINE)
    for start in range(0, 800, step):
        span = start, start + step
        runs = [at for at in instants if start <= at < start + step]
        if not asked.parted(span):
            one_by_one = sum((asked.of((at, at + 1), 0, 1) for at in runs), Occurrences())
            assert asked.of(span, 0, len(runs)) == one_by_one


def test_a_share_is_of_what_counts() -> None:
    assert Occurrences().ratio is None
    assert Occurrences(3, 1, 1).ratio == 0.75
    assert Occurrences(3, 1, 1) + Occurrences(1, 1) == Occurrences(4, 2, 1)
