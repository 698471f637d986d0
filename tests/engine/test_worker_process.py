"""A worker as a process: what it says, what it obeys, and when it ends."""

import asyncio
import json
import os
import signal
import struct
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from checks.core.base import CheckSpec
from checks.core.result import Result
from checks.http import Http
from checks.tcp import Tcp
from probe.engine.orders import Change, Order, Rules, Stop, pack, read_line
from probe.engine.vitals import Vitals
from tests.servers import answering, banner, free_port, response, serving

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-P", "-m", "probe.engine.worker", "1/1"]
HEAVY = ("aiohttp", "aiosqlite", "click", "exporters", "jinja2", "probe.config", "prometheus_client", "rich", "yaml")


class Line:
    """Both ends of a worker: orders in, lines out."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.results: list[Result] = []
        self.vitals: list[Vitals] = []

    def tell(self, *orders: Order) -> None:
        assert self.process.stdin is not None
        for order in orders:
            self.process.stdin.write(pack(order))

    async def listen(self) -> bool:
        """Take one line; whether there was one."""
        assert self.process.stdout is not None
        line = await self.process.stdout.readline()
        if not line:
            return False
        said = read_line(line.removesuffix(b"\n"))
        self.vitals.append(said) if isinstance(said, Vitals) else self.results.append(said)
        return True

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                assert await self.listen(), "the worker ended"

    async def end(self) -> int:
        """Read to the end; the exit code."""
        async with asyncio.timeout(20):
            while await self.listen():
                pass
            return await self.process.wait()

    async def errors(self) -> str:
        assert self.process.stderr is not None
        return (await self.process.stderr.read()).decode()


@asynccontextmanager
async def worker() -> AsyncIterator[Line]:
    pipe = asyncio.subprocess.PIPE
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *COMMAND, stdin=pipe, stdout=pipe, stderr=pipe, env=environment, limit=1 << 20
    )
    line = Line(process)
    try:
        yield line
    finally:
        if process.returncode is None:
            process.kill()
        await line.end()
        assert process.stdin is not None
        process.stdin.close()


def plan(*specs: CheckSpec, seen_ms: tuple[int, ...] = ()) -> tuple[Order, ...]:
    return Rules(allow=()), Change(specs=specs, seen_ms=seen_ms or (0,) * len(specs)), Change(last=True)


def spec(url: str, name: str = "a", every: float = 0.1) -> CheckSpec:
    return CheckSpec(name, Http(url=url), every, 2.0)


def test_a_worker_imports_nothing_that_probing_does_not_need() -> None:
    code = "import json, sys, probe.engine.worker; print(json.dumps(list(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    loaded = set(json.loads(done.stdout))
    assert [name for name in HEAVY if name in loaded] == []


async def test_it_probes_what_it_is_told_and_nothing_more() -> None:
    async with serving(answering(response())) as site, serving(banner(b"hi")) as port, worker() as line:
        line.tell(*plan(spec(site.url()), CheckSpec("b", Tcp(host="127.0.0.1", port=port.port), 0.1, 2.0)))
        await line.until(lambda: {result.check for result in line.results} == {"a", "b"})
        assert all(result.failure is None for result in line.results)
        line.tell(Change(gone=("b",)), Change(last=True))
        await line.until(lambda: line.vitals and line.vitals[-1].checks == 1)
        line.results.clear()
        await line.until(lambda: len(line.results) >= 5)
        assert {result.check for result in line.results} == {"a"}
        assert line.vitals[-1].pid == line.process.pid
        assert line.vitals[-1].runs > 0
        assert line.vitals[-1].fd_limit > line.vitals[-1].fds > 0


async def test_the_rules_of_the_network_hold_in_it() -> None:
    async with worker() as line:
        line.tell(*plan(spec("http://169.254.1.1/")))
        await line.until(lambda: line.results)
        failure = line.results[0].failure
        assert failure is not None
        assert "denied by the network policy" in failure.message


async def test_secrets_do_not_leave_it_in_a_result() -> None:
    async with serving(answering(response(status="503 s3cr3t-words"))) as site, worker() as line:
        _, *changes = plan(spec(site.url("/?key=s3cr3t-words")))
        line.tell(Rules(secrets=frozenset({"s3cr3t-words"})), *changes)
        await line.until(lambda: len(line.results) >= 2)
        assert all("s3cr3t" not in repr(result) for result in line.results)


async def test_it_ends_when_the_service_is_gone() -> None:
    async with worker() as line:
        await line.until(lambda: line.vitals)
        assert line.process.stdin is not None
        line.process.stdin.close()
        assert await line.end() == 0


async def test_ctrl_c_is_not_for_it_and_a_termination_ends_it_in_order() -> None:
    async with serving(answering(response())) as site, worker() as line:
        line.tell(*plan(spec(site.url())))
        await line.until(lambda: line.results)
        line.process.send_signal(signal.SIGINT)
        line.results.clear()
        await line.until(lambda: len(line.results) >= 3)
        line.process.send_signal(signal.SIGTERM)
        assert await line.end() == 0
        assert await line.errors() == ""


async def test_told_to_stop_it_says_what_is_left_to_say() -> None:
    port = free_port()  # so many runs per second that some of them always wait to be said
    async with worker() as line:
        line.tell(*plan(*(CheckSpec(f"c{n}", Tcp(host="127.0.0.1", port=port), 0.1, 1.0) for n in range(150))))
        await line.until(lambda: len(line.results) >= 300)
        await asyncio.sleep(0.025)  # between two writes of gathered lines
        line.tell(Stop())
        assert await line.end() == 0
        assert line.vitals[-1].runs == len(line.results)
        assert line.vitals[-1].dropped == {"slow_reader": 0}


async def test_runs_that_nobody_made_since_the_last_one_are_missed() -> None:
    async with worker() as line:
        now_ms = time.time_ns() // 1_000_000
        known, new = (CheckSpec(name, Tcp(host="127.0.0.1", port=free_port()), 1.0, 0.5) for name in ("known", "new"))
        line.tell(*plan(known, new, seen_ms=(now_ms - 10_000, 0)))
        await line.until(lambda: line.vitals and line.vitals[-1].missed)
        # Ten instants in ten seconds, and those of the time that the process took to start.
        assert 10 <= line.vitals[-1].missed <= 10 + (time.time_ns() // 1_000_000 - now_ms) / 1000


@pytest.mark.parametrize("garbage", [b"\xff" * 64, struct.pack("!I", 4) + b"junk"], ids=["no length", "no order"])
async def test_orders_that_are_none_end_it_with_a_line_that_says_so(garbage: bytes) -> None:
    async with worker() as line:
        assert line.process.stdin is not None
        line.process.stdin.write(garbage)
        assert await line.end() == 1
        assert "an order cannot be read" in await line.errors()
