"""One GET to an address that is a secret: as careful as exporters.post. Follows no redirect, keeps no cookie, reads a
bounded answer, and no error of it holds the address.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress

import aiohttp
from yarl import URL

from exporters.base import NotifyError, Response, Trouble
from exporters.receiver import host_of

_KEPT = 1024  # bytes of an answer's body
_LIMIT = 60.0  # s that end an exchange whose caller did not

Get = Callable[[str, Mapping[str, str]], Awaitable[Response]]


@asynccontextmanager
async def open_get(*, tls: ssl.SSLContext | None = None, product: str = "Probe") -> AsyncIterator[Get]:
    """A Get for as long as the block lasts. `tls` replaces the system's trust. It raises NotifyError."""
    connector = aiohttp.TCPConnector(
        resolver=aiohttp.AsyncResolver(),  # no pool of threads that one silent name server fills
        use_dns_cache=False,
        ssl=tls or ssl.create_default_context(),
        force_close=True,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=_LIMIT),
        headers={"User-Agent": product, "Accept-Encoding": "identity"},
        auto_decompress=False,
    ) as session:

        async def get(url: str, headers: Mapping[str, str]) -> Response:
            try:
                target = URL(url, encoded=url.isascii())
                async with session.get(target, headers=headers, allow_redirects=False) as answer:
                    named = {name.lower(): value for name, value in answer.headers.items()}
                    return Response(answer.status, named, await _beginning(answer))
            except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
                # Without its cause: the text of aiohttp's errors holds the address.
                kind = Trouble.TIMEOUT if isinstance(error, TimeoutError) else Trouble.CONNECTION
                raise NotifyError(f"{host_of(url)}: {_reason(error)}", kind=kind) from None

        yield get


async def _beginning(answer: aiohttp.ClientResponse) -> str:
    kept = bytearray()
    with suppress(aiohttp.ClientError, OSError):
        while len(kept) < _KEPT and (chunk := await answer.content.read(_KEPT - len(kept))):
            kept += chunk
    return kept.decode("utf-8", errors="replace")


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return "its name does not resolve"
    if isinstance(error, aiohttp.ClientSSLError | aiohttp.ClientConnectorCertificateError):
        return "no TLS connection that can be trusted"
    if isinstance(error, OSError):
        return f"cannot connect: {os.strerror(error.errno).lower() if error.errno and error.errno > 0 else 'it broke'}"
    return f"the request failed ({type(error).__name__})"
