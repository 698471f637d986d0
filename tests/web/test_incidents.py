"""Incidents over the API: what is shown, what people do about them, what is refused, and who may."""

import asyncio
from pathlib import Path

import pytest

from exporters.alerting.incident import Severity
from exporters.alerting.rules import Quiet
from exporters.alerting.settings import Settings
from exporters.base import NoticeKind
from exporters.oncall.escalation import EscalationPolicy, Step
from exporters.oncall.people import User
from exporters.oncall.roster import Roster
from exporters.route import Route
from probe.config.model import Planned
from probe.store.base import Act
from tests.conftest import FakeClock
from tests.web.responding import DAY, HOUR, MIN, NOW, equip, fail, post, read, recover, tick
from tests.web.stand import planned, standing
from thresholds.hours import parse_hours

PLANS: tuple[Planned, ...] = (
    planned("shop/home", labels={"tier": "1"}, runbook="https://wiki.example/shop"),
    planned("shop/cart", labels={"tier": "2"}),
    planned("mail/in", service="mail", owner=""),
)
ANA = {"author": "ana"}
ROSTER = Roster(
    users={"ana": User("ana", contacts={"mail": "ana@shop.example"})},
    escalations={"prodops": EscalationPolicy("prodops", (Step(("user:ana",), 300.0),))},
)
DEEDS: tuple[tuple[str, dict[str, str]], ...] = (
    ("acknowledge", {}),
    ("snooze", {"for": "1h"}),
    ("resolve", {}),
    ("escalate", {}),
    ("notes", {"text": "seen"}),
    ("describe", {"cause": "cold cache"}),
    ("actions", {"text": "warm it"}),
)
PATHS = (*(path for path, _ in DEEDS), "unacknowledge", "actions/1/done")


async def test_what_is_open_is_listed_as_it_is(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home", "shop/cart")
        value = await read(client, "/api/v1/incidents")
    assert value == {
        "instance": "test-1",
        "at": "2023-11-14T22:13:40.000Z",
        "open": 1,
        "incidents": [
            {
                "number": 1,
                "id": f"shop/home@{NOW + 10_000}",
                "status": "triggered",
                "subject": "shop",
                "service": "shop",
                "owner": "team-shop",
                "level": "down",
                "worst": "down",
                "severity": "page",
                "opened": "2023-11-14T22:13:30.000Z",
                "detected": "2023-11-14T22:13:30.100Z",  # when the run had ended
                "ended": None,
                "reason": "connection refused",
                "checks": ["shop/home", "shop/cart"],
                "acked_by": "",
                "acked": None,
                "snoozed_until": None,
                "resolved_by": "",
                "reopened": 0,
                "runbook": "https://wiki.example/shop",
                "bridge": "",
                "labels": {"tier": "1"},  # of the check that opened it
            }
        ],
    }


async def test_one_has_its_checks_its_timeline_and_what_became_of_its_notices(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home", "shop/cart")
        stand.run("shop/home")
        await stand.keep()
        value = await read(client, "/api/v1/incidents/1")
    assert [(one["check"], one["level"], one["worst"], one["ended"]) for one in value["members"]] == [
        ("shop/home", "up", "down", "2023-11-14T22:13:50.000Z"),
        ("shop/cart", "down", "down", None),
    ]
    assert value["checks"] == ["shop/cart"]
    assert [(one["deed"], one["text"]) for one in value["timeline"]] == [
        ("opened", "shop/home is DOWN: connection refused"),
        ("told", "opened: chat (route 1)"),
        ("joined", "shop/cart is DOWN: connection refused"),
        ("left", "shop/home has recovered"),
    ]
    assert [(one["kind"], one["receiver"], one["outcome"], one["at"]) for one in value["notices"]] == [
        ("opened", "chat", "pending", None)
    ]
    told = [one["notice"] for one in value["timeline"] if one["deed"] == "told"]
    assert [one["notice"] for one in value["notices"]] == told
    assert value["five_w"] == {
        "what": "shop is DOWN: connection refused (shop/home, shop/cart)",
        "when": "began 2023-11-14 22:13:30 UTC; detected 2023-11-14 22:13:30 UTC; told 2023-11-14 22:13:30 UTC",
        "where": "https://shop.example/",
        "who": "owner team-shop; nobody was told",  # nothing is delivered yet
        "why": "not known yet",
        "how": "found by Probe; runbook https://wiki.example/shop",
    }


async def test_each_deed_is_done_kept_and_answered_with_the_incident(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand, Route(("chat", "escalation:prodops"), name="route 1"), roster=ROSTER)
        await fail(stand, "shop/home")

        async def do(path: str, **more: object) -> tuple[str, str]:
            clock.step_wall(MIN)
            value = await post(client, f"/api/v1/incidents/1/{path}", ANA | more)
            return value["status"], value["acked_by"]

        assert await do("acknowledge") == ("acknowledged", "ana")
        assert await do("unacknowledge") == ("triggered", "")
        assert await do("snooze", **{"for": "2h"}) == ("snoozed", "ana")
        assert (await read(client, "/api/v1/incidents"))["incidents"][0]["snoozed_until"] == "2023-11-15T00:16:30.000Z"
        assert await do("escalate") == ("triggered", "")
        assert await do("notes", text="rolled back") == ("triggered", "")
        assert await do("resolve") == ("resolved", "")
        assert await do("describe", category="deploy", cause="cold cache", fix="rolled back", impact="EU") == (
            "resolved",
            "",
        )
        assert await do("actions", text="warm it", owner="bo", due="2026-12-01", link="https://t.example/7") == (
            "resolved",
            "",
        )
        assert await do("actions", text="alert on it") == ("resolved", "")
        assert await do("actions/1/done") == ("resolved", "")
        value = await read(client, "/api/v1/incidents/1")
    assert (value["ended"], value["resolved_by"]) == ("2023-11-14T22:19:30.000Z", "ana")
    assert [value[key] for key in ("category", "cause", "fix", "impact")] == [
        "deploy",
        "cold cache",
        "rolled back",
        "EU",
    ]
    assert value["actions"] == [
        {
            "id": 1,
            "text": "warm it",
            "owner": "bo",
            "due": "2026-12-01",
            "since": "2023-11-14T22:21:30.000Z",
            "done": "2023-11-14T22:23:30.000Z",
            "link": "https://t.example/7",
        },
        value["actions"][0]
        | {"id": 2, "text": "alert on it", "owner": "", "due": "", "link": ""}
        | {"since": "2023-11-14T22:22:30.000Z", "done": None},
    ]
    assert [(one["deed"], one["who"]) for one in value["timeline"] if one["who"]] == [
        ("acknowledged", "ana"),
        ("unacknowledged", "ana"),
        ("snoozed", "ana"),
        ("unacknowledged", "ana"),
        ("escalated", "ana"),
        ("note", "ana"),
        ("resolved", "ana"),
        ("cause", "ana"),
        ("action", "ana"),
        ("action", "ana"),
        ("action", "ana"),
    ]
    assert value["five_w"]["why"] == "deploy; cold cache"
    assert (
        value["five_w"]["how"]
        == "found by Probe; mended: rolled back; resolved by ana; runbook https://wiki.example/shop"
    )


async def test_what_people_do_outlives_the_process(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand, Route(("chat", "escalation:prodops"), name="route 1"), roster=ROSTER)
        await fail(stand, "shop/home")
        for path, more in DEEDS:
            if path != "resolve":
                await post(client, f"/api/v1/incidents/1/{path}", ANA | more)
        await post(client, "/api/v1/incidents/1/acknowledge", ANA)
        kept = await stand.store.incident(1)
        assert kept is not None
        assert kept.incident == stand.dispatcher.book.get(kept.incident.id)
        assert (kept.incident.acked_by, kept.incident.cause, len(kept.incident.actions)) == ("ana", "cold cache", 1)


async def test_several_are_acknowledged_by_one_request_and_each_outcome_is_said(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS, planned("jobs/a", service="jobs")) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "jobs/a")
        await recover(stand, "jobs/a")
        clock.step_wall(2 * HOUR)
        await tick(stand)  # it is in the store alone by now
        await fail(stand, "shop/home", "mail/in")
        await post(client, "/api/v1/incidents/3/acknowledge", {"author": "bo"})
        value = await post(client, "/api/v1/incidents/acknowledge", ANA | {"numbers": [3, 1, 2, 9, 2]})
        assert value["incidents"] == [
            outcome(3, "acknowledged", "mail", "acknowledged", "ana"),  # who names it takes it, as one by one
            outcome(1, "over", "jobs", "resolved"),
            outcome(2, "acknowledged", "shop", "acknowledged", "ana"),
            outcome(9, "unknown"),
        ]
        for number in (2, 3):
            kept = await stand.store.incident(number)
            assert kept is not None
            assert (kept.incident.acked_by, kept.incident.acked_ms) == ("ana", clock.now_ms())


def outcome(number: int, fate: str, subject: str = "", status: str = "", acked_by: str = "") -> dict[str, object]:
    stands = {"subject": subject, "status": status, "acked_by": acked_by, "resolved_by": ""}
    return {"number": number, "outcome": fate, **stands}


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"numbers": [1]}, "author: is missing"),
        (ANA, "numbers: must be a list of numbers; say which ones"),
        (ANA | {"numbers": []}, "numbers: must be a list of numbers"),
        (ANA | {"numbers": 1}, "numbers: must be a list of numbers"),
        (ANA | {"numbers": [0]}, "numbers: must be whole numbers from 1 on, not 0"),
        (ANA | {"numbers": [True]}, "numbers: must be whole numbers from 1 on, not true"),
        (ANA | {"numbers": [1, "2"]}, "numbers: must be whole numbers from 1 on"),
        (ANA | {"numbers": [10**30]}, "numbers: must be whole numbers from 1 on"),
        (ANA | {"numbers": list(range(1, 502))}, "numbers: has 501 numbers, at most 500"),
    ],
)
async def test_several_that_are_none_are_refused(clock: FakeClock, tmp_path: Path, asked, error: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        assert error in (await post(client, "/api/v1/incidents/acknowledge", asked, 400))["error"]
        assert stand.dispatcher.book.open()[0].acked_by == ""


@pytest.mark.parametrize("path", ["acknowledge", "unacknowledge", "snooze", "resolve", "escalate"])
async def test_nothing_is_done_about_what_is_over(clock: FakeClock, tmp_path: Path, path: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        stand.run("shop/home")
        await stand.keep()
        before = await read(client, "/api/v1/incidents/1")
        more = {"for": "1h"} if path == "snooze" else {}
        refused = await post(client, f"/api/v1/incidents/1/{path}", ANA | more, 409)
        assert refused == {"error": "#1 is over"}
        assert await read(client, "/api/v1/incidents/1") == before


async def test_what_nobody_has_acknowledged_cannot_be_given_back(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        refused = await post(client, "/api/v1/incidents/1/unacknowledge", ANA, 409)
        assert refused == {"error": "#1 is not acknowledged"}


@pytest.mark.parametrize("number", ["7", "0", "x", "-1", "٤", "1e3", "9" * 13, "1%2F2", "' OR 1=1"])
async def test_an_unknown_number_is_not_found(clock: FakeClock, tmp_path: Path, number: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        for path, more in (*DEEDS, ("unacknowledge", {}), ("actions/1/done", {})):
            answer = await client.post(f"/api/v1/incidents/{number}/{path}", json=ANA | more)
            assert answer.status == 404
            assert "incident" in (await answer.json())["error"]
        assert (await client.get(f"/api/v1/incidents/{number}")).status == 404


@pytest.mark.parametrize(
    ("path", "asked", "error"),
    [
        *((path, body, "author: is missing") for path, body in DEEDS),
        ("acknowledge", ANA | {"who": "bo"}, "unknown key 'who'; known are author"),
        ("acknowledge", {"author": ""}, "author: is missing"),
        ("acknowledge", {"author": 7}, "author: must be a text, not 7"),
        ("acknowledge", {"author": "a" * 201}, "author: is longer than 200"),
        ("acknowledge", [], "the body must be a JSON object"),
        ("snooze", ANA, "for: is missing; say how long"),
        ("snooze", ANA | {"for": "2"}, "for: must be a length of time"),
        ("snooze", ANA | {"for": "0s"}, "for: must be more than nothing"),
        ("snooze", ANA | {"for": "32d"}, "for: must be more than nothing, and 31d at most"),
        ("snooze", ANA | {"for": 7200}, "for: must be a length of time"),
        ("notes", ANA, "text: is missing"),
        ("notes", ANA | {"text": " \n "}, "text: is missing"),
        ("notes", ANA | {"text": "x" * 4001}, "text: is longer than 4000"),
        ("describe", ANA, "say at least one of category, cause, fix, impact"),
        ("describe", ANA | {"severity": "log"}, "unknown key 'severity'"),
        ("describe", ANA | {"cause": ["a"]}, "cause: must be a text"),
        ("actions", ANA, "text: is missing"),
        ("actions", ANA | {"text": "x", "due": "soon"}, "due: must be a date, as in 2026-12-01"),
        ("actions", ANA | {"text": "x", "due": "2026-12-012"}, "due: is longer than 10"),
        ("actions", ANA | {"text": "x", "done": True}, "unknown key 'done'"),
        ("actions", ANA | {"text": "x", "link": "TICKET-7"}, "link: must be an address"),
        ("actions", ANA | {"text": "x", "link": "javascript:alert(1)"}, "link: must be an address"),
    ],
)
async def test_what_cannot_be_is_refused_by_its_key(clock: FakeClock, tmp_path: Path, path: str, asked, error: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        before = await read(client, "/api/v1/incidents/1")
        assert error in (await post(client, f"/api/v1/incidents/1/{path}", asked, 400))["error"]
        assert await read(client, "/api/v1/incidents/1") == before


async def test_a_date_is_one_that_there_is(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        for due in ("2026-02-30", "2026-13-01", "٢٠٢٦-12-01"):
            asked = ANA | {"text": "x", "due": due}
            assert "due: must be a date" in (await post(client, "/api/v1/incidents/1/actions", asked, 400))["error"]


async def test_an_action_that_is_not_there_is_not_found_and_done_twice_is_done_once(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        await post(client, "/api/v1/incidents/1/actions", ANA | {"text": "warm it"})
        for wanted in ("2", "0", "01", "x"):
            refused = await post(client, f"/api/v1/incidents/1/actions/{wanted}/done", ANA, 404)
            assert refused == {"error": f"#1 has no action item {wanted!r}"}
        await post(client, "/api/v1/incidents/1/actions/1/done", ANA)
        first = (await read(client, "/api/v1/incidents/1"))["actions"]
        clock.step_wall(MIN)
        await post(client, "/api/v1/incidents/1/actions/1/done", {"author": "bo"})
        assert (await read(client, "/api/v1/incidents/1"))["actions"] == first


async def test_there_is_room_for_fifty_actions(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        for number in range(50):
            await post(client, "/api/v1/incidents/1/actions", ANA | {"text": f"thing {number}"})
        refused = await post(client, "/api/v1/incidents/1/actions", ANA | {"text": "one more"}, 409)
        assert "no more than 50 have room" in refused["error"]


async def test_those_that_are_over_are_listed_when_asked_for(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        stand.run("shop/home")
        await stand.keep()
        clock.step_wall(40 * DAY)
        await fail(stand, "mail/in")
        stand.run("mail/in")
        await stand.keep()
        await fail(stand, "shop/cart")

        async def numbers(query: str = "") -> list[int]:
            return [one["number"] for one in (await read(client, f"/api/v1/incidents{query}"))["incidents"]]

        assert await numbers() == await numbers("?status=open") == [3]
        assert await numbers("?status=all") == [2, 3]
        assert await numbers("?status=all&days=60") == [1, 2, 3]
        assert await numbers("?status=all&days=60&limit=2") == [2, 3]
        ended = (await read(client, "/api/v1/incidents?status=all"))["incidents"][0]
        assert (ended["status"], ended["checks"], ended["level"]) == ("resolved", ["mail/in"], "down")


@pytest.mark.parametrize(
    ("query", "error"),
    [
        ("state=open", "unknown query parameter 'state'; known are days, limit, status"),
        ("status=closed", "status must be open or all"),
        ("limit=0", "limit must be a whole number from 1 to 1000"),
        ("limit=1001", "limit must be"),
        ("days=0", "days must be a whole number from 1 to 3660"),
        ("days=x", "days must be"),
    ],
)
async def test_a_query_that_means_nothing_is_refused(clock: FakeClock, tmp_path: Path, query: str, error: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        assert stand
        assert error in (await read(client, f"/api/v1/incidents?{query}", 400))["error"]


@pytest.mark.parametrize("path", PATHS)
async def test_with_a_token_only_its_sender_may_act_and_everybody_may_read(clock, tmp_path: Path, path: str):
    more = {key: value for name, body in DEEDS if name == path for key, value in body.items()}
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        stand.token = "correct-horse-battery"
        await fail(stand, "shop/home")
        before = await read(client, "/api/v1/incidents/1")
        url = f"/api/v1/incidents/1/{path}"
        for headers in ({}, {"Authorization": "Bearer wrong"}):
            assert (await client.post(url, json=ANA | more, headers=headers)).status == 401
        assert await read(client, "/api/v1/incidents/1") == before
        proof = {"Authorization": "Bearer correct-horse-battery"}
        assert (await client.post(url, json=ANA | more, headers=proof)).status in (200, 404, 409)


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Host": "evil.example"},
        {"X-Forwarded-For": "192.0.2.1"},
    ],
    ids=lambda headers: next(iter(headers)),
)
async def test_without_a_token_no_other_sites_page_and_no_proxy_may_act(clock, tmp_path: Path, headers):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        before = await read(client, "/api/v1/incidents/1")
        for path in (*(f"incidents/1/{path}" for path in PATHS), "silences", "silences/s-1/end"):
            assert (await client.post(f"/api/v1/{path}", json=ANA, headers=headers)).status == 403
        assert await read(client, "/api/v1/incidents/1") == before


@pytest.mark.parametrize("sent", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
async def test_a_form_of_another_page_is_no_body(clock: FakeClock, tmp_path: Path, sent: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        for data in (b'{"author": "ana"}', b""):
            answer = await client.post("/api/v1/incidents/1/resolve", data=data, headers={"Content-Type": sent})
            assert answer.status == 415
        assert len(stand.dispatcher.book.open()) == 1


async def test_a_store_that_fails_is_said(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        await stand.store.close()
        assert len((await read(client, "/api/v1/incidents"))["incidents"]) == 1  # it is in memory
        assert "error" in await read(client, "/api/v1/incidents?status=all", 503)
        assert "the store did not answer" in (await read(client, "/api/v1/incidents/1", 503))["error"]
        assert (
            "the store did not answer" not in (await post(client, "/api/v1/incidents/1/acknowledge", ANA, 503))["error"]
        )
        assert (await read(client, "/api/v1/incidents/7", 503))["error"]


async def never(_act: Act) -> None:
    await asyncio.Event().wait()


async def test_a_store_that_is_slow_is_not_waited_for(clock: FakeClock, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("probe.engine.response._PATIENCE", 0.01)
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        stand.service.response._written = never
        refused = await post(client, "/api/v1/incidents/1/acknowledge", ANA, 503)
        assert refused["error"] == "it is done, but the store has not written it down yet"
        assert stand.dispatcher.book.open()[0].acked_by == "ana"


async def test_secrets_are_masked_before_they_are_kept(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        secret = "with hunter2-secret"
        for path, keys in (
            ("notes", ("text",)),
            ("describe", ("category", "cause", "fix", "impact")),
            ("actions", ("text", "owner")),
            ("acknowledge", ()),
        ):
            await post(client, f"/api/v1/incidents/1/{path}", {"author": secret} | dict.fromkeys(keys, secret))
        assert "hunter2" not in str(await read(client, "/api/v1/incidents/1"))
        filed = await stand.store.incident(1)
        assert filed is not None
        assert filed.incident.acked_by == "with •••"
        assert "hunter2" not in str(filed)
        assert "hunter2" not in str(await stand.store.happenings(filed.incident.id, 100))


async def test_what_became_a_secret_since_is_masked_where_it_is_shown(clock: FakeClock, tmp_path: Path):
    plan = planned("shop/home", runbook="https://w.example/hunter2-secret")
    async with standing(clock, tmp_path, plan) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        for path in ("/api/v1/incidents", "/api/v1/incidents/1", "/incidents", "/incidents/1"):
            assert "hunter2" not in await (await client.get(path)).text()


async def test_a_check_says_the_number_of_its_incident(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "mail/in", "shop/home", "shop/cart")
        listed = (await read(client, "/api/v1/checks"))["checks"]
        assert {one["name"]: one["incident"]["number"] for one in listed} == {
            "mail/in": 1,
            "shop/cart": 2,
            "shop/home": 2,
        }
        assert (await read(client, "/api/v1/checks/shop/cart"))["incident"]["number"] == 2
        await post(client, "/api/v1/incidents/2/resolve", ANA)
        assert (await read(client, "/api/v1/checks/shop/cart"))["incident"]["number"] is None
        stand.run("shop/cart")
        assert (await read(client, "/api/v1/checks/shop/cart"))["incident"] is None


async def test_one_that_ended_long_ago_can_still_be_described(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await fail(stand, "shop/home")
        stand.run("shop/home")
        await stand.keep()
        clock.step_wall(2 * HOUR)
        await tick(stand)
        assert stand.dispatcher.book.ended() == []  # it is in the store alone
        made = await post(client, "/api/v1/incidents/1/describe", ANA | {"cause": "cold cache"})
        assert (made["number"], made["status"]) == (1, "resolved")
        assert (await read(client, "/api/v1/incidents/1"))["cause"] == "cold cache"


async def test_only_what_has_an_escalation_can_be_escalated(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        refused = await post(client, "/api/v1/incidents/1/escalate", ANA, 409)
        assert "no escalation is under way for it" in refused["error"]


# Who would hear of it.


async def test_a_route_is_played_ahead(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(
            stand,
            Route(("mail",), {"service": "mail"}, name="route 1"),
            Route(("escalation:prodops", "chat"), name="route 2"),
            roster=ROSTER,
            receivers=("chat", "mail", "ana/mail"),
        )
        value = await read(client, "/api/v1/route?check=shop/home&at=2023-11-18T03:00:00Z")
    assert value == {
        "at": "2023-11-18T03:00:00.000Z",
        "check": "shop/home",
        "level": "down",
        "severity": "page",
        "with": {},
        "maintenance": [],
        "maintenance_until": None,
        "silenced": None,
        "quiet_until": None,
        "routes": [
            {"route": "route 1", "to": ["mail"], "taken": False, "why": "service is shop, wanted mail"},
            {"route": "route 2", "to": ["escalation:prodops", "chat"], "taken": True, "why": "it matches"},
        ],
        "hears": [
            {"after": 0.0, "kind": "opened", "receiver": "chat", "why": "route 2"},
            {"after": 300.0, "kind": "opened", "receiver": "ana/mail", "why": "step 1 of prodops"},
        ],
        "gathered": [{"route": "route 2", "by": None, "digest": False, "wait": 0.0, "interval": 300.0, "repeat": 0.0}],
        "held": [],
        "depends_on": [],
        "inhibited_by": [],
        "storm": {"over": 20, "every": 300.0},
        "notes": [],
    }


async def test_a_route_knows_silences_and_quiet_hours(clock: FakeClock, tmp_path: Path):
    night = Quiet((Severity.TICKET,), parse_hours("daily 20:00-08:00", "UTC"), {})
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand, settings=Settings(quiet=(night,)))
        value = await read(client, "/api/v1/route?check=shop/home&level=degraded")
        assert value["quiet_until"] == "2023-11-15T08:00:00.000Z"
        assert [(one["after"], one["receiver"]) for one in value["hears"]] == [(9.0 * 3600 + 46 * 60 + 40, "chat")]
        asked = {"checks": ["shop/*"], "for": "1h", "reason": "load test", "author": "ana"}
        made = await post(client, "/api/v1/silences", asked, 201)
        value = await read(client, "/api/v1/route?check=shop/home")
        assert value["silenced"] == {"id": made["id"], "author": "ana", "reason": "load test"}
        assert value["held"] == [{"after": 0.0, "until": 3600.0, "why": "silenced by ana: load test"}]
        assert [one["after"] for one in value["hears"]] == [3600.0]  # if it lasts
        assert (await read(client, "/api/v1/route?check=mail/in"))["held"] == []
        after = "2023-11-14T23:13:20Z"
        assert (await read(client, f"/api/v1/route?check=shop/home&at={after}"))["held"] == []


async def test_a_route_knows_maintenance_that_was_announced(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        asked = {"checks": ["shop/*"], "for": "30m", "reason": "new disks", "author": "ana"}
        made = await post(client, "/api/v1/maintenance", asked, 201)
        value = await read(client, "/api/v1/route?check=shop/home")
        assert value["maintenance"] == [{"name": made["id"], "mode": "mute", "by": "ana", "reason": "new disks"}]
        assert value["maintenance_until"] == made["to"]
        assert [one["after"] for one in value["hears"]] == [1800.0]
        assert (await read(client, "/api/v1/route?check=mail/in"))["maintenance"] == []


async def test_a_route_changes_nothing(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        await read(client, "/api/v1/route?check=shop/home")
        assert (stand.dispatcher.book.open(), stand.dispatcher.cases(), stand.entries) == ([], [], [])


@pytest.mark.parametrize(
    ("query", "status", "error"),
    [
        ("", 400, "check is missing"),
        ("check=shop/hom", 404, "there is no check 'shop/hom'"),
        ("check=shop/home&level=up", 400, "level must be down or degraded"),
        ("check=shop/home&at=yesterday", 400, "at must be an instant"),
        ("check=shop/home&at=2023-11-14T22:00:00", 400, "at must be an instant with its offset"),
        ("check=shop/home&at=2023-11-14T22:00:00+01:00", 400, "a + is written %2B"),
        ("check=shop/home&at=9999-12-31T23:59:59Z", 400, "at is more than ten years away"),
        ("check=shop/home&at=0001-01-01T00:00:00Z", 400, "at is more than ten years away"),
        ("check=shop/home&when=now", 400, "unknown query parameter 'when'"),
        ("check=shop/home&with=shop/cart", 400, "'shop/cart' supposes nothing; write gateway=down"),
        ("check=shop/home&with=shop/car=down", 400, "called 'shop/car'; did you mean shop/cart?"),
        ("check=shop/home&with=shop/home=up", 400, "shop/home is the one that fails"),
        ("check=shop/home&with=mail/in=up&with=mail/in=down", 400, "mail/in is supposed twice"),
    ],
)
async def test_a_route_that_makes_no_sense_is_refused(
    clock: FakeClock, tmp_path: Path, query: str, status: int, error: str
):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand)
        assert error in (await read(client, f"/api/v1/route?{query}", status))["error"]


async def test_what_is_foretold_is_what_happens(clock: FakeClock, tmp_path: Path):
    """The same failure played ahead, and then for real with nobody acting."""
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        equip(stand, Route(("escalation:prodops", "chat"), repeat=3600.0, name="route 1"), roster=ROSTER,
              receivers=("chat", "ana/mail"))  # fmt: skip
        foretold = (await read(client, "/api/v1/route?check=shop/home"))["hears"]
        await fail(stand, "shop/home", duration=0.0)
        (began,) = stand.dispatcher.book.open()
        heard = []
        for delivery in await stand.store.deliveries(began.id):
            heard.append((0.0, delivery.notice.kind, delivery.receiver))
        for _ in range(300):
            await clock.advance(60.0)
            act = stand.dispatcher.tick()
            for notice, receivers in act.notices if act else ():
                seconds = (clock.now_ms() - began.detected_ms) / 1000
                heard += [(seconds, notice.kind, name) for name in receivers]
    until = foretold[-1]["after"]
    assert [(one["after"], NoticeKind(one["kind"]), one["receiver"]) for one in foretold] == [
        one for one in heard if one[0] <= until
    ]
