"""How a probing process is doing, as a value: counted where it happens, sent by workers, added up by the service."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Self

BOUNDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # s


class Histogram:
    """Counts of seconds by bucket: `counts[i]` is of values up to `BOUNDS[i]` and over the bound before; last: more."""

    __slots__ = ("counts", "total")

    def __init__(self, counts: Sequence[int] = (), total: float = 0.0) -> None:
        self.counts = list(counts) or [0] * (len(BOUNDS) + 1)
        self.total = total  # s

    def observe(self, seconds: float) -> None:
        self.counts[bisect_left(BOUNDS, seconds)] += 1
        self.total += seconds

    def merge(self, other: Self) -> None:
        """Add what another process counted."""
        self.counts = [mine + theirs for mine, theirs in zip(self.counts, other.counts, strict=True)]
        self.total += other.total


class Tally:
    """What one process counts while it works: the engine's `Figures`, in plain numbers that cost next to nothing."""

    __slots__ = ("lateness", "loop_lag", "missed", "runs")

    def __init__(self) -> None:
        self.loop_lag = Histogram()
        self.lateness = Histogram()
        self.runs = 0
        self.missed = 0

    def late(self, seconds: float) -> None:
        self.lateness.observe(seconds)

    def skipped(self, runs: int) -> None:
        self.missed += runs


@dataclass(slots=True)
class Vitals:
    """One process at one instant. Counters since its start; lengths in seconds."""

    process: str  # "service", "worker 0"
    pid: int
    at_ms: int
    checks: int = 0  # that it is to run
    runs: int = 0  # attempts that ended
    missed: int = 0  # runs skipped because the one before had not ended, or because we were too busy to start it
    in_flight: int = 0  # runs under way: seats in use
    seats: int = 0  # runs that may be under way at once
    lookups: int = 0  # names that wait for the resolver
    lag: float = 0.0  # the worst of the last second or so
    restarts: int = 0  # how often the service had to replace this process
    ended: bool = False  # there are fewer workers now; what this one counted goes on counting
    cpu: float = 0.0  # processor time, user and system
    rss: int = 0  # bytes
    fds: int = 0
    fd_limit: int = 0
    queued: int = 0  # results that wait to be taken by the service
    dropped: Mapping[str, int] = field(default_factory=dict)  # results dropped, by why
    loop_lag: Sequence[int] = ()  # counts of a Histogram
    loop_lag_total: float = 0.0
    lateness: Sequence[int] = ()  # counts of a Histogram
    lateness_total: float = 0.0
    before: Vitals | None = None  # the same process some seconds ago

    def kept(self) -> Vitals:
        """As it is now: the process goes on counting in what it gave us."""
        return replace(self, dropped=dict(self.dropped), loop_lag=tuple(self.loop_lag), lateness=tuple(self.lateness))
