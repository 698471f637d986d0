"""Alerts as people got them: one incident each, from a check's transitions; which are noise, how two histories differ.

Pure. The same functions read stored transitions and those of a replay, so nothing but the transitions tells them apart.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import time
from enum import StrEnum
from operator import attrgetter

from thresholds.base import Event, Level, Transition
from thresholds.calendar import local, named_zone
from thresholds.outages import Outage
from thresholds.spans import Span, Spans

SHORT = 300.0  # s: an alert that was over so soon was worth nobody's time
DAY = time(7), time(22)  # outside of these hours people sleep
_FOREVER = 1 << 53


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident of a check. Instants are Unix ms."""

    check: str
    opened_ms: int  # when it was decided, and people were told
    since_ms: int  # from when on the check was bad
    resolved_ms: int  # when its end was decided; 0 while it is open
    worst: Level
    reason: str  # what it opened with
    changes: int = 0  # how often people were told of something else meanwhile

    @property
    def open(self) -> bool:
        return not self.resolved_ms

    @property
    def span(self) -> Span:
        """From the first bad run to the decision that it is over; an open one has no end."""
        return min(self.since_ms, self.opened_ms), self.resolved_ms or _FOREVER

    def lasted(self, until_ms: int) -> float:
        """Seconds for which it was open, up to an instant."""
        return max(0, (self.resolved_ms or until_ms) - self.opened_ms) / 1000


def alerts_of(transitions: Iterable[Transition]) -> list[Alert]:
    """The alerts of one check, from its transitions in the order in which they were decided.

    Of an incident that began before the first transition it is known since when the check was bad, not when people
    were told: that is taken to be the same instant.
    """
    found: list[Alert] = []
    now: Alert | None = None
    for move in transitions:
        if now is not None and move.event is Event.OPENED:
            found.append(replace(now, resolved_ms=move.at_ms))  # its own end was not kept
            now = None
        if now is None and move.event in (Event.OPENED, Event.CHANGED, Event.RESOLVED):
            now = _opened(move)
        elif now is not None and (move.event is Event.CHANGED or move.after > now.worst):
            now = replace(now, worst=max(now.worst, move.after), changes=now.changes + (move.event is Event.CHANGED))
        if now is not None and move.event is Event.RESOLVED:
            found.append(replace(now, resolved_ms=move.at_ms))
            now = None
    return [*found, now] if now is not None else found


def _opened(move: Transition) -> Alert:
    if move.event is Event.OPENED:
        return Alert(move.check, move.at_ms, move.since_ms, 0, move.after, move.reason)
    since_ms = move.incident_since_ms or move.since_ms
    worst = move.after if move.after.bad else move.before
    return Alert(move.check, since_ms, since_ms, 0, worst, move.reason, int(move.event is Event.CHANGED))


def within(alerts: Iterable[Alert], period: Span) -> list[Alert]:
    """The alerts that were open at some time of a period."""
    return [alert for alert in alerts if alert.opened_ms < period[1] and alert.span[1] > period[0]]


class Noise(StrEnum):
    """Why an alert was not worth waking somebody. The words that users see."""

    SHORT = "short"  # it recovered within 5 minutes
    NIGHT = "night"  # it came at night, and no real outage with it
    MAINTENANCE = "maintenance"


@dataclass(frozen=True, slots=True)
class Taste:
    """What is noise to somebody."""

    zone: str = "UTC"
    day: tuple[time, time] = DAY  # may go over midnight
    short: float = SHORT


def noise(
    alert: Alert, taste: Taste, planned: Spans = (), real: Sequence[Outage] = (), *, until_ms: int = 0
) -> tuple[Noise, ...]:
    """What makes an alert noise; nothing where it was worth telling.

    `real` are the real outages, by time: what tells of one is no noise because it is night. `until_ms`: up to when
    anything is known: an alert that is open then is short only if it is over.
    """
    kinds = []
    if not alert.open and alert.lasted(until_ms) <= taste.short:
        kinds.append(Noise.SHORT)
    if at_night(alert.opened_ms, taste) and not _tells(alert.span, real):
        kinds.append(Noise.NIGHT)
    place = bisect_right(planned, alert.opened_ms, key=_start) - 1
    if place >= 0 and alert.opened_ms < planned[place][1]:
        kinds.append(Noise.MAINTENANCE)
    return tuple(kinds)


def _tells(span: Span, real: Sequence[Outage]) -> bool:
    """Whether one of the outages, which are in order and apart, was in a span."""
    place = bisect_right(real, span[0], key=_over)
    return place < len(real) and _touch(span, span_of(real[place]))


def at_night(at_ms: int, taste: Taste) -> bool:
    """Whether a wall clock shows an hour at which people sleep."""
    now = local(at_ms, named_zone(taste.zone)).time()
    first, last = taste.day
    by_day = first <= now < last if first <= last else now >= first or now < last
    return not by_day


def _start(span: Span) -> int:
    return span[0]


def span_of(outage: Outage) -> Span:
    return outage.first_bad_ms, outage.first_good_ms or _FOREVER


def _over(outage: Outage) -> int:
    return span_of(outage)[1]


def _touch(one: Span, other: Span) -> bool:
    return one[0] < other[1] and other[0] < one[1]


@dataclass(frozen=True, slots=True)
class Comparison:
    """What another configuration makes of the alerts of a check. Each list is by time."""

    stays: list[tuple[Alert, Alert]]  # an alert of today, and the first of those that would be at the same time
    vanishes: list[Alert]  # today's at whose time nothing would be told
    new: list[Alert]  # what would be told at a time at which nothing is today


def compare(today: Sequence[Alert], would_be: Sequence[Alert]) -> Comparison:
    """Which alerts stay, vanish and are new: two are the same where the check was bad at the same time by both.

    Several of one side may be one of the other, so `stays` and `new` together may be more than `would_be`.
    """
    matched = [(alert, _matching(alert, would_be)) for alert in today]
    return Comparison(
        [(alert, match) for alert, match in matched if match is not None],
        [alert for alert, match in matched if match is None],
        [alert for alert in would_be if _matching(alert, today) is None],
    )


def _matching(alert: Alert, others: Sequence[Alert]) -> Alert | None:
    """The first of others, which are in order and apart, that overlaps."""
    place = bisect_right(others, alert.span[0], key=_ends)
    if place < len(others) and _touch(alert.span, others[place].span):
        return others[place]
    return None


def _ends(alert: Alert) -> int:
    return alert.span[1]


_by_opening = attrgetter("opened_ms")


def to_detect(outage: Outage, alerts: Sequence[Alert]) -> float | None:
    """Seconds from an outage's first failed run until somebody was told; 0 where they knew already; None: never.

    `alerts` are by time. One that was decided when the outage was over tells of it too late to count.
    """
    start, end = span_of(outage)
    place = max(0, bisect_left(alerts, start, key=_by_opening) - 1)
    for alert in alerts[place:]:
        if alert.opened_ms >= end:
            return None
        if alert.span[1] > start:
            return max(0, alert.opened_ms - start) / 1000
    return None
