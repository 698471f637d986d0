"""What is reported of a quarter is what happened: availability, mean times, budgets, alerts on them, replay and tuning.

Then again with the process killed at instants that nobody chose, many of them right around changes, and what it had not
stored yet lost.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from statistics import mean, median

import pytest

from probe.cli.replay.figures import figures
from probe.cli.replay.history import Historian, Question
from probe.cli.tune import tune
from probe.engine.judgement import Judgement
from probe.engine.objectives import account_of, promises
from probe.engine.records import Records
from probe.store.base import Store
from probe.store.reader import Reader
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.e2e.quarter import (
    CHECKS,
    DOWN,
    EVERY,
    EXCUSED,
    FIRST,
    MINUTES,
    OUTAGE,
    SLOW,
    START_MS,
    UNKNOWN,
    UP,
    WORKED_ON,
    ZONE,
    Life,
    Truth,
    at_work,
    config,
    confirmed,
    open_hours,
)
from thresholds.burn import Severity
from thresholds.slo import Objective

pytestmark = pytest.mark.e2e


@pytest.mark.parametrize(
    ("runs", "states"),
    [
        ("ggbgg", "uuuuu"),  # one lost run is none
        ("gbbgg", "uXXuu"),
        ("gbgbgg", "uXXXuu"),
        ("gbggbg", "uuuuuu"),
        ("gbbgbgg", "uXXXXuu"),
        ("gbbg", "uXXX"),  # one good run is no recovery yet
        ("gb bgg", "uuuuu"),  # a night between: they do not count together
        ("gbb ggg", "uXXuuu"),
        ("gbbg gg", "uXXXuu"),
        ("gbb gbgg", "uXXXXuu"),
    ],
)
def test_what_runs_confirm(runs: str, states: str) -> None:
    minute, made = 0, []
    for letter in runs:
        minute += EVERY if letter != " " else 1000
        made += [(minute, letter == "b")] if letter != " " else []
    assert "".join({UP: "u", DOWN: "X"}[state] for state in confirmed(made)) == states


@pytest.fixture(autouse=True)
def _own_pace(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is no way back from a lower priority: this process keeps its own."""
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, _value: None)


@pytest.mark.parametrize(("seed", "kills"), [(1, 0), (2, 80)])
async def test_what_is_reported_of_a_quarter_is_what_happened(tmp_path: Path, seed: int, kills: int) -> None:
    clock = FakeClock(START_MS)
    store = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    try:
        life, alarms = Life(store, clock, seed, kills), Alarms(clock)
        life.looked = alarms.look
        assert life.near_changes() >= kills / 3
        truth = await life.live()
        records = await Records.read(config(), store, clock, START_MS - 86_400_000)
        _checks_are_told_right(records, truth)
        _the_service_is_told_right(records, truth)
        await _runs_are_told_right(records, store, truth)
        await _budgets_are_told_right(records, store, truth)
        alarms.end()
        _a_replay_changes_nothing(tmp_path / "probe.db", truth, clock.now_ms())
        _tuning_finds_what_was_slow(tmp_path / "probe.db", life, clock.now_ms())
    finally:
        await store.close()


def _spells(line: bytearray) -> Iterator[tuple[int, int]]:
    """The outages of a line of minutes: nothing but UP ends one."""
    began = None
    for minute, state in enumerate(line):
        if state == DOWN and began is None:
            began = minute
        elif state == UP and began is not None:
            yield began, minute
            began = None


def _checks_are_told_right(records: Records, truth: Truth) -> None:
    window = START_MS, START_MS + MINUTES * 60_000
    for name in CHECKS:
        subject, line = records.subject(name), truth.line(name)
        assert subject is not None
        found = records.availability(subject, window)
        if name in WORKED_ON:  # only what lies outside of its maintenance counts
            line = bytearray(state for state, work in zip(line, at_work(), strict=True) if not work)
            assert found.planned == 60.0 * (MINUTES - len(line))
        seen = {state: line.count(state) * 60.0 for state in (UNKNOWN, UP, DOWN)}
        assert (found.unknown, found.up, found.down) == (seen[UNKNOWN], seen[UP], seen[DOWN]), name
        if name in WORKED_ON:
            continue
        spells = list(_spells(line))
        merged: list[tuple[int, int]] = []
        for first, end in spells:  # unique failures: less than five intervals apart is one
            if merged and first - merged[-1][1] < 5 * EVERY:
                merged[-1] = merged[-1][0], end
            else:
                merged.append((first, end))
        reliability = records.reliability(subject, window)
        lengths = [(end - first) * 60.0 for first, end in merged]
        assert reliability.mttr.n == len(lengths), name
        if lengths:
            assert reliability.mttr.mean == pytest.approx(mean(lengths)), name
            assert reliability.mttr.median == pytest.approx(median(lengths)), name
            assert reliability.mttf.mean == pytest.approx(seen[UP] / len(lengths)), name


def _the_service_is_told_right(records: Records, truth: Truth) -> None:
    subject = records.subject("shop")
    assert subject is not None
    found = records.availability(subject, (START_MS, START_MS + MINUTES * 60_000))
    scope, line = open_hours(), truth.together()
    seen = {
        state: 60.0 * sum(s == state for s, open_ in zip(line, scope, strict=True) if open_)
        for state in (UNKNOWN, UP, DOWN)
    }
    assert (found.unknown, found.up, found.down) == (seen[UNKNOWN], seen[UP], seen[DOWN])
    assert found.outside == 60.0 * scope.count(0)
    assert found.ratio == pytest.approx(seen[UP] / (seen[UP] + seen[DOWN]))


async def _runs_are_told_right(records: Records, store: Store, truth: Truth) -> None:
    """The share of runs, and those that failed and confirmed nothing."""
    window = START_MS, START_MS + MINUTES * 60_000
    transient = 0
    for name in CHECKS[:3] + CHECKS[-3:]:
        subject, runs = records.subject(name), truth.runs[name]
        assert subject is not None
        found = await records.occurrences(store, subject, window)
        counted = [
            (bad, state)
            for (minute, bad), state in zip(runs, confirmed(runs), strict=True)
            if name not in WORKED_ON or not at_work()[minute]
        ]
        assert (found.counted, found.bad) == (len(counted), sum(bad for bad, _ in counted)), name
        assert found.transient == sum(bad and state == UP for bad, state in counted), name
        transient += found.transient
    assert transient


async def _budgets_are_told_right(records: Records, store: Store, truth: Truth) -> None:
    scope, line = open_hours(), truth.together()
    counted = [open_ and state != EXCUSED for state, open_ in zip(line, scope, strict=True)]
    accounts = {one.promise.objective.name: one.standing for one in await records.accounts(store)}
    thirty = range(MINUTES - 30 * 1440, MINUTES)
    october = round((datetime(2026, 10, 1, tzinfo=ZONE).astimezone(UTC) - FIRST).total_seconds()) // 60
    for name, minutes, share in (("rolling", thirty, 0.005), ("quarterly", range(october, MINUTES), 0.01)):
        standing = accounts[name]
        bad = 60.0 * sum(line[minute] == DOWN and counted[minute] for minute in minutes)
        assert standing.bad * standing.slice == pytest.approx(bad), name
        if name == "rolling":  # of a quarter that goes on, what is to come is part of the budget
            allowed = share * 60.0 * sum(counted[minute] for minute in minutes)
            assert standing.allowed * standing.slice == pytest.approx(allowed)
            assert standing.left_ratio == pytest.approx(1 - bad / allowed)


class Alarms:
    """Alerts on budgets as they were at the time, against counting the minutes of their windows."""

    def __init__(self, clock: FakeClock) -> None:
        self._clock = clock
        self._promises = list(promises(config()))
        self.seen: list[set[Severity]] = []

    def look(self, judgement: Judgement, truth: Truth, minute: int) -> None:
        longest = max(round(rule.long) for promise in self._promises for rule in promise.rules) // 60
        first = max(0, minute - longest)
        line, scope = truth.together(first, minute), open_hours()[first:minute]
        down = [bool(open_) and state == DOWN for state, open_ in zip(line, scope, strict=True)]
        counted = [bool(open_) and state != EXCUSED for state, open_ in zip(line, scope, strict=True)]
        for promise in self._promises:
            account = account_of(promise, judgement.lines, judgement.paces, self._clock.now_ms())
            for burn in account.burns:
                rule, goal = burn.rule, promise.objective
                over = all(
                    self._burns(goal, down[-minutes:], counted[-minutes:], rule.factor, least)
                    for minutes, least in (
                        (round(rule.long) // 60, goal.min_bad_long),
                        (round(rule.short) // 60, goal.min_bad_short),
                    )
                )
                assert burn.firing is over, (minute, goal.name, rule)
                assert burn.long_bad == pytest.approx(sum(down[-round(rule.long) // 60 :]) / EVERY)
            self.seen.append({burn.rule.severity for burn in account.burns if burn.firing})

    @staticmethod
    def _burns(goal: Objective, down: Sequence[bool], counted: Sequence[bool], factor: float, least: int) -> bool:
        bad, expected = sum(down), sum(counted)
        return bad / EVERY >= least and bad > factor * goal.budget * expected

    def end(self) -> None:
        assert len(self.seen) > 60
        assert {Severity.PAGE, Severity.TICKET} in self.seen
        assert {Severity.TICKET} in self.seen
        assert set() in self.seen


def _a_replay_changes_nothing(database: Path, truth: Truth, now_ms: int) -> None:
    """The unchanged configuration gives the alerts that there were, kills or not; it finds each real outage."""
    conf = config()
    with Reader(database) as reader:
        historian = Historian(reader, Question((START_MS, now_ms)), conf.maintenance)
        stories = [story for one in conf.checks.values() if (story := historian.story(one)) is not None]
    assert [story.name for story in stories] == CHECKS
    for story in stories:
        assert [one.alert for one in story.today] == [one.alert for one in story.would_be], story.name
        assert [found.today for found in story.outages] == [found.would_be for found in story.outages]
        if story.name not in WORKED_ON:
            assert len(story.outages) == len(OUTAGE.findall(truth.text(story.name))), story.name
            assert len(story.today) == sum(
                state == DOWN and before == UP for before, state in _steps(confirmed(truth.runs[story.name]))
            )
    sums = figures(stories)
    assert sums.today.alerts == sums.stays == sums.kept > 40
    assert (sums.vanishes, sums.new) == (0, 0)


def _steps(states: Sequence[int]) -> Iterator[tuple[int, int]]:
    return zip([UP, *states], states, strict=False)


def _tuning_finds_what_was_slow(database: Path, life: Life, now_ms: int) -> None:
    """A latency six times the usual for eight hours, every eight days or so: what was seen of it whole is found."""
    proposal = tune(
        config(), SLOW, metric="total", alarms="1/month", since="2026-08-01", store=f"sqlite:{database}", now_ms=now_ms
    )
    assert proposal.found.normal.median == pytest.approx(0.1, rel=0.05)
    assert 0.12 < proposal.found.normal.slow < 0.6
    seen = {minute // EVERY for minute, _ in life.truth.runs[SLOW]}
    whole = sum(seen.issuperset(range(*spell)) for spell in life.slow)
    assert 5 < whole <= proposal.found.slow <= len(life.slow)
    pick = proposal.pick
    assert pick.candidate is not None
    assert 0.1 < pick.candidate.limit < 0.7
    assert pick.found == pick.spells
    # An outage that meets a slow time is one spell with it.
    assert proposal.found.slow <= pick.spells <= proposal.found.slow + proposal.found.outages
    assert pick.false_a_week <= proposal.wanted
    assert proposal.now.found < pick.found
