"""Thresholds proposed from history: what was wrong, what candidates would have told, which is picked."""

import math
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checks.core.result import Failure, FailureKind, Result
from thresholds.alerts import alerts_of
from thresholds.base import Policy
from thresholds.past import Past
from thresholds.replay import replay
from thresholds.track import Track, Usual, _stretches, percentiles, runs_for, usual
from thresholds.tuning import Candidate, Outcome, Trial, best, front, rounded
from thresholds.window import Window

MINUTE = 60_000
REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")
NOW = Policy(memory=630.0, flap=None)


def history(fates: list[str], every_ms: int = 10_000, seed: int = 1) -> list[Result]:
    chance = random.Random(seed)
    found = []
    for place, fate in enumerate(fates):
        length = round(0.2 * math.exp(chance.gauss(0, 0.1)) * {"slow": 3.0, "slower": 6.0}.get(fate, 1.0), 6)
        found.append(Result("a", place * every_ms, length, failure=REFUSED if fate == "failed" else None))
    return found


def tracked(results: list[Result], metric: str = "total") -> Track:
    track = Track(metric)
    for result in results:
        track.take(result)
    return track


def judged(candidate: Candidate, results: list[Result]) -> list[tuple[int, int]]:
    """The alerts that judging itself makes, as (opened, resolved)."""
    policy = candidate.policy(NOW)
    past = Past([Window(window) for window in policy.windows]) if policy.windows else None
    return [(one.opened_ms, one.resolved_ms) for one in alerts_of(replay(policy, results, past))]


BURSTS = st.lists(
    st.tuples(st.sampled_from(["good", "good", "good", "slow", "slower", "failed"]), st.integers(1, 9)),
    min_size=1,
    max_size=30,
)


@pytest.mark.parametrize("runs", [(1, 1), (2, 2), (2, 3), (3, 5), (5, 10)])
@settings(max_examples=30)
@given(bursts=BURSTS, seed=st.integers(0, 1000))
def test_a_trial_on_runs_tells_when_judging_tells(
    runs: tuple[int, int], bursts: list[tuple[str, int]], seed: int
) -> None:
    results = history([fate for fate, times in bursts for _ in range(times)], seed=seed)
    candidate = Candidate("total", 0.4, runs)
    tried = Trial(tracked(results), [], NOW).alarms(candidate)
    wanted = judged(candidate, results)
    assert [opened for opened, _ in tried] == [opened for opened, _ in wanted]
    assert [ended for _, ended in tried][: len(wanted) - 1] == [ended for _, ended in wanted][:-1]


@settings(max_examples=30)
@given(bursts=BURSTS, seed=st.integers(0, 1000))
def test_a_trial_on_a_window_tells_when_judging_tells(bursts: list[tuple[str, int]], seed: int) -> None:
    fates = [fate for fate, times in bursts if fate != "failed" for _ in range(times)]
    results = history(fates, seed=seed)
    candidate = Candidate("total", 0.4, (2, 3), 300.0)
    tried = Trial(tracked(results), [], NOW).alarms(candidate)
    assert [opened for opened, _ in tried] == [opened for opened, _ in judged(candidate, results)]


def test_a_trial_on_a_window_has_the_hysteresis_of_windows() -> None:
    swinging = [0.38 + 0.06 * math.sin(place / 40) for place in range(2000)]  # from 0.32 to 0.44, slowly
    results = [Result("a", place * 10_000, round(length, 6)) for place, length in enumerate(swinging)]
    candidate = Candidate("total", 0.4, (2, 3), 300.0)
    tried, wanted = Trial(tracked(results), [], NOW).alarms(candidate), judged(candidate, results)
    assert tried[:-1] == wanted[:-1]
    assert len(wanted) > 3


def test_what_is_usual_is_not_moved_by_what_was_wrong() -> None:
    calm = usual(tracked(history(["good"] * 2000)))
    assert calm is not None
    assert calm.median == pytest.approx(0.2, rel=0.02)
    assert calm.slow == pytest.approx(0.3, rel=0.05)  # 1.5 times: it is very steady
    assert calm.spells == ()
    wild = usual(tracked(history(["good"] * 1000 + ["slow"] * 120 + ["good"] * 1000 + ["failed"] * 60)))
    assert wild is not None
    assert wild.median == pytest.approx(0.2, rel=0.02)
    ((start, end),) = wild.spells
    assert start == 1000 * 10_000
    assert end == pytest.approx(1120 * 10_000, abs=10_000)


def test_a_slow_time_lasts_for_five_minutes_or_more() -> None:
    short = usual(tracked(history(["good"] * 600 + ["slow"] * 25 + ["good"] * 600)))
    assert short is not None
    assert short.spells == ()


@pytest.mark.parametrize("every_ms", [10_000, 60_000, 90_000, 180_000])
@given(dropped=st.integers(0, 40), seed=st.integers(0, 1000))
@settings(max_examples=15, deadline=None)
def test_what_was_slow_does_not_depend_on_where_the_period_begins(every_ms: int, dropped: int, seed: int) -> None:
    fates = ["good"] * 300 + ["slow", "good", "slow"] * 60 + ["good"] * 300
    results = history(fates, every_ms, seed)
    whole, later = usual(tracked(results)), usual(tracked(results[dropped:]))
    assert whole is not None
    assert later is not None
    assert later.spells == whole.spells
    assert later.median == pytest.approx(whole.median, rel=0.01)


@pytest.mark.parametrize(("every_ms", "length"), [(7_000, 43), (60_000, 5), (90_000, 5), (180_000, 5)])
def test_only_the_stretch_that_loses_runs_changes(every_ms: int, length: int) -> None:
    results = history(["good", "good", "slow", "good", "slower"] * 100, every_ms)
    whole = _spans(results)
    for dropped in range(1, length):
        assert _spans(results[dropped:])[-(len(whole) - 2) :] == whole[2:]


def _spans(results: list[Result]) -> list[tuple[int, int, float]]:
    """Every stretch as the instants of its first and last run, and its median."""
    track = tracked(results)
    return [(track.times[first], track.times[end - 1], middle) for first, end, middle in _stretches(track)]


def test_runs_that_were_rarer_once_are_looked_at_together() -> None:
    rare = history(["good"] * 40 + ["slow"] * 10 + ["good"] * 40, 600_000)
    often = [replace(one, at_ms=one.at_ms + 90 * 600_000) for one in history(["good"] * 900)]
    found = usual(tracked([*rare, *often]))
    assert found is not None
    ((start, _),) = found.spells
    assert start == 40 * 600_000


@pytest.mark.parametrize("every", [7, 10, 60, 90, 180, 299])
@pytest.mark.parametrize("start", [0, 1, 100, 299, 1000])
def test_as_many_runs_as_are_asked_for_are_enough(every: int, start: int) -> None:
    results = [
        replace(one, at_ms=one.at_ms + start * 1000) for one in history(["good"] * runs_for(every), every * 1000)
    ]
    assert usual(tracked(results)) is not None


def test_too_little_history_says_nothing() -> None:
    assert usual(tracked(history(["good"] * 60))) is None
    assert usual(tracked(history(["failed"] * 600))) is None


def test_a_track_has_only_runs_that_tell_of_the_target() -> None:
    lag = Result("a", 0, 0.5, facts={"loop.lag": 0.4})
    ours = Result("a", 1, 0.5, failure=Failure(FailureKind.LOCAL, "", "no descriptors"))
    again = Result("a", 2, 0.5, failure=REFUSED, provisional=True)
    good = Result("a", 3, 0.5, {"ttfb": 0.3})
    assert len(tracked([lag, ours, again, good])) == 1
    assert list(tracked([good], "ttfb").values) == [0.3]
    assert len(tracked([good], "dns")) == 0


def test_percentiles_wait_for_enough_runs() -> None:
    found = percentiles(tracked(history(["good"] * 20)), 300.0)
    assert [math.isnan(value) for value in found] == [True] * 4 + [False] * 16


@pytest.mark.parametrize(
    ("value", "wanted"), [(0.8532, 0.86), (0.85, 0.85), (1.21, 1.3), (12.0, 12.0), (0.00123, 0.0013), (0.0, 0.0)]
)
def test_limits_are_round_and_never_lower(value: float, wanted: float) -> None:
    assert rounded(value) == wanted


def test_what_opens_while_nothing_is_wrong_is_false_and_finds_nothing() -> None:
    trial = Trial(tracked(history(["good"] * 1000)), [(100 * MINUTE, 120 * MINUTE)], NOW)
    alarms = [(10 * MINUTE, 11 * MINUTE), (90 * MINUTE, 200 * MINUTE)]
    found = trial.count(None, alarms)
    assert (found.alerts, found.false, found.found, found.to_find, found.untold) == (2, 2, 0, None, 1200.0)
    found = trial.count(None, [(103 * MINUTE, 104 * MINUTE), (122 * MINUTE, 123 * MINUTE)])
    assert (found.alerts, found.false, found.found, found.to_find, found.untold) == (2, 0, 1, 180.0, 180.0)
    late = trial.count(None, [(122 * MINUTE, 123 * MINUTE)])
    assert (late.false, late.found) == (0, 0)


def outcome(false: int, untold: float, alerts: int = 5, limit: float = 1.0) -> Outcome:
    return Outcome(Candidate("total", limit, (2, 3)), alerts, false, 3, 4, untold, untold, 1.0)


def test_the_trade_off_leaves_out_what_is_beaten() -> None:
    tried = [outcome(0, 600), outcome(2, 300), outcome(2, 400), outcome(5, 300), outcome(9, 10)]
    assert front(tried) == [tried[0], tried[1], tried[4]]


def test_the_pick_tells_soonest_within_the_wanted_rate() -> None:
    tried = [outcome(0, 600), outcome(1, 300), outcome(9, 10)]
    assert best(tried, 1.0) is tried[1]
    assert best(tried, 0.5) is tried[0]
    assert best(tried, 100.0) is tried[2]


def test_among_those_as_good_the_calmest_is_picked() -> None:
    tried = [outcome(1, 300, alerts=9), outcome(1, 310, alerts=4), outcome(1, 900, alerts=1)]
    assert best(tried, 1.0) is tried[1]


def test_where_none_is_calm_enough_the_calmest_is_picked() -> None:
    tried = [outcome(4, 100), outcome(3, 600)]
    assert best(tried, 1.0) is tried[1]
    assert best([], 1.0) is None


def test_a_proposal_finds_a_planted_slow_time_without_false_alarms() -> None:
    fates = ["good"] * 4000 + ["slow"] * 90 + ["good"] * 4000 + ["slower"] * 60 + ["good"] * 2000
    results = history(fates)
    track = tracked(results)
    normal = usual(track)
    assert normal is not None
    trial = Trial(track, normal.spells, NOW)
    outcomes = [trial.outcome(candidate) for candidate in trial.candidates(normal, 10.0)]
    pick = best(outcomes, 1.0)
    assert pick is not None
    assert (pick.false, pick.found, pick.spells) == (0, 2, 2)
    assert pick.untold < 120
    assert pick.candidate is not None
    assert len(judged(pick.candidate, results)) == pick.alerts


def test_candidates_are_what_can_be_configured() -> None:
    trial = Trial(tracked(history(["good"] * 300)), [], NOW)
    tried = trial.candidates(Usual(0.2, 0.3, ()), 10.0)
    assert {one.name for one in tried} == {"total", *(f"p95(total) over {over}" for over in ("5m", "10m", "30m", "1h"))}
    assert all(one.limit > 0.2 for one in tried)
    rare = trial.candidates(Usual(0.2, 0.3, ()), 300.0)
    assert {one.over for one in rare} == {0.0, 1800.0, 3600.0}  # shorter windows never hold five runs
