"""How long the event loops of a service at work were kept by its own doing: observer/sitecustomize.py counts it."""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.observer.sitecustomize import STEP, STEPS

_COUNTS = struct.Struct(f"={STEPS}Q")

Counts = Mapping[int, Sequence[int]]  # by process: turns of each length


@dataclass(frozen=True, slots=True)
class Observer:
    """Where processes with this environment write down how long turns of their loops took."""

    folder: Path

    @property
    def environment(self) -> Mapping[str, str]:
        self.folder.mkdir(exist_ok=True)
        paths = [str(Path(__file__).with_name("observer")), *filter(None, [os.environ.get("PYTHONPATH")])]
        return {"PYTHONPATH": os.pathsep.join(paths), "PROBE_TURNS": str(self.folder)}

    def counts(self) -> Counts:
        """Up to now."""
        return {int(path.name): _COUNTS.unpack(path.read_bytes()) for path in self.folder.iterdir()}


@dataclass(frozen=True, slots=True)
class Turns:
    """What the loop of one process did in a while: how many turns took up to so long, by steps of 0.1 ms."""

    lengths: Sequence[int]

    @property
    def count(self) -> int:
        return sum(self.lengths)

    @property
    def longest(self) -> float:
        """In seconds, rounded up to a step; 0.0 without any."""
        return next((place + 1 for place in reversed(range(STEPS)) if self.lengths[place]), 0) * STEP

    def above(self, seconds: float) -> int:
        return sum(self.lengths[round(seconds / STEP) :])


def during(before: Counts, after: Counts) -> Iterator[tuple[int, Turns]]:
    """What every process did between two looks."""
    for pid, counts in after.items():
        earlier = before.get(pid, [0] * STEPS)
        yield pid, Turns([late - early for late, early in zip(counts, earlier, strict=True)])
