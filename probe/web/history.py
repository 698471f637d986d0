"""What the store remembers of one check. A store that cannot say is a line on the page, not the end of it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass

from probe.store.base import Kept, Store, StoreError
from thresholds.base import Transition

_WITHIN = 5.0  # s
FOREVER = 1 << 53  # Unix ms; not "now": a wall clock that was set back must not hide what has just happened


@dataclass(frozen=True, slots=True)
class Window:
    """Which results and transitions: half-open, Unix ms, the newest `limit` of them."""

    since_ms: int
    until_ms: int
    limit: int


@dataclass(frozen=True, slots=True)
class History:
    """Oldest first. Empty when there is a `problem`."""

    results: Sequence[Kept] = ()
    transitions: Sequence[Transition] = ()
    problem: str = ""


async def read(store: Store, check: str, window: Window) -> History:
    span = window.since_ms, window.until_ms, window.limit
    try:
        async with asyncio.timeout(_WITHIN):
            return History(await store.results(check, *span), await store.transitions(check, *span))
    except StoreError as error:
        return History(problem=f"the store did not answer: {error}")
    except TimeoutError:
        return History(problem=f"the store did not answer within {_WITHIN:g} s")
