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

    def __init__(self, value: int) -> None:
        self.bad = value >= 2  # asked several times a run: an attribute, not a call


@dataclass(frozen=True, slots=True)
class Threshold:
    """Limits on one number of a run: `total`, a phase, or a numeric fact.

    `lower_is_worse` turns the comparison round: days left on a certificate, not milliseconds of latency.
    """

    metric: str
    degraded: float | None = None
    down: float | None = None
    lower_is_worse: bool = False


class Aggregate(StrEnum):
    """What is made of the values of a window. The names that users write."""

    P50 = "p50"
    P75 = "p75"
    P90 = "p90"
    P95 = "p95"
    P99 = "p99"
    MEAN = "mean"
    MAX = "max"
    MIN = "min"
    FAILURE_RATIO = "failure_ratio"  # the share of runs that failed
    FAILURES = "failures"  # how many failed: M of N over time

    @property
    def of_runs(self) -> bool:
        """Whether it is about runs and not about a metric of them."""
        return self in {Aggregate.FAILURE_RATIO, Aggregate.FAILURES}


@dataclass(frozen=True, slots=True)
class WindowThreshold:
    """Limits on what the runs of the last while come to; at least one of the two.

    A limit is crossed above it (below it, with `lower_is_worse`); a number of failures already at it: `3` is three
    of them. A level once reached is left at a limit eased by `hysteresis`, as a share of the limit. With fewer than
    `min_samples` values no level is reached; a number of failures needs no others to be true.
    """

    name: str  # as users wrote it: "p95(total) over 10m"
    aggregate: Aggregate
    metric: str  # "" for those of runs
    over: float  # s
    degraded: float | None = None
    down: float | None = None
    lower_is_worse: bool = False
    min_samples: int = 5
    hysteresis: float = 0.1  # from 0, and less than 1
    timing: bool = True  # the metric is in seconds: said as a duration


@dataclass(frozen=True, slots=True)
class BaselineThreshold:
    """How far a metric may lie over what is usual at that hour of the week, in median absolute deviations of its log.

    It can only degrade: what is unusual is worth a look, not a night.
    """

    name: str  # as it is configured: "baseline(ttfb)"
    metric: str
    degraded: float  # MADs
    floor: float = 0.1  # s over the usual that it takes beside
    floor_ratio: float = 0.3  # of the usual that it takes beside
    bucket: float = 3600.0  # s that are judged as one
    buckets: int = 2  # in a row
    zone: str = "UTC"  # whose hours of the week


@dataclass(frozen=True, slots=True)
class Policy:
    """How the runs of one check become its level."""

    thresholds: tuple[Threshold, ...] = ()
    down_after: tuple[int, int] = (2, 3)  # M of the last N runs
    up_after: int = 2  # in a row
    memory: float = 0.0  # s: runs further apart do not count together; 0: they always do
    windows: tuple[WindowThreshold, ...] = ()
    baselines: tuple[BaselineThreshold, ...] = ()
    flap: tuple[float, float] | None = (15.0, 30.0)  # % at which flapping ends, and begins; None: not looked for

    @property
    def remembers(self) -> bool:
        """Whether judging needs more of the past than a State holds."""
        return bool(self.windows or self.baselines)


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
    held: tuple[tuple[str, Level], ...] = ()  # windows and baselines that are bad, by name
    by_runs: Level | None = None  # what the runs alone confirm, where that is not `confirmed`
    states: str = ""  # the last confirmed levels, for flap detection; "" while they are the same
    flapping: bool = False  # then an open incident stays open while the level comes and goes


class Event(StrEnum):
    """What a transition is to the people who are told."""

    OPENED = "opened"
    CHANGED = "changed"  # in one incident: another bad level, worse than told, flapping begun or ended while bad
    RESOLVED = "resolved"
    QUIET = "quiet"  # kept, told to nobody: to and from UNKNOWN, the first UP, in maintenance, while it flaps


@dataclass(frozen=True, slots=True)
class Transition:
    """A change of a check's level, of what its runs alone say, or of what is told of it.

    An incident may begin or end while the level stays. While a window or a baseline holds a level, the runs may have
    recovered long since: people are told of the level, and availability counts what the runs say.
    """

    check: str
    at_ms: int  # Unix ms when it was decided
    since_ms: int  # Unix ms from which the new level holds: an outage is dated back to its first failed run
    before: Level
    after: Level
    event: Event
    incident: str  # "" where the event is QUIET, but for what the runs alone say in one that is open
    incident_since_ms: int
    reason: str
    worst: Level = Level.UNKNOWN  # of the incident so far
    runs: Level | None = None  # what the runs alone confirm, where that is not `after`
    runs_since_ms: int = 0  # Unix ms from which on they say so, where it is new; 0: they say what they said


@dataclass(frozen=True, slots=True)
class Verdict:
    """A run, how it was by itself, and how the check stands after it."""

    result: Result
    level: Level  # of this run alone
    reason: str  # why the run alone is not UP
    state: State = field(default_factory=State)
    transition: Transition | None = None
