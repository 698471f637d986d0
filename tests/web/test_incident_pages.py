"""The pages of incidents: what people see, whatever a configuration, a server or a colleague has written."""

from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.evidence import Evidence
from checks.core.result import Failure, FailureKind
from exporters.alerting.change import Change
from probe.store.deliveries import Delivery, Outcome
from tests.conftest import FakeClock
from tests.web.responding import HOUR, MIN, NOW, equip, fail, post, read, recover
from tests.web.stand import Markup, planned, standing

EVIL = '"><script>alert(1)</script>'
TURNED = "safe\u202egnp.exe\x1b[2J\x00"  # what turns a line round, clears a terminal, ends a text
PLANS = planned("shop/home", labels={"tier": "1"}), planned("shop/cart"), planned("mail/in", service="mail")
ANA = {"author": "ana"}


async def page(client, path: str, status: int = 200) -> Markup:
    answer = await client.get(path)
    text = await answer.text()
    assert answer.status == status, text
    assert "<script>alert" not in text
    assert "script-src 'self'" in answer.headers["Content-Security-Policy"]
    return Markup(text)


async def test_the_list_has_what_is_open_and_what_lately_was(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        nothing = await page(client, "/incidents")
        assert "Nothing is wrong." in nothing.text
        assert "no incident · test-1" in nothing.text
        await fail(stand, "mail/in")
        await recover(stand, "mail/in")
        await fail(stand, "shop/home", "shop/cart")
        await post(client, "/api/v1/incidents/2/snooze", ANA | {"for": "1h"})
        shown = await page(client, "/incidents")
        await stand.store.close()
        without = await page(client, "/incidents")
    opened, over = shown.text.split("The last 30 days")
    assert "1 open · test-1" in shown.text
    assert "#2 DOWN shop page" in opened
    assert "snoozed by ana until 23:14:00" in opened
    assert "connection refused shop/home, shop/cart" in opened
    assert "#1 DOWN mail page" in over
    assert "resolved" in over
    assert {"href": "/incidents/2"} in shown.all("a")
    assert {name: "down" for one in shown.all("span") for name in [one.get("id")] if name == "mark"} == {"mark": "down"}
    assert "#2 DOWN shop page" in without.text  # a store that fails does not hide what is open
    assert "the store did not answer" in without.text


async def test_one_incident_has_all_that_is_known(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        stand.service.response._dispatcher.changes = lambda incident, now_ms: ("shop 1.2.3 deployed 6m before",)
        await fail(stand, "shop/home", "shop/cart")
        owed = await stand.store.pending()
        await stand.store.settle(
            [replace(owed[0], outcome=Outcome.DELIVERED, attempts=2, at_ms=clock.now_ms() + 90_000)]
        )
        await recover(stand, "shop/cart")
        for path, more in (
            ("acknowledge", {}),
            ("notes", {"text": "rolled back"}),
            ("describe", {"category": "deploy", "cause": "cold cache", "fix": "rolled back", "impact": "EU"}),
            ("actions", {"text": "warm it", "owner": "bo", "due": "2026-12-01", "link": "https://t.example/7"}),
            ("actions", {"text": "alert on it"}),
            ("actions/1/done", {}),
        ):
            await clock.advance(60.0)
            await post(client, f"/api/v1/incidents/1/{path}", ANA | more)
        shown = await page(client, "/incidents/1")
    text = shown.text
    for said in (
        "#1 shop · test-1",
        "acknowledged by ana · page · for 6m 20s, since 2023-11-14 22:13:30 UTC",
        "what shop is DOWN: connection refused (shop/home, shop/cart)",
        "when began 2023-11-14 22:13:30 UTC",
        "who owner team-shop; acknowledged by ana; told: chat; affected: EU",
        "why deploy; cold cache; shop 1.2.3 deployed 6m before",
        "how found by Probe; mended: rolled back",
        "warm it done 22:19:50 · bo · by 2026-12-01 · https://t.example/7",
        "alert on it",
        "22:15:50 note ana rolled back",
        "opened chat delivered 1m 40s 2",
    ):
        assert said in text, (said, text)
    links = [one["href"] for one in shown.all("a")]
    assert "https://t.example/7" in links
    assert {"/checks/shop/home", "/checks/shop/cart"} <= set(links)


async def test_what_is_held_back_and_what_came_back_is_said(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        await post(client, "/api/v1/incidents/1/actions", ANA | {"text": "raise the limit"})
        await recover(stand, "shop/home")
        clock.step_wall(2 * HOUR)
        stand.dispatcher.tick()
        await post(client, "/api/v1/silences", {"checks": ["shop/*"], "for": "1h", "reason": EVIL, "author": EVIL}, 201)
        await fail(stand, "shop/home")
        text = (await page(client, "/incidents/2")).text
    assert f"not told: silenced by {EVIL}: {EVIL}" in text
    assert "2nd time in 30 days, last fix open since 2023-11-14 (#1: raise the limit)" in text


async def test_one_that_is_over_is_shown_as_over(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        await recover(stand, "shop/home")
        shown = await page(client, "/incidents/1")
    assert {"class": "check up", "id": "incident", "data-live": None} in shown.all("div")
    assert "resolved · page · lasted 10 s, since 2023-11-14 22:13:30 UTC" in shown.text
    assert "shop was DOWN: connection refused" in shown.text
    assert "recovered by itself" in shown.text


async def test_the_evidence_of_the_first_failing_run_is_part_of_it(clock: FakeClock, tmp_path: Path):
    seen = Evidence(
        target="https://shop.example/?token=hunter2-secret",
        kind="expectation",
        message=f"status 503 {EVIL}",
        request=("GET /?token=hunter2-secret HTTP/1.1", f"X-Note: {EVIL}"),
    )
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home", evidence=seen)
        shown = await page(client, "/incidents/1")
    assert "Evidence" in shown.text
    assert "GET /?token=••• HTTP/1.1" in shown.text
    assert EVIL in shown.text
    assert "hunter2" not in shown.text


async def test_hostile_texts_stay_texts_and_secrets_are_masked_everywhere(clock: FakeClock, tmp_path: Path):
    evil = f"{EVIL} {TURNED} hunter2-secret"
    plan = planned(
        "shop/home",
        target=f"https://shop.example/{EVIL}?hunter2-secret",
        service=EVIL,
        owner=evil,
        runbook="javascript:alert(1)",
        bridge="https://meet.example/hunter2-secret",
        labels={"tier": evil, EVIL: "1"},
    )
    async with standing(clock, tmp_path, plan) as stand, stand.client() as client:
        equip(stand)
        await stand.service.changes.begin(Change("CHG1", NOW, services=(EVIL,), title=evil))
        failure = Failure(FailureKind.EXPECTATION, "ttfb", evil)
        stand.run("shop/home", failure, facts={"http.status": 503, "x": evil})
        await stand.keep()
        for path, keys in (
            ("acknowledge", ()),
            ("notes", ("text",)),
            ("describe", ("category", "cause", "fix", "impact")),
            ("actions", ("text", "owner")),
        ):
            await post(client, f"/api/v1/incidents/1/{path}", {"author": evil} | dict.fromkeys(keys, evil))
        await post(client, "/api/v1/incidents/1/actions", ANA | {"text": "x", "link": f"https://{evil}"})
        owed, *_ = await stand.store.pending()
        await stand.store.settle([Delivery(owed.notice, "chat", Outcome.FAILED, 3, evil, NOW + MIN)])
        for path in ("/", "/incidents", "/incidents/1", "/checks/shop/home"):
            shown = await page(client, path)
            assert "hunter2" not in shown.text
            assert EVIL in shown.text
            for one in shown.all("a"):
                assert (one["href"] or "").startswith(("/", "https://", "#", "?")), one
        for path in ("/api/v1/incidents", "/api/v1/incidents/1"):
            assert "hunter2" not in str(await read(client, path))


@pytest.mark.parametrize("number", ["7", "0", "x", "1x", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "9" * 40, "1/2"])
async def test_a_number_that_is_none_is_not_found(clock: FakeClock, tmp_path: Path, number: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        shown = await page(client, f"/incidents/{number}", 404)
        assert shown.all("h1")


async def test_a_store_that_fails_is_said(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        await stand.store.close()
        assert "the store did not answer" in (await page(client, "/incidents/1", 503)).text


async def test_the_list_only_reads(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        shown = await page(client, "/incidents")
        assert shown.all("form") == shown.all("button") == []
        assert (await client.post("/incidents")).status == 405
        assert [(await client.head(path)).status for path in ("/incidents", "/incidents/1")] == [200, 200]


async def test_the_other_pages_lead_to_what_is_open(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        quiet = await page(client, "/")
        assert "open" not in quiet.text.split("Search")[0].split("ALL")[-1]
        await fail(stand, "mail/in")
        assert "1 incident open" in (await page(client, "/")).text
        await fail(stand, "shop/home", "shop/cart")
        index = await page(client, "/")
        assert "2 incidents open" in index.text
        assert [one for one in index.all("a") if one["href"] == "/incidents"] == [
            {"href": "/incidents"}
        ] * 2  # and above
        check = await page(client, "/checks/shop/cart")
        assert {"href": "/incidents/2"} in check.all("a")
        assert "incident #2" in check.text
        await recover(stand, "shop/cart")
        assert {"href": "/incidents/2"} not in (await page(client, "/checks/shop/cart")).all("a")


async def test_a_thousand_incidents_are_one_page(clock: FakeClock, tmp_path: Path):
    plans = [planned(f"s{number}/a", service=f"s{number}") for number in range(1000)]
    async with standing(clock, tmp_path, *plans) as stand, stand.client() as client:
        equip(stand)
        for plan in plans:
            stand.run(plan.name, Failure(FailureKind.CONNECT, "connect", "connection refused"))
        await stand.keep()
        shown = await page(client, "/incidents")
    assert "1000 open" in shown.text
    assert len(shown.all("tr")) == 201
    assert "and 800 more" in shown.text
