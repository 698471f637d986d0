"""The TCP check."""

from typing import Any

import pytest
from pydantic import ValidationError

from checks.core.result import FailureKind
from checks.tcp import Tcp, unescape
from tests.checks.conftest import outcome
from tests.servers import Served, banner, closing, echo, free_port, serving, silent


def tcp(served: Served, **options: Any) -> Tcp:
    return Tcp(host=served.host, port=served.port, **options)


async def test_a_port_that_takes_connections_is_good(net):
    async with serving(silent) as served:
        run = await outcome(tcp(served), net)
    assert run.failure is None
    assert set(run.phases) == {"connect"}
    assert run.facts == {"net.address": "127.0.0.1", "net.family": 4, "timing": "kernel"}


async def test_ipv6_works(net):
    async with serving(silent, host="::1") as served:
        check = tcp(served)
        run = await outcome(check, net)
    assert run.failure is None
    assert (run.facts["net.address"], run.facts["net.family"]) == ("::1", 6)
    assert check.target == f"[::1]:{served.port}"


async def test_what_is_sent_and_expected(net):
    async with serving(echo) as served:
        run = await outcome(tcp(served, send=r"PING\x20\0\r\n", expect={"contains": "PING", "regex": [r"\s\x00"]}), net)
    assert run.failure is None
    assert set(run.phases) == {"connect", "send", "ttfb", "transfer"}


async def test_a_banner_may_come_in_pieces(net):
    async def pieces(reader, writer):
        for piece in (b"22", b"0 mail.exa", b"mple ESMTP\r\n"):
            writer.write(piece)
            await writer.drain()
        await reader.read(1)

    async with serving(pieces) as served:
        run = await outcome(tcp(served, expect="220 mail.example ESMTP"), net)
    assert run.failure is None


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        (
            banner(b"-NOAUTH Authentication required.\r\n", stay=False),
            FailureKind.EXPECTATION,
            'the answer "-NOAUTH Authentication required." does not contain "+PONG"',
        ),
        (banner(b"a" * 100_000), FailureKind.EXPECTATION, 'the answer "aaaa'),
        (closing, FailureKind.CONNECT, "connection closed by 127.0.0.1 before it answered"),
        (silent, FailureKind.TIMEOUT, "timed out after "),
        (banner(b"+PO"), FailureKind.TIMEOUT, "timed out after "),
    ],
    ids=["other", "endless", "closing", "silent", "half"],
)
async def test_an_answer_that_does_not_come(net, handler, kind, message):
    async with serving(handler) as served:
        run = await outcome(tcp(served, expect="+PONG"), net, limit=0.3)
    assert (run.kind, run.message[: len(message)]) == (kind, message)


async def test_half_an_answer_is_kept_for_people_to_see(net):
    async with serving(banner(b"+PO\x1b[1m")) as served:
        run = await outcome(tcp(served, expect="+PONG"), net, limit=0.2)
    assert run.facts["tcp.excerpt"] == "+PO [1m"


async def test_a_closed_port_is_refused(net):
    port = free_port()
    run = await outcome(Tcp(host="127.0.0.1", port=port), net)
    assert (run.kind, run.message) == (FailureKind.CONNECT, f"connection refused by 127.0.0.1:{port}")


def test_escapes_become_bytes():
    assert unescape(r"a\r\n\t\0\\n\xffü") == b"a\r\n\t\0\\n\xff\xc3\xbc"


@pytest.mark.parametrize(
    ("options", "place", "message"),
    [
        ({"host": ""}, "host", "the host is missing"),
        ({"host": "a b"}, "host", "'a b' is no host name or IP address"),
        ({"host": "fe80::1%eth0"}, "host", "an address with a zone (%) cannot be probed"),
        ({"port": 0}, "port", "greater than or equal to 1"),
        ({"send": r"\q"}, "send", r"\q is no escape"),
        ({"send": "end\\"}, "send", "is no escape"),
        ({"expect": {}}, "expect", "expect needs contains or regex"),
        ({"expect": {"regex": "("}}, "regex", "'(' is no regular expression: missing ) at position 1"),
        ({"tls": {"verfy": True}}, "verfy", "Extra inputs are not permitted"),
    ],
)
def test_bad_configuration_is_named(options, place, message):
    with pytest.raises(ValidationError) as caught:
        Tcp(**{"host": "a.example", "port": 1, **options})
    (error,) = caught.value.errors()
    assert place in error["loc"]
    assert message in error["msg"]


def test_tls_is_a_switch_or_options():
    assert Tcp(host="a", port=1, tls=False).tls is None
    assert Tcp(host="a", port=1, tls=True) == Tcp(host="a", port=1, tls={})
