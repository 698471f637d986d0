"""Objectives as metrics: how each stands, what is left of its budget, and what it burns at."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from probe.engine.objectives import Account
from thresholds.burn import Severity
from thresholds.slo import Kind

_OF = ("service", "slo")  # the service, or the check that promises by itself; and the objective's name


class Promised(Collector):
    """Asks how objectives stand at each scrape."""

    def __init__(self) -> None:
        self.accounts: Callable[[], Mapping[str, Account]] = dict

    def collect(self) -> Iterable[Metric]:
        accounts = list(self.accounts().values())
        yield from _raw(accounts)
        yield from _standing(accounts)
        yield from _burning(accounts)


def _raw(accounts: Sequence[Account]) -> Iterator[Metric]:
    """What rules in Prometheus work out the rest from: see `probe rules`."""
    timed = [one for one in accounts if one.promise.objective.kind is Kind.AVAILABILITY]
    about = "Whether an objective is about the present moment: in service hours, and not in planned maintenance."
    yield _gauge("probe_slo_in_scope", about, ((one, float(one.in_scope)) for one in timed))
    about = "How bad the present moment is for an objective on availability: 1 down, 0 good or out of its scope."
    yield _gauge("probe_slo_bad", about, ((one, one.bad) for one in timed))
    runs = CounterMetricFamily("probe_slo_runs", "Runs that an objective on latency counts.", labels=_OF)
    slow = CounterMetricFamily("probe_slo_slow_runs", "Those of them that were too slow.", labels=_OF)
    for account in accounts:
        if account.promise.objective.kind is Kind.LATENCY:
            runs.add_metric(_labels(account), account.runs)
            slow.add_metric(_labels(account), account.slow)
    yield runs
    yield slow


def _standing(accounts: Sequence[Account]) -> Iterator[Metric]:
    about = "The share that an objective promises: of time available, of runs fast enough."
    yield _gauge("probe_slo_objective_ratio", about, ((one, one.promise.objective.target) for one in accounts))
    about = "The share that was good in the objective's period so far, of what counts."
    yield _gauge("probe_slo_ratio", about, ((one, one.standing.ratio) for one in accounts))
    about = "The share of what was expected in the period so far that is known."
    yield _gauge("probe_slo_coverage_ratio", about, ((one, one.standing.coverage) for one in accounts))
    about = "What is left of the error budget: 1 untouched, 0 gone, negative overspent."
    yield _gauge("probe_slo_error_budget_remaining_ratio", about, ((one, one.standing.left_ratio) for one in accounts))
    about = "The error budget of the period: seconds that may be down, or runs that may be slow times their interval."
    yield _gauge(
        "probe_slo_error_budget_seconds", about, ((one, one.standing.allowed * one.standing.slice) for one in accounts)
    )
    about = "Seconds until the budget is gone if it goes on as in the last hours; absent where it will hold."
    yield _gauge(
        "probe_slo_error_budget_exhausted_in_seconds", about, ((one, one.standing.gone_in) for one in accounts)
    )


def _burning(accounts: Sequence[Account]) -> Iterator[Metric]:
    rates = GaugeMetricFamily(
        "probe_slo_burn_rate", "Error budgets spent per period, at the rate of a window.", labels=(*_OF, "window")
    )
    alerts = GaugeMetricFamily(
        "probe_slo_alert", "Whether an objective burns so fast that people are told: 1 or 0.", labels=(*_OF, "severity")
    )
    for account in accounts:
        labels = _labels(account)
        windows = {burn.rule.long: burn.long_rate for burn in account.burns}
        windows |= {burn.rule.short: burn.short_rate for burn in account.burns}
        for window, rate in sorted(windows.items()):
            rates.add_metric((*labels, f"{window:.0f}s"), rate)
        firing = {burn.rule.severity for burn in account.burns if burn.firing}
        for severity in Severity:
            alerts.add_metric((*labels, severity.value), float(severity in firing))
    yield rates
    yield alerts


def _gauge(name: str, about: str, values: Iterable[tuple[Account, float | None]]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=_OF)
    for account, value in values:
        if value is not None:
            family.add_metric(_labels(account), value)
    return family


def _labels(account: Account) -> tuple[str, str]:
    return account.promise.subject, account.promise.objective.name
