"""Text from elsewhere, made fit for one line that people read."""

from __future__ import annotations

import re

# C0 and C1 controls, and the marks that turn the writing direction: a terminal or a chat would obey them.
_UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]+")

# The same but for tabs and line ends.
_DISOBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u200b-\u200f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)


def one_line(text: str, limit: int) -> str:
    """At most `limit` characters on one line, without control characters."""
    clean = " ".join(_UNPRINTABLE.sub(" ", text[: limit * 4]).split())
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def excerpt(data: bytes | bytearray, limit: int) -> str:
    """The beginning of `data` as text; what is no UTF-8 turns into replacement characters."""
    return one_line(bytes(data[: limit * 4]).decode("utf-8", "replace"), limit)


def legible(value: str) -> str:
    """The value of a header, of which each character is an octet, for people: as UTF-8 where it is that."""
    try:
        return value.encode("latin-1").decode()
    except UnicodeError:
        return value


def quoted(text: str, limit: int = 80) -> str:
    """A value of somebody else's inside a sentence of ours."""
    return f'"{one_line(text, limit)}"'


def harmless_lines(text: str) -> str:
    """The text with its lines and tabs, and a mark for each control character that somebody's terminal would obey."""
    return _DISOBEYED.sub("\ufffd", text.replace("\r\n", "\n"))
