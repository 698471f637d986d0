"""The runs of a check as numbers, what is usual of them, and when they were slow. Pure."""

from __future__ import annotations

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import sub
from statistics import median

from checks.core.result import FailureKind
from thresholds.base import Aggregate, WindowThreshold
from thresholds.measured import Run, truthful, value_of
from thresholds.sketch import rank_of
from thresholds.spans import Span, union
from thresholds.window import Window

WEEK = 7 * 86_400.0  # s
LEAST = 5  # values that a median, or a window, is of
_FEW = LEAST // 2 + 1  # and that it is of where some are missing
_STRETCH = 300.0  # s whose median is looked at
_FAR = 4.0  # (scaled) median absolute deviations of the logarithm over what is usual
_RATIO, _FLOOR = 1.5, 0.05  # of the usual, and s over it, that a slow time is at least
_NORMAL = 1.4826  # standard deviations of normal noise in a median absolute deviation
_NAN = math.nan


class Track:
    """The runs of a check that count, as far as one metric is concerned: 25 bytes each."""

    def __init__(self, metric: str = "total") -> None:
        self.metric = metric
        self.times = array("q")  # Unix ms when each began
        self.ends = array("q")  # and when it was judged
        self.values = array("d")  # NaN of failed ones
        self.failed = array("b")

    def __len__(self) -> int:
        return len(self.times)

    def take(self, result: Run) -> None:
        """Take a run in, in its order. One that tells nothing of the target is left out."""
        failure = result.failure
        if result.provisional or (failure is not None and failure.kind is FailureKind.LOCAL):
            return
        value = None if failure is not None else value_of(self.metric, result)
        if failure is None and (value is None or math.isnan(value) or not truthful(result)):
            return
        self.times.append(result.at_ms)
        self.ends.append(result.at_ms + round(result.duration * 1000))
        self.values.append(_NAN if value is None else value)
        self.failed.append(failure is not None)

    @property
    def known(self) -> int:
        """Runs that have a value: those that did not fail."""
        return sum(not math.isnan(value) for value in self.values)

    @property
    def weeks(self) -> float:
        return (self.times[-1] - self.times[0]) / 1000 / WEEK if len(self) > 1 else 0.0


@dataclass(frozen=True, slots=True)
class Usual:
    """What is usual of a metric, and from where on it is slow."""

    median: float
    slow: float
    spells: tuple[Span, ...]  # slow times: from the first slow run to the last


def runs_for(every: float) -> int:
    """How many good runs `usual` takes at least, where one comes every so many seconds."""
    return LEAST * max(LEAST, math.ceil(_STRETCH / every))


def usual(track: Track, least: float = _STRETCH) -> Usual | None:
    """What is usual, and when it was not for `least` seconds or more; None where too little is known."""
    stretches = list(_stretches(track))
    if len(stretches) < LEAST:
        return None
    middles = [middle for _, _, middle in stretches]
    centre = median(middles)
    logs = [math.log(max(middle, 1e-6)) for middle in middles]
    middle_log = median(logs)
    spread = _NORMAL * median(abs(log - middle_log) for log in logs)
    limit = max(centre * math.exp(min(_FAR * spread, 50.0)), centre * _RATIO, centre + _FLOOR)
    spells = union(_refined(track, first, last, limit) for first, last in _rows(stretches, limit))
    return Usual(centre, limit, tuple(span for span in spells if span[1] - span[0] >= least * 1000))


_Stretch = tuple[int, int, float]  # the first run, the one after the last, and the median of what lies between


def _stretches(track: Track) -> Iterator[_Stretch]:
    """Runs by the cells of the clock that they lie in; cells that hold few are taken together, with their like alone.

    By the clock, not from the first run on: where the period begins must not change what was slow a week later.
    """
    for first, end in _joined(_cells(track)):
        known = sorted(value for value in track.values[first:end] if not math.isnan(value))
        if len(known) >= _FEW:
            yield first, end, known[rank_of(0.5, len(known))]


def _joined(cells: Iterable[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    begun = -1  # the first run of cells that hold few
    for first, end in cells:
        if end - first >= _FEW:
            yield first, end
            begun = -1
            continue
        begun = first if begun < 0 else begun
        if end - begun >= _FEW:
            yield begun, end
            begun = -1


def _cells(track: Track) -> Iterator[tuple[int, int]]:
    """Runs by five minutes of the clock, or by as long as five of them take where they are rarer."""
    length = round(1000 * max(_STRETCH, LEAST * _apart(track)))
    first = 0
    while first < len(track):
        end = bisect_left(track.times, (track.times[first] // length + 1) * length, first)
        yield first, end
        first = end


def _apart(track: Track) -> int:
    """Whole seconds from a run to the next, in the middle: whole ones are the same whichever run is the first."""
    times = track.times
    return round(median(map(sub, times[1:], times)) / 1000) if len(times) > 1 else 0


def _rows(stretches: Sequence[_Stretch], limit: float) -> Iterator[tuple[int, int]]:
    """Slow stretches in a row; one between two that is not does not part them."""
    row: tuple[int, int] | None = None
    calm = 0
    for first, end, middle in stretches:
        if middle > limit:
            row, calm = (row[0] if row else first, end), 0
        elif row:
            calm += 1
            if calm > 1:
                yield row
                row = None
    if row:
        yield row


def _refined(track: Track, first: int, end: int, limit: float) -> Span:
    """From the first slow run to the last; also those right before and after, in stretches that were not slow."""
    values = track.values
    slow = [index for index in range(first, end) if values[index] > limit]
    began, ended = slow[0], slow[-1]
    while began and values[began - 1] > limit:
        began -= 1
    while ended + 1 < len(values) and values[ended + 1] > limit:
        ended += 1
    return track.times[began], track.ends[ended]


def percentiles(track: Track, over: float) -> array[float]:
    """The 95th percentile of a window after each run; NaN where there are too few."""
    window = Window(WindowThreshold("", Aggregate.P95, track.metric, over, math.inf, min_samples=LEAST))
    found = array("d")
    for at_ms, value, failed in zip(track.times, track.values, track.failed, strict=True):
        window.take(at_ms, None if failed else value, bool(failed))
        seen = window.value if window.count >= LEAST else None
        found.append(_NAN if seen is None else seen)
    return found
