"""When a job is due: five fields of cron, or lines of RFC 5545, on a wall clock. Instants in, instants out. Pure.

On days when clocks change as Debian's cron does it: a fixed time that never comes is due when the gap ends, one that
comes twice at the first; where minute or hour begin with `*` it is due whenever the clock shows such a time.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from itertools import pairwise
from typing import Protocol

from cronsim import CronSim, CronSimError

from thresholds.calendar import instant, local, named_zone, resolve
from thresholds.recurrence import Rule, parse_rule, starts

_FIELDS = "minute hour day month weekday"
_LONGEST_TEXT = 200
_SOME_DAY = datetime.fromisoformat("2024-01-01")  # a Monday, and a leap year
_FIRST = datetime.fromisoformat("2000-01-03")  # a Monday from which rules without a beginning count
_YEARS = timedelta(days=366 * 9)  # the 29th of February was never further off
_BACK = (2, 8, 40, 400, 3700)  # days in which the last due instant is looked for, one span after the other
_MOST = 400  # due instants that are looked at for the longest time between two
_YEAR = 366 * 86400.0  # s


class Times(Protocol):
    """Instants at which something is due, in Unix ms."""

    @property
    def longest(self) -> float:
        """Seconds between two of them, at most, as far as a few years tell."""

    def after(self, at_ms: int) -> int:
        """The first one later than an instant. ValueError where there is none any more."""

    def latest(self, at_ms: int) -> int | None:
        """The last one up to an instant, it included."""


@dataclass(frozen=True, slots=True)
class CronTimes:
    """Five fields of cron on a zone's clock. `cron_times` makes them."""

    expression: str
    zone: str

    @property
    def longest(self) -> float:
        return _cron_longest(self.expression)

    def after(self, at_ms: int) -> int:
        for at in CronSim(self.expression, _shown(at_ms, self.zone)):
            if (due_ms := _ms(at)) > at_ms:  # in the second of two equal hours, what the first had comes again
                return due_ms
        raise ValueError(f"{self.expression!r} does not come again")

    def latest(self, at_ms: int) -> int | None:
        found = None
        for at in CronSim(self.expression, _shown(at_ms + 1000, self.zone), reverse=True):
            if (found := _ms(at)) <= at_ms:
                break
        if found is None or found > at_ms:
            return None
        while (following := self.after(found)) <= at_ms:  # what the first of two equal hours had
            found = following
        return found


def cron_times(expression: str, zone: str) -> CronTimes:
    """The instants of a cron expression. ValueError says what is wrong with it."""
    named_zone(zone)
    text = " ".join(expression.split())
    fields = text.split(" ")
    if len(fields) != 5 or len(text) > _LONGEST_TEXT:
        raise ValueError(f"{text[:60]!r} is no cron of five fields: {_FIELDS}, as in `30 2 * * *`")
    try:
        comes = next(CronSim(text, _SOME_DAY), None)
    except CronSimError as error:
        raise ValueError(f"{text!r} is no cron: {str(error).lower()}; wanted {_FIELDS}") from None
    if comes is None:
        raise ValueError(f"{text!r} never comes; wanted a day that months have")
    return CronTimes(text, zone)


@dataclass(frozen=True, slots=True)
class CalendarTimes:
    """Lines of rules that repeat, on a zone's clock; together they are due whenever one of them is."""

    rules: tuple[tuple[Rule, datetime], ...]  # with the moment that each counts from
    zone: str

    @property
    def longest(self) -> float:
        return _calendar_longest(self)

    def after(self, at_ms: int) -> int:
        zone = named_zone(self.zone)
        begin = local(at_ms, zone) - timedelta(days=1)  # a clock that went back shows less than was due before
        found = [due for rule, first in self.rules if (due := _first_after(rule, first, begin, at_ms, zone))]
        if not found:
            raise ValueError("the calendar does not come again")
        return min(found)

    def latest(self, at_ms: int) -> int | None:
        zone = named_zone(self.zone)
        end = local(at_ms, zone) + timedelta(days=1)
        for days in _BACK:
            begin = end - timedelta(days=days)
            dues = [resolve(at, zone) for rule, first in self.rules for at in starts(rule, first, begin, end)]
            if past := [due_ms for due_ms in dues if due_ms <= at_ms]:
                return max(past)
        return None


def calendar_times(lines: tuple[str, ...], zone: str) -> CalendarTimes:
    """The instants of rules as `FREQ=MONTHLY;BYDAY=-1FR;BYHOUR=18;BYMINUTE=0`. ValueError says what is wrong.

    `DTSTART=20260105T183000;` may stand before a rule: what it leaves open, and what an INTERVAL counts from.
    """
    clock = named_zone(zone)
    times = CalendarTimes(tuple(_parsed(line, clock) for line in lines), zone)
    times.after(instant(_SOME_DAY, clock) - 1)
    return times


_BEGINNING = re.compile(r"\s*DTSTART[=:](\d{8}T\d{4}(?:\d{2})?)\s*;?\s*", re.IGNORECASE)


def _parsed(line: str, zone: tzinfo) -> tuple[Rule, datetime]:
    match = _BEGINNING.match(line)
    first, text = _FIRST, line
    if match:
        try:
            first, text = datetime.fromisoformat(match[1]), line[match.end() :]
        except ValueError:
            raise ValueError(f"DTSTART={match[1]} is no moment; write 20260105T183000") from None
    else:
        _check_whole(line)
    return parse_rule(text.strip().removeprefix("RRULE:"), first, zone), first


def _check_whole(line: str) -> None:
    """Without a beginning nothing may be left to it."""
    parts = {name: value for name, _, value in (part.partition("=") for part in line.upper().split(";"))}
    days = {"WEEKLY": "BYDAY", "MONTHLY": "BYDAY or BYMONTHDAY", "YEARLY": "BYMONTH with BYDAY or BYMONTHDAY"}
    wanted = days.get(parts.get("FREQ", ""), "")
    if not {"BYHOUR", "BYMINUTE"} <= parts.keys():
        raise ValueError("a line of a calendar says at what time: add BYHOUR=2;BYMINUTE=30, or DTSTART=20260105T023000")
    if wanted and not {"BYDAY", "BYMONTHDAY", "BYYEARDAY"} & parts.keys():
        raise ValueError(f"FREQ={parts['FREQ']} needs {wanted}, or DTSTART=20260105T023000 before it")
    if {"COUNT"} & parts.keys() or parts.get("INTERVAL", "1") != "1":
        raise ValueError("INTERVAL and COUNT need a beginning to count from: DTSTART=20260105T023000 before them")


def _first_after(rule: Rule, first: datetime, begin: datetime, at_ms: int, zone: tzinfo) -> int | None:
    end = max(begin, first) + _YEARS
    dues = (resolve(at, zone) for at in starts(rule, first, begin, end))
    return next((due_ms for due_ms in dues if due_ms > at_ms), None)


def _shown(at_ms: int, zone: str) -> datetime:
    at = datetime.fromtimestamp(at_ms // 1000, UTC)
    return at if zone == "UTC" else at.astimezone(named_zone(zone))


def _ms(at: datetime) -> int:
    return round(at.timestamp()) * 1000


@lru_cache(maxsize=4096)
def _cron_longest(expression: str) -> float:
    """Over midnight it is up to the days, which few expressions differ in; within a day up to its times."""
    minute, hour, *days = expression.split(" ")
    cron = CronSim(f"{minute} {hour} * * *", _SOME_DAY)
    hours, minutes = ([one for one in field if isinstance(one, int)] for field in (cron.hours, cron.minutes))
    times = sorted(60 * hour + minute for hour in hours for minute in minutes)
    within = max((after - before for before, after in pairwise(times)), default=0)
    return 60.0 * max(within, 1440 * _days_apart(" ".join(days)) - (times[-1] - times[0]))


@lru_cache(maxsize=512)
def _days_apart(days: str) -> int:
    if days == "* * *":
        return 1
    found: list[datetime] = []
    end = _SOME_DAY + _YEARS
    for at in CronSim(f"0 0 {days}", _SOME_DAY):
        if at > end or len(found) >= _MOST:
            break
        found.append(at)
    return max(((after - before).days for before, after in pairwise(found)), default=366)


@lru_cache(maxsize=512)
def _calendar_longest(times: CalendarTimes) -> float:
    begin = max((first for _, first in times.rules), default=_SOME_DAY)
    at_ms, longest = instant(max(begin, _SOME_DAY), UTC), 0.0
    try:
        at_ms = times.after(at_ms)
        for _ in range(_MOST):
            before, at_ms = at_ms, times.after(at_ms)
            longest = max(longest, (at_ms - before) / 1000)
    except ValueError:  # a rule with an end
        pass
    return longest or _YEAR
