"""Maintenance and exclusions over the API: what is kept and goes into force, what is refused, and who sees it."""

import json
from pathlib import Path

import pytest

from probe.store.base import Announcement, Kind
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from tests.web.stand import REFUSED, Markup, planned, standing
from thresholds.ical import parse_calendar
from thresholds.maintenance import Cron, Mode, OneOff, Window

NOW = 1_700_000_000_000  # 2023-11-14T22:13:20Z: date -u -d @1700000000
MIN = 60_000
HOUR = 60 * MIN
PATCHES = {"checks": ["shop/*"], "for": "2h", "reason": "monthly patches", "author": "ana"}
LOST = {"services": ["shop"], "from": "2023-11-14T20:00:00Z", "for": "40m", "reason": "uplink, INC-42", "author": "ana"}
PLANS = planned("shop/home", labels={"tier": "1"}), planned("shop/cart"), planned("mail/in", service="mail")


async def post(client, path: str, value=None, status: int = 200):
    answer = await client.post(path, json=value) if value is not None else await client.post(path)
    assert answer.content_type == "application/json"
    assert answer.status == status, await answer.text()
    return await answer.json()


async def read(client, path: str, status: int = 200):
    answer = await client.get(path)
    assert answer.status == status, await answer.text()
    return await answer.json()


async def test_announced_maintenance_mutes_is_kept_and_is_listed(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", PATCHES, 201)
        listed = await read(client, "/api/v1/maintenance")
        assert [stand.judgement.upkeep.muted(name, NOW) for name in ("shop/home", "mail/in")] == [True, False]
        kept = await stand.store.announcements(0)
    assert made == {
        "id": made["id"],
        "source": "announced",
        "from": "2023-11-14T22:13:20.000Z",
        "to": "2023-11-15T00:13:20.000Z",
        "checks": ["shop/*"],
        "services": [],
        "labels": {},
        "covers": {"count": 2, "checks": ["shop/cart", "shop/home"]},
        "mode": "mute",
        "slo": "excluded",
        "reason": "monthly patches",
        "author": "ana",
        "ended_at": None,
        "ended_by": "",
    }
    assert listed["past"] == []
    assert (listed["now"], listed["next"], listed["total"]) == ([made], [], 0)
    span = NOW, NOW + 2 * HOUR
    assert kept == [
        Announcement(made["id"], Kind.MAINTENANCE, *span, ("shop/*",), reason="monthly patches", author="ana")
    ]


async def test_maintenance_that_pauses_stops_the_checks_and_ending_it_starts_them(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        asked = {"services": "shop", "labels": {"tier": "[12]"}, "mode": "pause", "slo": "counted", "reason": "move"}
        made = await post(client, "/api/v1/maintenance", asked, 201)
        assert stand.paused == [{"shop/home"}]
        assert (made["to"], made["slo"], made["author"]) == (None, "counted", "")
        clock.step_wall(10 * MIN)
        ended = await post(client, f"/api/v1/maintenance/{made['id']}/end")
        assert stand.paused == [{"shop/home"}, frozenset()]
        assert ended["to"] == "2023-11-14T22:23:20.000Z"
        clock.step_wall(10 * MIN)
        again = await post(client, f"/api/v1/maintenance/{made['id']}/end", {"author": "ben"})
        assert again == ended
        assert (await read(client, "/api/v1/maintenance"))["now"] == []


async def test_what_was_announced_outlives_the_process_and_can_still_be_ended(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", PATCHES, 201)
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        assert (await read(client, "/api/v1/maintenance"))["now"] == [made]
        clock.step_wall(MIN)
        ended = await post(client, f"/api/v1/maintenance/{made['id']}/end")
        assert ended == made | {"to": "2023-11-14T22:14:20.000Z", "ended_at": "2023-11-14T22:14:20.000Z"}
        assert not stand.judgement.upkeep.muted("shop/home", NOW + MIN)
        assert stand.judgement.upkeep.muted("shop/home", NOW + MIN - 1)


async def test_maintenance_that_was_over_long_ago_is_still_known(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", PATCHES, 201)
    clock.step_wall(90 * 24 * HOUR)
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        assert stand.judgement.upkeep.announced() == []
        assert await post(client, f"/api/v1/maintenance/{made['id']}/end") == made


async def test_maintenance_ahead_is_next_and_never_comes_once_it_is_ended(clock: FakeClock, tmp_path: Path):
    asked = PATCHES | {"from": "2023-11-16T02:00:00+01:00"}
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", asked, 201)
        assert (made["from"], made["to"]) == ("2023-11-16T01:00:00.000Z", "2023-11-16T03:00:00.000Z")
        assert (await read(client, "/api/v1/maintenance"))["next"] == [made | {"times": 1}]
        assert (await read(client, "/api/v1/maintenance?days=1"))["next"] == []
        await post(client, f"/api/v1/maintenance/{made['id']}/end")
        assert (await read(client, "/api/v1/maintenance"))["next"] == []
        clock.step_wall(28 * HOUR)
        assert (await read(client, "/api/v1/maintenance"))["now"] == []


RELEASES = """BEGIN:VCALENDAR
BEGIN:VEVENT
UID:1
SUMMARY:Release <b>4.2</b>\\nof the\u202e shop
DTSTART:20231114T220000Z
DURATION:PT1H
END:VEVENT
BEGIN:VEVENT
UID:2
SUMMARY:Freeze
DTSTART:20231114T223000Z
DURATION:PT1H
END:VEVENT
BEGIN:VEVENT
UID:3
SUMMARY:Release 4.3
DTSTART:20231115T220000Z
DURATION:PT1H
END:VEVENT
END:VCALENDAR
"""


async def test_what_a_calendar_calls_its_events_is_the_reason_where_none_is_given(clock: FakeClock, tmp_path: Path):
    calendar = parse_calendar(RELEASES)
    windows = Window("releases", calendar, ("shop/home",)), Window("own", calendar, ("shop/cart",), reason="see chat")
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await stand.plan(*windows)
        listed = await read(client, "/api/v1/maintenance")
        check = await read(client, "/api/v1/checks/shop/home")
        page = await (await client.get("/")).text()
    told = "Release <b>4.2</b> of the shop, Freeze"
    assert [(one["id"], one["reason"]) for one in listed["now"]] == [("own", "see chat"), ("releases", told)]
    assert [(one["id"], one["reason"]) for one in listed["next"]] == [("own", "see chat"), ("releases", "Release 4.3")]
    assert check["maintenance"]["reason"] == told
    assert "Release &lt;b&gt;4.2&lt;/b&gt; of the shop, Freeze" in page
    assert "<b>4.2" not in page


async def test_of_what_comes_often_the_next_times_are_enough(clock: FakeClock, tmp_path: Path):
    backups = Window("backups", Cron("*/5 * * * *", "UTC", 60.0), ("shop/cart",))
    move = Window("move", OneOff((NOW + 6 * 24 * HOUR, NOW + 6 * 24 * HOUR + HOUR)), ("mail/*",))
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await stand.plan(backups, move)
        every = await read(client, "/api/v1/maintenance?limit=1000")
        listed = await read(client, "/api/v1/maintenance?limit=1000&each=2")
        refused = await read(client, "/api/v1/maintenance?each=0", 400)
    assert {one["id"] for one in every["next"]} == {"backups"}
    assert [(one["id"], one["from"][8:16], one["times"]) for one in listed["next"]] == [
        ("backups", "14T22:15", 2016),
        ("backups", "14T22:20", 2016),
        ("move", "20T22:13", 1),
    ]
    assert (every["total"], listed["total"]) == (2017, 2017)
    assert "each" in json.dumps(refused)


async def test_the_configurations_maintenance_is_listed_whole_and_ended_there_alone(clock: FakeClock, tmp_path: Path):
    patching = Window("patching", OneOff((NOW - 40 * 24 * HOUR, NOW + 30 * 24 * HOUR)), ("mail/*",), reason="move")
    years = Window("years", OneOff((NOW - HOUR, NOW + 2000 * 24 * HOUR)), ("none",))
    endless = Window("retired", OneOff((NOW - HOUR, 1 << 53)), ("shop/cart",), mode=Mode.PAUSE)
    nightly = Window("nightly", Cron("0 2 * * *", "UTC", 600.0), services=("shop",), excluded=False)
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await stand.plan(patching, endless, nightly, years)
        listed = await read(client, "/api/v1/maintenance?limit=2")
        refused = await post(client, "/api/v1/maintenance/patching/end", status=409)
        assert stand.judgement.upkeep.muted("mail/in", NOW)
        await stand.plan(nightly)
        assert (await read(client, "/api/v1/maintenance"))["now"] == []
    assert [(one["id"], one["from"][:10], one["to"] and one["to"][:10]) for one in listed["now"]] == [
        ("patching", "2023-10-05", "2023-12-14"),
        ("retired", "2023-11-14", None),
        ("years", "2023-11-14", "2029-05-06"),  # date -u -d '2023-11-14 2000 days'
    ]
    assert {one["source"] for one in listed["now"] + listed["next"]} == {"configuration"}
    assert [(one["from"], one["to"], one["slo"]) for one in listed["next"]] == [
        ("2023-11-15T02:00:00.000Z", "2023-11-15T02:10:00.000Z", "counted"),
        ("2023-11-16T02:00:00.000Z", "2023-11-16T02:10:00.000Z", "counted"),
    ]
    assert listed["total"] == 7
    assert "change maintenance.patching there" in refused["error"]


async def test_maintenance_without_a_pause_is_followed_to_an_end_and_no_farther(clock: FakeClock, tmp_path: Path):
    always = Window("always", Cron("*/5 * * * *", "UTC", 300.0), checks=("*",))
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await stand.plan(always)
        listed = await read(client, "/api/v1/maintenance?days=1")
    assert [(one["id"], one["to"]) for one in listed["now"]] == [("always", None)]


async def test_an_exclusion_leaves_time_out_until_it_is_withdrawn(clock: FakeClock, tmp_path: Path):
    within = NOW - 24 * HOUR, NOW
    began = 1_699_992_000_000  # date -u -d 2023-11-14T20:00:00Z +%s
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/exclusions", LOST, 201)
        assert stand.judgement.upkeep.of("shop/home", within)[2] == [(began, began + 40 * MIN)]
        assert not stand.judgement.upkeep.muted("shop/home", began)
        listed = await read(client, "/api/v1/exclusions")
        assert (listed["exclusions"], listed["total"]) == ([made], 1)
        assert (await read(client, "/api/v1/exclusions?since=1h"))["total"] == 0
        gone = await post(client, f"/api/v1/exclusions/{made['id']}/withdraw")
        assert gone == made | {"to": made["from"], "withdrawn": True, "withdrawn_at": "2023-11-14T22:13:20.000Z"}
        assert await post(client, f"/api/v1/exclusions/{made['id']}/withdraw") == gone
        assert stand.judgement.upkeep.of("shop/home", within)[2] == []
        assert (await read(client, "/api/v1/exclusions"))["exclusions"] == [gone]
        assert (await read(client, "/api/v1/maintenance"))["now"] == []


async def test_who_ended_maintenance_and_when_is_kept_and_listed_for_a_day(clock: FakeClock, tmp_path: Path):
    ahead = PATCHES | {"from": "2023-11-16T02:00:00Z", "reason": "later"}
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", PATCHES, 201)
        later = await post(client, "/api/v1/maintenance", ahead, 201)
        brief = await post(client, "/api/v1/maintenance", PATCHES | {"for": "1m", "reason": "brief"}, 201)
        clock.step_wall(10 * MIN)
        ended = await post(client, f"/api/v1/maintenance/{made['id']}/end", {"author": "ben"})
        await post(client, f"/api/v1/maintenance/{later['id']}/end", {"author": "cleo"})
        assert (ended["ended_at"], ended["ended_by"]) == ("2023-11-14T22:23:20.000Z", "ben")
        clock.step_wall(MIN)
        assert await post(client, f"/api/v1/maintenance/{made['id']}/end", {"author": "dan"}) == ended
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        past = (await read(client, "/api/v1/maintenance"))["past"]
        assert [(one["id"], one["to"], one["ended_by"]) for one in past] == [
            (brief["id"], "2023-11-14T22:14:20.000Z", ""),
            *sorted([(made["id"], ended["to"], "ben"), (later["id"], later["from"], "cleo")]),
        ]
        clock.step_wall(24 * HOUR)
        assert (await read(client, "/api/v1/maintenance"))["past"] == []


async def test_who_withdrew_an_exclusion_and_when_is_kept(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/exclusions", LOST, 201)
        clock.step_wall(HOUR)
        await post(client, f"/api/v1/exclusions/{made['id']}/withdraw", {"author": "hunter2-secret"})
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        (gone,) = (await read(client, "/api/v1/exclusions"))["exclusions"]
    assert (gone["withdrawn_at"], gone["withdrawn_by"]) == ("2023-11-14T23:13:20.000Z", "•••")


async def test_each_kind_is_ended_at_its_own_address(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        patches = await post(client, "/api/v1/maintenance", PATCHES, 201)
        lost = await post(client, "/api/v1/exclusions", LOST, 201)
        one = await post(client, f"/api/v1/maintenance/{lost['id']}/end", status=404)
        other = await post(client, f"/api/v1/exclusions/{patches['id']}/withdraw", status=404)
        none = await post(client, "/api/v1/maintenance/m-nothing/end", status=404)
        assert stand.judgement.upkeep.muted("shop/home", NOW)
    assert f"POST /api/v1/exclusions/{lost['id']}/withdraw" in one["error"]
    assert f"POST /api/v1/maintenance/{patches['id']}/end" in other["error"]
    assert none == {"error": "there is no maintenance 'm-nothing'"}


async def test_what_was_noted_of_the_configuration_is_listed_once_and_nobodys_to_end(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await stand.plan(Window("patches", OneOff((NOW, NOW + HOUR)), ("shop/*",)))
        (noted,) = await stand.store.announcements(0)
        listed = await read(client, "/api/v1/maintenance")
        excluded = await read(client, "/api/v1/exclusions")
        refused = await post(client, f"/api/v1/maintenance/{noted.id}/end", status=404)
        await post(client, f"/api/v1/exclusions/{noted.id}/withdraw", status=404)
        assert await stand.store.announcements(0) == [noted]
    assert (noted.id, noted.kind) == (f"patches@{NOW}", Kind.PLANNED)
    assert [(one["id"], one["source"]) for one in listed["now"]] == [("patches", "configuration")]
    assert excluded["exclusions"] == []
    assert refused == {"error": f"there is no maintenance 'patches@{NOW}'"}


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"cheks": ["*"]}, "unknown key 'cheks'; known are author, checks, even_if_none, for, from, labels, mode"),
        ({"checks": []}, 'checks: name checks, services or labels; "checks": ["*"] covers all'),
        ({"checks": None}, "checks: name checks"),
        ({"checks": {"a": 1}}, 'checks: must be a list of names or patterns, not {"a":1}'),
        ({"checks": [""]}, "checks: must be names or patterns of 1 to 200 characters"),
        ({"checks": ["a\nb"]}, "checks: must be names or patterns"),
        ({"checks": [3]}, "checks: must be names or patterns of 1 to 200 characters, not 3"),
        ({"checks": ["*"] * 101}, "checks: has 101 patterns, at most 100"),
        ({"checks": ["shop/hom"]}, "checks: 'shop/hom' matches no check; did you mean shop/home?"),
        ({"checks": ["shop/*", "zzz*"]}, "checks: 'zzz*' matches no check; \"even_if_none\": true takes it"),
        ({"services": ["shpo"]}, "services: 'shpo' matches no service; did you mean shop?"),
        ({"services": ["mail"]}, "no check matches all of that"),
        ({"labels": {"tier": "9"}}, "no check matches all of that"),
        ({"labels": {"tier": 1}}, "labels.tier: must be names or patterns"),
        ({"labels": ["tier"]}, "labels: must be an object of label and value"),
        ({"mode": "stop"}, 'mode: must be mute or pause, not "stop"'),
        ({"slo": True}, "slo: must be excluded or counted, not true"),
        ({"reason": "  "}, "reason: is missing; say why"),
        ({"reason": None}, "reason: is missing; say why"),
        ({"reason": 7}, "reason: must be a text, not 7"),
        ({"reason": "x" * 501}, "reason: is longer than 500 characters"),
        ({"author": "x" * 201}, "author: is longer than 200 characters"),
        ({"for": "2"}, 'for: must be a length of time, as in 30m, 2h or 1d, not "2"'),
        ({"for": 7200}, "for: must be a length of time"),
        ({"for": "0s"}, "for: must be more than nothing, and 366d at most"),
        ({"for": "367d"}, "for: must be more than nothing, and 366d at most"),
        ({"for": "9" * 400 + "w"}, "for: must be"),
        ({"to": "2023-11-15T00:00:00Z"}, "for: is a second end beside to"),
        ({"for": None, "to": "2023-11-15T00:00:00"}, "to: must be an instant with its offset from UTC"),
        ({"for": None, "to": "tomorrow"}, "to: must be an instant"),
        ({"for": None, "to": 1700000000}, "to: must be an instant"),
        ({"for": None, "to": "2023-11-14T22:00:00Z"}, "to: is not after its beginning"),
        ({"for": None, "to": "2025-11-14T22:00:00Z"}, "to: is more than 366d after its beginning"),
        ({"from": "2023-11-14T20:00:00Z"}, "to: lies in the past; time that is over is left out by POST /api/v1/excl"),
        ({"from": "2023-11-12T20:00:00Z", "for": "10d"}, "from: lies in the past"),
        ({"from": "2024-12-14T20:00:00Z"}, "from: is more than a year ahead"),
        ({"from": "9999-12-31T23:59:59-23:00"}, "from: "),
        ({"even_if_none": 1}, "even_if_none: must be true or false, not 1"),
    ],
)
async def test_a_body_that_is_wrong_names_its_key_and_changes_nothing(clock, tmp_path: Path, change, line: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        value = await post(client, "/api/v1/maintenance", PATCHES | change, 400)
        assert line in value["error"]
        assert await stand.store.announcements(0) == []


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"reason": ""}, "reason: is missing; say why"),
        ({"author": None}, "author: is missing; say who decided it"),
        ({"from": None}, "from: is missing; say when it began"),
        ({"for": None}, "to: is missing; say when it ended"),
        ({"from": "2003-11-14T20:00:00Z"}, "from: is too far away"),
        ({"from": "2033-11-14T20:00:00Z"}, "from: is too far away"),
        ({"services": ["nothing"]}, "services: 'nothing' matches no service"),
        ({"mode": "pause"}, "unknown key 'mode'"),
    ],
)
async def test_an_exclusion_says_when_why_and_who(clock: FakeClock, tmp_path: Path, change, line: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        value = await post(client, "/api/v1/exclusions", LOST | change, 400)
        assert line in value["error"]
        assert await stand.store.announcements(0) == []


async def test_a_pattern_for_checks_to_come_is_taken_where_that_is_said(clock: FakeClock, tmp_path: Path):
    asked = PATCHES | {"checks": ["new/*"], "even_if_none": True}
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", asked, 201)
    assert made["covers"] == {"count": 0, "checks": []}


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (json.dumps(PATCHES), {}, 415),
        (json.dumps(PATCHES), {"Content-Type": "text/plain"}, 415),
        (json.dumps(PATCHES), {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        ("", {"Content-Type": "application/x-www-form-urlencoded"}, 415),
        (json.dumps(PATCHES), {"Content-Type": "application/json; charset=utf-8"}, 201),
        ("", {"Content-Type": "application/json"}, 400),
        ("{", {"Content-Type": "application/json"}, 400),
        ("[]", {"Content-Type": "application/json"}, 400),
        ("[" * 60_000, {"Content-Type": "application/json"}, 400),
        ('{"reason": "\\ud800"}', {"Content-Type": "application/json"}, 400),
        (b"\xff\xfe", {"Content-Type": "application/json"}, 400),
        (" " * (65 << 10), {"Content-Type": "application/json"}, 413),
        (json.dumps(PATCHES), {"Content-Type": "application/json", "Sec-Fetch-Site": "cross-site"}, 403),
        (json.dumps(PATCHES), {"Content-Type": "application/json", "Origin": "https://evil.example"}, 403),
    ],
)
async def test_only_json_of_our_own_is_taken(clock: FakeClock, tmp_path: Path, body, headers, status: int):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        raw = body if isinstance(body, bytes) else body.encode()
        answer = await client.post("/api/v1/maintenance", data=raw, headers=headers, skip_auto_headers=["Content-Type"])
        assert answer.status == status, await answer.text()
        assert len(await stand.store.announcements(0)) == (status == 201)


async def test_a_form_ends_nothing(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", PATCHES, 201)
        address = f"/api/v1/maintenance/{made['id']}/end"
        assert (await client.post(address, data={"author": "evil"})).status == 415
        for form in ("application/x-www-form-urlencoded", "multipart/form-data", "text/plain"):
            assert (await client.post(address, headers={"Content-Type": form})).status == 415
        assert stand.judgement.upkeep.muted("shop/home", NOW + MIN)


async def test_with_a_token_only_its_sender_announces(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        stand.token = "correct-horse"
        await post(client, "/api/v1/maintenance", PATCHES, 401)
        headers = {"Authorization": "Bearer correct-horse"}
        assert (await client.post("/api/v1/maintenance", json=PATCHES, headers=headers)).status == 201


async def test_what_the_store_does_not_keep_is_not_in_force(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await stand.store.close()
        value = await post(client, "/api/v1/maintenance", PATCHES, 503)
        assert "the store did not keep it, and nothing is changed" in value["error"]
        assert not stand.judgement.upkeep.muted("shop/home", NOW)
        assert (await read(client, "/api/v1/maintenance"))["now"] == []
        await read(client, "/api/v1/exclusions", 503)
        await post(client, "/api/v1/maintenance/m-nothing/end", status=503)


async def test_there_is_room_for_so_many_and_no_more(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        stand.judgement.upkeep.announce(
            Announcement(f"m{number}", Kind.MAINTENANCE, NOW + HOUR, 0, ("none",)) for number in range(1000)
        )
        value = await post(client, "/api/v1/maintenance", PATCHES, 409)
    assert "1000 announcements are not over" in value["error"]


async def test_secrets_in_a_reason_reach_neither_the_store_nor_an_answer(clock: FakeClock, tmp_path: Path):
    asked = PATCHES | {"reason": "with hunter2-secret\nin it", "author": "hunter2-secret"}
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", asked, 201)
        page = await (await client.get("/checks/shop/home")).text()
    store = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    kept = await store.announcements(0)
    await store.close()
    assert (made["reason"], made["author"]) == ("with ••• in it", "•••")
    assert "hunter2" not in page + repr(kept)


async def test_a_check_says_which_maintenance_it_is_under(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", PATCHES, 201)
        every = (await read(client, "/api/v1/checks"))["checks"]
        found = (await read(client, "/api/v1/checks?q=monthly"))["checks"]
        short = await post(client, "/api/v1/maintenance", PATCHES | {"for": "1h", "reason": "nested"}, 201)
        longest = (await read(client, "/api/v1/checks/shop/home"))["maintenance"]
        paused = await post(client, "/api/v1/maintenance", PATCHES | {"for": "5m", "mode": "pause"}, 201)
        pausing = (await read(client, "/api/v1/checks/shop/home"))["maintenance"]
    assert {one["name"]: one["maintenance"] and one["maintenance"]["id"] for one in every} == {
        "mail/in": None,
        "shop/cart": made["id"],
        "shop/home": made["id"],
    }
    assert [one["name"] for one in found] == ["shop/cart", "shop/home"]
    until = "2023-11-15T00:13:20.000Z"
    assert longest == {"id": made["id"], "mode": "mute", "until": until, "reason": "monthly patches"}
    assert pausing["id"] == paused["id"] != short["id"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"for": "1h"}, "in maintenance until 23:13 UTC: monthly patches"),
        ({}, "in maintenance until 15 Nov 00:13 UTC: monthly patches"),
        ({"for": "60d"}, "in maintenance until 13 Jan 2024 22:13 UTC: monthly patches"),
        ({"for": None}, "in maintenance until it is ended: monthly patches"),
        ({"for": "1h", "mode": "pause"}, "paused until 23:13 UTC: monthly patches"),
        ({"for": "1h", "reason": "<b>&amp;"}, "in maintenance until 23:13 UTC: <b>&amp;"),
    ],
)
async def test_pages_mark_checks_that_are_under_maintenance(clock: FakeClock, tmp_path: Path, change, words: str):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        made = await post(client, "/api/v1/maintenance", PATCHES | change, 201)
        index = Markup(await (await client.get("/")).text())
        page = Markup(await (await client.get("/checks/shop/home")).text())
        other = Markup(await (await client.get("/checks/mail/in")).text())
    assert index.text.count(words) == 2
    assert [row["class"] for row in index.all("tr")[1:]] == ["unknown", "unknown resting", "unknown resting"]
    assert f"{words} {made['id']}, announced by ana; does not count for availability" in page.text
    assert "resting" not in str(other.tags)
    assert "maintenance" not in other.text


async def test_a_muted_check_that_fails_is_down_and_marked(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *PLANS) as stand, stand.client() as client:
        await post(client, "/api/v1/maintenance", PATCHES, 201)
        stand.run("shop/home", REFUSED)
        value = await read(client, "/api/v1/checks/shop/home")
    assert (value["level"], value["maintenance"]["mode"]) == ("down", "mute")
    assert all(entry.act is None for entry in stand.entries)
