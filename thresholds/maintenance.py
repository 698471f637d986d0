"""Planned work: when it is, what it covers, and what follows from it for alerts, runs and SLOs. Pure.

Times are anything that gives its spans: `OneOff`, hours of the week (`Hours`), `Cron`, an iCalendar file (`Calendar`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Protocol

from cronsim import CronSim, CronSimError

from thresholds.calendar import local, named_zone, occurrences, resolve
from thresholds.ical import Calendar
from thresholds.spans import Span, Spans, clip, union, without

_NICKNAMES = {
    "@hourly": "0 * * * *",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@weekly": "0 0 * * 0",
    "@monthly": "0 0 1 * *",
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
}
_FIELDS = "minute hour day month weekday"
_SOME_DAY = datetime.fromisoformat("2000-01-01")
_MOST_A_DAY = 288  # every five minutes
_MOST_SPANS = 120_000
_MOST_TEXT = 200
_LONGEST = 366 * 86400.0


class Times(Protocol):
    """When something is."""

    def spans(self, within: Span) -> list[Span]:
        """Its time within a span, in order, no two touching."""
        ...


@dataclass(frozen=True, slots=True)
class OneOff:
    """One span of time."""

    span: Span

    def __post_init__(self) -> None:
        if self.span[0] >= self.span[1]:
            raise ValueError(
                "a maintenance ends before it begins, or has no length; write the later instant as its end"
            )

    def spans(self, within: Span) -> list[Span]:
        return clip([self.span], within)


@dataclass(frozen=True, slots=True)
class Cron:
    """From each time that five fields of cron name, for so many seconds.

    On days when clocks change as Debian's cron: a fixed time that never comes starts when the gap ends, one that comes
    twice at the first; where minute or hour begin with `*` it starts whenever a wall clock shows such a time.
    """

    expression: str
    zone: str
    lasts: float

    def __post_init__(self) -> None:
        named_zone(self.zone)
        if not 0 < self.lasts <= _LONGEST:
            raise ValueError(
                f"a maintenance that lasts {self.lasts:g} s is out of range; more than 0, at most 366 days"
            )
        _checked(self.expression)

    def spans(self, within: Span) -> list[Span]:
        lasts_ms = round(self.lasts * 1000)
        starts = self._starts((within[0] - lasts_ms, within[1]))
        return clip(union((at_ms, at_ms + lasts_ms) for at_ms in starts), within)

    def _starts(self, within: Span) -> Iterator[int]:
        """The instants around a span at which it starts. Walked on the wall clock: the clock's changes are ours."""
        zone = named_zone(self.zone)
        minute, hour, *_ = self.expression.split()
        repeating = minute.startswith("*") or hour.startswith("*")
        end = local(within[1], zone) + timedelta(days=1)
        for count, naive in enumerate(CronSim(self.expression, local(within[0], zone) - timedelta(days=1))):
            if naive > end:
                return
            if count >= _MOST_SPANS:
                raise ValueError(f"{self.expression!r} starts more than {_MOST_SPANS} times; ask for less time at once")
            yield from occurrences(naive, zone) if repeating else [resolve(naive, zone)]


def _checked(expression: str) -> None:
    """ValueError unless it is cron that comes at all, and not all the time."""
    fields = expression.split()
    if expression[:1] == "@":
        same = _NICKNAMES.get(expression.strip().lower())
        raise ValueError(f"{expression[:20]!r} is no cron of five fields; write {same or _FIELDS}")
    if len(fields) != 5 or len(expression) > _MOST_TEXT:
        raise ValueError(f"{expression[:60]!r} has {len(fields)} fields of cron; wanted five: {_FIELDS}")
    try:
        cron = CronSim(expression, _SOME_DAY)
    except CronSimError as error:
        raise ValueError(f"{expression!r} is no cron: {str(error).lower()}; wanted {_FIELDS}") from None
    if next(cron, None) is None:
        raise ValueError(f"{expression!r} never comes; wanted a day that months have")
    times = len(cron.minutes) * len(cron.hours)
    if times > _MOST_A_DAY:
        raise ValueError(
            f"{expression!r} starts {times} times a day; at most {_MOST_A_DAY}, or write hours of the week"
        )


class Mode(StrEnum):
    """What a maintenance does to what it covers."""

    MUTE = "mute"  # checks run, nobody is told
    PAUSE = "pause"  # checks do not run


@dataclass(frozen=True, slots=True)
class Subject:
    """What may be under maintenance: a check, or a service as a whole with `check` empty."""

    check: str = ""
    service: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Window:
    """A maintenance. It covers what matches every kind that it names: one of the checks, of the services, all labels.

    Names and values are patterns, with `*`, `?` and `[...]`; a `*` takes a `/`, too.
    """

    name: str
    times: Times
    checks: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    mode: Mode = Mode.MUTE
    excluded: bool = True  # from availability and SLOs
    reason: str = ""
    by: str = ""
    ended: Spans = ()  # time that was planned, and given back: it ended early

    def __post_init__(self) -> None:
        if not (self.checks or self.services or self.labels):
            raise ValueError(f"maintenance {self.name!r} names no checks, services or labels; checks: ['*'] covers all")

    def covers(self, subject: Subject) -> bool:
        """Whether something is under it when its time comes."""
        return (
            (not self.checks or _matches(subject.check, self.checks))
            and (not self.services or _matches(subject.service, self.services))
            and all(fnmatchcase(subject.labels.get(label, ""), value) for label, value in self.labels.items())
        )

    def spans(self, within: Span) -> list[Span]:
        """Its time within a span, less what was given back."""
        return without(self.times.spans(within), union(self.ended))

    def reasons(self, spans: Spans) -> list[str]:
        """What it is for in each of its spans: its own reason, else what a calendar calls the events of each."""
        if self.reason or not isinstance(self.times, Calendar):
            return [self.reason] * len(spans)
        return self.times.called(spans)


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


@dataclass(frozen=True, slots=True)
class Planned:
    """What maintenance does to one subject, in a span of time. Each in order, no two touching."""

    muted: list[Span]  # nobody is told; what is paused is muted, too
    paused: list[Span]  # it does not run
    excluded: list[Span]  # availability and SLOs leave it out


def planned(windows: Iterable[Window], subject: Subject, within: Span) -> Planned:
    """What all maintenance together does to a subject."""
    covering = [(window, window.spans(within)) for window in windows if window.covers(subject)]
    return Planned(
        union(span for _, spans in covering for span in spans),
        union(span for window, spans in covering if window.mode is Mode.PAUSE for span in spans),
        union(span for window, spans in covering if window.excluded for span in spans),
    )


def agenda(windows: Iterable[Window], within: Span) -> list[tuple[Span, Window]]:
    """Each maintenance at each of its times within a span, by start: what is on now, and what comes."""
    found = [(span, window) for window in windows for span in window.spans(within)]
    return sorted(found, key=lambda entry: (entry[0], entry[1].name))
