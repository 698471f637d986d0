"""Mean times, reasons and flow, against numbers worked out by hand and a quarter of which the truth is known."""

from __future__ import annotations

import random
from dataclasses import replace
from itertools import pairwise
from statistics import fmean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.result import Failure, FailureKind, Result
from thresholds.availability import availability
from thresholds.base import Policy, State
from thresholds.composite import Kind, Rule, compose
from thresholds.measures import Cause, Flow, Measure, cumulative_flow, reasons, reliability
from thresholds.outages import Outage, outages
from thresholds.policy import judge
from thresholds.spans import Span, common, length, union
from thresholds.timeline import Condition, Edge, Interval, covered_until, edges_of, timeline

U, D, X, N = Condition.UP, Condition.DEGRADED, Condition.DOWN, Condition.UNKNOWN
HOUR = 3600
T0 = 1_700_000_000_000


def ms(hours: float) -> int:
    return T0 + round(hours * HOUR * 1000)


def down(begin: float, end: float, reason: str = "refused", notified: float = 0, acked: float = 0) -> Outage:
    """An outage of hours after the start: last seen well 36 s before, decided 72 s after. An end of 0 is open."""
    first = ms(begin)
    return replace(
        Outage("shop", first - 36_000, first, first + 72_000, first, ms(end) if end else 0, X, reason),
        in_scope_ms=first,
        bad=(end - begin) * HOUR if end else HOUR,
        lost=(end - begin) * HOUR if end else HOUR,
        notified_ms=ms(notified) if notified else 0,
        acked_ms=ms(acked) if acked else 0,
    )


def line(*spans: tuple[float, float, Condition]) -> list[Interval]:
    return [Interval(ms(begin), ms(end), condition) for begin, end, condition in spans]


# 100 hours: up 10, down 1, up 19, down 2, up 47, down 3, up 18. Availability 94 %.
LINE = line((0, 10, U), (10, 11, X), (11, 30, U), (30, 32, X), (32, 79, U), (79, 82, X), (82, 100, U))
FOUND = [
    down(10, 11, notified=10.1, acked=10.2),
    down(30, 32, notified=30.1, acked=30.4),
    down(79, 82, notified=79.1),
]
PERIOD = (ms(0), ms(100))


def hours(measure: Measure) -> tuple[int, float | None, float | None, float | None, int]:
    values = (None if each is None else round(each / HOUR, 6) for each in (measure.mean, measure.median, measure.p90))
    mean, median, p90 = values
    return measure.n, mean, median, p90, measure.apart


def test_measures_by_hand() -> None:
    got = reliability(FOUND, LINE, PERIOD, gap=900.0)
    assert hours(got.mttf) == (3, 31.333333, 33.0, 47.0, 0)  # 94 h up; 19 and 47 between them
    assert hours(got.mtbf) == (3, 33.333333, 34.5, 49.0, 0)  # 100 h; 20 and 49
    assert hours(got.mttr) == (3, 2.0, 2.0, 3.0, 0)
    assert hours(got.mttr_from_ack) == (2, 1.2, 1.2, 1.6, 1)
    assert hours(got.mttd) == (3, 0.02, 0.02, 0.02, 0)
    assert hours(got.mttd_worst) == (3, 0.03, 0.03, 0.03, 0)
    assert hours(got.mtta) == (2, 0.2, 0.2, 0.3, 1)
    assert got.open == ()
    assert got.mttr.definition.startswith("Mean time to recover: from the start of a failure")


def test_availability_is_mttf_by_mttf_and_mttr() -> None:
    got = reliability(FOUND, LINE, PERIOD, gap=900.0)
    assert got.mttf.mean is not None
    assert got.mttr.mean is not None
    assert got.mtbf.mean == pytest.approx(got.mttf.mean + got.mttr.mean)
    assert availability(LINE).ratio == pytest.approx(got.mttf.mean / (got.mttf.mean + got.mttr.mean))


def test_no_failures_is_no_measure_and_not_zero() -> None:
    got = reliability([], line((0, 100, U)), PERIOD, gap=900.0)
    for measure in (got.mttf, got.mtbf, got.mttr, got.mttr_from_ack, got.mttd, got.mttd_worst, got.mtta):
        assert (measure.n, measure.mean, measure.median, measure.p90, measure.apart) == (0, None, None, None, 0)


def test_open_failures_are_apart() -> None:
    got = reliability([*FOUND, down(95, 0)], LINE, PERIOD, gap=900.0)
    assert (got.mttr.n, got.mttr.apart, got.mttf.n) == (3, 1, 4)
    assert [each.began_ms for each in got.open] == [ms(95)]
    assert len(got.failures) == 4


def test_only_what_began_in_the_period_and_counts() -> None:
    uncounted = replace(down(50, 51), lost=0.0, in_scope_ms=0, planned=True)
    earlier, later = down(-5, 0.5), down(100, 101)
    got = reliability([earlier, *FOUND, uncounted, later], LINE, PERIOD, gap=900.0)
    assert [each.began_ms for each in got.failures] == [each.began_ms for each in FOUND]


def test_what_began_before_the_period_and_is_open_is_shown() -> None:
    got = reliability([down(-5, 0)], line((0, 100, X)), PERIOD, gap=900.0)
    assert got.failures == ()
    assert len(got.open) == 1


def test_the_same_failure_soon_again_is_not_another_one() -> None:
    got = reliability([*FOUND, down(11.2, 11.5)], LINE, PERIOD, gap=900.0)
    assert (len(got.failures), got.failures[0].spells) == (3, 2)
    assert hours(got.mttr)[:2] == (3, round((1.5 + 2 + 3) / 3, 6))
    assert hours(got.mttf)[2] == 32.75  # from 11.5 to 30, and 47


def test_a_failure_that_is_still_open_has_no_end_to_count_from() -> None:
    found = [down(10, 11), down(11.1, 11.2, "timed out"), down(11.2, 0)]
    got = reliability(found, LINE, PERIOD, gap=3600.0)
    assert [each.open for each in got.failures] == [True, False]
    assert got.mttf.median is None


def test_what_nobody_was_told_of_nobody_had_to_acknowledge() -> None:
    got = reliability([*FOUND[:2], down(79, 82)], LINE, PERIOD, gap=900.0)
    assert (got.mtta.n, got.mtta.apart) == (2, 0)


def test_an_operator_knows_when_it_began() -> None:
    got = reliability([replace(FOUND[0], started_ms=ms(9.5))], LINE, PERIOD, gap=900.0)
    assert hours(got.mttr)[1] == 1.5
    assert hours(got.mttd)[1] == hours(got.mttd_worst)[1] == 0.52


def test_what_was_never_decided_has_no_time_to_detect() -> None:
    got = reliability([replace(FOUND[0], detected_ms=0), replace(FOUND[1], last_good_ms=0)], LINE, PERIOD, gap=900.0)
    assert (got.mttd.n, got.mttd.apart, got.mttd_worst.n, got.mttd_worst.apart) == (1, 1, 0, 2)


def test_degraded_is_up_unless_it_is_what_failures_are_about() -> None:
    whole = line((0, 90, U), (90, 100, D))
    assert hours(reliability([down(90, 0)], whole, PERIOD, gap=900.0).mttf)[1] == 100
    assert hours(reliability([down(90, 0)], whole, PERIOD, gap=900.0, at_least=D).mttf)[1] == 90


@pytest.mark.parametrize(("count", "p90"), [(1, 1), (2, 2), (9, 9), (10, 9), (11, 10), (20, 18), (70, 63)])
def test_nine_in_ten_do_not_exceed_p90(count: int, p90: int) -> None:
    found = [down(100 * number, 100 * number + length) for number, length in enumerate(range(1, count + 1), 1)]
    got = reliability(found, line((0, 8000, U)), (ms(0), ms(8000)), gap=900.0)
    assert hours(got.mttr)[3] == p90


def test_reasons_by_what_they_cost() -> None:
    found = [
        down(1, 2, "status 503, wanted 2xx"),
        down(3, 4, "status 502, wanted 2xx"),
        down(5, 8, "refused"),
        down(9, 9.5, "status 404, wanted 2xx"),
        replace(down(20, 30, "refused"), lost=0.0),  # in maintenance
    ]
    assert reasons(found) == [
        Cause("refused", "refused", 1, 180.0, ms(5), ms(5)),
        Cause("status 5xx, wanted 2xx", "status 502, wanted 2xx", 2, 120.0, ms(1), ms(3)),
        Cause("status 4xx, wanted 2xx", "status 404, wanted 2xx", 1, 30.0, ms(9), ms(9)),
    ]
    assert reasons([]) == []


def test_what_came_and_what_went_each_day() -> None:
    found = [down(-3, 2), down(1, 5), down(20, 30), down(47, 0), replace(down(3, 4), lost=0.0)]
    days = [(ms(day * 24), ms(day * 24 + 24)) for day in range(3)]
    assert cumulative_flow(found, days) == [
        Flow(*days[0], opened=2, resolved=2, open=1),
        Flow(*days[1], opened=1, resolved=1, open=1),
        Flow(*days[2], opened=0, resolved=0, open=1),
    ]


def test_what_is_said_to_have_begun_after_its_end_was_never_open() -> None:
    found = [replace(down(1, 2), started_ms=ms(30))]
    days = [(ms(day * 24), ms(day * 24 + 24)) for day in range(2)]
    assert [(each.opened, each.resolved, each.open) for each in cumulative_flow(found, days)] == [(0, 0, 0), (1, 1, 0)]


lengths = st.tuples(st.integers(0, 99), st.integers(0, 60))  # begin and length in hours; no length: open


@given(st.lists(lengths, max_size=12))
def test_flow_keeps_count(made: list[tuple[int, int]]) -> None:
    found = [down(begin, begin + length if length else 0) for begin, length in made]
    flow = cumulative_flow(found, [(ms(hour), ms(hour + 1)) for hour in range(200)])
    before = 0
    for each in flow:
        assert each.open == before + each.opened - each.resolved
        before = each.open
    # Little's law: what is open on average is what arrives per hour, times how long it stays.
    closed = cumulative_flow([each for each in found if not each.open], [(ms(h), ms(h + 1)) for h in range(200)])
    assert sum(each.open for each in closed) == sum(length for _, length in made)


# A quarter of a service of 40 checks: what happened to each is known, in whole minutes; a run a minute. Three of them
# are a cluster that needs two, the others are all needed. Nobody looked for some hours; maintenance every week.
MINUTES = 13 * 7 * 24 * 60
NAMES = [f"shop/{number:02}" for number in range(40)]


def some_spans(rng: random.Random, count: int, longest: int) -> list[Span]:
    starts = (rng.randrange(MINUTES) for _ in range(count))
    return union((start, min(MINUTES, start + rng.randint(5, longest))) for start in starts)


def edges_by_judging(bad: list[Span], blind: list[Span]) -> list[Edge]:
    """What judging every run gives. Runs that are as the one before them change nothing, and are left out."""
    state, edges = State(), []
    turns = sorted({turn for span in (*bad, *blind) for turn in span} | {0})
    for minute in sorted({turn + more for turn in turns for more in range(-1, 3)} & set(range(MINUTES))):
        if any(start <= minute < end for start, end in blind):
            continue
        failing = any(start <= minute < end for start, end in bad)
        failure = Failure(FailureKind.CONNECT, "connect", "refused") if failing else None
        verdict = judge(
            Policy(down_after=(2, 3), up_after=2), state, Result("a", T0 + minute * 60_000, 0.5, {}, {}, failure)
        )
        state = verdict.state
        edges += edges_of([verdict.transition] if verdict.transition else [])
    return edges


def at_ms(spans: list[Span]) -> list[Span]:
    return [(T0 + start * 60_000, T0 + end * 60_000) for start, end in spans]


def test_a_quarter_of_forty_checks_is_what_happened() -> None:
    rng = random.Random(20)
    bad = {name: some_spans(rng, 6, 90) for name in NAMES}
    blind = some_spans(rng, 5, 600)
    maintenance = [(week * 7 * 1440 + 180, week * 7 * 1440 + 300) for week in range(13)]
    window = (T0, T0 + MINUTES * 60_000)
    gaps = [(start + 30_000, end) for start, end in at_ms(blind)]  # the last run before speaks half a minute longer
    edges = {name: edges_by_judging(spans, blind) for name, spans in bad.items()}
    lines = {
        name: timeline(each, gaps, window, seen_until_ms=covered_until(window[1], 60.0), planned=at_ms(maintenance))
        for name, each in edges.items()
    }
    cluster = compose([lines[name] for name in NAMES[:3]], Rule(Kind.K_OF_N, k=2))
    service = compose([cluster, *(lines[name] for name in NAMES[3:])], Rule())

    # The truth, without timelines: spans of which each is wholly broken or wholly well.
    def broken(minute: int, names: list[str]) -> int:
        return sum(any(start <= minute < end for start, end in bad[name]) for name in names)

    turns = sorted({turn for spans in bad.values() for span in spans for turn in span} | {0, MINUTES})
    stretches = [span for span in pairwise(turns) if broken(span[0], NAMES[:3]) >= 2 or broken(span[0], NAMES[3:])]
    broken_spans = at_ms(union(stretches))
    seen = complement(gaps, window)
    known = common(seen, complement(at_ms(maintenance), window))
    lost = length(common(broken_spans, known))
    got = availability(service)
    assert got.down == pytest.approx(lost)
    assert got.known == pytest.approx(length(known))
    assert got.ratio == pytest.approx(1 - lost / length(known))
    assert got.planned == 13 * 2 * HOUR
    assert got.planned_down == pytest.approx(length(common(common(broken_spans, seen), at_ms(maintenance))))

    # What began or ended out of sight is dated to when it was seen; the others are dated to the minute.
    found = outages("shop", service, every=60.0)
    plain = [span for span in broken_spans if not touches(span, [*gaps, *at_ms(maintenance)])]
    dated = [each for each in found if (each.first_bad_ms, each.first_good_ms) in plain]
    assert len(dated) == len(plain) > 150
    figures = reliability(dated, service, window, gap=0.0)
    assert figures.mttr.n == len(plain)
    assert figures.mttr.mean == pytest.approx(fmean(length([span]) for span in plain))


def complement(spans: list[Span], window: Span) -> list[Span]:
    turns = [window[0], *(turn for span in spans for turn in span), window[1]]
    return [(start, end) for start, end in zip(turns[::2], turns[1::2], strict=True) if start < end]


def touches(span: Span, others: list[Span]) -> bool:
    return any(span[0] <= end and start <= span[1] for start, end in others)
