"""Thresholds on a while instead of a run: `p95(total) over 10m`, the share of failed runs, their number. Pure.

A run that does not count for its check (provisional, or failed on our side) is not taken, and one whose latency is
not to be believed is taken without a value. A failed run counts as a failure and gives no value: how long a timeout
took says how long we waited.
"""

from __future__ import annotations

import math
from functools import partial

from checks.core.units import format_duration
from thresholds.base import Aggregate, Level, WindowThreshold
from thresholds.past import Why, nothing
from thresholds.sketch import rank_of
from thresholds.sliding import Ranked, Summed

_QUANTILES = {Aggregate.P50: 0.5, Aggregate.P75: 0.75, Aggregate.P90: 0.9, Aggregate.P95: 0.95, Aggregate.P99: 0.99}
_WELL = Level.UP, nothing
_MOST = 1e300


class Window:
    """The runs of one check from `over` ago, without that instant, up to the last, as far as its threshold needs them.

    It depends on nothing else: filled after a restart with the runs of that while, it is as it was. It holds at
    most `sliding.LARGEST` runs, the last ones. When the clock goes back, what is later than now is taken to be of now.
    """

    __slots__ = (
        "_at_limit",
        "_last_ms",
        "_limits",
        "_lower",
        "_nearest",
        "_of_runs",
        "_over_ms",
        "_q",
        "_ranked",
        "_simple",
        "_values",
        "threshold",
    )

    def __init__(self, threshold: WindowThreshold) -> None:
        self.threshold = threshold
        self._of_runs = threshold.aggregate.of_runs
        self._q = _QUANTILES.get(threshold.aggregate)
        self._over_ms = round(threshold.over * 1000)
        by_level = (Level.DOWN, threshold.down), (Level.DEGRADED, threshold.degraded)
        self._limits = [(level, one, _eased(threshold, one)) for level, one in by_level if one is not None]
        limits = [limit for _, limit, _ in self._limits]
        self._lower = threshold.lower_is_worse
        self._at_limit = threshold.aggregate is Aggregate.FAILURES  # it is crossed there already
        self._nearest = max(limits) if self._lower else min(limits)
        self._last_ms = 0
        summed = self._of_runs or threshold.aggregate is Aggregate.MEAN
        # What stands for a value is within 1.1 % of it: as long as few are above this, the quantile is below the limit.
        self._values: Summed | Ranked = Summed() if summed else Ranked(self._nearest / 1.02)
        self._ranked = self._values if isinstance(self._values, Ranked) else None
        self._simple = self._nearest > 0 and not threshold.lower_is_worse

    @property
    def count(self) -> int:
        """How many values it holds; runs, where it is about runs."""
        return self._values.count

    def take(self, at_ms: int, value: float | None, failed: bool) -> None:
        """Let a run in, and those that are too old out."""
        values = self._values
        if at_ms < self._last_ms:
            values.hold_back(at_ms)
        self._last_ms = at_ms
        values.let_go(at_ms - self._over_ms)
        if self._of_runs:
            values.take(at_ms, float(failed))
        elif value is not None and not failed:
            if -_MOST < value < _MOST:
                values.take(at_ms, value + 0.0)  # -0.0 and 0.0 are the same
            elif not math.isnan(known := _bounded(value)):
                values.take(at_ms, known)

    @property
    def value(self) -> float | None:
        """What the runs come to; None where there are none."""
        values, aggregate, q = self._values, self.threshold.aggregate, self._q
        if isinstance(values, Ranked):
            if q is not None:
                return values.quantile(q)
            return values.most if aggregate is Aggregate.MAX else values.least
        return values.total if aggregate is Aggregate.FAILURES and values.count else values.mean

    def _is_low(self) -> bool:
        """Whether the value is well under all limits, by how many of the values are."""
        values, q = self._values, self._q
        return q is not None and values.count - values.high > rank_of(q, values.count)

    def judge(self, current: Level) -> tuple[Level, str]:
        """`weigh`, in words."""
        level, why = self.weigh(current)
        return level, why()

    def weigh(self, current: Level) -> tuple[Level, Why]:
        """The level that the window says after `current`, which it said last; and why, where that is not UP.

        Too few values reach no level. They keep one only while they themselves are still beyond the eased limit:
        nothing is bad for ever because runs became rare, and nothing is bad that nothing is known of.
        """
        if self._simple and current is Level.UP and (not self._values.high or self._is_low()):
            return _WELL  # at a glance
        ranked, q, lower = self._ranked, self._q, self._lower
        value = ranked.quantile(q) if ranked is not None and q is not None else self.value
        if value is None:
            return _WELL
        if not current.bad and (value > self._nearest if lower else value < self._nearest):
            return _WELL  # nearly always, so it is asked first
        threshold, count, at_limit = self.threshold, self._values.count, self._at_limit
        few = count < threshold.min_samples and not at_limit
        for level, limit, eased in self._limits:
            if few and current < level:
                continue
            if (value < limit if lower else value > limit) or (at_limit and value == limit):
                return level, partial(_reason, threshold, value, limit, count)
            if current >= level and (value < eased if lower else value > eased):
                return level, partial(_held, threshold, value, limit, count)
        return _WELL


def _bounded(value: float) -> float:
    """A number that sums can hold: one without end, or an integer too large for a float, is 10^300."""
    try:
        return min(max(value + 0.0, -_MOST), _MOST)
    except OverflowError:
        return _MOST if value > 0 else -_MOST


def _eased(threshold: WindowThreshold, limit: float) -> float:
    slack = threshold.hysteresis * abs(limit)
    return limit + slack if threshold.lower_is_worse else limit - slack


def _reason(threshold: WindowThreshold, value: float, limit: float, runs: int) -> str:
    word = "under" if threshold.lower_is_worse else "over"
    if threshold.aggregate is Aggregate.FAILURES:
        word = "at" if value == limit else word
    return f"{threshold.name} {_said(threshold, value)} is {word} {_said(threshold, limit)}, {runs} runs"


def _held(threshold: WindowThreshold, value: float, limit: float, runs: int) -> str:
    was, back = ("under", "up") if threshold.lower_is_worse else ("over", "down")
    seen, old, eased = (_said(threshold, number) for number in (value, limit, _eased(threshold, limit)))
    return f"{threshold.name} {seen} was {was} {old} and is not yet {back} to {eased}, {runs} runs"


def _said(threshold: WindowThreshold, value: float) -> str:
    """For people: as a percentage, a duration, or a number with no more decimals than needed."""
    if threshold.aggregate is Aggregate.FAILURE_RATIO:
        return f"{value * 100:.4g}%"
    if threshold.timing and not threshold.aggregate.of_runs:
        return format_duration(value)
    return f"{value:.2f}".rstrip("0").rstrip(".")
