"""A case: what some receivers are told of as one thing, and how far that has come. Pure values.

Most cases are one incident. Where a route groups, or in a storm, a case is many of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from exporters.alerting.incident import Incident, Severity, Status
from exporters.base import NoticeKind
from exporters.oncall.escalation import EscalationPolicy
from thresholds.base import Level


@dataclass(frozen=True, slots=True)
class Page:
    """A person who is told later, unless somebody has acknowledged by then."""

    due_ms: int
    receiver: str
    why: str
    alone: bool = False  # only this person's own acknowledgement stops it
    person: str = ""


@dataclass(frozen=True, slots=True)
class Absent:
    """A target that had nobody when it was its turn: whoever is there later is told, while nobody has acknowledged."""

    target: str
    why: str
    alone: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """One target of a case: a receiver, a person, whoever is on call, or an escalation."""

    target: str  # "chat", "user:ana", "schedule:prodops", "escalation:prodops"
    route: str  # which route led here, for people
    wait: float = 0.0  # s before it is told for the first time
    interval: float = 0.0  # s between two messages that tell of changes
    repeat: float = 0.0  # s after which it is told again that it lasts; 0: never
    begun_ms: int = 0  # 0: it has not been told
    told_ms: int = 0
    since_ms: int = 0  # when the round of an escalation began
    round: int = 0
    step: int = 0  # the next one
    receivers: tuple[str, ...] = ()
    pages: tuple[Page, ...] = ()
    reminded: Mapping[str, int] = field(default_factory=dict)  # when each incident's holder was asked last, Unix ms
    paused: bool = False  # somebody takes care of it: when nobody does any more, it begins anew
    again: bool = False  # it has begun anew: those who know are told that it lasts
    absent: tuple[Absent, ...] = ()
    last: bool = False  # those who are told because nobody else could be
    spared: tuple[str, ...] = ()  # receivers that hear of all of it by another digest of the storm


@dataclass(frozen=True, slots=True)
class Said:
    """What was told of an incident."""

    level: Level
    status: Status
    count: int = 1
    by: str = ""  # who had it


@dataclass(frozen=True, slots=True)
class Case:
    """What receivers know it by, what it is made of, and what they were told."""

    id: str
    opened_ms: int
    incidents: tuple[str, ...]
    lines: tuple[Line, ...] = ()
    said: Mapping[str, Said] = field(default_factory=dict)  # by incident
    told_ms: int = 0  # when something was told last
    count: int = 0  # notices so far
    key: str = ""  # of a group: what its incidents have in common; "" for a single incident
    labels: Mapping[str, str] = field(default_factory=dict)  # of a group: those that its incidents have in common
    check: str = ""  # of a group: the one that opened it
    digest: bool = False  # of a storm
    ended: bool = False
    pending_ms: int = 0  # since when something is new that has not been told
    hidden_ms: int = 0  # since when all of it is held back; 0: it is not
    unreached: bool = False  # those who are told that nobody could be reached were told, or there are none

    @property
    def receivers(self) -> tuple[str, ...]:
        """Everybody who was told."""
        return tuple(dict.fromkeys(name for line in self.lines for name in line.receivers))


@dataclass(frozen=True, slots=True)
class Seen:
    """An incident as a case has to take it: `hold` says why nobody is to be told now, "" that all are."""

    incident: Incident
    hold: str = ""
    until_ms: int = 0  # when to look again; 0: when something changes


@dataclass(frozen=True, slots=True)
class Tell:
    """One notice of a case, and why each receiver gets it."""

    kind: NoticeKind
    receivers: Mapping[str, str]  # why, by name
    was: Level = Level.UNKNOWN
    unreached: bool = False  # they are told because nobody else could be
    asks: bool = False  # they are asked whether an acknowledgement still holds


class People(Protocol):
    """Whom targets are, at an instant."""

    def people(self, target: str, at_ms: int) -> Sequence[str]:
        """The users of a target `user:`, `rotation:` or `schedule:`; none where nobody is on call."""

    def contacts(self, user: str, severity: Severity) -> Sequence[tuple[str, float]]:
        """Receivers that reach a user, each after so many seconds."""

    def policy(self, name: str) -> EscalationPolicy | None: ...
