"""Silences over the API: nobody is told while they last, everything else goes on, and they end."""

from pathlib import Path

import pytest

from probe.store.base import Kind
from tests.conftest import FakeClock
from tests.web.responding import HOUR, MIN, NOW, equip, fail, post, read, tick
from tests.web.stand import Stand, planned, standing

PLANS = planned("shop/home", labels={"tier": "1"}), planned("shop/cart"), planned("mail/in", service="mail")
QUIET = {"checks": ["shop/*"], "for": "2h", "reason": "load test", "author": "ana"}


async def told(stand: Stand, number: int = 1) -> list[str]:
    """The kinds of the notices of an incident, so far."""
    filed = await stand.store.incident(number)
    assert filed is not None
    return [one.notice.kind.value for one in await stand.store.deliveries(filed.incident.id)]


async def test_a_silence_is_kept_and_listed(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/silences", QUIET, 201)
        assert made == {
            "id": made["id"],
            "from": "2023-11-14T22:13:20.000Z",
            "to": "2023-11-15T00:13:20.000Z",
            "on": True,
            "checks": ["shop/*"],
            "services": [],
            "labels": {},
            "reason": "load test",
            "author": "ana",
            "ended_at": None,
            "ended_by": "",
        }
        assert made["id"].startswith("s-")
        listed = await read(client, "/api/v1/silences")
        assert listed == {"instance": "test-1", "at": "2023-11-14T22:13:20.000Z", "silences": [made]}
        (kept,) = await stand.store.announcements(0)
        assert (kept.kind, kept.began_ms, kept.ended_ms, kept.author) == (Kind.SILENCE, NOW, NOW + 2 * HOUR, "ana")
        assert not stand.judgement.upkeep.muted("shop/home", NOW)  # it is no maintenance


async def test_while_it_lasts_an_incident_is_kept_and_nobody_told_and_then_they_are(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await post(client, "/api/v1/silences", QUIET, 201)
        await fail(stand, "shop/home", "mail/in")
        assert (await told(stand), await told(stand, 2)) == ([], ["opened"])
        value = await read(client, "/api/v1/incidents/1")
        assert value["held"] == "silenced by ana: load test"
        assert "not told: silenced by ana: load test" in [one["text"] for one in value["timeline"]]
        assert "not told: silenced by ana: load test" in await (await client.get("/incidents/1")).text()
        await tick(stand, 2 * 3600.0)
        assert await told(stand) == ["opened"]
        assert (await read(client, "/api/v1/incidents/1"))["held"] == ""


async def test_one_that_is_ended_early_lets_it_be_told_at_once(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        made = await post(client, "/api/v1/silences", QUIET, 201)
        await fail(stand, "shop/home")
        await clock.advance(60.0)
        ended = await post(client, f"/api/v1/silences/{made['id']}/end", {"author": "bo"})
        at = "2023-11-14T22:14:30.000Z"
        assert ended == made | {"to": at, "on": False, "ended_at": at, "ended_by": "bo"}
        stand.dispatcher.look_again()  # as the service does
        await tick(stand)
        assert await told(stand) == ["opened"]
        clock.step_wall(MIN)
        assert await post(client, f"/api/v1/silences/{made['id']}/end", {"author": "cy"}) == ended
        assert (await read(client, "/api/v1/silences"))["silences"] == [ended]
        clock.step_wall(24 * HOUR)
        assert (await read(client, "/api/v1/silences"))["silences"] == []
        assert await post(client, f"/api/v1/silences/{made['id']}/end") == ended


async def test_one_ahead_is_on_in_its_time_and_never_once_it_is_ended(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        ahead = QUIET | {"from": "2023-11-15T00:13:20+01:00"}
        made = await post(client, "/api/v1/silences", ahead, 201)
        assert (made["from"], made["on"]) == ("2023-11-14T23:13:20.000Z", False)
        clock.step_wall(HOUR)
        assert (await read(client, "/api/v1/silences"))["silences"][0]["on"]
        later = await post(client, "/api/v1/silences", QUIET | {"from": "2023-11-16T00:00:00Z"}, 201)
        ended = await post(client, f"/api/v1/silences/{later['id']}/end")
        assert ended["from"] == ended["to"] == "2023-11-16T00:00:00.000Z"


@pytest.mark.parametrize(
    ("asked", "held"),
    [
        ({"services": "shop"}, True),
        ({"services": ["mail"]}, False),
        ({"labels": {"tier": "1"}}, True),
        ({"labels": {"tier": "2"}}, False),
        ({"labels": {"severity": "page"}}, True),
        ({"labels": {"severity": "ticket"}}, False),
        ({"labels": {"owner": "team-*"}}, True),
        ({"checks": ["shop/h*"]}, True),
        ({"checks": ["shop/cart"]}, False),
        ({"checks": ["*"], "services": ["mail"]}, False),
    ],
)
async def test_it_covers_what_matches_all_that_it_names(clock: FakeClock, tmp_path: Path, asked, held: bool):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        rest = {key: value for key, value in QUIET.items() if key != "checks"}
        await post(client, "/api/v1/silences", rest | asked, 201)
        await fail(stand, "shop/home")
        assert (await told(stand) == []) is held


async def test_an_incident_is_told_when_one_of_its_checks_is_not_silenced(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await post(client, "/api/v1/silences", QUIET | {"checks": ["shop/home"]}, 201)
        await fail(stand, "shop/home")
        assert await told(stand) == []
        await fail(stand, "shop/cart")
        assert await told(stand) == ["opened"]


async def test_it_outlives_the_process(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/silences", QUIET, 201)
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        assert (await read(client, "/api/v1/silences"))["silences"] == [made]
        await fail(stand, "shop/home")
        assert await told(stand) == []


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"for": None}, "for: is missing; a silence must end"),
        ({"reason": ""}, "reason: is missing"),
        ({"author": ""}, "author: is missing"),
        ({"checks": []}, "checks: name checks, services or labels"),
        ({"checks": ["shop/hom"]}, "checks: 'shop/hom' matches no check; did you mean shop/home?"),
        ({"checks": ["zzz"]}, '"even_if_none": true takes it all the same'),
        ({"services": ["shpo"]}, "services: 'shpo' matches no service; did you mean shop?"),
        ({"for": "400d"}, "for: must be more than nothing"),
        ({"for": None, "to": "2023-11-14T22:00:00Z"}, "to: is not after its beginning"),
        ({"for": "1h", "from": "2023-11-14T20:00:00Z"}, "to: lies in the past"),
        ({"from": "2025-01-01T00:00:00Z"}, "from: is more than a year ahead"),
        ({"to": "2023-11-15T22:00:00Z"}, "for: is a second end"),
        ({"mode": "mute"}, "unknown key 'mode'"),
        ({"labels": ["tier"]}, "labels: must be an object"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_key(clock: FakeClock, tmp_path: Path, asked, error: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        assert error in (await post(client, "/api/v1/silences", QUIET | asked, 400))["error"]
        assert (await read(client, "/api/v1/silences"))["silences"] == []


@pytest.mark.parametrize("checks", [["zzz/*"], ["probe/receiver/chat"]])
async def test_what_is_not_there_yet_is_taken_on_demand_and_ourselves_always(clock, tmp_path: Path, checks: list[str]):
    async with standing(clock, tmp_path, *PLANS) as _, _.client() as client:
        more = {} if checks[0].startswith("probe/") else {"even_if_none": True}
        assert (await post(client, "/api/v1/silences", QUIET | {"checks": checks} | more, 201))["checks"] == checks


async def test_one_of_another_kind_is_not_found_and_where_it_is_is_said(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as _, _.client() as client:
        assert (await post(client, "/api/v1/silences/s-nothing/end", status=404))[
            "error"
        ] == "there is no silence 's-nothing'"
        made = await post(client, "/api/v1/maintenance", {"checks": ["shop/*"], "reason": "patches"}, 201)
        refused = await post(client, f"/api/v1/silences/{made['id']}/end", status=404)
        assert f"POST /api/v1/maintenance/{made['id']}/end" in refused["error"]
        quiet = await post(client, "/api/v1/silences", QUIET, 201)
        refused = await post(client, f"/api/v1/maintenance/{quiet['id']}/end", status=404)
        assert f"POST /api/v1/silences/{quiet['id']}/end" in refused["error"]


async def test_a_silence_that_is_not_kept_is_not_in_force(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await stand.store.close()
        refused = await post(client, "/api/v1/silences", QUIET, 503)
        assert "the store did not keep it, and nothing is changed" in refused["error"]
        assert (await read(client, "/api/v1/silences"))["silences"] == []


async def test_with_a_token_only_its_sender_may_silence(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        stand.token = "correct-horse-battery"
        await post(client, "/api/v1/silences", QUIET, 401)
        assert (await read(client, "/api/v1/silences"))["silences"] == []


async def test_secrets_are_masked_before_they_are_kept(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        secret = {"reason": "hunter2-secret", "author": "hunter2-secret"}
        assert "hunter2" not in str(await post(client, "/api/v1/silences", QUIET | secret, 201))
        assert "hunter2" not in str(await stand.store.announcements(0))
