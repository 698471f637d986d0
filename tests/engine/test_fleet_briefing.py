"""What a worker is told, and that it is told no more than it does not know."""

import pytest

from checks.core.base import CheckSpec
from checks.tcp import Tcp
from probe.engine.briefing import Briefing, missed
from probe.engine.orders import Change, Order, Rules
from probe.engine.schedule import grid

RULES = Rules()


def spec(name: str, every: float = 10.0) -> CheckSpec:
    return CheckSpec(name, Tcp(host="a.example", port=80), every, 5.0)


def plan(*specs: CheckSpec) -> dict[str, CheckSpec]:
    return {one.name: one for one in specs}


class Desk:
    """A briefing, and what is known of its checks."""

    def __init__(self) -> None:
        self.now_ms = 1_000
        self.seen: dict[str, int] = {}
        self.briefing = Briefing(lambda: self.now_ms, lambda name: self.seen.get(name, 0))

    def told(self) -> list[Order]:
        return [order for order in self.briefing.orders() if order is not None]

    def summary(self) -> tuple[list[str], list[str], bool]:
        """Names told as new and as gone, and whether the plan then holds."""
        changes = [order for order in self.told() if isinstance(order, Change)]
        new = [one.name for change in changes for one in change.specs]
        return new, [name for change in changes for name in change.gone], any(change.last for change in changes)


def test_before_there_is_a_plan_nothing_is_told() -> None:
    assert Desk().told() == []


def test_rules_come_first_and_the_end_of_the_plan_last() -> None:
    desk = Desk()
    desk.briefing.want(plan(spec("a")), RULES)
    first, *_, last = desk.told()
    assert first == RULES
    assert last == Change(last=True)


def test_only_what_changed_is_told() -> None:
    desk = Desk()
    desk.briefing.want(plan(*(spec(f"c{n}") for n in range(250))), RULES)
    assert len(desk.summary()[0]) == 250
    assert desk.told() == []
    wanted = plan(*(spec(f"c{n}") for n in range(1, 250)), spec("new"))
    wanted["c7"] = spec("c7", every=3.0)
    desk.briefing.want(wanted, RULES)
    new, gone, whole = desk.summary()
    assert (sorted(new), gone, whole) == (["c7", "new"], ["c0"], True)


def test_checks_read_anew_from_the_same_file_are_no_news() -> None:
    desk = Desk()
    desk.briefing.want(plan(spec("a"), spec("b")), RULES)
    desk.told()
    desk.briefing.want(plan(spec("a"), spec("b")), Rules())
    assert desk.told() == []


def test_new_rules_alone_are_told_and_hold() -> None:
    desk = Desk()
    desk.briefing.want(plan(spec("a")), RULES)
    desk.told()
    desk.briefing.want(plan(spec("a")), Rules(rate=1.0))
    assert desk.told() == [Rules(rate=1.0), Change(last=True)]


def test_many_checks_are_told_in_pieces() -> None:
    desk = Desk()
    desk.briefing.want(plan(*(spec(f"c{n}") for n in range(5000))), RULES)
    sizes = [len(order.specs) for order in desk.told() if isinstance(order, Change)]
    assert sum(sizes) == 5000
    assert max(sizes) <= 100


def test_another_process_is_told_everything_and_since_when_nobody_ran_it() -> None:
    desk = Desk()
    desk.briefing.want(plan(spec("seen"), spec("unseen")), RULES)
    desk.told()
    desk.now_ms, desk.seen = 60_000, {"seen": 50_000}
    desk.briefing.forget()
    desk.briefing.want(plan(spec("seen"), spec("unseen"), spec("new")), RULES)
    (_, change, _) = desk.told()
    assert isinstance(change, Change)
    assert [one.name for one in change.specs] == ["seen", "unseen", "new"]
    assert change.seen_ms == (50_000, 1_000, 0)


def test_a_check_that_changed_while_there_was_no_process_missed_nothing() -> None:
    desk = Desk()
    desk.seen = {"a": 500}
    desk.briefing.want(plan(spec("a", every=3600.0)), RULES)
    desk.told()
    desk.briefing.forget()
    desk.now_ms = 9_000
    desk.briefing.want(plan(spec("a", every=1.0)), RULES)
    (_, change, _) = desk.told()
    assert isinstance(change, Change)
    assert change.seen_ms == (0,)


def test_another_prober_knows_since_when_nobody_ran_what_the_one_before_did() -> None:
    desk, other = Desk(), Desk()
    desk.briefing.want(plan(spec("seen"), spec("unseen"), spec("changed"), spec("gone")), RULES)
    desk.told()
    other.briefing.inherit(desk.briefing.past())
    other.now_ms, other.seen = 60_000, {"seen": 50_000, "changed": 50_000, "gone": 50_000}
    other.briefing.want(plan(spec("seen"), spec("unseen"), spec("changed", every=1.0), spec("new")), RULES)
    (_, change, _) = other.told()
    assert isinstance(change, Change)
    assert [one.name for one in change.specs] == ["seen", "unseen", "changed", "new"]
    assert change.seen_ms == (50_000, 1_000, 0, 0)
    again = other.briefing.past()
    assert dict(again.since_ms) == {"seen": 1_000, "unseen": 1_000, "changed": 60_000, "new": 60_000}
    assert again.specs["changed"].every == 1.0


def test_what_one_process_has_counted_the_next_does_not_count_again() -> None:
    desk = Desk()
    desk.briefing.want(plan(spec("a")), RULES)
    for now_ms, counted, since_ms in [(9_000, False, 1_000), (20_000, True, 1_000), (30_000, True, 20_000)]:
        desk.told()
        desk.now_ms = now_ms
        desk.briefing.forget()
        (_, change, _) = desk.told()
        assert isinstance(change, Change)
        assert change.seen_ms == (since_ms,)
        if counted:
            desk.briefing.counted()


@pytest.mark.parametrize(
    ("ago", "count"),
    # The grid of "a" at 10 s: 2.5 s after the last instant it is 7.5 s to the next one, whatever the offset.
    [(0.0, 0), (2.4, 0), (2.6, 1), (12.4, 1), (12.6, 2), (1002.6, 101)],
)
def test_missed_are_the_instants_after_the_last_run(ago: float, count: int) -> None:
    at_ms = 1_800_000_000_000
    now = grid("a", 10.0, at_ms, 5_000.0).next_due(5_000.0) + 2.5
    now_ms = at_ms + round((now - 5_000.0) * 1000)
    seen_ms = now_ms - round(ago * 1000)
    assert missed([(spec("a"), seen_ms), (spec("b"), 0)], now_ms, now) == count


def test_a_process_that_died_before_it_was_told_leaves_what_the_one_before_knew() -> None:
    desk = Desk()
    desk.briefing.want(plan(spec("a")), RULES)
    desk.told()
    desk.briefing.forget()
    desk.briefing.forget()
    desk.now_ms = 9_000
    (_, change, _) = desk.told()
    assert isinstance(change, Change)
    assert change.seen_ms == (1_000,)
