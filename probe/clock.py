"""Time, as the shell hands it out. Tests put a clock of their own in its place."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Protocol


class Timer(Protocol):
    """A call that is due."""

    def cancel(self) -> None: ...


class Clock(Protocol):
    """Wall clock for stamps, monotonic clock for lengths and schedules."""

    def now_ms(self) -> int: ...
    def monotonic(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...
    def call_at(self, instant: float, callback: Callable[[], None]) -> Timer:
        """Call back at an instant of the monotonic clock, or as soon as that is past."""


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    monotonic = staticmethod(time.monotonic)  # called dozens of times a run: no wrapper

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def call_at(self, instant: float, callback: Callable[[], None]) -> Timer:
        return asyncio.get_running_loop().call_at(instant, callback)  # whose time is the monotonic clock's
