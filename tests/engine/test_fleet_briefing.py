"""What a worker is told, and that it is told no more than it does not know."""

from checks.core.base import CheckSpec
from checks.tcp import Tcp
from probe.engine.briefing import Briefing
from probe.engine.orders import Change, Order, Rules

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
