"""Links in messages: looking at one does nothing, the button does it once, and nobody else can make one."""

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from exporters.base import Notice
from exporters.route import Route
from probe.engine.dispatch import recalled
from probe.store.base import Act
from tests.conftest import FakeClock
from tests.web.responding import CHAT, DAY, HOUR, MIN, NOW, equip, fail, link, post, recover, tick
from tests.web.stand import Markup, Stand, planned, standing

HOME = planned("shop/home")
BUTTONS = {"acknowledge": "Acknowledge", "snooze": "Snooze for 1 h", "resolve": "Resolve"}
SCANNERS = ("GET", "HEAD", "OPTIONS")


def status(stand: Stand) -> str:
    (incident,) = [*stand.dispatcher.book.open(), *stand.dispatcher.book.ended()]
    return incident.status.value


@pytest.mark.parametrize(
    ("deed", "then"), [("acknowledge", "acknowledged"), ("snooze", "snoozed"), ("resolve", "resolved")]
)
async def test_a_link_asks_and_its_button_does_it(clock: FakeClock, tmp_path: Path, deed: str, then: str):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        asked = await client.get(link(deed))
        page = Markup(await asked.text())
        assert (asked.status, status(stand)) == (200, "triggered")
        assert f"{BUTTONS[deed]}?" in page.text
        assert f"{BUTTONS[deed]} as ana" in page.text
        assert "connection refused" in page.text
        assert page.all("form") == [{"method": "post"}]  # to the same address
        assert page.all("input") == []
        done = await client.post(link(deed))
        text = Markup(await done.text()).text
        assert (done.status, status(stand)) == (200, then)
        assert "This link works no more." in text
        kept = await stand.store.incident(1)
        assert kept is not None
        assert kept.incident.status == then
        happened = await stand.store.happenings(kept.incident.id, 100)
        assert [one.who for one in happened if one.deed.value == then] == ["ana"]


async def test_looking_at_a_link_does_nothing_however_often(clock: FakeClock, tmp_path: Path):
    """Mail filters and chats look at links, in every way that browsers do but one."""
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        for deed in BUTTONS:
            for method in SCANNERS * 2:
                answer = await client.request(method, link(deed))
                assert answer.status == (405 if method == "OPTIONS" else 200)
                assert answer.headers["Cache-Control"] == "no-store"
                assert answer.headers["Referrer-Policy"] == "no-referrer"
        assert status(stand) == "triggered"
        assert (await client.post(link("acknowledge"))).status == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "DELETE"])
async def test_no_other_method_does_it(clock: FakeClock, tmp_path: Path, method: str):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        assert (await client.request(method, link())).status == 405
        assert status(stand) == "triggered"


async def test_a_link_works_once_also_after_a_restart(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        assert (await client.post(link())).status == 200
        await post(client, "/api/v1/incidents/1/unacknowledge", {"author": "bo"})
        again = await client.post(link())
        assert (again.status, status(stand)) == (410, "triggered")
        assert "this link was used before" in Markup(await again.text()).text
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await recalled(stand.dispatcher, stand.store, clock.now_ms())
        assert (await client.post(link())).status == 410
        assert status(stand) == "triggered"
        assert (await client.post(link(nonce="msg_2"))).status == 200  # that of another message
        assert status(stand) == "acknowledged"


async def test_two_who_press_at_once_do_it_once(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        answers = await asyncio.gather(*(client.post(link()) for _ in range(5)))
        assert sorted(answer.status for answer in answers) == [200, 410, 410, 410, 410]


async def test_each_person_has_a_link_of_their_own(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        for who in ("ana", "bo"):
            assert (await client.post(link(who=who))).status == 200
            assert stand.dispatcher.book.open()[0].acked_by == who


@pytest.mark.parametrize("method", ["GET", "POST"])
@pytest.mark.parametrize(
    ("path", "why"),
    [
        (link(lasts=-1), "this link has expired"),
        (link(key=b"of somebody else"), "this link was not made here, or is not whole"),
        (link(key=b""), "this link was not made here, or is not whole"),
        (link()[:-1], "this link was not made here, or is not whole"),
        (f"{link()}A", "this link was not made here, or is not whole"),
        ("/act/x", "this link was not made here, or is not whole"),
        ("/act/%00", "this link was not made here, or is not whole"),
        ("/act/ü.ü", "this link was not made here, or is not whole"),
        (f"/act/{'a' * 7000}", "this link was not made here, or is not whole"),
        (link(number=7), "there is no incident #7 any more"),
        (link("escalate"), None),
        (link("delete"), None),
    ],
)
async def test_a_link_that_is_none_of_ours_or_too_old_does_nothing(clock, tmp_path: Path, method: str, path: str, why):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        answer = await client.request(method, path, allow_redirects=False)
        text = await answer.text()
        assert answer.status in ((410,) if why else (404, 405, 410)), text
        if why:
            assert why in Markup(text).text.replace("&#39;", "'")
        assert status(stand) == "triggered"


async def test_what_a_link_says_cannot_be_changed(clock: FakeClock, tmp_path: Path):
    """The beginning of one link with the signature of another."""
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        body, signature = link("resolve").partition(".")[0], link("acknowledge").partition(".")[2]
        assert (await client.post(f"{body}.{signature}")).status == 410
        assert status(stand) == "triggered"


async def test_a_link_is_good_for_a_day(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        clock.step_wall(NOW + DAY - 1 - clock.now_ms())
        assert (await client.get(link())).status == 200
        clock.step_wall(1)
        assert (await client.get(link())).status == 410
        assert (await client.post(link())).status == 410


async def test_of_what_is_over_there_is_no_button_and_nothing_is_done(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        await recover(stand, "shop/home")
        for hours in (0, 2):
            clock.step_wall(hours * HOUR)
            await tick(stand)  # after an hour it is in the store alone
            page = Markup(await (await client.get(link())).text())
            assert page.all("button") == []
            assert "nothing is left to be done" in page.text
            refused = await client.post(link(nonce=f"msg_{hours}"))
            assert refused.status == 409
            assert "#1 is over" in Markup(await refused.text()).text


async def test_a_link_needs_no_token_and_no_page_of_ours(clock: FakeClock, tmp_path: Path):
    """It is opened in a mail program, on a phone, through the company's proxy."""
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        stand.token = "correct-horse-battery"
        await fail(stand, "shop/home")
        headers = {"Host": "probe.example", "X-Forwarded-For": "192.0.2.1", "Origin": "https://probe.example"}
        assert (await client.get(link(), headers=headers)).status == 200
        assert (await client.post(link(), headers=headers)).status == 200
        assert status(stand) == "acknowledged"


async def test_a_link_opens_no_other_door(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        stand.token = "correct-horse-battery"
        await fail(stand, "shop/home")
        for path in (f"{link()}/../../-/reload", f"/-/reload?{link()}", f"{link()}/x"):
            assert (await client.post(path)).status in (401, 404)
        assert (stand.service.reloads, status(stand)) == (0, "triggered")


async def test_a_store_that_fails_is_said_and_the_link_stays_good(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        await stand.store.close()
        assert (await client.get(link())).status == 200  # what is open is in memory
        assert (await client.post(link())).status == 503
        assert status(stand) == "triggered"
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await recalled(stand.dispatcher, stand.store, clock.now_ms())
        assert (await client.post(link())).status == 200


async def test_hostile_texts_stay_texts_and_secrets_are_masked(clock: FakeClock, tmp_path: Path):
    evil = "<script>alert(1)</script>"
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        stand.dispatcher.book._incidents = {
            one.id: replace(one, reason=f"{evil} hunter2-secret", subject=evil) for one in stand.dispatcher.book.open()
        }
        for answer in (await client.get(link(who=evil)), await client.post(link(who=evil))):
            text = await answer.text()
            assert "<script>alert" not in text
            assert "hunter2" not in text
            assert evil in Markup(text).text


async def test_a_message_has_links_that_work(clock: FakeClock, tmp_path: Path):
    """From the notice that is stored to the deed."""
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand, *CHAT)
        await fail(stand, "shop/home")
        (owed,) = await stand.store.pending()
        dressed: Notice = stand.service.response.dress(owed.notice, owed.receiver)
        assert list(dressed.actions) == list(BUTTONS.values())
        assert dressed.why == "route 1"
        url = dressed.actions["Acknowledge"]
        assert url.startswith("https://probe.example/act/")
        path = url.removeprefix("https://probe.example")
        assert (await client.post(path)).status == 200
        assert stand.dispatcher.book.open()[0].acked_by == "somebody in chat"


# A channel that many read, where whoever follows a link may say who it is.


def shared(deed: str = "acknowledge", **more: Any) -> str:
    return link(deed, who="somebody in chat", via="chat", **more)


@pytest.mark.parametrize(
    ("said", "stands"),
    [
        ({"name": "ana"}, "ana, by a link of chat"),
        ({"name": "  Ana\tB.\u202e "}, "Ana B., by a link of chat"),
        ({"name": "a" * 61}, "a" * 59 + "…, by a link of chat"),
        ({"name": "<b>hunter2-secret</b>"}, "<b>•••</b>, by a link of chat"),
        ({"name": " "}, "somebody in chat"),
        ({"nickname": "ana"}, "somebody in chat"),
        (None, "somebody in chat"),
    ],
)
async def test_a_channels_link_asks_for_a_name_that_may_be_left_out(clock, tmp_path: Path, said: Any, stands: str):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        page = Markup(await (await client.get(shared())).text())
        (field,) = page.all("input")
        assert (field["name"], field["maxlength"], "required" in field) == ("name", "60", False)
        assert "Without a name it stands as somebody in chat." in page.text
        done = await client.post(shared(), data=said)
        text = await done.text()
        assert (done.status, f"acknowledged by {stands}." in Markup(text).text, "<b>" in text) == (200, True, False)
        incident = stand.dispatcher.book.open()[0]
        assert (incident.acked_by, incident.acked_via) == (stands, "chat")


async def test_a_persons_link_stands_for_that_person_whatever_is_said(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        assert (await client.post(link(), data={"name": "mallory"})).status == 200
        assert stand.dispatcher.book.open()[0].acked_by == "ana"


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"name=" + b"a" * 70_000, 413), (b"&".join([b"a=1"] * 11), 400), (b"\xff\x00%%%=&name", 200)],
)
async def test_a_form_that_is_none_is_refused_or_nobodys_name(clock, tmp_path: Path, body: bytes, status: int):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        assert (await client.post(shared(), data=body, headers=headers)).status == status


# All of a message about several.

SEVERAL = tuple(planned(f"{name}/a", service=name) for name in ("shop", "mail", "jobs", "docs"))
GROUP = Route(("chat",), by=("owner",), wait=0.0, name="route 1")


async def all_of(stand: Stand, *names: str) -> str:
    """The link for all of a message about these."""
    equip(stand, GROUP)
    await fail(stand, *(f"{name}/a" for name in names))
    await tick(stand, 1.0)
    owed = (await stand.store.pending())[-1]
    dressed: Notice = stand.service.response.dress(owed.notice, owed.receiver)
    assert list(dressed.actions) == ["Acknowledge all"]
    return dressed.actions["Acknowledge all"].removeprefix("https://probe.example")


def taken(stand: Stand) -> dict[str, str]:
    return {one.subject: one.acked_by for one in (*stand.dispatcher.book.open(), *stand.dispatcher.book.ended())}


async def test_a_group_is_taken_by_one_link_and_the_page_says_what_became_of_each(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *SEVERAL) as stand, stand.client() as client:
        path = await all_of(stand, "shop", "mail", "jobs", "docs")
        await post(client, "/api/v1/incidents/2/acknowledge", {"author": "bo"})
        await post(client, "/api/v1/incidents/3/resolve", {"author": "cy"})
        for method in SCANNERS:
            await client.request(method, path)
        page = Markup(await (await client.get(path)).text())
        assert [one["name"] for one in page.all("input")] == ["name"]
        for part in (
            "Acknowledge all?",
            "2 of 4 incidents are still to be taken.",
            "To be taken: 2 DOWN #1 shop connection refused DOWN #4 docs connection refused",
            "Taken already: 1 DOWN #2 mail acknowledged by bo",
            "Over: 1 #3 jobs resolved by cy",
        ):
            assert part in page.text
        assert taken(stand)["shop"] == ""
        done = await client.post(path, data={"name": "ana"})
        text = Markup(await done.text()).text
        assert done.status == 200
        for part in (
            "Done: acknowledge all",
            "2 of 4 incidents are acknowledged by ana, by a link of chat.",
            "Over: 1",
        ):
            assert part in text
        ana = "ana, by a link of chat"
        assert taken(stand) == {"shop": ana, "docs": ana, "mail": "bo", "jobs": ""}
        for number in (1, 4):
            kept = await stand.store.incident(number)
            assert kept is not None
            assert (kept.incident.acked_by, kept.incident.acked_via) == (ana, "chat")
        assert (await client.post(path)).status == 410
        assert (await client.get(path)).status == 410


async def test_what_joined_a_group_after_the_message_is_not_taken_by_its_link(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *SEVERAL) as stand, stand.client() as client:
        path = await all_of(stand, "shop", "mail")
        await fail(stand, "jobs/a")
        assert (await client.post(path)).status == 200
        assert taken(stand)["jobs"] == ""


async def test_where_none_is_left_nothing_is_done_and_the_link_stays_good(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *SEVERAL) as stand, stand.client() as client:
        path = await all_of(stand, "shop", "mail")
        await post(client, "/api/v1/incidents/acknowledge", {"author": "bo", "numbers": [1, 2]})
        page = Markup(await (await client.get(path)).text())
        assert (page.all("button"), "none is left to be taken" in page.text) == ([], True)
        refused = await client.post(path)
        assert (refused.status, "Nothing was done" in await refused.text()) == (409, True)
        await post(client, "/api/v1/incidents/1/unacknowledge", {"author": "bo"})
        assert (await client.post(path)).status == 200
        assert taken(stand) == {"shop": "somebody in chat", "mail": "bo"}


async def test_whoever_has_them_confirms_them_by_the_link_for_all(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *SEVERAL) as stand, stand.client() as client:
        path = await all_of(stand, "shop", "mail")
        stand.dispatcher.acknowledge(stand.dispatcher.book.open()[0].id, "zoe, by a link of chat", "chat")
        clock.step_wall(MIN)
        assert (await client.post(path)).status == 200
        assert {one.acked_ms for one in stand.dispatcher.book.open()} == {clock.now_ms()}


@pytest.mark.parametrize("method", ["GET", "POST"])
async def test_a_link_for_all_of_a_message_that_nobody_knows_does_nothing(clock, tmp_path: Path, method: str):
    async with standing(clock, tmp_path, *SEVERAL) as stand, stand.client() as client:
        await all_of(stand, "shop", "mail")
        for path in (link("acknowledge all", 0), link("acknowledge", 0)):
            assert (await client.request(method, path)).status == 410
        assert set(taken(stand).values()) == {""}


async def test_a_page_of_thousands_shows_the_first_of_them(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, *SEVERAL) as stand, stand.client() as client:
        path = await all_of(stand, "shop", "mail")
        owed = (await stand.store.pending())[-1]
        many = replace(owed.notice, id="msg_many", numbers=tuple(range(1, 5001)))
        await stand.store.append([Act(notices=((many, ("chat",)),))])
        path = (
            stand.service.response.dress(many, "chat").actions["Acknowledge all"].removeprefix("https://probe.example")
        )
        text = await (await client.get(path)).text()
        assert (len(text) < 20_000, "and 4948 more" in Markup(text).text) == (True, True)
        assert (await client.post(path)).status == 200
        assert set(taken(stand).values()) == {"somebody in chat"}
