"""What people do about an incident outlives `kill -9`; a silence is in force at once; links of messages work. Real processes."""

import re
import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.e2e.processes import PROBE, Process, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = """
instance: e2e
listen: 127.0.0.1:{port}
url: http://127.0.0.1:{port}
store: sqlite:probe.db
services: {{shop: {{}}}}
alerts:
  receivers: {{chat: {{slack: {{webhook: "{hook}"}}}}}}
  routes: [{{to: [chat]}}]
checks:
  shop/home: {{service: shop, every: 1s, timeout: 500ms, down_after: 1, confirm: {{retries: 0}}, tcp: {{host: 127.0.0.1, port: {closed}}}}}
  mail/in: {{every: 1s, timeout: 500ms, down_after: 1, confirm: {{retries: 0}}, tcp: {{host: 127.0.0.1, port: {closed}}}}}
"""


async def test_an_incident_a_silence_and_a_link_over_two_kills(tmp_path: Path):
    heard: list[str] = []

    async def hook(request: web.Request) -> web.Response:
        heard.append(await request.text())
        return web.Response(text="ok")

    def told(word: str) -> list[str]:
        return [text for text in heard if word in text]

    app = web.Application()
    app.router.add_post("/services/T0/B0/x", hook)
    port, closed = free_port(), free_port()
    config = tmp_path / "probe.yml"
    async with (
        TestServer(app, host="127.0.0.1") as chat,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        config.write_text(CONFIG.format(port=port, closed=closed, hook=chat.make_url("/services/T0/B0/x")))
        process = Process([str(PROBE), "run", str(config), "--plain"], tmp_path / "probe.log")

        async def ready() -> bool:
            assert process.running, process.output()
            async with session.get("/-/ready") as answer:
                return answer.status == 200

        async def listed(what: str) -> Any:
            async with session.get(f"/api/v1/{what}") as answer:
                return await answer.json()

        async def asked(path: str, body: Any = None) -> tuple[int, str]:
            async with session.post(path, json=body) as answer:
                return answer.status, await answer.text()

        async def killed_and_back() -> None:
            await process.end(signal.SIGKILL)
            await process.start()
            await until(ready, "the service is back")

        async def standing() -> dict[str, tuple[str, str, str]]:
            found = (await listed("incidents"))["incidents"]
            return {one["subject"]: (one["number"], one["status"], one["acked_by"]) for one in found}

        async def both() -> bool:
            return set(await standing()) == {"shop", "mail/in"}

        async def heard_of(subject: str) -> bool:
            return bool(told(f"{subject}"))

        try:
            await process.start()
            await until(ready, "the service is ready")
            status, text = await asked(
                "/api/v1/silences", {"services": ["shop"], "for": "1h", "reason": "load test", "author": "ana"}
            )
            # The first run of a check may have come before: what it told stands, and no more is told.
            assert status == 201, text
            await until(both, "both are down")
            await until(lambda: heard_of("mail/in"), "the chat has heard of it")
            number = (await standing())["mail/in"][0]
            (message,) = told(f"#{number} ")
            link = re.search(r"http://127\.0\.0\.1:\d+(/act/[\w.-]+)", message)
            assert link is not None, message
            async with session.get(link[1]) as answer:
                assert (answer.status, (await standing())["mail/in"][1]) == (200, "triggered")
            await killed_and_back()
            assert (await asked(link[1]))[0] == 200
            await killed_and_back()
            assert (await standing())["mail/in"] == (number, "acknowledged", "somebody in chat")
            assert (await asked(link[1]))[0] == 410
            assert [one["reason"] for one in (await listed("silences"))["silences"]] == ["load test"]
            async with session.get("/metrics") as answer:
                exposition = await answer.text()
            assert 'probe_incidents_open{severity="page",status="acknowledged"} 1.0' in exposition
            silent = (await standing())["shop"][0]
            before = len(told(f"#{silent} "))
            (silence,) = (await listed("silences"))["silences"]
            assert (await asked(f"/api/v1/silences/{silence['id']}/end", {"author": "ana"}))[0] == 200
            if not before:
                await until(lambda: heard_of(f"#{silent} "), "what was silent is told")
            assert len(told(f"#{number} ")) >= 1
            assert (
                len([one for one in told(f"#{number} ") if "ACKNOWLEDGED" not in one]) == 1
            )  # told once, over two kills
        finally:
            if process.running:
                await process.kill()
