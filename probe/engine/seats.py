"""Who may probe now: a bound on all runs together, and politeness towards each host."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack
from types import TracebackType

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
        self.everybody = asyncio.Semaphore(total)
        self.limit(rate, concurrent)
        self.taken = 0

    def limit(self, rate: float | None, concurrent: int | None) -> None:
        """New limits per host. Who waits for a turn gets it by the old ones."""
        self._rate = rate
        self._concurrent = concurrent
        self._hosts: dict[str, _Host] = {}

    def take(self, host: str) -> Seat:
        """A seat for the length of an `async with`. The turn at the host comes first: its queue must not hold seats."""
        if not self._rate and not self._concurrent:
            return Seat(self, None)
        return Seat(self, self._hosts.get(host) or self._hosts.setdefault(host, _Host(self._rate, self._concurrent)))


class Seat:
    """One run's place. A class, not a generator: every run passes here."""

    __slots__ = ("_host", "_seats", "_stack")

    def __init__(self, seats: Seats, host: _Host | None) -> None:
        self._seats = seats
        self._host = host
        self._stack: AsyncExitStack | None = None

    async def __aenter__(self) -> None:
        if self._host is not None:
            async with AsyncExitStack() as stack:
                await self._host.enter(stack)
                await self._seats.everybody.acquire()
                self._stack = stack.pop_all()
        else:
            await self._seats.everybody.acquire()
        self._seats.taken += 1

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._seats.taken -= 1
        self._seats.everybody.release()
        if self._stack is not None:
            await self._stack.aclose()
