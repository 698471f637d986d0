"""What the store keeps of on-call: the last good copy of every calendar, and what was announced last."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from probe.store.driver import Driver
from probe.store.statements import SQL
from probe.store.texts import to_text


@dataclass(frozen=True, slots=True)
class Copy:
    """A calendar as it was fetched."""

    text: str
    fetched_ms: int


@dataclass(frozen=True, slots=True)
class Said:
    """What an announcement said last: when it was about, and who was on call then, with commas."""

    at_ms: int
    who: str = ""


class OnCallKept(Protocol):
    """Calendars by key, and announcements by name. Every method may raise StoreError."""

    async def feed(self, key: str) -> Copy | None:
        """The last good copy of a calendar."""

    async def feed_keys(self) -> Mapping[str, int]:
        """The calendars of which there is a copy, and when it was fetched."""

    async def keep_feed(self, key: str, copy: Copy) -> None:
        """Keep a copy in place of the one before."""

    async def touch_feed(self, key: str, fetched_ms: int) -> None:
        """The copy of a calendar is as good at a later instant."""

    async def drop_feeds(self, keys: Sequence[str]) -> None:
        """Forget calendars that nobody names any more."""

    async def said(self) -> Mapping[str, Said]:
        """What every announcement said last."""

    async def say(self, name: str, said: Said) -> None:
        """Remember what an announcement said."""


class SqlFeeds:
    """`OnCallKept` over a driver."""

    _driver: Driver

    async def feed(self, key: str) -> Copy | None:
        found = await self._driver.read(SQL["feed"], (key,))
        return Copy(str(found[0][0]), int(found[0][1])) if found else None

    async def feed_keys(self) -> Mapping[str, int]:
        return {str(key): int(fetched_ms) for key, fetched_ms in await self._driver.read(SQL["feed_keys"])}

    async def keep_feed(self, key: str, copy: Copy) -> None:
        await self._driver.write([(SQL["keep_feed"], [(key, copy.fetched_ms, to_text(copy.text))])])

    async def touch_feed(self, key: str, fetched_ms: int) -> None:
        await self._driver.write([(SQL["touch_feed"], [(key, fetched_ms)])])

    async def drop_feeds(self, keys: Sequence[str]) -> None:
        if keys:
            await self._driver.write([(SQL["drop_feed"], [(key,) for key in keys])])

    async def said(self) -> Mapping[str, Said]:
        return {str(name): Said(int(at_ms), str(who)) for name, at_ms, who in await self._driver.read(SQL["said"])}

    async def say(self, name: str, said: Said) -> None:
        await self._driver.write([(SQL["say"], [(to_text(name), said.at_ms, to_text(said.who))])])
