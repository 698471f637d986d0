"""Twenty thousand checks for ten minutes: are all of them run, when they are due, within one core and flat memory?

    python benchmarks/fleet.py [--short] [--checks 20000] [--every 10] [--seconds 600]

Plain HTTP against a target that answers at once, and counts what did not come.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.contenders import now_ms
from benchmarks.exposed import Exposed, between, quantile
from benchmarks.native import Report, Target, target
from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, none_of, percentile, progress, show
from benchmarks.service import Fleet, Service, serving, stored
from checks.core.result import Result

_SAMPLES = 30  # of the memory
_FIRST = 90.0  # s until every check has run
_LATENESS = "probe_schedule_lateness_seconds"
_MISSED = "probe_runs_missed_total"
_DROPPED = ("probe_results_dropped_total", "probe_queue_dropped_total")
_LAST_MS = 60_000  # of the window, in which they are looked at
_LOOKED_AT = 500  # checks whose stored latencies are read


@dataclass(frozen=True, slots=True)
class Course:
    """What was seen in the window, after every check had run once."""

    ready: float  # s from the command on
    first: float
    every: float
    window: float
    cores: float
    memory: list[float]  # MiB, evenly over the window
    seen: int  # requests at the target
    absent: int  # requests that did not come
    missed: int  # runs that the service says it missed
    dropped: int  # results that it says did not get into the store
    lateness: float  # s, p99
    results: list[Result]  # of some checks, in the last minute


async def all_ran(site: Target, service: Service, checks: int) -> Report:
    """Wait until every check has run."""
    began = time.monotonic()
    while (seen := site.report()).distinct < checks:
        if time.monotonic() - began > _FIRST or service.process.poll() is not None:
            raise MeasurementError(f"only {seen.distinct:,} of {checks:,} checks have run after {_FIRST:g} s")
        await asyncio.sleep(0.2)
    return seen


async def course(fleet: Fleet, folder: Path, site: Target, seconds: float) -> Course:
    """One service, from its start to its end."""
    async with serving(fleet, folder) as service:
        first = await all_ran(site, service, fleet.checks)
        progress(f"{fleet.checks:,} checks have run; {seconds:g} s more")
        await asyncio.sleep(2.0)
        before, cpu, began, seen = await service.exposed(), service.cpu(), time.monotonic(), site.report()
        memory = await _memory(service, seconds)
        used, window, after_seen = service.cpu() - cpu, time.monotonic() - began, site.report()
        after = await service.exposed()
        await service.end()
        names = fleet.names[:: max(1, fleet.checks // _LOOKED_AT)]
        kept = await stored(folder, names, now_ms() - _LAST_MS)
    return Course(
        service.ready,
        (first.first_ns - service.began_ns) / 1e9,
        (first.last_new_ns - service.began_ns) / 1e9,
        window,
        used / window,
        memory,
        after_seen.requests - seen.requests,
        after_seen.missed - seen.missed,
        _counted(before, after, _MISSED),
        _counted(before, after, *_DROPPED),
        quantile(between(before, after, _LATENESS), 0.99),
        [one.result for results in kept.values() for one in results],
    )


async def _memory(service: Service, seconds: float) -> list[float]:
    found = [service.memory()]
    for _ in range(_SAMPLES):
        await asyncio.sleep(seconds / _SAMPLES)
        found.append(service.memory())
    return found


def _counted(before: Exposed, after: Exposed, *names: str) -> int:
    return round(sum(after.total(name) - before.total(name) for name in names))


def table(fleet: Fleet, seen: Course) -> Table:
    wanted = fleet.rate * seen.window
    start, middle, end = (seen.memory[at] for at in (0, len(seen.memory) // 2, -1))
    rows = [
        ["ready", f"{seen.ready:.1f} s", "from the command on"],
        ["first check done", f"{seen.first:.1f} s", "as the target saw it"],
        ["every check done once", f"{seen.every:.1f} s", "as the target saw it"],
        ["checks in the window", f"{seen.seen:,}", f"{seen.seen / wanted:.2%} of those that were due"],
        ["requests that did not come", f"{seen.absent:,}", "the target's count, by check"],
        ["runs missed", f"{seen.missed:,}", "the service's own count"],
        ["results dropped", f"{seen.dropped:,}", "the service's own count"],
        ["schedule lateness, p99", f"{seen.lateness * 1000:.1f} ms", "estimated from the histogram"],
        ["processor time", f"{seen.cores:.2f} cores", f"{seen.cores / fleet.rate * 1000:.3f} CPU-ms per check"],
        ["memory: start, middle, end", f"{start:.0f}, {middle:.0f}, {end:.0f} MiB", "PSS, all processes"],
        ["reported", *_reported(seen.results)],
    ]
    title = f"{fleet.checks:,} HTTP checks at {fleet.every:g} s, for {seen.window:.0f} s"
    return Table(title, ("what", "figure", "beside it"), rows)


def _reported(results: list[Result]) -> tuple[str, str]:
    good = [one.duration for one in results if one.failure is None]
    p50, p99 = (percentile(good, share) * 1000 for share in (0.5, 0.99))
    beside = f"of an answer that comes at once; {len(results) - len(good):,} of {len(results):,} looked at have failed"
    return f"p50 {p50:.2f}, p99 {p99:.2f} ms", beside


def goals(fleet: Fleet, seen: Course) -> list[Goal]:
    what = f"{fleet.checks:,} checks at {fleet.every:g} s:"
    third = max(1, len(seen.memory) // 3)
    early, late = max(seen.memory[:third]), max(seen.memory[-third:])
    return [
        none_of(f"{what} missed runs", [max(seen.absent, seen.missed)]),
        none_of(f"{what} results dropped", [seen.dropped]),
        at_most(f"{what} schedule lateness, p99", 50.0, [seen.lateness * 1000], " ms", 1),
        at_most(f"{what} cores of all processes", 1.0, [seen.cores]),
        at_most(f"{what} memory of all processes", 800.0, [max(seen.memory)], " MiB", 0),
        at_most(f"{what} growth, highest memory of the last third beside the first's", 1.05, [late / early], " x", 3),
    ]


def measure(fleet_size: int, every: float, seconds: float) -> tuple[Table, list[Goal]]:
    with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as name:
        folder = Path(name)
        with target(folder, 0, every=every) as site:
            fleet = Fleet(fleet_size, every, site.url())
            seen = asyncio.run(course(fleet, folder, site, seconds))
    return table(fleet, seen), goals(fleet, seen)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="20 s")
    parser.add_argument("--checks", type=int, default=20_000, help="how many (20000)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds from one run to the next (10)")
    parser.add_argument("--seconds", type=float, help="length of the window (600)")
    options = parser.parse_args()
    end_on_sigterm()
    seconds = options.seconds or (20.0 if options.short else 600.0)
    found, reached = measure(options.checks, options.every, seconds)
    show([found], reached)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
