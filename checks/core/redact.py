"""Keeps secrets out of what people see: every value that came in as a secret is masked wherever it turns up."""

from __future__ import annotations

from collections.abc import Iterable
from urllib.parse import quote

MASK = "•••"
# What different parts of a URL leave as it is: nothing, a path, a query.
_URL_PARTS = ("", "/", "/?:@!$&'()*+,;=")
_SHORTEST = 4  # masking "a" would mask every text


class Redactor:
    """Replaces known secrets in texts, also where they were percent-encoded into a URL."""

    def __init__(self, secrets: Iterable[str] = ()) -> None:
        plain = {secret for secret in secrets if len(secret) >= _SHORTEST}
        encoded = {quote(secret, safe=safe) for secret in plain for safe in _URL_PARTS}
        self._secrets = sorted(plain | encoded, key=len, reverse=True)

    def __call__(self, text: str) -> str:
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text
