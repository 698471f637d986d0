"""Keeps the history within its age and its size, in slices small enough that no write waits for long."""

from __future__ import annotations

import logging
from collections.abc import Callable

from probe.clock import Clock
from probe.config.model import Retention
from probe.store.base import Store, StoreError

log = logging.getLogger(__name__)

_EVERY = 60.0  # s between two looks
_BREATH = 0.1  # s between two slices: writes go in between
_SLICE = 2_000  # results deleted in one transaction
_JUMP = 3_600_000  # ms that the wall clock may gain or lose before its word on age is doubted
_DOUBT = 86_400.0  # s for which it is


class Janitor:
    """Deletes the oldest results beyond what the configuration wants kept."""

    def __init__(self, store: Store, clock: Clock, retention: Retention, sized: Callable[[int], None]) -> None:
        self._store = store
        self._clock = clock
        self._sized = sized
        self.retention = retention
        self._offset = self._wall_offset()
        self._doubted_since: float | None = None

    async def run(self) -> None:
        while True:
            try:
                await self.clean()
            except StoreError as error:
                log.warning("history could not be cleaned up: %s", error)
            await self._clock.sleep(_EVERY)

    async def clean(self) -> None:
        """Delete what is too old, then the oldest of what is too much."""
        if self._clock_is_trusted():
            horizon = self._clock.now_ms() - round(self.retention.age * 1000)
            while await self._store.prune(horizon, _SLICE):
                await self._clock.sleep(_BREATH)
        while (size := await self._store.size()) > self.retention.size:
            if not await self._store.prune_oldest(_SLICE):
                break  # what is left is not results: nothing more may go
            await self._clock.sleep(_BREATH)
        self._sized(size)

    def _wall_offset(self) -> int:
        return self._clock.now_ms() - round(self._clock.monotonic() * 1000)

    def _clock_is_trusted(self) -> bool:
        """Whether the wall clock goes with the monotonic one: a clock that is a year ahead must not delete a year."""
        if abs(self._wall_offset() - self._offset) <= _JUMP:
            self._doubted_since = None
            return True
        now = self._clock.monotonic()
        if self._doubted_since is None:
            log.warning("the clock jumped: no history is deleted by its age for a day")
            self._doubted_since = now
        if now - self._doubted_since < _DOUBT:
            return False
        self._offset, self._doubted_since = self._wall_offset(), None
        return True
