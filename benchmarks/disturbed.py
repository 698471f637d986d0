"""Nobody is told of a target when it is us who are disturbed: a core busy with something else, the service stopped.

    python benchmarks/disturbed.py [--short] [--checks 1000] [--seconds 30]

Checks once a second against a target that answers after exactly 20 ms, each degraded over 25 ms by its first run, and a
receiver that is told. Every answer that the target gave must be in the store as one result.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from benchmarks.alerted import Alerts, alerted
from benchmarks.contenders import now_ms
from benchmarks.fleet import all_ran
from benchmarks.native import Answered, Target, answers, target
from benchmarks.observed import ever_late, in_ms, judged_slow, matched, number_of, seen_of, slow, unrecorded
from benchmarks.processes import MeasurementError, end_on_sigterm, started
from benchmarks.report import Goal, Table, at_most, none_of, progress, show
from benchmarks.service import Fleet, Service, serving, stored
from probe.store.base import Kept

DELAY_MS, LIMIT_MS = 20.0, 25.0
_STOPPED = 5.0  # s
_MARGIN_MS = 1_500  # before the end: what was under way then is no result
_COLUMNS = (
    "disturbance",
    "answers",
    "results lost",
    "runs missed",
    "judged over 25 ms",
    "alerts",
    "first byte: error ms, p50 / p99",
    "whole run ms, p50 / p99",
    "marked",
)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the window with the disturbance in it."""

    answers: int  # that the target gave
    lost: int  # of these: without a result
    missed: int  # requests that did not come
    judged: Sequence[str]  # results that crossed the limit, of checks whose target had not
    alerts: Sequence[str]  # on these
    errors: Sequence[float]  # s, of the first byte
    totals: Sequence[float]  # s
    marked: int

    def row(self, name: str) -> list[str]:
        return [
            name,
            f"{self.answers:,}",
            f"{self.lost:,}",
            f"{self.missed:,}",
            f"{len(self.judged):,}",
            f"{len(self.alerts):,}",
            " / ".join(f"{in_ms(self.errors, share):.2f}" for share in (0.5, 0.99)),
            " / ".join(f"{in_ms(self.totals, share):.2f}" for share in (0.5, 0.99)),
            f"{self.marked / max(1, len(self.totals)):.1%}",
        ]


@asynccontextmanager
async def core_loaded(_service: Service, folder: Path) -> AsyncIterator[None]:
    """Something else takes all that it gets of the first core."""
    with started([sys.executable, "-c", "while True: pass"], folder / "load.log", core=min(os.sched_getaffinity(0))):
        yield


@asynccontextmanager
async def service_stopped(service: Service, _folder: Path) -> AsyncIterator[None]:
    """The process of the service stands still for a while; those that probe for it do not."""
    os.kill(service.pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(_STOPPED)
    finally:
        os.kill(service.pid, signal.SIGCONT)
    yield


@asynccontextmanager
async def nothing(_service: Service, _folder: Path) -> AsyncIterator[None]:
    """For comparison."""
    yield


Disturbance = Callable[[Service, Path], AbstractAsyncContextManager[None]]
DISTURBANCES: Mapping[str, Disturbance] = {
    "none": nothing,
    "one core loaded": core_loaded,
    f"service stopped for {_STOPPED:g} s": service_stopped,
}


async def outcome(disturb: Disturbance, fleet: Fleet, site: Target, folder: Path, seconds: float) -> Outcome:
    """A service that is disturbed for a while, and has its peace again before it ends."""
    async with alerted() as alerts:
        fleet = Fleet(fleet.checks, fleet.every, site.url(), fleet.thresholds, "1 of 1", alerts.url, workers=1)
        async with serving(fleet, folder) as service:
            await all_ran(site, service, fleet.checks)
            began, before = now_ms(), site.report().missed
            async with disturb(service, folder):
                await asyncio.sleep(seconds)
            await asyncio.sleep(3 * fleet.every)  # what was kept back comes in
            ended, after = now_ms() - _MARGIN_MS, site.report().missed
            await service.end()
        kept = await stored(folder, fleet.names)
        return _judged(kept, answers(folder / "answers.log"), (began, ended), after - before, alerts)


def _judged(
    kept: Mapping[str, Sequence[Kept]],
    given: Mapping[int, Sequence[Answered]],
    window: tuple[int, int],
    missed: int,
    alerts: Alerts,
) -> Outcome:
    began, ended = (at * 1_000_000 for at in window)
    count = sum(began <= one.arrived < ended for each in given.values() for one in each)
    lost = sum(
        began <= arrived < ended
        for name, each in kept.items()
        for arrived in unrecorded(given.get(number_of(name), []), [one.result.at_ms for one in each])
    )
    results = {
        name: [one for one in each if window[0] - 1000 <= one.result.at_ms < window[1]] for name, each in kept.items()
    }
    pairs = matched(seen_of(results), given)
    pairs = [one for one in pairs if window[0] <= one.seen.began_ms]
    really, ever = slow(pairs, LIMIT_MS / 1000), ever_late(given, LIMIT_MS / 1000)
    return Outcome(
        count,
        lost,
        missed,
        judged_slow(results, really),
        [str(alert) for alert in alerts.targets if number_of(alert.check) not in ever],
        [one.first_byte_error for one in pairs],
        [one.seen.total for one in pairs],
        sum(one.seen.marked for one in pairs),
    )


def goals(name: str, seen: Outcome) -> list[Goal]:
    return [
        none_of(f"{name}: alerts about a target", [len(seen.alerts)]),
        none_of(f"{name}: runs judged as slow that were not", [len(seen.judged)]),
        none_of(f"{name}: results lost", [seen.lost]),
        at_most(f"{name}: error of the reported first byte, p99", 0.5, [in_ms(seen.errors, 0.99)], " ms", 3),
    ]


def measure(checks: int, seconds: float) -> tuple[Table, list[Goal]]:
    rows, found = [], []
    for name, disturb in DISTURBANCES.items():
        with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as path:
            folder = Path(path)
            with target(folder, DELAY_MS, log=folder / "answers.log", every=1.0) as site:
                limit = f"{LIMIT_MS:g}ms"
                fleet = Fleet(checks, 1.0, site.url(), {"ttfb": limit, "total": limit})
                seen = asyncio.run(outcome(disturb, fleet, site, folder, seconds))
        progress(f"{name}: {seen.lost} of {seen.answers} lost, {len(seen.alerts)} alerts")
        for said in (*seen.alerts[:3], *seen.judged[:3]):
            progress(f"  {said}")
        rows.append(seen.row(name))
        found += goals(name, seen)
    notes = [
        "one worker process; the target is none of what is disturbed: it has its turn before all others",
        "judged over 25 ms, alerts: of checks whose target was never late by so much",
        "marked: results that say themselves that the prober's own lag may explain them, and cannot cross a limit",
    ]
    title = f"Disturbed: {checks:,} checks at 1 s, answered after exactly {DELAY_MS:g} ms, for {seconds:g} s"
    return Table(title, _COLUMNS, rows, notes), found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="6 s each")
    parser.add_argument("--checks", type=int, default=1000, help="how many, once a second (1000)")
    parser.add_argument("--seconds", type=float, help="how long each is watched (30)")
    options = parser.parse_args()
    end_on_sigterm()
    table, found = measure(options.checks, options.seconds or (6.0 if options.short else 30.0))
    show([table], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
