"""The numbers of a run that judgement is about, and whether they are to be believed. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from checks.core.result import Fact, Failure

LAG = "loop.lag"  # the fact of a run during which our own event loop was blocked: for how many seconds
_WORTH_MENTIONING = 0.1  # of a latency


class Run(Protocol):
    """What judgement reads of a run: a Result has it, and so has the row of a stored one."""

    @property
    def check(self) -> str: ...
    @property
    def at_ms(self) -> int: ...
    @property
    def duration(self) -> float: ...
    @property
    def phases(self) -> Mapping[str, float]: ...
    @property
    def facts(self) -> Mapping[str, Fact]: ...
    @property
    def failure(self) -> Failure | None: ...
    @property
    def attempt(self) -> int: ...
    @property
    def provisional(self) -> bool: ...


def truthful(run: Run) -> bool:
    """Whether a run's latency may enter a percentile: our own lag can explain no part of it worth mentioning."""
    if LAG not in run.facts:
        return True
    lag = run.facts[LAG]
    return not isinstance(lag, (int, float)) or lag <= _WORTH_MENTIONING * run.duration


def timed(run: Run) -> bool:
    """Whether anybody knows how long a run took: of a job that never said that it began, nobody does."""
    return run.duration > 0 or bool(run.phases)


def value_of(metric: str, run: Run) -> float | None:
    """The number that a threshold is about; None where the run has none."""
    if metric == "total":
        return run.duration if timed(run) else None
    value = run.phases.get(metric, run.facts.get(metric))
    return None if isinstance(value, (bool, str)) else value
