"""Keeps the history within its ages and its size, in slices small enough that no write waits for long.

What is not rolled up yet is never too old. Over the size it may have to go all the same.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping

from probe.clock import Clock
from probe.config.model import Retention
from probe.engine.trust import WallTime
from probe.store.base import Store, StoreError
from thresholds.rollup import DAY, FIVE_MINUTES, HOUR

log = logging.getLogger(__name__)

_EVERY = 60.0  # s between two looks
_FOREVER = 1 << 53
_BREATH = 0.1  # s between two slices: writes go in between
_SLICE = 2_000  # results, or buckets, deleted in one transaction
_FEW = 200  # pieces of evidence: they are larger
_RUNS = 0  # the step of what is not rolled up
_EVIDENCE = -1  # and what stands for evidence among the steps
_ABOVE = {_RUNS: FIVE_MINUTES, FIVE_MINUTES: HOUR, HOUR: DAY}  # what each is rolled up to


class Janitor:
    """Deletes the oldest history beyond what the configuration wants kept."""

    def __init__(self, store: Store, clock: Clock, retention: Retention, sized: Callable[[int], None]) -> None:
        self._store = store
        self._clock = clock
        self._sized = sized
        self._wall = WallTime(clock, "no history is deleted by its age for a day")
        self.retention = retention

    async def run(self) -> None:
        while True:
            try:
                await self.clean()
            except StoreError as error:
                log.warning("history could not be cleaned up: %s", error)
            await self._clock.sleep(_EVERY)

    async def clean(self) -> None:
        """Delete what is too old, then the oldest of what is too much."""
        if self._wall.trusted():
            for step, kept in self._kept().items():
                horizon_ms = self._clock.now_ms() - round(kept * 1000)
                await self._clear(step, horizon_ms)
            horizon_ms = self._clock.now_ms() - round(self.retention.evidence * 1000)
            while await self._store.prune_evidence(horizon_ms, _FEW):
                await self._clock.sleep(_BREATH)
        while (size := await self._store.size()) > self.retention.size:
            if not await self._shorten():
                break  # what is left is neither results, nor buckets that may go, nor evidence
            await self._clock.sleep(_BREATH)
        self._sized(size)

    def _kept(self) -> Mapping[int, float]:
        """For how many seconds what each step came to is kept; those of days are for good."""
        retention = self.retention
        return {_RUNS: retention.age, FIVE_MINUTES: retention.five_minutes, HOUR: retention.hours}

    async def _clear(self, step: int, horizon_ms: int) -> None:
        """Delete what is older, except what something is still to be made of."""
        while await self._delete(step, min(horizon_ms, (await self._store.settled()).get(_ABOVE[step], 0))):
            await self._clock.sleep(_BREATH)

    async def _delete(self, step: int, before_ms: int) -> int:
        if step == _RUNS:
            return await self._store.prune(before_ms, _SLICE)
        return await self._store.prune_buckets(step, before_ms, _SLICE)

    async def _shorten(self) -> int:
        """Delete a slice of that whose age comes closest to what is wanted of it, or exceeds it by most.

        So everything is kept for the same share of its time: raw results do not go for the sake of old buckets.
        """
        oldest, settled, now_ms = await self._oldest(), await self._store.settled(), self._clock.now_ms()
        kept = {**self._kept(), _EVIDENCE: self.retention.evidence}
        for step in sorted(oldest.keys() & kept.keys(), key=lambda step: (oldest[step] - now_ms) / kept[step]):
            if step == _RUNS:
                deleted = await self._store.prune_oldest(_SLICE)
            elif step == _EVIDENCE:
                deleted = await self._store.prune_evidence(_FOREVER, _FEW, spare=False)
            else:
                deleted = await self._store.prune_buckets(step, settled.get(_ABOVE[step], 0), _SLICE)
            if deleted:
                return deleted
        return 0

    async def _oldest(self) -> Mapping[int, int]:
        """When the oldest of each kind began."""
        evidence_ms = await self._store.oldest_evidence()
        return {**await self._store.oldest(), **({} if evidence_ms is None else {_EVIDENCE: evidence_ms})}
