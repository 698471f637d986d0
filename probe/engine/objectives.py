"""Objectives at work: how each stands, what its budget burns at, and who has to know."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from probe.clock import Clock
from probe.config.model import Config, Planned, ServicePlan
from probe.engine.lines import Lines
from probe.engine.notices import About
from probe.engine.paces import STEP, Paces
from thresholds.base import Level
from thresholds.burn import LOOK, Burn, BurnRule, Severity, alert_rules, burning, firing
from thresholds.composite import Rule
from thresholds.hours import Hours
from thresholds.ledger import Ledger, RunLedger, ledger_of, scope_of
from thresholds.slo import Kind, Objective, Standing, standing

_MOMENT = 1000  # ms that are now
_ALERTS = {Severity.PAGE: Level.DOWN, Severity.TICKET: Level.DEGRADED}

Report = Callable[[str, Level, str, About], None]


@dataclass(frozen=True, slots=True)
class Promise:
    """An objective with those whom it is about."""

    subject: str  # the name of a service or a check
    objective: Objective
    rules: tuple[BurnRule, ...]
    members: tuple[str, ...]
    rule: Rule
    hours: Hours | None
    every: float  # s between runs: what a slice is
    about: About

    @property
    def name(self) -> str:
        """As alerts call it: `slo/shop/monthly`."""
        return f"slo/{self.subject}/{self.objective.name}"


@dataclass(frozen=True, slots=True)
class Account:
    """How a promise stands."""

    promise: Promise
    standing: Standing
    burns: Sequence[Burn]
    muted: bool = False  # all that is bad now is in maintenance, in which nobody is told
    in_scope: bool = True  # now
    bad: float = 0.0  # now: 1 down, 0 good, a share where degraded counts as one
    runs: int = 0  # of latency: counted since the start of the process
    slow: int = 0

    @property
    def alert(self) -> Burn | None:
        return firing(self.burns)


class Accountant:
    """Looks at every objective a few times a minute. `accounts` are those of the last look."""

    def __init__(self, clock: Clock, lines: Lines, paces: Paces, report: Report) -> None:
        """`report` hears every alert's level, again and again."""
        self._clock = clock
        self._lines = lines
        self._paces = paces
        self._report = report
        self._promises: tuple[Promise, ...] = ()
        self._told: dict[str, Level] = {}
        self.accounts: Mapping[str, Account] = {}

    def configure(self, config: Config) -> None:
        """Keep other promises. What was told of those that are gone is over."""
        before = {one.name: one for one in self._promises}
        self._promises = tuple(promises(config))
        names = {one.name for one in self._promises}
        for name, one in before.items():
            if name not in names:
                self._told.pop(name, None)
                self._report(name, Level.UP, "", one.about)
        self.accounts = {name: account for name, account in self.accounts.items() if name in names}

    async def run(self) -> None:
        while True:
            await self.look()
            await self._clock.sleep(LOOK)

    async def look(self) -> None:
        """Work out how every objective stands, and say which burn."""
        accounts = dict(self.accounts)
        for promise in self._promises:
            account = accounts[promise.name] = account_of(promise, self._lines, self._paces, self._clock.now_ms())
            self._tell(account)
            await asyncio.sleep(0)  # a look at many takes its time; probes do not wait for it
        self.accounts = {one.name: accounts[one.name] for one in self._promises if one.name in accounts}

    def _tell(self, account: Account) -> None:
        """Have it known how bad it is. In maintenance nothing begins, and nothing gets worse."""
        promise, alert = account.promise, account.alert
        before = self._told.get(promise.name, Level.UP)
        level, reason, severity = Level.UP, "", Severity.TICKET
        if alert is not None:
            severity = alert.rule.severity
            level, reason = _ALERTS[severity], f"{promise.objective}: {alert.reason}"
        elif account.standing.exhausted:
            level, reason = Level.DEGRADED, f"{promise.objective}: {account.standing}"
        if account.muted and level > before:
            return
        self._told[promise.name] = level
        labels = {**promise.about.labels, "severity": severity.value} if level.bad else promise.about.labels
        self._report(promise.name, level, reason, replace(promise.about, labels=labels))


def account_of(promise: Promise, lines: Lines, paces: Paces, now_ms: int) -> Account:
    """How a promise stands at an instant."""
    objective, ledger = promise.objective, ledger_for(promise, lines, paces, now_ms)
    moment = ledger.tally((now_ms - _MOMENT, now_ms))
    runs, slow = paces.counted(promise.members, objective) if objective.kind is Kind.LATENCY else (0, 0)
    burns = burning(objective, promise.rules, ledger, now_ms)
    alert = firing(burns)
    # While it burns, what people are told of its end is what the figures say of it.
    pace_over = alert.rule.short if alert is not None else 0.0
    return Account(
        promise,
        standing(objective, ledger, now_ms, pace_over=pace_over),
        burns,
        muted=lines.muted(promise.members, now_ms),
        in_scope=moment.expected > 0,
        bad=moment.bad / moment.expected if moment.expected else 0.0,
        runs=runs,
        slow=slow,
    )


def ledger_for(promise: Promise, lines: Lines, paces: Paces, now_ms: int) -> Ledger:
    """What was bad, as far back as the objective and its alerts look, and on to the period's end."""
    objective = promise.objective
    start, end = objective.over.span(now_ms)
    longest = max((rule.long for rule in promise.rules), default=0.0)
    window = min(start, now_ms - round(longest * 1000)), max(end, now_ms)
    intervals = lines.timeline(promise.members, promise.rule, promise.hours, window)
    if objective.kind is Kind.LATENCY:
        return RunLedger(paces.rows(promise.members, objective), scope_of(intervals), promise.every, STEP)
    return ledger_of(
        intervals, promise.every, degraded_counts_as=objective.degraded_counts_as, unknown=objective.unknown
    )


def promises(config: Config) -> Iterator[Promise]:
    """Every objective of a configuration."""
    for service in config.services.values():
        for objective in service.objectives if service.members else ():
            yield _of_service(service, objective, [config.checks[name].spec.every for name in service.members])
    for check in config.checks.values():
        for objective in check.objectives:
            yield _of_check(check, objective)


def _of_service(service: ServicePlan, objective: Objective, everies: Sequence[float]) -> Promise:
    """Its time is as fine as its slowest check; its runs are those of all checks together."""
    every = service.every if objective.kind is Kind.AVAILABILITY else 1 / sum(1 / each for each in everies)
    rules = tuple(alert_rules(objective, every))
    about = About("slo", service.name, service.owner, service.runbook, labels=service.labels)
    return Promise(service.name, objective, rules, service.members, service.rule, service.hours, every, about)


def _of_check(check: Planned, objective: Objective) -> Promise:
    every = check.spec.every
    rules = tuple(alert_rules(objective, every))
    about = replace(About.check(check), type="slo")
    return Promise(check.name, objective, rules, (check.name,), Rule(), check.hours, every, about)


def longest_look(config: Config) -> float:
    """Seconds that objectives look back, at most; 0 where there are none."""
    spans = [max(one.objective.over.seconds * 1.1, *(rule.long for rule in one.rules)) for one in promises(config)]
    return max(spans, default=0.0)
