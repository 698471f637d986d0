"""Worker processes seen from outside: what they change is how fast it goes, and nothing else."""

import asyncio
import itertools
import json
import os
import signal
import sqlite3
import subprocess
import time
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.processes import PROBE, Process, free_port, until
from tests.e2e.test_service import Service, Site
from tests.servers import (
    ENDLESS_HEADERS,
    Authority,
    Handler,
    Recorder,
    answering,
    banner,
    closing,
    dripping,
    redirecting,
    resetting,
    response,
    routing,
    serving,
    silent,
)

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

FLEET = """
instance: e2e
listen: 127.0.0.1:{port}
store: sqlite:probe.db
workers: 2
defaults: {{every: 500ms, timeout: 400ms, confirm: {{retries: 0}}}}
checks:
  site-{{n}}: {{for_each: {{n: ["0", "1", "2", "3", "4", "5", "6", "7"]}}, http: {{url: "http://127.0.0.1:{site}/page"}}}}
alerts:
  receivers: {{hook: {{webhook: {{url: "http://127.0.0.1:{site}/hook"}}}}}}
  routes: [{{to: [hook]}}]
"""
NAMES = {f"site-{n}" for n in range(8)}


def children(pid: int) -> list[int]:
    """The processes that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, parent = path.read_text().rpartition(")")[2].split()[:2]
        except OSError:
            continue
        if int(parent) == pid and state != "Z":
            found.append(int(path.parent.name))
    return found


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


async def nobody(pids: list[int]) -> None:
    async def gone() -> bool:
        return not [pid for pid in pids if alive(pid)]

    await until(gone, "no worker is left", limit=10)


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    async with AsyncExitStack() as stack:
        site = Site()
        await stack.enter_async_context(site.serving())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        service = Service(tmp_path, site, session)
        service.write(FLEET)
        try:
            yield service
        finally:
            if service.process.running:
                service.process.send(signal.SIGCONT)
                await service.process.kill()


async def up(service: Service, names: set[str]) -> None:
    async def all_up() -> bool:
        body = json.loads((await service.get("/api/v1/checks"))[1])
        return {check["name"] for check in body["checks"] if check["level"] == "up"} == names

    await until(all_up, f"{len(names)} checks are up, and there are no others", limit=30)


def stored(service: Service) -> dict[str, list[int]]:
    """When the runs of each check began, as the store has them."""
    runs: dict[str, list[int]] = defaultdict(list)
    for name, at_ms in service.rows(
        "SELECT c.name, r.at_ms FROM results r JOIN checks c ON c.id = r.check_id ORDER BY r.at_ms"
    ):
        runs[name].append(at_ms)
    return runs


async def ran(service: Service, name: str, runs: int) -> None:
    async def enough() -> bool:
        return len(stored(service)[name]) >= runs

    await until(enough, f"{runs} runs of {name} are stored", limit=30)


async def test_nothing_is_lost_while_the_service_is_stopped(service: Service) -> None:
    await service.start()
    await up(service, NAMES)
    began_ms = time.time_ns() // 1_000_000
    service.process.send(signal.SIGSTOP)
    await asyncio.sleep(5.0)  # the length of the stop is what is tested
    ended_ms = time.time_ns() // 1_000_000
    service.process.send(signal.SIGCONT)

    async def caught_up() -> bool:
        runs = stored(service)
        return set(runs) == NAMES and all(starts[-1] > ended_ms + 1000 for starts in runs.values())

    await until(caught_up, "what was seen meanwhile is stored")
    for starts in stored(service).values():
        during = [at_ms for at_ms in starts if began_ms - 1000 < at_ms < ended_ms + 1000]
        gaps = [b - a for a, b in itertools.pairwise(during)]
        assert len(during) >= 12
        assert max(gaps) < 950, gaps  # one run that is missing makes 1,000
    assert service.rows("SELECT DISTINCT level FROM results") == [(1,)]
    assert service.rows("SELECT DISTINCT level_after FROM transitions") == [(1,)]
    assert service.site.told == []
    assert await service.metric('probe_worker_restarts_total{process="worker 1"}') == 0


async def test_a_reload_reaches_every_worker(service: Service) -> None:
    await service.start()
    await up(service, NAMES)
    before = children(service.process.pid)
    assert len(before) == 2
    await ran(service, "site-3", 2)
    service.write(FLEET.replace('"7"]', '"7", "8", "9"]').replace('"0", ', ""))
    service.process.send(signal.SIGHUP)
    await up(service, NAMES - {"site-0"} | {"site-8", "site-9"})
    assert children(service.process.pid) == before
    await ran(service, "site-3", 5)
    kept = stored(service)["site-3"]
    assert max(b - a for a, b in itertools.pairwise(kept)) < 950  # an unchanged check keeps its place


async def test_the_number_of_workers_can_change_while_it_runs(service: Service) -> None:
    await service.start()
    await up(service, NAMES)
    for count in (0, 3, 1):
        pids = children(service.process.pid)
        service.write(FLEET.replace("workers: 2", f"workers: {count}"))
        async with service.session.post(f"http://127.0.0.1:{service.port}/-/reload") as answer:
            assert answer.status == 200, await answer.text()
        assert len(children(service.process.pid)) == count
        await nobody(pids)
        now_ms = time.time_ns() // 1_000_000

        async def goes_on() -> bool:
            return all(starts[-1] > now_ms for starts in stored(service).values())  # noqa: B023

        await until(goes_on, f"every check goes on with {count} workers")
    assert service.rows("SELECT DISTINCT level FROM results") == [(1,)]
    assert service.site.told == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_the_end_leaves_no_process_and_loses_no_result(service: Service, number: signal.Signals) -> None:
    service.process.command[:0] = ["setsid"]  # a process group of its own, as a shell would make it
    await service.start()
    await up(service, NAMES)
    workers = children(service.process.pid)
    assert [os.getsid(pid) for pid in workers] == workers  # Ctrl-C does not reach them, however early it comes
    os.killpg(service.process.pid, number)
    assert service.process._process is not None
    async with asyncio.timeout(20):
        assert await service.process._process.wait() == 0, service.process.output()
    await nobody(workers)
    last = [starts[-1] for starts in stored(service).values()]
    assert len(last) == 8
    assert max(last) - min(last) < 1000  # results that were on their way have arrived
    assert "Traceback" not in service.process.output()


async def test_a_service_that_is_killed_leaves_no_worker_behind(service: Service) -> None:
    await service.start()
    await up(service, NAMES)
    workers = children(service.process.pid)
    assert len(workers) == 2
    await service.process.kill()
    await nobody(workers)


async def test_a_worker_that_is_killed_raises_no_alert_about_a_target(service: Service) -> None:
    await service.start()
    await up(service, NAMES)
    (victim, _) = children(service.process.pid)
    os.kill(victim, signal.SIGKILL)

    async def replaced() -> bool:
        restarts = [await service.metric(f'probe_worker_restarts_total{{process="worker {n}"}}') for n in (1, 2)]
        return sorted(one or 0 for one in restarts) == [0, 1]

    await until(replaced, "one worker is replaced")
    now_ms = time.time_ns() // 1_000_000

    async def goes_on() -> bool:
        return all(starts[-1] > now_ms for starts in stored(service).values())

    await until(goes_on, "its checks go on")
    for starts in stored(service).values():
        assert len(starts) == len(set(starts))
        assert min(b - a for a, b in itertools.pairwise(starts)) > 250  # never two at once
    assert service.site.told == []
    assert "was killed by SIGKILL" in service.process.output()


# One process or three


class World:
    """Targets of every temper, well behaved until `trouble` is set; and who is told, by service."""

    def __init__(self) -> None:
        self.trouble = False
        self.told: dict[str, list[tuple[str, str, str]]] = defaultdict(list)

    def moody(self, bad: Handler, good: Handler | None = None) -> Handler:
        fine = good or answering(response())

        async def handle(reader: Recorder, writer: asyncio.StreamWriter) -> None:
            await (bad if self.trouble else fine)(reader, writer)

        return handle

    async def hook(self, request: web.Request) -> web.Response:
        data = json.loads(await request.read())
        notice = data["data"]
        self.told[notice["instance"]].append((notice["check"], data["type"], notice["level"]))
        return web.Response()

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[str]:
        """The checks of a configuration that asks all of them."""
        authority = Authority()
        trusted, strange = authority.issue("localhost", "127.0.0.1"), Authority("Other CA").issue("localhost")
        http: dict[str, Handler] = {
            "steady": answering(response()),
            "broken": self.moody(answering(response(status="500 Oops"))),
            "reset": self.moody(resetting()),
            "silent": self.moody(silent),
            "slow": self.moody(answering(response()[:-5], b"hello", pause=0.6)),
            "endless": self.moody(ENDLESS_HEADERS),
            "dripping": self.moody(dripping(response())),
            "lost": self.moody(routing({"/": redirecting("/")})),
            "garbled": self.moody(answering(b"what?\r\n\r\n")),
            "closed": self.moody(closing),
        }
        async with AsyncExitStack() as stack:
            lines = []
            for name, handler in http.items():
                served = await stack.enter_async_context(serving(handler))
                lines.append(
                    f'  {name}: {{http: {{url: "{served.url()}"}}, thresholds: {{total: {{degraded: 300ms}}}}}}'
                )
            port = await stack.enter_async_context(
                serving(self.moody(banner(b"421 go away\r\n"), banner(b"220 hi\r\n")))
            )
            lines.append(f'  banner: {{tcp: {{host: 127.0.0.1, port: {port.port}, expect: "220 "}}}}')
            lines.append(f"  refused: {{tcp: {{host: 127.0.0.1, port: {free_port()}}}}}")
            tls = await stack.enter_async_context(serving(answering(response()), tls=trusted.server()))
            odd = await stack.enter_async_context(serving(answering(response()), tls=strange.server()))
            for name, served in (("trusted", tls), ("strange", odd)):
                ca = authority.path
                lines.append(f'  {name}: {{http: {{url: "https://localhost:{served.port}/", tls: {{ca: "{ca}"}}}}}}')
            yield "\n".join(lines)


ONE_OR_MANY = """
instance: {instance}
listen: 127.0.0.1:{port}
store: sqlite:{instance}.db
workers: {workers}
defaults: {{every: 500ms, timeout: 1s, confirm: {{retries: 0}}, down_after: 2 of 3, up_after: 2}}
checks:
{checks}
alerts:
  receivers: {{hook: {{webhook: {{url: "http://127.0.0.1:{hook}/"}}}}}}
  routes: [{{to: [hook]}}]
"""

ALWAYS_BAD = {"refused": "down", "strange": "down"}
IN_TROUBLE = ALWAYS_BAD | {
    "slow": "degraded",
    **dict.fromkeys(
        ("broken", "reset", "silent", "endless", "dripping", "lost", "garbled", "closed", "banner"), "down"
    ),
}
ALL = {*IN_TROUBLE, "steady", "trusted"}


class One:
    """A running service, and what it says of its checks."""

    def __init__(self, folder: Path, session: aiohttp.ClientSession, workers: int, checks: str, hook: int) -> None:
        self.instance = f"with-{workers}"
        self._port = free_port()
        self._session = session
        self._database = folder / f"{self.instance}.db"
        config = folder / f"{self.instance}.yml"
        config.write_text(
            ONE_OR_MANY.format(instance=self.instance, port=self._port, workers=workers, checks=checks, hook=hook)
        )
        self.process = Process([str(PROBE), "run", str(config), "--plain"], folder / f"{self.instance}.log")

    async def get(self, path: str) -> str:
        async with self._session.get(f"http://127.0.0.1:{self._port}{path}") as response:
            return await response.text()

    async def levels(self) -> dict[str, str]:
        assert self.process.running, self.process.output()
        body = json.loads(await self.get("/api/v1/checks"))
        return {check["name"]: check["level"] for check in body["checks"]}

    async def stands(self, bad: dict[str, str]) -> None:
        wanted = dict.fromkeys(ALL, "up") | bad

        async def so() -> bool:
            return await self.levels() == wanted

        await until(so, f"{self.instance} sees {bad}")

    async def series(self) -> dict[str, set[str]]:
        """By the name of a metric about checks: the labels of its series."""
        found: dict[str, set[str]] = defaultdict(set)
        for line in (await self.get("/metrics")).splitlines():
            name, brace, rest = line.partition("{")
            if brace and not line.startswith("#") and 'check="' in rest:
                found[name].add(rest.rpartition("}")[0].replace(self.instance, "INSTANCE"))
        return found

    def moved(self) -> dict[str, list[tuple[object, ...]]]:
        """The transitions of every check, in order."""
        connection = sqlite3.connect(self._database)
        try:
            rows = connection.execute(
                "SELECT c.name, level_before, level_after, event FROM transitions t JOIN checks c ON c.id = t.check_id"
                " ORDER BY t.id"
            ).fetchall()
        finally:
            connection.close()
        moved: dict[str, list[tuple[object, ...]]] = defaultdict(list)
        for name, *move in rows:
            moved[name].append(tuple(move))
        return moved


async def test_one_process_or_three_same_results_same_metrics_same_alerts(tmp_path: Path) -> None:
    world = World()
    async with AsyncExitStack() as stack:
        checks = await stack.enter_async_context(world.serving())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        hook = await stack.enter_async_context(hooked(world))
        alone, fleet = (One(tmp_path, session, workers, checks, hook) for workers in (0, 3))
        for one in (alone, fleet):
            await one.process.start()
            stack.push_async_callback(one.process.end)

        for trouble, bad in ((False, ALWAYS_BAD), (True, IN_TROUBLE), (False, ALWAYS_BAD)):
            world.trouble = trouble
            for one in (alone, fleet):
                await one.stands(bad)
            assert await alone.series() == await fleet.series()
        for one in (alone, fleet):
            assert await one.process.end() == 0, one.process.output()
    assert alone.moved() == fleet.moved()
    assert len(alone.moved()) == len(ALL)
    told = {one.instance: sorted(world.told[one.instance]) for one in (alone, fleet)}
    assert told["with-0"] == told["with-3"]
    assert {check for check, *_ in told["with-0"]} == set(IN_TROUBLE)


@asynccontextmanager
async def hooked(world: World) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_post("/", world.hook)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


# The debugger


def lines_of(service: Service, *arguments: str, count: int = 40) -> list[dict[str, object]]:
    """What `probe worker | head` prints."""
    command = f"{PROBE} worker {' '.join(arguments)} -c {service.config} | head -n {count}"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stderr) == (0, "")
    return [json.loads(line) for line in done.stdout.splitlines()]


async def test_shards_are_all_checks_and_each_in_one(service: Service) -> None:
    shards = await asyncio.gather(*(asyncio.to_thread(lines_of, service, f"--shard {n}/2") for n in (1, 2)))
    names = [{str(line["check"]) for line in lines} for lines in shards]
    assert set().union(*names) == NAMES
    assert sum(map(len, names)) == len(NAMES)
    assert all(line.get("failure") is None for lines in shards for line in lines)


async def test_without_a_shard_a_worker_runs_everything_until_ctrl_c(service: Service, tmp_path: Path) -> None:
    out = tmp_path / "lines"
    with out.open("wb") as file:
        process = await asyncio.create_subprocess_exec(str(PROBE), "worker", "-c", str(service.config), stdout=file)

    async def everybody() -> bool:
        return {
            json.loads(line)["check"] for line in out.read_text().splitlines(keepends=True) if line[-1] == "\n"
        } == NAMES

    await until(everybody, "every check has a line", limit=20)
    process.send_signal(signal.SIGINT)
    assert await process.wait() == 0


async def test_no_shard_is_one_line_and_the_code_of_wrong_usage(service: Service) -> None:
    done = await asyncio.to_thread(
        subprocess.run,
        [str(PROBE), "worker", "--shard", "9/8", "-c", str(service.config)],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "9/8 is no shard: the first of 8 is 1/8, the last 8/8" in done.stderr
