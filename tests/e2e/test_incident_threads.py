"""Incidents as Debian's Alertmanager and a mail server see them, told by a service that is killed in between."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.launching import TREE
from tests.e2e.processes import PROBE, Process, free_port, started, until
from tests.e2e.receiving import Receivers, plain

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_DEADLINE = 90.0  # s
CONFIG = """
instance: e2e
listen: 127.0.0.1:{port}
url: https://probe.example
workers: 0
defaults: {{every: 250ms, timeout: 5s, confirm: {{retries: 0}}, down_after: 1, up_after: 1, flap: off}}
services: {{shop: {{owner: team-shop}}, pay: {{owner: team-pay}}}}
checks:
  shop/home: {{service: shop, labels: {{tier: "1", city: york}}, http: {{url: "{site}/page"}}}}
  shop/cart: {{service: shop, labels: {{tier: "1", city: oslo}}, http: {{url: "{site}/page"}}}}
  pay/api: {{service: pay, http: {{url: "{site}/pay"}}}}
alerts:
"""
PROM_ALERTS = """
  reopen_within: 0s
  receivers: {{peers: {{alertmanager: {{urls: ["{alertmanager}"]}}}}}}
  routes: [{{match: {{service: "!probe"}}, to: [peers]}}]
"""
MAIL_ALERTS = """
  receivers: {{mail: {{email: {{smtp: "127.0.0.1:{smtp}", from: probe@shop.example, to: [ops@x.example], tls: none}}}}}}
  routes: [{{match: {{service: "!probe"}}, to: ["escalation:all"]}}]
escalations: {{all: {{steps: [{{notify: [mail]}}, {{notify: [mail], after: {after}}}]}}}}
"""
STEP_ALERTS = """
  receivers:
    hook: {{webhook: {{url: "{site}/hook"}}}}
    second: {{webhook: {{url: "{site}/second"}}}}
  routes: [{{match: {{service: "!probe"}}, to: ["escalation:all"]}}]
escalations: {{all: {{steps: [{{notify: [hook]}}, {{notify: [second], after: {after}}}]}}}}
"""
GROUPS = """
route: {{receiver: hook, group_by: [service], group_wait: 100ms, group_interval: 200ms, repeat_interval: 1h}}
receivers: [{{name: hook, webhook_configs: [{{url: "{url}", send_resolved: true}}]}}]
"""


class Site:
    """Two pages that can be broken, and hooks: one for what Alertmanager tells, two for what Probe does."""

    def __init__(self) -> None:
        self.page = self.pay = 200
        self.told: list[tuple[str, str]] = []  # by Alertmanager: service, and firing or resolved
        self.hooked: list[tuple[str, str]] = []  # by Probe: hook, and what is told
        self.url = ""

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        async def page(_request: web.Request) -> web.Response:
            return web.Response(status=self.page)

        async def pay(_request: web.Request) -> web.Response:
            return web.Response(status=self.pay)

        async def grouped(request: web.Request) -> web.Response:
            group = await request.json()
            self.told.append((group["groupLabels"]["service"], group["status"]))
            return web.Response()

        async def hook(request: web.Request) -> web.Response:
            self.hooked.append((request.path, (await request.json())["type"]))
            return web.Response()

        app = web.Application()
        app.add_routes([web.get("/page", page), web.get("/pay", pay), web.post("/grouped", grouped)])
        app.add_routes([web.post("/hook", hook), web.post("/second", hook)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        try:
            yield
        finally:
            await runner.cleanup()


@dataclass
class Stage:
    """A service that can be killed and started again."""

    folder: Path
    site: Site
    session: aiohttp.ClientSession
    port: int = field(default_factory=free_port)
    process: Process | None = None

    def write(self, alerts: str, **more: object) -> None:
        text = (CONFIG + alerts).format(port=self.port, site=self.site.url, **more)
        (self.folder / "probe.yml").write_text(text)

    async def start(self, fault: str = "") -> None:
        paths = [str(TREE / "tests/e2e/faults"), str(TREE), *filter(None, [os.environ.get("PYTHONPATH")])]
        named = {"PROBE_FAULT": fault} if fault else {}
        command = [str(PROBE), "run", str(self.folder / "probe.yml"), "--plain"]
        self.process = Process(command, self.folder / "probe.log", PYTHONPATH=os.pathsep.join(paths), **named)
        await self.process.start()
        await until(self.ready, "the service is ready", _DEADLINE)

    async def ready(self) -> bool:
        assert self.process is not None
        assert self.process.running, self.process.output()[-3000:]
        async with self.session.get(f"http://127.0.0.1:{self.port}/-/ready") as answer:
            return answer.status == 200

    async def kill(self) -> None:
        assert self.process is not None
        await self.process.kill()

    async def level(self, level: str, *checks: str) -> None:
        async def so() -> bool:
            found = [await self.get(f"/api/v1/checks/{check}") for check in checks]
            return {one["level"] for one in found} == {level}

        await until(so, f"{', '.join(checks)} {level}", _DEADLINE)

    async def get(self, path: str) -> Any:
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}") as answer:
            return await answer.json()

    def settled(self) -> bool:
        """Whether somebody was told, and that is on disk."""
        with sqlite3.connect(f"file:{self.folder / 'probe.db'}?mode=ro", uri=True) as database:
            found = database.execute("SELECT outcome FROM deliveries").fetchall()
        database.close()
        return {outcome for (outcome,) in found} == {"delivered"}

    async def incidents(self) -> list[Any]:
        found = await self.get("/api/v1/incidents?status=open")
        return [one for one in found["incidents"] if not one["id"].startswith("probe/")]

    async def do(self, subject: str, deed: str) -> None:
        (number,) = [one["number"] for one in await self.incidents() if one["subject"] == subject]
        url = f"http://127.0.0.1:{self.port}/api/v1/incidents/{number}/{deed}"
        async with self.session.post(url, json={"author": "ana"}) as answer:
            assert answer.status == 200, await answer.text()


@pytest.fixture
async def stage(tmp_path: Path) -> AsyncIterator[Stage]:
    async with AsyncExitStack() as stack:
        site = Site()
        await stack.enter_async_context(site.serving())
        found = Stage(tmp_path, site, await stack.enter_async_context(aiohttp.ClientSession()))
        yield found
        if found.process is not None and found.process.running:
            await found.process.kill()


@dataclass
class Alertmanager:
    """Debian's, with a route that groups by service."""

    url: str

    async def query(self, *matchers: str) -> list[Any]:
        """What `amtool alert query` shows."""
        command = ["amtool", f"--alertmanager.url={self.url}", "alert", "query", "-o", "json", *matchers]
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        out, _ = await process.communicate()
        assert process.returncode == 0
        return list(json.loads(out))

    async def shows(self, count: int, *matchers: str) -> list[Any]:
        found: list[Any] = []

        async def so() -> bool:
            found[:] = await self.query(*matchers)
            return len(found) == count

        await until(so, f"amtool shows {count} of {matchers}", _DEADLINE)
        return found


@pytest.fixture
async def alertmanager(stage: Stage, tmp_path: Path) -> AsyncIterator[Alertmanager]:
    config, port = tmp_path / "alertmanager.yml", free_port()
    config.write_text(GROUPS.format(url=f"{stage.site.url}/grouped"))
    command = [
        "/usr/bin/prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={tmp_path / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    async with started(command, tmp_path / "alertmanager.log"):
        found = Alertmanager(f"http://127.0.0.1:{port}")

        async def ready() -> bool:
            async with stage.session.get(f"{found.url}/-/ready") as answer:
                return answer.status == 200

        await until(ready, "Alertmanager is ready", _DEADLINE)
        yield found


async def until_true(stage: Stage, wanted: Any, what: str) -> None:
    async def so() -> bool:
        assert stage.process is not None
        return bool(wanted())

    await until(so, what, _DEADLINE)


async def test_alertmanager_groups_and_resolves_what_a_service_tells_that_is_killed_in_between(
    stage: Stage, alertmanager: Alertmanager
) -> None:
    stage.write(PROM_ALERTS, alertmanager=alertmanager.url)
    await stage.start()
    await stage.level("up", "shop/home", "shop/cart", "pay/api")
    stage.site.page = 503
    await stage.level("down", "shop/home", "shop/cart")
    (incident,) = await stage.incidents()
    assert sorted(incident["checks"]) == ["shop/cart", "shop/home"]
    (alert,) = await alertmanager.shows(1)
    assert (alert["labels"]["alertname"], alert["labels"]["service"]) == ("CheckDown", "shop")
    await until_true(stage, lambda: stage.site.told == [("shop", "firing")], "Alertmanager tells it")
    await stage.kill()
    stage.site.pay = 500
    await stage.start()
    await alertmanager.shows(1, "service=pay")
    await stage.do("shop", "acknowledge")

    async def taken() -> bool:
        return any("ana" in one["annotations"].get("acknowledged_by", "") for one in await alertmanager.query())

    await until(taken, "amtool shows who takes care of it", _DEADLINE)
    (known,) = await alertmanager.query("service=shop")
    assert known["fingerprint"] == alert["fingerprint"], "what joins an incident makes no other alert of it"
    await stage.kill()
    stage.site.page = stage.site.pay = 200
    await stage.start()
    await alertmanager.shows(0)
    ended = {("shop", "resolved"), ("pay", "resolved")}
    await until_true(stage, lambda: ended <= set(stage.site.told), "Alertmanager tells the ends")
    assert Counter(stage.site.told) == Counter([*ended, ("shop", "firing"), ("pay", "firing")])


async def test_mails_of_an_incident_are_one_thread_and_those_of_another_are_another(
    stage: Stage, tmp_path: Path
) -> None:
    receivers = Receivers(tmp_path)
    async with receivers.serving():
        stage.write(MAIL_ALERTS, smtp=receivers.smtp, after="1h")
        await stage.start()
        await stage.level("up", "shop/home", "pay/api")
        stage.site.page = 503
        await stage.level("down", "shop/home", "shop/cart")
        await mailed(stage, receivers, "DOWN", "shop")
        await stage.do("shop", "escalate")  # the last step is behind it: all are told again
        await stage.do("shop", "escalate")
        await mailed(stage, receivers, "STILL DOWN", "shop")
        await stage.kill()
        stage.site.pay = 500
        await stage.start()
        await mailed(stage, receivers, "DOWN", "pay")
        await stage.do("shop", "acknowledge")
        await mailed(stage, receivers, "ACKNOWLEDGED", "shop")
        await stage.kill()
        stage.site.page = stage.site.pay = 200
        await stage.start()
        await mailed(stage, receivers, "RECOVERED", "shop")
        await mailed(stage, receivers, "RECOVERED", "pay")
        stage.site.page = 503  # soon again: the same incident
        await stage.level("down", "shop/home")
        await mailed(stage, receivers, "DOWN", "shop", 2)
    shop, pay = (threads(receivers, name) for name in ("shop", "pay"))
    assert len(shop) == len(pay) == 1
    assert shop != pay
    # RFC 5322 3.6.4: an id is of exactly one version of one message. Mailboxes hide the second that has one they know.
    told: dict[str, set[str]] = {}
    for mail in receivers.mails:
        told.setdefault(mail["Message-ID"], set()).add(mail["Subject"] + plain(mail))
    assert [len(versions) for versions in told.values()] == [1] * len(told)


def mails(receivers: Receivers, state: str, subject: str) -> int:
    return sum(1 for mail in receivers.mails if f"] {state} #" in mail["Subject"] and f" {subject}" in mail["Subject"])


async def mailed(stage: Stage, receivers: Receivers, state: str, subject: str, count: int = 1) -> None:
    await until_true(stage, lambda: mails(receivers, state, subject) >= count, f"{state} {subject} is mailed")


def threads(receivers: Receivers, subject: str) -> set[str]:
    """The beginnings of the threads in which a subject is told, as programs for mail find them."""
    mine = [mail for mail in receivers.mails if f" {subject}" in mail["Subject"]]
    return {(mail["References"] or mail["Message-ID"]).split()[0] for mail in mine}


async def test_a_step_that_came_due_while_nobody_ran_is_told_once_at_the_start(stage: Stage) -> None:
    """Also when the start is slow: what is decided before receivers are known waits for them."""
    stage.write(STEP_ALERTS, after="2s")
    await stage.start()
    await stage.level("up", "pay/api")
    stage.site.pay = 500
    await until_true(stage, stage.settled, "the first step is told and written down")
    await stage.kill()
    assert ("/second", "incident.opened") not in stage.site.hooked
    began = asyncio.get_running_loop().time()
    await until_true(stage, lambda: asyncio.get_running_loop().time() > began + 2.0, "the second step is due")
    await stage.start("slow")
    await until_true(stage, lambda: ("/second", "incident.opened") in stage.site.hooked, "the second step is told")
    stage.site.pay = 200
    ended = {("/hook", "incident.resolved"), ("/second", "incident.resolved")}
    await until_true(stage, lambda: ended <= set(stage.site.hooked), "the end is told")
    opened = [("/hook", "incident.opened"), ("/second", "incident.opened")]
    assert Counter(stage.site.hooked) == Counter([*opened, *ended])
