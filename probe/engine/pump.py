"""A bounded queue in front of a writer: offering never waits, writing is in batches, failure is retried.

What does not fit is dropped, oldest first, and counted; what must be kept is dropped last.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Generic, TypeVar

from probe.clock import Clock
from probe.engine.waiting import sleep_or

T = TypeVar("T")

_BACKOFF = (0.5, 1.0, 2.0, 5.0, 10.0)  # s; then the last for ever
_SOON = 0.05  # s that news wait for more of it: an outage of many is one batch


class Pump(Generic[T]):
    """Gives `write` batches of what was offered. `errors` are failures that may pass; others are bugs and raised.

    Items linger for company, because a batch costs as much as hundreds of items; an `urgent` one hurries them all.
    """

    def __init__(
        self,
        write: Callable[[Sequence[T]], Awaitable[None]],
        clock: Clock,
        *,
        errors: tuple[type[Exception], ...],
        size: int = 100_000,
        batch: int = 2_000,
        linger: float = 1.0,
        urgent: Callable[[T], bool] = lambda _item: False,
        keep: Callable[[T], bool] = lambda _item: False,
    ) -> None:
        self._write = write
        self._clock = clock
        self._errors = errors
        self._size = size
        self._batch = batch
        self._linger = linger
        self._urgent = urgent
        self._keep = keep
        self._kept: deque[T] = deque()  # what overflowed and must not be lost: written first
        self._items: deque[T] = deque()
        self._waiting = asyncio.Event()
        self._empty = asyncio.Event()
        self._empty.set()
        self._hurry = asyncio.Event()  # set when there is no time to linger
        self._ending = asyncio.Event()  # set when there is none to pause either
        self.dropped = 0
        self.failures = 0  # in a row
        self.on_failure: Callable[[Exception], None] = lambda _error: None
        self.on_success: Callable[[Sequence[T]], None] = lambda _batch: None

    def __len__(self) -> int:
        return len(self._items) + len(self._kept)

    def __iter__(self) -> Iterator[T]:
        """What waits, oldest first."""
        yield from self._kept
        yield from self._items

    def offer(self, item: T) -> None:
        """Queue an item. Never waits; at the bound the oldest one goes."""
        if len(self._items) >= self._size:
            self._overflow(self._items.popleft())
        self._items.append(item)
        if len(self._items) == 1:
            self._empty.clear()
            self._waiting.set()
        if self._urgent(item) or len(self._items) == self._batch:
            self._hurry.set()

    def _overflow(self, item: T) -> None:
        if self._keep(item) and len(self._kept) < self._size:
            self._kept.append(item)
        else:
            self.dropped += 1

    async def run(self) -> None:
        waited = False  # what is in the queue has lingered already, behind the batch before
        while True:
            if not len(self):
                self._waiting.clear()
                self._empty.set()
                await self._waiting.wait()
                waited = False
            if len(self) < self._batch and not waited:
                await self._gather()
            waited = await self._write_batch()

    async def _gather(self) -> None:
        """Wait for company: a while, a moment when there is news, not at all at the end."""
        await sleep_or(self._clock, self._linger, self._hurry)
        if self._hurry.is_set() and len(self) < self._batch:
            await sleep_or(self._clock, _SOON, self._ending)
        if not self._ending.is_set():
            self._hurry.clear()

    async def drain(self) -> None:
        """Write what is queued without lingering; returns when it is written. The caller sets the deadline."""
        self._ending.set()
        self._hurry.set()
        await self._empty.wait()

    async def _write_batch(self) -> bool:
        """Write what waits, up to a batch; whether there is more that has waited as long."""
        kept = [self._kept.popleft() for _ in range(min(len(self._kept), self._batch))]
        fresh = [self._items.popleft() for _ in range(min(len(self._items), self._batch - len(kept)))]
        batch, more = kept + fresh, len(self) > 0
        try:
            await self._write(batch)
        except self._errors as error:
            self.failures += 1
            self._put_back(kept, fresh)
            self.on_failure(error)
            await self._pause()
            return True
        self.failures = 0
        self.on_success(batch)
        return more

    def _put_back(self, kept: Sequence[T], fresh: Sequence[T]) -> None:
        """What could not be written is the oldest again, and the first to go where newer items filled its place."""
        excess = max(0, len(fresh) - (self._size - len(self._items)))
        saved = [item for item in fresh[:excess] if self._keep(item)]
        self.dropped += excess - len(saved)
        self._kept.extendleft(reversed((*kept, *saved)))
        self._items.extendleft(reversed(fresh[excess:]))

    async def _pause(self) -> None:
        pause = _BACKOFF[min(self.failures, len(_BACKOFF)) - 1]
        pause *= random.uniform(0.8, 1.2)  # noqa: S311  # spreads retries, guards nothing
        # At the end there is time for one more attempt, not for a pause; but never for a loop without any.
        ending = self._ending.is_set()
        await (self._clock.sleep(min(pause, 0.5)) if ending else sleep_or(self._clock, pause, self._ending))
