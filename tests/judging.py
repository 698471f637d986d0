"""Scripts of runs for what judges them: one word a run, followed with windows as the service does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

from checks.core.result import Failure, FailureKind, Result
from thresholds.base import Aggregate, Policy, State, Threshold, Transition, WindowThreshold
from thresholds.measured import LAG
from thresholds.past import Past, feed
from thresholds.policy import judge
from thresholds.spans import Span, union
from thresholds.timeline import gap_between
from thresholds.window import Window

EVERY_MS = 10_000
START_MS = 1_700_000_000_000
REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")
OURS = Failure(FailureKind.LOCAL, "connect", "no file descriptors left")

# A failure is DOWN by itself; a `total` over 1 s is DEGRADED by itself. `ttfb` is judged by windows alone.
LIMITS = (Threshold("total", degraded=1.0),)
WORST = WindowThreshold("max(ttfb) over 30s", Aggregate.MAX, "ttfb", 30.0, degraded=0.4, down=0.8, min_samples=1)
RUNS = Policy(LIMITS, (2, 3), 2)
BOTH = replace(RUNS, windows=(WORST,))


@dataclass(frozen=True)
class Step:
    """One run of a script, and whether it is in maintenance."""

    result: Result
    muted: bool = False


def script(marks: str, every_ms: int = EVERY_MS) -> list[Step]:
    """A word for each run: how it was (u up, d slow, x failed, l our own fault), its ttfb in tenths, m for muted."""
    steps = []
    for index, word in enumerate(marks.split()):
        tenths = "".join(filter(str.isdigit, word))
        failure = {"x": REFUSED, "l": OURS}.get(word[0])
        phases = {"ttfb": int(tenths or "1") / 10} if failure is None else {}
        total = 1.5 if word[0] == "d" else 0.9
        result = Result("a", START_MS + index * every_ms, total, phases, failure=failure)
        steps.append(Step(result, word.endswith("m")))
    return steps


def past_of(policy: Policy, runs: Sequence[Result] = ()) -> Past:
    """As after a restart: filled with the stored runs of each window's while."""
    parts = [Window(threshold) for threshold in policy.windows]
    for part in parts:
        for run in runs:
            if run.at_ms > runs[-1].at_ms - round(part.threshold.over * 1000):
                feed(part, run)
    return Past(parts)


def follow(
    policy: Policy, steps: Sequence[Step], state: State | None = None
) -> Iterator[tuple[State, Transition | None]]:
    """The state after each run, and what that changed."""
    state, past = state or State(), past_of(policy)
    for step in steps:
        verdict = judge(policy, state, step.result, past, muted=step.muted)
        state = verdict.state
        yield state, verdict.transition


def attempts(at_ms: int, kind: str, ttfb: float, *, helps: bool) -> list[Result]:
    """The attempts of one run: two where the first failed and is repeated."""
    good = Result("a", at_ms, 0.7, {"ttfb": ttfb})
    failed = Result("a", at_ms, 0.1, failure=REFUSED)
    if kind == "retried":
        return [replace(failed, provisional=True), replace(good if helps else failed, at_ms=at_ms + 2000, attempt=2)]
    of_kind = {
        "slow": replace(good, duration=1.5),
        "failed": failed,
        "ours": replace(failed, failure=OURS),
        "lagging": replace(good, duration=1.5, facts={LAG: 0.9}),
    }
    return [of_kind.get(kind, good)]


def gaps_of(instants: Iterable[int], every: float) -> list[Span]:
    """The gaps between the runs of a check that always had the same interval."""
    found = (gap_between(before, every, at) for before, at in pairwise(instants))
    return union(gap for gap in found if gap)
