"""Texts made harmless and short, whoever they come from: servers that are probed, people, templates. Pure."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from urllib.parse import urlsplit

from exporters.base import Notice

# Characters of a text. Together they stay below 20 kB as JSON in UTF-8, without what `fitted` can leave out.
_REASON, _NAME, _TARGET, _URL, _VALUE, _LINE = 600, 200, 300, 1000, 300, 200
_ENTRIES = 40  # of labels, of evidence, and of a template's fields
_MEMBERS, _CHANGES, _ACTIONS = 30, 10, 6
_TEXT = 4000  # of a bulletin, or of what a template makes
_BLANK = frozenset({"Cc", "Zl", "Zp", "Zs"})  # line ends and other controls, separators
_GONE = frozenset({"Cf", "Cs"})  # direction overrides and other invisible ones, halves of a character


@dataclass(frozen=True, slots=True)
class Words:
    """What a receiver's own template says in the place of our texts; "" and None leave ours."""

    title: str = ""  # one line
    body: str = ""  # lines
    fields: tuple[tuple[str, str], ...] | None = None
    trouble: str = ""  # what is wrong with a template; ours stands in its place, and says so


@dataclass(frozen=True, slots=True)
class Worded(Notice):
    """A notice on its way to a receiver that has a template. Never stored."""

    words: Words = field(default_factory=Words)


def one_line(text: str, limit: int) -> str:
    """The text without control characters, on one line, in at most `limit` characters."""
    kept = []
    for char in text[: limit * 4]:
        category = unicodedata.category(char)
        if category not in _GONE:
            kept.append(" " if category in _BLANK else char)
    return clip(" ".join("".join(kept).split()), limit)


def some_lines(text: str, limit: int) -> str:
    """The text in lines, each without control characters, in at most `limit` characters; indents stay."""
    told = []
    for line in text[: limit * 4].splitlines():
        indent = len(line) - len(line.lstrip(" "))
        told.append(" " * min(indent, 20) + one_line(line, limit))
    return clip("\n".join(told).strip("\n"), limit)


def clip(text: str, limit: int) -> str:
    """At most `limit` characters; an ellipsis says that some are missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clip_escaped(text: str, limit: int, escape: Callable[[str], str]) -> str:
    """The escaped text in at most `limit` characters, no escape sequence cut in two."""
    escaped = escape(text)
    while len(escaped) > limit:
        text = text[: len(text) - max(1, (len(escaped) - limit) // 6)]
        escaped = escape(text) + "…"
    return escaped


def tidy(notice: Notice) -> Notice:
    """The same notice with every text harmless and bounded. Its identities stay as they are."""
    tidied = replace(
        notice,
        instance=one_line(notice.instance, _NAME),
        check=one_line(notice.check, _NAME),
        target=one_line(notice.target, _TARGET),
        reason=one_line(notice.reason, _REASON),
        service=one_line(notice.service, _NAME),
        owner=one_line(notice.owner, _NAME),
        runbook=web_link(notice.runbook),
        link=web_link(notice.link),
        labels=_tidy_mapping(notice.labels),
        evidence=_tidy_mapping(notice.evidence),
        severity=one_line(notice.severity, 20),
        title=one_line(notice.title, _NAME),
        text=some_lines(notice.text, _TEXT),
        members=_tidy_lines(notice.members, _MEMBERS),
        acked_by=one_line(notice.acked_by, 100),
        recurrence=one_line(notice.recurrence, _VALUE),
        changes=_tidy_lines(notice.changes, _CHANGES),
        bridge=web_link(notice.bridge) or one_line(notice.bridge, _VALUE),
        why=one_line(notice.why, _VALUE),
        actions=_tidy_actions(notice.actions),
    )
    return replace(tidied, words=tidy_words(tidied.words)) if isinstance(tidied, Worded) else tidied


def tidy_words(words: Words) -> Words:
    """What a template made, as harmless and as short as all else."""
    fields = words.fields and tuple((one_line(name, 100), one_line(text, _REASON)) for name, text in words.fields)
    return Words(
        one_line(words.title, _VALUE),
        some_lines(words.body, _TEXT),
        fields[:_ENTRIES] if fields is not None else None,
        one_line(words.trouble, _VALUE),
    )


def _tidy_mapping(texts: Mapping[str, str]) -> dict[str, str]:
    return {one_line(name, 100): one_line(text, _VALUE) for name, text in list(texts.items())[:_ENTRIES]}


def _tidy_lines(lines: Iterable[str], most: int) -> tuple[str, ...]:
    return tuple(one_line(line, _LINE) for line in list(lines)[:most])


def _tidy_actions(actions: Mapping[str, str]) -> dict[str, str]:
    told = {one_line(words, 60): web_link(url) for words, url in list(actions.items())[:_ACTIONS]}
    return {words: url for words, url in told.items() if words and url}


def web_link(url: str) -> str:
    """The link, or nothing: what is no http(s) URL or too long is dropped, because half a link leads elsewhere."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    sound = parts.scheme in ("http", "https") and parts.netloc and len(url) <= _URL and url == one_line(url, _URL)
    return url if sound and " " not in url else ""


def fitted(notice: Notice, limit: int, encode: Callable[[Notice], bytes]) -> bytes:
    """The encoded notice in fewer than `limit` bytes: evidence goes first, then labels, each from its end.

    After them members, changes, the second half of a text, and links that act.
    """
    body = encode(notice)
    while len(body) >= limit:
        shorter = _shorter(notice)
        if shorter is notice:
            break
        notice = shorter
        body = encode(notice)
    return body


def _shorter(notice: Notice) -> Notice:
    """The notice with a little less in it; itself when there is nothing left to leave out."""
    for shorten in _SHORTENING:
        if (shorter := shorten(notice)) is not None:
            return shorter
    return notice


def _without_last(texts: Mapping[str, str]) -> dict[str, str]:
    return dict(list(texts.items())[:-1])


_SHORTENING: tuple[Callable[[Notice], Notice | None], ...] = (
    lambda notice: replace(notice, evidence=_without_last(notice.evidence)) if notice.evidence else None,
    lambda notice: replace(notice, labels=_without_last(notice.labels)) if notice.labels else None,
    lambda notice: replace(notice, members=notice.members[:-1]) if notice.members else None,
    lambda notice: replace(notice, changes=notice.changes[:-1]) if notice.changes else None,
    lambda notice: replace(notice, text=clip(notice.text, len(notice.text) // 2)) if len(notice.text) > 1 else None,
    lambda notice: replace(notice, actions=_without_last(notice.actions)) if notice.actions else None,
)
