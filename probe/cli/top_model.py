"""What a running service says of itself, and what happened between two such samples. No terminal, no network."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import accumulate
from typing import Annotated

import msgspec

_SPAN = 10.0  # s that rates and percentiles look back

Instant = Annotated[datetime, msgspec.Meta(tz=True)]


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts of seconds by bucket: the last one is of what is over every bound."""

    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    total: float = 0.0

    def since(self, before: Histogram) -> Histogram:
        """What was counted after `before`, a sample of the same process."""
        counts = tuple(max(0, now - then) for now, then in zip(self.counts, before.counts, strict=True))
        return Histogram(self.bounds, counts, self.total - before.total)

    def plus(self, other: Histogram) -> Histogram:
        if not self.counts:
            return other
        counts = tuple(one + two for one, two in zip(self.counts, other.counts, strict=True))
        return Histogram(self.bounds, counts, self.total + other.total)

    def quantile(self, share: float) -> float | None:
        """Seconds that a share of all values does not exceed, as Prometheus estimates it: evenly within a bucket.

        None without values; infinite for what is over every bound.
        """
        upto = [*accumulate(self.counts)]
        if not upto or not upto[-1]:
            return None
        rank = share * upto[-1]
        index = next(index for index, count in enumerate(upto) if count >= rank and self.counts[index])
        if index >= len(self.bounds):
            return math.inf
        low = self.bounds[index - 1] if index else 0.0
        return low + (self.bounds[index] - low) * (rank - upto[index] + self.counts[index]) / self.counts[index]


@dataclass(frozen=True, slots=True)
class Before:
    """What a process had counted some seconds ago."""

    at: Instant
    cpu: float
    runs: int
    missed: int
    dropped: Mapping[str, int]
    loop_lag: Histogram
    lateness: Histogram


@dataclass(frozen=True, slots=True)
class Process:
    """One process of the service. Counters are since its start."""

    process: str
    pid: int
    at: Instant
    cpu: float
    rss: int
    fds: int
    fd_limit: int
    checks: int
    runs: int
    missed: int
    in_flight: int
    seats: int
    lookups: int
    lag: float
    queued: int
    restarts: int
    dropped: Mapping[str, int]
    loop_lag: Histogram
    lateness: Histogram
    ended: bool = False  # there are fewer workers now
    before: Before | None = None


@dataclass(frozen=True, slots=True)
class Queue:
    name: str
    length: int
    dropped: int


@dataclass(frozen=True, slots=True)
class StoreFigures:
    size: int
    failures: int
    write: Histogram


@dataclass(frozen=True, slots=True)
class Receiver:
    name: str
    sent: int
    failed: int
    pending: int
    oldest: Instant | None


@dataclass(frozen=True, slots=True)
class Line:
    """A check, or a part of Probe itself, in a list of those to look at."""

    name: str
    level: str
    since: Instant | None
    reason: str
    target: str = ""
    duration: float | None = None


@dataclass(frozen=True, slots=True)
class Sample:
    """One answer of `/api/v1/vitals`."""

    instance: str
    version: str
    at: Instant
    trouble: str
    counts: Mapping[str, int]
    incidents: int
    ourselves: tuple[Line, ...]
    started: Instant | None
    processes: tuple[Process, ...]
    queues: tuple[Queue, ...]
    store: StoreFigures
    receivers: tuple[Receiver, ...]
    failing: tuple[Line, ...]
    slowest: tuple[Line, ...]


_decoder = msgspec.json.Decoder(Sample)


def read(body: bytes) -> Sample:
    """The sample in an answer; raises ValueError. Keys that are not known here are left alone."""
    return _decoder.decode(body)  # what it raises is a ValueError


@dataclass(frozen=True, slots=True)
class Pace:
    """What happened in a length of time.

    Before there are two samples rates are None, nothing is missed or dropped, and histograms are since the start.
    """

    cpu: float | None  # of one core
    runs: float | None  # per second
    missed: int
    dropped: int
    late: Histogram
    lag: Histogram


def pace(before: Process | Before | None, after: Process) -> Pace:
    """Of a process between two samples."""
    if before is None:
        return Pace(None, None, 0, 0, after.lateness, after.loop_lag)
    seconds = (after.at - before.at).total_seconds()
    return Pace(
        max(0.0, after.cpu - before.cpu) / seconds,
        max(0, after.runs - before.runs) / seconds,
        max(0, after.missed - before.missed),
        max(0, sum(after.dropped.values()) - sum(before.dropped.values())),
        after.lateness.since(before.lateness),
        after.loop_lag.since(before.loop_lag),
    )


def together(paces: Sequence[Pace]) -> Pace:
    """Of all processes."""
    late = lag = Histogram()
    for one in paces:
        late, lag = late.plus(one.late), lag.plus(one.lag)
    runs = [one.runs for one in paces if one.runs is not None]
    cpu = [one.cpu for one in paces if one.cpu is not None]
    missed, dropped = sum(one.missed for one in paces), sum(one.dropped for one in paces)
    return Pace(sum(cpu) if cpu else None, sum(runs) if runs else None, missed, dropped, late, lag)


class Window:
    """The samples of the last seconds."""

    def __init__(self) -> None:
        self._samples: deque[Sample] = deque()

    def take(self, sample: Sample) -> None:
        if self._samples and (sample.at < self.now.at or sample.started != self.now.started):
            self._samples.clear()  # another clock, or another life
        self._samples.append(sample)
        while len(self._samples) > 2 and (sample.at - self._samples[0].at).total_seconds() > _SPAN:
            self._samples.popleft()

    @property
    def now(self) -> Sample:
        return self._samples[-1]

    def paces(self) -> dict[str, Pace]:
        """Of every process of now, over the time for which it is known."""
        return {process.process: pace(self._before(process), process) for process in self.now.processes}

    def _before(self, process: Process) -> Process | Before | None:
        """The oldest word of the same process. A worker may have said nothing new since the last sample."""
        if process.before is not None and process.before.at < process.at:
            return process.before  # the service remembers for longer than we have looked
        words = (one for sample in self._samples for one in sample.processes if one.process == process.process)
        return next((one for one in words if one.at < process.at), None)

    def writes(self) -> tuple[float | None, Histogram]:
        """Batches that the store took, per second, and how long each took."""
        first, last = self._samples[0], self.now
        seconds = (last.at - first.at).total_seconds()
        if seconds <= 0:
            return None, last.store.write
        written = last.store.write.since(first.store.write)
        return sum(written.counts) / seconds, written

    def lost(self, queue: Queue) -> int:
        """Items that a queue dropped lately."""
        before = next((one.dropped for one in self._samples[0].queues if one.name == queue.name), 0)
        return max(0, queue.dropped - before)

    def store_failures(self) -> int:
        return max(0, self.now.store.failures - self._samples[0].store.failures)
