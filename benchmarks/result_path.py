"""The way of a result after its probe, in this process: from the line of a worker to the disk, as a whole and by stage.

Everything on it is the program's own, built as the service builds it; the lines are of runs that really took place.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from benchmarks.processes import MeasurementError
from benchmarks.service import Fleet
from checks.core.base import CheckSpec
from checks.core.net import Net
from checks.core.result import Result
from checks.core.wire import encode
from checks.http import Http
from exporters.prometheus import CheckSeries
from probe.clock import SystemClock
from probe.config import load
from probe.engine.contention import machine_wait
from probe.engine.hub import Hub, Watch
from probe.engine.intake import Feed, Intake
from probe.engine.lag import LagMeter
from probe.engine.orders import NonsenseError, read_line
from probe.engine.outbox import enlarge
from probe.engine.record import Item, Recorder
from probe.engine.runner import Runner
from probe.engine.vitals import Vitals
from probe.store.base import Entry, Store
from probe.store.sqlite import open_store
from thresholds.base import Verdict
from thresholds.measured import LAG
from thresholds.policy import judge

BATCH = 2_000  # checks, and results at a time: so many in its queue are given to the store without waiting for more
EVERY = 10.0  # s
DECODE, JUDGE, PAGES, METRICS, OFFER, ROWS, WRITER = STAGES = (
    "decode the worker's line",
    "judge",
    "remember for the pages",
    "count for `/metrics`",
    "put into the store's queue",
    "make its rows",
    "write them: the writer's thread",
)
HUB, BESIDE = WHOLE = ("all, as it comes through a pipe: the hub's thread", "and the writer's thread")
_LONG = 30.0  # s for a batch to be on disk

T = TypeVar("T")
Costs = dict[str, float]  # us of processor time per result, by stage


def runner(net: Net) -> Runner:
    """What runs checks in a worker."""
    clock = SystemClock()
    return Runner(net, clock, LagMeter(clock, lambda _seconds: None, machine_wait()), str)


async def result_of(check: Http) -> Result:
    """A real run: the second one, for the first has names to look up and files to load."""
    net = Net()
    try:
        runs = [await runner(net).run_once(CheckSpec("", check, EVERY, EVERY)) for _ in range(2)]
    finally:
        await net.close()
    if (failure := runs[1].failure) is not None:
        raise MeasurementError(f"{check.target} cannot be probed: {failure.message}")
    return runs[1]


def lines(run: Result, names: Sequence[str], turn: int) -> list[bytes]:
    """A line of each check, as if each had had this run in its turn: lengths differ, and every check has its URL."""
    at_ms = run.at_ms + round(turn * EVERY * 1000)
    return [encode(_varied(run, name, at_ms)) for name in names]


def _varied(run: Result, name: str, at_ms: int) -> Result:
    phases = {phase: took * random.uniform(0.5, 1.5) for phase, took in run.phases.items()}
    facts = {fact: value for fact, value in run.facts.items() if fact != LAG}
    facts["http.url"] = f"{facts['http.url']}{name}"
    return replace(run, check=name, at_ms=at_ms, duration=sum(phases.values()), phases=phases, facts=facts)


class Desk:
    """Everything between the line of a worker and the disk."""

    def __init__(self, names: Sequence[str], hub: Hub, series: CheckSeries, recorder: Recorder, store: Store) -> None:
        self.names = names
        self.hub = hub
        self.series = series
        self.recorder = recorder
        self.store = store
        self.written = 0  # results that are on disk
        self._news = asyncio.Event()
        self._told = recorder.pump.on_success
        recorder.pump.on_success = self._wrote

    def take(self, line: bytes) -> None:
        """What the service does with a line: probe/engine/child.py."""
        self.hub.emit(_result(line))

    async def on_disk(self, count: int) -> None:
        """Wait until so many results are on disk."""
        if len(self.names) < BATCH:
            await self.recorder.pump.drain()  # or it would wait for more
        async with asyncio.timeout(_LONG):
            while self.written < count:
                self._news.clear()
                await self._news.wait()

    def _wrote(self, batch: Sequence[Item]) -> None:
        self._told(batch)
        self.written += len(batch)
        self._news.set()


@asynccontextmanager
async def desk(folder: Path, checks: int = BATCH) -> AsyncIterator[Desk]:
    """A desk with so many checks, each with an expectation and a threshold, over a new store in `folder`."""
    fleet, written = Fleet(checks, EVERY, "http://127.0.0.1:9"), folder / "probe.yml"
    written.write_text(fleet.written(0))
    config, clock = load(written), SystemClock()
    store = await open_store(f"sqlite:{folder / 'probe.db'}")
    try:
        recorder = Recorder(store, clock, lambda _delivery: None, lambda _trouble: None)
        series = CheckSeries()
        series.set_checks(config.checks)
        hub = Hub(config, clock, recorder.record, series.record, {})
        pumping = asyncio.create_task(recorder.pump.run())
        try:
            yield Desk(fleet.names, hub, series, recorder, store)
        finally:
            pumping.cancel()
            await asyncio.gather(pumping, return_exceptions=True)
    finally:
        await store.close()


async def by_stage(one: Desk, batch: Sequence[bytes]) -> Costs:
    """The stages one after the other, each for the whole batch."""
    found: Costs = {}

    def timed(stage: str, work: Callable[..., T], *columns: Sequence[Any]) -> list[T]:
        began = time.thread_time()
        made = list(map(work, *columns))
        found[stage] = (time.thread_time() - began) / len(batch) * 1e6
        return made

    results = timed(DECODE, _result, batch)
    watches = [watch for result in results if (watch := one.hub.view(result.check)) is not None]
    verdicts = timed(JUDGE, _judged, watches, results)
    timed(PAGES, Watch.take, watches, verdicts)
    timed(METRICS, lambda verdict: one.series.record((verdict,)), verdicts)
    timed(OFFER, lambda verdict: one.recorder.record(Entry(verdict)), verdicts)
    found[ROWS], found[WRITER] = await _cost(one.on_disk(one.written + len(batch)), len(batch))
    return found


def _judged(watch: Watch, result: Result) -> Verdict:
    return judge(watch.planned.policy, watch.state, result)


def _result(line: bytes) -> Result:
    said = read_line(line)
    if isinstance(said, Vitals):
        raise NonsenseError("a line that is no result")
    return said


async def as_a_whole(one: Desk, batch: Sequence[bytes]) -> Costs:
    """The lines through a pipe, as those of a worker, and on to the disk."""
    intake, (reading, writing) = Intake(), os.pipe()
    enlarge(writing)
    for fd in (reading, writing):
        os.set_blocking(fd, False)
    taking = asyncio.create_task(intake.run())
    feed = Feed(reading, intake, one.take, lambda _why: None)
    try:
        hub, writer = await _cost(_through(one, batch, writing), len(batch))
    finally:
        feed.close()
        taking.cancel()
        await asyncio.gather(taking, return_exceptions=True)
        os.close(reading)
        os.close(writing)
    return {HUB: hub, BESIDE: writer}


async def _through(one: Desk, batch: Sequence[bytes], writing: int) -> None:
    left = memoryview(b"".join([line + b"\n" for line in batch]))
    wanted = one.written + len(batch)
    while left:
        with contextlib.suppress(BlockingIOError):
            left = left[os.write(writing, left) :]
        await asyncio.sleep(0)
    await one.on_disk(wanted)


async def _cost(work: Awaitable[None], results: int) -> tuple[float, float]:
    """us of processor time per result: of this thread, and of all others of this process."""
    all_, ours = time.process_time(), time.thread_time()
    await work
    ours = time.thread_time() - ours
    return ours / results * 1e6, (time.process_time() - all_ - ours) / results * 1e6
