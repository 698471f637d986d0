"""Which changes stand beside an alert, in which words, and in which order."""

import pytest

from exporters.alerting.change import Change, Ended, Moment, bulletin, nearby

MIN = 60_000
SINCE = 1_700_000_000_000
NOW = SINCE + 2 * MIN


def lines(*changes: Change, service: str = "shop", check: str = "shop/home", **more) -> tuple[str, ...]:
    labels = more.pop("labels", {"tier": "1"})
    return nearby(changes, service, labels, check, SINCE, more.pop("now_ms", NOW), **more)


def change(wanted: str = "CHG123", began: float = -8.0, ended: float | None = None, **more) -> Change:
    """From `began` to `ended`, in minutes after it failed."""
    ended_ms = 0 if ended is None else SINCE + round(ended * MIN)
    return Change(wanted, SINCE + round(began * MIN), ended_ms, services=more.pop("services", ("shop",)), **more)


def deploy(minutes: float, **more) -> Change:
    return change("d-1", minutes, minutes, **more)


@pytest.mark.parametrize(
    ("one", "line"),
    [
        (change(title="new cart"), "CHG123 in progress for 10m: new cart"),
        (change(ended=60, title="new cart"), "CHG123 in progress for 10m: new cart"),
        (deploy(-6, version="1.2.3"), "shop 1.2.3 deployed 6m before"),
        (deploy(-6.99, version="1.2.3", title="cart"), "shop 1.2.3 deployed 6m before: cart"),
        (deploy(1, version="1.2.3"), "shop 1.2.3 deployed 1m after"),
        (deploy(0, version="1.2.3"), "shop 1.2.3 deployed 0 s before"),
        (deploy(-0.5, services=("shop", "cart")), "shop, cart deployed 30 s before"),
        (change(ended=-5), "CHG123 ended 5m before"),
        (change(ended=1), "CHG123 ended 1m after"),
        (change(ended=-5, outcome=Ended.FAILED), "CHG123 failed 5m before"),
        (change(began=1), "CHG123 began 1m after"),
        (change(began=-180), "CHG123 in progress for 3h 2m"),
        (change(title="evil\nline \u202e\x1b[31m"), "CHG123 in progress for 10m: evil line [31m"),
    ],
)
def test_a_change_nearby_is_one_line(one, line):
    assert lines(one) == (line,)


@pytest.mark.parametrize(
    ("one", "seen"),
    [
        (deploy(-60, version="1"), True),
        (deploy(-60.1, version="1"), False),
        (change(began=-600, ended=-60), True),
        (change(began=-600, ended=-61), False),
        (deploy(3, version="1"), False),  # it lies ahead of now
        (change(services=("s*",)), True),
        (change(services=("cart",)), False),
        (change(services=(), checks=("shop/*",)), True),
        (change(checks=("mail/*",)), False),  # both must match
        (change(services=(), labels={"tier": "[12]"}), True),
        (change(services=(), labels={"tier": "2"}), False),
        (change(services=(), labels={"region": "eu"}), False),
    ],
)
def test_only_what_is_near_in_time_and_touches_the_check_is_told(one, seen):
    assert bool(lines(one)) is seen


def test_how_far_back_to_look_is_asked():
    assert lines(deploy(-100, version="1"), before=7200.0) == ("shop 1 deployed 1h 40m before",)


def test_a_marker_that_came_long_after_it_failed_is_not_told():
    long_since = SINCE + 120 * MIN
    assert lines(deploy(20, version="1"), now_ms=long_since) == ()
    assert lines(deploy(15, version="1"), now_ms=long_since) == ("shop 1 deployed 15m after",)


def test_what_came_closest_before_it_failed_stands_first_and_what_came_after_last():
    found = lines(
        change("after", 1),
        change("long", -50),
        change("ended", -55, -3),
        change("close", -2),
        change("far", -40, -30),
        change("out", -90, -70),
    )
    assert [line.split()[0] for line in found] == ["close", "ended", "far", "long", "after"]


def test_of_two_at_once_the_narrower_one_stands_first():
    found = lines(
        change("all", services=(), checks=("*",)),
        change("labels", services=(), labels={"tier": "1"}),
        change("service"),
        change("check", services=(), checks=("shop/h*",)),
    )
    assert [line.split()[0] for line in found] == ["check", "service", "labels", "all"]


def test_at_most_five_are_told():
    assert len(lines(*(change(f"CHG{n}", -n) for n in range(1, 20)))) == 5


def test_a_line_is_short_whatever_people_write():
    assert len(lines(change(title="x" * 5000))[0]) <= 200
    many = (*("s" * 90 for _ in range(50)), "shop")
    assert len(lines(deploy(-1, services=many, version="v" * 200))[0]) <= 200


def test_a_channel_is_told_what_where_and_by_whom():
    began = change(title="new cart", author="ana", risk="high", url="https://chg.example/123", suppress=True)
    title, text = bulletin(began, Moment.BEGUN, 12)
    assert title == "CHG123 has begun: new cart"
    assert text.splitlines() == [
        "Services: shop",
        "Risk: high",
        "By: ana",
        "See: https://chg.example/123",
        "12 checks",
        "Nobody is told of them while it lasts.",
    ]
    over = change(began=-8, ended=2, outcome=Ended.FAILED)
    assert bulletin(over, Moment.OVER)[0] == "CHG123 failed after 10m"
    assert bulletin(change(ended=2), Moment.OVER)[0] == "CHG123 is over after 10m"
    assert bulletin(deploy(0, version="1.2.3"), Moment.DEPLOYED) == (
        "shop 1.2.3 deployed",
        "Services: shop\nVersion: 1.2.3",
    )
