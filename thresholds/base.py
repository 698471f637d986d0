"""What judgement works with: levels, limits, the state of a check, and what a run did to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum, StrEnum

from checks.core.result import Result


class Level(IntEnum):
    """How a check stands. The names that users see everywhere: configuration, metrics, pages, alerts."""

    UNKNOWN = 0
    UP = 1
    DEGRADED = 2
    DOWN = 3

    @property
    def bad(self) -> bool:
        return self >= Level.DEGRADED


@dataclass(frozen=True, slots=True)
class Threshold:
    """Limits on one number of a run: `total`, a phase, or a numeric fact.

    `lower_is_worse` turns the comparison round: days left on a certificate, not milliseconds of latency.
    """

    metric: str
    degraded: float | None = None
    down: float | None = None
    lower_is_worse: bool = False


@dataclass(frozen=True, slots=True)
class Policy:
    """How the runs of one check become its level."""

    thresholds: tuple[Threshold, ...] = ()
    down_after: tuple[int, int] = (2, 3)  # M of the last N runs
    up_after: int = 2  # in a row
    memory: float = 0.0  # s: runs further apart do not count together; 0: they always do


@dataclass(frozen=True, slots=True)
class State:
    """What judgement remembers of a check. Kept in the store: a restart goes on where it stopped.

    `level` is what users see. `confirmed` is the last level that was not UNKNOWN, the one alerts follow.
    """

    level: Level = Level.UNKNOWN
    since_ms: int = 0
    confirmed: Level = Level.UNKNOWN
    confirmed_since_ms: int = 0
    recent: tuple[tuple[int, Level], ...] = ()  # (Unix ms, level) of the last runs that counted, oldest first
    failing_since_ms: int = 0  # the first failed attempt of the run that is being confirmed; 0: none
    incident: str = ""  # identity of the open incident; "" when there is none
    incident_since_ms: int = 0
    reason: str = ""  # why the level is not UP
    worst: Level = Level.UNKNOWN  # of the open incident


class Event(StrEnum):
    """What a transition is to the people who are told."""

    OPENED = "opened"
    CHANGED = "changed"  # between DEGRADED and DOWN, in one incident
    RESOLVED = "resolved"
    QUIET = "quiet"  # kept, told to nobody: to and from UNKNOWN, the first UP


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a check's level."""

    check: str
    at_ms: int  # Unix ms when it was decided
    since_ms: int  # Unix ms from which the new level holds: an outage is dated back to its first failed run
    before: Level
    after: Level
    event: Event
    incident: str  # "" where the event is QUIET
    incident_since_ms: int
    reason: str
    worst: Level = Level.UNKNOWN  # of the incident so far


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run, how it was by itself, and how the check stands after it."""

    result: Result
    level: Level  # of this run alone
    reason: str  # why the run alone is not UP
    state: State = field(default_factory=State)
    transition: Transition | None = None
