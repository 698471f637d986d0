"""What a job says, and what follows from it. Pure: a standing and a ping in, a Step out.

The same ping twice, by run id and signal, is one ping. One that comes after its run has ended opens no new run.
"""

from __future__ import annotations

from dataclasses import replace

from checks.core.result import Fact
from checks.core.text import one_line
from checks.core.units import format_duration
from thresholds.heartbeat import Kind, Outcome, Ping, Rules, Run, Signal, Standing, Trouble
from thresholds.heartbeat_due import pass_time, stage_by
from thresholds.heartbeat_turn import Step, Turn

_MOST_SETTLED = 200  # signals that are remembered: a repetition comes within a minute
_AGAIN = 30_000  # ms within which a second start without a run id is a repetition of the first
_ENDS = (Signal.SUCCESS, Signal.FAIL)
_WARNINGS = 5
_LAST_LINES = 3  # of a body, in a reason
_LAST_WORDS = 200  # characters of them


def hear(rules: Rules, standing: Standing, ping: Ping) -> Step:
    """Take a ping. Deadlines that passed before it come first."""
    if number := _heard_before(standing, ping):
        return Step(standing, run=number, repeated=True)
    turn = Turn(rules, standing)
    pass_time(turn, ping.at_ms - 1)
    signal, why = _meant(rules, ping)
    run = _DO[signal](turn, ping, why)
    number = run.number if run is not None else _known(standing, ping.rid)
    turn.now = replace(turn.now, heard_ms=ping.at_ms, settled=_settled(turn.now, ping, number))
    return turn.step(number)


def _key(ping: Ping) -> str:
    """What a ping says, as it is said: by its body a success may be a failure."""
    return f"{ping.signal} {ping.stage}" if ping.signal is Signal.STAGE else ping.signal.value


def _heard_before(standing: Standing, ping: Ping) -> int:
    """The number of the run that has said this before, or has ended and so cannot say it; 0 for none."""
    if not ping.rid or ping.signal is Signal.LOG:
        return 0
    keys = {_key(ping)} if ping.signal in _ENDS else {_key(ping), *_ENDS}
    found = (number for rid, key, number in reversed(standing.settled) if rid == ping.rid and key in keys)
    return next(found, 0)


def _known(standing: Standing, rid: str) -> int:
    """The number of a run that has ended."""
    return next((number for known, _, number in reversed(standing.settled) if rid and known == rid), 0)


def _settled(now: Standing, ping: Ping, number: int) -> tuple[tuple[str, str, int], ...]:
    if not ping.rid or ping.signal in (Signal.LOG, Signal.RUNNING):
        return now.settled
    return (*now.settled, (ping.rid, _key(ping), number))[-_MOST_SETTLED:]


def _meant(rules: Rules, ping: Ping) -> tuple[Signal, str]:
    """What a ping says by its body, too, and why: a word of failure counts for more than one of success."""
    if ping.exit:
        return Signal.FAIL, f"exit code {ping.exit}"
    if ping.signal is not Signal.SUCCESS:
        return ping.signal, ""
    word = next((word for word in rules.failure if word in ping.body), "")
    if word:
        return Signal.FAIL, f'the body says "{one_line(word, 60)}"'
    if rules.success and not any(word in ping.body for word in rules.success):
        return Signal.FAIL, f'the body says nothing of "{one_line(rules.success[0], 60)}"'
    return Signal.SUCCESS, ""


def _start(turn: Turn, ping: Ping, _why: str) -> Run | None:
    run = turn.now.open_run(ping.rid)
    if run is not None and ping.rid:  # something else of it came sooner
        return turn.keep(replace(run, started=True))
    if run is not None:
        if ping.at_ms - run.began_ms < _AGAIN:
            return run
        _forsake(turn, run, ping.at_ms)
    return turn.open(ping.at_ms, ping.rid, started=True)


def _forsake(turn: Turn, run: Run, at_ms: int) -> None:
    """Without run ids, one that begins leaves no way to hear of the one before."""
    turn.close(run, Outcome.LOST, at_ms)
    if not run.overdue:
        began = turn.rules.shown(run.began_ms)
        turn.trouble(Kind.LOST, at_ms, f"the run that began {began} never ended: another one began", run)


def _addressed(turn: Turn, ping: Ping) -> Run | None:
    """The open run that a ping is about. Without a run id the only one there is."""
    run = turn.now.open_run(ping.rid)
    if run is None and not ping.rid and len(turn.now.runs) == 1:
        return turn.now.runs[0]
    return run


def _succeed(turn: Turn, ping: Ping, _why: str) -> Run | None:
    run = _addressed(turn, ping) or turn.open(ping.at_ms, ping.rid, started=False)
    reached = {name for name, _ in run.stages}
    missing = [stage.name for stage in turn.rules.stages if stage.name not in reached]
    if missing and not run.unsure:
        run = turn.close(run, Outcome.FAILED, ping.at_ms, ping.exit)
        few = ", ".join(missing[:_WARNINGS])
        turn.trouble(Kind.STAGE, ping.at_ms, f"it ended without stage {few}", run)
        return run
    run = turn.close(run, Outcome.SUCCESS, ping.at_ms, ping.exit)
    facts = _lateness(run, turn.clear(run))
    standing = turn.now.troubles[-1] if turn.now.troubles else None
    turn.tell(ping.at_ms, run, standing, facts)
    return run


def _lateness(run: Run, cleared: list[Trouble]) -> dict[str, Fact]:
    """By how much it was late, where it was: its end, or its beginning where nothing came when it was due."""
    late = [run.ended_ms - one.deadline_ms for one in cleared if one.kind is Kind.OVERDUE and one.run == run.number]
    late += [run.began_ms - one.deadline_ms for one in cleared if one.kind is Kind.MISSED]
    if not late or max(late) <= 0:
        return {}
    seconds = max(late) / 1000
    return {"late": seconds, "note": f"late by {format_duration(seconds)}"}


def _fail(turn: Turn, ping: Ping, why: str) -> Run | None:
    run = _addressed(turn, ping) or turn.open(ping.at_ms, ping.rid, started=False)
    run = turn.close(run, Outcome.FAILED, ping.at_ms, ping.exit)
    turn.now = replace(turn.now, troubles=tuple(one for one in turn.now.troubles if one.run != run.number))
    said = last_words(ping.body)
    turn.trouble(Kind.FAILED, ping.at_ms, ": ".join(part for part in (why or "the job failed", said) if part), run)
    return run


def last_words(body: str) -> str:
    """The last lines of a body, on one."""
    lines = [line.strip() for line in body[-4 * _LAST_WORDS :].splitlines() if line.strip()]
    text = one_line(" | ".join(lines[-_LAST_LINES:]), 4 * _LAST_WORDS)
    return text if len(text) <= _LAST_WORDS else "…" + text[1 - _LAST_WORDS :]


def _log(turn: Turn, ping: Ping, _why: str) -> Run | None:
    return _addressed(turn, ping)


def _running(turn: Turn, ping: Ping, _why: str) -> Run | None:
    run = _addressed(turn, ping) or turn.open(ping.at_ms, ping.rid, started=False)
    return turn.extend(run, ping.at_ms)


def _stage(turn: Turn, ping: Ping, _why: str) -> Run | None:
    run = _addressed(turn, ping) or turn.open(ping.at_ms, ping.rid, started=False)
    names = [stage.name for stage in turn.rules.stages]
    reached = [name for name, _ in run.stages]
    if ping.stage not in names:
        return turn.keep(_warned(run, f"stage {one_line(ping.stage, 60)} is not configured"))
    if ping.stage in reached:
        return run
    run = replace(run, stages=(*run.stages, (ping.stage, ping.at_ms)))
    if later := [name for name in reached if names.index(name) > names.index(ping.stage)]:
        run = _warned(run, f"stage {ping.stage} came after {later[0]}")
    if ping.stage in run.missed:
        by_ms = stage_by(turn.rules, run, turn.rules.stages[names.index(ping.stage)])
        run = _warned(run, f"stage {ping.stage} was late by {format_duration((ping.at_ms - by_ms) / 1000)}")
    return turn.keep(run)


def _warned(run: Run, warning: str) -> Run:
    if warning in run.warnings or len(run.warnings) >= _WARNINGS:
        return run
    return replace(run, warnings=(*run.warnings, warning))


_DO = {
    Signal.START: _start,
    Signal.SUCCESS: _succeed,
    Signal.FAIL: _fail,
    Signal.LOG: _log,
    Signal.RUNNING: _running,
    Signal.STAGE: _stage,
}
