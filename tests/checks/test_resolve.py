"""Names to addresses: fresh, shared by those who ask at once, and cheap however many ask."""

import asyncio
import os
import socket
import threading
from contextlib import asynccontextmanager

import pytest

from checks.core.resolve import ResolveError, Resolver
from tests.servers import free_port, name_server


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # a list is enough


@asynccontextmanager
async def resolving(records=None, **options):
    async with name_server(records, **options) as dns:
        resolver = Resolver([dns.address])
        try:
            yield resolver, dns
        finally:
            resolver.close()
            await asyncio.sleep(0)


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST"])
async def test_what_needs_no_query_is_known_at_once(name):
    async with resolving() as (resolver, dns):
        channels = set()
        for _ in range(3):
            found = resolver.lookup(name, "ipv4")
            assert found.done()
            assert await found == ["127.0.0.1"]
            channels.add(resolver._channel)
        assert (dns.asked, len(channels)) == ([], 1)


async def test_what_needs_a_query_is_waited_for():
    async with resolving({"shop.example": ["127.0.0.1"]}) as (resolver, _):
        found = resolver.lookup("shop.example")
        assert not found.done()
        assert resolver.waiting == 1
        assert await found == ["127.0.0.1"]
        await asyncio.sleep(0)
        assert resolver.waiting == 0


async def test_an_answer_is_not_kept():
    async with resolving({"shop.example": ["127.0.0.1"]}) as (resolver, dns):
        for address in ("127.0.0.2", "127.0.0.3", "127.0.0.4"):
            dns.records["shop.example"] = [address]
            assert await resolver.lookup("shop.example", "ipv4") == [address]
        assert dns.asked == ["shop.example"] * 3


async def test_those_who_ask_at_once_share_one_question():
    async with resolving({"shop.example": ["127.0.0.1", "::1"]}) as (resolver, dns):
        before = descriptors()
        found = [resolver.lookup("shop.example", "prefer_ipv6" if n % 2 else "prefer_ipv4") for n in range(500)]
        assert resolver.waiting == 500
        assert await asyncio.gather(*found) == [["127.0.0.1", "::1"], ["::1", "127.0.0.1"]] * 250
        assert dns.asked == ["shop.example"] * 2  # A and AAAA
        assert descriptors() - before <= 8


async def test_a_burst_of_names_goes_over_one_channel():
    names = [f"h{number}.example" for number in range(500)]
    async with resolving({name: ["127.0.0.1"] for name in names}) as (resolver, dns):
        # A burst must not overflow the buffer of a server that shares our loop.
        dns._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        before, threads = descriptors(), threading.active_count()
        found = [resolver.lookup(name, "ipv4") for name in names]
        assert descriptors() - before <= 8
        assert threading.active_count() - threads <= 1
        assert await asyncio.gather(*found) == [["127.0.0.1"]] * 500
        assert set(dns.asked) == set(names)


async def test_many_checks_of_few_names_open_few_channels():
    """Five names, each asked for all the time: channels are made at a pace of ours, not of theirs."""
    names = [f"h{number}.example" for number in range(5)]
    async with resolving({name: ["127.0.0.1"] for name in names}) as (resolver, dns):
        loop = asyncio.get_running_loop()
        before, most, began, known = descriptors(), 0, loop.time(), 0
        for _ in range(300):
            found = [resolver.lookup(name, "ipv4") for name in names]
            known += sum(future.done() for future in found)
            await asyncio.gather(*found)
            most = max(most, descriptors() - before)
        spent = loop.time() - began
        assert len(dns.asked) <= len(names) * (20 + 50 * spent + 1)
        assert known > 0  # and so no query went out for it
        assert most <= 24


async def test_a_name_server_that_is_silent_does_not_pile_up_channels():
    async with resolving({}, mute=True) as (resolver, dns):
        before = descriptors()
        found = [resolver.lookup(f"h{number % 10}.example", "ipv4") for number in range(1000)]
        assert len(set(dns.asked)) <= 10
        assert descriptors() - before <= 8
        for future in found:
            future.cancel()
        await asyncio.sleep(0)
        assert resolver.waiting == 0


async def test_a_question_that_nobody_waits_for_any_more_lets_go_of_its_channel(monkeypatch):
    monkeypatch.setattr("checks.core.resolve._MOMENT", -1.0)  # a question on its way is asked anew
    async with resolving({}, mute=True) as (resolver, _):
        found = [resolver.lookup("shop.example", "ipv4") for _ in range(5)]
        assert len(resolver._retired) == 4
        assert resolver.waiting == 5
        for future in found:
            future.cancel()
        await asyncio.sleep(0)
        resolver.lookup("shop.example", "ipv4").cancel()
        assert len(resolver._retired) == 0


async def test_a_run_that_is_cut_off_does_not_take_the_answer_from_the_others():
    async with resolving({"shop.example": ["127.0.0.1"]}) as (resolver, dns):
        first, second = resolver.lookup("shop.example"), resolver.lookup("shop.example")
        first.cancel()
        assert await second == ["127.0.0.1"]
        assert len(dns.asked) == 2


async def test_a_question_given_up_is_no_answer_for_the_next(monkeypatch):
    monkeypatch.setattr("checks.core.resolve._PACE", 0.0)
    async with resolving({"shop.example": ["127.0.0.1"]}) as (resolver, _):
        resolver.lookup("shop.example").cancel()
        await asyncio.sleep(0)
        resolver._retire()  # nobody waits: the channel is closed, and with it the question
        resolver._left = 0.0  # so that answers are shared
        assert await resolver.lookup("shop.example") == ["127.0.0.1"]


@pytest.mark.parametrize(
    ("options", "family", "ours", "message"),
    [
        ({"rcode": 3}, "any", False, "no such host shop.example"),
        ({"rcode": 2}, "any", False, "the name server failed to resolve shop.example"),
        ({}, "ipv6", False, "shop.example has no IPv6 address"),
        ({}, "prefer_ipv6", None, ""),
    ],
    ids=["nxdomain", "servfail", "no-aaaa", "preference"],
)
async def test_everybody_who_waits_is_told_of_a_failure(options, family, ours, message):
    async with resolving({"shop.example": ["127.0.0.1"]}, **options) as (resolver, _):
        told = await asyncio.gather(
            *(resolver.lookup("shop.example", family) for _ in range(3)), return_exceptions=True
        )
        for outcome in told:
            if ours is None:
                assert outcome == ["127.0.0.1"]
            else:
                assert isinstance(outcome, ResolveError)
                assert (outcome.ours, str(outcome)) == (ours, message)
        assert len({id(outcome) for outcome in told}) == 3


async def test_a_name_server_that_is_not_there_is_our_side():
    resolver = Resolver([f"127.0.0.1:{free_port()}"])
    with pytest.raises(ResolveError, match="no name server could be reached") as raised:
        await resolver.lookup("shop.example")
    assert raised.value.ours
    resolver.close()


async def test_closing_ends_what_waits():
    async with resolving({}, mute=True) as (resolver, _):
        found = resolver.lookup("shop.example")
        resolver.close()
        with pytest.raises(ResolveError) as raised:
            await found
        assert raised.value.ours
