"""What somebody wants to know with `probe query`: of whom, and of which time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from checks.core.units import parse_duration
from probe.cli.query_table import Cells, stamp
from probe.config.model import Config
from probe.config.problems import nearest
from probe.engine.records import Records, Subject
from probe.store.base import Store
from thresholds.calendar import Unit, calendar_span, parse_instant, previous_span
from thresholds.spans import Span

_PAST = "last-"


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know."""

    what: str
    name: str = ""  # of a service or a check; "": of all services, and of all checks that belong to none
    since: str = "30d"
    until: str = ""
    step: str = ""
    metrics: tuple[str, ...] = ("total",)
    checks: bool = False  # each check by itself: all of them, or those of the service named
    dated: bool = False  # somebody said of which time


def span_of(since: str, until: str, now_ms: int, zone: str) -> Span:
    """`30d`, `month`, `last-week`, or an instant, as a span that ends at `until`, and never after now."""
    unit = since.removeprefix(_PAST)
    if unit in set(Unit):
        if until:
            raise ValueError(f"--until goes with a length of time or an instant: {since} has an end of its own")
        start, end = (previous_span if since.startswith(_PAST) else calendar_span)(unit, zone, now_ms)
        return start, min(end, now_ms)
    start = _instant("--since", since, now_ms, zone)
    end = _instant("--until", until, now_ms, zone) if until else now_ms
    if start >= now_ms:
        raise ValueError(f"--since {since} does not lie in the past")
    if start >= end:
        raise ValueError("--until must lie after --since")
    return start, min(end, now_ms)


def _instant(option: str, text: str, now_ms: int, zone: str) -> int:
    try:
        return now_ms - round(parse_duration(text) * 1000)
    except ValueError:
        pass
    try:
        return parse_instant(text, zone)
    except ValueError:
        units = ", ".join(Unit)
        spans = f", or one of {units}, last-{', last-'.join(Unit)}" if option == "--since" else ""
        raise ValueError(
            f"{option} {text!r} is no time; write a length of time ago (30d), or an instant (2026-11-01T08:00){spans}"
        ) from None


def step_of(text: str) -> int:
    """Seconds of a step; 0 where it is left to us."""
    if not text:
        return 0
    seconds = parse_duration(text)
    if seconds < 1 or seconds != int(seconds):
        raise ValueError(f"--step {text} is no step; write whole seconds, minutes, hours or days, as in 5m, 1h, 1d")
    return int(seconds)


def chosen(records: Records, asked: Asked) -> list[Subject]:
    """Those who are asked about; ValueError where nobody is called so."""
    config = records.config
    if asked.name:
        known(config, asked.name)
        service = config.services.get(asked.name)
        names = service.members if service is not None and asked.checks else (asked.name,)
    else:
        names = tuple(config.checks) if asked.checks else (*config.services, *_alone(config))
    found = (records.subject(name) for name in names)
    return [subject for subject in found if subject is not None and subject.members]


def _alone(config: Config) -> list[str]:
    """Checks that belong to no service."""
    members = {name for service in config.services.values() for name in service.members}
    return [name for name in config.checks if name not in members]


def of_whom(config: Config, asked: Asked) -> str:
    """Of whom an answer speaks, for people."""
    if asked.name:
        return f"the checks of {asked.name}" if asked.checks and asked.name in config.services else asked.name
    if asked.checks or not config.services:
        return "all checks"
    alone = " and checks in none" if _alone(config) else ""
    return f"services{alone}; --checks for every check"


def known(config: Config, name: str, *, kind: str = "") -> None:
    """ValueError where nobody is called so, with who may be meant. `kind` "check": services do not count."""
    names = [*config.checks] if kind == "check" else [*config.services, *config.checks]
    if name not in names:
        near = nearest(name, names)
        who = "check" if kind == "check" else "service and no check"
        raise ValueError(f"there is no {who} {name}{f'; did you mean {near}?' if near else ''}")


@dataclass(frozen=True, slots=True)
class Question:
    """What was asked, and what knows the answer."""

    config: Config
    store: Store
    records: Records
    asked: Asked
    now_ms: int

    def subjects(self) -> Iterator[tuple[Subject, Span]]:
        """Who is asked about, each with the time on its own calendar."""
        for subject in chosen(self.records, self.asked):
            yield subject, span_of(self.asked.since, self.asked.until, self.now_ms, subject.zone)

    def named(self, subject: Subject) -> Cells:
        """The cell that says of whom a row is, and in which zone where these differ; none where the title says it."""
        zone = {"zone": subject.zone} if len(self._zones()) > 1 else {}
        return zone if subject.name == self.asked.name else {"of": subject.name, **zone}

    def title(self, noun: str) -> str:
        """`Outages of shop, 2026-10-23 11:25 to 2026-11-22 11:25, Europe/Berlin`."""
        zones, asked = self._zones(), self.asked
        begun = f"{noun} of {asked.name}" if asked.name and not asked.checks else f"{noun} of {self._whom()}"
        if len(zones) != 1:
            return f"{begun}; since {asked.since}{f' until {asked.until}' if asked.until else ''}, on the clock of each"
        (zone,) = zones
        start, end = (stamp(at_ms, zone, 0) for at_ms in span_of(asked.since, asked.until, self.now_ms, zone))
        return f"{begun}; {start} to {end}, {zone}"

    def stamp(self, at_ms: int, subject: Subject) -> str:
        return stamp(at_ms, subject.zone, self.now_ms)

    def _whom(self) -> str:
        return of_whom(self.config, self.asked)

    def _zones(self) -> set[str]:
        return {subject.zone for subject in chosen(self.records, self.asked)}
