"""An incident: what is wrong with one service, which checks and since when, and who takes care of it. Pure values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from thresholds.base import Level


class Status(StrEnum):
    """How an incident stands."""

    TRIGGERED = "triggered"  # nobody takes care of it
    ACKNOWLEDGED = "acknowledged"
    SNOOZED = "snoozed"  # somebody puts it off until an instant, and then it is triggered again
    RESOLVED = "resolved"

    @property
    def held(self) -> bool:
        """Somebody has said that nobody else need act."""
        return self in (Status.ACKNOWLEDGED, Status.SNOOZED)


class Severity(StrEnum):
    """How much it disturbs people."""

    LOG = "log"  # nobody
    TICKET = "ticket"  # in working hours
    PAGE = "page"  # now

    @property
    def rank(self) -> int:
        return _RANKS[self]


_RANKS = {Severity.LOG: 0, Severity.TICKET: 1, Severity.PAGE: 2}
USUAL = {Level.DOWN: Severity.PAGE, Level.DEGRADED: Severity.TICKET}


class Deed(StrEnum):
    """What happened to an incident."""

    OPENED = "opened"
    REOPENED = "reopened"
    JOINED = "joined"  # another check fails for the same cause
    CHANGED = "changed"  # of a check: another bad level
    LEFT = "left"  # a check has recovered, others have not
    RESOLVED = "resolved"
    ACKNOWLEDGED = "acknowledged"
    UNACKNOWLEDGED = "unacknowledged"
    SNOOZED = "snoozed"
    ESCALATED = "escalated"  # somebody asked for the next step
    TOLD = "told"  # a notice was decided; what became of it is written with its deliveries
    HELD = "held"  # a notice is not told, or not yet: silenced, inhibited, quiet hours
    NOTE = "note"
    CAUSE = "cause"
    ACTION = "action"
    CHANGE = "change"  # a deploy or a change nearby


@dataclass(frozen=True, slots=True)
class Happening:
    """One line of an incident's timeline."""

    incident: str
    at_ms: int
    deed: Deed
    who: str = ""  # a person; "" where nobody did it
    text: str = ""
    notice: str = ""  # the id of the notice that was told


@dataclass(frozen=True, slots=True)
class Member:
    """One check in an incident."""

    check: str
    level: Level  # UP once it has recovered
    since_ms: int  # Unix ms of its first bad run
    alarm: str  # the identity of the check's own outage
    reason: str = ""
    target: str = ""
    worst: Level = Level.UNKNOWN
    ended_ms: int = 0
    causes: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)

    @property
    def bad(self) -> bool:
        return self.ended_ms == 0


@dataclass(frozen=True, slots=True)
class Action:
    """Something to be done so that it does not happen again."""

    id: int
    text: str
    owner: str = ""
    due: str = ""  # a date: 2026-12-01
    since_ms: int = 0
    done_ms: int = 0  # 0: still to be done
    link: str = ""


@dataclass(frozen=True, slots=True)
class Incident:
    """What is wrong with a service, or with a check that belongs to none. Instants are Unix ms; 0: not, or not yet."""

    id: str  # that of the outage that opened it: what receivers merge by
    number: int  # as people say it
    subject: str  # the service; the check where there is none
    opened_ms: int  # the first bad run of all
    detected_ms: int  # when it was decided
    level: Level
    worst: Level
    severity: Severity
    status: Status = Status.TRIGGERED
    ended_ms: int = 0  # the first good run after it, or when somebody said that it is over
    check: str = ""  # the one that opened it
    reason: str = ""
    causes: tuple[str, ...] = ()  # what its checks' failures have in common, any of it
    service: str = ""
    owner: str = ""
    runbook: str = ""
    bridge: str = ""
    type: str = ""
    target: str = ""
    page: str = ""  # the path of the page of what failed
    labels: Mapping[str, str] = field(default_factory=dict)
    seen: Mapping[str, str] = field(default_factory=dict)  # what the run saw that opened it, for people
    count: int = 1  # checks that are bad; once it is over, that were
    acked_by: str = ""
    acked_ms: int = 0
    acked_via: str = ""  # the shared channel whose link did it: who it was may be nobody that we know
    first_acked_ms: int = 0  # for the time to acknowledge, whatever came later
    first_told_ms: int = 0
    snoozed_ms: int = 0  # until when
    resolved_by: str = ""  # a person; "" where it recovered by itself
    reopened: int = 0
    spell_ms: int = 0  # the first bad run since it was opened again; 0: it never was
    started_ms: int = 0  # the true start, where somebody knows it
    category: str = ""  # of its cause, as people see it
    cause: str = ""
    fix: str = ""  # how it was mended
    impact: str = ""  # who was affected
    actions: tuple[Action, ...] = ()
    depends_on: tuple[str, ...] = ()
    untold: str = ""  # why nobody is told of it now, as its timeline says; "" where they are

    @property
    def open(self) -> bool:
        return self.status is not Status.RESOLVED


def routing_labels(incident: Incident) -> dict[str, str]:
    """What routes, silences and inhibition match."""
    return {
        **incident.labels,
        "check": incident.check,
        "service": incident.service,
        "owner": incident.owner,
        "type": incident.type,
        "severity": incident.severity.value,
    }
