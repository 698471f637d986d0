"""The pages of incidents: those that are open and lately were, and one with all that happened to it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from aiohttp import web

from exporters.alerting.incident import Incident
from probe.store.base import StoreError
from probe.store.casebook import Filed
from probe.store.deliveries import Delivery
from probe.web import evidence, incident_story, page
from probe.web.auth import may_act
from probe.web.incident_forms import SNOOZES
from probe.web.incidents import answered, number_of, unknown
from probe.web.pages import web_link
from probe.web.site import SITE, Site
from probe.web.when import age, when

_DAY_MS = 86_400_000
_DAYS = 30
_MOST = 200
_CHECKS = 100
_AROUND_MS = 60_000  # before and after its first bad run, in which its evidence lies
_PIECES = 3
# Without a referrer browsers do not say either where a form comes from, and then it is refused.
_HEADERS = {"Referrer-Policy": "same-origin"}


async def index(request: web.Request) -> web.Response:
    """What is open, and what lately was."""
    site = request.app[SITE]
    now_ms = site.clock.now_ms()
    opened = list(site.control.response.open())
    lately: Sequence[Filed] = ()
    problem = ""
    try:
        lately = await answered(site.control.response.incidents(now_ms - _DAYS * _DAY_MS, _MOST))
    except web.HTTPServiceUnavailable as error:
        problem = error.text or ""  # what is open is in memory, and that is what counts now
    values = {
        "problem": problem,
        "now": when(now_ms, now_ms),
        "worst": _worst([one.incident for one in opened]),
        "count": len(opened),
        "open": [_row(one, now_ms) for one in sorted(opened, key=_urgency)[:_MOST]],
        "over": [_row(one, now_ms) for one in reversed(lately) if not one.incident.open],
        "days": _DAYS,
    }
    return await page.render(request, "incidents.html", values)


def _urgency(filed: Filed) -> tuple[bool, int, int, int]:
    """What nobody takes care of first, then the worst, then the newest."""
    one = filed.incident
    return one.status.held, -one.severity.rank, -one.level, -one.opened_ms


def _worst(incidents: list[Incident]) -> str:
    return max(one.level for one in incidents).name.lower() if incidents else "up"


def _row(filed: Filed, now_ms: int) -> dict[str, Any]:
    one = filed.incident
    until = one.ended_ms or now_ms
    names = [member.check for member in filed.members if member.bad or not one.open]
    return {
        "incident": one,
        "level": one.level.name if one.open else one.worst.name,
        "href": f"/incidents/{one.number}",
        "opened": when(one.opened_ms, now_ms),
        "lasted": age((until - one.opened_ms) / 1000),
        "checks": ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else ""),
        "by": one.acked_by if one.open else one.resolved_by,
        "snoozed": when(one.snoozed_ms, now_ms),
    }


async def detail(request: web.Request) -> web.Response:
    """One incident."""
    site = request.app[SITE]
    now_ms = site.clock.now_ms()
    dossier = await answered(site.control.response.dossier(number_of(request)))
    if dossier is None:
        raise unknown(request)
    one = dossier.filed.incident
    values = {
        "now": when(now_ms, now_ms),
        "worst": one.level.name.lower() if one.open else "up",
        "row": _row(dossier.filed, now_ms),
        "incident": one,
        "hold": dossier.hold,
        "recurrence": dossier.recurrence,
        "five_w": incident_story.five_w(dossier),
        "members": [
            {
                "check": member.check,
                "href": f"/checks/{quote(member.check)}",
                "level": member.level.name if member.bad else member.worst.name,
                "since": when(member.since_ms, now_ms),
                "ended": when(member.ended_ms, now_ms),
                "reason": member.reason,
            }
            for member in dossier.filed.members[:_CHECKS]
        ],
        "timeline": [{"at": when(each.at_ms, now_ms), "one": each} for each in dossier.happenings],
        "deliveries": [
            {
                "at": when(each.at_ms, now_ms),
                "one": each,
                "took": _took(each),
            }
            for each in dossier.deliveries
        ],
        "actions": [
            {"one": each, "done": when(each.done_ms, now_ms), "link": web_link(each.link)} for each in one.actions
        ],
        "runbook": web_link(one.runbook),
        "bridge": web_link(one.bridge),
        "evidence": await _evidence(site, dossier.filed, now_ms),
        "may_act": may_act(request),
        "token": bool(site.token()),
        "snoozes": SNOOZES,
    }
    return await page.render(request, "incident.html", values, headers=_HEADERS)


async def _evidence(site: Site, filed: Filed, now_ms: int) -> list[evidence.Piece]:
    """What the failing runs saw that began it."""
    found: list[evidence.Piece] = []
    for member in filed.members[:_PIECES]:
        try:
            since_ms, until_ms = member.since_ms - _AROUND_MS, member.since_ms + _AROUND_MS
            exhibits = await site.store.evidence(member.check, since_ms, until_ms, 1)
        except StoreError:
            break
        found += [evidence.piece(exhibit, now_ms, site.redact) for exhibit in exhibits]
    return found


def _took(delivery: Delivery) -> str:
    """How long after its decision a notice was taken, or refused."""
    seconds = (delivery.at_ms - delivery.notice.at_ms) / 1000
    return "" if not delivery.at_ms else age(seconds) if seconds >= 1 else "at once"
