"""HTTP/1.1 as an exchange over connections of our own: ask, follow redirects, read, judge. One timed phase each."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from functools import lru_cache, partial
from ssl import SSLError

from checks.core.base import ExpectationError, ProtocolError
from checks.core.connection import Connection
from checks.core.decode import Body, too_large
from checks.core.evidence import BEGINNING
from checks.core.expect import HttpExpect, TooSlowError, judge_body
from checks.core.http1 import Answer
from checks.core.net import DeniedError, Family, Net
from checks.core.peer import PeerError
from checks.core.redirects import REDIRECTS, Following
from checks.core.request import Request
from checks.core.result import Span, Trace
from checks.core.text import excerpt
from checks.core.tls import TlsOptions
from checks.core.url import Url

_ALPN = ("http/1.1",)
_WINDOW = 16384  # bytes that go into the buffers of the kernel on either side, however slow we are
EXCERPT = 200  # characters of a body that failed
_FOR_WORDS, _FOR_MORE = 1.0, 0.1  # s that the beginning of a body is waited for, of an answer that failed already
_SMALL = 32768  # bytes of a body that is judged on the event loop: a fraction of a millisecond
_AT_ONCE, _AT_MOST = 0.01, 1.0  # s for a regex: on the event loop, and in a thread


@dataclass(slots=True)
class Manner:
    """How a target answers, as its runs have found: once in `pieces`, its first byte is looked at as it comes."""

    pieces: bool = False


@dataclass(frozen=True, slots=True)
class Order:
    """What a check asks for and what the answer must be, whoever carries it there."""

    request: Request
    payload: bytes  # the request as it is sent
    redirects: int
    tls: TlsOptions
    family: Family
    max_body: int  # bytes
    expect: HttpExpect
    manner: Manner = field(default_factory=Manner)  # learned; one for all orders that are made of this one


async def ask(order: Order, trace: Trace, net: Net) -> None:
    """Return when the answer is the wanted one; raises what classify() knows."""
    request, payload = order.request, order.payload
    facts = trace.facts
    facts["http.url"] = str(request.url)
    facts["http.redirects"] = 0
    following: Following | None = None
    while True:
        with await _connect(order, trace, net, request.url, followed=following is not None) as connection:
            answer, body, fault = await _exchange(order, trace, connection, request, payload)
            if body is not None:
                # While it is open: a run that fails tells which address of ours it had.
                await judge_answer(order.expect, trace, answer, body, fault)
                return
        following = following or Following(order.redirects)
        request, payload = following.follow(trace, request, answer)


async def judge_answer(
    expect: HttpExpect, trace: Trace, answer: Answer, body: Body, fault: ExpectationError | None
) -> None:
    """Raise what is wrong with the head, or with the body; the body's beginning is then a fact."""
    try:
        if fault is not None:
            raise fault
        if expect.reads_body:
            await _judge_body(expect, answer, body)
    except ExpectationError:
        if body.data and not body.opaque:
            trace.facts["http.excerpt"] = excerpt(body.data, EXCERPT)
        raise


async def _connect(order: Order, trace: Trace, net: Net, url: Url, *, followed: bool) -> Connection:
    tls = None
    if url.scheme == "https":
        tls = order.tls
        if followed and url.origin != order.request.url.origin:
            tls = tls.model_copy(update={"cert": None, "key": None, "server_name": None})
    try:
        return await net.connect(
            trace, url.host, url.port, tls=tls, family=order.family, alpn=_ALPN, promptly=order.manner.pieces
        )
    except DeniedError as error:
        if not followed:
            raise
        raise ExpectationError(f"redirected to {url}, and {error}") from None


async def _exchange(
    order: Order, trace: Trace, connection: Connection, request: Request, payload: bytes
) -> tuple[Answer, Body | None, ExpectationError | None]:
    """The answer, its body, and what is wrong with its head; no body when the answer is a redirect to follow."""
    answer = Answer(head=request.method == "HEAD")
    leg = trace.leg
    leg.request, leg.payload, leg.answer = request, payload, answer
    body, fault = None, None
    with trace.timed("ttfb") as first:
        with suppress(PeerError):  # a server may answer and hang up before it has read everything
            await connection.send(payload)
        if len(payload) <= _WINDOW:
            first.asked()
        data = await connection.recv()
        if not data:
            raise EOFError
        _arrived(first, connection, undelayed=len(payload) <= _WINDOW)
    with trace.timed("transfer", began=first.ended) as rest:
        piece = answer.feed(data)
        whole = answer.done
        while not answer.headed:
            piece = await _next(connection, answer)
        note_head(trace, answer)
        if not follows(order, answer):
            fault = fault_of(order.expect, answer)
            body = await read_body(order, trace, answer, piece, partial(_next, connection, answer), good=fault is None)
        _arrived(rest, connection, undelayed=connection.received <= _WINDOW)
    # Pieces that we read together have the stamp of the last one. What is known of the first is when we looked; the
    # next run looks at once. Under TLS a record is such a piece, whatever it travels in.
    if not whole or (request.url.scheme == "http" and connection.pieces() > 1):
        order.manner.pieces = True
        if connection.slice:
            trace.facts["timing"] = "loop"
            trace.unsure += connection.slice
    elif connection.slice and trace.facts.get("timing") == "loop":
        trace.unsure += 2 * connection.slice  # without stamps what came is as old as our look
    return answer, body, fault


def follows(order: Order, answer: Answer) -> bool:
    return order.redirects > 0 and answer.status in REDIRECTS and "location" in answer.headers


def fault_of(expect: HttpExpect, answer: Answer) -> ExpectationError | None:
    try:
        expect.judge_head(answer.status, answer.version, answer.headers)
    except ExpectationError as error:
        return error
    return None


async def read_body(
    order: Order, trace: Trace, answer: Answer, piece: bytes, more: Callable[[], Awaitable[bytes]], *, good: bool
) -> Body:
    """The body, of which `piece` came with the head, and `more` gives what comes next until the answer is done.

    Of an answer that is not `good` only the beginning, for people to see.
    """
    limit = order.max_body
    keep = limit if order.expect.reads_body else BEGINNING
    trace.leg.body = body = Body(answer.headers.get("content-encoding", ""), keep=keep, limit=limit)
    if not good:
        await _read_beginning(answer, body, piece, more)
        return body
    if not answer.done and answer.length is not None and answer.length > limit:
        raise too_large(limit)
    try:
        await _take(body, piece)
        while not answer.done:
            await _take(body, await more())
        body.end()
    finally:
        trace.facts["http.bytes"] = body.size
    return body


def _arrived(span: Span, connection: Connection, *, undelayed: bool) -> None:
    """End a phase with the last bytes. `undelayed`: we cannot have been what they waited for."""
    if undelayed:
        span.arrived(connection.received_at)
    else:
        span.ended = connection.received_at


async def _next(connection: Connection, answer: Answer) -> bytes:
    """What of the body comes next; b"" also at the end of the stream, where that ends the answer."""
    data = await connection.recv()
    if data:
        return answer.feed(data)
    answer.end()
    return b""


async def _take(body: Body, piece: bytes) -> None:
    for _ in body.pieces(piece):
        await asyncio.sleep(0)


async def _read_beginning(answer: Answer, body: Body, piece: bytes, more: Callable[[], Awaitable[bytes]]) -> None:
    """The beginning of a body that cannot change the verdict: enough to be told is worth a second, what evidence shows
    of it a moment more. No failure of its own.
    """
    with suppress(ExpectationError, ProtocolError, PeerError, SSLError, TimeoutError):
        async with asyncio.timeout(_FOR_WORDS):
            await _take(body, piece)
            await _fill(EXCERPT, answer, body, more)
        async with asyncio.timeout(_FOR_MORE):
            await _fill(BEGINNING, answer, body, more)


async def _fill(size: int, answer: Answer, body: Body, more: Callable[[], Awaitable[bytes]]) -> None:
    while not answer.done and body.size < size:
        await _take(body, await more())


def note_head(trace: Trace, answer: Answer) -> None:
    facts, headers = trace.facts, answer.headers
    facts["http.status"] = answer.status
    facts["http.version"] = answer.version
    if answer.length is not None:
        facts["http.content_length"] = answer.length
    if "content-type" in headers:
        facts["http.content_type"] = _one_line(headers["content-type"])
    if "last-modified" in headers and (changed := _instant(headers["last-modified"])) is not None:
        facts["http.last_modified"] = changed


# Sites say the same of themselves run after run.
@lru_cache(maxsize=4096)
def _one_line(value: str) -> str:
    return excerpt(value.encode(), 100)


@lru_cache(maxsize=4096)
def _instant(date: str) -> float | None:
    """The Unix time of an HTTP date."""
    try:
        return parsedate_to_datetime(date).timestamp()
    except (ValueError, OverflowError):
        return None


async def _judge_body(expect: HttpExpect, answer: Answer, body: Body) -> None:
    if body.opaque:
        raise ExpectationError(f"the body is encoded as {body.encoding}, which was not asked for")
    content_type = answer.headers.get("content-type", "")
    if len(body.data) <= _SMALL:
        with suppress(TooSlowError):
            judge_body(expect, body.data, content_type, _AT_ONCE)
            return
    await asyncio.to_thread(judge_body, expect, body.data, content_type, _AT_MOST)
