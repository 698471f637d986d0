"""Slack by a webhook: the limits of Block Kit, what a message says, and what becomes of refusals."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from pydantic import ValidationError

from exporters.base import Notice, NoticeKind, NotifyError, Post
from exporters.message import tidy
from exporters.notifiers.slack import RECEIVER, Slack, escape, message
from tests.exporters.conftest import Inbox, loud
from tests.exporters.schemas import all_texts, check_slack
from thresholds.base import Level


async def test_channel_gets_what_since_when_why_where_and_who(inbox: Inbox, post: Post, opened: Notice) -> None:
    await Slack(webhook=f"{inbox.url}services/T0/B0/xyz").send(opened, post)
    assert inbox.taken[0].path == "/services/T0/B0/xyz"
    assert inbox.taken[0].headers["Content-Type"].startswith("application/json")
    content = json.loads(inbox.taken[0].body)
    check_slack(content)
    assert content["text"] == "\N{LARGE RED CIRCLE} DOWN shop/home: status 503, wanted 2xx"
    said = "\n".join(all_texts(content["blocks"]))
    for part in (
        "status 503, wanted 2xx",
        "2026-11-21T10:00:00Z (for 4m 12s)",
        "team-shop",
        "tier=1",
        "prod-eu",
        "1.2 s",
    ):
        assert part in said
    links = [button["url"] for block in content["blocks"] if block["type"] == "actions" for button in block["elements"]]
    assert links == [opened.link, opened.runbook]


def test_what_is_over_is_green_and_what_is_slow_is_orange(opened: Notice, resolved: Notice, passed: Notice) -> None:
    slow = replace(opened, level=Level.DEGRADED)
    headers = [message(notice)["text"] for notice in (opened, slow, resolved, passed)]
    assert [str(text)[0] for text in headers] == [
        "\N{LARGE RED CIRCLE}",
        "\N{LARGE ORANGE CIRCLE}",
        "\N{LARGE GREEN CIRCLE}",
        "\N{LARGE GREEN CIRCLE}",
    ]
    assert "was DOWN for 4m 12s" in str(headers[2])
    assert "was DOWN for 4m 12s and recovered" in str(headers[3])


def test_what_somebody_takes_care_of_is_blue(opened: Notice) -> None:
    taken = replace(opened, kind=NoticeKind.ACKNOWLEDGED, acked_by="ana")
    assert str(message(taken)["text"]).startswith("\N{LARGE BLUE CIRCLE} ACKNOWLEDGED shop/home by ana")


def test_a_server_can_neither_mention_people_nor_hide_a_link(opened: Notice) -> None:
    evil = "<!channel> & <https://evil.example|click>"
    notice = tidy(replace(opened, reason=evil, evidence={"<!here>": evil}, labels={"<@U1>": evil}))
    content = message(notice)
    marked = [text for text in all_texts(content) if "evil" in text]
    assert len(marked) >= 3
    for text in marked:
        assert "<" not in text
        assert "&lt;!channel&gt; &amp;" in text


def test_escape_is_slack_s_own() -> None:
    # Source: docs.slack.dev, "Formatting message text", escaping text: & < > and nothing else.
    assert escape("""a & b <c> "d" 'e'""") == """a &amp; b &lt;c&gt; "d" 'e'"""


@pytest.mark.parametrize("rude", ["<" * 9000, "&" * 9000, "\N{LARGE RED CIRCLE}" * 9000, "a\n" * 9000])
def test_endless_texts_stay_within_the_limits(opened: Notice, rude: str) -> None:
    notice = tidy(loud(opened, rude))
    check_slack(message(notice))
    # Slack refuses more than about 13,200 characters in all (slackapi/bolt-js, issue 2509).
    assert sum(map(len, all_texts(message(notice)["blocks"]))) < 13_200


def test_a_bare_notice_makes_a_sound_message(opened: Notice) -> None:
    bare = replace(opened, reason="", service="", owner="", runbook="", link="", labels={}, evidence={}, target="")
    check_slack(message(bare))


# Source: api.slack.com/changelog/2016-05-17-changes-to-errors-for-incoming-webhooks, and the rate limits.
@pytest.mark.parametrize(
    ("status", "text", "permanent"),
    [
        (400, "user_not_found", True),
        (403, "action_prohibited", True),
        (403, "invalid_token", True),
        (404, "channel_not_found", True),
        (404, "no_service", True),
        (410, "channel_is_archived", True),
        (302, "", True),
        (429, "rate_limited", False),
        (500, "rollup_error", False),
        (503, "", False),
    ],
)
async def test_refusals(inbox: Inbox, post: Post, opened: Notice, status: int, text: str, permanent: bool) -> None:
    inbox.answer(status, text, Retry_After="30")
    with pytest.raises(NotifyError) as caught:
        await Slack(webhook=f"{inbox.url}services/T0/B0/s3cret-path").send(opened, post)
    assert caught.value.permanent is permanent
    assert caught.value.retry_after == (None if permanent else 30.0)
    assert caught.value.gone is (permanent and status >= 400)
    assert text in str(caught.value)
    assert "s3cret-path" not in str(caught.value)
    assert len(inbox.taken) == 1


async def test_a_message_refused_for_its_form_is_said_in_plain_words(inbox: Inbox, post: Post, opened: Notice) -> None:
    inbox.answers = [(400, {}, b"invalid_blocks"), (200, {}, b"ok")]
    await Slack(webhook=inbox.url).send(opened, post)
    assert json.loads(inbox.taken[1].body) == {"text": "\N{LARGE RED CIRCLE} DOWN shop/home: status 503, wanted 2xx"}


async def test_a_message_refused_twice_is_given_up(inbox: Inbox, post: Post, opened: Notice) -> None:
    inbox.answer(400, "invalid_payload")
    with pytest.raises(NotifyError) as caught:
        await Slack(webhook=inbox.url).send(opened, post)
    assert caught.value.permanent
    assert len(inbox.taken) == 2


def test_webhook_is_a_secret_url() -> None:
    slack = Slack(webhook="https://hooks.slack.example/services/T0/B0/xyz")
    assert "xyz" not in repr(slack)
    with pytest.raises(ValidationError, match="no URL that can be posted to"):
        RECEIVER.model_validate({"webhook": "hooks.slack.example"})
