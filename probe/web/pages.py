"""The pages: all checks, worst first, and one check in depth. They read; nothing on them changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from aiohttp import web
from markupsafe import Markup

from checks.core.redact import MASK
from checks.core.units import format_duration
from probe.web import day, evidence, facts, history, limits, page, spark
from probe.web.agenda import Marks, Occasion
from probe.web.api import named, select
from probe.web.bars import Bar, bars
from probe.web.base import CheckView
from probe.web.facts import lasted
from probe.web.history import FOREVER, Window
from probe.web.incident_shape import numbers
from probe.web.order import WORST_FIRST, counts, unseen, urgency
from probe.web.query import parse_filter, parse_number
from probe.web.site import SITE
from probe.web.when import When, rest, when
from thresholds.base import Level, Transition, Verdict

ROWS = 200  # on one page: some 300 kB, and no more than anybody reads
_SERVICES = 500  # that the filter offers
_RESULTS = 50
_TRANSITIONS = 20


@dataclass(frozen=True, slots=True)
class Row:
    """One check in the table."""

    name: str
    href: str
    level: str
    target: str
    service: str
    since: When | None
    latency: str
    spark: Markup
    reason: str
    rest: str  # what it is in, of planned work: "paused until 04:00 UTC: monthly patches"
    also: str  # what a search finds and the row does not show


async def index(request: web.Request) -> web.Response:
    """Every check, worst first, a page at a time."""
    site, query = request.app[SITE], request.query
    wanted = parse_filter(query)
    number = parse_number(query, "page", 1, 1, 10**6)
    marks = await site.agenda.marks()
    found = await select(site, wanted, marks)
    found.sort(key=urgency)
    number = min(number, max(1, -(-len(found) // ROWS)))
    first = (number - 1) * ROWS
    asked = {name: query[name] for name in ("level", "service", "q") if query.get(name)}
    now_ms = site.clock.now_ms()
    every = list(site.board.views())
    tally = counts(every)
    values = {
        "now": when(now_ms, now_ms),
        "incidents": len(site.control.response.open()),
        "tally": [
            (level.name, count, _search(asked | {"level": level.name.lower()})) for level, count in tally.items()
        ],
        "all": _search({name: value for name, value in asked.items() if name != "level"}),
        "worst": _worst(tally),
        "total": len(every),
        "matched": len(found),
        "filtered": bool(asked),
        "asked": {"level": "", "service": "", "q": ""} | asked,
        "levels": [level.name for level in WORST_FIRST],
        "services": sorted({view.planned.service for view in every if view.planned.service})[:_SERVICES],
        "rows": _rows(found[first : first + ROWS], marks, now_ms),
        "first": first + 1,
        "last": min(first + ROWS, len(found)),
        "before": _search(asked | {"page": str(number - 1)}) if number > 1 else "",
        "after": _search(asked | {"page": str(number + 1)}) if first + ROWS < len(found) else "",
    }
    return await page.render(request, "index.html", values)


def _rows(views: Iterable[CheckView], marks: Marks, now_ms: int) -> Iterator[Row]:
    for view in views:
        planned, state, last = view.planned, view.state, view.last
        yield Row(
            name=planned.name,
            href=href(planned.name),
            level=state.level.name,
            target=planned.spec.check.target,
            service=planned.service,
            since=when(state.since_ms, now_ms),
            latency=lasted(last.result) if last is not None else "",
            spark=spark.svg(view.history),
            reason=state.reason,
            rest=rest(marks.of(planned), now_ms),
            also=unseen(view),
        )


def href(name: str) -> str:
    """The page of a check. Slashes stay: the address reads like the name."""
    return f"/checks/{quote(name, safe='/')}"


def _search(asked: Mapping[str, str]) -> str:
    return f"/?{urlencode(asked)}" if asked else "/"


def _worst(tally: Mapping[Level, int]) -> str:
    """What the icon of the tab shows: the worst level that any check stands at."""
    return next((level.name.lower() for level, count in tally.items() if count), "unknown")


async def check(request: web.Request) -> web.Response:
    """One check: how it stands, its last run, and what came before."""
    site = request.app[SITE]
    view = named(request)
    now_ms = site.clock.now_ms()
    planned, state = view.planned, view.state
    under = (await site.agenda.marks()).of(planned)
    past = await history.read(site.store, planned.name, Window(0, FOREVER, _RESULTS))
    values: dict[str, Any] = {
        "now": when(now_ms, now_ms),
        "worst": state.level.name.lower(),
        "view": view,
        "name": planned.name,
        "rest": rest(under, now_ms),
        "whose": _whose(under) if under else "",
        "target": planned.spec.check.target,
        "target_link": web_link(planned.spec.check.target),
        "runbook_link": web_link(planned.runbook),
        "api": f"/api/v1{href(planned.name)}",
        "since": when(state.since_ms, now_ms),
        "incident": when(state.incident_since_ms, now_ms) if state.incident else None,
        "number": numbers(site.control.response.open()).get(planned.name, 0),
        "every": format_duration(planned.spec.every),
        "timeout": format_duration(planned.spec.timeout),
        "spark": spark.svg(view.history),
        "last": _last(view.last, now_ms),
        "limits": limits.lines(view, now_ms),
        "day": await day.of(site, planned),
        "evidence": await evidence.latest(site, planned.name, now_ms),
        "problem": past.problem,
        "results": [(when(kept.result.at_ms, now_ms), kept, lasted(kept.result)) for kept in reversed(past.results)],
        "transitions": [
            (when(_holds_from(change), now_ms), change) for change in reversed(past.transitions[-_TRANSITIONS:])
        ],
    }
    return await page.render(request, "check.html", values)


def _holds_from(change: Transition) -> int:
    """Unix ms from which on what a transition says holds: of one that leaves the level, what its runs say."""
    return change.runs_since_ms or change.since_ms if change.before is change.after else change.since_ms


def _whose(under: Occasion) -> str:
    """`m-4hq7wz2k, announced by ana; does not count for availability`."""
    window = under.window
    author = f" by {window.by}" if window.by else ""
    source = f"announced{author}" if under.announced else "of the configuration"
    return f"{window.name}, {source}{'; does not count for availability' if window.excluded else ''}"


def _last(verdict: Verdict | None, now_ms: int) -> dict[str, Any] | None:
    if verdict is None:
        return None
    result = verdict.result
    scale = max(result.duration, sum(result.phases.values()), 1e-9)
    return {
        "at": when(result.at_ms, now_ms),
        "verdict": verdict,
        "duration": lasted(result),
        "bars": [_drawn(bar, scale) for bar in bars(result)],
        "facts": facts.grouped(result.facts),
    }


def _drawn(bar: Bar, scale: float) -> dict[str, Any]:
    """A bar in per cent of the run; the shortest still shows."""
    width = max(0.4, min(100.0, bar.lasts / scale * 100))
    left = min(100.0 - width, bar.begins / scale * 100)
    return {
        "phase": bar.phase,
        "failed": bar.failed,
        "left": f"{left:.2f}%",
        "width": f"{width:.2f}%",
        "lasts": format_duration(bar.lasts),
    }


def web_link(url: str) -> str:
    """The URL when a browser may follow it, else nothing: `javascript:` in a configuration stays text."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    # What is masked leads nowhere.
    return url if parts.scheme in ("http", "https") and parts.netloc and MASK not in url else ""
