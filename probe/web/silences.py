"""`/api/v1/silences`: nobody is told of what they cover, until they end. docs/api.md says what is in it."""

from __future__ import annotations

from aiohttp import web

from probe.store.base import Announcement, Kind
from probe.web import body, shape
from probe.web.announcing import LONGEST, announcement, check_room, closed, find, keep, span_of
from probe.web.answer import json_answer
from probe.web.body import BodyError
from probe.web.coverage import check_names
from probe.web.site import SITE, Site

_KEYS = ("checks", "services", "labels", "reason", "author", "from", "to", "for", "even_if_none")
_SELF = "probe"  # what is wrong with Probe itself: checks probe/..., which nobody configures
_KEPT_MS = 86_400_000


async def listing(request: web.Request) -> web.Response:
    """Silences that are on or to come, and those that ended within a day."""
    site = request.app[SITE]
    now_ms = site.clock.now_ms()
    found = [one for one in site.control.announced() if one.kind is Kind.SILENCE]
    kept = [one for one in found if not one.ended_ms or one.ended_ms > now_ms - _KEPT_MS]
    value = {"instance": site.instance, "at": shape.instant(now_ms), "silences": [_shown(site, one) for one in kept]}
    return await json_answer(request, value)


async def start(request: web.Request) -> web.Response:
    """Silence what it names; it must say until when, why and who wants that."""
    site = request.app[SITE]
    asked = await body.read(request, _KEYS)
    now_ms = site.clock.now_ms()
    span = span_of(asked, now_ms)
    if not span[1]:
        raise BodyError('for: is missing; a silence must end: "for": "2h", or "to": an instant')
    if span[1] <= now_ms:
        raise BodyError("to: lies in the past")
    if span[0] > now_ms + LONGEST * 1000:
        raise BodyError("from: is more than a year ahead")
    asked.author(required='who wants it, "author": "ana"')
    check_room(site)
    said = announcement(site, asked, Kind.SILENCE, span)
    if not asked.flag("even_if_none"):
        _check_named(site, said)
    await keep(site, "is on", said, said.author)
    return await json_answer(request, _shown(site, said), status=201)


def _check_named(site: Site, said: Announcement) -> None:
    """BodyError where a name is mistyped: nobody must believe that a check is silenced that is not."""
    planned = [view.planned for view in site.board.views()]
    checks = [pattern for pattern in said.checks if not pattern.startswith(f"{_SELF}/")]
    check_names("checks", checks, {one.name for one in planned})
    check_names("services", said.services, {one.service for one in planned if one.service} | {_SELF})


async def end(request: web.Request) -> web.Response:
    """End it now. What is over stays as it is."""
    site = request.app[SITE]
    by = site.redact((await body.read(request, ("author",), optional=True)).author())
    said = await find(site, request.match_info["id"], Kind.SILENCE)
    now_ms = site.clock.now_ms()
    if said.ended_ms > now_ms:
        said = closed(said, now_ms, by)
        await keep(site, "is ended", said, by)
    return await json_answer(request, _shown(site, said))


def _shown(site: Site, one: Announcement) -> shape.Json:
    value = {
        "id": one.id,
        "from": shape.instant(one.began_ms),
        "to": shape.instant(one.ended_ms),
        "on": one.began_ms <= site.clock.now_ms() < one.ended_ms,
        "checks": list(one.checks),
        "services": list(one.services),
        "labels": dict(one.labels),
        "reason": one.reason,
        "author": one.author,
        "ended_at": shape.instant(one.closed_ms),
        "ended_by": one.closed_by,
    }
    shown: shape.Json = shape.redacted(value, site.redact)
    return shown
