"""Who would hear of a failure, and what would keep it from them: a play, and what the configuration says beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from checks.core.units import format_duration
from exporters.alerting.case import People
from exporters.alerting.explain import Explanation, Support, inhibitors
from exporters.alerting.incident import Incident, Severity, routing_labels
from exporters.alerting.rules import Silence, quiet_until, silenced
from exporters.route import explain
from probe.config.model import Config
from probe.engine.played import REASON, Play, Question, unlogged
from thresholds.base import Level
from thresholds.composite import standing
from thresholds.maintenance import Window
from thresholds.timeline import Condition


def foretold(
    config: Config,
    people: People,
    question: Question,
    silences: Sequence[Silence] = (),
    windows: Sequence[Window] = (),
) -> Explanation:
    """Who would hear of the failure of a check of a configuration, and what would keep it from them.

    Raises ValueError for an instant that a calendar does not have.
    """
    play = Play(config, people, question, silences, windows)
    with unlogged():
        play.run()
    incident = imagined(config, question.check, question.level, play.opened_ms)
    return Explanation(
        question.at_ms,
        incident,
        tuple(explain(config.routes, routing_labels(incident), incident.worst, play.opened_ms)),
        tuple(play.hearings),
        silenced(silences, incident, (), play.opened_ms),
        quiet_until(config.alerting.quiet, incident, play.opened_ms),
        tuple(_said(play, question)),
        tuple(play.holds),
        play.cases,
        tuple(_supports(config, question, play)),
        tuple(inhibitors(config.alerting.inhibitions, incident, lambda: _others(config, question))),
        tuple(play.maintenance()),
        play.muted_ms if play.incident is not None else 0,
        config.alerting,
        question.supposed,
    )


def imagined(config: Config, check: str, level: Level, at_ms: int) -> Incident:
    """The incident that a check of a configuration would be."""
    planned = config.checks[check]
    return Incident(
        id=f"{check}@{at_ms}",
        number=0,
        subject=planned.service or check,
        opened_ms=at_ms,
        detected_ms=at_ms,
        level=level,
        worst=level,
        severity=planned.severities.get(level, Severity.TICKET),
        check=check,
        reason=REASON,
        service=planned.service,
        owner=planned.owner,
        runbook=planned.runbook,
        type=planned.type,
        labels=planned.labels,
        depends_on=planned.depends_on,
    )


def _said(play: Play, question: Question) -> Iterator[str]:
    incident = play.incident
    if incident is not None and incident.check != question.check:
        yield f"it is part of the incident of {incident.check}, which depends on the same"
    yield from play.notes
    for name, after in play.repeated.items():
        yield f"{name} is told again from {format_duration(after)} on, while it lasts"


def _supports(config: Config, question: Question, play: Play) -> Iterator[Support]:
    """What it depends on. Its own service is of no effect: it cannot wait for itself."""
    planned = config.checks[question.check]
    for name in planned.depends_on:
        if name not in (question.check, planned.service):
            service = config.services.get(name)
            members = [one for one in (service.members if service else (name,)) if one in config.checks]
            levels = [play.level(one) for one in members]
            level = max(levels, default=Level.UP)
            if service is not None:
                level = Level[standing(service.rule, [Condition(one) for one in levels]).name]
            yield Support(name, level, max((config.checks[one].spec.every for one in members), default=0.0))


def _others(config: Config, question: Question) -> Iterator[Sequence[Incident]]:
    """The incidents that there could be beside it: of each check, at each bad level."""
    for name in config.checks:
        if name != question.check:
            yield [imagined(config, name, level, question.at_ms) for level in (Level.DOWN, Level.DEGRADED)]
