"""What tests share: a clock that stands still until it is told to move."""

import asyncio
import heapq
import itertools
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, settings

# How long a busy machine takes says nothing about the code.
settings.register_profile("patient", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("patient")


class FakeTimer:
    """probe.clock.Timer of a FakeClock."""

    def __init__(self, callback: Callable[[], object]) -> None:
        self.callback = callback
        self.cancelled = False

    def cancel(self) -> None:
        self.cancelled = True


class FakeClock:
    """probe.clock.Clock whose time passes only in `advance()`."""

    def __init__(self, at_ms: int = 1_700_000_000_000) -> None:
        self._wall_offset_ms = at_ms
        self._now = 0.0
        self._timers: list[tuple[float, int, FakeTimer]] = []
        self._order = itertools.count()

    def now_ms(self) -> int:
        return self._wall_offset_ms + round(self._now * 1000)

    def monotonic(self) -> float:
        return self._now

    async def sleep(self, seconds: float) -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def wake() -> None:
            if not future.done():
                future.set_result(None)

        self.call_at(self._now + max(0.0, seconds), wake)
        await future

    def call_at(self, instant: float, callback: Callable[[], object]) -> "FakeTimer":
        timer = FakeTimer(callback)
        heapq.heappush(self._timers, (instant, next(self._order), timer))
        return timer

    def step_wall(self, ms: int) -> None:
        """Somebody sets the wall clock; the monotonic one does not care."""
        self._wall_offset_ms += ms

    async def advance(self, seconds: float) -> None:
        """Let time pass: sleepers wake one after the other, each at its own instant."""
        until = self._now + seconds
        await settled()
        while self._timers and self._timers[0][0] <= until:
            at, _, timer = heapq.heappop(self._timers)
            if not timer.cancelled:
                self._now = max(self._now, at)
                asyncio.get_running_loop().call_soon(timer.callback)  # in a turn of the loop, as real timers
                await settled()
        self._now = until


async def settled() -> None:
    """Let everything that can run without time passing run."""
    for _ in range(25):
        await asyncio.sleep(0)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()
