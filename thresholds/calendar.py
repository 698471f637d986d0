"""Wall clocks and instants: time zones, and calendar days, weeks, months, quarters and years, also when clocks change.

Pure: the time zone data is all it reads. docs/decisions/0009-calendars.md says why each rule is as it is.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from enum import StrEnum
from zoneinfo import ZoneInfo, available_timezones

from thresholds.spans import Span

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MS = timedelta(milliseconds=1)
_FIRST_YEAR, _LAST_YEAR = 1900, 9000  # room on both sides for what is added to an instant
_MOST_SPANS = 40_000  # days of a century


class Unit(StrEnum):
    """What calendars divide time into. A week begins on Monday, as in ISO 8601."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


# From the first day of one, how far any day of the next is.
_REACH = {Unit.DAY: 1, Unit.WEEK: 7, Unit.MONTH: 32, Unit.QUARTER: 93, Unit.YEAR: 367}
_FIRST_DAY: dict[Unit, Callable[[date], date]] = {
    Unit.DAY: lambda day: day,
    Unit.WEEK: lambda day: day - timedelta(days=day.weekday()),
    Unit.MONTH: lambda day: day.replace(day=1),
    Unit.QUARTER: lambda day: day.replace(month=day.month - (day.month - 1) % 3, day=1),
    Unit.YEAR: lambda day: day.replace(month=1, day=1),
}


def named_zone(name: str | tzinfo) -> tzinfo:
    """The zone of an IANA name, like `Australia/Sydney`. ValueError where there is none, with what may be meant."""
    if isinstance(name, tzinfo):
        return name
    try:
        if name == "localtime":  # the machine's own: the same configuration would mean another time elsewhere
            raise ValueError(name)
        return ZoneInfo(name)
    except (KeyError, ValueError, OSError):
        raise ValueError(f"{name[:60]!r} is no time zone; {_meant(name)}") from None


def _meant(name: str) -> str:
    zones = {zone.lower(): zone for zone in available_timezones()}
    cities = {zone.rpartition("/")[2]: zone for zone in zones}
    near = [zones[zone] for zone in difflib.get_close_matches(name[:60].lower(), zones, n=2)]
    near = near or [zones[cities[city]] for city in difflib.get_close_matches(name[:60].lower(), cities, n=2)]
    return f"did you mean {' or '.join(near)}?" if near else "write an IANA name, as in Europe/Berlin or UTC"


def local(at_ms: int, zone: tzinfo) -> datetime:
    """What a wall clock in the zone shows at an instant, without a zone. ValueError far outside of our times."""
    try:
        shown = _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError:
        shown = _EPOCH.replace(year=_LAST_YEAR + 1)
    if not _FIRST_YEAR <= shown.year <= _LAST_YEAR:
        raise ValueError(f"instant {at_ms} lies outside of the years {_FIRST_YEAR} to {_LAST_YEAR}; wanted Unix ms")
    return shown.astimezone(zone).replace(tzinfo=None, fold=0)


def instant(naive: datetime, zone: tzinfo, *, fold: int = 0) -> int:
    """Unix ms of a wall clock's time, as RFC 5545 section 3.3.5 reads it.

    The first occurrence of a time that comes twice; the offset before the gap for one that never comes.
    """
    return (naive.replace(tzinfo=zone, fold=fold).astimezone(UTC) - _EPOCH) // _MS


def resolve(naive: datetime, zone: tzinfo, *, last: bool = False) -> int:
    """Unix ms of a wall clock's time: its first occurrence, or its `last`; the end of the gap for one that never comes.

    So a start and a `last` end overlap where clocks change, and never leave out time that a wall clock showed.
    """
    at_ms = instant(naive, zone, fold=int(last))
    return at_ms if local(at_ms, zone) == naive else _end_of_gap(naive, zone)


def _end_of_gap(naive: datetime, zone: tzinfo) -> int:
    before, after = instant(naive, zone, fold=1) // 1000, instant(naive, zone, fold=0) // 1000
    offset = local(before * 1000, zone) - local(before * 1000, UTC)
    while after - before > 1:  # zones change at whole seconds
        middle = (before + after) // 2
        if local(middle * 1000, zone) - local(middle * 1000, UTC) == offset:
            before = middle
        else:
            after = middle
    return after * 1000


def occurrences(naive: datetime, zone: tzinfo) -> list[int]:
    """The instants at which a wall clock shows a time: one; two where clocks go back over it, none where forward."""
    both = sorted({instant(naive, zone, fold=0), instant(naive, zone, fold=1)})
    return [at_ms for at_ms in both if local(at_ms, zone) == naive]


def parse_instant(text: str, zone: str | tzinfo, *, last: bool = False) -> int:
    """`2026-12-24T18:00` on the zone's wall clock, or with an offset of its own (`+01:00`, `Z`), as Unix ms."""
    try:
        at = datetime.fromisoformat(text.strip())
    except ValueError:
        raise ValueError(f"{text[:60]!r} is no instant; write a date and a time, as in 2026-12-24T18:00") from None
    if not _FIRST_YEAR <= at.year <= _LAST_YEAR:
        raise ValueError(f"{text[:60]!r} lies outside of the years {_FIRST_YEAR} to {_LAST_YEAR}")
    if at.tzinfo is not None:
        return (at.astimezone(UTC) - _EPOCH) // _MS
    return resolve(at, named_zone(zone), last=last)


def calendar_span(unit: Unit | str, zone: str | tzinfo, at_ms: int) -> Span:
    """The day, week, month, quarter or year that an instant lies in. They follow each other without a gap.

    One begins when the wall clock first shows its first day: clocks that then go back over midnight do not end it.
    """
    unit, zone = Unit(unit), named_zone(zone)
    first = _FIRST_DAY[unit](local(at_ms, zone).date())
    span = _span(unit, zone, first)
    return span if at_ms < span[1] else _span(unit, zone, _next(unit, first))


def previous_span(unit: Unit | str, zone: str | tzinfo, at_ms: int) -> Span:
    """The whole one before that in which an instant lies."""
    return calendar_span(unit, zone, calendar_span(unit, zone, at_ms)[0] - 1)


def calendar_spans(unit: Unit | str, zone: str | tzinfo, within: Span) -> list[Span]:
    """Every one, whole, that a span of time touches, in order."""
    found: list[Span] = []
    at_ms, end = within
    while at_ms < end:
        if len(found) >= _MOST_SPANS:
            raise ValueError(f"more than {_MOST_SPANS} of a {Unit(unit)} in one span; ask for less time at once")
        found.append(calendar_span(unit, zone, at_ms))
        at_ms = found[-1][1]
    return found


def _span(unit: Unit, zone: tzinfo, first: date) -> Span:
    return resolve(_midnight(first), zone), resolve(_midnight(_next(unit, first)), zone)


def _next(unit: Unit, first: date) -> date:
    return _FIRST_DAY[unit](first + timedelta(days=_REACH[unit]))


def _midnight(day: date) -> datetime:
    return datetime.combine(day, time())
