"""How much of a stretch of time was bad, of how much that counts: the two numbers that every error budget is made of.

In slices: one run of a check, or the time that it stands for. From spans of time for availability, from counted runs
for latency. What is expected comes from the schedule, never from what was seen: one bad run in an hour of sixty is
one in sixty, also where the other fifty-nine were lost. Pure.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Protocol

from thresholds.availability import Unknown, taken_for
from thresholds.spans import Span, Spans, union
from thresholds.timeline import Condition, Interval


@dataclass(frozen=True, slots=True)
class Tally:
    """What one window holds, in slices."""

    bad: float
    expected: float  # all that count, by the schedule
    known: float  # of these, those of which we know how they were
    counted: float  # of these, those that are taken for good or bad


class Ledger(Protocol):
    """What was bad, when, and of how much."""

    @property
    def slice(self) -> float:
        """Seconds that one slice stands for."""

    def tally(self, window: Span) -> Tally:
        """What lies in a window, half-open as every span is."""


class Covered:
    """Some spans, ready to say how much of any window they cover: two searches, however many they are.

    The last may reach beyond now: an outage that lasts ends where the window does.
    """

    __slots__ = ("_before", "_ends", "_starts")

    def __init__(self, spans: Spans = ()) -> None:
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]
        self._before = [0, *accumulate(end - start for start, end in spans)]  # ms, of all spans before each

    def seconds(self, window: Span) -> float:
        """How long they cover of a window."""
        start, end = window
        return (self._upto(end) - self._upto(start)) / 1000 if start < end else 0.0

    def _upto(self, at_ms: int) -> int:
        last = bisect_right(self._starts, at_ms) - 1
        if last < 0:
            return 0
        return self._before[last] + min(at_ms, self._ends[last]) - self._starts[last]


@dataclass(frozen=True, slots=True)
class TimeLedger:
    """Time that was bad, of the time in scope: for availability.

    `scope` reaches as far into the future as budgets are asked for: to the end of the running month, say.
    """

    slice: float
    scope: Covered
    bad: Covered = field(default_factory=Covered)  # each of these lies in the scope
    partly: Covered = field(default_factory=Covered)  # bad for a share alone; apart from `bad`
    unknown: Covered = field(default_factory=Covered)  # whatever it is taken for
    uncounted: Covered = field(default_factory=Covered)  # of the unknown: what is taken for nothing
    share: float = 0.0  # of what is partly bad: how bad

    def tally(self, window: Span) -> Tally:
        bad = self.bad.seconds(window)
        if self.share:
            bad += self.share * self.partly.seconds(window)
        expected = self.scope.seconds(window)
        known = expected - self.unknown.seconds(window)
        counted = expected - self.uncounted.seconds(window)
        return Tally(bad / self.slice, expected / self.slice, known / self.slice, counted / self.slice)


class RunLedger:
    """Runs that were too slow, of those that the schedule has in scope: for latency.

    `counted` are (Unix ms, good, total), in order: of single runs, or of buckets of `step` ms, each standing at its
    start. Runs that say nothing of latency, because they failed, are not in it: they are bad for availability.

    A window begins with a bucket: one that began within it alone would be nearly empty just after a bucket began, and
    an alert would end and begin again with every bucket.
    """

    __slots__ = ("_at", "_bad", "_scope", "_step", "_total", "slice")

    def __init__(self, counted: Iterable[tuple[int, int, int]], scope: Spans, every: float, step: int = 1) -> None:
        rows = list(counted)
        self.slice = every
        self._step = step
        self._at = [at_ms for at_ms, _, _ in rows]
        self._bad = [0, *accumulate(total - good for _, good, total in rows)]
        self._total = [0, *accumulate(total for _, _, total in rows)]
        self._scope = Covered(scope)

    def tally(self, window: Span) -> Tally:
        start, end = window[0] - window[0] % self._step, max(window)
        first, last = bisect_left(self._at, start), bisect_left(self._at, end)
        total = self._total[last] - self._total[first]
        expected = self._scope.seconds((start, end)) / self.slice
        # More runs than the schedule has: retries, or an interval that was shorter once.
        return Tally(self._bad[last] - self._bad[first], max(expected, total), total, total)


def scope_of(intervals: Iterable[Interval]) -> list[Span]:
    """The time of a timeline that objectives are about: served, neither planned nor excluded, not paused."""
    return union((one.start_ms, one.end_ms) for one in intervals if one.in_scope)


def ledger_of(
    intervals: Iterable[Interval],
    every: float,
    *,
    degraded_counts_as: float = 1.0,
    unknown: Unknown = Unknown.MISSING,
) -> TimeLedger:
    """What a timeline says for availability. `every`: seconds between the runs of the check."""
    spans: dict[Condition, list[Span]] = {condition: [] for condition in Condition}
    scope: list[Span] = []
    unseen: list[Span] = []
    before = Condition.UNKNOWN
    for interval in intervals:
        if interval.condition not in (Condition.UNKNOWN, Condition.PAUSED):
            before = interval.condition
        if not interval.in_scope:
            continue
        span = interval.start_ms, interval.end_ms
        scope.append(span)
        counts_as = interval.condition
        if counts_as is Condition.UNKNOWN:
            unseen.append(span)
            counts_as = taken_for(unknown, before)
        spans[counts_as].append(span)
    return TimeLedger(
        slice=every,
        scope=Covered(union(scope)),
        bad=Covered(union(spans[Condition.DOWN])),
        partly=Covered(union(spans[Condition.DEGRADED])),
        unknown=Covered(union(unseen)),
        uncounted=Covered(union(spans[Condition.UNKNOWN])),
        share=1 - degraded_counts_as,
    )
