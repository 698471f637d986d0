"""What people do about an incident from its page: plain forms, that work without a script.

A form is answered with the way back to the page, so that loading it again does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from aiohttp import web

from exporters.alerting.book import DeedError
from probe.store.base import StoreError
from probe.web.auth import fields
from probe.web.body import Body, BodyError
from probe.web.incidents import number_of, unknown
from probe.web.site import SITE

SNOOZES = {"1h": "1 hour", "2h": "2 hours", "4h": "4 hours", "8h": "8 hours", "24h": "a day", "3d": "3 days"}
_LONGEST_SNOOZE = 31 * 86400.0
_LONG = 4000  # characters of a note

Deed = Callable[[Any, str], Any]  # what the dispatcher is asked to do with an incident


async def submit(request: web.Request) -> web.Response:
    """Do what the pressed button says."""
    site = request.app[SITE]
    asked = await fields(request)
    said = Body({"author": asked.get("who"), "for": asked.get("for"), "text": asked.get("text")})
    who = site.redact(said.author(required="who you are"))
    number = number_of(request)
    try:
        done = await site.control.response.do(number, _deed(asked.get("deed", ""), said, who, site.redact))
    except DeedError as error:
        raise web.HTTPConflict(text=str(error)) from None
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=str(error)) from None
    if done is None:
        raise unknown(request)
    return web.Response(status=303, headers={"Location": f"/incidents/{number}"})


def _deed(name: str, said: Body, who: str, redact: Callable[[str], str]) -> Deed:
    match name:
        case "acknowledge":
            return lambda desk, identity: desk.acknowledge(identity, who)
        case "unacknowledge":
            return lambda desk, identity: desk.unacknowledge(identity, who)
        case "snooze":
            seconds = said.length("for", _LONGEST_SNOOZE)
            if seconds is None:
                raise BodyError("for: is missing; say how long")
            return lambda desk, identity: desk.snooze(identity, who, seconds)
        case "resolve":
            return lambda desk, identity: desk.resolve(identity, who)
        case "note":
            text = redact(said.text("text", required="what there is to note", limit=_LONG))
            return lambda desk, identity: desk.note(identity, who, text)
    raise BodyError(f"the form asks for {name[:40]!r}, which nobody can do here")
