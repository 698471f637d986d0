"""Keeps secrets out of what people see: every value that came in as a secret is masked wherever it turns up."""

from __future__ import annotations

import re
from collections.abc import Iterable
from urllib.parse import quote

MASK = "•••"
# What different parts of a URL leave as it is: nothing, a path, a query.
_URL_PARTS = ("", "/", "/?:@!$&'()*+,;=")
_SHORTEST = 4  # masking "a" would mask every text
_TELLING = 6  # characters of a secret that was cut off: fewer may be a word like any other
_CUT = "…"
_LONG = 12  # characters at the end of a text that does not say that it was cut: fewer may be a word of its own
# Of a secret that is a URL, this much is known from other URLs of the same host.
_KNOWN = re.compile(r"[a-z][a-z0-9+.-]*://(?:[^/@]*(?:/|$))?")


class Redactor:
    """Replaces known secrets in texts, also where they were percent-encoded into a URL or cut off at the end."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        plain = {secret for secret in secrets if len(secret) >= _SHORTEST}
        encoded = {quote(secret, safe=safe) for secret in plain for safe in _URL_PARTS}
        self._secrets = sorted(plain | encoded, key=len, reverse=True)
        self._together = "\0".join(self._secrets)  # one search tells that the end of a text is of no secret

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        if text[-_TELLING:] in self._together and len(text) >= _TELLING:
            text = self._masked(text, _LONG)
        if _CUT in text:
            *cut, rest = text.split(_CUT)
            text = _CUT.join([*map(self._masked, cut), rest])
        return text

    def _masked(self, text: str, fewest: int = _TELLING) -> str:
        """The text without the beginning of a secret that it ends with, if that has so many characters."""
        end = text[-_TELLING:]
        if len(end) < _TELLING or end not in self._together:
            return text
        longest = max((_overlap(secret, text, end) for secret in self._secrets if end in secret), default=0)
        return text[: len(text) - longest] + MASK if longest >= fewest else text


def _overlap(secret: str, text: str, end: str) -> int:
    """How many characters of the secret's beginning the text ends with: as many as tell something, or 0."""
    known = _KNOWN.match(secret)
    fewest = _TELLING + (known.end() if known else 0)
    at = secret.rfind(end)
    while at >= 0:
        size = at + _TELLING
        if size >= fewest and text.endswith(secret[:size]):
            return size
        at = secret.rfind(end, 0, size - 1)
    return 0
