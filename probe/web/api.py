"""`/api/v1`: checks as they stand, and their history, as JSON. docs/api.md says what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from aiohttp import web

from probe.web import history, shape
from probe.web.agenda import Marks
from probe.web.answer import json_answer
from probe.web.base import CheckView
from probe.web.history import FOREVER, Window
from probe.web.incident_shape import numbers
from probe.web.order import Filter, counts
from probe.web.query import only, parse_filter, parse_instant, parse_number
from probe.web.site import SITE, Site, Turn
from probe.web.when import rest

MOST = 1000  # checks or results in one answer
USUAL = 100


async def checks(request: web.Request) -> web.Response:
    """All checks that match, by name, in pages of `limit`."""
    site, query = request.app[SITE], request.query
    only(query, ("level", "service", "q", "limit", "offset"))
    wanted = parse_filter(query)
    limit = parse_number(query, "limit", USUAL, 1, MOST)
    offset = parse_number(query, "offset", 0, 0, 10**9 - 1)
    marks = await site.agenda.marks()
    found = await select(site, wanted, marks)
    found.sort(key=lambda view: view.planned.name)
    page = found[offset : offset + limit]
    known = numbers(site.control.response.open())
    value = {
        "instance": site.instance,
        "at": shape.instant(site.clock.now_ms()),
        "total": len(found),
        "offset": offset,
        "limit": limit,
        "counts": {shape.word(level): count for level, count in counts(found).items()},
        "checks": await shaped(site, (_shaped(view, marks, known) for view in page)),
    }
    return await json_answer(request, value)


def _shaped(view: CheckView, marks: Marks, known: Mapping[str, int]) -> shape.Json:
    return shape.check(view, marks.of(view.planned), known.get(view.planned.name, 0))


async def check(request: web.Request) -> web.Response:
    """One check: how it stands, its last results and transitions."""
    site, query = request.app[SITE], request.query
    only(query, ("limit", "since", "until"))
    now_ms = site.clock.now_ms()
    limit = parse_number(query, "limit", USUAL, 1, MOST)
    since_ms = parse_instant(query, "since", 0, now_ms)
    until_ms = parse_instant(query, "until", FOREVER, now_ms)
    view = named(request)
    under = (await site.agenda.marks()).of(view.planned)
    number = numbers(site.control.response.open()).get(view.planned.name, 0)
    value = shape.redacted(shape.detail(view, now_ms, under, number), site.redact)
    past = await history.read(site.store, view.planned.name, Window(since_ms, until_ms, limit))
    if past.problem:
        value |= {"results": None, "transitions": None, "error": site.redact(past.problem)}
        return await json_answer(request, value, status=503)
    value["results"] = await shaped(site, map(shape.kept, past.results))
    value["transitions"] = await shaped(site, map(shape.transition, past.transitions))
    return await json_answer(request, value)


def named(request: web.Request) -> CheckView:
    """The check that the path names; 404 when there is none."""
    name = request.match_info["name"]
    view = request.app[SITE].board.view(name)
    if view is None:
        raise web.HTTPNotFound(text=f"there is no check {name[:200]!r}")
    return view


async def select(site: Site, wanted: Filter, marks: Marks) -> list[CheckView]:
    """The checks that match, in no order."""
    views = list(site.board.views())
    if wanted == Filter():
        return views
    turn, found, now_ms = Turn(), [], site.clock.now_ms()
    for view in views:
        also = rest(marks.of(view.planned), now_ms) if wanted.words else ""
        if wanted.takes(view, site.redact, also):
            found.append(view)
        await turn.yielded()
    return found


async def shaped(site: Site, values: Iterable[shape.Json]) -> list[shape.Json]:
    """The values without secrets, made a few at a time."""
    turn, done = Turn(), []
    for value in values:
        done.append(shape.redacted(value, site.redact))
        await turn.yielded()
    return done
