"""Instants as people type them: on the clock of their machine, or of a zone that they name. Pure but for that clock."""

from __future__ import annotations

import re
from datetime import UTC, datetime, time, timedelta, tzinfo

from thresholds.calendar import local, named_zone, parse_instant, resolve

_CLOCK = re.compile(r"([01]?\d|2[0-3]):([0-5]\d)", re.ASCII)
_DAYS = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_WEEKLY = re.compile(r"(mon|tue|wed|thu|fri|sat|sun)(?:s|nes|rs|ur)?(?:day)?\s+(.+)", re.IGNORECASE)


def weekly(text: str, zone: tzinfo, near_ms: int) -> int:
    """As `read` ahead, and `Sat 03:00` too: the next one. Raises ValueError."""
    found = _WEEKLY.fullmatch(text.strip())
    if found is None:
        try:
            return read(text, zone, near_ms, ahead=True)
        except ValueError as error:
            raise ValueError(f"{error}, a time of day, as in 03:00, or with its day, as in Sat 03:00") from None
    clock = _CLOCK.fullmatch(found[2])
    if clock is None:
        raise ValueError(f"{found[2]!r} is no time of day; write {found[1]} 03:00")
    today = local(near_ms, zone).date()
    first = today + timedelta(days=(_DAYS.index(found[1].lower()) - today.weekday()) % 7)
    moments = [datetime.combine(first + timedelta(days=days), time(int(clock[1]), int(clock[2]))) for days in (0, 7)]
    return next(at_ms for moment in moments if (at_ms := resolve(moment, zone)) > near_ms)


def zone_of(name: str | None) -> tzinfo:
    """A zone by its name, or this machine's."""
    return named_zone(name) if name else _Machine()


class _Machine(tzinfo):
    """The zone of this machine, as its C library knows it: it need not have a name that we could look up."""

    def utcoffset(self, moment: datetime | None) -> timedelta | None:
        return moment.replace(tzinfo=None).astimezone().utcoffset() if moment is not None else None

    def fromutc(self, moment: datetime) -> datetime:
        return moment.replace(tzinfo=UTC).astimezone().replace(tzinfo=self)

    def dst(self, _: datetime | None) -> None:
        return None

    def tzname(self, _: datetime | None) -> str:
        return "local"


def is_clock(text: str) -> bool:
    """Whether it is a time of day alone, as in `04:00`: of which day, is for us to say."""
    return _CLOCK.fullmatch(text.strip()) is not None


def read(text: str, zone: tzinfo, near_ms: int, *, ahead: bool, last: bool = False) -> int:
    """Unix ms of `2026-11-22T04:00`, of the same with an offset, or of `04:00`: the next one, or the last one before.

    `last` takes the second of a time that comes twice. Raises ValueError.
    """
    found = _CLOCK.fullmatch(text.strip())
    if found is None:
        return parse_instant(text, zone, last=last)
    today, clock = local(near_ms, zone).date(), time(int(found[1]), int(found[2]))
    days = (0, 1, 2) if ahead else (0, -1, -2)
    times = [resolve(datetime.combine(today + timedelta(days=day), clock), zone, last=last) for day in days]
    return next(at_ms for at_ms in times if (at_ms > near_ms if ahead else at_ms <= near_ms))
