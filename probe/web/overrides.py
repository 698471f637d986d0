"""`/api/v1/overrides`: for some time somebody else is on call. docs/api.md says what is in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

from aiohttp import web

from exporters.oncall.roster import Roster
from probe.store.base import Announcement, Kind
from probe.store.overrides import SCHEDULE, labels_of, override_of
from probe.web import body, shape
from probe.web.announcing import LONGEST, check_room, closed, find, keep, new_id, span_of
from probe.web.answer import json_answer
from probe.web.body import Body, BodyError
from probe.web.oncall import beside, rota_of
from probe.web.oncall_shape import Rota
from probe.web.query import only
from probe.web.site import SITE, Site
from thresholds.spans import Span

_KEYS = ("schedule", "replace", "add", "remove", "reason", "author", "from", "to", "for")
_KEPT_MS = 86_400_000


async def listing(request: web.Request) -> web.Response:
    """Overrides that are on or to come, and those that ended within a day. Those of the configuration stand there."""
    site = request.app[SITE]
    only(request.query, ())
    now_ms = site.clock.now_ms()
    found = [one for one in site.control.announced() if one.kind is Kind.OVERRIDE]
    kept = [one for one in found if one.ended_ms > now_ms - _KEPT_MS]
    value = {"instance": site.instance, "at": shape.instant(now_ms), "overrides": [shown(site, one) for one in kept]}
    return await json_answer(request, value)


async def start(request: web.Request) -> web.Response:
    """Put somebody else on call; it must say until when, why and who wants that."""
    site = request.app[SITE]
    asked = await body.read(request, _KEYS)
    now_ms, rota = site.clock.now_ms(), rota_of(site)
    span = _span(asked, now_ms)
    labels = _labels(asked, rota.roster)
    author = site.redact(asked.author(required='who wants it, "author": "ana"'))
    reason = site.redact(asked.text("reason", required='what for, "reason": "holidays"'))
    check_room(site)
    said = Announcement(new_id(Kind.OVERRIDE), Kind.OVERRIDE, *span, labels=labels, reason=reason, author=author)
    warnings = await beside(lambda: list(_doubts(rota, said)))
    await keep(site, "is on", said, author)
    return await json_answer(request, shown(site, said) | {"warnings": warnings}, status=201)


async def end(request: web.Request) -> web.Response:
    """End it now; what has not begun never will. What is over stays as it is."""
    site = request.app[SITE]
    by = site.redact((await body.read(request, ("author",), optional=True)).author())
    said = await find(site, request.match_info["id"], Kind.OVERRIDE)
    now_ms = site.clock.now_ms()
    if said.ended_ms > now_ms:
        said = closed(said, now_ms, by)
        await keep(site, "is ended", said, by)
    return await json_answer(request, shown(site, said))


def _span(asked: Body, now_ms: int) -> Span:
    span = span_of(asked, now_ms)
    if not span[1]:
        raise BodyError('to: is missing; an override must end: "to": an instant, or "for": "12h"')
    if span[1] <= now_ms:
        raise BodyError("to: lies in the past")
    if span[0] > now_ms + LONGEST * 1000:
        raise BodyError("from: is more than a year ahead")
    return span


def _labels(asked: Body, roster: Roster) -> Mapping[str, str]:
    """Whom it is about, all of whom must be known."""
    schedule = asked.text("schedule", limit=200)
    if schedule and schedule not in roster.schedules:
        raise BodyError(f"schedule: there is none called {schedule!r}{_those(roster.schedules)}")
    replaced = asked.labels("replace")
    added, removed = asked.patterns("add"), asked.patterns("remove")
    if not (replaced or added or removed):
        raise BodyError('replace: say what changes: "replace": {"ana": "bo"}, "add": ["bo"] or "remove": ["ana"]')
    if added and not schedule:
        raise BodyError("schedule: is missing; without one, people can be replaced and removed everywhere, not added")
    people = {"replace": (*replaced, *replaced.values()), "add": added, "remove": removed}
    for key, names in people.items():
        for name in names:
            if name not in roster.users:
                raise BodyError(f"{key}: no user is called {name!r}{_those(roster.users)}")
    return labels_of(schedule, replaced, added, removed)


def _those(names: Iterable[str]) -> str:
    some = sorted(names)[:10]
    return f"; known are {', '.join(some)}" if some else ""


def _doubts(rota: Rota, said: Announcement) -> Iterator[str]:
    """What of it changes nothing as things stand."""
    override = override_of(said)
    assert override is not None
    schedules = [override.schedule] if override.schedule else list(rota.roster.schedules)
    span = override.start_ms, override.end_ms
    there = {who for name in schedules for tile in rota.tiles(name, span) for who in tile.who}
    where = f"in {override.schedule}" if override.schedule else "in any schedule"
    for name in dict.fromkeys((*override.replace, *override.remove)):
        if name not in there:
            yield f"{name} is not on call {where} in that time"
    after = replace(rota, overrides=(*rota.overrides, override))
    for name in schedules:
        if gaps := [gap for gap in after.gaps(name, span) if gap not in rota.gaps(name, span)]:
            yield f"nobody is on call in {name} then, from {shape.instant(gaps[0][0])} to {shape.instant(gaps[0][1])}"


def shown(site: Site, one: Announcement) -> shape.Json:
    """An override as the API and the pages show it."""
    override = override_of(one)
    value = {
        "id": one.id,
        "schedule": one.labels.get(SCHEDULE) or None,
        "from": shape.instant(one.began_ms),
        "to": shape.instant(one.ended_ms),
        "on": one.began_ms <= site.clock.now_ms() < one.ended_ms,
        "replace": dict(override.replace) if override else {},
        "add": list(override.add) if override else [],
        "remove": list(override.remove) if override else [],
        "reason": one.reason,
        "author": one.author,
        "ended_at": shape.instant(one.closed_ms),
        "ended_by": one.closed_by,
    }
    redacted: shape.Json = shape.redacted(value, site.redact)
    return redacted


ROUTES = (
    web.get("/api/v1/overrides", listing),
    web.post("/api/v1/overrides", start),
    web.post("/api/v1/overrides/{id}/end", end),
)
