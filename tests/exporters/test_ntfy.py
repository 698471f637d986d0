"""ntfy: notifications as the server takes them, what wakes people, and what becomes of refusals."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from exporters.base import Addressed, NoticeKind, NotifyError, Post, Threaded
from exporters.notifiers.ntfy import RECEIVER, Ntfy
from tests.exporters.conftest import Inbox
from tests.exporters.notices import BY_KIND, FULL
from tests.exporters.schemas import check_ntfy
from thresholds.base import Level


def ntfy(inbox: Inbox, **more: Any) -> Ntfy:
    return Ntfy.model_validate({"server": inbox.url, "topic": "ops-7f3a", **more})


async def test_json_is_published_to_the_root_of_the_server(inbox: Inbox, post: Post) -> None:
    # docs.ntfy.sh/publish, "Publish as JSON": not to the address of the topic.
    await ntfy(inbox, token="tk_s3cret").send(FULL, post)
    assert inbox.taken[0].path == "/"
    assert inbox.taken[0].headers["Authorization"] == "Bearer tk_s3cret"
    told = check_ntfy(inbox.taken[0].body)
    assert (told["topic"], told["title"], told["priority"]) == ("ops-7f3a", "DOWN #42 shop/home", 5)
    assert told["message"].startswith("status 503, wanted 2xx\nSince: 2026-11-21T10:00:00Z (for 4m 12s)")
    assert told["tags"] == ["red_circle"]
    assert told["click"] == FULL.link
    assert [action["label"] for action in told["actions"]] == ["Acknowledge", "Snooze 1h", "Open in Probe"]


async def test_a_user_logs_in_with_a_password(inbox: Inbox, post: Post) -> None:
    await ntfy(inbox, username="probe", password="pw s3cret").send(FULL, post)
    assert inbox.taken[0].headers["Authorization"] == "Basic " + b64encode(b"probe:pw s3cret").decode()


@pytest.mark.parametrize(
    ("kind", "severity", "level", "priority"),
    [
        (NoticeKind.OPENED, "page", Level.DOWN, 5),
        (NoticeKind.OPENED, "ticket", Level.DOWN, 3),
        (NoticeKind.OPENED, "log", Level.DOWN, 2),
        (NoticeKind.OPENED, "", Level.DOWN, 5),
        (NoticeKind.OPENED, "", Level.DEGRADED, 3),
        (NoticeKind.REPEATED, "page", Level.DOWN, 5),
        (NoticeKind.UNACKNOWLEDGED, "page", Level.DOWN, 5),
        (NoticeKind.CHANGED, "page", Level.DOWN, 5),
        (NoticeKind.CHANGED, "page", Level.DEGRADED, 2),  # it got better: it was DOWN
        (NoticeKind.ACKNOWLEDGED, "page", Level.DOWN, 2),
        (NoticeKind.RESOLVED, "page", Level.DOWN, 3),
        (NoticeKind.PASSED, "log", Level.DOWN, 2),
        (NoticeKind.BULLETIN, "", Level.UP, 3),
    ],
)
def test_only_what_must_be_heard_rings(kind: NoticeKind, severity: str, level: Level, priority: int) -> None:
    was = Level.DOWN if level is Level.DEGRADED else Level.DEGRADED
    notice = replace(BY_KIND[kind], severity=severity, level=level, was=was)
    assert Ntfy(topic="t").priority(notice) == priority
    assert Ntfy(topic="t", priorities={"page": 4}).priority(notice) == min(priority, 4)


async def test_what_follows_takes_the_place_of_what_woke_people(inbox: Inbox, post: Post) -> None:
    reference, places = "", []
    for kind in (
        NoticeKind.OPENED,
        NoticeKind.ACKNOWLEDGED,
        NoticeKind.UNACKNOWLEDGED,
        NoticeKind.BULLETIN,
        NoticeKind.RESOLVED,
    ):
        reference = await ntfy(inbox).tell(BY_KIND[kind], post, reference)
        places.append(check_ntfy(inbox.taken[-1].body)["sequence_id"])
    opened, acknowledged, unacknowledged, bulletin, resolved = places
    assert opened == acknowledged != unacknowledged == resolved
    assert bulletin not in (opened, unacknowledged)
    assert reference == resolved


async def test_a_notice_that_is_sent_twice_is_one_notification(inbox: Inbox, post: Post) -> None:
    for _ in range(2):
        await ntfy(inbox).tell(FULL, post, "")
    assert inbox.taken[0].body == inbox.taken[1].body


async def test_people_have_topics_of_their_own(inbox: Inbox, post: Post) -> None:
    ana = ntfy(inbox, token="tk_s3cret").addressed("ana-pager")
    await ana.send(FULL, post)
    assert check_ntfy(inbox.taken[0].body)["topic"] == "ana-pager"
    assert isinstance(ana, Threaded)
    assert isinstance(ana, Addressed)
    with pytest.raises(ValueError, match="1 to 64 letters"):
        ana.addressed("ana@shop.example")


# Source: server/errors.go of ntfy.
@pytest.mark.parametrize(
    ("status", "said", "gone", "permanent"),
    [
        (401, "unauthorized", True, True),
        (403, "forbidden", True, True),
        (400, "invalid request: topic invalid", False, True),
        (413, "attachment too large, or bandwidth limit reached", False, True),
        (429, "limit reached: too many requests", False, False),
        (507, "cannot publish to UnifiedPush topic without previously active subscriber", False, False),
        (500, "internal server error", False, False),
    ],
)
async def test_refusals(inbox: Inbox, post: Post, status: int, said: str, gone: bool, permanent: bool) -> None:
    inbox.answer(status, f'{{"code":40101,"http":{status},"error":"{said}","link":"ops-7f3a tk_s3cret"}}')
    with pytest.raises(NotifyError) as caught:
        await ntfy(inbox, token="tk_s3cret").send(FULL, post)
    assert (caught.value.gone, caught.value.permanent) == (gone, permanent)
    assert said in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert "ops-7f3a" not in str(caught.value)  # whoever knows a topic can read it


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"topic": "two words"}, "is no topic"),
        ({"topic": "x" * 65}, "is no topic"),
        ({"topic": "t", "server": "ntfy.sh"}, "no URL that can be posted to"),
        ({"topic": "t", "username": "probe"}, "both `username` and `password`"),
        ({"topic": "t", "username": "probe", "password": "x", "token": "tk_x"}, "choose one of"),
        ({"topic": "t", "priorities": {"page": 6}}, "less than or equal to 5"),
        ({"topic": "t", "priorities": {"loud": 5}}, "'page', 'ticket' or 'log'"),
    ],
)
def test_mistakes_are_said(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RECEIVER.model_validate(given)
