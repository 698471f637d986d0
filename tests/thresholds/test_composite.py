"""Services, against the rule applied at every instant by itself."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise, product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from thresholds.base import Level
from thresholds.composite import Kind, Rule, compose, standing, told
from thresholds.timeline import Condition, Edge, Interval, timeline

U, D, X, N, P = Condition.UP, Condition.DEGRADED, Condition.DOWN, Condition.UNKNOWN, Condition.PAUSED
LAST = 20
BETTER = {U: 0, D: 1, N: 2, P: 2, X: 3}

spans = st.lists(st.tuples(st.integers(0, LAST), st.integers(0, LAST)), max_size=2)
edge_lists = st.lists(st.builds(Edge, st.integers(0, LAST), st.sampled_from(Level)), max_size=5)
members = st.builds(
    lambda edges, paused, hours, planned, excluded, ends: timeline(
        edges, (), (0, ends), seen_until_ms=LAST, paused=paused, hours=hours, planned=planned, excluded=excluded
    ),
    edge_lists,
    spans,
    st.none() | spans,
    spans,
    spans,
    st.sampled_from([LAST, LAST, LAST, 15]),
)


@st.composite
def services(draw: st.DrawFn) -> tuple[list[list[Interval]], Rule]:
    made = draw(st.lists(members, min_size=1, max_size=5))
    kind = draw(st.sampled_from(Kind))
    k = draw(st.integers(1, len(made)))
    weights = draw(st.lists(st.sampled_from([0.1, 0.2, 0.3, 1.0]), min_size=len(made), max_size=len(made)))
    need = draw(st.sampled_from([0.1, 0.3, 0.5, 1.0]))
    return made, Rule(kind, k, tuple(weights), need)


def plain(rule: Rule, conditions: list[Condition]) -> Condition:
    """A rule without UNKNOWN and PAUSED, in words of its own."""
    worst_first = sorted(conditions, reverse=True)
    if rule.kind is Kind.ALL:
        return worst_first[0]
    if rule.kind is Kind.ANY:
        return worst_first[-1]
    return sorted(conditions)[rule.k - 1]


def weighted(rule: Rule, weighed: list[tuple[Condition, float]]) -> Condition:
    share = Fraction(str(rule.need)) * sum(Fraction(str(weight)) for _, weight in weighed)
    for level in (U, D):
        if sum(Fraction(str(weight)) for condition, weight in weighed if condition <= level) >= share:
            return level
    return X


@lru_cache(maxsize=4096)
def by_cases(rule: Rule, conditions: tuple[Condition, ...]) -> Condition:
    """A rule tried with everything that the unknown members may be."""
    weights = rule.weights or (1.0,) * len(conditions)
    left = [(condition, weight) for condition, weight in zip(conditions, weights, strict=True) if condition is not P]
    if not left:
        return P
    fitting = Rule(rule.kind, min(rule.k, len(left)), rule.weights, rule.need) if rule.kind is Kind.K_OF_N else rule
    outcomes = set()
    for guess in product((U, D, X), repeat=sum(condition is N for condition, _ in left)):
        guesses = iter(guess)
        case = [(next(guesses) if condition is N else condition, weight) for condition, weight in left]
        if rule.kind is Kind.WEIGHTED:
            outcomes.add(weighted(fitting, case))
        else:
            outcomes.add(plain(fitting, [condition for condition, _ in case]))
    if outcomes == {X} or X not in outcomes:
        return max(outcomes)  # it serves, at least so well
    return N


@given(services())
def test_a_service_is_what_its_rule_says_at_every_instant(service: tuple[list[list[Interval]], Rule]) -> None:
    timelines, rule = service
    made = compose(timelines, rule)
    end = max((timeline[-1].end_ms for timeline in timelines if timeline), default=0)
    assert [at for each in made for at in range(each.start_ms, each.end_ms)] == list(range(end))
    for one, other in pairwise(made):
        assert replace(one, start_ms=0, end_ms=0) != replace(other, start_ms=0, end_ms=0)
    blank = Interval(0, 0, N)
    for each in made:
        for at in range(each.start_ms, each.end_ms):
            now = [next((i for i in line if i.start_ms <= at < i.end_ms), blank) for line in timelines]
            assert each.condition is by_cases(rule, tuple(member.condition for member in now))
            assert (each.served, each.planned, each.excluded) == flags(rule, now, each.condition)


def flags(rule: Rule, now: list[Interval], condition: Condition) -> tuple[bool, bool, bool]:
    blamed: list[Interval] = []
    if all(member.flagged for member in now):
        blamed = now
    elif any(member.flagged for member in now):
        # Without the flagged ones, as if they were no part of the service.
        rest = tuple(P if member.flagged else member.condition for member in now)
        if BETTER[condition] > BETTER[by_cases(rule, rest)]:
            blamed = [member for member in now if member.flagged and member.condition is not U]
    return (
        all(member.served for member in blamed),
        any(member.planned for member in blamed),
        any(member.excluded for member in blamed),
    )


@pytest.mark.parametrize(
    ("kind", "conditions", "service"),
    [
        (Kind.ALL, [U, U, U], U),
        (Kind.ALL, [U, D, U], D),
        (Kind.ALL, [U, D, X], X),
        (Kind.ALL, [U, N, U], N),  # it may be down
        (Kind.ALL, [X, N, U], X),  # whatever the unknown one is
        (Kind.ALL, [U, P, U], U),
        (Kind.ALL, [P, P, P], P),
        (Kind.ALL, [N, P, P], N),
        (Kind.ANY, [X, X, U], U),
        (Kind.ANY, [X, X, D], D),
        (Kind.ANY, [X, X, X], X),
        (Kind.ANY, [N, N, U], U),
        (Kind.ANY, [N, X, D], D),  # it serves, degraded at least
        (Kind.ANY, [N, X, X], N),
        (Kind.ANY, [P, X, X], X),
        (Kind.K_OF_N, [U, U, X], U),
        (Kind.K_OF_N, [U, D, X], D),
        (Kind.K_OF_N, [U, X, X], X),
        (Kind.K_OF_N, [U, N, X], N),
        (Kind.K_OF_N, [U, U, N], U),
        (Kind.K_OF_N, [N, X, X], X),
        (Kind.K_OF_N, [U, X, P], X),  # two are needed, of the two that are left
        (Kind.K_OF_N, [U, P, P], U),  # as many as are left
        (Kind.WEIGHTED, [U, U, X], X),  # 0.1 + 0.2 of 0.6, wanted 0.6 of it
        (Kind.WEIGHTED, [X, U, U], U),
        (Kind.WEIGHTED, [X, D, U], D),
        (Kind.WEIGHTED, [N, U, X], X),
        (Kind.WEIGHTED, [U, N, U], U),
        (Kind.WEIGHTED, [X, N, U], N),
        (Kind.WEIGHTED, [P, U, U], U),
    ],
)
def test_how_a_service_stands(kind: Kind, conditions: list[Condition], service: Condition) -> None:
    rule = Rule(kind, k=2, weights=(0.1, 0.2, 0.3), need=0.6)
    assert standing(rule, conditions) is service
    assert compose([[Interval(0, 9, each)] for each in conditions], rule) == [Interval(0, 9, service)]


def test_shares_are_exact() -> None:
    rule = Rule(Kind.WEIGHTED, weights=(0.1, 0.2, 0.7), need=0.3)
    assert 0.1 + 0.2 > 0.3  # what floats would have made of it
    assert standing(rule, [U, U, X]) is U
    assert standing(Rule(Kind.WEIGHTED, weights=(0.7, 0.2, 0.1), need=0.9), [U, U, X]) is U
    assert 100 * 0.55 > 55
    assert standing(Rule(Kind.WEIGHTED, weights=(55.0, 45.0), need=0.55), [U, X]) is U


@pytest.mark.parametrize(
    ("kind", "members", "service"),
    [
        (Kind.ALL, [Interval(0, 9, X, planned=True), Interval(0, 9, U)], Interval(0, 9, X, planned=True)),
        (Kind.ALL, [Interval(0, 9, X, planned=True), Interval(0, 9, X)], Interval(0, 9, X)),
        (Kind.ANY, [Interval(0, 9, X, planned=True), Interval(0, 9, U)], Interval(0, 9, U)),
        (Kind.ANY, [Interval(0, 9, X, planned=True), Interval(0, 9, X)], Interval(0, 9, X)),
        (Kind.ALL, [Interval(0, 9, U, planned=True), Interval(0, 9, U, planned=True)], Interval(0, 9, U, planned=True)),
        (Kind.ALL, [Interval(0, 9, P, planned=True), Interval(0, 9, U)], Interval(0, 9, U)),
        (Kind.ALL, [Interval(0, 9, P, planned=True), Interval(0, 9, P)], Interval(0, 9, P)),
        (Kind.ALL, [Interval(0, 9, N, excluded=True), Interval(0, 9, U)], Interval(0, 9, N, excluded=True)),
        (Kind.ALL, [Interval(0, 9, X, served=False), Interval(0, 9, D)], Interval(0, 9, X, served=False)),
        (Kind.ALL, [Interval(0, 9, U, planned=True), Interval(0, 9, N)], Interval(0, 9, N)),
    ],
)
def test_maintenance_of_a_member_excuses_the_service_only_where_it_explains_it(
    kind: Kind, members: list[Interval], service: Interval
) -> None:
    assert compose([[member] for member in members], Rule(kind)) == [service]


def test_two_members_each_excused_for_its_own_reason() -> None:
    """Neither of them explains the outage alone; both together do."""
    lines = [[Interval(0, 9, X, planned=True)], [Interval(0, 9, X, excluded=True)], [Interval(0, 9, U)]]
    assert compose(lines, Rule()) == [Interval(0, 9, X, planned=True, excluded=True)]


def test_no_members_no_time() -> None:
    assert compose([], Rule()) == []
    assert compose([[], []], Rule()) == []


def test_a_member_is_unknown_where_its_timeline_says_nothing() -> None:
    holed = [Interval(2, 4, U), Interval(6, 8, U)]
    assert compose([holed, [Interval(0, 9, U)]], Rule()) == [
        Interval(0, 2, N),
        Interval(2, 4, U),
        Interval(4, 6, N),
        Interval(6, 8, U),
        Interval(8, 9, N),
    ]


def test_a_service_of_services() -> None:
    pair = compose([[Interval(0, 5, U), Interval(5, 9, X)], [Interval(0, 9, U)]], Rule(Kind.ANY))
    assert compose([pair, [Interval(0, 9, D)]], Rule()) == [Interval(0, 9, D)]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Rule(Kind.K_OF_N), "k of n needs a k of 1 or more, not 0"),
        (lambda: Rule(Kind.WEIGHTED), "weighted needs weights"),
        (lambda: Rule(Kind.WEIGHTED, weights=(1.0, 0.0)), "each of them more than 0"),
        (lambda: Rule(Kind.WEIGHTED, weights=(1.0, float("nan"))), "each of them more than 0"),
        (lambda: Rule(Kind.WEIGHTED, weights=(1.0,), need=1.5), "a share between 0 and 1, not 1.5"),
        (lambda: compose([[], []], Rule(Kind.K_OF_N, k=3)), "3 of 2 members can never be well"),
        (lambda: compose([[], []], Rule(Kind.WEIGHTED, weights=(1.0,))), "1 weights for 2 members"),
    ],
)
def test_a_rule_that_cannot_hold_says_so(make: Callable[[], object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_what_was_told_of_a_service_is_by_decision_and_names_the_culprit() -> None:
    shop = [Edge(0, Level.UP, 1), Edge(10, Level.DOWN, 14, "refused", "shop@10"), Edge(30, Level.UP, 32)]
    cart = [Edge(0, Level.UP, 2), Edge(11, Level.DOWN, 12, "status 503", "cart@11"), Edge(40, Level.UP, 41)]
    assert told({"shop": shop, "cart": cart}, Rule(Kind.ANY)) == [
        Edge(1, Level.UP, 1),
        Edge(14, Level.DOWN, 14, "shop: refused", "shop@10"),
        Edge(32, Level.UP, 32),
    ]
    assert [(edge.at_ms, edge.level, edge.reason) for edge in told({"shop": shop, "cart": cart}, Rule())] == [
        (1, Level.UNKNOWN, ""),
        (2, Level.UP, ""),
        (12, Level.DOWN, "cart: status 503"),
        (41, Level.UP, ""),
    ]


def test_a_clock_set_back_does_not_turn_decisions_round() -> None:
    edges = [Edge(0, Level.UP, 100), Edge(50, Level.DOWN, 90, "refused")]
    assert told({"a": edges}, Rule())[-1].level is Level.DOWN


def test_nothing_told_of_nobody() -> None:
    assert told({}, Rule()) == []
    assert told({"a": []}, Rule()) == []
