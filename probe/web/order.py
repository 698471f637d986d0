"""Which checks are shown, and in which order: worst first, then longest. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass

from probe.web.base import CheckView
from thresholds.base import Level

WORST_FIRST = (Level.DOWN, Level.DEGRADED, Level.UNKNOWN, Level.UP)
_RANK = {level: rank for rank, level in enumerate(WORST_FIRST)}
_NEVER = 1 << 62  # a check that did not run yet comes after those that have stood at its level for long


def urgency(view: CheckView) -> tuple[int, int, str]:
    """The sort key of what an operator should look at first; the name makes the order stable."""
    state = view.state
    return _RANK[state.level], state.since_ms or _NEVER, view.planned.name


def worst(views: Collection[CheckView], most: int) -> list[CheckView]:
    """The `most` checks to look at first, in order. Cheaper than to sort them all."""
    return heapq.nsmallest(most, views, key=urgency)


def counts(views: Iterable[CheckView]) -> dict[Level, int]:
    """How many checks stand at each level, worst first; every level is there."""
    found = dict.fromkeys(WORST_FIRST, 0)
    for view in views:
        found[view.state.level] += 1
    return found


@dataclass(frozen=True, slots=True)
class Filter:
    """What somebody asked to see. Empty parts ask for nothing."""

    levels: frozenset[Level] = frozenset()
    service: str = ""
    words: tuple[str, ...] = ()  # casefolded; each must occur somewhere

    def takes(self, view: CheckView, redact: Callable[[str], str], also: str = "") -> bool:
        """Whether it was asked for; `also` is looked through like the rest.

        `redact` comes first: a search must not tell whether it has guessed a secret.
        """
        if self.levels and view.state.level not in self.levels:
            return False
        if self.service and view.planned.service != self.service:
            return False
        if not self.words:
            return True
        text = redact(f"{searchable(view)}\n{also}").casefold()
        return all(word in text for word in self.words)


def searchable(view: CheckView) -> str:
    """All that a search looks through."""
    planned, state = view.planned, view.state
    seen = (planned.name, planned.spec.check.target, planned.service, state.level.name, state.reason)
    return "\n".join((*seen, unseen(view)))


def unseen(view: CheckView) -> str:
    """What a search looks through and the table does not show."""
    planned = view.planned
    return "\n".join((planned.type, planned.owner, *(f"{name}={value}" for name, value in planned.labels.items())))
