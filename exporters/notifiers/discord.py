"""A Discord channel, by a webhook: a line for phones, and an embed. Nobody is mentioned, whatever a text says.

Each notice is a message of its own: changing one takes another method than POST.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from pydantic import Field

from exporters.answer import accept, answered
from exporters.api import scalars, short, wait, word
from exporters.base import Notice, NotifyError, Post, Response, Trouble
from exporters.card import colour, cut, grid, light, lists, together, unmarked, utf16
from exporters.message import footnote, lede, links, rfc3339, summary, tidy
from exporters.receiver import Address, Receiver, hidden_parts, host_of

# Source: discord.com/developers/docs, resources Webhook and Message ("Embed Limits"), in characters; ours stay below.
_CONTENT, _DESCRIPTION, _NAME, _VALUE, _FOOTER = 1900, 3000, 200, 500, 1000
_PROSE, _PLACES = 2000, 900  # of the description
_BLANK = "\N{ZERO WIDTH SPACE}"  # a field must have a name
_FIELDS = 24
_TOTAL = 5800  # of all texts of the embed: 6000
_LINES = 20
_SHORT = 40  # a longer value gets a line of its own
_GONE = answered(401, 403, 404)  # 404 says "Unknown Webhook": somebody has deleted it
Content = dict[str, Any]


class Discord(Receiver):
    """A channel in Discord."""

    webhook: Address = Field(
        description="URL of the channel's webhook; `?thread_id=...` at its end posts to a thread. A secret: it is "
        "never shown."
    )

    async def send(self, notice: Notice, post: Post) -> None:
        notice = tidy(notice)
        response = await self._post(message(notice), post)
        if response.status == 400:
            response = await self._post(brief(notice), post)  # an embed that is refused is said in one line
        url = self.webhook.get_secret_value()
        name, hidden = f"discord {host_of(url)}", hidden_parts(url)
        told = scalars(response)
        if response.status == 429 and (seconds := wait(told)) is not None:
            said = short(word(told, "message"), hidden)  # the body says it in fractions, the header in whole seconds
            raise NotifyError(f"{name} answered 429: {said}", retry_after=seconds, kind=Trouble.RATE)
        accept(response, name, hidden, gone=_GONE)

    async def _post(self, content: Content, post: Post) -> Response:
        url = self.webhook.get_secret_value()
        # `wait` makes the answer say whether the message was stored, not only that it was understood.
        address = f"{url}{'&' if '?' in url else '?'}wait=true"
        return await post(address, msgspec.json.encode(content), {"Content-Type": "application/json"})


def message(notice: Notice) -> Content:
    """The line and its embed."""
    return {**brief(notice), "embeds": [_embed(notice)]}


def brief(notice: Notice) -> Content:
    """The line: the headline and why."""
    said = f"{light(notice)} **{cut(summary(notice), _CONTENT, unmarked, utf16)}**"
    return {"content": said, "allowed_mentions": {"parse": []}}


def _embed(notice: Notice) -> Mapping[str, Any]:
    name, said = lede(notice)
    prose = cut(f"{name}: {said}" if name else said, _PROSE, unmarked, utf16)
    description = together([prose, _places(notice)], _DESCRIPTION, utf16)
    small = cut(footnote(notice), _FOOTER, size=utf16)
    told = [_field(name, said) for name, said in [*grid(notice)[: _FIELDS - 2], *_lists(notice)]]
    embed = {
        "description": description,
        "color": int(colour(notice)[1:], 16),
        "fields": _within(told, _TOTAL - utf16(description) - utf16(small)),
        "footer": {"text": small} if small else None,
        "timestamp": rfc3339(notice.at_ms),
    }
    return {name: value for name, value in embed.items() if value}


def _lists(notice: Notice) -> list[tuple[str, str]]:
    return [(name, "\n".join(lines[:_LINES])) for name, lines in lists(notice)]


def _field(name: str, value: str) -> Mapping[str, Any]:
    said = together([cut(line, _VALUE, unmarked, utf16) for line in value.split("\n")], 1000, utf16)
    return {
        "name": cut(name, _NAME, unmarked, utf16) or _BLANK,
        "value": said or _BLANK,
        "inline": len(value) <= _SHORT,
    }


def _within(told: Sequence[Mapping[str, Any]], room: int) -> list[Mapping[str, Any]]:
    """As many fields from the top as fit: what the run saw comes last, and goes first."""
    kept = []
    for field in told:
        room -= utf16(field["name"]) + utf16(field["value"])
        if room < 0:
            break
        kept.append(field)
    return kept


def _places(notice: Notice) -> str:
    """Links in Markdown: a webhook's message can have no buttons."""
    told = [f"[{unmarked(words)}](<{url}>)" for words, url in links(notice) if ">" not in url]
    kept: list[str] = []
    for place in told:
        if utf16(" · ".join([*kept, place])) <= _PLACES:
            kept.append(place)
    return " · ".join(kept)


RECEIVER = Discord
