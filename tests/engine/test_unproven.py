"""After a start nobody is woken by what was bad before it and is over: a run tells."""

import pytest

from checks.core.base import CheckSpec
from exporters.oncall.escalation import EscalationPolicy, Step
from exporters.oncall.people import User
from exporters.oncall.roster import Roster
from exporters.route import Route
from probe.config.model import Planned
from tests.conftest import FakeClock
from tests.engine.incidents import Stage
from tests.engine.test_dependence import Gateway
from tests.engine.test_hub import Page
from thresholds.base import Level, Policy

POLICY = EscalationPolicy("prod", (Step(("user:ana",)), Step(("user:bo",), 900.0), Step(("user:cy",), 1800.0)))
ROSTER = Roster(
    users={name: User(name, contacts={"mail": f"{name}@x.example"}) for name in ("ana", "bo", "cy")},
    escalations={"prod": POLICY},
)
EVERY, TIMEOUT = 60.0, 5.0


async def restarted(clock: FakeClock, kind: str = "tcp") -> tuple[Stage, Gateway]:
    """A service that was down for a while in the middle of an escalation, and the check as it knows it now."""
    stage = Stage(clock, Route(("escalation:prod",)), roster=ROSTER, receivers=())
    stage.fail("shop/a")
    await stage.after(600)
    assert stage.heard() == [(0, "opened", ("ana/mail",))]
    await clock.advance(1000)
    stage.start()
    check = Gateway(clock, Planned(CheckSpec("shop/a", Page(), EVERY, TIMEOUT), Policy(), kind))
    stage.dispatcher.held.dependence.watch = {"shop/a": check}.get
    return stage, check


async def test_a_step_waits_for_a_run_that_shows_that_it_lasts(clock: FakeClock) -> None:
    stage, check = await restarted(clock)
    await stage.after(30)
    assert stage.heard() == []
    check.ran(Level.DOWN)
    await stage.after(2)
    (told,) = stage.heard()
    assert told[1:] == ("opened", ("bo/mail",))
    assert 1630 <= told[0] <= 1632


async def test_nobody_else_hears_of_what_is_over(clock: FakeClock) -> None:
    stage, check = await restarted(clock)
    await stage.after(30)
    check.ran(Level.UP)  # one more good run, and it is up
    await stage.after(20)
    assert stage.heard() == []
    stage.recover("shop/a")
    await stage.after(3600)
    assert [(kind, whom) for _, kind, whom in stage.heard()] == [("resolved", ("ana/mail",))]


@pytest.mark.parametrize("kind", ["tcp", "heartbeat"])
async def test_it_waits_for_one_run_at_most_and_not_for_what_does_not_run(clock: FakeClock, kind: str) -> None:
    stage, _ = await restarted(clock, kind)
    await stage.after(120)
    ((after, _, whom),) = stage.heard()
    assert whom == ("bo/mail",)
    waited = EVERY + TIMEOUT if kind == "tcp" else 0
    assert 1600 + waited <= after <= 1602 + waited


async def test_what_has_just_begun_is_not_put_off(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), wait=100.0))
    stage.fail("shop/a")
    await clock.advance(110)
    stage.start()
    check = Gateway(clock, Planned(CheckSpec("shop/a", Page(), EVERY, TIMEOUT), Policy(), "tcp"))
    stage.dispatcher.held.dependence.watch = {"shop/a": check}.get
    await stage.after(2)
    assert [whom for _, _, whom in stage.heard()] == [("chat",)]
