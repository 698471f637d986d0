"""What the API says of the past, over a real hub and a real store."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.result import Failure, FailureKind
from probe.config.model import ServicePlan
from tests.conftest import FakeClock
from tests.web.stand import planned, standing
from tests.web.test_api_doc import documented, keys
from thresholds.base import Policy
from thresholds.slo import Objective, Period

REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused, hunter2-secret")


@pytest.fixture
async def stand(clock: FakeClock, tmp_path: Path):
    once = Policy(down_after=(1, 1), up_after=1, flap=None)
    check = planned("shop/home", policy=once)
    async with standing(clock, tmp_path, check) as stand:
        goal = Objective("monthly", 0.999, Period(30 * 86_400.0))
        shop = ServicePlan("shop", members=("shop/home",), objectives=(goal,), every=10.0)
        stand.service.config = replace(stand.service.config, services={"shop": shop})
        await stand.plan()
        for number in range(60):
            stand.run("shop/home", REFUSED if 20 <= number < 26 else None)
        await stand.keep()
        await stand.judgement.accountant.look()
        yield stand


@pytest.mark.parametrize(
    "path",
    [
        "availability?of=shop/home&since=10m&timeline=true",
        "outages?of=shop&since=10m",
        "objectives?of=shop",
        "series?of=shop/home&since=15m&step=300",
    ],
)
async def test_the_keys_in_the_documentation_are_those_returned(stand, path: str) -> None:
    value = await _get(stand, f"/api/v1/{path}")
    assert keys(documented(f"GET /api/v1/{path.partition('?')[0]}")[0]) == keys(value)


async def _get(stand, path: str, status: int = 200):
    async with stand.client() as client:
        answer = await client.get(path)
        assert answer.status == status, await answer.text()
        return await answer.json()


async def test_availability_comes_with_what_it_rests_on(stand) -> None:
    found = await _get(stand, "/api/v1/availability?of=shop/home&since=10m&timeline=true")
    assert found["availability"]["seconds"]["down"] == 60.0
    assert found["availability"]["ratio"] == pytest.approx(1 - 60 / 600, abs=0.02)
    assert "down" in [one["condition"] for one in found["timeline"]]
    assert found["timeline"][-1]["until"] == found["until"]


async def test_outages_come_with_reasons_and_mean_times_and_without_secrets(stand) -> None:
    found = await _get(stand, "/api/v1/outages?of=shop&since=1h")
    (outage,) = found["outages"]
    assert (outage["seconds"], outage["worst"], outage["open"]) == (60.0, "down", False)
    assert "hunter2-secret" not in str(found)
    assert found["reasons"][0]["count"] == 1
    mttr = next(one for one in found["reliability"]["measures"] if one["name"] == "MTTR")
    assert (mttr["n"], mttr["mean"]) == (1, 60.0)
    assert sum(day["opened"] for day in found["flow"]) == 1


async def test_objectives_say_what_is_left(stand) -> None:
    found = await _get(stand, "/api/v1/objectives?of=shop")
    (goal,) = found["objectives"]
    assert (goal["name"], goal["target"], goal["budget_seconds"]) == ("monthly", 0.999, 2592.0)
    assert goal["left_seconds"] == 2592.0 - 60.0
    assert [one["severity"] for one in goal["alerts"]] == ["page", "page", "ticket", "ticket"]


async def test_a_series_has_all_runs(stand) -> None:
    found = await _get(stand, "/api/v1/series?of=shop/home&since=15m&step=300&metric=all")
    assert sum(point["runs"]["down"] for point in found["points"]) == 6
    assert found["whole"]["runs"] == {"up": 54, "degraded": 0, "down": 6, "unknown": 0}
    assert found["whole"]["latencies"]["total"]["count"] == 54
    assert set(found["whole"]["latencies"]) == {"total", "dns", "connect"}


@pytest.mark.parametrize(
    ("query", "status", "says"),
    [
        ("availability", 400, "of whom?"),
        ("availability?of=nobody", 404, "there is no service and no check 'nobody'"),
        ("availability?of=shop&since=soon", 400, "since must be an instant"),
        ("availability?of=shop&since=500d", 400, "400 days at most"),
        ("availability?of=shop&over=decade", 400, "over is one of day, week"),
        ("availability?of=shop&over=month&since=1h", 400, "give over, or since and until"),
        ("availability?of=shop&over=month&zone=Nowhere", 400, "Nowhere"),
        ("outages?of=shop&level=up", 400, "level is down or degraded"),
        ("series?of=shop", 400, "shop is a service"),
        ("series?of=shop/home&step=7", 400, "a step of 7 s"),
        ("objectives?of=nobody", 404, "there is no service"),
        ("availability?of=shop&sinse=1h", 400, "unknown query parameter"),
    ],
)
async def test_a_question_that_makes_no_sense_gets_one_line(stand, query: str, status: int, says: str) -> None:
    assert says in (await _get(stand, f"/api/v1/{query}", status))["error"]


async def test_calendar_months_are_those_of_the_zone(stand) -> None:
    found = await _get(stand, "/api/v1/availability?of=shop&over=month&zone=Australia/Sydney")
    assert found["since"].endswith("T13:00:00.000Z")  # midnight of the first, in summer
