"""Links that act: nobody else can make one, alter one, or use one that is too old."""

from dataclasses import replace
from typing import Any

import pytest

from exporters.alerting.links import Link, LinkError, actions, read, signed
from exporters.base import Notice, NoticeKind
from thresholds.base import Level

KEY = b"k" * 32
LINK = Link("acknowledge", 42, "ana", 2_000, "msg_1")
NOTICE = Notice("msg_1", NoticeKind.OPENED, "shop@1", "prod", "shop/a", "", Level.DOWN, 1, 1_000, number=42)


def test_a_link_says_what_it_is_for() -> None:
    assert read(signed(LINK, KEY), KEY, 1_999) == LINK


def test_one_that_has_expired_does_nothing() -> None:
    with pytest.raises(LinkError, match="expired"):
        read(signed(LINK, KEY), KEY, 2_000)


@pytest.mark.parametrize("text", ["", ".", "x", "e30.e30", "\x00", "é.é", "a" * 10_000])
def test_what_is_no_link_of_ours_is_refused(text: str) -> None:
    with pytest.raises(LinkError, match="not made here"):
        read(text, KEY, 0)


def test_no_part_of_it_can_be_changed() -> None:
    text = signed(LINK, KEY)
    other = signed(replace(LINK, who="mallory"), b"m" * 32)
    forged = f"{other.partition('.')[0]}.{text.partition('.')[2]}"
    for wrong in (forged, other, text[:-1], text + "A", text.swapcase()):
        with pytest.raises(LinkError):
            read(wrong, KEY, 0)


def test_each_message_and_person_has_links_of_its_own() -> None:
    url = "https://probe.example"
    ana, bo = actions(NOTICE, "ana/mail", url, KEY), actions(NOTICE, "bo/mail", url, KEY)
    again = actions(NOTICE, "ana/mail", url, KEY)
    assert list(ana) == ["Acknowledge", "Snooze for 1 h", "Resolve"]
    assert ana == again
    assert not set(ana.values()) & set(bo.values())
    token = ana["Acknowledge"].removeprefix(f"{url}/act/")
    assert read(token, KEY, 1_000) == Link("acknowledge", 42, "ana", 1_000 + 86_400_000, "msg_1")
    assert all(len(link) < 400 for link in ana.values())


def test_a_channel_that_many_read_is_named_in_its_links() -> None:
    (first, *_) = actions(NOTICE, "chat", "https://probe.example", KEY).values()
    link = read(first.rpartition("/")[2], KEY, 1_000)
    assert (link.who, link.via) == ("somebody in chat", "chat")


@pytest.mark.parametrize(("kind", "there"), [(NoticeKind.REPEATED, True), (NoticeKind.ACKNOWLEDGED, False)])
def test_who_is_reminded_can_acknowledge_again_and_what_is_taken_is_not_offered(kind: NoticeKind, there: bool) -> None:
    taken = replace(NOTICE, kind=kind, acked_by="ana")
    assert ("Acknowledge" in actions(taken, "ana/mail", "https://probe.example", KEY)) is there


@pytest.mark.parametrize(
    "changes", [{"ended_ms": 5}, {"kind": NoticeKind.BULLETIN}, {"number": 0}], ids=["over", "bulletin", "no incident"]
)
def test_where_nothing_is_to_be_done_there_is_no_link(changes: dict[str, Any]) -> None:
    assert actions(replace(NOTICE, **changes), "chat", "https://probe.example", KEY) == {}
    assert actions(NOTICE, "chat", "", KEY) == {}
