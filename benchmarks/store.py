"""What the store takes: ten thousand results a second for a minute, the size of a row, one check's day, a pruned slice.

    python benchmarks/store.py [--short] [--rows 1000000] [--seconds 60] [--folder DIRECTORY]

Through the store's public methods alone. Rows are HTTPS runs as the prober makes them, in the order of their instants.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, percentile, progress, show
from checks.core.result import Fact, Result
from probe.store.base import Entry, Store
from probe.store.sqlite import open_store
from thresholds.base import Level, State, Verdict

CHECKS = 100
EVERY_MS = 60_000
DAY_MS = 86_400_000
BEGAN_MS = 1_700_000_000_000
_FILL = 2_000  # rows in a batch of the engine's
_GATHER = 0.05  # s that results wait for others
_BEHIND = 2.0  # s: a store that keeps up is never further behind


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rows: int = 1_000_000  # in the store when it is read
    batches: tuple[int, ...] = (100, 1_000)
    turns: int = 5  # of the sizes of a batch
    queries: int = 200
    slices: int = 50
    slice: int = 2_000  # results that the engine deletes in one transaction
    pace: int = 10_000  # results/s that come, whatever the store is busy with
    paced: float = 60.0  # s

    @property
    def appended(self) -> int:
        """Rows that are appended in each size of a batch, in each turn."""
        return max(*self.batches, self.rows // 50)


def entries(chance: random.Random) -> Iterator[Entry]:
    """Runs of all checks, minute after minute, without end."""
    since = State(Level.UP, BEGAN_MS, Level.UP, BEGAN_MS)
    minute = 0
    while True:
        for number in range(CHECKS):
            at_ms = BEGAN_MS + minute * EVERY_MS + number * (EVERY_MS // CHECKS)
            result = run(number, at_ms, chance)
            yield Entry(Verdict(result, Level.UP, "", since))
        minute += 1


def run(number: int, at_ms: int, chance: random.Random) -> Result:
    """An HTTPS run that went well: lengths differ each time, nearly all facts stay."""
    phases = {name: chance.lognormvariate(-4, 1) for name in ("dns", "connect", "tls", "ttfb", "transfer")}
    facts: dict[str, Fact] = {
        "http.url": f"https://shop.example/{number}",
        "http.redirects": 0,
        "net.address": "192.0.2.10",
        "net.family": 4,
        "timing": "kernel",
        "tls.version": "TLSv1.3",
        "tls.cipher": "TLS_AES_256_GCM_SHA384",
        "tls.not_after": 1_800_000_000.0,
        "tls.chain_not_after": 1_800_000_000.0,
        "tls.days_left": round((1_800_000_000 - at_ms / 1000) / 86400, 3),
        "tls.fingerprint": f"{number:064x}",
        "tls.subject": "CN=shop.example",
        "tls.issuer": "CN=R11,O=Let's Encrypt,C=US",
        "tls.sans": "shop.example,www.shop.example",
        "http.status": 200,
        "http.version": "1.1",
        "http.content_length": 5120,
        "http.content_type": "text/html",
        "http.bytes": 5120,
    }
    return Result(f"shop/check-{number}", at_ms, sum(phases.values()), phases, facts)


async def appended(store: Store, rows: Iterator[Entry], count: int, batch: int) -> list[float]:
    """Seconds that each batch took, until it was on disk; making the rows is not counted."""
    took = []
    for _ in range(count // batch):
        made = list(islice(rows, batch))
        began = time.perf_counter()
        await store.append(made)
        took.append(time.perf_counter() - began)
    return took


async def append_rows(store: Store, rows: Iterator[Entry], plan: Plan) -> list[list[str]]:
    """Figures for each size of a batch, in turns."""
    took: dict[int, list[float]] = {batch: [] for batch in plan.batches}
    for _ in range(plan.turns):
        for batch in plan.batches:
            took[batch] += await appended(store, rows, plan.appended, batch)
    return [
        [
            f"append, {batch:,} a batch",
            f"{batch * len(times) / sum(times):,.0f} rows/s",
            f"a batch on disk: p50 {ms(times, 0.5)}, p99 {ms(times, 0.99)}",
        ]
        for batch, times in took.items()
    ]


@dataclass(frozen=True, slots=True)
class Pace:
    """How a store kept up with results that come evenly."""

    rate: float  # results/s that came
    stored: int
    seconds: float  # until the last of them was on disk
    behind: float  # s, at most: the age of the oldest result when its batch was on disk
    left: float  # s after the last had come until it was on disk
    busy: float  # share of the time in which the store was writing


async def keep_pace(store: Store, rows: Iterator[Entry], plan: Plan) -> Pace:
    """Append whatever has come since the batch before, as the engine does."""
    began, stored, behind, busy = time.monotonic(), 0, 0.0, 0.0
    wanted = round(plan.pace * plan.paced)
    while stored < wanted:
        came = min(wanted, int((time.monotonic() - began) * plan.pace)) - stored
        if came < min(plan.pace * _GATHER, wanted - stored):
            await asyncio.sleep(_GATHER)
            continue
        batch = list(islice(rows, min(came, _FILL)))
        wrote = time.monotonic()
        await store.append(batch)
        busy += time.monotonic() - wrote
        behind = max(behind, time.monotonic() - began - stored / plan.pace)
        stored += len(batch)
    lasted = time.monotonic() - began
    return Pace(plan.pace, stored, lasted, behind, lasted - plan.paced, busy / lasted)


def pace_row(pace: Pace) -> list[str]:
    what = f"{pace.rate:,.0f} results/s for {pace.seconds:.0f} s"
    beside = f"{pace.stored:,} stored; writing {pace.busy:.0%} of the time; the last {pace.left:.2f} s after it came"
    return [what, f"at most {pace.behind:.2f} s behind", beside]


async def fill(store: Store, rows: Iterator[Entry], count: int) -> None:
    for done in range(0, count, _FILL):
        await store.append(list(islice(rows, min(_FILL, count - done))))
        if done % 100_000 == 0:
            progress(f"{count - done:,} rows to go")


async def query_row(store: Store, plan: Plan, chance: random.Random) -> list[str]:
    """One check's results of one day, of random checks and days."""
    days = max(1, plan.rows * EVERY_MS // (CHECKS * DAY_MS))
    took, found = [], []
    for _ in range(plan.queries):
        name, since = f"shop/check-{chance.randrange(CHECKS)}", BEGAN_MS + chance.randrange(days) * DAY_MS
        began = time.perf_counter()
        results = await store.results(name, since, since + DAY_MS, 100_000)
        took.append(time.perf_counter() - began)
        found.append(len(results))
    if not min(found):
        raise MeasurementError("a query of one day found nothing; more rows are needed: --rows")
    what = f"{percentile(found, 0.5):,.0f} results of one check and day, among {plan.rows:,}"
    return ["read " + what, f"p50 {ms(took, 0.5)}", f"p99 {ms(took, 0.99)}"]


async def prune_row(store: Store, plan: Plan) -> list[str]:
    """Slices as the engine deletes them, oldest first."""
    took = []
    for _ in range(plan.slices):
        began = time.perf_counter()
        deleted = await store.prune(BEGAN_MS + 1000 * DAY_MS, plan.slice)
        took.append(time.perf_counter() - began)
        if deleted < plan.slice:
            raise MeasurementError("too few rows to prune; more are needed: --rows")
    return [f"prune a slice of {plan.slice:,}", f"p50 {ms(took, 0.5)}", f"p99 {ms(took, 0.99)}"]


def ms(values: Sequence[float], share: float) -> str:
    return f"{percentile(values, share) * 1000:.1f} ms"


async def measure(plan: Plan, folder: Path) -> tuple[Table, list[Goal]]:
    """All figures, over new databases in `folder`."""
    chance = random.Random(1)
    rows = entries(chance)
    async with AsyncExitStack() as stack:
        other = await _opened(stack, folder / "pace.db")
        pace = await keep_pace(other, entries(random.Random(2)), plan)
        store = await _opened(stack, folder / "benchmark.db")
        figures = [pace_row(pace), *await append_rows(store, rows, plan)]
        already = sum(plan.appended // batch * batch * plan.turns for batch in plan.batches)
        if plan.rows < max(already, plan.slices * plan.slice):
            raise MeasurementError(f"{plan.rows:,} rows are too few; --rows 100000 is the least")
        await fill(store, rows, plan.rows - already)
        size = await store.size()
        figures.append(["size", f"{size / plan.rows:.0f} bytes a row", f"{size / 1e6:,.0f} MB for {plan.rows:,} rows"])
        figures.append(await query_row(store, plan, chance))
        figures.append(await prune_row(store, plan))
    notes = [
        f"every batch synced to {filesystem(folder)}",
        "results that come evenly are made by the same process, in the time that is left to it",
    ]
    return Table("The store, SQLite", ["what", "figure", "beside it"], figures, notes), goals(pace, plan)


async def _opened(stack: AsyncExitStack, file: Path) -> Store:
    store = await open_store(f"sqlite:{file}")
    stack.push_async_callback(store.close)
    return store


def goals(pace: Pace, plan: Plan) -> list[Goal]:
    what = f"store: {pace.rate:,.0f} results/s for {plan.paced:.0f} s: furthest behind"
    return [at_most(what, _BEHIND, [pace.behind], " s")]


def filesystem(folder: Path) -> str:
    """What kind of file system a folder is on: a sync to memory costs nothing."""
    best, kind = "", "an unknown file system"
    for line in Path("/proc/mounts").read_text(encoding="utf-8").splitlines():
        _, mount, name = line.split()[:3]
        if folder.resolve().is_relative_to(mount) and len(mount) >= len(best):
            best, kind = mount, name
    return kind


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="100,000 rows, 8 s of results")
    parser.add_argument("--rows", type=int, help="rows in the store when it is read (1,000,000)")
    parser.add_argument("--seconds", type=float, help="how long results come at 10,000/s (60)")
    parser.add_argument("--folder", help="where the database is made: the disk that is measured")
    options = parser.parse_args()
    end_on_sigterm()
    plan = Plan(rows=100_000, paced=8.0) if options.short else Plan()
    plan = replace(plan, rows=options.rows or plan.rows, paced=options.seconds or plan.paced)
    with tempfile.TemporaryDirectory(prefix="probe-benchmark-", dir=options.folder) as folder:
        table, found = asyncio.run(measure(plan, Path(folder)))
    show([table], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
