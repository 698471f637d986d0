"""Shifts: who, from when to when; and what several lists of them make together. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise

from thresholds.spans import Span

Who = tuple[str, ...]  # names of users, each once; () is nobody
Pick = Callable[[Sequence[Who]], Who]


@dataclass(frozen=True, slots=True, order=True)
class Shift:
    """Who is on call from one instant up to, and without, another. Unix ms."""

    start_ms: int
    end_ms: int
    who: Who

    @property
    def span(self) -> Span:
        return self.start_ms, self.end_ms


def each(spans: Iterable[Span], who: Who) -> list[Shift]:
    """The same people in each of the spans."""
    return [Shift(start, end, who) for start, end in spans]


def together(there: Sequence[Who]) -> Who:
    """All of them."""
    return tuple(dict.fromkeys(name for who in there for name in who))


def last(there: Sequence[Who]) -> Who:
    """The last that is not nobody."""
    return next((who for who in reversed(there) if who), ())


def masked(there: Sequence[Who]) -> Who:
    """The first, where the second is somebody."""
    return there[0] if there[1] else ()


def merged(sources: Sequence[Sequence[Shift]], within: Span, pick: Pick) -> list[Shift]:
    """A span cut into shifts, of whom `pick` takes of each source at that time: no gap between them, alike ones joined.

    The shifts of one source stand in order and do not overlap. Where nobody is, a shift says so.
    """
    readers = [_Reader(source) for source in sources]
    found: list[Shift] = []
    for start, end in pairwise(_edges(sources, within)):
        who = pick([reader.at(start) for reader in readers])
        if found and found[-1].who == who:
            found[-1] = Shift(found[-1].start_ms, end, who)
        else:
            found.append(Shift(start, end, who))
    return found


def _edges(sources: Sequence[Sequence[Shift]], within: Span) -> list[int]:
    """The instants at which anything may change. None for a span without length."""
    if within[0] >= within[1]:
        return []
    edges = {edge for source in sources for shift in source for edge in shift.span}
    return sorted({*within, *(edge for edge in edges if within[0] < edge < within[1])})


class _Reader:
    """Who is in one source, asked for instants that only go forward."""

    __slots__ = ("_next", "_shifts")

    def __init__(self, shifts: Sequence[Shift]) -> None:
        self._shifts = shifts
        self._next = 0

    def at(self, at_ms: int) -> Who:
        while self._next < len(self._shifts) and self._shifts[self._next].end_ms <= at_ms:
            self._next += 1
        if self._next < len(self._shifts) and self._shifts[self._next].start_ms <= at_ms:
            return self._shifts[self._next].who
        return ()
