"""This process: what the kernel says of it, how many open files it may have, and how little its garbage keeps it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import math
import resource
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from weakref import WeakSet

from checks.core.poller import slice_end

_SPARE = 256  # open files that are not for runs: the database, pages, name servers, alerts
_LEAST = 16  # runs at once, however low the limit is
_ENDLESS = 1 << 20  # open files, where a system says that there is no limit
_ROUND = 1024
_SWEEP = 0.04  # s between two looks at new objects
_OLDER = 3  # looks of which one is at what the two before it have left, too
_ALL = 90_000  # looks of which one is at everything but what stays: an hour
_WARM = (375, 1875, 8250)  # looks after which checks of every 10 s, minute and 5 minutes have run: what they made stays
_BURST = (100_000, 20, 1_000)  # new objects, and collections of a generation, that a turn of the loop may bring at most
_SWITCH = 0.0005  # s that a thread may keep the interpreter while the loop waits for it: the store has one
_STATM = Path("/proc/self/statm")
_FDS = Path("/proc/self/fd") if sys.platform == "linux" else Path("/dev/fd")
_PAGE = resource.getpagesize()  # bytes
_MAXRSS_UNIT = 1 if sys.platform == "darwin" else 1024  # bytes: getrusage(2) of each system


@dataclass(frozen=True, slots=True)
class Usage:
    """What this process has used up to now, and has open."""

    cpu: float  # s of processor time, user and system
    rss: int  # bytes
    fds: int
    fd_limit: int


def own_usage() -> Usage:
    """This process now. Takes 30 us, whatever the number of open files (before Linux 6.2: 1 us each)."""
    return Usage(time.process_time(), _memory(), _open_files(), _limit())


def _memory() -> int:
    try:
        return int(_STATM.read_bytes().split()[1]) * _PAGE
    except (OSError, IndexError, ValueError):  # no /proc: the most that there ever was
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _MAXRSS_UNIT


def _open_files() -> int:
    try:
        # Since Linux 6.2 the size of this folder is the number of files in it. To list 10,000 takes 10 ms.
        return _FDS.stat().st_size or sum(1 for _ in _FDS.iterdir()) - 1
    except OSError:  # none is left to look with
        return _limit()


def _limit() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENDLESS if soft == resource.RLIM_INFINITY else soft


def hard_limit() -> int:
    """Open files that a process of this user may have at most."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _ENDLESS if hard == resource.RLIM_INFINITY else hard


def most_at_once() -> int:
    """Raise the limit of open files as far as this process may; how many runs may then be under way at once in it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # some systems refuse "unlimited"
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return seats_within(_limit())


def seats_within(limit: int) -> int:
    """Runs that may be under way at once in a process with so many open files; each holds one."""
    return max(_LEAST, limit - _SPARE)


def limit_for(runs: int) -> int:
    """Open files that a process needs for so many runs at once, rounded up."""
    return math.ceil((runs + _SPARE) / _ROUND) * _ROUND


def settle() -> None:
    """From now on garbage collection and other threads keep the running loop waiting for a millisecond or two at most.

    What is there now is loaded for good, and no collection looks at it again. None is left to come by itself, at the
    one object too many, with all that is new to look at: 20,000 objects took 30 ms.
    """
    gc.freeze()
    gc.set_threshold(*_BURST)
    sys.setswitchinterval(_SWITCH)
    loop = asyncio.get_running_loop()
    if loop not in _swept:
        _swept.add(loop)
        _Sweep(loop)


class _Sweep:
    """Collects garbage in small portions, in turns of its loop.

    To look at an object takes half a microsecond, and more with cold caches. Runs leave no cycles behind, so that what
    is old and was missed may wait for an hour: then all that is not frozen is looked at, with 20,000 checks for 40 ms.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._looks = 0
        self._arm()

    def _arm(self) -> None:
        # With whoever else wakes at the end of a slice: a wake-up costs more than a look.
        self._loop.call_at(slice_end(self._loop.time(), _SWEEP), self._look)

    def _look(self) -> None:
        self._looks += 1
        if self._looks in _WARM:
            gc.collect(1)  # garbage would be kept for ever
            gc.freeze()
        elif self._looks % _ALL == 0:
            gc.collect()
        else:
            gc.collect(0 if self._looks % _OLDER else 1)
        self._arm()


_swept: WeakSet[asyncio.AbstractEventLoop] = WeakSet()
