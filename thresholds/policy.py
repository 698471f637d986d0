"""From runs to a level: M of the last N to go bad, K in a row to recover; beside them windows and baselines.

docs/decisions/0001-judging.md says why each rule is as it is.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from checks.core.result import Result
from thresholds.assess import Assessment, assess, kept
from thresholds.base import Level, Policy, State, Transition, Verdict
from thresholds.flap import is_flapping, remember
from thresholds.measured import Run
from thresholds.past import Held, Past, nothing
from thresholds.transition import transition

Runs = tuple[tuple[int, Level], ...]  # when each began, in Unix ms, and how it was

_WORST_FIRST = Level.DOWN, Level.DEGRADED


def judge(policy: Policy, state: State, result: Result, past: Past | None = None, *, muted: bool = False) -> Verdict:
    """How a run was, and how its check stands after it.

    `past` is what a policy with windows or baselines looks back on; it remembers the run. Without it none holds.
    `muted`: maintenance is under way, in which no incident begins and none gets worse.
    """
    if past is not None:
        past.take(result)
    if is_well(state) and stays_well(policy, result, past):
        return Verdict(result, Level.UP, "", state)
    run, after, change = judged(policy, state, result, past, muted=muted)
    return Verdict(result, run.level, run.reason, after, change)


def is_well(state: State) -> bool:
    """Whether a check was well at each of its last runs. While it `stays_well`, its state stays as it is.

    Nearly every run is such a one. When the good runs that are remembered were, or how many they are, decides nothing:
    bad ones are counted, and a recovery begins with a bad one.
    """
    if state.level is not Level.UP or state.failing_since_ms or state.states or state.incident:
        return False
    for _, level in state.recent:  # noqa: SIM110  # a generator costs more than the rest of this
        if level is not Level.UP:
            return False
    return True


def stays_well(policy: Policy, result: Run, past: Past | None) -> bool:
    """Whether a check that `is_well` was well again, also by what it looks back on, which has taken the run."""
    if result.failure is not None:
        return False
    for threshold in policy.thresholds:
        if not kept(threshold, result):
            return False
    return past is None or past.is_calm()


def judged(
    policy: Policy, state: State, result: Run, past: Past | None, *, muted: bool
) -> tuple[Assessment, State, Transition | None]:
    """How a run was by itself, how its check stands after it, and what changed, by all the rules.

    `past` has taken the run. Of a check that `is_well` and `stays_well` this need not be asked.
    """
    run = assess(policy, result)
    after, runs_since_ms = _next_state(policy, state, result, run, past, muted=muted)
    return run, after, transition(state, after, result, run, muted=muted, runs_since_ms=runs_since_ms)


def _next_state(
    policy: Policy, state: State, result: Run, run: Assessment, past: Past | None, *, muted: bool
) -> tuple[State, int]:
    """The state after a run; and since when the runs alone say what they say, in Unix ms: 0 where that is not new."""
    if result.provisional:
        if run.level is not Level.DOWN or (state.failing_since_ms and result.attempt > 1):
            return state, 0
        return replace(state, failing_since_ms=result.at_ms), 0
    if run.level is Level.UNKNOWN:
        return _blind(state, result, run), 0
    if not run.counts:
        return replace(state, failing_since_ms=0), 0
    now = _stand(policy, state, result, run, past)
    return _told(policy, now, state, result, run, muted=muted), now.runs_since_ms


def _blind(state: State, result: Run, run: Assessment) -> State:
    """Our side failed: the level is not known, and what was known of it before is kept."""
    since_ms = state.since_ms if state.level is Level.UNKNOWN else 0
    reason = state.reason if state.incident or state.confirmed.bad else run.reason  # it is still about that
    return replace(state, level=Level.UNKNOWN, since_ms=since_ms or result.at_ms, failing_since_ms=0, reason=reason)


class _Stand(NamedTuple):
    """How a check stands after a run: what the runs alone confirm, and what windows and baselines hold."""

    level: Level
    by_runs: Level
    basis: Runs  # those that a change of `by_runs` rests on
    runs_since_ms: int  # Unix ms from which on `by_runs` holds, where it changed; else 0
    recent: Runs
    held: Held
    reason: str  # of what holds, where the runs are no worse


def _stand(policy: Policy, state: State, result: Run, run: Assessment, past: Past | None) -> _Stand:
    # Only a retry can confirm a failure: what a restart or a reload cut off was another run's.
    confirms = run.level.bad and result.attempt > 1
    at_ms = (state.failing_since_ms or result.at_ms) if confirms else result.at_ms
    most = max(policy.down_after[1], policy.up_after)
    recent = (*remembered(policy, state.recent, result), (at_ms, run.level))[-most:]
    by_runs, basis = confirm(policy, before := _by_runs(state), recent)
    if by_runs < before:
        recent = basis  # what made it bad is over: it must not make it bad again
    held, worst, why = past.weigh(state.held) if past is not None else ((), Level.UP, nothing)
    # Where a window was the first to say anything, and lets go before the runs do, nothing says that it is well again.
    level = max(by_runs, worst) if worst.bad else by_runs or state.confirmed
    if state.confirmed.bad and not level.bad:
        recent = basis or recent[-1:]  # over by a window: nor must the runs of that time
    since_ms = basis[0][0] if basis else 0
    return _Stand(level, by_runs, basis, since_ms, recent, held, why() if worst >= by_runs else "")


def _by_runs(state: State) -> Level:
    return state.confirmed if state.by_runs is None else state.by_runs


def remembered(policy: Policy, recent: Runs, result: Run) -> Runs:
    """The runs that count together with this one: after a long gap there are none."""
    if policy.memory and recent and result.at_ms - recent[-1][0] > policy.memory * 1000:
        return ()
    return recent


def confirm(policy: Policy, level: Level, recent: Runs) -> tuple[Level, Runs]:
    """The level that the last runs confirm, and the runs that it rests on."""
    needed, of = policy.down_after
    window = recent[-of:]
    for worse in _WORST_FIRST:
        if worse <= level:
            break
        bad = tuple([run for run in window if run[1] >= worse])
        if len(bad) >= needed:
            return worse, bad
    if level is Level.UNKNOWN:
        return (Level.UP, recent[-1:]) if recent[-1][1] is Level.UP else (level, ())
    if recent[-1][1] >= level or not level.bad:
        return level, ()
    last = recent[-policy.up_after :]
    if len(last) == policy.up_after and all(run[1] < level for run in last):
        return max(run[1] for run in last), last
    return level, ()


def _told(policy: Policy, now: _Stand, state: State, result: Run, run: Assessment, *, muted: bool) -> State:
    """The state after a run: since when it stands so, and what incident is open."""
    level, since_ms = now.level, _since(now, state)
    states, flapping = _flaps(policy, state, level, muted=muted)
    opened = level.bad and not state.incident and not muted
    open_ = bool(state.incident or opened) and (level.bad or flapping)
    worst = state.worst if muted else max(level, state.worst)
    return State(
        level=level,
        since_ms=since_ms,
        confirmed=level,
        confirmed_since_ms=since_ms,
        recent=now.recent,
        incident=(f"{result.check}@{since_ms}" if opened else state.incident) if open_ else "",
        incident_since_ms=(since_ms if opened else state.incident_since_ms) if open_ else 0,
        reason=_reason(policy, now, state, run) if level.bad or open_ else "",
        worst=worst if open_ else Level.UNKNOWN,
        held=now.held,
        by_runs=None if now.by_runs is level else now.by_runs,
        states=states,
        flapping=flapping,
    )


def _since(now: _Stand, state: State) -> int:
    """Unix ms from which the level holds: what runs confirm goes back to the first of them, a window to this run."""
    level, at_ms = now.level, now.recent[-1][0]
    if level is state.confirmed:
        return state.confirmed_since_ms or state.since_ms
    if not now.basis:
        return at_ms
    if level < state.confirmed and (state.by_runs is not None or any(held > level for _, held in state.held)):
        return at_ms  # it was not by the runs alone that the level before held: they cannot say since when it does not
    if level is now.by_runs:
        return now.runs_since_ms
    return now.basis[0][0] if level < state.confirmed else at_ms


def _reason(policy: Policy, now: _Stand, state: State, run: Assessment) -> str:
    """Why a check is bad: by what is worst."""
    if now.level > now.by_runs and now.reason:
        return now.reason
    if now.level is now.by_runs and state.by_runs is not None and not (run.reason or now.reason):
        return f"not yet {policy.up_after} better runs in a row"  # the reason before was that of a window
    return run.reason or now.reason or state.reason


def _flaps(policy: Policy, state: State, level: Level, *, muted: bool) -> tuple[str, bool]:
    """The levels that are remembered, and whether they change too often. What is planned to change does not flap."""
    if policy.flap is None or level is Level.UNKNOWN:
        return "", False
    if muted:
        last = Level(int(state.states[-1])) if state.states else level
        states = remember(state.states, last, last)
    else:
        states = remember(state.states, state.confirmed or level, level)
    low, high = policy.flap
    return states, is_flapping(states, was=state.flapping, low=low, high=high)
