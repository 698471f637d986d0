"""The short ways of judging are never seen: what people see is what the rules alone say, run by run.

There are five: a check that is well and stays well keeps its state, a replay remembers that it is well and puts off
what a run changes where nothing shows, a window that lies far under its limits says so at a glance, and real outages
are not looked for in good runs.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checks.core.result import Fact, Failure, FailureKind, Result
from probe.store.reader import Stored
from thresholds.base import (
    Aggregate,
    BaselineThreshold,
    Event,
    Level,
    Policy,
    State,
    Threshold,
    Transition,
    WindowThreshold,
)
from thresholds.baseline import Baseline
from thresholds.gathered import Hour
from thresholds.measured import LAG, Run, value_of
from thresholds.past import Held, Judging, Past
from thresholds.policy import is_well, judge, judged
from thresholds.profile import HOUR_MS
from thresholds.replay import REMOVED, Failing, Replay
from thresholds.sliding import Ranked
from thresholds.spans import Span
from thresholds.window import Window

EVERY_MS = 10_000
START_MS = 1_760_000_400_000  # in the middle of an hour
WEEK = 7 * 24


class Plain(Past):
    """The past by the rules: each run is looked at for each threshold, and nothing at a glance."""

    def __init__(self, policy: Policy) -> None:
        super().__init__(parts(policy))
        for part in self.parts:
            if isinstance(part, Window):
                part._simple = False

    def take(self, result: Run) -> None:
        for part in self.parts:
            metric, failed = part.threshold.metric, result.failure is not None
            if result.provisional or (result.failure and result.failure.kind is FailureKind.LOCAL):
                continue
            value = value_of(metric, result) if metric and not failed else None
            lag = result.facts.get(LAG, 0.0) if metric == "total" or metric in result.phases else 0.0
            assert isinstance(lag, float)
            part.take(result.at_ms, None if lag > 0.1 * result.duration else value, failed)

    def is_calm(self) -> bool:
        raise AssertionError("the rules do not ask")


def parts(policy: Policy) -> list[Judging]:
    """Windows are empty; baselines know a week in which every hour took 0.5 s."""
    baselines = [Baseline(threshold) for threshold in policy.baselines]
    first = START_MS // HOUR_MS - WEEK
    for baseline in baselines:
        baseline.restore(Hour((first + hour) * HOUR_MS, 0.5, 60, 0, 60) for hour in range(WEEK))
    return [*map(Window, policy.windows), *baselines]


def window(
    name: str, aggregate: Aggregate, degraded: float, down: float | None = None, *, least: int = 1, lower: bool = False
) -> WindowThreshold:
    metric, _, over = name.partition(" over ")
    return WindowThreshold(name, aggregate, metric, float(over), degraded, down, lower, min_samples=least)


ALL_WINDOWS = [
    window("total over 30", Aggregate.MAX, 0.9, 2.0),
    window("total over 60", Aggregate.P50, 1.5),
    window("total over 300", Aggregate.P95, 1.5, 2.0, least=3),
    window("ttfb over 90", Aggregate.P90, 0.4),
    window("total over 100", Aggregate.MEAN, 1.0),
    window("days over 50", Aggregate.MIN, 14.0, 3.0, lower=True),
    window("days over 20", Aggregate.MIN, 40.0),
    window(" over 60", Aggregate.FAILURES, 2.0, 3.0),
    window(" over 120", Aggregate.FAILURE_RATIO, 0.3, least=3),
]
ALL_LIMITS = [
    Threshold("total", 1.0, 2.0),
    Threshold("total", None, 2.4),
    Threshold("ttfb", 0.6),
    Threshold("days", 14.0, 3.0, lower_is_worse=True),
]
USUAL = BaselineThreshold("baseline(total)", "total", 4.0, floor=0.1, bucket=300.0, buckets=1)

policies = st.builds(
    lambda of, needed, up, memory, limits, windows, baselines, flap: Policy(
        tuple(limits), (min(needed, of), of), up, memory, tuple(windows), tuple(baselines), flap
    ),
    st.integers(1, 6),
    st.integers(1, 6),
    st.integers(1, 5),
    st.sampled_from([0.0, 25.0, 100.0]),
    st.lists(st.sampled_from(ALL_LIMITS), unique=True, max_size=3),
    st.lists(st.sampled_from(ALL_WINDOWS), unique=True, max_size=3),
    st.sampled_from([[], [], [USUAL]]),
    st.sampled_from([None, (20.0, 40.0), (4.0, 10.0)]),
)

KINDS = (*("good",) * 6, "refused", "refused", "ours", "repeated", "lagging", "removed")
Draft = tuple[int, str, float, float, dict[str, Fact], int]
drafts = st.tuples(
    st.sampled_from([EVERY_MS, EVERY_MS, EVERY_MS, 2_000, 60_000, 500_000]),  # ms since the run before
    st.sampled_from(KINDS),
    # s; the last ones are next to a limit of a window, on the side where they cross none
    st.sampled_from([0.5, 0.5, 0.5, 1.6, 2.5, 0.899, 1.499, 1.4999]),
    st.sampled_from([0.1, 0.1, 0.39, 0.5]),  # s of ttfb
    st.sampled_from([{}, {"days": 30.0}, {"days": 7.0}, {"days": -2}, {"days": 50}, {"days": "many"}]),
    st.sampled_from([1, 1, 1, 2, 25]),  # times
)


def rest(times: int) -> Draft:
    return EVERY_MS, "good", 0.5, 0.1, {"days": 30.0}, times


rests = st.sampled_from([0, 1, 3, 30]).map(rest)


@st.composite
def histories(draw: st.DrawFn) -> list[Draft]:
    """What happens to a check that is mostly well."""
    found: list[Draft] = [draw(rests)]
    for draft in draw(st.lists(drafts, min_size=1, max_size=20)):
        found += [draft, draw(rests)]
    return found


@st.composite
def troubles(draw: st.DrawFn) -> list[Draft]:
    """What happens to a check that is seldom well."""
    found: list[Draft] = []
    for _ in range(draw(st.integers(1, 12))):
        kind = draw(st.sampled_from(["refused", "refused", "repeated", "good", "good"]))
        total = draw(st.sampled_from([0.5, 1.6, 2.5]))
        found.append((EVERY_MS, kind, total, draw(st.sampled_from([0.1, 0.5])), {}, draw(st.integers(1, 30))))
        found += draw(st.lists(drafts, max_size=2))
    return found


mutings = st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), max_size=2)
Make = Callable[..., Run]


def runs(history: Sequence[Draft], make: Make = Result) -> Iterator[Run]:
    """The runs of a check: one that is repeated fails first, and then as its time says."""
    at_ms = START_MS
    for gap, kind, total, ttfb, facts, times in history:
        for _ in range(times):
            at_ms += gap
            good = ("a", at_ms, total, {"ttfb": ttfb}, facts, None, 1, False)
            yield from _attempts(kind, good, make)


def _attempts(kind: str, good: tuple[object, ...], make: Make) -> list[Run]:
    name, at_ms, total, phases, facts, *_ = good
    assert isinstance(at_ms, int)
    match kind:
        case "refused":
            return [make(name, at_ms, total, {}, {}, REFUSED, 1, False)]
        case "ours" | "removed":
            message = REMOVED if kind == "removed" else "no descriptors left"
            return [make(name, at_ms, 0.0, {}, {}, Failure(FailureKind.LOCAL, "", message), 1, False)]
        case "repeated":
            failure = None if total == 0.5 else REFUSED
            first = make(name, at_ms, 0.1, {}, {}, REFUSED, 1, True)
            return [first, make(name, at_ms + 1500, total, phases, facts, failure, 2, False)]
        case "lagging":
            assert isinstance(facts, dict)
            return [make(name, at_ms, total, phases, {**facts, LAG: 0.9}, None, 1, False)]
        case _:
            return [make(*good)]


REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")


def spans(mutings: Sequence[tuple[int, int]]) -> list[Span]:
    """Maintenance, apart and in order."""
    found: list[Span] = []
    for start, length in sorted(mutings):
        start_ms = START_MS + start * EVERY_MS
        if not found or start_ms > found[-1][1]:
            found.append((start_ms, start_ms + length * EVERY_MS))
    return found


def is_muted(muted: Sequence[Span], at_ms: int) -> bool:
    return any(start <= at_ms < end for start, end in muted)


def seen(state: State) -> State:
    """All but which good runs are remembered."""
    return replace(state, recent=tuple(run for run in state.recent if run[1].bad))


@settings(max_examples=200)
@given(st.lists(policies, min_size=1, max_size=2), histories(), mutings)
def test_a_run_as_ever_is_judged_as_the_rules_say(
    plans: list[Policy], history: list[Draft], mutings: list[tuple[int, int]]
) -> None:
    short = plain = State()
    ours, theirs, planned = Past(()), Past(()), None
    found, muted = list(runs(history)), spans(mutings)
    for number, result in enumerate(found):
        policy = plans[number * len(plans) // len(found)]  # a reload may change it
        if policy is not planned:
            ours, theirs, planned = Past(parts(policy)), Plain(policy), policy
        quiet = is_muted(muted, result.at_ms)
        assert isinstance(result, Result)
        one = judge(policy, short, result, ours if policy.remembers else None, muted=quiet)
        theirs.take(result)
        run, plain, change = judged(policy, plain, result, theirs, muted=quiet)
        assert (one.level, one.reason, one.transition) == (run.level, run.reason, change)
        assert seen(one.state) == seen(plain)
        short = one.state


def by_the_rules(policy: Policy, history: Sequence[Run], muted: Sequence[Span]) -> Iterator[Transition | None]:
    """A replay that takes no short way."""
    state, past, ending = State(), Plain(policy), Replay(policy)
    for result in history:
        if result.failure is not None and result.failure.message == REMOVED:
            ending.state = state
            yield ending.take(result)
            state = State()
            continue
        past.take(result)
        _, state, change = judged(policy, state, result, past, muted=is_muted(muted, result.at_ms))
        yield change


@settings(max_examples=200)
@given(policies, histories(), mutings)
def test_a_replay_tells_what_the_rules_say(
    policy: Policy, history: list[Draft], mutings: list[tuple[int, int]]
) -> None:
    """Of runs as they are stored, too."""
    muted = spans(mutings)
    wanted = list(by_the_rules(policy, list(runs(history)), muted))
    for make in (Result, Stored):
        again = Replay(policy, Past(parts(policy)) if policy.remembers else None, muted)
        assert [again.take(run) for run in runs(history, make)] == wanted


@settings(max_examples=200)
@given(policies, troubles(), mutings, st.integers(1, 40))
def test_what_a_replay_puts_off_is_there_when_it_is_asked_for(
    policy: Policy, history: list[Draft], mutings: list[tuple[int, int]], often: int
) -> None:
    """Of checks that are bad most of the time: each transition is that of the rules, and so is each state."""
    muted, found = spans(mutings), list(runs(history))
    again = Replay(policy, Past(parts(policy)) if policy.remembers else None, muted)
    state, past = State(), Plain(policy)
    for number, result in enumerate(found):
        if result.failure is not None and result.failure.message == REMOVED:
            continue
        past.take(result)
        _, state, change = judged(policy, state, result, past, muted=is_muted(muted, result.at_ms))
        assert again.take(result) == change
        if number % often == 0:
            assert seen(again.state) == seen(state)
    assert seen(again.state) == seen(state)


@pytest.mark.parametrize(
    "windows",
    [(), (ALL_WINDOWS[0],), (window("total over 60", Aggregate.MAX, 0.9, 2.0),), (ALL_WINDOWS[7], ALL_WINDOWS[4])],
)
def test_a_check_that_stays_bad_is_written_down_once(windows: tuple[WindowThreshold, ...]) -> None:
    policy = Policy((Threshold("total", 1.0, 2.0),), windows=windows)
    again, made = Replay(policy, Past(map(Window, windows))), []
    for number in range(100):
        again.take(Result("a", START_MS + number * EVERY_MS, 2.5, failure=REFUSED if number % 3 else None))
        made.append(again._standing._state)
    assert len({id(state) for state in made[30:]}) == 1
    assert again.state.recent[-1][0] == START_MS + 99 * EVERY_MS
    assert again.state.reason == "total 2.5 s is over 2 s"


def test_histories_of_this_kind_have_every_event_and_every_reason() -> None:
    """What the tests above draw from tells something."""
    policy = Policy((ALL_LIMITS[0],), (2, 3), 2, 100.0, (ALL_WINDOWS[2],), (USUAL,), (4.0, 10.0))
    kinds = [("good", 0.5), ("refused", 0.5)] * 3 + [("repeated", 1.6), ("ours", 0.5), ("good", 1.6), ("good", 0.5)]
    history: list[Draft] = [(EVERY_MS, kind, total, 0.1, {}, 5) for kind, total in kinds]
    history += [(EVERY_MS, "good", 1.6, 0.1, {}, 90), (EVERY_MS, "good", 0.5, 0.1, {}, 90)]
    moves = [move for move in by_the_rules(policy, list(runs(history)), []) if move]
    assert {move.event for move in moves} == set(Event)
    assert any("flapping" in move.reason for move in moves)
    calm = replace(policy, thresholds=(), windows=())
    assert any("baseline" in move.reason for move in by_the_rules(calm, list(runs(history)), []) if move)
    slow = replace(policy, thresholds=(), baselines=())
    assert any("total over 300" in move.reason for move in by_the_rules(slow, list(runs(history)), []) if move)


def test_a_check_that_is_well_keeps_its_very_state() -> None:
    slow = WindowThreshold("p95(total) over 10m", Aggregate.P95, "total", 600.0, 0.7)
    policy, state, past = Policy((Threshold("total", 1.0),), windows=(slow,)), State(), Past([Window(slow)])
    again = Replay(policy, Past([Window(slow)]))
    for number in range(5):
        result = Result("a", 1_000_000 + number * EVERY_MS, 0.1)
        before, state = state, judge(policy, state, result, past).state
        kept, _ = again.state, again.take(result)
    assert state is before
    assert again.state is kept


def test_a_state_that_is_put_in_its_place_is_looked_at_anew() -> None:
    again = Replay(Policy(down_after=(1, 1), up_after=1))
    again.take(Result("a", START_MS, 0.1))
    again.take(Result("a", START_MS + 1, 0.1))
    again.state = State(Level.DOWN, START_MS, Level.DOWN, START_MS, ((START_MS, Level.DOWN),), incident="a@1")
    move = again.take(Result("a", START_MS + 2, 0.1))
    assert move is not None
    assert (move.before, move.after) == (Level.DOWN, Level.UP)


@pytest.mark.parametrize(
    "otherwise",
    [
        {"level": Level.UNKNOWN},
        {"level": Level.DEGRADED},
        {"failing_since_ms": START_MS},
        {"incident": "a@1"},
        {"states": "1" * 20 + "3"},
        {"recent": ((START_MS, Level.UP), (START_MS, Level.DOWN), (START_MS, Level.UP))},
    ],
)
def test_a_state_is_well_where_nothing_is_to_be_counted(otherwise: dict[str, Any]) -> None:
    well = State(Level.UP, START_MS, Level.UP, START_MS, ((START_MS, Level.UP),) * 3)
    assert is_well(well)
    assert not is_well(replace(well, **otherwise))


# 0.6995 stands for all from 0.6919 to 0.7071: a value below a limit of 0.694 may count as one above it.
near = st.sampled_from([0.2, 0.2, 0.5, 0.68, 0.6863, 0.6925, 0.6925, 0.6935, 0.6999, 0.7, 0.71, 3.0, -1.0, 0.0])


@pytest.mark.parametrize("aggregate", Aggregate)
def test_a_glance_says_what_the_values_come_to(aggregate: Aggregate) -> None:
    """Values just under a limit, too: what stands for one may be over it."""

    @settings(max_examples=80)
    @given(
        st.sampled_from([0.694, 0.694, 0.7, 0.0, -1.0]),
        st.booleans(),
        st.lists(st.tuples(st.sampled_from([1, 1, 1, 7, 30, -3]), near), max_size=100),
    )
    @example(0.7, False, [(1, 0.5)] * 60 + [(1, 0.6999)] * 20 + [(1, 0.5)] * 60)
    @example(0.694, False, [(1, 0.6925), (1, 0.6925), (1, 0.7)] * 20)
    def holds(limit: float, lower: bool, steps: list[tuple[int, float]]) -> None:
        threshold = WindowThreshold("w", aggregate, "total", 20.0, limit, None, lower, min_samples=1)
        quick, plain, at_ms = Window(threshold), Window(threshold), START_MS
        bar = getattr(quick._values, "_bar", 5e-324)  # the least above 0
        plain._simple = False
        before: Held = ()
        for seconds, value in steps:
            at_ms += seconds * 1000
            quick.take(at_ms, value, value > 2)
            plain.take(at_ms, value, value > 2)
            current = before[0][1] if before else Level.UP
            assert quick.judge(Level.UP) == plain.judge(Level.UP)
            level, why = plain.judge(current)
            assert quick.judge(current) == (level, why)
            assert (quick.value, quick.count) == (plain.value, plain.count)
            assert quick._values.high == sum(held >= bar for held in values_of(quick))
            before = (("w", level),) if level.bad else ()

    holds()


def values_of(window: Window) -> Sequence[float]:
    return window._values._values[window._values._first :]


def test_values_are_put_in_order_while_ranks_are_asked_for() -> None:
    """It takes time, and 8 bytes a value."""
    slow = Window(WindowThreshold("p95(total) over 10m", Aggregate.P95, "total", 600.0, 0.7))
    kept = []
    for number in range(600):
        slow.take(START_MS + number * EVERY_MS, 0.9 if 200 <= number < 220 else 0.1, False)
        slow.judge(Level.UP)
        assert isinstance(slow._values, Ranked)
        kept.append(slow._values._ordered is not None)
    assert not any(kept[:200])
    assert all(kept[204:220])
    assert not any(kept[400:])


@settings(max_examples=200)
@given(histories(), mutings)
@example([(EVERY_MS, "repeated", 0.5, 0.1, {}, 1), (EVERY_MS, "repeated", 1.6, 0.1, {}, 25)], [])
def test_real_outages_are_those_of_a_plain_count(history: list[Draft], mutings: list[tuple[int, int]]) -> None:
    found, planned = list(runs(history)), spans(mutings)
    failing = Failing("a", 60.0, planned)
    for result in found:
        failing.take(result)
    ended = [(one.first_bad_ms, one.first_good_ms, one.last_good_ms) for one in failing.end()]
    assert ended == list(outages(found, 60.0, planned))


def outages(found: Sequence[Run], least: float, planned: Sequence[Span]) -> Iterator[tuple[int, int, int]]:
    """Outages, each from all runs at once: from the first failed attempt up to the first of two good runs in a row."""
    ended = [run for run in found if not run.provisional and not _ours(run)]
    begins = {run.at_ms: before.at_ms for before, run in pairwise(found) if before.provisional}
    place = 0
    while place < len(ended):
        first = ended[place]
        if first.failure is None:
            place += 1
            continue
        rest = range(place, len(ended) - 1)
        end = next((one for one in rest if ended[one].failure is ended[one + 1].failure is None), len(ended))
        failed = sum(run.failure is not None for run in ended[place:end])
        began_ms = begins.get(first.at_ms, first.at_ms)
        good_ms = ended[end].at_ms if end < len(ended) else 0
        if failed > 1 and (good_ms or ended[-1].at_ms) - began_ms >= least * 1000 and not is_muted(planned, began_ms):
            yield began_ms, good_ms, max((run.at_ms for run in ended[:place] if run.failure is None), default=0)
        place = end + 1


def _ours(run: Run) -> bool:
    return run.failure is not None and run.failure.kind is FailureKind.LOCAL
