"""Links in messages: a page that asks whether one means it, and the deed. The signature in the link is the proof.

Mail filters and chats open links to look at them: nothing happens before the button is pressed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import parse_qs

from aiohttp import web

from exporters.alerting.book import DeedError
from exporters.alerting.incident import Incident
from exporters.alerting.links import ALL, ALL_WORDS, DEEDS, Link, LinkError
from exporters.alerting.several import Fate, Outcome
from exporters.message import one_line
from probe.store.base import StoreError
from probe.web import page
from probe.web.incidents import answered
from probe.web.site import SITE

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}
_NAME = 60  # characters of a name that somebody says
_FORM = "application/x-www-form-urlencoded"
_FIELDS = 10  # of a form
_BODY_WITHIN = 5.0  # s
_SHOWN = 50  # incidents of a kind
_FATES = {
    Fate.TAKEN: ("To be taken", "Taken"),
    Fate.HELD: ("Taken already", "Taken already"),
    Fate.OVER: ("Over", "Over"),
}


async def ask(request: web.Request) -> web.Response:
    """What the link would do, and a button that does it."""
    response = request.app[SITE].control.response
    try:
        link = response.link(request.match_info["link"])
    except LinkError as error:
        raise web.HTTPGone(text=str(error)) from None
    used = False
    with suppress(StoreError):  # the deed looks again
        used = await response.used(link)
    if used:
        raise web.HTTPGone(text="this link was used before")
    if link.deed == ALL:
        return await _ask_all(request, link)
    filed = await answered(response.find(link.number))
    if filed is None:
        raise web.HTTPGone(text=f"there is no incident #{link.number} any more")
    return await _page(request, link, filed.incident, done=False)


async def _ask_all(request: web.Request, link: Link) -> web.Response:
    try:
        outcomes = await answered(request.app[SITE].control.response.about(link))
    except LinkError as error:
        raise web.HTTPGone(text=str(error)) from None
    return await _page_of_all(request, link, outcomes, done=False)


async def do(request: web.Request) -> web.Response:
    """Do what the link is for."""
    response, text = request.app[SITE].control.response, request.match_info["link"]
    name = await _name(request)
    try:
        if response.link(text).deed == ALL:
            link, outcomes = await response.follow_all(text, name)
            return await _page_of_all(request, link, outcomes, done=True)
        link, incident = await response.follow(text, name)
    except LinkError as error:
        raise web.HTTPGone(text=str(error)) from None
    except DeedError as error:
        raise web.HTTPConflict(text=str(error)) from None
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None
    return await _page(request, link, incident, done=True)


async def _name(request: web.Request) -> str:
    """Who somebody says they are; "" where nothing is said. Whatever else is sent is nobody's name."""
    if request.content_type != _FORM:
        return ""
    try:
        async with asyncio.timeout(_BODY_WITHIN):
            sent = (await request.read()).decode(errors="replace")
        found = parse_qs(sent, max_num_fields=_FIELDS).get("name", [""])
    except TimeoutError:
        raise web.HTTPRequestTimeout(text="the body took too long") from None
    except ValueError:
        raise web.HTTPBadRequest(text=f"the form has more than {_FIELDS} fields") from None
    return request.app[SITE].redact(one_line(found[0], _NAME))


async def _page(request: web.Request, link: Link, incident: Incident, *, done: bool) -> web.Response:
    words = DEEDS.get(link.deed)
    if words is None:
        raise web.HTTPGone(text="this link was made by another version")
    values = {
        "worst": incident.level.name.lower() if incident.open else "up",
        **_about(link, words, done=done),
        "by": incident.acked_by if incident.open else incident.resolved_by,
        "incident": incident,
    }
    return await page.render(request, "act.html", values, headers=_HEADERS)


def _about(link: Link, words: str, *, done: bool) -> dict[str, Any]:
    return {"words": words, "who": link.who, "asks_name": bool(link.via), "name_limit": _NAME, "done": done}


async def _page_of_all(request: web.Request, link: Link, outcomes: Sequence[Outcome], *, done: bool) -> web.Response:
    groups = []
    for fate, words in _FATES.items():
        those = [one for one in outcomes if one.fate is fate]
        if those:
            groups.append({"words": words[done], "count": len(those), "rows": those[:_SHOWN]})
    taken = sum(one.fate is Fate.TAKEN for one in outcomes)
    open_ones = [one.incident for one in outcomes if one.incident is not None and one.incident.open]
    worst = max((one.level for one in open_ones), default=None)
    values = {
        "worst": worst.name.lower() if worst is not None else "up",
        **_about(link, ALL_WORDS, done=done),
        "groups": groups,
        "taken": taken,
        "count": len(outcomes),
    }
    status = 409 if done and not taken else 200
    return await page.render(request, "act_all.html", values, status=status, headers=_HEADERS)
