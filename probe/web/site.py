"""What every handler works with, and how a handler gives way to the probes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass

from aiohttp import web

from probe.clock import Clock
from probe.store.base import Store
from probe.web.agenda import Agenda
from probe.web.base import Board, Control

_TURN = 0.002  # s of work in one go: a page of thousands of checks must not show up as a site's latency


@dataclass(frozen=True, slots=True)
class Site:
    """The service as the endpoints see it. `token` and `redact` are asked each time: a reload counts at once."""

    board: Board
    control: Control
    store: Store
    instance: str
    token: Callable[[], str]  # "" when none is set
    redact: Callable[[str], str]
    clock: Clock
    agenda: Agenda


SITE = web.AppKey("site", Site)


class Turn:
    """Hands the loop back to the probes after every 2 ms of work."""

    __slots__ = ("_began",)

    def __init__(self) -> None:
        self._began = time.perf_counter()

    async def yielded(self) -> None:
        if time.perf_counter() - self._began > _TURN:
            await asyncio.sleep(0)
            self._began = time.perf_counter()
