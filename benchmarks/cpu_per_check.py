"""Processor time of one check: the whole service beside blackbox_exporter, the probe alone beside a client in C.

    python benchmarks/cpu_per_check.py [--short] [--rounds 5] [--seconds 20] [--pin] [--gzip] [--prometheus]

All do the same checks at the same rate against the same target, which answers at once. Probe schedules, judges, stores
and exports them as well; blackbox_exporter is asked for each by a driver of ours, whose cost is not counted.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import trustme

from benchmarks.alone import Floor, Worker
from benchmarks.blackbox import Blackbox, Prometheus
from benchmarks.contenders import Case, Contender, Probe
from benchmarks.native import target
from benchmarks.processes import MeasurementError, end_on_sigterm, free_port, started
from benchmarks.report import Goal, Table, at_most, middle, show
from benchmarks.rounds import Plan, Samples, compare, latency, shares

_LAZY = 5.0  # ms between two looks of the floor in its other form
FLOORS = (Floor().name, Floor(_LAZY).name)
_SHORT = ("HTTP, 1,000/s", "HTTPS, 100/s, CA of the system")
_COLUMNS = (
    "case",
    "program",
    "CPU-ms per check",
    "of blackbox_exporter's",
    "of the C client's",
    "checks/s",
    "memory, MiB",
    "reported ms, p50 / p99",
)


def rows(case: Case, samples: Samples) -> list[list[str]]:
    """The lines of one case: ratios are taken within each round."""
    return [row(case.name, name, samples) for name in samples]


def row(case: str, name: str, samples: Samples) -> list[str]:
    done = [one for one in samples[name] if one]
    if not done:
        return [case, name, *["-"] * (len(_COLUMNS) - 2)]
    return [
        case,
        name,
        middle([one.cpu_ms for one in done], 3),
        _share(samples, name, Blackbox.name),
        _share(samples, name, Floor().name),
        middle([one.rate for one in done], 0),
        middle([one.memory for one in done], 0),
        latency(done),
    ]


def _share(samples: Samples, name: str, other: str) -> str:
    values = shares(samples, name, other)
    return f"**{middle(values)}**" if values and name != other else "-"


def goals(case: Case, samples: Samples) -> list[Goal]:
    """What is to be reached in a case, as far as all who are compared took part in it."""
    service, alone = f"{case.name}: CPU of the whole service beside", f"{case.name}: CPU of the probe alone beside"
    blackbox = Blackbox.name
    if case.authority is not None:
        return [at_most(f"{service} {blackbox}'s", 1.0, shares(samples, Probe.name, blackbox), " x")]
    return [
        at_most(f"{service} {blackbox}'s", 0.25, shares(samples, Probe.name, blackbox), " x"),
        at_most(f"{alone} {blackbox}'s", 0.125, shares(samples, Worker.name, blackbox), " x", 3),
        *(at_most(f"{alone} {one}", 2.5, shares(samples, Worker.name, one), " x") for one in FLOORS),
    ]


def certificate(folder: Path) -> tuple[Path, Path]:
    """The file of an authority of our own, and one with the target's key and chain: RSA-2048 both."""
    authority = trustme.CA(key_type=trustme.KeyType.RSA)
    issued = authority.issue_cert("127.0.0.1", key_type=trustme.KeyType.RSA)
    ca, server = folder / "ca.pem", folder / "server.pem"
    authority.cert_pem.write_to_path(str(ca))
    issued.private_key_and_cert_chain_pem.write_to_path(str(server))
    return ca, server


def cases(folder: Path, plain: str, tls: int, ca: Path, plan: Plan) -> list[Case]:
    """Plain HTTP from a low rate to a high one; HTTPS with our authority named, and in the system's place."""
    base = Case("", 0, plain, folder, core=0 if plan.pin else None, gzip=plan.gzip)
    secure = replace(base, checks=100, target=f"https://127.0.0.1:{tls}", authority=ca)
    return [
        *(replace(base, name=f"HTTP, {rate:,}/s", checks=rate) for rate in (200, 500, 1000, 2000)),
        replace(secure, name="HTTPS, 100/s, CA of the system", pooled=True),
        replace(secure, name="HTTPS, 100/s, CA file of its own"),
    ]


def measure(contenders: Sequence[Contender], plan: Plan, wanted: Sequence[str] = ("",)) -> tuple[Table, list[Goal]]:
    """The whole comparison; `wanted` keeps only the cases whose name holds one of these texts."""
    lines: list[list[str]] = []
    found: list[Goal] = []
    notes = [_how(plan)]
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="probe-benchmark-")))
        ca, server = certificate(folder)
        core, tls = 1 if plan.pin else None, free_port()
        plain = stack.enter_context(target(folder, 0, every=1.0, core=core))
        command = [sys.executable, str(Path(__file__).with_name("tls_target.py")), str(tls), str(server)]
        stack.enter_context(started(command, folder / "target.log", core=core))
        for case in cases(folder, plain.url(), tls, ca, plan):
            if any(text in case.name for text in wanted):
                able = [one for one in contenders if not (case.authority and isinstance(one, (Worker, Floor)))]
                samples, unable = asyncio.run(compare(able, case, plan, None if case.authority else plain))
                lines += rows(case, samples)
                found += goals(case, samples)
                notes += unable
    return Table("Processor time per check", _COLUMNS, lines, notes), found


def _how(plan: Plan) -> str:
    pinned = "the measured one on core 0, the rest on core 1" if plan.pin else "no process pinned"
    return f"medians (lowest-highest) of {plan.rounds} interleaved rounds of {plan.seconds:g} s each; {pinned}"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="2 rounds of 3 s, two of the cases")
    parser.add_argument("--rounds", type=int, help="rounds, each with every contender in turn (5)")
    parser.add_argument("--seconds", type=float, help="length of a measured window (20)")
    parser.add_argument("--pin", action="store_true", help="keep the measured process on core 0, all else on core 1")
    parser.add_argument("--gzip", action="store_true", help="ask for compressed answers, as Prometheus does")
    parser.add_argument("--prometheus", action="store_true", help="Prometheus with blackbox_exporter as another")
    parser.add_argument("--only", metavar="TEXT", help="only cases whose name holds TEXT")
    options = parser.parse_args()
    plan = Plan(rounds=2, seconds=3.0, warm=1.5) if options.short else Plan()
    given = {key: getattr(options, key) for key in ("rounds", "seconds") if getattr(options, key) is not None}
    plan = replace(plan, pin=options.pin, gzip=options.gzip, **given)
    if plan.pin:
        os.sched_setaffinity(0, {1})
    end_on_sigterm()
    contenders: list[Contender] = [Probe(), Blackbox(), Worker(), Floor(), Floor(_LAZY)]
    if options.prometheus:
        contenders.append(Prometheus())
    wanted = [options.only] if options.only is not None else _SHORT if options.short else [""]
    table, found = measure(contenders, plan, wanted)
    show([table], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
