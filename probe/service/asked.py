"""What pages and commands ask of the service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any

from exporters.prometheus import exposition
from probe.engine.objectives import Account
from probe.engine.records import Records
from probe.engine.report import report
from probe.engine.trend import Series, trend
from probe.service.reloaded import Reloaded
from probe.store.base import Announcement
from thresholds.maintenance import Window
from thresholds.spans import Span


class Asked(Reloaded):
    """A service that answers."""

    def unready(self) -> str:
        return self._phase or (f"the store fails: {self._store_trouble}" if self._store_trouble else "")

    async def metrics(self, *, openmetrics: bool) -> AsyncIterator[bytes]:
        for chunk in exposition(self._series, self.registry, openmetrics=openmetrics):
            yield chunk
            await asyncio.sleep(0)  # a scrape never stalls a probe

    def report(self) -> Mapping[str, Any]:
        """How the service does, as plain values."""
        return report(self.own)

    def maintenance(self) -> Sequence[Window]:
        """The maintenance of the configuration."""
        return self.config.maintenance

    def announced(self) -> Sequence[Announcement]:
        """What people announced and is not over, and what was over lately."""
        return self.judgement.upkeep.announced()

    def accounts(self) -> Sequence[Account]:
        """How every objective stands."""
        return list(self.judgement.accountant.accounts.values())

    async def records(self, since_ms: int) -> Records:
        """What is known of the past from an instant on. Raises StoreError."""
        return await self.judgement.records(self.config, since_ms)

    async def trend(self, check: str, window: Span, step: int, metrics: Collection[str] | None) -> Series:
        """A check's series. Raises StoreError, and ValueError where it is no step."""
        return await trend(self._store, check, window, step=step, metrics=metrics)
