"""Jobs that report to us: what is expected of one, what it says, and what is remembered of it. Values. Pure.

docs/heartbeats.md says what each rule means to users; heartbeat_hear.py and heartbeat_due.py are the rules at work.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, time, timedelta
from enum import StrEnum

from thresholds.calendar import local, named_zone, resolve
from thresholds.heartbeat_times import Times

By = float | time  # seconds after the due instant, or the first such time on the clock after it

NEVER = 1 << 60  # Unix ms
_USUAL = 3600.0  # s that a run may be late, or take, where nothing is said


class Signal(StrEnum):
    """What a ping says."""

    START = "start"
    SUCCESS = "success"
    FAIL = "fail"
    LOG = "log"  # kept, and that is all
    RUNNING = "running"  # it is still at work: its longest time begins anew
    STAGE = "stage"  # a key point is reached


@dataclass(frozen=True, slots=True)
class Ping:
    """One thing that a job said."""

    at_ms: int
    signal: Signal
    rid: str = ""  # which run says it; "" where the job does not tell
    exit: int | None = None
    stage: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Stage:
    """A key point of every run, and by when it is to be reached: after the run's beginning, and by the schedule."""

    name: str
    within: float | None = None  # s after the run began
    due_by: By | None = None


@dataclass(frozen=True, slots=True)
class Rules:
    """What is expected of one job. Lengths in seconds; either `period` or `times`."""

    check: str
    zone: str = "UTC"
    schedule: str = ""  # as it was written: when this changes, what is due is worked out again
    period: float | None = None
    times: Times | None = None
    start_within: float | None = None
    max_run: float | None = None
    finish_by: By | None = None
    grace: float | None = None
    min_interval: float | None = None
    max_concurrent: int | None = None
    stages: tuple[Stage, ...] = ()
    failure: tuple[str, ...] = ()  # words in a body that make a success a failure
    success: tuple[str, ...] = ()  # words of which a body needs one

    @property
    def longest(self) -> float:
        """Seconds from one due instant to the next, at most."""
        if self.times is not None:
            return self.times.longest
        return self.period or _USUAL

    @property
    def usual(self) -> float:
        """Seconds that a run may be late, or take, where nothing more exact is said."""
        return self.grace if self.grace is not None else min(_USUAL, self.longest)

    @property
    def limit(self) -> float | None:
        """Seconds that a run may take; None where only the schedule ends it."""
        if self.max_run is not None or self.finish_by is not None:
            return self.max_run
        return self.usual

    @property
    def silence(self) -> float:
        """Seconds without a result that are nothing unusual."""
        by = self.finish_by if isinstance(self.finish_by, float) else 86400.0 if self.finish_by else 0.0
        return self.longest + max(self.start_within or self.usual, by) + (self.limit or 0.0)

    def due_after(self, at_ms: int) -> int:
        """The next due instant, in Unix ms; of a period, where a run begins now. NEVER after the end of a calendar."""
        if self.times is None:
            return at_ms + ms(self.period or _USUAL)
        try:
            return self.times.after(at_ms)
        except ValueError:
            return NEVER

    def heard_by(self, due_ms: int) -> int:
        """By when a run that is due then must have said something, in Unix ms."""
        if self.start_within is not None:
            return due_ms + ms(self.start_within)
        if self.grace is None and self.finish_by is not None:
            return self.by(self.finish_by, due_ms)
        return due_ms + ms(self.usual)

    def by(self, what: By, due_ms: int) -> int:
        """The end of a time that is given from a due instant on, or by the clock."""
        if not isinstance(what, time):
            return due_ms + ms(what)
        zone = named_zone(self.zone)
        day = local(due_ms, zone).date()
        at_ms = resolve(datetime.combine(day, what), zone)
        return at_ms if at_ms > due_ms else resolve(datetime.combine(day + timedelta(days=1), what), zone)

    def shown(self, at_ms: int) -> str:
        """An instant for people: `2026-03-29 02:30 Europe/Berlin`."""
        at = local(at_ms, named_zone(self.zone))
        return f"{at:%Y-%m-%d %H:%M:%S} {self.zone}" if at.second else f"{at:%Y-%m-%d %H:%M} {self.zone}"


def ms(seconds: float) -> int:
    return round(seconds * 1000)


class Outcome(StrEnum):
    """How a run ended."""

    OPEN = "open"
    SUCCESS = "success"
    FAILED = "failed"
    LOST = "lost"  # it never ended, as far as anybody heard
    UNKNOWN = "unknown"  # it may have ended while we were not there to hear it


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a job, from the first thing that was heard of it."""

    number: int  # counts the runs of a job, from 1
    rid: str
    began_ms: int
    started: bool = True  # whether its start was heard: else nobody knows how long it took
    due_ms: int = 0  # the instant of the schedule that it belongs to; 0: none
    deadline_ms: int = 0  # by when it is to end; 0: whenever it likes
    ended_ms: int = 0
    outcome: Outcome = Outcome.OPEN
    exit: int | None = None
    stages: tuple[tuple[str, int], ...] = ()  # those that were reached, and when, in that order
    missed: tuple[str, ...] = ()  # those that were not, when it was time
    warnings: tuple[str, ...] = ()
    overdue: bool = False
    hasty: bool = False  # it began too soon after the one before
    unsure: bool = False  # we were not there all of its time
    moved_ms: int = 0  # by which what it is to reach is later, because we were not there

    @property
    def duration(self) -> float:
        """Seconds that it took; 0 where that is not known."""
        return max(0, self.ended_ms - self.began_ms) / 1000 if self.started and self.ended_ms else 0.0


class Kind(StrEnum):
    """What is wrong with a job."""

    MISSED = "missed"
    OVERDUE = "overdue"
    STAGE = "stage"
    FAILED = "failed"
    LOST = "lost"
    HASTY = "hasty"
    CROWDED = "crowded"


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something that is wrong until a run that began later, or this very one, succeeds."""

    kind: Kind
    at_ms: int
    reason: str
    run: int = 0  # which one; 0: none
    deadline_ms: int = 0  # that passed


@dataclass(frozen=True, slots=True)
class Standing:
    """How a job stands: all that is remembered between two things that happen. Kept in the store."""

    since_ms: int  # Unix ms when the job was first configured
    schedule: str
    due_ms: int  # when the next run is due
    slot_ms: int = 0  # the due instant that was met or missed last; 0: none
    moved_ms: int = 0  # by which the next deadline is later, because we were not there
    away_ms: int = 0  # until when we were not there, of those that this is about; 0: we were
    unsure: bool = False  # what is due may have come while we were not there
    number: int = 0  # runs so far
    began_ms: int = 0  # when the last one began
    heard_ms: int = 0  # when something was heard last
    told_ms: int = 0  # the instant of the last result: no two have the same
    runs: tuple[Run, ...] = ()  # those that are open, oldest first
    troubles: tuple[Trouble, ...] = ()  # oldest first; without any it is well
    settled: tuple[tuple[str, str, int], ...] = ()  # run id, what it said, number of the run: of late, oldest first

    def open_run(self, rid: str) -> Run | None:
        """The run of an id; without an id the one that has none."""
        return next((run for run in reversed(self.runs) if run.rid == rid), None)
