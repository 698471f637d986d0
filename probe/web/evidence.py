"""What failing runs saw, as plain values: for `/api/v1/evidence`, pages and the terminal. docs/evidence.md has more."""

from __future__ import annotations

import asyncio
from base64 import b64decode
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from checks.core.evidence import Evidence, Form, Presented, Sample, redacted
from checks.core.units import format_duration
from probe.store.base import StoreError
from probe.store.exhibits import PER_CHECK, Exhibit
from probe.web import shape
from probe.web.answer import json_answer
from probe.web.query import QueryError, only, parse_instant, parse_number
from probe.web.site import SITE, Site, Turn
from probe.web.when import When, when

USUAL = 10
ON_PAGE = 3
_WITHIN = 5.0  # s for the store
_FOREVER = 1 << 53
_DUMPED = 256  # bytes that are shown of what is no text
_ROW = 16
_DAY_MS = 86_400_000


@dataclass(frozen=True, slots=True)
class Piece:
    """One failing run on a page. `id` is its place in the document."""

    id: str
    at: When | None
    attempt: int
    seen: shape.Json


async def listing(request: web.Request) -> web.Response:
    """Evidence of one check, newest first; `at` asks for that of one run."""
    site, query = request.app[SITE], request.query
    only(query, ("check", "at", "since", "until", "limit"))
    name = query.get("check", "")
    if not name:
        raise QueryError("check is missing: say which one, as in ?check=shop/home")
    if site.board.view(name) is None:
        raise web.HTTPNotFound(text=f"there is no check {name[:200]!r}")
    now_ms = site.clock.now_ms()
    limit = parse_number(query, "limit", USUAL, 1, PER_CHECK)
    since_ms, until_ms = (parse_instant(query, key, most, now_ms) for key, most in (("since", 0), ("until", _FOREVER)))
    if "at" in query:
        since_ms = parse_instant(query, "at", 0, now_ms)
        until_ms = since_ms + 1
    try:
        found = await _read(site, name, since_ms, until_ms, limit)
    except StoreError as error:
        raise web.HTTPServiceUnavailable(text=f"the store did not answer: {error}") from None
    turn, pieces = Turn(), []
    for exhibit in reversed(found):
        run = {"at": shape.instant(exhibit.at_ms), "attempt": exhibit.attempt}
        pieces.append(run | shown(exhibit.evidence, site.redact))
        await turn.yielded()
    return await json_answer(request, {"check": site.redact(name), "evidence": pieces})


async def latest(site: Site, check: str, now_ms: int) -> list[Piece]:
    """The last failing runs of a check, newest first; none where the store does not answer, which the page says."""
    try:
        found = await _read(site, check, 0, _FOREVER, ON_PAGE)
    except StoreError:
        return []
    return [piece(exhibit, now_ms, site.redact) for exhibit in reversed(found)]


def piece(exhibit: Exhibit, now_ms: int, redact: Callable[[str], str]) -> Piece:
    """One for the macro `piece` of templates/evidence.html."""
    place = f"e-{exhibit.at_ms}-{exhibit.attempt}"
    return Piece(place, when(exhibit.at_ms, now_ms), exhibit.attempt, shown(exhibit.evidence, redact, now_ms))


async def _read(site: Site, check: str, since_ms: int, until_ms: int, limit: int) -> Sequence[Exhibit]:
    try:
        async with asyncio.timeout(_WITHIN):
            return await site.store.evidence(check, since_ms, until_ms, limit)
    except TimeoutError:
        raise StoreError(f"no answer within {_WITHIN:g} s") from None


def shown(evidence: Evidence, redact: Callable[[str], str] = str, now_ms: int = 0) -> shape.Json:
    """Evidence as plain values; with `redact`, without what has become a secret since it was taken.

    With `now_ms` a certificate says how it stands then, and lengths are in words: for people.
    """
    seen = redacted(evidence, redact)
    value: dict[str, Any] = {
        "target": seen.target,
        "failure": {"kind": seen.kind, "phase": seen.phase, "message": seen.message},
        "phases": dict(seen.phases),
        "opened": seen.opened,
        "hops": [
            {"request": hop.request, "status": hop.status, "location": hop.location, "address": hop.address}
            for hop in seen.hops
        ],
        "request": list(seen.request),
        "sent": _sample(seen.sent),
        "answer": list(seen.answer),
        "received": _sample(seen.received),
        "addresses": [{"address": one.address, "outcome": one.outcome} for one in seen.addresses],
        "peer": seen.peer,
        "local": seen.local,
        "tls": seen.tls,
        "certificates": [_certificate(one, now_ms) for one in seen.chain],
        "again": seen.again,
        "cut": seen.cut,
    }
    if now_ms:
        value["lengths"] = _lengths(seen)
    return value


def _lengths(seen: Evidence) -> list[tuple[str, str]]:
    """Phases with their lengths in words, the one that failed last."""
    said = [(name, format_duration(seconds)) for name, seconds in seen.phases.items()]
    return [*said, (seen.phase, f"{format_duration(seen.opened)}, and failed")] if seen.opened else said


def _sample(sample: Sample | None) -> shape.Json | None:
    if sample is None:
        return None
    return {
        "form": sample.form.value,
        "content": sample.content,
        "type": sample.type,
        "size": sample.size,
        "cut": sample.cut,
        "dump": dump(sample),
    }


def dump(sample: Sample) -> list[str]:
    """The first bytes of what is no text, sixteen a line: in hex, and as characters. Nothing for text."""
    if sample.form is not Form.BASE64:
        return []
    data = b64decode(sample.content)[:_DUMPED]
    return [_dumped(at, data[at : at + _ROW]) for at in range(0, len(data), _ROW)]


def _dumped(at: int, row: bytes) -> str:
    printable = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
    return f"{at:04x}  {row.hex(' '):<{_ROW * 3 - 1}}  {printable}"


def _certificate(one: Presented, now_ms: int) -> shape.Json:
    value = {
        "subject": one.subject,
        "issuer": one.issuer,
        "names": list(one.names),
        "not_before": _instant(one.not_before_ms),
        "not_after": _instant(one.not_after_ms),
        "fingerprint": one.fingerprint,
        "serial": one.serial,
    }
    return value | {"stands": _stands(one, now_ms)} if now_ms else value


def _stands(one: Presented, now_ms: int) -> str:
    """`expired 3 days ago`, `valid for 41 days`; by whole days."""
    if one.not_after_ms <= now_ms:
        return f"expired {_days(now_ms - one.not_after_ms)} ago"
    if one.not_before_ms > now_ms:
        return f"valid only in {_days(one.not_before_ms - now_ms)}"
    return f"valid for {_days(one.not_after_ms - now_ms)}"


def _days(ms: int) -> str:
    days = ms // _DAY_MS
    return f"{days} day{'' if days == 1 else 's'}" if days else format_duration(float(ms // 1000))


def _instant(at_ms: int) -> str | None:
    """Also for what lies outside of every calendar: some certificates do."""
    try:
        return shape.instant(at_ms)
    except (ValueError, OverflowError, OSError):
        return None
