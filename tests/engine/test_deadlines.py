"""What counts at a deadline is when the answer came, by the kernel, not when we came to look at it.

Real servers, real sockets served in slices, and a loop of ours that is blocked on purpose.
"""

import asyncio
import re
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager

from checks.core.base import CheckSpec
from checks.core.net import Net
from checks.core.result import FailureKind, Result
from checks.http import Http
from probe.clock import SystemClock
from probe.engine.engine import Engine
from probe.engine.lag import LagMeter
from probe.engine.runner import Runner
from probe.engine.seats import Seats
from tests.servers import HOST, answering, response, serving

TIMEOUT = 1.0  # s: of a shorter one sockets are not served in slices
EVERY = 0.02  # s, and so 50 runs/s: from there on they are


class Gate:
    """A server in a thread that answers its first request when it is told to; `asked` is called with each request."""

    def __init__(self, listener: socket.socket, asked: Callable[[], None]) -> None:
        self._listener = listener
        self._asked = asked
        self._told = threading.Event()
        self._said = threading.Event()
        self._kept: list[socket.socket] = []

    def answer(self) -> None:
        """Have the answer sent; it lies in our kernel when this returns."""
        self._told.set()
        assert self._said.wait(30)

    def serve(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            self._kept.append(sock)
            if not self._said.is_set() and sock.recv(65536):
                self._asked()
                self._told.wait(30)
                sock.sendall(response())
                self._said.set()

    def close(self) -> None:
        self._told.set()
        self._listener.shutdown(socket.SHUT_RDWR)
        for sock in self._kept:
            sock.close()


@contextmanager
def gated(asked: Callable[[], None]) -> Iterator[tuple[Gate, str]]:
    with socket.create_server((HOST, 0)) as listener:
        gate = Gate(listener, asked)
        thread = threading.Thread(target=gate.serve)
        thread.start()
        try:
            yield gate, f"http://{HOST}:{listener.getsockname()[1]}/"
        finally:
            gate.close()
            thread.join()


class Deaf:
    """Figures that nobody hears of."""

    def late(self, seconds: float) -> None: ...
    def skipped(self, runs: int) -> None: ...


@asynccontextmanager
async def probing(url: str, emit: Callable[[Result], None]) -> AsyncIterator[None]:
    """An engine at work on one check. Its meter sees our own stalls, not what else this machine is busy with."""
    clock, net = SystemClock(), Net()
    lag = LagMeter(clock)
    engine = Engine(Runner(net, clock, lag, str), Seats(10), clock, emit, Deaf())
    tasks = [asyncio.create_task(lag.run()), asyncio.create_task(engine.run())]
    try:
        engine.plan([CheckSpec("a", Http(url=url), EVERY, TIMEOUT)])
        yield
    finally:
        await engine.stop()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await net.close()


async def first_result(block: Callable[[Gate], None]) -> Result:
    """Of a run during which our loop did this, from the moment on at which the server had the request."""
    loop = asyncio.get_running_loop()
    first: asyncio.Future[Result] = loop.create_future()

    def emit(result: Result) -> None:
        if not first.done():
            first.set_result(result)

    def asked() -> None:
        loop.call_soon_threadsafe(block, gate)

    with gated(asked) as (gate, url):
        async with probing(url, emit), asyncio.timeout(30):
            return await first


async def test_an_answer_that_came_in_time_is_a_success_however_late_we_look() -> None:
    def block(gate: Gate) -> None:
        gate.answer()
        time.sleep(1.2 * TIMEOUT)

    result = await first_result(block)
    assert result.failure is None, result.failure
    assert result.facts["timing"] == "kernel"
    assert result.duration < TIMEOUT


async def test_an_answer_that_came_too_late_is_a_timeout_however_late_we_look() -> None:
    def block(gate: Gate) -> None:
        time.sleep(1.2 * TIMEOUT)
        gate.answer()

    result = await first_result(block)
    assert result.failure is not None
    assert (result.failure.kind, result.failure.phase) == (FailureKind.TIMEOUT, "ttfb")
    assert re.fullmatch(r"timed out: answered after 1\.\d+ s, and the timeout is 1 s", result.failure.message)
    assert result.duration > TIMEOUT


async def test_before_a_run_is_cut_off_its_sockets_are_looked_at() -> None:
    """The next slice ends long after the deadline. First the connection stands, then the answer is there."""
    net, clock = Net(), SystemClock()
    net.look_every(30.0)
    async with serving(answering(response())) as site:
        runner = Runner(net, clock, LagMeter(clock), str)
        result = await runner.run_once(CheckSpec("a", Http(url=site.url()), 10.0, TIMEOUT))
    await net.close()
    assert result.failure is None, result.failure
    assert result.facts["timing"] == "kernel"
    assert result.duration < TIMEOUT
