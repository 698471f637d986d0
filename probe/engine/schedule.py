"""When a check runs: a grid of instants, offset by its name. Pure."""

from __future__ import annotations

import math
from dataclasses import dataclass
from zlib import crc32


@dataclass(frozen=True, slots=True)
class Grid:
    """Instants `origin + k * every` on the monotonic clock, in seconds."""

    origin: float
    every: float

    def next_due(self, now: float) -> float:
        """The first instant of the grid after `now`."""
        return self.origin + (math.floor((now - self.origin) / self.every) + 1) * self.every

    def missed(self, due: float, following: float) -> int:
        """How many instants were skipped between two runs."""
        return max(0, round((following - due) / self.every) - 1)


def grid(name: str, every: float, now_ms: int, monotonic: float) -> Grid:
    """The grid of a check: the same instants of the wall clock after every restart, other ones for every name.

    The offset spreads checks of one interval evenly from the first second on. After the start only the monotonic
    clock counts: a corrected wall clock neither skips nor repeats a run.
    """
    offset = crc32(name.encode()) / 2**32 * every
    into = (now_ms / 1000 - offset) % every
    return Grid(monotonic - into, every)
