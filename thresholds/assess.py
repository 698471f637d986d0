"""How one run was by itself: its failure, or the worst threshold that it crossed. Pure."""

from __future__ import annotations

from dataclasses import dataclass

from checks.core.result import FailureKind
from checks.core.units import format_duration
from thresholds.base import Level, Policy, Threshold
from thresholds.measured import LAG, Run, value_of


@dataclass(frozen=True, slots=True)
class Assessment:
    """One run by itself. A run that does not count leaves the check's level as it was."""

    level: Level
    reason: str = ""
    counts: bool = True


_WELL = Assessment(Level.UP)


def assess(policy: Policy, result: Run) -> Assessment:
    """How a run was by itself: its failure, or the worst threshold that it crossed."""
    failure = result.failure
    if failure is not None:
        if failure.kind is FailureKind.LOCAL:
            return Assessment(Level.UNKNOWN, failure.message, counts=False)
        return Assessment(Level.DOWN, failure.message)
    worst = _WELL
    for threshold in policy.thresholds:
        crossed = _crossed(threshold, result)
        if crossed.level > worst.level or (worst.level is Level.UP and not crossed.counts):
            worst = crossed
    return worst


def level_of(policy: Policy, result: Run) -> Level | None:
    """The level of `assess`, without its words; None where those are needed to say more, or there are none."""
    failure = result.failure
    if failure is not None:
        return None if failure.kind is FailureKind.LOCAL or not failure.message else Level.DOWN
    worst = Level.UP
    for threshold in policy.thresholds:
        if not kept(threshold, result):
            if LAG in result.facts:
                return None
            worst = max(worst, _side(threshold, result))
    return worst


def _crossed(threshold: Threshold, result: Run) -> Assessment:
    metric = threshold.metric
    timing = metric == "total" or metric in result.phases
    value = value_of(metric, result)
    if value is None:
        return _WELL
    lag = result.facts.get(LAG, 0.0) if timing else 0.0
    assert isinstance(lag, (int, float))
    excused = _WELL
    for level, limit in ((Level.DOWN, threshold.down), (Level.DEGRADED, threshold.degraded)):
        if limit is None or not (value < limit if threshold.lower_is_worse else value > limit):
            continue
        if lag and value - lag <= limit:
            # The time over the limit may be ours, not the target's: it can neither accuse nor acquit.
            reason = f"{metric} not judged: our own event loop was blocked for {format_duration(lag)}"
            excused = Assessment(Level.UP, reason, counts=False)
            continue
        word = "under" if threshold.lower_is_worse else "over"
        seen, wanted = (format_duration(value), format_duration(limit)) if timing else (_plain(value), _plain(limit))
        return Assessment(level, f"{metric} {seen} is {word} {wanted}")
    return excused


def _plain(value: float) -> str:
    """For people: at most two decimals, and no more than needed."""
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def kept(threshold: Threshold, result: Run) -> bool:
    """Whether a run is within a threshold's limits, whatever our own lag was."""
    value = value_of(threshold.metric, result)
    if value is None:
        return True
    degraded, down = threshold.degraded, threshold.down
    if threshold.lower_is_worse:
        return (degraded is None or not value < degraded) and (down is None or not value < down)
    return (degraded is None or not value > degraded) and (down is None or not value > down)


def _side(threshold: Threshold, result: Run) -> Level:
    """How bad it is that a run is not within a threshold's limits."""
    value, down = value_of(threshold.metric, result), threshold.down
    assert value is not None
    if down is None or not (value < down if threshold.lower_is_worse else value > down):
        return Level.DEGRADED
    return Level.DOWN
