"""Five thousand checks per second; then far more than the machine can do: what happens to truth beyond the limit?

    python benchmarks/five_thousand_per_second.py [--short] [--checks 5000] [--beyond 20000] [--seconds 60]

Checks once a second against a target that answers after exactly 20 ms, each degraded over 25 ms, and a receiver that is
told. Beyond the limit runs have to be missed, and counted as such; nothing else may be said of the target.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.alerted import alerted
from benchmarks.contenders import now_ms
from benchmarks.exposed import between, quantile
from benchmarks.native import Report, Target, answers, target
from benchmarks.observed import Matched, ever_late, in_ms, judged_slow, matched, number_of, seen_of, slow
from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, none_of, progress, show
from benchmarks.service import Fleet, serving, stored

DELAY_MS, LIMIT_MS = 20.0, 25.0
_WARM = 5.0  # s after it is ready: every check has had its first turn
_MANY = 0.02  # of what was due
_LOOKED_AT = 500  # checks whose results are read
_COLUMNS = (
    "checks at 1 s",
    "done/s",
    "missed, by the target",
    "missed, by its own count",
    "schedule lateness p99, ms",
    "first byte: error ms, p50 / p99",
    "whole run ms, p50 / p99",
    "marked",
    "judged over 25 ms",
    "alerts on targets",
    "cores",
    "memory, MiB",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One window at one rate."""

    checks: int
    seconds: float
    done: int
    absent: int  # by the target: requests that did not come
    missed: int  # by the service
    lateness: float  # s, p99
    probes: Sequence[Matched]
    judged: Sequence[str]  # of the results looked at: over the limit, of checks whose target was not
    alerts: Sequence[str]  # on these
    cores: float
    memory: float

    @property
    def worst(self) -> int:
        return max(self.absent, self.missed)

    def row(self) -> list[str]:
        errors = [one.first_byte_error for one in self.probes]
        totals = [one.seen.total for one in self.probes]
        return [
            f"{self.checks:,}",
            f"{self.done / self.seconds:,.0f}",
            f"{self.absent:,}",
            f"{self.missed:,}",
            f"{self.lateness * 1000:.0f}",
            " / ".join(f"{in_ms(errors, share):.2f}" for share in (0.5, 0.99)),
            " / ".join(f"{in_ms(totals, share):.2f}" for share in (0.5, 0.99)),
            f"{sum(one.seen.marked for one in self.probes) / max(1, len(self.probes)):.1%}",
            f"{len(self.judged):,}",
            f"{len(self.alerts):,}",
            f"{self.cores:.2f}",
            f"{self.memory:.0f}",
        ]


async def outcome(checks: int, site: Target, folder: Path, seconds: float) -> Outcome:
    """One service at one rate; its results are read after its end."""
    limit = f"{LIMIT_MS:g}ms"
    async with alerted() as alerts:
        fleet = Fleet(checks, 1.0, site.url(), {"ttfb": limit, "total": limit}, "2 of 3", alerts.url)
        async with serving(fleet, folder) as service:
            await asyncio.sleep(_WARM)
            before, cpu, began, began_ms = await service.exposed(), service.cpu(), time.monotonic(), now_ms()
            seen_before = site.report()
            await asyncio.sleep(seconds)
            # A scrape takes its time beyond the limit: both ends of the window are after one.
            ended_ms, memory, after = now_ms(), service.memory(), await service.exposed()
            seen, lasted, cores = site.report(), time.monotonic() - began, service.cpu() - cpu
            await service.end()
        names = {*fleet.names[:: max(1, checks // _LOOKED_AT)], *(alert.check for alert in alerts.targets)}
        kept = await stored(folder, names, began_ms, ended_ms)
        site.report()  # the log is then whole
        given = answers(folder / "answers.log")
        probes = matched(seen_of(kept), given)
        really, ever = slow(probes, LIMIT_MS / 1000), ever_late(given, LIMIT_MS / 1000)
        own = "probe_runs_missed_total"
        return Outcome(
            checks,
            lasted,
            seen.requests - seen_before.requests,
            _absent(seen_before, seen, checks, lasted),
            round(after.total(own) - before.total(own)),
            quantile(between(before, after, "probe_schedule_lateness_seconds"), 0.99),
            probes,
            judged_slow(kept, really),
            [str(alert) for alert in alerts.targets if number_of(alert.check) not in ever],
            cores / lasted,
            memory,
        )


def _absent(before: Report, after: Report, checks: int, lasted: float) -> int:
    """Requests that did not come.

    The target counts them exactly, but not before a check comes again. Where many are missing it is what was due less
    what came, which is off by the few of one end of the window.
    """
    due = checks * lasted
    short = due - (after.requests - before.requests)
    return round(short) if short > _MANY * due else after.missed - before.missed


def measure(sizes: Sequence[int], seconds: float) -> tuple[Table, list[Goal]]:
    """The first size is within the machine's limit, the others are beyond."""
    rows, found = [], []
    for checks in sizes:
        beyond = checks != sizes[0]
        try:
            one = _one(checks, seconds)
        except MeasurementError as error:
            if not beyond:
                raise
            rows.append([f"{checks:,}", *["-"] * (len(_COLUMNS) - 1)])
            found.append(Goal(f"{checks:,} checks per second asked for", "still answers", str(error), reached=False))
            continue
        rows.append(one.row())
        found += excess(one) if beyond else [none_of(f"{checks:,} checks per second: missed runs", [one.worst])]
    notes = [
        "by the target: a check that was away for two seconds has missed one; its own count: `probe_runs_missed_total`",
        f"latencies and verdicts are those of {_LOOKED_AT} of the checks",
    ]
    title = f"Checks once a second, answered after exactly {DELAY_MS:g} ms, for {seconds:g} s"
    return Table(title, _COLUMNS, rows, notes), found


def _one(checks: int, seconds: float) -> Outcome:
    with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as path:
        folder = Path(path)
        with target(folder, DELAY_MS, log=folder / "answers.log", every=1.0) as site:
            one = asyncio.run(outcome(checks, site, folder, seconds))
    progress(f"{checks:,} checks: {one.done / one.seconds:,.0f}/s, {len(one.alerts)} alerts on targets")
    for said in (*one.alerts[:3], *one.judged[:3]):
        progress(f"  {said}")
    return one


def excess(one: Outcome) -> list[Goal]:
    """What is to hold where more is asked for than the machine can do."""
    what = f"{one.checks:,} checks per second asked for"
    errors = [each.first_byte_error for each in one.probes]
    counted = one.missed / one.absent if one.absent else 1.0
    said = f"{one.missed:,} counted, {one.absent:,} did not come"
    return [
        Goal(f"{what}: missed runs counted", "within 10 %", said, 0.9 <= counted <= 1.1),
        at_most(f"{what}: error of the reported first byte, p99", 0.5, [in_ms(errors, 0.99)], " ms", 3),
        none_of(f"{what}: runs judged as slow that were not", [len(one.judged)]),
        none_of(f"{what}: alerts about a target", [len(one.alerts)]),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="8 s each")
    parser.add_argument("--checks", type=int, default=5000, help="how many, once a second (5000)")
    parser.add_argument("--beyond", type=int, default=20_000, help="and beyond the machine's limit (20000)")
    parser.add_argument("--seconds", type=float, help="length of a window (60)")
    options = parser.parse_args()
    end_on_sigterm()
    table, found = measure((options.checks, options.beyond), options.seconds or (8.0 if options.short else 60.0))
    show([table], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
