"""What is wrong with a roster is found, at its place, and with a remedy."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporters.oncall.announce import Announcement
from exporters.oncall.escalation import EscalationPolicy, Step
from exporters.oncall.feed import Feed
from exporters.oncall.lint import Finding, lint
from exporters.oncall.override import Override
from exporters.oncall.people import ContactRule, User
from exporters.oncall.roster import Roster
from exporters.oncall.rotation import Grid, LineUp, Rotation
from exporters.oncall.schedule import Layer, Schedule
from tests.exporters.oncall.instants import span, utc
from thresholds.hours import parse_hours

BERLIN = ZoneInfo("Europe/Berlin")
NOW = utc("2026-11-25T12:00")  # a Wednesday
RECEIVERS = ("mail", "chat")
USERS = {name: User(name, contacts={"mail": f"{name}@shop.example"}) for name in ("ana", "bo")}
GRID = Grid(datetime.fromisoformat("2026-11-02T09:00"), BERLIN)
ROTATIONS = {"primary": Rotation("primary", (LineUp(("ana", "bo"), GRID),))}
WEEK = Layer(("rotation:primary",))
OFFICE = Layer(("user:ana",), parse_hours("Mon-Fri 09:00-18:00", BERLIN))


def roster(*layers: Layer, steps: tuple[str, ...] = (), covers: str = "") -> Roster:
    schedule = Schedule("prodops", layers or (WEEK,), BERLIN, covers=parse_hours(covers, BERLIN) if covers else None)
    policies = {"prodops": EscalationPolicy("prodops", (Step(steps),))} if steps else {}
    return Roster(USERS, ROTATIONS, {"prodops": schedule}, policies)


def found(looked_at: Roster, **known: Any) -> list[tuple[str, str]]:
    return [(".".join(map(str, one.place)), one.text) for one in lint(looked_at, NOW, RECEIVERS, **known)]


def test_of_a_roster_that_is_whole_nothing_is_said() -> None:
    assert found(roster(steps=("schedule:prodops", "chat"))) == []


def test_gaps_of_the_next_ninety_days_are_told() -> None:
    """By hand: 5 hours of today, 63 whole office days and 4 hours of the last day are covered, 24 days in all."""
    assert found(roster(OFFICE)) == [
        (
            "schedules.prodops",
            (
                "nobody is on call for 66d of the next 90 days, 64 times, first from Wed 2026-11-25 18:00 to "
                "Thu 2026-11-26 09:00 Europe/Berlin"
            ),
        )
    ]


def test_a_gap_where_nobody_has_to_be_is_none() -> None:
    assert found(roster(OFFICE, covers="Mon-Fri 09:00-18:00")) == []
    ((_, text),) = found(roster(OFFICE, covers="Fri 09:00-19:00"))
    assert text.startswith("nobody is on call for 13h of the next 90 days, 13 times, first from Fri 2026-11-27 18:00")


def test_a_gap_that_does_not_end_is_told_so() -> None:
    ((_, text),) = found(roster(Layer(("user:ana",), parse_hours("2026-01-01..2026-12-31", BERLIN))))
    assert text == "nobody is on call from Fri 2027-01-01 00:00 Europe/Berlin on"


def test_an_override_may_leave_a_gap() -> None:
    gone = Override(*span("2026-12-01T00:00", "2026-12-02T00:00"), remove=("ana", "bo"), schedule="prodops")
    whole = roster()
    with_gap = replace(whole, schedules={"prodops": replace(whole.schedules["prodops"], overrides=(gone,))})
    ((_, text),) = found(with_gap)
    assert text.startswith("nobody is on call for 1d of the next 90 days, first from Tue 2026-12-01 01:00")


@pytest.mark.parametrize(
    ("steps", "text"),
    [
        (("schedule:prodops",), "whoever is paged then, nobody is told: for"),
        (("schedule:prodops", "user:ana"), ""),
        (("schedule:prodops", "chat"), ""),
        (("schedule:prodops", "rotation:primary"), ""),
        (("user:cy",), "no step of it reaches anybody with a page"),
    ],
)
def test_an_escalation_that_leads_to_nobody_is_told(steps: tuple[str, ...], text: str) -> None:
    looked_at = roster(OFFICE, steps=steps)
    looked_at = replace(looked_at, users={**USERS, "cy": User("cy")})
    texts = [one for place, one in found(looked_at) if place == "escalations.prodops"]
    assert [one[: len(text)] for one in texts] == ([text] if text else [])


@pytest.mark.parametrize(
    ("user", "place", "text"),
    [
        (User("ana"), "users.ana", "nothing reaches them: they have no contacts"),
        (
            User("ana", contacts={"mail": "a@b.example"}, rules=(ContactRule("pager"),)),
            "users.ana.notify.0.by",
            "ana has no contact pager",
        ),
        (User("ana", contacts={"fax": "1"}), "users.ana.contacts.fax", "no receiver is called fax"),
    ],
)
def test_a_user_whom_nothing_reaches_is_told(user: User, place: str, text: str) -> None:
    assert (place, text) in found(replace(roster(), users={**USERS, "ana": user}))


def test_who_is_never_on_call_needs_no_contact() -> None:
    assert found(replace(roster(), users={**USERS, "cy": User("cy")})) == []


def test_a_user_whom_no_page_reaches_is_told() -> None:
    """A rule for a contact that is none is as good as no rule."""
    user = User("ana", contacts={"mail": "a@b.example"}, rules=(ContactRule("pager", severity="page"),))
    texts = [text for _, text in found(replace(roster(), users={**USERS, "ana": user}))]
    assert "no page reaches them: no rule is for one" in texts


@pytest.mark.parametrize(
    ("layers", "number", "text"),
    [
        ((WEEK, WEEK), 0, "the same as layer 2"),
        ((OFFICE, WEEK), 0, "it never counts: the layers after it have its time"),
        ((WEEK, OFFICE, Layer(("user:bo",), parse_hours("Mon-Fri 08:00-19:00", BERLIN))), 1, "it never counts"),
    ],
)
def test_a_layer_that_never_counts_is_told(layers: tuple[Layer, ...], number: int, text: str) -> None:
    ((place, said),) = found(roster(*layers))
    assert place == f"schedules.prodops.layers.{number}"
    assert said.startswith(text)


def test_names_that_lead_nowhere_are_told() -> None:
    schedule = Schedule(
        "prodops",
        (WEEK, Layer(("user:zed", "rotation:gone"), parse_hours("Sat", BERLIN))),
        BERLIN,
        (Override(*span("2026-12-01T00:00", "2026-12-02T00:00"), replace={"ana": "zoe"}),),
        (Announcement("nowhere"),),
    )
    policy = EscalationPolicy("prodops", (Step(("chat", "schedule:gone")),))
    rotations = {
        **ROTATIONS,
        "empty": Rotation("empty", (LineUp((), GRID),)),
        "odd": Rotation("odd", (LineUp(("zed",), GRID),)),
    }
    said = found(Roster(USERS, rotations, {"prodops": schedule}, {"prodops": policy}))
    assert said == [
        ("rotations.empty.users", "nobody takes a turn"),
        ("rotations.odd.users", "no user is called zed"),
        ("schedules.prodops.layers.1.who", "no user is called zed"),
        ("schedules.prodops.layers.1.who", "no rotation is called gone"),
        ("schedules.prodops.overrides.0", "no user is called zoe"),
        ("schedules.prodops.announce.0.to", "no receiver is called nowhere"),
        # zoe takes ana's place, and is nobody
        (
            "schedules.prodops",
            (
                "nobody is on call for 1d of the next 90 days, first from Tue 2026-12-01 01:00 to Wed 2026-12-02 01:00 "
                "Europe/Berlin"
            ),
        ),
        ("escalations.prodops.steps.0.notify", "no schedule is called gone"),
    ]


def test_of_a_schedule_whose_feed_was_never_fetched_nothing_is_known() -> None:
    feed = Feed("https://calendar.example/x.ics")
    looked_at = roster(Layer(feed=feed), steps=("schedule:prodops",))
    assert found(looked_at) == []
    empty = "BEGIN:VCALENDAR\nEND:VCALENDAR\n"
    texts = [text for _, text in found(looked_at, feeds={feed.key: empty})]
    assert texts == [
        "nobody is on call from Wed 2026-11-25 13:00 Europe/Berlin on",
        "no step of it reaches anybody with a page",
    ]


def test_what_a_feed_says_that_nobody_understands_is_told() -> None:
    event = "BEGIN:VEVENT\nSUMMARY:zed\nDTSTART:20261201T120000Z\nDURATION:PT1H\nEND:VEVENT\n"
    text = f"BEGIN:VCALENDAR\n{event}END:VCALENDAR\n"
    (finding,) = lint(roster(WEEK, Layer(feed=Feed(text=text))), NOW, RECEIVERS)
    assert finding.place == ("schedules", "prodops", "layers", 1, "ical")
    assert finding.text.startswith("nobody is called 'zed' (event of 2026-12-01 13:00): nobody's shift")


def test_every_finding_has_a_remedy() -> None:
    findings = lint(roster(OFFICE, OFFICE, steps=("user:zed",)), NOW, ())
    assert len(findings) > 3
    assert all(isinstance(one, Finding) and one.remedy for one in findings)
