"""`/api/v1/vitals`: how Probe itself does, and which checks to look at first. What `probe top` shows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import nlargest, nsmallest
from importlib.metadata import version
from typing import Any

from aiohttp import web

from probe.web import shape
from probe.web.answer import json_answer
from probe.web.base import CheckView
from probe.web.order import WORST_FIRST, urgency
from probe.web.query import only, parse_number
from probe.web.shape import Json
from probe.web.site import SITE, Site, Turn
from thresholds.base import Level, State
from thresholds.measured import timed

MOST = 200  # checks in each list
USUAL = 20
_AT_ONCE = 250  # checks that are looked at in one go


async def vitals(request: web.Request) -> web.Response:
    """Processes, queues, store and receivers; what is wrong with ourselves; the checks that fail, and the slowest."""
    site, query = request.app[SITE], request.query
    only(query, ("limit",))
    survey = await _survey(site, parse_number(query, "limit", USUAL, 0, MOST))
    value = {
        "instance": site.instance,
        "version": version("probe"),
        "at": shape.instant(site.clock.now_ms()),
        "trouble": site.control.unready(),
        "counts": {shape.word(level): count for level, count in survey.counts.items()},
        "incidents": survey.incidents,
        "ourselves": [_subject(name, state) for name, state in sorted(site.board.own_states().items()) if _bad(state)],
        **dated(site.control.report()),
        "failing": [_check(view) for view in survey.failing],
        "slowest": [_check(view) for view in survey.slowest],
    }
    return await json_answer(request, shape.redacted(value, site.redact))


@dataclass(slots=True)
class Survey:
    """All checks, looked through."""

    limit: int
    counts: dict[Level, int] = field(default_factory=lambda: dict.fromkeys(WORST_FIRST, 0))
    incidents: int = 0
    failing: list[CheckView] = field(default_factory=list)  # worst first, then longest
    slowest: list[CheckView] = field(default_factory=list)  # by the last run, of those whose last run did not fail

    def take(self, views: Sequence[CheckView]) -> None:
        for view in views:
            self.counts[view.state.level] += 1
            self.incidents += bool(view.state.incident)
        self.failing = nsmallest(self.limit, (*self.failing, *filter(_failing, views)), key=urgency)
        self.slowest = nlargest(self.limit, (*self.slowest, *filter(_answered, views)), key=_duration)


async def _survey(site: Site, limit: int) -> Survey:
    survey, turn, views = Survey(limit), Turn(), list(site.board.views())
    for start in range(0, len(views), _AT_ONCE):
        survey.take(views[start : start + _AT_ONCE])
        await turn.yielded()
    return survey


def _failing(view: CheckView) -> bool:
    """Whether a check is not as it should be; one that has not run yet is."""
    return view.state.level.bad or (view.state.level is Level.UNKNOWN and view.last is not None)


def _answered(view: CheckView) -> bool:
    return view.last is not None and view.last.result.failure is None


def _duration(view: CheckView) -> float:
    return 0.0 if view.last is None else view.last.result.duration


def _check(view: CheckView) -> Json:
    planned, state = view.planned, view.state
    return {
        "name": planned.name,
        "target": planned.spec.check.target,
        "level": shape.word(state.level),
        "since": shape.instant(state.since_ms),
        "reason": state.reason,
        "duration": None if view.last is None or not timed(view.last.result) else round(_duration(view), 6),
    }


def _bad(state: State) -> bool:
    return state.level.bad


def _subject(name: str, state: State) -> Json:
    """Something that is wrong with Probe itself, under the name that its alerts have."""
    since = shape.instant(state.since_ms)
    return {"name": f"probe/{name}", "level": shape.word(state.level), "since": since, "reason": state.reason}


def dated(value: Any) -> Any:
    """Plain values whose instants, Unix ms under names in _ms, are texts under names without it."""
    if isinstance(value, Mapping):
        return dict(_dated(value.items()))
    return [dated(part) for part in value] if isinstance(value, (list, tuple)) else value


def _dated(items: Iterable[tuple[str, Any]]) -> Iterable[tuple[str, Any]]:
    for name, value in items:
        yield (name.removesuffix("_ms"), shape.instant(value)) if name.endswith("_ms") else (name, dated(value))
