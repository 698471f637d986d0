"""Who may probe now: a bound on all runs together, and politeness towards each host."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

from asyncio_throttle.throttler import Throttler


class _Host:
    """The limits towards one host. Its throttler polls, so one waiter at a time stands at it."""

    def __init__(self, rate: float | None, concurrent: int | None) -> None:
        self._seats = asyncio.Semaphore(concurrent) if concurrent else None
        # One start per 1/rate seconds: a throttler of rate/s would let a second's worth go in one burst.
        self._pace = Throttler(rate_limit=1, period=1 / rate, retry_interval=min(0.01, 0.1 / rate)) if rate else None
        self._turn = asyncio.Lock()

    async def enter(self, stack: AsyncExitStack) -> None:
        if self._seats is not None:
            await stack.enter_async_context(self._seats)
        if self._pace is not None:
            async with self._turn, self._pace:
                pass


class Seats:
    """At most `total` runs at once, and per host what the configuration says."""

    def __init__(self, total: int, *, rate: float | None = None, concurrent: int | None = None) -> None:
        self._all = asyncio.Semaphore(total)
        self.limit(rate, concurrent)
        self.taken = 0

    def limit(self, rate: float | None, concurrent: int | None) -> None:
        """New limits per host. Who waits for a turn gets it by the old ones."""
        self._rate = rate
        self._concurrent = concurrent
        self._hosts: dict[str, _Host] = {}

    @asynccontextmanager
    async def take(self, host: str) -> AsyncIterator[None]:
        """A seat, held for the length of the block. The host's turn comes first: its queue must not hold seats."""
        async with AsyncExitStack() as stack:
            if self._rate or self._concurrent:
                known = self._hosts.get(host) or self._hosts.setdefault(host, _Host(self._rate, self._concurrent))
                await known.enter(stack)
            await stack.enter_async_context(self._all)
            self.taken += 1
            try:
                yield
            finally:
                self.taken -= 1
