"""Flap detection on the confirmed level: how much it has changed lately, recent changes weighing more. Pure.

The algorithm is Nagios' (base/flapping.c): the last 21 states, of which the 20 possible changes weigh from 0.75 for
the oldest to 1.25 for the newest; their sum is a percentage of 20.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import pairwise

from thresholds.base import Level

KEPT = 21  # states: Nagios' MAX_STATE_HISTORY_ENTRIES
_STEP = (1.25 - 0.75) / (KEPT - 2)
_WEIGHTS = tuple(0.75 + change * _STEP for change in range(KEPT - 1))  # oldest first


def remember(states: str, before: Level, after: Level) -> str:
    """The last states, oldest first, a digit each; "" for 21 equal ones, which is how nearly every check stands."""
    if not states and before is after:
        return ""
    states = (states or str(int(before)) * KEPT)[1:] + str(int(after))
    return "" if states == states[0] * KEPT else states


def changes(states: str) -> int:
    """How often the state changed among those that are remembered."""
    return sum(one != other for one, other in pairwise(states))


def percentage(states: str) -> float:
    """The weighted share of changes, 0 to 100."""
    weights = (weight for weight, (one, other) in zip(_WEIGHTS, pairwise(states), strict=True) if one != other)
    return sum(weights) * 100 / (KEPT - 1) if states else 0.0


@lru_cache(maxsize=4096)  # what follows a change are the same twenty, nearly always
def is_flapping(states: str, *, was: bool, low: float, high: float) -> bool:
    """Whether a check flaps: from `high` % on, until it is at `low` % or less. In between it goes on as it was."""
    share = percentage(states)
    return share >= high or (was and share > low)
