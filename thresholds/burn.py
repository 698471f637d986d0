"""Alerts on budgets that burn too fast: several windows, several rates, made fit for probes. Pure.

Windows, rates and the budget they stand for: Google SRE Workbook, chapter 5, "Multiwindow, Multi-Burn-Rate Alerts".
As it is written there one lost probe pages, for it is many budgets of a short window. So windows hold whole slices of
the schedule, and an alert needs bad slices in number besides: 3 in the long window and 2 in the short one by default.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum

from checks.core.units import format_duration
from thresholds.ledger import Ledger, Tally
from thresholds.rollup import FIVE_MINUTES
from thresholds.slo import DAY, HOUR, Kind, Objective, budget, burn_rate, enough, exhaustion, left_text

LOOK = 15.0  # s between two looks at how objectives stand
_EQUAL = 1e-9  # how far two figures are apart that are the same but for floating point


class Severity(StrEnum):
    PAGE = "page"
    TICKET = "ticket"


@dataclass(frozen=True, slots=True)
class BurnRule:
    """Burning faster than `factor` budgets, over the long window and still so over the short one."""

    severity: Severity
    long: float  # s
    short: float  # s
    factor: float

    def spends(self, period: float) -> float:
        """The share of a period's budget that is gone when the long window is spent at this rate."""
        return self.factor * self.long / period


# (severity, long, short, share of the budget spent in the long window, by the period).
_PAIRS = (
    (Severity.PAGE, 1 * HOUR, HOUR / 12, 0.02, 0.08),
    (Severity.PAGE, 6 * HOUR, HOUR / 2, 0.05, 0.125),
    (Severity.TICKET, 1 * DAY, 2 * HOUR, 0.1, 0.2),
    (Severity.TICKET, 3 * DAY, 6 * HOUR, 0.1, 0.42),
)
_MONTH, _WEEK = 28 * DAY, 7 * DAY  # from where on the first share holds, and at which the second one
_SHORT_SLICES, _LONG_SLICES = 3, 12  # that windows hold at least
_TIMES = _LONG_SLICES / _SHORT_SLICES  # the shortest window: what a long one is at least


def alert_rules(objective: Objective, every: float) -> list[BurnRule]:
    """The alerts of an objective whose runs come every so many seconds, with windows that can be judged."""
    return rules_for(objective.over.seconds, every, shortest(objective))


def shortest(objective: Objective, look: float = LOOK) -> float:
    """The shortest window that can be judged, in seconds, by looks (or scrapes) so many seconds apart.

    It takes in three of them, as it takes in three runs; and the runs of a latency are counted by five minutes.
    """
    looks = _SHORT_SLICES * look
    return max(looks, float(FIVE_MINUTES)) if objective.kind is Kind.LATENCY else looks


def rules_for(period: float, every: float = 0.0, least: float = 0.0) -> list[BurnRule]:
    """The four published pairs for a period in seconds, fitted to runs every so many seconds. See `fitted`.

    factor = share of the budget * period / long window. Four weeks and more: 2, 5, 10 and 10 % of the budget, as the
    Workbook has it; a week: 8, 12.5, 20 and 42 %, as sloth's example has it, for with the former a week's budget would
    page at rates that it can bear; in between, shares in between. Under a week windows shrink with the period.
    """
    long_enough = min(1.0, max(0.0, (period - _WEEK) / (_MONTH - _WEEK)))
    shrunk = min(1.0, period / _WEEK)
    rules = []
    for severity, long, short, month, week in _PAIRS:
        share = week + (month - week) * long_enough
        factor = share * max(period, _WEEK) / long
        rule = BurnRule(severity, _whole(long * shrunk), _whole(short * shrunk), round(factor, 9))
        rules.append(fitted(rule, every, least))
    return apart(rules)


def _whole(seconds: float) -> float:
    return float(max(1, round(seconds)))


def fitted(rule: BurnRule, every: float, least: float = 0.0) -> BurnRule:
    """The rule with windows that hold enough runs to say something: 12 in the long one, 3 in the short.

    None is shorter than `least`, nor the long one than four of these. Its rate stays: what is a page stays one, though
    more of the budget is gone before it can be known.
    """
    long, short = max(_LONG_SLICES * every, _TIMES * least), max(_SHORT_SLICES * every, least)
    return replace(rule, long=max(rule.long, long), short=max(rule.short, short))


def apart(rules: Sequence[BurnRule]) -> list[BurnRule]:
    """Without those that another one forestalls: same severity and windows, at a lower rate."""
    lowest: dict[tuple[Severity, float, float], BurnRule] = {}
    for rule in sorted(rules, key=lambda rule: -rule.factor):
        lowest[rule.severity, rule.long, rule.short] = rule
    return [rule for rule in rules if rule in lowest.values()]


@dataclass(frozen=True, slots=True)
class Needed:
    """Bad slices that satisfy a rule, and all that its windows hold."""

    long: int
    of_long: int
    short: int
    of_short: int

    @property
    def possible(self) -> bool:
        return self.long <= self.of_long and self.short <= self.of_short


def needed(rule: BurnRule, target: float, every: float, min_long: int = 1, min_short: int = 1) -> Needed:
    """How many bad slices it takes to be over a rule's rate in both windows."""
    limit = rule.factor * budget(target)
    of_long, of_short = int(rule.long / every + _EQUAL), int(rule.short / every + _EQUAL)
    return Needed(_over(limit * of_long, min_long), of_long, _over(limit * of_short, min_short), of_short)


def _over(limit: float, least: int) -> int:
    return max(least, math.floor(limit + _EQUAL) + 1)


@dataclass(frozen=True, slots=True)
class Burn:
    """One rule at one instant."""

    rule: BurnRule
    long_rate: float  # budgets per window
    short_rate: float
    long_bad: float  # slices
    short_bad: float
    firing: bool
    reason: str = ""  # for people; "" unless firing


def burning(objective: Objective, rules: Sequence[BurnRule], ledger: Ledger, now_ms: int) -> list[Burn]:
    """How each of the rules stands; an objective alerts where one of them fires."""
    longest = max((rule.long for rule in rules), default=0.0)
    if not ledger.tally((now_ms - round(longest * 1000), now_ms)).bad:  # as nearly always
        return [Burn(rule, 0.0, 0.0, 0.0, 0.0, firing=False) for rule in rules]
    burns = [_burn(objective, rule, ledger, now_ms) for rule in rules]
    if not any(burn.firing for burn in burns):
        return burns
    window = objective.over.span(now_ms)
    allowed = objective.budget * ledger.tally(window).expected
    left = allowed - ledger.tally((window[0], now_ms)).bad
    said = left_text(objective, left, allowed, ledger.slice)
    return [
        replace(burn, reason=_reason(objective, burn, said, left, ledger.slice)) if burn.firing else burn
        for burn in burns
    ]


def firing(burns: Sequence[Burn]) -> Burn | None:
    """The one to tell people of: a page before a ticket, then the fastest; None where nothing fires."""
    lit = [burn for burn in burns if burn.firing]
    return max(lit, key=lambda burn: (burn.rule.severity is Severity.PAGE, burn.rule.factor), default=None)


def _burn(objective: Objective, rule: BurnRule, ledger: Ledger, now_ms: int) -> Burn:
    long = ledger.tally((now_ms - round(rule.long * 1000), now_ms))
    short = ledger.tally((now_ms - round(rule.short * 1000), now_ms))
    return Burn(
        rule,
        burn_rate(long.bad, long.expected, objective.target),
        burn_rate(short.bad, short.expected, objective.target),
        long.bad,
        short.bad,
        firing=_lit(objective, rule, long, objective.min_bad_long)
        and _lit(objective, rule, short, objective.min_bad_short),
    )


def _lit(objective: Objective, rule: BurnRule, seen: Tally, least: int) -> bool:
    rate = burn_rate(seen.bad, seen.expected, objective.target)
    return rate > rule.factor * (1 + _EQUAL) and enough(seen.bad, least)


def _reason(objective: Objective, burn: Burn, said: str, left: float, every: float) -> str:
    rule = burn.rule
    reason = (
        f"burning {_rate(burn.long_rate)} x the budget over {format_duration(rule.long)} "
        f"and {_rate(burn.short_rate)} x over {format_duration(rule.short)}: {said}"
    )
    gone_in = exhaustion(objective, left, burn.short_rate, every) if left > 0 else None
    return reason if gone_in is None else f"{reason}, gone in {format_duration(gone_in)}"


def _rate(rate: float) -> str:
    """Three digits and no rounding to a whole number below ten: 1.04 is not 1."""
    return f"{rate:.0f}" if rate >= 100 else f"{rate:.3g}"


def impossible(rule: BurnRule, objective: Objective) -> bool:
    """Whether not even a total outage is over the rule's rate: such an alert can never fire."""
    return rule.factor * objective.budget >= 1 - _EQUAL


def hurried(objective: Objective, every: float) -> str:
    """Why alerts of an objective look back further than its period asks for; "" where they do not.

    Of the fastest one, that spends the most; and not where runs that are far apart are the reason.
    """
    period, least = objective.over.seconds, _TIMES * shortest(objective)
    wanted, rule = rules_for(period)[0], alert_rules(objective, every)[0]
    if wanted.long >= least or _LONG_SLICES * every >= least:
        return ""
    why = f"Probe looks every {format_duration(LOOK)}"
    if objective.kind is Kind.LATENCY:
        why = f"runs are counted by {format_duration(FIVE_MINUTES)}"
    return (
        f"{objective}: its fastest alert would look back {format_duration(wanted.long)}, and {why}: it looks back "
        f"{format_duration(rule.long)}, in which {rule.spends(period):.0%} of the budget goes before anybody is "
        f"told; promise over {format_duration(_WEEK * least / HOUR)} or longer"
    )


def warnings(objective: Objective, rules: Sequence[BurnRule], every: float) -> list[str]:
    """What is wrong with the alerts of an objective, for `validate`."""
    found = [text] if (text := hurried(objective, every)) else []
    for rule in rules:
        name = f"the {rule.severity} on {rule.factor:.4g} x the budget over {format_duration(rule.long)}"
        takes = needed(rule, objective.target, every, objective.min_bad_long, objective.min_bad_short)
        if impossible(rule, objective):
            above = f"{round((1 - 1 / rule.factor) * 100, 2):g}%" if rule.factor > 1 else "0%"
            found.append(f"{objective}: {name} can never fire; it needs a target above {above}")
        elif not takes.possible:
            found.append(
                f"{objective}: {name} can never fire: it takes {takes.long} bad runs of {takes.of_long} and "
                f"{takes.short} of {takes.of_short} over {format_duration(rule.short)}; lower min_bad_slices"
            )
        elif takes.long == 1:
            found.append(f"{objective}: {name} fires on one lost run; set min_bad_slices to 3 and 2")
    return found
