"""Who is told."""

from __future__ import annotations

import pytest

from exporters.route import Route, receivers
from thresholds.base import Level

ROUTES = (
    Route(to=("audit",), match={"env": "prod"}, go_on=True),
    Route(to=("oncall", "chat"), match={"tier": "1"}, level=Level.DOWN),
    Route(to=("chat", "audit")),
)


@pytest.mark.parametrize(
    ("labels", "level", "wanted"),
    [
        ({}, Level.DOWN, ("chat", "audit")),
        ({"tier": "1"}, Level.DOWN, ("oncall", "chat")),
        ({"tier": "1"}, Level.DEGRADED, ("chat", "audit")),
        ({"tier": "2"}, Level.DOWN, ("chat", "audit")),
        ({"tier": "1", "env": "prod"}, Level.DOWN, ("audit", "oncall", "chat")),
        ({"env": "prod"}, Level.DEGRADED, ("audit", "chat")),
        ({"env": "prod"}, Level.UP, ()),
    ],
)
def test_first_route_that_matches_wins_unless_it_goes_on(
    labels: dict[str, str], level: Level, wanted: tuple[str, ...]
) -> None:
    assert receivers(ROUTES, labels, level) == wanted


def test_no_route_tells_nobody() -> None:
    assert receivers((), {"tier": "1"}, Level.DOWN) == ()


def test_an_empty_wanted_label_means_that_there_is_none() -> None:
    route = Route(to=("nobody-s",), match={"owner": ""})
    assert receivers([route], {}, Level.DOWN) == ("nobody-s",)
    assert receivers([route], {"owner": "team-shop"}, Level.DOWN) == ()


def test_all_wanted_labels_must_match() -> None:
    route = Route(to=("chat",), match={"tier": "1", "env": "prod"})
    assert receivers([route], {"tier": "1", "env": "test"}, Level.DOWN) == ()
