"""Counts how long each turn of an event loop keeps it, in every process that has this folder in its PYTHONPATH.

A turn is what a loop does between two waits. It counts as what it took, but as no more than what the process had of
the processors meanwhile: waiting for a core is the machine's doing. All threads count, for one of them may have kept
the interpreter. Counts are in a file for each process in the folder that PROBE_TURNS names; turns.py reads them.
"""

from __future__ import annotations

import mmap
import os
import selectors
import time
from collections.abc import Callable
from pathlib import Path

STEP = 0.0001  # s: the first count is of turns up to so long, the next of those up to twice that
STEPS = 2000  # and the last one of all that are longer


def counting(folder: Path) -> Callable[[float], None]:
    """Count turns of so many seconds in a file of this process; whoever reads it sees each at once."""
    path = folder / str(os.getpid())
    path.write_bytes(bytes(8 * STEPS))
    with path.open("r+b") as file:
        counts = memoryview(mmap.mmap(file.fileno(), 0)).cast("Q")

    def count(seconds: float) -> None:
        counts[min(int(seconds / STEP), STEPS - 1)] += 1

    return count


class Observed(selectors.EpollSelector):
    """The selector of a loop, which is asked at the end of a turn and answers at the beginning of the next."""

    def __init__(self) -> None:
        super().__init__()
        self._count: Callable[[float], None] | None = None
        self._woke = self._used = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if self._count is None:
            self._count = counting(Path(os.environ["PROBE_TURNS"]))
        else:
            self._count(min(time.perf_counter() - self._woke, time.process_time() - self._used))
        events = super().select(timeout)
        self._woke, self._used = time.perf_counter(), time.process_time()
        return events


if "PROBE_TURNS" in os.environ:
    vars(selectors)["DefaultSelector"] = Observed  # what asyncio makes its loops with
