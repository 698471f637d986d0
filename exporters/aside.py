"""Work that blocks, in threads of its own: so many and no more, and none that the end of the program waits for.

A thread cannot be stopped. What never ends keeps its place here, and only those that are counted with it notice.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import Future
from threading import Lock, Thread
from typing import TypeVar

Result = TypeVar("Result")


class BusyError(Exception):
    """Too much is still at work. The text says how much."""


class Aside:
    """At most `most` at work at once, and at most `each` of those that share a key."""

    def __init__(self, name: str, most: int, each: int) -> None:
        self._name = name
        self._most = most
        self._each = each
        self._lock = Lock()
        self._at_work: Counter[str] = Counter()

    async def run(self, key: str, work: Callable[[], Result]) -> Result:
        """What the work returns or raises. Cancelled, it goes on all the same, and nobody hears of it."""
        self._enter(key)
        told: Future[Result] = Future()
        told.set_running_or_notify_cancel()  # so that a cancellation here leaves it something to tell
        try:
            Thread(target=self._work, args=(key, work, told), name=self._name, daemon=True).start()
        except RuntimeError:  # no more threads
            self._leave(key)
            raise BusyError("no thread can be started") from None
        return await asyncio.wrap_future(told)

    def _work(self, key: str, work: Callable[[], Result], told: Future[Result]) -> None:
        try:
            result = work()
        except Exception as error:  # noqa: BLE001  # whoever waits for it is told
            self._leave(key)
            told.set_exception(error)
        else:
            self._leave(key)
            told.set_result(result)

    def _enter(self, key: str) -> None:
        with self._lock:
            if self._at_work[key] >= self._each:
                raise BusyError(f"{self._at_work[key]} earlier ones are still under way")
            if self._at_work.total() >= self._most:
                raise BusyError(f"{self._most} of other receivers are still under way")
            self._at_work[key] += 1

    def _leave(self, key: str) -> None:
        with self._lock:
            self._at_work[key] -= 1
            if not self._at_work[key]:
                del self._at_work[key]
