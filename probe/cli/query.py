"""`probe query`: what was, from the database itself. The service may run meanwhile, or not at all."""

from __future__ import annotations

from probe.cli.query_answers import ANSWERS
from probe.cli.query_asked import Asked, Question, span_of
from probe.cli.query_table import Found, show
from probe.clock import Clock, SystemClock
from probe.config.model import Config
from probe.engine.records import Records
from probe.store.base import Store
from probe.store.onlooker import look_into

WHAT = tuple(ANSWERS)
_UNLISTED = {"objectives", "series"}  # of which there is no list of checks
_DAY = 86_400_000  # ms

__all__ = ["WHAT", "Asked", "Found", "ask", "find", "show"]


async def ask(config: Config, store_url: str, asked: Asked) -> Found:
    """The answer from the database at a URL. Raises StoreError, and ValueError."""
    store = await look_into(store_url)
    try:
        return await find(config, store, asked, SystemClock())
    finally:
        await store.close()


async def find(config: Config, store: Store, asked: Asked, clock: Clock) -> Found:
    """The answer; ValueError with one line where the question makes no sense. Raises StoreError."""
    if asked.checks and asked.what in _UNLISTED:
        raise ValueError(f"--checks does not go with {asked.what}")
    if asked.dated and asked.what == "objectives":
        raise ValueError(
            "objectives stand as of now, each over its own period: --since and --until do not go with them; "
            "`probe query availability` is of any time"
        )
    now_ms = clock.now_ms()
    # A day more: in zones east of Greenwich a calendar's span begins earlier.
    since_ms = span_of(asked.since, asked.until, now_ms, "UTC")[0] - _DAY
    records = await Records.read(config, store, clock, max(0, min(since_ms, now_ms - 400 * _DAY)))
    return await ANSWERS[asked.what](Question(config, store, records, asked, now_ms))
