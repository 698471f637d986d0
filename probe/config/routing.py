"""Who is told of what, and what is held back: routes, inhibition, quiet hours, storms; each mistake at its place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Literal

from pydantic import Field

from checks.core.units import Duration
from exporters.alerting.incident import Severity
from exporters.alerting.rules import Inhibition, Quiet
from exporters.alerting.settings import Settings
from exporters.route import Route
from probe.config.faults import Faults
from probe.config.fields import LabelName, Opening
from probe.config.plan import types_by_name
from probe.config.problems import suggestion
from probe.config.sections import Label, Section
from probe.config.targets import TOLD, Targets
from probe.config.tree import Path, Series, Table, missing
from thresholds.base import Level
from thresholds.hours import parse_hours

KEYS = ("routes", "inhibit", "quiet", "storm", "reopen_within")
_LEVELS = {"degraded": Level.DEGRADED, "down": Level.DOWN}
_SEVERITIES = [severity.value for severity in Severity]
_RULES = {"inhibit": "inhibitions", "quiet": "quiet hours"}
Wanted = Label | list[Label]
Matches = dict[str, Wanted]
_HOW = (
    "A text is the label itself, a list is one of them, `!prod` is anything else, `~web-[0-9]+` a regular expression."
)


class GroupSection(Section):
    """Incidents that are told together."""

    by: list[str] = Field(
        [], description="Labels that they have in common, as `service` or `city`; without any, all of the route."
    )
    wait: Duration = Field(30.0, ge=0, le=3600, description="How long the first message waits for more of them.")
    interval: Duration = Field(300.0, ge=0, le=86400, description="Time between two messages about changes.")


class RouteSection(Section):
    """Who is told. Routes are tried in order; the first match wins."""

    match: Matches = Field(
        {},
        description="What must be so, all of it: `level` (the least level: `degraded` takes DEGRADED and DOWN), "
        f"`severity`, `check`, `service`, `owner`, `type`, or any label. {_HOW} Without it, everything matches.",
    )
    when: Opening | None = Field(
        None, description="Only at these times, as in `Mon-Fri 08:00-18:00 Europe/Madrid`: then the incident begins."
    )
    to: list[str] = Field(
        description="Who: a receiver, `user:ana`, `rotation:primary`, `schedule:prodops`, `escalation:prodops`.",
        min_length=1,
    )
    wait: Duration = Field(0.0, ge=0, le=86400, description="What is over before that is told to nobody.")
    group: GroupSection | None = Field(None, description="Tell incidents together; without it, each by itself.")
    repeat: Annotated[Duration, Field(ge=60, le=31 * 86400)] | None = Field(
        None, description="Tell again after this time while it lasts and nobody acknowledges."
    )
    go_on: bool = Field(False, alias="continue", description="Try the next routes, too.")


class InhibitSection(Section):
    """While one incident is open, others are not told."""

    source: Matches = Field(
        description=f"What must be so of the one that speaks; `level` is how it stands. {_HOW}", min_length=1
    )
    target: Matches = Field(description="What must be so of those that are not told.", min_length=1)
    equal: list[LabelName | Literal["service", "owner", "type"]] = Field(
        [], description="Labels that must be the same on both sides."
    )


class QuietSection(Section):
    """Hours in which nobody is told of what can wait."""

    severity: Annotated[list[Literal["page", "ticket"]], Field(min_length=1)] | Literal["page", "ticket"] = Field(
        "ticket", description="Whose turn it is to wait."
    )
    hours: Opening = Field(description="When it is quiet, as in `Mon-Fri 18:00-08:00; Sat-Sun`.")
    match: Matches = Field({}, description=f"What else must be so. {_HOW}")


class StormSection(Section):
    """Many new incidents at once are told as one."""

    over: int = Field(20, ge=0, le=100_000, description="New incidents within a minute that are one storm; 0: never.")
    every: Duration = Field(300.0, ge=10, le=86400, description="Time between two messages of a storm.")


class ReopenSection(Section):
    """When an incident is the one that it was."""

    reopen_within: Duration = Field(
        600.0, ge=0, le=86400, description="What fails again for the same cause within this time is the same incident."
    )


class RoutingSection(ReopenSection):
    """Who is told, and of what."""

    routes: list[RouteSection] = Field([], description="Tried in order: the first that matches, unless it continues.")
    inhibit: list[InhibitSection] = Field([], description="Incidents that speak for others.")
    quiet: list[QuietSection] = Field([], description="Hours in which nobody is told of what can wait.")
    storm: StormSection = Field(StormSection(), description="Many new incidents at once are told as one.")


@dataclass(frozen=True, slots=True)
class Routing:
    """Routes in order, with the place of each in the document, and what holds them back."""

    routes: Sequence[tuple[Path, Route]] = ()
    settings: Settings = field(default_factory=Settings)


def read_routing(
    section: Table, targets: Targets, services: Sequence[str], zone: str | None, faults: Faults
) -> Routing:
    """What can be used of the section `alerts`; what cannot is reported."""
    reading = _Reading(targets, services, zone or "UTC", faults)
    storm = (
        faults.salvage(StormSection, section["storm"], ("alerts", "storm"))
        if _table(section, "storm", faults)
        else None
    )
    storm = storm or StormSection()
    within = faults.salvage(
        ReopenSection,
        {key: section[key] for key in ("reopen_within",) if key in section},
        ("alerts",),
    )
    settings = Settings(
        within.reopen_within,
        storm.over,
        storm.every,
        tuple(reading.inhibitions(section.get("inhibit"))),
        tuple(reading.quiet(section.get("quiet"))),
    )
    return Routing(reading.routes(section.get("routes")), settings)


def _table(section: Table, key: str, faults: Faults) -> bool:
    value = section.get(key)
    if value is None or isinstance(value, Table):
        return value is not None
    faults.error(("alerts", key), "wants a mapping, `key: value`")
    return False


class _Reading:
    """The lists of one document."""

    def __init__(self, targets: Targets, services: Sequence[str], zone: str, faults: Faults) -> None:
        self._targets = targets
        self._services = services
        self._zone = zone
        self._faults = faults

    def _each(self, section: object, key: str, example: str) -> Sequence[tuple[Path, object]]:
        path = ("alerts", key)
        if section is None:
            return []
        if not isinstance(section, Series):
            self._faults.error(path, f"wants a list of {_RULES.get(key, key)}", f"write - {example}")
            return []
        return [((*path, index), body) for index, body in enumerate(section)]

    def routes(self, section: object) -> list[tuple[Path, Route]]:
        found: list[tuple[Path, Route]] = []
        for path, body in self._each(section, "routes", "{to: [chat]}"):
            route = self._route(body, path)
            if route is not None:
                found.append((path, route))
        return found

    def _route(self, body: object, path: Path) -> Route | None:
        before = len(self._faults.report.errors)
        if isinstance(body, Table) and not missing(body):
            self._check_targets(body.get("to"), (*path, "to"))
            self._check_match(body.get("match"), (*path, "match"))
            self._check_least(body.get("match"), (*path, "match", "level"))
        section = self._faults.validate(RouteSection, body, path)
        if section is None or len(self._faults.report.errors) > before:
            return None
        match = _match(section.match)
        least = str(match.pop("level", "degraded"))
        group = section.group
        return Route(
            to=tuple(section.to),
            match=match,
            level=_LEVELS.get(least, Level.DEGRADED),  # what is unknown was told of
            go_on=section.go_on,
            when=parse_hours(section.when, self._zone) if section.when else None,
            by=(tuple(group.by) or ("",)) if group else (),
            wait=max(section.wait, group.wait if group else 0.0),
            interval=group.interval if group else Route(()).interval,
            repeat=section.repeat or 0.0,
            name=f"route {int(path[-1]) + 1}",
        )

    def inhibitions(self, section: object) -> list[Inhibition]:
        found = []
        for path, body in self._each(section, "inhibit", "{source: {service: gateway}, target: {tier: web}}"):
            read = self._faults.validate(InhibitSection, body, path)
            if isinstance(body, Table):
                for side in ("source", "target"):
                    self._check_match(body.get(side), (*path, side))
            if read is not None:
                found.append(Inhibition(_match(read.source), _match(read.target), tuple(read.equal)))
        return found

    def quiet(self, section: object) -> list[Quiet]:
        found = []
        for path, body in self._each(section, "quiet", "{severity: ticket, hours: daily 20:00-08:00}"):
            read = self._faults.validate(QuietSection, body, path)
            if isinstance(body, Table):
                self._check_match(body.get("match"), (*path, "match"))
            if read is not None:
                names = [read.severity] if isinstance(read.severity, str) else read.severity
                hours = parse_hours(read.hours, self._zone)
                found.append(Quiet(tuple(Severity(name) for name in names), hours, _match(read.match)))
        return found

    def _check_least(self, section: object, path: Path) -> None:
        """A route takes incidents from one level on: a list of levels, or all but one, would say something else."""
        wanted = section.get("level", "degraded") if isinstance(section, Table) else "degraded"
        if not isinstance(wanted, str) or wanted[:1] in ("", "!", "~"):
            self._faults.error(path, "wants one level, the least that the route takes", "write degraded or down")

    def _check_targets(self, section: object, path: Path) -> None:
        for index, text in enumerate(section if isinstance(section, Series) else ()):
            wrong = self._targets.check(text, TOLD) if isinstance(text, str) else None
            if wrong is not None:
                self._faults.error((*path, index), wrong.message, wrong.hint)

    def _check_match(self, section: object, path: Path) -> None:
        """Whatever a match names must be there, and a regular expression must be one."""
        # The program's checks on itself can be routed like all others.
        known = {
            "level": [*_LEVELS],
            "severity": _SEVERITIES,
            "type": [*types_by_name(), "self", "slo"],
            "service": [*self._services, "probe"],
        }
        for label, wanted in section.items() if isinstance(section, Table) else ():
            for text in wanted if isinstance(wanted, Series) else [wanted]:
                if isinstance(text, str):
                    self._check_wanted(label, text, known.get(label), (*path, label))

    def _check_wanted(self, label: str, text: str, known: Sequence[str] | None, path: Path) -> None:
        plain = text.removeprefix("!")
        if plain.startswith("~"):
            try:
                re.compile(plain[1:])
            except re.error as error:
                self._faults.error(path, f"no regular expression: {error}")
        elif known is not None and plain not in ("", *known):  # "" matches what has none
            self._faults.error(path, f"no {label} is called {plain}", suggestion(plain, known, f"{label}s"))


def _match(section: Mapping[str, Wanted]) -> dict[str, str | tuple[str, ...]]:
    """What labels must be."""
    return {label: tuple(wanted) if isinstance(wanted, list) else wanted for label, wanted in section.items()}
