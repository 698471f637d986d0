"""`/api/v1`: what was: availability, outages, objectives and series, of a check or a service. docs/api.md says more."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import TypeVar

from aiohttp import web

from probe.store.base import StoreError
from probe.web import reckon
from probe.web.answer import json_answer
from probe.web.base import Records, Subject
from probe.web.query import QueryError, only, parse_instant, parse_number
from probe.web.shape import instant, redacted
from probe.web.site import SITE
from thresholds.calendar import Unit, calendar_span, calendar_spans, previous_span
from thresholds.spans import Span
from thresholds.timeline import Condition

T = TypeVar("T")

_WITHIN = 20.0  # s
_MONTH = 30 * 86_400_000  # ms
_LONGEST = 400 * 86_400_000  # ms that can be asked for at once
_MOST = 10_000  # intervals or outages in an answer
_WINDOW = ("of", "since", "until", "over", "zone")


async def availability(request: web.Request) -> web.Response:
    """How much of its time something was available, with the timeline that says so where it is asked for."""
    only(request.query, (*_WINDOW, "timeline"))
    records, subject, window = await _asked(request)
    runs = await _in_time(records.occurrences(request.app[SITE].store, subject, window))
    value = _head(subject, window) | {
        "availability": reckon.availability(records.availability(subject, window)),
        "runs": reckon.runs(runs),
    }
    if request.query.get("timeline") == "true":
        value["timeline"] = reckon.timeline(records.timeline(subject, window)[-_MOST:])
    return await json_answer(request, redacted(value, request.app[SITE].redact))


async def outages(request: web.Request) -> web.Response:
    """What failed, when and why, and what that comes to: MTTF, MTTR and the others, reasons, and the flow by day."""
    only(request.query, (*_WINDOW, "level"))
    records, subject, window = await _asked(request)
    level = request.query.get("level", "down")
    if level not in ("down", "degraded"):
        raise QueryError("level is down or degraded")
    found = records.outages(subject, window, at_least=Condition[level.upper()])
    days = calendar_spans(Unit.DAY, subject.zone, window)
    value = _head(subject, window) | {
        "outages": [reckon.outage(one) for one in found[-_MOST:]],
        "reliability": reckon.reliability(records.reliability(subject, window)),
        "reasons": [reckon.cause(one) for one in records.reasons(subject, window)],
        "flow": [reckon.flow(one) for one in records.flow(subject, days)],
    }
    return await json_answer(request, redacted(value, request.app[SITE].redact))


async def objectives(request: web.Request) -> web.Response:
    """How every objective stands; `of` one service or check."""
    site = request.app[SITE]
    only(request.query, ("of",))
    wanted = request.query.get("of", "")
    accounts = site.control.accounts()
    value = {
        "at": instant(site.clock.now_ms()),
        "objectives": [
            reckon.objective(one.promise.subject, one.standing, one.burns)
            for one in accounts
            if not wanted or one.promise.subject == wanted
        ],
    }
    if wanted and not value["objectives"] and (await _records(request)).subject(wanted) is None:
        raise web.HTTPNotFound(text=f"there is no service and no check {wanted[:200]!r}")
    return await json_answer(request, redacted(value, site.redact))


async def series(request: web.Request) -> web.Response:
    """One check over time: runs by level, failures by kind, latencies by phase."""
    site, query = request.app[SITE], request.query
    only(query, (*_WINDOW, "step", "metric"))
    records = await _records(request)
    subject = _named(records, query.get("of", ""))
    if subject.is_service:
        raise QueryError(f"{subject.name} is a service: a series is one check's")
    window = _window(request, subject)
    step = parse_number(query, "step", 0, 0, 366 * 86_400)
    metrics = None if query.get("metric") == "all" else tuple(query.getall("metric", ["total"]))
    try:
        found = await _in_time(site.control.trend(subject.name, window, step, metrics))
    except ValueError as error:
        raise QueryError(str(error)) from None
    value = _head(subject, window) | {
        "step": found.step,
        "points": [reckon.point(one) for one in found.points],
        "whole": reckon.point(found.whole),
    }
    return await json_answer(request, redacted(value, site.redact))


def _head(subject: Subject, window: Span) -> reckon.Json:
    return {"of": subject.name, "kind": "service" if subject.is_service else "check", **reckon.span(window)}


async def _asked(request: web.Request) -> tuple[Records, Subject, Span]:
    now_ms = request.app[SITE].clock.now_ms()
    since_ms = parse_instant(request.query, "since", now_ms - _MONTH, now_ms)
    records = await _records(request, min(since_ms, now_ms - _LONGEST) if "over" in request.query else since_ms)
    subject = _named(records, request.query.get("of", ""))
    return records, subject, _window(request, subject)


async def _records(request: web.Request, since_ms: int | None = None) -> Records:
    site = request.app[SITE]
    return await _in_time(site.control.records(site.clock.now_ms() if since_ms is None else since_ms))


async def _in_time(waiting: Awaitable[T]) -> T:
    try:
        async with asyncio.timeout(_WITHIN):
            return await waiting
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=f"the store did not answer: {error}") from None
    except TimeoutError:
        raise web.HTTPServiceUnavailable(text=f"the store did not answer within {_WITHIN:g} s") from None


def _named(records: Records, name: str) -> Subject:
    if not name:
        raise QueryError("of whom? write of=shop or of=shop/home")
    if (subject := records.subject(name)) is None:
        raise web.HTTPNotFound(text=f"there is no service and no check {name[:200]!r}")
    return subject


_PAST = "last-"
_OVER = [*(unit.value for unit in Unit), *(f"{_PAST}{unit.value}" for unit in Unit)]


def _window(request: web.Request, subject: Subject) -> Span:
    """`over=last-month`, or `since` and `until`; never into the future."""
    query, now_ms = request.query, request.app[SITE].clock.now_ms()
    if (over := query.get("over")) is not None:
        if "since" in query or "until" in query:
            raise QueryError("give over, or since and until")
        if over not in _OVER:
            raise QueryError(f"over is one of {', '.join(_OVER)}")
        span_of = previous_span if over.startswith(_PAST) else calendar_span
        try:
            start, end = span_of(over.removeprefix(_PAST), query.get("zone", subject.zone), now_ms)
        except ValueError as error:
            raise QueryError(str(error)) from None
        return start, min(end, now_ms)
    window = parse_instant(query, "since", now_ms - _MONTH, now_ms), parse_instant(query, "until", now_ms, now_ms)
    if not 0 < window[1] - window[0] <= _LONGEST:
        raise QueryError("until must lie after since, by 400 days at most")
    return window[0], min(window[1], now_ms)
