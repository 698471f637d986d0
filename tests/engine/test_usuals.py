"""Baselines as metrics: worked out at a check's first run of an hour, never at a scrape."""

from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from checks.core.base import CheckSpec
from checks.core.result import Result
from checks.tcp import Tcp
from probe.config.model import Config, Planned
from probe.engine.hub import Hub
from probe.engine.metrics import OwnMetrics
from probe.engine.usuals import Usuals
from tests.conftest import FakeClock
from thresholds.base import BaselineThreshold, Policy
from thresholds.baseline import Baseline
from thresholds.gathered import Hour
from thresholds.past import Past
from thresholds.profile import HOUR_MS, REACH

USUAL = BaselineThreshold("baseline(total)", "total", 4.0)
HOME = Planned(CheckSpec("shop/home", Tcp(host="127.0.0.1", port=1), 10.0, 5.0), Policy(baselines=(USUAL,)), "tcp")
OF = {"check": "shop/home", "baseline": "baseline(total)"}


class Scraped:
    """A hub with one baseline, and what a scrape says of it."""

    def __init__(self, clock: FakeClock, hours: int) -> None:
        self.clock = clock
        self.config = Config(Path("probe.yml"), "test-1", "127.0.0.1", 0, "", {HOME.name: HOME})
        self.past = self.taught(hours)
        self.hub = Hub(self.config, clock, lambda _: None, lambda _: None, {}, pasts={HOME.name: Past((self.past,))})
        self.registry = CollectorRegistry()
        OwnMetrics(self.registry).usuals.watches = self.hub.views

    def taught(self, hours: int) -> Baseline:
        baseline = Baseline(USUAL)
        now = self.clock.now_ms() // HOUR_MS
        baseline.restore(Hour((now - hours + i) * HOUR_MS, 0.2, 60, 0, 60) for i in range(hours))
        return baseline

    def run(self) -> None:
        self.hub.emit(Result(HOME.name, self.clock.now_ms(), 0.2))

    def value(self, of: str) -> float | None:
        return self.registry.get_sample_value(f"probe_check_baseline_{of}", OF)


def test_a_baseline_that_learns_has_hours_and_no_limit(clock: FakeClock):
    scraped = Scraped(clock, 31)
    assert scraped.value("learned_hours") is None, "before the first run"
    scraped.run()
    assert scraped.value("learned_hours") == 31
    assert scraped.value("limit_seconds") is None


def test_a_baseline_that_has_learned_has_its_limit(clock: FakeClock):
    scraped = Scraped(clock, REACH)
    scraped.run()
    assert scraped.value("learned_hours") == 840
    assert scraped.value("limit_seconds") == pytest.approx(0.3)  # 200 ms are usual, and the floor is 100 ms


def test_of_many_baselines_a_scrape_makes_few_at_a_time(clock: FakeClock):
    """A thousand took 20 ms in one piece."""
    scraped = Scraped(clock, REACH)
    scraped.run()
    (watch,) = scraped.hub.views()
    usuals = Usuals()
    usuals.watches = lambda: [watch] * 1000
    parts = list(usuals.collect())
    assert [part.name for part in parts] == ["probe_check_baseline_learned_hours"] * 25 + [
        "probe_check_baseline_limit_seconds"
    ] * 25
    assert {len(part.samples) for part in parts} == {40}
    assert sum(len(part.samples) for part in parts) == 2000


def test_another_hour_is_learned_when_it_is_over(clock: FakeClock):
    scraped = Scraped(clock, 31)
    for _ in range(10):
        scraped.run()
        clock.step_wall(10_000)
    assert scraped.value("learned_hours") == 31
    clock.step_wall(HOUR_MS)
    assert scraped.value("learned_hours") == 31, "no run has come since"
    scraped.run()
    assert scraped.value("learned_hours") == 32


def test_a_reload_keeps_what_stays_and_forgets_what_goes(clock: FakeClock):
    scraped = Scraped(clock, 31)
    scraped.run()
    scraped.hub.configure(scraped.config, pasts={HOME.name: Past((scraped.past,))})
    assert scraped.value("learned_hours") == 31
    scraped.hub.configure(scraped.config, pasts={HOME.name: Past((scraped.taught(50),))})
    assert scraped.value("learned_hours") is None
    scraped.run()
    assert scraped.value("learned_hours") == 50
    scraped.hub.configure(replace(scraped.config, checks={HOME.name: replace(HOME, policy=Policy())}))
    assert scraped.value("learned_hours") is None
