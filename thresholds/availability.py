"""How much of a time something was available, and how sure that is: seconds by what they count as, and ratios. Pure.

Time-based: every second of a timeline is in one place, so a changed interval, a retry or a dead prober moves
no figure. Where a second could be in several places, the first of these has it: outside the service hours, excluded by
an operator, planned maintenance, paused; what is left is in scope, and is up, degraded, down or unknown.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from thresholds.timeline import Condition, Interval

SURE = 0.95  # of the time in scope: with less of it known, a ratio is no headline


class Unknown(StrEnum):
    """What time counts as of which nothing is known."""

    MISSING = "missing"  # as nothing: the ratio is one of known time
    IGNORE = "ignore"  # as what was last known before it; as nothing where nothing was
    BREACHING = "breaching"  # as down
    NOT_BREACHING = "not_breaching"  # as up


@dataclass(frozen=True, slots=True)
class Availability:
    """Seconds of a timeline. The first eight are apart from each other and make up the whole."""

    up: float = 0.0
    degraded: float = 0.0
    down: float = 0.0
    unknown: float = 0.0
    paused: float = 0.0
    planned: float = 0.0
    excluded: float = 0.0
    outside: float = 0.0  # the service hours
    planned_up: float = 0.0  # parts of `planned`
    planned_degraded: float = 0.0
    planned_down: float = 0.0
    assumed_up: float = 0.0  # parts of `unknown`, by the policy for it
    assumed_degraded: float = 0.0
    assumed_down: float = 0.0
    degraded_counts_as: float = 1.0  # of a second up

    @property
    def total(self) -> float:
        return self.in_scope + self.paused + self.planned + self.excluded + self.outside

    @property
    def in_scope(self) -> float:
        return self.known + self.unknown

    @property
    def known(self) -> float:
        return self.up + self.degraded + self.down

    @property
    def ratio(self) -> float | None:
        """The share of the time in scope that was available; None where nothing counts."""
        up, degraded = self.up + self.assumed_up, self.degraded + self.assumed_degraded
        return _share(self._good(up, degraded), up + degraded + self.down + self.assumed_down)

    @property
    def coverage(self) -> float | None:
        """The share of the time in scope of which something is known; None where there is no such time."""
        return _share(self.known, self.in_scope)

    @property
    def headline(self) -> float | None:
        """The ratio, where enough is known to print it in large letters."""
        coverage = self.coverage
        return self.ratio if coverage is not None and coverage >= SURE else None

    @property
    def least(self) -> float | None:
        """The ratio if all that is unknown was down."""
        return _share(self._good(self.up, self.degraded), self.in_scope)

    @property
    def most(self) -> float | None:
        """The ratio if all that is unknown was up."""
        return _share(self._good(self.up + self.unknown, self.degraded), self.in_scope)

    @property
    def including_planned(self) -> float | None:
        """The ratio with planned maintenance as what it was: what users met."""
        up, degraded = self.up + self.planned_up, self.degraded + self.planned_degraded
        return _share(self._good(up, degraded), up + degraded + self.down + self.planned_down)

    def _good(self, up: float, degraded: float) -> float:
        return up + degraded * self.degraded_counts_as


def _share(part: float, whole: float) -> float | None:
    return part / whole if whole else None


class _Place(StrEnum):
    OUTSIDE = "outside"
    EXCLUDED = "excluded"
    PLANNED = "planned"
    PAUSED = "paused"
    IN_SCOPE = "in scope"


def availability(
    intervals: Iterable[Interval], *, degraded_counts_as: float = 1.0, unknown: Unknown = Unknown.MISSING
) -> Availability:
    """The seconds of a timeline by what they count as. Of a part of it: `availability(cut(intervals, part))`."""
    if not 0 <= degraded_counts_as <= 1:
        raise ValueError(f"degraded counts as something from 0 to 1, not {degraded_counts_as}")
    spent: Counter[tuple[_Place, Condition]] = Counter()  # ms
    assumed: Counter[Condition] = Counter()  # ms
    known = Condition.UNKNOWN  # how it stood when something was last known
    for interval in intervals:
        place, condition = _place(interval), interval.condition
        spent[place, condition] += interval.end_ms - interval.start_ms
        if condition is Condition.UNKNOWN and place is _Place.IN_SCOPE:
            assumed[taken_for(unknown, known)] += interval.end_ms - interval.start_ms
        elif condition not in (Condition.UNKNOWN, Condition.PAUSED):
            known = condition
    return _summed(spent, assumed, degraded_counts_as)


def _place(interval: Interval) -> _Place:
    if not interval.served:
        return _Place.OUTSIDE
    if interval.excluded:
        return _Place.EXCLUDED
    if interval.planned:
        return _Place.PLANNED
    return _Place.PAUSED if interval.condition is Condition.PAUSED else _Place.IN_SCOPE


def taken_for(policy: Unknown, known: Condition) -> Condition:
    """What time without data counts as, by the policy for it and by what was known before."""
    match policy:
        case Unknown.MISSING:
            return Condition.UNKNOWN
        case Unknown.IGNORE:
            return known
        case Unknown.BREACHING:
            return Condition.DOWN
        case Unknown.NOT_BREACHING:
            return Condition.UP


def _summed(
    spent: Counter[tuple[_Place, Condition]], assumed: Counter[Condition], degraded_counts_as: float
) -> Availability:
    def seconds(place: _Place, *conditions: Condition) -> float:
        return sum(spent[place, condition] for condition in conditions or Condition) / 1000

    return Availability(
        up=seconds(_Place.IN_SCOPE, Condition.UP),
        degraded=seconds(_Place.IN_SCOPE, Condition.DEGRADED),
        down=seconds(_Place.IN_SCOPE, Condition.DOWN),
        unknown=seconds(_Place.IN_SCOPE, Condition.UNKNOWN),
        paused=seconds(_Place.PAUSED),
        planned=seconds(_Place.PLANNED),
        excluded=seconds(_Place.EXCLUDED),
        outside=seconds(_Place.OUTSIDE),
        planned_up=seconds(_Place.PLANNED, Condition.UP),
        planned_degraded=seconds(_Place.PLANNED, Condition.DEGRADED),
        planned_down=seconds(_Place.PLANNED, Condition.DOWN),
        assumed_up=assumed[Condition.UP] / 1000,
        assumed_degraded=assumed[Condition.DEGRADED] / 1000,
        assumed_down=assumed[Condition.DOWN] / 1000,
        degraded_counts_as=degraded_counts_as,
    )
