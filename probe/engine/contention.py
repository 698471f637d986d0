"""The machine's other work: for how long others had it when packets had to be taken in.

Packets are taken in by softirqs. When there are many, a kernel thread per processor does it (ksoftirqd), which has to
wait for its turn like everybody; and a virtual machine is stopped as a whole while its host has other work (steal).
Then even the kernel's stamps come late, and our event loop sees nothing of it.
"""

from __future__ import annotations

import os
from bisect import bisect_left, bisect_right
from collections.abc import Callable
from pathlib import Path

from probe.clock import Clock

_LEAST = 0.001  # s: less is the ordinary life of a scheduler
_FRESH = 0.005  # s between two looks that no run asks for: one costs some 20 us
_STEAL = 8  # which word of the first line of /proc/stat
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
        if now - self._at[-1] >= _FRESH:
            self._look(now)

    def _look(self, now: float) -> None:
        self._at.append(now)
        self._seconds.append(self._waited())
        if len(self._at) > 2 * _KEPT:
            del self._at[:_KEPT], self._seconds[:_KEPT]

    def during(self, began: float, ended: float) -> float:
        """Seconds that were waited between two instants, an estimate on the high side; 0.0 for hardly any.

        No more than the time between them: looks may lie further apart, where our own loop was stopped.
        """
        if self._at[-1] < ended:
            self._look(self._clock.monotonic())
        first = max(0, bisect_right(self._at, began) - 1)
        last = min(len(self._at) - 1, bisect_left(self._at, ended))
        grown = self._seconds[last] - self._seconds[first]
        return min(grown, max(0.0, ended - began)) if grown >= _LEAST else 0.0


def machine_wait(proc: Path = Path("/proc")) -> Callable[[], float]:
    """A function that says for how many seconds in all the kernel's network threads have waited, and we were stolen.

    0.0 where nobody counts that; inside a container the threads are not to be seen. Sources: the second figure of
    /proc/PID/schedstat (Linux, Documentation/scheduler/sched-stats.rst), the eighth of /proc/stat (proc(5)).
    """
    files = [_opened(folder / "schedstat", 1) for folder in proc.iterdir() if _named(folder)]
    threads = [fd for fd in files if fd is not None]
    machine = _opened(proc / "stat", _STEAL)
    tick = 1 / os.sysconf("SC_CLK_TCK")

    def waited() -> float:
        stolen = _figure(machine, _STEAL) * tick if machine is not None else 0.0
        return stolen + sum(_figure(fd, 1) for fd in threads) / 1e9

    return waited


def _named(folder: Path) -> bool:
    try:
        return folder.name.isdigit() and (folder / "comm").read_text().startswith("ksoftirqd/")
    except OSError:
        return False


def _opened(path: Path, place: int) -> int | None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        _figure(fd, place)
    except (OSError, ValueError, IndexError):
        return None
    return fd


def _figure(fd: int, place: int) -> int:
    return int(os.pread(fd, 200, 0).split(None, place + 1)[place])
