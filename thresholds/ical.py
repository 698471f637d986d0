"""Planned time from an iCalendar file (RFC 5545): events, once or repeated, moved or cancelled. Pure.

Read are DTSTART, DTEND, DURATION, RRULE, RDATE, EXDATE, RECURRENCE-ID, SEQUENCE, STATUS, SUMMARY and UID of events, and
the calendar's time zones. What cannot be taken at its word is an error: half a calendar would let people be woken.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta, tzinfo
from itertools import groupby

from checks.core.text import one_line
from thresholds.calendar import instant, local, named_zone
from thresholds.ical_lines import Component, Property, parse_components
from thresholds.ical_zone import zone_of, zones_of
from thresholds.recurrence import Rule, parse_rule, starts
from thresholds.spans import Span, Spans, clip, union

_DURATION = re.compile(
    r"\+?P(?:(\d{1,4})W|(?=[\dT])(?:(\d{1,5})D)?(?:T(?=\d)(?:(\d{1,5})H)?(?:(\d{1,6})M)?(?:(\d{1,7})S)?)?)"
)
_AT_LINE = re.compile(r"line (\d+): (.*)", re.DOTALL)
_DAY = timedelta(days=1)
_MOST_EVENTS = 5_000
_MOST_COUNTED = 500  # series that end after a number: each is walked from its start, once
_MOST_SPANS = 100_000
_LONGEST_NAME = 200  # characters
_LONGEST = 366 * 86400  # of an event that repeats


@dataclass(frozen=True, slots=True)
class Moment:
    """A date, or a time on a zone's wall clock."""

    naive: datetime
    zone: tzinfo
    whole_day: bool = False

    @property
    def at_ms(self) -> int:
        return instant(self.naive, self.zone)

    def within(self, zone: tzinfo) -> datetime:
        """What another zone's wall clock shows; a date is the same everywhere."""
        return self.naive if self.whole_day or zone is self.zone else local(self.at_ms, zone)


@dataclass(frozen=True, slots=True)
class Event:
    """An event with all its occurrences."""

    summary: str
    start: Moment
    days: int = 0  # of the wall clock, and
    seconds: int = 0  # elapsed after them
    rule: Rule | None = None
    also: frozenset[datetime] = frozenset()  # on the same wall clock
    skipped: frozenset[int] = frozenset()  # Unix ms of starts
    skipped_days: frozenset[date] = frozenset()

    def spans(self, within: Span) -> Iterator[Span]:
        """Its occurrences that touch a span, whole."""
        zone, reach = self.start.zone, timedelta(days=self.days, seconds=self.seconds)
        for naive in self._starts(local(within[0], zone) - reach - _DAY, local(within[1], zone) + _DAY):
            at_ms = replace(self.start, naive=naive).at_ms
            if at_ms in self.skipped or naive.date() in self.skipped_days:
                continue
            until = naive + timedelta(days=self.days)
            end_ms = (replace(self.start, naive=until).at_ms if self.days else at_ms) + self.seconds * 1000
            if at_ms < within[1] and end_ms > within[0]:
                yield at_ms, end_ms

    def _starts(self, begin: datetime, end: datetime) -> Iterable[datetime]:
        first = self.start.naive
        if self.rule is None:
            return [at for at in {first, *self.also} if begin <= at <= end]
        ruled = starts(self.rule, first, begin, end)
        return ruled if not self.also else {*ruled, *(at for at in self.also if begin <= at <= end)}


@dataclass(frozen=True, slots=True)
class Calendar:
    """The events of a file. `parse_calendar` makes it.

    `floating`: dates or times of it are on nobody's clock: neither they nor the file name one.
    """

    events: tuple[Event, ...] = field(repr=False)
    floating: bool = False

    def spans(self, within: Span) -> list[Span]:
        """The time of its events within a span, in order."""
        return clip(union(span for span, _ in self.named(within)), within)

    def named(self, within: Span) -> list[tuple[Span, str]]:
        """Each occurrence that touches a span, whole, with what it is called, in order."""
        found: list[tuple[Span, str]] = []
        for event in self.events:
            for span in event.spans(within):
                if len(found) >= _MOST_SPANS:
                    raise ValueError(f"a calendar has more than {_MOST_SPANS} events in one span; ask for less time")
                found.append((span, event.summary))
        return sorted(found)

    def called(self, spans: Spans) -> list[str]:
        """What the events of each of some spans, as `spans` gives them, are called: a line for people, "" for none."""
        names: list[dict[str, None]] = [{} for _ in spans]
        begins = [start for start, _ in spans]
        for (start, end), summary in self.named((spans[0][0], spans[-1][1])) if spans else []:
            at = max(0, bisect_right(begins, start) - 1)
            if summary and start < spans[at][1] and end > spans[at][0]:
                names[at][one_line(summary, _LONGEST_NAME)] = None
        return [one_line(", ".join(filter(None, each)), _LONGEST_NAME) for each in names]


def parse_calendar(text: str, zone: str | tzinfo = "UTC") -> Calendar:
    """The events of an .ics file. `zone` is for times that name none, in a calendar that names none either."""
    events: list[Event] = []
    floating = False
    for calendar in parse_components(text):
        zones, parts = zones_of(calendar), [part for part in calendar.parts if part.name == "VEVENT"]
        events += _events(parts, zones, _own(calendar, zones, zone))
        floating = floating or (calendar.get("X-WR-TIMEZONE") is None and any(map(_floats, parts)))
    return Calendar(tuple(events), floating)


def _floats(part: Component) -> bool:
    """Whether an event begins on a date, or at a time, of which it does not say whose clock it is on."""
    given = part.get("DTSTART")
    if given is None or _cancelled(part):
        return False
    return not given.params.get("TZID") and not given.value.strip().upper().endswith("Z")


def _own(calendar: Component, zones: Mapping[str, tzinfo], zone: str | tzinfo) -> tzinfo:
    given = calendar.get("X-WR-TIMEZONE")
    if given is None:
        return named_zone(zone)
    return zone_of(replace(given, params={"TZID": given.text.strip()}), zones, named_zone(zone))


def _events(parts: list[Component], zones: Mapping[str, tzinfo], default: tzinfo) -> list[Event]:
    if len(parts) > _MOST_EVENTS:
        hint = "leave out those that are over"
        raise ValueError(f"a calendar of {len(parts)} events is too large; at most {_MOST_EVENTS}: {hint}")
    if sum("COUNT=" in rule.value.upper() for part in parts for rule in part.all("RRULE")) > _MOST_COUNTED:
        raise ValueError(f"more than {_MOST_COUNTED} rules with COUNT in one calendar; write UNTIL instead")
    found: list[Event] = []
    for _, series in groupby(sorted(parts, key=_uid), key=_uid):
        found += _series(_latest(series, zones, default), zones, default)
    return found


def _uid(part: Component) -> str:
    return part.text("UID") or f"line {part.line}"


def _latest(
    series: Iterable[Component], zones: Mapping[str, tzinfo], default: tzinfo
) -> list[tuple[Moment | None, Component]]:
    """Of each occurrence that is told of by itself, and of the whole (None), what was said last."""
    latest: dict[int | None, tuple[Moment | None, Component]] = {}
    for part in series:
        with _blaming(part):
            moment = _replaced(part, zones, default)
        key = moment.at_ms if moment else None
        if key not in latest or _sequence(part) >= _sequence(latest[key][1]):
            latest[key] = moment, part
    return list(latest.values())


def _replaced(part: Component, zones: Mapping[str, tzinfo], default: tzinfo) -> Moment | None:
    """The occurrence that an event tells of by itself; None where it tells of the whole."""
    given = part.get("RECURRENCE-ID")
    if given and given.params.get("RANGE"):
        raise ValueError(f"line {given.line}: RANGE=THISANDFUTURE is not known here; write two events that repeat")
    return _moment(given, given.value, zones, default) if given else None


@contextmanager
def _blaming(part: Component) -> Iterator[None]:
    """Have what is wrong name the event, as people find it in their calendar, and the line of the file."""
    try:
        yield
    except ValueError as error:
        found = _AT_LINE.fullmatch(str(error))
        line, text = (found[1], found[2]) if found else (part.line, error)
        raise ValueError(f"line {line}: {_called(part)}: {text}") from None


def _called(part: Component) -> str:
    summary, uid = part.text("SUMMARY")[:60], part.text("UID")[:60]
    names = ([repr(summary)] if summary else []) + ([f"(UID {uid!r})"] if uid else [])
    return " ".join(["event", *(names or ["without SUMMARY and UID"])])


def _sequence(part: Component) -> int:
    text = part.text("SEQUENCE")
    return int(text) if re.fullmatch(r"\d{1,9}", text, re.ASCII) else 0


def _series(
    told: list[tuple[Moment | None, Component]], zones: Mapping[str, tzinfo], default: tzinfo
) -> Iterator[Event]:
    """The events of one UID: what is told of one occurrence takes the place of that which the rule gives."""
    moved = [moment for moment, _ in told if moment]
    if any(moment is None and _cancelled(part) for moment, part in told):
        return
    for moment, part in told:
        if _cancelled(part):
            continue
        with _blaming(part):
            event, periods = _event(part, zones, default)
        if moment is not None:
            yield replace(event, rule=None, also=frozenset())
            continue
        yield _skipping(event, moved)
        yield from periods


def _cancelled(part: Component) -> bool:
    return part.text("STATUS").upper() == "CANCELLED"


def _event(part: Component, zones: Mapping[str, tzinfo], default: tzinfo) -> tuple[Event, list[Event]]:
    """An event as it stands, and the further times of it that have a length of their own."""
    given = part.get("DTSTART")
    if given is None:
        raise ValueError("it has no DTSTART; write when it begins")
    start = _moment(given, given.value, zones, default)
    days, seconds = _length(part, start, zones)
    event = Event(part.text("SUMMARY")[:_LONGEST_NAME], start, days, seconds)
    periods: list[Event] = []
    for more in part.all("RDATE"):
        for text in more.value.split(","):
            if "/" in text:
                periods.append(_period(event, more, text, zones))
            else:
                event = replace(event, also=event.also | {_moment(more, text, zones, start.zone).within(start.zone)})
    gone = [_moment(out, text, zones, start.zone) for out in part.all("EXDATE") for text in out.value.split(",")]
    event = replace(_skipping(event, gone), rule=_rule(part, start))
    if event.rule and days * 86400 + seconds > _LONGEST:
        raise ValueError("it repeats and is longer than a year; write it without a rule")
    return event, [_skipping(period, gone) for period in periods]


def _skipping(event: Event, gone: Iterable[Moment]) -> Event:
    """Without some of its occurrences. A date, for an event that begins at a time, is all of that day's."""
    days = {moment.naive.date() for moment in gone if moment.whole_day}
    at_ms = {moment.at_ms for moment in gone if not moment.whole_day}
    return replace(event, skipped=event.skipped | at_ms, skipped_days=event.skipped_days | days)


def _rule(part: Component, start: Moment) -> Rule | None:
    rules = list(part.all("RRULE"))
    if len(rules) > 1 or part.get("EXRULE"):
        raise ValueError("more than one RRULE, or an EXRULE, is not known here; write one RRULE, and EXDATE")
    return parse_rule(rules[0].value, start.naive, start.zone) if rules else None


def _length(part: Component, start: Moment, zones: Mapping[str, tzinfo]) -> tuple[int, int]:
    """Days of the wall clock, and seconds after them. RFC 5545 section 3.8.5.3: a DTEND means the time elapsed."""
    duration, end = part.get("DURATION"), part.get("DTEND")
    if duration is not None:
        return _duration(duration.value)
    if end is None:
        return (1, 0) if start.whole_day else (0, 0)
    until = _moment(end, end.value, zones, start.zone)
    if until.whole_day is not start.whole_day:
        raise ValueError("one of DTSTART and DTEND is a date and the other a time; write both alike")
    if until.at_ms < start.at_ms:
        raise ValueError("it ends before it begins; write the later time as DTEND")
    if start.whole_day:
        return max((until.naive - start.naive).days, 1), 0
    return 0, (until.at_ms - start.at_ms) // 1000


def _duration(text: str) -> tuple[int, int]:
    match = _DURATION.fullmatch(text.strip().upper())
    if match is None:
        raise ValueError(f"{text[:20]!r} is no duration of a calendar; write it as in PT2H30M or P1D")
    weeks, days, hours, minutes, seconds = (int(number or 0) for number in match.groups())
    return weeks * 7 + days, hours * 3600 + minutes * 60 + seconds


def _period(event: Event, given: Property, text: str, zones: Mapping[str, tzinfo]) -> Event:
    first, _, last = text.partition("/")
    start = _moment(given, first, zones, event.start.zone)
    if "P" in last.upper():
        days, seconds = _duration(last)
        return Event(event.summary, start, days, seconds)
    return Event(event.summary, start, 0, max(0, _moment(given, last, zones, start.zone).at_ms - start.at_ms) // 1000)


def _moment(given: Property, text: str, zones: Mapping[str, tzinfo], default: tzinfo) -> Moment:
    text = text.strip().upper()
    shape = {8: "%Y%m%d", 15: "%Y%m%dT%H%M%S", 16: "%Y%m%dT%H%M%SZ"}.get(len(text), "")
    try:
        naive = datetime.strptime(text, shape)  # noqa: DTZ007  # on a wall clock
        local(instant(naive, UTC), UTC)  # a year of our times
    except ValueError:
        raise ValueError(
            f"line {given.line}: {given.name} {text[:30]!r} is no time; write it as in 20261102T220000 or 20261102"
        ) from None
    zone = UTC if text.endswith("Z") else zone_of(given, zones, default)
    return Moment(naive, zone, whole_day=len(text) == len("20261102"))
