"""Delivery by a whole process that is killed: a dead channel stays disabled, and a thread goes on where it was."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.processes import PROBE, Process, free_port, nothing_owed, until
from tests.exporters.chat_servers import SlackServer, slack_server

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = """
instance: e2e
listen: 127.0.0.1:{port}
defaults: {{every: 500ms, timeout: 400ms, confirm: {{retries: 0}}, down_after: 1, up_after: 1, flap: off}}
checks:
  site: {{http: {{url: "http://127.0.0.1:{site}/page"}}}}
alerts:
  reopen_within: 0s
  receivers:
    chat: {{slack: {{token: xoxb-1-2-s3cret, channel: C0OPS, url: "{slack}"}}, rate: off}}
    hook: {{webhook: {{url: "http://127.0.0.1:{site}/hook"}}, fallback: mail}}
    mail: {{webhook: {{url: "http://127.0.0.1:{site}/mail"}}}}
  routes: [{{to: [chat, hook]}}]
"""


@dataclass
class Site:
    """A page that can be broken, a hook that can be deleted, and one that takes everything."""

    page: int = 200
    hook: int = 200
    hooked: list[Any] = field(default_factory=list)
    mailed: list[Any] = field(default_factory=list)

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        async def show(_request: web.Request) -> web.Response:
            return web.Response(status=self.page)

        async def hook(request: web.Request) -> web.Response:
            self.hooked.append(await request.json())
            return web.Response(status=self.hook)

        async def mail(request: web.Request) -> web.Response:
            self.mailed.append(await request.json())
            return web.Response()

        app = web.Application()
        app.add_routes([web.get("/page", show), web.post("/hook", hook), web.post("/mail", mail)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        try:
            yield int(runner.addresses[0][1])
        finally:
            await runner.cleanup()


@dataclass
class Stage:
    """A service at work, and what is around it."""

    site: Site
    slack: SlackServer
    process: Process
    port: int
    session: aiohttp.ClientSession

    async def start(self) -> None:
        await self.process.start()
        await until(self.ready, "the service is ready")

    async def ready(self) -> bool:
        assert self.process.running, self.process.output()
        async with self.session.get(f"http://127.0.0.1:{self.port}/-/ready") as answer:
            return answer.status == 200

    async def receivers(self) -> dict[str, Any]:
        async with self.session.get(f"http://127.0.0.1:{self.port}/api/v1/receivers") as answer:
            return {one["name"]: one for one in (await answer.json())["receivers"]}

    async def disabled(self) -> bool:
        return bool((await self.receivers())["hook"]["disabled"])

    def mails(self, kind: str) -> list[Any]:
        return [
            one["data"]
            for one in self.site.mailed
            if one["type"] == f"incident.{kind}" and one["data"]["check"] == "site"
        ]

    async def mailed(self, kind: str, count: int = 1) -> None:
        async def there() -> bool:
            return len(self.mails(kind)) >= count

        await until(there, f"{count} {kind} of site in the mail")

    async def metric(self, series: str) -> str:
        async with self.session.get(f"http://127.0.0.1:{self.port}/metrics") as answer:
            lines = (await answer.text()).splitlines()
        return next((line.split()[-1] for line in lines if line.startswith(f"{series} ")), "")


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        site = Site()
        slack = await stack.enter_async_context(slack_server())
        port, at = free_port(), await stack.enter_async_context(site.serving())
        config = tmp_path / "probe.yml"
        config.write_text(CONFIG.format(port=port, site=at, slack=slack.url))
        process = Process([str(PROBE), "run", str(config), "--plain"], tmp_path / "probe.log")
        session = await stack.enter_async_context(aiohttp.ClientSession())
        yield Stage(site, slack, process, port, session)
        if process.running:
            await process.kill()


async def test_a_deleted_hook_stays_disabled_over_kill_9_until_it_is_enabled(stage: Stage, tmp_path: Path) -> None:
    stage.site.hook = 410
    await stage.start()
    stage.site.page = 503
    await stage.mailed("opened")
    assert "instead of hook, which is disabled: webhook 127.0.0.1" in stage.mails("opened")[0]["why"]
    await until(stage.disabled, "the hook is disabled")
    assert await stage.metric('probe_receiver_disabled{receiver="hook"}') in ("1", "1.0")
    tries = len(stage.site.hooked)
    await until(partial(nothing_owed, tmp_path), "what was told is written down: else it would be told again")
    await stage.process.kill()
    stage.site.page = 200
    await stage.start()
    await stage.mailed("resolved")
    assert len(stage.site.hooked) == tries
    assert await stage.disabled()
    assert len(stage.mails("opened")) == len({one["id"] for one in stage.mails("opened")})
    stage.site.hook = 200
    command = [str(PROBE), "notify", "enable", "hook", "--by", "ana", "--url", f"http://127.0.0.1:{stage.port}"]
    done = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    assert (await done.communicate())[0] == b"hook is enabled\n"
    stage.site.page = 503

    async def hooked() -> bool:
        return len([one for one in stage.site.hooked[tries:] if one["data"].get("check") == "site"]) > 0

    await until(hooked, "the hook is told again")
    assert await stage.process.end() == 0
    assert "s3cret" not in stage.process.output()


async def test_an_incident_is_one_message_over_kill_9(stage: Stage, tmp_path: Path) -> None:
    await stage.start()
    stage.site.page = 503

    async def told() -> bool:
        return any("site" in json.dumps(said.content) for said in stage.slack.in_channel())

    await until(told, "the channel knows")

    async def kept() -> bool:
        with sqlite3.connect(f"file:{tmp_path / 'probe.db'}?mode=ro", uri=True) as database:
            rows = database.execute("SELECT outcome, reference FROM deliveries WHERE receiver = 'chat'").fetchall()
        database.close()
        return [outcome for outcome, _ in rows] == ["delivered"] and all(reference for _, reference in rows)

    await until(kept, "what was told is written down")
    (parent,) = [ts for ts, said in stage.slack.messages.items() if not said.parent]
    await stage.process.kill()
    stage.site.page = 200
    await stage.start()

    async def over() -> bool:
        answered = any(said.parent for said in stage.slack.messages.values())  # after the message was changed
        return stage.slack.messages[parent].changes > 0 and answered

    await until(over, "the message says that it is over, and its thread does")
    assert [said.parent for said in stage.slack.messages.values() if said.parent] == [parent]
    assert len([said for said in stage.slack.messages.values() if not said.parent]) == 1
    assert "RECOVERED" in json.dumps(stage.slack.messages[parent].content)
