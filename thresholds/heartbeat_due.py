"""What follows from time that passes, and from time in which we were not there. Pure.

A job that is not heard of is down at its deadline. Our own absence moves deadlines, and never counts as a miss: where
something may have been said while nobody listened, it is not known how the job stands.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from checks.core.result import Failure, FailureKind
from checks.core.units import format_duration
from thresholds.heartbeat import NEVER, Kind, Outcome, Rules, Run, Stage, Standing, ms
from thresholds.heartbeat_turn import Step, Turn, early

BRIDGED = 30_000  # ms of absence over which jobs repeat what they say: such a one leaves no doubt
_MOST = 100  # deadlines that pass at once; the rest does in the next turn


@dataclass(frozen=True, slots=True)
class _Deadline:
    """Something that happens at an instant unless a job says something before."""

    at_ms: int
    pass_: Callable[[Turn], None]


def configured(rules: Rules, now_ms: int) -> Standing:
    """How a job stands when it is first known: its first run is due by its schedule."""
    return Standing(now_ms, rules.schedule, rules.due_after(now_ms))


def reconfigured(rules: Rules, standing: Standing, now_ms: int) -> Standing:
    """What another schedule leaves of a standing: nothing is due in the past of it."""
    if standing.schedule == rules.schedule:
        return standing
    due_ms = rules.due_after(now_ms)
    if rules.times is None and rules.period is not None and standing.began_ms:
        due_ms = max(now_ms, standing.began_ms + ms(rules.period))
    plain = replace(standing, moved_ms=0, away_ms=0, unsure=False)
    return replace(plain, schedule=rules.schedule, due_ms=due_ms, slot_ms=0)


def passed(rules: Rules, standing: Standing, now_ms: int) -> Step:
    """What follows from its being so late."""
    turn = Turn(rules, standing)
    pass_time(turn, now_ms)
    return turn.step()


def next_ms(rules: Rules, standing: Standing) -> int:
    """When something happens unless the job says something before."""
    return min((one.at_ms for one in _deadlines(rules, standing)), default=NEVER)


def pass_time(turn: Turn, now_ms: int) -> None:
    """Let the deadlines up to an instant pass, in order."""
    for _ in range(_MOST):
        first = min(_deadlines(turn.rules, turn.now), key=lambda one: one.at_ms, default=None)
        if first is None or first.at_ms > now_ms:
            return
        first.pass_(turn)


def _deadlines(rules: Rules, standing: Standing) -> Iterator[_Deadline]:
    yield from _of_the_schedule(rules, standing)
    for run in standing.runs:
        if run.overdue:
            continue
        if run.deadline_ms:
            yield _Deadline(run.deadline_ms, _overdue(run))
        for stage in rules.stages if not run.unsure else ():
            if (by_ms := stage_by(rules, run, stage)) and not _reached(run, stage):
                yield _Deadline(by_ms, _unreached(run, stage, by_ms))


def _of_the_schedule(rules: Rules, standing: Standing) -> Iterator[_Deadline]:
    if standing.due_ms >= NEVER:
        return
    if rules.times is None and any(not run.overdue for run in standing.runs):
        return  # one that takes longer than its period is not late with the next as well
    by_ms = rules.heard_by(standing.due_ms) + standing.moved_ms
    if not standing.away_ms:
        yield _Deadline(by_ms, _missed(standing.due_ms, by_ms))
        return
    # What was due since we are back is a miss like any other.
    fresh_ms = _first_since(rules, standing.away_ms)
    fresh_by_ms = rules.heard_by(fresh_ms)
    if fresh_by_ms <= by_ms:
        yield _Deadline(fresh_by_ms, _missed(fresh_ms, fresh_by_ms))
    elif standing.unsure:
        yield _Deadline(by_ms, _unheard(standing.due_ms, by_ms, fresh_ms))
    else:
        yield _Deadline(by_ms, _missed(standing.due_ms, by_ms))


def _first_since(rules: Rules, at_ms: int) -> int:
    """The first due instant of which we hear from the beginning."""
    if rules.times is None:
        return rules.due_after(at_ms)
    first_ms = rules.due_after(at_ms - 1)
    # A run may begin a little before it is due.
    apart = rules.due_after(first_ms) - first_ms
    return rules.due_after(at_ms - 1 + min(60_000, apart // 4))


def _missed(due_ms: int, by_ms: int) -> Callable[[Turn], None]:
    def miss(turn: Turn) -> None:
        rules = turn.rules
        turn.await_(rules.due_after(due_ms), due_ms)
        if rules.times is None:
            every = format_duration(rules.period or 0.0)
            idle = format_duration((by_ms - (turn.now.began_ms or turn.now.since_ms)) / 1000)
            reason = f"no run began for {idle}; it is to run every {every}"
        else:
            reason = f"no run began by {rules.shown(by_ms)}; it was due at {rules.shown(due_ms)}"
        turn.trouble(Kind.MISSED, by_ms, reason, deadline_ms=by_ms)

    return miss


def _unheard(due_ms: int, by_ms: int, fresh_ms: int) -> Callable[[Turn], None]:
    def leave_open(turn: Turn) -> None:
        away = turn.rules.shown(turn.now.away_ms)
        turn.await_(fresh_ms, due_ms)
        reason = f"not heard of, and not listened to: Probe was away until {away}"
        turn.result(by_ms, None, Failure(FailureKind.LOCAL, "", reason), {})

    return leave_open


def _overdue(run: Run) -> Callable[[Turn], None]:
    def strike(turn: Turn) -> None:
        rules, by_ms = turn.rules, run.deadline_ms
        began = rules.shown(run.began_ms)
        if run.unsure:
            turn.close(run, Outcome.UNKNOWN, by_ms)
            reason = f"the run that began {began} may have ended while Probe was away"
            turn.result(by_ms, None, Failure(FailureKind.LOCAL, "run", reason), {})
            return
        late = turn.keep(replace(run, overdue=True))
        taken = format_duration((by_ms - run.began_ms) / 1000)
        reason = f"the run that began {began} has not ended after {taken}, by {rules.shown(by_ms)}"
        turn.trouble(Kind.OVERDUE, by_ms, reason, late, deadline_ms=by_ms)

    return strike


def _unreached(run: Run, stage: Stage, by_ms: int) -> Callable[[Turn], None]:
    def strike(turn: Turn) -> None:
        late = turn.keep(replace(run, missed=(*run.missed, stage.name)))
        reason = f"stage {stage.name} was not reached by {turn.rules.shown(by_ms)}"
        turn.trouble(Kind.STAGE, by_ms, reason, late, deadline_ms=by_ms)

    return strike


def _reached(run: Run, stage: Stage) -> bool:
    return stage.name in run.missed or any(name == stage.name for name, _ in run.stages)


def stage_by(rules: Rules, run: Run, stage: Stage) -> int:
    """By when a run is to reach a stage, in Unix ms; 0 for whenever it likes."""
    found = []
    if stage.within is not None:
        found.append(run.began_ms + ms(stage.within) + run.moved_ms)
    if stage.due_by is not None and run.due_ms:
        by_ms = rules.by(stage.due_by, run.due_ms) + run.moved_ms
        found += [by_ms] if by_ms > run.began_ms else []  # one that began too late for it ends nothing
    return min(found, default=0)


def absent(rules: Rules, standing: Standing, from_ms: int, until_ms: int) -> Standing:
    """A standing after time in which nobody listened: what passed then, or may have, gets as much more."""
    length, long = until_ms - from_ms, until_ms - from_ms > BRIDGED
    if length <= 0:
        return standing
    if _touched(rules, standing, from_ms, until_ms):
        moved = standing.moved_ms + length
        standing = replace(standing, moved_ms=moved, away_ms=until_ms, unsure=standing.unsure or long)
    runs = (_moved(run, from_ms, until_ms, unsure=run.unsure or long) for run in standing.runs)
    return replace(standing, runs=tuple(runs))


def _touched(rules: Rules, standing: Standing, from_ms: int, until_ms: int) -> bool:
    """Whether what is due next could have come in a span."""
    by_ms = rules.heard_by(standing.due_ms) + standing.moved_ms if standing.due_ms < NEVER else NEVER
    return by_ms > from_ms and standing.due_ms - early(standing) < until_ms


def _moved(run: Run, from_ms: int, until_ms: int, *, unsure: bool) -> Run:
    if run.overdue:
        return run
    length = until_ms - from_ms
    inside = from_ms < run.deadline_ms <= until_ms
    deadline_ms = run.deadline_ms + length * inside
    return replace(run, deadline_ms=deadline_ms, moved_ms=run.moved_ms + length, unsure=unsure)


def resumed(rules: Rules, standing: Standing, from_ms: int, until_ms: int) -> Standing:
    """A standing after a pause that somebody wanted: what was due in it is not waited for any more."""
    if until_ms <= from_ms:
        return standing
    if _touched(rules, standing, from_ms, until_ms):
        due_ms = _first_since(rules, until_ms)
        standing = replace(standing, due_ms=due_ms, slot_ms=0, moved_ms=0, away_ms=0, unsure=False)
    runs = tuple(_moved(run, from_ms, until_ms, unsure=run.unsure) for run in standing.runs)
    return replace(standing, runs=runs)


def set_back(rules: Rules, standing: Standing, by_ms: int, now_ms: int) -> Standing:
    """A standing under a clock that was set back: runs last as long as they did, and what is over stays over."""
    runs = tuple(
        replace(
            run,
            began_ms=run.began_ms - by_ms,
            deadline_ms=run.deadline_ms - by_ms if run.deadline_ms else 0,
            stages=tuple((name, at_ms - by_ms) for name, at_ms in run.stages),
        )
        for run in standing.runs
    )
    troubles = tuple(
        replace(one, at_ms=one.at_ms - by_ms, deadline_ms=one.deadline_ms - by_ms if one.deadline_ms else 0)
        for one in standing.troubles
    )
    due_ms = standing.due_ms - by_ms if rules.times is None else standing.due_ms
    began_ms = standing.began_ms - by_ms if standing.began_ms else 0
    told_ms = min(standing.told_ms, now_ms)
    return replace(standing, runs=runs, troubles=troubles, due_ms=due_ms, began_ms=began_ms, told_ms=told_ms)
