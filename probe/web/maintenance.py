"""`/api/v1/maintenance`: what is on and what comes, and to start and to end it. docs/api.md says what is in it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from aiohttp import web

from probe.store.base import Announcement, Kind
from probe.web import body, shape
from probe.web.agenda import DAY_MS, Occasion, first_of_each, lasting, occasion_of
from probe.web.announcing import LONGEST, announcement, check_room, closed, find, keep, span_of
from probe.web.answer import json_answer
from probe.web.body import Body, BodyError
from probe.web.coverage import check_covered, covered, covers, patterns
from probe.web.query import only, parse_number
from probe.web.site import SITE, Site
from thresholds.maintenance import Mode

_DAYS = 7
_MOST_DAYS = 31
_USUAL = 100
_MOST = 1000
_KEYS = ("checks", "services", "labels", "mode", "slo", "reason", "author", "from", "to", "for", "even_if_none")


async def listing(request: web.Request) -> web.Response:
    """What is on now, what begins in the next days, and what people announced that ended within a day."""
    site, query = request.app[SITE], request.query
    only(query, ("days", "limit", "each"))
    days = parse_number(query, "days", _DAYS, 1, _MOST_DAYS)
    limit = parse_number(query, "limit", _USUAL, 0, _MOST)
    each = parse_number(query, "each", _MOST, 1, _MOST)
    now, coming = await site.agenda.now(), await site.agenda.coming(days)
    ahead = first_of_each(coming, each)[:limit]
    following = await _shown(site, (one for one, _ in ahead))
    value = {
        "instance": site.instance,
        "at": shape.instant(site.clock.now_ms()),
        "days": days,
        "total": len(coming),
        "now": await _shown(site, now),
        "next": [{**one, "times": times} for one, (_, times) in zip(following, ahead, strict=True)],
        "past": await _shown(site, site.agenda.past()[-_MOST:]),
    }
    return await json_answer(request, value)


async def start(request: web.Request) -> web.Response:
    """Announce maintenance, from now on unless it says when."""
    site = request.app[SITE]
    asked = await body.read(request, _KEYS)
    said = _wanted(site, asked)
    check_room(site)
    occasion = occasion_of(said)
    if not asked.flag("even_if_none"):
        await check_covered(site, occasion.window)
    await keep(site, "is announced", said, said.author)
    return await json_answer(request, (await _shown(site, [occasion]))[0], status=201)


def _wanted(site: Site, asked: Body) -> Announcement:
    now_ms = site.clock.now_ms()
    span = span_of(asked, now_ms)
    if span[0] < now_ms - DAY_MS or 0 < span[1] <= now_ms:
        key = "to" if 0 < span[1] <= now_ms else "from"
        raise BodyError(f"{key}: lies in the past; time that is over is left out by POST /api/v1/exclusions")
    if span[0] > now_ms + LONGEST * 1000:
        raise BodyError("from: is more than a year ahead; write it into the configuration")
    mode = asked.choice("mode", tuple(Mode), Mode.MUTE)
    counted = asked.choice("slo", ("excluded", "counted"), "excluded") == "counted"
    return replace(announcement(site, asked, Kind.MAINTENANCE, span), mode=mode, counted=counted)


async def end(request: web.Request) -> web.Response:
    """End it now, or before it begins. What is over stays as it is."""
    site, wanted = request.app[SITE], request.match_info["id"]
    by = site.redact((await body.read(request, ("author",), optional=True)).author())
    _check_announced(site, wanted)
    said = await find(site, wanted, Kind.MAINTENANCE)
    now_ms = site.clock.now_ms()
    if not said.ended_ms or (said.ended_ms > now_ms and lasting(said)):
        said = closed(said, now_ms, by)
        await keep(site, "is ended", said, by)
    return await json_answer(request, (await _shown(site, [occasion_of(said)]))[0])


def _check_announced(site: Site, wanted: str) -> None:
    """409 for what the configuration says: it would be back with the next start."""
    if any(one.id == wanted for one in site.control.announced()):
        return
    if any(window.name == wanted for window in site.control.maintenance()):
        raise web.HTTPConflict(
            text=f"{wanted} is maintenance of the configuration; change maintenance.{wanted} there, and reload"
        )


async def _shown(site: Site, occasions: Iterable[Occasion]) -> list[shape.Json]:
    """Maintenance at its times, without secrets."""
    names: dict[tuple[bool, str], list[str]] = {}
    found = []
    for one in occasions:
        key = one.announced, one.window.name
        if key not in names:
            names[key] = await covered(site, one.window)
        found.append(shape.redacted(_shape(one, names[key]), site.redact))
    return found


def _shape(occasion: Occasion, names: list[str]) -> shape.Json:
    window = occasion.window
    return {
        "id": window.name,
        "source": "announced" if occasion.announced else "configuration",
        "from": shape.instant(occasion.began_ms),
        "to": shape.instant(occasion.until_ms),
        **patterns(window),
        "covers": covers(names),
        "mode": window.mode.value,
        "slo": "excluded" if window.excluded else "counted",
        "reason": window.reason,
        "author": window.by,
        "ended_at": shape.instant(occasion.closed_ms),
        "ended_by": occasion.closed_by,
    }
