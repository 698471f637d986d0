"""Deadlines of runs: one timer for all of them instead of one for each, which only ever gets cancelled."""

from __future__ import annotations

import asyncio
from collections import deque

from probe.clock import Clock, Timer


class Deadline:
    """When a task is cut off. `expired` once it was: the CancelledError that it gets is its time running out."""

    __slots__ = ("at", "expired", "task")

    def __init__(self, task: asyncio.Task[object], at: float) -> None:
        self.task: asyncio.Task[object] | None = task
        self.at = at
        self.expired = False


class Deadlines:
    """Cancels tasks whose time is up. Runs of one timeout end in the order they began in: a queue per timeout does."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._queues: dict[float, deque[Deadline]] = {}
        self._timer: Timer | None = None
        self._armed = 0.0

    def begin(self, began: float, seconds: float) -> Deadline:
        """Give the current task so long, from an instant of the monotonic clock on."""
        task = asyncio.current_task()
        assert task is not None
        deadline = Deadline(task, began + seconds)
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = deque()
        queue.append(deadline)
        if self._timer is None or deadline.at < self._armed:
            self._arm(deadline.at)
        return deadline

    def end(self, deadline: Deadline, seconds: float) -> None:
        """The task made it, or not: it is no longer watched."""
        deadline.task = None
        queue = self._queues[seconds]
        while queue and queue[0].task is None:
            queue.popleft()
        if not queue:
            del self._queues[seconds]

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = at
        self._timer = self._clock.call_at(at, self._strike)

    def _strike(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        following = None
        for queue in self._queues.values():
            for deadline in queue:
                if deadline.at > now:
                    following = deadline.at if following is None else min(following, deadline.at)
                    break
                if deadline.task is not None and not deadline.expired:
                    deadline.expired = True
                    deadline.task.cancel()
        if following is not None:
            self._arm(following)
