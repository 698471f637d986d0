"""The part of the store that keeps changes and deploys. Which of them are of interest is probe.engine.changes'."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from exporters.alerting.change import Change
from probe.store.driver import Driver, legible
from probe.store.rows import Row
from probe.store.statements import SQL
from probe.store.texts import to_json, to_text

_changes = msgspec.json.Decoder(Change)


class SqlChanges:
    """probe.store.marked.Marked over a driver."""

    _driver: Driver

    async def mark(self, change: Change) -> None:
        await self._driver.write([(SQL["mark_change"], [_row(change)])])

    async def changes(self, since_ms: int, limit: int) -> Sequence[Change]:
        found = await self._driver.read(SQL["changes"], (since_ms, limit))
        with legible():
            return [_changes.decode(body) for (body,) in reversed(found)]

    async def attempts(self, wanted: str) -> Sequence[Change]:
        found = await self._driver.read(SQL["attempts"], (to_text(wanted),))
        with legible():
            return [_changes.decode(body) for (body,) in found]


def _row(change: Change) -> Row:
    return to_text(change.id), change.began_ms, change.ended_ms, to_json(change)
