"""Which receivers are disabled, kept in the store: a restart does not try a dead address again."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Container, Iterable, Mapping
from hashlib import scrypt

from pydantic import BaseModel

from exporters.base import Notifier
from exporters.receiver import settings_of
from probe.clock import Clock
from probe.store.base import StoreError
from probe.store.receivers import Disabled, Receivers

log = logging.getLogger(__name__)

_AGAIN = 5.0  # s between two attempts to write something down


class Disabling:
    """Who is disabled and why. Writes it down in the background, as often as it takes."""

    def __init__(self, clock: Clock, book: Receivers | None) -> None:
        self._clock = clock
        self._book = book
        self._disabled: dict[str, Disabled] = {}
        self._unwritten: dict[str, Disabled | None] = {}  # None: to be forgotten
        self._news = asyncio.Event()

    def remember(self, known: Iterable[Disabled], receivers: Container[str]) -> None:
        """Take what was written down before a start, of the receivers that there are."""
        for one in known:
            if one.receiver in receivers:
                self._disabled[one.receiver] = one
            else:
                self._write(one.receiver, None)

    def why(self, name: str) -> str:
        """Why a receiver is disabled; "" when it is not."""
        disabled = self._disabled.get(name)
        return disabled.reason if disabled else ""

    def all(self) -> Mapping[str, Disabled]:
        return self._disabled

    def disable(self, name: str, notifier: Notifier, reason: str) -> None:
        disabled = Disabled(name, digest(name, notifier), self._clock.now_ms(), reason)
        self._disabled[name] = disabled
        self._write(name, disabled)

    def enable(self, name: str) -> bool:
        """Whether it was disabled."""
        if self._disabled.pop(name, None) is None:
            return False
        self._write(name, None)
        return True

    def changed(self, name: str, notifier: Notifier) -> bool:
        """Whether a receiver that is disabled has other settings now."""
        disabled = self._disabled.get(name)
        return disabled is not None and digest(name, notifier) != disabled.digest

    def _write(self, name: str, disabled: Disabled | None) -> None:
        self._unwritten[name] = disabled
        self._news.set()

    async def run(self) -> None:
        while True:
            await self._news.wait()
            self._news.clear()
            while self._unwritten and self._book is not None:
                name, disabled = next(iter(self._unwritten.items()))
                try:
                    await (self._book.enable(name) if disabled is None else self._book.disable(disabled))
                except StoreError as error:
                    log.warning("receiver %s: not written down that it is %s: %s", name, _state(disabled), error)
                    await self._clock.sleep(_AGAIN)
                    continue
                if self._unwritten[name] is disabled:
                    del self._unwritten[name]


def _state(disabled: Disabled | None) -> str:
    return "disabled" if disabled else "enabled"


def digest(name: str, notifier: Notifier) -> str:
    """Tells whether settings are the same. Slow to make, so that nobody finds a password by trying many."""
    settings = settings_of(notifier) if isinstance(notifier, BaseModel) else repr(type(notifier))
    return scrypt(settings.encode(), salt=name.encode(), n=1 << 12, r=8, p=1, dklen=16).hex()
