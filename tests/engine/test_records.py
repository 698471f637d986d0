"""What the past is said to have been, against sums done by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.result import Failure, FailureKind, Result
from probe.config.model import Config, ServicePlan
from probe.engine.hub import Hub
from probe.engine.records import Records
from probe.store.base import Announcement, Entry, Kind, Store
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.engine.test_hub import planned
from thresholds.base import Policy
from thresholds.composite import Kind as RuleKind
from thresholds.composite import Rule

MIN = 60_000
REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused by 127.0.0.1:9")
CHECKS = ("shop/home", "shop/cart")


def config(rule: Rule | None = None) -> Config:
    plain = Policy(down_after=(1, 1), up_after=1, flap=None)
    base = [planned(name, policy=plain) for name in CHECKS]
    checks = {one.name: replace(one, spec=replace(one.spec, every=60.0)) for one in base}
    service = ServicePlan("shop", rule or Rule(), CHECKS, every=60.0)
    return Config(Path("x"), "t", "127.0.0.1", 0, "", checks, services={"shop": service})


async def lived(store: Store, clock: FakeClock, conf: Config, bad: dict[str, set[int]], silent: set[int]) -> None:
    """Two hours of a run a minute; `bad` minutes fail, in `silent` ones we did not look."""
    entries: list[Entry] = []
    hub = Hub(conf, clock, entries.append, lambda _: None, {})
    for minute in range(120):
        for name in CHECKS:
            if minute not in silent:
                failure = REFUSED if minute in bad.get(name, ()) else None
                hub.emit(Result(name, clock.now_ms(), 0.1, {"connect": 0.1}, failure=failure))
        await clock.advance(60)
    await store.append(entries)


@pytest.fixture
async def store(tmp_path: Path):
    opened = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    yield opened
    await opened.close()


async def test_availability_is_time_and_what_nobody_saw_is_unknown(store: Store, clock: FakeClock) -> None:
    began, conf = clock.now_ms(), config()
    await lived(store, clock, conf, {"shop/home": set(range(30, 40))}, silent=set(range(60, 70)))
    records = await Records.read(conf, store, clock, began)
    window = began, began + 120 * MIN
    home = records.subject("shop/home")
    assert home is not None
    found = records.availability(home, window)
    # The last run before the silence speaks for a minute and a half of it.
    assert (found.down, found.unknown, found.up) == (600.0, 9.5 * 60 + 0.0, (120 - 10 - 9.5) * 60)
    assert found.ratio == pytest.approx(100.5 / 110.5)
    assert found.coverage == pytest.approx(110.5 / 120)
    assert found.headline is None


async def test_a_service_is_what_its_rule_makes_of_its_checks(store: Store, clock: FakeClock) -> None:
    began, conf = clock.now_ms(), config()
    bad = {"shop/home": set(range(10, 20)), "shop/cart": set(range(15, 30))}
    await lived(store, clock, conf, bad, silent=set())
    window = began, began + 120 * MIN
    down = {}
    for kind in (RuleKind.ALL, RuleKind.ANY):
        records = await Records.read(config(Rule(kind)), store, clock, began)
        shop = records.subject("shop")
        assert shop is not None
        down[kind] = records.availability(shop, window).down
    assert down == {RuleKind.ALL: 20 * 60.0, RuleKind.ANY: 5 * 60.0}


async def test_outages_are_dated_and_counted_and_say_why(store: Store, clock: FakeClock) -> None:
    began, conf = clock.now_ms(), config()
    await lived(store, clock, conf, {"shop/home": {30, 31, 32, 80, 81}}, silent=set())
    records = await Records.read(conf, store, clock, began)
    shop = records.subject("shop")
    assert shop is not None
    window = began, clock.now_ms()
    found = records.outages(shop, window)
    assert [((one.first_bad_ms - began) // MIN, (one.first_good_ms - began) // MIN, one.bad) for one in found] == [
        (30, 33, 180.0),
        (80, 82, 120.0),
    ]
    assert found[0].reason == "shop/home: connection refused by 127.0.0.1:9"
    measures = records.reliability(shop, window)
    assert (len(measures.failures), measures.mttr.n, measures.mttr.mean) == (2, 2, 150.0)
    (cause,) = records.reasons(shop, window)
    assert (cause.count, cause.minutes) == (2, 5.0)


async def test_what_an_operator_takes_out_does_not_count_and_is_said_apart(store: Store, clock: FakeClock) -> None:
    began, conf = clock.now_ms(), config()
    await lived(store, clock, conf, {"shop/home": set(range(30, 40))}, silent=set())
    span = began + 30 * MIN, began + 40 * MIN
    await store.announce(Announcement("e1", Kind.EXCLUSION, *span, ("shop/*",), reason="lab", author="ana"))
    records = await Records.read(conf, store, clock, began)
    home = records.subject("shop/home")
    assert home is not None
    found = records.availability(home, (began, began + 120 * MIN))
    assert (found.down, found.excluded, found.ratio) == (0.0, 600.0, 1.0)


async def test_nobody_of_that_name_is_nobody(store: Store, clock: FakeClock) -> None:
    records = await Records.read(config(), store, clock, 1)
    assert records.subject("shop/nothing") is None
