"""Receivers on loopback that keep what they are sent, and rude ones; and the notices to send them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cache

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from exporters.base import Notice, NoticeKind, Post
from exporters.post import open_post
from thresholds.base import Level

BEGAN = 1_795_255_200_000  # 2026-11-21T10:00:00Z


@dataclass
class Taken:
    """One request as it came in."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


@dataclass
class Inbox:
    """An HTTP receiver that keeps every request and gives the answers it was told to, the last one for ever."""

    url: str = ""
    taken: list[Taken] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str], bytes]] = field(default_factory=lambda: [(200, {}, b"ok")])

    def answer(self, status: int, text: str = "", **headers: str) -> None:
        self.answers = [(status, {name.replace("_", "-"): value for name, value in headers.items()}, text.encode())]

    async def handle(self, request: web.Request) -> web.Response:
        body = await request.read()
        self.taken.append(Taken(request.method, request.path_qs, dict(request.headers), body))
        status, headers, text = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        return web.Response(status=status, headers=headers, body=text)


@asynccontextmanager
async def opened_inbox() -> AsyncIterator[Inbox]:
    inbox = Inbox()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", inbox.handle)
    async with TestServer(app, host="127.0.0.1", port=0) as server:
        inbox.url = str(server.make_url("/"))
        yield inbox


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with opened_inbox() as opened:
        yield opened


@pytest.fixture
async def other_inbox() -> AsyncIterator[Inbox]:
    async with opened_inbox() as opened:
        yield opened


@cache
def trust() -> ssl.SSLContext:
    """The system's authorities, read once: that takes longer than most tests."""
    return ssl.create_default_context()


@pytest.fixture
async def post() -> AsyncIterator[Post]:
    async with open_post(limit=10.0, tls=trust()) as opened:
        yield opened


Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
Serve = Callable[[Talk], Awaitable[int]]


@pytest.fixture
async def serve() -> AsyncIterator[Serve]:
    """Starts a server that speaks as it likes, and says on which port."""
    servers: list[asyncio.Server] = []
    held: list[asyncio.StreamWriter] = []

    async def start(talk: Talk) -> int:
        async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            held.append(writer)
            await talk(reader, writer)

        server = await asyncio.start_server(talked, "127.0.0.1", 0)
        servers.append(server)
        port = server.sockets[0].getsockname()[1]
        assert isinstance(port, int)
        return port

    yield start
    for writer in held:
        writer.transport.abort()
    for server in servers:
        server.close()
        await server.wait_closed()


@pytest.fixture
def opened() -> Notice:
    """A shop that has been down for 4m 12s, with everything known that can be."""
    return Notice(
        id="msg_ad05be1e9bfe48b084bc664b",
        kind=NoticeKind.OPENED,
        incident="shop/home@1795255200000",
        instance="prod-eu",
        check="shop/home",
        target="https://shop.example/",
        level=Level.DOWN,
        since_ms=BEGAN,
        at_ms=BEGAN + 252_000,
        reason="status 503, wanted 2xx",
        service="shop",
        owner="team-shop",
        runbook="https://wiki.example/runbooks/shop",
        link="https://probe.example/checks/shop/home",
        labels={"tier": "1", "env": "prod"},
        evidence={"total": "1.2 s", "http.status": "503"},
    )


@pytest.fixture
def changed(opened: Notice) -> Notice:
    """The same shop, merely slow from now on."""
    return replace(opened, id=f"{opened.incident}/changed", kind=NoticeKind.CHANGED, level=Level.DEGRADED)


@pytest.fixture
def resolved(opened: Notice) -> Notice:
    """The same shop, well again 4m 12s after its first failed run."""
    ended_ms = BEGAN + 252_000
    return replace(
        opened,
        id=f"{opened.incident}/resolved",
        kind=NoticeKind.RESOLVED,
        ended_ms=ended_ms,
        at_ms=ended_ms + 30_000,
        evidence={},
    )


@pytest.fixture
def passed(resolved: Notice) -> Notice:
    return replace(resolved, kind=NoticeKind.PASSED)


@pytest.fixture
def taken_care(opened: Notice) -> Notice:
    """The shop's incident, with all that may be known of one: ana takes care of it."""
    return replace(
        opened,
        id=f"{opened.incident}/acknowledged",
        kind=NoticeKind.ACKNOWLEDGED,
        number=42,
        severity="page",
        title="shop: 3 checks",
        count=3,
        members=("shop/home DOWN: status 503", "shop/cart DOWN: status 503"),
        acked_by="ana",
        recurrence="5th time in 30 days, last fix open since 2026-11-03",
        changes=("CHG123 in progress for 10m: new cart",),
        bridge="https://meet.example/shop",
        why="on call in prodops, step 2",
        actions={"Take it back": "https://probe.example/act/s1gned"},
    )


@pytest.fixture
def bulletin() -> Notice:
    """What is about no incident."""
    return Notice(
        id="msg_roster",
        kind=NoticeKind.BULLETIN,
        incident="",
        instance="prod-eu",
        check="",
        target="",
        level=Level.DEGRADED,
        since_ms=BEGAN,
        at_ms=BEGAN,
        title="On call in prodops: ana",
        text="ana until Mon 09:00\nthen bob",
    )


def loud(notice: Notice, words: str) -> Notice:
    """The notice with `words` wherever somebody else could have put them, and far too many of them."""
    many = {f"{number}{words}": words for number in range(300)}
    return replace(
        notice,
        check=words,
        target=words,
        reason=words,
        service=words,
        owner=words,
        instance=words,
        labels=many,
        evidence=many,
    )
