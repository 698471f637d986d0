"""A check that stands as it stood: what its runs change in its State, kept aside until somebody asks for it. Pure.

Of nearly every run of a check that is bad nothing comes but another last run and another reason. To make a State of
that, and words of the reason, costs several times what deciding it does; a replay needs both only where something
changes.
"""

from __future__ import annotations

from dataclasses import replace

from thresholds.assess import assess, level_of
from thresholds.base import Level, Policy, State
from thresholds.flap import is_flapping, remember
from thresholds.measured import Run
from thresholds.past import Held, Past, Why, nothing
from thresholds.policy import Runs, confirm, remembered

_MOST_AHEAD = 10_000


class Standing:
    """A state, and what followed it without a change that anybody sees, counts or is told of."""

    __slots__ = (
        "_ahead",
        "_by_runs",
        "_failing_ms",
        "_fits",
        "_known",
        "_most",
        "_policy",
        "_recent",
        "_state",
        "_states",
        "_why",
        "moved",
    )

    def __init__(self, policy: Policy, state: State) -> None:
        self._policy = policy
        self._most = max(policy.down_after[1], policy.up_after)
        self._known: dict[tuple[int, bool], dict[str, str]] = {}  # what flap detection remembers next, as it is
        self.state = state

    @property
    def state(self) -> State:
        """As it is after the last run."""
        if self.moved:
            self.state = self._written()
        return self._state

    @state.setter
    def state(self, state: State) -> None:
        self._state = state
        self._by_runs = state.confirmed if state.by_runs is None else state.by_runs
        self._recent, self._states, self._failing_ms = state.recent, state.states, state.failing_since_ms
        self._why: Why | Run = nothing
        self._ahead = self._known.setdefault((state.level.value, state.flapping), {})
        if len(self._ahead) > _MOST_AHEAD:
            self._ahead.clear()
        self._fits = _fits(self._policy, state)
        self.moved = False

    def follow(self, result: Run, past: Past | None) -> bool:
        """Whether a run, which `past` has taken, leaves the check as it stood; then it is remembered.

        Out of maintenance only. False where it may be otherwise: then `policy.judged` knows.
        """
        if not self._fits or (level := level_of(self._policy, result)) is None:
            return False
        if result.provisional:
            self._repeats(result, level)
            return True
        recent = self._with(result, level)
        if confirm(self._policy, self._by_runs, recent)[0] is not self._by_runs:
            return False
        state, worst, why = self._state, Level.UP, nothing
        if past is not None:
            held, worst, why = past.weigh(state.held)
            if not self._holds(held, worst):
                return False
        if (self._states or state.flapping) and not self._flaps_as_ever():
            return False
        self._recent, self._failing_ms, self.moved = recent, 0, True
        if state.level is not Level.UP or state.incident:
            self._explained(result, level, worst, why)
        elif level is Level.UP and self._is_well():
            self.state = self._written()
        return True

    def _repeats(self, result: Run, level: Level) -> None:
        """A failed attempt says nothing yet but since when."""
        if level is Level.DOWN and not (self._failing_ms and result.attempt > 1):
            self._failing_ms, self.moved = result.at_ms, True

    def _with(self, result: Run, level: Level) -> Runs:
        """The runs that count, with this one: it began with its first attempt, where that failed."""
        recent, at_ms = self._recent, result.at_ms
        if self._failing_ms and result.attempt > 1 and level is not Level.UP:
            at_ms = self._failing_ms
        if len(recent) >= self._most:
            recent = recent[1:]
        return (*remembered(self._policy, recent, result), (at_ms, level))

    def _holds(self, held: Held, worst: Level) -> bool:
        """Whether windows and baselines leave the level as it was."""
        state = self._state
        level = max(self._by_runs, worst) if worst.bad else self._by_runs or state.level
        return level is state.level and held == state.held

    def _flaps_as_ever(self) -> bool:
        if (states := self._ahead.get(self._states)) is None:
            flap, state = self._policy.flap, self._state
            assert flap is not None
            states = remember(self._states, state.level, state.level)
            if is_flapping(states, was=state.flapping, low=flap[0], high=flap[1]) is not state.flapping:
                return False
            self._ahead[self._states] = states
        self._states = states
        return True

    def _explained(self, result: Run, level: Level, worst: Level, why: Why) -> None:
        """Remember what says why it is bad: the worse of what runs and windows say; of two alike, the run."""
        if self._state.level > self._by_runs and why is not nothing:
            self._why = why
        elif level is not Level.UP:
            self._why = result
        elif worst >= self._by_runs and why is not nothing:
            self._why = why

    def _is_well(self) -> bool:
        """Whether the rest may be left to shorter ways."""
        return not self._states and all(run[1] is Level.UP for run in self._recent)

    def _written(self) -> State:
        why, state = self._why, self._state
        reason = state.reason
        if why is not nothing:
            reason = why() if callable(why) else assess(self._policy, why).reason
        return replace(
            state, recent=self._recent, states=self._states, failing_since_ms=self._failing_ms, reason=reason
        )


def _fits(policy: Policy, state: State) -> bool:
    """Whether a state is one of those that may go on: what was told of it is what it says."""
    if state.level is Level.UNKNOWN or state.level is not state.confirmed or state.since_ms != state.confirmed_since_ms:
        return False
    if policy.flap is None and (state.states or state.flapping):
        return False
    if len(state.recent) > max(policy.down_after[1], policy.up_after):
        return False
    if state.level.bad:
        return bool(state.incident) and state.worst >= state.level
    if state.incident:
        return state.flapping
    return not (state.reason or state.worst or state.incident_since_ms)
