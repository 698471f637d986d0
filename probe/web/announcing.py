"""What people announce over the API: made of a request, kept, and found again."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Iterable
from dataclasses import replace

from aiohttp import web

from checks.core.units import format_duration
from probe.store.base import Announcement, Kind, StoreError
from probe.web.body import Body, BodyError
from probe.web.site import Site
from thresholds.spans import Span

log = logging.getLogger(__name__)

LONGEST = 366 * 86400.0  # s
_MOST = 1000  # that are not over at once
_ALPHABET = "23456789abcdefghjkmnpqrstvwxyz"  # none is mistaken for another, read out on the phone
_LENGTH = 8
_WAYS = {
    Kind.MAINTENANCE: "maintenance/{}/end",
    Kind.EXCLUSION: "exclusions/{}/withdraw",
    Kind.SILENCE: "silences/{}/end",
    Kind.OVERRIDE: "overrides/{}/end",
}
_LETTERS = {Kind.MAINTENANCE: "m", Kind.EXCLUSION: "x", Kind.SILENCE: "s", Kind.OVERRIDE: "o"}


def new_id(kind: Kind) -> str:
    """`m-4hq7wz2k`; `x-...` for time that does not count, `s-...` for a silence, `o-...` for an override."""
    letters = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return f"{_LETTERS[kind]}-{letters}"


def span_of(body: Body, default_ms: int | None) -> Span:
    """From when to when, in Unix ms; the end is 0 where none is given. `default_ms` is when it begins unless given."""
    given = body.instant("from")
    began_ms = default_ms if given is None else given
    if began_ms is None:
        raise BodyError("from: is missing; say when it began, as in 2026-11-22T03:00:00Z")
    until_ms, length = body.instant("to"), body.length("for", LONGEST)
    if until_ms is not None and length is not None:
        raise BodyError("for: is a second end beside to; keep one of them")
    if length is not None:
        until_ms = began_ms + round(length * 1000)
    if until_ms is None:
        return began_ms, 0
    if until_ms <= began_ms:
        raise BodyError("to: is not after its beginning")
    if until_ms - began_ms > LONGEST * 1000:
        raise BodyError(f"to: is more than {format_duration(LONGEST)} after its beginning")
    return began_ms, until_ms


def announcement(site: Site, body: Body, kind: Kind, span: Span) -> Announcement:
    """What a body announces, for whom and why. Secrets do not reach the store."""
    checks, services, labels = body.patterns("checks"), body.patterns("services"), body.labels("labels")
    if not (checks or services or labels):
        raise BodyError('checks: name checks, services or labels; "checks": ["*"] covers all')
    example = '"monthly patches"' if kind is Kind.MAINTENANCE else '"the load balancer of the test lab failed, INC-42"'
    reason = body.text("reason", required=f"why, for those who look later: {example}")
    author = body.author(required="who decided it" if kind is Kind.EXCLUSION else "")
    reason, author = site.redact(reason), site.redact(author)
    return Announcement(new_id(kind), kind, *span, checks, services, labels, reason=reason, author=author)


def closed(said: Announcement, at_ms: int, by: str) -> Announcement:
    """It ends at an instant, or as it begins where that is to come, because somebody says so."""
    return replace(said, ended_ms=max(at_ms, said.began_ms), closed_ms=at_ms, closed_by=by)


async def keep(site: Site, what: str, said: Announcement, by: str) -> None:
    """Keep it and go by it; 503 where the store does not, and then nothing is changed."""
    try:
        await site.control.announce(said)
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=f"the store did not keep it, and nothing is changed: {error}") from None
    log.info("%s %s %s by %s: %s", said.kind, said.id, what, by or "somebody without a name", said.reason)


def check_room(site: Site) -> None:
    """409 when there are too many: what nobody ends would fill the memory."""
    now_ms = site.clock.now_ms()
    count = sum(one.ended_ms == 0 or one.ended_ms > now_ms for one in site.control.announced())
    if count >= _MOST:
        raise web.HTTPConflict(text=f"{count} announcements are not over, and there is no room for more; end some")


async def find(site: Site, wanted: str, kind: Kind) -> Announcement:
    """The announcement of an id, also one that was over long ago; 404 where there is none."""
    found = _named(wanted, site.control.announced())
    if found is None:
        try:
            found = _named(wanted, await site.store.announcements(0))
        except StoreError as error:
            raise web.HTTPServiceUnavailable(text=f"the store did not answer: {error}") from None
    if found is None:
        raise web.HTTPNotFound(text=f"there is no {kind} {wanted[:100]!r}")
    if found.kind is not kind:
        way = _WAYS[found.kind].format(found.id)
        raise web.HTTPNotFound(text=f"there is no {kind} {found.id!r}, but an {found.kind}: POST /api/v1/{way}")
    return found


def _named(wanted: str, said: Iterable[Announcement]) -> Announcement | None:
    """Of what people announced. What the configuration planned is nobody's to end."""
    return next((one for one in said if one.id == wanted and one.kind is not Kind.PLANNED), None)
