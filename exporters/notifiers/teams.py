"""A Microsoft Teams channel or chat, by the webhook of a Workflow: an Adaptive Card.

Texts are runs of a RichTextBlock, in which Teams sees no Markdown: nothing that a server says becomes a link, a format
or a mention. The workflow takes a card with 202 and posts it afterwards; whether it does, Power Automate alone knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
from pydantic import Field

from exporters.answer import accept
from exporters.base import Notice, Post, Response
from exporters.card import cut, grid, light, lists, prose
from exporters.message import Mood, footnote, headline, lede, links, mood, summary, tidy
from exporters.receiver import Address, Receiver, hidden_parts, host_of

# Source: learn.microsoft.com, "Microsoft Teams" connector, known issues: about 28 KB for a message with all its markup.
_LIMIT = 26_000  # bytes
_HEADING, _PROSE, _FOOT = 2000, 6000, 2500  # bytes of it
_BUTTONS = 6  # Teams shows no more of a card's actions
_MOST_FIELDS = 16
_LINES = 20
_COLOURS: Mapping[Mood, str] = {
    Mood.DOWN: "attention",
    Mood.DEGRADED: "warning",
    Mood.TAKEN: "accent",
    Mood.OVER: "good",
    Mood.NEWS: "default",
}
_SCHEMA = "http://adaptivecards.io/schemas/adaptive-card.json"
Element = dict[str, Any]


class Teams(Receiver):
    """A channel or chat in Microsoft Teams, by a Workflow."""

    webhook: Address = Field(
        description="URL of the workflow `Post to a channel when a webhook request is received`. A secret: it is never "
        "shown."
    )

    async def send(self, notice: Notice, post: Post) -> None:
        """Return when the workflow took it. It has no memory: each notice is a card."""
        notice = tidy(notice)
        response = await self._post(message(notice), post)
        if response.status in (400, 413) and not _dead(response):
            response = await self._post(brief(notice), post)  # a card that is refused is said in one line
        url = self.webhook.get_secret_value()
        accept(response, f"teams {host_of(url)}", hidden_parts(url), gone=_dead)

    async def _post(self, content: Element, post: Post) -> Response:
        body = msgspec.json.encode(content)
        return await post(self.webhook.get_secret_value(), body, {"Content-Type": "application/json; charset=utf-8"})


def _dead(response: Response) -> bool:
    """Whether the signature is not valid any more, or the workflow was deleted, switched off or orphaned."""
    return response.status in (401, 403, 404, 410) or (response.status == 400 and "NotEnabled" in response.text)


def message(notice: Notice) -> Element:
    """The card in its envelope, as workflows take it."""
    above = [_heading(notice, headline(notice)), *_lede(notice)]
    below = _footnote(notice)
    actions = [{"type": "Action.OpenUrl", "title": words, "url": url} for words, url in links(notice)[:_BUTTONS]]
    room = _LIMIT - _weight(_envelope([*above, *below], actions))
    return _envelope([*above, *_within(_told(notice), room), *below], actions)


def _told(notice: Notice) -> Iterator[Element]:
    yield from (_pair(name, said) for name, said in grid(notice)[:_MOST_FIELDS])
    for name, lines in lists(notice):
        yield from _list(name, lines)


def _within(elements: Iterable[Element], room: int) -> Iterator[Element]:
    """As many from the top as fit: what the run saw comes last, and goes first."""
    for element in elements:
        room -= _weight(element) + 1  # the comma
        if room < 0:
            return
        yield element


def _weight(content: object) -> int:
    """Bytes that it takes."""
    return len(msgspec.json.encode(content))


def brief(notice: Notice) -> Element:
    """A card of one line, and of prose where there is some."""
    return _envelope([_heading(notice, summary(notice)), *_prose(prose(notice))], [])


def _envelope(body: Sequence[Element], actions: Sequence[Element]) -> Element:
    card = {
        "$schema": _SCHEMA,
        "type": "AdaptiveCard",
        "version": "1.2",
        "body": body,
        "msteams": {"width": "full"},
        **({"actions": actions} if actions else {}),
    }
    kind = "application/vnd.microsoft.card.adaptive"
    return {"type": "message", "attachments": [{"contentType": kind, "contentUrl": None, "content": card}]}


def _heading(notice: Notice, said: str) -> Element:
    look = {"weight": "bolder", "size": "large", "color": _COLOURS[mood(notice)]}
    return _rich(_run(f"{light(notice)} {cut(said, _HEADING, size=_weight)}", **look))


def _lede(notice: Notice) -> list[Element]:
    name, said = lede(notice)
    if not said:
        return []
    if name:
        return [_pair(name, cut(said, _PROSE, size=_weight))]
    return _prose(said)


def _prose(said: str) -> list[Element]:
    lines = cut(said, _PROSE, size=_weight).split("\n")[:40] if said else []
    return [_rich(_run(line), spacing="none") for line in lines]


def _pair(name: str, said: str) -> Element:
    return _rich(_run(f"{name}: ", weight="bolder"), _run(said), spacing="small")


def _list(name: str, lines: Sequence[str]) -> list[Element]:
    kept = [*lines[:_LINES], "…"] if len(lines) > _LINES else lines
    return [_rich(_run(name, weight="bolder")), *(_rich(_run(line), spacing="none") for line in kept)]


def _footnote(notice: Notice) -> list[Element]:
    said = footnote(notice)
    return [_rich(_run(cut(said, _FOOT, size=_weight), isSubtle=True, size="small"))] if said else []


def _rich(*runs: Element, **look: str) -> Element:
    return {"type": "RichTextBlock", "inlines": list(runs), **look}


def _run(text: str, **look: Any) -> Element:
    return {"type": "TextRun", "text": text or " ", **look}


RECEIVER = Teams
