"""Slack by a token: one message per incident, kept up to date, with a thread; and what becomes of refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace

import pytest
from pydantic import ValidationError

from exporters.base import Addressed, NoticeKind, NotifyError, Post, Threaded, Trouble
from exporters.notifiers.slack import RECEIVER, Slack
from tests.exporters.chat_servers import SlackServer, slack_server
from tests.exporters.notices import BY_KIND, FULL
from thresholds.base import Level


@pytest.fixture
async def slack() -> AsyncIterator[SlackServer]:
    async with slack_server() as server:
        yield server


def bot(server: SlackServer, channel: str = "#ops") -> Slack:
    return Slack(token=server.token, channel=channel, url=server.url)


async def told(receiver: Slack, post: Post, *kinds: NoticeKind, reference: str = "") -> str:
    for kind in kinds:
        reference = await receiver.tell(BY_KIND[kind], post, reference)
    return reference


async def test_an_incident_is_one_message_with_a_thread(slack: SlackServer, post: Post) -> None:
    reference = await told(
        bot(slack), post, NoticeKind.OPENED, NoticeKind.CHANGED, NoticeKind.ACKNOWLEDGED, NoticeKind.RESOLVED
    )
    first, *thread = slack.messages.values()
    assert reference == f"C0OPS:{next(iter(slack.messages))}"
    assert first.changes == 3
    assert first.content["text"].startswith("\N{LARGE GREEN CIRCLE} RECOVERED #42 shop/home")
    assert [said.parent for said in thread] == [reference.partition(":")[2]] * 3
    assert [said.content["text"].split(" ", 2)[1] for said in thread] == ["DOWN", "SNOOZED", "RECOVERED"]


async def test_only_what_must_be_heard_is_shown_in_the_channel_too(slack: SlackServer, post: Post) -> None:
    reference = await told(bot(slack), post, NoticeKind.OPENED)
    heard = []
    for kind in (NoticeKind.REPEATED, NoticeKind.ACKNOWLEDGED, NoticeKind.UNACKNOWLEDGED, NoticeKind.RESOLVED):
        before = len(slack.in_channel())
        await told(bot(slack), post, kind, reference=reference)
        heard.append(len(slack.in_channel()) > before)
    assert heard == [True, False, True, False]
    better = replace(BY_KIND[NoticeKind.CHANGED], level=Level.DEGRADED, was=Level.DOWN)
    await bot(slack).tell(better, post, reference)
    assert not slack.calls[-1][1]["reply_broadcast"]
    reminder = next(call for method, call in slack.calls if "STILL" in call["text"] and "thread_ts" in call)
    assert any(block["type"] == "actions" for block in reminder["blocks"])  # who is reminded can take it there


async def test_an_update_that_is_sent_twice_does_no_harm(slack: SlackServer, post: Post) -> None:
    reference = await told(bot(slack), post, NoticeKind.OPENED)
    slack.errors = ["", "internal_error"]
    with pytest.raises(NotifyError) as caught:
        await told(bot(slack), post, NoticeKind.RESOLVED, reference=reference)
    assert not caught.value.permanent
    assert await told(bot(slack), post, NoticeKind.RESOLVED, reference=reference) == reference
    assert [method for method, _ in slack.calls[1:]] == ["chat.update", "chat.postMessage"] * 2
    assert len(slack.messages) == 2


async def test_a_bulletin_is_a_message_of_its_own(slack: SlackServer, post: Post) -> None:
    reference = await told(bot(slack), post, NoticeKind.OPENED)
    assert await told(bot(slack), post, NoticeKind.BULLETIN, reference=reference) == reference
    assert [said.parent for said in slack.messages.values()] == ["", ""]


@pytest.mark.parametrize(
    "error", ["message_not_found", "cant_update_message", "edit_window_closed", "channel_not_found", "is_archived"]
)
async def test_a_message_that_cannot_be_changed_any_more_is_followed_by_a_new_one(
    slack: SlackServer, post: Post, error: str
) -> None:
    old = await told(bot(slack), post, NoticeKind.OPENED)
    slack.errors = [error]
    new = await told(bot(slack), post, NoticeKind.RESOLVED, reference=old)
    assert new != old
    assert [said.parent for said in slack.messages.values()] == ["", ""]
    assert "RECOVERED" in slack.messages[new.partition(":")[2]].content["text"]


@pytest.mark.parametrize("reference", ["", "nonsense", "C0OPS:"])
async def test_what_is_no_reference_begins_a_message(slack: SlackServer, post: Post, reference: str) -> None:
    assert (await told(bot(slack), post, NoticeKind.RESOLVED, reference=reference)).startswith("C0OPS:1795255200.")


async def test_a_thread_that_is_gone_does_not_stop_the_news(slack: SlackServer, post: Post) -> None:
    reference = await told(bot(slack), post, NoticeKind.OPENED)
    slack.errors = ["", "thread_not_found"]
    assert await told(bot(slack), post, NoticeKind.RESOLVED, reference=reference) == reference
    (said,) = slack.messages.values()
    assert "RECOVERED" in said.content["text"]


# Source: docs.slack.dev, errors of chat.postMessage.
@pytest.mark.parametrize(
    ("error", "gone", "permanent", "kind"),
    [
        ("invalid_auth", True, True, Trouble.AUTH),
        ("account_inactive", True, True, Trouble.AUTH),
        ("token_revoked", True, True, Trouble.AUTH),
        ("missing_scope", True, True, Trouble.AUTH),
        ("channel_not_found", True, True, Trouble.GONE),
        ("is_archived", True, True, Trouble.GONE),
        ("not_in_channel", True, True, Trouble.GONE),
        ("no_text", False, True, Trouble.REFUSED),
        ("something_new", False, True, Trouble.REFUSED),
        ("ratelimited", False, False, Trouble.RATE),
        ("internal_error", False, False, Trouble.SERVER),
        ("service_unavailable", False, False, Trouble.SERVER),
        ("502", False, False, Trouble.SERVER),
        ("proxy", False, False, Trouble.OTHER),
    ],
)
async def test_refusals(slack: SlackServer, post: Post, error: str, gone: bool, permanent: bool, kind: Trouble) -> None:
    slack.errors = [error] * 3
    with pytest.raises(NotifyError) as caught:
        await bot(slack).send(FULL, post)
    assert (caught.value.gone, caught.value.permanent, caught.value.kind) == (gone, permanent, kind)
    assert caught.value.retry_after == (30.0 if error == "ratelimited" else None)
    assert "s3cret" not in str(caught.value)
    assert str(caught.value).startswith("slack #ops")
    if error == "not_in_channel":
        assert "invite the app" in str(caught.value)


@pytest.mark.parametrize(("refused", "blocks"), [(0, 7), (1, 3), (2, 0)])
async def test_a_message_that_is_too_long_is_told_shorter(
    slack: SlackServer, post: Post, refused: int, blocks: int
) -> None:
    slack.errors = ["msg_blocks_too_long"] * refused
    await bot(slack).send(FULL, post)
    (said,) = slack.messages.values()
    assert len(said.content["blocks"]) == blocks
    assert said.content["text"] == "\N{LARGE RED CIRCLE} DOWN #42 shop/home: status 503, wanted 2xx"


async def test_people_are_written_to_directly(slack: SlackServer, post: Post) -> None:
    ana = bot(slack).addressed("U0ANA")
    assert (await told(ana, post, NoticeKind.OPENED, NoticeKind.RESOLVED)).startswith("D0ANA:")
    assert len(slack.messages) == 2
    assert isinstance(ana, Threaded)
    assert isinstance(ana, Addressed)


@pytest.mark.parametrize("to", ["", "ana", "@ana", "ana@shop.example", "#two words"])
def test_an_address_is_a_member_or_a_channel(slack: SlackServer, to: str) -> None:
    with pytest.raises(ValueError, match=r"as U0123456789|as C0123456789"):
        bot(slack).addressed(to)


def test_a_webhook_reaches_no_people() -> None:
    with pytest.raises(ValueError, match="posts to its own channel alone"):
        Slack(webhook="https://hooks.slack.example/services/T0/B0/xyz").addressed("U0ANA")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({}, "choose one of"),
        ({"webhook": "https://hooks.slack.example/x", "token": "xoxb-1", "channel": "#ops"}, "choose one of"),
        ({"token": "xoxb-1"}, "go together"),
        ({"webhook": "https://hooks.slack.example/x", "channel": "#ops"}, "go together"),
        ({"token": "xapp-s3cret", "channel": "#ops"}, "begins with xoxb-"),
        ({"token": "xoxb-s3cret", "channel": "ops"}, "no channel"),
        ({"token": "xoxb-s3cret", "channel": "#ops", "url": "https://slack.com/api?x=1"}, "end with its path"),
    ],
)
def test_mistakes_are_said_without_repeating_a_secret(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        RECEIVER.model_validate(given)
    assert "s3cret" not in str(caught.value)


def test_a_token_is_a_secret(slack: SlackServer) -> None:
    assert "s3cret" not in repr(bot(slack))
