"""Runs in, levels and transitions out."""

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core import wire
from checks.core.result import Failure, FailureKind, Result
from thresholds.assess import assess
from thresholds.base import Event, Level, Policy, State, Threshold, Transition
from thresholds.policy import judge

EVERY_MS = 10_000
START_MS = 1_700_000_000_000
SLOW = Policy(thresholds=(Threshold("total", degraded=0.8, down=5.0),), down_after=(2, 3), up_after=2)
DOWN = Failure(FailureKind.CONNECT, "connect", "connection refused")
OURS = Failure(FailureKind.LOCAL, "connect", "no file descriptors left")


def stream(marks: str) -> list[Result]:
    """The runs of a text; what follows a failed attempt is its retry."""
    runs: list[Result] = []
    for index, mark in enumerate(marks):
        again = bool(runs) and runs[-1].provisional
        runs.append(replace(run(index, mark), attempt=runs[-1].attempt + 1 if again else 1))
    return runs


def run(index: int, mark: str) -> Result:
    """One run: u up, d degraded, x down, l our own failure, p a failed attempt that is repeated, s slow under lag."""
    at_ms = START_MS + index * EVERY_MS
    match mark:
        case "u":
            return Result("shop/home", at_ms, 0.1, {"ttfb": 0.05})
        case "d":
            return Result("shop/home", at_ms, 1.0)
        case "x":
            return Result("shop/home", at_ms, 0.2, failure=DOWN)
        case "l":
            return Result("shop/home", at_ms, 0.2, failure=OURS)
        case "p":
            return Result("shop/home", at_ms, 0.2, failure=DOWN, provisional=True)
        case "s":
            return Result("shop/home", at_ms, 1.0, facts={"loop.lag": 0.4})
    raise ValueError(mark)


def replay(policy: Policy, marks: str, state: State | None = None) -> tuple[State, list[Transition]]:
    transitions = []
    state = state or State()
    for result in stream(marks):
        verdict = judge(policy, state, result)
        state = verdict.state
        if verdict.transition:
            transitions.append(verdict.transition)
    return state, transitions


def told(policy: Policy, marks: str) -> list[str]:
    """Each transition as `index of the run that decided it: before>after, index it dates back to, event`."""

    def index(at_ms: int) -> int:
        return (at_ms - START_MS) // EVERY_MS

    _, transitions = replay(policy, marks)
    return [f"{index(t.at_ms)}: {t.before.name}>{t.after.name} {index(t.since_ms)} {t.event}" for t in transitions]


@pytest.mark.parametrize(
    ("marks", "expected"),
    [
        pytest.param("u", ["0: UNKNOWN>UP 0 quiet"], id="the first good run is enough to be up"),
        pytest.param("ux", ["0: UNKNOWN>UP 0 quiet"], id="one lost probe says nothing"),
        pytest.param("uxuuxuux", ["0: UNKNOWN>UP 0 quiet"], id="nor do three that are far apart"),
        pytest.param("uxx", ["0: UNKNOWN>UP 0 quiet", "2: UP>DOWN 1 opened"], id="two of three are down"),
        pytest.param(
            "uxux", ["0: UNKNOWN>UP 0 quiet", "3: UP>DOWN 1 opened"], id="not only in a row; dated to the first"
        ),
        pytest.param("xx", ["1: UNKNOWN>DOWN 0 opened"], id="down from the start is told"),
        pytest.param("xu", ["1: UNKNOWN>UP 1 quiet"], id="up in the second run"),
        pytest.param(
            "uxxuu",
            ["0: UNKNOWN>UP 0 quiet", "2: UP>DOWN 1 opened", "4: DOWN>UP 3 resolved"],
            id="two good runs recover, dated to the first of them",
        ),
        pytest.param(
            "uxxuxuu",
            ["0: UNKNOWN>UP 0 quiet", "2: UP>DOWN 1 opened", "6: DOWN>UP 5 resolved"],
            id="a good run between bad ones does not",
        ),
        pytest.param(
            "uxxuux",
            ["0: UNKNOWN>UP 0 quiet", "2: UP>DOWN 1 opened", "4: DOWN>UP 3 resolved"],
            id="what was recovered from does not count towards the next outage",
        ),
        pytest.param("udd", ["0: UNKNOWN>UP 0 quiet", "2: UP>DEGRADED 1 opened"], id="slow is degraded"),
        pytest.param("uxd", ["0: UNKNOWN>UP 0 quiet", "2: UP>DEGRADED 1 opened"], id="bad enough for the lesser level"),
        pytest.param(
            "uddxx",
            ["0: UNKNOWN>UP 0 quiet", "2: UP>DEGRADED 1 opened", "4: DEGRADED>DOWN 3 changed"],
            id="degraded escalates to down in one incident",
        ),
        pytest.param("uddx", ["0: UNKNOWN>UP 0 quiet", "2: UP>DEGRADED 1 opened"], id="one failure is no escalation"),
        pytest.param(
            "uxxdd",
            ["0: UNKNOWN>UP 0 quiet", "2: UP>DOWN 1 opened", "4: DOWN>DEGRADED 3 changed"],
            id="down eases to degraded",
        ),
        pytest.param(
            "uxxdu",
            ["0: UNKNOWN>UP 0 quiet", "2: UP>DOWN 1 opened", "4: DOWN>DEGRADED 3 changed"],
            id="a slow run among the good ones: not up yet",
        ),
        pytest.param(
            "uxxlx",
            [
                "0: UNKNOWN>UP 0 quiet",
                "2: UP>DOWN 1 opened",
                "3: DOWN>UNKNOWN 3 quiet",
                "4: UNKNOWN>DOWN 4 quiet",
            ],
            id="our own failure hides an outage and tells nobody",
        ),
        pytest.param("llll", [], id="blind from the start"),
        pytest.param(
            "ulu", ["0: UNKNOWN>UP 0 quiet", "1: UP>UNKNOWN 1 quiet", "2: UNKNOWN>UP 2 quiet"], id="blind for a while"
        ),
        pytest.param(
            "uxlx",
            ["0: UNKNOWN>UP 0 quiet", "2: UP>UNKNOWN 2 quiet", "3: UNKNOWN>DOWN 1 opened"],
            id="our own failure neither counts nor forgives",
        ),
        pytest.param("usss", ["0: UNKNOWN>UP 0 quiet"], id="slow while our loop was blocked accuses nobody"),
        pytest.param("uddss", ["0: UNKNOWN>UP 0 quiet", "2: UP>DEGRADED 1 opened"], id="and acquits nobody"),
        pytest.param("upu", ["0: UNKNOWN>UP 0 quiet"], id="an attempt whose retry is good does not count"),
        pytest.param(
            "upxpx", ["0: UNKNOWN>UP 0 quiet", "4: UP>DOWN 1 opened"], id="dated back to the first failed attempt"
        ),
    ],
)
def test_levels_follow_the_runs(marks: str, expected: list[str]) -> None:
    assert told(SLOW, marks) == expected


@pytest.mark.parametrize(
    ("threshold", "value", "level"),
    [
        (Threshold("tls.days_left", degraded=21, down=3, lower_is_worse=True), 41.2, Level.UP),
        (Threshold("tls.days_left", degraded=21, down=3, lower_is_worse=True), 20.9, Level.DEGRADED),
        (Threshold("tls.days_left", degraded=21, down=3, lower_is_worse=True), -1.0, Level.DOWN),
        (Threshold("http.bytes", degraded=1000), 1000, Level.UP),
        (Threshold("http.bytes", degraded=1000), 1001, Level.DEGRADED),
        (Threshold("http.bytes", down=1000), 1001, Level.DOWN),
        (Threshold("http.version", down=1), "1.1", Level.UP),
    ],
)
def test_any_numeric_fact_has_limits(threshold: Threshold, value: float | str, level: Level) -> None:
    result = Result("a", 0, 0.1, facts={threshold.metric: value})
    assert assess(Policy(thresholds=(threshold,)), result).level is level


def test_a_threshold_on_what_did_not_happen_is_silent() -> None:
    policy = Policy(
        thresholds=(Threshold("tls", degraded=0.1), Threshold("tls.days_left", down=3, lower_is_worse=True))
    )
    assert assess(policy, Result("a", 0, 9.0, {"connect": 9.0})).level is Level.UP


def test_the_worst_threshold_is_the_level_and_the_reason() -> None:
    policy = Policy(thresholds=(Threshold("ttfb", degraded=0.1), Threshold("total", degraded=0.5, down=5.0)))
    run = assess(policy, Result("a", 0, 6.2, {"ttfb": 6.0}))
    assert (run.level, run.reason) == (Level.DOWN, "total 6.2 s is over 5 s")


@pytest.mark.parametrize(
    ("lag", "level", "counts"),
    [
        (0.0, Level.DOWN, True),
        (0.1, Level.DOWN, True),  # 6.2 s less 0.1 s is over 5 s all the same
        (2.0, Level.DEGRADED, True),  # 4.2 s is not, but over 0.8 s
        (5.5, Level.UP, False),  # the whole excess may be ours
    ],
)
def test_lag_excuses_what_it_can_explain(lag: float, level: Level, counts: bool) -> None:
    run = assess(SLOW, Result("a", 0, 6.2, facts={"loop.lag": lag}))
    assert (run.level, run.counts) == (level, counts)


def test_what_was_recovered_from_does_not_count_in_a_longer_window_either() -> None:
    policy = Policy(down_after=(2, 5), up_after=2)
    assert [line.split()[-1] for line in told(policy, "uxxuuux")] == ["quiet", "opened", "resolved"]


def test_a_failed_attempt_that_was_cut_off_dates_nothing_back() -> None:
    """A kill between an attempt and its retry: the outage days later began days later."""
    state = replay(SLOW, "up")[0]
    later = [replace(run(50_000 + n, "x"), attempt=1) for n in range(2)]
    for result in later:
        verdict = judge(SLOW, state, result)
        state = verdict.state
    assert verdict.transition is not None
    assert verdict.transition.since_ms == later[0].at_ms


def test_runs_with_a_long_gap_between_do_not_count_together() -> None:
    policy = replace(SLOW, memory=600.0)
    state = replay(policy, "uux")[0]
    assert judge(policy, state, run(61 + 2, "x")).transition is None
    near = judge(policy, state, run(60 + 2, "x")).transition
    assert near is not None
    assert near.after is Level.DOWN


@pytest.mark.parametrize(
    ("marks", "worst"), [("uddluu", Level.DEGRADED), ("uxxdduu", Level.DOWN), ("uddxxuu", Level.DOWN)]
)
def test_an_end_knows_the_worst_that_it_was(marks: str, worst: Level) -> None:
    assert replay(SLOW, marks)[1][-1].worst is worst


def test_a_lag_between_an_attempt_and_the_next_run_forgives_the_attempt() -> None:
    """The retry did not count: the next failure is dated by itself."""
    transitions = replay(SLOW, "upsxx")[1]
    assert transitions[-1].since_ms == START_MS + 3 * EVERY_MS


def test_a_recovery_says_what_it_recovered_from() -> None:
    _, transitions = replay(SLOW, "uxxluu")
    assert (transitions[-1].event, transitions[-1].reason) == (Event.RESOLVED, "connection refused")
    assert transitions[-1].incident == transitions[1].incident == f"shop/home@{START_MS + EVERY_MS}"


def test_an_incident_has_one_identity_until_it_is_over() -> None:
    _, transitions = replay(SLOW, "uddxxdduuxx")
    incidents = [t.incident for t in transitions if t.incident]
    assert incidents == [f"shop/home@{START_MS + EVERY_MS}"] * 4 + [f"shop/home@{START_MS + 9 * EVERY_MS}"]


MARKS = st.text(alphabet="udxlps", max_size=60)


@given(MARKS, st.integers(0, 60))
def test_a_restart_in_between_changes_nothing(marks: str, cut: int) -> None:
    whole, transitions = replay(SLOW, marks)
    state = State()
    seen = []
    for index, result in enumerate(stream(marks)):
        if index == cut:
            state = msgspec.json.decode(msgspec.json.encode(state), type=State)
        verdict = judge(SLOW, state, result)
        state = verdict.state
        seen += [verdict.transition] if verdict.transition else []
    assert (state, seen) == (whole, transitions)


@given(MARKS)
def test_transitions_form_a_chain_and_people_hear_each_incident_open_and_close(marks: str) -> None:
    state, transitions = replay(SLOW, marks)
    level, open_incident = Level.UNKNOWN, ""
    for transition in transitions:
        assert transition.before is level
        level = transition.after
        if transition.event is Event.OPENED:
            assert not open_incident
            open_incident = transition.incident
        elif transition.event is not Event.QUIET:
            assert transition.incident == open_incident
            open_incident = "" if transition.event is Event.RESOLVED else open_incident
    assert level is state.level
    assert open_incident == state.incident


@given(st.text(alphabet="lps", max_size=40))
def test_without_a_run_that_counts_nobody_is_told(marks: str) -> None:
    assert not [t for t in replay(SLOW, "u" + marks)[1] if t.event is not Event.QUIET]


def test_a_recorded_stream_gives_its_transitions_again() -> None:
    lines = [wire.encode(result) for result in stream("uuxpxxluduu")]
    state = State()
    events = []
    for line in lines:
        verdict = judge(SLOW, state, wire.decode(line))
        state = verdict.state
        events += [(verdict.transition.event, verdict.transition.after)] if verdict.transition else []
    assert events == [
        (Event.QUIET, Level.UP),
        (Event.OPENED, Level.DOWN),
        (Event.QUIET, Level.UNKNOWN),
        (Event.QUIET, Level.DOWN),
        (Event.CHANGED, Level.DEGRADED),
        (Event.RESOLVED, Level.UP),
    ]
