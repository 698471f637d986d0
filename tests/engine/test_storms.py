"""A storm: what would be many messages is one, of what the routes give each receiver, and nobody is forgotten."""

from exporters.alerting.settings import Settings
from exporters.oncall.escalation import EscalationPolicy, Step
from exporters.oncall.people import ContactRule, User
from exporters.oncall.roster import Roster
from exporters.route import Route
from tests.conftest import FakeClock
from tests.engine.incidents import Stage

STORM = Settings(storm_over=1, storm_every=300)
FIRST = Route(("oncall",), {"tier": "1"}, go_on=True)


def fail(stage: Stage, *names: str, tier: str = "2") -> None:
    for name in names:
        stage.fail(f"{name}/a", f"reason {name}", subject=name, service=name, labels={"tier": tier})


def titles(stage: Stage) -> dict[tuple[str, ...], list[str]]:
    """What was told since the last time that this was asked, by receivers."""
    found: dict[tuple[str, ...], list[str]] = {}
    for (_, kind, receivers), notice in zip(stage.told, stage.notices[-len(stage.told) :], strict=True):
        found.setdefault(receivers, []).append(f"{kind} {notice.subject}")
    stage.told.clear()
    return found


def people(policy: EscalationPolicy) -> Roster:
    users = {
        name: User(name, contacts={"mail": f"{name}@x.example"}, rules=(ContactRule("mail"),)) for name in ("ana", "bo")
    }
    return Roster(users, escalations={policy.name: policy})


async def test_everybody_hears_of_what_their_routes_give_them(clock: FakeClock) -> None:
    stage = Stage(clock, FIRST, Route(("chat",), {"tier": "1"}), Route(("mail", "chat")), settings=STORM)
    fail(stage, "calm")
    fail(stage, "a", "b", tier="1")
    fail(stage, "c", "d")
    await stage.after(60)
    assert titles(stage) == {
        ("mail", "chat"): ["opened calm/a"],
        ("oncall",): ["opened storm of 2 incidents: a, b"],
        ("chat",): ["opened storm of 4 incidents: a, b, c and 1 more"],
        ("mail",): ["opened storm of 2 incidents: c, d"],
    }
    assert {notice.labels["digest"] for notice in stage.notices[1:]} == {"oncall", "chat", "mail"}
    stage.start()
    fail(stage, "e")
    for name in "abcd":
        stage.recover(f"{name}/a")
    await stage.after(600)
    stage.recover("e/a")
    await stage.after(60)
    assert titles(stage) == {
        ("oncall",): ["resolved storm of 2 incidents: a, b"],
        ("chat",): ["changed e", "resolved storm of 5 incidents: a, b, c and 2 more"],
        ("mail",): ["changed e", "resolved storm of 3 incidents: c, d, e"],
    }


async def test_whoever_hears_of_all_of_it_already_is_not_told_again_by_a_step(clock: FakeClock) -> None:
    policy = EscalationPolicy("prod", (Step(("user:ana",)), Step(("chat", "user:bo"), 900)))
    stage = Stage(clock, Route(("escalation:prod", "chat")), roster=people(policy), settings=STORM)
    fail(stage, "calm", "a", "b")
    stage.deed("acknowledge", "ana")
    await stage.after(1000)
    stage.recover("a/a")
    stage.recover("b/a")
    await stage.after(60)
    storm = [line for line in stage.heard() if line[0] > 0]
    assert storm == [
        (10, "opened", ("chat",)),
        (10, "opened", ("ana/mail",)),
        (910, "opened", ("bo/mail",)),
        (1000, "resolved", ("chat",)),
        (1000, "resolved", ("ana/mail", "bo/mail")),
    ]


async def test_but_is_as_soon_as_there_is_more_in_it(clock: FakeClock) -> None:
    policy = EscalationPolicy("prod", (Step(("chat",)), Step(("user:bo",), 9000)))
    both, one = Route(("escalation:prod", "chat"), {"tier": "1"}), Route(("escalation:prod",))
    stage = Stage(clock, both, one, roster=people(policy), settings=STORM)
    fail(stage, "calm", "a", tier="1")
    await stage.after(60)
    assert titles(stage) == {("chat",): ["opened calm/a", "opened a"]}
    stage.start()
    fail(stage, "b")
    await stage.after(600)
    assert titles(stage) == {("chat",): ["opened storm of 2 incidents: a, b"]}
    for name in "ab":
        stage.recover(f"{name}/a")
    await stage.after(60)
    assert sorted(titles(stage)["chat",]) == ["resolved a", "resolved storm of 2 incidents: a, b"]


async def test_every_incident_of_a_message_is_told_by_it(clock: FakeClock) -> None:
    """The time to tell is that of all of them, and each timeline names the message."""
    stage = Stage(clock, Route(("chat",)), settings=STORM)
    fail(stage, *(f"s{number}" for number in range(200)))
    await stage.after(60)
    digest = stage.notices[-1]
    lines = [line for line in stage.kept.happenings if line.notice == digest.id]
    assert {stage.kept.incidents[line.incident].first_told_ms for line in lines} == {digest.at_ms}
    assert len(lines) == 199
    assert all(one.first_told_ms for one in stage.kept.incidents.values())


async def test_what_is_over_and_was_said_to_be_has_no_line_of_later_messages(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",)), settings=STORM)
    fail(stage, "calm", "a", "b", "c")
    await stage.after(60)
    stage.recover("a/a")
    await stage.after(600)
    stage.recover("b/a")
    await stage.after(600)
    stage.recover("c/a")
    await stage.after(60)
    told = {
        number: [
            line.text.split(":")[0]
            for line in stage.kept.happenings
            if line.incident == stage.incident(number).id and line.notice
        ]
        for number in (2, 3, 4)
    }
    assert told == {
        2: ["opened", "changed", "resolved"],
        3: ["opened", "changed", "changed", "resolved"],
        4: ["opened", "changed", "changed", "resolved"],
    }


async def test_a_receiver_that_some_of_it_is_about_hears_of_the_rest(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",)), settings=STORM)
    fail(stage, "calm")
    stage.fail("probe/receiver/chat", subject="", service="probe", type="self", causes=("self:probe/receiver/chat",))
    fail(stage, "a")
    await stage.after(60)
    assert len(titles(stage)["chat",]) == 2
