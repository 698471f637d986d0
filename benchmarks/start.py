"""How long a start takes: from `probe run` to ready and to the first run, by the number of checks; and validation.

    python benchmarks/start.py [--short] [--rounds 5] [checks ...]

Every check runs once a minute, so the first one is due some milliseconds after the start.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.client import Client
from benchmarks.contenders import ready
from benchmarks.processes import PROBE, MeasurementError, end_on_sigterm, free_port, memory_mib, started
from benchmarks.report import Table, middle, progress
from benchmarks.target import Site

CHECKS = (1_000, 5_000, 20_000)
_SETTLE = 10.0  # s after the start until memory is looked at
_LIMIT = 120.0  # s


@dataclass(frozen=True, slots=True)
class Start:
    """One start, in seconds from the command, and MiB a little later."""

    ready: float
    first: float
    memory: float


@dataclass(frozen=True, slots=True)
class Validation:
    seconds: float
    cpu: float


class Arrivals:
    """The target of all checks: remembers when the first request came."""

    def __init__(self) -> None:
        self.first: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    def site(self) -> Site:
        arrivals = self

        class Noting(Site):
            def data_received(self, data: bytes) -> None:
                if not arrivals.first.done():
                    arrivals.first.set_result(time.monotonic())
                super().data_received(data)

        return Noting()


def write_config(folder: Path, checks: int, target: int, port: int) -> Path:
    """One entry for every check, as a generated configuration has them."""
    config = folder / "probe.yml"
    body = {
        "instance": "benchmark",
        "listen": f"127.0.0.1:{port}",
        "defaults": {"every": "1m", "service": "shop", "thresholds": {"total": {"degraded": "500ms"}}},
        "services": {"shop": {"owner": "team-shop", "labels": {"env": "test"}}},
    }
    # YAML as people write it, a line for each check: how it is laid out is part of the cost.
    text = "".join(f"{key}: {json.dumps(value)}\n" for key, value in body.items())
    lines = [
        f"  shop/check-{n}:\n    http: {{url: 'http://127.0.0.1:{target}/{n}', expect: {{status: 200}}}}\n"
        for n in range(checks)
    ]
    config.write_text(f"{text}checks:\n{''.join(lines)}")
    return config


async def start(checks: int, folder: Path, settle: float = _SETTLE) -> Start:
    arrivals, port, target = Arrivals(), free_port(), free_port()
    server = await asyncio.get_running_loop().create_server(arrivals.site, "127.0.0.1", target, backlog=4096)
    config, log = write_config(folder, checks, target, port), folder / "probe.log"
    async with server, Client(port) as client:
        began = time.monotonic()
        with started([str(PROBE), "run", str(config), "--plain"], log) as process:
            await ready(client, "/-/ready", process, log)
            until_ready = time.monotonic() - began
            async with asyncio.timeout(_LIMIT):
                until_first = await arrivals.first - began
            await asyncio.sleep(settle)
            return Start(until_ready, until_first, memory_mib(process.pid))


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
        middle([one.memory for one in starts], 0),
        middle([one.seconds for one in validations]),
        middle([one.cpu for one in validations]),
    ]


def measure(sizes: Sequence[int], rounds: int, settle: float = _SETTLE) -> Table:
    """All sizes in turn, round after round."""
    starts: dict[int, list[Start]] = {checks: [] for checks in sizes}
    validations: dict[int, list[Validation]] = {checks: [] for checks in sizes}
    for round_ in range(rounds):
        for checks in sizes:
            with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as folder:
                starts[checks].append(asyncio.run(start(checks, Path(folder), settle)))
                validations[checks].append(validate(Path(folder) / "probe.yml"))
            progress(f"round {round_ + 1}, {checks:,} checks: ready after {starts[checks][-1].ready:.2f} s")
    columns = ["checks", "ready, s", "first run, s", "memory, MiB", "`validate`, s", "`validate`, CPU-s"]
    rows = [row(checks, starts[checks], validations[checks]) for checks in sizes]
    notes = [
        f"medians (lowest-highest) of {rounds} interleaved rounds, from the command on; memory {settle:g} s later",
        "the store is new; each check runs once a minute",
    ]
    return Table("Start of the service", columns, rows, notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("checks", type=int, nargs="*", default=CHECKS, help="how many (1000 5000 20000)")
    parser.add_argument("--short", action="store_true", help="2 rounds")
    parser.add_argument("--rounds", type=int, help="rounds, each with every number of checks in turn (5)")
    options = parser.parse_args()
    end_on_sigterm()
    print(measure(options.checks, options.rounds or (2 if options.short else 5)).markdown())


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
