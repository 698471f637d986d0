"""Pings: what jobs say, over addresses that healthchecks has made usual. The key in them is the proof, and all of it.

A ping is on disk before it is answered OK. What cannot be kept is answered 503, so that whoever sent it tries again.
"""

from __future__ import annotations

import asyncio
import math
from collections import defaultdict
from collections.abc import Callable, Mapping

from aiohttp import web

from checks.core.text import harmless_lines
from checks.heartbeat import Heartbeat
from probe.clock import Clock
from probe.store.base import StoreError
from probe.store.beats import Said
from probe.web.auth import is_loopback_address
from probe.web.jobs import Jobs, JobView
from probe.web.ping_address import AddressError, Meant, run_id, understand
from probe.web.ping_keys import Keys
from probe.web.ping_limits import Bucket, Strangers
from thresholds.heartbeat import Ping

_METHODS = ("GET", "HEAD", "POST", "PUT")
_POSTED = ("POST", "PUT")
_WITHIN = 10.0  # s for a body, and for a ping to be on disk
_MOST_READ = 1 << 20  # bytes of a body; what comes after them is not waited for
_EDGE = 4096  # bytes around what is kept in which a secret may begin or end
_LONGEST_ADDRESS = 100
_UNKNOWN = 404


class PingDesk:
    """Takes pings: finds whose they are, keeps them within their bounds, and hands them on."""

    def __init__(self, jobs: Jobs, clock: Clock, redact: Callable[[str], str]) -> None:
        self._all = jobs
        self._clock = clock
        self._redact = redact
        self._strangers = Strangers(clock)
        self._buckets: defaultdict[str, Bucket] = defaultdict(Bucket)
        self._jobs: Mapping[str, JobView] = {}
        self._keys = Keys({})

    async def handle(self, request: web.Request) -> web.Response:
        try:
            return await self._take(request)
        except AddressError as error:
            return self._refuse(request, error)
        except (StoreError, TimeoutError):
            return self._refused("store", 503, "not kept; try again", {"Retry-After": "5"})

    async def _take(self, request: web.Request) -> web.Response:
        meant = understand(request.match_info["rest"], _bearer(request), self._known().owners)
        heartbeat = self._heartbeat(meant.check)
        allowed = _POSTED if heartbeat.methods == "post" else _METHODS
        if request.method not in allowed:
            return self._refused("method", 405, f"send it by {allowed[0]}", {"Allow": ", ".join(allowed)})
        rid = run_id(request.query.get("rid"))
        if wait := self._buckets[meant.check].wait(self._clock.monotonic(), heartbeat.rate):
            return self._refused("rate", 429, "too many pings", {"Retry-After": str(math.ceil(wait))})
        body = await self._body(request, heartbeat)
        await self._hear(meant, rid, body, request)
        return _answer(200, "OK", {"Ping-Body-Limit": str(heartbeat.body)})

    def _known(self) -> Keys:
        """The keys of the configuration that is in force."""
        jobs = self._all.jobs
        if jobs is not self._jobs:
            self._jobs, self._keys = jobs, Keys({name: _of(job) for name, job in jobs.items()})
            self._buckets = defaultdict(Bucket, {name: one for name, one in self._buckets.items() if name in jobs})
        return self._keys

    def _heartbeat(self, check: str) -> Heartbeat:
        return _of(self._jobs[check])

    async def _hear(self, meant: Meant, rid: str, body: str, request: web.Request) -> None:
        """Raises StoreError, or TimeoutError."""
        at_ms = self._clock.now_ms()
        ping = Ping(at_ms, meant.signal, rid, meant.exit, meant.stage, body)
        said = Said(
            meant.check,
            at_ms,
            meant.signal,
            stage=meant.stage,
            exit=meant.exit,
            source=address_of(request),
            method=request.method,
            body=body,
        )
        async with asyncio.timeout(_WITHIN):
            await self._all.hear(ping, said)

    async def _body(self, request: web.Request, heartbeat: Heartbeat) -> str:
        """What a ping says, as much as is kept of it, without secrets and without what a terminal would obey."""
        if not request.body_exists or not heartbeat.body or "Content-Encoding" in request.headers:
            return ""  # what is packed stays packed, and says nothing to people
        room, first = heartbeat.body + _EDGE, heartbeat.body_keep == "first"
        raw = await _read(request, room, first=first)
        text = self._redact(harmless_lines(raw.decode("utf-8", "replace")))
        encoded = text.encode(errors="replace")
        kept = encoded[: heartbeat.body] if first else encoded[-heartbeat.body :]
        return kept.decode("utf-8", "ignore")

    def _refuse(self, request: web.Request, error: AddressError) -> web.Response:
        """As `error` says; who knows no key is told so ever less often."""
        if error.status != _UNKNOWN:
            return self._refused("address", error.status, str(error))
        if wait := self._strangers.wait(address_of(request)):
            return self._refused("stranger", 429, "too many pings", {"Retry-After": str(math.ceil(wait))})
        return self._refused("unknown", error.status, str(error))

    def _refused(self, why: str, status: int, line: str, headers: Mapping[str, str] | None = None) -> web.Response:
        self._all.refused[why] = self._all.refused.get(why, 0) + 1
        return _answer(status, line, headers or {})


async def _read(request: web.Request, room: int, *, first: bool) -> bytes:
    """One end of a body. What does not come in time, or is too much, is done without: the ping counts all the same."""
    kept, size = bytearray(), 0
    try:
        async with asyncio.timeout(_WITHIN):
            async for part in request.content.iter_any():
                size += len(part)
                if not first or len(kept) < room:
                    kept += part
                if len(kept) > 2 * room and not first:
                    del kept[:-room]
                if size > _MOST_READ:
                    break
    except (TimeoutError, web.RequestPayloadError, ConnectionError):
        pass
    return bytes(kept[:room] if first else kept[-room:])


def address_of(request: web.Request) -> str:
    """Where a request comes from: through a proxy on this machine what that says, else nobody's word."""
    remote = request.remote or ""
    if is_loopback_address(remote) and (said := request.headers.getall("X-Forwarded-For", [])):
        remote = said[-1].rpartition(",")[2].strip()
    return remote[:_LONGEST_ADDRESS]


def _bearer(request: web.Request) -> str:
    sent = request.headers.getall("Authorization", [])
    scheme, _, given = sent[0].partition(" ") if len(sent) == 1 else ("", "", "")
    return given.strip() if scheme.lower() == "bearer" else ""


def _of(job: JobView) -> Heartbeat:
    check = job.planned.spec.check
    assert isinstance(check, Heartbeat)
    return check


def _answer(status: int, line: str, headers: Mapping[str, str]) -> web.Response:
    return web.Response(status=status, text=line, headers={"Access-Control-Allow-Origin": "*", **headers})
