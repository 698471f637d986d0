"""Who is on call, as pages, the API and calendar programs see it; and overrides that people say."""

import json
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from aiohttp.test_utils import TestClient

from exporters.oncall.feed import shifts_of_feed
from exporters.oncall.people import User
from exporters.oncall.roster import Roster
from exporters.oncall.rotation import Grid, LineUp, Rotation
from exporters.oncall.schedule import Layer, Schedule
from probe.engine.duty import Duty
from tests.conftest import FakeClock
from tests.web.stand import Markup, Stand, standing
from tests.web.test_api_doc import documented, keys
from thresholds.hours import parse_hours

MADRID = ZoneInfo("Europe/Madrid")
HOUR = 3_600_000
# date -u -d 2026-11-04T20:00:00Z +%s
NOW = 1_793_822_400_000
SECRET = "ana-secret@shop.example"
HOLIDAYS = {"schedule": "prodops", "replace": {"ana": "bo"}, "for": "36h", "reason": "holidays", "author": "ana"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(NOW)


def roster() -> Roster:
    """By the week ana, bo and cy; in the office only they, by the hours that it is open."""
    turns = LineUp(("ana", "bo", "cy"), Grid(datetime.fromisoformat("2026-11-02T09:00"), MADRID))
    primary = Layer(("rotation:primary",))
    office = Layer(("rotation:primary",), parse_hours("Mon-Fri 09:00-17:00", MADRID))
    covers = parse_hours("Mon-Fri 08:00-17:00", MADRID)
    people = {"ana": "Ana <b>Ruiz", "bo": "Bo Lind", "cy": ""}
    return Roster(
        {name: User(name, shown, "Europe/Madrid", {"mail": SECRET}) for name, shown in people.items()},
        {"primary": Rotation("primary", (turns,))},
        {
            "prodops": Schedule("prodops", (primary,), MADRID),
            "office": Schedule("office", (office,), MADRID, covers=covers),
        },
    )


@asynccontextmanager
async def serving(clock: FakeClock, folder: Path) -> AsyncIterator[tuple[Stand, TestClient[Any, Any]]]:
    async with standing(clock, folder) as stand:
        stand.service.duty = Duty(roster())
        stand.service.duty.receivers = lambda: ["mail"]
        async with stand.client() as client:
            yield stand, client


async def read(client, path: str, status: int = 200):
    answer = await client.get(path)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def post(client, path: str, body, status: int = 200):
    answer = await client.post(path, json=body)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def test_who_is_on_call_now_and_who_is_next(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, client):
        found = await read(client, "/api/v1/oncall")
        prodops, office = found["schedules"]
        assert [one["user"] for one in prodops["people"]] == ["ana"]
        assert (prodops["since"], prodops["until"]) == ("2026-11-02T08:00:00.000Z", "2026-11-09T08:00:00.000Z")
        assert [one["name"] for one in prodops["next"]] == ["Bo Lind"]
        assert (office["people"], office["gap"]) == ([], False)
        later = await read(client, "/api/v1/oncall?at=2026-11-10T07:30:00Z&schedule=office")
        assert [(one["schedule"], one["gap"]) for one in later["schedules"]] == [("office", True)]


async def test_shifts_and_gaps_of_a_schedule_and_of_a_user(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, client):
        found = await read(client, "/api/v1/oncall/office/shifts?days=2&from=2026-11-05T00:00:00Z")
        assert [(one["from"], one["to"]) for one in found["shifts"]] == [
            ("2026-11-05T08:00:00.000Z", "2026-11-05T16:00:00.000Z"),
            ("2026-11-06T08:00:00.000Z", "2026-11-06T16:00:00.000Z"),
        ]
        assert found["gaps"] == [
            {"from": "2026-11-05T07:00:00.000Z", "to": "2026-11-05T08:00:00.000Z"},
            {"from": "2026-11-06T07:00:00.000Z", "to": "2026-11-06T08:00:00.000Z"},
        ]
        mine = await read(client, "/api/v1/oncall/users/bo/shifts?days=5")
        assert [(one["schedule"], one["from"], one["on"]) for one in mine["shifts"]] == [
            ("office", "2026-11-09T08:00:00.000Z", False),
            ("prodops", "2026-11-09T08:00:00.000Z", False),
        ]
        places = [one["place"] for one in (await read(client, "/api/v1/oncall/lint"))["findings"]]
        assert places == ["schedules.office"]


@pytest.mark.parametrize(
    ("path", "status", "line"),
    [
        ("/api/v1/oncall/none/shifts", 404, "there is no schedule 'none'"),
        ("/api/v1/oncall/users/none/shifts", 404, "there is no user 'none'"),
        ("/api/v1/oncall?schedule=none", 404, "there is no schedule 'none'"),
        ("/api/v1/oncall?at=soon", 400, "at must be an instant"),
        ("/api/v1/oncall?at=9999-01-01T00:00:00Z", 400, "outside of the years"),
        ("/api/v1/oncall/prodops/shifts?days=366", 400, "days must be a whole number from 1 to 365"),
        ("/api/v1/oncall?day=1", 400, "unknown query parameter 'day'"),
    ],
)
async def test_what_there_is_not_is_one_line(clock: FakeClock, tmp_path: Path, path: str, status: int, line: str):
    async with serving(clock, tmp_path) as (_, client):
        assert line in (await read(client, path, status))["error"]


async def test_an_override_is_gone_by_until_it_is_ended_and_outlives_a_restart(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, client):
        made = await post(client, "/api/v1/overrides", HOLIDAYS, 201)
        assert made["warnings"] == []
        assert re.fullmatch(r"o-\w{8}", made["id"])
        assert (made["from"], made["to"]) == ("2026-11-04T20:00:00.000Z", "2026-11-06T08:00:00.000Z")
        now = await read(client, "/api/v1/oncall?schedule=prodops")
        assert [one["user"] for one in now["schedules"][0]["people"]] == ["bo"]
        assert now["schedules"][0]["until"] == made["to"]
    async with standing(clock, tmp_path) as stand:
        (said,) = stand.service.announced()
        assert said.id == made["id"]
    async with serving(clock, tmp_path) as (stand, client):
        clock.step_wall(HOUR)
        listed = (await read(client, "/api/v1/overrides"))["overrides"]
        assert [(one["id"], one["on"], one["replace"]) for one in listed] == [(made["id"], True, {"ana": "bo"})]
        ended = await post(client, f"/api/v1/overrides/{made['id']}/end", {"author": "ben"})
        assert (ended["to"], ended["ended_by"]) == ("2026-11-04T21:00:00.000Z", "ben")
        assert await post(client, f"/api/v1/overrides/{made['id']}/end", {}) == ended
        now = await read(client, "/api/v1/oncall?schedule=prodops")
        assert [one["user"] for one in now["schedules"][0]["people"]] == ["ana"]


async def test_one_that_is_ended_before_it_begins_never_is(clock: FakeClock, tmp_path: Path):
    ahead = HOLIDAYS | {"from": "2026-11-05T08:00:00Z"}
    async with serving(clock, tmp_path) as (stand, client):
        made = await post(client, "/api/v1/overrides", ahead, 201)
        await post(client, f"/api/v1/overrides/{made['id']}/end", {})
        assert stand.service.duty.overrides() == []
        clock.step_wall(14 * HOUR)
        assert [one["user"] for one in (await read(client, "/api/v1/oncall"))["schedules"][0]["people"]] == ["ana"]


async def test_holidays_are_of_every_schedule(clock: FakeClock, tmp_path: Path):
    everywhere = {key: value for key, value in HOLIDAYS.items() if key != "schedule"}
    async with serving(clock, tmp_path) as (_, client):
        assert (await post(client, "/api/v1/overrides", everywhere, 201))["schedule"] is None
        found = await read(client, "/api/v1/oncall?at=2026-11-05T10:00:00Z")
        assert [one["people"][0]["user"] for one in found["schedules"]] == ["bo", "bo"]


@pytest.mark.parametrize(
    ("change", "doubt"),
    [
        ({"replace": {"bo": "cy"}}, ["bo is not on call in prodops in that time"]),
        (
            {"replace": {}, "remove": ["ana"]},
            ["nobody is on call in prodops then, from 2026-11-04T20:00:00.000Z to 2026-11-06T08:00:00.000Z"],
        ),
        ({"replace": {}, "add": ["cy"]}, []),
    ],
)
async def test_what_is_probably_not_meant_is_a_warning(clock: FakeClock, tmp_path: Path, change, doubt: list[str]):
    async with serving(clock, tmp_path) as (_, client):
        assert (await post(client, "/api/v1/overrides", HOLIDAYS | change, 201))["warnings"] == doubt


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"schedule": "prodop"}, "schedule: there is none called 'prodop'; known are office, prodops"),
        ({"replace": {"anna": "bo"}}, "replace: no user is called 'anna'; known are ana, bo, cy"),
        ({"replace": {"ana": "bob"}}, "replace: no user is called 'bob'"),
        ({"replace": {}}, "replace: say what changes"),
        ({"for": None}, "to: is missing; an override must end"),
        ({"for": None, "from": "2026-11-01T00:00:00Z", "to": "2026-11-02T00:00:00Z"}, "to: lies in the past"),
        ({"from": "2028-11-01T00:00:00Z"}, "from: is more than a year ahead"),
        ({"reason": ""}, "reason: is missing"),
        ({"author": None}, "author: is missing"),
        ({"schedule": None, "replace": {}, "add": ["bo"]}, "schedule: is missing"),
        ({"who": "ana"}, "unknown key 'who'"),
    ],
)
async def test_a_mistake_in_an_override_is_named(clock: FakeClock, tmp_path: Path, change, line: str):
    async with serving(clock, tmp_path) as (stand, client):
        assert line in (await post(client, "/api/v1/overrides", HOLIDAYS | change, 400))["error"]
        assert not stand.service.announced()


async def test_without_the_token_nobody_is_put_on_call(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, client):
        stand.token = "hunter2-secret"
        assert "valid token" in (await post(client, "/api/v1/overrides", HOLIDAYS, 401))["error"]


async def test_calendar_programs_read_a_schedule_back_as_it_is(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, client):
        await post(client, "/api/v1/overrides", HOLIDAYS, 201)
        answer = await client.get("/oncall/prodops.ics")
        assert answer.content_type == "text/calendar"
        text = await answer.text()
        again = await client.get("/oncall/prodops.ics", headers={"If-None-Match": answer.headers["ETag"]})
        assert again.status == 304
        mine = await (await client.get("/oncall/user/bo.ics")).text()
        assert (await client.get("/oncall/user/none.ics")).status == 404
        assert (await client.head("/oncall/prodops.ics")).status == 200
    shifts = shifts_of_feed(text, roster().users, MADRID, (NOW, NOW + 48 * HOUR)).shifts
    assert [(one.start_ms - NOW, one.who) for one in shifts] == [(0, ("bo",)), (36 * HOUR, ("ana",))]
    assert "SUMMARY:On call: prodops" in mine
    assert SECRET not in text + mine


async def test_the_page_shows_names_and_gaps_and_no_addresses(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, client):
        await post(client, "/api/v1/overrides", HOLIDAYS | {"from": "2026-11-05T08:00:00Z"}, 201)
        text = await (await client.get("/oncall")).text()
        assert 'href="/oncall"' in await (await client.get("/")).text()
    page = Markup(text)
    assert "Ana <b>Ruiz until Thu 05 Nov 09:00, then Bo Lind" in page.text.replace(" ,", ",")
    assert "<b>" not in text
    assert "9 gaps in the next 14 days" in page.text
    assert "bo for ana" in page.text
    assert SECRET not in text
    assert sum(one.get("class") == "gap" for one in page.all("rect")) == 10
    assert {"href": "/oncall/prodops.ics"} in page.all("a")


async def test_a_page_without_schedules_says_so(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        assert "No schedule is configured." in await (await client.get("/oncall")).text()
        assert (await read(client, "/api/v1/oncall"))["schedules"] == []


@pytest.mark.parametrize(
    ("heading", "path"),
    [
        ("GET /api/v1/oncall", "/api/v1/oncall"),
        ("GET /api/v1/oncall/{schedule}/shifts", "/api/v1/oncall/office/shifts"),
        ("GET /api/v1/oncall/users/{user}/shifts", "/api/v1/oncall/users/bo/shifts"),
        ("GET /api/v1/oncall/lint", "/api/v1/oncall/lint"),
        ("GET /api/v1/overrides", "/api/v1/overrides"),
    ],
)
async def test_the_keys_in_the_documentation_are_those_returned(clock: FakeClock, tmp_path: Path, heading, path):
    def shape(value):
        return {key for key in keys(value) if ".replace." not in key}

    async with serving(clock, tmp_path) as (_, client):
        await post(client, "/api/v1/overrides", HOLIDAYS | {"for": "200h"}, 201)
        found = await read(client, path)
    assert shape(documented(heading)[0]) == shape(json.loads(json.dumps(found)))
