"""What judging needs of the runs before, beyond a State: made again from stored runs after a restart. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Protocol

from checks.core.result import FailureKind
from thresholds.base import Level
from thresholds.measured import LAG, Run, truthful, value_of

Held = tuple[tuple[str, Level], ...]  # what is bad, by name
Why = Callable[[], str]  # makes the words when somebody reads them


def nothing() -> str:
    """Why all is well."""
    return ""


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

    def weigh(self, current: Level) -> tuple[Level, Why]:
        """The level by all that is remembered, while `current` holds; and why, in one line: `nothing` where UP."""


_NONE: dict[str, Level] = {}


class Past:
    """The runs of one check that its windows and baselines look back on."""

    __slots__ = ("_named", "parts")

    def __init__(self, parts: Iterable[Judging]) -> None:
        self.parts = tuple(parts)
        self._named = [(part.threshold.name, part) for part in self.parts]

    def take(self, result: Run) -> None:
        """Remember a run, in the order in which runs came."""
        failure = result.failure
        if result.provisional or (failure is not None and failure.kind is FailureKind.LOCAL):
            return  # it tells nothing of the target
        at_ms, failed = result.at_ms, failure is not None
        for part in self.parts:
            part.take(at_ms, None if failed else _believed(part.threshold.metric, result), failed)

    def is_calm(self) -> bool:
        """Whether nothing is bad where nothing was."""
        for part in self.parts:  # noqa: SIM110  # a generator costs more
            if part.weigh(Level.UP)[0] is not Level.UP:
                return False
        return True

    def judge(self, held: Held) -> tuple[Held, Level, str]:
        """`weigh`, in words."""
        now, worst, why = self.weigh(held)
        return now, worst, why()

    def weigh(self, held: Held) -> tuple[Held, Level, Why]:
        """What is bad now, given what was; the worst level of it, UP for none; and why."""
        before, now = dict(held) if held else _NONE, []
        worst, why = Level.UP, nothing
        for name, part in self._named:
            level, reason = part.weigh(before.get(name, Level.UP) if before else Level.UP)
            if level is Level.UP:
                continue
            now.append((name, level))
            if level > worst:
                worst, why = level, reason
        return tuple(now), worst, why


def feed(part: Judging, result: Run) -> None:
    """Have a threshold remember a run, in the order in which runs came."""
    Past((part,)).take(result)


def _believed(metric: str, result: Run) -> float | None:
    """The number of a good run that a threshold is about; None where it has none, or our own lag may be part of it."""
    if not metric:
        return None
    if LAG in result.facts and (metric == "total" or metric in result.phases) and not truthful(result):
        return None
    return value_of(metric, result)
