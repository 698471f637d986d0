"""Which routes an incident takes, and what is said of those that it does not take."""

import pytest

from exporters.route import Route, chosen, explain, matches
from thresholds.base import Level
from thresholds.hours import parse_hours

SATURDAY_3_MS = 1_700_276_400_000  # 2023-11-18 03:00 UTC
LABELS = {"check": "shop/home", "service": "shop", "tier": "1", "env": "prod", "severity": "page"}


@pytest.mark.parametrize(
    ("wanted", "value", "so"),
    [
        ("prod", "prod", True),
        ("prod", "production", False),
        ("", "", True),
        ("!prod", "test", True),
        ("!prod", "prod", False),
        ("!", "prod", True),  # anything but none
        ("~web-[0-9]+", "web-12", True),
        ("~web-[0-9]+", "my-web-12", False),  # of all of it, as Alertmanager's are
        ("!~web-.*", "db-1", True),
        (("a", "b"), "b", True),
        (("a", "b"), "c", False),
    ],
)
def test_labels_are_wanted_in_four_ways(wanted: str | tuple[str, ...], value: str, so: bool) -> None:
    assert matches(wanted, value) is so


def names(*routes: Route, level: Level = Level.DOWN, labels: dict[str, str] = LABELS, at_ms: int = 0) -> list[str]:
    return [name for route in chosen(routes, labels, level, at_ms) for name in route.to]


def test_the_first_that_matches_wins() -> None:
    assert names(Route(("a",), {"env": "test"}), Route(("b",), {"env": "prod"}), Route(("c",))) == ["b"]


def test_the_next_ones_are_tried_where_it_says_so() -> None:
    assert names(Route(("a",), go_on=True), Route(("b",), {"tier": "2"}), Route(("c",)), Route(("d",))) == ["a", "c"]


def test_the_level_is_the_least_that_a_route_takes() -> None:
    routes = Route(("oncall",), level=Level.DOWN), Route(("chat",))
    assert names(*routes, level=Level.DEGRADED) == ["chat"]
    assert names(*routes, level=Level.DOWN) == ["oncall"]


def test_a_route_of_some_hours_is_taken_in_these() -> None:
    day = Route(("desk",), when=parse_hours("Mon-Fri 09:00-18:00", "UTC"))
    assert names(day, Route(("oncall",)), at_ms=SATURDAY_3_MS) == ["oncall"]
    assert names(day, Route(("oncall",)), at_ms=SATURDAY_3_MS - 15 * 3_600_000) == ["desk"]


def test_log_goes_only_where_it_is_asked_for() -> None:
    labels = {**LABELS, "severity": "log"}
    assert names(Route(("chat",)), labels=labels) == []
    assert names(Route(("archive",), {"severity": "log"}), labels=labels) == ["archive"]


def test_every_route_says_why_it_was_not_taken() -> None:
    routes = (
        Route(("a",), level=Level.DOWN),
        Route(("b",), {"env": ("test", "dev")}),
        Route(("c",), {"city": "oslo"}),
        Route(("d",), when=parse_hours("Mon-Fri 09:00-18:00", "UTC")),
        Route(("e",)),
        Route(("f",)),
    )
    steps = explain(routes, LABELS, Level.DEGRADED, SATURDAY_3_MS)
    assert [step.why for step in steps] == [
        "level is DEGRADED, wanted DOWN",
        "env is prod, wanted test or dev",
        "city is not set, wanted oslo",
        "it is not Mon-Fri 09:00-18:00",
        "it matches",
    ]
