"""The rules that `probe rules` writes alert when our own judgement does: promtool runs them over the same outages."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from probe.cli.main import main
from probe.engine.notices import About
from probe.engine.objectives import Promise
from probe.engine.rules import rules_file
from thresholds.burn import Severity, burning, rules_for
from thresholds.composite import Rule
from thresholds.ledger import Covered, Ledger, RunLedger, Tally, TimeLedger
from thresholds.slo import Kind, Objective, Period
from thresholds.spans import Span

pytestmark = pytest.mark.e2e

SCRAPE = 60  # s; the test walks in steps of it, so that a day is done in seconds
DAY = 86_400


def promise(objective: Objective, every: float = 60.0) -> Promise:
    rules = tuple(rules_for(objective.over.seconds, every))
    return Promise("shop", objective, rules, ("a",), Rule(), None, every, About("slo", "shop"))


@dataclass(frozen=True)
class Seen:
    """A ledger as Prometheus 2 sees it: a window takes in the samples at both of its ends."""

    ledger: Ledger

    @property
    def slice(self) -> float:
        return self.ledger.slice

    def tally(self, window: Span) -> Tally:
        start, end = window
        expected = self.ledger.tally(window).expected
        seen = self.ledger.tally((start, end + SCRAPE * 1000))
        return Tally(seen.bad, expected, expected, expected)


def outages(seed: int, length: int) -> list[Span]:
    """Some of every length, from a lost run to an hour, in ms."""
    random_ = random.Random(seed)
    spans: list[Span] = []
    at = 4 * 3600
    while True:
        at += random_.randrange(10, 240) * SCRAPE
        lasts = random_.choice([1, 2, 3, 5, 8, 20, 60]) * SCRAPE
        if at + lasts > length:
            return spans
        spans.append((at * 1000, (at + lasts) * 1000))
        at += lasts


def series(values: list[float]) -> str:
    """A series as promtool takes it."""
    runs = [(value, len(list(run))) for value, run in groupby(values)]
    return " ".join(f"{value:g}x{count - 1}" if count > 1 else f"{value:g}" for value, count in runs)


def promtool(folder: Path, rules: dict[str, Any], inputs: list[dict[str, str]], asked: dict[int, list[str]]) -> None:
    """Have promtool find exactly these severities firing at these seconds."""
    (folder / "rules.yml").write_text(yaml.safe_dump(rules))
    checks = [
        {
            "expr": 'sort(count by (severity) (ALERTS{alertstate="firing"}))',
            "eval_time": f"{at}s",
            "exp_samples": [{"labels": f'{{severity="{one}"}}', "value": 1} for one in severities],
        }
        for at, severities in asked.items()
    ]
    test = {
        "rule_files": ["rules.yml"],
        "evaluation_interval": f"{SCRAPE}s",
        "tests": [{"interval": f"{SCRAPE}s", "input_series": inputs, "promql_expr_test": checks}],
    }
    (folder / "test.yml").write_text(yaml.safe_dump(test))
    done = subprocess.run(
        ["promtool", "test", "rules", "test.yml"], cwd=folder, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, (done.stdout + done.stderr)[:3000]


def lit(one: Promise, ledger: Ledger, at: int) -> list[str]:
    burns = burning(one.objective, one.rules, ledger, at * 1000)
    return sorted({burn.rule.severity.value for burn in burns if burn.firing})


@pytest.mark.parametrize(("target", "seed"), [(0.999, 1), (0.99, 2)])
def test_availability_burns_in_prometheus_as_in_our_own_judgement(tmp_path: Path, target: float, seed: int) -> None:
    one = promise(Objective("monthly", target, Period(30 * DAY)))
    bad = outages(seed, DAY)
    scope = Covered([(-40 * DAY * 1000, 9 * DAY * 1000)])
    ledger = Seen(TimeLedger(one.every, scope, Covered(bad)))
    samples = [float(any(s <= at * 1000 < e for s, e in bad)) for at in range(0, DAY, SCRAPE)]
    inputs = [
        {"series": 'probe_slo_bad{service="shop", slo="monthly"}', "values": series(samples)},
        {"series": 'probe_slo_in_scope{service="shop", slo="monthly"}', "values": f"1x{len(samples)}"},
    ]
    asked = {at: lit(one, ledger, at) for at in range(4 * 3600, DAY, 11 * SCRAPE)}
    told = [severity for severities in asked.values() for severity in severities]
    assert Severity.PAGE.value in told
    assert [] in asked.values()
    promtool(tmp_path, rules_file([one], SCRAPE), inputs, asked)


def test_latency_burns_in_prometheus_as_in_our_own_judgement(tmp_path: Path) -> None:
    """Slow runs in spells. There a counter's growth is extrapolated: what is close to a limit is let off."""
    one = promise(Objective("fast", 0.99, Period(30 * DAY), Kind.LATENCY, limit=0.8))
    slow = outages(5, DAY)
    rows = [(at * 1000, int(not any(s <= at * 1000 < e for s, e in slow)), 1) for at in range(0, DAY, SCRAPE)]
    ledger = RunLedger(rows, [(-40 * DAY * 1000, 9 * DAY * 1000)], one.every)
    counted, late, slow_counted = [], 0, []
    for number, (_, good, _) in enumerate(rows):
        late += not good
        counted.append(number + 1)
        slow_counted.append(late)
    inputs = [
        {"series": 'probe_slo_runs_total{service="shop", slo="fast"}', "values": " ".join(map(str, counted))},
        {"series": 'probe_slo_slow_runs_total{service="shop", slo="fast"}', "values": " ".join(map(str, slow_counted))},
    ]
    asked = {at: lit(one, ledger, at) for at in range(4 * 3600, DAY, 11 * SCRAPE)}
    sure = {
        at: found
        for at, found in asked.items()
        if all(lit(one, ledger, at + step * SCRAPE) == found for step in (-2, -1, 1, 2))
    }
    assert any(sure.values())
    assert len(sure) > len(asked) * 0.7
    promtool(tmp_path, rules_file([one], SCRAPE), inputs, sure)


def test_the_command_writes_rules_that_prometheus_takes(tmp_path: Path) -> None:
    (tmp_path / "probe.yml").write_text(
        "services:\n  shop:\n    runbook: https://wiki.example/shop\n    slo:\n"
        "      - {availability: 99.9%, over: 30d}\n"
        "      - {latency: 95% under 800ms, over: 7d}\n"
        "checks:\n  shop/home: {service: shop, http: {url: 'http://127.0.0.1/'}}\n"
    )
    done = CliRunner().invoke(main, ["rules", "-c", str(tmp_path / "probe.yml"), "--interval", "15s"])
    assert done.exit_code == 0, done.output
    (tmp_path / "rules.yml").write_text(done.output)
    checked = subprocess.run(
        ["promtool", "check", "rules", str(tmp_path / "rules.yml")], capture_output=True, text=True, timeout=60
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr
    groups = yaml.safe_load(done.output)["groups"]
    assert [group["name"] for group in groups] == ["probe-slo:shop:availability-30d", "probe-slo:shop:latency-800ms-7d"]
    alerts = [rule for group in groups for rule in group["rules"] if "alert" in rule]
    assert {one["annotations"]["runbook_url"] for one in alerts} == {"https://wiki.example/shop"}


def test_a_configuration_without_objectives_says_so(tmp_path: Path) -> None:
    (tmp_path / "probe.yml").write_text("checks:\n  a: {http: {url: 'http://127.0.0.1/'}}\n")
    done = CliRunner().invoke(main, ["rules", "-c", str(tmp_path / "probe.yml")])
    assert done.exit_code == 1
    assert "no service and no check has an slo" in done.output
