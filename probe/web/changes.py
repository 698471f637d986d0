"""`/api/v1/changes`: changes and deploys, told of as they happen. docs/api.md says what is in it."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Sequence
from typing import TypeVar

from aiohttp import web

from exporters.alerting.change import Change, Ended, name_of
from probe.config.fields import parse_web_address
from probe.store.base import StoreError
from probe.web import body, shape
from probe.web.agenda import DAY_MS
from probe.web.announcing import span_of
from probe.web.answer import json_answer
from probe.web.body import Body, BodyError
from probe.web.coverage import check_covered, covered, covers, patterns
from probe.web.query import only, parse_instant, parse_number
from probe.web.site import SITE, Site, Turn
from thresholds.maintenance import OneOff, Window

T = TypeVar("T")

_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:#+-]{0,99}")
_KEYS = ("id", "title", "service", "services", "checks", "labels", "version", "url", "author", "risk", "from", "to",
         "for", "at", "mute", "even_if_none")  # fmt: skip
_SPANNING = ("id", "from", "to", "for", "mute")
_RISKS = ("low", "medium", "high")
_SKEW_MS = 300_000  # by which the clock of whoever tells may be ahead
_BACK_MS = 30 * DAY_MS  # that one may tell of afterwards
_WEEK_MS = 7 * DAY_MS
_USUAL, _MOST = 100, 1000
_MOST_LASTING = 1000
_NAME = 200  # characters
_TITLE = 300
_OVERLAPS = 5  # that an answer names


async def listing(request: web.Request) -> web.Response:
    """What has not ended before an instant, oldest first."""
    site, query = request.app[SITE], request.query
    only(query, ("since", "limit"))
    now_ms = site.clock.now_ms()
    since_ms = parse_instant(query, "since", now_ms - _WEEK_MS, now_ms)
    limit = parse_number(query, "limit", _USUAL, 1, _MOST)
    found = await _kept(site.store.changes(since_ms, limit))
    value = {
        "instance": site.instance,
        "at": shape.instant(now_ms),
        "in_progress": sum(one.lasts(now_ms) for one in found),
        "changes": await _all_shown(site, found),
    }
    return await json_answer(request, value)


async def start(request: web.Request) -> web.Response:
    """A change begins, or something was deployed. Telling of it again changes what is said of it."""
    site = request.app[SITE]
    asked = await body.read(request, _KEYS)
    change = _wanted(site, asked)
    site_changes = site.control.changes
    lasting = site_changes.lasting()
    if len(lasting) >= _MOST_LASTING and all(one.id != change.id for one in lasting):
        raise web.HTTPConflict(text=f"{len(lasting)} changes are in progress, and there is no room for more; end some")
    doubts = [] if asked.flag("even_if_none") else await _doubts(site, change)
    doubts += await _overlaps(site, change)
    change = await _kept(site_changes.begin(change))
    value = (await _shown(site, change)) | {"warnings": [site.redact(doubt) for doubt in doubts]}
    return await json_answer(request, value, status=201)


async def end(request: web.Request) -> web.Response:
    """It is over, well or not. Asking twice does no harm."""
    site, wanted = request.app[SITE], request.match_info["id"]
    asked = await body.read(request, ("failed",), optional=True)
    found = None
    if _ID.fullmatch(wanted):
        found = await _kept(site.control.changes.end(wanted, Ended.FAILED if asked.flag("failed") else Ended.DONE))
    if found is None:
        raise web.HTTPNotFound(text=f"there is no change {wanted[:100]!r} in progress, and there was none")
    return await json_answer(request, await _shown(site, found))


def _wanted(site: Site, asked: Body) -> Change:
    """What a body tells of. Secrets do not reach the store."""
    checks, labels = asked.patterns("checks"), asked.labels("labels")
    services = tuple(dict.fromkeys((*asked.patterns("service"), *asked.patterns("services"))))
    if not (checks or services or labels):
        raise BodyError('service: name services, checks or labels that it touches; "checks": ["*"] are all')
    version, title = (
        site.redact(asked.text(key, limit=limit)) for key, limit in (("version", _NAME), ("title", _TITLE))
    )
    began_ms, ended_ms = _span(site, asked, deployed=bool(version) and not any(map(asked.has, _SPANNING)))
    instant = began_ms == ended_ms
    if not (version or title):
        raise BodyError('title: is missing; say what is changed, or "version" of what was deployed')
    scope = (checks, services, tuple(sorted(labels.items())), version, title)
    return Change(
        _id(asked, scope, instant=instant),
        began_ms,
        ended_ms,
        title,
        checks,
        services,
        labels,
        version,
        site.redact(_link(asked)),
        site.redact(asked.author()),
        asked.choice("risk", _RISKS, ""),
        suppress=asked.flag("mute"),
    )


def _span(site: Site, asked: Body, *, deployed: bool) -> tuple[int, int]:
    """From when to when; of a deploy one instant."""
    now_ms = site.clock.now_ms()
    at_ms = asked.instant("at")
    if at_ms is not None and (wrong := next((key for key in ("from", "to", "for", "mute") if asked.has(key)), "")):
        raise BodyError(f"{wrong}: does not go with at: a deploy is an instant, a change has a beginning and an end")
    if at_ms is not None or deployed:
        began_ms = ended_ms = _past("at", at_ms, now_ms)
        return began_ms, ended_ms
    began_ms, ended_ms = span_of(asked, now_ms)
    if 0 < ended_ms <= now_ms:
        raise BodyError("to: lies in the past; for what is over send at, or start it and end it")
    return _past("from", began_ms, now_ms), ended_ms


def _past(key: str, at_ms: int | None, now_ms: int) -> int:
    if at_ms is None:
        return now_ms
    if at_ms > now_ms + _SKEW_MS:
        raise BodyError(f"{key}: lies ahead; tell of a change when it begins")
    if at_ms < now_ms - _BACK_MS:
        raise BodyError(f"{key}: is more than 30 days ago")
    return min(at_ms, now_ms)


def _id(asked: Body, scope: object, *, instant: bool) -> str:
    wanted = asked.text("id", limit=100)
    if wanted and not _ID.fullmatch(wanted):
        raise BodyError("id: must be letters, digits and . _ : # + -, as in CHG0030123; 100 characters at most")
    if wanted:
        return wanted
    if instant:  # the same deploy told of twice is one
        return "d-" + hashlib.sha256(repr(scope).encode()).hexdigest()[:12]
    return "c-" + secrets.token_hex(5)


def _link(asked: Body) -> str:
    text = asked.text("url", limit=1000)
    try:
        return parse_web_address(text) if text else ""
    except ValueError as error:
        raise BodyError(f"url: {error}") from None


def _window(change: Change) -> Window:
    span = change.began_ms, change.began_ms + 1
    return Window(change.id, OneOff(span), change.checks, change.services, change.labels)


async def _doubts(site: Site, change: Change) -> list[str]:
    """What names no check of ours: a mistake where it is to mute. Else a pipeline may deploy what nobody watches."""
    try:
        await check_covered(site, _window(change))
    except BodyError as error:
        if change.suppress:
            raise
        line = error.text or ""
        return [line if "did you mean" in line else line.partition(";")[0]]
    return []


async def _overlaps(site: Site, change: Change) -> list[str]:
    """Other changes in progress on the same checks."""
    others = [one for one in site.control.changes.lasting() if one.id != change.id]
    if change.instant or not others:
        return []
    turn, shared = Turn(), dict.fromkeys((one.id for one in others), "")
    for view in list(site.board.views()):
        planned = view.planned
        about = planned.name, planned.service, planned.labels
        if change.touches(*about):
            for other in others:
                if not shared[other.id] and other.touches(*about):
                    shared[other.id] = planned.name
        await turn.yielded()
    found = [_overlap(other, shared[other.id]) for other in others if shared[other.id]]
    return found[:_OVERLAPS] + ([f"and {len(found) - _OVERLAPS} more"] if len(found) > _OVERLAPS else [])


def _overlap(other: Change, check: str) -> str:
    title = f": {other.title}" if other.title else ""
    return f"{other.id} is in progress on {check}, too{title}" + (f" ({other.author})" if other.author else "")


async def _kept(waiting: Awaitable[T]) -> T:
    """503 where the store does not answer, or does not keep it."""
    try:
        return await waiting
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=f"the store did not do it: {error}; tell it again") from None


async def _all_shown(site: Site, changes: Sequence[Change]) -> list[shape.Json]:
    names: dict[object, list[str]] = {}
    shown = []
    for one in changes:
        scope = one.checks, one.services, tuple(one.labels.items())
        if scope not in names:
            names[scope] = await covered(site, _window(one))
        shown.append(_shape(site, one, names[scope]))
    return shown


async def _shown(site: Site, change: Change) -> shape.Json:
    return _shape(site, change, await covered(site, _window(change)))


def _shape(site: Site, change: Change, names: list[str]) -> shape.Json:
    value = {
        "id": change.id,
        "kind": "deploy" if change.instant else "change",
        "name": name_of(change),
        "state": state(change, site.clock.now_ms()),
        "from": shape.instant(change.began_ms),
        "to": shape.instant(change.ended_ms),
        "title": change.title,
        **patterns(_window(change)),
        "covers": covers(names),
        "version": change.version,
        "url": change.url,
        "author": change.author,
        "risk": change.risk,
        "mute": change.suppress,
    }
    redacted: shape.Json = shape.redacted(value, site.redact)
    return redacted


def state(change: Change, now_ms: int) -> str:
    """`in_progress`, `done`, `failed`, `over` where nobody said how, `deployed`."""
    if change.instant:
        return "deployed"
    if change.lasts(now_ms):
        return "in_progress"
    return change.outcome.value or "over"
