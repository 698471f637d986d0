"""Mattermost: a line, an attachment and a card, nobody mentioned; and what becomes of refusals."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from exporters.base import Addressed, NotifyError, Post
from exporters.notifiers.mattermost import RECEIVER, Mattermost, escape
from tests.exporters.conftest import Inbox
from tests.exporters.notices import FULL
from tests.exporters.schemas import check_mattermost

PATH = "hooks/9x1s3cretkeyxxxxxxxxxxxxxx"


async def test_a_channel_gets_a_line_an_attachment_and_a_card(inbox: Inbox, post: Post) -> None:
    await Mattermost(webhook=inbox.url + PATH).send(FULL, post)
    told = check_mattermost(inbox.taken[0].body)
    assert told["text"] == "\N{LARGE RED CIRCLE} **DOWN #42 shop/home: status 503, wanted 2xx**"
    (attachment,) = told["attachments"]
    assert attachment["fallback"] == "DOWN #42 shop/home: status 503, wanted 2xx"
    assert attachment["color"] == "#c62828"
    assert "[Acknowledge](https://probe.example/do/ack?k=1)" in attachment["text"]
    assert {"title": "Severity", "value": "page", "short": True} in attachment["fields"]
    assert told["props"]["card"].startswith("shop/home is DOWN.\n")
    assert "channel" not in told


async def test_people_are_written_to_by_their_names(inbox: Inbox, post: Post) -> None:
    ana = Mattermost(webhook=inbox.url + PATH).addressed("@ana")
    await ana.send(FULL, post)
    assert check_mattermost(inbox.taken[0].body)["channel"] == "@ana"
    assert isinstance(ana, Addressed)
    for to in ("", "Ana B", "@"):
        with pytest.raises(ValueError, match="as @ana"):
            ana.addressed(to)


def test_nobody_is_mentioned_and_mail_addresses_stay() -> None:
    assert escape("@all a@b.example https://shop.example/a_b") == (
        "@\N{WORD JOINER}all a@b.example https://shop.example/a_b"
    )


async def test_what_is_refused_is_said_in_one_line(inbox: Inbox, post: Post) -> None:
    inbox.answers = [(400, {}, b'{"id":"api.context.invalid_body_param.app_error"}'), (200, {}, b"ok")]
    await Mattermost(webhook=inbox.url).send(FULL, post)
    assert set(check_mattermost(inbox.taken[1].body)) == {"text"}


# Source: mattermost/server, channels/app/webhook.go: the ids of its errors.
@pytest.mark.parametrize(
    ("status", "identity", "gone", "permanent", "asked"),
    [
        (400, "web.incoming_webhook.invalid.app_error", True, True, 1),
        (404, "web.incoming_webhook.channel.app_error", True, True, 1),
        (403, "web.incoming_webhook.permissions.app_error", True, True, 1),
        (400, "web.incoming_webhook.text.app_error", False, True, 2),
        (429, "api.context.rate_limit", False, False, 1),
        (500, "app.post.save.app_error", False, False, 1),
        (501, "web.incoming_webhook.disabled.app_error", False, False, 1),
    ],
)
async def test_refusals(
    inbox: Inbox, post: Post, status: int, identity: str, gone: bool, permanent: bool, asked: int
) -> None:
    inbox.answer(status, f'{{"id":"{identity}","message":"of 9x1s3cretkeyxxxxxxxxxxxxxx","status_code":{status}}}')
    with pytest.raises(NotifyError) as caught:
        await Mattermost(webhook=inbox.url + PATH).send(FULL, post)
    assert (caught.value.gone, caught.value.permanent) == (gone, permanent)
    assert "s3cret" not in str(caught.value)
    assert identity in str(caught.value)
    assert len(inbox.taken) == asked


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"webhook": "chat.example"}, "no URL that can"),
        ({"webhook": "https://c.example/x", "channel": "A B"}, "as @ana"),
    ],
)
def test_mistakes_are_said(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RECEIVER.model_validate(given)
