"""Spans of time, half-open, in Unix ms; and sets of them, in order and apart from each other. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

Span = tuple[int, int]  # from the first instant up to, and without, the second
Spans = Sequence[Span]  # in order; none touches the next


def union(spans: Iterable[Span]) -> list[Span]:
    """The time that lies in any of them; empty ones are nothing."""
    merged: list[Span] = []
    for start, end in sorted(span for span in spans if span[0] < span[1]):
        if merged and start <= merged[-1][1]:
            merged[-1] = merged[-1][0], max(end, merged[-1][1])
        else:
            merged.append((start, end))
    return merged


def clip(spans: Spans, within: Span) -> list[Span]:
    """The part of them that lies within one span."""
    first, last = within
    parts = ((max(start, first), min(end, last)) for start, end in spans if start < last and end > first)
    return [(start, end) for start, end in parts if start < end]


def common(some: Spans, others: Spans) -> list[Span]:
    """The time that lies in both."""
    found: list[Span] = []
    one = other = 0
    while one < len(some) and other < len(others):
        start, end = max(some[one][0], others[other][0]), min(some[one][1], others[other][1])
        if start < end:
            found.append((start, end))
        if some[one][1] < others[other][1]:
            one += 1
        else:
            other += 1
    return found


def without(some: Spans, others: Spans) -> list[Span]:
    """The time of the first that lies in none of the second."""
    found: list[Span] = []
    after = 0
    for start, end in some:
        at = start
        while after < len(others) and others[after][1] <= at:
            after += 1
        reached = after
        while reached < len(others) and others[reached][0] < end:
            if others[reached][0] > at:
                found.append((at, others[reached][0]))
            at = max(at, others[reached][1])
            reached += 1
        if at < end:
            found.append((at, end))
    return found


def length(spans: Spans) -> float:
    """Seconds of all of them together."""
    return sum(end - start for start, end in spans) / 1000


def inside(spans: Spans, at_ms: int) -> bool:
    """Whether an instant lies in one of them."""
    return any(start <= at_ms < end for start, end in spans)
