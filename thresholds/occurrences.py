"""How many runs of a time were good: what is asked of single runs, whatever was confirmed of them. Pure.

Beside the availability of time, and never mixed with it: a share of runs weighs a week of runs every minute five times
as heavily as one of runs every five. It knows the failures that time does not: those that were never confirmed.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from thresholds.spans import Span, Spans, common, length, union
from thresholds.timeline import Condition, Interval


@dataclass(frozen=True, slots=True)
class Occurrences:
    """Runs in scope, by how each of them was by itself. Those that failed through us count as nothing."""

    good: int = 0  # up, or degraded
    bad: int = 0  # down
    transient: int = 0  # of the bad: nothing was confirmed by them, so no time is down for them

    @property
    def counted(self) -> int:
        return self.good + self.bad

    @property
    def ratio(self) -> float | None:
        """The share of runs that were good; None without a run."""
        return self.good / self.counted if self.counted else None

    def __add__(self, other: Occurrences) -> Occurrences:
        return Occurrences(self.good + other.good, self.bad + other.bad, self.transient + other.transient)


@dataclass(frozen=True, slots=True)
class Scope:
    """Which runs count: those within `counts`. A bad one within `down` was confirmed."""

    counts: Spans
    down: Spans
    edges: Sequence[int]  # instants at which either begins or ends, in order

    def parted(self, span: Span) -> bool:
        """Whether runs of one span may count differently."""
        return bisect_right(self.edges, span[0]) < bisect_left(self.edges, span[1])

    def of(self, span: Span, good: int, bad: int) -> Occurrences:
        """What so many runs come to, somewhere in a span: all or none of them, by what most of it is.

        Bad ones are taken for those that were confirmed, where some were.
        """
        if self.parted(span):
            mostly = 2000 * length(common(self.counts, [span])) >= span[1] - span[0]
            confirmed = bool(common(self.down, [span]))
        else:
            mostly, confirmed = _within(self.counts, span[0]), _within(self.down, span[0])
        return Occurrences(good, bad, 0 if confirmed else bad) if mostly else Occurrences()


def scope(intervals: Iterable[Interval]) -> Scope:
    """From the timeline of a check."""
    lines = [one for one in intervals if one.in_scope]
    counts = union((one.start_ms, one.end_ms) for one in lines)
    down = union((one.start_ms, one.end_ms) for one in lines if one.condition is Condition.DOWN)
    return Scope(counts, down, sorted({edge for span in (*counts, *down) for edge in span}))


def _within(spans: Spans, at_ms: int) -> bool:
    place = bisect_right(spans, (at_ms, 1 << 62)) - 1
    return place >= 0 and at_ms < spans[place][1]
