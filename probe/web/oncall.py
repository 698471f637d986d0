"""`/api/v1/oncall` and calendars of shifts: who is on call, and when. docs/api.md says what is in it."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable, Collection
from typing import TypeVar

from aiohttp import web

from exporters.message import one_line
from exporters.oncall.roster import DAY
from probe.web import oncall_shape, shape
from probe.web.answer import body_answer, json_answer
from probe.web.oncall_shape import MOST_DAYS, Rota
from probe.web.query import QueryError, only, parse_instant, parse_number
from probe.web.site import SITE, Site

_SHIFTS, _OWN = 14, 90  # days, unless asked for others
_SOON = 300_000  # ms for which a calendar is written as of one instant: programs then need not read it again
_CALENDAR = "text/calendar; charset=utf-8"
T = TypeVar("T")


def rota_of(site: Site) -> Rota:
    """Who is on call, as the service goes by it now."""
    duty = site.control.duty
    return Rota(duty.roster, tuple(duty.overrides()), duty.feeds)


async def beside(work: Callable[[], T]) -> T:
    """What the work comes to, done beside the loop; 400 for times that no calendar has."""
    try:
        return await asyncio.to_thread(work)
    except ValueError as error:
        raise QueryError(str(error)) from None


def known(name: str, names: Collection[str], what: str) -> str:
    """A name that there is; 404 otherwise."""
    if name in names:
        return name
    raise web.HTTPNotFound(text=f"there is no {what} {one_line(name, 100)!r}")


async def now(request: web.Request) -> web.Response:
    """Who is on call in every schedule, or was, or will be."""
    site, query = request.app[SITE], request.query
    only(query, ("at", "schedule"))
    now_ms, rota = site.clock.now_ms(), rota_of(site)
    at_ms = parse_instant(query, "at", now_ms, now_ms)
    names = list(rota.roster.schedules)
    if "schedule" in query:
        names = [known(query["schedule"], rota.roster.schedules, "schedule")]
    found = await beside(lambda: oncall_shape.now(rota, at_ms, names))
    value = {"instance": site.instance, "at": shape.instant(at_ms), "schedules": found}
    return await json_answer(request, shape.redacted(value, site.redact))


async def shifts(request: web.Request) -> web.Response:
    """The shifts and the gaps of a schedule."""
    site, query, rota = request.app[SITE], request.query, rota_of(request.app[SITE])
    only(query, ("days", "from"))
    name = known(request.match_info["schedule"], rota.roster.schedules, "schedule")
    days, now_ms = parse_number(query, "days", _SHIFTS, 1, MOST_DAYS), site.clock.now_ms()
    from_ms = parse_instant(query, "from", now_ms, now_ms)
    found = await beside(lambda: oncall_shape.shifts(rota, name, (from_ms, from_ms + days * DAY)))
    return await json_answer(request, shape.redacted(found, site.redact))


async def own(request: web.Request) -> web.Response:
    """When one user is on call."""
    site, query, rota = request.app[SITE], request.query, rota_of(request.app[SITE])
    only(query, ("days",))
    name = known(request.match_info["user"], rota.roster.users, "user")
    days, now_ms = parse_number(query, "days", _OWN, 1, MOST_DAYS), site.clock.now_ms()
    found = await beside(lambda: oncall_shape.own(rota, name, now_ms, days))
    return await json_answer(request, shape.redacted(found, site.redact))


async def findings(request: web.Request) -> web.Response:
    """What will not do: gaps, people whom nothing reaches, titles of calendars that name nobody."""
    site, rota = request.app[SITE], rota_of(request.app[SITE])
    only(request.query, ())
    now_ms, receivers = site.clock.now_ms(), site.control.duty.receivers()
    found = await beside(lambda: oncall_shape.findings(rota, now_ms, receivers))
    value = {"instance": site.instance, "at": shape.instant(now_ms), "findings": found}
    return await json_answer(request, shape.redacted(value, site.redact))


async def schedule_calendar(request: web.Request) -> web.Response:
    """A schedule for calendar programs."""
    rota = rota_of(request.app[SITE])
    name = known(request.match_info["schedule"], rota.roster.schedules, "schedule")
    return await _calendar(request, name, lambda at_ms, by: oncall_shape.calendar(rota, at_ms, by, schedule=name))


async def user_calendar(request: web.Request) -> web.Response:
    """The shifts of one user, for calendar programs."""
    rota = rota_of(request.app[SITE])
    name = known(request.match_info["user"], rota.roster.users, "user")
    return await _calendar(request, name, lambda at_ms, by: oncall_shape.calendar(rota, at_ms, by, user=name))


async def _calendar(request: web.Request, name: str, written: Callable[[int, str], str]) -> web.Response:
    site = request.app[SITE]
    at_ms = site.clock.now_ms() // _SOON * _SOON
    body = site.redact(await beside(lambda: written(at_ms, site.instance))).encode(errors="replace")
    mark = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": mark, "Cache-Control": "no-cache", "Content-Disposition": f'inline; filename="{name}.ics"'}
    if mark in request.headers.get("If-None-Match", ""):
        return web.Response(status=304, headers={"ETag": mark, "Cache-Control": "no-cache"})
    return await body_answer(request, body, _CALENDAR, headers=headers)


ROUTES = (
    web.get("/api/v1/oncall", now),
    web.get("/api/v1/oncall/lint", findings),
    web.get("/api/v1/oncall/{schedule}/shifts", shifts),
    web.get("/api/v1/oncall/users/{user}/shifts", own),
    web.get("/oncall/{schedule}.ics", schedule_calendar),
    web.get("/oncall/user/{user}.ics", user_calendar),
)
