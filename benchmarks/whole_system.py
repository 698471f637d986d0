"""Two whole systems that keep every result: Probe, and Prometheus with blackbox_exporter, with thousands of checks.

    python benchmarks/whole_system.py [--short] [--checks 5000] [--every 10] [--rounds 3] [--seconds 60]

Plain HTTP against a target that answers at once. All processes of either system are counted.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from benchmarks.blackbox import Prometheus
from benchmarks.contenders import Case, Contender, Probe
from benchmarks.native import target
from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, middle, show
from benchmarks.rounds import Plan, Samples, compare, latency, shares

_COLUMNS = ("system", "CPU-ms per check", "memory, MiB", "checks/s", "missed", "reported ms, p50 / p99")


def rows(samples: Samples) -> list[list[str]]:
    found = []
    for name, each in samples.items():
        done = [one for one in each if one]
        if not done:
            found.append([name, *["-"] * (len(_COLUMNS) - 1)])
            continue
        figures = [("cpu_ms", 3), ("memory", 0), ("rate", 0), ("missed", 0)]
        cells = [middle([getattr(one, figure) for one in done], digits) for figure, digits in figures]
        found.append([name, *cells, latency(done)])
    return found


def goals(samples: Samples, what: str) -> list[Goal]:
    pair = (Probe.name, Prometheus.name)
    beside = f"beside {Prometheus.name}'s"
    return [
        at_most(f"{what}: CPU per check {beside}", 1 / 6, shares(samples, *pair), " x", 3),
        at_most(f"{what}: memory {beside}", 1 / 3, shares(samples, *pair, "memory"), " x", 3),
    ]


def measure(contenders: Sequence[Contender], checks: int, every: float, plan: Plan) -> tuple[Table, list[Goal]]:
    """Both systems in turns. They warm up until every check has run."""
    what = f"{checks:,} HTTP checks at {every:g} s"
    with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as name:
        folder = Path(name)
        with target(folder, 0, every=every) as site:
            case = Case(what, checks, site.url(), folder, every=every)
            samples, unable = asyncio.run(compare(contenders, case, plan, site))
    notes = [
        f"medians (lowest-highest) of {plan.rounds} interleaved rounds of {plan.seconds:g} s, after {plan.warm:g} s",
        "missed: requests that the target did not get in the window; reported: of an answer that comes at once",
        *unable,
    ]
    return Table(f"Whole systems, {what}", _COLUMNS, rows(samples), notes), goals(samples, what)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="1 round of 10 s")
    parser.add_argument("--checks", type=int, default=5000, help="how many (5000)")
    parser.add_argument("--every", type=float, default=10.0, help="seconds from one run to the next (10)")
    parser.add_argument("--rounds", type=int, help="rounds, each with both systems in turn (3)")
    parser.add_argument("--seconds", type=float, help="length of a measured window (60)")
    options = parser.parse_args()
    rounds, seconds = (1, 10.0) if options.short else (3, 60.0)
    plan = Plan(options.rounds or rounds, options.seconds or seconds, warm=options.every + 2.0)
    end_on_sigterm()
    table, found = measure([Probe(), Prometheus()], options.checks, options.every, plan)
    show([table], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
