"""How bodies go out: encoded, compressed where accepted, and with headers that keep browsers in bounds."""

from __future__ import annotations

from typing import Any

import msgspec
from aiohttp import web

from probe.web.compress import accepts_gzip, gzipped

# Nothing from elsewhere, nothing inline: a name or a reason that slipped through unescaped could still do nothing.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Server": "Probe",
}


async def harden(_: web.Request, response: web.StreamResponse) -> None:
    """A signal: every answer carries these, whatever made it."""
    referrer = response.headers.get("Referrer-Policy", HEADERS["Referrer-Policy"])
    response.headers.update({**HEADERS, "Referrer-Policy": referrer})
    response.headers.setdefault("Cache-Control", "no-store")


async def body_answer(
    request: web.Request, body: bytes, content_type: str, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    """A whole body, compressed where that is accepted and worth it."""
    sent = {"Content-Type": content_type, "Vary": "Accept-Encoding"} | (headers or {})
    if accepts_gzip(request.headers.get("Accept-Encoding", "")):
        packed = await gzipped(body)
        if packed is not None:
            body = packed
            sent["Content-Encoding"] = "gzip"
    return web.Response(status=status, body=body, headers=sent)


async def json_answer(
    request: web.Request, value: Any, *, status: int = 200, headers: dict[str, str] | None = None
) -> web.Response:
    body = msgspec.json.encode(value) + b"\n"
    return await body_answer(request, body, "application/json; charset=utf-8", status=status, headers=headers)
