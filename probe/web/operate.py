"""What machines ask of the service: is it alive, is it ready, read the configuration again, and the exposition."""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing

from aiohttp import web

from exporters.prometheus import negotiate
from probe.web.compress import accepts_gzip, compressor
from probe.web.site import SITE

log = logging.getLogger(__name__)


async def healthy(_: web.Request) -> web.Response:
    """200 for as long as the loop runs: what a supervisor restarts by."""
    return web.Response(text="healthy\n")


async def ready(request: web.Request) -> web.Response:
    """200 once checks run and results are kept; 503 with the reason until then, or when that ends."""
    site = request.app[SITE]
    reason = site.control.unready()
    if reason:
        return web.Response(status=503, text=f"not ready: {site.redact(reason)}\n")
    return web.Response(text="ready\n")


async def reload(request: web.Request) -> web.Response:
    """Take the configuration up anew. With problems nothing changes, and they are the answer."""
    site = request.app[SITE]
    problems = await site.control.reload()
    if problems:
        lines = "\n".join(site.redact(problem) for problem in problems)
        return web.Response(status=500, text=f"failed to reload config:\n{lines}\n")
    return web.Response(text="configuration reloaded\n")


async def metrics(request: web.Request) -> web.StreamResponse:
    """The exposition, as Prometheus asks for it, sent while it is made."""
    content_type, openmetrics = negotiate(request.headers.get("Accept", ""))
    packed = accepts_gzip(request.headers.get("Accept-Encoding", ""))
    headers = {"Content-Type": content_type, "Vary": "Accept, Accept-Encoding"}
    if packed:
        headers["Content-Encoding"] = "gzip"
    response = web.StreamResponse(headers=headers)
    if request.method == "HEAD":
        await response.prepare(request)
        return response
    chunks = request.app[SITE].control.metrics(openmetrics=openmetrics)
    async with aclosing(_gzip(chunks) if packed else _plain(chunks)) as body:
        first = await anext(body, b"")  # a failure before the first byte is an honest 500
        await response.prepare(request)
        await _send(request, response, first, body)
    return response


async def _send(request: web.Request, response: web.StreamResponse, first: bytes, body: AsyncIterator[bytes]) -> None:
    try:
        await response.write(first)
        async for chunk in body:
            await response.write(chunk)
        await response.write_eof()
    except ConnectionError:
        return  # the scraper is gone: its business
    except Exception:
        # Half an exposition that ends in peace would pass for a whole one: series would go stale by mistake.
        log.exception("the exposition broke off")
        if request.transport is not None:
            request.transport.abort()


async def _plain(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    async for chunk in chunks:
        if chunk:
            yield chunk


async def _gzip(chunks: AsyncIterator[bytes]) -> AsyncGenerator[bytes, None]:
    packer = compressor()
    async for chunk in chunks:
        if packed := packer.compress(chunk):
            yield packed
    yield packer.flush()
