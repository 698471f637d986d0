"""Between the hub, the store and the couriers: first a row, then a message.

While the store fails, people are told all the same, from memory; what they were told is written down when it works
again. Nothing here makes a probe wait.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence

from probe.clock import Clock
from probe.engine.pump import Pump
from probe.engine.waiting import sleep_or
from probe.store.base import Delivery, Entry, Store, StoreError

log = logging.getLogger(__name__)

_PATIENCE = 15.0  # s: a write that takes longer hangs

Item = Entry | Delivery


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
        self.observe: Callable[[float], None] = lambda _seconds: None  # how long writing a batch took
        self.pump: Pump[Item] = Pump(self._write, clock, errors=(StoreError,), size=size, urgent=_news, keep=_precious)
        self.pump.on_success = self._written
        self.pump.on_failure = self._failed

    def record(self, entry: Entry) -> None:
        self.pump.offer(entry)
        if self._failing:
            self._tell_early((entry,))

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
        if entries := [item for item in batch if isinstance(item, Entry)]:
            await self._store.append(entries)
        if settled := [item for item in batch if isinstance(item, Delivery)]:
            await self._store.settle(settled)

    def _written(self, batch: Sequence[Item]) -> None:
        for item in batch:
            if isinstance(item, Entry) and item.notice:
                self._hand_on(item, early=False)
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
            if isinstance(item, Entry) and item.notice:
                self._hand_on(item, early=True)

    def _hand_on(self, entry: Entry, *, early: bool) -> None:
        assert entry.notice is not None
        if entry.notice.id in self._told_early:
            if not early:
                self._told_early.discard(entry.notice.id)
            return
        if early:
            self._told_early.add(entry.notice.id)
        for receiver in entry.receivers:
            self._deliver(Delivery(entry.notice, receiver))


def _news(item: Item) -> bool:
    """Somebody waits for it: who is told once it is stored, or who would be told again after a crash."""
    return isinstance(item, Delivery) or item.notice is not None


def _precious(item: Item) -> bool:
    """Results may be dropped at the bound; transitions and what became of them never before all results."""
    return isinstance(item, Delivery) or item.verdict.transition is not None
