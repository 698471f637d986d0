"""What the runs of an hour, or of less, came to: the 95th percentile of good ones, and how many failed. Pure."""

from __future__ import annotations

from array import array
from dataclasses import dataclass

from thresholds.sketch import Sketch, rank_of, stand_in

QUANTILE = 0.95
_FOLDED = 512  # values that are kept one by one, 4 KB
_LONGEST = 1e9  # s; what is longer was not measured


@dataclass(frozen=True, slots=True)
class Hour:
    """What the runs of an hour came to, as far as one metric is concerned. Also of less than an hour."""

    at_ms: int  # Unix ms of its beginning; a whole hour is one of UTC
    value: float | None  # s, the 95th percentile; None without values
    runs: int  # that counted
    failures: int  # of them
    measured: int  # values that the percentile is of: good runs that have the metric, and are to be believed

    @classmethod
    def of(cls, at_ms: int, runs: int, failures: int, sketch: Sketch | None) -> Hour:
        """The hour of a rollup, from the sketch of the metric."""
        if sketch is None:
            return cls(at_ms, None, runs, failures, 0)
        return cls(at_ms, sketch.quantile(QUANTILE), runs, failures, sketch.count)


class Gathered:
    """Runs of a while: few one by one, many as a sketch, which has the same percentile."""

    __slots__ = ("_sketch", "_values", "failures", "runs")

    def __init__(self) -> None:
        self._values = array("d")
        self._sketch: Sketch | None = None
        self.runs = self.failures = 0

    def clear(self) -> None:
        """Begin anew."""
        self._values = array("d")
        self._sketch = None
        self.runs = self.failures = 0

    def take(self, value: float | None, failed: bool) -> None:
        """Count a run; the value of a failed one says how long we waited, and is none."""
        self.runs += 1
        if failed:
            self.failures += 1
        elif value is not None and 0 <= value <= _LONGEST:
            self._values.append(value)
            if len(self._values) >= _FOLDED:
                self._sketch = self._folded(self._sketch or Sketch())

    def hour(self, at_ms: int) -> Hour:
        """All of it, as of an instant."""
        if self._sketch is not None:
            return Hour.of(at_ms, self.runs, self.failures, self._folded(self._sketch))
        measured = len(self._values)
        return Hour(at_ms, self._percentile() if measured else None, self.runs, self.failures, measured)

    def _percentile(self) -> float:
        ordered = sorted(self._values)
        return min(max(stand_in(ordered[rank_of(QUANTILE, len(ordered))]), ordered[0]), ordered[-1])

    def _folded(self, sketch: Sketch) -> Sketch:
        """The sketch with the values that were kept beside it."""
        for value in self._values:
            sketch.add(value)
        del self._values[:]
        return sketch
