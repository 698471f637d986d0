"""What outages come to over a period: MTTF, MTBF, MTTR, MTTD, MTTA, reasons, and how many were opened and closed. Pure.

About outages that count: a part of each lay in service hours, out of maintenance and not excluded. Each measure says
how it is defined, because the same letters mean different things to different people.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import fmean, median

from thresholds.availability import Availability, availability
from thresholds.fingerprint import fingerprint
from thresholds.outages import Outage, unique
from thresholds.spans import Span
from thresholds.timeline import Condition, Interval, cut


@dataclass(frozen=True, slots=True)
class Measure:
    """A mean time, in seconds, with what it is made of. None where there is nothing to measure, never 0."""

    name: str
    definition: str
    n: int  # failures that the mean is about
    mean: float | None
    median: float | None
    p90: float | None  # the least value that nine in ten do not exceed: one that occurred
    apart: int = 0  # failures that have no such value, or not yet


@dataclass(frozen=True, slots=True)
class Reliability:
    """The failures of a subject that began in a period, and what they come to."""

    failures: tuple[Outage, ...]  # unique ones, oldest first; those that are open too
    open: tuple[Outage, ...]  # all that are open at the end, whenever they began
    mttf: Measure
    mtbf: Measure
    mttr: Measure
    mttr_from_ack: Measure
    mttd: Measure
    mttd_worst: Measure
    mtta: Measure


def reliability(
    found: Iterable[Outage],
    intervals: Sequence[Interval],
    period: Span,
    *,
    gap: float,
    at_least: Condition = Condition.DOWN,
) -> Reliability:
    """The measures of one subject over a period, from its outages and its timeline.

    `gap` is that of `unique`: `merge_gap(every)`. `at_least` is what the outages were made with.
    """
    failures = unique((outage for outage in found if outage.counts), gap)
    begun = [failure for failure in failures if period[0] <= failure.began_ms < period[1]]
    uptime = _Uptime(intervals, at_least)
    return Reliability(
        failures=tuple(begun),
        open=tuple(failure for failure in failures if failure.open),
        mttf=_between("MTTF", _MTTF, begun, uptime.up, period, from_end=True),
        mtbf=_between("MTBF", _MTBF, begun, uptime.known, period, from_end=False),
        mttr=_mean("MTTR", _MTTR, begun, _to_repair),
        mttr_from_ack=_mean("MTTR from acknowledgement", _MTTR_FROM_ACK, begun, _to_repair_once_acked),
        mttd=_mean("MTTD", _MTTD, begun, _to_detect),
        mttd_worst=_mean("MTTD at worst", _MTTD_WORST, begun, _to_detect_at_worst),
        mtta=_mean("MTTA", _MTTA, [failure for failure in begun if failure.notified_ms], _to_acknowledge),
    )


_MTTF = (
    "Mean time to failure: time up in scope, by the number of failures, open ones too. "
    "Median and p90 are of the time up from the end of one failure to the start of the next."
)
_MTBF = (
    "Mean time between failures: time up and down in scope, by the number of failures; availability is MTTF / MTBF. "
    "Median and p90 are of such time from the start of one failure to the start of the next."
)
_MTTR = (
    "Mean time to recover: from the start of a failure, its first bad run or what an operator said, to its first "
    "good run. Open ones are apart."
)
_MTTR_FROM_ACK = (
    "Mean time to repair: from the acknowledgement of a failure to its first good run. "
    "Open ones, and those that nobody acknowledged, are apart."
)
_MTTD = (
    "Mean time to detect: from the first bad run, or the start that an operator said, to the decision: what "
    "confirmation costs. Those that were over before they were decided are apart."
)
_MTTD_WORST = (
    "Mean time to detect, at worst: from the last good run before a failure, after which it began, or the start that "
    "an operator said, to the decision. Those of which either is not known are apart."
)
_MTTA = (
    "Mean time to acknowledge: from the first notice of a failure to its acknowledgement, of those that somebody was "
    "told of. Those that nobody acknowledged are apart."
)


class _Uptime:
    """Seconds in scope of a part of a timeline."""

    def __init__(self, intervals: Sequence[Interval], at_least: Condition) -> None:
        self._intervals = intervals
        self._degraded_is_up = at_least is Condition.DOWN

    def up(self, part: Span) -> float:
        seconds = self._of(part)
        return seconds.up + (seconds.degraded if self._degraded_is_up else 0.0)

    def known(self, part: Span) -> float:
        return self._of(part).known

    def _of(self, part: Span) -> Availability:
        return availability(cut(self._intervals, part))


def _between(
    name: str,
    definition: str,
    begun: Sequence[Outage],
    seconds: Callable[[Span], float],
    period: Span,
    *,
    from_end: bool,
) -> Measure:
    """A measure of the time that lies between failures, or around them."""
    values = [
        seconds((earlier.first_good_ms if from_end else earlier.began_ms, later.began_ms))
        for earlier, later in pairwise(begun)
        if not (from_end and earlier.open)
    ]
    mean = seconds(period) / len(begun) if begun else None
    return Measure(name, definition, len(begun), mean, _median(values), _p90(values))


def _mean(name: str, definition: str, failures: Sequence[Outage], seconds: Callable[[Outage], float | None]) -> Measure:
    values = [value for failure in failures if (value := seconds(failure)) is not None]
    mean = fmean(values) if values else None
    return Measure(name, definition, len(values), mean, _median(values), _p90(values), len(failures) - len(values))


def _median(values: Sequence[float]) -> float | None:
    return median(values) if values else None


def _p90(values: Sequence[float]) -> float | None:
    return sorted(values)[(9 * len(values) - 1) // 10] if values else None


def _to_repair(failure: Outage) -> float | None:
    return _length(failure.began_ms, failure.first_good_ms)


def _to_repair_once_acked(failure: Outage) -> float | None:
    return _length(failure.acked_ms, failure.first_good_ms)


def _to_detect(failure: Outage) -> float | None:
    return _length(failure.started_ms or failure.first_bad_ms, failure.detected_ms)


def _to_detect_at_worst(failure: Outage) -> float | None:
    return _length(failure.started_ms or failure.last_good_ms, failure.detected_ms)


def _to_acknowledge(failure: Outage) -> float | None:
    return _length(failure.notified_ms, failure.acked_ms)


def _length(first_ms: int, second_ms: int) -> float | None:
    """Seconds from one instant to the other; 0 where they come the other way round, None where one is not known."""
    return max(0, second_ms - first_ms) / 1000 if first_ms and second_ms else None


@dataclass(frozen=True, slots=True)
class Cause:
    """Outages that have one fingerprint."""

    fingerprint: str
    example: str  # the reason of the last one
    count: int
    minutes: float  # in scope and bad
    first_ms: int  # when the first one began
    last_ms: int


def reasons(found: Iterable[Outage]) -> list[Cause]:
    """Why things failed: what cost most minutes first. Hand over `unique` ones to count failures and not outages."""
    kinds: defaultdict[str, list[Outage]] = defaultdict(list)
    for outage in sorted(found, key=_began):
        if outage.counts:
            kinds[fingerprint(outage.reason)].append(outage)
    return sorted((_cause(kind, outages) for kind, outages in kinds.items()), key=_cost, reverse=True)


def _cause(kind: str, outages: Sequence[Outage]) -> Cause:
    minutes = sum(outage.lost for outage in outages) / 60
    first, last = outages[0], outages[-1]
    return Cause(kind, last.reason, len(outages), minutes, first.began_ms, last.began_ms)


def _cost(cause: Cause) -> tuple[float, int]:
    return cause.minutes, cause.count


def _began(outage: Outage) -> int:
    return outage.began_ms


@dataclass(frozen=True, slots=True)
class Flow:
    """What came and what went in a span, and what was left at its end."""

    start_ms: int
    end_ms: int
    opened: int
    resolved: int
    open: int


def cumulative_flow(found: Iterable[Outage], days: Sequence[Span]) -> list[Flow]:
    """Outages opened, resolved and left open for each of some spans, calendar days most often."""
    counting = [outage for outage in found if outage.counts]
    opened = sorted(outage.began_ms for outage in counting)
    resolved = sorted(max(outage.began_ms, outage.first_good_ms) for outage in counting if not outage.open)
    return [
        Flow(
            start,
            end,
            opened=bisect_left(opened, end) - bisect_left(opened, start),
            resolved=bisect_left(resolved, end) - bisect_left(resolved, start),
            open=bisect_left(opened, end) - bisect_left(resolved, end),
        )
        for start, end in days
    ]
