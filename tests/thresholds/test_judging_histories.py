"""Any policy and any history: restarts and reloads change nothing that they should not, and every story is whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.core.result import Result
from tests.judging import (
    BOTH,
    EVERY_MS,
    LIMITS,
    OURS,
    REFUSED,
    START_MS,
    WORST,
    Step,
    attempts,
    follow,
    past_of,
    script,
)
from thresholds.base import Aggregate, Event, Level, Policy, State, Threshold, Transition, WindowThreshold
from thresholds.flap import percentage, remember
from thresholds.measured import LAG
from thresholds.policy import judge

OFTEN = WindowThreshold("failures over 1m", Aggregate.FAILURES, "", 60.0, degraded=2.0, down=3.0)
TYPICAL = WindowThreshold("p50(total) over 50s", Aggregate.P50, "total", 50.0, degraded=0.8, min_samples=3)
SHARE = WindowThreshold("failure_ratio over 2m", Aggregate.FAILURE_RATIO, "", 120.0, down=0.5, min_samples=4)

policies = st.builds(
    lambda of, needed, up, memory, windows, flap: Policy(
        LIMITS, (min(needed, of), of), up, memory, tuple(windows), flap=flap
    ),
    st.integers(1, 6),
    st.integers(1, 5),
    st.integers(1, 4),
    st.sampled_from([0.0, 45.0]),
    st.lists(st.sampled_from([WORST, OFTEN, TYPICAL, SHARE]), unique=True, max_size=3),
    st.sampled_from([None, (20.0, 40.0), (5.0, 10.0)]),
)

_kinds = st.sampled_from(["good", "good", "good", "slow", "failed", "failed", "retried", "ours", "lagging"])
_drafts = st.tuples(
    st.sampled_from([EVERY_MS, EVERY_MS, EVERY_MS, 40_000, 300_000]),  # ms since the run before: gaps, too
    _kinds,
    st.sampled_from([0.1, 0.1, 0.39, 0.5, 0.9]),  # s of ttfb
    st.booleans(),  # whether a retry helps
)


@st.composite
def histories(draw: st.DrawFn, most: int = 60) -> list[Step]:
    """Runs of one check, and spans of maintenance between them."""
    steps, at_ms, muted = [], START_MS, False
    flips = draw(st.sets(st.integers(0, most), max_size=4))
    for index, (gap, kind, ttfb, helps) in enumerate(draw(st.lists(_drafts, max_size=most))):
        at_ms += gap
        muted ^= index in flips
        steps += [Step(result, muted) for result in attempts(at_ms, kind, ttfb, helps=helps)]
    return steps


def restarted(policy: Policy, steps: Sequence[Step], cuts: set[int]) -> list[tuple[State, Transition | None]]:
    """As `follow`, but before each of these runs nothing is left but what is stored."""
    seen, state, past = [], State(), past_of(policy)
    for index, step in enumerate(steps):
        if index in cuts:
            state = msgspec.json.decode(msgspec.json.encode(state), type=State)
            past = past_of(policy, [step.result for step in steps[:index]])
        verdict = judge(policy, state, step.result, past, muted=step.muted)
        state = verdict.state
        seen.append((state, verdict.transition))
    return seen


@settings(max_examples=60)
@given(policies, histories(), st.sets(st.integers(0, 60), max_size=5))
def test_restarts_change_no_state_and_no_transition(policy: Policy, steps: list[Step], cuts: set[int]) -> None:
    assert restarted(policy, steps, cuts) == list(follow(policy, steps))


def test_a_restart_before_every_run_changes_nothing() -> None:
    policy = replace(BOTH, windows=(WORST, OFTEN, TYPICAL, SHARE))
    steps = script("u1 u5 d9 x x l u1 x u1 xm um dm u1 u4 u4 u3 x x d1 u1 u1 u1 u1")
    assert restarted(policy, steps, set(range(len(steps)))) == list(follow(policy, steps))


@settings(max_examples=60)
@given(policies, histories())
def test_incidents_open_once_change_between_and_are_resolved_once(policy: Policy, steps: list[Step]) -> None:
    level, incident, since_ms, seen = Level.UNKNOWN, "", 0, set[str]()
    state = State()
    for (state, move), step in zip(follow(policy, steps), steps, strict=True):
        assert state.level is (move.after if move else level)
        if move is not None:
            assert move.before is level, "a chain"
            assert move.since_ms <= move.at_ms
            level = move.after
            match move.event:
                case Event.OPENED:
                    assert not incident
                    assert not step.muted
                    assert move.incident not in seen, "no two have one name"
                    assert move.after.bad
                    incident, since_ms = move.incident, move.incident_since_ms
                    seen.add(incident)
                case Event.CHANGED:
                    assert not step.muted
                    assert (move.incident, move.incident_since_ms) == (incident, since_ms) != ("", 0)
                case Event.RESOLVED:
                    assert (move.incident, move.incident_since_ms) == (incident, since_ms) != ("", 0)
                    assert move.after is Level.UP
                    assert move.reason
                    incident = ""
                case Event.QUIET:
                    assert move.incident == (incident if move.runs_since_ms else "")
        assert state.incident == incident
        if state.incident:
            assert state.confirmed.bad or state.flapping
            assert state.worst.bad
        elif state.confirmed.bad and state.level.bad:
            assert step.muted or not _counts(step), "what is left after maintenance opens at the first run that counts"
        if state.level.bad:
            assert state.reason


def _counts(step: Step) -> bool:
    result = step.result
    return not (result.provisional or result.failure is OURS or LAG in result.facts)


@settings(max_examples=60)
@given(policies, histories())
def test_a_level_is_what_the_runs_or_a_window_say(policy: Policy, steps: list[Step]) -> None:
    """Against each of them by itself: the worse of the two, where the runs know anything."""
    by_runs = replace(policy, windows=(), flap=None)
    alone, past, held = State(), past_of(policy), tuple[tuple[str, Level], ...]()
    for (state, _), step in zip(follow(policy, steps), steps, strict=True):
        alone = judge(by_runs, alone, step.result).state
        past.take(step.result)
        if not _counts(step):
            continue
        held, worst, _ = past.judge(held)
        assert state.held == held
        assert state.level >= worst or not worst.bad
        if not held and not alone.level.bad:
            # Runs of an incident that a window ended do not count again, so `alone` may be bad for longer.
            assert state.level in (Level.UP, state.confirmed)


@settings(max_examples=60)
@given(policies, st.lists(st.tuples(policies, st.integers(0, 60)), min_size=1, max_size=3), histories())
def test_whatever_a_reload_changes_good_runs_end_it_all(
    policy: Policy, reloads: list[tuple[Policy, int]], steps: list[Step]
) -> None:
    state, past = State(), past_of(policy)
    for index, step in enumerate(steps):
        for other, at in reloads:
            if at == index:
                policy, past = other, past_of(other, [step.result for step in steps[:index]])
        state = judge(policy, state, step.result, past, muted=step.muted).state
    last = steps[-1].result.at_ms if steps else START_MS
    for number in range(40):
        result = Result("a", last + (number + 1) * EVERY_MS, 0.1, {"ttfb": 0.1})
        state = judge(policy, state, result, past).state
    assert (state.level, state.incident, state.held, state.by_runs) == (Level.UP, "", (), None)
    assert (state.flapping, state.states) == (False, "")


# Nagios 4, base/flapping.c, check_for_service_flapping(): a ring of MAX_STATE_HISTORY_ENTRIES (21) states, walked from
# the oldest; a change at x = 1..20 adds (x - 1) * (1.25 - 0.75) / (20 - 1) + 0.75; the sum * 100 / 20 is the
# percentage. Flapping starts at `high` or more, and stops at `low` or less.
@settings(max_examples=50)
@given(st.lists(st.sampled_from([Level.UP, Level.DEGRADED, Level.DOWN]), min_size=1, max_size=120))
def test_flapping_comes_and_goes_as_in_nagios(levels: list[Level]) -> None:
    policy, state, states = Policy((Threshold("total", 1.0),), (1, 1), 1, flap=(20.0, 40.0)), State(), ""
    ring, place, flapping = [int(levels[0])] * 21, 0, False
    for number, level in enumerate(levels):
        ring[place] = int(level)
        place = (place + 1) % 21
        total, last = 0.0, ring[place]
        for x in range(1, 21):
            entry = ring[(place + x) % 21]
            if entry != last:
                total += (x - 1) * (1.25 - 0.75) / 19 + 0.75
            last = entry
        share = total * 100 / 20
        flapping = share > 20.0 if flapping else share >= 40.0

        failure = REFUSED if level is Level.DOWN else None
        duration = 1.5 if level is Level.DEGRADED else 0.5
        result = Result("a", START_MS + number * EVERY_MS, duration, failure=failure)
        states = remember(states, levels[max(0, number - 1)], level)
        state = judge(policy, state, result).state
        assert percentage(states) == pytest.approx(share)
        assert (state.states, state.flapping) == (states, flapping)
