"""HTTP and HTTPS: one request over a new connection, its redirects followed, its answer judged."""

from __future__ import annotations

import asyncio
import re
from base64 import b64encode
from collections.abc import Mapping
from contextlib import suppress
from email.utils import parsedate_to_datetime
from functools import cached_property
from ssl import SSLError
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from checks.core.base import ExpectationError, ProtocolError
from checks.core.connection import Connection
from checks.core.decode import ACCEPTED, Body, too_large
from checks.core.expect import HttpExpect, TooSlowError, judge_body
from checks.core.http1 import Answer
from checks.core.net import NET_METRICS, TLS_METRICS, DeniedError, Family, Net
from checks.core.peer import PeerError
from checks.core.redirects import REDIRECTS, Following
from checks.core.request import Request
from checks.core.result import Span, Trace
from checks.core.text import excerpt
from checks.core.tls import TlsOptions
from checks.core.units import Size
from checks.core.url import Url, parse_url

_ALPN = ("http/1.1",)
_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_OURS = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})
_WINDOW = 16384  # bytes that go into the buffers of the kernel on either side, however slow we are
_EXCERPT = 200  # characters of a body that failed
_SMALL = 32768  # bytes of a body that is judged on the event loop: a fraction of a millisecond
_AT_ONCE, _AT_MOST = 0.01, 1.0  # s for a regex: on the event loop, and in a thread


class Basic(BaseModel):
    """Credentials of HTTP basic authentication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = Field(description="User name.")
    password: SecretStr = Field(description="Password, best as ${env:NAME} or ${file:/run/secrets/name}.")

    @field_validator("username")
    @classmethod
    def _no_colon(cls, username: str) -> str:
        if ":" in username:
            raise ValueError("a user name cannot hold a colon (RFC 7617 section 2)")
        return username


class Http(BaseModel):
    """Asks for a URL and judges the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(repr=False, description="Address to ask for: http:// or https://.")
    method: str = Field(default="GET", description="Request method.")
    headers: Mapping[str, str] = Field(
        default_factory=dict, repr=False, description="Headers to send; a Host header asks for a virtual host."
    )
    body: str = Field(default="", repr=False, description="Body to send.")
    basic: Basic | None = Field(default=None, description="Credentials of HTTP basic authentication.")
    bearer: SecretStr | None = Field(default=None, description="Bearer token to send.")
    redirects: int = Field(
        default=10, ge=0, le=50, description="How many redirects to follow; 0 judges the redirect itself."
    )
    tls: TlsOptions = Field(default_factory=TlsOptions, description="How https is spoken, and whom to trust.")
    family: Family = Field(default="any", description="Which addresses to use, or to prefer.")
    max_body: Size = Field(
        default=10 << 20, gt=0, le=1 << 30, description="Largest good body, before and after decoding."
    )
    expect: HttpExpect = Field(default_factory=HttpExpect, description="What the answer must be.")

    @field_validator("url")
    @classmethod
    def _url_parses(cls, url: str) -> str:
        parse_url(url)
        return url

    @field_validator("method")
    @classmethod
    def _method_known(cls, method: str) -> str:
        if not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
            raise ValueError(f"{method!r} is no method that can be probed; write GET, HEAD, POST, ...")
        return method.upper()

    @field_validator("headers")
    @classmethod
    def _headers_sendable(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        seen: set[str] = set()
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no header name")
            if name.lower() in _OURS:
                raise ValueError(f"header {name} is set by the prober itself; leave it out")
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
                raise ValueError(f"header {name} holds a line break or another control character")
            if name.lower() in seen:
                raise ValueError(f"header {name} is given twice")
            seen.add(name.lower())
        return headers

    @model_validator(mode="after")
    def _one_authorization(self) -> Self:
        ways = [self.basic is not None, self.bearer is not None, "authorization" in map(str.lower, self.headers)]
        if sum(ways) > 1:
            raise ValueError("basic, bearer and an Authorization header exclude each other; keep one")
        if self.method == "HEAD" and self.expect.reads_body:
            raise ValueError("the answer to HEAD has no body: use method GET, or expect nothing of the body")
        return self

    @property
    def target(self) -> str:
        return str(self._request.url)

    @property
    def host(self) -> str:
        return self._request.url.host

    @cached_property
    def _request(self) -> Request:
        headers = {"user-agent": "Probe", "accept": "*/*", "accept-encoding": ACCEPTED}
        headers.update((name.lower(), value) for name, value in self.headers.items())
        if self.basic is not None:
            pair = f"{self.basic.username}:{self.basic.password.get_secret_value()}"
            headers["authorization"] = "Basic " + b64encode(pair.encode()).decode()
        if self.bearer is not None:
            headers["authorization"] = "Bearer " + self.bearer.get_secret_value()
        return Request(self.method, parse_url(self.url), headers, self.body.encode())

    @cached_property
    def _payload(self) -> bytes:
        return self._request.render()

    async def run(self, trace: Trace, net: Net) -> None:
        facts = trace.facts
        request, payload = self._request, self._payload
        facts["http.url"] = self.target
        facts["http.redirects"] = 0
        following: Following | None = None
        while True:
            with await self._connect(trace, net, request.url, followed=following is not None) as connection:
                answer, body = await self._exchange(trace, connection, request, payload)
            if body is not None:
                break
            following = following or Following(self.redirects)
            request, payload = following.follow(trace, request, answer)
        await self._judge(trace, answer, body)

    async def _connect(self, trace: Trace, net: Net, url: Url, *, followed: bool) -> Connection:
        tls = None
        if url.scheme == "https":
            tls = self.tls
            if followed and url.origin != self._request.url.origin:
                tls = tls.model_copy(update={"cert": None, "key": None, "server_name": None})
        try:
            return await net.connect(trace, url.host, url.port, tls=tls, family=self.family, alpn=_ALPN)
        except DeniedError as error:
            if not followed:
                raise
            raise ExpectationError(f"redirected to {url}, and {error}") from None

    async def _exchange(
        self, trace: Trace, connection: Connection, request: Request, payload: bytes
    ) -> tuple[Answer, Body | None]:
        """The answer and its body; no body when the answer is a redirect to follow."""
        answer = Answer(head=request.method == "HEAD")
        try:
            with trace.timed("ttfb") as first:
                with suppress(PeerError):  # a server may answer and hang up before it has read everything
                    await connection.send(payload)
                data = await connection.recv()
                if not data:
                    raise EOFError
                _arrived(first, connection, undelayed=len(payload) <= _WINDOW)
            with trace.timed("transfer", began=first.ended) as rest:
                piece = answer.feed(data)
                while not answer.headed:
                    piece = await _next(connection, answer)
                _note_head(trace, answer)
                body = None if self._follows(answer) else await self._read(trace, connection, answer, piece)
                _arrived(rest, connection, undelayed=connection.received <= _WINDOW)
        finally:
            answer.release()
        return answer, body

    def _follows(self, answer: Answer) -> bool:
        return self.redirects > 0 and answer.status in REDIRECTS and "location" in answer.headers

    async def _read(self, trace: Trace, connection: Connection, answer: Answer, piece: bytes) -> Body:
        limit = self.max_body
        keep = limit if self.expect.reads_body else _EXCERPT * 4
        body = Body(answer.headers.get("content-encoding", ""), keep=keep, limit=limit)
        if not self._head_good(answer):
            await _read_excerpt(connection, answer, body, piece)
            return body
        if not answer.done and answer.length is not None and answer.length > limit:
            raise too_large(limit)
        try:
            await _write(body, piece)
            while not answer.done:
                await _write(body, await _next(connection, answer))
            body.end()
        finally:
            trace.facts["http.bytes"] = body.size
        return body

    def _head_good(self, answer: Answer) -> bool:
        try:
            self.expect.judge_head(answer.status, answer.version, answer.headers)
        except ExpectationError:
            return False
        return True

    async def _judge(self, trace: Trace, answer: Answer, body: Body) -> None:
        try:
            self.expect.judge_head(answer.status, answer.version, answer.headers)
            if self.expect.reads_body:
                await _judge_body(self.expect, answer, body)
        except ExpectationError:
            if body.data and not body.opaque:
                trace.facts["http.excerpt"] = excerpt(body.data, _EXCERPT)
            raise


CHECK = Http
METRICS = NET_METRICS | TLS_METRICS | {"ttfb", "transfer"}
METRICS |= {f"http.{name}" for name in ("status", "bytes", "content_length", "redirects", "last_modified")}


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


async def _write(body: Body, piece: bytes) -> None:
    for _ in body.pieces(piece):
        await asyncio.sleep(0)


async def _read_excerpt(connection: Connection, answer: Answer, body: Body, piece: bytes) -> None:
    """The beginning of a body that cannot change the verdict; worth a second, and no failure of its own."""
    with suppress(ExpectationError, ProtocolError, PeerError, SSLError, TimeoutError):
        async with asyncio.timeout(1.0):
            await _write(body, piece)
            while not answer.done and body.size < _EXCERPT:
                await _write(body, await _next(connection, answer))


def _note_head(trace: Trace, answer: Answer) -> None:
    facts, headers = trace.facts, answer.headers
    facts["http.status"] = answer.status
    facts["http.version"] = answer.version
    if answer.length is not None:
        facts["http.content_length"] = answer.length
    if "content-type" in headers:
        facts["http.content_type"] = excerpt(headers["content-type"].encode(), 100)
    if "last-modified" in headers:
        with suppress(ValueError, OverflowError):
            facts["http.last_modified"] = parsedate_to_datetime(headers["last-modified"]).timestamp()


async def _judge_body(expect: HttpExpect, answer: Answer, body: Body) -> None:
    if body.opaque:
        raise ExpectationError(f"the body is encoded as {body.encoding}, which was not asked for")
    content_type = answer.headers.get("content-type", "")
    if len(body.data) <= _SMALL:
        with suppress(TooSlowError):
            judge_body(expect, body.data, content_type, _AT_ONCE)
            return
    await asyncio.to_thread(judge_body, expect, body.data, content_type, _AT_MOST)
