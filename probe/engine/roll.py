"""Rolls results up: five minutes of runs to a bucket, buckets to hours, hours to days. In slices, and never twice.

A bucket is made whole from what it is made of, kept, and only then passed: a crash anywhere costs the work of one
bucket. What is stored late (the disk was full, the clock was set back) has marked its bucket, which is made again.
docs/decisions/0011-rollups.md says why this holds.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from probe.clock import Clock
from probe.config.model import Planned
from probe.engine.trust import WallTime
from probe.store.base import Bucket, Store, StoreError
from thresholds.rollup import FIVE_MINUTES, STEPS, begin

log = logging.getLogger(__name__)

_FIRST = 10.0  # s after the start: probes come first
_EVERY = 60.0  # s between two looks
_SPARE = 30.0  # s that a run may take from its end to the store
_GRACE = 600.0  # s that are waited for runs at most; what comes later is late
_IDLE = 4.0  # times as long as it works, it rests: a fifth of a core while it catches up
_LONGEST_REST = 1.0  # s
_TOGETHER = 512  # checks whose buckets are written in one transaction
_NONE: Mapping[int, int] = {}

_COARSER = dict(pairwise(STEPS))
_FINER = {coarser: finer for finer, coarser in _COARSER.items()}


def grace_for(checks: Iterable[Planned]) -> float:
    """How long to wait, in seconds, for the runs that began in a bucket. Each attempt is a run of its own."""
    slowest = max((planned.spec.timeout for planned in checks if not planned.passive), default=0.0)
    return min(slowest + _SPARE, _GRACE)


class Roller:
    """Makes the buckets that are over, and those again that something came late for."""

    def __init__(self, store: Store, clock: Clock, grace: float = _SPARE) -> None:
        self._store = store
        self._clock = clock
        self._wall = WallTime(clock)
        self._worked_since = 0.0
        self._made: dict[int, int] = {}  # by step, up to when its buckets are made, in Unix ms
        self.grace = grace  # s

    @property
    def behind(self) -> float:
        """For how many seconds the oldest bucket that could be made has waited; up to a minute where all is well."""
        over_ms = self._clock.now_ms() - round(self.grace * 1000)
        waited = [over_ms - at_ms - step * 1000 for step, at_ms in self._made.items()]
        return max(0, *waited) / 1000 if waited else 0.0

    async def run(self) -> None:
        await self._clock.sleep(_FIRST)
        while True:
            try:
                await self.roll()
            except StoreError as error:
                log.warning("history could not be rolled up: %s", error)
            await self._clock.sleep(_EVERY)

    async def roll(self) -> None:
        """Make all that can be made by now."""
        self._worked_since = self._clock.monotonic()
        over_ms = self._wall.past_ms() - round(self.grace * 1000)
        for step in STEPS:
            await self._roll_on(step, over_ms)
        await self._roll_late(over_ms)

    async def _roll_on(self, step: int, over_ms: int) -> None:
        """Make the buckets of a step that were never made, and that what they are made of is complete for."""
        store, rolled = self._store, await self._store.rolled()
        at_ms, until_ms = rolled.get(step, 0), begin(rolled.get(_FINER.get(step, 0), over_ms), step)
        self._made.setdefault(step, max(at_ms, until_ms))
        if at_ms >= until_ms:
            return
        if step == FIVE_MINUTES:
            # Before anything is read: from now on nothing comes to these buckets without leaving a mark.
            await store.seal(until_ms)
        checks = await store.numbers()
        first_ms = await self._next(step, at_ms, until_ms)
        self._made[step] = until_ms if first_ms is None else first_ms
        while (start_ms := await self._next(step, at_ms, until_ms)) is not None:
            at_ms = start_ms + step * 1000
            await self._make(step, start_ms, checks, until_ms=at_ms)
            self._made[step] = at_ms
        await store.roll_until(step, until_ms)
        self._made[step] = until_ms

    async def _next(self, step: int, at_ms: int, until_ms: int) -> int | None:
        """The next bucket that there is something for."""
        finer = _FINER.get(step)
        found_ms = await (self._store.next_bucket(finer, at_ms) if finer else self._store.next_run(at_ms))
        return None if found_ms is None or found_ms >= until_ms else begin(found_ms, step)

    async def _roll_late(self, over_ms: int) -> None:
        """Fine buckets first: each makes its coarser one late, where that is made already."""
        for step in STEPS:
            for late, at_ms in await self._store.late():
                if late == step and at_ms + step * 1000 <= over_ms:
                    marks = await self._store.late_checks(step, at_ms)
                    await self._make(step, at_ms, list(marks), late=marks)

    async def _make(
        self, step: int, at_ms: int, checks: Sequence[int], *, late: Mapping[int, int] = _NONE, until_ms: int = 0
    ) -> None:
        """One bucket of several checks, made of what there is of it by now."""
        coarser = _COARSER.get(step, 0)
        if at_ms >= (await self._store.rolled()).get(coarser, 0):
            coarser = 0  # it is not made yet
        for start in range(0, len(checks), _TOGETHER):
            some = checks[start : start + _TOGETHER]
            ready: dict[int, Bucket] = {}
            async for made in self._store.sums(step, at_ms, some):
                ready.update(made)
                await self._rest()
            marks = {check: late[check] for check in some if check in late}
            last = start + _TOGETHER >= len(checks)
            await self._store.keep(step, at_ms, ready, late=marks, coarser=coarser, until_ms=until_ms if last else 0)

    async def _rest(self) -> None:
        worked = self._clock.monotonic() - self._worked_since
        await self._clock.sleep(min(_IDLE * worked, _LONGEST_REST))
        self._worked_since = self._clock.monotonic()
