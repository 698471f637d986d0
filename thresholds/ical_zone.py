"""The time zones of an iCalendar file: IANA's by name, or as the file's own VTIMEZONE defines them. Pure."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta, timezone, tzinfo
from zoneinfo import ZoneInfo

from thresholds.calendar import named_zone
from thresholds.ical_lines import Component, Property
from thresholds.recurrence import parse_rule, starts

_OFFSET = re.compile(r"([+-])(\d\d)([0-5]\d)([0-5]\d)?")
# Observances begin in 1601 in some programs' files, and go on for ever.
_SINCE, _UNTIL = datetime.fromisoformat("1999-01-01"), datetime.fromisoformat("2100-01-01")
_NAME_IT = "name it as IANA does, as in Europe/Berlin"
_NAME_THEM = "name zones as IANA does, as in Europe/Berlin"
_MOST_ZONES = 100
_MOST_OBSERVED = 500


class DefinedZone(tzinfo):
    """A zone that changes at given instants: (UTC without a zone, offset from then on), in order."""

    def __init__(self, name: str, before: timedelta, changes: list[tuple[datetime, timedelta]]) -> None:
        self._name = name
        self._at = [at for at, _ in changes]
        self._offsets = [before, *(offset for _, offset in changes)]
        steps = list(zip(self._at, self._offsets, self._offsets[1:], strict=False))
        # What a wall clock shows when the change is over: at the first showing of a time, and at the second (PEP 495).
        self._shown = (
            [at + max(old, new) for at, old, new in steps],
            [at + min(old, new) for at, old, new in steps],
        )

    def utcoffset(self, at: datetime | None) -> timedelta | None:
        if at is None:
            return None
        return self._offsets[bisect_right(self._shown[at.fold], at.replace(tzinfo=None))]

    def fromutc(self, at: datetime) -> datetime:
        naive = at.replace(tzinfo=None)
        shown = naive + self._offsets[bisect_right(self._at, naive)]
        first = self._offsets[bisect_right(self._shown[0], shown)]
        return shown.replace(tzinfo=self, fold=int(shown - first != naive))

    def tzname(self, at: datetime | None) -> str:
        del at
        return self._name

    def dst(self, at: datetime | None) -> timedelta | None:
        del at
        return None


def zones_of(calendar: Component) -> dict[str, tzinfo]:
    """The zones that a calendar defines, by their TZID."""
    defined = [part for part in calendar.parts if part.name == "VTIMEZONE"]
    if len(defined) > _MOST_ZONES:
        raise ValueError(f"{len(defined)} time zones in one calendar are too many; at most {_MOST_ZONES}: {_NAME_THEM}")
    observed = sum(len(part.parts) for part in defined)
    if observed > _MOST_OBSERVED:
        raise ValueError(
            f"{observed} changes of time zones in one calendar are too many; at most {_MOST_OBSERVED}: {_NAME_THEM}"
        )
    return {part.text("TZID"): _zone(part) for part in defined}


def zone_of(given: Property, zones: Mapping[str, tzinfo], default: tzinfo) -> tzinfo:
    """The zone of a property: IANA's of that name, else the file's own; `default` where it names none."""
    name = given.params.get("TZID", "")
    if not name:
        return default
    if zone := _known(name) or zones.get(name):
        return zone
    raise ValueError(
        f"line {given.line}: time zone {name[:60]!r} is no IANA name, and the file has no VTIMEZONE of it; "
        "write one as in Europe/Berlin"
    )


def _known(name: str) -> ZoneInfo | None:
    try:
        zone = named_zone(name)
    except ValueError:
        return None
    return zone if isinstance(zone, ZoneInfo) else None


def _zone(part: Component) -> tzinfo:
    """As IANA has it, where the definition says whose it is: what programs write of a zone is often out of date."""
    name = part.text("TZID")
    if known := _known(name) or _known(part.text("X-LIC-LOCATION")):
        return known
    observed = [inner for inner in part.parts if inner.name in ("STANDARD", "DAYLIGHT")]
    if not observed:
        raise ValueError(f"line {part.line}: time zone {name[:60]!r} has neither STANDARD nor DAYLIGHT; {_NAME_IT}")
    changes = sorted({change for inner in observed for change in _changes(inner)})
    earliest = min(observed, key=lambda inner: _wall(inner, "DTSTART"))
    return DefinedZone(name, _offset(earliest, "TZOFFSETFROM"), changes)


def _changes(part: Component) -> Iterable[tuple[datetime, timedelta]]:
    """The instants at which an observance begins, as UTC without a zone, and its offset."""
    before, after, first = _offset(part, "TZOFFSETFROM"), _offset(part, "TZOFFSETTO"), _wall(part, "DTSTART")
    onsets = {first}
    for rule in part.all("RRULE"):
        onsets |= {*starts(parse_rule(rule.value, first, timezone(before)), first, max(first, _SINCE), _UNTIL)}
    for given in part.all("RDATE"):
        onsets |= {_moment(given, text) for text in given.value.split(",")}
    return [(onset - before, after) for onset in onsets]


def _wall(part: Component, name: str) -> datetime:
    given = part.get(name)
    if given is None:
        raise ValueError(f"line {part.line}: {part.name} of a time zone has no {name}; {_NAME_IT}")
    return _moment(given, given.value)


def _moment(given: Property, text: str) -> datetime:
    try:
        return datetime.strptime(text.strip().rstrip("Z")[:15], "%Y%m%dT%H%M%S")  # noqa: DTZ007  # on a wall clock
    except ValueError:
        raise ValueError(f"line {given.line}: {text[:30]!r} is no time; write it as in 20261025T030000") from None


def _offset(part: Component, name: str) -> timedelta:
    match = _OFFSET.fullmatch(part.text(name))
    if match is None:
        raise ValueError(f"line {part.line}: {name} {part.text(name)[:20]!r} is no offset; write it as in +0100")
    hours, minutes, seconds = int(match[2]), int(match[3]), int(match[4] or 0)
    if hours >= 24:
        raise ValueError(f"line {part.line}: {name} {match[0]} is no offset; one is less than a day, as in +0100")
    return timedelta(hours=hours, minutes=minutes, seconds=seconds) * (-1 if match[1] == "-" else 1)
