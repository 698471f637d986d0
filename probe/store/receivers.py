"""What couriers remember of receivers: those that are disabled, and by what an incident is known where it was told."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from probe.store.driver import Driver
from probe.store.statements import SQL
from probe.store.texts import to_text


@dataclass(frozen=True, slots=True)
class Disabled:
    """A receiver that takes nothing any more."""

    receiver: str
    digest: str  # of its settings: once they change it is worth another try
    at_ms: int
    reason: str


class Receivers(Protocol):
    """What the store knows of receivers. Every method may raise StoreError."""

    async def disabled(self) -> Sequence[Disabled]:
        """The receivers that are disabled."""

    async def disable(self, disabled: Disabled) -> None:
        """Write down that a receiver is; what was written of it before is replaced."""

    async def enable(self, receiver: str) -> None:
        """Forget that a receiver was disabled."""

    async def reference(self, incident: str, receiver: str) -> str:
        """What a receiver returned when it was last told of an incident; "" where there is nothing."""


class SqlReceivers:
    """`Receivers` over a driver."""

    _driver: Driver

    async def disabled(self) -> Sequence[Disabled]:
        found = await self._driver.read(SQL["disabled"])
        return [Disabled(str(name), str(digest), int(at_ms), str(reason)) for name, digest, at_ms, reason in found]

    async def disable(self, disabled: Disabled) -> None:
        row = (to_text(disabled.receiver), disabled.digest, disabled.at_ms, to_text(disabled.reason))
        await self._driver.write([(SQL["disable"], [row])])

    async def enable(self, receiver: str) -> None:
        await self._driver.write([(SQL["enable"], [(to_text(receiver),)])])

    async def reference(self, incident: str, receiver: str) -> str:
        found = await self._driver.read(SQL["reference"], (to_text(incident), to_text(receiver)))
        return str(found[0][0]) if found else ""
