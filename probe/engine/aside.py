"""Work beside the loop that may hang: in a thread that nobody waits for for ever. A disk may never answer."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from typing import Generic, TypeVar, cast

T = TypeVar("T")


class Aside(Generic[T]):
    """One kind of work, done by one thread at a time: while one hangs, no other one is sent after it."""

    def __init__(self, name: str, work: Callable[[], T]) -> None:
        self._name = name
        self._work = work
        self._under_way: asyncio.Future[T] | None = None

    async def ask(self, limit: float) -> T:
        """What the work comes to. Raises what it raises, and TimeoutError when it is not done in so many seconds."""
        if self._under_way is None or self._under_way.done():
            self._under_way = self._begin()
        async with asyncio.timeout(limit):
            return await asyncio.shield(self._under_way)

    def _begin(self) -> asyncio.Future[T]:
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        done.add_done_callback(_seen)

        def settle(value: T | None, error: Exception | None) -> None:
            if done.done():
                return
            done.set_exception(error) if error else done.set_result(cast("T", value))

        def work() -> None:
            outcome: tuple[T | None, Exception | None]
            try:
                outcome = self._work(), None
            except Exception as error:  # noqa: BLE001  # raised again where it is waited for
                outcome = None, error
            with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(settle, *outcome)

        threading.Thread(target=work, name=self._name, daemon=True).start()
        return done


def _seen(done: asyncio.Future[T]) -> None:
    """An error that came after nobody waited for it any more is nobody's."""
    if not done.cancelled():
        done.exception()
