"""What the runs of some time come to: how many at each level, how they failed, how long the good ones took. Pure.

Tallies of parts of a time, merged, are the tally of all its runs, whatever the order and however it was cut.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from checks.core.result import FailureKind, Result
from thresholds.base import Level
from thresholds.measured import timed, truthful
from thresholds.sketch import Sketch

FIVE_MINUTES, HOUR, DAY = 300, 3_600, 86_400  # s
STEPS = (FIVE_MINUTES, HOUR, DAY)  # that are kept, each made of the one before; days are UTC's
TOTAL = "total"  # the metric that is a whole run's length, beside its phases

_PERCENTILES = (0.5, 0.9, 0.95, 0.99)


def begin(at_ms: int, step: int) -> int:
    """When the bucket of `step` seconds begins that an instant lies in."""
    return at_ms - at_ms % (step * 1000)


@dataclass(frozen=True, slots=True)
class Stats:
    """How one latency was distributed. Seconds; percentiles as of a sketch, at most 1.1 % off."""

    count: int
    mean: float
    least: float
    most: float
    p50: float
    p90: float
    p95: float
    p99: float


def stats(sketch: Sketch) -> Stats | None:
    """None where there are no values."""
    if sketch.least is None or sketch.most is None:
        return None
    p50, p90, p95, p99 = (value or 0.0 for value in sketch.quantiles(_PERCENTILES))
    return Stats(sketch.count, sketch.mean or 0.0, sketch.least, sketch.most, p50, p90, p95, p99)


class Tally:
    """Counts of runs by their own level and by failure kind, and a sketch of good runs' latencies by metric.

    Attempts that are repeated do not count. A run that failed through us counts as unknown, whatever it was taken for.
    A latency enters only where the run was good and our own lag explains none of it worth mentioning.
    """

    __slots__ = ("degraded", "down", "kinds", "sketches", "unknown", "up")

    def __init__(self) -> None:
        self.up = self.degraded = self.down = self.unknown = 0
        self.kinds: dict[str, int] = {}
        self.sketches: dict[str, Sketch] = {}

    @property
    def runs(self) -> int:
        return self.up + self.degraded + self.down + self.unknown

    def take(self, result: Result, level: Level) -> None:
        """Count one run; `level` is that of the run alone."""
        if result.provisional:
            return
        self.count(level, result.failure.kind if result.failure else None)
        if result.failure is None and truthful(result):
            if timed(result):
                self.measure(TOTAL, (result.duration,))
            for phase, seconds in result.phases.items():
                self.measure(phase, (seconds,))

    def count(self, level: int, kind: str | None, times: int = 1) -> None:
        """Count so many runs of one level and failure kind; None: they did not fail."""
        if kind is not None:
            self.kinds[str(kind)] = self.kinds.get(str(kind), 0) + times
        if kind == FailureKind.LOCAL or level == Level.UNKNOWN:
            self.unknown += times
        elif level == Level.UP:
            self.up += times
        elif level == Level.DEGRADED:
            self.degraded += times
        else:
            self.down += times

    def measure(self, metric: str, seconds: Iterable[float]) -> None:
        """Take latencies of good runs in."""
        sketch = self.sketches.get(metric)
        if sketch is None:
            sketch = self.sketches[metric] = Sketch()
        sketch.extend(seconds)

    def merge(self, other: Tally) -> None:
        """Take in all that another counted."""
        self.up += other.up
        self.degraded += other.degraded
        self.down += other.down
        self.unknown += other.unknown
        for kind, times in other.kinds.items():
            self.kinds[kind] = self.kinds.get(kind, 0) + times
        for metric, sketch in other.sketches.items():
            mine = self.sketches.get(metric)
            if mine is None:
                mine = self.sketches[metric] = Sketch()  # never the other's own: it would grow with ours
            mine.merge(sketch)


def regroup(tallies: Mapping[int, Tally], step: int) -> dict[int, Tally]:
    """Tallies by their beginning (Unix ms), merged into those of a coarser step, in order of time."""
    coarse: dict[int, Tally] = {}
    for at_ms in sorted(tallies):
        start_ms = begin(at_ms, step)
        if start_ms not in coarse:
            coarse[start_ms] = Tally()
        coarse[start_ms].merge(tallies[at_ms])
    return coarse
