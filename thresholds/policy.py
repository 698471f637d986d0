"""From runs to a level: thresholds on one run, M of the last N to go bad, K in a row to recover.

docs/decisions/0001-judging.md says why each rule is as it is.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from checks.core.result import FailureKind, Result
from checks.core.units import format_duration
from thresholds.base import Event, Level, Policy, State, Threshold, Transition, Verdict

LAG = "loop.lag"  # the fact of a run during which our own event loop was blocked: for how many seconds
_WORTH_MENTIONING = 0.1  # of a latency


@dataclass(frozen=True, slots=True)
class Assessment:
    """One run by itself. A run that does not count leaves the check's level as it was."""

    level: Level
    reason: str = ""
    counts: bool = True


def truthful(result: Result) -> bool:
    """Whether a run's latency may enter a percentile: our own lag can explain no part of it worth mentioning."""
    lag = result.facts.get(LAG, 0.0)
    return not isinstance(lag, (int, float)) or lag <= _WORTH_MENTIONING * result.duration


def judge(policy: Policy, state: State, result: Result) -> Verdict:
    """How a run was, and how its check stands after it."""
    if _as_ever(policy, state, result):
        return Verdict(result, Level.UP, "", state)
    run = assess(policy, result)
    after = _next_state(policy, state, result, run)
    return Verdict(result, run.level, run.reason, after, _transition(state, after, result, run))


def _as_ever(policy: Policy, state: State, result: Result) -> bool:
    """Whether a check that was well at each of its last runs was well again: then its state stays as it is.

    Nearly every run is such a one. When the good runs that are remembered were, or how many they are, decides nothing:
    bad ones are counted, and a recovery begins with a bad one.
    """
    if state.level is not Level.UP or state.failing_since_ms or result.failure is not None or result.provisional:
        return False
    for _, level in state.recent:
        if level is not Level.UP:
            return False
    for threshold in policy.thresholds:  # noqa: SIM110  # a generator costs more than the rest of this
        if not _kept(threshold, result):
            return False
    return True


def _kept(threshold: Threshold, result: Result) -> bool:
    """Whether a run is within a threshold's limits, whatever our own lag was."""
    value = _value(threshold.metric, result)
    if value is None:
        return True
    for limit in (threshold.degraded, threshold.down):
        if limit is not None and (value < limit if threshold.lower_is_worse else value > limit):
            return False
    return True


def _value(metric: str, result: Result) -> float | None:
    """The number that a threshold is about; None where the run has none."""
    value = result.duration if metric == "total" else result.phases.get(metric, result.facts.get(metric))
    return None if isinstance(value, (bool, str)) else value


def assess(policy: Policy, result: Result) -> Assessment:
    """How a run was by itself: its failure, or the worst threshold that it crossed."""
    failure = result.failure
    if failure is not None:
        if failure.kind is FailureKind.LOCAL:
            return Assessment(Level.UNKNOWN, failure.message, counts=False)
        return Assessment(Level.DOWN, failure.message)
    worst = Assessment(Level.UP)
    for threshold in policy.thresholds:
        crossed = _crossed(threshold, result)
        if crossed.level > worst.level or (worst.level is Level.UP and not crossed.counts):
            worst = crossed
    return worst


def _crossed(threshold: Threshold, result: Result) -> Assessment:
    metric = threshold.metric
    timing = metric == "total" or metric in result.phases
    value = _value(metric, result)
    if value is None:
        return Assessment(Level.UP)
    lag = result.facts.get(LAG, 0.0) if timing else 0.0
    assert isinstance(lag, (int, float))
    excused = Assessment(Level.UP)
    for level, limit in ((Level.DOWN, threshold.down), (Level.DEGRADED, threshold.degraded)):
        if limit is None or not (value < limit if threshold.lower_is_worse else value > limit):
            continue
        if lag and value - lag <= limit:
            # The time over the limit may be ours, not the target's: it can neither accuse nor acquit.
            reason = f"{metric} not judged: our own event loop was blocked for {format_duration(lag)}"
            excused = Assessment(Level.UP, reason, counts=False)
            continue
        word = "under" if threshold.lower_is_worse else "over"
        seen, wanted = (format_duration(value), format_duration(limit)) if timing else (_plain(value), _plain(limit))
        return Assessment(level, f"{metric} {seen} is {word} {wanted}")
    return excused


def _plain(value: float) -> str:
    """For people: at most two decimals, and no more than needed."""
    text = f"{value:.2f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _next_state(policy: Policy, state: State, result: Result, run: Assessment) -> State:
    if result.provisional:
        if run.level is not Level.DOWN or (state.failing_since_ms and result.attempt > 1):
            return state
        return replace(state, failing_since_ms=result.at_ms)
    if run.level is Level.UNKNOWN:
        return _blind(state, result, run)
    if not run.counts:
        return replace(state, failing_since_ms=0)
    # Only a retry can confirm a failure: what a restart or a reload cut off was another run's.
    confirms = run.level.bad and result.attempt > 1
    at_ms = (state.failing_since_ms or result.at_ms) if confirms else result.at_ms
    kept = max(policy.down_after[1], policy.up_after)
    recent = (*_remembered(policy, state, result), (at_ms, run.level))[-kept:]
    level, basis = _confirm(policy, state.confirmed, recent)
    if level is state.confirmed:
        since_ms = state.confirmed_since_ms or state.since_ms
    else:
        since_ms = next(at for at, seen in basis if not level.bad or seen >= level)
        if not level > state.confirmed:
            recent = basis  # what made it bad is over: it must not make it bad again
    opened = level.bad and not state.incident
    return State(
        level=level,
        since_ms=since_ms,
        confirmed=level,
        confirmed_since_ms=since_ms,
        recent=recent,
        incident=(f"{result.check}@{since_ms}" if opened else state.incident) if level.bad else "",
        incident_since_ms=(since_ms if opened else state.incident_since_ms) if level.bad else 0,
        reason=(run.reason or state.reason) if level.bad else "",
        worst=max(level, state.worst) if level.bad else Level.UNKNOWN,
    )


def _remembered(policy: Policy, state: State, result: Result) -> tuple[tuple[int, Level], ...]:
    """The runs that count together with this one: after a long gap there are none."""
    if policy.memory and state.recent and result.at_ms - state.recent[-1][0] > policy.memory * 1000:
        return ()
    return state.recent


def _blind(state: State, result: Result, run: Assessment) -> State:
    """Our side failed: the level is not known, and what was known of it before is kept."""
    if state.level is Level.UNKNOWN:
        return replace(state, failing_since_ms=0, since_ms=state.since_ms or result.at_ms, reason=run.reason)
    reason = state.reason if state.incident else run.reason  # an incident keeps what it is about
    return replace(state, level=Level.UNKNOWN, since_ms=result.at_ms, failing_since_ms=0, reason=reason)


def _confirm(
    policy: Policy, level: Level, recent: tuple[tuple[int, Level], ...]
) -> tuple[Level, tuple[tuple[int, Level], ...]]:
    """The level that the last runs confirm, and the runs that it rests on."""
    needed, of = policy.down_after
    window = recent[-of:]
    for worse in (Level.DOWN, Level.DEGRADED):
        bad = tuple(run for run in window if run[1] >= worse)
        if worse > level and len(bad) >= needed:
            return worse, bad
    if level is Level.UNKNOWN:
        return (Level.UP, recent[-1:]) if recent[-1][1] is Level.UP else (level, ())
    last = recent[-policy.up_after :]
    if level.bad and len(last) == policy.up_after and all(run[1] < level for run in last):
        return max(run[1] for run in last), last
    return level, ()


def _transition(before: State, after: State, result: Result, run: Assessment) -> Transition | None:
    if before.level is after.level and before.confirmed is after.confirmed:
        return None
    if after.level is Level.UNKNOWN or before.confirmed is after.confirmed:
        event = Event.QUIET
    elif after.confirmed.bad:
        event = Event.CHANGED if before.confirmed.bad else Event.OPENED
    else:
        event = Event.RESOLVED if before.confirmed.bad else Event.QUIET
    known = event is not Event.QUIET
    return Transition(
        check=result.check,
        at_ms=result.at_ms + round(result.duration * 1000),
        # What merely comes back into view is known from this run on.
        since_ms=after.since_ms if after.confirmed is not before.confirmed else result.at_ms,
        before=before.level,
        after=after.level,
        event=event,
        incident=(after.incident or before.incident) if known else "",
        incident_since_ms=(after.incident_since_ms or before.incident_since_ms) if known else 0,
        # A recovery says what it recovered from.
        reason=before.reason if event is Event.RESOLVED else run.reason or after.reason,
        worst=max(before.worst, after.worst) if known else Level.UNKNOWN,
    )
