"""How long a start takes: from `probe run` to ready, to the first check and to every check having run; and validation.

python benchmarks/start.py [--short] [--rounds 3] [--every 10] [checks ...]
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.fleet import all_ran
from benchmarks.native import target
from benchmarks.processes import PROBE, MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, middle, progress, show
from benchmarks.service import Fleet, serving

CHECKS = (1_000, 5_000, 20_000)
_MOST = 20_000  # the number of checks that the goals are for
_COLUMNS = (
    "checks",
    "ready, s",
    "first check, s",
    "every check once, s",
    "memory, MiB",
    "`validate`, s",
    "`validate`, CPU-s",
)


@dataclass(frozen=True, slots=True)
class Start:
    """One start, in seconds from the command, and MiB once every check has run."""

    ready: float
    first: float
    every: float
    memory: float


@dataclass(frozen=True, slots=True)
class Validation:
    seconds: float
    cpu: float


async def start(checks: int, every: float, folder: Path) -> Start:
    """A start over a new store. What the first and the last check sent is timed by the target's kernel."""
    with target(folder, 0, every=every) as site:
        async with serving(Fleet(checks, every, site.url()), folder) as service:
            seen = await all_ran(site, service, checks)
            first, last = ((at - service.began_ns) / 1e9 for at in (seen.first_ns, seen.last_new_ns))
            return Start(service.ready, first, last, service.memory())


def validate(config: Path) -> Validation:
    began, before = time.monotonic(), os.times()
    done = subprocess.run([str(PROBE), "validate", str(config)], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MeasurementError(f"the configuration is not valid: {done.stderr[-300:]}")
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return Validation(time.monotonic() - began, used)


def row(checks: int, starts: Sequence[Start], validations: Sequence[Validation]) -> list[str]:
    return [
        f"{checks:,}",
        middle([one.ready for one in starts]),
        middle([one.first for one in starts]),
        middle([one.every for one in starts]),
        middle([one.memory for one in starts], 0),
        middle([one.seconds for one in validations]),
        middle([one.cpu for one in validations]),
    ]


def goals(checks: int, starts: Sequence[Start]) -> list[Goal]:
    if checks < _MOST:
        return []
    return [
        at_most(f"start of {checks:,} checks: to the first result", 5.0, [one.first for one in starts], " s"),
        at_most(f"start of {checks:,} checks: to every one having run", 16.0, [one.every for one in starts], " s"),
    ]


def measure(sizes: Sequence[int], rounds: int, every: float = 10.0) -> tuple[Table, list[Goal]]:
    """All sizes in turn, round after round."""
    starts: dict[int, list[Start]] = {checks: [] for checks in sizes}
    validations: dict[int, list[Validation]] = {checks: [] for checks in sizes}
    for round_ in range(rounds):
        for checks in sizes:
            with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as folder:
                starts[checks].append(asyncio.run(start(checks, every, Path(folder))))
                validations[checks].append(validate(Path(folder) / "probe.yml"))
            progress(f"round {round_ + 1}, {checks:,} checks: ready after {starts[checks][-1].ready:.2f} s")
    rows = [row(checks, starts[checks], validations[checks]) for checks in sizes]
    notes = [
        f"medians (lowest-highest) of {rounds} interleaved rounds, from the command on; memory at the end",
        f"the store is new; each check runs once in {every:g} s",
    ]
    found = [goal for checks in sizes for goal in goals(checks, starts[checks])]
    return Table("Start of the service", _COLUMNS, rows, notes), found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checks", type=int, nargs="*", help="how many (1000 5000 20000)")
    parser.add_argument("--short", action="store_true", help="1 round of 20,000")
    parser.add_argument("--rounds", type=int, help="rounds, each with every number of checks in turn (3)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds from one run to the next (10)")
    options = parser.parse_args()
    end_on_sigterm()
    sizes = options.checks or (CHECKS[-1:] if options.short else CHECKS)
    table, found = measure(sizes, options.rounds or (1 if options.short else 3), options.every)
    show([table], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
