"""What chat channels share beyond words: lights, colours, what must be heard anew, and how texts fit into a size."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping

from exporters.base import Notice, NoticeKind
from exporters.message import Mood, affected, evidence, fields, lede, members, mood

_LIGHTS: Mapping[Mood, str] = {
    Mood.DOWN: "\N{LARGE RED CIRCLE}",
    Mood.DEGRADED: "\N{LARGE ORANGE CIRCLE}",
    Mood.TAKEN: "\N{LARGE BLUE CIRCLE}",
    Mood.OVER: "\N{LARGE GREEN CIRCLE}",
    Mood.NEWS: "\N{CHEERING MEGAPHONE}",
}
_COLOURS: Mapping[Mood, str] = {
    Mood.DOWN: "#c62828",
    Mood.DEGRADED: "#b26a00",
    Mood.TAKEN: "#1565c0",
    Mood.OVER: "#2e7d32",
    Mood.NEWS: "#546e7a",
}
_LOUD = frozenset({NoticeKind.OPENED, NoticeKind.REPEATED, NoticeKind.UNACKNOWLEDGED})
_MENTION = re.compile(r"(?<!\w)@(?=\w)")  # not the one in a mail address
_MARKS = str.maketrans({mark: f"\\{mark}" for mark in "\\*_~`|<>[]"})
_URL = re.compile(r"https?://[^\s<>()\[\]*`~|\\]+")
_MORE = "\n…"
_JOINER = "\N{WORD JOINER}"  # invisible; no line breaks there


def light(notice: Notice) -> str:
    """Red, orange, blue while somebody takes care of it, green once it is over; a megaphone for a bulletin."""
    return _LIGHTS[mood(notice)]


def colour(notice: Notice) -> str:
    """The same as `#c62828`."""
    return _COLOURS[mood(notice)]


def loud(notice: Notice) -> bool:
    """Whether people must hear of it, even those who have been told of the incident before."""
    return notice.kind in _LOUD or (notice.kind is NoticeKind.CHANGED and notice.level > notice.was)


def grid(notice: Notice) -> list[tuple[str, str]]:
    """The few facts of a card, without what its lists say better."""
    listed = bool(members(notice))
    return [(name, said) for name, said in fields(notice) if not (listed and name == "Affected")]


def lists(notice: Notice) -> list[tuple[str, list[str]]]:
    """What stands in lines under a name: what is affected, and what the run saw."""
    whose = f"Affected: {affected(notice)}" if affected(notice) else "Affected"
    seen = [f"{name}: {said}" for name, said in evidence(notice)]
    return [(name, lines) for name, lines in ((whose, members(notice)), ("Seen by the run", seen)) if lines]


def prose(notice: Notice) -> str:
    """The lines of a bulletin or of a template, which no headline says; nothing of other notices."""
    name, said = lede(notice)
    return "" if name else said


def unmentioned(text: str) -> str:
    """The text with no `@name` in it that a channel would take for a mention; it looks the same."""
    return _MENTION.sub(f"@{_JOINER}", text)


def unmarked(text: str) -> str:
    """The text without Markdown, links and references in angle brackets; an address by itself can still be clicked."""
    return re.sub(r"\S+", lambda word: word[0] if _URL.fullmatch(word[0]) else word[0].translate(_MARKS), text)


def utf16(text: str) -> int:
    """Its length as JavaScript, Java and Telegram's entities count it."""
    return len(text) + sum(char > "\uffff" for char in text)


def utf8(text: str) -> int:
    """Its length in bytes."""
    return len(text.encode())


def cut(text: str, limit: int, escape: Callable[[str], str] = str, size: Callable[[str], int] = len) -> str:
    """The escaped text in a size of at most `limit`, cut between characters of the text and never within an escape.

    Nothing gets smaller by being escaped, and no character has a size below 1.
    """
    text = text[: limit + 1]
    if size(escaped := escape(text)) <= limit:
        return escaped
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if size(escape(text[:middle]) + "…") <= limit:
            low = middle
        else:
            high = middle - 1
    return escape(text[:low].rstrip()) + "…"


def together(paragraphs: Iterable[str], limit: int, size: Callable[[str], int] = len) -> str:
    """The paragraphs in lines, as many from the top as fit whole; an ellipsis says that some are missing.

    Those that do not fit are not even asked for. The first one fits, or nothing does.
    """
    told = ""
    for paragraph in filter(None, paragraphs):
        longer = f"{told}\n{paragraph}" if told else paragraph
        if size(longer) > limit - size(_MORE):
            return told + _MORE if told else ""
        told = longer
    return told
