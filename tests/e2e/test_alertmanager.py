"""A real Alertmanager: it takes what we send, keeps one alert per level, and tells its own receivers of each once."""

from __future__ import annotations

import asyncio
import json
import socket
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from exporters.base import Notice, NoticeKind, Post
from exporters.notifiers.alertmanager import Alertmanager
from exporters.post import open_post
from thresholds.base import Level

pytestmark = pytest.mark.e2e

PATIENCE = 30.0  # s for Alertmanager to start, and to tell its receivers
CONFIG = """
route: {{receiver: hook, group_by: [check], group_wait: 50ms, group_interval: 100ms, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


@dataclass
class Server:
    """A running Alertmanager, and what it told the receiver that it is configured with."""

    url: str
    told: list[tuple[str, str]]  # (name of the alert, firing or resolved)

    async def get(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(f"{self.url}{path}") as response:
            response.raise_for_status()
            return await response.json()

    async def alerts(self) -> dict[str, dict[str, Any]]:
        """The active alerts by name."""
        return {alert["labels"]["alertname"]: alert for alert in await self.get("/api/v2/alerts")}

    async def amtool(self, *arguments: str) -> str:
        process = await asyncio.create_subprocess_exec(
            "amtool", f"--alertmanager.url={self.url}", *arguments, stdout=asyncio.subprocess.PIPE
        )
        out, _ = await process.communicate()
        assert process.returncode == 0
        return out.decode()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while not true():
            await asyncio.sleep(0.02)


async def ready(url: str) -> None:
    async with asyncio.timeout(PATIENCE), aiohttp.ClientSession() as session:
        while True:
            try:
                async with session.get(f"{url}/-/ready") as response:
                    if response.status == 200:
                        return
            except aiohttp.ClientConnectionError:
                pass
            await asyncio.sleep(0.05)


@pytest.fixture
async def hook() -> AsyncIterator[tuple[str, list[tuple[str, str]]]]:
    told: list[tuple[str, str]] = []

    async def handle(request: web.Request) -> web.Response:
        for alert in (await request.json())["alerts"]:
            told.append((alert["labels"]["alertname"], alert["status"]))
        return web.Response()

    app = web.Application()
    app.router.add_post("/", handle)
    async with TestServer(app, host="127.0.0.1", port=0) as server:
        yield str(server.make_url("/")), told


@pytest.fixture
async def alertmanager(tmp_path: Path, hook: tuple[str, list[tuple[str, str]]]) -> AsyncIterator[Server]:
    config = tmp_path / "alertmanager.yml"
    config.write_text(CONFIG.format(url=hook[0]))
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--cluster.listen-address=",
            stdout=log,
            stderr=log,
        )
    try:
        await ready(f"http://127.0.0.1:{port}")
        yield Server(f"http://127.0.0.1:{port}", hook[1])
    finally:
        process.terminate()
        await process.wait()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with open_post() as opened:
        yield opened


@pytest.fixture
def opened() -> Notice:
    now_ms = time.time_ns() // 1_000_000
    return Notice(
        id="1",
        kind=NoticeKind.OPENED,
        incident="shop/home@1",
        instance="prod-eu",
        check="shop/home",
        target="https://shop.example/",
        level=Level.DEGRADED,
        since_ms=now_ms - 60_000,
        at_ms=now_ms - 30_000,
        reason="ttfb 1.2 s is over 400 ms",
        service="shop",
        runbook="https://wiki.example/runbooks/shop",
        link="https://probe.example/checks/shop/home",
        labels={"tier": "1", "cost-centre": "ünï", "2nd": "x", "check": "y"},
    )


async def test_an_incident_from_its_beginning_to_its_end(alertmanager: Server, post: Post, opened: Notice) -> None:
    receiver = Alertmanager(urls=[alertmanager.url])
    await receiver.send(opened, post)
    (slow,) = (await alertmanager.alerts()).values()
    assert slow["labels"] == {
        "alertname": "CheckDegraded",
        "severity": "warning",
        "check": "shop/home",
        "service": "shop",
        "probe": "prod-eu",
        "tier": "1",
        "cost_centre": "ünï",
        "_2nd": "x",
        "exported_check": "y",
    }
    assert slow["annotations"]["summary"] == "DEGRADED shop/home: ttfb 1.2 s is over 400 ms"
    assert slow["generatorURL"] == opened.link
    assert slow["status"]["state"] in ("active", "unprocessed")
    shown = json.loads(await alertmanager.amtool("alert", "query", "-o", "json", "check=shop/home"))
    assert [alert["fingerprint"] for alert in shown] == [slow["fingerprint"]]
    await until(lambda: alertmanager.told == [("CheckDegraded", "firing")])

    changed_ms = opened.at_ms + 10_000
    worse = replace(opened, id="2", kind=NoticeKind.CHANGED, level=Level.DOWN, at_ms=changed_ms, reason="status 503")
    await receiver.send(worse, post)
    first = (await alertmanager.alerts())["CheckDown"]
    assert set(await alertmanager.alerts()) == {"CheckDown"}
    await until(lambda: set(alertmanager.told[1:]) >= {("CheckDegraded", "resolved"), ("CheckDown", "firing")})

    await receiver.refresh([worse], time.time_ns() // 1_000_000 + 60_000, post)
    again = (await alertmanager.alerts())["CheckDown"]
    assert again["fingerprint"] == first["fingerprint"]
    assert again["startsAt"] == first["startsAt"]
    assert again["endsAt"] > first["endsAt"]

    over = replace(worse, id="3", kind=NoticeKind.RESOLVED, at_ms=changed_ms + 10_000, ended_ms=changed_ms + 5_000)
    await receiver.send(over, post)
    await receiver.refresh([over], time.time_ns() // 1_000_000, post)
    assert await alertmanager.alerts() == {}
    assert "shop/home" not in await alertmanager.amtool("alert", "query")
    await until(lambda: ("CheckDown", "resolved") in alertmanager.told)
    assert alertmanager.told.count(("CheckDown", "firing")) == 1
    assert alertmanager.told.count(("CheckDown", "resolved")) == 1


async def test_what_has_passed_is_taken_and_fires_nothing(alertmanager: Server, post: Post, opened: Notice) -> None:
    over = replace(opened, kind=NoticeKind.PASSED, ended_ms=opened.at_ms - 10_000)
    await Alertmanager(urls=[alertmanager.url]).send(over, post)
    assert await alertmanager.alerts() == {}


async def test_a_storm_is_taken(alertmanager: Server, post: Post, opened: Notice) -> None:
    storm = [replace(opened, check=f"shop/{number}", incident=f"shop/{number}@1") for number in range(500)]
    await Alertmanager(urls=[alertmanager.url]).refresh(storm, time.time_ns() // 1_000_000, post)
    assert len(await alertmanager.get("/api/v2/alerts")) == 500
