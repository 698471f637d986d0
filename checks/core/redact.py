"""Keeps secrets out of what people see: every value that came in as a secret is masked wherever it turns up."""

from __future__ import annotations

import json
import re
from base64 import b64decode
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from html import escape
from urllib.parse import quote

from checks.core.needles import TELLING, needles

MASK = "•••"
# What different parts of a URL leave as it is: nothing, a path, a query.
_URL_PARTS = ("", "/", "/?:@!$&'()*+,;=")
_SHORTEST = 4  # masking "a" would mask every text
_CUT = "…"
_LONG = 12  # characters at the end of a text that does not say that it was cut: fewer may be a word of its own
# Headers of which the name says that the value lets somebody in.
_KEYS = re.compile(
    r"authorization|cookie|token|secret|passw|credential|session|signature|api[-_]?key|(?:^|[-_])(?:auth|key)(?:[-_]|$)",
    re.IGNORECASE,
)
_WORD = 8  # characters of such a value: one with fewer may be the name of something else, which would be masked, too


class Redactor:
    """Replaces known secrets in texts, also where they were encoded on the way or cut off at the end."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        spelled = {form for secret in secrets if len(secret) >= _SHORTEST for form in _spellings(secret)}
        self._needles = needles(spelled)

    def __call__(self, text: str) -> str:
        for secret in self._needles.within(text):
            if secret in text:
                text = text.replace(secret, MASK)
        text = self._masked(text, _LONG)
        if _CUT in text:
            *cut, rest = text.split(_CUT)
            text = _CUT.join([*map(self._masked, cut), rest])
        return text

    def _masked(self, text: str, fewest: int = TELLING) -> str:
        """The text without the beginning of a secret that it ends with, if that has so many characters."""
        size = self._needles.ending(text)
        return text[: len(text) - size] + MASK if size and size >= fewest else text


def _spellings(secret: str) -> Iterator[str]:
    """A secret as it may come back: plain, in a URL, in JSON, in HTML."""
    yield secret
    if not (secret.isalnum() and secret.isascii()):
        yield from (quote(secret, safe=safe) for safe in _URL_PARTS)
        yield from (json.dumps(secret, ensure_ascii=ascii_)[1:-1] for ascii_ in (True, False))
        yield from (escape(secret), escape(secret).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"))


def lets_in(name: str) -> bool:
    """Whether a name, of a header or a parameter, says that its value lets somebody in."""
    return _KEYS.search(name) is not None


def credentials(headers: Mapping[str, str]) -> Iterator[str]:
    """What must not be shown of the headers of a request that were written down: values that let somebody in.

    A name tells which these are. Targets that echo a request show them whole, or in the parts that they are read as.
    """
    for name, value in headers.items():
        if not lets_in(name):
            continue
        scheme, _, rest = value.strip().partition(" ")
        if scheme.lower() == "basic":
            yield rest.strip()
            yield from _password(rest)
        else:
            yield from (text for text in (value.strip(), rest.strip()) if len(text) >= _WORD)
            if "cookie" in name.lower():
                yield from _cookies(value)


def _password(encoded: str) -> Iterator[str]:
    """The password that Basic credentials hold (RFC 7617); nothing where they are none."""
    try:
        pair = b64decode(encoded)
    except ValueError:
        return
    for charset in ("utf-8", "latin-1"):
        with suppress(UnicodeDecodeError):
            yield pair.decode(charset).partition(":")[2]


def _cookies(value: str) -> Iterator[str]:
    """Every cookie, and its value where that is too long for a word."""
    for pair in value.split(";"):
        worth = pair.partition("=")[2].strip().strip('"')
        if len(pair.strip()) >= _WORD:
            yield pair.strip()
        if len(worth) >= _LONG:
            yield worth
