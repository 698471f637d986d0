"""Jobs that report to us, as JSON and as pages: how each stands, its runs, and what they said."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from checks.core.units import format_duration
from probe.config.heartbeats import slug
from probe.store.base import StoreError
from probe.store.beats import Said
from probe.web import page, shape
from probe.web.answer import json_answer
from probe.web.api import named
from probe.web.auth import PING
from probe.web.jobs import JOBS, Jobs, JobView
from probe.web.ping import PingDesk
from probe.web.query import only, parse_number
from probe.web.site import SITE, Site, Turn
from probe.web.when import When, when
from thresholds.heartbeat import NEVER, Outcome, Run

_MOST, _USUAL = 500, 50  # runs in one answer
_ROWS = 30  # runs on a page
_SAID = 1000  # pings of them
_WITHIN = 5.0  # s
_SHOWN = 4000  # characters of what a ping said, on a page
_FOREVER = 1 << 53


def attach(app: web.Application, jobs: Jobs) -> None:
    """Take pings, and show what came of them."""
    site = app[SITE]
    app[JOBS] = jobs
    desk = PingDesk(jobs, site.clock, site.redact)
    app.add_routes(
        [
            web.route("*", "/ping/{rest:.*}", desk.handle, name=PING),
            web.get("/api/v1/heartbeats", listing),
            web.get("/api/v1/heartbeats/{name:.+}/runs", runs),
            web.get("/heartbeats/{name:.+}", history),
        ]
    )


async def listing(request: web.Request) -> web.Response:
    """Every heartbeat, by name."""
    site, jobs = request.app[SITE], request.app[JOBS].jobs
    only(request.query, ())
    turn, found = Turn(), []
    for name in sorted(jobs):
        found.append(shape.redacted(_shape(site, jobs[name]), site.redact))
        await turn.yielded()
    value = {"instance": site.instance, "at": shape.instant(site.clock.now_ms()), "heartbeats": found}
    return await json_answer(request, value)


def _shape(site: Site, job: JobView) -> shape.Json:
    standing, planned = job.standing, job.planned
    view = site.board.view(planned.name)
    return {
        "name": planned.name,
        "slug": slug(planned.name),
        "service": planned.service,
        "level": shape.word(view.state.level) if view else "unknown",
        "reason": view.state.reason if view else "",
        "schedule": job.rules.schedule,
        "due": None if standing.due_ms >= NEVER else shape.instant(standing.due_ms),
        "heard": shape.instant(standing.heard_ms),
        "began": shape.instant(standing.began_ms),
        "configured": shape.instant(standing.since_ms),
        "paused": bool(job.paused_ms),
        "runs": standing.number,
        "open": [_run(run) for run in standing.runs],
        "troubles": [
            {"kind": one.kind.value, "since": shape.instant(one.at_ms), "reason": one.reason, "run": one.run or None}
            for one in standing.troubles
        ],
    }


def _run(run: Run) -> shape.Json:
    return {
        "number": run.number,
        "rid": run.rid or None,
        "outcome": "overdue" if run.overdue and run.outcome is Outcome.OPEN else run.outcome.value,
        "began": shape.instant(run.began_ms),
        "started": run.started,
        "due": shape.instant(run.due_ms),
        "deadline": shape.instant(run.deadline_ms),
        "ended": shape.instant(run.ended_ms),
        "duration": run.duration if run.started and run.ended_ms else None,
        "exit": run.exit,
        "stages": [{"name": name, "at": shape.instant(at_ms)} for name, at_ms in run.stages],
        "missed": list(run.missed),
        "warnings": list(run.warnings),
    }


async def runs(request: web.Request) -> web.Response:
    """The last runs of one heartbeat, newest first, and what they said."""
    site = request.app[SITE]
    only(request.query, ("limit", "before"))
    limit = parse_number(request.query, "limit", _USUAL, 1, _MOST)
    before = parse_number(request.query, "before", _FOREVER, 1, 10**9 - 1)
    name = _known(request)
    found, said, problem = await _read(site, name, limit, before)
    value: shape.Json = {"name": name, "runs": None, "error": site.redact(problem)}
    if problem:
        return await json_answer(request, value, status=503)
    turn, shaped = Turn(), []
    for run in found:
        words = [_word(one) for one in said if one.run == run.number]
        shaped.append(shape.redacted(_run(run) | {"pings": words}, site.redact))
        await turn.yielded()
    return await json_answer(request, {"name": name, "runs": shaped})


def _word(said: Said) -> shape.Json:
    return {
        "at": shape.instant(said.at_ms),
        "signal": said.signal.value,
        "stage": said.stage or None,
        "exit": said.exit,
        "source": said.source,
        "method": said.method,
        "body": said.body,
    }


def _known(request: web.Request) -> str:
    name = request.match_info["name"]
    if name not in request.app[JOBS].jobs:
        raise web.HTTPNotFound(text=f"there is no heartbeat {name[:200]!r}")
    return name


async def _read(site: Site, name: str, limit: int, before: int) -> tuple[Sequence[Run], Sequence[Said], str]:
    try:
        async with asyncio.timeout(_WITHIN):
            found = await site.store.job_runs(name, limit, before)
            numbers = [run.number for run in found] or [0]
            said = await site.store.job_pings(name, min(numbers), max(numbers), _SAID)
    except (StoreError, TimeoutError) as error:
        return (), (), f"the store did not answer: {error or f'nothing within {_WITHIN:g} s'}"
    return found, list(reversed(said)), ""


@dataclass(frozen=True, slots=True)
class _Row:
    """One run on a page."""

    number: int
    began: When | None
    outcome: str
    took: str
    exit: str
    stages: str
    notes: str
    said: Sequence[tuple[When | None, str, str, str]]  # when, what, from where, and in which words


async def history(request: web.Request) -> web.Response:
    """The page of one heartbeat's runs."""
    site, name = request.app[SITE], _known(request)
    job, view, now_ms = request.app[JOBS].jobs[name], named(request), site.clock.now_ms()
    found, said, problem = await _read(site, name, _ROWS, _FOREVER)
    standing = job.standing
    values: dict[str, Any] = {
        "now": when(now_ms, now_ms),
        "worst": view.state.level.name.lower(),
        "view": view,
        "name": name,
        "schedule": job.rules.schedule,
        "due": None if standing.due_ms >= NEVER else when(standing.due_ms, now_ms),
        "heard": when(standing.heard_ms, now_ms),
        "paused": bool(job.paused_ms),
        "open": len(standing.runs),
        "troubles": [(when(one.at_ms, now_ms), one.reason) for one in standing.troubles],
        "problem": problem,
        "rows": [_row(run, [one for one in said if one.run == run.number], now_ms) for run in found],
    }
    return await page.render(request, "heartbeat.html", values)


def _row(run: Run, said: Sequence[Said], now_ms: int) -> _Row:
    open_ms = (run.ended_ms or now_ms) - run.began_ms
    return _Row(
        run.number,
        when(run.began_ms, now_ms),
        "overdue" if run.overdue and run.outcome is Outcome.OPEN else run.outcome.value,
        format_duration(max(0, open_ms) / 1000) if run.started else "",
        "" if run.exit is None else str(run.exit),
        ", ".join(f"{name} after {format_duration((at_ms - run.began_ms) / 1000)}" for name, at_ms in run.stages),
        "; ".join([*run.warnings, *(f"stage {name} late or missing" for name in run.missed)]),
        [(when(one.at_ms, now_ms), " ".join(_words(one)), one.source, one.body[-_SHOWN:]) for one in said],
    )


def _words(said: Said) -> Sequence[str]:
    code = [] if said.exit is None else [f"exit code {said.exit}"]
    return [said.signal.value, *([said.stage] if said.stage else []), *code]
