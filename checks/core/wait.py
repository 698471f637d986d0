"""Waiting for one thing, told by a plain call: the task that waits goes on at once, inside that call.

asyncio's own Future puts the news into the loop's queue, and the loop wakes the task in its next turn: a future, a
handle and half a dozen calls each time, a tenth of what a plain-HTTP run costs. This speaks the protocol of futures
that Task knows, and no more of it than that.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Generator
from contextvars import Context
from typing import Any


class Wait:
    """To be awaited by one task at a time, again and again.

    `wake` is for callbacks of the loop alone: one task cannot go on inside another.
    """

    __slots__ = ("_asyncio_future_blocking", "_cancelled", "_context", "_loop", "_resume")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._asyncio_future_blocking = False
        self._resume: Callable[[Any], object] | None = None
        self._context: Context | None = None
        self._cancelled = False

    def __await__(self) -> Generator[Any, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def wake(self) -> None:
        """Let the task go on, here and now. Nothing happens where nobody waits."""
        resume, context = self._resume, self._context
        if resume is not None and context is not None:
            self._resume = self._context = None
            context.run(resume, self)

    # What Task asks of what it waits for.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, resume: Callable[[Any], object], *, context: Context) -> None:
        self._resume = resume
        self._context = context

    def result(self) -> None:
        if self._cancelled:
            self._cancelled = False
            raise asyncio.CancelledError

    def cancel(self, msg: str | None = None) -> bool:  # noqa: ARG002  # Task gives it
        resume, context = self._resume, self._context
        if resume is None:
            return False
        self._cancelled = True
        self._resume = self._context = None
        self._loop.call_soon(resume, self, context=context)
        return True
