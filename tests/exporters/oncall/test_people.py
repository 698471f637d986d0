"""How people are told, who is told next, and what a target is."""

from __future__ import annotations

import pytest

from exporters.oncall.escalation import EscalationPolicy, Step
from exporters.oncall.people import ContactRule, User, Way, urgency
from exporters.oncall.targets import Target, TargetKind, parse_target
from thresholds.base import Level

CONTACTS = {"mail": "ana@shop.example", "pager": "ana-topic"}


@pytest.mark.parametrize(
    ("rules", "severity", "level", "ways"),
    [
        ((), "page", Level.DOWN, [Way("ana/mail"), Way("ana/pager")]),
        (
            (ContactRule("mail", 300.0), ContactRule("pager")),
            "page",
            Level.DOWN,
            [Way("ana/pager"), Way("ana/mail", 300.0)],
        ),
        ((ContactRule("mail"), ContactRule("pager", severity="page")), "ticket", Level.DEGRADED, [Way("ana/mail")]),
        ((ContactRule("pager", severity="ticket"),), "page", Level.DOWN, [Way("ana/pager")]),
        ((ContactRule("pager", severity="ticket"),), "log", Level.DOWN, []),
        ((ContactRule("pager", level=Level.DOWN),), "page", Level.DEGRADED, []),
        # Again after ten minutes, unless somebody has acknowledged
        (
            (ContactRule("pager"), ContactRule("pager", 600.0)),
            "page",
            Level.DOWN,
            [Way("ana/pager"), Way("ana/pager", 600.0)],
        ),
        ((ContactRule("fax"),), "page", Level.DOWN, []),
        ((ContactRule("pager", severity="page"),), "", Level.DOWN, [Way("ana/pager")]),  # of no severity: a page
    ],
)
def test_people_are_told_by_their_own_rules(
    rules: tuple[ContactRule, ...], severity: str, level: Level, ways: list[Way]
) -> None:
    assert list(User("ana", contacts=CONTACTS, rules=rules).ways(severity, level)) == ways


def test_a_page_is_the_most_urgent() -> None:
    assert urgency("log") < urgency("ticket") < urgency("page") == urgency("")


def test_addresses_are_not_shown() -> None:
    assert "ana-topic" not in repr(User("ana", contacts=CONTACTS))


def test_a_user_is_called_by_the_full_name_where_there_is_one() -> None:
    assert (User("ana", "Ana Ruiz").shown, User("ana").shown) == ("Ana Ruiz", "ana")


def test_rounds_follow_each_other() -> None:
    """Two steps, a quarter of an hour apart; half an hour after the last it begins anew."""
    steps = Step(("schedule:prodops",)), Step(("user:ana", "chat"), 900.0, multi_ack=True)
    policy = EscalationPolicy("prodops", steps, repeat=2, again=1800.0)
    found = [(due.after / 60, due.round, due.number) for due in policy.timeline()]
    assert found == [(0, 0, 0), (15, 0, 1), (45, 1, 0), (60, 1, 1), (90, 2, 0), (105, 2, 1)]
    assert EscalationPolicy("nobody", ()).timeline() == ()


@pytest.mark.parametrize(
    ("text", "kind", "name"),
    [
        ("chat", TargetKind.RECEIVER, "chat"),
        ("user:ana", TargetKind.USER, "ana"),
        ("rotation: primary", TargetKind.ROTATION, "primary"),
        ("schedule:prodops", TargetKind.SCHEDULE, "prodops"),
        ("escalation:prodops", TargetKind.ESCALATION, "prodops"),
        ("team:prodops", TargetKind.RECEIVER, "team:prodops"),
        (":x", TargetKind.RECEIVER, ":x"),
    ],
)
def test_a_target_says_of_which_kind_it_is(text: str, kind: TargetKind, name: str) -> None:
    assert parse_target(text) == Target(kind, name)
    assert str(parse_target(text)) == text.replace(": ", ":")
