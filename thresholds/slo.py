"""Objectives, and how they stand: error budget, what is left of it, how fast it goes and when it will be gone. Pure.

budget = 1 - target; burn rate = share that was bad / budget; time to exhaustion = what is left / burn rate.
Source: Google SRE Workbook, chapters 2 and 5. What counts as bad, and of how much, is a Ledger's to say.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from checks.core.units import format_duration
from thresholds.availability import SURE, Unknown
from thresholds.calendar import Unit, calendar_span
from thresholds.ledger import Ledger
from thresholds.spans import Span

HOUR, DAY = 3600.0, 86400.0
_PACE = 6 * HOUR  # of a forecast: long enough that one bad minute foretells nothing, short enough to be news
_VERIFIABLE = 10  # intervals that a budget must hold
_NEARLY = 0.1  # of a slice, short of a whole number: runs come some milliseconds early and late

# What budgets and factors are worked out for: an alert must not change with the length of the month.
_NOMINAL = {Unit.DAY: DAY, Unit.WEEK: 7 * DAY, Unit.MONTH: 30 * DAY, Unit.QUARTER: 90 * DAY, Unit.YEAR: 365 * DAY}


class Kind(StrEnum):
    AVAILABILITY = "availability"
    LATENCY = "latency"


@dataclass(frozen=True, slots=True)
class Period:
    """What an objective is over: so many seconds up to now, or the calendar's day, week, month, quarter or year."""

    rolling: float = 0.0
    unit: Unit | None = None
    zone: str = "UTC"

    def __post_init__(self) -> None:
        if (self.rolling > 0) is (self.unit is not None):
            raise ValueError("a period is either rolling, with its seconds, or a unit of the calendar")

    @property
    def seconds(self) -> float:
        """Its length; of a calendar's unit the usual one, which budgets are named and factors are made for."""
        return self.rolling if self.unit is None else _NOMINAL[self.unit]

    def span(self, at_ms: int) -> Span:
        """The rolling window that ends at an instant; the whole of the calendar's that it lies in."""
        if self.unit is None:
            return at_ms - round(self.rolling * 1000), at_ms
        return calendar_span(self.unit, self.zone, at_ms)

    def __str__(self) -> str:
        return format_duration(self.rolling) if self.unit is None else f"a {self.unit}"


@dataclass(frozen=True, slots=True)
class Objective:
    """What a service promises: a share of time that is available, or of runs that are fast enough."""

    name: str
    target: float  # in (0, 1)
    over: Period
    kind: Kind = Kind.AVAILABILITY
    limit: float = 0.0  # s, of latency
    metric: str = "total"  # of latency
    degraded_counts_as: float = 1.0  # of availability: 1 as up, 0 as down
    unknown: Unknown = Unknown.MISSING  # what time without data is taken for
    # Fewer bad slices never alert, whatever the rate: with probes, one lost packet is many times a budget.
    min_bad_long: int = 3
    min_bad_short: int = 2

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise ValueError(f"objective {self.name}: the target is {self.target:.6g}; write one between 0 and 100 %")
        if not 0 <= self.degraded_counts_as <= 1:
            raise ValueError(f"objective {self.name}: degraded counts as something from 0, down, to 1, up")
        if self.kind is Kind.LATENCY and self.limit <= 0:
            raise ValueError(f"objective {self.name}: a latency needs a limit, as in `95% under 800ms`")

    @property
    def budget(self) -> float:
        return budget(self.target)

    def __str__(self) -> str:
        share = f"{round(self.target * 100, 6):.8g}%"
        if self.kind is Kind.AVAILABILITY:
            return f"{share} available over {self.over}"
        return f"{share} of {self.metric} under {format_duration(self.limit)} over {self.over}"

    def amount(self, slices: float, every: float) -> str:
        """So many slices, for people: time of availability, runs of latency."""
        return format_duration(slices * every) if self.kind is Kind.AVAILABILITY else f"{int(slices + 1e-9)} slow runs"


def budget(target: float) -> float:
    """The share that may be bad. Rounded, for 1 - 0.999 is not quite 0.001, and limits are met exactly."""
    return round(1 - target, 12)


def budget_seconds(target: float, seconds: float) -> float:
    """How long may be bad within some time: 43m 12s of 30 days for 99.9 %."""
    return budget(target) * seconds


def burn_rate(bad: float, expected: float, target: float) -> float:
    """Budget spent, in budgets per window: 1.0 spends it exactly; 0.0 where nothing is expected."""
    return bad / expected / budget(target) if expected > 0 else 0.0


@dataclass(frozen=True, slots=True)
class Standing:
    """How an objective stands in its period, so far. All amounts are in slices."""

    objective: Objective
    window: Span
    slice: float  # s
    allowed: float  # bad ones in the whole period
    bad: float
    ratio: float | None  # good of what counts; None where nothing does
    coverage: float  # share of what is expected until now that is known
    burn: float  # since the period began: over 1.0 it ends in breach if this goes on
    pace: float  # burn rate of late: over 1.0 there is less left every minute
    gone_in: float | None  # s of service; None where the budget will hold, or too little is known to say

    @property
    def left(self) -> float:
        """Less than nothing when it is overspent."""
        return self.allowed - self.bad

    @property
    def left_ratio(self) -> float:
        """Of the budget: 1.0 untouched, 0.0 gone, negative overspent."""
        return self.left / self.allowed if self.allowed > 0 else 1.0

    @property
    def exhausted(self) -> bool:
        return self.bad > 0 and self.left <= 0

    @property
    def covered(self) -> bool:
        """Whether enough is known for `ratio` to be a headline."""
        return self.coverage >= SURE

    def __str__(self) -> str:
        return left_text(self.objective, self.left, self.allowed, self.slice)


def standing(objective: Objective, ledger: Ledger, now_ms: int, *, pace_over: float = 0.0) -> Standing:
    """How an objective stands now. The pace is that of the last `pace_over` seconds; 0: of six hours.

    In a rolling period the ledger knows `scope` for all of it; in a calendar's until its end, for its budget is of all
    the time in scope, that which is still to come included.
    """
    window = objective.over.span(now_ms)
    so_far = ledger.tally((window[0], min(now_ms, window[1])))
    allowed = objective.budget * ledger.tally(window).expected
    recent = ledger.tally((now_ms - round((pace_over or _PACE) * 1000), now_ms))
    pace = burn_rate(recent.bad, recent.expected, objective.target)
    left = allowed - so_far.bad
    gone_in = None
    if enough(recent.bad, objective.min_bad_short if pace_over else objective.min_bad_long):
        gone_in = exhaustion(objective, left, pace, ledger.slice)
        to_come = ledger.tally((now_ms, window[1])).expected * ledger.slice
        if gone_in is not None and objective.over.unit is not None and gone_in > to_come:
            gone_in = None  # the period ends first
    return Standing(
        objective=objective,
        window=window,
        slice=ledger.slice,
        allowed=allowed,
        bad=so_far.bad,
        ratio=1 - so_far.bad / so_far.counted if so_far.counted > 0 else None,
        coverage=so_far.known / so_far.expected if so_far.expected > 0 else 0.0,
        burn=burn_rate(so_far.bad, so_far.expected, objective.target),
        pace=pace,
        gone_in=gone_in,
    )


def exhaustion(objective: Objective, left: float, pace: float, every: float) -> float | None:
    """Seconds of service until a budget is gone, at some burn rate; None at 1.0 and less, which a period can bear.

    `left` in slices. What a rolling period will forget in the meantime is not given back: this is the earliest end.
    """
    if pace <= 1:
        return None
    return max(0.0, left) * every / (pace * objective.budget)


def left_text(objective: Objective, left: float, allowed: float, every: float) -> str:
    """`3m 12s of 43m 12s left`, for people."""
    whole = objective.amount(allowed, every)
    if left < -1e-9:
        return f"the budget of {whole} is overspent by {objective.amount(-left, every)}"
    if objective.kind is Kind.LATENCY:
        return f"{int(left + 1e-9)} of {whole} left"
    return f"{objective.amount(left, every)} of {whole} left" if left > 0 else f"nothing of {whole} left"


def enough(bad: float, wanted: int) -> bool:
    """Whether bad slices are as many as wanted."""
    return bad > wanted - _NEARLY


def unverifiable(objective: Objective, every: float) -> str:
    """Why runs so far apart cannot tell whether an objective is met; "" where they can."""
    allowed = budget_seconds(objective.target, objective.over.seconds)
    if allowed / every >= _VERIFIABLE * (1 - 1e-9):
        return ""
    amount = f"{format_duration(allowed)}, " if objective.kind is Kind.AVAILABILITY else ""
    return (
        f"{objective} cannot be verified by a run every {format_duration(every)}: its budget is {amount}"
        f"{allowed / every:.2g} runs, and under {_VERIFIABLE} say too little; "
        f"run every {format_duration(allowed / _VERIFIABLE)} or more often, or promise less"
    )
