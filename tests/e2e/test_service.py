"""The program as a process: signals, reloads, a full disk, a second copy, secrets."""

import asyncio
import json
import re
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.processes import PROBE, Process, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

BASE = """
instance: e2e
listen: 127.0.0.1:{port}
store: sqlite:probe.db
defaults: {{every: 1s, timeout: 800ms, confirm: {{retries: 0}}}}
checks:
  site: {{http: {{url: "http://127.0.0.1:{site}/page"}}}}
alerts:
  receivers: {{hook: {{webhook: {{url: "http://127.0.0.1:{site}/hook"}}}}}}
  routes: [{{to: [hook]}}]
"""


class Site:
    """One page that can be broken, one that never answers, and the receiver of alerts."""

    def __init__(self) -> None:
        self.status = 200
        self.headers: list[dict[str, str]] = []
        self.told: list[tuple[str, str, str]] = []
        self.bodies: list[Any] = []
        self.port = 0

    async def page(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        return web.Response(status=self.status, text="hello")

    async def silent(self, _request: web.Request) -> web.Response:
        await asyncio.Event().wait()
        raise AssertionError

    async def hook(self, request: web.Request) -> web.Response:
        body = json.loads(await request.read())
        self.bodies.append(body)
        self.told.append((body["type"], body["data"]["check"], body["data"].get("reason", "")))
        return web.Response()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[None]:
        app = web.Application()
        app.router.add_get("/page", self.page)
        app.router.add_get("/silent", self.silent)
        app.router.add_post("/hook", self.hook)
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.port = int(runner.addresses[0][1])
        try:
            yield
        finally:
            await runner.cleanup()


class Service:
    """A running `probe run`, and what is asked of it over HTTP."""

    def __init__(self, folder: Path, site: Site, session: aiohttp.ClientSession, **environment: str) -> None:
        self.folder = folder
        self.site = site
        self.port = free_port()
        self.session = session
        self.config = folder / "probe.yml"
        self.database = folder / "probe.db"
        self.process = Process([str(PROBE), "run", str(self.config), "--plain"], folder / "probe.log", **environment)

    def write(self, text: str = BASE) -> None:
        self.config.write_text(text.format(port=self.port, site=self.site.port))

    async def start(self) -> None:
        await self.process.start()
        await until(self.ready, "the service is ready")

    async def ready(self) -> bool:
        assert self.process.running, self.process.output()
        return (await self.get("/-/ready"))[0] == 200

    async def get(self, path: str) -> tuple[int, str]:
        async with self.session.get(f"http://127.0.0.1:{self.port}{path}") as response:
            return response.status, await response.text()

    async def check(self, name: str) -> Any:
        return json.loads((await self.get(f"/api/v1/checks/{name}"))[1])

    async def level(self, name: str) -> str:
        return str((await self.check(name))["level"])

    async def metric(self, series: str) -> float | None:
        for line in (await self.get("/metrics"))[1].splitlines():
            if line.startswith(f"{series} "):
                return float(line.split()[-1])
        return None

    async def is_up(self) -> bool:
        return await self.level("site") == "up"

    def rows(self, statement: str) -> list[tuple[Any, ...]]:
        with sqlite3.connect(f"file:{self.database}?mode=ro", uri=True) as connection:
            rows = connection.execute(statement).fetchall()
        connection.close()
        return rows


@pytest.fixture
async def service(tmp_path: Path):
    async with AsyncExitStack() as stack:
        site = Site()
        await stack.enter_async_context(site.serving())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        service = Service(tmp_path, site, session)
        service.write()
        try:
            yield service
        finally:
            if service.process.running:
                await service.process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_it_cleanly_although_a_run_is_under_way(service: Service, number: signal.Signals) -> None:
    service.write(
        BASE.replace("checks:", "checks:\n  silent: {{timeout: 60s, http: {{url: 'http://127.0.0.1:{site}/silent'}}}}")
    )
    await service.start()
    await until(service.is_up, "the site is up")
    assert await service.process.end(number, limit=20) == 0, service.process.output()
    assert re.search(r"^\S+ \S+ INFO    probe.service: 2 checks run; pages at", service.process.output(), re.MULTILINE)
    assert service.rows("PRAGMA integrity_check") == [("ok",)]
    assert service.rows("SELECT count(*) > 0 FROM runs WHERE name = 'site'") == [(1,)]


async def test_a_reload_touches_only_what_changed(service: Service) -> None:
    await service.start()
    await until(service.is_up, "the site is up")
    since = (await service.check("site"))["since"]
    service.write(BASE.replace("checks:", "checks:\n  other: {{http: {{url: 'http://127.0.0.1:{site}/page'}}}}"))
    service.process.send(signal.SIGHUP)

    async def other_is_up() -> bool:
        return (await service.get("/api/v1/checks/other"))[0] == 200 and await service.level("other") == "up"

    await until(other_is_up, "the new check is up")
    assert (await service.check("site"))["since"] == since
    assert await service.metric("probe_checks") == 2
    service.write()
    async with service.session.post(f"http://127.0.0.1:{service.port}/-/reload") as response:
        assert response.status == 200
    assert (await service.get("/api/v1/checks/other"))[0] == 404
    assert 'check="other"' not in (await service.get("/metrics"))[1]


async def test_a_bad_configuration_changes_nothing_and_says_why(service: Service) -> None:
    await service.start()
    await until(service.is_up, "the site is up")
    service.write(BASE.replace("every:", "evry:"))
    async with service.session.post(f"http://127.0.0.1:{service.port}/-/reload") as response:
        answer = await response.text()
        assert response.status == 500
    assert "probe.yml:5:12: defaults.evry: unknown key" in answer
    assert "every" in answer
    assert await service.is_up()
    assert await service.metric("probe_config_last_reload_successful") == 0

    async def told() -> bool:
        return any(check == "probe/config" for _, check, _ in service.site.told)

    await until(told, "people hear that the configuration is broken")


async def test_a_full_disk_silences_nothing_and_loses_nothing(service: Service) -> None:
    await service.start()
    await until(service.is_up, "the site is up")

    def limit_files(size: str) -> None:
        subprocess.run(["prlimit", "--pid", str(service.process.pid), f"--fsize={size}"], check=True)

    async def stored() -> bool:
        return bool(service.rows("SELECT count(*) FROM runs")[0][0] > 2)

    await until(stored, "results are stored")
    limit_files("1024:unlimited")

    async def disk_told() -> bool:
        return any(check == "probe/store" and kind == "incident.opened" for kind, check, _ in service.site.told)

    await until(disk_told, "people hear that nothing can be stored")
    assert (await service.get("/-/ready"))[0] == 503
    service.site.status = 503

    async def outage_told() -> bool:
        return ("incident.opened", "site", "status 503, wanted 2xx") in service.site.told

    await until(outage_told, "the outage is told although it cannot be stored")
    failures = await service.metric("probe_store_failures_total")
    assert failures is not None
    assert failures > 0
    kept = service.rows("SELECT count(*) FROM runs WHERE level = 'down'")
    assert kept == [(0,)]
    limit_files("unlimited:unlimited")

    async def disk_well() -> bool:
        return any(check == "probe/store" and kind == "incident.resolved" for kind, check, _ in service.site.told)

    await until(disk_well, "the disk is well again, and people hear that")
    assert service.rows("SELECT count(*) >= 2 FROM runs WHERE name = 'site' AND level = 'down'") == [(1,)]
    assert service.rows("SELECT event FROM transitions WHERE incident LIKE 'site@%'") == [("opened",)]
    service.site.status = 200

    async def over() -> bool:
        return any(kind == "incident.resolved" and check == "site" for kind, check, _ in service.site.told)

    await until(over, "the outage ends")
    opened = [told for told in service.site.told if told[:2] == ("incident.opened", "site")]
    assert len(opened) == 1
    assert await service.metric('probe_queue_dropped_total{queue="store"}') == 0


async def test_a_second_copy_on_the_same_database_is_refused(service: Service, tmp_path: Path) -> None:
    await service.start()
    second = tmp_path / "second.yml"
    second.write_text(service.config.read_text().replace(f":{service.port}", f":{free_port()}"))
    done = await asyncio.to_thread(
        subprocess.run, [str(PROBE), "run", str(second)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert "probe.db" in done.stderr
    assert "Traceback" not in done.stderr


async def test_a_taken_port_is_one_clear_line(service: Service, tmp_path: Path) -> None:
    await service.start()
    second = tmp_path / "second.yml"
    second.write_text(service.config.read_text().replace("probe.db", "other.db"))
    done = await asyncio.to_thread(
        subprocess.run, [str(PROBE), "run", str(second)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 1
    assert f"cannot listen on 127.0.0.1:{service.port}" in done.stderr
    assert "Traceback" not in done.stderr


async def test_secrets_go_to_the_target_and_nowhere_else(service: Service) -> None:
    secret = "tops3cr3t-Wert+/="
    service.process = Process(service.process.command, service.process.log, API_SECRET=secret)
    service.write(
        BASE.replace(
            '{{http: {{url: "http://127.0.0.1:{site}/page"}}}}',
            '{{http: {{url: "http://127.0.0.1:{site}/page?key=${{env:API_SECRET}}", bearer: "${{env:API_SECRET}}",'
            ' headers: {{X-Key: "${{env:API_SECRET}}"}}}}}}',
        )
    )
    await service.start()
    await until(service.is_up, "the site is up")
    assert service.site.headers[-1]["X-Key"] == secret
    assert service.site.headers[-1]["Authorization"] == f"Bearer {secret}"
    service.site.status = 500

    async def told() -> bool:
        return bool(service.site.told)

    await until(told, "the outage is told")
    seen = [(await service.get(path))[1] for path in ("/", "/checks/site", "/api/v1/checks/site", "/metrics")]
    await service.process.end()
    seen += [service.process.output(), json.dumps(service.site.told)]
    seen += [path.read_bytes().decode("latin-1") for path in service.folder.glob("probe.db*")]
    for text in seen:
        assert "tops3cr3t" not in text


async def test_a_token_protects_what_changes_something(service: Service) -> None:
    service.write(BASE + "token: correct-horse-battery\n")
    await service.start()
    url = f"http://127.0.0.1:{service.port}/-/reload"
    for headers, status in (
        ({}, 401),
        ({"Authorization": "Bearer wrong"}, 401),
        ({"Authorization": "Bearer correct-horse-battery"}, 200),
    ):
        async with service.session.post(url, headers=headers) as response:
            assert response.status == status
