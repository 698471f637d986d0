"""What judging needs of the runs before, beyond a State: made again from stored runs after a restart. No I/O."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Protocol

from checks.core.result import FailureKind, Result
from thresholds.base import Level
from thresholds.measured import truthful, value_of

Held = tuple[tuple[str, Level], ...]  # what is bad, by name


class Asked(Protocol):
    """What a threshold is about."""

    @property
    def name(self) -> str:
        """As it is configured."""

    @property
    def metric(self) -> str:
        """A number of a run; "" for none."""


class Judging(Protocol):
    """A threshold on many runs, with those that it looks back on."""

    @property
    def threshold(self) -> Asked: ...

    def take(self, at_ms: int, value: float | None, failed: bool) -> None:
        """Remember a run. `value` is None where the run has none, or none to be believed."""

    def judge(self, current: Level) -> tuple[Level, str]:
        """The level by all that is remembered, while `current` holds; and why, in one line."""


_NONE: dict[str, Level] = {}


class Past:
    """The runs of one check that its windows and baselines look back on."""

    __slots__ = ("parts",)

    def __init__(self, parts: Iterable[Judging]) -> None:
        self.parts = tuple(parts)

    def take(self, result: Result) -> None:
        """Remember a run, in the order in which runs came."""
        for part in self.parts:
            feed(part, result)

    def judge(self, held: Held) -> tuple[Held, Level, str]:
        """What is bad now, given what was; the worst level of it, UP for none; and why."""
        before, now = dict(held) if held else _NONE, []
        worst, why = Level.UP, ""
        for part in self.parts:
            level, reason = part.judge(before.get(part.threshold.name, Level.UP) if before else Level.UP)
            if level is Level.UP:
                continue
            if level.bad:
                now.append((part.threshold.name, level))
            if level > worst:
                worst, why = level, reason
        return tuple(now), worst, why


def feed(part: Judging, result: Result) -> None:
    """Have a threshold remember a run. What tells nothing of the target is left out."""
    if result.provisional or (result.failure is not None and result.failure.kind is FailureKind.LOCAL):
        return
    failed = result.failure is not None
    metric = part.threshold.metric
    value = None if failed or not metric else value_of(metric, result)
    if value is not None and (metric == "total" or metric in result.phases) and not truthful(result):
        value = None
    part.take(result.at_ms, value, failed)
