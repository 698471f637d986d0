"""A schedule, or the shifts of one person, as an iCalendar file (RFC 5545) for calendar programs to fetch. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from hashlib import sha256

from exporters.oncall.override import Override
from exporters.oncall.roster import DAY, NO_FEEDS, Feeds, Roster
from exporters.oncall.shift import Shift
from thresholds.calendar import local
from thresholds.spans import Span

BACK, AHEAD = 15 * DAY, 180 * DAY
_WIDEST = 75  # octets of a line: RFC 5545 section 3.1
_EVER = "ever"


@dataclass(frozen=True, slots=True)
class _Event:
    """A shift as a calendar shows it, and what is the same of it whenever it is written."""

    shift: Shift
    identity: str
    title: str
    text: str


def exported(at_ms: int) -> Span:
    """The time that a calendar written at an instant holds."""
    return at_ms - BACK, at_ms + AHEAD


def schedule_calendar(
    roster: Roster,
    schedule: str,
    at_ms: int,
    overrides: Sequence[Override] = (),
    feeds: Feeds = NO_FEEDS,
    *,
    instance: str = "probe",
) -> str:
    """Who is on call in a schedule, with everything that was overridden. Its titles can be read back as a feed."""
    span = exported(at_ms)
    events = [
        _Event(shift, f"schedule {schedule} {edge}", ", ".join(shift.who), _shown(roster, shift.who))
        for shift, edge in _anchored(roster.shifts(schedule, _around(span), overrides, feeds), span)
    ]
    zone = str(roster.schedules[schedule].zone)
    return _written(f"On call: {schedule}", zone, events, at_ms, instance)


def user_calendar(
    roster: Roster,
    user: str,
    at_ms: int,
    overrides: Sequence[Override] = (),
    feeds: Feeds = NO_FEEDS,
    *,
    instance: str = "probe",
) -> str:
    """When one user is on call, in all schedules."""
    span = exported(at_ms)
    first, end = _around(span)
    events: list[_Event] = []
    own = roster.next_shifts(user, first, overrides, feeds, ahead_ms=end - first)
    for name in roster.schedules:
        mine = [one.shift for one in own if one.schedule == name]
        events += [
            _Event(shift, f"user {user} {name} {edge}", f"On call: {name}", "") for shift, edge in _anchored(mine, span)
        ]
    held = roster.users.get(user)
    title = f"On call: {held.shown if held else user}"
    return _written(title, held.zone if held else "UTC", sorted(events, key=lambda one: one.shift), at_ms, instance)


def _around(span: Span) -> Span:
    """A little more, so that a shift which begins or ends at the edge is told from one that goes on beyond it."""
    return span[0] - 1, span[1] + 1


def _anchored(shifts: Iterable[Shift], span: Span) -> Iterator[tuple[Shift, str]]:
    """Shifts clipped to a span, each with what stays the same while the span moves on: where it begins, or ends."""
    for shift in shifts:
        begins, ends = shift.start_ms >= span[0], shift.end_ms <= span[1]
        edge = f"from {shift.start_ms}" if begins else f"to {shift.end_ms}" if ends else _EVER
        start, end = max(shift.start_ms, span[0]), min(shift.end_ms, span[1])
        if start < end:
            yield Shift(start, end, shift.who), edge


def _shown(roster: Roster, who: Iterable[str]) -> str:
    return ", ".join(roster.users[name].shown for name in who)


def _written(title: str, zone: str, events: Iterable[_Event], at_ms: int, instance: str) -> str:
    lines = [
        "BEGIN:VCALENDAR",
        "VERSION:2.0",
        "PRODID:-//Probe//On-call//EN",
        "CALSCALE:GREGORIAN",
        f"NAME:{_text(title)}",  # RFC 7986; the next is what programs read that do not know it
        f"X-WR-CALNAME:{_text(title)}",
        f"X-WR-TIMEZONE:{_text(zone)}",
        "REFRESH-INTERVAL;VALUE=DURATION:PT1H",
        "X-PUBLISHED-TTL:PT1H",
    ]
    for event in events:
        lines += _lines(event, at_ms, instance)
    return "".join(f"{_folded(line)}\r\n" for line in (*lines, "END:VCALENDAR"))


def _lines(event: _Event, at_ms: int, instance: str) -> Iterator[str]:
    digest = sha256(f"{instance} {event.identity}".encode()).hexdigest()[:32]
    yield "BEGIN:VEVENT"
    yield f"UID:{digest}@probe"
    yield f"DTSTAMP:{_utc(at_ms)}"
    yield f"DTSTART:{_utc(event.shift.start_ms)}"
    yield f"DTEND:{_utc(event.shift.end_ms)}"
    yield f"SUMMARY:{_text(event.title)}"
    if event.text and event.text != event.title:
        yield f"DESCRIPTION:{_text(event.text)}"
    yield "TRANSP:TRANSPARENT"  # who is on call is still free to meet
    yield "END:VEVENT"


def _utc(at_ms: int) -> str:
    return local(at_ms, UTC).strftime("%Y%m%dT%H%M%SZ")


def _text(text: str) -> str:
    """A value of type TEXT: RFC 5545 section 3.3.11. Control characters are not allowed in it."""
    kept = "".join(char for char in text if char.isprintable() or char == "\n")
    return kept.replace("\\", "\\\\").replace(";", "\\;").replace(",", "\\,").replace("\n", "\\n")


def _folded(line: str) -> str:
    """A line of at most 75 octets, and the rest of it on the next ones; no character is cut in two."""
    pieces, width = [""], 0
    for char in line:
        size = len(char.encode())
        if width + size > _WIDEST:
            pieces.append(" ")
            width = 1
        pieces[-1] += char
        width += size
    return "\r\n".join(pieces)
