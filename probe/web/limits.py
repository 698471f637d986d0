"""The limits of a check on many runs, as its page shows them: how each stands, and what it has learned."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from checks.core.units import format_duration
from probe.web.base import CheckView
from thresholds.base import Aggregate, Level, WindowThreshold
from thresholds.limits import BaselineLimit, WindowLimit
from thresholds.profile import REACH


@dataclass(frozen=True, slots=True)
class Line:
    """One of them; "" stands for none."""

    name: str
    level: str
    now: str
    degraded: str
    down: str
    state: str


def lines(view: CheckView, now_ms: int) -> Sequence[Line]:
    """Windows, then baselines, each in the order of the configuration."""
    return [*map(_of_window, view.windows()), *map(_of_baseline, view.baselines(now_ms))]


def _of_window(limit: WindowLimit) -> Line:
    threshold = limit.threshold
    now, degraded, down = (_said(threshold, value) for value in (limit.value, threshold.degraded, threshold.down))
    state = f"{limit.runs} run{'' if limit.runs == 1 else 's'}"
    if limit.level is Level.UNKNOWN and threshold.aggregate is not Aggregate.FAILURES:
        state = f"{limit.runs} of the {threshold.min_samples} runs that it takes"
    return Line(threshold.name, limit.level.name, now, degraded, down, state)


def _of_baseline(limit: BaselineLimit) -> Line:
    known = f"{limit.learned} of {REACH} hours"
    name, level, usual = limit.threshold.name, limit.level.name, limit.usual
    if usual is None:
        return Line(name, level, "", "", "", f"learning: {known}")
    state = f"usual {format_duration(usual.median)}, by {usual.stage.value}, from {known}"
    return Line(name, level, "", format_duration(usual.limit), "", state)


def _said(threshold: WindowThreshold, value: float | None) -> str:
    """As reasons say it: as a percentage, a duration, or a number with no more decimals than needed."""
    if value is None:
        return ""
    if threshold.aggregate is Aggregate.FAILURE_RATIO:
        return f"{value * 100:.4g}%"
    if threshold.timing and not threshold.aggregate.of_runs:
        return format_duration(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")
