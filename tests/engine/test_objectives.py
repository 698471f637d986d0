"""Objectives over checks that go down and come back: budgets, alerts and what is told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from checks.core.result import Result
from probe.config.model import Config, ServicePlan
from probe.engine.chronicle import Chronicle
from probe.engine.lines import Lines
from probe.engine.notices import About
from probe.engine.objectives import Accountant, longest_look, promises
from probe.engine.paces import Paces
from probe.engine.promised import Promised
from probe.engine.upkeep import Upkeep
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.engine.test_hub import planned
from thresholds.base import Event, Level, Transition
from thresholds.composite import Kind as RuleKind
from thresholds.composite import Rule
from thresholds.maintenance import OneOff, Window
from thresholds.slo import Kind, Objective, Period

MIN = 60_000
DAY = 86_400_000
NINES = Objective("monthly", 0.999, Period(30 * 86_400.0))
CHECKS = ("shop/home", "shop/cart")


def config(*objectives: Objective, rule: Rule | None = None, own: tuple[Objective, ...] = ()) -> Config:
    base = [planned(name) for name in CHECKS]
    checks = {one.name: replace(one, spec=replace(one.spec, every=60.0)) for one in base}
    checks["shop/home"] = replace(checks["shop/home"], objectives=own)
    service = ServicePlan("shop", rule or Rule(), CHECKS, objectives=objectives, owner="team-shop", every=60.0)
    return Config(Path("x"), "t", "127.0.0.1", 0, "", checks, services={"shop": service})


class Books:
    """An accountant over a history that a test writes."""

    def __init__(self, clock: FakeClock, conf: Config) -> None:
        self.clock = clock
        self.chronicle, self.upkeep, self.paces = Chronicle(), Upkeep(clock), Paces()
        self.told: list[tuple[str, Level, str, About]] = []
        self.levels: dict[str, Level] = {}
        lines = Lines(self.chronicle, self.upkeep, lambda _check: clock.now_ms() + 90_000)
        self.accountant = Accountant(clock, lines, self.paces, self._report)
        self.upkeep.configure(conf.maintenance, conf.checks)
        self.accountant.configure(conf)
        for check in CHECKS:
            self.move(check, Level.UNKNOWN, Level.UP, -31 * 1440)

    def _report(self, subject: str, level: Level, reason: str, about: About) -> None:
        if self.levels.get(subject, Level.UP) is not level:
            self.told.append((subject, level, reason, about))
        self.levels[subject] = level

    def move(self, check: str, before: Level, after: Level, minute: float) -> None:
        at_ms = self.clock.now_ms() + round(minute * MIN)
        self.chronicle.moved(Transition(check, at_ms, at_ms, before, after, Event.QUIET, "", 0, ""))

    def down(self, check: str, minutes: float, ago: float) -> None:
        self.move(check, Level.UP, Level.DOWN, -ago)
        self.move(check, Level.DOWN, Level.UP, minutes - ago)


async def test_a_quiet_month_has_its_whole_budget(clock: FakeClock) -> None:
    books = Books(clock, config(NINES))
    await books.accountant.look()
    account = books.accountant.accounts["slo/shop/monthly"]
    assert account.standing.left_ratio == 1.0
    assert account.standing.ratio == 1.0
    assert account.standing.coverage == pytest.approx(1.0)
    assert str(account.standing) == "43m 12s of 43m 12s left"  # facts: 99.9 % of 30 days
    assert books.told == []


async def test_what_was_down_is_off_the_budget(clock: FakeClock) -> None:
    books = Books(clock, config(NINES))
    books.down("shop/cart", 40, ago=10 * 1440)
    await books.accountant.look()
    account = books.accountant.accounts["slo/shop/monthly"]
    assert str(account.standing) == "3m 12s of 43m 12s left"
    assert account.standing.ratio == pytest.approx(1 - 40 / (30 * 1440))
    assert books.told == [], "what burned ten days ago wakes nobody"


async def test_a_burning_budget_pages_once_and_says_when_it_is_over(clock: FakeClock) -> None:
    books = Books(clock, config(NINES))
    books.move("shop/home", Level.UP, Level.DOWN, -4)
    await books.accountant.look()
    await books.accountant.look()
    ((subject, level, reason, about),) = books.told
    assert (subject, level) == ("slo/shop/monthly", Level.DOWN)
    assert reason.startswith("99.9% available over 30d: burning ")
    assert (about.type, about.service, about.owner, about.labels) == ("slo", "shop", "team-shop", {"severity": "page"})
    books.move("shop/home", Level.DOWN, Level.UP, 0)
    await clock.advance(3 * 3600)
    await books.accountant.look()
    assert [one[1] for one in books.told] == [Level.DOWN, Level.UP]


async def test_a_single_lost_run_never_pages(clock: FakeClock) -> None:
    books = Books(clock, config(NINES))
    books.down("shop/home", 1, ago=2)
    for _ in range(60):
        await books.accountant.look()
        await clock.advance(30)
    assert books.told == []


async def test_a_service_of_which_any_check_is_enough_burns_only_when_all_are_down(clock: FakeClock) -> None:
    books = Books(clock, config(NINES, rule=Rule(RuleKind.ANY)))
    books.move("shop/home", Level.UP, Level.DOWN, -10)
    await books.accountant.look()
    assert books.told == []
    books.move("shop/cart", Level.UP, Level.DOWN, -5)
    await books.accountant.look()
    assert [one[1] for one in books.told] == [Level.DOWN]


async def test_maintenance_is_off_the_account(clock: FakeClock) -> None:
    conf = config(NINES)
    span = clock.now_ms() - 60 * MIN, clock.now_ms() + 60 * MIN
    books = Books(clock, replace(conf, maintenance=(Window("work", OneOff(span), services=("shop",)),)))
    books.upkeep.note_from(span[0])
    books.move("shop/home", Level.UP, Level.DOWN, -30)
    await books.accountant.look()
    assert books.told == []
    assert books.accountant.accounts["slo/shop/monthly"].standing.bad == 0


async def test_maintenance_that_counts_wakes_nobody_all_the_same(clock: FakeClock) -> None:
    span = clock.now_ms() - 60 * MIN, clock.now_ms() + 60 * MIN
    work = Window("work", OneOff(span), services=("shop",), excluded=False)
    books = Books(clock, replace(config(NINES), maintenance=(work,)))
    books.move("shop/home", Level.UP, Level.DOWN, -30)
    await books.accountant.look()
    assert books.accountant.accounts["slo/shop/monthly"].alert is not None
    assert books.told == []
    await clock.advance(61 * 60)
    await books.accountant.look()
    assert [one[1] for one in books.told] == [Level.DOWN], "what is left after it is told"


async def test_a_spent_budget_is_told_also_when_nothing_burns(clock: FakeClock) -> None:
    books = Books(clock, config(NINES))
    books.down("shop/cart", 50, ago=20 * 1440)
    await books.accountant.look()
    ((_, level, reason, about),) = books.told
    assert (level, about.labels["severity"]) == (Level.DEGRADED, "ticket")
    assert reason == "99.9% available over 30d: the budget of 43m 12s is overspent by 6m 48s"


async def test_an_alert_and_the_figures_say_the_same_of_the_end(clock: FakeClock) -> None:
    books = Books(clock, config(NINES))
    books.move("shop/home", Level.UP, Level.DOWN, -6)
    await books.accountant.look()
    account = books.accountant.accounts["slo/shop/monthly"]
    assert account.standing.gone_in == pytest.approx(2592 - 360, rel=0.01), (
        "nothing is up: it ends when the rest is over"
    )
    assert account.alert is not None
    assert account.alert.reason.endswith("gone in 37m 12s")


async def test_a_promise_that_is_taken_back_is_told_to_be_over(clock: FakeClock) -> None:
    conf = config(NINES, own=(replace(NINES, name="own"),))
    books = Books(clock, conf)
    books.move("shop/home", Level.UP, Level.DOWN, -5)
    await books.accountant.look()
    assert books.levels == {"slo/shop/monthly": Level.DOWN, "slo/shop/home/own": Level.DOWN}
    books.accountant.configure(config(NINES))
    assert books.levels == {"slo/shop/monthly": Level.DOWN, "slo/shop/home/own": Level.UP}
    assert list(books.accountant.accounts) == ["slo/shop/monthly"]


FAST = Objective("fast", 0.95, Period(7 * 86_400.0), Kind.LATENCY, limit=0.8)


async def test_latency_is_counted_run_by_run_and_over_all_checks(clock: FakeClock, tmp_path: Path) -> None:
    store = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    books = Books(clock, config(FAST))
    await books.paces.want({check: [FAST] for check in CHECKS}, store, clock.now_ms() - 8 * DAY)
    for number in range(600):
        await clock.advance(60)
        slow = number >= 590
        for check in CHECKS:
            duration = 0.9 if slow and check == "shop/cart" else 0.2
            books.paces.take(Result(check, clock.now_ms(), duration, {"ttfb": duration}))
    await books.accountant.look()
    account = books.accountant.accounts["slo/shop/fast"]
    assert account.standing.ratio == pytest.approx(1 - 10 / 1200)
    assert [sum(row[n] for row in books.paces.rows(CHECKS, FAST)) for n in (1, 2)] == [1190, 1200]
    # Two checks once a minute: 20,160 runs in 7 days, of which 5 % may be slow.
    assert account.standing.allowed == pytest.approx(1008)
    await store.close()


async def test_an_alert_on_latency_lasts_as_long_as_runs_are_slow(clock: FakeClock, tmp_path: Path) -> None:
    """Runs are counted by five minutes, and the short window is as long: it does not end with every count."""
    store = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    books = Books(clock, config(FAST))
    await books.paces.want({check: [FAST] for check in CHECKS}, store, clock.now_ms() - 8 * DAY)
    for number in range(240):
        await clock.advance(30)
        duration = 0.9 if number >= 60 else 0.2
        for check in CHECKS if number % 2 else ():
            books.paces.take(Result(check, clock.now_ms(), duration, {"ttfb": duration}))
        await books.accountant.look()
    changes = [(level.name, about.labels.get("severity")) for _, level, _, about in books.told]
    assert changes[-1] == ("DOWN", "page")
    assert len(changes) <= 2, "a ticket at first, perhaps"
    await store.close()


async def test_the_metrics_say_how_objectives_stand(clock: FakeClock) -> None:
    books = Books(clock, config(NINES))
    books.move("shop/home", Level.UP, Level.DOWN, -6)
    await books.accountant.look()
    registry, promised = CollectorRegistry(), Promised()
    promised.accounts = lambda: books.accountant.accounts
    registry.register(promised)
    text = generate_latest(registry).decode()
    assert 'probe_slo_objective_ratio{service="shop",slo="monthly"} 0.999' in text
    assert 'probe_slo_alert{service="shop",severity="page",slo="monthly"} 1.0' in text
    assert 'probe_slo_burn_rate{service="shop",slo="monthly",window="3600s"} 100.0' in text
    assert 'probe_slo_error_budget_seconds{service="shop",slo="monthly"} 2592.0' in text


def test_it_looks_back_as_far_as_the_longest_period_and_its_alerts() -> None:
    assert longest_look(config()) == 0.0
    assert longest_look(config(replace(NINES, over=Period(3600.0)))) == pytest.approx(3960.0)
    assert longest_look(config(NINES)) == pytest.approx(33 * 86_400.0)
    assert [one.name for one in promises(config(NINES, own=(FAST,)))] == ["slo/shop/monthly", "slo/shop/home/fast"]


async def test_the_accountant_looks_again_and_again(clock: FakeClock) -> None:
    books = Books(clock, config(NINES))
    running = asyncio.create_task(books.accountant.run())
    await clock.advance(60)
    books.move("shop/home", Level.UP, Level.DOWN, -5)
    await clock.advance(16)
    assert [one[1] for one in books.told] == [Level.DOWN]
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
