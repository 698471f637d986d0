"""Processor time of one check: the whole service of Probe beside blackbox_exporter, in interleaved rounds.

    python benchmarks/cpu_per_check.py [--short] [--rounds 5] [--seconds 20] [--pin] [--gzip] [--prometheus]

Both do the same checks at the same rate against the same target, which answers at once. Probe schedules, judges, stores
and exports them as well; blackbox_exporter is asked for each by a driver of ours, whose cost is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import trustme

from benchmarks.contenders import Blackbox, Case, Contender, Probe, Prometheus, now_ms
from benchmarks.processes import (
    MeasurementError,
    cpu_seconds,
    end_on_sigterm,
    free_port,
    memory_mib,
    started,
)
from benchmarks.report import Table, middle, percentile, progress

_MOST_FAILED = 0.001  # of the checks in a window: more, and it is something else that is measured


@dataclass(frozen=True, slots=True)
class Sample:
    """What one contender cost in one window."""

    cpu_ms: float  # per check
    rate: float  # checks/s
    memory: float  # MiB
    latencies: Sequence[float]  # s


@dataclass(frozen=True, slots=True)
class Plan:
    """How long is measured, and how."""

    rounds: int = 5
    seconds: float = 20.0
    warm: float = 5.0  # s before the window: connections, caches and the heap are then as they stay
    pin: bool = False
    gzip: bool = False


async def sample(contender: Contender, case: Case, plan: Plan) -> Sample:
    """Start a contender, let it warm up, measure one window, and end it."""
    async with contender.running(case) as running:
        await asyncio.sleep(plan.warm)
        before, cpu_before, began, began_ms = await running.tally(), _cpu(running.pids), time.monotonic(), now_ms()
        await running.work(plan.seconds)
        after, cpu_after, ended, ended_ms = await running.tally(), _cpu(running.pids), time.monotonic(), now_ms()
        memory = sum(memory_mib(pid) for pid in running.pids)
    done, failed = after.done - before.done, after.failed - before.failed
    if not done or failed > _MOST_FAILED * done:
        raise MeasurementError(f"{contender.name}, {case.name}: {failed} of {done} checks failed; nothing was measured")
    latencies = await contender.latencies(case, began_ms, ended_ms)
    return Sample((cpu_after - cpu_before) / done * 1000, done / (ended - began), memory, latencies)


def _cpu(pids: Sequence[int]) -> float:
    return sum(cpu_seconds(pid) for pid in pids)


async def compare(contenders: Sequence[Contender], case: Case, plan: Plan) -> Mapping[str, Sequence[Sample]]:
    """Samples by contender: each in turn, round after round, so that a busy neighbour meets all of them."""
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for round_ in range(plan.rounds):
        for contender in contenders:
            with tempfile.TemporaryDirectory(dir=case.folder) as folder:
                one = await sample(contender, replace(case, folder=Path(folder)), plan)
            samples[contender.name].append(one)
            progress(f"{case.name}, round {round_ + 1}: {contender.name} {one.cpu_ms:.3f} ms at {one.rate:.0f}/s")
    return samples


def row(case: str, name: str, ours: Sequence[Sample], theirs: Sequence[Sample]) -> list[str]:
    """One line of the table: `theirs` beside `ours` of the same rounds, the ratio taken round by round."""
    ratios = [one.cpu_ms / other.cpu_ms for one, other in zip(ours, theirs, strict=True)]
    same = ours is theirs
    return [
        case,
        name,
        middle([one.cpu_ms for one in theirs], 3),
        "" if same else f"**{middle(ratios)}**",
        middle([one.rate for one in theirs], 0),
        middle([one.memory for one in theirs], 0),
        " / ".join(_latency(theirs, share) for share in (0.5, 0.99)),
    ]


def _latency(samples: Sequence[Sample], share: float) -> str:
    values = [percentile(one.latencies, share) * 1000 for one in samples if one.latencies]
    return middle(values) if values else "-"


def certificate(folder: Path) -> tuple[Path, Path]:
    """The file of an authority of our own, and one with the target's key and chain: RSA-2048 both."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    ca, server = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(ca))
    issued.private_key_and_cert_chain_pem.write_to_path(str(server))
    return ca, server


def cases(folder: Path, plain: int, tls: int, ca: Path, plan: Plan) -> list[Case]:
    """Plain HTTP at a lower and a higher rate; HTTPS with our authority named, and in the system's place."""
    base = Case("", 0, f"http://127.0.0.1:{plain}", folder, core=0 if plan.pin else None, gzip=plan.gzip)
    secure = replace(base, rate=100, target=f"https://127.0.0.1:{tls}", authority=ca)
    return [
        replace(base, name="HTTP, 200/s", rate=200),
        replace(base, name="HTTP, 500/s", rate=500),
        replace(secure, name="HTTPS, 100/s, CA of the system", pooled=True),
        replace(secure, name="HTTPS, 100/s, CA file of its own"),
    ]


def measure(contenders: Sequence[Contender], plan: Plan, wanted: str = "") -> Table:
    """The whole comparison; `wanted` keeps only the cases whose name holds it."""
    rows: list[list[str]] = []
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="probe-benchmark-")))
        ca, server = certificate(folder)
        plain, tls = free_port(), free_port()
        script = str(Path(__file__).with_name("target.py"))
        command = [sys.executable, script, str(plain), str(tls), str(server)]
        stack.enter_context(started(command, folder / "target.log", core=1 if plan.pin else None))
        for case in cases(folder, plain, tls, ca, plan):
            if wanted in case.name:
                samples = list(asyncio.run(compare(contenders, case, plan)).items())
                rows += [row(case.name, name, samples[0][1], theirs) for name, theirs in samples]
    columns = [
        "case",
        "program",
        "CPU-ms per check",
        "Probe's share of it",
        "checks/s",
        "memory, MiB",
        "reported ms, p50 / p99",
    ]
    pinned = "the measured one on core 0, the rest on core 1" if plan.pin else "no process pinned"
    notes = [f"medians (lowest-highest) of {plan.rounds} interleaved rounds of {plan.seconds:g} s each; {pinned}"]
    return Table("Processor time per check, the whole service beside blackbox_exporter", columns, rows, notes)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="3 rounds of 5 s")
    parser.add_argument("--rounds", type=int, help="rounds, each with every contender in turn (5)")
    parser.add_argument("--seconds", type=float, help="length of a measured window (20)")
    parser.add_argument("--pin", action="store_true", help="keep the measured process on core 0, all else on core 1")
    parser.add_argument("--gzip", action="store_true", help="ask for compressed answers, as Prometheus does")
    parser.add_argument("--prometheus", action="store_true", help="Prometheus with blackbox_exporter as a third")
    parser.add_argument("--only", default="", metavar="TEXT", help="only cases whose name holds TEXT")
    options = parser.parse_args()
    plan = Plan(rounds=3, seconds=5.0, warm=3.0) if options.short else Plan()
    given = {key: getattr(options, key) for key in ("rounds", "seconds") if getattr(options, key) is not None}
    plan = replace(plan, pin=options.pin, gzip=options.gzip, **given)
    if plan.pin:
        os.sched_setaffinity(0, {1})
    end_on_sigterm()
    contenders: list[Contender] = [Probe(), Blackbox(), *([Prometheus()] if options.prometheus else [])]
    print(measure(contenders, plan, options.only).markdown())


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
