"""One turn of a job's affairs: the standing as it changes, the runs to keep, and the results to judge. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from checks.core.result import Fact, Failure, FailureKind, Result
from checks.core.text import one_line
from checks.core.units import format_duration
from thresholds.heartbeat import Kind, Outcome, Rules, Run, Standing, Trouble, ms

_MOST_OPEN = 200  # runs of one job that are open at once
_EARLY = 60_000  # ms before it is due from which on a run counts for it: clocks differ
_MOST_REASON = 400  # characters
_TIMEOUTS = (Kind.MISSED, Kind.OVERDUE, Kind.STAGE, Kind.LOST)


@dataclass(frozen=True, slots=True)
class Step:
    """What came of something that happened."""

    standing: Standing
    runs: tuple[Run, ...] = ()  # new or changed
    results: tuple[Result, ...] = ()
    run: int = 0  # that a ping belongs to; 0: none
    repeated: bool = False  # a ping that had been heard before


class Turn:
    """A standing, and what becomes of it."""

    def __init__(self, rules: Rules, standing: Standing) -> None:
        self.rules = rules
        self.now = standing
        self._changed: dict[int, Run] = {}
        self._results: list[Result] = []

    def step(self, run: int = 0) -> Step:
        return Step(self.now, tuple(self._changed.values()), tuple(self._results), run)

    def keep(self, run: Run) -> Run:
        """An open run as it is now."""
        self._changed[run.number] = run
        self.now = replace(self.now, runs=tuple(run if one.number == run.number else one for one in self.now.runs))
        return run

    def close(self, run: Run, outcome: Outcome, at_ms: int, exit_: int | None = None) -> Run:
        run = replace(run, outcome=outcome, ended_ms=max(at_ms, run.began_ms), exit=exit_)
        self._changed[run.number] = run
        self.now = replace(self.now, runs=tuple(one for one in self.now.runs if one.number != run.number))
        if self.rules.times is None:  # one that took longer than its period is due again from its end on
            self.now = replace(self.now, due_ms=max(self.now.due_ms, run.ended_ms))
        return run

    def open(self, at_ms: int, rid: str, *, started: bool) -> Run:
        """A new run; what is wrong with its beginning is told."""
        before_ms, number = self.now.began_ms, self.now.number + 1
        if len(self.now.runs) >= _MOST_OPEN:
            self.close(self.now.runs[0], Outcome.LOST, at_ms)
        due_ms = self._meet(at_ms)
        least = ms(self.rules.min_interval or 0.0)
        hasty = bool(before_ms and 0 <= at_ms - before_ms < least)
        run = Run(number, rid, at_ms, started, due_ms, self._deadline(at_ms, due_ms), hasty=hasty)
        self._changed[number] = run
        self.now = replace(self.now, number=number, began_ms=at_ms, runs=(*self.now.runs, run))
        if hasty:
            apart = format_duration((at_ms - before_ms) / 1000)
            wanted = format_duration(self.rules.min_interval or 0.0)
            self.trouble(
                Kind.HASTY, at_ms, f"a run began {apart} after the one before it, at least {wanted} is wanted", run
            )
        self._count(run)
        return run

    def _count(self, run: Run) -> None:
        most, together = self.rules.max_concurrent, len(self.now.runs)
        if most is not None and together > most:
            self.trouble(Kind.CROWDED, run.began_ms, f"{together} runs at once, at most {most} are wanted", run)

    def _meet(self, at_ms: int) -> int:
        """The due instant that a run which begins now belongs to; from now on the next one is waited for."""
        now, rules = self.now, self.rules
        if rules.times is None:
            self.await_(rules.due_after(at_ms), at_ms)
            return 0
        soon_ms = at_ms + early(now)
        if soon_ms >= now.due_ms:
            slot_ms = max(now.due_ms, rules.times.latest(soon_ms) or 0)
            self.await_(rules.due_after(slot_ms), slot_ms)
        return self.now.slot_ms

    def await_(self, due_ms: int, slot_ms: int) -> None:
        """Wait for what is due next; what was due before is settled."""
        self.now = replace(self.now, due_ms=due_ms, slot_ms=slot_ms, moved_ms=0, away_ms=0, unsure=False)

    def _deadline(self, at_ms: int, due_ms: int) -> int:
        """By when a run that begins now is to end; a time that is over already, of a run that is late, ends nothing."""
        found = [self._finish_by(due_ms)] if due_ms else []
        found = [deadline for deadline in found if deadline > at_ms]
        if self.rules.limit is not None:
            found.append(at_ms + ms(self.rules.limit))
        return min(found, default=at_ms + ms(self.rules.usual))

    def _finish_by(self, due_ms: int) -> int:
        return 0 if self.rules.finish_by is None else self.rules.by(self.rules.finish_by, due_ms)

    def extend(self, run: Run, at_ms: int) -> Run:
        """It is at work: its longest time begins anew. By the schedule it is to end as before."""
        deadline = self._deadline(at_ms, run.due_ms)
        return run if run.overdue or deadline <= run.deadline_ms else self.keep(replace(run, deadline_ms=deadline))

    def trouble(
        self, kind: Kind, at_ms: int, reason: str, run: Run | None = None, *, deadline_ms: int = 0, **facts: Fact
    ) -> None:
        """Something is wrong from now on, and told."""
        one = Trouble(kind, at_ms, one_line(reason, _MOST_REASON), run.number if run else 0, deadline_ms)
        others = self.now.troubles
        if kind is Kind.MISSED:  # one after the other is the same trouble, since the first
            first = next((other for other in others if other.kind is kind), one)
            one = replace(one, at_ms=first.at_ms, deadline_ms=first.deadline_ms)
            others = tuple(other for other in others if other.kind is not kind)
        self.now = replace(self.now, troubles=(*others, one)[-_MOST_OPEN:])
        self.tell(at_ms, run, one, facts)

    def clear(self, run: Run) -> list[Trouble]:
        """A run has succeeded: what was wrong before it began is over, and what was wrong with itself."""

        def over(trouble: Trouble) -> bool:
            if trouble.run == run.number:
                return not run.hasty
            return trouble.at_ms <= run.began_ms

        gone = [trouble for trouble in self.now.troubles if over(trouble)]
        self.now = replace(self.now, troubles=tuple(one for one in self.now.troubles if not over(one)))
        for trouble in gone:  # whoever hangs since then will not be heard of again
            hanging = next((one for one in self.now.runs if one.number == trouble.run), None)
            if hanging is not None and hanging.overdue:
                self.close(hanging, Outcome.LOST, run.ended_ms)
        return gone

    def tell(self, at_ms: int, run: Run | None, trouble: Trouble | None, facts: Mapping[str, Fact]) -> None:
        """A result: of a run that has ended, or of something that did not come."""
        failure = None
        if trouble is not None:
            kind = FailureKind.TIMEOUT if trouble.kind in _TIMEOUTS else FailureKind.EXPECTATION
            failure = Failure(kind, "run" if trouble.run else "", trouble.reason)
        self.result(at_ms, run, failure, facts)

    def result(self, at_ms: int, run: Run | None, failure: Failure | None, facts: Mapping[str, Fact]) -> None:
        at_ms = max(at_ms, self.now.told_ms + 1)
        self.now = replace(self.now, told_ms=at_ms)
        ended = run if run is not None and run.ended_ms else None
        self._results.append(
            Result(
                self.rules.check,
                at_ms,
                ended.duration if ended else 0.0,
                phases(ended) if ended else {},
                _facts(run, self.now) | {f"heartbeat.{name}": fact for name, fact in facts.items()},
                failure,
            )
        )


def early(standing: Standing) -> int:
    """How long before its due instant a run may begin and still be the one that is due, in ms."""
    apart = standing.due_ms - standing.slot_ms
    return min(_EARLY, apart // 4) if standing.slot_ms else _EARLY


def phases(run: Run) -> dict[str, float]:
    """How long it took to each stage, from the one before, and from the last one to the end."""
    if not run.started:
        return {}
    found, last_ms = {}, run.began_ms
    for name, at_ms in run.stages:
        found[name] = max(0, at_ms - last_ms) / 1000
        last_ms = max(last_ms, at_ms)
    return found | {"run": max(0, run.ended_ms - last_ms) / 1000}


def _facts(run: Run | None, now: Standing) -> dict[str, Fact]:
    facts: dict[str, Fact] = {"heartbeat.open": len(now.runs)}
    if run is None:
        return facts
    facts["heartbeat.number"] = run.number
    if run.rid:
        facts["heartbeat.run"] = run.rid
    if run.exit is not None:
        facts["heartbeat.exit"] = run.exit
    if run.warnings:
        facts["heartbeat.warnings"] = "; ".join(run.warnings)
    return facts
