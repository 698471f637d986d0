"""Several incidents taken as one: what a message lets somebody take, who is told of it, and how often."""

from dataclasses import replace
from functools import partial

import pytest

from exporters.alerting.incident import Incident, Severity, Status
from exporters.alerting.links import Link, actions, by, read, taker
from exporters.alerting.rules import Silence
from exporters.alerting.settings import Settings
from exporters.alerting.several import free
from exporters.base import Notice, NoticeKind
from exporters.oncall.escalation import AckUpkeep, EscalationPolicy, Step
from exporters.oncall.people import User
from exporters.oncall.roster import Roster
from exporters.route import Route
from tests.conftest import FakeClock
from tests.engine.incidents import Stage
from thresholds.base import Level

KEY = b"k" * 32
ONE = Incident("shop@0", 1, "shop", 0, 0, Level.DOWN, Level.DOWN, Severity.PAGE)
URL = "https://probe.example"
GROUP = Route(("chat",), by=("owner",), wait=0.0, interval=60.0)
POLICY = EscalationPolicy("prod", (Step(("user:ana",)),), ack=AckUpkeep(remind=3600.0, unack_after=900.0))
ROSTER = Roster(users={"ana": User("ana", contacts={"mail": "ana@shop.example"})}, escalations={"prod": POLICY})


def fail(stage: Stage, *names: str) -> None:
    for name in names:
        stage.fail(f"{name}/a", f"{name} broke", subject=name, service=name)


def take(stage: Stage, who: str, *numbers: int, via: str = "") -> None:
    stage.take(stage.dispatcher.acknowledge_all({stage.incident(number).id: who for number in numbers}, via))


def links(notice: Notice) -> list[str]:
    return list(actions(notice, "chat", URL, KEY))


async def test_a_message_of_a_group_lets_somebody_take_what_it_tells_of_and_nothing_else(clock: FakeClock) -> None:
    stage = Stage(clock, GROUP)
    fail(stage, "shop")
    await stage.after(1)
    assert links(stage.notices[-1]) == ["Acknowledge", "Snooze for 1 h", "Resolve"]  # of one it is that of one
    fail(stage, "mail", "jobs")
    await stage.after(60)
    assert (stage.notices[-1].numbers, links(stage.notices[-1])) == ((1, 2, 3), ["Acknowledge all"])
    link = read(actions(stage.notices[-1], "chat", URL, KEY)["Acknowledge all"].rpartition("/")[2], KEY, 0)
    assert (link.deed, link.number, link.nonce, link.via) == ("acknowledge all", 0, stage.notices[-1].id, "chat")
    stage.recover("jobs/a")
    fail(stage, "late")
    await stage.after(60)
    assert stage.notices[-1].numbers == (1, 2, 4)  # what is over is not to be had


async def test_what_is_held_back_is_not_to_be_had_with_the_others(clock: FakeClock) -> None:
    stage = Stage(clock, GROUP)
    fail(stage, "shop", "mail")
    await stage.after(60)
    silence = Silence("s-1", clock.now_ms(), clock.now_ms() + 3_600_000, ("jobs/*",))
    stage.dispatcher.held.silences = lambda: (silence,)
    fail(stage, "jobs", "late")
    await stage.after(60)
    assert stage.notices[-1].numbers == (1, 2, 4)


async def test_a_group_that_is_taken_as_one_is_told_as_one(clock: FakeClock) -> None:
    stage = Stage(clock, replace(GROUP, go_on=True), Route(("mail",)))
    fail(stage, "shop", "mail", "jobs")
    await stage.after(60)
    stage.heard()
    take(stage, "ana", 1, 2, 3)
    assert stage.heard().count((60, "acknowledged", ("chat",))) == 1
    assert [stage.deeds(number)["acknowledged"] for number in (1, 2, 3)] == [1, 1, 1]
    (told,) = (one for one in stage.notices if one.kind.value == "acknowledged" and "incidents" in one.title)
    assert (told.acked_by, told.numbers, links(told)) == ("ana", (), [])
    await stage.after(7200)
    assert stage.heard() == []


async def test_some_of_a_group_leave_the_others_to_be_taken(clock: FakeClock) -> None:
    stage = Stage(clock, GROUP)
    fail(stage, "shop", "mail", "jobs")
    await stage.after(60)
    take(stage, "ana", 1, 2)
    assert stage.notices[-1].numbers == (1, 2, 3)  # whoever looks is told who has the first two
    assert [line.rpartition(", ")[2] for line in stage.notices[-1].members[1:3]] == ["taken by ana"] * 2
    assert (stage.notices[-1].kind, stage.notices[-1].members[0]) == (NoticeKind.CHANGED, "2 of 3 are taken care of")
    take(stage, "bo", 3)
    assert stage.notices[-1].kind is NoticeKind.ACKNOWLEDGED  # for pagers, too, whose escalation that stops
    assert links(stage.notices[-1]) == []


async def test_a_reminder_of_a_group_can_be_confirmed_as_one(clock: FakeClock) -> None:
    stage = Stage(clock, replace(GROUP, to=("escalation:prod",)), roster=ROSTER, receivers=("chat", "ana/mail"))
    fail(stage, "shop", "mail")
    await stage.after(60)
    take(stage, "somebody in chat", 1, 2, via="chat")
    stage.heard()
    await stage.after(3600)
    assert [(kind, whom) for _, kind, whom in stage.heard()] == [("repeated", ("chat",))]
    assert links(stage.notices[-1]) == ["Acknowledge all"]
    take(stage, "somebody in chat", 1, 2, via="chat")
    await stage.after(1800)
    assert {stage.incident(number).status for number in (1, 2)} == {Status.ACKNOWLEDGED}


async def test_whoever_does_not_answer_a_reminder_is_not_spoken_for_by_another(clock: FakeClock) -> None:
    stage = Stage(clock, replace(GROUP, to=("escalation:prod",)), roster=ROSTER, receivers=("chat", "ana/mail"))
    fail(stage, "shop", "mail")
    await stage.after(60)
    take(stage, "ana", 1)
    take(stage, "bo", 2)
    await stage.after(3600)
    assert stage.notices[-1].title == "2 incidents: shop, mail: acknowledge it again, or it goes on"
    take(stage, "ana", 1)
    await stage.after(900)
    assert [(stage.incident(number).status, stage.incident(number).acked_by) for number in (1, 2)] == [
        (Status.ACKNOWLEDGED, "ana"),
        (Status.TRIGGERED, ""),
    ]


@pytest.mark.parametrize(
    ("name", "has"), [("", "zed, by a link of chat"), ("zed", "zed, by a link of chat"), ("bo", None)]
)
def test_a_link_of_a_channel_takes_nothing_from_whoever_said_a_name_there(name: str, has: str | None) -> None:
    """Without a name it confirms: it may be the same person, or somebody who sees that it is taken care of."""
    link = Link("acknowledge all", 0, "somebody in chat", 1, "msg_1", "chat")
    incident = replace(ONE, status=Status.ACKNOWLEDGED, acked_by="zed, by a link of chat", acked_via="chat")
    whoever = partial(taker, by(link, name))
    assert free(whoever)(incident) is (has is not None)
    assert has is None or whoever(incident) == has
    assert not free(whoever)(replace(incident, acked_by="ana", acked_via="mail"))
    assert whoever(replace(incident, acked_by="ana", acked_via="")) == by(link, name).who


async def test_a_storm_has_one_link_of_the_usual_length_and_names_so_many_incidents_at_most(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exporters.alerting.compose._MOST_NUMBERS", 100)
    stage = Stage(clock, Route(("chat",)), settings=Settings(storm_over=1))
    for number in range(150):
        fail(stage, f"s{number}")
    await stage.after(60)
    digest = stage.notices[-1]
    assert (digest.title.split(":")[0], len(digest.numbers)) == ("storm of 149 incidents", 100)
    (url,) = actions(digest, "chat", URL, KEY).values()
    assert len(url) < 400


async def test_a_reminder_that_is_due_beside_other_news_is_told_all_the_same(clock: FakeClock) -> None:
    stage = Stage(clock, replace(GROUP, to=("escalation:prod", "chat")), roster=ROSTER, receivers=("chat", "ana/mail"))
    fail(stage, "shop", "mail")
    await stage.after(60)
    take(stage, "ana", 1, 2)
    stage.heard()
    await clock.advance(3600)
    take(stage, "bo", 2)  # what is new, in the look in which ana is to be asked
    assert [(kind, whom) for _, kind, whom in stage.heard()] == [
        ("acknowledged", ("ana/mail", "chat")),
        ("repeated", ("ana/mail",)),
    ]
