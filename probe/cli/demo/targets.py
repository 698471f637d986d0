"""Sites that behave and misbehave on loopback, in a process of their own. It ends when its standard input closes.

Prints one line of JSON when all listen: the addresses by name, and the path of the certificate authority.
"""

from __future__ import annotations

import asyncio
import json
import random
import ssl
import sys
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

from aiohttp import web

from probe.cli.demo.certificate import issue

_BROKEN = (300.0, 45.0, 60.0)  # of every 300 s, from the 45th on: 60 s
_CLOSED = (240.0, 90.0, 45.0)
_EXPIRES_IN = 10  # days
_FLAKY = 0.2  # share of requests that fail


def within(now: float, cycle: tuple[float, float, float]) -> bool:
    """Whether an instant lies in the bad part of a cycle `(every, from, for)`, in seconds."""
    every, begins, lasts = cycle
    return begins <= now % every < begins + lasts


def until_change(now: float, cycle: tuple[float, float, float]) -> float:
    """Seconds until the bad part begins or ends."""
    every, begins, lasts = cycle
    return min((edge - now) % every or every for edge in (begins, begins + lasts))


class Targets:
    """All demonstration targets; `age` is seconds since the start."""

    def __init__(self, age: Callable[[], float]) -> None:
        self._age = age
        self._notices = 0

    async def healthy(self, _request: web.Request) -> web.Response:
        return web.Response(text="<h1>Welcome</h1><p>Add to basket</p>", content_type="text/html")

    async def slow(self, _request: web.Request) -> web.Response:
        await asyncio.sleep(random.uniform(0.4, 1.4))  # noqa: S311  # a demonstration of slowness
        return web.json_response({"status": "ok"})

    async def flaky(self, request: web.Request) -> web.Response:
        if random.random() < _FLAKY:  # noqa: S311
            if request.transport:
                request.transport.abort()
            raise web.HTTPServiceUnavailable
        return web.json_response({"status": "ok"})

    async def broken(self, _request: web.Request) -> web.Response:
        if within(self._age(), _BROKEN):
            raise web.HTTPInternalServerError(text="database is not reachable")
        return web.json_response({"status": "ok"})

    async def hook(self, request: web.Request) -> web.Response:
        """Takes the alerts of the demonstration."""
        await request.read()
        self._notices += 1
        return web.Response(text=str(self._notices))

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/healthy", self.healthy)
        app.router.add_get("/slow", self.slow)
        app.router.add_get("/flaky", self.flaky)
        app.router.add_get("/broken", self.broken)
        app.router.add_post("/hook", self.hook)
        return app


async def keep_port(port: int, age: Callable[[], float]) -> None:
    """A TCP service that greets, and whose port closes now and then."""

    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"+READY\r\n")
        await writer.drain()
        writer.close()

    while True:
        async with await asyncio.start_server(greet, "127.0.0.1", port):
            await asyncio.sleep(until_change(age(), _CLOSED))
        await asyncio.sleep(until_change(age(), _CLOSED))


async def _listen(stack: AsyncExitStack, app: web.Application, context: ssl.SSLContext | None = None) -> int:
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    stack.push_async_callback(runner.cleanup)
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context)
    await site.start()
    return int(runner.addresses[0][1])


async def _free_port() -> int:
    server = await asyncio.start_server(lambda _reader, _writer: None, "127.0.0.1", 0)
    port = int(server.sockets[0].getsockname()[1])
    server.close()
    await server.wait_closed()
    return port


async def serve(folder: Path) -> None:
    """Listen until standard input closes."""
    loop = asyncio.get_running_loop()
    started = loop.time()

    def age() -> float:
        return loop.time() - started

    async with AsyncExitStack() as stack:
        targets = Targets(age)
        authority, context = issue(folder, "shop.example", days=_EXPIRES_IN)
        site = await _listen(stack, targets.app())
        tls = await _listen(stack, targets.app(), context)
        port = await _free_port()
        cache = asyncio.create_task(keep_port(port, age))
        stack.callback(cache.cancel)
        print(json.dumps({"site": site, "tls": tls, "cache": port, "ca": str(authority)}), flush=True)  # noqa: T201
        await loop.run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(serve(Path(sys.argv[1])))
