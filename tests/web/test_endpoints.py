"""What machines ask: health, readiness, reload, the exposition; and what every answer has in common."""

import asyncio
import gzip
import zlib
from pathlib import Path

import pytest
from aiohttp import ClientError, ClientPayloadError, web

from probe.web.app import ListenError, serve
from probe.web.compress import accepts_gzip
from tests.conftest import FakeClock
from tests.web.stand import planned, standing


async def test_health_is_not_readiness(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.service.reason = "the store fails: disk full, hunter2-secret"
        assert (await (await client.get("/-/healthy")).text()) == "healthy\n"
        answer = await client.get("/-/ready")
        assert (answer.status, await answer.text()) == (503, "not ready: the store fails: disk full, •••\n")
        stand.service.reason = ""
        answer = await client.get("/-/ready")
        assert (answer.status, await answer.text()) == (200, "ready\n")


async def test_a_reload_says_what_came_of_it(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        answer = await client.post("/-/reload")
        assert (answer.status, await answer.text()) == (200, "configuration reloaded\n")
        stand.service.problems = ["probe.yml:3:5: checks.a: unknown key 'tiemout'", "probe.yml:9:1: hunter2-secret"]
        answer = await client.post("/-/reload")
        assert answer.status == 500
        assert (await answer.text()).splitlines() == [
            "failed to reload config:",
            "probe.yml:3:5: checks.a: unknown key 'tiemout'",
            "probe.yml:9:1: •••",
        ]


async def test_a_reload_cannot_be_got(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        answer = await client.get("/-/reload")
        assert (answer.status, answer.headers["Allow"], stand.service.reloads) == (405, "POST", 0)


async def test_the_exposition_is_sent_as_asked_for(clock: FakeClock, tmp_path: Path):
    whole = b"# HELP a\n" + b"a 1\n" * 1000
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        answer = await client.get("/metrics", headers={"Accept-Encoding": "identity"})
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        assert await answer.read() == whole
        answer = await client.get("/metrics", headers={"Accept": "application/openmetrics-text; version=1.0.0"})
        assert answer.headers["Content-Type"].startswith("application/openmetrics-text; version=1.0.0")
        assert stand.service.asked == [False, True]


async def raw(port: int | None, request: str) -> tuple[bytes, bytes]:
    """The head and the body of an answer, as they came over the wire."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"{request}\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    await writer.wait_closed()
    head, _, body = answer.partition(b"\r\n\r\n")
    return head, body


async def test_the_exposition_is_compressed_where_that_is_accepted(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        head, body = await raw(client.port, "GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip")
        assert b"Content-Encoding: gzip" in head
        assert gzip.decompress(body) == b"# HELP a\n" + b"a 1\n" * 1000
        assert len(body) < 200
        head, body = await raw(client.port, "GET /metrics HTTP/1.0\r\nAccept-Encoding: gzip;q=0")
        assert b"Content-Encoding" not in head
        assert len(body) == 4009


@pytest.mark.parametrize("path", ["/metrics", "/", "/api/v1/checks", "/-/healthy"])
async def test_a_head_has_the_headers_and_no_body(clock: FakeClock, tmp_path: Path, path: str):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        head, body = await raw(client.port, f"HEAD {path} HTTP/1.1")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"Content-Type: " in head
    assert body == b""
    assert stand.service.asked == []


async def test_an_exposition_that_fails_at_once_is_a_500(clock: FakeClock, tmp_path: Path, caplog):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.service.breaks_after = 0
        answer = await client.get("/metrics")
        assert answer.status == 500
        assert "hunter2" not in await answer.text()
    assert len([record for record in caplog.records if record.levelname == "ERROR"]) == 1


@pytest.mark.parametrize("encoding", ["identity", "gzip"])
async def test_half_an_exposition_never_passes_for_a_whole_one(clock, tmp_path: Path, encoding: str, caplog):
    """Prometheus would mark what is missing as gone. The connection ends in an error instead."""
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.service.chunks = [bytes(range(256)) * 4096, b"x"]
        stand.service.breaks_after = 1
        with pytest.raises((ClientError, zlib.error, ConnectionError)) as caught:
            answer = await client.get("/metrics", headers={"Accept-Encoding": encoding})
            await answer.read()
    assert isinstance(caught.value, ClientPayloadError | ClientError | ConnectionError)
    assert [record.message for record in caplog.records if record.levelname == "ERROR"] == ["the exposition broke off"]


PATHS = ["/", "/checks/shop/home", "/checks/no", "/nothing", "/static/style.css", "/metrics", "/-/healthy", "/-/reload",
         "/api/v1/checks", "/api/v1/checks/no"]  # fmt: skip


@pytest.mark.parametrize("path", PATHS)
async def test_every_answer_keeps_browsers_in_bounds(clock: FakeClock, tmp_path: Path, path: str):
    async with standing(clock, tmp_path, planned("shop/home")) as stand, stand.client() as client:
        headers = (await client.get(path)).headers
    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["Server"] == "Probe"


@pytest.mark.parametrize(
    ("path", "status", "content_type"),
    [
        ("/api/v1/checks/no", 404, "application/json"),
        ("/api/nothing", 404, "application/json"),
        ("/checks/no", 404, "text/html"),
        ("/nothing", 404, "text/html"),
        ("/-/nothing", 404, "text/plain"),
        ("/-/reload", 405, "text/plain"),
    ],
)
async def test_errors_come_in_the_shape_that_the_asker_reads(clock, tmp_path: Path, path, status, content_type):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        answer = await client.get(path)
        assert (answer.status, answer.content_type) == (status, content_type)


async def test_a_bug_in_a_page_is_logged_once_and_shows_nothing_of_the_inside(clock, tmp_path: Path, caplog):
    async with standing(clock, tmp_path, planned("shop/home")) as stand:
        application = stand.app()

        async def broken(_: web.Request) -> web.Response:
            raise RuntimeError("hunter2-secret in module x")

        application.router.add_get("/broken", broken)
        application.router.add_get("/api/broken", broken)
        serving = await serve(application, "127.0.0.1", 0)
        try:
            for path in ("/broken", "/api/broken"):
                head, body = await raw(serving.port, f"GET {path} HTTP/1.1")
                assert b" 500 " in head
                assert b"hunter2" not in body
                assert b"RuntimeError" not in body
        finally:
            await serving.close()
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]


async def test_static_files_are_kept_by_their_version(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        text = await (await client.get("/")).text()
        links = [part.split('"')[0] for part in text.split('="')[1:] if part.startswith("/static/")]
        assert {link.partition("?")[0] for link in links} == {
            "/static/live.js",
            "/static/style.css",
            "/static/icon-unknown.svg",
        }
        for link in links:
            answer = await client.get(link)
            assert (answer.status, "immutable" in answer.headers["Cache-Control"]) == (200, True)
            assert (await client.get(link.partition("?")[0])).headers["Cache-Control"] == "no-cache"
        for name in ("no.css", "..%2fapp.py", "../app.py", "__init__.py"):
            assert (await client.get(f"/static/{name}")).status == 404


async def test_pages_load_nothing_from_elsewhere(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/home")) as stand, stand.client() as client:
        for path in ("/static/style.css", "/static/live.js"):
            text = await (await client.get(path)).text()
            assert "http" not in text.replace("http-equiv", "")
            assert "url(" not in text
            assert "@import" not in text


@pytest.mark.parametrize(
    ("header", "accepted"),
    [
        ("gzip", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),  # RFC 9110 section 12.5.3, examples
        ("*", True),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("identity", False),
        ("", False),
        ("GZIP ; Q=0.3", True),
        ("gzip;q=x", False),
        ("x-gzip", True),
    ],
)
def test_who_accepts_gzip(header: str, accepted: bool):
    assert accepts_gzip(header) is accepted


async def test_a_taken_port_is_one_clear_error():
    application = web.Application()
    first = await serve(application, "127.0.0.1", 0)
    try:
        with pytest.raises(
            ListenError, match=rf"cannot listen on 127.0.0.1:{first.port}: another program does; stop it"
        ):
            await serve(web.Application(), "127.0.0.1", first.port)
    finally:
        await first.close()


async def test_an_address_of_another_machine_is_one_clear_error():
    with pytest.raises(ListenError, match="this machine has no such address"):
        await serve(web.Application(), "192.0.2.1", 0)


@pytest.mark.parametrize(("host", "url"), [("127.0.0.1", "http://127.0.0.1:"), ("0.0.0.0", "http://127.0.0.1:")])
async def test_port_zero_becomes_a_real_one(host: str, url: str):
    serving = await serve(web.Application(), host, 0)
    try:
        assert serving.port > 0
        assert serving.url == f"{url}{serving.port}"
    finally:
        await serving.close()


async def test_closing_does_not_wait_for_who_reads_nothing(clock, tmp_path: Path, monkeypatch, caplog):
    """A scraper that stopped reading holds its answer open; the service ends all the same."""
    monkeypatch.setattr("probe.web.app._SHUTDOWN", 0.05)
    async with standing(clock, tmp_path) as stand:
        stand.service.chunks = [b"x" * 1_000_000] * 200
        serving = await serve(stand.app(), "127.0.0.1", 0)
        _, writer = await asyncio.open_connection("127.0.0.1", serving.port, limit=1024)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        while not stand.service.asked:
            await asyncio.sleep(0)
        async with asyncio.timeout(10):
            await serving.close()
        writer.transport.abort()
    assert not caplog.records


async def test_a_scraper_that_goes_away_is_no_error(clock: FakeClock, tmp_path: Path, caplog):
    async with standing(clock, tmp_path) as stand:
        stand.service.chunks = [b"x" * 1_000_000] * 50
        stand.service.gate = asyncio.Event()
        serving = await serve(stand.app(), "127.0.0.1", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", serving.port)
        writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
        await reader.readline()
        writer.transport.abort()
        stand.service.gate.set()
        async with asyncio.timeout(10):
            await stand.service.ended.wait()
        await serving.close()
    assert not caplog.records
