"""Changes and deploys over the API and on the page: what is kept, what is shown, what is muted, what is refused."""

import re
from pathlib import Path

import pytest

from exporters.alerting.change import Moment
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.web.stand import REFUSED, Markup, planned, standing

NOW = 1_700_000_000_000  # 2023-11-14T22:13:20Z: date -u -d @1700000000
MIN = 60_000
HOUR = 60 * MIN
CART = {"id": "CHG123", "service": "shop", "title": "new cart", "author": "ana"}
PLANS = planned("shop/home", labels={"tier": "1"}), planned("shop/cart"), planned("mail/in", service="mail")


async def post(client, path: str, value=None, status: int = 200):
    answer = await client.post(path, json=value) if value is not None else await client.post(path)
    assert answer.content_type == "application/json"
    assert answer.status == status, await answer.text()
    return await answer.json()


async def read(client, path: str = "/api/v1/changes", status: int = 200):
    answer = await client.get(path)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def test_a_change_is_kept_listed_and_ended_and_mutes_nobody(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        told = []
        stand.service.changes.told = lambda change, moment: told.append((change.id, moment))
        made = await post(client, "/api/v1/changes", CART | {"for": "2h", "risk": "high"}, 201)
        assert made == {
            "id": "CHG123",
            "kind": "change",
            "name": "CHG123",
            "state": "in_progress",
            "from": "2023-11-14T22:13:20.000Z",
            "to": "2023-11-15T00:13:20.000Z",
            "title": "new cart",
            "checks": [],
            "services": ["shop"],
            "labels": {},
            "covers": {"count": 2, "checks": ["shop/cart", "shop/home"]},
            "version": "",
            "url": "",
            "author": "ana",
            "risk": "high",
            "mute": False,
            "warnings": [],
        }
        assert not stand.judgement.upkeep.muted("shop/home", NOW)
        listed = await read(client)
        del made["warnings"]
        assert (listed["in_progress"], listed["changes"]) == (1, [made])
        clock.step_wall(10 * MIN)
        near = stand.service.changes.nearby(PLANS[0], clock.now_ms())
        assert near == ("CHG123 in progress for 10m: new cart",)
        ended = await post(client, "/api/v1/changes/CHG123/end")
        assert (ended["state"], ended["to"]) == ("done", "2023-11-14T22:23:20.000Z")
        clock.step_wall(MIN)
        assert await post(client, "/api/v1/changes/CHG123/end") == ended
        assert told == [("CHG123", Moment.BEGUN), ("CHG123", Moment.OVER)]
        failed = await post(client, "/api/v1/changes/CHG123/end", {"failed": True})
        assert failed == ended | {"state": "failed"}
        assert await post(client, "/api/v1/changes/CHG123/end") == failed  # and is not taken back
        assert len(told) == 2
        assert (await read(client))["in_progress"] == 0


async def test_a_change_that_is_told_of_again_is_the_same_and_goes_on(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        told = []
        stand.service.changes.told = lambda change, moment: told.append(moment)
        first = await post(client, "/api/v1/changes", CART, 201)
        clock.step_wall(5 * MIN)
        again = await post(client, "/api/v1/changes", CART | {"title": "newer cart"}, 201)
        assert again == first | {"title": "newer cart"}
        assert [one["title"] for one in (await read(client))["changes"]] == ["newer cart"]
        assert told == [Moment.BEGUN]
        await post(client, "/api/v1/changes/CHG123/end", {"failed": True})
        clock.step_wall(HOUR)
        retry = await post(client, "/api/v1/changes", CART, 201)  # the next attempt is one of its own
        assert (retry["state"], retry["from"]) == ("in_progress", "2023-11-14T23:18:20.000Z")
        assert [one["state"] for one in (await read(client))["changes"]] == ["failed", "in_progress"]


async def test_a_start_that_comes_again_late_opens_nothing(clock: FakeClock, tmp_path: Path):
    """A pipeline whose request was lost tries again, after somebody has ended it."""
    asked = CART | {"from": "2023-11-14T22:13:20Z"}
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await post(client, "/api/v1/changes", asked, 201)
        clock.step_wall(MIN)
        ended = await post(client, "/api/v1/changes/CHG123/end")
        clock.step_wall(MIN)
        late = await post(client, "/api/v1/changes", asked, 201)
        assert (late["state"], late["to"]) == ("done", ended["to"])
        assert len((await read(client))["changes"]) == 1


async def test_a_deploy_is_an_instant_and_told_of_twice_is_one(clock: FakeClock, tmp_path: Path):
    asked = {"service": "shop", "version": "1.2.3", "at": "2023-11-14T22:07:20Z", "url": "https://ci.example/7"}
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/changes", asked, 201)
        assert (made["kind"], made["state"], made["name"]) == ("deploy", "deployed", "shop 1.2.3")
        assert made["from"] == made["to"] == "2023-11-14T22:07:20.000Z"
        assert await post(client, "/api/v1/changes", asked, 201) == made
        assert len((await read(client))["changes"]) == 1
        assert stand.service.changes.nearby(PLANS[0], NOW) == ("shop 1.2.3 deployed 6m before",)
        assert stand.service.changes.nearby(PLANS[2], NOW) == ()
        now = await post(client, "/api/v1/changes", {"service": "mail", "version": "2"}, 201)
        assert (now["kind"], now["from"]) == ("deploy", "2023-11-14T22:13:20.000Z")
        assert await post(client, f"/api/v1/changes/{made['id']}/end", status=404)


async def test_a_deploy_with_the_id_of_a_change_leaves_the_change_open(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await post(client, "/api/v1/changes", CART, 201)
        clock.step_wall(MIN)
        at = {"id": "CHG123", "service": "shop", "version": "7", "at": "2023-11-14T22:14:00Z"}
        assert (await post(client, "/api/v1/changes", at, 201))["kind"] == "deploy"
        assert (await post(client, "/api/v1/changes/CHG123/end"))["kind"] == "change"


async def test_a_change_that_mutes_is_maintenance_until_it_is_over(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/changes", CART | {"mute": True}, 201)
        assert made["mute"]
        assert [stand.judgement.upkeep.muted(name, NOW) for name in ("shop/home", "mail/in")] == [True, False]
        (listed,) = (await read(client, "/api/v1/maintenance"))["now"]
        assert (listed["id"], listed["reason"], listed["to"]) == (f"change:CHG123@{NOW}", "new cart", None)
        clock.step_wall(10 * MIN)
        await post(client, "/api/v1/changes/CHG123/end")
        assert not stand.judgement.upkeep.muted("shop/home", NOW + 10 * MIN)
        assert stand.judgement.upkeep.muted("shop/home", NOW + 10 * MIN - 1)


async def test_asked_again_without_muting_it_is_heard_again(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await post(client, "/api/v1/changes", CART | {"mute": True}, 201)
        clock.step_wall(MIN)
        await post(client, "/api/v1/changes", CART, 201)
        assert not stand.judgement.upkeep.muted("shop/home", NOW + MIN)
        assert stand.service.changes.lasting()


async def test_what_was_told_outlives_the_process(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await post(client, "/api/v1/changes", CART | {"mute": True}, 201)
    clock.step_wall(30 * 24 * HOUR)  # it is in progress for as long as nobody ends it
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        assert [one.id for one in stand.service.changes.lasting()] == ["CHG123"]
        assert stand.judgement.upkeep.muted("shop/home", clock.now_ms())
        await post(client, "/api/v1/changes/CHG123/end")
    clock.step_wall(30 * 24 * HOUR)
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        assert stand.service.changes.known() == []
        assert (await post(client, "/api/v1/changes/CHG123/end"))["state"] == "done"  # the store knows it still
        assert not stand.judgement.upkeep.muted("shop/home", clock.now_ms())


async def test_a_crash_between_a_change_and_its_maintenance_is_mended_at_the_start(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await post(client, "/api/v1/changes", CART | {"mute": True}, 201)
        (change,) = stand.service.changes.lasting()
    lost = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    await lost.mark(change.__class__(**{**_fields(change), "id": "CHG124", "began_ms": NOW - 1}))
    await lost.mark(change.__class__(**{**_fields(change), "ended_ms": NOW + 1}))  # ended, and then the power went
    await lost.close()
    clock.step_wall(MIN)
    async with standing(clock, tmp_path, *PLANS) as stand:
        (muting,) = [one for one in stand.judgement.upkeep.announced() if not one.ended_ms]
        assert muting.id == f"change:CHG124@{NOW - 1}"
        assert stand.judgement.upkeep.muted("shop/home", clock.now_ms())


def _fields(change):
    return {name: getattr(change, name) for name in change.__dataclass_fields__}


async def test_maintenance_of_a_change_that_was_ended_by_hand_stays_ended(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await post(client, "/api/v1/changes", CART | {"mute": True}, 201)
        clock.step_wall(MIN)
        await post(client, f"/api/v1/maintenance/change:CHG123@{NOW}/end")
    clock.step_wall(MIN)
    async with standing(clock, tmp_path, *PLANS) as stand:
        assert stand.service.changes.lasting()
        assert not stand.judgement.upkeep.muted("shop/home", clock.now_ms())


async def test_two_changes_at_once_on_the_same_checks_are_warned_of(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as _, _.client() as client:
        await post(client, "/api/v1/changes", CART, 201)
        other = {"id": "CHG9", "labels": {"tier": "1"}, "title": "patches"}
        made = await post(client, "/api/v1/changes", other, 201)
        assert made["warnings"] == ["CHG123 is in progress on shop/home, too: new cart (ana)"]
        assert (await post(client, "/api/v1/changes", CART | {"id": "A", "service": "mail"}, 201))["warnings"] == []
        assert (await post(client, "/api/v1/changes", {"service": "shop", "version": "1"}, 201))["warnings"] == []


async def test_a_mistyped_name_is_a_warning_and_an_error_where_it_would_mute(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as _, _.client() as client:
        asked = {"service": "shpo", "version": "1"}
        assert (await post(client, "/api/v1/changes", asked, 201))["warnings"] == [
            "services: 'shpo' matches no service; did you mean shop?"
        ]
        elsewhere = {"service": "billing", "version": "1"}
        assert (await post(client, "/api/v1/changes", elsewhere, 201))["warnings"] == [
            "services: 'billing' matches no service"
        ]
        assert (await post(client, "/api/v1/changes", asked | {"even_if_none": True}, 201))["warnings"] == []
        refused = await post(client, "/api/v1/changes", CART | {"service": "shpo", "mute": True}, 400)
        assert "did you mean shop?" in refused["error"]


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({}, "name services, checks or labels"),
        ({"service": "shop"}, "title: is missing"),
        (CART | {"id": "../../x"}, "id: must be letters"),
        (CART | {"id": "a b"}, "id: must be letters"),
        (CART | {"id": "x" * 101}, "id: is longer than 100"),
        (CART | {"id": 7}, "id: must be a text"),
        (CART | {"at": "2023-11-14T22:13:20Z", "for": "1h"}, "for: does not go with at"),
        (CART | {"at": "2023-11-14T22:13:20Z", "mute": True}, "mute: does not go with at"),
        (CART | {"at": "2023-11-14T23:13:20Z"}, "at: lies ahead"),
        (CART | {"from": "2023-11-15T22:13:20Z"}, "from: lies ahead"),
        (CART | {"at": "2023-10-01T00:00:00Z"}, "at: is more than 30 days ago"),
        (CART | {"at": "yesterday"}, "at: must be an instant"),
        (CART | {"from": "2023-11-14T20:00:00Z", "to": "2023-11-14T21:00:00Z"}, "to: lies in the past"),
        (CART | {"risk": "huge"}, "risk: must be low or medium or high"),
        (CART | {"url": "javascript:alert(1)"}, "url: wants a whole address"),
        (CART | {"mute": "yes"}, "mute: must be true or false"),
        (CART | {"services": [""]}, "services: must be names"),
        (CART | {"reason": "x"}, "unknown key 'reason'"),
        (CART | {"title": "x" * 301}, "title: is longer"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_key(clock: FakeClock, tmp_path: Path, asked, error):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        assert error in (await post(client, "/api/v1/changes", asked, 400))["error"]
        assert stand.service.changes.known() == []


@pytest.mark.parametrize("wanted", ["CHG999", "..%2f..%2fx", "%00", "m-4hq7wz2k", "'%20OR%201=1"])
async def test_an_id_that_nobody_gave_is_not_found(clock: FakeClock, tmp_path: Path, wanted):
    async with standing(clock, tmp_path, *PLANS) as _, _.client() as client:
        answer = await client.post(f"/api/v1/changes/{wanted}/end")
        assert answer.status == 404


async def test_an_id_cannot_take_the_place_of_announced_maintenance(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        patches = {"checks": ["mail/*"], "reason": "patches"}
        made = await post(client, "/api/v1/maintenance", patches, 201)
        await post(client, "/api/v1/changes", CART | {"id": made["id"], "mute": True}, 201)
        await post(client, f"/api/v1/changes/{made['id']}/end")
        assert stand.judgement.upkeep.muted("mail/in", NOW)


async def test_secrets_are_masked_before_they_are_kept(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        asked = {
            "service": "shop",
            "version": "hunter2-secret",
            "title": "with hunter2-secret",
            "author": "hunter2-secret",
        }
        assert "hunter2" not in str(await post(client, "/api/v1/changes", asked, 201))
        assert "hunter2" not in str(await stand.store.changes(0, 10))


async def test_the_page_marks_deploys_and_changes_in_the_last_day(clock: FakeClock, tmp_path: Path):
    evil = '"><script>alert(1)</script>'
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        stand.run("shop/home")
        stand.run("shop/home", REFUSED)
        await stand.keep()
        clock.step_wall(6 * HOUR)
        shop = {"service": "shop", "version": "1.2.3", "at": "2023-11-14T22:30:00Z", "title": evil}
        await post(client, "/api/v1/changes", shop, 201)
        await post(client, "/api/v1/changes", CART | {"url": "https://chg.example/123"}, 201)
        await post(client, "/api/v1/changes", {"service": "mail", "version": "9"}, 201)
        clock.step_wall(10 * MIN)
        text = await (await client.get("/checks/shop/home")).text()
    page = Markup(text)
    assert "<script>alert" not in text
    titles = re.findall(r"<title>(.*?)</title>", text)[1:]
    assert [title.partition(":")[0] for title in titles] == [
        "shop 1.2.3 deployed 2023-11-14 22",
        "CHG123 from 2023-11-15 04",
    ]
    classes = [rect["class"] for rect in page.all("rect")]
    assert classes.count("deploy") == classes.count("change") == 1
    assert "in progress 10m new cart (ana)" in page.text
    assert {"href": "https://chg.example/123", "rel": "noreferrer noopener"} in page.all("a")
    assert "mail 9" not in page.text
