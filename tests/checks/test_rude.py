"""Servers that misbehave: each run ends in time, with the right kind and a line worth reading, and costs no memory."""

import gzip
import re
import tracemalloc

import brotli
import pytest

from checks.core.codings import zstd
from checks.core.result import FailureKind
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.conftest import outcome
from tests.servers import (
    ENDLESS_BODY,
    ENDLESS_HEADER,
    ENDLESS_HEADERS,
    ENDLESS_INTERIM,
    ENDLESS_TRAILERS,
    answering,
    closing,
    dripping,
    endless,
    free_port,
    full_backlog,
    gzip_bomb,
    resetting,
    response,
    serving,
    silent,
)

PROTOCOL, EXPECTATION, CONNECT, TIMEOUT = (
    FailureKind.PROTOCOL,
    FailureKind.EXPECTATION,
    FailureKind.CONNECT,
    FailureKind.TIMEOUT,
)
OK = b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize(
    ("handler", "kind", "phase", "message"),
    [
        (ENDLESS_HEADERS, PROTOCOL, "transfer", "more than 64 KiB of headers without an end"),
        (ENDLESS_HEADER, PROTOCOL, "transfer", "more than 64 KiB of headers without an end"),
        (ENDLESS_INTERIM, PROTOCOL, "transfer", "more than 64 KiB of headers without an end"),
        (ENDLESS_TRAILERS, PROTOCOL, "transfer", "more than 64 KiB between two parts of the body"),
        (ENDLESS_BODY, EXPECTATION, "transfer", "the body is larger than 10 MiB; max_body sets the limit"),
        (
            endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"a" * 4096 + b"\r\n"),
            EXPECTATION,
            "transfer",
            "the body is larger than 10 MiB; max_body sets the limit",
        ),
        (
            answering(OK + b"Content-Length: 99999999999999\r\n\r\nhi"),
            EXPECTATION,
            "transfer",
            "the body is larger than 10 MiB; max_body sets the limit",
        ),
        (
            answering(gzip_bomb()),
            EXPECTATION,
            "transfer",
            "the body is larger than 10 MiB once decoded from gzip; max_body sets the limit",
        ),
        (
            answering(OK + b"Content-Encoding: gzip\r\n\r\n" + gzip.compress(b"hello")[:-4]),
            PROTOCOL,
            "transfer",
            "the gzip body ends before its end",
        ),
        (
            answering(OK + b"Content-Encoding: gzip\r\n\r\nplain text"),
            PROTOCOL,
            "transfer",
            "the body is no valid gzip (Error -3 while decompressing data: incorrect header check)",
        ),
        (
            answering(OK + b"Content-Length: 100\r\n\r\n0123456789"),
            PROTOCOL,
            "transfer",
            "the body ended after 10 of 100 bytes",
        ),
        (
            answering(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
            PROTOCOL,
            "transfer",
            "the body ended after 5 bytes, before its last chunk",
        ),
        (
            answering(OK + b"Content-Encoding: br\r\n\r\n<html>plain text</html>"),
            PROTOCOL,
            "transfer",
            "the body is no valid br",
        ),
        (
            answering(OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi"),
            PROTOCOL,
            "transfer",
            'malformed HTTP answer: two lengths of one body, Content-Length is "2, 3"',
        ),
        (answering(b"<html>hello"), PROTOCOL, "transfer", "an answer without status and headers (HTTP/0.9), it begins"),
        (
            answering(b"SSH-2.0-OpenSSH_9.2\r\n"),
            PROTOCOL,
            "transfer",
            "no HTTP answer, it begins with: SSH-2.0-OpenSSH_9.2",
        ),
        (
            answering(b"\x1b[2J\x00\x07gar\x1b]0;bage"),
            PROTOCOL,
            "transfer",
            "no HTTP answer, it begins with: [2J gar ]0;bage",
        ),
        (
            answering(b"\x15\x03\x01\x00\x02\x02\x46"),
            PROTOCOL,
            "transfer",
            "the server speaks TLS on this port: use https://",
        ),
        (answering(OK + b"no header\r\n\r\n"), PROTOCOL, "transfer", "malformed HTTP answer: a header without a colon"),
        (answering(OK + b"Content-Length: -1\r\n\r\n"), PROTOCOL, "transfer", "malformed HTTP answer: "),
        (answering(OK + b"X: y\r\n"), PROTOCOL, "transfer", "the connection was closed in the middle of the headers"),
        (
            answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
            PROTOCOL,
            "transfer",
            "the server switched protocols (status 101), which nobody asked for",
        ),
        (closing, CONNECT, "ttfb", "connection "),
        (answering(), CONNECT, "ttfb", "connection closed by 127.0.0.1 before it answered"),
        (resetting(), CONNECT, "ttfb", "connection reset by 127.0.0.1:{port} before it answered"),
        (
            resetting(OK + b"Content-Length: 9\r\n\r\n0123"),
            PROTOCOL,
            "transfer",
            "connection reset by 127.0.0.1:{port} in the middle of its answer",
        ),
    ],
)
async def test_rude_servers_get_their_kind_and_a_clear_line(net, handler, kind, phase, message):
    async with serving(handler) as served:
        run = await outcome(Http(url=served.url()), net)
        assert (run.kind, run.phase) == (kind, phase)
        assert run.message.startswith(message.format(port=served.port))
    assert run.message.isprintable()


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        (b"HTTP/1.1 200 OK\nContent-Length: 5\n\nhello", 5),
        (b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n5\nhello\n0\n\n", 5),
        (OK + b"Content-Security-Policy: default-src\r\n 'self'\r\nContent-Length: 5\r\n\r\nhello", 5),
        (OK + b"Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello and more", 5),
        (OK + b"Server : old\r\n\r\nhello", 5),
        (b"\r\nHTTP/1.0 200\r\n\r\nhello", 5),
        (b"HTTP/1.1 100 Continue\n\nHTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n" + OK + b"\r\nhello", 5),
        (OK + b"Content-Encoding: br\r\n\r\n" + brotli.compress(b"hello " * 99), 594),
        (OK + b"Content-Encoding: zstd\r\n\r\n" + zstd.compress(b"hello " * 99), 594),
    ],
    ids=["lf", "lf-chunks", "folded", "two-lengths", "blank-colon", "old", "interim", "br", "zstd"],
)
@pytest.mark.parametrize("pause", [0.0, 0.02], ids=["at-once", "in-two"])
async def test_odd_but_common_servers_are_understood(net, answer, size, pause):
    pieces = (answer[:30], answer[30:]) if pause else (answer,)
    async with serving(answering(*pieces, pause=pause)) as served:
        run = await outcome(Http(url=served.url(), expect={"body": "hello"}), net)
    assert run.failure is None
    assert run.facts["http.bytes"] == size


@pytest.mark.parametrize(
    ("handler", "phase", "doing", "seen"),
    [
        (silent, "ttfb", "waiting for the first byte", {"connect"}),
        (dripping(OK + b"\r\n"), "transfer", "receiving the answer", {"connect", "ttfb"}),
        (
            answering(OK + b"Content-Length: 9\r\n\r\n", b"hi", pause=9),
            "transfer",
            "receiving the answer",
            {"connect", "ttfb"},
        ),
    ],
    ids=["silent", "dripping", "stalled"],
)
async def test_a_deadline_keeps_what_was_seen(net, handler, phase, doing, seen):
    async with serving(handler) as served:
        run = await outcome(Http(url=served.url()), net, limit=0.2)
    assert (run.kind, run.phase) == (TIMEOUT, phase)
    # 200 ms and a little, less what passed between two phases.
    assert re.match(r"timed out after (19\d|2\d\d) ms ", run.message)
    assert run.message.endswith(f" ms {doing}")
    assert set(run.phases) == seen
    assert run.facts["net.address"] == "127.0.0.1"


async def test_a_status_that_was_seen_outlives_the_deadline(net):
    async with serving(answering(OK + b"Content-Length: 9\r\n\r\n", b"hi", pause=9)) as served:
        run = await outcome(Http(url=served.url()), net, limit=0.2)
    assert (run.facts["http.status"], run.facts["http.bytes"]) == (200, 0)


async def test_a_bad_status_is_not_made_a_timeout_by_a_body_that_never_comes(net):
    async with serving(answering(b"HTTP/1.1 503 No\r\nContent-Length: 9\r\n\r\n", b"hi", pause=9)) as served:
        run = await outcome(Http(url=served.url()), net, limit=5)
    assert (run.kind, run.message) == (EXPECTATION, "status 503, wanted 2xx")


async def test_nobody_listens(net):
    port = free_port()
    run = await outcome(Http(url=f"http://127.0.0.1:{port}/"), net)
    assert (run.kind, run.phase) == (CONNECT, "connect")
    assert run.message == f"connection refused by 127.0.0.1:{port}"


async def test_nobody_answers_the_syn(net):
    with full_backlog() as port:
        run = await outcome(Tcp(host="127.0.0.1", port=port), net, limit=0.2)
    assert (run.kind, run.phase) == (TIMEOUT, "connect")
    assert run.message.endswith(" connecting to 127.0.0.1")


async def test_an_answer_before_the_request_was_read_is_taken(net):
    async def early(reader, writer):
        writer.write(response(b"too large", "413 Too Large"))
        await writer.drain()

    async with serving(early) as served:
        check = Http(url=served.url(), method="POST", body="x" * 8_000_000, expect={"status": 413})
        run = await outcome(check, net)
    assert run.failure is None or run.kind is CONNECT  # a reset may overtake the answer in the kernel


@pytest.mark.parametrize(
    "handler", [ENDLESS_BODY, answering(gzip_bomb()), ENDLESS_HEADERS], ids=["body", "bomb", "head"]
)
@pytest.mark.parametrize("expect", [{}, {"body": "x"}], ids=["counted", "kept"])
async def test_memory_does_not_grow_with_what_is_sent(net, handler, expect):
    async with serving(handler) as served:
        check = Http(url=served.url(), max_body=1 << 20, expect=expect)
        await outcome(check, net)
        tracemalloc.start()
        run = await outcome(check, net)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert run.failure is not None
    assert peak < 4 << 20  # the server's own buffers are in it
