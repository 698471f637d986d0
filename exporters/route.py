"""Which routes an incident takes: the first that matches, and the next ones where it says `continue`. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache

from thresholds.base import Level
from thresholds.hours import Hours


@dataclass(frozen=True, slots=True)
class Route:
    """One line of `alerts.routes`. `match` holds what labels must be, as `matches` reads it.

    `level` is the least level that it takes. With `by`, incidents that have these labels in common are told together.
    """

    to: tuple[str, ...]
    match: Mapping[str, str | tuple[str, ...]] = field(default_factory=dict)
    level: Level = Level.DEGRADED
    go_on: bool = False
    when: Hours | None = None  # None: always
    by: tuple[str, ...] = ()
    wait: float = 0.0  # s before the first message
    interval: float = 300.0  # s between two messages about changes
    repeat: float = 0.0  # s after which it is told again that it lasts; 0: never
    name: str = ""  # as people say it: "route 2"


@dataclass(frozen=True, slots=True)
class Step:
    """One route that was looked at, and why it was taken or not."""

    route: Route
    taken: bool
    why: str


def matches(wanted: str | tuple[str, ...], value: str) -> bool:
    """Whether a label is as wanted: the same, one of several, or after `~` as a regular expression of all of it.

    A `!` before it wants the contrary.
    """
    if isinstance(wanted, tuple):
        return value in wanted
    if wanted.startswith("!"):
        return not matches(wanted[1:], value)
    if wanted.startswith("~"):
        return compiled(wanted[1:]).fullmatch(value) is not None
    return value == wanted


@lru_cache(maxsize=1000)
def compiled(pattern: str) -> re.Pattern[str]:
    """A regular expression of the configuration, compiled once. Raises re.error."""
    return re.compile(pattern)


def mismatch(match: Mapping[str, str | tuple[str, ...]], labels: Mapping[str, str]) -> str:
    """The first label that is not as wanted, in words; "" where all are."""
    for name, wanted in match.items():
        value = labels.get(name, "")
        if not matches(wanted, value):
            said = " or ".join(wanted) if isinstance(wanted, tuple) else wanted
            return f"{name} is {value or 'not set'}, wanted {said or 'not set'}"
    return ""


def explain(routes: Sequence[Route], labels: Mapping[str, str], level: Level, at_ms: int) -> list[Step]:
    """Every route up to the last that is looked at, and why it was taken or not.

    `level` is the worst that the incident has been: who was told that it is DOWN is told when it gets better.
    """
    steps: list[Step] = []
    for route in routes:
        why = _objection(route, labels, level, at_ms)
        steps.append(Step(route, not why, why or "it matches"))
        if not why and not route.go_on:
            break
    return steps


def _objection(route: Route, labels: Mapping[str, str], level: Level, at_ms: int) -> str:
    if level < route.level:
        return f"level is {level.name}, wanted {route.level.name}"
    if labels.get("severity") == "log" and "severity" not in route.match:
        return "severity is log, which goes only where a route asks for it"
    if why := mismatch(route.match, labels):
        return why
    if route.when is not None and not route.when.hold(at_ms):
        return f"it is not {route.when}"
    return ""


def chosen(routes: Sequence[Route], labels: Mapping[str, str], level: Level, at_ms: int) -> list[Route]:
    """The routes that an incident takes."""
    return [step.route for step in explain(routes, labels, level, at_ms) if step.taken]
