"""Discord: a line and an embed, nobody mentioned; and what becomes of refusals."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from exporters.base import NoticeKind, NotifyError, Post
from exporters.card import unmarked
from exporters.notifiers.discord import RECEIVER, Discord, message
from tests.exporters.conftest import Inbox
from tests.exporters.notices import BY_KIND, FULL
from tests.exporters.schemas import check_discord

PATH = "api/webhooks/223704706495545344/3d89bb7572e0fb30d8128367b3b1b44f-s3cret"


async def test_a_channel_gets_a_line_and_an_embed(inbox: Inbox, post: Post) -> None:
    inbox.answer(200, '{"id":"1","content":"..."}')
    await Discord(webhook=inbox.url + PATH).send(FULL, post)
    assert inbox.taken[0].path == f"/{PATH}?wait=true"
    told = check_discord(inbox.taken[0].body)
    assert told["content"] == "\N{LARGE RED CIRCLE} **DOWN #42 shop/home: status 503, wanted 2xx**"
    (embed,) = told["embeds"]
    assert "[Acknowledge](<https://probe.example/do/ack?k=1>)" in embed["description"]
    fields = {field["name"]: field["value"] for field in embed["fields"]}
    assert fields["Since"] == "2026-11-21T10:00:00Z (for 4m 12s)"
    assert fields["Affected: 3 checks"] == "shop/home: status 503\nshop/cart: status 503\nand 1 more"
    assert embed["color"] == 0xC62828


async def test_a_thread_is_posted_to(inbox: Inbox, post: Post) -> None:
    await Discord(webhook=f"{inbox.url}{PATH}?thread_id=7").send(FULL, post)
    assert inbox.taken[0].path == f"/{PATH}?thread_id=7&wait=true"


@pytest.mark.parametrize(
    ("kind", "colour"),
    [(NoticeKind.ACKNOWLEDGED, 0x1565C0), (NoticeKind.RESOLVED, 0x2E7D32), (NoticeKind.BULLETIN, 0x546E7A)],
)
def test_the_embed_has_the_colour_of_the_state(kind: NoticeKind, colour: int) -> None:
    assert message(BY_KIND[kind])["embeds"][0]["color"] == colour


def test_markdown_is_shown_as_it_is_and_addresses_can_be_clicked() -> None:
    assert unmarked("**b** [c](https://e.example) see https://shop.example/a_b") == (
        r"\*\*b\*\* \[c\](https://e.example) see https://shop.example/a_b"
    )
    assert unmarked("<@1> <https://e.example|x> `y`") == r"\<@1\> \<https://e.example\|x\> \`y\`"


async def test_an_embed_that_is_refused_is_said_in_one_line(inbox: Inbox, post: Post) -> None:
    inbox.answers = [(400, {}, b'{"embeds":["0"]}'), (200, {}, b"{}")]
    await Discord(webhook=inbox.url).send(FULL, post)
    assert set(check_discord(inbox.taken[1].body)) == {"content", "allowed_mentions"}


# Source: discord.com/developers/docs, topics "Opcodes and Status Codes" and "Rate Limits".
@pytest.mark.parametrize(
    ("status", "said", "gone", "permanent", "wait"),
    [
        (404, '{"message": "Unknown Webhook", "code": 10015}', True, True, None),
        (401, '{"message": "Invalid Webhook Token", "code": 50027}', True, True, None),
        (400, '{"message": "Invalid Form Body", "code": 50035}', False, True, None),
        (429, '{"message": "You are being rate limited.", "retry_after": 1.337, "global": false}', False, False, 1.337),
        (429, "error code: 1015", False, False, 60.0),
        (502, "<html>bad gateway</html>", False, False, 60.0),
    ],
)
async def test_refusals(
    inbox: Inbox, post: Post, status: int, said: str, gone: bool, permanent: bool, wait: float | None
) -> None:
    inbox.answer(status, said, Retry_After="60")
    with pytest.raises(NotifyError) as caught:
        await Discord(webhook=inbox.url + PATH).send(FULL, post)
    assert (caught.value.gone, caught.value.permanent, caught.value.retry_after) == (gone, permanent, wait)
    assert "s3cret" not in str(caught.value)


def test_the_address_is_a_secret() -> None:
    assert "s3cret" not in repr(Discord(webhook=f"https://discord.example/{PATH}"))
    with pytest.raises(ValidationError, match="no URL that can be posted to"):
        RECEIVER.model_validate({"webhook": "discord.example"})
