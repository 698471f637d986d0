"""Burn-rate alerts: the published windows and factors, and what makes them fit for probes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from thresholds.burn import (
    LOOK,
    BurnRule,
    Needed,
    Severity,
    alert_rules,
    burning,
    firing,
    fitted,
    hurried,
    impossible,
    needed,
    rules_for,
    shortest,
    warnings,
)
from thresholds.ledger import Covered, RunLedger, TimeLedger
from thresholds.slo import DAY, HOUR, Kind, Objective, Period
from thresholds.spans import Spans, union

_MONTH = Period(rolling=30 * DAY)
_NOW = 40 * 86_400_000
_PAGE, _TICKET = Severity.PAGE, Severity.TICKET


def _objective(target: float = 0.999, min_long: int = 3, min_short: int = 2, over: Period = _MONTH) -> Objective:
    return Objective("shop", target, over, min_bad_long=min_long, min_bad_short=min_short)


def _ledger(bad: Spans, every: float = 60.0, scope: Spans = ((-(10**12), 10**12),)) -> TimeLedger:
    return TimeLedger(every, Covered(scope), Covered(bad))


def _bad(*ago: tuple[float, float]) -> list[tuple[int, int]]:
    """Spans of so many minutes, that ended so many minutes ago."""
    return union((_NOW - round((end + length) * 60_000), _NOW - round(end * 60_000)) for end, length in ago)


@pytest.mark.parametrize(  # sloth: google-30d.yaml, google-28d.yaml and examples/windows/7d.yaml, by getBurnRateFactor
    ("days", "factors", "spent"),
    [
        (30, (14.4, 6, 3, 1), (0.02, 0.05, 0.1, 0.1)),
        (28, (13.44, 5.6, 2.8, 0.933333333), (0.02, 0.05, 0.1, 0.1)),
        (7, (13.44, 3.5, 1.4, 0.98), (0.08, 0.125, 0.2, 0.42)),
        (90, (43.2, 18, 9, 3), (0.02, 0.05, 0.1, 0.1)),
    ],
)
def test_rules_have_the_published_windows_and_factors(
    days: float, factors: tuple[float, ...], spent: tuple[float, ...]
) -> None:
    rules = rules_for(days * DAY)
    assert [(rule.severity, rule.long, rule.short) for rule in rules] == [
        (_PAGE, HOUR, 300),
        (_PAGE, 6 * HOUR, 1800),
        (_TICKET, DAY, 2 * HOUR),
        (_TICKET, 3 * DAY, 6 * HOUR),
    ]
    assert [rule.factor for rule in rules] == pytest.approx(factors)
    assert [rule.spends(days * DAY) for rule in rules] == pytest.approx(spent)
    assert all(rule.short == rule.long / 12 for rule in rules)


@given(st.floats(7, 400))
def test_no_rule_tells_of_a_rate_that_the_period_can_bear(days: float) -> None:
    factors = [rule.factor for rule in rules_for(days * DAY)]
    assert factors == sorted(factors, reverse=True)
    assert factors[-1] >= 0.93  # 28 days at 0.933 is as low as anyone has published
    assert all(factor > 1 for factor in factors[:3])


def test_under_a_week_windows_shrink_and_rates_stay() -> None:
    day, week = rules_for(DAY), rules_for(7 * DAY)
    assert [rule.factor for rule in day] == [rule.factor for rule in week]
    assert [rule.long for rule in day] == [514, 3086, 12343, 37029]
    assert all(rule.long < DAY for rule in day)


@pytest.mark.parametrize(
    ("every", "windows"),
    [
        (30, [(3600, 300), (21_600, 1800), (86_400, 7200), (259_200, 21_600)]),
        (100, [(3600, 300), (21_600, 1800), (86_400, 7200), (259_200, 21_600)]),
        (150, [(3600, 450), (21_600, 1800), (86_400, 7200), (259_200, 21_600)]),
        (300, [(3600, 900), (21_600, 1800), (86_400, 7200), (259_200, 21_600)]),
        (900, [(10_800, 2700), (21_600, 2700), (86_400, 7200), (259_200, 21_600)]),
    ],
)
def test_windows_hold_enough_runs_to_say_something(every: float, windows: list[tuple[float, float]]) -> None:
    """Short: max(long / 12, 3 intervals); long: 12 samples at least."""
    rules = rules_for(30 * DAY, every)
    assert [(rule.long, rule.short) for rule in rules] == windows
    assert [rule.factor for rule in rules] == [14.4, 6, 3, 1]


def test_of_two_rules_with_the_same_windows_the_lower_rate_is_kept() -> None:
    rules = rules_for(30 * DAY, 3600)
    assert [(rule.severity, rule.long, rule.factor) for rule in rules] == [
        (_PAGE, 12 * HOUR, 6),
        (_TICKET, DAY, 3),
        (_TICKET, 3 * DAY, 1),
    ]


@pytest.mark.parametrize(("factor", "target"), [(14.4, 0.9306), (6, 0.8333), (3, 0.6667)])
def test_a_rate_over_a_total_outage_can_never_be_seen(factor: float, target: float) -> None:
    """14.4 needs an objective over 93.06 %, 6 one over 83.33 %, 3 one over 66.67 %: kcp-glbc issue 287."""
    rule = BurnRule(_PAGE, HOUR, 300, factor)
    assert impossible(rule, _objective(target - 0.0001))
    assert not impossible(rule, _objective(target + 0.0001))
    assert impossible(rule, _objective(1 - 1 / factor))  # just as fast is not faster


def test_a_rule_of_at_most_one_budget_is_always_possible() -> None:
    assert not impossible(BurnRule(_TICKET, HOUR, 300, 1.0), _objective(0.001))


_NEEDED = [  # failures that satisfy (long, short), of so many, one location
    (0.999, 60, [(1, 60, 1, 5), (3, 360, 1, 30), (5, 1440, 1, 120), (5, 4320, 1, 360)]),
    (0.999, 30, [(2, 120, 1, 10), (5, 720, 1, 60), (9, 2880, 1, 240), (9, 8640, 1, 720)]),
    (0.999, 300, [(1, 12, 1, 1), (1, 72, 1, 6), (1, 288, 1, 24), (1, 864, 1, 72)]),
    (0.995, 60, [(5, 60, 1, 5), (11, 360, 1, 30), (22, 1440, 2, 120), (22, 4320, 2, 360)]),
    (0.99, 300, [(2, 12, 1, 1), (5, 72, 1, 6), (9, 288, 1, 24), (9, 864, 1, 72)]),
    (0.9995, 60, [(1, 60, 1, 5), (2, 360, 1, 30), (3, 1440, 1, 120), (3, 4320, 1, 360)]),
]


@pytest.mark.parametrize(("target", "every", "failures"), _NEEDED)
def test_so_many_failures_satisfy_the_published_rules(
    target: float, every: float, failures: list[tuple[int, int, int, int]]
) -> None:
    assert [needed(rule, target, every) for rule in rules_for(30 * DAY)] == [Needed(*row) for row in failures]


@pytest.mark.parametrize(("target", "every", "failures"), _NEEDED)
@pytest.mark.parametrize("which", range(4))
def test_one_failure_less_does_not_fire_and_as_many_do(
    target: float, every: float, failures: list[tuple[int, int, int, int]], which: int
) -> None:
    """The table again, by judging: as many bad slices, apart from each other, the last ones in the short window."""
    rule = rules_for(30 * DAY)[which]
    long, of_long, short, of_short = failures[which]
    slice_ms = round(every * 1000)
    ends = [2 * one for one in range(short)] if of_short > 2 * short else list(range(short))
    ends += [of_short + one for one in range(long - short)]
    spans = [(_NOW - (end + 1) * slice_ms, _NOW - end * slice_ms) for end in ends]
    textbook = _objective(target, 1, 1)
    assert ends[-1] < of_long
    assert burning(textbook, [rule], _ledger(union(spans), every), _NOW)[0].firing
    if long > short:
        assert not burning(textbook, [rule], _ledger(union(spans[:-1]), every), _NOW)[0].firing
    assert not burning(textbook, [rule], _ledger(union(spans[short:]), every), _NOW)[0].firing


def test_a_rate_just_as_high_is_not_higher() -> None:
    rule = BurnRule(_PAGE, 50 * 60, 50 * 60, 6)
    bad = _bad((10, 3))  # 3 of 50, at 99 %: 6.0 x
    assert not burning(_objective(0.99), [rule], _ledger(bad), _NOW)[0].firing
    assert burning(_objective(0.99), [rule], _ledger(_bad((10, 3.1))), _NOW)[0].firing


@pytest.mark.parametrize(
    ("rule", "target", "every", "long", "of_long"),
    [
        (BurnRule(_PAGE, 50, 50, 6), 0.99, 1, 4, 50),  # 3 are just as fast, and not faster
        (BurnRule(_PAGE, 100, 100, 29), 0.99, 1, 30, 100),  # 0.29 * 100 < 29 in floating point
        (BurnRule(_PAGE, 0.3, 0.3, 1), 0.5, 0.1, 2, 3),  # so is 0.3 / 0.1 < 3
    ],
)
def test_what_is_needed_is_over_the_rate_and_not_at_it(
    rule: BurnRule, target: float, every: float, long: int, of_long: int
) -> None:
    found = needed(rule, target, every)
    assert (found.long, found.of_long) == (long, of_long)


def test_one_lost_probe_pages_by_the_textbook_and_never_by_ours() -> None:
    one = _ledger(_bad((0, 1)))
    rules = rules_for(30 * DAY, 60)
    assert firing(burning(_objective(min_long=1, min_short=1), rules, one, _NOW)) is not None
    assert firing(burning(_objective(), rules, one, _NOW)) is None


@given(
    target=st.floats(0.5, 0.999999),
    every=st.sampled_from([1, 10, 30, 60, 150, 300, 900, 3600]),
    lost=st.lists(st.floats(0, 86_400), min_size=1, max_size=2),
    late=st.floats(0, 0.02),
    opened=st.floats(60, 1e6),
    period=st.sampled_from([1, 7, 28, 30, 90, 365]),
)
@example(target=0.999999, every=3600, lost=[0, 3600], late=0.02, opened=60, period=1)
def test_one_or_two_lost_probes_never_alert(
    target: float, every: float, lost: list[float], late: float, opened: float, period: float
) -> None:
    """Wherever they lie, however often probes run, and however short the service has been open."""
    spans = [(_NOW - round((ago + every * (1 + late)) * 1000), _NOW - round(ago * 1000)) for ago in lost]
    ledger = _ledger(union(spans), every, [(_NOW - round(opened * 1000), _NOW + 10**12)])
    objective = _objective(target, over=Period(rolling=period * DAY))
    assert firing(burning(objective, rules_for(period * DAY, every), ledger, _NOW)) is None


@pytest.mark.parametrize(("min_long", "min_short", "minutes"), [(1, 1, 1), (2, 2, 2), (3, 2, 3)])
def test_a_total_outage_pages_after_so_many_slices(min_long: int, min_short: int, minutes: int) -> None:
    """Simulated at 99.9 % and 60 s: from 60 s by the textbook to 180 s with three and two."""
    objective, rules = _objective(min_long=min_long, min_short=min_short), rules_for(30 * DAY, 60)
    start = _NOW - 86_400_000
    ledger = _ledger([(start, start + 10**12)])
    paged = [
        minute
        for minute in range(5)
        if (burn := firing(burning(objective, rules, ledger, start + minute * 60_000))) and burn.rule.severity is _PAGE
    ]
    assert paged[0] == minutes


def test_the_shortest_windows_are_how_far_a_look_sees_and_no_wait() -> None:
    objective = _objective(over=Period(rolling=3600.0))
    rules = alert_rules(objective, 1.0)
    assert (rules[0].long, rules[0].short) == (180.0, 45.0)
    ledger = _ledger([(_NOW, _NOW + 10**12)], 1.0)
    pages = [bool(firing(burning(objective, rules, ledger, _NOW + seconds * 1000))) for seconds in range(1, 6)]
    assert pages == [False, False, True, True, True]  # one look is enough, with three bad runs in it


def test_runs_that_come_some_milliseconds_early_still_count() -> None:
    start = _NOW - 179_950  # three runs, the first 50 ms late
    assert firing(burning(_objective(), rules_for(30 * DAY, 60), _ledger([(start, _NOW)]), _NOW)) is not None


def test_the_short_window_ends_an_alert_soon_after_the_outage() -> None:
    ledger, rules = _ledger(_bad((0, 30))), rules_for(30 * DAY, 60)[:1]
    lit = [burning(_objective(), rules, ledger, _NOW + minute * 60_000)[0].firing for minute in range(8)]
    assert lit == [True, True, True, True, False, False, False, False]  # two bad minutes of five, then one


def test_what_was_bad_before_the_window_is_forgotten() -> None:
    burns = burning(_objective(), rules_for(30 * DAY), _ledger(_bad((3 * 24 * 60 + 1, 120))), _NOW)
    assert [(burn.long_rate, burn.short_rate, burn.firing) for burn in burns] == [(0, 0, False)] * 4


def test_a_steady_leak_makes_a_ticket_and_no_page() -> None:
    spans = [(at, at + 180_000) for at in range(_NOW - 7 * 86_400_000 + 420_000, _NOW, 1_800_000)]
    burns = burning(_objective(0.98), rules_for(30 * DAY, 60), _ledger(spans), _NOW)
    assert [burn.firing for burn in burns] == [False, False, True, True]
    assert burns[2].long_rate == pytest.approx(5, rel=0.01)
    told = firing(burns)
    assert told is not None
    assert told.rule.factor == 3


def test_a_page_is_told_before_a_ticket() -> None:
    burns = burning(_objective(), rules_for(30 * DAY, 60), _ledger(_bad((0, 60))), _NOW)
    assert all(burn.firing for burn in burns)
    told = firing(burns)
    assert told is not None
    assert (told.rule.severity, told.rule.factor) == (_PAGE, 14.4)
    own = [BurnRule(_TICKET, HOUR, 300, 50), BurnRule(_PAGE, HOUR, 300, 20)]
    told = firing(burning(_objective(), own, _ledger(_bad((0, 60))), _NOW))
    assert told is not None
    assert told.rule == own[1]


def test_time_out_of_scope_thins_no_window() -> None:
    """Ten minutes after opening, a window of an hour has ten slices, and three bad ones are three in ten."""
    opened = [(_NOW - 600_000, _NOW + 10**9)]
    burn = burning(_objective(), rules_for(30 * DAY), _ledger(_bad((0, 3)), scope=opened), _NOW)[0]
    assert burn.long_rate == pytest.approx(300)
    assert burn.firing


@pytest.mark.parametrize(
    ("target", "bad", "reason"),
    [
        (  # 54 s of the hour, 6.3 s of five minutes; 40 minutes are spent
            0.999,
            [(0, 0.105), (20, 0.789), (5000, 39.106)],
            "burning 14.9 x the budget over 1h and 21 x over 5m: 3m 12s of 43m 12s left, gone in 2h 32m",
        ),
        (
            0.999,
            [(0, 60)],
            "burning 1000 x the budget over 1h and 1000 x over 5m: the budget of 43m 12s is overspent by 16m 48s",
        ),
        (
            0.999,
            [(0, 43.2)],
            "burning 720 x the budget over 1h and 1000 x over 5m: nothing of 43m 12s left",
        ),
    ],
)
def test_the_reason_says_what_burns_and_when_it_is_gone(
    target: float, bad: list[tuple[float, float]], reason: str
) -> None:
    rules = rules_for(30 * DAY)
    objective = _objective(target, min_long=0, min_short=0)
    burn = burning(objective, rules, _ledger(_bad(*bad)), _NOW)[0]
    assert burn.firing
    assert burn.reason == reason


def test_what_does_not_fire_has_no_reason() -> None:
    burns = burning(_objective(), rules_for(30 * DAY), _ledger(_bad((200, 60))), _NOW)
    assert any(burn.long_rate for burn in burns)
    assert all((burn.reason != "") is burn.firing for burn in burns)


def test_a_latency_objective_burns_by_slow_runs() -> None:
    objective = Objective("fast", 0.99, Period(rolling=7 * DAY), kind=Kind.LATENCY, limit=0.8)
    start = _NOW - 7 * 86_400_000
    counted = [(at, int(at < _NOW - 3_600_000), 1) for at in range(start, _NOW, 60_000)]
    ledger = RunLedger(counted, [(start, _NOW)], every=60.0)
    told = firing(burning(objective, rules_for(7 * DAY, 60), ledger, _NOW))
    assert told is not None
    assert told.reason == (
        "burning 100 x the budget over 1h and 100 x over 5m: 40 of 100 slow runs left, gone in 40m 48s"
    )


def test_validate_names_the_alerts_that_can_never_fire() -> None:
    objective = _objective(0.9)
    assert warnings(objective, rules_for(30 * DAY, 60), 60) == [
        "90% available over 30d: the page on 14.4 x the budget over 1h can never fire; it needs a target above 93.06%"
    ]
    assert warnings(_objective(), rules_for(30 * DAY, 60), 60) == []


def test_validate_names_the_alerts_that_ask_for_more_bad_runs_than_there_are() -> None:
    [first, *_] = warnings(_objective(min_long=3, min_short=2), rules_for(30 * DAY), 300)
    assert first == (
        "99.9% available over 30d: the page on 14.4 x the budget over 1h can never fire: it takes 3 bad runs of 12 "
        "and 2 of 1 over 5m; lower min_bad_slices"
    )
    assert warnings(_objective(), rules_for(30 * DAY, 300), 300) == []


def test_validate_names_the_alerts_that_one_lost_run_fires() -> None:
    assert warnings(_objective(min_long=1, min_short=1), rules_for(30 * DAY, 60), 60) == [
        (
            "99.9% available over 30d: the page on 14.4 x the budget over 1h fires on one lost run; "
            "set min_bad_slices to 3 and 2"
        )
    ]


def test_a_rule_that_fits_is_left_as_it_is() -> None:
    rule = BurnRule(_PAGE, HOUR, 300, 14.4)
    assert fitted(rule, 60) == rule


def _over(seconds: float, kind: Kind = Kind.AVAILABILITY) -> Objective:
    limit = 0.8 if kind is Kind.LATENCY else 0.0
    return Objective("shop", 0.99, Period(rolling=seconds), kind=kind, limit=limit)


@pytest.mark.parametrize(
    ("kind", "period", "windows"),
    [
        (Kind.AVAILABILITY, 30 * DAY, [(3600, 300), (21_600, 1800), (86_400, 7200), (259_200, 21_600)]),
        (Kind.AVAILABILITY, DAY, [(514, 45), (3086, 257), (12_343, 1029), (37_029, 3086)]),
        (Kind.AVAILABILITY, HOUR, [(180, 45), (514, 45), (1543, 129)]),
        (Kind.LATENCY, 30 * DAY, [(3600, 300), (21_600, 1800), (86_400, 7200), (259_200, 21_600)]),
        (Kind.LATENCY, DAY, [(1200, 300), (3086, 300), (12_343, 1029), (37_029, 3086)]),
    ],
)
def test_no_window_is_shorter_than_can_be_judged(kind: Kind, period: float, windows: list[tuple[float, float]]) -> None:
    """Three looks, fifteen seconds apart, in a short window and twelve in a long one; of latency, whole buckets."""
    rules = alert_rules(_over(period, kind), 1.0)
    assert [(rule.long, rule.short) for rule in rules] == windows
    assert all(rule.short >= 3 * LOOK for rule in rules)


def test_fewer_scrapes_than_looks_take_longer_windows() -> None:
    assert [shortest(_over(DAY), scrape) for scrape in (15.0, 60.0, 300.0)] == [45.0, 180.0, 900.0]
    assert [shortest(_over(DAY, Kind.LATENCY), scrape) for scrape in (15.0, 60.0, 300.0)] == [300.0, 300.0, 900.0]


@pytest.mark.parametrize(
    ("kind", "period", "every", "text"),
    [
        (
            Kind.AVAILABILITY,
            HOUR,
            1.0,
            (
                "99% available over 1h: its fastest alert would look back 21 s, and Probe looks every 15 s: it looks "
                "back 3m, in which 18% of the budget goes before anybody is told; promise over 8h 24m or longer"
            ),
        ),
        (Kind.AVAILABILITY, HOUR, 15.0, ""),  # runs so far apart need windows as long
        (Kind.AVAILABILITY, 8.4 * HOUR, 1.0, ""),
        (Kind.AVAILABILITY, 8.3 * HOUR, 1.0, "99% available over 8h 18m: its fastest alert would look back 2m 58s"),
        (
            Kind.LATENCY,
            DAY,
            60.0,
            (
                "99% of total under 800 ms over 1d: its fastest alert would look back 8m 34s, and runs are counted by "
                "5m: it looks back 20m, in which 19% of the budget goes before anybody is told; promise over 2d 8h or "
                "longer"
            ),
        ),
        (Kind.LATENCY, 56 * HOUR, 60.0, ""),
        (Kind.LATENCY, 30 * DAY, 60.0, ""),
    ],
)
def test_validate_says_when_a_period_is_too_short_for_its_alerts(
    kind: Kind, period: float, every: float, text: str
) -> None:
    objective = _over(period, kind)
    found = hurried(objective, every)
    assert found.startswith(text) if text else not found
    assert (found in warnings(objective, alert_rules(objective, every), every)) is bool(text)
