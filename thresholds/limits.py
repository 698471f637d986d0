"""How the windows and baselines of a check stand at an instant: plain values, for people and programs. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from thresholds.base import Aggregate, BaselineThreshold, Level, WindowThreshold
from thresholds.baseline import Baseline, Usual
from thresholds.past import Held, Past
from thresholds.profile import Stage
from thresholds.window import Window


@dataclass(frozen=True, slots=True)
class WindowLimit:
    """A window as of the last run."""

    threshold: WindowThreshold
    value: float | None  # None without runs
    runs: int  # that it is of: those with a value; all, where it is about runs
    level: Level  # UNKNOWN while so few runs say nothing


@dataclass(frozen=True, slots=True)
class BaselineLimit:
    """A baseline in one hour of the week."""

    threshold: BaselineThreshold
    learned: int  # hours of the last five weeks
    usual: Usual | None  # None while that is learned
    level: Level  # UNKNOWN while it has nothing to compare with

    @property
    def stage(self) -> Stage:
        return Stage.LEARNING if self.usual is None else self.usual.stage


def window_limits(past: Past | None, held: Held) -> Iterator[WindowLimit]:
    """Each window of a check; `held` is what its state says is bad."""
    levels = dict(held)
    for part in past.parts if past is not None else ():
        if isinstance(part, Window):
            level = levels.get(part.threshold.name, Level.UP if _says(part) else Level.UNKNOWN)
            yield WindowLimit(part.threshold, part.value, part.count, level)


def baseline_limits(past: Past | None, held: Held, at_ms: int) -> Iterator[BaselineLimit]:
    """Each baseline of a check, in the hour of the week of an instant. The first time in an hour takes 0.3 ms each."""
    levels = dict(held)
    for part in past.parts if past is not None else ():
        if isinstance(part, Baseline):
            usual = part.usual(at_ms)
            level = levels.get(part.name, Level.UNKNOWN if usual is None else Level.UP)
            yield BaselineLimit(part.threshold, part.learned, usual, level)


def _says(window: Window) -> bool:
    """Whether there are runs enough; a number of failures needs no others to be true."""
    if window.threshold.aggregate is Aggregate.FAILURES:
        return window.count > 0
    return window.count >= max(1, window.threshold.min_samples)
