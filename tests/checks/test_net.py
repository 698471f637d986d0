"""Resolving, the network policy, dialling; and that nothing is left behind, wherever a run is cut off."""

import asyncio
import os
import resource
import struct
import time
from collections.abc import Coroutine
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest

from checks.core.base import Check
from checks.core.kernel import arrival
from checks.core.net import Net
from checks.core.result import FailureKind, Trace
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.conftest import outcome
from tests.servers import (
    answering,
    chunked,
    echo,
    free_port,
    full_backlog,
    name_server,
    redirecting,
    response,
    routing,
    serving,
    serving_in_thread,
    silent,
)


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "127.0.0.1"])
async def test_names_of_this_machine_resolve(net, name):
    async with serving(silent) as served:
        run = await outcome(Tcp(host=name, port=served.port), net)
    assert run.failure is None
    assert "dns" not in run.phases  # nobody was asked


async def test_every_run_asks_the_name_server_anew():
    async with name_server({"shop.example": ["127.0.0.1"]}) as dns, serving(silent) as served:
        net = Net(nameservers=[dns.address])
        for _ in range(3):
            run = await outcome(Tcp(host="shop.example", port=served.port, family="ipv4"), net)
            assert run.failure is None
        await net.close()
    assert dns.asked == ["shop.example"] * 3


async def test_a_changed_address_is_seen_by_the_next_run():
    async with name_server({"shop.example": ["127.0.0.1"]}) as dns:
        net = Net(nameservers=[dns.address])
        for address in ("127.0.0.2", "127.0.0.3"):
            dns.records["shop.example"] = [address]
            run = await outcome(Tcp(host="shop.example", port=free_port()), net)
            assert run.facts["net.address"] == address
        await net.close()


async def test_many_names_share_one_channel():
    async with (
        name_server({f"h{number}.example": ["127.0.0.1"] for number in range(50)}) as dns,
        serving(silent) as served,
    ):
        net = Net(nameservers=[dns.address])
        runs = [outcome(Tcp(host=f"h{number}.example", port=served.port), net) for number in range(50)]
        assert all(run.failure is None for run in await asyncio.gather(*runs))
        await net.close()


@pytest.mark.parametrize(
    ("options", "family", "kind", "message"),
    [
        ({"rcode": 3}, "any", FailureKind.DNS, "no such host shop.example"),
        ({"rcode": 2}, "any", FailureKind.DNS, "the name server failed to resolve shop.example"),
        ({"rcode": 5}, "any", FailureKind.DNS, "the name server refused to resolve shop.example"),
        ({}, "ipv6", FailureKind.DNS, "shop.example has no IPv6 address"),
        ({"mute": True}, "any", FailureKind.TIMEOUT, "timed out after "),
    ],
    ids=["nxdomain", "servfail", "refused", "no-aaaa", "mute"],
)
async def test_names_that_do_not_resolve(options, family, kind, message):
    async with name_server({"shop.example": ["127.0.0.1"]}, **options) as dns:
        net = Net(nameservers=[dns.address])
        run = await outcome(Tcp(host="shop.example", port=1, family=family), net, limit=0.5 if "mute" in options else 9)
        await net.close()
    assert (run.kind, run.phase) == (kind, "dns")
    assert run.message.startswith(message)


async def test_a_name_server_that_is_not_there_is_our_side():
    net = Net(nameservers=[f"127.0.0.1:{free_port()}"])
    run = await outcome(Tcp(host="shop.example", port=1), net)
    await net.close()
    assert (run.kind, run.message) == (FailureKind.LOCAL, "no name server could be reached to resolve shop.example")


@pytest.mark.parametrize(
    ("family", "addresses"),
    [("ipv4", {"127.0.0.1"}), ("ipv6", {"::1"}), ("prefer_ipv4", {"127.0.0.1"}), ("prefer_ipv6", {"::1"})],
)
async def test_the_family_is_obeyed(family, addresses):
    async with name_server({"shop.example": ["127.0.0.1", "::1"]}) as dns:
        net = Net(nameservers=[dns.address])
        async with serving(silent) as four, serving(silent, host="::1", port=four.port):
            run = await outcome(Tcp(host="shop.example", port=four.port, family=family), net)
        await net.close()
    assert run.facts["net.address"] in addresses


async def test_the_next_address_is_tried_when_one_refuses():
    async with name_server({"shop.example": ["127.0.0.1", "::1"]}) as dns, serving(silent, host="::1") as served:
        net = Net(nameservers=[dns.address])
        run = await outcome(Tcp(host="shop.example", port=served.port, family="prefer_ipv4"), net)
        await net.close()
    assert run.failure is None
    assert run.facts["net.address"] == "::1"


async def test_no_route_of_ours_does_not_hide_that_the_target_refused():
    # 240.0.0.0/4 is reserved: this machine has no route to it, or is refused the way.
    async with name_server({"shop.example": ["127.0.0.1", "ff02::1"]}) as dns:
        net = Net(nameservers=[dns.address])
        port = free_port()
        run = await outcome(Tcp(host="shop.example", port=port, family="prefer_ipv4"), net)
        await net.close()
    assert (run.kind, run.message) == (FailureKind.CONNECT, f"connection refused by 127.0.0.1:{port}")


async def test_a_denied_target_is_our_side_and_names_the_rule(net):
    run = await outcome(Http(url="http://169.254.169.254/latest/meta-data/"), net)
    assert (run.kind, run.phase) == (FailureKind.LOCAL, "")
    assert run.message == (
        "169.254.169.254 is denied by the network policy (169.254.0.0/16); network.allow makes an exception"
    )
    assert "connect" not in run.phases


async def test_exceptions_of_the_policy_hold():
    net = Net(deny=[ip_network("127.0.0.0/8")], allow=[ip_network("127.0.0.1/32")])
    async with serving(silent) as served:
        assert (await outcome(Tcp(host="127.0.0.1", port=served.port), net)).failure is None
        denied = await outcome(Tcp(host="127.0.0.2", port=served.port), net)
    await net.close()
    assert denied.kind is FailureKind.LOCAL


async def test_descriptors_that_ran_out_are_our_side(net):
    await outcome(Tcp(host="127.0.0.1", port=free_port()), net)  # opens what is opened once
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    async with serving(silent) as served:
        resource.setrlimit(
            resource.RLIMIT_NOFILE, (max(int(path.name) for path in Path("/proc/self/fd").iterdir()), limits[1])
        )
        held = []
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
        try:
            run = await outcome(Tcp(host="127.0.0.1", port=served.port), net)
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
            for fd in held:
                os.close(fd)
    assert (run.kind, run.message) == (FailureKind.LOCAL, "no file descriptor left (open files of this process)")


async def test_nothing_stays_open_after_runs_of_every_kind(net, authority):
    handler = routing({"/": redirecting("/b"), "/b": chunked(b"hello")})
    async with (
        serving(handler) as served,
        serving(silent) as mute,
        serving(echo, tls=authority.issue(days=-1).server()) as bad,
    ):
        checks: list[tuple[Check, float]] = [
            (Http(url=served.url()), 5.0),
            (Http(url=mute.url()), 0.05),
            (Tcp(host="localhost", port=free_port()), 5.0),
            (Tcp(host="127.0.0.1", port=bad.port, tls={"ca": str(authority.path)}), 5.0),
        ]
        for check, limit in checks:
            await outcome(check, net, limit=limit)
        await asyncio.sleep(0.05)
        before = descriptors()
        for check, limit in checks * 3:
            await outcome(check, net, limit=limit)
        await asyncio.sleep(0.05)  # the servers close theirs
        assert descriptors() <= before
    assert net._poller._callbacks == {}


async def test_a_run_may_be_cut_off_at_every_await(authority):
    """Cancelled at its first await, at its second, and so on until it runs through."""
    ca = {"ca": str(authority.path)}
    async with (
        name_server({"shop.example": ["127.0.0.1"]}) as dns,
        serving(
            answering(response(b"hello")[:20], response(b"hello")[20:]), tls=authority.issue("shop.example").server()
        ) as good,
        serving(echo, tls=authority.issue("shop.example", days=-1).server()) as expired,
    ):
        for port in (good.port, expired.port):
            net = Net(nameservers=[dns.address])
            check = Http(url=f"https://shop.example:{port}/", tls=ca)
            await outcome(check, net)  # contexts are made, and shared from then on
            await asyncio.sleep(0.05)
            before = descriptors()
            cuts = await _cut_everywhere(check, net)
            assert cuts >= 4
            assert (await outcome(check, net)).kind is (None if port == good.port else FailureKind.TLS)
            await net.close()
            await asyncio.sleep(0.1)
            assert descriptors() <= before


async def _cut_everywhere(check: Check, net: Net) -> int:
    for awaits in range(1000):
        task = asyncio.ensure_future(_stepwise(check.run(Trace(), net), awaits))
        done, _ = await asyncio.wait([task], timeout=5)
        assert done
        if task.cancelled():
            continue
        task.exception()
        return awaits
    raise AssertionError


async def _stepwise(run: Coroutine[Any, Any, None], awaits: int) -> None:
    """Let a coroutine pass `awaits` suspensions, then cancel it."""

    class Steps:
        def __await__(self):
            for _ in range(awaits):
                try:
                    yielded = run.send(None)
                except StopIteration:
                    return
                yield yielded
            try:
                run.throw(asyncio.CancelledError())
            except StopIteration:
                return

    await Steps()


async def test_a_busy_loop_of_ours_is_not_the_targets_latency(net):
    ports = []

    async def server(stop):
        async with serving(late) as served:
            ports.append(served.port)
            await stop.wait()

    async def late(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        await asyncio.sleep(0.02)
        writer.write(response())

    with serving_in_thread(server):
        while not ports:
            await asyncio.sleep(0.001)
        check = Http(url=f"http://127.0.0.1:{ports[0]}/")
        running = asyncio.ensure_future(outcome(check, net))
        await asyncio.sleep(0.01)  # the request is out, its answer is not there
        time.sleep(0.3)
        run = await running
    assert run.failure is None
    assert run.facts["timing"] == "kernel"
    assert 0.02 <= run.phases["ttfb"] < 0.2
    assert run.trace.duration() < 0.2


async def test_the_wait_for_a_connection_is_the_kernels_too(net):
    async with serving(silent) as served:
        running = asyncio.ensure_future(outcome(Tcp(host="127.0.0.1", port=served.port), net))
        await asyncio.sleep(0)
        time.sleep(0.2)
        run = await running
    assert run.phases["connect"] < 0.1
    assert len(run.trace.waits) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "shop.example"])
async def test_a_connection_takes_no_time_before_it_is_asked_for(host):
    """Other programs may have the processor between our look at the clock and the question."""
    async with name_server({host: ["127.0.0.1", "127.0.0.2"]}) as dns, serving(silent) as served:
        net = Net(nameservers=[dns.address])
        trace = Trace(lambda: time.monotonic() - 10.0)  # every look at it is ten seconds before the question
        await Tcp(host=host, port=served.port).run(trace, net)
        await net.close()
    ((began, ended),) = trace.waits
    assert trace.phases["connect"] == pytest.approx(ended - began)
    assert trace.phases["connect"] < 5.0


@pytest.mark.parametrize(
    ("age", "arrived"),
    [
        (0.5, 999.5),
        (0.0, 1000.0),
        (-0.0005, 1000.0),  # clocks of two cores need not agree to the microsecond
        (1.0005, 999.0),
        (-60.0, None),  # the wall clock was set back
        (60.0, None),  # the wall clock was set forward
    ],
)
def test_the_kernels_word_is_not_taken_when_it_is_nonsense(age, arrived):
    wall = 1_700_000_000_000_000_000
    seconds, nanoseconds = divmod(wall - round(age * 1e9), 1_000_000_000)
    ancillary = [(1, 35, struct.pack("@ll", seconds, nanoseconds))]
    assert arrival(ancillary, 1000.0, wall, 999.0) == (arrived and pytest.approx(arrived))
    assert arrival([], 1000.0, wall, 999.0) is None


async def test_an_address_that_swallows_packets_does_not_hide_the_next_one(monkeypatch):
    monkeypatch.setattr("checks.core.race.PATIENCE", 0.05)
    with full_backlog() as port:
        records = {"shop.example": ["127.0.0.1", "::1"]}
        async with name_server(records) as dns, serving(silent, host="::1", port=port):
            net = Net(nameservers=[dns.address])
            run = await outcome(Tcp(host="shop.example", port=port, family="prefer_ipv4"), net)
            await net.close()
    assert run.failure is None
    assert run.facts["net.address"] == "::1"
    assert run.trace.waits == []  # a part of it was our own patience
