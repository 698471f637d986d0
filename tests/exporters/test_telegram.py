"""Telegram: one message per incident, kept up to date, with replies; and what becomes of refusals."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from exporters.base import Addressed, NoticeKind, NotifyError, Post, Threaded, Trouble
from exporters.notifiers.telegram import RECEIVER, Telegram, escape
from tests.exporters.chat_servers import TelegramServer, telegram_server
from tests.exporters.notices import BY_KIND, FULL

TOKEN = "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@pytest.fixture
async def telegram() -> AsyncIterator[TelegramServer]:
    async with telegram_server() as server:
        yield server


def bot(server: TelegramServer, **more: Any) -> Telegram:
    return Telegram.model_validate({"token": TOKEN, "chat": -1001234, "url": server.url, **more})


async def told(receiver: Telegram, post: Post, *kinds: NoticeKind, reference: str = "") -> str:
    for kind in kinds:
        reference = await receiver.tell(BY_KIND[kind], post, reference)
    return reference


async def test_an_incident_is_one_message_with_replies(telegram: TelegramServer, post: Post) -> None:
    reference = await told(
        bot(telegram), post, NoticeKind.OPENED, NoticeKind.CHANGED, NoticeKind.ACKNOWLEDGED, NoticeKind.RESOLVED
    )
    assert reference == "-1001234:100"
    first, *replies = telegram.messages.values()
    assert first.changes == 3
    assert first.content["text"].startswith("<b>\N{LARGE GREEN CIRCLE} RECOVERED #42 shop/home")
    assert [said.parent for said in replies] == ["100"] * 3
    assert [said.content["disable_notification"] for said in replies] == [False, True, True]
    assert ["reply_markup" in said.content for said in replies] == [True, False, False]


async def test_buttons_lead_where_one_can_act(telegram: TelegramServer, post: Post) -> None:
    await bot(telegram).send(FULL, post)
    rows = telegram.calls[0][1]["reply_markup"]["inline_keyboard"]
    assert [[button["text"] for button in row] for row in rows] == [
        ["Acknowledge", "Snooze 1h"],
        ["Open in Probe", "Runbook"],
        ["Bridge"],
    ]


async def test_a_message_goes_to_its_topic(telegram: TelegramServer, post: Post) -> None:
    await bot(telegram, topic=7).send(FULL, post)
    assert telegram.calls[0][1]["message_thread_id"] == 7


async def test_an_edit_that_is_sent_twice_does_no_harm(telegram: TelegramServer, post: Post) -> None:
    reference = await told(bot(telegram), post, NoticeKind.OPENED)
    await told(bot(telegram), post, NoticeKind.RESOLVED, reference=reference)
    assert await told(bot(telegram), post, NoticeKind.RESOLVED, reference=reference) == reference
    assert telegram.messages[100].changes == 1


async def test_a_message_that_was_deleted_is_followed_by_a_new_one(telegram: TelegramServer, post: Post) -> None:
    reference = await told(bot(telegram), post, NoticeKind.OPENED)
    del telegram.messages[100]
    new = await told(bot(telegram), post, NoticeKind.RESOLVED, reference=reference)
    assert new == "-1001234:101"
    assert "RECOVERED" in telegram.messages[101].content["text"]


async def test_a_reply_is_sent_though_its_message_vanishes_meanwhile(telegram: TelegramServer, post: Post) -> None:
    reference = await told(bot(telegram), post, NoticeKind.OPENED)
    await told(bot(telegram), post, NoticeKind.ACKNOWLEDGED, reference=reference)
    reply = telegram.calls[-1][1]["reply_parameters"]
    assert reply == {"message_id": 100, "allow_sending_without_reply": True}


async def test_links_that_lead_to_no_public_host_are_written_out(telegram: TelegramServer, post: Post) -> None:
    telegram.public_only = True
    inside = replace(FULL, link="http://localhost:8080/incidents/42")
    await bot(telegram).send(inside, post)
    (said,) = telegram.messages.values()
    assert "reply_markup" not in said.content
    assert "Open in Probe: http://localhost:8080/incidents/42" in said.content["text"]
    assert "5th time in 30 days" in said.content["text"]


async def test_a_message_refused_for_its_form_is_said_plainly(telegram: TelegramServer, post: Post) -> None:
    telegram.errors = [(400, "Bad Request: can't parse entities: Unsupported start tag", {})] * 2
    await bot(telegram).send(FULL, post)
    (said,) = telegram.messages.values()
    assert "parse_mode" not in said.content
    assert said.content["text"].startswith("\N{LARGE RED CIRCLE} DOWN #42 shop/home: status 503, wanted 2xx\n")


async def test_a_group_that_has_moved_is_followed(telegram: TelegramServer, post: Post) -> None:
    telegram.chats.add(-100999)
    moved = (400, "Bad Request: group chat was upgraded to a supergroup chat", {"migrate_to_chat_id": -100999})
    telegram.errors = [moved]
    assert await told(bot(telegram), post, NoticeKind.OPENED) == "-100999:100"
    telegram.errors = [moved]
    assert await told(bot(telegram), post, NoticeKind.RESOLVED, reference="-1001234:55") == "-1001234:101"


async def test_a_bulletin_is_a_message_of_its_own(telegram: TelegramServer, post: Post) -> None:
    reference = await told(bot(telegram), post, NoticeKind.OPENED)
    assert await told(bot(telegram), post, NoticeKind.BULLETIN, reference=reference) == reference
    assert [said.parent for said in telegram.messages.values()] == ["", ""]


# Source: core.telegram.org/bots/api, "ResponseParameters", and the descriptions of tdlib/telegram-bot-api.
@pytest.mark.parametrize(
    ("code", "description", "parameters", "gone", "permanent", "wait", "kind"),
    [
        (401, "Unauthorized", {}, True, True, None, Trouble.AUTH),
        (404, "Not Found", {}, True, True, None, Trouble.AUTH),
        (403, "Forbidden: bot was blocked by the user", {}, True, True, None, Trouble.GONE),
        (403, "Forbidden: bot was kicked from the supergroup chat", {}, True, True, None, Trouble.GONE),
        (403, "Forbidden: user is deactivated", {}, True, True, None, Trouble.GONE),
        (400, "Bad Request: chat not found", {}, True, True, None, Trouble.GONE),
        (400, "Bad Request: message thread not found", {}, True, True, None, Trouble.GONE),
        (400, "Bad Request: not enough rights to send text messages", {}, True, True, None, Trouble.GONE),
        (400, "Bad Request: something new", {}, False, True, None, Trouble.REFUSED),
        (429, "Too Many Requests: retry after 35", {"retry_after": 35}, False, False, 35.0, Trouble.RATE),
        (429, "Too Many Requests: retry after 99999", {"retry_after": 99999}, False, False, 3600.0, Trouble.RATE),
        (500, "Internal Server Error: restart", {}, False, False, None, Trouble.SERVER),
        (502, "Bad Gateway", {}, False, False, None, Trouble.SERVER),
    ],
)
async def test_refusals(
    telegram: TelegramServer,
    post: Post,
    code: int,
    description: str,
    parameters: dict[str, int],
    gone: bool,
    permanent: bool,
    wait: float | None,
    kind: Trouble,
) -> None:
    telegram.errors = [(code, description, parameters)] * 3
    with pytest.raises(NotifyError) as caught:
        await bot(telegram).send(FULL, post)
    error = caught.value
    assert (error.gone, error.permanent, error.retry_after, error.kind) == (gone, permanent, wait, kind)
    assert TOKEN not in str(error)
    assert TOKEN.partition(":")[2] not in str(error)


async def test_a_token_that_was_revoked_is_said_without_repeating_it(telegram: TelegramServer, post: Post) -> None:
    telegram.token = "another"
    with pytest.raises(NotifyError, match="the token is not valid") as caught:
        await bot(telegram).send(FULL, post)
    assert caught.value.gone
    assert "AAHdq" not in str(caught.value)


async def test_people_are_written_to_directly(telegram: TelegramServer, post: Post) -> None:
    ana = bot(telegram, topic=7).addressed("77")
    assert await told(ana, post, NoticeKind.OPENED) == "77:100"
    assert "message_thread_id" not in telegram.calls[0][1]
    assert isinstance(ana, Threaded)
    assert isinstance(ana, Addressed)
    with pytest.raises(ValueError, match="is no chat"):
        ana.addressed("ana@shop.example")


def test_nobody_is_mentioned_and_mail_addresses_stay() -> None:
    assert escape("@ops <b> a@b.example") == "@\N{WORD JOINER}ops &lt;b&gt; a@b.example"


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"token": "s3cret", "chat": 1}, "no token of a bot"),
        ({"token": TOKEN, "chat": "ops"}, "is no chat"),
        ({"token": TOKEN, "chat": 1, "topic": -1}, "greater than or equal to 0"),
    ],
)
def test_mistakes_are_said_without_repeating_a_secret(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        RECEIVER.model_validate(given)
    assert "s3cret" not in str(caught.value)
    assert "AAHdq" not in repr(Telegram(token=TOKEN, chat="@ops_channel"))
