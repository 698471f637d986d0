"""Objectives as recording and alerting rules for Prometheus, equivalent to our own judgement. Pure.

They go by what is exported of each objective (probe/engine/promised.py), so that service hours, maintenance and how
checks make a service are the same on both sides. Time that Prometheus did not scrape counts as good, as time without
data does here: what is expected of a window follows from its length, not from what was seen of it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from checks.core.units import format_duration
from probe.engine.objectives import Promise
from thresholds.burn import BurnRule, Severity, apart, fitted, shortest
from thresholds.slo import Kind

Json = dict[str, Any]


def rules_file(promises: Iterable[Promise], interval: float) -> Json:
    """A rules file. `interval`: seconds between two scrapes, which the rules are evaluated at as well.

    Windows in which there would be fewer than three scrapes are longer than ours: see `lengthened`.
    """
    return {"groups": [_group(_scraped(promise, interval), interval) for promise in promises]}


def _scraped(promise: Promise, interval: float) -> Promise:
    """The promise with alerts that can be judged by so few scrapes."""
    least = shortest(promise.objective, interval)
    return replace(promise, rules=tuple(apart([fitted(rule, promise.every, least) for rule in promise.rules])))


def lengthened(promises: Iterable[Promise], interval: float) -> list[str]:
    """Whose alerts look back further in Prometheus than ours do, a line each."""
    found = []
    for promise in promises:
        ours, theirs = promise.rules[0], _scraped(promise, interval).rules[0]
        if (ours.long, ours.short) != (theirs.long, theirs.short):
            found.append(
                f"{promise.subject}: {promise.objective}: by a scrape every {format_duration(interval)} its fastest "
                f"alert looks back {_said(theirs)}, Probe's own {_said(ours)}"
            )
    return found


def _group(promise: Promise, interval: float) -> Json:
    windows = sorted({window for rule in promise.rules for window in (rule.long, rule.short)})
    return {
        "name": f"probe-slo:{promise.subject}:{promise.objective.name}",
        "interval": _length(interval),
        "rules": [*_recorded(promise, windows, interval), *_alerts(promise)],
    }


def _recorded(promise: Promise, windows: Iterable[float], interval: float) -> Iterator[Json]:
    labels = {"service": promise.subject, "slo": promise.objective.name}
    for window in windows:
        bad, expected = _amounts(promise, window, interval)
        yield {"record": _bad(window), "expr": bad, "labels": labels}
        yield {
            "record": _rate(window),
            "expr": f"{bad}\n/\n({expected})\n/ {promise.objective.budget!r}",
            "labels": labels,
        }


def _amounts(promise: Promise, window: float, interval: float) -> tuple[str, str]:
    """Bad slices in a window, and those that are expected."""
    match, length = _match(promise), _length(window)
    if promise.objective.kind is Kind.LATENCY:
        runs = f"sum(increase(probe_slo_runs_total{match}[{length}]))"
        slices = f"{window / promise.every!r}"
        return f"sum(increase(probe_slo_slow_runs_total{match}[{length}]))", f"({runs} > {slices}) or vector({slices})"
    share = interval / promise.every
    bad = f"sum(sum_over_time(probe_slo_bad{match}[{length}])) * {share!r}"
    expected = f"sum(avg_over_time(probe_slo_in_scope{match}[{length}])) * {window / promise.every!r}"
    return bad, expected


def _alerts(promise: Promise) -> Iterator[Json]:
    for severity in Severity:
        rules = [rule for rule in promise.rules if rule.severity is severity]
        if rules:
            yield {
                "alert": "ProbeErrorBudgetBurn",
                "expr": "\nor\n".join(_condition(promise, rule) for rule in rules),
                "labels": {"severity": severity.value, "service": promise.subject, "slo": promise.objective.name},
                "annotations": {
                    "summary": f"{promise.subject} burns the error budget of {promise.objective}",
                    "description": "It fires where one of these pairs of windows burns: "
                    + ", ".join(f"{rule.factor:.4g} x over {_said(rule)}" for rule in rules)
                    + ".",
                    **({"runbook_url": promise.about.runbook} if promise.about.runbook else {}),
                },
            }


def _condition(promise: Promise, rule: BurnRule) -> str:
    match, objective = _match(promise), promise.objective
    parts = []
    for window, least in ((rule.long, objective.min_bad_long), (rule.short, objective.min_bad_short)):
        parts.append(f"{_rate(window)}{match} > {rule.factor!r}")
        parts.append(f"{_bad(window)}{match} > {least - 0.1!r}")
    return f"({' and '.join(parts)})"


def _said(rule: BurnRule) -> str:
    return f"{format_duration(rule.long)} and {format_duration(rule.short)}"


def _bad(window: float) -> str:
    return f"slo:probe_bad_slices:sum{_length(window)}"


def _rate(window: float) -> str:
    return f"slo:probe_burn_rate:ratio{_length(window)}"


def _match(promise: Promise) -> str:
    return f'{{service="{_quoted(promise.subject)}", slo="{_quoted(promise.objective.name)}"}}'


def _quoted(text: str) -> str:
    return re.sub(r'(["\\])', r"\\\1", text)


def _length(seconds: float) -> str:
    """As Prometheus writes it: `1h30m`, `15s`, `500ms`."""
    rest, text = round(seconds * 1000), ""
    for unit, size in (("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1000), ("ms", 1)):
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"
