"""Sets of spans, against sets of instants."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from thresholds.spans import Span, Spans, clip, common, inside, length, union, without

_SPANS = st.lists(st.tuples(st.integers(0, 40), st.integers(0, 40)), max_size=8)


def _instants(spans: Spans) -> set[int]:
    return {at for start, end in spans for at in range(start, end)}


def _apart(spans: Spans) -> bool:
    return all(one[1] < other[0] for one, other in pairwise(spans))


@given(_SPANS)
def test_a_union_holds_every_instant_once_and_in_order(spans: list[Span]) -> None:
    merged = union(spans)
    assert _instants(merged) == _instants(spans)
    assert _apart(merged)
    assert length(merged) * 1000 == len(_instants(spans))


@given(_SPANS, _SPANS)
def test_what_is_common_and_what_is_left_make_the_whole(some: list[Span], others: list[Span]) -> None:
    one, other = union(some), union(others)
    both, rest = common(one, other), without(one, other)
    assert _instants(both) == _instants(one) & _instants(other)
    assert _instants(rest) == _instants(one) - _instants(other)


@given(_SPANS, st.integers(0, 40), st.integers(0, 40))
def test_clipping_leaves_what_lies_within(spans: list[Span], first: int, last: int) -> None:
    assert _instants(clip(union(spans), (first, last))) == _instants(spans) & set(range(first, last))


@given(_SPANS, st.integers(0, 40))
def test_an_instant_is_inside_from_the_start_and_not_at_the_end(spans: list[Span], at: int) -> None:
    assert inside(union(spans), at) is (at in _instants(spans))
