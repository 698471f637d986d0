"""Nobody is on call, or nothing ran when a step was due: who is told then, later, and instead."""

from dataclasses import replace
from typing import Any

import pytest

from checks.core.base import CheckSpec
from exporters.alerting.incident import Severity
from exporters.oncall.escalation import AckUpkeep, EscalationPolicy, Step
from exporters.oncall.override import Override
from exporters.oncall.people import ContactRule, User
from exporters.oncall.roster import Roster
from exporters.oncall.schedule import Layer, Schedule
from exporters.route import Route
from exporters.sayings import headline
from exporters.terms import Terms
from probe.config.model import Planned
from probe.engine.foresight import foretold
from probe.engine.played import Question
from tests.conftest import FakeClock
from tests.engine.incidents import Stage
from tests.engine.test_hub import Page
from thresholds.base import Level, Policy
from thresholds.hours import parse_hours

HOUR = 3600
PAGE, TICKET = {Level.DOWN: Severity.PAGE}, {Level.DOWN: Severity.TICKET}
PROD = Route(("escalation:prod",))
STEPS = EscalationPolicy("prod", (Step(("user:ana",)), Step(("user:bo",), 900), Step(("user:cy",), 1800)))


def roster(policy: EscalationPolicy | None = None, **hours: str) -> Roster:
    """Ana, bo and cy by mail; `hours` are when ana is on call in schedules of these names."""
    rules = (ContactRule("mail"),)
    users = {name: User(name, contacts={"mail": f"{name}@x.example"}, rules=rules) for name in ("ana", "bo", "cy")}
    layers = {name: Layer(("user:ana",), parse_hours(text, "UTC")) for name, text in hours.items()}
    schedules = {name: Schedule(name, (layer,)) for name, layer in layers.items()}
    return Roster(users, schedules=schedules, escalations={policy.name: policy} if policy else {})


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(1_700_000_100_000)  # Tue 2023-11-14 22:15 UTC; it is 38,700 s until 09:00


def stage(clock: FakeClock, people: Roster, *routes: Route, **config: Any) -> Stage:
    made = Stage(clock, *(routes or (PROD,)), roster=people)
    made.config = replace(made.config, **config)
    made.start()
    return made


def said(one: Stage, number: int = 1) -> list[str]:
    return [
        line.text
        for line in one.kept.happenings
        if line.incident == one.incident(number).id and line.deed.value == "held"
    ]


DESK = EscalationPolicy("prod", (Step(("schedule:desk",)), Step(("schedule:late",), 900)))


@pytest.mark.parametrize("crash", [False, True])
async def test_whoever_comes_on_duty_is_told_of_what_nobody_has_taken(clock: FakeClock, crash: bool) -> None:
    one = stage(clock, roster(DESK, desk="daily 09:00-18:00", late="daily 10:00-11:00"))
    one.fail("shop/a")
    await one.after(HOUR)
    if crash:
        one.start()
    await one.after(24 * HOUR)
    one.recover("shop/a")
    assert one.heard() == [(38_700, "opened", ("ana/mail",)), (25 * HOUR, "resolved", ("ana/mail",))]
    why = one.notices[0].whys["ana/mail"]
    assert why == "on call in desk, step 1 of prod: nobody was there when it was due"


async def test_and_so_they_are_where_others_were_told_in_their_place(clock: FakeClock) -> None:
    policy = EscalationPolicy("prod", (Step(("schedule:desk",)), Step(("user:bo",), 900)))
    one = stage(clock, roster(policy, desk="daily 09:00-18:00"))
    one.fail("shop/a")
    await one.after(24 * HOUR)
    assert one.heard() == [(0, "opened", ("bo/mail",)), (38_700, "opened", ("ana/mail",))]


async def test_but_not_of_what_somebody_has_taken_or_is_over(clock: FakeClock) -> None:
    policy = EscalationPolicy("prod", (Step(("schedule:desk",)), Step(("user:bo",), 900)))
    one = stage(clock, roster(policy, desk="daily 09:00-18:00"))
    one.fail("shop/a")
    one.fail("pay/a", subject="pay", service="pay")
    one.deed("acknowledge", "bo")
    one.recover("pay/a")
    one.heard()
    await one.after(24 * HOUR)
    assert one.heard() == []


async def test_of_what_is_given_back_the_steps_begin_anew_and_nobody_is_told_twice(clock: FakeClock) -> None:
    policy = EscalationPolicy("prod", (Step(("schedule:desk",)), Step(("user:bo",), 900)))
    one = stage(clock, roster(policy, desk="daily 09:00-18:00"))
    one.fail("shop/a")
    one.deed("acknowledge", "bo")
    await one.after(12 * HOUR)
    one.heard()
    one.deed("unacknowledge", "bo")
    await one.after(24 * HOUR)
    assert one.heard() == [
        (12 * HOUR, "unacknowledged", ("bo/mail",)),
        (12 * HOUR, "opened", ("ana/mail",)),
        (12 * HOUR + 900, "repeated", ("bo/mail",)),
    ]


async def test_then_whoever_was_not_there_waits_for_the_step_again(clock: FakeClock) -> None:
    policy = EscalationPolicy("prod", (Step(("user:bo",)), Step(("schedule:desk",), 900)))
    one = stage(clock, roster(policy, desk="daily 09:00-18:00"))
    one.fail("shop/a")
    await one.after(HOUR)
    one.deed("acknowledge", "bo")
    await one.after(38_640 - HOUR)
    one.deed("unacknowledge", "bo")
    await one.after(HOUR)
    assert one.heard()[-1] == (38_640 + 900, "opened", ("ana/mail",))


async def test_a_schedule_that_a_route_leads_to_is_looked_at_again_too(clock: FakeClock) -> None:
    one = stage(clock, roster(desk="daily 09:00-18:00"), Route(("schedule:desk", "chat")))
    one.fail("shop/a")
    await one.after(24 * HOUR)
    assert one.heard() == [(0, "opened", ("chat",)), (38_700, "opened", ("ana/mail",))]
    assert said(one) == ["nobody to tell in schedule:desk"]


async def test_whom_a_ticket_does_not_reach_a_page_does(clock: FakeClock) -> None:
    known = roster(EscalationPolicy("prod", (Step(("user:ana",)), Step(("user:bo",), 900))))
    ana = replace(known.users["ana"], rules=(ContactRule("mail", severity="page"),))
    one = stage(clock, replace(known, users={**known.users, "ana": ana}))
    one.fail("shop/a", severities=TICKET)
    one.fail("shop/b", severities=PAGE)
    await one.after(60)
    assert [(kind, who) for _, kind, who in one.heard()] == [("opened", ("bo/mail",)), ("opened", ("ana/mail",))]


# Nobody at all.


@pytest.mark.parametrize("crash", [False, True])
async def test_where_nobody_is_reached_whoever_hears_of_probe_itself_is_told_once(
    clock: FakeClock, crash: bool
) -> None:
    one = stage(clock, roster(DESK, desk="daily 09:00-18:00"), self_route=("oncall", "user:cy"))
    one.fail("shop/a")
    for _ in range(6):
        await one.after(600)
        if crash:
            one.start()
    one.recover("shop/a")
    assert one.heard() == [
        (0, "opened", ("oncall", "cy/mail")),
        (HOUR, "resolved", ("oncall", "cy/mail")),
    ]
    first = one.notices[0]
    assert headline(first) == "DOWN #1 shop/a: nobody could be reached"
    assert first.whys["oncall"] == "nobody could be reached for #1 shop: escalation:prod"
    assert said(one) == [
        "nobody to tell in schedule:desk",
        "nobody to tell in schedule:late",
        "nobody could be reached for #1 shop: escalation:prod; in their place oncall, user:cy",
    ]


async def test_an_escalation_that_reaches_nobody_is_said_to_whatever_else_was_told(clock: FakeClock) -> None:
    one = stage(clock, roster(DESK), Route(("escalation:prod", "chat")), self_route=("oncall",))
    one.fail("shop/a")
    await one.after(HOUR)
    assert one.heard() == [(0, "opened", ("chat",)), (0, "opened", ("oncall",))]


async def test_without_a_route_for_that_a_fallback_is_told_or_who_hears_of_probe_by_the_routes(
    clock: FakeClock,
) -> None:
    routes = Route(("escalation:prod",), {"service": "!probe"}), Route(("mail",))
    one = stage(clock, roster(DESK), *routes)
    one.fail("shop/a")
    assert one.heard() == [(0, "opened", ("mail",))]
    one = stage(clock, roster(DESK), *routes, terms={"mail": Terms(fallback="chat"), "oncall": Terms(fallback="chat")})
    one.fail("shop/a")
    assert one.heard() == [(0, "opened", ("chat",))]


async def test_where_nobody_is_named_the_timeline_says_so_once(clock: FakeClock) -> None:
    one = stage(clock, roster(DESK))
    one.fail("shop/a")
    await one.after(HOUR)
    assert one.heard() == []
    assert said(one)[-1] == "nobody could be reached for #1 shop: escalation:prod; name somebody under alerts.self"
    assert len(said(one)) == 3


async def test_it_is_not_said_while_others_wait_or_where_nobody_may_be_told(clock: FakeClock) -> None:
    people = roster(desk="daily 09:00-18:00")
    one = stage(clock, people, Route(("schedule:desk",), go_on=True), Route(("chat",), wait=60), self_route=("oncall",))
    one.fail("shop/a")
    await one.after(HOUR)
    assert one.heard() == [(60, "opened", ("chat",))]


async def test_it_is_foretold(clock: FakeClock) -> None:
    one = stage(clock, roster(DESK, desk="daily 02:00-18:00"), self_route=("oncall",))
    checked = Planned(CheckSpec("shop/a", Page(), 30.0, 5.0), Policy(()), "http", "shop", severities=PAGE)
    config = replace(one.config, checks={"shop/a": checked})
    played = foretold(config, one.duty, Question("shop/a", Level.DOWN, clock.now_ms()))
    heard = [(hearing.after, dict(hearing.receivers)) for hearing in played.hearings]
    nobody = "nobody could be reached for #1 shop: escalation:prod"
    why = "on call in desk, step 1 of prod: nobody was there when it was due"
    assert heard == [(0, {"oncall": nobody}), (13_500, {"ana/mail": why})]
    assert f"{nobody}; in their place oncall" in played.notes


# Nothing ran.


async def test_steps_that_were_due_while_nothing_ran_are_not_all_taken_at_once(clock: FakeClock) -> None:
    one = stage(clock, roster(STEPS))
    one.fail("shop/a")
    await one.after(60)
    await clock.advance(HOUR)
    one.start()
    await one.after(HOUR)
    assert one.heard() == [
        (0, "opened", ("ana/mail",)),
        (60 + HOUR, "opened", ("bo/mail",)),
        (60 + HOUR + 900, "opened", ("cy/mail",)),
    ]
    late = "step 2 of prod was due 46m ago, when nothing ran: what comes after it waits from now on"
    assert said(one) == [late]


@pytest.mark.parametrize("down", [5, 800, 10_000])
async def test_nobody_is_put_off_by_more_than_nothing_ran(clock: FakeClock, down: int) -> None:
    """Nor by anything where no step was due meanwhile."""
    one = stage(clock, roster(STEPS))
    one.fail("shop/a")
    await one.after(890)
    await clock.advance(down)
    one.start()
    await one.after(4 * HOUR)
    second = max(900, 890 + down)
    assert [at for at, _, _ in one.heard()] == [0, second, second + 900]


async def test_another_round_waits_as_well(clock: FakeClock) -> None:
    one = stage(clock, roster(replace(STEPS, repeat=1, again=1800)))
    one.fail("shop/a")
    await one.after(2000)
    await clock.advance(10 * HOUR)
    one.start()
    await one.after(HOUR)
    began = 2000 + 10 * HOUR
    assert [at for at, kind, _ in one.heard() if kind == "repeated"] == [began, began + 900, began + 1800]
    assert said(one) == [
        "another round of prod was due 9h 33m ago, when nothing ran: what comes after it waits from now on"
    ]


async def test_whoever_could_not_answer_a_reminder_is_asked_again(clock: FakeClock) -> None:
    one = stage(clock, roster(replace(STEPS, ack=AckUpkeep(remind=3600, unack_after=900))))
    one.fail("shop/a")
    one.deed("acknowledge", "ana")
    await one.after(HOUR + 60)
    await clock.advance(HOUR)
    one.start()
    await one.after(HOUR)
    assert one.heard()[2:] == [
        (HOUR, "repeated", ("ana/mail",)),
        (2 * HOUR + 60, "repeated", ("ana/mail",)),
        (2 * HOUR + 960, "unacknowledged", ("ana/mail",)),
        (2 * HOUR + 1860, "opened", ("bo/mail",)),
        (2 * HOUR + 2760, "opened", ("cy/mail",)),
    ]


def test_who_is_on_call_is_asked_anew_whenever_it_may_be_another(clock: FakeClock) -> None:
    duty = stage(clock, roster(desk="daily 09:00-18:00")).duty
    nine = clock.now_ms() + 38_700_000
    assert [list(duty.people("schedule:desk", nine + ms)) for ms in (-1, 0, 999, 1)] == [[], ["ana"], ["ana"], ["ana"]]
    override = Override(nine - 60_000, nine + 60_000, replace={"ana": "bo"})
    duty.overrides = lambda: [override]
    assert list(duty.people("schedule:desk", nine)) == ["bo"]
    duty.roster = roster()
    assert list(duty.people("schedule:desk", nine)) == []
