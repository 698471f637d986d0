"""What a scrape of 20,000 checks costs: of the real service at work, and of the writer of the series by itself.

    python benchmarks/exposition.py [--short] [checks]

The service probes all the while, each check once in 10 s, and a process of its own scrapes it. By itself, the writer
takes a verdict of each of as many HTTPS checks with all of their series, then renders them all.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import math
import random
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.exposed import above, between
from benchmarks.fleet import all_ran
from benchmarks.native import target
from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, middle, none_of, percentile, progress, show
from benchmarks.scraper import Scraper
from benchmarks.service import Fleet, Service, serving
from benchmarks.turns import Observer, Turns, during
from checks.core.base import CheckSpec
from checks.core.result import Fact, Result
from exporters.prometheus import CheckSeries
from thresholds.base import Level, State, Verdict

EVERY = 10.0  # s
_BLOCKED = 0.01  # s that no loop may be blocked
_ASK = 0.002  # s between two questions of the witness
_REST = 3.0  # s between two scrapes
LABELS = {"env": "prod", "tier": "1"}


@dataclass(frozen=True)
class Target:
    target: str
    host: str = "shop.example"

    async def run(self, trace: object, net: object) -> None:
        raise NotImplementedError


@dataclass(frozen=True)
class Described:
    spec: CheckSpec
    type: str = "http"
    service: str = "shop"
    owner: str = "team-shop"
    runbook: str = "https://wiki.example/shop"
    labels: dict[str, str] = field(default_factory=LABELS.copy)


def described(number: int) -> Described:
    return Described(CheckSpec(f"shop/check-{number}", Target(f"https://shop.example/{number}"), 10.0, 10.0))


def verdict(number: int, now_ms: int) -> Verdict:
    phases = {phase: random.random() / 10 for phase in ("dns", "connect", "tls", "ttfb", "transfer")}
    facts: dict[str, Fact] = {
        "net.family": 4,
        "http.status": 200,
        "http.version": "1.1",
        "http.bytes": 5120,
        "http.content_length": 5120,
        "http.redirects": 0,
        "http.url": f"https://shop.example/{number}",
        "http.last_modified": now_ms / 1000,
        "tls.version": "TLSv1.3",
        "tls.cipher": "TLS_AES_256_GCM_SHA384",
        "tls.not_after": now_ms / 1000 + 86400,
        "tls.chain_not_after": now_ms / 1000 + 86400,
        "tls.fingerprint": f"{number:064x}",
        "tls.subject": "CN=shop.example",
        "tls.issuer": "CN=R11,O=Let's Encrypt,C=US",
        "tls.sans": "shop.example,www.shop.example",
        "tls.serial": "03ff",
    }
    result = Result(f"shop/check-{number}", now_ms, sum(phases.values()), phases, facts)
    return Verdict(result, Level.UP, "", State(Level.UP, now_ms, Level.UP, now_ms))


def measure(checks: int, passes: int) -> Table:
    """Processor time of `passes` rounds of verdicts and scrapes."""
    series = CheckSeries()
    series.set_checks({one.spec.name: one for one in map(described, range(checks))})
    verdicts = [verdict(number, time.time_ns() // 1_000_000) for number in range(checks)]
    recorded, rendered, pieces, size, lines = [], [], [], 0, 0
    with _uncollected():
        for _ in range(passes):
            began = time.thread_time()
            series.record(verdicts)
            recorded.append((time.thread_time() - began) / checks * 1e6)
            made, size, lines = [], 0, 0
            began = time.thread_time()
            for chunk in series.render(openmetrics=True):
                made.append(time.thread_time() - began)
                size += len(chunk)
                lines += chunk.count(b"\n")
                began = time.thread_time()
            rendered.append(sum(made))
            pieces += made
    rows = [
        ["take a verdict", f"{middle(recorded, 1)} us", ""],
        ["render all", f"{middle(rendered)} s", f"{lines:,} lines, {size / 1e6:.0f} MB"],
        ["a line", f"{middle([one / lines * 1e6 for one in rendered])} us", ""],
        [
            "the loop waits for one piece",
            f"p50 {percentile(pieces, 0.5) * 1e3:.2f} ms",
            f"p99 {percentile(pieces, 0.99) * 1e3:.2f}, longest {max(pieces) * 1e3:.2f} ms",
        ],
    ]
    notes = [f"processor time, medians (lowest-highest) of {passes} passes"]
    return Table(f"The writer by itself, {checks:,} HTTPS checks", ["what", "figure", "beside it"], rows, notes)


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without garbage collections, as in the service: there they come in turns of their own."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


@dataclass(frozen=True, slots=True)
class Scrape:
    """One scrape of a service at work, or as long a while without one."""

    seconds: float
    size: int
    lines: int
    waits: Sequence[float]  # s that a little request took meanwhile: our loop was busy for no longer than the longest


async def witnessed(service: Service, seconds: float) -> Scrape:
    """The service without a scrape, for comparison."""
    waits: list[float] = []
    witness = asyncio.create_task(_witness(service.port, waits))
    await asyncio.sleep(seconds)
    witness.cancel()
    return Scrape(seconds, 0, 0, waits)


async def scraped(service: Service) -> Scrape:
    """One scrape, by a process of its own."""
    waits: list[float] = []
    witness = asyncio.create_task(_witness(service.port, waits))
    command = (sys.executable, str(Path(__file__).with_name("scrape.py")), str(service.port))
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    try:
        printed, _ = await process.communicate()
    finally:
        witness.cancel()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        raise MeasurementError(f"the scrape failed: exit code {process.returncode}")
    said: Mapping[str, float] = json.loads(printed)
    return Scrape(said["seconds"], int(said["size"]), int(said["lines"]), waits)


async def _witness(port: int, waits: list[float]) -> None:
    async with Scraper(port) as scraper:
        while True:
            began = time.monotonic()
            await scraper.get("/-/healthy")
            waits.append(time.monotonic() - began)
            await asyncio.sleep(_ASK)


@dataclass(frozen=True, slots=True)
class Course:
    """Scrapes of a service at work, each beside as long a while without one, and what its loops did all the time."""

    scrapes: Sequence[Scrape]
    others: Sequence[Scrape]
    lags: Mapping[float, float]  # looks of all loops at their own lag, up to each bound
    own: Turns
    workers: Sequence[Turns]


async def at_work(checks: int, passes: int, folder: Path) -> tuple[Table, list[Goal]]:
    """What a scrape costs while the service does its work."""
    with target(folder, 0, every=EVERY) as site:
        observer = Observer(folder / "turns")
        async with serving(Fleet(checks, EVERY, site.url()), folder, environment=observer.environment) as service:
            await all_ran(site, service, checks)
            course = await _course(service, observer, passes)
    rows, note = _rows(course), f"{passes} scrapes; the service runs each check once in {EVERY:g} s meanwhile"
    table = Table(f"A scrape of {checks:,} HTTP checks at work", ["what", "figure", "beside it"], rows, [note])
    return table, _goals(f"/metrics of {checks:,} checks", course)


async def _course(service: Service, observer: Observer, passes: int) -> Course:
    scrapes, others = [], []
    exposed, counts = await service.exposed(), observer.counts()
    for _ in range(passes):
        await asyncio.sleep(_REST)
        scrapes.append(await scraped(service))
        progress(f"a scrape: {scrapes[-1].seconds:.2f} s")
        others.append(await witnessed(service, scrapes[-1].seconds))
    turns = dict(during(counts, observer.counts()))
    lags = between(exposed, await service.exposed(), "probe_loop_lag_seconds")
    own = turns.pop(service.pid)
    return Course(scrapes, others, lags, own, list(turns.values()))


def _rows(course: Course) -> list[list[str]]:
    scrapes, others, lags = course.scrapes, course.others, course.lags
    size = f"{scrapes[-1].lines:,} lines, {scrapes[-1].size / 1e6:.0f} MB"
    looks = f"of {round(lags.get(math.inf, 0.0)):,}, scrapes or not"
    return [
        ["a scrape", f"{middle([one.seconds for one in scrapes])} s", size],
        ["longest turn of the service's loop by its own work", *_kept((course.own,))],
        ["longest turn of a worker's loop by its own work", *_kept(course.workers)],
        ["`/-/healthy` meanwhile, longest", f"{middle(_longest(scrapes), 1)} ms", _waits(scrapes)],
        ["the same without a scrape", f"{middle(_longest(others), 1)} ms", _waits(others)],
        ["looks of the loops that were over 10 ms late", f"{above(lags, _BLOCKED):,}", looks],
    ]


def _goals(figure: str, course: Course) -> list[Goal]:
    over = sum(one.above(_BLOCKED) for one in (course.own, *course.workers))
    waits = _longest(course.scrapes)
    return [
        at_most(figure, 1.0, [one.seconds for one in course.scrapes], " s"),
        none_of(f"{figure}: turns of a loop over 10 ms by its own work", [over]),
        at_most(f"{figure}: longest wait of a little request meanwhile", 10.0, waits, " ms", 1),
        none_of(f"{figure}: looks of a loop that were over 10 ms late", [above(course.lags, _BLOCKED)]),
    ]


def _longest(scrapes: Sequence[Scrape]) -> list[float]:
    return [max(one.waits) * 1e3 for one in scrapes]


def _waits(scrapes: Sequence[Scrape]) -> str:
    waits = [wait for one in scrapes for wait in one.waits]
    return f"p50 {percentile(waits, 0.5) * 1e3:.1f}, p99 {percentile(waits, 0.99) * 1e3:.1f} ms, {len(waits):,} asked"


def _kept(loops: Sequence[Turns]) -> tuple[str, str]:
    longest = max((one.longest for one in loops), default=0.0)
    over, count = sum(one.above(_BLOCKED) for one in loops), sum(one.count for one in loops)
    return f"{longest * 1e3:.1f} ms", f"{over:,} over 10 ms, of {count:,}, scrapes or not"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checks", type=int, nargs="?", default=20_000, help="how many (20,000)")
    parser.add_argument("--short", action="store_true", help="3 passes rather than 15")
    options = parser.parse_args()
    end_on_sigterm()
    passes = 3 if options.short else 15
    with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as folder:
        table, found = asyncio.run(at_work(options.checks, passes, Path(folder)))
    alone = measure(options.checks, passes)
    show([table, alone], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
