"""The machine's other work: for how long we were ready to run and another program ran.

On a crowded machine even the kernel's stamps come late, and a clock that was read before a request may be read long
before it. The event loop sees nothing of that: what it waits for is late, not it.
"""

from __future__ import annotations

import os
import threading
from bisect import bisect_right
from collections.abc import Callable

from probe.clock import Clock

_LEAST = 0.002  # s: less is the ordinary life of a scheduler
_FRESH = 0.001  # s for which a look counts as one of now
_KEPT = 4096  # looks remembered: runs look back as far as their own start only


class Contention:
    """Looks at a count of seconds that only grows, and says how much it grew while something went on."""

    def __init__(self, clock: Clock, waited: Callable[[], float]) -> None:
        self._clock = clock
        self._waited = waited
        self._at: list[float] = [clock.monotonic()]
        self._seconds: list[float] = [waited()]

    def look(self) -> None:
        now = self._clock.monotonic()
        if now - self._at[-1] < _FRESH:
            return
        self._at.append(now)
        self._seconds.append(self._waited())
        if len(self._at) > 2 * _KEPT:
            del self._at[:_KEPT], self._seconds[:_KEPT]

    def during(self, began: float) -> float:
        """Seconds that we waited for a processor since an instant, an estimate on the high side; 0.0 for hardly any."""
        self.look()
        first = max(0, bisect_right(self._at, began) - 1)
        grown = self._seconds[-1] - self._seconds[first]
        return grown if grown >= _LEAST else 0.0


def thread_wait() -> Callable[[], float]:
    """A function that says for how many seconds this thread has waited for a processor; 0.0 where no one counts that.

    Source: the second figure of /proc/PID/task/TID/schedstat (Linux, Documentation/scheduler/sched-stats.rst).
    """
    try:
        fd = os.open(f"/proc/self/task/{threading.get_native_id()}/schedstat", os.O_RDONLY | os.O_CLOEXEC)
        _figure(fd)
    except (OSError, ValueError, IndexError):
        return float
    return lambda: _figure(fd)


def _figure(fd: int) -> float:
    return int(os.pread(fd, 64, 0).split()[1]) / 1e9
