"""Budgets, what is left of them and when they are gone, against published figures."""

from __future__ import annotations

import datetime as dt

import pytest

from checks.core.units import format_duration
from thresholds.calendar import Unit
from thresholds.ledger import Covered, RunLedger, TimeLedger
from thresholds.slo import (
    DAY,
    HOUR,
    Kind,
    Objective,
    Period,
    Standing,
    budget,
    budget_seconds,
    burn_rate,
    exhaustion,
    standing,
    unverifiable,
)
from thresholds.spans import Spans, without

_MONTH = Period(rolling=30 * DAY)
_NOW = 30 * 86_400_000
_WHOLE = [(-(10**12), 10**12)]


def _objective(target: float = 0.999, over: Period = _MONTH) -> Objective:
    return Objective("shop", target, over)


def _latency(limit: float) -> Objective:
    return Objective("fast", 0.95, Period(rolling=7 * DAY), kind=Kind.LATENCY, limit=limit)


def _standing(bad: Spans, scope: Spans = _WHOLE, unknown: Spans = (), uncounted: Spans = ()) -> Standing:
    ledger = TimeLedger(60.0, Covered(scope), Covered(bad), unknown=Covered(unknown), uncounted=Covered(uncounted))
    return standing(_objective(), ledger, _NOW)


def _ago(hours: float, minutes: float) -> tuple[int, int]:
    """A span of so many minutes, so many hours ago."""
    start = _NOW - round(hours * 3_600_000)
    return start, start + round(minutes * 60_000)


@pytest.mark.parametrize(  # of 30 days, as in every table of nines
    ("target", "text", "seconds"),
    [
        (0.99, "7h 12m", 25_920),
        (0.995, "3h 36m", 12_960),
        (0.999, "43m 12s", 2_592),
        (0.9995, "21m 36s", 1_296),
        (0.9999, "4m 19s", 259.2),
        (0.99999, "25.92 s", 25.92),
    ],
)
def test_budgets_are_those_of_the_tables(target: float, text: str, seconds: float) -> None:
    allowed = budget_seconds(target, 30 * DAY)
    assert allowed == pytest.approx(seconds, rel=1e-9)
    assert format_duration(allowed) == text


@pytest.mark.parametrize("nines", range(1, 8))
def test_a_budget_is_the_decimal_that_people_mean(nines: int) -> None:
    assert budget(float(f"0.{'9' * nines}")) == float(f"1e-{nines}")


def test_one_lost_minute_is_the_share_of_a_month_that_is_published() -> None:
    assert round(100 * 60 / (30 * DAY), 4) == 0.0023
    assert _standing([_ago(5, 1)]).ratio == pytest.approx(1 - 60 / (30 * DAY))


@pytest.mark.parametrize(
    ("bad", "expected", "target", "rate"),
    [
        (1, 60, 0.999, 1000 / 60),
        (0, 60, 0.999, 0.0),
        (60, 60, 0.999, 1000.0),
        (0, 0, 0.999, 0.0),
        (36, 1000, 0.99, 3.6),
        (1.04, 1000, 0.999, 1.04),  # not 1.0: what is rounded away here is a breach
    ],
)
def test_the_burn_rate_is_the_bad_share_in_budgets(bad: float, expected: float, target: float, rate: float) -> None:
    assert burn_rate(bad, expected, target) == pytest.approx(rate)


@pytest.mark.parametrize(  # Workbook, chapter 5: burn rates and time to exhaustion, of 30 days at 99.9 %
    ("pace", "gone"), [(2, 15 * DAY), (10, 3 * DAY), (1000, 43 * 60 + 12)]
)
def test_a_whole_budget_is_gone_when_the_workbook_says(pace: float, gone: float) -> None:
    left = 2_592 / 60
    assert exhaustion(_objective(), left, pace, 60.0) == pytest.approx(gone)


def test_a_pace_that_the_period_can_bear_exhausts_nothing() -> None:
    assert exhaustion(_objective(), 43.2, 1.0, 60.0) is None


def test_a_standing_says_what_is_left_and_when_it_is_gone() -> None:
    found = _standing([_ago(200, 30), _ago(3, 10)])
    assert str(found) == "3m 12s of 43m 12s left"
    assert found.left_ratio == pytest.approx(192 / 2592)
    assert found.burn == pytest.approx(2400 / 2592)
    assert found.pace == pytest.approx(600 / 21_600 / 0.001)  # of the last six hours
    assert found.gone_in == pytest.approx(192 / (600 / 21_600))
    assert found.ratio == pytest.approx(1 - 2400 / (30 * DAY))
    assert not found.exhausted


def test_an_old_outage_foretells_nothing() -> None:
    assert _standing([_ago(200, 30)]).gone_in is None


def test_two_bad_minutes_foretell_nothing() -> None:
    found = _standing([_ago(3, 2)])
    assert found.pace > 5
    assert found.gone_in is None


def test_what_is_overspent_is_said_as_it_is() -> None:
    found = _standing([_ago(10, 50)])
    assert found.exhausted
    assert found.left_ratio == pytest.approx(1 - 3000 / 2592)
    assert str(found) == "the budget of 43m 12s is overspent by 6m 48s"
    spent = _standing([_ago(3, 43.2)])
    assert spent.exhausted
    assert spent.gone_in == 0
    assert str(spent) == "nothing of 43m 12s left"


def test_a_rolling_period_forgets() -> None:
    assert _standing([_ago(30 * 24 + 1, 50)]).left_ratio == 1.0
    assert _standing([_ago(30 * 24 + 0.5, 50)]).bad == pytest.approx(20)


def test_time_out_of_scope_makes_the_budget_smaller() -> None:
    half = without([_ago(30 * 24, 30 * 24 * 60)], [_ago(30 * 24, 15 * 24 * 60)])
    assert str(_standing([], scope=half)) == "21m 36s of 21m 36s left"


def test_nothing_in_scope_is_no_figure_and_no_breach() -> None:
    found = _standing([], scope=[])
    assert (found.ratio, found.burn, found.left_ratio, found.exhausted, found.covered) == (None, 0, 1, False, False)


def test_the_unknown_is_left_out_of_the_figure_or_in_it() -> None:
    unknown = [_ago(15 * 24, 15 * 24 * 60 - 600)]
    missing = _standing([_ago(16 * 24, 30)], unknown=unknown, uncounted=unknown)
    assert missing.ratio == pytest.approx(1 - 30 / (15 * 24 * 60 + 600))
    assert missing.coverage == pytest.approx((15 * 24 + 10) / (30 * 24))
    assert not missing.covered
    good = _standing([_ago(16 * 24, 30)], unknown=unknown)
    assert good.ratio == pytest.approx(1 - 30 / (30 * 24 * 60))
    assert good.bad == missing.bad == pytest.approx(30)  # a budget is of what is expected, either way


def _at(year: int, month: int, day: int, hour: int = 0) -> int:
    return round(dt.datetime(year, month, day, hour, tzinfo=dt.UTC).timestamp() * 1000)


def test_a_calendar_month_has_the_budget_of_all_its_days_from_the_first() -> None:
    # Sydney's April of 2025 ends daylight saving: 30 days and one hour.
    month = _objective(over=Period(unit=Unit.MONTH, zone="Australia/Sydney"))
    start, end = _at(2025, 3, 31, 13), _at(2025, 4, 30, 14)
    ledger = TimeLedger(60.0, Covered(_WHOLE_YEAR), Covered([(start - 7_200_000, start + 600_000)]))
    found = standing(month, ledger, start + 3_600_000)
    assert found.window == (start, end)
    assert found.allowed * 60 == pytest.approx((30 * DAY + HOUR) / 1000)
    assert found.bad == pytest.approx(10)  # not of the month before
    assert found.burn == pytest.approx(10 / 60 / 0.001)  # of the hour that it has lasted


_WHOLE_YEAR = [(_at(2025, 1, 1), _at(2026, 1, 1))]


@pytest.mark.parametrize(("day", "gone"), [(10, True), (30, False)])
def test_a_budget_that_outlasts_its_calendar_month_is_not_gone(day: int, gone: bool) -> None:
    now = _at(2025, 6, day, 12)
    ledger = TimeLedger(60.0, Covered(_WHOLE_YEAR), Covered([(now - 300_000, now)]))
    found = standing(_objective(over=Period(unit=Unit.MONTH)), ledger, now)
    assert found.pace > 10
    assert (found.gone_in is not None) is gone


def test_a_latency_objective_counts_slow_runs() -> None:
    objective = _latency(0.8)
    end = 7 * 86_400_000
    counted = [(at, 0 if at % 1_000_000 == 0 else 1, 1) for at in range(0, end, 100_000)]  # every tenth is slow
    found = standing(objective, RunLedger(counted, [(0, end)], every=100.0), end)
    assert str(objective) == "95% of total under 800 ms over 7d"
    assert found.ratio == pytest.approx(0.9, abs=0.001)
    assert found.burn == pytest.approx(2.0, rel=0.001)
    assert str(found) == "the budget of 302 slow runs is overspent by 302 slow runs"
    half = RunLedger(counted[::2], [(0, end)], every=100.0)  # the other half was lost
    assert standing(objective, half, end).coverage == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("target", "every", "verifiable"),
    [
        (0.99999, 60, False),
        (0.9999, 60, False),  # 4 samples
        (0.9999, 25, True),
        (0.9995, 60, True),
        (0.9995, 300, False),
        (0.999, 259.2, True),  # ten exactly
        (0.999, 260, False),
    ],
)
def test_a_budget_of_fewer_than_ten_runs_cannot_be_verified(target: float, every: float, verifiable: bool) -> None:
    assert (not unverifiable(_objective(target), every)) is verifiable


def test_what_cannot_be_verified_says_what_would_help() -> None:
    assert unverifiable(_objective(0.9999), 60) == (
        "99.99% available over 30d cannot be verified by a run every 1m: its budget is 4m 19s, 4.3 runs, "
        "and under 10 say too little; run every 25.92 s or more often, or promise less"
    )


@pytest.mark.parametrize("target", [0.0, 1.0, 99.9, -0.1])
def test_a_target_that_leaves_no_budget_or_no_promise_is_refused(target: float) -> None:
    with pytest.raises(ValueError, match=r"shop: the target is .*; write one between 0 and 100 %"):
        _objective(target)


def test_degraded_counts_as_no_more_than_up_and_no_less_than_down() -> None:
    with pytest.raises(ValueError, match="degraded counts as something from 0, down, to 1, up"):
        Objective("shop", 0.999, _MONTH, degraded_counts_as=1.5)


def test_a_latency_without_a_limit_is_refused() -> None:
    with pytest.raises(ValueError, match="a latency needs a limit"):
        _latency(0)


@pytest.mark.parametrize(
    ("unit", "days"), [(Unit.DAY, 1), (Unit.WEEK, 7), (Unit.MONTH, 30), (Unit.QUARTER, 90), (Unit.YEAR, 365)]
)
def test_rules_and_budgets_are_named_for_the_usual_length_of_a_calendar_period(unit: Unit, days: int) -> None:
    assert Period(unit=unit).seconds == days * DAY
    assert str(_objective(over=Period(unit=unit))) == f"99.9% available over a {unit}"


@pytest.mark.parametrize(("rolling", "unit"), [(0, None), (DAY, Unit.MONTH)])
def test_a_period_is_one_of_two(rolling: float, unit: Unit | None) -> None:
    with pytest.raises(ValueError, match="either rolling"):
        Period(rolling, unit)
