"""Rules for Prometheus look back as far as its scrapes let them."""

from __future__ import annotations

import pytest

from probe.engine.notices import About
from probe.engine.objectives import Promise
from probe.engine.rules import lengthened, rules_file
from thresholds.burn import alert_rules
from thresholds.composite import Rule
from thresholds.slo import Kind, Objective, Period

DAY = 86_400.0


def promise(period: float, every: float = 10.0, kind: Kind = Kind.AVAILABILITY) -> Promise:
    objective = Objective("x", 0.99, Period(rolling=period), kind=kind, limit=0.8 * (kind is Kind.LATENCY))
    rules = tuple(alert_rules(objective, every))
    return Promise("shop", objective, rules, ("a",), Rule(), None, every, About("slo", "shop"))


@pytest.mark.parametrize(
    ("period", "interval", "windows"),
    [
        (30 * DAY, 15.0, {"5m", "30m", "1h", "2h", "6h", "1d", "3d"}),
        (30 * DAY, 60.0, {"5m", "30m", "1h", "2h", "6h", "1d", "3d"}),
        (30 * DAY, 150.0, {"7m30s", "30m", "1h", "2h", "6h", "1d", "3d"}),
        (3600.0, 15.0, {"45s", "3m", "8m34s", "2m9s", "25m43s"}),
        (3600.0, 60.0, {"3m", "12m", "25m43s"}),
    ],
)
def test_a_window_holds_three_scrapes_at_least(period: float, interval: float, windows: set[str]) -> None:
    (group,) = rules_file([promise(period)], interval)["groups"]
    recorded = [rule["record"] for rule in group["rules"] if "record" in rule]
    assert {name.partition(":sum")[2] for name in recorded if ":sum" in name} == windows
    alerts = " ".join(rule["expr"] for rule in group["rules"] if "alert" in rule)
    assert all(f"{name}{{" in alerts for name in recorded)


def test_what_looks_back_further_than_our_own_is_told() -> None:
    assert lengthened([promise(30 * DAY)], 60.0) == []
    assert lengthened([promise(3600.0), promise(DAY, kind=Kind.LATENCY)], 60.0) == [
        (
            "shop: 99% available over 1h: by a scrape every 1m its fastest alert looks back 12m and 3m, Probe's own "
            "3m and 45 s"
        )
    ]
