"""Windows, flapping and maintenance beside the runs: one level, one incident, and why."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from checks.core.result import Result
from tests.judging import BOTH, EVERY_MS, OURS, REFUSED, RUNS, START_MS, WORST, Step, attempts, follow, past_of, script
from thresholds.base import Aggregate, Event, Level, Policy, State, Transition, WindowThreshold
from thresholds.policy import judge


def moves(policy: Policy, marks: str) -> list[Transition]:
    return [one for _, one in follow(policy, script(marks)) if one is not None]


def run_of(at_ms: int) -> int:
    return (at_ms - START_MS) // EVERY_MS


def told(policy: Policy, marks: str) -> list[str]:
    """Each transition as `run that decided it: before>after, run it dates back to, event`; without the first UP."""
    return [
        f"{run_of(one.at_ms)}: {one.before.name}>{one.after.name} {run_of(one.since_ms)} {one.event}"
        for one in moves(policy, marks)
        if one.before is not Level.UNKNOWN or one.after is not Level.UP or one.event is not Event.QUIET
    ]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        pytest.param("u1 u5", ["1: UP>DEGRADED 1 opened"], id="a window is bad from the run on that crossed"),
        pytest.param("u1 d9 u1", ["1: UP>DOWN 1 opened"], id="the worst of both, at once"),
        pytest.param("u1 d1 d9", ["2: UP>DOWN 2 opened"], id="both cross: the window is worse, so it dates the level"),
        pytest.param("u1 d1 d5", ["2: UP>DEGRADED 1 opened"], id="both alike: dated to the first bad run"),
        pytest.param(
            "u1 u5 x x",
            ["1: UP>DEGRADED 1 opened", "3: DEGRADED>DOWN 2 changed"],
            id="runs get worse than a window, from the first of them",
        ),
        pytest.param(
            "u1 d1 d1 d9 d1 d1 d1",
            ["2: UP>DEGRADED 1 opened", "3: DEGRADED>DOWN 3 changed", "6: DOWN>DEGRADED 6 changed"],
            id="a window lets go and the runs still hold, from that run on",
        ),
        pytest.param(
            "u1 x x u5 u1 u1 u1",
            ["2: UP>DOWN 1 opened", "4: DOWN>DEGRADED 3 changed", "6: DEGRADED>UP 6 resolved"],
            id="the runs recover, from the first good one, and a window still holds",
        ),
        pytest.param(
            "u1 u9 u5 u1 u1 u1",
            ["1: UP>DOWN 1 opened", "4: DOWN>DEGRADED 4 changed", "5: DEGRADED>UP 5 resolved"],
            id="a window eases and still holds",
        ),
        pytest.param(
            "u1 x9 x u9 u1 u1 u1",
            ["2: UP>DOWN 1 opened", "4: DOWN>DOWN 1 quiet", "6: DOWN>UP 6 resolved"],
            id="the runs recover first: the window says until when",
        ),
        pytest.param(
            "u1 u9 u1 d1 d1",
            ["1: UP>DOWN 1 opened", "4: DOWN>DEGRADED 4 changed"],
            id="what the runs confirm as a window lets go wipes out no down time",
        ),
        pytest.param(
            "u1 x u9 x u1 u1",
            ["2: UP>DOWN 2 opened", "3: DOWN>DOWN 2 quiet", "5: DOWN>UP 5 resolved"],
            id="both let go at once: a window held until now",
        ),
        pytest.param("u1 u9 l l l u1", ["1: UP>DOWN 1 opened", "2: DOWN>UNKNOWN 2 quiet", "5: UNKNOWN>UP 5 resolved"]),
        pytest.param("x u9 u1 u1 u1 x", ["1: UNKNOWN>DOWN 1 opened", "4: DOWN>UP 4 resolved"]),
    ],
)
def test_the_level_is_the_worst_of_runs_and_windows(marks: str, expected: list[str]) -> None:
    assert told(BOTH, marks) == expected


def test_a_reason_names_what_is_worst() -> None:
    states = [state for state, _ in follow(BOTH, script("u1 d1 d1 d9 u1 d1 u1 u1"))]
    window = "max(ttfb) over 30s 900 ms is over 800 ms"
    assert [state.reason.partition(",")[0] for state in states] == [
        "",
        "",
        "total 1.5 s is over 1 s",
        *[window] * 3,
        "not yet 2 better runs in a row",  # the window let go, and what it said would be wrong
        "",
    ]


def test_of_two_alike_the_run_says_why_and_else_the_window() -> None:
    states = [state for state, _ in follow(BOTH, script("u1 d5 d1 u1"))]
    assert [state.reason.split()[0] for state in states[1:]] == ["max(ttfb)", "total", "max(ttfb)"]


def test_a_lesser_window_is_not_why_a_check_is_down() -> None:
    *_, (state, _) = follow(BOTH, script("u1 x x u5"))
    assert (state.level, state.reason) == (Level.DOWN, "connection refused")


def test_of_two_windows_alike_the_first_says_why() -> None:
    past = past_of(replace(BOTH, windows=(WORST, replace(WORST, name="another"))))
    past.take(script("u9")[0].result)
    held, worst, why = past.judge(())
    assert (dict(held), worst) == ({WORST.name: Level.DOWN, "another": Level.DOWN}, Level.DOWN)
    assert why.startswith(WORST.name)


def test_an_attempt_whose_retry_is_good_is_no_failure_of_a_window() -> None:
    policy = replace(RUNS, windows=(WindowThreshold("failures over 1m", Aggregate.FAILURES, "", 60.0, down=1.0),))
    retried = attempts(START_MS, "retried", 0.1, helps=True)
    assert [state.level for state, _ in follow(policy, [Step(run) for run in retried])] == [Level.UNKNOWN, Level.UP]


def test_a_window_is_left_below_the_eased_limit() -> None:
    slow = replace(WORST, over=9.0, degraded=1.0, down=2.0, hysteresis=0.2)
    levels = [state.level for state, _ in follow(replace(RUNS, windows=(slow,)), script("u9 u21 u17 u16 u9 u8"))]
    assert levels == [Level.UP, Level.DOWN, Level.DOWN, Level.DEGRADED, Level.DEGRADED, Level.UP]


def test_the_hysteresis_of_a_window_survives_a_restart() -> None:
    slow = replace(WORST, over=9.0, degraded=1.0, down=2.0, hysteresis=0.2)
    policy = replace(RUNS, windows=(slow,))
    *_, (state, _) = follow(policy, script("u9 u21"))
    assert state.held == ((slow.name, Level.DOWN),)
    again = msgspec.json.decode(msgspec.json.encode(state), type=State)
    later = script("u9 u21 u17")[-1].result
    assert judge(policy, again, later, past_of(policy)).state.level is Level.DOWN
    assert judge(policy, replace(again, held=()), later, past_of(policy)).state.level is Level.DEGRADED


def test_windows_of_a_retried_run_date_back_to_its_first_attempt() -> None:
    often = WindowThreshold("failures over 1m", Aggregate.FAILURES, "", 60.0, down=1.0)
    policy, past = replace(RUNS, windows=(often,)), past_of(replace(RUNS, windows=(often,)))
    first = Result("a", START_MS, 0.1, failure=REFUSED, provisional=True)
    again = replace(first, at_ms=START_MS + 2000, provisional=False, attempt=2)
    state = judge(policy, State(Level.UP, 1, Level.UP, 1), first, past).state
    after = judge(policy, state, again, past).transition
    assert after is not None
    assert (after.since_ms, after.incident) == (START_MS, f"a@{START_MS}")


def test_a_window_that_lets_go_before_the_runs_have_said_anything_leaves_its_incident_open() -> None:
    """The first runs of a check are all slow: too few for the runs, and the window knows nothing any more."""
    policy = replace(BOTH, down_after=(5, 5))
    assert told(policy, "d9 d1 d1 d1 u1") == ["0: UNKNOWN>DOWN 0 opened", "4: DOWN>UP 4 resolved"]
    assert told(policy, "d9 d1 d1 d1 d1") == ["0: UNKNOWN>DOWN 0 opened", "4: DOWN>DEGRADED 4 changed"]


def test_the_runs_of_an_incident_that_a_window_ended_begin_no_other() -> None:
    """Nor do they give it the name of the one that is over."""
    policy = replace(BOTH, down_after=(2, 9))
    opened = [one for one in moves(policy, "u1 d9 u1 u1 u1 d1 d1") if one.event is Event.OPENED]
    assert [(run_of(one.at_ms), one.incident) for one in opened] == [
        (1, f"a@{START_MS + EVERY_MS}"),
        (6, f"a@{START_MS + 5 * EVERY_MS}"),
    ]


@pytest.mark.parametrize(
    "without", [RUNS, replace(BOTH, windows=(replace(WORST, name="other", down=5.0, degraded=4.0),))]
)
def test_a_window_that_a_reload_removes_holds_nothing_any_more(without: Policy) -> None:
    *_, (state, _) = follow(BOTH, script("u1 u9"))
    past = past_of(without, [step.result for step in script("u1 u9")])
    verdict = judge(without, state, script("u1 u9 u1")[-1].result, past)
    assert verdict.transition is not None
    assert (verdict.transition.event, verdict.state.held) == (Event.RESOLVED, ())
    assert verdict.state.level is Level.UP
    alone = judge(without, state, script("u1 u9 u1")[-1].result)
    assert alone.state == verdict.state


def test_a_window_that_a_reload_eases_lets_go() -> None:
    *_, (state, _) = follow(BOTH, script("u1 u9"))
    eased = replace(BOTH, windows=(replace(WORST, degraded=4.0, down=8.0),))
    assert judge(eased, state, script("u1 u9 u1")[-1].result, past_of(eased)).state.level is Level.UP


AT_ONCE = Policy(down_after=(1, 1), up_after=1, flap=(20.0, 40.0))
FLAPS = "u u u " + "x u " * 12


def test_flap_detection_that_a_reload_switches_off_ends_the_incident_it_held() -> None:
    *_, (state, _) = follow(AT_ONCE, script(FLAPS))
    assert (state.flapping, state.level, bool(state.incident)) == (True, Level.UP, True)
    off = replace(AT_ONCE, flap=None)
    verdict = judge(off, state, script(FLAPS + "u")[-1].result)
    assert verdict.transition is not None
    assert verdict.transition.event is Event.RESOLVED
    assert (verdict.state.incident, verdict.state.flapping, verdict.state.states) == ("", False, "")


def test_people_hear_that_a_check_flaps_and_that_it_is_down_for_good() -> None:
    heard = [one for one in moves(AT_ONCE, "u u u " + "x u " * 5 + "x " * 30) if one.event is not Event.QUIET]
    assert [(one.event, one.reason.partition(" ")[0]) for one in heard] == [
        *[(Event.OPENED, "connection"), (Event.RESOLVED, "connection")] * 3,
        (Event.OPENED, "flapping,"),
        (Event.CHANGED, "no"),
    ]
    assert heard[-1].after is Level.DOWN


def test_what_changes_in_maintenance_is_no_flapping() -> None:
    """A deployment with many restarts, and a failure an hour later: that ends when it ends."""
    restarts = "u " + "xm um " * 12 + "u u "
    assert told(AT_ONCE, restarts + "u x u")[-2:] == ["28: UP>DOWN 28 opened", "29: DOWN>UP 29 resolved"]


def test_what_got_worse_in_maintenance_is_told_after_it() -> None:
    heard = [line for line in told(BOTH, "u1 u5 xm xm xm x x") if "quiet" not in line]
    assert heard == ["1: UP>DEGRADED 1 opened", "5: DOWN>DOWN 2 changed"]
    assert moves(BOTH, "u1 u5 xm xm xm x x")[-1].worst is Level.DOWN


def test_an_end_of_flapping_says_what_it_was() -> None:
    last = moves(AT_ONCE, FLAPS + "u " * 20)[-1]
    assert (last.event, last.reason) == (Event.RESOLVED, "connection refused")


def test_a_check_is_unknown_from_the_first_of_our_own_failures_on() -> None:
    *_, (state, _) = follow(RUNS, script("u l l l"))
    assert (state.level, run_of(state.since_ms)) == (Level.UNKNOWN, 1)


def test_what_an_outage_is_about_outlives_our_own_failures() -> None:
    """Two of ours in a row, in an incident and in maintenance."""
    assert moves(RUNS, "u x x l l u u")[-1].reason == "connection refused"
    opened = moves(RUNS, "u xm xm lm lm u")[-1]
    assert (opened.event, opened.reason) == (Event.OPENED, "connection refused")


def test_a_transition_to_unknown_says_what_our_own_failure_was() -> None:
    assert [one.reason for one in moves(RUNS, "u x x l") if one.after is Level.UNKNOWN] == [OURS.message]


def test_an_incident_keeps_its_name_while_it_flaps() -> None:
    policy = replace(AT_ONCE, flap=(20.0, 30.0))
    names, flapping = list[str](), False
    for state, _ in follow(policy, script("u u u " + "x u l d u " * 12)):
        if state.flapping:
            assert state.incident
            names.append(state.incident)
        assert not flapping or state.flapping, "it never stops"
        flapping = state.flapping
    assert len(names) > 20
    assert len(set(names)) == 1
