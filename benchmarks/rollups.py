"""What rollups cost and give: processor time of rolling 20,000 checks at 10 s, a year of percentiles of one check.

    python benchmarks/rollups.py [--short] [--checks 20000] [--every 10] [--folder DIRECTORY]

Through the store, the roller and the query that the service uses. Rows are HTTPS runs as the prober makes them.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import random
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, percentile, progress, show
from benchmarks.store import run
from probe.clock import SystemClock
from probe.engine.roll import Roller
from probe.engine.trend import trend
from probe.store.base import Entry, Store
from probe.store.sqlite import open_store
from probe.store.tallies import stored
from thresholds.base import Level, State, Verdict
from thresholds.rollup import DAY, FIVE_MINUTES, HOUR, STEPS, Tally, begin

BEGAN_MS = begin(1_700_000_000_000, DAY)
PHASES = ("dns", "connect", "tls", "ttfb", "transfer")
CHECK = "shop/check-0"
_BATCH = 2_000
_TURN = 0.01  # s between two looks at the loop
_ALL = (None, "total and 5 phases")
_ONE = (("total",), "total")


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    checks: int = 20_000
    every: int = 10  # s
    days: int = 365
    queries: int = 20
    others: int = 50  # checks that have a year of days, too


@dataclass(slots=True)
class Cost:
    """What a stretch of work took."""

    processor: float = 0.0  # s, of all threads
    seconds: float = 0.0
    blocked: list[float] = field(default_factory=list)  # s by which the loop came late, look by look


class Now(SystemClock):
    """The machine's clock, at another date."""

    def __init__(self, now_ms: int) -> None:
        self._ahead_ms = now_ms - super().now_ms()

    def now_ms(self) -> int:
        return super().now_ms() + self._ahead_ms


@contextlib.asynccontextmanager
async def measured() -> AsyncIterator[Cost]:
    """What is done inside, with the lag of the loop meanwhile."""
    cost = Cost()
    watch = asyncio.create_task(_watched(cost.blocked))
    began, busy = time.monotonic(), time.process_time()
    try:
        yield cost
    finally:
        cost.processor, cost.seconds = time.process_time() - busy, time.monotonic() - began
        watch.cancel()


async def _watched(late: list[float]) -> None:
    while True:
        wanted = time.monotonic() + _TURN
        await asyncio.sleep(_TURN)
        late.append(max(0.0, time.monotonic() - wanted))


async def fill(store: Store, plan: Plan, chance: random.Random) -> int:
    """Five minutes of runs of all checks; how many."""
    since, count = State(Level.UP, BEGAN_MS, Level.UP, BEGAN_MS), 0
    batch: list[Entry] = []
    for number in range(plan.checks):
        offset = number * plan.every * 1000 // plan.checks
        for at_ms in range(BEGAN_MS + offset, BEGAN_MS + FIVE_MINUTES * 1000, plan.every * 1000):
            batch.append(Entry(Verdict(run(number, at_ms, chance), Level.UP, "", since)))
            count += 1
        if len(batch) >= _BATCH:
            await store.append(batch)
            batch = []
        if number % 2_000 == 0:
            progress(f"{plan.checks - number:,} checks to go")
    await store.append(batch)
    return count


async def rolling(folder: Path, plan: Plan) -> tuple[list[list[str]], list[Goal]]:
    """Five minutes of all checks are rolled once, and the same buckets again for an hour and a day of them."""
    store = await open_store(f"sqlite:{folder / 'rolling.db'}")
    try:
        runs = await fill(store, plan, random.Random(1))
        empty = await store.size()
        async with measured() as fine:
            await Roller(store, Now(BEGAN_MS + 600_000)).roll()
        made = await store.size() - empty
        await _copied(store, plan)
        async with measured() as hour:
            await Roller(store, Now(BEGAN_MS + HOUR * 1000 + 120_000)).roll()
    finally:
        await store.close()
    share = (fine.processor / FIVE_MINUTES + hour.processor / HOUR) * 100
    what = f"{plan.checks:,} checks at {plan.every} s"
    late = percentile([*fine.blocked, *hour.blocked], 0.999)
    return [
        [
            f"5 minutes of {what}: {runs:,} runs",
            f"{fine.processor:.2f} s",
            f"{fine.processor / runs * 1e6:.1f} us a run",
        ],
        ["beside it", f"{fine.seconds:.0f} s from the first to the last", f"{made / plan.checks:.0f} bytes a bucket"],
        [
            f"an hour of {plan.checks:,} checks, of 5 minutes each",
            f"{hour.processor:.2f} s",
            f"over {hour.seconds:.0f} s",
        ],
        ["both, of one core", f"{share:.2f} %", f"the loop late: p99.9 {late * 1000:.1f} ms"],
    ], [at_most(f"rollups: {what}: share of a core", 5.0, [share], " %")]


async def _copied(store: Store, plan: Plan) -> None:
    """Eleven more buckets like the first one, so that an hour can be made of them."""
    numbers = await store.numbers()
    for number in range(0, len(numbers), _BATCH):
        some = numbers[number : number + _BATCH]
        found = {
            check: bucket async for part in store.sums(FIVE_MINUTES, BEGAN_MS, some) for check, bucket in part.items()
        }
        for later in range(1, 12):
            at_ms = BEGAN_MS + later * FIVE_MINUTES * 1000
            moved = {check: replace(bucket, at_ms=at_ms) for check, bucket in found.items()}
            await store.keep(FIVE_MINUTES, at_ms, moved)
        progress(f"{plan.checks - number:,} checks to go")
    await store.roll_until(FIVE_MINUTES, BEGAN_MS + HOUR * 1000)


def _day(chance: random.Random, runs: int) -> Tally:
    """A day of runs at 10 s, spread as those of a site are."""
    tally = Tally()
    tally.count(Level.UP, None, runs - 9)
    tally.count(Level.DOWN, "timeout", 9)
    for metric in ("total", *PHASES):
        tally.measure(metric, [chance.lognormvariate(-3, 0.5) for _ in range(runs)])
    return tally


async def year(folder: Path, plan: Plan) -> tuple[list[list[str]], list[Goal]]:
    """A year of days of some checks; the last day is not made yet, and comes from hours, five minutes and runs."""
    store = await open_store(f"sqlite:{folder / 'year.db'}")
    try:
        since, end_ms = await _lived(store, plan)
        rows, goals = [], []
        for metrics, what in (_ONE, _ALL):
            took: list[float] = []
            async with measured() as cost:
                for _ in range(plan.queries):
                    began = time.perf_counter()
                    series = await trend(store, CHECK, (since, end_ms), step=DAY, metrics=metrics)
                    took.append(time.perf_counter() - began)
            if len(series.points) != plan.days + 1:
                raise MeasurementError(f"{len(series.points)} points, not {plan.days + 1}")
            late = percentile(cost.blocked, 0.99)
            busy = cost.processor / plan.queries
            beside = f"{busy * 1000:.0f} ms of processor time; the loop late: p99 {late * 1000:.1f} ms"
            rows.append([f"a year of days, {what}", f"p50 {percentile(took, 0.5) * 1000:.0f} ms", beside])
            if metrics:
                goals.append(
                    at_most("rollups: a year of percentiles of one check", 100.0, [1000 * percentile(took, 0.5)], " ms")
                )
    finally:
        await store.close()
    return rows, goals


async def _lived(store: Store, plan: Plan) -> tuple[int, int]:
    """Fill the store; the window that it holds."""
    chance = random.Random(2)
    days = [_day(chance, 8640 // 4) for _ in range(8)]
    since = BEGAN_MS - plan.days * DAY * 1000
    for number in range(plan.others):
        buckets = [stored(since + day * DAY * 1000, DAY, days[(day + number) % 8]) for day in range(plan.days)]
        await store.roll(f"shop/check-{number}", buckets)
    for step in (HOUR, FIVE_MINUTES):
        tally = _day(chance, step // 10)
        begun = [BEGAN_MS + number * step * 1000 for number in range(12)]
        await store.roll(
            CHECK, [stored(at_ms + (step == FIVE_MINUTES) * 12 * HOUR * 1000, step, tally) for at_ms in begun]
        )
    late_ms = BEGAN_MS + 13 * HOUR * 1000
    state = State(Level.UP, BEGAN_MS, Level.UP, BEGAN_MS)
    results = [run(0, late_ms + second * 1000, chance) for second in range(0, 400, 10)]
    await store.append([Entry(Verdict(result, Level.UP, "", state)) for result in results])
    for step, until_ms in zip(STEPS, (late_ms, BEGAN_MS + 12 * HOUR * 1000, BEGAN_MS), strict=True):
        await store.roll_until(step, until_ms)
    return since, late_ms + 400_000


async def measure(plan: Plan, folder: Path) -> tuple[Table, list[Goal]]:
    """All figures, over new databases in `folder`."""
    asked, wanted = await year(folder, plan)
    rolled, goals = await rolling(folder, plan)
    notes: Sequence[str] = (
        "rolling rests four times as long as it works, so that it takes a fifth of a core where it has much to do",
        "processor time of the whole process: Python, SQLite and its threads",
    )
    return Table("Rollups", ["what", "figure", "beside it"], [*rolled, *asked], notes), [*goals, *wanted]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="1,000 checks, a few of them with a year")
    parser.add_argument("--checks", type=int, help="how many checks are rolled up (20,000)")
    parser.add_argument("--every", type=int, help="s from one run of a check to its next (10)")
    parser.add_argument("--folder", help="where the databases are made: the disk that is measured")
    options = parser.parse_args()
    end_on_sigterm()
    plan = Plan(checks=1_000, queries=8, others=5) if options.short else Plan()
    plan = replace(plan, checks=options.checks or plan.checks, every=options.every or plan.every)
    with tempfile.TemporaryDirectory(prefix="probe-benchmark-", dir=options.folder) as folder:
        table, goals = asyncio.run(measure(plan, Path(folder)))
    show([table], goals)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
