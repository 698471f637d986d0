"""Who may probe now: a bound on all runs together, and politeness towards each host."""

from __future__ import annotations

import asyncio
from collections import deque
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
        self.total = total
        self.taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        self.limit(rate, concurrent)

    def limit(self, rate: float | None, concurrent: int | None) -> None:
        """New limits per host. Who waits for a turn gets it by the old ones."""
        self._rate = rate
        self._concurrent = concurrent
        self._hosts: dict[str, _Host] = {}

    def try_take(self) -> bool:
        """Take a seat where nobody has to wait for anything; to be given back by leave(). Nearly every run is here."""
        if self._rate or self._concurrent or self.taken >= self.total or self._waiting:
            return False
        self.taken += 1
        return True

    def leave(self) -> None:
        """Give a seat back: to the one who waits longest, if anybody does."""
        while self._waiting:
            waiter = self._waiting.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return
        self.taken -= 1

    def take(self, host: str) -> Seat:
        """A seat for the length of an `async with`. The turn at the host comes first: its queue must not hold seats."""
        if not self._rate and not self._concurrent:
            return Seat(self, None)
        return Seat(self, self._hosts.get(host) or self._hosts.setdefault(host, _Host(self._rate, self._concurrent)))

    async def wait(self) -> None:
        """Take a seat as soon as there is one, in the order of coming."""
        if self.taken < self.total and not self._waiting:
            self.taken += 1
            return
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append(waiter)
        try:
            await waiter
        except asyncio.CancelledError:
            if waiter.done() and not waiter.cancelled():
                self.leave()  # it came, and nobody is there to sit on it
            raise


class Seat:
    """One run's place."""

    __slots__ = ("_host", "_seats", "_stack")

    def __init__(self, seats: Seats, host: _Host | None) -> None:
        self._seats = seats
        self._host = host
        self._stack: AsyncExitStack | None = None

    async def __aenter__(self) -> None:
        if self._host is None:
            await self._seats.wait()
            return
        async with AsyncExitStack() as stack:
            await self._host.enter(stack)
            await self._seats.wait()
            self._stack = stack.pop_all()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._seats.leave()
        if self._stack is not None:
            await self._stack.aclose()
