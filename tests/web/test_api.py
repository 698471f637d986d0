"""The JSON that programs read: shapes, order, bounds, errors."""

import json
from pathlib import Path

import pytest

from checks.core.result import Failure, FailureKind
from tests.conftest import FakeClock
from tests.web.stand import BLIND, REFUSED, planned, standing

START = "2023-11-14T22:13:20.000Z"  # date -u -d @1700000000


async def read(client, path: str, status: int = 200):
    answer = await client.get(path)
    assert answer.content_type == "application/json"
    assert answer.status == status, await answer.text()
    return await answer.json()


async def test_a_list_shows_each_check_as_it_stands(clock: FakeClock, tmp_path: Path):
    plan = planned("shop/home", runbook="https://wiki.example/x", labels={"tier": "1"})
    async with standing(clock, tmp_path, plan, planned("a/new", service="")) as stand:
        stand.run("shop/home", REFUSED, duration=0.1234567)
        async with stand.client() as client:
            value = await read(client, "/api/v1/checks")
    assert value.pop("checks")[1] == {
        "name": "shop/home",
        "type": "http",
        "target": "https://shop.example/",
        "service": "shop",
        "owner": "team-shop",
        "runbook": "https://wiki.example/x",
        "labels": {"tier": "1"},
        "level": "down",
        "since": "2023-11-14T22:13:30.000Z",
        "reason": "connection refused",
        "incident": {"id": "shop/home@1700000010000", "number": 1, "since": "2023-11-14T22:13:30.000Z"},
        "maintenance": None,
        "last": {
            "at": "2023-11-14T22:13:30.000Z",
            "duration": 0.123457,
            "level": "down",
            "reason": "connection refused",
            "phases": {"dns": 0.024691, "connect": 0.037037},
            "failure": {"kind": "connect", "phase": "connect", "message": "connection refused"},
        },
    }
    assert value == {
        "instance": "test-1",
        "at": "2023-11-14T22:13:30.000Z",
        "total": 2,
        "offset": 0,
        "limit": 100,
        "counts": {"down": 1, "degraded": 0, "unknown": 1, "up": 0},
    }


async def test_a_check_that_did_not_run_has_no_last_run_and_no_instant(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("a/new")) as stand, stand.client() as client:
        value = (await read(client, "/api/v1/checks"))["checks"][0]
    assert (value["level"], value["since"], value["last"], value["incident"]) == ("unknown", None, None, None)


async def test_pages_are_by_name_and_do_not_overlap(clock: FakeClock, tmp_path: Path):
    plans = [planned(f"shop/{number:02}") for number in range(25, 0, -1)]
    async with standing(clock, tmp_path, *plans) as stand, stand.client() as client:
        pages = [await read(client, f"/api/v1/checks?limit=10&offset={offset}") for offset in (0, 10, 20, 30)]
    assert [len(page["checks"]) for page in pages] == [10, 10, 5, 0]
    assert [check["name"] for page in pages for check in page["checks"]] == [
        f"shop/{number:02}" for number in range(1, 26)
    ]
    assert {page["total"] for page in pages} == {25}


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("level=down", ["b"]),
        ("level=down&level=unknown", ["b", "c"]),
        ("level=down,up", ["a", "b"]),
        ("service=other", ["c"]),
        ("q=refused", ["b"]),
        ("q=TEAM-SHOP%20b", ["b"]),
    ],
)
async def test_a_query_narrows_the_list(clock: FakeClock, tmp_path: Path, query: str, expected: list[str]):
    async with standing(clock, tmp_path, planned("a"), planned("b"), planned("c", service="other", owner="")) as stand:
        stand.run("a")
        stand.run("b", REFUSED)
        stand.run("c", BLIND)
        async with stand.client() as client:
            value = await read(client, f"/api/v1/checks?{query}")
    assert [check["name"] for check in value["checks"]] == expected
    assert value["total"] == sum(value["counts"].values()) == len(expected)


@pytest.mark.parametrize(
    ("path", "part"),
    [
        ("/api/v1/checks?levle=down", "unknown query parameter 'levle'; known are level, limit, offset, q, service"),
        ("/api/v1/checks?level=bad", "unknown level 'bad'; levels are down, degraded, unknown, up"),
        ("/api/v1/checks?limit=0", "limit must be a whole number from 1 to 1000"),
        ("/api/v1/checks?limit=1001", "limit must be"),
        ("/api/v1/checks?limit=-1", "limit must be"),
        ("/api/v1/checks?limit=1e2", "limit must be"),
        ("/api/v1/checks?limit=%D9%A3", "limit must be"),  # an Arabic 3
        ("/api/v1/checks?offset=x", "offset must be"),
        ("/api/v1/checks?q=" + "x" * 201, "q is longer than 200"),
        ("/api/v1/checks/a?since=yesterday", "since must be an instant with its offset"),
        ("/api/v1/checks/a?since=2023-11-14T22:13:20", "since must be an instant with its offset"),
        ("/api/v1/checks/a?until=2023-11-14T22:13:20+00:00", "until must be an instant"),  # + is a space
        ("/api/v1/checks/a?since=" + "9" * 400 + "w", "since must be"),
        ("/api/v1/checks/a?level=down", "unknown query parameter 'level'; known are limit, since, until"),
    ],
)
async def test_a_query_that_means_nothing_is_refused(clock: FakeClock, tmp_path: Path, path: str, part: str):
    async with standing(clock, tmp_path, planned("a")) as stand, stand.client() as client:
        value = await read(client, path, 400)
    assert set(value) == {"error"}
    assert part in value["error"]


async def test_a_check_has_its_last_results_and_transitions(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/home")) as stand:
        stand.run("shop/home", facts={"http.status": 200, "tls.days_left": 41.5, "http.reused": False})
        stand.run("shop/home", Failure(FailureKind.TIMEOUT, "ttfb", "no answer within 5 s"), attempt=2)
        await stand.keep()
        async with stand.client() as client:
            value = await read(client, "/api/v1/checks/shop/home")
            newest = await read(client, "/api/v1/checks/shop/home?limit=1")
    assert (value["every"], value["timeout"], value["level"]) == (10.0, 5.0, "down")
    assert [result["level"] for result in value["results"]] == ["up", "down"]
    assert value["results"][0]["facts"] == {"http.status": 200, "tls.days_left": 41.5, "http.reused": False}
    assert value["results"][1]["failure"] == {"kind": "timeout", "phase": "ttfb", "message": "no answer within 5 s"}
    assert value["results"][1] == value["last"]
    assert (value["last"]["attempt"], value["last"]["provisional"]) == (2, False)
    assert value["transitions"][-1] == {
        "at": "2023-11-14T22:13:40.100Z",
        "since": "2023-11-14T22:13:40.000Z",
        "before": "up",
        "after": "down",
        "event": "opened",
        "incident": "shop/home@1700000020000",
        "reason": "no answer within 5 s",
        "runs": "down",
    }
    assert newest["results"] == value["results"][1:]


@pytest.mark.parametrize(
    ("query", "runs"),
    [
        ("", 3),
        ("since=2023-11-14T22:13:40Z", 2),  # the window is half-open: its first instant is in it
        ("since=2023-11-14T22:13:40.001Z", 1),
        ("until=2023-11-14T22:13:40Z", 1),
        ("since=2023-11-15T09:13:40%2B11:00", 2),
        ("since=15s", 2),
        ("since=15s&until=5s", 1),
        ("since=7d", 3),
        ("since=9999w", 3),
    ],
)
async def test_a_window_is_half_open(clock: FakeClock, tmp_path: Path, query: str, runs: int):
    async with standing(clock, tmp_path, planned("a")) as stand:
        for _ in range(3):  # at 22:13:30, :40 and :50
            stand.run("a")
        await stand.keep()
        async with stand.client() as client:
            value = await read(client, f"/api/v1/checks/a?{query}")
    assert len(value["results"]) == runs


async def test_an_unknown_check_is_not_found(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("a")) as stand, stand.client() as client:
        assert await read(client, "/api/v1/checks/b/c", 404) == {"error": "there is no check 'b/c'"}
        assert await read(client, "/api/v1/nothing", 404) == {"error": "there is nothing at this address"}


async def test_without_the_store_what_is_in_memory_still_answers(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("a")) as stand:
        stand.run("a", REFUSED)
        await stand.store.close()
        async with stand.client() as client:
            value = await read(client, "/api/v1/checks/a", 503)
            every = await read(client, "/api/v1/checks")
    assert value["error"].startswith("the store did not answer")
    assert (value["results"], value["transitions"]) == (None, None)
    assert (value["level"], value["last"]["reason"]) == ("down", "connection refused")
    assert every["total"] == 1


async def test_five_thousand_checks_are_read_in_pages(clock: FakeClock, tmp_path: Path):
    plans = [planned(f"s/{number:04}") for number in range(5000)]
    async with standing(clock, tmp_path, *plans) as stand, stand.client() as client:
        answer = await client.get("/api/v1/checks?limit=1000&offset=4500", headers={"Accept-Encoding": "gzip"})
        assert answer.headers["Content-Encoding"] == "gzip"
        value = json.loads(await answer.text())
    assert (len(value["checks"]), value["total"]) == (500, 5000)
