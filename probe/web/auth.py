"""Who may change something. Reading is open to whoever reaches the address; writing never is.

With a token: who sends it. Without one: processes on this machine, and no web page that somebody here has open.
"""

from __future__ import annotations

import asyncio
import hmac
import logging
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address, ip_address
from urllib.parse import urlsplit

from aiohttp import web
from aiohttp.typedefs import Handler

from probe.web.site import SITE

log = logging.getLogger(__name__)

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
PING = "ping"  # the route of heartbeats: the key in the address is the proof
ACT = "act"  # of links in messages: their signature is
_PROVEN = frozenset({PING, ACT})
FORM = "form"  # of a page's form: a field of it is the proof, which no other page can know
OWN_PROOF = ("/act/", "/ping/")  # what proves itself: a signature, or a key, in the address
_BODY_WITHIN = 5.0  # s for a body that nothing reads
# A proxy on this machine makes everybody a neighbour: with one, a token is the only proof.
_FORWARDED = ("Forwarded", "Via", "X-Forwarded-For", "X-Forwarded-Host", "X-Real-IP")


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Let a request through that reads, or that may change something."""
    if request.method not in SAFE and request.match_info.route.name not in _PROVEN:
        token, form = request.app[SITE].token(), request.match_info.route.name == FORM
        if token and not form:
            _require_token(request, token)
        elif not token and (objection := anonymous_objection(request)):
            _refused(request, objection)
            raise web.HTTPForbidden(text=f"{objection}; set `token` in the configuration and send it")
        await _drain(request)
        if token and form:
            await _require_field(request, token)
    return await handler(request)


def _refused(request: web.Request, why: str) -> None:
    log.warning("refused %s %s from %s: %s", request.method, request.rel_url.raw_path, request.remote, why)


def _require_token(request: web.Request, token: str) -> None:
    sent = request.headers.getall("Authorization", [])
    scheme, _, given = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    if scheme.lower() != "bearer" or not _same(given, token):
        _refused(request, "no valid token")
        raise web.HTTPUnauthorized(
            text="a valid token is needed: Authorization: Bearer <token>",
            headers={"WWW-Authenticate": 'Bearer realm="probe"'},
        )


async def _require_field(request: web.Request, token: str) -> None:
    """The token as a field of a form. Browsers keep it as they keep passwords; nothing is kept here."""
    if request.headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        _refused(request, "the request came from another site's page")
        raise web.HTTPForbidden(text="the request came from another site's page")
    given = (await fields(request)).get("token", "")
    if not _same(given, token):
        _refused(request, "no valid token")
        raise web.HTTPForbidden(text="that is not the token of this service: nothing was done; go back and try again")


async def fields(request: web.Request) -> Mapping[str, str]:
    """What a form says. Each field once."""
    if request.content_type != "application/x-www-form-urlencoded":
        raise web.HTTPUnsupportedMediaType(text="a form is sent as application/x-www-form-urlencoded")
    form = await request.post()
    if len(set(form)) != len(form):
        raise web.HTTPBadRequest(text="a field of the form is there twice")
    return {name: value for name, value in form.items() if isinstance(value, str)}


def _same(given: str, token: str) -> bool:
    return hmac.compare_digest(given.strip().encode(errors="surrogateescape"), token.encode())


def may_act(request: web.Request) -> bool:
    """Whether whoever looks at a page may do something there: with a token, or on this machine."""
    return bool(request.app[SITE].token()) or not _stranger(request)


def anonymous_objection(request: web.Request) -> str:
    """Why a request without a token may not change anything; "" when it may."""
    headers = request.headers
    host = headers.get("Host", "")
    if objection := _stranger(request):
        return objection
    if headers.get("Sec-Fetch-Site", "none") not in ("none", "same-origin"):
        return "the request came from another site's page"
    origin = headers.get("Origin", f"http://{host}").lower()
    if origin not in (f"http://{host}".lower(), f"https://{host}".lower()):
        return "the request came from another site's page"
    return ""


def _stranger(request: web.Request) -> str:
    """Why whoever asks is not taken for somebody on this machine; "" where they are."""
    headers = request.headers
    host = headers.get("Host", "")
    if not is_loopback_address(request.remote or ""):
        return "without a token only processes on this machine may do this"
    if any(name in headers for name in _FORWARDED):
        return "the request came through a proxy"
    # DNS rebinding: a name of somebody else's that resolves to this machine for a moment.
    if not is_loopback_host(host):
        return f"the Host {host[:100]!r} is no loopback name"
    return ""


def is_loopback_address(text: str) -> bool:
    try:
        address: IPv4Address | IPv6Address | None = ip_address(text)
    except ValueError:
        return False
    if isinstance(address, IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address is not None and address.is_loopback


def is_loopback_host(host: str) -> bool:
    """Whether a Host header names this machine whatever a name server says: RFC 6761 section 6.3, or a literal."""
    try:
        parts = urlsplit(f"//{host}")
        name, _ = parts.hostname or "", parts.port
    except ValueError:
        return False
    if parts.netloc != host or "@" in host:
        return False
    name = name.removesuffix(".")
    return name == "localhost" or name.endswith(".localhost") or is_loopback_address(name)


async def _drain(request: web.Request) -> None:
    """Read the body that nothing wants, so that one that is too large, or too slow, gets its answer."""
    try:
        async with asyncio.timeout(_BODY_WITHIN):
            await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body took too long") from None
