"""`/api/v1/incidents`: what is wrong, and what people do about it. docs/api.md says what is in it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date
from typing import Any, TypeVar

from aiohttp import web
from multidict import MultiMapping

from exporters.alerting.book import DeedError
from exporters.alerting.incident import Action
from probe.store.announced import window_of
from probe.store.base import Kind, StoreError
from probe.store.casebook import Filed
from probe.web import body, incident_shape, shape
from probe.web.answer import json_answer
from probe.web.body import Body, BodyError
from probe.web.oncall import beside
from probe.web.query import QueryError, only, parse_instant, parse_number
from probe.web.site import SITE, Site
from thresholds.base import Level
from thresholds.maintenance import Window

_DAY_MS = 86_400_000
_DAYS = 30
_USUAL, _MOST = 100, 1000
_SEVERAL = 500  # incidents that one request acknowledges
_LONGEST_SNOOZE = 31 * 86400.0
_TEXTS = ("category", "cause", "fix", "impact")
_LONG = 4000  # characters of what people write
_DATE = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)
_ACTIONS = 50
_WITHIN = 5.0  # s for the store
_LEVELS = {"down": Level.DOWN, "degraded": Level.DEGRADED}
_FARTHEST_MS = 3660 * _DAY_MS

_Answer = TypeVar("_Answer")
Deed = Callable[[Any, str], Any]  # what the dispatcher is asked to do with an incident


async def listing(request: web.Request) -> web.Response:
    """Open incidents; with `all`, those of the last days, too. Oldest first."""
    site, query = request.app[SITE], request.query
    only(query, ("status", "days", "limit"))
    status = query.get("status", "open")
    if status not in ("open", "all"):
        raise QueryError("status must be open or all")
    limit = parse_number(query, "limit", _USUAL, 1, _MOST)
    days = parse_number(query, "days", _DAYS, 1, 3660)
    found = await _found(site, status, days, limit)
    value = {
        "instance": site.instance,
        "at": shape.instant(site.clock.now_ms()),
        "open": len(site.control.response.open()),
        "incidents": [shape.redacted(incident_shape.incident(one), site.redact) for one in found],
    }
    return await json_answer(request, value)


async def _found(site: Site, status: str, days: int, limit: int) -> list[Filed]:
    response = site.control.response
    if status == "open":
        return list(response.open())[-limit:]
    return list(await answered(response.incidents(site.clock.now_ms() - days * _DAY_MS, limit)))


async def detail(request: web.Request) -> web.Response:
    """One incident with all that happened to it."""
    site = request.app[SITE]
    dossier = await answered(site.control.response.dossier(number_of(request)))
    if dossier is None:
        raise unknown(request)
    return await json_answer(request, shape.redacted(incident_shape.detail(dossier), site.redact))


def number_of(request: web.Request) -> int:
    text = request.match_info["number"]
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise web.HTTPNotFound(text=f"{text[:40]!r} is no number of an incident")
    return int(text)


def unknown(request: web.Request) -> web.HTTPNotFound:
    return web.HTTPNotFound(text=f"there is no incident #{number_of(request)}")


async def answered(asked: Awaitable[_Answer]) -> _Answer:
    """What the store answers; 503 where it does not."""
    try:
        async with asyncio.timeout(_WITHIN):
            return await asked
    except TimeoutError:
        why = f"no answer within {_WITHIN:g} s"
    except StoreError as error:
        why = str(error)
    raise web.HTTPServiceUnavailable(text=f"the store did not answer: {why}")


async def _do(request: web.Request, deed: Deed) -> web.Response:
    site = request.app[SITE]
    response, number = site.control.response, number_of(request)
    try:
        done = await response.do(number, deed)
    except DeedError as error:
        raise web.HTTPConflict(text=str(error)) from None
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None
    filed = await answered(response.find(number)) if done is not None else None
    if filed is None:
        raise unknown(request)
    return await json_answer(request, shape.redacted(incident_shape.incident(filed), site.redact))


def _author(site: Site, asked: Body) -> str:
    return site.redact(asked.author(required='who does it, "author": "ana"'))


async def _by(request: web.Request, known: tuple[str, ...] = ()) -> tuple[Body, str]:
    asked = await body.read(request, ("author", *known), optional=True)
    return asked, _author(request.app[SITE], asked)


async def acknowledge(request: web.Request) -> web.Response:
    _, who = await _by(request)
    return await _do(request, lambda desk, identity: desk.acknowledge(identity, who))


async def acknowledge_all(request: web.Request) -> web.Response:
    """Take several at once; what became of each, those that are over or that never were included."""
    site = request.app[SITE]
    asked, who = await _by(request, ("numbers",))
    numbers = asked.numbers("numbers", _SEVERAL, example='which ones, "numbers": [12, 13]')
    try:
        outcomes = await site.control.response.acknowledge(numbers, who)
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None
    value = {
        "instance": site.instance,
        "at": shape.instant(site.clock.now_ms()),
        "incidents": [shape.redacted(incident_shape.outcome(one), site.redact) for one in outcomes],
    }
    return await json_answer(request, value)


async def unacknowledge(request: web.Request) -> web.Response:
    _, who = await _by(request)
    return await _do(request, lambda desk, identity: desk.unacknowledge(identity, who))


async def snooze(request: web.Request) -> web.Response:
    """Put it off `for` a while."""
    asked, who = await _by(request, ("for",))
    seconds = asked.length("for", _LONGEST_SNOOZE)
    if seconds is None:
        raise BodyError('for: is missing; say how long, "for": "2h"')
    return await _do(request, lambda desk, identity: desk.snooze(identity, who, seconds))


async def resolve(request: web.Request) -> web.Response:
    _, who = await _by(request)
    return await _do(request, lambda desk, identity: desk.resolve(identity, who))


async def escalate(request: web.Request) -> web.Response:
    """Tell the next step of the escalation now."""
    _, who = await _by(request)
    return await _do(request, lambda desk, identity: desk.escalate(identity, who))


async def note(request: web.Request) -> web.Response:
    """Write a line into its timeline."""
    site = request.app[SITE]
    asked, who = await _by(request, ("text",))
    text = site.redact(asked.text("text", required='what there is to note, "text": "rolled back"', limit=_LONG))
    return await _do(request, lambda desk, identity: desk.note(identity, who, text))


async def describe(request: web.Request) -> web.Response:
    """Say why it was, how it was mended, and whom it affected."""
    site = request.app[SITE]
    asked, who = await _by(request, _TEXTS)
    texts = {key: site.redact(asked.text(key, limit=_LONG)) for key in _TEXTS if asked.has(key)}
    if not texts:
        raise BodyError(f"say at least one of {', '.join(_TEXTS)}")
    return await _do(request, lambda desk, identity: desk.describe(identity, who, texts))


async def add_action(request: web.Request) -> web.Response:
    """Add something to be done so that it does not happen again."""
    site = request.app[SITE]
    asked, who = await _by(request, ("text", "owner", "due", "link"))
    text = site.redact(asked.text("text", required='what is to be done, "text": "alert on disk space"', limit=_LONG))
    due = _date(asked.text("due", limit=10))
    link = asked.text("link")
    if link and not link.startswith(("http://", "https://")):
        raise BodyError("link: must be an address, as in https://tracker.example/12")
    now_ms = site.clock.now_ms()
    new = Action(0, text, site.redact(asked.text("owner")), due, now_ms, link=site.redact(link))

    def deed(desk: Any, identity: str) -> Any:
        actions = desk.book.get(identity).actions
        if len(actions) >= _ACTIONS:
            raise DeedError(f"there are {len(actions)} action items, and no more than {_ACTIONS} have room")
        following = max((one.id for one in actions), default=0) + 1
        return desk.action(identity, who, replace(new, id=following))

    return await _do(request, deed)


def _date(text: str) -> str:
    try:
        if not text or (_DATE.fullmatch(text) and date.fromisoformat(text)):
            return text
    except ValueError:
        pass
    raise BodyError("due: must be a date, as in 2026-12-01")


async def finish_action(request: web.Request) -> web.Response:
    """An action item is done. Asking twice does no harm."""
    site, wanted = request.app[SITE], request.match_info["id"]
    _, who = await _by(request)
    now_ms = site.clock.now_ms()

    def deed(desk: Any, identity: str) -> Any:
        found = next((one for one in desk.book.get(identity).actions if str(one.id) == wanted), None)
        if found is None:
            raise web.HTTPNotFound(text=f"#{number_of(request)} has no action item {wanted[:20]!r}")
        return desk.action(identity, who, replace(found, done_ms=found.done_ms or now_ms))

    return await _do(request, deed)


async def route(request: web.Request) -> web.Response:
    """Who would hear of a check's failure, when and why."""
    site, query = request.app[SITE], request.query
    only(query, ("check", "level", "at", "with"))
    check = query.get("check", "")
    if not check:
        raise QueryError("check is missing: say which one, as in ?check=shop/home")
    level = _LEVELS.get(query.get("level", "down"))
    if level is None:
        raise QueryError(f"level must be {' or '.join(_LEVELS)}")
    at_ms, others, windows = _when(site, query), query.getall("with", []), _windows(site)
    found = await beside(lambda: site.control.response.explain(check, level, at_ms, others, windows))
    if found is None:
        raise web.HTTPNotFound(text=f"there is no check {check[:100]!r}")
    return await json_answer(request, shape.redacted(incident_shape.explanation(found), site.redact))


def _windows(site: Site) -> list[Window]:
    """All maintenance that the service goes by."""
    said = [one for one in site.control.announced() if one.kind is Kind.MAINTENANCE]
    return [*site.control.maintenance(), *map(window_of, said)]


def _when(site: Site, query: MultiMapping[str]) -> int:
    """Unix ms of `at`; now where it is not given."""
    now_ms = site.clock.now_ms()
    at_ms = parse_instant(query, "at", now_ms, now_ms)
    if abs(at_ms - now_ms) > _FARTHEST_MS:
        raise QueryError("at is more than ten years away")
    return at_ms


ROUTES: tuple[tuple[str, str, Callable[[web.Request], Awaitable[web.Response]]], ...] = (
    ("GET", "/api/v1/incidents", listing),
    ("POST", "/api/v1/incidents/acknowledge", acknowledge_all),
    ("GET", "/api/v1/incidents/{number}", detail),
    ("POST", "/api/v1/incidents/{number}/acknowledge", acknowledge),
    ("POST", "/api/v1/incidents/{number}/unacknowledge", unacknowledge),
    ("POST", "/api/v1/incidents/{number}/snooze", snooze),
    ("POST", "/api/v1/incidents/{number}/resolve", resolve),
    ("POST", "/api/v1/incidents/{number}/escalate", escalate),
    ("POST", "/api/v1/incidents/{number}/notes", note),
    ("POST", "/api/v1/incidents/{number}/describe", describe),
    ("POST", "/api/v1/incidents/{number}/actions", add_action),
    ("POST", "/api/v1/incidents/{number}/actions/{id}/done", finish_action),
    ("GET", "/api/v1/route", route),
)
