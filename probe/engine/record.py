"""Between the hub, the store and the couriers: first a row, then a message.

While the store fails, people are told all the same, from memory; what they were told is written down when it works
again. Nothing here makes a probe wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace

from exporters.base import Notice
from probe.clock import Clock
from probe.engine.pump import Pump
from probe.engine.waiting import sleep_or
from probe.store.base import Act, Entry, Store, StoreError
from probe.store.deliveries import Delivery

log = logging.getLogger(__name__)

_BEHIND = 5_000  # entries that wait: then evidence, of which each may be 16 KiB, is not for the memory
_PATIENCE = 15.0  # s: a write that takes longer hangs

Item = Entry | Act | Delivery


class Recorder:
    """Writes entries and what became of deliveries, in the order in which they happened.

    `deliver` gets each delivery once its transition is stored, or once it cannot be. `trouble` hears why the store
    fails, and "" when it works again.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        deliver: Callable[[Delivery], None],
        trouble: Callable[[str], None],
        *,
        size: int = 100_000,
    ) -> None:
        self._store = store
        self._clock = clock
        self._deliver = deliver
        self._trouble = trouble
        self._told_early: set[str] = set()  # ids of notices that were handed on although they are not stored yet
        self._failing = False
        self._awaited: dict[int, asyncio.Event] = {}  # decisions that somebody waits for, by identity
        self.observe: Callable[[float], None] = lambda _seconds: None  # how long writing a batch took
        self.pump: Pump[Item] = Pump(self._write, clock, errors=(StoreError,), size=size, urgent=_news, keep=_precious)
        self.pump.on_success = self._written
        self.pump.on_failure = self._failed

    def record(self, entry: Entry | Act) -> None:
        if isinstance(entry, Entry) and entry.evidence is not None and len(self.pump) > _BEHIND:
            entry = replace(entry, evidence=None)
        self.pump.offer(entry)
        if self._failing:
            self._tell_early((entry,))

    async def written(self, act: Act) -> None:
        """Record what somebody asked for, and wait until it is on disk. The caller sets the deadline."""
        done = self._awaited[id(act)] = asyncio.Event()
        try:
            self.record(act)
            await done.wait()
        finally:
            del self._awaited[id(act)]

    def settle(self, delivery: Delivery) -> None:
        self.pump.offer(delivery)

    async def _write(self, batch: Sequence[Item]) -> None:
        """Raises StoreError. A disk that does not answer at all is trouble too, long before it does."""
        began = self._clock.monotonic()
        writing = asyncio.ensure_future(self._append_and_settle(batch))
        answered = asyncio.Event()
        writing.add_done_callback(lambda _task: answered.set())
        try:
            await sleep_or(self._clock, _PATIENCE, answered)
            if not writing.done():
                self._fail(f"no answer for {_PATIENCE:g} s", batch)
            await writing
        finally:
            writing.cancel()
        self.observe(self._clock.monotonic() - began)

    async def _append_and_settle(self, batch: Sequence[Item]) -> None:
        if entries := [item for item in batch if not isinstance(item, Delivery)]:
            await self._store.append(entries)
        if settled := [item for item in batch if isinstance(item, Delivery)]:
            await self._store.settle(settled)

    def _written(self, batch: Sequence[Item]) -> None:
        for item in batch:
            for notice, receivers in _told(item):
                self._hand_on(notice, receivers, early=False)
            if id(item) in self._awaited:
                self._awaited[id(item)].set()
        if self._failing:
            self._failing = False
            log.info("the store works again")
            self._trouble("")

    def _failed(self, error: Exception) -> None:
        self._fail(str(error), ())  # the batch waits in the pump again

    def _fail(self, reason: str, under_way: Sequence[Item]) -> None:
        """Tell people from memory: everything that waits now, and from now on whatever comes."""
        if not self._failing:
            log.error("the store fails: %s; results are kept in memory", reason)
            self._failing = True
            self._tell_early((*under_way, *self.pump))
        self._trouble(reason)

    def _tell_early(self, items: Iterable[Item]) -> None:
        for item in items:
            for notice, receivers in _told(item):
                self._hand_on(notice, receivers, early=True)

    def _hand_on(self, notice: Notice, receivers: Sequence[str], *, early: bool) -> None:
        if notice.id in self._told_early:
            if not early:
                self._told_early.discard(notice.id)
            return
        if early:
            self._told_early.add(notice.id)
        for receiver in receivers:
            self._deliver(Delivery(notice, receiver))


def _told(item: Item) -> Sequence[tuple[Notice, tuple[str, ...]]]:
    """The notices that an item brings, with their receivers."""
    act = item.act if isinstance(item, Entry) else item if isinstance(item, Act) else None
    return act.notices if act is not None else ()


def _news(item: Item) -> bool:
    """Somebody waits for it: who is told once it is stored, or who would be told again after a crash."""
    return not isinstance(item, Entry) or item.act is not None


def _precious(item: Item) -> bool:
    """Results may be dropped at the bound; transitions and what became of them never before all results."""
    return not isinstance(item, Entry) or item.verdict.transition is not None
