"""The latency of a check over time, as wide as a chart: a median and a 95th percentile for each of its columns."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass

from checks.core.result import FailureKind
from thresholds.base import Policy
from thresholds.baseline import Baseline
from thresholds.measured import Run, truthful, value_of
from thresholds.past import Past
from thresholds.sketch import rank_of
from thresholds.spans import Span

_NAN = float("nan")


@dataclass(frozen=True, slots=True)
class Column:
    """A while of a chart."""

    at_ms: int
    p50: float | None  # s; None without good runs
    p95: float | None
    runs: int
    failed: int
    usual: float | None = None  # what a baseline takes at most


def asked(policy: Policy) -> list[str]:
    """The metrics that a policy is about, in its order; "" of windows that count failures."""
    return [
        *(one.metric for one in policy.thresholds),
        *(one.metric for one in policy.windows),
        *(one.metric for one in policy.baselines),
    ]


def metric_of(policy: Policy) -> str:
    """What a chart of a check is of: the first latency that its thresholds are about, or else the whole run."""
    latencies = [metric for metric in asked(policy) if metric and "." not in metric]
    return "total" if "total" in latencies or not latencies else latencies[0]


class Series:
    """Takes runs in order, keeps the values of one column at a time."""

    def __init__(self, metric: str, period: Span, points: int, baseline: Baseline | None = None) -> None:
        self.metric = metric
        self._baseline = baseline
        self._since_ms = period[0]
        self.step_ms = max(1, -(-(period[1] - period[0]) // points))
        self._place = -1
        self._values: list[float] = []
        self._runs = self._failed = 0
        self._columns = array("d")  # six numbers each: a thousand checks have half a million columns

    @classmethod
    def of(cls, policy: Policy, period: Span, points: int, past: Past | None) -> Series:
        """What is to be drawn of a policy."""
        metric = metric_of(policy)
        parts = past.parts if past is not None else ()
        baselines = [one for one in parts if isinstance(one, Baseline) and one.metric == metric]
        return cls(metric, period, points, baselines[0] if baselines else None)

    def take(self, result: Run) -> None:
        if result.provisional or (result.failure is not None and result.failure.kind is FailureKind.LOCAL):
            return
        place = (result.at_ms - self._since_ms) // self.step_ms
        if place != self._place:
            self._turn(place)
        self._runs += 1
        if result.failure is not None:
            self._failed += 1
        elif (value := value_of(self.metric, result)) is not None and truthful(result):
            self._values.append(value)

    def _turn(self, place: int) -> None:
        """Finish a column, begin another."""
        if self._runs:
            values = sorted(self._values)
            middle, high = (values[rank_of(q, len(values))] if values else _NAN for q in (0.5, 0.95))
            at_ms = self._since_ms + self._place * self.step_ms
            usual = self._baseline.usual(at_ms) if self._baseline is not None else None
            limit = usual.limit if usual is not None else _NAN
            self._columns.extend((at_ms, middle, high, self._runs, self._failed, limit))
        self._place, self._values, self._runs, self._failed = place, [], 0, 0

    def done(self) -> Series:
        """All runs were taken."""
        self._turn(self._place)
        self._baseline = None
        return self

    def columns(self) -> Sequence[Column]:
        rows = zip(*[iter(self._columns)] * 6, strict=True)
        return [
            Column(int(at_ms), _known(p50), _known(p95), int(runs), int(failed), _known(usual))
            for at_ms, p50, p95, runs, failed, usual in rows
        ]


def _known(value: float) -> float | None:
    return None if value != value else value  # noqa: PLR0124  # NaN
