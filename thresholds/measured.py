"""The numbers of a run that judgement is about, and whether they are to be believed. Pure."""

from __future__ import annotations

from checks.core.result import Result

LAG = "loop.lag"  # the fact of a run during which our own event loop was blocked: for how many seconds
_WORTH_MENTIONING = 0.1  # of a latency


def truthful(result: Result) -> bool:
    """Whether a run's latency may enter a percentile: our own lag can explain no part of it worth mentioning."""
    lag = result.facts.get(LAG, 0.0)
    return not isinstance(lag, (int, float)) or lag <= _WORTH_MENTIONING * result.duration


def value_of(metric: str, result: Result) -> float | None:
    """The number that a threshold is about; None where the run has none."""
    value = result.duration if metric == "total" else result.phases.get(metric, result.facts.get(metric))
    return None if isinstance(value, (bool, str)) else value
