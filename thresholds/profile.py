"""What is usual at an hour of the week: a median of the weeks before, and how far their hours lay from it. Pure.

Nothing is remembered but what hours came to, so it is made again from stored hours as it was.
docs/decisions/0010-baselines.md says why it is a median, of what, and of how many.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from itertools import chain

from thresholds.calendar import local, named_zone
from thresholds.sketch import ERROR

HOUR_MS = 3_600_000
SLOTS = 7 * 24
REACH = 5 * SLOTS  # hours that are learned from
SLACK = 24  # hours before the present one for which can still be said what was usual then
_NEVER = -(2**31)
_KINDS = (range(5), range(5, 7))  # weekdays and weekends
_NORMAL = 1.4826  # standard deviations of normal noise in a median absolute deviation, the inverse of 0.6745
_FINEST = ERROR  # buckets of percentiles are this wide: a metric that always falls into the same may move as much
_SHORTEST, _LONGEST = 1e-6, 1e9  # s; a name from a cache takes none, which has no logarithm


class Stage(StrEnum):
    """What hours an hour is compared with. The words that users see."""

    LEARNING = "learning"  # too few are known
    HOUR_OF_DAY = "hour of day"
    WEEKDAY_WEEKEND = "weekday/weekend"
    HOUR_OF_WEEK = "hour of week"


# Hours that a median must be of. Of any 5 days in a row 3 are weekdays, so a check that began on a Saturday does not
# take weekends for what is usual; 4 are two weekends.
_LEAST = {Stage.HOUR_OF_WEEK: 3, Stage.WEEKDAY_WEEKEND: 4, Stage.HOUR_OF_DAY: 5}


@lru_cache(maxsize=4 * (REACH + SLACK))  # checks share their hours
def slot_of(hour: int, zone: str) -> int:
    """The hour of the week, Monday's first being 0, that a wall clock shows when an hour since 1970 begins."""
    shown = local(hour * HOUR_MS, named_zone(zone))
    return shown.weekday() * 24 + shown.hour


@dataclass(frozen=True, slots=True)
class Profile:
    """A week as it usually is. Logarithms of seconds: noise of latencies is a share of them."""

    centres: Sequence[float]  # by slot; NaN where too little is known
    stages: Sequence[Stage]  # by slot
    scale: float  # a standard deviation of hours around their centres, as it is without outliers
    hours: int  # that it was made of


def profile_of(hours: Iterable[tuple[int, float]]) -> Profile:
    """What hours, each a slot and a logarithm, make usual.

    Each slot by the finest stage of which enough hours are known. One scale for all: that of a slot by itself would
    be a guess from five values.
    """
    by_slot: list[list[float]] = [[] for _ in range(SLOTS)]
    for slot, log in hours:
        by_slot[slot].append(log)
    found = list(_centres(by_slot))
    known = [
        (logs, centre) for logs, (stage, centre) in zip(by_slot, found, strict=True) if stage is not Stage.LEARNING
    ]
    apart = [abs(log - centre) for logs, centre in known for log in logs]
    return Profile(
        array("d", [centre for _, centre in found]),
        tuple(stage for stage, _ in found),
        max(_NORMAL * _median(apart), _FINEST) if apart else _FINEST,
        sum(map(len, by_slot)),
    )


def _centres(by_slot: Sequence[list[float]]) -> Iterator[tuple[Stage, float]]:
    """The stage of each slot, and its median."""
    weeks = _medians(by_slot, Stage.HOUR_OF_WEEK)
    if None not in weeks:
        yield from ((Stage.HOUR_OF_WEEK, of_week) for of_week in weeks if of_week is not None)
        return
    kinds = _medians([_pooled(by_slot, days, hour) for days in _KINDS for hour in range(24)], Stage.WEEKDAY_WEEKEND)
    days = _medians([_pooled(by_slot, range(7), hour) for hour in range(24)], Stage.HOUR_OF_DAY)
    for slot, of_week in enumerate(weeks):
        day, hour = divmod(slot, 24)
        if of_week is not None:
            yield Stage.HOUR_OF_WEEK, of_week
        elif (of_kind := kinds[(day in _KINDS[1]) * 24 + hour]) is not None:
            yield Stage.WEEKDAY_WEEKEND, of_kind
        elif (of_day := days[hour]) is not None:
            yield Stage.HOUR_OF_DAY, of_day
        else:
            yield Stage.LEARNING, math.nan


def _pooled(by_slot: Sequence[list[float]], days: Iterable[int], hour: int) -> list[float]:
    return list(chain.from_iterable(by_slot[day * 24 + hour] for day in days))


def _medians(groups: Iterable[list[float]], stage: Stage) -> list[float | None]:
    least = _LEAST[stage]
    return [_median(logs) if len(logs) >= least else None for logs in groups]


def _median(logs: list[float]) -> float:
    """statistics.median in a third of the time: there are hundreds of these an hour and check."""
    logs.sort()
    half = len(logs) >> 1
    return logs[half] if len(logs) & 1 else (logs[half - 1] + logs[half]) / 2


class History:
    """What the hours of the last five weeks came to, and what they make usual: 8 KB of numbers, and 3 KB.

    A place for each hour, taken over by the one five weeks and a day later. Hours carry their number, so those of a
    clock that went wrong are of another time and teach nothing.
    """

    __slots__ = ("_logs", "_numbers", "_of", "_profile", "_slots", "zone")

    def __init__(self, zone: str) -> None:
        named_zone(zone)  # one that does not exist is refused at once
        self.zone = zone
        self._numbers = array("i", [_NEVER]) * (REACH + SLACK)
        self._slots = array("B", [0]) * (REACH + SLACK)
        self._logs = array("f", [0.0]) * (REACH + SLACK)
        self._profile: Profile | None = None
        self._of = 0  # the hour before which all that the profile is of lies

    def learn(self, hour: int, value: float) -> None:
        """Keep what an hour since 1970 came to, in seconds."""
        place = hour % len(self._numbers)
        self._numbers[place] = hour
        self._slots[place] = slot_of(hour, self.zone)
        self._logs[place] = math.log(min(max(value, _SHORTEST), _LONGEST))
        if hour < self._of:
            self._profile = None

    def before(self, hour: int) -> Profile:
        """What the five weeks before an hour make usual. It is kept: a week's hours are asked for again and again."""
        if self._profile is None or self._of != hour:
            self._profile, self._of = profile_of(self._known(hour)), hour
        return self._profile

    def _known(self, hour: int) -> Iterator[tuple[int, float]]:
        first = hour - REACH
        kept = zip(self._numbers, self._slots, self._logs, strict=True)
        return ((slot, log) for number, slot, log in kept if first <= number < hour)
