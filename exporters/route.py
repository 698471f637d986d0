"""Who is told: the first route that matches, and the next ones where it says `continue`. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from thresholds.base import Level


@dataclass(frozen=True, slots=True)
class Route:
    """One line of `alerts.routes`. `match` holds wanted labels; `level` is the least level that it takes."""

    to: tuple[str, ...]
    match: Mapping[str, str] = field(default_factory=dict)
    level: Level = Level.DEGRADED
    go_on: bool = False


def receivers(routes: Sequence[Route], labels: Mapping[str, str], level: Level) -> tuple[str, ...]:
    """The names of the receivers to tell, each once, in the order of the routes.

    `level` is the worst that the incident has been: who was told that a check is DOWN is told when it gets better.
    `labels` are those of the check, with `check`, `service`, `owner` and `type` among them.
    """
    names: dict[str, None] = {}
    for route in routes:
        if level >= route.level and all(labels.get(name, "") == value for name, value in route.match.items()):
            names.update(dict.fromkeys(route.to))
            if not route.go_on:
                break
    return tuple(names)
