"""Sockets that are served in slices: one timer for all of them, and nothing that is told is lost."""

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial

from checks.core.net import Net
from checks.core.poller import Poller, slice_end
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.conftest import outcome
from tests.servers import Authority, Recorder, answering, redirecting, response, routing, serving


def timers(loop: asyncio.AbstractEventLoop) -> int:
    """Ticks of pollers that are to come."""
    handles = [handle for handle in vars(loop)["_scheduled"] if not handle.cancelled()]
    return sum(getattr(handle._callback, "__name__", "") == "_tick" for handle in handles)


def test_the_end_of_a_slice_is_always_to_come() -> None:
    now = 0.0
    for _ in range(1000):
        after = slice_end(now, 0.02)
        assert 0.0 < after - now < 0.0401
        now = after


async def test_whoever_is_woken_and_opens_another_socket_starts_no_second_timer() -> None:
    poller = Poller(0.001)
    opened: list[socket.socket] = []

    def watch(left: int) -> None:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        opened.extend((ours, theirs))
        theirs.send(b"x")

        def noticed(_events: int) -> None:
            poller.forget(ours.fileno())
            if left:
                watch(left - 1)
            else:
                done.set()

        poller.watch(ours.fileno(), noticed)

    ours, theirs = socket.socketpair()
    opened.extend((ours, theirs))
    poller.watch(ours.fileno(), lambda _events: None)  # as long as it is there, so is a timer
    done = asyncio.Event()
    for _ in range(5):
        watch(10)
    async with asyncio.timeout(5):
        await done.wait()
        await asyncio.sleep(0.01)
    assert timers(asyncio.get_running_loop()) == 1
    poller.close()
    for sock in opened:
        sock.close()


async def test_redirects_in_slices_leave_one_timer() -> None:
    net = Net()
    net.look_every(0.005)
    async with serving(routing({"/": redirecting("/b"), "/b": redirecting("/c"), "/c": response(b"done")})) as served:
        for _ in range(10):
            run = await outcome(Http(url=served.url()), net)
            assert run.failure is None
            assert timers(asyncio.get_running_loop()) <= 1
    await net.close()


async def test_a_slice_does_not_lengthen_what_is_reported() -> None:
    net = Net()
    net.look_every(0.05)
    async with serving(answering(response(b"ok"))) as served:
        runs = [await outcome(Http(url=served.url()), net) for _ in range(5)]
    await net.close()
    assert all(run.facts["timing"] == "kernel" for run in runs)
    assert min(run.trace.duration() for run in runs) < 0.05


async def test_a_handshake_that_drips_is_as_long_as_it_was(authority: Authority) -> None:
    """The server was still sending while we looked elsewhere: only what it waited for us is not its time."""
    took: list[float] = []

    async def dripping(reader: Recorder, writer: asyncio.StreamWriter) -> None:
        inner_reader, inner = await asyncio.open_connection("127.0.0.1", secure.port)
        hello = await reader.read(65536)
        began = time.monotonic()
        inner.write(hello)
        flight = await inner_reader.read(65536)
        for start in range(0, len(flight), 200):
            writer.write(flight[start : start + 200])
            await writer.drain()
            await asyncio.sleep(0.012)
        took.append(time.monotonic() - began - 0.012)

        async def pass_on(source: asyncio.StreamReader | Recorder, sink: asyncio.StreamWriter) -> None:
            while data := await source.read(65536):
                sink.write(data)
                await sink.drain()

        try:
            await asyncio.gather(pass_on(reader, inner), pass_on(inner_reader, writer), return_exceptions=True)
        finally:
            inner.close()

    net = Net()
    net.look_every(0.02)
    context = authority.issue().server()
    async with serving(answering(response(b"ok")), tls=context) as secure, serving(dripping) as served:
        url = f"https://127.0.0.1:{served.port}/"
        run = await outcome(Http(url=url, tls={"verify": False}), net)
    await net.close()
    assert run.failure is None
    assert run.phases["tls"] >= 0.9 * took[0]


async def test_runs_far_between_are_timed_by_the_kernel_all_of_them() -> None:
    """Each asks for stamps, and no other socket does: without one that is kept the kernel begins and ends each time."""
    net = Net()
    async with serving(answering(response(b"ok"))) as served:
        check = Http(url=served.url())
        async with asyncio.timeout(30):
            while (await outcome(check, net)).facts["timing"] != "kernel":
                pass  # it begins a moment after it is asked
        timings = Counter([(await outcome(check, net)).facts["timing"] for _ in range(300)])
    await net.close()
    assert timings == {"kernel": 300}


async def in_two(reader: Recorder, writer: asyncio.StreamWriter) -> None:
    """The head, and the body 5 ms later."""
    await reader.readuntil(b"\r\n\r\n")
    writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n")
    await writer.drain()
    await asyncio.sleep(0.005)
    writer.write(b"ok")


async def test_an_answer_in_pieces_is_looked_at_promptly_from_the_next_run_on() -> None:
    net = Net()
    net.look_every(0.05)
    async with serving(in_two) as served:
        check = Http(url=served.url())
        first, second = [await outcome(check, net) for _ in range(2)]
    await net.close()
    assert first.facts["timing"] == "loop"
    assert first.trace.unsure >= 0.05  # the slice, and what it took to ask
    assert second.facts["timing"] == "kernel"
    assert second.phases["transfer"] >= 0.004


def test_orders_made_of_one_another_learn_together() -> None:
    order = Http(url="http://shop.example/")._order
    replace(order, payload=b"GET / HTTP/1.1\r\nAuthorization: Bearer another\r\n\r\n").manner.pieces = True
    assert order.manner.pieces


async def test_a_hop_that_our_loop_timed_is_not_forgotten_at_the_next() -> None:
    async def redirecting_in_two(reader: Recorder, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        if b"GET /there " in head:
            writer.write(response(b"ok"))
            return
        writer.write(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n")
        await writer.drain()
        await asyncio.sleep(0.005)
        writer.write(b"Location: /there\r\n\r\n")

    net = Net()
    net.look_every(0.02)
    async with serving(redirecting_in_two) as served:
        run = await outcome(Http(url=served.url()), net)
    await net.close()
    assert run.failure is None
    assert run.facts["timing"] == "loop"


async def test_what_a_port_says_is_looked_at_promptly() -> None:
    async def greeting(_reader: Recorder, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 ")
        await writer.drain()
        await asyncio.sleep(0.01)
        writer.write(b"ready\r\n")

    net = Net()
    net.look_every(0.1)
    async with serving(greeting) as served:
        run = await outcome(Tcp(host="127.0.0.1", port=served.port, expect="ready"), net)
    await net.close()
    assert run.failure is None
    assert run.phases["transfer"] >= 0.008


class Ready:
    """Sockets on which something has come, and who was told of it."""

    def __init__(self, poller: Poller, count: int, noticed: Callable[[], None] = lambda: None) -> None:
        self.poller = poller
        self.noticed = noticed
        self.told: list[int] = []
        self.pairs = [socket.socketpair() for _ in range(count)]
        for number, (ours, theirs) in enumerate(self.pairs):
            theirs.send(b"x")
            ours.setblocking(False)
            poller.watch(ours.fileno(), partial(self._tell, number))

    def _tell(self, number: int, _events: int) -> None:
        self.told.append(number)
        self.noticed()

    def close(self) -> None:
        self.poller.close()
        for pair in self.pairs:
            for sock in pair:
                sock.close()


def busy() -> None:
    end = time.monotonic() + 0.002
    while time.monotonic() < end:
        pass


async def test_a_turn_is_short_and_the_rest_comes_after_what_others_want() -> None:
    poller, others = Poller(0.001), list[int]()
    ready = Ready(poller, 30, busy)
    async with asyncio.timeout(10):
        while len(ready.told) < 30:
            await asyncio.sleep(0)
            others.append(len(ready.told))
    ready.close()
    assert sorted(ready.told) == list(range(30))
    assert any(0 < told < 15 for told in others)


async def test_looks_go_on_until_all_that_was_there_has_been_passed_on() -> None:
    ready = Ready(Poller(60.0), 100)
    looks = 1
    while ready.poller.look():
        looks += 1
    told, behind = sorted(ready.told), ready.poller.behind
    ready.close()
    assert told == list(range(100))
    assert 1 < looks < 10
    assert not behind


async def test_looks_end_although_there_is_always_more() -> None:
    poller = Poller(60.0)
    ready = Ready(poller, 40)

    def again(events: int) -> None:
        ready.told.append(events)
        for _, theirs in ready.pairs:
            theirs.send(b"x")  # an edge on every one of them

    for ours, _ in ready.pairs:
        poller.forget(ours.fileno())
        poller._callbacks[ours.fileno()] = again
    looks = 1
    while poller.look():
        looks += 1
        assert looks < 50
    assert poller.behind
    ready.close()
