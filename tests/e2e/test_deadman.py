"""Somebody outside notices when the service is stopped, is killed, or is no longer well. Real processes."""

import asyncio
import resource
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp import web

from tests.e2e.processes import PROBE, Process, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = """
instance: e2e
listen: 127.0.0.1:{port}
store: sqlite:probe.db
defaults: {{every: 1s, timeout: 800ms, confirm: {{retries: 0}}}}
checks:
  site: {{http: {{url: "http://127.0.0.1:{there}/page"}}}}
watch:
  ping:
    - {{url: "http://127.0.0.1:{there}/ping/abcdef-secret", every: 1s, timeout: 1s,
       fail_url: "http://127.0.0.1:{there}/ping/abcdef-secret/fail"}}
"""


class Outside:
    """What is probed, and who hears pings."""

    def __init__(self) -> None:
        self.pings = 0
        self.fails: list[str] = []
        self.port = 0

    async def page(self, _: web.Request) -> web.Response:
        return web.Response(text="hello")

    async def ping(self, _: web.Request) -> web.Response:
        self.pings += 1
        return web.Response(text="OK")

    async def fail(self, request: web.Request) -> web.Response:
        self.fails.append(await request.text())
        return web.Response(text="OK")

    async def more(self) -> bool:
        """Whether another ping comes."""
        before = self.pings
        async with asyncio.timeout(30):
            while self.pings == before:
                await asyncio.sleep(0.05)
        return True


@asynccontextmanager
async def outside() -> AsyncIterator[Outside]:
    found = Outside()
    app = web.Application()
    app.router.add_get("/page", found.page)
    app.router.add_get("/ping/abcdef-secret", found.ping)
    app.router.add_post("/ping/abcdef-secret/fail", found.fail)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.port = int(runner.addresses[0][1])
    try:
        yield found
    finally:
        await runner.cleanup()


@asynccontextmanager
async def service(folder: Path, there: Outside) -> AsyncIterator[Process]:
    config = folder / "probe.yml"
    config.write_text(CONFIG.format(port=free_port(), there=there.port))
    process = Process([str(PROBE), "run", str(config), "--plain"], folder / "probe.log")
    await process.start()
    try:
        yield process
    finally:
        if process.running:
            process.send(signal.SIGCONT)
            await process.kill()


async def silence(there: Outside, seconds: float) -> bool:
    """Whether no ping comes for so long. One that was on its way may still arrive."""
    await asyncio.sleep(1.0)
    before = there.pings
    await asyncio.sleep(seconds)
    return there.pings == before


async def test_pings_stop_while_the_service_is_stopped_and_when_it_is_killed(tmp_path: Path):
    async with outside() as there, service(tmp_path, there) as process:
        assert await there.more(), process.output()
        process.send(signal.SIGSTOP)
        assert await silence(there, 2.0)
        process.send(signal.SIGCONT)
        assert await there.more()
        await process.kill()
        assert await silence(there, 2.0)
        assert "abcdef-secret" not in process.output()


async def test_when_the_store_fails_the_reason_is_told_and_pings_stop_until_it_works(tmp_path: Path):
    async with outside() as there, service(tmp_path, there) as process:
        assert await there.more(), process.output()
        limit = 1 << 14  # bytes that any file of the process may have: as a full disk
        before = resource.prlimit(process.pid, resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

        async def failed() -> object:
            return there.fails

        await until(failed, "the failure is told")
        assert there.fails[0].startswith("results cannot be stored: ")
        assert await silence(there, 2.0)
        resource.prlimit(process.pid, resource.RLIMIT_FSIZE, before)
        assert await there.more()
        assert "abcdef-secret" not in process.output()
