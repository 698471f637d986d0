"""`/api/v1/exclusions`: time that people decided not to count, by whom and why. docs/api.md says what is in it."""

from __future__ import annotations

from dataclasses import replace

from aiohttp import web

from probe.store.announced import window_of
from probe.store.base import Announcement, Kind, StoreError
from probe.web import body, shape
from probe.web.agenda import DAY_MS, lasting
from probe.web.announcing import LONGEST, announcement, check_room, closed, find, keep, span_of
from probe.web.answer import json_answer
from probe.web.body import BodyError
from probe.web.coverage import check_covered, covered, covers, patterns
from probe.web.query import only, parse_instant, parse_number
from probe.web.site import SITE, Site

_USUAL = 100
_MOST = 1000
_BACK_MS = 90 * DAY_MS
_FARTHEST_MS = 10 * 366 * DAY_MS
_KEYS = ("checks", "services", "labels", "reason", "author", "from", "to", "for", "even_if_none")


async def listing(request: web.Request) -> web.Response:
    """What does not count and has ended since an instant or later, oldest first."""
    site, query = request.app[SITE], request.query
    only(query, ("since", "limit"))
    now_ms = site.clock.now_ms()
    since_ms = parse_instant(query, "since", now_ms - _BACK_MS, now_ms)
    limit = parse_number(query, "limit", _USUAL, 1, _MOST)
    try:
        said = await site.store.announcements(since_ms)
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=f"the store did not answer: {error}") from None
    found = [one for one in said if one.kind is Kind.EXCLUSION]
    value = {
        "instance": site.instance,
        "at": shape.instant(now_ms),
        "total": len(found),
        "exclusions": [await _shown(site, one) for one in found[-limit:]],
    }
    return await json_answer(request, value)


async def add(request: web.Request) -> web.Response:
    """Leave time out of availability and objectives."""
    site = request.app[SITE]
    asked = await body.read(request, _KEYS)
    span = span_of(asked, None)
    now_ms = site.clock.now_ms()
    if not span[1]:
        raise BodyError("to: is missing; say when it ended, or how long it took with for")
    if span[0] < now_ms - _FARTHEST_MS or span[0] > now_ms + LONGEST * 1000:
        raise BodyError("from: is too far away; ten years back and one ahead are possible")
    said = announcement(site, asked, Kind.EXCLUSION, span)
    check_room(site)
    if not asked.flag("even_if_none"):
        await check_covered(site, window_of(said))
    await keep(site, "is added", said, said.author)
    return await json_answer(request, await _shown(site, said), status=201)


async def withdraw(request: web.Request) -> web.Response:
    """Let the time count again. What is withdrawn stays so."""
    site = request.app[SITE]
    by = site.redact((await body.read(request, ("author",), optional=True)).author())
    said = await find(site, request.match_info["id"], Kind.EXCLUSION)
    if lasting(said):
        said = replace(closed(said, site.clock.now_ms(), by), ended_ms=said.began_ms)
        await keep(site, "is withdrawn", said, by)
    return await json_answer(request, await _shown(site, said))


async def _shown(site: Site, said: Announcement) -> shape.Json:
    """One without secrets. Of what is withdrawn nothing is left but its beginning."""
    window = window_of(said)
    value = {
        "id": said.id,
        "from": shape.instant(said.began_ms),
        "to": shape.instant(said.ended_ms),
        "withdrawn": not lasting(said),
        **patterns(window),
        "covers": covers(await covered(site, window)),
        "reason": said.reason,
        "author": said.author,
        "withdrawn_at": shape.instant(said.closed_ms),
        "withdrawn_by": said.closed_by,
    }
    redacted: shape.Json = shape.redacted(value, site.redact)
    return redacted
