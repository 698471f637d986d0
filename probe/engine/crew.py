"""Tasks that go on until they are told to end. One that ends by itself has a bug, and that is said loudly."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine


class Crew:
    """Tasks by name, started and ended while `run` holds them together."""

    def __init__(self, kind: str) -> None:
        self._kind = kind
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._failed: asyncio.Future[None] | None = None

    async def run(self) -> None:
        """Wait for ever; raise what a task raised, or RuntimeError for one that just ended."""
        self._failed = asyncio.get_running_loop().create_future()
        try:
            await self._failed
        finally:
            await self.stop()

    def start(self, name: str, work: Coroutine[None, None, None]) -> None:
        task = asyncio.create_task(work, name=f"{self._kind} {name}")
        task.add_done_callback(self._ended)
        self._tasks[name] = task

    def end(self, name: str) -> None:
        self._tasks.pop(name).cancel()

    async def stop(self) -> None:
        """End all and wait for them."""
        tasks = list(self._tasks.values())
        self._tasks.clear()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _ended(self, task: asyncio.Task[None]) -> None:
        asked = all(task is not running for running in self._tasks.values())
        if asked or self._failed is None or self._failed.done():
            return
        error = None if task.cancelled() else task.exception()
        self._failed.set_exception(error or RuntimeError(f"{task.get_name()} ended"))
