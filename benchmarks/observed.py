"""What probers reported, beside what the target did: each reported probe with the request that it was."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from benchmarks.native import Answered
from benchmarks.report import percentile
from probe.store.base import Kept
from thresholds.base import Level
from thresholds.measured import LAG

_SLACK_NS = 2_000_000  # instants are reported in whole milliseconds


@dataclass(frozen=True, slots=True)
class Seen:
    """One probe as it was reported, in seconds."""

    check: int
    began_ms: int  # Unix
    first_byte: float  # from the request to the first byte of the answer
    total: float
    marked: bool = False  # by the prober itself, as one that its own lag may explain


@dataclass(frozen=True, slots=True)
class Matched:
    """A reported probe, and how long the target took for it, from the request's arrival to its answer: s."""

    seen: Seen
    truth: float

    @property
    def first_byte_error(self) -> float:
        return abs(self.seen.first_byte - self.truth)

    @property
    def total_error(self) -> float:
        return abs(self.seen.total - self.truth)


def slow(probes: Iterable[Matched], limit: float) -> set[int]:
    """The checks whose target did take longer than `limit`, in seconds, at least once."""
    return {one.seen.check for one in probes if one.truth > limit}


def ever_late(answers: Mapping[int, Sequence[Answered]], limit: float) -> set[int]:
    """The checks whose target ever took longer than `limit`, in seconds: also before anything was measured."""
    return {number for number, each in answers.items() if any(one.answered - one.arrived > limit * 1e9 for one in each)}


def judged_slow(kept: Mapping[str, Sequence[Kept]], really: set[int]) -> list[str]:
    """Results with a verdict against the target, one line each, but for the checks that were slow."""
    return [
        f"{name}: {one.reason}; {_spelled(one)}"
        for name, each in kept.items()
        for one in each
        if one.level in (Level.DEGRADED, Level.DOWN) and number_of(name) not in really
    ]


def _spelled(kept: Kept) -> str:
    """What a result says of its time."""
    phases = (f"{phase} {took * 1000:.2f}" for phase, took in kept.result.phases.items())
    facts = (f"{name} {kept.result.facts[name]}" for name in ("timing", LAG) if name in kept.result.facts)
    return ", ".join([*phases, *facts])


def number_of(check: str) -> int:
    """shop/check-17 is number 17."""
    return int(check.rpartition("-")[2])


def seen_of(kept: Mapping[str, Sequence[Kept]]) -> list[Seen]:
    """Good results of Probe's store; failures report no latency."""
    return [
        Seen(number_of(name), one.result.at_ms, one.result.phases["ttfb"], one.result.duration, LAG in one.result.facts)
        for name, results in kept.items()
        for one in results
        if one.result.failure is None
    ]


def matched(seen: Iterable[Seen], answers: Mapping[int, Sequence[Answered]]) -> list[Matched]:
    """Each probe with the first request of its check that came after it had begun; those without one are left out."""
    arrivals = {number: [one.arrived for one in each] for number, each in answers.items()}
    found = []
    for one in seen:
        each = arrivals.get(one.check, [])
        index = bisect_left(each, one.began_ms * 1_000_000 - _SLACK_NS)
        if index < len(each):
            answer = answers[one.check][index]
            found.append(Matched(one, (answer.answered - answer.arrived) / 1e9))
    return found


def unrecorded(given: Sequence[Answered], begun_ms: Sequence[int]) -> list[int]:
    """Arrivals, in Unix ns, of answered requests of one check that no run was recorded for; runs by their begin.

    A request is that of the last run that had begun, unless that run has one already.
    """
    begun = sorted(begun_ms)
    found, taken = [], 0
    for one in given:
        run = bisect_right(begun, (one.arrived + _SLACK_NS) // 1_000_000)
        if run > taken:
            taken = run
        else:
            found.append(one.arrived)
    return found


def in_ms(values: Sequence[float], share: float) -> float:
    return percentile(values, share) * 1000
