"""Outages: when each began, was seen, and ended, and how much of it counts. Pure.

An outage is dated to its first bad run. Its true start lies after `last_good_ms` and not after `first_bad_ms`, its
true end after `last_bad_ms` and not after `first_good_ms`: all four are kept. Time in which nothing is known, or in
which the check is paused, ends no outage; only something good does.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from thresholds.base import Level
from thresholds.fingerprint import fingerprint
from thresholds.timeline import COVERS, Condition, Edge, Interval, surviving


@dataclass(frozen=True, slots=True)
class Outage:
    """Instants are Unix ms; 0: not known, or not yet."""

    subject: str  # the check or the service
    last_good_ms: int
    first_bad_ms: int
    detected_ms: int  # when it was decided; 0 where it was over before anybody knew
    last_bad_ms: int
    first_good_ms: int  # 0 while it is open
    worst: Condition
    reason: str = ""
    planned: bool = False  # all of it that matters lay in planned maintenance
    incident: str = ""
    acked_ms: int = 0
    notified_ms: int = 0
    started_ms: int = 0  # the true start, where an operator knows it
    in_scope_ms: int = 0  # from when it counts: one that outlives its maintenance does from the end of that on
    bad: float = 0.0  # s in which it was seen bad
    lost: float = 0.0  # s of these that are in scope: what availability lost
    spells: int = 1  # outages that were merged into this one

    @property
    def counts(self) -> bool:
        """Whether any of it lay in service hours, out of maintenance and not excluded."""
        return self.lost > 0

    @property
    def open(self) -> bool:
        return not self.first_good_ms

    @property
    def began_ms(self) -> int:
        """The start that measures use: what an operator said, or else the first bad instant that counts."""
        return self.started_ms or self.in_scope_ms or self.first_bad_ms


def outages(
    subject: str,
    intervals: Sequence[Interval],
    told: Iterable[Edge] = (),
    *,
    every: float = 0.0,
    at_least: Condition = Condition.DOWN,
) -> list[Outage]:
    """The outages of a timeline, oldest first; the last one may be open at its end.

    `told` says when they were detected, why, and which incident they were: the edges of the check, or
    `composite.told` of a service. `every`: seconds between runs, to date the last good and the last bad one, which
    `dated` does exactly. One that was there when the timeline begins is dated by `told`, as far back as that goes; to
    know when one ended that outlives a period, hand over a timeline that goes on, and choose by `began_ms`.
    """
    edges = list(told)
    bad = sorted((edge for edge in edges if _reaches(max(edge.level, edge.seen), at_least)), key=_since)
    found = []
    for before, spell, after in _spells(intervals, at_least):
        outage = _outage(subject, before, spell, after, every)
        if before is None:
            outage = _dated_back(outage, edges, at_least)
        found.append(_explained(outage, bad))
    return found


def _reaches(level: Level | Condition, at_least: Condition) -> bool:
    return at_least <= level <= Condition.DOWN


def _since(edge: Edge) -> int:
    return edge.since_ms


def _decided(edge: Edge) -> int:
    return edge.at_ms or edge.since_ms


_Spell = tuple[Interval | None, list[Interval], Interval | None]


def _spells(intervals: Iterable[Interval], at_least: Condition) -> Iterable[_Spell]:
    """Bad intervals with nothing good between them, the good one before them, and the good one after."""
    before: Interval | None = None
    spell: list[Interval] = []
    for interval in intervals:
        if _reaches(interval.condition, at_least):
            spell.append(interval)
        elif interval.condition in (Condition.UP, Condition.DEGRADED):
            if spell:
                yield before, spell, interval
            before, spell = interval, []
    if spell:
        yield before, spell, None


def _outage(
    subject: str, before: Interval | None, spell: list[Interval], after: Interval | None, every: float
) -> Outage:
    first, last = spell[0], spell[-1]
    counting = [interval for interval in spell if interval.in_scope]
    return Outage(
        subject=subject,
        last_good_ms=_last_run(before, first.start_ms, every) if before else 0,
        first_bad_ms=first.start_ms,
        detected_ms=0,
        last_bad_ms=_last_run(last, after.start_ms if after else 0, every),
        first_good_ms=after.start_ms if after else 0,
        worst=max(interval.condition for interval in spell),
        planned=not counting and any(interval.planned for interval in spell),
        in_scope_ms=counting[0].start_ms if counting else 0,
        bad=_seconds(spell),
        lost=_seconds(counting),
    )


def _last_run(interval: Interval, next_ms: int, every: float) -> int:
    """About when the last run of an interval was: the next one ended it, or it lasted for as long as a run speaks."""
    covered = every * (1 if interval.end_ms == next_ms else COVERS)
    return max(interval.start_ms, interval.end_ms - round(covered * 1000))


def _seconds(intervals: Iterable[Interval]) -> float:
    return sum(interval.end_ms - interval.start_ms for interval in intervals) / 1000


def _dated_back(outage: Outage, edges: Sequence[Edge], at_least: Condition) -> Outage:
    """An outage that was there before anything good was seen, from the edge on that began it."""
    began = outage.first_bad_ms
    for edge in reversed([edge for edge in surviving(edges) if edge.since_ms <= began]):
        if _reaches(edge.level, at_least):
            began = edge.since_ms
        elif edge.level is not Level.UNKNOWN:
            break
    counts_at_once = outage.in_scope_ms == outage.first_bad_ms
    return replace(outage, first_bad_ms=began, in_scope_ms=began if counts_at_once else outage.in_scope_ms)


def _explained(outage: Outage, bad: Sequence[Edge]) -> Outage:
    """With what was told of it: the bad edges, by `since_ms`, that lie within it. A window may have seen it first."""
    start = bisect_left(bad, outage.first_bad_ms, key=_since)
    end = len(bad) if outage.open else bisect_left(bad, outage.first_good_ms, key=_since)
    ours = sorted(bad[start:end], key=_decided)
    if not ours:
        return outage
    worst = max(ours, key=lambda edge: edge.level)  # the first of them
    incident = next((edge.incident for edge in ours if edge.incident), "")
    return replace(outage, detected_ms=_decided(ours[0]), reason=worst.reason, incident=incident)


def dated(outage: Outage, runs: Sequence[tuple[int, bool]]) -> Outage:
    """An outage with its last good and its last bad run as they were.

    `runs`, by time: when each started, and whether it was bad. What they do not reach stays as it was.
    """
    before = runs[: bisect_left(runs, (outage.first_bad_ms,))]
    until = outage.first_good_ms
    during = runs[len(before) : bisect_left(runs, (until,)) if until else len(runs)]
    return replace(
        outage,
        last_good_ms=next((at_ms for at_ms, bad in reversed(before) if not bad), outage.last_good_ms),
        last_bad_ms=next((at_ms for at_ms, bad in reversed(during) if bad), outage.last_bad_ms),
    )


def merge_gap(every: float) -> float:
    """Seconds between two failures of the same kind that are one: 15 minutes, or 5 intervals where that is longer."""
    return max(900.0, 5 * every)


def unique(found: Iterable[Outage], gap: float) -> list[Outage]:
    """Outages with those merged that have the same subject and fingerprint and less than a gap between them.

    So a night of flapping is one failure. `spells` says how many it was.
    """
    merged: list[Outage] = []
    last: dict[tuple[str, str], int] = {}  # where in `merged`, by subject and fingerprint
    for outage in sorted(found, key=_began):
        kind = outage.subject, fingerprint(outage.reason)
        index = last.get(kind)
        if index is not None and not _apart(merged[index], outage, gap):
            merged[index] = _merge(merged[index], outage)
            continue
        last[kind] = len(merged)
        merged.append(outage)
    return merged


def _began(outage: Outage) -> int:
    return outage.began_ms


def _apart(earlier: Outage, later: Outage, gap: float) -> bool:
    return not earlier.open and later.began_ms - earlier.first_good_ms >= gap * 1000


def _merge(earlier: Outage, later: Outage) -> Outage:
    """One failure: it began and was seen with the first of them, and is over with the last."""
    return replace(
        earlier,
        detected_ms=earlier.detected_ms or later.detected_ms,
        last_bad_ms=max(earlier.last_bad_ms, later.last_bad_ms),
        first_good_ms=0 if earlier.open or later.open else max(earlier.first_good_ms, later.first_good_ms),
        worst=max(earlier.worst, later.worst),
        planned=earlier.planned and later.planned,
        incident=earlier.incident or later.incident,
        acked_ms=earlier.acked_ms or later.acked_ms,
        notified_ms=earlier.notified_ms or later.notified_ms,
        in_scope_ms=earlier.in_scope_ms or later.in_scope_ms,
        bad=earlier.bad + later.bad,
        lost=earlier.lost + later.lost,
        spells=earlier.spells + later.spells,
    )
