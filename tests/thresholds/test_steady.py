"""The short way through judge() is never seen: what people see is what the rules alone say."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from checks.core.result import Fact, Failure, FailureKind, Result
from thresholds import policy as rules
from thresholds.assess import assess
from thresholds.base import Aggregate, Policy, State, Threshold, Verdict, WindowThreshold
from thresholds.measured import LAG
from thresholds.past import Past
from thresholds.policy import judge
from thresholds.transition import transition
from thresholds.window import Window

EVERY_MS = 10_000


def by_the_rules(policy: Policy, state: State, result: Result, past: Past, *, muted: bool) -> Verdict:
    past.take(result)
    run = assess(policy, result)
    after = rules._next_state(policy, state, result, run, past, muted=muted)
    return Verdict(result, run.level, run.reason, after, transition(state, after, result, run, muted=muted))


def seen(verdict: Verdict) -> tuple[object, ...]:
    """All but which good runs are remembered."""
    bad = tuple(run for run in verdict.state.recent if run[1].bad)
    return verdict.level, verdict.reason, verdict.transition, replace(verdict.state, recent=bad)


limits = st.sampled_from([(), (Threshold("total", 1.0, 2.0),), (Threshold("days", 14.0, 3.0, lower_is_worse=True),)])
windows = st.sampled_from(
    [
        (),
        (WindowThreshold("max(total) over 30s", Aggregate.MAX, "total", 30.0, 0.9, 2.0, min_samples=1),),
        (WindowThreshold("failures over 1m", Aggregate.FAILURES, "", 60.0, 2.0, 3.0),),
    ]
)
policies = st.builds(
    lambda of, needed, up, memory, limits, windows, flap: Policy(
        limits, (min(needed, of), of), up, memory, windows, flap=flap
    ),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([0.0, 25.0, 100.0]),
    limits,
    windows,
    st.sampled_from([None, (20.0, 40.0), (4.0, 10.0)]),
)
failures = st.sampled_from([FailureKind.CONNECT, FailureKind.LOCAL]).map(lambda kind: Failure(kind, "", "refused"))
steps = st.tuples(
    st.sampled_from([EVERY_MS, EVERY_MS, EVERY_MS, 2_000, 60_000, 500_000]),  # ms since the run before
    st.sampled_from([0.5, 0.5, 0.5, 1.5, 2.5]),  # s
    st.none() | st.none() | failures,
    st.sampled_from([{}, {}, {LAG: 0.9}, {"days": 7.0}]),
    st.booleans(),  # provisional, where it is a failure
    st.sampled_from([False, False, False, True]),  # in maintenance
)
Step = tuple[int, float, Failure | None, dict[str, Fact], bool, bool]


@given(st.lists(policies, min_size=1, max_size=2), st.lists(steps, max_size=40))
def test_a_run_as_ever_is_judged_as_the_rules_say(plans: list[Policy], script: list[Step]) -> None:
    short = plain = State()
    ours, theirs, planned = Past(()), Past(()), None
    at_ms, attempt = 1_000_000, 1
    for number, (gap, duration, failure, facts, provisional, muted) in enumerate(script):
        policy = plans[number * len(plans) // len(script)]  # a reload may change it
        if policy is not planned:
            ours, theirs, planned = (*(Past(map(Window, policy.windows)) for _ in range(2)), policy)
        at_ms += gap
        again = provisional and failure is not None and failure.kind is not FailureKind.LOCAL
        result = Result("a", at_ms, duration, {}, facts, failure, attempt, again)
        attempt = attempt + 1 if again else 1
        one = judge(policy, short, result, ours if policy.windows else None, muted=muted)
        other = by_the_rules(policy, plain, result, theirs, muted=muted)
        assert seen(one) == seen(other)
        short, plain = one.state, other.state


def test_a_check_that_is_well_keeps_its_very_state() -> None:
    slow = WindowThreshold("p95(total) over 10m", Aggregate.P95, "total", 600.0, 0.7)
    policy, state, past = Policy((Threshold("total", 1.0),), windows=(slow,)), State(), Past([Window(slow)])
    for number in range(5):
        before, state = state, judge(policy, state, Result("a", 1_000_000 + number * EVERY_MS, 0.1), past).state
    assert state is before
