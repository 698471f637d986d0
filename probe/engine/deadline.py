"""Deadlines of runs: one timer for all of them instead of one for each, which only ever gets cancelled.

What counts is the time that a run has spent in its phases: what our loop did between them is not the target's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from checks.core.result import Trace
from probe.clock import Clock, Timer

_GRAIN = 0.001  # s: less is not worth another wait
_MOST = 2.0  # times the timeout, after which nothing counts any more


class Deadline:
    """When a task is cut off. `expired` once it was: the CancelledError that it gets is its time running out."""

    __slots__ = ("at", "expired", "seconds", "task", "trace")

    def __init__(self, task: asyncio.Task[object], trace: Trace, seconds: float) -> None:
        self.task: asyncio.Task[object] | None = task
        self.trace = trace
        self.seconds = seconds
        self.at = trace.began + seconds
        self.expired = False

    def left(self, now: float) -> float:
        """Seconds that the run has not spent yet."""
        return min(self.seconds - self.trace.duration(), self.trace.began + _MOST * self.seconds - now)


class Deadlines:
    """Cancels tasks whose time is up. Runs of one timeout end in the order they began in: a queue per timeout does.

    `look` is called before anybody is cut off, and again in the next turn of the loop while it says so: what he waits
    for may be there already.
    """

    def __init__(self, clock: Clock, look: Callable[[], bool] = lambda: False) -> None:
        self._clock = clock
        self._look = look
        self._queues: dict[float, deque[Deadline]] = {}
        self._timer: Timer | None = None
        self._armed = 0.0

    def begin(self, trace: Trace, seconds: float) -> Deadline:
        """Give the current task so long, from the beginning of its run on."""
        task = asyncio.current_task()
        assert task is not None
        deadline = Deadline(task, trace, seconds)
        queue = self._queues.get(seconds)
        if queue is None:
            queue = self._queues[seconds] = deque()
        queue.append(deadline)
        if self._timer is None or deadline.at < self._armed:
            self._arm(deadline.at)
        return deadline

    def end(self, deadline: Deadline) -> None:
        """The task made it, or not: it is no longer watched."""
        deadline.task = None
        queue = self._queues.get(deadline.seconds)
        while queue and queue[0].task is None:
            queue.popleft()
        if queue is not None and not queue:
            del self._queues[deadline.seconds]

    def _arm(self, at: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._armed = at
        self._timer = self._clock.call_at(at, self._strike)

    def _strike(self) -> None:
        self._timer = None
        now = self._clock.monotonic()
        if self._look():
            self._arm(now)
            return
        for deadline in [one for queue in self._queues.values() for one in _due(queue, now)]:
            self._strike_one(deadline)
        following = [at for queue in self._queues.values() if (at := _next(queue)) is not None]
        if following and self._timer is None:
            self._arm(min(following))

    def _strike_one(self, deadline: Deadline) -> None:
        """Cut a run off, or come back when it has spent its time."""
        if deadline.task is None or deadline.expired:
            return
        now = self._clock.monotonic()
        left = deadline.left(now)
        if left > _GRAIN:
            self._clock.call_at(now + left, lambda: self._strike_late(deadline))
        else:
            deadline.expired = True
            deadline.task.cancel()

    def _strike_late(self, deadline: Deadline) -> None:
        if self._look():
            self._clock.call_at(self._clock.monotonic(), lambda: self._strike_late(deadline))
        else:
            self._strike_one(deadline)


def _due(queue: deque[Deadline], now: float) -> list[Deadline]:
    """Those whose instant has come, taken out of the queue."""
    due = []
    while queue and queue[0].at <= now:
        due.append(queue.popleft())
    return due


def _next(queue: deque[Deadline]) -> float | None:
    return queue[0].at if queue else None
