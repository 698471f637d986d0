"""What a run leaves behind: a Result, or the Failure in it, and the Trace that a check writes while it runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

from checks.core.evidence import Evidence
from checks.core.leg import Leg

Fact = str | int | float | bool


_AT_ONCE = 0.001  # s that asking takes at most, where nothing stops us


class FailureKind(StrEnum):
    """Why a run failed: closed and stable, because it is stored, exported as a label and alerted on."""

    DNS = "dns"
    CONNECT = "connect"
    TLS = "tls"
    TIMEOUT = "timeout"
    PROTOCOL = "protocol"  # an answer, but not in the protocol asked for
    EXPECTATION = "expectation"  # a valid answer that is not the wanted one
    LOCAL = "local"  # our side: never the target's fault, never counted against it


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a run failed, in which phase, and one line for people that holds no secret."""

    kind: FailureKind
    phase: str
    message: str


@dataclass(frozen=True, slots=True)
class Result:
    """One run of one check, as it is judged, kept and exported."""

    check: str
    at_ms: int  # Unix ms when the run started
    duration: float  # s, whole run
    phases: Mapping[str, float] = field(default_factory=dict)  # s; a phase that did not happen is absent, not 0
    facts: Mapping[str, Fact] = field(default_factory=dict)
    failure: Failure | None = None
    attempt: int = 1  # 1 is the scheduled run, 2 and up confirm its failure
    provisional: bool = False  # a failure that is about to be repeated: kept, but it does not count
    evidence: Evidence | None = None  # of a failing run; the hub takes it off before it judges


class Trace:
    """What a run has seen so far; a run cut off by its deadline keeps it.

    `phase` is the phase that is open, or was when the run failed; `opened` is the instant at which it began. `waits`
    are the intervals of which the kernel timed both ends: our loop can have made none of them longer. `works` are those
    that our own clock timed: our own lag may be part of them. `hurried`: there is no time to serve its sockets lazily.
    `unsure` are seconds of which nobody can tell whether they were the target's: another program may have had them.
    `leg` is what it has in hand of its way to the target, `legs` those before it, one for each redirect.
    """

    __slots__ = (
        "began",
        "clock",
        "facts",
        "hurried",
        "leg",
        "legs",
        "opened",
        "phase",
        "phases",
        "unsure",
        "waits",
        "works",
    )

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.began = self.opened = clock()
        self.phases: dict[str, float] = {}
        self.facts: dict[str, Fact] = {}
        self.phase = ""
        self.hurried = False
        self.unsure = 0.0
        self.waits: list[tuple[float, float]] = []
        self.works: list[tuple[float, float]] = []
        self.leg = Leg()
        self.legs: tuple[Leg, ...] = ()

    def timed(self, phase: str, *, began: float | None = None) -> Span:
        """Open a phase; leaving the block in peace adds its length to `phases`. Phases follow each other.

        `began` backdates the start, to the instant at which the phase before ended.
        """
        return Span(self, phase, began)

    def next_leg(self) -> None:
        """It goes on elsewhere: what is seen from now on belongs to another request."""
        self.legs = (*self.legs, self.leg)
        self.leg = Leg()

    def took_to_ask(self, seconds: float) -> None:
        """A question took so long to put. Where that is long, we were stopped in it, and the answer may have come.

        Stopped inside the call that connects, the kernel itself looks at the answer only after it.
        """
        if seconds > _AT_ONCE:
            self.unsure += seconds

    def duration(self) -> float:
        """Seconds of all phases, the open one up to now. What our loop did between two of them is nobody's latency."""
        if self.phase:
            return sum(self.phases.values()) + max(0.0, self.clock() - self.opened)
        return sum(self.phases.values()) if self.phases else max(0.0, self.clock() - self.began)


class Span:
    """An open phase. `ended`, when set inside the block, is the instant of its end as the kernel saw it.

    `idle` is the part of it, in seconds, in which the target waited for our turn: it is taken off.
    """

    __slots__ = ("_began", "_phase", "_trace", "_waited", "ended", "idle")

    def __init__(self, trace: Trace, phase: str, began: float | None) -> None:
        self._trace = trace
        self._phase = phase
        self._began = began
        self._waited = False
        self.ended: float | None = None
        self.idle = 0.0

    def since(self, at: float) -> None:
        """The question was put then, after the block was entered: what we were kept from in between is nobody's."""
        self._began = self._trace.opened = at

    def arrived(self, at: float) -> None:
        """The phase was one wait, and what it waited for arrived then: a busy loop of ours took no part in it."""
        self.ended = at
        self._waited = True

    def asked(self) -> None:
        """The question is out. Where we were stopped between looking at the clock and asking, the wait seems longer."""
        self._trace.took_to_ask(self._trace.clock() - self._trace.opened)

    def __enter__(self) -> Self:
        trace = self._trace
        trace.phase = self._phase
        if self._began is None:
            self._began = trace.clock()
        trace.opened = self._began
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is not None:
            return  # the phase stays open: it is the one that failed
        trace, began, ended = self._trace, self._began, self.ended
        assert began is not None
        if ended is None:
            ended = trace.clock()
        (trace.waits if self._waited else trace.works).append((began, ended - self.idle))
        length = ended - began - self.idle
        phases = trace.phases
        phases[self._phase] = phases.get(self._phase, 0.0) + max(0.0, length)
        trace.phase = ""
