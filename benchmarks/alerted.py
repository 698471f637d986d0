"""Somebody who is told: a webhook receiver that remembers which checks were reported as bad."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

_OWN = "probe/"  # what the program says of itself is no word on a target


@dataclass(frozen=True, slots=True)
class Alert:
    """One incident that was told."""

    check: str
    level: str
    reason: str

    def __str__(self) -> str:
        return f"{self.check}: {self.level}, {self.reason}"


@dataclass(slots=True)
class Alerts:
    """What came so far. `url` is where to send."""

    url: str = ""
    own: list[Alert] = field(default_factory=list)  # on the program itself
    targets: list[Alert] = field(default_factory=list)  # on checks

    async def take(self, request: web.Request) -> web.Response:
        data = json.loads(await request.read())["data"]
        if data["firing"]:
            said = self.own if data["check"].startswith(_OWN) else self.targets
            said.append(Alert(data["check"], data["level"], data["reason"]))
        return web.Response(status=204)


@asynccontextmanager
async def alerted() -> AsyncIterator[Alerts]:
    """A receiver on a free port of loopback."""
    alerts = Alerts()
    app = web.Application()
    app.add_routes([web.post("/", alerts.take)])
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        alerts.url = f"http://127.0.0.1:{runner.addresses[0][1]}/"
        yield alerts
    finally:
        await runner.cleanup()
