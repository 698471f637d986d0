"""Silences are in force at once, links of messages work, and what people did outlives `kill -9`. Real processes."""

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e.processes import PROBE, Process, free_port, nothing_owed, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = """
instance: e2e
listen: 127.0.0.1:{port}
url: http://127.0.0.1:{port}
store: sqlite:probe.db
services: {{shop: {{}}}}
defaults: {{every: 1s, timeout: 500ms, down_after: 1, up_after: 1, confirm: {{retries: 0}}}}
alerts:
  receivers: {{chat: {{slack: {{webhook: "{hook}"}}}}}}
  routes: [{{to: [chat]{group}}}]
checks:
  shop/home: {{service: shop, tcp: {{host: 127.0.0.1, port: {closed}}}}}
  mail/in: {{tcp: {{host: 127.0.0.1, port: {closed}}}}}
"""


@dataclass
class Scene:
    """A service whose two checks fail once `target` is closed, and the chat that it tells."""

    session: aiohttp.ClientSession
    process: Process
    target: asyncio.Server
    heard: list[str] = field(default_factory=list)

    def told(self, number: int) -> list[str]:
        return [text for text in self.heard if f"#{number} " in text]

    async def read(self, what: str) -> Any:
        async with self.session.get(f"/api/v1/{what}") as answer:
            assert answer.status == 200, await answer.text()
            return await answer.json()

    async def ask(self, path: str, body: Any = None) -> int:
        async with self.session.post(path, json=body) as answer:
            return answer.status

    async def open(self) -> dict[str, Any]:
        """The open incidents by their subject."""
        return {one["subject"]: one for one in (await self.read("incidents"))["incidents"]}

    async def both(self) -> bool:
        return set(await self.open()) == {"shop", "mail/in"}

    async def ready(self) -> bool:
        assert self.process.running, self.process.output()
        async with self.session.get("/-/ready") as answer:
            return answer.status == 200

    async def kill(self) -> None:
        """And begin anew."""
        await self.process.end(signal.SIGKILL)
        await self.process.start()
        await until(self.ready, "the service is back")


@asynccontextmanager
async def scene(folder: Path, group: str = "") -> AsyncIterator[Scene]:
    heard: list[str] = []

    async def hook(request: web.Request) -> web.Response:
        heard.append(await request.text())
        return web.Response(text="ok")

    app = web.Application()
    app.router.add_post("/services/T0/B0/x", hook)
    target = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", 0)
    port, closed = free_port(), target.sockets[0].getsockname()[1]
    config = folder / "probe.yml"
    async with (
        TestServer(app, host="127.0.0.1") as chat,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        hooked = str(chat.make_url("/services/T0/B0/x"))
        config.write_text(CONFIG.format(port=port, closed=closed, hook=hooked, group=group))
        process = Process([str(PROBE), "run", str(config), "--plain"], folder / "probe.log")
        try:
            await process.start()
            found = Scene(session, process, target, heard)
            await until(found.ready, "the service is ready")
            yield found
        finally:
            target.close()
            if process.running:
                await process.kill()


async def test_a_silence_is_in_force_at_once_and_so_is_its_end(tmp_path: Path):
    async with scene(tmp_path) as seen:
        asked = {"services": ["shop"], "for": "1h", "reason": "load test", "author": "ana"}
        assert await seen.ask("/api/v1/silences", asked) == 201
        seen.target.close()
        await until(seen.both, "both are down")
        found = await seen.open()
        mail, shop = found["mail/in"]["number"], found["shop"]["number"]
        await until(lambda: _there(seen.told(mail)), "the chat has heard of one")
        assert (await seen.read(f"incidents/{shop}"))["held"] == "silenced by ana: load test"
        assert seen.told(shop) == []
        route = await seen.read("route?check=shop/home")
        assert [one["why"] for one in route["held"]] == ["silenced by ana: load test"]
        assert [one["after"] > 3000 for one in route["hears"]] == [True]  # if it lasts beyond the silence
        (silence,) = (await seen.read("silences"))["silences"]
        assert await seen.ask(f"/api/v1/silences/{silence['id']}/end", {"author": "ana"}) == 200
        await until(lambda: _there(seen.told(shop)), "the chat has heard of the other")


async def test_a_link_of_a_message_works_once_over_two_kills(tmp_path: Path):
    async with scene(tmp_path) as seen:
        seen.target.close()
        await until(seen.both, "both are down")
        number = (await seen.open())["mail/in"]["number"]
        await until(lambda: _there(seen.told(number)), "the chat has heard of it")
        links = re.findall(r"http://127\.0\.0\.1:\d+(/act/[\w.-]+)", seen.told(number)[0])
        assert len(set(links)) == 3
        await until(partial(nothing_owed, tmp_path), "what was told is written down: else it would be told again")
        async with seen.session.get(links[0]) as answer:
            assert answer.status == 200
        assert (await seen.open())["mail/in"]["status"] == "triggered"
        await seen.kill()
        assert await seen.ask(links[0]) == 200
        await seen.kill()
        taken = (await seen.open())["mail/in"]
        assert (taken["number"], taken["status"], taken["acked_by"]) == (number, "acknowledged", "somebody in chat")
        assert await seen.ask(links[0]) == 410
        async with seen.session.get("/metrics") as answer:
            exposition = await answer.text()
        assert 'probe_incidents_open{severity="page",status="acknowledged"} 1.0' in exposition
        assert 'probe_incidents_total{severity="page"} 0.0' in exposition  # none began since the kill
        opened = [text for text in seen.told(number) if "ACKNOWLEDGED" not in text]
        assert len(opened) == 1  # told once


async def test_the_link_of_a_message_about_several_takes_all_of_them_once(tmp_path: Path):
    async with scene(tmp_path, ", group: {by: [owner], wait: 3s, interval: 1s}") as seen:
        seen.target.close()
        await until(
            lambda: _there([text for text in seen.heard if "2 incidents" in text]), "the chat has heard of both"
        )
        (path,) = set(re.findall(r"http://127\.0\.0\.1:\d+(/act/[\w.-]+)", seen.heard[-1]))
        await until(partial(nothing_owed, tmp_path), "what was told is written down: else it would be told again")
        await seen.kill()
        async with seen.session.post(path, data={"name": "ana"}) as answer:
            assert (answer.status, "2 of 2 incidents are acknowledged" in await answer.text()) == (200, True)
        await until(partial(nothing_owed, tmp_path), "and that is told")
        await seen.kill()
        assert {one["acked_by"] for one in (await seen.open()).values()} == {"ana, by a link of chat"}
        assert await seen.ask(path) == 410
        await until(lambda: _there([text for text in seen.heard if "ACKNOWLEDGED" in text]), "the chat is told of that")
        assert len([text for text in seen.heard if "ACKNOWLEDGED" in text]) == 1


async def _there(found: list[str]) -> bool:
    return bool(found)
