"""What goes wrong, in the shape that the asker reads: JSON for the API, a page for people, text for tools."""

from __future__ import annotations

import logging

from aiohttp import web
from aiohttp.typedefs import Handler

from probe.web import page
from probe.web.answer import json_answer
from probe.web.query import QueryError
from probe.web.site import SITE

log = logging.getLogger(__name__)

_KEPT = ("Allow", "WWW-Authenticate")


@web.middleware
async def errors(request: web.Request, handler: Handler) -> web.StreamResponse:
    """The one place where an exception becomes an answer."""
    try:
        return await handler(request)
    except QueryError as error:
        return await answer(request, 400, str(error))
    except web.HTTPException as error:
        kept = {name: error.headers[name] for name in _KEPT if name in error.headers}
        return await answer(request, error.status, _line(error), kept)
    except (ConnectionError, web.RequestPayloadError):  # the asker went, or sent a body that is none
        return await answer(request, 400, "the request broke off, or its body is not what its head says")
    except Exception:
        # A bug in one page must neither end the connection without a word nor show what is inside.
        log.exception("%s %s failed", request.method, _shown(request))
        return await answer(request, 500, "Probe failed to answer this; its log says why")


async def answer(
    request: web.Request, status: int, line: str, headers: dict[str, str] | None = None
) -> web.StreamResponse:
    """One line about what is wrong."""
    path = request.path
    line = request.app[SITE].redact(line)
    if path.startswith("/api/"):
        return await json_answer(request, {"error": line}, status=status, headers=headers)
    if path.startswith(("/-/", "/ping")) or path == "/metrics":
        return web.Response(status=status, text=f"{line}\n", headers=headers)
    return await page.error(request, status, line, headers)


def _shown(request: web.Request) -> str:
    """The path; that of a ping holds a key, and perhaps one that was right until yesterday."""
    path = request.rel_url.raw_path
    return "/ping/..." if path.startswith("/ping") else path


def _line(error: web.HTTPException) -> str:
    if error.status == 404 and error.text == f"404: {error.reason}":
        return "there is nothing at this address"
    if error.status == 405:
        return f"method not allowed; allowed are {error.headers.get('Allow', 'others')}"
    text = error.text or ""
    return text.removeprefix(f"{error.status}: ") or error.reason
