"""A calendar from its address, which is a secret: bounded, never from another host, never from where probes may not go.

No error of it holds the address.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from checks.core.policy import DeniedError, Policy
from checks.core.units import format_duration
from exporters.receiver import host_of

_LARGEST = 4 << 20  # bytes of a calendar
_LIMIT = 30.0  # s for all of it
_HOPS = 5
_MOVED = (301, 302, 303, 307, 308)
_NOT_MODIFIED = 304


class FetchError(Exception):
    """There is no calendar to be had now. One line, without the address."""


@dataclass(frozen=True, slots=True)
class Fetched:
    """What an address answered."""

    text: str | None  # None: what it answered last is still so
    marks: Mapping[str, str] = field(default_factory=dict)  # headers with which to ask whether it still is


Fetch = Callable[[str, Mapping[str, str]], Awaitable[Fetched]]


@asynccontextmanager
async def open_fetch(
    policy: Callable[[], Policy],
    *,
    tls: ssl.SSLContext | None = None,
    limit: float = _LIMIT,
    largest: int = _LARGEST,
    product: str = "Probe",
) -> AsyncIterator[Fetch]:
    """A Fetch for as long as the block lasts. `policy` is asked each time; `tls` replaces the system's trust."""
    trust = tls or ssl.create_default_context()
    resolver = aiohttp.AsyncResolver()  # no pool of threads that one silent name server fills

    async def fetch(url: str, marks: Mapping[str, str]) -> Fetched:
        headers = {"User-Agent": product, "Accept-Encoding": "identity", "Accept": "text/calendar, */*;q=0.1", **marks}
        guard = _Guard(policy())
        connector = aiohttp.TCPConnector(
            resolver=resolver, use_dns_cache=False, ssl=trust, force_close=True, socket_factory=guard.socket
        )
        try:
            async with (
                asyncio.timeout(limit),
                aiohttp.ClientSession(
                    connector=connector,
                    cookie_jar=aiohttp.DummyCookieJar(),
                    headers=headers,
                    timeout=aiohttp.ClientTimeout(total=None),
                    auto_decompress=False,
                ) as session,
            ):
                return await _followed(session, URL(url, encoded=url.isascii()), largest)
        except FetchError as error:
            raise FetchError(f"{host_of(url)}: {error}") from None
        except TimeoutError:
            raise FetchError(f"{host_of(url)}: not read within {format_duration(limit)}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            # Without its cause: the text of aiohttp's errors holds the address.
            raise FetchError(f"{host_of(url)}: {guard.denied or _reason(error)}") from None

    try:
        yield fetch
    finally:
        await resolver.close()


class _Guard:
    """Makes sockets to where the policy lets us go: asked for each address, just before it is connected to."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self.denied = ""

    def socket(self, info: tuple[Any, ...]) -> socket.socket:
        family, kind, proto, _, address = info
        try:
            self._policy.permitted([str(address[0]).partition("%")[0]])
        except DeniedError as error:
            self.denied = (
                f"its address is denied by the network policy ({error.rule}); network.allow makes an exception"
            )
            raise OSError(self.denied) from None
        return socket.socket(family, kind, proto)


async def _followed(session: aiohttp.ClientSession, url: URL, largest: int) -> Fetched:
    """What an address answers, or another one on the same host to which it leads."""
    for _ in range(_HOPS):
        async with session.get(url, allow_redirects=False) as answer:
            if answer.status not in _MOVED:
                return await _read(answer, largest)
            url = _next(url, answer.headers.get("Location", ""))
    raise FetchError(f"more than {_HOPS} redirects")


def _next(url: URL, location: str) -> URL:
    """Where a redirect leads. The address is a secret of this host: no other one hears of it."""
    try:
        target = url.join(URL(location)) if location else None
    except ValueError:
        target = None
    if target is None or target.scheme not in ("http", "https"):
        raise FetchError("it redirects to what is no address")
    if target.host != url.host:
        raise FetchError("it redirects to another host; write the address that it leads to")
    if url.scheme == "https" and target.scheme != "https":
        raise FetchError("it redirects from https:// to http://")
    if url.user is not None and target.user is None:
        target = target.with_user(url.user).with_password(url.password)
    return target


async def _read(answer: aiohttp.ClientResponse, largest: int) -> Fetched:
    marks = {
        asked: answer.headers[name]
        for name, asked in (("ETag", "If-None-Match"), ("Last-Modified", "If-Modified-Since"))
        if name in answer.headers
    }
    if answer.status == _NOT_MODIFIED:
        return Fetched(None, marks)
    if answer.status != 200:
        raise FetchError(f"status {answer.status}, wanted 200")
    if answer.headers.get("Content-Encoding", "identity").lower() not in ("identity", ""):
        raise FetchError("it is packed, although nobody asked for that")
    body = bytearray()
    async for part in answer.content.iter_any():
        body += part
        if len(body) > largest:
            raise FetchError(f"it is larger than {largest >> 20} MiB")
    try:
        return Fetched(body.decode("utf-8-sig"), marks)
    except UnicodeDecodeError:
        raise FetchError("it is no text in UTF-8") from None


def _reason(error: Exception) -> str:
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name does not resolve"
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return "no TLS connection that can be trusted"
    if isinstance(error, aiohttp.ClientPayloadError):
        return "it came only in part"
    if isinstance(error, OSError):
        return f"cannot connect: {os.strerror(error.errno).lower() if error.errno and error.errno > 0 else 'it broke'}"
    return f"the request failed ({type(error).__name__})"
