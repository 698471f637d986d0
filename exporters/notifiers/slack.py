"""A Slack channel, by an incoming webhook: Block Kit for people, plain text for notifications and screen readers.

Compatible servers (Mattermost, Rocket.Chat) show the text. Limits: docs.slack.dev, Block Kit reference.
"""

from __future__ import annotations

import msgspec
from pydantic import Field

from exporters.answer import accept
from exporters.base import Notice, NoticeKind, Post, Response
from exporters.message import clip, clip_escaped, facts, headline, since, summary, tidy, utc
from exporters.receiver import Address, Receiver, hidden_parts, host_of
from thresholds.base import Level

# Characters, a little below what Slack takes: 150, 3000, 2000, 3000.
_HEADER, _SECTION, _FIELD, _TEXT = 140, 2900, 1900, 2900
_EVIDENCE = 12  # lines: more is on the check's page
_LIGHT = {Level.DOWN: "\N{LARGE RED CIRCLE}", Level.DEGRADED: "\N{LARGE ORANGE CIRCLE}"}
_GREEN = "\N{LARGE GREEN CIRCLE}"
Block = dict[str, object]


def escape(text: str) -> str:
    """Slack's own three characters; with them go mentions and links that a server could smuggle in."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


class Slack(Receiver):
    """A channel in Slack."""

    webhook: Address = Field(description="URL of the incoming webhook. A secret: it is never shown.")

    async def send(self, notice: Notice, post: Post) -> None:
        notice = tidy(notice)
        response = await self._post(message(notice), post)
        if response.status == 400 and "invalid" in response.text:
            # A message that is refused for its form is said in plain words: better than not at all.
            response = await self._post({"text": text(notice)}, post)
        url = self.webhook.get_secret_value()
        accept(response, f"slack {host_of(url)}", hidden_parts(url))

    async def _post(self, content: Block, post: Post) -> Response:
        headers = {"Content-Type": "application/json; charset=utf-8"}
        return await post(self.webhook.get_secret_value(), msgspec.json.encode(content), headers)


def light(notice: Notice) -> str:
    """Red, orange, or green once it is over."""
    return _LIGHT.get(notice.level, _LIGHT[Level.DOWN]) if notice.firing else _GREEN


def text(notice: Notice) -> str:
    """One line: what a phone shows."""
    return f"{light(notice)} {clip_escaped(summary(notice), _TEXT, escape)}"


def message(notice: Notice) -> Block:
    """The whole message. A notice of what is over is green and says how long it was."""
    blocks = [
        {"type": "header", "text": _plain(clip(f"{light(notice)} {headline(notice)}", _HEADER))},
        *_reason(notice),
        {"type": "section", "fields": [_bold(name, value) for name, value in _fields(notice)]},
        *_evidence(notice),
        *_buttons(notice),
        {"type": "context", "elements": [_mrkdwn(_context(notice), _FIELD)]},
    ]
    return {"text": text(notice), "blocks": blocks}


def _reason(notice: Notice) -> list[Block]:
    if not notice.reason:
        return []
    label = "*Reason*" if notice.firing else "*It was*"
    return [{"type": "section", "text": _mrkdwn(notice.reason, _SECTION, f"{label}\n")}]


def _fields(notice: Notice) -> list[tuple[str, str]]:
    told = [
        ("Since", since(notice)),
        ("Ended", utc(notice.ended_ms) if notice.ended_ms else ""),
        ("Target", notice.target),
        ("Service", notice.service),
        ("Owner", notice.owner),
    ]
    return [(name, value) for name, value in told if value]


def _evidence(notice: Notice) -> list[Block]:
    lines = [f"{name}: {value}" for name, value in list(notice.evidence.items())[:_EVIDENCE]]
    if not lines or notice.kind is NoticeKind.RESOLVED:
        return []
    return [{"type": "section", "text": _mrkdwn("\n".join(lines), _SECTION, "*Seen by the run*\n")}]


def _buttons(notice: Notice) -> list[Block]:
    links = [("Open in Probe", notice.link, "page"), ("Runbook", notice.runbook, "runbook")]
    buttons: list[Block] = [
        {"type": "button", "text": _plain(words), "url": url, "action_id": action}
        for words, url, action in links
        if url
    ]
    return [{"type": "actions", "elements": buttons}] if buttons else []


def _context(notice: Notice) -> str:
    told = dict(facts(notice))
    return " | ".join(f"{name}: {told[name]}" for name in ("Told by", "Labels", "Incident") if name in told)


def _plain(words: str) -> Block:
    return {"type": "plain_text", "text": words, "emoji": True}


def _mrkdwn(words: str, limit: int, before: str = "") -> Block:
    return {"type": "mrkdwn", "text": before + clip_escaped(words, limit - len(before), escape), "verbatim": True}


def _bold(name: str, value: str) -> Block:
    return _mrkdwn(value, _FIELD, f"*{name}*\n")


RECEIVER = Slack
