"""What a check takes while it waits for its next run: memory by part, and of whole processes."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from benchmarks.processes import MeasurementError, memory_mib, tree
from benchmarks.result_path import Desk, desk, lines, runner
from benchmarks.service import Fleet, serving
from checks.core.base import CheckSpec
from checks.core.net import Net
from checks.core.result import Result
from checks.http import Http
from exporters.prometheus import CheckSeries
from probe.clock import SystemClock
from probe.config import load
from probe.config.model import Config
from probe.engine.briefing import Briefing
from probe.engine.hub import Hub
from probe.engine.local import Local
from probe.engine.orders import Change, Parcels, pack
from probe.engine.probing import rules_of
from probe.engine.runner import Runner

EVERY = 3600.0  # s: long enough for nothing to run meanwhile
FEW = 50  # checks that are there anyway: what does not grow with their number is not counted
HISTORY = 40  # runs that the hub remembers of each check
_AT_ONCE = 50  # runs
_SETTLE = 1.0  # s

T = TypeVar("T")
Parts = dict[str, float]  # bytes per check, by what holds them


class Ledger:
    """What has been allocated since it was looked at last, by what it was for. Only while tracemalloc traces."""

    def __init__(self) -> None:
        self.parts: Parts = {}
        self._before = _traced()

    def book(self, part: str) -> None:
        now = _traced()
        self.parts[part] = self.parts.get(part, 0.0) + now - self._before
        self._before = now


def _traced() -> int:
    gc.collect()
    return tracemalloc.get_traced_memory()[0]


@contextmanager
def tracing() -> Iterator[None]:
    tracemalloc.start()
    try:
        yield
    finally:
        tracemalloc.stop()


def each(few: Parts, many: Parts, checks: int) -> Parts:
    """Bytes per check, of what so many more checks take."""
    return {part: (many[part] - few[part]) / checks for part in many}


async def waiting(checks: int, folder: Path) -> Parts:
    """What so many checks take that have not run yet."""
    written, clock = folder / "probe.yml", SystemClock()
    written.write_text(Fleet(checks, EVERY, "http://127.0.0.1:9").written(0))
    with tracing():
        ledger = Ledger()
        config = load(written)
        ledger.book("service: the check as it is configured")
        hub = Hub(config, clock, lambda _entry: None, lambda _batch: None, {})
        ledger.book("service: how it stands")
        series = CheckSeries()
        series.set_checks(config.checks)
        ledger.book("service: its counters")
        briefing = _briefing(config)
        for _ in briefing.orders():
            pass
        ledger.book("service: what its worker was told of it")
        specs = _unpacked(config)
        ledger.book("worker: the check as it was told of it")
        local = Local(clock, lambda _result: None, FEW)
        running = asyncio.create_task(local.run())
        await asyncio.sleep(0)
        local.plan(specs.values(), rules_of(config))
        ledger.book("worker: its place in the schedule")
        await local.stop()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        del hub, series, briefing
    return ledger.parts


def _briefing(config: Config) -> Briefing:
    briefing = Briefing(lambda: 1, lambda _name: 0)
    briefing.want({name: planned.spec for name, planned in config.checks.items()}, rules_of(config))
    return briefing


def _unpacked(config: Config) -> dict[str, CheckSpec]:
    """The checks as they come out of a worker's pipe."""
    parcels = Parcels()
    specs: dict[str, CheckSpec] = {}
    for order in _briefing(config).orders():
        if order is not None:
            parcels.feed(pack(order))
        for came in parcels.orders():
            if isinstance(came, Change):
                specs.update((spec.name, spec) for spec in came.specs)
    return specs


async def kept(checks: int, run: Result, folder: Path) -> Parts:
    """What the service keeps of so many checks that have run, the store's part included."""
    async with desk(folder, checks) as one:
        with tracing():
            ledger = Ledger()
            await _passes(one, run, range(1))
            ledger.book("service: its last run, and what the store knows of it")
            await _passes(one, run, range(1, HISTORY))
            ledger.book("service: its last 40 runs, for the pages")
            sum(map(len, one.series.render(openmetrics=True)))
            ledger.book("service: its labels, once it was scraped")
    return ledger.parts


async def _passes(one: Desk, run: Result, turns: Sequence[int]) -> None:
    for turn in turns:
        for line in lines(run, one.names, turn):
            one.take(line)
    await one.recorder.pump.drain()
    await one.store.forget(["nobody"])  # a thread holds on to what it wrote last until it writes again


async def asked(checks: Sequence[Http]) -> float:
    """Bytes that a worker keeps of a check once it has run, beside its results: of each of the second half of these."""
    net = Net()
    try:
        prober = runner(net)
        specs = [CheckSpec(f"check-{number}", check, EVERY, 10.0) for number, check in enumerate(checks)]
        half = len(specs) // 2
        with tracing():
            ledger = Ledger()
            await _run(prober, specs[:half])
            ledger.book("what is there anyway")
            await _run(prober, specs[half:])
            ledger.book("request")
    finally:
        await net.close()
    return ledger.parts["request"] / (len(specs) - half)


async def ran(checks: Sequence[Http], look: Callable[[], T]) -> T:
    """What there is to be seen once these checks have run, many at once, and while their network is still there."""
    net = Net()
    try:
        await _run(runner(net), [CheckSpec(str(number), check, EVERY, 10.0) for number, check in enumerate(checks)])
        return look()
    finally:
        await net.close()


async def _run(prober: Runner, specs: Sequence[CheckSpec]) -> None:
    for start in range(0, len(specs), _AT_ONCE):
        for result in await asyncio.gather(*map(prober.run_once, specs[start : start + _AT_ONCE])):
            if result.failure is not None:
                raise MeasurementError(f"{result.check}: {result.failure.message}")


async def processes(checks: int, folder: Path) -> Parts:
    """Bytes of the whole service, and of its worker, with so many checks that wait."""
    async with serving(Fleet(checks, EVERY, "http://127.0.0.1:9", workers=1), folder) as service:
        await asyncio.sleep(_SETTLE)
        workers = [pid for pid in tree(service.pid) if pid != service.pid]
        taken = sum(map(memory_mib, workers))
        return {"service": (service.memory() - taken) * 2**20, "worker": taken * 2**20}
