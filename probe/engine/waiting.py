"""Waiting for whatever comes first."""

from __future__ import annotations

import asyncio

from probe.clock import Clock


async def sleep_or(clock: Clock, seconds: float, event: asyncio.Event) -> None:
    """Sleep, but no longer than until the event is set. Being cancelled is passed on, whenever it happens."""
    waits = {asyncio.ensure_future(clock.sleep(max(0.0, seconds))), asyncio.ensure_future(event.wait())}
    try:
        await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for wait in waits:
            wait.cancel()
