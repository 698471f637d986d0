"""`/api/v1/receivers`: who can be told, who is disabled and why, and to enable them. docs/api.md says what is in it."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol

from aiohttp import web

from probe.store.receivers import Disabled
from probe.web import body, shape
from probe.web.answer import json_answer
from probe.web.query import only
from probe.web.site import SITE, Site

log = logging.getLogger(__name__)


class Switchboard(Protocol):
    """The receivers of a running service."""

    def names(self) -> Sequence[str]: ...
    def disabled(self) -> Mapping[str, Disabled]: ...
    def waiting(self) -> Mapping[str, tuple[int, int]]:
        """How many notices wait by receiver, and Unix ms of the oldest one's decision."""

    def fallback(self, name: str) -> str:
        """Who would be told instead of a receiver; "" for nobody."""

    def enable(self, name: str) -> bool:
        """Tell a receiver again, and those that are derived from it; whether any of them was disabled."""


SWITCHBOARD = web.AppKey("receivers", Switchboard)


async def listing(request: web.Request) -> web.Response:
    """Every receiver by name, and those that were derived for people."""
    site, board = request.app[SITE], _board(request)
    only(request.query, ())
    value = {
        "instance": site.instance,
        "at": shape.instant(site.clock.now_ms()),
        "receivers": [_shown(site, board, name) for name in sorted(board.names())],
    }
    return await json_answer(request, value)


async def enable(request: web.Request) -> web.Response:
    """Tell a receiver again that was disabled. Asking twice does no harm."""
    site, board, name = request.app[SITE], _board(request), request.match_info["name"]
    by = site.redact((await body.read(request, ("author",), optional=True)).author())
    if name not in board.names():
        raise web.HTTPNotFound(text=f"there is no receiver {name[:200]!r}")
    if board.enable(name):
        log.info("receiver %s: enabled%s", name, f" by {by}" if by else "")
    return await json_answer(request, _shown(site, board, name))


def _board(request: web.Request) -> Switchboard:
    board = request.app.get(SWITCHBOARD)
    if board is None:
        raise web.HTTPServiceUnavailable(text="receivers are not at work yet")
    return board


def _shown(site: Site, board: Switchboard, name: str) -> shape.Json:
    disabled = board.disabled().get(name)
    pending, oldest_ms = board.waiting().get(name, (0, 0))
    return {
        "name": name,
        "disabled": disabled is not None,
        "since": shape.instant(disabled.at_ms) if disabled else None,
        "reason": site.redact(disabled.reason) if disabled else "",
        "fallback": board.fallback(name),
        "pending": pending,
        "oldest": shape.instant(oldest_ms) if oldest_ms else None,
    }


ROUTES: tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]], ...] = (
    ("GET", "/api/v1/receivers", listing),
    ("POST", "/api/v1/receivers/{name:.+}/enable", enable),
)
