"""Which of many secrets are in a text, in time that does not grow with their number. Pure.

Where they are few a plain search for each is quicker: `Few`. `Many` looks up pieces of the text in an index of pieces
of the secrets: whatever it proposes has still to be looked for.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

TELLING = 6  # characters of a secret that was cut off: fewer may be a word like any other
MANY = 50  # from so many on the index is quicker
_SHORT, _LONG = 4, 12  # characters of the shortest secrets, and of those that are found by the longer pieces
_PIECE = 8  # characters of one
_STRIDE = _LONG - _PIECE + 1  # so far apart are the pieces of a text that are looked at: each secret has one of them
# Of a secret that is a URL, this much is known from other URLs of the same host.
_KNOWN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/@]*(?:/|$))?")


class Needles(Protocol):
    """Secrets that are looked for."""

    def within(self, text: str, /) -> Sequence[str]:
        """Those that may be in a text, and all that are; the longest first."""

    def ending(self, text: str) -> int:
        """How many characters of the beginning of a secret a text ends with: as many as tell something, or 0."""


def needles(secrets: Iterable[str]) -> Needles:
    """Secrets of four characters and more, to be looked for."""
    found = sorted(secrets, key=len, reverse=True)
    return Many(found) if len(found) > MANY else Few(found)


class Few:
    """A handful of secrets."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._secrets = secrets
        self._together = "\0".join(secrets)  # one search tells that the end of a text is of no secret

    def within(self, _text: str, /) -> Sequence[str]:
        return self._secrets

    def ending(self, text: str) -> int:
        end = text[-TELLING:]
        if len(end) < TELLING or end not in self._together:
            return 0
        return max((_overlap(secret, text, end) for secret in self._secrets if end in secret), default=0)


class Many:
    """Thousands of secrets, as keys of heartbeats are."""

    def __init__(self, secrets: Sequence[str]) -> None:
        self._long = _indexed(
            (piece, secret) for secret in secrets if len(secret) >= _LONG for piece in _pieces(secret)
        )
        self._short = _indexed((secret[:_SHORT], secret) for secret in secrets if len(secret) < _LONG)
        self._sorted = sorted(secrets)
        self._heads = {secret[:TELLING] for secret in secrets}
        self._longest = max(map(len, secrets), default=0)

    def within(self, text: str, /) -> Sequence[str]:
        seen = {text[at : at + _PIECE] for at in range(0, len(text) - _PIECE + 1, _STRIDE)}
        found = {secret for piece in seen & self._long.keys() for secret in self._long[piece]}
        if self._short:
            seen = {text[at : at + _SHORT] for at in range(len(text) - _SHORT + 1)}
            found.update(secret for piece in seen & self._short.keys() for secret in self._short[piece])
        return sorted(found, key=len, reverse=True)

    def ending(self, text: str) -> int:
        for at in range(max(0, len(text) - self._longest), len(text) - TELLING + 1):
            if text[at : at + TELLING] in self._heads and self._begins(text[at:]):
                return len(text) - at
        return 0

    def _begins(self, end: str) -> bool:
        """Whether a secret begins so, and with no less than tells something of it."""
        for at in range(bisect_left(self._sorted, end), len(self._sorted)):
            if not self._sorted[at].startswith(end):
                break
            if len(end) >= _least(self._sorted[at]):
                return True
        return False


def _pieces(secret: str) -> Iterator[str]:
    """Pieces of its end: how they begin secrets often have in common."""
    tail = secret[-_LONG:]
    return (tail[at : at + _PIECE] for at in range(_STRIDE))


def _indexed(pairs: Iterable[tuple[str, str]]) -> dict[str, tuple[str, ...]]:
    found: defaultdict[str, tuple[str, ...]] = defaultdict(tuple)
    for piece, secret in pairs:
        found[piece] += (secret,)
    return dict(found)


def _least(secret: str) -> int:
    """How many characters of its beginning tell something."""
    known = _KNOWN.match(secret)
    return TELLING + (known.end() if known else 0)


def _overlap(secret: str, text: str, end: str) -> int:
    """How many characters of the secret's beginning the text ends with: as many as tell something, or 0."""
    fewest, at = _least(secret), secret.rfind(end)
    while at >= 0:
        size = at + TELLING
        if size >= fewest and text.endswith(secret[:size]):
            return size
        at = secret.rfind(end, 0, size - 1)
    return 0
