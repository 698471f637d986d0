"""What a program exposes for Prometheus, read where it is wanted: the text of 20,000 checks has a hundred megabytes."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

_LE = re.compile(rb'le="([^"]+)"')


@dataclass(frozen=True, slots=True)
class Exposed:
    """One scrape."""

    body: bytes

    def total(self, name: str) -> float:
        """The sum of all series of a name: of all checks, or of all processes."""
        return sum(value for _, value in self._series(name))

    def buckets(self, name: str) -> Mapping[float, float]:
        """How many observations a histogram has up to each bound, over all its series."""
        counts: dict[float, float] = {}
        for labels, value in self._series(f"{name}_bucket"):
            found = _LE.search(labels)
            if found:
                bound = float(found[1])
                counts[bound] = counts.get(bound, 0.0) + value
        return dict(sorted(counts.items()))

    def _series(self, name: str) -> Iterator[tuple[bytes, float]]:
        start = b"\n" + name.encode()
        at = self.body.find(start)
        while at >= 0:
            end = self.body.find(b"\n", at + 1)
            line = self.body[at + len(start) : end if end >= 0 else None]
            if line[:1] in (b"{", b" "):
                labels, _, value = line.partition(b"} ") if line[:1] == b"{" else (b"", b"", line[1:])
                yield labels, float(value.split()[0])
            at = self.body.find(start, at + 1)


def between(before: Exposed, after: Exposed, name: str) -> Mapping[float, float]:
    """What a histogram counted between two scrapes, up to each bound."""
    earlier = before.buckets(name)
    return {bound: count - earlier.get(bound, 0.0) for bound, count in after.buckets(name).items()}


def quantile(buckets: Mapping[float, float], share: float) -> float:
    """A quantile of a histogram as Prometheus estimates it: even within a bucket. NaN without observations."""
    wanted = share * max(buckets.values(), default=0.0)
    lower, below = 0.0, 0.0
    for bound, count in buckets.items():
        if wanted and count >= wanted:
            if math.isinf(bound):
                return lower
            return lower + (bound - lower) * (wanted - below) / (count - below)
        lower, below = bound, count
    return math.nan


def above(buckets: Mapping[float, float], bound: float) -> int:
    """How many observations were over a bound, which has to be one of the buckets'."""
    return round(buckets[math.inf] - buckets[bound]) if buckets else 0
