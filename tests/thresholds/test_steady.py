"""The short way through judge() is never seen: what people see is what the rules alone say."""

from hypothesis import given
from hypothesis import strategies as st

from checks.core.result import Fact, Failure, FailureKind, Result
from thresholds import policy as rules
from thresholds.base import Policy, State, Threshold, Verdict
from thresholds.policy import LAG, judge

EVERY_MS = 10_000


def by_the_rules(policy: Policy, state: State, result: Result) -> Verdict:
    run = rules.assess(policy, result)
    after = rules._next_state(policy, state, result, run)
    return Verdict(result, run.level, run.reason, after, rules._transition(state, after, result, run))


def seen(verdict: Verdict) -> tuple[object, ...]:
    """All but which good runs are remembered."""
    state = verdict.state
    known = (state.level, state.since_ms, state.confirmed, state.confirmed_since_ms, state.failing_since_ms)
    incident = (state.incident, state.incident_since_ms, state.reason, state.worst)
    return verdict.level, verdict.reason, verdict.transition, known, incident


policies = st.builds(
    lambda of, needed, up, memory, limits: Policy(limits, (min(needed, of), of), up, memory),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([0.0, 25.0, 100.0]),
    st.sampled_from([(), (Threshold("total", 1.0, 2.0),), (Threshold("days", 14.0, 3.0, lower_is_worse=True),)]),
)
failures = st.sampled_from([FailureKind.CONNECT, FailureKind.LOCAL]).map(lambda kind: Failure(kind, "", "refused"))
steps = st.tuples(
    st.sampled_from([EVERY_MS, EVERY_MS, EVERY_MS, 2_000, 60_000, 500_000]),  # ms since the run before
    st.sampled_from([0.5, 0.5, 0.5, 1.5, 2.5]),  # s
    st.none() | st.none() | failures,
    st.sampled_from([{}, {}, {LAG: 0.9}, {"days": 7.0}]),
    st.booleans(),  # provisional, where it is a failure
)


@given(st.lists(policies, min_size=1, max_size=2), st.lists(steps, max_size=40))
def test_a_run_as_ever_is_judged_as_the_rules_say(
    plans: list[Policy], script: list[tuple[int, float, Failure | None, dict[str, Fact], bool]]
) -> None:
    short = plain = State()
    at_ms, attempt = 1_000_000, 1
    for number, (gap, duration, failure, facts, provisional) in enumerate(script):
        policy = plans[number * len(plans) // len(script)]  # a reload may change it
        at_ms += gap
        again = provisional and failure is not None and failure.kind is not FailureKind.LOCAL
        result = Result("a", at_ms, duration, {}, facts, failure, attempt, again)
        attempt = attempt + 1 if again else 1
        ours, theirs = judge(policy, short, result), by_the_rules(policy, plain, result)
        assert seen(ours) == seen(theirs)
        short, plain = ours.state, theirs.state


def test_a_check_that_is_well_keeps_its_very_state() -> None:
    policy, state = Policy((Threshold("total", 1.0),)), State()
    for number in range(5):
        before, state = state, judge(policy, state, Result("a", 1_000_000 + number * EVERY_MS, 0.1)).state
    assert state is before
