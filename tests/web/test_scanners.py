"""Bytes that are no request, from real sockets: a line in the log now and then, and never a traceback."""

import asyncio
import logging
import ssl
from pathlib import Path

import pytest
from aiohttp.http_exceptions import BadStatusLine, LineTooLong

from probe.web.app import Serving, serve
from probe.web.scanners import Scanners
from tests.conftest import FakeClock
from tests.web.stand import standing

HOST = b"Host: 127.0.0.1\r\n"


def tls_hello() -> bytes:
    received, sent = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = ssl.create_default_context().wrap_bio(received, sent, server_hostname="x.example")
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return sent.read()


CASES = {
    "a line of 9 kB": b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n" + HOST + b"\r\n",
    "a header of 9 kB": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"b" * 9000 + b"\r\n\r\n",
    "a header of 1 MB": b"GET / HTTP/1.1\r\n" + HOST + b"X: " + b"b" * (1 << 20) + b"\r\n\r\n",
    "5,000 headers": b"GET / HTTP/1.1\r\n" + HOST + b"".join(b"X%d: y\r\n" % n for n in range(5000)) + b"\r\n",
    "rubbish": bytes(range(256)) * 4 + b"\r\n\r\n",
    "zeros": bytes(100),
    "TLS": tls_hello(),
    "HTTP/9.9": b"GET / HTTP/9.9\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "no URL": b"GET http://[::1 HTTP/1.1\r\n" + HOST + b"\r\n",
    "no UTF-8": b"GET /\xff\xfe HTTP/1.1\r\n" + HOST + b"\r\n",
    "no chunk": b"POST /-/reload HTTP/1.1\r\n" + HOST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\n" + HOST + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nabc",
    "rubbish after a request": b"GET /-/healthy HTTP/1.1\r\n" + HOST + b"\r\n\x16\x03\x01rubbish\r\n\r\n",
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a zero in a header": b"GET / HTTP/1.1\r\n" + HOST + b"X: a\x00b\r\n\r\n",
}


async def asked(served: Serving, *parts: bytes, abort: bool = False) -> bytes:
    """What comes back until the server closes; nothing where we do first."""
    reader, writer = await asyncio.open_connection("127.0.0.1", served.port)
    try:
        for part in parts:
            writer.write(part)
            await writer.drain()
        if abort:
            writer.transport.abort()
            return b""
        return await reader.read()
    except ConnectionError:
        return b""  # what we still had to say was of no interest
    finally:
        writer.close()


@pytest.mark.timeout(30)
async def test_what_is_no_request_is_one_line_and_no_traceback(
    clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with standing(clock, tmp_path) as stand:
        served = await serve(stand.app(), "127.0.0.1", 0)
        try:
            told = {name: await asked(served, data) for name, data in CASES.items()}
            halves = CASES["a line of 9 kB"][:5000], CASES["a line of 9 kB"][5000:]
            told["in two pieces"] = await asked(served, *halves)
            head = b"POST /api/v1/changes HTTP/1.1\r\n" + HOST + b"Content-Type: application/json\r\n"
            await asked(served, head + b"Content-Length: 100\r\n\r\n{", abort=True)
            told["chunks that break"] = await asked(served, head + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n{}")
            assert b" 200 " in await asked(served, b"GET /-/healthy HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n")
        finally:
            await served.close()
    wrong = {name: answer[:60] for name, answer in told.items() if answer and b" 400 " not in answer}
    assert set(wrong) <= {"rubbish after a request"}
    bad = [record for record in caplog.records if record.levelno >= logging.INFO or record.exc_info]
    assert not [record for record in bad if record.exc_info]
    lines = [record.getMessage() for record in bad]
    assert len(lines) <= 1
    assert all(len(line) < 300 and "aaaa" not in line for line in lines)


def record(error: Exception | None) -> logging.LogRecord:
    info = (type(error), error, None) if error is not None else None
    return logging.LogRecord("x", logging.ERROR, "x", 1, "Error handling request from %s", ("127.0.0.1",), info)


def test_a_thousand_of_them_are_a_line_a_minute_that_counts_them() -> None:
    now = 0.0
    scanners = Scanners(lambda: now)
    lines = []
    for number in range(1000):
        one = record(BadStatusLine("pl4nted\nkey") if number % 2 else LineTooLong(b"pl4nted", 8190))
        if scanners.filter(one):
            assert one.exc_info is None
            lines.append(one.getMessage())
        now += 0.1
    assert len(lines) == 2
    assert "600 such" in lines[1]
    assert "pl4nted" not in "".join(lines)


def test_a_bug_of_ours_keeps_its_traceback() -> None:
    one = record(RuntimeError("a bug"))
    assert Scanners().filter(one)
    assert one.exc_info is not None
    assert one.levelno == logging.ERROR
