"""A notice in Slack's Block Kit, within its limits. Source: docs.slack.dev, reference of blocks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exporters.base import Notice
from exporters.card import cut, grid, light, lists, loud, prose
from exporters.message import clip, footnote, headline, lede, links, summary

# Characters, a little below what Slack takes: 150, 3000, 2000, 3000; less where it would be too much together.
_HEADER, _SECTION, _FIELD, _TEXT, _REASON, _FOOT = 140, 2900, 300, 2900, 1500, 800
_FIELDS = 10  # in one section
_MOST_FIELDS = 12
_LINES = 20  # of evidence, and of members: more is on the page
_BUTTONS, _URLS = 10, 4500  # Slack takes 25; characters of all their addresses
_SHORTEST = 100  # characters of a list
_TOTAL = 12_500  # characters: Slack refuses more than about 13,200 in all (slackapi/bolt-js, issue 2509)
Block = dict[str, Any]


def escape(text: str) -> str:
    """Slack's own three characters; with them go mentions and links that a server could smuggle in."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def text(notice: Notice) -> str:
    """One line: what a phone shows."""
    return f"{light(notice)} {cut(summary(notice), _TEXT, escape)}"


def message(notice: Notice) -> Block:
    """The whole message. A notice of what is over is green and says how long it was."""
    return {"text": text(notice), "blocks": _blocks(notice)}


def brief(notice: Notice) -> Block:
    """The message without what one can do without, for a server that finds the whole too long."""
    return {"text": text(notice), "blocks": [_header(notice), *_lede(notice, 1000), *_buttons(notice)]}


def news(notice: Notice) -> Block:
    """What stands in the thread of an incident: what has happened now. What must be heard has the buttons, too."""
    if not loud(notice):
        return {"text": text(notice)}
    said = {"type": "section", "text": _raw(text(notice))}
    return {"text": text(notice), "blocks": [said, *_buttons(notice)]}


def _weight(blocks: Sequence[Block]) -> int:
    return sum(map(len, _texts(blocks)))


def _texts(content: Any) -> list[str]:
    if isinstance(content, Mapping):
        return [said for value in content.values() for said in _texts(value)]
    if isinstance(content, list | tuple):
        return [said for value in content for said in _texts(value)]
    return [content] if isinstance(content, str) else []


def _blocks(notice: Notice) -> list[Block]:
    above = [_header(notice), *_lede(notice, _SECTION if prose(notice) else _REASON), *_grid(notice)]
    below = [*_buttons(notice), *_footnote(notice)]
    return [*above, *_lists(notice, _TOTAL - _weight([*above, *below])), *below]


def _header(notice: Notice) -> Block:
    return {"type": "header", "text": _plain(clip(f"{light(notice)} {headline(notice)}", _HEADER))}


def _lede(notice: Notice, limit: int) -> list[Block]:
    name, said = lede(notice)
    return [{"type": "section", "text": _mrkdwn(said, limit, f"*{name}*\n" if name else "")}] if said else []


def _grid(notice: Notice) -> list[Block]:
    told = [_mrkdwn(said, _FIELD, f"*{cut(name, 100, escape)}*\n") for name, said in grid(notice)[:_MOST_FIELDS]]
    rows = [told[at : at + _FIELDS] for at in range(0, len(told), _FIELDS)]
    return [{"type": "section", "fields": row} for row in rows]


def _lists(notice: Notice, room: int) -> Iterator[Block]:
    """A section for each list, while there is room: what the run saw comes last, and goes first."""
    for name, lines in lists(notice):
        kept = [*lines[:_LINES], "…"] if len(lines) > _LINES else lines
        block = {
            "type": "section",
            "text": _mrkdwn("\n".join(kept), max(_SHORTEST, min(room - 20, _SECTION)), f"*{name}*\n"),
        }
        room -= _weight([block])
        if room < 0:
            break
        yield block


def _buttons(notice: Notice) -> list[Block]:
    buttons: list[Block] = []
    room = _URLS
    for words, url in links(notice)[:_BUTTONS]:
        room -= len(url)
        if room >= 0:
            identity = f"open-{len(buttons)}"
            buttons.append({"type": "button", "text": _plain(clip(words, 70)), "url": url, "action_id": identity})
    return [{"type": "actions", "elements": buttons}] if buttons else []


def _footnote(notice: Notice) -> list[Block]:
    said = footnote(notice)
    return [{"type": "context", "elements": [_mrkdwn(said, _FOOT)]}] if said else []


def _plain(words: str) -> Block:
    return {"type": "plain_text", "text": words, "emoji": True}


def _raw(words: str) -> Block:
    return {"type": "mrkdwn", "text": words, "verbatim": True}


def _mrkdwn(words: str, limit: int, before: str = "") -> Block:
    return _raw(before + cut(words, limit - len(before), escape))
