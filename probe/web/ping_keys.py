"""Whose a key is: of a wrong one nobody learns how near it was, by no answer and by no time that one takes."""

from __future__ import annotations

import hmac
from collections import defaultdict
from collections.abc import Mapping
from hashlib import blake2b
from secrets import token_bytes

from checks.heartbeat import Heartbeat

_SALT = token_bytes(32)  # nobody outside can tell which digest a guess would have
_NOBODY = token_bytes(32)
_LONGEST = 500  # characters that are looked at


def digest(text: str) -> bytes:
    return blake2b(text[:_LONGEST].encode(errors="surrogateescape"), key=_SALT, digest_size=32).digest()


class Keys:
    """The keys of all heartbeats."""

    def __init__(self, heartbeats: Mapping[str, Heartbeat]) -> None:
        found: defaultdict[bytes, list[str]] = defaultdict(list)
        for name, heartbeat in heartbeats.items():
            for key in heartbeat.keys:
                found[digest(key.get_secret_value())].append(name)
        self._owners = {known: tuple(dict.fromkeys(names)) for known, names in found.items()}

    def owners(self, key: str) -> tuple[str, ...]:
        """The heartbeats that have a key. A wrong one is compared just as a right one is."""
        given = digest(key)
        owners = self._owners.get(given, ())
        known = given if owners else _NOBODY
        return owners if hmac.compare_digest(known, given) else ()
