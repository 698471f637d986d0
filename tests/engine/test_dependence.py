"""While the gateway is down its sites are one alert, whichever of them is seen to fail first."""

from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from checks.core.base import CheckSpec
from checks.core.result import Result
from exporters.route import Route
from probe.config.model import Planned, ServicePlan
from tests.conftest import FakeClock
from tests.engine.incidents import Stage
from tests.engine.test_hub import Page
from thresholds.base import Level, Policy, State, Verdict
from thresholds.composite import Kind, Rule

EVERY = 10.0


@dataclass
class Gateway:
    """A check as the hub knows it, set by hand."""

    clock: FakeClock
    planned: Planned = field(default_factory=lambda: Planned(CheckSpec("net/gw", Page(), EVERY, 5.0), Policy(), "tcp"))
    state: State = field(default_factory=lambda: State(Level.UP, 1, Level.UP, 1))
    last: Verdict | None = None

    def ran(self, level: Level, confirmed: Level | None = None) -> None:
        """It ran now, and was so; `confirmed` is what it is taken for."""
        self.last = Verdict(Result("net/gw", self.clock.now_ms(), 0.1), level, "")
        self.state = State(confirmed or self.state.level, 1, confirmed or self.state.level, 1)


@pytest.fixture
def gateway(clock: FakeClock) -> Gateway:
    gateway = Gateway(clock)
    gateway.ran(Level.UP)
    return gateway


@pytest.fixture
def stage(clock: FakeClock, gateway: Gateway) -> Stage:
    stage = Stage(clock, Route(("chat",)))
    stage.dispatcher.held.dependence.watch = {"net/gw": gateway}.get
    return stage


SITES: dict[str, Any] = {"causes": ("reason:refused", "depends:net/gw"), "depends_on": ("net/gw",)}


async def test_sites_of_a_gateway_that_is_down_are_not_told_by_themselves(stage: Stage, gateway: Gateway) -> None:
    gateway.ran(Level.DOWN, Level.DOWN)
    stage.fail("net/gw", "no route", subject="net", service="net", causes=("reason:no route",))
    stage.fail("shop/a", **SITES)
    await stage.after(600)
    assert [notice.check for notice in stage.notices] == ["net/gw"]
    assert stage.dispatcher.holds(stage.incident(2).id) == "depends on net/gw, which is DOWN"


async def test_a_site_that_is_seen_first_waits_for_news_of_its_gateway(stage: Stage, gateway: Gateway) -> None:
    await stage.after(5)
    stage.fail("shop/a", **SITES)
    await stage.after(5)
    assert not stage.notices
    gateway.ran(Level.DOWN)  # one bad run, not confirmed yet
    await stage.after(10)
    assert not stage.notices
    gateway.ran(Level.DOWN, Level.DOWN)
    stage.fail("net/gw", "no route", subject="net", service="net", causes=("reason:no route",))
    await stage.after(60)
    assert [notice.check for notice in stage.notices] == ["net/gw"]


async def test_where_the_gateway_is_well_the_site_is_told_at_its_next_run(stage: Stage, gateway: Gateway) -> None:
    await stage.after(5)
    stage.fail("shop/a", **SITES)
    await stage.after(5)
    gateway.ran(Level.UP)
    await stage.after(10)
    assert stage.heard() == [(11, "opened", ("chat",))]  # it looks every two seconds


async def test_nobody_waits_for_ever_for_a_gateway_that_does_not_run(stage: Stage) -> None:
    await stage.after(5)
    stage.fail("shop/a", **SITES)
    await stage.after(300)
    assert stage.heard() == [(125, "opened", ("chat",))]


async def test_after_the_gateway_is_back_its_sites_get_a_run_to_recover(stage: Stage, gateway: Gateway) -> None:
    gateway.ran(Level.DOWN, Level.DOWN)
    stage.fail("net/gw", "no route", subject="net", service="net", causes=("reason:no route",))
    stage.fail("shop/a", **SITES)
    stage.fail("mail/a", subject="mail", service="mail", **SITES)
    await stage.after(100)
    gateway.ran(Level.UP, Level.UP)
    stage.recover("net/gw")
    await stage.after(5)
    stage.recover("shop/a")
    await stage.after(300)
    assert [(at, notice.check) for (at, _, _), notice in zip(stage.told, stage.notices, strict=True)] == [
        (0, "net/gw"),
        (100, "net/gw"),
        (170, "mail/a"),  # 10 s and the interval of a check that nothing is known of: a minute
    ]


async def test_a_service_is_down_by_its_own_rule(clock: FakeClock, gateway: Gateway) -> None:
    stage = Stage(clock, Route(("chat",)))
    other = replace(gateway, planned=gateway.planned)
    stage.dispatcher.held.dependence.watch = {"net/gw": gateway, "net/gw2": other}.get
    stage.dispatcher.held.dependence.services = {"net": ServicePlan("net", Rule(Kind.ANY), ("net/gw", "net/gw2"))}
    gateway.ran(Level.DOWN, Level.DOWN)
    stage.fail("shop/a", depends_on=("net",))
    other.ran(Level.UP)
    await stage.after(10)
    assert [notice.check for notice in stage.notices] == ["shop/a"]
    other.ran(Level.DOWN, Level.DOWN)
    stage.fail("mail/a", subject="mail", service="mail", depends_on=("net",))
    await stage.after(10)
    assert [notice.check for notice in stage.notices] == ["shop/a"]
