"""HTTP to receivers: nothing followed, nothing endless read, nothing secret said, everything ends."""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from pathlib import Path

import pytest
import trustme
from aiohttp.abc import AbstractResolver, ResolveResult

from exporters import post as post_module
from exporters.base import NotifyError, Post
from exporters.post import open_post
from tests.exporters.conftest import Inbox, Serve

TOKEN = "s3cret-token-of-the-hook"


async def failure(post: Post, url: str) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        await post(url, b"{}", {})
    assert TOKEN not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


def free_port() -> int:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return int(unused.getsockname()[1])


@pytest.mark.parametrize("status", [200, 202, 204, 400, 404, 410, 413, 429, 500, 503])
async def test_every_status_is_an_answer(inbox: Inbox, post: Post, status: int) -> None:
    inbox.answer(status, "" if status == 204 else "said", Retry_After="7")
    answer = await post(f"{inbox.url}hook", b'{"a":1}', {"X-Team": "shop"})
    assert answer.status == status
    assert answer.headers["retry-after"] == "7"
    assert answer.text == ("" if status == 204 else "said")
    taken = inbox.taken[0]
    assert (taken.method, taken.path, taken.body) == ("POST", "/hook", b'{"a":1}')
    assert taken.headers["X-Team"] == "shop"
    assert taken.headers["User-Agent"] == "Probe"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_redirect_is_an_answer_and_not_followed(
    inbox: Inbox, other_inbox: Inbox, post: Post, status: int
) -> None:
    inbox.answer(status, Location=other_inbox.url)
    assert (await post(inbox.url, b"{}", {})).status == status
    assert other_inbox.taken == []


async def test_address_goes_out_as_it_was_written(inbox: Inbox, post: Post) -> None:
    await post(f"{inbox.url}a%2Fb?sig=x%2By%3D&p=%7E", b"", {})
    assert inbox.taken[0].path == "/a%2Fb?sig=x%2By%3D&p=%7E"


async def test_cookies_are_not_kept(inbox: Inbox, post: Post) -> None:
    inbox.answer(200, "ok", Set_Cookie="seen=1")
    await post(inbox.url, b"", {})
    await post(inbox.url, b"", {})
    assert "Cookie" not in inbox.taken[1].headers


async def test_a_huge_answer_is_read_up_to_its_first_kib(inbox: Inbox, post: Post) -> None:
    inbox.answer(500, "x" * 5_000_000)
    assert (await post(inbox.url, b"", {})).text == "x" * 1024


async def test_a_compressed_answer_is_not_unpacked(inbox: Inbox, post: Post) -> None:
    inbox.answers = [(200, {"Content-Encoding": "gzip"}, gzip.compress(b"0" * 50_000_000))]
    answer = await post(inbox.url, b"", {})
    assert inbox.taken[0].headers["Accept-Encoding"] == "identity"
    assert len(answer.text) <= 1024
    assert "000" not in answer.text


async def test_an_endless_answer_ends(serve: Serve, post: Post) -> None:
    async def endless(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\n")
        while not writer.is_closing():
            writer.write(b"y" * 65536)
            try:
                await writer.drain()
            except OSError:
                return

    answer = await post(f"http://127.0.0.1:{await serve(endless)}/", b"", {})
    assert (answer.status, answer.text) == (200, "y" * 1024)


async def test_a_status_counts_though_its_body_never_comes(
    serve: Serve, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(post_module, "_BODY_PATIENCE", 0.05)

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 202 Accepted\r\nContent-Length: 900\r\n\r\nhal")
        await reader.read()

    answer = await post(f"http://127.0.0.1:{await serve(half)}/", b"", {})
    assert (answer.status, answer.text) == (202, "hal")


async def test_refused_connection_names_the_host_alone(post: Post) -> None:
    port = free_port()
    error = await failure(post, f"http://user:{TOKEN}@127.0.0.1:{port}/hook/{TOKEN}?sig={TOKEN}")
    assert str(error) == f"127.0.0.1:{port}: cannot connect: connection refused"
    assert not error.permanent


async def test_reset_connection_is_worth_another_try(serve: Serve, post: Post) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\x01\0\0\0\0\0\0\0")
        writer.transport.abort()

    port = await serve(reset)
    error = await failure(post, f"http://127.0.0.1:{port}/{TOKEN}")
    assert str(error) == f"127.0.0.1:{port}: the connection broke: connection reset by peer"
    assert not error.permanent


async def test_connection_closed_without_an_answer(serve: Serve, post: Post) -> None:
    async def rude(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    port = await serve(rude)
    assert str(await failure(post, f"http://127.0.0.1:{port}/{TOKEN}")).endswith(
        "it closed the connection without an answer"
    )


async def test_garbage_is_no_answer(serve: Serve, post: Post) -> None:
    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x15\x03\x01\x00\x02\x02\x28 no http\r\n\r\n")
        writer.close()

    port = await serve(garbage)
    error = await failure(post, f"http://127.0.0.1:{port}/{TOKEN}")
    assert str(error) == f"127.0.0.1:{port}: its answer is not HTTP"
    assert not error.permanent


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    await reader.read()


async def test_silence_ends_when_the_caller_says(serve: Serve, post: Post) -> None:
    port = await serve(silent)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await post(f"http://127.0.0.1:{port}/", b"", {})


async def test_silence_ends_though_the_caller_says_nothing(serve: Serve) -> None:
    port = await serve(silent)
    async with open_post(limit=0.05) as post:
        error = await failure(post, f"http://127.0.0.1:{port}/{TOKEN}")
    assert str(error) == f"127.0.0.1:{port}: no answer within 50 ms"
    assert not error.permanent


class NoNames(AbstractResolver):
    """A resolver that knows no name, as aiohttp's own says it."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        raise OSError(None, f"{host} not found")

    async def close(self) -> None:
        return


async def test_a_name_that_does_not_resolve() -> None:
    async with open_post(resolver=NoNames()) as post:
        error = await failure(post, f"https://hooks.shop.example/{TOKEN}")
    assert str(error) == "hooks.shop.example: its name does not resolve"
    assert not error.permanent


async def test_names_of_the_hosts_file_resolve(inbox: Inbox, post: Post) -> None:
    assert (await post(inbox.url.replace("127.0.0.1", "localhost"), b"", {})).status == 200


async def test_an_address_that_cannot_be_used_stays_so(post: Post) -> None:
    assert (await failure(post, f"http://127.0.0.1:99999/{TOKEN}")).permanent


async def test_proxies_of_the_environment_are_asked_for_or_not_used(
    inbox: Inbox, post: Post, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{free_port()}")
    assert (await post(inbox.url, b"", {})).status == 200
    async with open_post(proxies=True) as proxied:
        await failure(proxied, inbox.url)


async def test_an_unknown_certificate_is_not_trusted(serve: Serve, post: Post, tmp_path: Path) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0, ssl=context)
    url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/{TOKEN}"
    error = await failure(post, url)
    assert "its certificate is not trusted: unable to get local issuer certificate" in str(error)
    assert not error.permanent  # it may be renewed
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with open_post(tls=trusting) as trusted:
        assert (await trusted(url, b"", {})).text == "ok"
    server.close()
    await server.wait_closed()
