"""The engine by itself, in this process: no store, no judging, no other process; each result is handed over."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from unittest.mock import patch

from checks.core.base import CheckSpec
from checks.core.result import Result
from checks.http import Http
from probe.clock import SystemClock
from probe.engine import engine
from probe.engine.local import Local
from probe.engine.orders import Rules

_SEATS = 20_000
_EVERY, _TIMEOUT = 1.0, 10.0  # s


@asynccontextmanager
async def at_work(
    url: str, rate: int, emit: Callable[[Result], None], *, slice_: float | None = None
) -> AsyncIterator[None]:
    """An engine with so many plain-HTTP runs/s, for the length of the block. Raises what ends it before.

    `slice_` s: how often it looks at its sockets, 0.0 for every event; as it does by itself unless given.
    """
    local = Local(SystemClock(), emit, _SEATS)
    running = asyncio.create_task(local.run())
    try:
        await asyncio.sleep(0)  # it begins
        with nullcontext() if slice_ is None else patch.object(engine, "slice_for", lambda _rate: slice_):
            local.plan(_specs(url, rate), Rules())  # decides on the slices
        yield
        if running.done():
            await running
    finally:
        await local.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


def _specs(url: str, rate: int) -> list[CheckSpec]:
    """Check N asks for the path /N."""
    return [
        CheckSpec(f"check-{n}", Http(url=f"{url}/{n}", expect={"status": 200}), _EVERY, _TIMEOUT) for n in range(rate)
    ]


def spelled(slice_: float) -> str:
    """When an engine looks at its sockets, for people."""
    return f"every {slice_ * 1000:g} ms" if slice_ else "at every event"
