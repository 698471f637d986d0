"""Is the reported latency true while our own loop is blocked? With the kernel's word on what came when, and without it.

    python benchmarks/stalls.py [--short] [--rate 1000] [--stall 10] [--every 100] [--rounds 3] [--seconds 15]

The engine by itself, its event loop blocked now and then, against a target that answers after exactly 20 ms and writes
down what it did. Without the kernel's word the same engine does what it does on a system that has none.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from unittest.mock import patch

from benchmarks.engine_alone import at_work, spelled
from benchmarks.native import answers, target
from benchmarks.observed import Matched, Seen, in_ms, matched, number_of
from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, middle, progress, show
from checks.core import kernel
from checks.core.result import Result
from probe.engine.engine import slice_for
from thresholds.measured import LAG

DELAY_MS = 20.0
_MOST_FAILED = 0.001  # of the runs in a window: more, and it is something else that is measured
_ERRORS = {"first byte": "first_byte_error", "whole run": "total_error"}
_COLUMNS = (
    "looks at its sockets",
    "what came when is told by",
    "runs/s",
    "loop blocked",
    "first byte: error ms, p50 / p99",
    "whole run: error ms, p50 / p99",
    "p99 beside that without the kernel",
    "`timing: loop`",
    "marked",
    "first byte, not marked: error ms, p99",
)


@dataclass(frozen=True, slots=True)
class Plan:
    rate: int = 1000  # runs/s
    stall: float = 0.01  # s for which the loop is blocked
    every: float = 0.1  # s between two stalls, at a guess: from half of it to half as much again
    rounds: int = 3
    seconds: float = 15.0
    warm: float = 2.0


@dataclass(frozen=True, slots=True)
class Form:
    """What is compared: whether the kernel is asked, and every how many seconds sockets are looked at."""

    stamps: bool
    slice_: float

    def __str__(self) -> str:
        return f"looks {spelled(self.slice_)}, {'with' if self.stamps else 'without'} the kernel's word"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one form reported in one window, beside what was so."""

    probes: Sequence[Matched]
    seconds: float
    blocked: float  # s
    by_loop: int  # runs that say of themselves that the loop timed them

    def error(self, name: str, share: float) -> float:
        return in_ms([getattr(one, name) for one in self.probes], share)

    def share(self, count: int) -> float:
        return count / len(self.probes)


class Stalls:
    """Blocks the running loop now and then, at the same instants for the same `seed`."""

    def __init__(self, plan: Plan, seed: int) -> None:
        self._plan = plan
        self._chance = random.Random(seed)
        self._loop = asyncio.get_running_loop()
        self.blocked = 0.0  # s so far
        self._follow()

    def end(self) -> None:
        self._timer.cancel()

    def _follow(self) -> None:
        self._timer = self._loop.call_later(self._chance.uniform(0.5, 1.5) * self._plan.every, self._block)

    def _block(self) -> None:
        began = time.monotonic()
        time.sleep(self._plan.stall)  # the processor is left to others: it is the loop that has no turn
        self.blocked += time.monotonic() - began
        self._follow()


@contextmanager
def stalled(plan: Plan, seed: int) -> Iterator[Stalls]:
    """The running loop, blocked now and then for the length of the block."""
    stalls = Stalls(plan, seed)
    try:
        yield stalls
    finally:
        stalls.end()


def without_stamps() -> AbstractContextManager[object]:
    """The kernel is asked for nothing, as on a system that is not Linux: what is timed is when our loop noticed."""
    return patch.object(kernel, "_LINUX", new=False)


async def watched(url: str, form: Form, plan: Plan, seed: int) -> tuple[list[Result], float, float]:
    """All results of one window, its seconds, and for how many of them the loop was blocked."""
    results: list[Result] = []
    async with at_work(url, plan.rate, results.append, slice_=form.slice_):
        with stalled(plan, seed) as stalls:
            await asyncio.sleep(plan.warm)
            results.clear()
            began, before = time.monotonic(), stalls.blocked
            await asyncio.sleep(plan.seconds)
            return list(results), time.monotonic() - began, stalls.blocked - before


def outcome(form: Form, plan: Plan, seed: int, folder: Path) -> Outcome:
    """One form for one window, against a target of its own."""
    log = folder / "answers.log"
    with target(folder, DELAY_MS, log=log) as site, nullcontext() if form.stamps else without_stamps():
        results, seconds, blocked = asyncio.run(watched(site.url(), form, plan, seed))
        site.report()  # the log is then whole
        reported = good(results)
        found = matched(map(_seen, reported), answers(log))
    if not found:
        raise MeasurementError(f"{form}: nothing was reported")
    by_loop = sum(result.facts["timing"] == "loop" for result in reported)
    if not form.stamps and by_loop < len(reported):
        raise MeasurementError(f"{form}: {by_loop} of {len(reported)} runs were timed by our loop, all were to be")
    return Outcome(found, seconds, blocked, by_loop)


def good(results: Sequence[Result]) -> list[Result]:
    """Those that report a latency; raises where more than a few do not."""
    failures = [result.failure for result in results if result.failure is not None]
    if len(failures) > _MOST_FAILED * len(results):
        raise MeasurementError(f"{len(failures)} of {len(results)} runs failed: {failures[0].message}")
    return [result for result in results if result.failure is None]


def _seen(result: Result) -> Seen:
    number, phases = number_of(result.check), result.phases
    return Seen(number, result.at_ms, phases["ttfb"], result.duration, LAG in result.facts)


Outcomes = Mapping[Form, Sequence[Outcome]]  # by form, one of every round


def row(form: Form, outcomes: Outcomes) -> list[str]:
    each = outcomes[form]
    return [
        spelled(form.slice_),
        "the kernel" if form.stamps else "our loop",
        middle([len(one.probes) / one.seconds for one in each], 0),
        f"{statistics.median(one.blocked / one.seconds for one in each):.1%}",
        *(
            " / ".join(middle([one.error(name, share) for one in each]) for share in (0.5, 0.99))
            for name in _ERRORS.values()
        ),
        _beside(form, outcomes) if form.stamps else "-",
        f"{statistics.median(one.share(one.by_loop) for one in each):.1%}",
        f"{statistics.median(one.share(sum(each.seen.marked for each in one.probes)) for one in each):.1%}",
        _unmarked(each),
    ]


def _unmarked(outcomes: Sequence[Outcome]) -> str:
    """The error of those that are taken at their word."""
    errors = [[each.first_byte_error for each in one.probes if not each.seen.marked] for one in outcomes]
    return middle([in_ms(one, 0.99) for one in errors if one]) if any(errors) else "-"


def _beside(form: Form, outcomes: Outcomes) -> str:
    """The error of the first byte as a share of the other form's, round by round: both met the same neighbours."""
    pairs = zip(outcomes[form], outcomes[replace(form, stamps=False)], strict=True)
    name = _ERRORS["first byte"]
    return f"**{middle([one.error(name, 0.99) / other.error(name, 0.99) for one, other in pairs], 4)}**"


def goals(slice_: float, plan: Plan, outcomes: Outcomes) -> list[Goal]:
    """The error with the kernel's word, and beside it the error without."""
    found = []
    where = f"loop blocked for {plan.stall * 1000:g} ms, {plan.rate:,}/s, looks {spelled(slice_)}"
    for what, name in _ERRORS.items():
        told, untold = ([one.error(name, 0.99) for one in outcomes[Form(stamps, slice_)]] for stamps in (True, False))
        goal = at_most(f"{where}: error of the reported {what}, p99", 0.5, told, " ms", 3)
        found.append(replace(goal, seen=f"{goal.seen}; {middle(untold)} ms without the kernel's stamps"))
    return found


def measure(plan: Plan) -> tuple[Table, list[Goal]]:
    """All forms in turn, round after round."""
    slices = list(dict.fromkeys([slice_for(plan.rate), 0.0]))
    outcomes: dict[Form, list[Outcome]] = {Form(stamps, slice_): [] for slice_ in slices for stamps in (True, False)}
    for round_ in range(plan.rounds):
        for form, each in outcomes.items():
            with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as folder:
                each.append(outcome(form, plan, round_, Path(folder)))
            error = each[-1].error(_ERRORS["first byte"], 0.99)
            progress(f"round {round_ + 1}: {form}: p99 {error:.3f} ms")
    notes = [
        f"medians (lowest-highest) of {plan.rounds} interleaved rounds of {plan.seconds:g} s each",
        "error: how far the report is from what the target did for that request; a whole run connects and reads, too",
        "marked: results that say that our own lag may explain them; all columns but the last count them, too",
    ]
    title = (
        f"The engine by itself, {plan.rate:,} plain-HTTP runs/s answered after exactly {DELAY_MS:g} ms, its loop "
        f"blocked for {plan.stall * 1000:g} ms about every {plan.every * 1000:g} ms"
    )
    table = Table(title, _COLUMNS, [row(form, outcomes) for form in outcomes], notes)
    return table, [goal for slice_ in slices for goal in goals(slice_, plan, outcomes)]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="one round of 2.5 s each")
    parser.add_argument("--rate", type=int, help="runs/s (1000)")
    parser.add_argument("--stall", type=float, help="ms for which the loop is blocked (10)")
    parser.add_argument("--every", type=float, help="ms between two stalls, about (100)")
    parser.add_argument("--rounds", type=int, help="rounds, each with every form in turn (3)")
    parser.add_argument("--seconds", type=float, help="length of a measured window (15)")
    options = parser.parse_args()
    plan = Plan(rounds=1, seconds=2.5) if options.short else Plan()
    given = {key: getattr(options, key) for key in ("rate", "rounds", "seconds") if getattr(options, key) is not None}
    given |= {key: getattr(options, key) / 1000 for key in ("stall", "every") if getattr(options, key) is not None}
    end_on_sigterm()
    table, found = measure(replace(plan, **given))
    show([table], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
