"""The real Post: HTTP to receivers over one client session. Follows no redirect, keeps no cookie, trusts no answer.

An error names the receiver's host and what went wrong with it, never the URL: that is a secret.
"""

from __future__ import annotations

import asyncio
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

import aiohttp
from aiohttp.abc import AbstractResolver
from yarl import URL

from checks.core.units import format_duration
from exporters.base import NotifyError, Post, Response, Trouble
from exporters.receiver import host_of

_KEPT = 1024  # bytes of an answer's body
_BODY_PATIENCE = 2.0  # s for them: the status has said it all, and a retry for the body's sake would tell it twice

_REASONS: tuple[tuple[type[Exception], str], ...] = (
    (aiohttp.ClientConnectorDNSError, "its name does not resolve"),
    (aiohttp.ClientSSLError, "no TLS connection"),
    (aiohttp.ServerDisconnectedError, "it closed the connection without an answer"),
    (aiohttp.ClientResponseError, "its answer is not HTTP"),
)


class HttpPost:
    """One POST at a time to anybody; an answer is whatever has a status."""

    def __init__(self, session: aiohttp.ClientSession, limit: float) -> None:
        self._session = session
        self._limit = limit

    async def __call__(self, url: str, body: bytes, headers: Mapping[str, str]) -> Response:
        try:
            # A percent-encoded signature in the address goes out as it was written.
            target = URL(url, encoded=url.isascii())
            async with self._session.post(target, data=body, headers=headers, allow_redirects=False) as response:
                named = {name.lower(): value for name, value in response.headers.items()}
                return Response(response.status, named, await _beginning(response))
        except (aiohttp.ClientError, OSError, ValueError) as error:  # TimeoutError is an OSError
            reason = _reason(error, self._limit)
            # A refused certificate is a ValueError too, but it may be renewed.
            permanent = isinstance(error, ValueError) and not isinstance(error, OSError)
            # Without its cause: the text of aiohttp's errors holds the URL.
            raise NotifyError(f"{host_of(url)}: {reason}", permanent=permanent, kind=_trouble(error)) from None


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first KiB of the body, or what came of it in good time."""
    kept = bytearray()
    with suppress(aiohttp.ClientError, OSError):
        async with asyncio.timeout(_BODY_PATIENCE):
            while len(kept) < _KEPT and (chunk := await response.content.read(_KEPT - len(kept))):
                kept += chunk
    return kept.decode("utf-8", errors="replace")


def _trouble(error: Exception) -> Trouble:
    if isinstance(error, TimeoutError):
        return Trouble.TIMEOUT
    return Trouble.CONNECTION if isinstance(error, (aiohttp.ClientError, OSError)) else Trouble.OTHER


def _reason(error: Exception, limit: float) -> str:
    if isinstance(error, TimeoutError):
        return f"no answer within {format_duration(limit)}"
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        refused = error.certificate_error
        why = refused.verify_message if isinstance(refused, ssl.SSLCertVerificationError) else "not for this host"
        return f"its certificate is not trusted: {why}"
    for kind, words in _REASONS:
        if isinstance(error, kind):
            return words
    if isinstance(error, OSError):
        what = "cannot connect" if isinstance(error, aiohttp.ClientConnectorError) else "the connection broke"
        return f"{what}: {_cause(error)}"
    if isinstance(error, ValueError):
        return "the address cannot be used"
    return f"the request failed ({type(error).__name__})"


def _cause(error: OSError) -> str:
    return os.strerror(error.errno).lower() if error.errno and error.errno > 0 else "no reason given"


@asynccontextmanager
async def open_post(
    *,
    limit: float = 20.0,
    tls: ssl.SSLContext | None = None,
    proxies: bool = False,
    resolver: AbstractResolver | None = None,
    product: str = "Probe",
) -> AsyncIterator[Post]:
    """A Post for as long as the block lasts.

    `limit` in seconds ends an exchange that its caller did not; `tls` replaces the system's trust; `proxies` takes them
    from the environment; `resolver` replaces c-ares and is closed with the rest; `product` is the User-Agent.
    """
    connector = aiohttp.TCPConnector(
        # Chosen here, because aiohttp's own choice depends on what is installed beside it. A pool of threads would let
        # a name server that is silent hold up everything else that runs in threads.
        resolver=resolver or aiohttp.AsyncResolver(),
        use_dns_cache=False,
        ssl=tls or ssl.create_default_context(),
        # Alerts are rare: a kept connection is mostly one that the other side has closed in the meantime.
        force_close=True,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(total=limit),
        headers={"User-Agent": product, "Accept-Encoding": "identity"},
        auto_decompress=False,
        trust_env=proxies,
    ) as session:
        yield HttpPost(session, limit)
