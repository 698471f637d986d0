"""Who hears of an incident, when and how often: grouped by cause, escalated, acknowledged, silenced, held back."""

from dataclasses import replace
from typing import Any

import pytest

from exporters.alerting.book import DeedError
from exporters.alerting.incident import Severity, Status
from exporters.alerting.rules import Inhibition, Quiet, Silence
from exporters.alerting.settings import Settings
from exporters.oncall.escalation import AckUpkeep, EscalationPolicy, Step
from exporters.oncall.people import ContactRule, User
from exporters.oncall.roster import Roster
from exporters.route import Route
from exporters.sayings import headline
from probe.engine.dispatch import Dispatcher
from tests.conftest import FakeClock
from tests.engine.incidents import Stage
from thresholds.base import Level
from thresholds.hours import parse_hours

CHAT = Route(("chat",))
HOUR = 3600


def people(*names: str, rules: tuple[ContactRule, ...] = ()) -> dict[str, User]:
    return {name: User(name, contacts={"mail": f"{name}@x.example", "pager": name}, rules=rules) for name in names}


def roster(policy: EscalationPolicy | None = None, **changes: Any) -> Roster:
    one_way = (ContactRule("mail"),)
    escalations = {policy.name: policy} if policy is not None else {}
    return Roster(people("ana", "bo", "cy", rules=one_way), escalations=escalations, **changes)


PROD = EscalationPolicy(
    "prod", (Step(("user:ana",)), Step(("user:bo", "chat"), 900), Step(("user:cy",), 1800)), repeat=1, again=1800
)


async def test_checks_of_a_service_that_fail_for_the_same_cause_are_one_incident(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.fail("shop/b")
    stage.fail("shop/c", "the certificate has expired")
    stage.fail("mail/a", subject="mail", service="mail")
    found = [(one.number, one.subject, one.count) for one in stage.dispatcher.book.open()]
    assert found == [(1, "shop", 2), (2, "shop", 1), (3, "mail", 1)]
    assert [kind for _, kind, _ in stage.heard()] == ["opened"] * 3


@pytest.mark.parametrize("cause", ["address:192.0.2.7", "depends:net/gateway"])
async def test_so_are_those_behind_the_same_address_or_dependency(clock: FakeClock, cause: str) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a", "connection refused", causes=("reason:refused", cause))
    stage.fail("shop/b", "no answer", causes=("reason:silent", cause))
    assert [one.count for one in stage.dispatcher.book.open()] == [2]


async def test_an_incident_is_over_when_the_last_of_its_checks_is(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    await stage.after(10)
    stage.fail("shop/b")
    stage.recover("shop/a")
    assert stage.incident().status is Status.TRIGGERED
    await stage.after(20)
    stage.recover("shop/b")
    assert stage.heard() == [(0, "opened", ("chat",)), (30, "resolved", ("chat",))]
    assert (stage.incident().opened_ms, stage.incident().ended_ms) == (stage.began_ms, stage.began_ms + 30_000)
    assert (stage.notices[-1].count, stage.notices[-1].title) == (2, "shop: 2 checks")


async def test_what_comes_back_within_the_grace_is_the_same_incident_and_told_anew(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.recover("shop/a")
    await stage.after(599)
    stage.fail("shop/b")
    assert (stage.incident().reopened, stage.incident().status) == (1, Status.TRIGGERED)
    stage.recover("shop/b")
    await stage.after(601)
    stage.fail("shop/a")
    assert [one.number for one in stage.dispatcher.book.open()] == [2]
    assert [kind for _, kind, _ in stage.heard()] == ["opened", "resolved", "opened", "resolved", "opened"]
    assert len({notice.id for notice in stage.notices}) == 5


async def test_a_failure_that_recurs_says_so_and_names_what_was_not_done(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    for number in range(1, 5):
        stage.fail("shop/a")
        stage.recover("shop/a")
        if number == 3:
            from exporters.alerting.incident import Action

            stage.deed("action", "ana", Action(1, "raise the limit", since_ms=1_700_000_000_000), number=3)
        await stage.after(HOUR)
    stage.fail("shop/a")
    assert stage.notices[-1].recurrence == "5th time in 30 days, last fix open since 2023-11-14 (#3: raise the limit)"


async def test_escalation_tells_one_after_the_other_until_somebody_acknowledges(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(PROD))
    stage.fail("shop/a")
    await stage.after(1000)
    stage.deed("acknowledge", "bo")
    await stage.after(4 * HOUR)
    stage.recover("shop/a")
    assert stage.heard() == [
        (0, "opened", ("ana/mail",)),
        (900, "opened", ("bo/mail", "chat")),
        (1000, "acknowledged", ("ana/mail", "bo/mail", "chat")),
        (1000 + 4 * HOUR, "resolved", ("ana/mail", "bo/mail", "chat")),
    ]


async def test_rounds_repeat_as_often_as_they_are_to(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(PROD))
    stage.fail("shop/a")
    await stage.after(24 * HOUR)
    assert stage.heard() == [
        (0, "opened", ("ana/mail",)),
        (900, "opened", ("bo/mail", "chat")),
        (1800, "opened", ("cy/mail",)),
        (3600, "repeated", ("ana/mail",)),
        (4500, "repeated", ("bo/mail", "chat")),
        (5400, "repeated", ("cy/mail",)),
    ]


async def test_a_step_that_reaches_nobody_gives_way_to_the_next_at_once(clock: FakeClock) -> None:
    empty = EscalationPolicy("prod", (Step(("schedule:nobody",)), Step(("user:bo",), 900)))
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(empty))
    stage.fail("shop/a")
    await stage.after(1)
    assert stage.heard() == [(0, "opened", ("bo/mail",))]
    assert "nobody to tell in schedule:nobody" in [one.text for one in stage.kept.happenings]


async def test_an_acknowledgement_that_nobody_confirms_is_taken_back(
    clock: FakeClock,
) -> None:
    policy = replace(PROD, ack=AckUpkeep(remind=3600, unack_after=900))
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(policy))
    stage.fail("shop/a")
    await stage.after(60)
    stage.deed("acknowledge", "ana")
    await stage.after(2 * HOUR)
    assert stage.heard() == [
        (0, "opened", ("ana/mail",)),
        (60, "acknowledged", ("ana/mail",)),
        (3660, "repeated", ("ana/mail",)),
        (4560, "unacknowledged", ("ana/mail",)),
        (5460, "opened", ("bo/mail", "chat")),
        (6360, "opened", ("cy/mail",)),
    ]


@pytest.mark.parametrize(
    ("who", "via", "reminded"),
    [
        ("somebody in chat", "chat", ("chat",)),
        ("zoe, by a link of chat", "chat", ("chat",)),
        ("zoe", "", ("ana/mail",)),  # from the command line, and nobody that the configuration knows: who was told is
        ("bo", "", ("bo/mail",)),
    ],
)
async def test_an_acknowledgement_is_reminded_where_it_was_made_and_then_taken_back(
    clock: FakeClock, who: str, via: str, reminded: tuple[str, ...]
) -> None:
    policy = replace(PROD, ack=AckUpkeep(remind=3600, unack_after=900))
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(policy))
    stage.fail("shop/a")
    stage.deed("acknowledge", who, via)
    stage.start()  # what is known of it outlives a crash
    await stage.after(3700)
    assert stage.heard() == [
        (0, "opened", ("ana/mail",)),
        (0, "acknowledged", ("ana/mail",)),
        (3600, "repeated", reminded),
    ]
    assert (stage.notices[-1].acked_by, "acknowledge it again" in stage.notices[-1].whys[reminded[0]]) == (who, True)
    await stage.after(900)
    assert stage.heard() == [(4500, "unacknowledged", ("ana/mail",))]


async def test_an_acknowledgement_of_a_channel_that_is_confirmed_there_holds(clock: FakeClock) -> None:
    policy = replace(PROD, ack=AckUpkeep(remind=3600, unack_after=900))
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(policy))
    stage.fail("shop/a")
    stage.deed("acknowledge", "somebody in chat", "chat")
    for _ in range(3):
        await stage.after(3700)
        stage.deed("acknowledge", "somebody in chat", "chat")
    assert stage.incident().status is Status.ACKNOWLEDGED
    assert [kind for _, kind, _ in stage.heard()] == ["opened", "acknowledged", *["repeated"] * 3]


async def test_one_that_is_confirmed_holds(clock: FakeClock) -> None:
    policy = replace(PROD, ack=AckUpkeep(remind=3600, unack_after=900))
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(policy))
    stage.fail("shop/a")
    stage.deed("acknowledge", "ana")
    await stage.after(3700)
    stage.deed("acknowledge", "ana")
    await stage.after(3500)
    assert stage.incident().status is Status.ACKNOWLEDGED
    assert [kind for _, kind, _ in stage.heard()] == ["opened", "acknowledged", "repeated"]


async def test_a_snooze_ends_by_itself(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.deed("snooze", "ana", 1800.0)
    assert (stage.incident().status, stage.incident().snoozed_ms) == (Status.SNOOZED, stage.began_ms + 1_800_000)
    await stage.after(HOUR)
    assert stage.heard() == [
        (0, "opened", ("chat",)),
        (0, "acknowledged", ("chat",)),
        (1800, "unacknowledged", ("chat",)),
    ]


async def test_what_gets_worse_is_told_although_somebody_has_it_and_what_gets_better_is_not(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    pages = {"severities": {Level.DOWN: Severity.PAGE, Level.DEGRADED: Severity.PAGE}}
    stage.fail("shop/a", "slow", Level.DEGRADED, **pages)
    stage.deed("acknowledge", "ana")
    await stage.after(10)
    stage.fail("shop/a", "down", Level.DOWN, **pages)
    await stage.after(10)
    stage.fail("shop/a", "slow", Level.DEGRADED, **pages)
    assert stage.heard() == [(0, "opened", ("chat",)), (0, "acknowledged", ("chat",)), (10, "changed", ("chat",))]


async def test_a_ticket_that_somebody_has_and_that_becomes_a_page_is_nobodys_again(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("escalation:prod",), {"severity": "page"}), CHAT, roster=roster(PROD))
    stage.fail("shop/a", "slow", Level.DEGRADED)
    stage.deed("acknowledge", "cy")
    await stage.after(60)
    stage.fail("shop/a", "down", Level.DOWN)
    await stage.after(1)
    assert stage.heard()[2:] == [(60, "changed", ("chat",)), (60, "opened", ("ana/mail",))]
    assert stage.incident().status is Status.TRIGGERED


async def test_resolved_by_hand_it_opens_again_if_it_still_fails(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    await stage.after(60)
    stage.deed("resolve", "ana")
    await stage.after(700)
    assert stage.heard() == [(0, "opened", ("chat",)), (60, "resolved", ("chat",)), (660, "opened", ("chat",))]
    stage.recover("shop/a")
    assert stage.heard() == [(760, "resolved", ("chat",))]


async def test_resolved_by_hand_and_recovered_meanwhile_it_stays_over(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.deed("resolve", "ana")
    await stage.after(60)
    stage.recover("shop/a")
    await stage.after(HOUR)
    assert [kind for _, kind, _ in stage.heard()] == ["opened", "resolved"]


async def test_nothing_can_be_done_about_what_is_over(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.recover("shop/a")
    with pytest.raises(DeedError, match="#1 is over"):
        stage.deed("acknowledge", "ana")
    stage.deed("describe", "ana", {"cause": "a full disk"})
    assert stage.incident().cause == "a full disk"


async def test_escalate_takes_the_next_step_now(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(PROD))
    stage.fail("shop/a")
    await stage.after(10)
    stage.deed("escalate", "ana")
    assert stage.heard() == [(0, "opened", ("ana/mail",)), (10, "opened", ("bo/mail", "chat"))]


async def test_own_rules_tell_a_person_by_one_way_after_the_other(clock: FakeClock) -> None:
    rules = (ContactRule("mail"), ContactRule("pager", after=300))
    stage = Stage(clock, Route(("user:ana", "user:bo")), roster=Roster(people("ana", "bo", rules=rules)))
    stage.fail("shop/a")
    await stage.after(100)
    assert stage.heard() == [(0, "opened", ("ana/mail", "bo/mail"))]
    await stage.after(300)
    assert stage.heard() == [(300, "opened", ("ana/pager", "bo/pager"))]


async def test_an_acknowledgement_stops_them_but_not_where_everybody_has_to(clock: FakeClock) -> None:
    rules = (ContactRule("mail"), ContactRule("pager", after=300))
    everybody = EscalationPolicy("all", (Step(("user:ana", "user:bo"), multi_ack=True),))
    swarm = Roster(people("ana", "bo", rules=rules), escalations={"all": everybody})
    stage = Stage(clock, Route(("escalation:all",)), roster=swarm)
    stage.fail("shop/a")
    stage.deed("acknowledge", "ana")
    await stage.after(400)
    assert stage.heard()[-1] == (300, "opened", ("bo/pager",))


async def test_a_silence_holds_it_back_and_its_end_tells_it(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    now_ms = clock.now_ms()
    silence = Silence("s-1", now_ms, now_ms + 600_000, services=("sh*",), reason="load test", author="ana")
    stage.dispatcher.held.silences = lambda: (silence,)
    stage.fail("shop/a")
    await stage.after(500)
    assert stage.heard() == []
    assert stage.dispatcher.holds(stage.incident().id) == "silenced by ana: load test"
    await stage.after(200)
    assert stage.heard() == [(600, "opened", ("chat",))]


async def test_an_end_is_told_to_those_who_know_of_the_beginning_and_to_nobody_else(
    clock: FakeClock,
) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("mail/a", subject="mail", service="mail")
    silence = Silence("s-1", clock.now_ms(), clock.now_ms() + 600_000)
    stage.dispatcher.held.silences = lambda: (silence,)
    stage.fail("shop/a")
    stage.recover("shop/a")
    stage.recover("mail/a")
    await stage.after(HOUR)
    assert [(kind, who) for _, kind, who in stage.heard()] == [("opened", ("chat",)), ("resolved", ("chat",))]


async def test_inhibition_holds_back_what_another_incident_speaks_for(clock: FakeClock) -> None:
    rule = Inhibition({"service": "gateway"}, {"tier": "web"}, ("city",))
    stage = Stage(clock, CHAT, settings=Settings(inhibitions=(rule,)))
    there: dict[str, Any] = {"labels": {"tier": "web", "city": "oslo"}}
    stage.fail("gateway/oslo", subject="gateway", service="gateway", labels={"city": "oslo"})
    stage.fail("shop/oslo", **there)
    stage.fail("shop/rome", "refused", labels={"tier": "web", "city": "rome"}, causes=("reason:refused",))
    assert [notice.check for notice in stage.notices] == ["gateway/oslo", "shop/rome"]
    stage.recover("gateway/oslo")
    await stage.after(60)
    assert [notice.check for notice in stage.notices] == ["gateway/oslo", "shop/rome", "gateway/oslo", "shop/oslo"]


def test_inhibition_by_labels_that_nobody_has_connects_nothing() -> None:
    """Alertmanager takes missing labels for equal: a trap that its documentation warns of."""
    clock = FakeClock()
    stage = Stage(
        clock, CHAT, settings=Settings(inhibitions=(Inhibition({"severity": "page"}, {"severity": "page"}, ("rack",)),))
    )
    stage.fail("shop/a")
    stage.fail("mail/a", subject="mail", service="mail")
    assert len(stage.heard()) == 2


async def test_quiet_hours_hold_tickets_until_the_morning_but_no_pages(clock: FakeClock) -> None:
    # 2023-11-14 22:13:20 UTC
    quiet = Quiet((Severity.TICKET,), parse_hours("daily 20:00-08:00", "UTC"), {})
    stage = Stage(clock, CHAT, settings=Settings(quiet=(quiet,)))
    stage.fail("shop/slow", "slow", Level.DEGRADED)
    stage.fail("shop/down", "down")
    await stage.after(12 * HOUR)
    assert stage.heard() == [(0, "opened", ("chat",)), (35_200, "opened", ("chat",))]
    assert [notice.check for notice in stage.notices] == ["shop/down", "shop/slow"]


async def test_what_gets_worse_in_quiet_hours_is_told_at_once(clock: FakeClock) -> None:
    quiet = Quiet((Severity.TICKET,), parse_hours("daily 20:00-08:00", "UTC"), {})
    stage = Stage(clock, CHAT, settings=Settings(quiet=(quiet,)))
    stage.fail("shop/a", "slow", Level.DEGRADED)
    await stage.after(60)
    stage.fail("shop/a", "down", Level.DOWN)
    assert stage.heard() == [(60, "opened", ("chat",))]


async def test_a_route_that_waits_tells_nothing_of_what_is_soon_over(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), wait=120))
    stage.fail("shop/a")
    await stage.after(100)
    stage.recover("shop/a")
    await stage.after(HOUR)
    stage.fail("shop/a")
    await stage.after(200)
    assert stage.heard() == [(3820, "opened", ("chat",))]


async def test_it_is_told_again_while_it_lasts_and_nobody_acknowledges(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), repeat=4 * HOUR))
    stage.fail("shop/a")
    await stage.after(9 * HOUR)
    stage.deed("acknowledge", "ana")
    await stage.after(9 * HOUR)
    assert [(at // HOUR, kind) for at, kind, _ in stage.heard()] == [
        (0, "opened"),
        (4, "repeated"),
        (8, "repeated"),
        (9, "acknowledged"),
    ]


async def test_a_route_that_groups_tells_incidents_together(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), by=("service",), wait=30, interval=300))
    stage.fail("shop/a", "refused")
    stage.fail("shop/b", "expired")
    stage.fail("mail/a", "refused", subject="mail", service="mail")
    await stage.after(60)
    assert stage.heard() == [(30, "opened", ("chat",)), (30, "opened", ("chat",))]
    assert sorted(notice.title for notice in stage.notices) == ["2 incidents: shop", "mail"]
    stage.fail("shop/c", "no answer")
    await stage.after(400)
    assert stage.heard() == [(330, "changed", ("chat",))]
    for check in "abc":
        stage.recover(f"shop/{check}")
    await stage.after(1)
    assert [(kind, stage.notices[-1].title) for _, kind, _ in stage.heard()][-1] == ("resolved", "3 incidents: shop")
    assert len({notice.incident for notice in stage.notices if "shop" in notice.title}) == 1


async def test_a_storm_is_one_digest(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT, settings=Settings(storm_over=3, storm_every=300))
    for number in range(50):
        stage.fail(f"s{number}/a", f"reason {number}", subject=f"s{number}", service=f"s{number}")
    await stage.after(60)
    assert stage.heard() == [(0, "opened", ("chat",))] * 3 + [(10, "opened", ("chat",))]
    assert stage.notices[-1].title == "storm of 47 incidents: s3, s4, s5 and 44 more"
    for number in range(50):
        stage.recover(f"s{number}/a")
    await stage.after(1)
    assert [kind for _, kind, _ in stage.heard()] == ["resolved"] * 3 + ["resolved"]
    await stage.after(HOUR)
    stage.fail("calm/a", "late", subject="calm", service="calm")
    assert stage.notices[-1].check == "calm/a"
    assert stage.notices[-1].title == ""


async def test_a_crash_at_any_instant_goes_on_where_it_stopped(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(PROD))
    stage.fail("shop/a")
    for _ in range(30):
        await stage.after(60)
        stage.start()
    stage.recover("shop/a")
    assert stage.heard() == [
        (0, "opened", ("ana/mail",)),
        (900, "opened", ("bo/mail", "chat")),
        (1800, "opened", ("cy/mail",)),
        (1800, "resolved", ("ana/mail", "bo/mail", "chat", "cy/mail")),
    ]


@pytest.mark.parametrize("by_ms", [-7_200_000, 7_200_000])
async def test_a_clock_that_is_set_hurries_and_delays_nobody(clock: FakeClock, by_ms: int) -> None:
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(PROD))
    stage.fail("shop/a")
    await stage.after(600)
    clock.step_wall(by_ms)
    stage.began_ms += by_ms
    await stage.after(600)
    assert stage.heard() == [(0, "opened", ("ana/mail",)), (900, "opened", ("bo/mail", "chat"))]


async def test_log_goes_only_where_a_route_asks_for_it(clock: FakeClock) -> None:
    quiet = {Level.DOWN: Severity.LOG, Level.DEGRADED: Severity.LOG}
    stage = Stage(clock, Route(("mail",), {"severity": "log"}, go_on=True), CHAT)
    stage.fail("shop/a", severities=quiet)
    assert stage.heard() == [(0, "opened", ("mail",))]


async def test_our_own_trouble_goes_by_its_own_route(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.config = replace(stage.config, self_route=("oncall",))
    stage.dispatcher.configure(stage.config)
    stage.fail("probe/store", subject="", service="probe", type="self", causes=("self:probe/store",))
    assert stage.heard() == [(0, "opened", ("oncall",))]


async def test_a_storm_tells_nothing_that_is_held_back(clock: FakeClock) -> None:
    quiet = Quiet((Severity.TICKET,), parse_hours("daily 20:00-08:00", "UTC"), {})
    stage = Stage(clock, CHAT, settings=Settings(storm_over=1, quiet=(quiet,)))
    for number in range(3):
        stage.fail(f"s{number}/a", f"reason {number}", subject=f"s{number}", service=f"s{number}")
    stage.fail("t/a", "slow", Level.DEGRADED, subject="t", service="t")
    await stage.after(60)
    assert stage.notices[-1].title == "storm of 2 incidents: s1, s2"


async def test_whoever_says_that_it_is_over_is_named(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.deed("resolve", "ana")
    await stage.after(700)
    assert [headline(notice) for notice in stage.notices] == [
        "DOWN #1 shop/a",
        "RESOLVED by ana: #1 shop/a, DOWN for 0.0 ms",
        "DOWN #1 shop/a, again",
    ]


async def test_what_came_back_is_dated_to_when_it_did(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.recover("shop/a")
    await stage.after(300)
    stage.fail("shop/a")
    assert stage.notices[-1].since_ms == stage.began_ms + 300_000
    assert stage.incident().opened_ms == stage.began_ms


async def test_a_snooze_and_another_hand_are_told_and_a_second_nod_is_not(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.deed("acknowledge", "ana")
    stage.deed("acknowledge", "ana")
    stage.deed("acknowledge", "bo")
    stage.deed("snooze", "bo", 60.0)
    assert [(notice.kind.value, notice.acked_by, notice.snoozed_ms > 0) for notice in stage.notices] == [
        ("opened", "", False),
        ("acknowledged", "ana", False),
        ("acknowledged", "bo", False),
        ("acknowledged", "bo", True),
    ]


async def test_where_no_escalation_is_there_is_no_next_step(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    with pytest.raises(DeedError, match="no escalation is under way"):
        stage.deed("escalate", "ana")


async def test_a_check_that_fails_by_itself_is_told_whatever_others_depend_on(clock: FakeClock) -> None:
    """Of an incident, only what depends on something else that is down is explained by that."""
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(PROD))
    stage.fail("shop/gw", depends_on=())
    stage.fail("shop/site", depends_on=("shop/gw", "shop"))
    await stage.after(1000)
    assert [(at, kind) for at, kind, _ in stage.heard()] == [(0, "opened"), (300, "changed"), (900, "opened")]


async def test_what_comes_back_in_a_group_is_told(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), by=("service",), wait=0, interval=60))
    stage.fail("shop/a", "refused")
    stage.fail("shop/b", "expired")
    await stage.after(100)
    stage.recover("shop/a")
    await stage.after(100)
    stage.heard()
    stage.fail("shop/a", "refused")
    await stage.after(1)
    assert [(kind, stage.notices[-1].title) for _, kind, _ in stage.heard()] == [("changed", "2 incidents: shop")]


async def test_an_acknowledged_group_that_grows_repeats_nothing_for_ever(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("escalation:prod",), by=("service",), interval=300), roster=roster(PROD))
    stage.fail("shop/a", "refused")
    await stage.after(4000)
    stage.deed("acknowledge", "ana")
    await stage.after(10)
    stage.fail("shop/b", "expired")
    await stage.after(24 * HOUR)
    assert len(stage.heard()) < 12


async def test_a_reload_in_quiet_hours_tells_those_who_are_there_in_the_morning(clock: FakeClock) -> None:
    quiet = Quiet((Severity.TICKET,), parse_hours("daily 20:00-08:00", "UTC"), {})
    stage = Stage(clock, CHAT, settings=Settings(quiet=(quiet,)), receivers=("mail",))
    stage.fail("shop/a", "slow", Level.DEGRADED)
    await stage.after(60)
    stage.config = replace(stage.config, receivers={"mail": stage.config.receivers["mail"]})
    stage.configure(Route(("mail",)))
    await stage.after(12 * HOUR)
    assert [(kind, who) for _, kind, who in stage.heard()] == [("opened", ("mail",))]


async def test_routes_are_those_of_when_it_began(clock: FakeClock) -> None:
    evening = Route(("chat",), when=parse_hours("daily 20:00-23:00", "UTC"))
    stage = Stage(clock, evening, Route(("oncall",)))
    stage.fail("shop/a")
    await stage.after(2 * HOUR)
    stage.deed("note", "ana", "looking")
    await stage.after(60)
    assert stage.heard() == [(0, "opened", ("chat",))]


async def test_a_check_that_joins_is_routed_by_its_own_labels_too(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("oncall",), {"tier": "1"}), CHAT)
    stage.fail("shop/a", labels={"tier": "3"})
    await stage.after(60)
    stage.fail("shop/b", labels={"tier": "1"})
    await stage.after(1)
    assert stage.heard() == [(0, "opened", ("chat",)), (60, "opened", ("oncall",))]


async def test_what_was_held_back_goes_on_where_it_stopped(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(PROD))
    stage.fail("shop/a")
    await stage.after(60)
    silence = Silence("s-1", clock.now_ms(), clock.now_ms() + 7_200_000)
    stage.dispatcher.held.silences = lambda: (silence,)
    stage.dispatcher.look_again()
    await stage.after(3 * HOUR)
    assert [(at, kind, who) for at, kind, who in stage.heard()][:2] == [
        (0, "opened", ("ana/mail",)),
        (8100, "opened", ("bo/mail", "chat")),
    ]


async def test_repetitions_of_one_target_do_not_put_off_those_of_another(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), repeat=3 * HOUR, go_on=True), Route(("mail",), repeat=4 * HOUR))
    stage.fail("shop/a")
    await stage.after(9 * HOUR)
    assert [(at // HOUR, who) for at, kind, who in stage.heard() if kind == "repeated"] == [
        (3, ("chat",)),
        (4, ("mail",)),
        (6, ("chat",)),
        (8, ("mail",)),
        (9, ("chat",)),
    ]


async def test_after_a_snooze_a_person_is_told_by_all_ways_again(clock: FakeClock) -> None:
    rules = (ContactRule("mail"), ContactRule("pager", after=300))
    stage = Stage(clock, Route(("user:ana",)), roster=Roster(people("ana", rules=rules)))
    stage.fail("shop/a")
    stage.deed("snooze", "ana", 600.0)
    await stage.after(1000)
    assert stage.heard()[2:] == [(600, "unacknowledged", ("ana/mail",)), (900, "opened", ("ana/pager",))]


async def test_to_escalate_what_is_acknowledged_takes_the_next_step(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("escalation:prod",)), roster=roster(PROD))
    stage.fail("shop/a")
    stage.deed("acknowledge", "ana")
    stage.heard()
    stage.deed("escalate", "ana")
    assert stage.heard() == [(0, "unacknowledged", ("ana/mail",)), (0, "opened", ("bo/mail", "chat"))]


async def test_of_two_that_inhibit_each_other_the_first_is_told(clock: FakeClock) -> None:
    rules = Inhibition({"service": "a"}, {"service": "b"}), Inhibition({"service": "b"}, {"service": "a"})
    stage = Stage(clock, CHAT, settings=Settings(inhibitions=rules))
    stage.fail("a/x", subject="a", service="a")
    stage.fail("b/x", subject="b", service="b")
    await stage.after(60)
    assert [notice.check for notice in stage.notices] == ["a/x"]


async def test_a_route_that_waits_is_kept_over_a_crash(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), wait=120))
    stage.fail("shop/a")
    stage.start()
    await stage.after(130)
    assert stage.heard() == [(120, "opened", ("chat",))]


@pytest.mark.parametrize("by_ms", [-7_200_000, 7_200_000])
async def test_a_clock_that_is_set_ends_no_snooze(clock: FakeClock, by_ms: int) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.deed("snooze", "ana", 3600.0)
    clock.step_wall(by_ms)
    await stage.after(3500)
    assert stage.incident().status is Status.SNOOZED
    await stage.after(200)
    assert stage.incident().status is Status.TRIGGERED


async def test_to_describe_an_old_incident_splits_no_new_one(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a")
    stage.recover("shop/a")
    await stage.after(HOUR)
    stage.fail("shop/a")
    stage.deed("describe", "ana", {"cause": "a full disk"})
    stage.fail("shop/b")
    assert [(one.number, one.count) for one in stage.dispatcher.book.open()] == [(2, 2)]


async def test_secrets_are_in_no_notice(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.dispatcher = Dispatcher(
        stage.config, clock, stage.take, stage.duty, redact=lambda text: text.replace("hunter2", "•••")
    )
    stage.fail("shop/a", "password hunter2 refused", target="https://x/?p=hunter2", seen={"body": "hunter2"})
    assert "hunter2" not in str(stage.notices[0])


async def test_what_spreads_is_told_when_it_has_doubled(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), interval=60))
    for number in range(8):
        stage.fail(f"shop/{number}")
        await stage.after(100)
    assert [notice.count for notice in stage.notices] == [1, 2, 4, 8]


async def test_what_gets_worse_in_a_group_does_not_wait(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), by=("service",), interval=3600))
    stage.fail("shop/a", "slow", Level.DEGRADED)
    await stage.after(10)
    stage.fail("shop/a", "down", Level.DOWN)
    await stage.after(1)
    assert [kind for _, kind, _ in stage.heard()] == ["opened", "changed"]


async def test_a_check_that_joins_may_make_a_page_of_a_ticket(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/a", severities={Level.DOWN: Severity.TICKET})
    stage.fail("shop/b", severities={Level.DOWN: Severity.PAGE})
    assert stage.incident().severity is Severity.PAGE


async def test_a_storm_goes_on_over_a_crash(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT, settings=Settings(storm_over=1))
    for number in range(4):
        stage.fail(f"s{number}/a", f"reason {number}", subject=f"s{number}", service=f"s{number}")
    await stage.after(120)
    stage.heard()
    stage.start()
    stage.fail("late/a", "late", subject="late", service="late")
    await stage.after(600)
    assert [(kind, stage.notices[-1].title) for _, kind, _ in stage.heard()] == [
        ("changed", "storm of 4 incidents: s1, s2, s3 and 1 more")
    ]


async def test_what_ends_while_it_is_held_back_is_not_said_to_be_told(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    silence = Silence("s-1", clock.now_ms(), clock.now_ms() + 600_000)
    stage.dispatcher.held.silences = lambda: (silence,)
    stage.fail("shop/a")
    stage.recover("shop/a")
    assert "told from now on" not in [one.text for one in stage.kept.happenings]


async def test_why_it_is_not_told_is_said_once_over_restarts(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    silence = Silence("s-1", clock.now_ms(), clock.now_ms() + 600_000, reason="load test")
    stage.dispatcher.held.silences = lambda: (silence,)
    stage.fail("shop/a")
    for _ in range(3):
        stage.start()
        stage.dispatcher.held.silences = lambda: (silence,)
        await stage.after(100)
    await stage.after(600)
    stage.start()
    await stage.after(60)
    said = [one.text for one in stage.kept.happenings if one.deed.value == "held"]
    assert said == ["not told: silenced: load test", "told from now on"]
    assert [kind for _, kind, _ in stage.heard()] == ["opened"]


@pytest.mark.parametrize("by", [(), ("service",)])
@pytest.mark.parametrize("crash", [False, True])
async def test_to_escalate_what_is_held_back_counts_when_it_is_told(
    clock: FakeClock, by: tuple[str, ...], crash: bool
) -> None:
    stage = Stage(clock, Route(("escalation:prod",), by=by), roster=roster(PROD))
    stage.fail("shop/a")
    await stage.after(60)
    silence = Silence("s-1", clock.now_ms(), clock.now_ms() + 600_000)
    stage.dispatcher.held.silences = lambda: (silence,)
    stage.dispatcher.look_again()
    await stage.after(300)
    stage.deed("escalate", "ana")
    if crash:
        stage.start()
        stage.dispatcher.held.silences = lambda: (silence,)
    await stage.after(900)
    assert stage.heard() == [(0, "opened", ("ana/mail",)), (660, "opened", ("bo/mail", "chat"))]
