"""A Mattermost channel, by an incoming webhook: a line, an attachment in the colour of the state, and a card."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec
from pydantic import AfterValidator, Field

from exporters.answer import accept
from exporters.base import Notice, Post, Response
from exporters.card import colour, cut, grid, light, lists, together, unmarked, unmentioned
from exporters.message import body, footnote, lede, links, summary, tidy
from exporters.receiver import Address, Receiver, hidden_parts, host_of

# A post has 16,383 characters (4,000 on old servers). Attachments and card are its props: 800,000, and 8,000 on old
# servers, which need 400 themselves. Source: mattermost/server, public/model/post.go.
_TEXT = 3500
_ALL, _PROSE, _LISTS, _PLACES = 3000, 900, 1200, 900  # of the attachment's text
_GRID, _FIELD, _CARD, _FOOT, _FALLBACK = 1500, 300, 1800, 400, 200
_FIELDS, _LINES, _SHORT = 16, 15, 40
_CHANNEL = re.compile(r"@?[a-z0-9][-._a-z0-9]{0,63}")
# What it says of a webhook, or of its channel, that is not there any more.
_DEAD = re.compile(r"web\.incoming_webhook\.(?:invalid|channel|permissions|user)\b|app\.(?:webhooks|channel)\.get")
Content = dict[str, Any]


def _channel(name: str) -> str:
    if name and not _CHANNEL.fullmatch(name):
        raise ValueError(f"{name!r} is no channel; write it as in its address, town-square, or a member as @ana")
    return name


def escape(text: str) -> str:
    """The text without Markdown and mentions."""
    return unmarked(unmentioned(text))


def size(text: str) -> int:
    """Its length as props are counted: in JSON, in characters."""
    return len(msgspec.json.encode(text).decode()) - 2


class Mattermost(Receiver):
    """A channel in Mattermost."""

    webhook: Address = Field(
        description="URL of an incoming webhook, https://.../hooks/... A secret: it is never shown."
    )
    channel: Annotated[str, AfterValidator(_channel)] = Field(
        default="", description="Another channel than the webhook's, as town-square, or a member, as @ana."
    )

    def addressed(self, to: str) -> Mattermost:
        """The same webhook, to another channel or member; it must not be locked to its channel."""
        if not to:
            raise ValueError("an empty address; write a member as @ana, or a channel as town-square")
        return self.model_copy(update={"channel": _channel(to)})

    async def send(self, notice: Notice, post: Post) -> None:
        notice = tidy(notice)
        response = await self._post(message(notice), post)
        if response.status in (400, 413) and not _dead(response):
            response = await self._post(brief(notice), post)  # what is refused is said in one line
        url = self.webhook.get_secret_value()
        accept(response, f"mattermost {host_of(url)}", hidden_parts(url), gone=_dead)

    async def _post(self, content: Content, post: Post) -> Response:
        told = {**content, **({"channel": self.channel} if self.channel else {})}
        headers = {"Content-Type": "application/json"}
        return await post(self.webhook.get_secret_value(), msgspec.json.encode(told), headers)


def _dead(response: Response) -> bool:
    return response.status in (403, 404, 410) or (response.status >= 400 and bool(_DEAD.search(response.text)))


def message(notice: Notice) -> Content:
    """The line, the attachment, and the card that opens beside the channel."""
    card = cut(body(notice), _CARD, escape, size)
    return {**brief(notice), "attachments": [_attachment(notice)], "props": {"card": card}}


def brief(notice: Notice) -> Content:
    """The line: the headline and why."""
    return {"text": f"{light(notice)} **{cut(summary(notice), _TEXT, escape)}**"}


def _weight(rest: Mapping[str, Any]) -> int:
    return len(msgspec.json.encode(rest).decode())


def _attachment(notice: Notice) -> Content:
    name, said = lede(notice)
    prose = cut(f"{name}: {said}" if name else said, _PROSE, escape, size)
    listed = together([line for name, lines in lists(notice) for line in _list(name, lines)], _LISTS, size)
    told = {
        "fallback": cut(summary(notice), _FALLBACK, unmentioned, size),
        "color": colour(notice),
        "text": together([prose, listed, _places(notice)], _ALL, size),
        "fields": _fields(notice),
        "footer": cut(footnote(notice), _FOOT, unmentioned, size),
    }
    return {name: value for name, value in told.items() if value}


def _fields(notice: Notice) -> list[Mapping[str, Any]]:
    kept: list[Mapping[str, Any]] = []
    for name, said in grid(notice)[:_FIELDS]:
        value = cut(said, _FIELD, escape, size)
        told = {"title": cut(name, 60, escape, size), "value": value, "short": len(said) <= _SHORT}
        if _weight({"fields": [*kept, told]}) > _GRID:
            break
        kept.append(told)
    return kept


def _list(name: str, lines: Sequence[str]) -> list[str]:
    return [f"**{name}**", *(f"- {cut(line, 200, escape, size)}" for line in lines[:_LINES])]


def _places(notice: Notice) -> str:
    """Links in Markdown: a button of an attachment would call Probe back, and a link asks first."""
    told: list[str] = []
    for words, url in links(notice):
        # A parenthesis would end the link.
        place = f"[{escape(words)}]({url.replace('(', '%28').replace(')', '%29')})"
        if size(" · ".join([*told, place])) <= _PLACES:
            told.append(place)
    return " · ".join(told)


RECEIVER = Mattermost
