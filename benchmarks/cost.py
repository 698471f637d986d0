"""What a result costs after its probe, by stage; what a check takes while it waits, by part; how often TLS is loaded.

    python benchmarks/cost.py [--short] [--rounds 40] [--checks 10000]

The way of a result is run in this process, with everything that the service has there, and without the probe. Lines
are of real runs. The profile is of the hub's thread, sampled by the processor time that it uses.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import SSLContext
from types import FrameType
from unittest.mock import patch

from benchmarks import idle
from benchmarks.cpu_per_check import certificate
from benchmarks.native import target
from benchmarks.processes import MeasurementError, end_on_sigterm, free_port, started
from benchmarks.report import Goal, Table, at_most, middle, none_of, progress, show
from benchmarks.result_path import BATCH, STAGES, WHOLE, Costs, Desk, as_a_whole, by_stage, desk, lines, result_of
from benchmarks.slices import Sampler
from benchmarks.witness import Witness
from checks.core import tls
from checks.core.result import Result
from checks.http import Http
from probe.engine.process import settle

_WARM = 3  # rounds that are not counted: names and shapes are new to the store
_TOP = 14  # functions of the profile
_WITNESSED = 200  # results
Site = Mapping[str, str]  # the addresses of targets, and the file of their authority


class HubSampler(Sampler):
    """Counts microseconds of the main thread alone: what the writer's thread uses meanwhile is nobody's here."""

    def __init__(self) -> None:
        super().__init__()
        self._until = 0.0

    def start(self) -> None:
        self._until = time.thread_time()
        super().start()

    def _look(self, _signal: int, frame: FrameType | None) -> None:
        now = time.thread_time()
        if frame is not None:
            code = frame.f_code
            self.functions[f"{Path(code.co_filename).name}: {code.co_qualname}"] += round((now - self._until) * 1e6)
        self._until = now


@dataclass(frozen=True, slots=True)
class Plan:
    """How much is measured."""

    rounds: int = 40
    checks: int = 10_000  # that wait, more in one process than in the other
    ran: int = 1_000  # that have run, likewise
    batch: int = BATCH
    https: int = 1_000
    few: int = 1_000  # checks of the smaller process


@contextmanager
def sites(folder: Path) -> Iterator[Site]:
    """A target for plain HTTP and one for HTTPS at work."""
    ca, server = certificate(folder)
    port = free_port()
    command = [sys.executable, str(Path(__file__).with_name("tls_target.py")), str(port), str(server)]
    with target(folder, 0) as plain, started(command, folder / "target.log"):
        yield {"HTTP": plain.url(), "HTTPS": f"https://127.0.0.1:{port}", "ca": str(ca)}


def checks_of(site: Site, kind: str, count: int) -> list[Http]:
    """Checks with a URL of their own. Those of HTTPS have four sets of options between them."""
    sets: Sequence[Mapping[str, object]] = (
        {"ca": site["ca"]},
        {"ca": site["ca"], "min_version": "TLSv1.3"},
        {"ca": site["ca"], "server_name": "127.0.0.1"},
        {"verify": False},
    )
    return [Http.model_validate(_said(site, kind, number, sets[number % len(sets)])) for number in range(count)]


def _said(site: Site, kind: str, number: int, options: Mapping[str, object]) -> Mapping[str, object]:
    said: dict[str, object] = {"url": f"{site[kind]}/{number}", "expect": {"status": 200}}
    return said | {"tls": options} if kind == "HTTPS" else said


async def runs_of(site: Site) -> Mapping[str, Result]:
    """A real run of each kind. A target that has just been started is waited for."""
    async with asyncio.timeout(10.0):
        while True:
            try:
                return {kind: await result_of(checks_of(site, kind, 1)[0]) for kind in ("HTTP", "HTTPS")}
            except MeasurementError:
                await asyncio.sleep(0.1)


async def result_path(plan: Plan, runs: Mapping[str, Result], folder: Path) -> tuple[list[Table], list[Goal]]:
    """Processor time by stage, kinds and ways in turn; a profile; and what was done in vain."""
    costs: dict[str, dict[str, list[float]]] = {kind: {stage: [] for stage in (*STAGES, *WHOLE)} for kind in runs}
    async with AsyncExitStack() as stack:
        desks: dict[str, Desk] = {}
        for kind in runs:
            (folder / kind).mkdir()
            desks[kind] = await stack.enter_async_context(desk(folder / kind, plan.batch))
        settle()  # as a service does once it has started
        for round_ in range(_WARM + plan.rounds):
            for kind, one in desks.items():
                found = await _round(one, runs[kind], 2 * round_)
                for stage, each in found.items():
                    costs[kind][stage] += [each] * (round_ >= _WARM)
        progress(f"{plan.rounds} rounds of {plan.batch:,} results")
        turns = 2 * (_WARM + plan.rounds)
        profiles = [await _profiled(kind, one, runs[kind], turns, plan.rounds) for kind, one in desks.items()]
        goals = [goal for kind, one in desks.items() for goal in await _in_vain(kind, one, runs[kind], 3 * turns)]
    rows = [[stage, *(middle(costs[kind][stage], 1) for kind in runs)] for stage in (*STAGES, *WHOLE)]
    notes = [
        f"us of processor time per result, medians (lowest-highest) of {plan.rounds} interleaved rounds",
        f"of {plan.batch:,} results; a stage has all of them before the next one begins, the last two rows are one way",
    ]
    table = Table("A result after its probe", ["stage", *runs], rows, notes)
    return [table, *profiles], goals


async def _round(one: Desk, run: Result, turn: int) -> Costs:
    return {
        **await by_stage(one, lines(run, one.names, turn)),
        **await as_a_whole(one, lines(run, one.names, turn + 1)),
    }


async def _profiled(kind: str, one: Desk, run: Result, turn: int, rounds: int) -> Table:
    sampler = HubSampler()
    for number in range(rounds):
        batch = lines(run, one.names, turn + number)
        sampler.start()
        await as_a_whole(one, batch)
        sampler.stop()
    total = sampler.functions.total() or 1
    rows = [[name, f"{spent / total:.1%}"] for name, spent in sampler.functions.most_common(_TOP)]
    notes = [f"{rounds} rounds; a function is charged for what it calls that is written in C"]
    return Table(f"The hub's thread, {kind} results", ["function", "share"], rows, notes)


async def _in_vain(kind: str, one: Desk, run: Result, turn: int) -> list[Goal]:
    batch = lines(run, one.names[:_WITNESSED], turn)
    with Witness() as seen:
        await as_a_whole(one, batch)
    return [
        none_of(f"{len(batch):,} {kind} results: models of pydantic built", [seen.models.total()]),
        none_of(
            f"{len(batch):,} {kind} results: texts formatted, log records made", [(seen.texts + seen.records).total()]
        ),
        none_of(f"{len(batch):,} {kind} results: series looked up by labels", [seen.labels.total()]),
    ]


async def memory(plan: Plan, runs: Mapping[str, Result], site: Site, folder: Path) -> Table:
    """Bytes of a check that waits, by part, and of whole processes."""
    few, more = idle.FEW, idle.FEW + plan.ran
    waiting = idle.each(
        await idle.waiting(few, _new(folder)), await idle.waiting(few + plan.checks, _new(folder)), plan.checks
    )
    rows = [[part, _bytes(size), "the same"] for part, size in waiting.items()]
    kept = []
    for kind, run in runs.items():
        kept.append(
            idle.each(await idle.kept(few, run, _new(folder)), await idle.kept(more, run, _new(folder)), plan.ran)
        )
        progress(f"memory of {kind} checks that have run")
    rows += [[part, *(_bytes(parts[part]) for parts in kept)] for part in kept[0]]
    asked = [await idle.asked(checks_of(site, kind, more)) for kind in runs]
    rows.append(["worker: its request, once it has run", *map(_bytes, asked)])
    small, large = (
        await idle.processes(plan.few, _new(folder)),
        await idle.processes(plan.few + plan.checks, _new(folder)),
    )
    whole = idle.each(small, large, plan.checks)
    rows += [[f"{name}: the whole process, none has run", _bytes(size), "-"] for name, size in whole.items()]
    notes = [
        f"parts: what Python allocates for {plan.checks:,} more checks, or {plan.ran:,} more that have run, of each",
        f"processes: PSS with {plan.few + plan.checks:,} checks less that with {plan.few:,}, free space included",
    ]
    return Table("Bytes of a check that waits", ["part", *runs], rows, notes)


def _new(folder: Path) -> Path:
    return Path(tempfile.mkdtemp(dir=folder))


def _bytes(size: float) -> str:
    return f"{size:,.0f}"


async def contexts(plan: Plan, site: Site) -> tuple[Table, list[Goal]]:
    """How many TLS contexts are made for checks that run at once, and how many there are then."""
    checks = checks_of(site, "HTTPS", plan.https)
    wanted = len({check.tls for check in checks})
    gc.collect()
    before, made = _alive(), 0

    def counted(options: tls.TlsOptions, alpn: tuple[str, ...] = ()) -> SSLContext:
        nonlocal made
        made += 1
        return make(options, alpn)

    make = tls.make_context
    with patch.object(tls, "make_context", counted):
        alive = await idle.ran(checks, lambda: _alive() - before)
    rows = [[f"{plan.https:,}", str(wanted), str(made), str(alive)]]
    table = Table(
        "TLS contexts", ["HTTPS checks that ran", "sets of options", "contexts loaded", "contexts there"], rows
    )
    return table, [
        at_most(f"TLS contexts of {plan.https:,} checks with {wanted} sets of options", wanted, [made], "", 0)
    ]


def _alive() -> int:
    return sum(1 for one in gc.get_objects() if isinstance(one, SSLContext))


async def measure(plan: Plan) -> tuple[list[Table], list[Goal]]:
    with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as name, sites(Path(name)) as site:
        folder = Path(name)
        runs = await runs_of(site)
        taken = await memory(plan, runs, site, folder)
        shared, few = await contexts(plan, site)
        tables, goals = await result_path(plan, runs, folder)
    return [*tables, taken, shared], [*goals, *few]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="4 rounds, 2,000 checks that wait, 100 that have run")
    parser.add_argument("--rounds", type=int, help="rounds, each with every kind and way in turn (40)")
    parser.add_argument("--checks", type=int, help="how many checks wait (10,000)")
    options = parser.parse_args()
    end_on_sigterm()
    plan = Plan(rounds=4, checks=2_000, ran=100, https=400) if options.short else Plan()
    given = {key: getattr(options, key) for key in ("rounds", "checks") if getattr(options, key) is not None}
    show(*asyncio.run(measure(replace(plan, **given))))


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
