"""Contenders in turns, round after round: each is started, warms up, is measured for a while, and is ended."""

from __future__ import annotations

import asyncio
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.contenders import Case, Contender, Running, Tally, UnableError, now_ms
from benchmarks.native import Target
from benchmarks.report import middle, percentile, progress

_MOST_FAILED = 0.001  # of the checks in a window: more, and it is something else that is measured


@dataclass(frozen=True, slots=True)
class Plan:
    """How long is measured, and how."""

    rounds: int = 5
    seconds: float = 20.0
    warm: float = 5.0  # s before the window: connections, caches and the heap are then as they stay
    pin: bool = False
    gzip: bool = False


@dataclass(frozen=True, slots=True)
class Sample:
    """What one contender cost in one window."""

    cpu_ms: float  # per check
    rate: float  # checks/s
    memory: float  # MiB
    latencies: Sequence[float]  # s, as it reports them
    missed: int = 0  # checks that the target did not see, and was to see


async def sample(contender: Contender, case: Case, plan: Plan, target: Target | None = None) -> Sample:
    """Start a contender, let it warm up, measure one window, and end it."""
    async with contender.running(case) as running:
        await asyncio.sleep(plan.warm)
        before = await _reading(running, target)
        await running.work(plan.seconds)
        after = await _reading(running, target)
        memory = running.memory()
    done = after.requests - before.requests if target else after.tally.done - before.tally.done
    failed = after.tally.failed - before.tally.failed
    if not done or failed > _MOST_FAILED * done:
        raise UnableError(f"{contender.name}, {case.name}: {failed} of {done} checks failed; nothing was measured")
    latencies = await contender.latencies(case, before.at_ms, after.at_ms)
    cpu, rate = after.cpu - before.cpu, done / (after.at - before.at)
    return Sample(cpu / done * 1000, rate, memory, latencies, after.missed - before.missed)


@dataclass(frozen=True, slots=True)
class _Reading:
    """One end of a window. What it costs itself is within the window at its begin alone."""

    at: float
    at_ms: int
    cpu: float
    requests: int  # as the target counts them
    missed: int
    tally: Tally


async def _reading(running: Running, target: Target | None) -> _Reading:
    at, cpu = time.monotonic(), running.cpu()
    seen = target.report() if target else None
    requests, missed = (seen.requests, seen.missed) if seen else (0, 0)
    return _Reading(at, now_ms(), cpu, requests, missed, await running.tally())


Samples = Mapping[str, Sequence[Sample | None]]  # by contender, a sample of every round: None where it was not able


async def compare(
    contenders: Sequence[Contender], case: Case, plan: Plan, target: Target | None = None
) -> tuple[Samples, Sequence[str]]:
    """Each contender in turn, round after round, so that a busy neighbour meets all of them; and why some could not."""
    samples: dict[str, list[Sample | None]] = {contender.name: [] for contender in contenders}
    unable: dict[str, None] = {}
    for round_ in range(plan.rounds):
        for contender in contenders:
            one = None
            with tempfile.TemporaryDirectory(dir=case.folder) as folder:
                try:
                    one = await sample(contender, replace(case, folder=Path(folder)), plan, target)
                except UnableError as error:
                    unable[str(error)] = None
            samples[contender.name].append(one)
            said = f"{one.cpu_ms:.3f} ms at {one.rate:.0f}/s" if one else "-"
            progress(f"{case.name}, round {round_ + 1}: {contender.name} {said}")
    return samples, list(unable)


def shares(samples: Samples, name: str, other: str, figure: str = "cpu_ms") -> list[float]:
    """One contender's figure as a share of another's, round by round: both met the same neighbours.

    A window so short that the clock's ticks show nothing of the other has none.
    """
    both = [pair for pair in zip(samples.get(name, ()), samples.get(other, ()), strict=False) if all(pair)]
    figures = [(getattr(one, figure), getattr(another, figure)) for one, another in both]
    return [one / another for one, another in figures if another]


def latency(samples: Sequence[Sample | None]) -> str:
    """What was reported, in ms: the median and the 99th percentile of each round, and their medians."""
    return " / ".join(_latency(samples, share) for share in (0.5, 0.99))


def _latency(samples: Sequence[Sample | None], share: float) -> str:
    values = [percentile(one.latencies, share) * 1000 for one in samples if one and one.latencies]
    return middle(values) if values else "-"
