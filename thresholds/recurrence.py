"""Rules that repeat, as RFC 5545 section 3.3.10 has them: `FREQ=MONTHLY;BYDAY=2TU`. On wall clocks. Pure.

Our own rather than a library's, because every question is bounded: it costs as many steps as there are days in the span
that is asked for, wherever the rule began, and also where the rule never comes.
"""

from __future__ import annotations

import calendar
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from itertools import count, islice, product

from thresholds.calendar import instant, local

_WEEKDAYS = ("MO", "TU", "WE", "TH", "FR", "SA", "SU")
_PARTS = frozenset(
    "FREQ INTERVAL COUNT UNTIL WKST BYMONTH BYMONTHDAY BYYEARDAY BYDAY BYHOUR BYMINUTE BYSECOND BYSETPOS".split()  # noqa: SIM905
)
_MOST_A_DAY = 288  # every five minutes
_MOST_COUNT = 10_000
_MOST_YEARS = 50  # in which a COUNT has to be reached
_MOST_TEXT = 2_000


class Frequency(StrEnum):
    DAILY = "DAILY"
    WEEKLY = "WEEKLY"
    MONTHLY = "MONTHLY"
    YEARLY = "YEARLY"


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule with everything in it that its first occurrence implies. `parse_rule` makes them."""

    frequency: Frequency
    interval: int = 1
    until: datetime | None = None  # the last moment, included; what was a COUNT, too
    week_start: int = 0
    months: frozenset[int] = frozenset()
    month_days: frozenset[int] = frozenset()
    year_days: frozenset[int] = frozenset()
    weekdays: frozenset[tuple[int, int]] = frozenset()  # (which of its month or year, or 0 for each; 0: Monday)
    times: tuple[time, ...] = (time(),)
    positions: frozenset[int] = frozenset()


def parse_rule(text: str, first: datetime, zone: tzinfo) -> Rule:
    """The rule of an RRULE's value, for an event that first begins at `first` on the zone's wall clock."""
    parts = _parts(text)
    try:
        frequency = Frequency(parts.get("FREQ", ""))
    except ValueError:
        raise ValueError(f"FREQ={parts.get('FREQ', '')[:20]} is none of {', '.join(Frequency)}{_MORE_OFTEN}") from None
    rule = Rule(
        frequency,
        interval=_number(parts, "INTERVAL", 1, 1000),
        until=_until(parts["UNTIL"], zone) if "UNTIL" in parts else None,
        week_start=_weekday(parts.get("WKST", "MO"), frequency)[1],
        months=_numbers(parts, "BYMONTH", 1, 12),
        month_days=_numbers(parts, "BYMONTHDAY", -31, 31),
        year_days=_numbers(parts, "BYYEARDAY", -366, 366),
        weekdays=frozenset(_weekday(day, frequency) for day in parts.get("BYDAY", "").split(",") if day),
        times=_times(parts, first),
        positions=_numbers(parts, "BYSETPOS", -366, 366),
    )
    rule = _completed(rule, first)
    return _counted(rule, first, _number(parts, "COUNT", 1, _MOST_COUNT)) if "COUNT" in parts else rule


_MORE_OFTEN = "; what comes several times a day is FREQ=DAILY with BYHOUR and BYMINUTE"


def starts(rule: Rule, first: datetime, begin: datetime, end: datetime) -> Iterator[datetime]:
    """When it comes, in order, from `begin` up to `end`, both included. The first occurrence is always one."""
    if begin <= first <= end:
        yield first
    if rule.until is not None:
        end = min(end, rule.until)
    for anchor in _periods(rule, first.date(), max(begin, first).date()):
        if anchor > end.date():
            return
        for at in _moments(rule, anchor):
            if at > end:
                return
            if at > first and at >= begin:
                yield at


def _periods(rule: Rule, first: date, begin: date) -> Iterator[date]:
    """The first days of its days, weeks, months or years, from the one in which a day lies or the one before."""
    if rule.frequency in (Frequency.DAILY, Frequency.WEEKLY):
        weekly = rule.frequency is Frequency.WEEKLY
        anchor = first - timedelta(days=(first.weekday() - rule.week_start) % 7) if weekly else first
        step = rule.interval * (7 if weekly else 1)
        yield from (anchor + timedelta(days=step * n) for n in count((begin - anchor).days // step))
        return
    month, step = (first.month - 1, rule.interval) if rule.frequency is Frequency.MONTHLY else (0, rule.interval * 12)
    begun = first.year * 12 + month
    for n in count(max(0, begin.year * 12 + begin.month - 1 - begun) // step):
        year, month = divmod(begun + n * step, 12)
        if year > date.max.year:
            return
        yield date(year, month + 1, 1)


def _moments(rule: Rule, anchor: date) -> list[datetime]:
    """Its occurrences in one period, in order."""
    found = [datetime.combine(day, at) for day in _days(rule, anchor) if _holds(rule, day) for at in rule.times]
    if not rule.positions:
        return found
    return [at for n, at in enumerate(found) if n + 1 in rule.positions or n - len(found) in rule.positions]


def _days(rule: Rule, anchor: date) -> Iterator[date]:
    if rule.frequency is Frequency.DAILY:
        yield anchor
    elif rule.frequency is Frequency.WEEKLY:
        yield from (anchor + timedelta(days=n) for n in range(7))
    elif rule.frequency is Frequency.MONTHLY:
        yield from _month(anchor)
    else:
        for month in sorted(rule.months) or range(1, 13):
            yield from _month(anchor.replace(month=month))


def _month(first: date) -> Iterator[date]:
    return (first.replace(day=day) for day in range(1, calendar.monthrange(first.year, first.month)[1] + 1))


def _holds(rule: Rule, day: date) -> bool:
    """Whether a day of the period is one of its days."""
    return (
        (not rule.months or day.month in rule.months)
        and (not rule.month_days or bool(rule.month_days & {*_places(day, of_year=False)}))
        and (not rule.year_days or bool(rule.year_days & {*_places(day, of_year=True)}))
        and (not rule.weekdays or _weekday_holds(rule, day))
    )


def _weekday_holds(rule: Rule, day: date) -> bool:
    weekday = day.weekday()
    if (0, weekday) in rule.weekdays:
        return True
    place, back = _places(day, of_year=rule.frequency is Frequency.YEARLY and not rule.months)
    nth, nth_back = (place - 1) // 7 + 1, -((-back - 1) // 7 + 1)
    return (nth, weekday) in rule.weekdays or (nth_back, weekday) in rule.weekdays


def _places(day: date, *, of_year: bool) -> tuple[int, int]:
    """Which day of its month or year it is, from the front and from the back."""
    if not of_year:
        return day.day, day.day - calendar.monthrange(day.year, day.month)[1] - 1
    place = day.timetuple().tm_yday
    return place, place - 366 - calendar.isleap(day.year)


def _completed(rule: Rule, first: datetime) -> Rule:
    """What a rule leaves open is as in its first occurrence."""
    if rule.frequency is Frequency.WEEKLY and not rule.weekdays:
        return replace(rule, weekdays=frozenset({(0, first.weekday())}))
    if rule.frequency in (Frequency.DAILY, Frequency.WEEKLY) or rule.weekdays or rule.year_days:
        return rule
    if rule.frequency is Frequency.YEARLY and not rule.months:
        # Calendars of phones write a birthday so. Taken as a day of every month it would come twelve times a year.
        rule = replace(rule, months=frozenset({first.month}))
    return rule if rule.month_days else replace(rule, month_days=frozenset({first.day}))


def _counted(rule: Rule, first: datetime, wanted: int) -> Rule:
    """The rule with the last of its occurrences in place of their number."""
    if rule.until is not None:
        raise ValueError("COUNT and UNTIL stand in one rule; keep one of them")
    horizon = first.replace(year=min(first.year + max(_MOST_YEARS, _yearly(rule, wanted)), 9990), month=1, day=1)
    last = next(islice(starts(rule, first, first, horizon), wanted - 1, None), None)
    if last is None:
        raise ValueError(f"COUNT={wanted} is not reached by the year {horizon.year}; give UNTIL instead")
    return replace(rule, until=last)


def _yearly(rule: Rule, wanted: int) -> int:
    """Years that a rule which comes once a year or month takes for a number of occurrences."""
    months = {Frequency.MONTHLY: 1, Frequency.YEARLY: 12}.get(rule.frequency, 0)
    return wanted * rule.interval * months // 12 + 1


def _parts(text: str) -> dict[str, str]:
    if len(text) > _MOST_TEXT:
        raise ValueError(f"a rule of {len(text)} characters is too long; at most {_MOST_TEXT}")
    parts: dict[str, str] = {}
    for part in text.strip().upper().rstrip(";").split(";"):
        name, _, value = part.partition("=")
        if name not in _PARTS:
            raise ValueError(f"{name[:20]!r} in a rule is not known here; known are {', '.join(sorted(_PARTS))}")
        if name in parts or not value:
            raise ValueError(f"{name} of a rule {'stands twice' if name in parts else 'has no value'}; give it once")
        parts[name] = value
    return parts


def _number(parts: dict[str, str], name: str, least: int, most: int) -> int:
    text = parts.get(name, "1")
    if not re.fullmatch(r"\d{1,6}", text, re.ASCII) or not least <= int(text) <= most:
        raise ValueError(f"{name}={text[:20]} of a rule is out of range; wanted {least} to {most}")
    return int(text)


def _numbers(parts: dict[str, str], name: str, least: int, most: int) -> frozenset[int]:
    found = set()
    for text in parts[name].split(",") if name in parts else ():
        if not re.fullmatch(r"[+-]?\d{1,3}", text, re.ASCII) or not least <= int(text) <= most:
            raise ValueError(f"{name} of a rule has {text[:20]!r}; wanted numbers from {least} to {most}")
        if least < 0 and int(text) == 0:
            raise ValueError(f"{name} of a rule has 0; days count from 1, and from -1 backwards")
        found.add(int(text))
    return frozenset(found)


def _weekday(text: str, frequency: Frequency) -> tuple[int, int]:
    match = re.fullmatch(r"([+-]?\d{1,2})?(MO|TU|WE|TH|FR|SA|SU)", text, re.ASCII)
    if match is None or (match[1] and not 1 <= abs(int(match[1])) <= 53):
        raise ValueError(f"{text[:20]!r} is no day of a rule; write {','.join(_WEEKDAYS)}, or 2TU, -1FR")
    if match[1] and frequency in (Frequency.DAILY, Frequency.WEEKLY):
        raise ValueError(f"{text} counts days of a month; write FREQ=MONTHLY, or BYDAY={match[2]}")
    return int(match[1] or 0), _WEEKDAYS.index(match[2])


def _times(parts: dict[str, str], first: datetime) -> tuple[time, ...]:
    chosen: list[list[int]] = []
    limits: tuple[tuple[str, int, Callable[[datetime], int]], ...] = (
        ("BYHOUR", 23, lambda at: at.hour),
        ("BYMINUTE", 59, lambda at: at.minute),
        ("BYSECOND", 59, lambda at: at.second),
    )
    for name, most, own in limits:
        chosen.append(sorted(_numbers(parts, name, 0, most)) or [own(first)])
    times = len(chosen[0]) * len(chosen[1]) * len(chosen[2])
    if times > _MOST_A_DAY:
        raise ValueError(f"a rule that comes {times} times a day is too much; at most {_MOST_A_DAY}")
    return tuple(time(hour, minute, second) for hour, minute, second in product(*chosen))


def _until(text: str, zone: tzinfo) -> datetime:
    """The last moment on the zone's wall clock: a date stands for its whole day."""
    for shape, utc in (("%Y%m%dT%H%M%SZ", True), ("%Y%m%dT%H%M%S", False), ("%Y%m%d", False)):
        try:
            until = datetime.strptime(text, shape)  # noqa: DTZ007  # on a wall clock
        except ValueError:
            continue
        if utc:
            return local(instant(until, UTC), zone)
        return until if "T" in text else until.replace(hour=23, minute=59, second=59)
    raise ValueError(f"UNTIL={text[:30]} of a rule is no date; write 20261231T220000Z or 20261231")
