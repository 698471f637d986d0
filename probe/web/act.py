"""Links in messages: a page that asks whether one means it, and the deed. The signature in the link is the proof.

Mail filters and chats open links to look at them: nothing happens before the button is pressed.
"""

from __future__ import annotations

from contextlib import suppress

from aiohttp import web

from exporters.alerting.book import DeedError
from exporters.alerting.incident import Incident
from exporters.alerting.links import DEEDS, Link, LinkError
from probe.store.base import StoreError
from probe.web import page
from probe.web.incidents import answered
from probe.web.site import SITE

_HEADERS = {"Cache-Control": "no-store", "Referrer-Policy": "no-referrer"}


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
    filed = await answered(response.find(link.number))
    if filed is None:
        raise web.HTTPGone(text=f"there is no incident #{link.number} any more")
    return await _page(request, link, filed.incident, done=False)


async def do(request: web.Request) -> web.Response:
    """Do what the link is for."""
    try:
        link, incident = await request.app[SITE].control.response.follow(request.match_info["link"])
    except LinkError as error:
        raise web.HTTPGone(text=str(error)) from None
    except DeedError as error:
        raise web.HTTPConflict(text=str(error)) from None
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None
    return await _page(request, link, incident, done=True)


async def _page(request: web.Request, link: Link, incident: Incident, *, done: bool) -> web.Response:
    words = DEEDS.get(link.deed)
    if words is None:
        raise web.HTTPGone(text="this link was made by another version")
    values = {
        "worst": incident.level.name.lower() if incident.open else "up",
        "words": words,
        "who": link.who,
        "by": incident.acked_by if incident.open else incident.resolved_by,
        "incident": incident,
        "done": done,
    }
    return await page.render(request, "act.html", values, headers=_HEADERS)
