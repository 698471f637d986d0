"""Five hundred checks at one second, thirty of them in trouble, and the service killed twenty times.

A local webhook, Debian's Alertmanager and Debian's Prometheus must see exactly what happened: nothing lost, nothing
invented, the database sound after every kill.
"""

import asyncio
import json
import random
import sqlite3
import ssl
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import trustme
from aiohttp import web

from tests.e2e.processes import PROBE, Process, alertmanager, free_port, prometheus, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(400)]

KILLS = 20
SEED = 20_261_122
STEADY = 470
TROUBLED = {"down": 10, "slow": 10, "secure": 5, "port": 5}
WANTED_LEVEL = {"down": "DOWN", "slow": "DEGRADED", "secure": "DOWN", "port": "DOWN"}

CONFIG = """
instance: fleet
listen: 127.0.0.1:{port}
store: sqlite:probe.db
defaults: {{every: 1s, timeout: 5s, confirm: {{retries: 0}}, down_after: 2 of 3, up_after: 2}}
services: {{fleet: {{owner: team-fleet}}}}
checks:
  steady-{{n}}:
    service: fleet
    for_each: {{n: [{steady}]}}
    http: {{url: "http://127.0.0.1:{site}/steady/{{n}}"}}
  down-{{n}}:
    for_each: {{n: [{ten}]}}
    http: {{url: "http://127.0.0.1:{site}/down/{{n}}"}}
  slow-{{n}}:
    for_each: {{n: [{ten}]}}
    every: 2s
    http: {{url: "http://127.0.0.1:{site}/slow/{{n}}"}}
    thresholds: {{total: {{degraded: 700ms}}}}
  secure-{{n}}:
    for_each: {{n: [{five}]}}
    http: {{url: "https://localhost:{tls}/secure/{{n}}", tls: {{ca: "{ca}"}}}}
  port-{{n}}:
    for_each: {{n: [{five}]}}
    tcp: {{host: 127.0.0.1, port: {tcp}}}
alerts:
  storm: {{over: 0}}
  receivers:
    hook: {{webhook: {{url: "http://127.0.0.1:{site}/hook"}}}}
    peers: {{alertmanager: {{urls: ["{alertmanager}"]}}}}
  routes: [{{to: [hook, peers]}}]
"""


class World:
    """What is probed and who is told: in trouble while `trouble` is set."""

    def __init__(self, folder: Path) -> None:
        self.trouble = False
        self.told: list[tuple[str, str, str]] = []  # (id, kind, check)
        self._refusals = 3  # the first notices are not taken: they must come again
        self._folder = folder
        self._listener: asyncio.Server | None = None
        self.tcp = free_port()

    async def steady(self, _request: web.Request) -> web.Response:
        return web.Response(text="ok")

    async def down(self, _request: web.Request) -> web.Response:
        return web.Response(status=500 if self.trouble else 200)

    async def slow(self, _request: web.Request) -> web.Response:
        if self.trouble:
            await asyncio.sleep(1.0)  # this is what is measured
        return web.Response(text="ok")

    async def hook(self, request: web.Request) -> web.Response:
        if self._refusals:
            self._refusals -= 1
            raise web.HTTPServiceUnavailable
        body = json.loads(await request.read())
        self.told.append((request.headers["webhook-id"], body["type"], body["data"]["check"]))
        return web.Response()

    def contexts(self) -> tuple[Path, ssl.SSLContext]:
        """A server context whose certificate is expired while there is trouble."""
        authority = trustme.CA()
        ca = self._folder / "ca.pem"
        authority.cert_pem.write_to_path(str(ca))
        good, expired = (ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) for _ in range(2))
        authority.issue_cert("localhost").configure_cert(good)
        past = __import__("datetime").datetime(2020, 1, 1, tzinfo=__import__("datetime").UTC)
        authority.issue_cert("localhost", not_after=past).configure_cert(expired)

        def choose(connection: ssl.SSLSocket | ssl.SSLObject, _name: str, _context: ssl.SSLContext) -> None:
            connection.context = expired if self.trouble else good

        good.sni_callback = choose
        return ca, good

    async def open_port(self) -> None:
        self._listener = await asyncio.start_server(lambda _reader, writer: writer.close(), "127.0.0.1", self.tcp)

    async def close_port(self) -> None:
        if self._listener is not None:
            self._listener.close()
            await self._listener.wait_closed()
            self._listener = None

    async def set_trouble(self, trouble: bool) -> None:
        self.trouble = trouble
        await (self.close_port() if trouble else self.open_port())

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[dict[str, object]]:
        app = web.Application()
        for name in ("steady", "down", "slow"):
            app.router.add_get(f"/{name}/{{n}}", getattr(self, name))
        app.router.add_get("/secure/{n}", self.steady)
        app.router.add_post("/hook", self.hook)
        ca, context = self.contexts()
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        (_, site), (_, tls) = runner.addresses
        await self.open_port()
        try:
            yield {"site": site, "tls": tls, "tcp": self.tcp, "ca": ca}
        finally:
            await self.close_port()
            await runner.cleanup()


class Fleet:
    """The running service under test, and the questions that the test asks."""

    def __init__(self, session: aiohttp.ClientSession, folder: Path, port: int, peers: str, graphs: str) -> None:
        self._session = session
        self._database = folder / "probe.db"
        self._api = f"http://127.0.0.1:{port}"
        self._peers = peers
        self._graphs = graphs
        self.process = Process([str(PROBE), "run", str(folder / "probe.yml"), "--plain"], folder / "probe.log")

    async def ready(self) -> bool:
        assert self.process.running, self.process.output()[-4000:]
        async with self._session.get(f"{self._api}/-/ready") as response:
            return response.status == 200

    async def levels(self) -> dict[str, str]:
        levels: dict[str, str] = {}
        while True:
            query = {"limit": "500", "offset": str(len(levels))}
            async with self._session.get(f"{self._api}/api/v1/checks", params=query) as response:
                body = await response.json()
            levels |= {check["name"]: check["level"].upper() for check in body["checks"]}
            if len(levels) >= body["total"] or not body["checks"]:
                return levels

    async def count(self, level: str) -> int:
        return sum(seen == level for seen in (await self.levels()).values())

    async def alerts(self) -> list[dict[str, dict[str, str]]]:
        async with self._session.get(f"{self._peers}/api/v2/alerts?active=true") as response:
            assert response.status == 200
            alerts: list[dict[str, dict[str, str]]] = await response.json()
            return alerts

    async def query(self, expression: str) -> float | None:
        async with self._session.get(f"{self._graphs}/api/v1/query", params={"query": expression}) as response:
            found = (await response.json())["data"]["result"]
            return float(found[0]["value"][1]) if found else None

    async def restart(self, after: float) -> None:
        await asyncio.sleep(after)  # the instant of the kill is what is varied here
        await self.process.kill()
        assert self.rows("PRAGMA integrity_check") == [("ok",)]
        await self.process.start()
        await until(self.ready, "the service is ready again")

    def rows(self, statement: str) -> list[tuple[object, ...]]:
        connection = sqlite3.connect(self._database)
        try:
            return connection.execute(statement).fetchall()
        finally:
            connection.close()


@asynccontextmanager
async def fleet(folder: Path, world: World) -> AsyncIterator[Fleet]:
    async with AsyncExitStack() as stack:
        addresses = await stack.enter_async_context(world.serving())
        peers = await stack.enter_async_context(alertmanager(folder))
        port = free_port()
        graphs = await stack.enter_async_context(prometheus(folder, f"127.0.0.1:{port}"))
        numbers = {"steady": STEADY, "ten": 10, "five": 5}
        lists = {name: ", ".join(str(n) for n in range(count)) for name, count in numbers.items()}
        (folder / "probe.yml").write_text(CONFIG.format(port=port, alertmanager=peers, **lists, **addresses))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        running = Fleet(session, folder, port, peers, graphs)
        await running.process.start()
        try:
            await until(running.ready, "the service is ready")
            yield running
        finally:
            if running.process.running:
                await running.process.kill()


def troubled() -> dict[str, str]:
    return {f"{kind}-{n}": WANTED_LEVEL[kind] for kind, count in TROUBLED.items() for n in range(count)}


async def test_twenty_kills_lose_nothing_and_invent_nothing(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    world = World(tmp_path)
    async with fleet(tmp_path, world) as running:

        async def all_up() -> bool:
            return await running.count("UP") == 500

        async def as_it_is() -> bool:
            levels = await running.levels()
            return {name: level for name, level in levels.items() if level != "UP"} == troubled()

        async def known_to_alertmanager() -> bool:
            return {alert["labels"]["check"] for alert in await running.alerts()} == set(troubled())

        await until(all_up, "500 checks are up")
        for _ in range(3):
            await running.restart(chance.uniform(0.3, 3.0))
        await world.set_trouble(True)
        for _ in range(7):
            await running.restart(chance.uniform(0.3, 4.0))
        await until(as_it_is, "thirty checks are in trouble, each at its level")
        await until(known_to_alertmanager, "Alertmanager has thirty alerts")

        async def graphed() -> bool:
            # Slow ones answer: they succeed, and are degraded.
            failed = await running.query("count(probe_success == 0)")
            degraded = await running.query("count(probe_check_level == 2)")
            return (failed, degraded) == (20.0, 10.0)

        await until(graphed, "Prometheus sees twenty failing and ten degraded")
        for _ in range(4):
            await running.restart(chance.uniform(0.3, 3.0))
        await world.set_trouble(False)
        for _ in range(KILLS - 14):
            await running.restart(chance.uniform(0.3, 4.0))
        await until(all_up, "500 checks are up again")

        async def quiet() -> bool:
            pending = running.rows("SELECT count(*) FROM deliveries WHERE outcome = 'pending'")
            return pending == [(0,)] and not await running.alerts()

        await until(quiet, "everything is told, and Alertmanager has no alert", limit=90)

        async def graphed_up() -> bool:
            return await running.query("sum(probe_success)") == 500.0

        await until(graphed_up, "Prometheus sees 500 successes")
        assert await running.process.end() == 0, running.process.output()[-4000:]
        check_told(world.told)
        check_kept(running)


def check_told(told: list[tuple[str, str, str]]) -> None:
    """Each outage was told as opened, then as resolved; what was told twice had the same id."""
    kinds: dict[str, list[str]] = defaultdict(list)
    seen: set[str] = set()
    for identity, kind, check in told:
        if identity not in seen:
            kinds[check].append(kind)
        seen.add(identity)
    assert kinds == {check: ["incident.opened", "incident.resolved"] for check in troubled()}


def check_kept(running: Fleet) -> None:
    """The rows say the same: one outage for each, dated from its first failed run to its first good one."""
    assert running.rows("PRAGMA integrity_check") == [("ok",)]
    moved = running.rows(
        "SELECT c.name, t.event, count(*) FROM transitions t JOIN checks c ON c.id = t.check_id"
        " WHERE t.event != 'quiet' GROUP BY 1, 2"
    )
    wanted = {(check, event, 1) for check in troubled() for event in ("opened", "resolved")}
    assert set(moved) == wanted
    false = running.rows(
        "SELECT c.name, count(*) FROM results r JOIN checks c ON c.id = r.check_id"
        " WHERE c.name LIKE 'steady-%' AND r.level != 1 GROUP BY 1"
    )
    assert false == []
