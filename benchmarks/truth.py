"""Is the reported latency true? Against a target that answers after exactly 20 ms, beside blackbox_exporter.

    python benchmarks/truth.py [--short] [--rounds 3] [--seconds 20] [rate ...]

Every reported probe is compared with what the target did for that very request, by the kernel's own timestamp of its
arrival and the instant of the answer: where the target is late, nobody is blamed for it.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.blackbox import Blackbox
from benchmarks.contenders import Case, now_ms
from benchmarks.native import Report, Target, answers, target
from benchmarks.observed import Matched, Seen, in_ms, matched, seen_of
from benchmarks.processes import MeasurementError, end_on_sigterm
from benchmarks.report import Goal, Table, at_most, middle, progress, show
from benchmarks.service import serving, stored

DELAY_MS = 20.0
RATES = (100, 500, 1000, 2000)
_COLUMNS = (
    "rate",
    "prober",
    "first byte: error ms, p50 / p99",
    "whole run: error ms, p50 / p99",
    "reported ms, p50 / p99",
    "checks/s",
    "marked",
    "the target's lateness ms, p50 / p99",
)


@dataclass(frozen=True, slots=True)
class Plan:
    rounds: int = 3
    seconds: float = 20.0
    warm: float = 3.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one prober reported in one window, beside what was so."""

    probes: Sequence[Matched]
    seconds: float
    site: Report

    def errors(self, name: str, share: float) -> float:
        return in_ms([getattr(one, name) for one in self.probes], share)


Window = tuple[int, int]  # Unix ms


async def probe(case: Case, plan: Plan, site: Target) -> tuple[Window, Report, list[Seen]]:
    """The whole service, and what is in its store afterwards."""
    async with serving(case.fleet, case.folder) as service:
        window, report = await _watched(plan, site)
        await service.end()
    return window, report, seen_of(await stored(case.folder, case.fleet.names, *window))


async def blackbox(case: Case, plan: Plan, site: Target) -> tuple[Window, Report, list[Seen]]:
    """blackbox_exporter, and what it answered."""
    exporter = Blackbox()
    async with exporter.running(case):
        window, report = await _watched(plan, site)
    seen = [Seen(one.check, one.asked_ms, one.first_byte, one.duration) for one in exporter.reported]
    return window, report, [one for one in seen if window[0] <= one.began_ms < window[1]]


async def _watched(plan: Plan, site: Target) -> tuple[Window, Report]:
    await asyncio.sleep(plan.warm)
    site.report()  # its lateness counts from here
    began = now_ms()
    await asyncio.sleep(plan.seconds)
    return (began, now_ms()), site.report()


Prober = Callable[[Case, Plan, Target], Awaitable[tuple[Window, Report, list[Seen]]]]
PROBERS: dict[str, Prober] = {"Probe": probe, Blackbox.name: blackbox}


async def outcome(prober: Prober, rate: int, plan: Plan, folder: Path) -> Outcome:
    """One prober at one rate, against a target of its own."""
    log = folder / "answers.log"
    with target(folder, DELAY_MS, log=log) as site:
        window, report, seen = await prober(Case(f"{rate}/s", rate, site.url(), folder), plan, site)
        site.report()  # the log is then whole
        found = matched(seen, answers(log))
    if not found:
        raise MeasurementError(f"{rate}/s: nothing was reported")
    return Outcome(found, (window[1] - window[0]) / 1000, report)


def row(rate: int, name: str, outcomes: Sequence[Outcome]) -> list[str]:
    marked = sum(one.seen.marked for each in outcomes for one in each.probes) / sum(len(one.probes) for one in outcomes)
    reported = [[one.seen.first_byte for one in each.probes] for each in outcomes]
    return [
        f"{rate:,}/s",
        name,
        _pair([[each.errors("first_byte_error", share) for each in outcomes] for share in (0.5, 0.99)]),
        _pair([[each.errors("total_error", share) for each in outcomes] for share in (0.5, 0.99)]),
        _pair([[in_ms(each, share) for each in reported] for share in (0.5, 0.99)]),
        middle([len(each.probes) / each.seconds for each in outcomes], 0),
        f"{marked:.1%}",
        _pair([[one.site.late_p50_us / 1000 for one in outcomes], [one.site.late_p99_us / 1000 for one in outcomes]]),
    ]


def _pair(figures: Sequence[Sequence[float]]) -> str:
    return " / ".join(middle(each) for each in figures)


def goals(rate: int, outcomes: Sequence[Outcome]) -> list[Goal]:
    found = []
    for what, name in (("first byte", "first_byte_error"), ("whole run", "total_error")):
        for word, share, limit in (("p50", 0.5, 0.15), ("p99", 0.99, 0.5)):
            values = [each.errors(name, share) for each in outcomes]
            found.append(at_most(f"{rate:,}/s: error of the reported {what}, {word}", limit, values, " ms", 3))
    return found


def measure(rates: Sequence[int], plan: Plan) -> tuple[Table, list[Goal]]:
    """Both probers in turn at every rate, round after round."""
    lines, found = [], []
    for rate in rates:
        outcomes: dict[str, list[Outcome]] = {name: [] for name in PROBERS}
        for round_ in range(plan.rounds):
            for name, prober in PROBERS.items():
                with tempfile.TemporaryDirectory(prefix="probe-benchmark-") as folder:
                    one = asyncio.run(outcome(prober, rate, plan, Path(folder)))
                outcomes[name].append(one)
                progress(f"{rate}/s, round {round_ + 1}: {name} p99 {one.errors('first_byte_error', 0.99):.3f} ms")
        lines += [row(rate, name, each) for name, each in outcomes.items()]
        found += goals(rate, outcomes["Probe"])
    notes = [
        f"medians (lowest-highest) of {plan.rounds} interleaved rounds of {plan.seconds:g} s each",
        "error: how far the report is from what the target did for that request; a whole run connects and reads, too",
        'first byte: the phase `ttfb` of stored results, and `probe_http_duration_seconds{phase="processing"}`',
        "marked: results that say themselves that the prober's own lag may explain them; they are counted here, too",
    ]
    return Table(f"Reported latency of an answer after exactly {DELAY_MS:g} ms", _COLUMNS, lines, notes), found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("rates", type=int, nargs="*", default=RATES, help="checks per second (100 500 1000 2000)")
    parser.add_argument("--short", action="store_true", help="1 round of 3 s")
    parser.add_argument("--rounds", type=int, help="rounds, each with both probers in turn (3)")
    parser.add_argument("--seconds", type=float, help="length of a measured window (20)")
    options = parser.parse_args()
    plan = Plan(1, 3.0, 1.5) if options.short else Plan()
    given = {key: getattr(options, key) for key in ("rounds", "seconds") if getattr(options, key) is not None}
    end_on_sigterm()
    table, found = measure(options.rates, replace(plan, **given))
    show([table], found)


if __name__ == "__main__":
    try:
        main()
    except (MeasurementError, KeyboardInterrupt) as error:
        sys.exit(str(error) or "interrupted")
