"""How Probe itself does, as JSON: real hub, real figures, by the real endpoint."""

from pathlib import Path

import pytest

from probe.engine.vitals import Vitals
from probe.web.vitals import Survey
from tests.conftest import FakeClock
from tests.web.stand import BLIND, REFUSED, Stand, planned, standing
from thresholds.base import Level

NAMES = [f"shop/{number}" for number in range(12)]


async def answer(stand: Stand, path: str = "/api/v1/vitals"):
    async with stand.client() as client:
        response = await client.get(path)
        return response.status, await response.json()


async def test_every_process_is_there_with_its_counts(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand:
        stand.vitals = [
            Vitals("service", 100, clock.now_ms(), cpu=1.5, rss=1 << 26, loop_lag=[1] * 12, loop_lag_total=4.2),
            Vitals("worker 1", 101, clock.now_ms() - 2000, runs=7, missed=2, dropped={"slow_reader": 3}, restarts=4),
        ]
        _, value = await answer(stand)
    service, worker = value["processes"]
    assert (service["process"], service["cpu"], service["rss"]) == ("service", 1.5, 1 << 26)
    assert service["loop_lag"]["counts"] == [1] * 12
    assert len(service["loop_lag"]["bounds"]) == 11
    assert (worker["runs"], worker["missed"], worker["dropped"]) == (7, 2, {"slow_reader": 3})
    assert (service["at"], worker["at"]) == (value["at"], "2023-11-14T22:13:18.000Z")  # date -u -d @1699999998
    assert worker["restarts"] == 4


async def test_what_is_wrong_with_ourselves_is_said_without_secrets(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand:
        _, value = await answer(stand)
        assert (value["ourselves"], value["trouble"]) == ([], "")
        stand.hub.report("store", Level.DOWN, "disk full: hunter2-secret")
        stand.hub.report("config", Level.DEGRADED, "old")
        stand.hub.report("receiver/chat", Level.UP, "")
        stand.service.reason = "the store fails: hunter2-secret"
        _, value = await answer(stand)
    assert [(one["name"], one["level"], one["reason"]) for one in value["ourselves"]] == [
        ("probe/config", "degraded", "old"),
        ("probe/store", "down", "disk full: •••"),
    ]
    assert value["trouble"] == "the store fails: •••"


async def test_failing_checks_come_worst_first_and_slow_ones_slowest_first(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *map(planned, (*NAMES, "never/ran"))) as stand:
        for number, name in enumerate(NAMES):
            stand.run(name, duration=0.01 * number)
        stand.run("shop/3", BLIND)
        stand.run("shop/4", duration=2.0)
        stand.run("shop/5", REFUSED, duration=9.0)
        stand.run("shop/6", REFUSED)
        _, value = await answer(stand, "/api/v1/vitals?limit=3")
    failing = [(one["name"], one["level"], one["reason"]) for one in value["failing"]]
    assert failing == [
        ("shop/5", "down", "connection refused"),
        ("shop/6", "down", "connection refused"),
        ("shop/4", "degraded", "total 2 s is over 800 ms"),
    ]
    slowest = [(one["name"], one["duration"]) for one in value["slowest"]]
    assert slowest == [("shop/4", 2.0), ("shop/11", 0.11), ("shop/10", 0.1)]
    assert value["counts"] == {"down": 2, "degraded": 1, "unknown": 2, "up": 8}
    assert value["incidents"] == 3


async def test_a_check_that_cannot_be_judged_is_in_the_list_and_one_that_never_ran_is_not(clock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("blind"), planned("never/ran")) as stand:
        stand.run("blind", BLIND)
        _, value = await answer(stand)
    assert [one["name"] for one in value["failing"]] == ["blind"]
    assert value["slowest"] == []


async def test_lists_are_as_long_as_asked_for(clock: FakeClock, tmp_path: Path):
    plans = [planned(f"check/{number:04}") for number in range(600)]
    async with standing(clock, tmp_path, *plans) as stand:
        for number, plan in enumerate(plans):
            stand.run(plan.name, REFUSED if number % 2 else None, duration=(number * 7919 % 600) / 1000)
        for limit in (0, 1, 200):
            _, value = await answer(stand, f"/api/v1/vitals?limit={limit}")
            assert [len(value[name]) for name in ("failing", "slowest")] == [limit, limit]
            assert value["counts"]["down"] == 300
        longest = [one["duration"] for one in value["slowest"]]
        assert longest == sorted(longest, reverse=True)
        assert longest[0] == max(number * 7919 % 600 for number in range(0, 600, 2)) / 1000


@pytest.mark.parametrize("query", ["limit=201", "limit=-1", "limit=x", "level=down"])
async def test_a_query_that_means_nothing_is_refused(clock: FakeClock, tmp_path: Path, query: str):
    async with standing(clock, tmp_path) as stand:
        status, value = await answer(stand, f"/api/v1/vitals?{query}")
    assert status == 400
    assert set(value) == {"error"}


async def test_looking_in_slices_finds_what_looking_at_all_finds(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *[planned(f"c/{number}") for number in range(50)]) as stand:
        for number in range(50):
            stand.run(f"c/{number}", REFUSED if number % 3 == 0 else None, duration=(number * 17 % 50) / 100)
        views = list(stand.hub.views())
    whole, sliced = Survey(5), Survey(5)
    whole.take(views)
    for start in range(0, 50, 7):
        sliced.take(views[start : start + 7])
    assert whole == sliced
    assert len(whole.failing) == len(whole.slowest) == 5
