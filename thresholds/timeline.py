"""How a check stood at every instant of a window: half-open intervals of one condition each, gap-free. Pure.

Time of which nothing is known is UNKNOWN, never UP and never DOWN: a prober that died accuses nobody. Service hours,
planned maintenance and what operators excluded are flags beside it: they change what is counted, not what was.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from enum import IntEnum
from operator import attrgetter

from thresholds.base import Level, Transition
from thresholds.spans import Span, Spans, union, without

COVERS = 1.5  # intervals: a run speaks for so long, where no other one follows


class Condition(IntEnum):
    """How something stood for a while. The first four are the levels of a check."""

    UNKNOWN = 0  # no data, or a fault of ours
    UP = 1
    DEGRADED = 2
    DOWN = 3
    PAUSED = 4


@dataclass(frozen=True, slots=True)
class Edge:
    """A level that holds from `since_ms` on, whatever was said of that time before."""

    since_ms: int
    level: Level
    at_ms: int = 0  # when it was decided; 0: not known
    reason: str = ""
    incident: str = ""
    shown: Level | None = None  # what people saw and were told, where that is another level

    @property
    def seen(self) -> Level:
        """The level that people saw."""
        return self.level if self.shown is None else self.shown


@dataclass(frozen=True, slots=True)
class Interval:
    """A while in which nothing changed, from `start_ms` up to, and without, `end_ms`."""

    start_ms: int
    end_ms: int
    condition: Condition
    served: bool = True  # within the service hours
    planned: bool = False  # maintenance
    excluded: bool = False  # an operator's correction

    @property
    def flagged(self) -> bool:
        return not self.served or self.planned or self.excluded

    @property
    def in_scope(self) -> bool:
        """Whether availability and objectives are about it."""
        return not self.flagged and self.condition is not Condition.PAUSED


# An interval's look is one number while intervals are made: its condition in the high bits, a bit for each flag.
Look = int
UNSERVED, PLANNED, EXCLUDED = 4, 2, 1
FLAGS = 3  # bits
_LOOKS = tuple(
    (condition, not flags & UNSERVED, bool(flags & PLANNED), bool(flags & EXCLUDED))
    for condition in Condition
    for flags in range(1 << FLAGS)
)


def look_of(interval: Interval) -> Look:
    flags = (not interval.served) * UNSERVED | interval.planned * PLANNED | interval.excluded * EXCLUDED
    return interval.condition << FLAGS | flags


def intervals_of(pieces: Sequence[tuple[int, Look]], end_ms: int) -> list[Interval]:
    """Intervals from the instants at which a look begins, the last one up to the end. Equal neighbours become one."""
    starts = [piece for index, piece in enumerate(pieces) if not index or pieces[index - 1][1] != piece[1]]
    ends = [start for start, _ in starts[1:]] + [end_ms]
    return [Interval(start, end, *_LOOKS[look]) for (start, look), end in zip(starts, ends, strict=False)]


def edges_of(transitions: Iterable[Transition]) -> list[Edge]:
    """A check's transitions, in the order in which they were decided, as edges.

    One that leaves the level as it was, and says nothing new of the runs, says nothing of the time before it was
    decided: it is of what people are told alone.
    """
    return [_edge(each) for each in transitions]


def _edge(move: Transition) -> Edge:
    since_ms = move.runs_since_ms or (move.at_ms if move.before is move.after else move.since_ms)
    level = counted(move.after, move.runs)
    shown = None if level is move.after else move.after
    return Edge(since_ms, level, move.at_ms, move.reason, move.incident, shown)


def counted(level: Level, runs: Level | None) -> Level:
    """What availability takes a level for, by what the runs alone confirm; None: they say the same.

    Down is what the runs confirm. What windows and baselines say beside them degrades, and no more: while runs are
    good, users are served. That a window lets go late costs no minute of availability.
    """
    if runs is None or runs in (Level.UNKNOWN, Level.DOWN):
        return level if runs is None else runs
    return max(runs, min(level, Level.DEGRADED))


def surviving(edges: Iterable[Edge]) -> list[Edge]:
    """The edges that later ones left standing, by `since_ms`: a decision overwrites all time from its `since_ms` on.

    Edges come in the order of decision, which is not always that of `at_ms`: a wall clock may be set back.
    """
    standing: list[Edge] = []
    for edge in edges:
        while standing and standing[-1].since_ms >= edge.since_ms:
            standing.pop()
        standing.append(edge)
    return standing


_UNSEEN, _PAUSED, _UNSERVED, _PLANNED, _EXCLUDED, _LEVEL = range(6)


def timeline(
    edges: Iterable[Edge],
    gaps: Spans,
    window: Span,
    *,
    seen_until_ms: int,
    paused: Spans = (),
    hours: Spans | None = None,
    planned: Spans = (),
    excluded: Spans = (),
) -> list[Interval]:
    """How a check stood at every instant of a window, which may lie in the future; empty where the window is.

    UNKNOWN before the first edge, in gaps and from `seen_until_ms` on (what the last run covers: `covered_until`);
    PAUSED in `paused`, whatever is known of that time. `hours` are the service hours: None means always, empty means
    never. Spans may overlap: it takes the end of the last one to end a maintenance.
    """
    start, end = window
    if start >= end:
        return []
    unseen = [*gaps, (seen_until_ms, end)]
    unserved = () if hours is None else without([window], union(hours))
    changes = [(edge.since_ms, _LEVEL, int(edge.level)) for edge in surviving(edges)]
    for layer, spans in enumerate((unseen, paused, unserved, planned, excluded)):
        for first, last in union(spans):
            changes += ((first, layer, 1), (last, layer, 0))
    return intervals_of(_pieces(sorted(changes), start, end), end)


def _pieces(changes: Iterable[tuple[int, int, int]], start: int, end: int) -> list[tuple[int, Look]]:
    """Every instant within the window at which a layer changes, with the look from then on."""
    pieces: list[tuple[int, Look]] = []
    now = [0] * 6
    at = start
    for when, layer, value in changes:
        if when >= end:
            break
        if when > at:
            pieces.append((at, _look(now)))
            at = when
        now[layer] = value
    pieces.append((at, _look(now)))
    return pieces


def _look(now: Sequence[int]) -> Look:
    unseen, paused, unserved, planned, excluded, level = now
    condition = Condition.PAUSED if paused else Condition.UNKNOWN if unseen else level
    return condition << FLAGS | unserved * UNSERVED | planned * PLANNED | excluded * EXCLUDED


def covered_until(at_ms: int, every: float) -> int:
    """Until when a run speaks for its check, where no other one follows: one and a half of its own intervals."""
    return at_ms + round(every * COVERS * 1000)


def gap_between(before_ms: int, every: float, at_ms: int) -> Span | None:
    """The time between two runs for which neither speaks; None where there is none.

    `every` is the interval that was in force at the first one, in seconds. A clock set back makes no gap.
    """
    covered = covered_until(before_ms, every)
    return (covered, at_ms) if covered < at_ms else None


def cut(intervals: Sequence[Interval], within: Span) -> list[Interval]:
    """The part of a timeline that lies within a span. Costs what is taken, not what is left."""
    first, last = within
    if first >= last:
        return []
    begin = bisect_right(intervals, first, key=attrgetter("end_ms"))
    end = bisect_left(intervals, last, key=attrgetter("start_ms"))
    taken = list(intervals[begin:end])
    if taken and taken[0].start_ms < first:
        taken[0] = replace(taken[0], start_ms=first)
    if taken and taken[-1].end_ms > last:
        taken[-1] = replace(taken[-1], end_ms=last)
    return taken
