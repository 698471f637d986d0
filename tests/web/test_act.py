"""Links in messages: looking at one does nothing, the button does it once, and nobody else can make one."""

import asyncio
from dataclasses import replace
from pathlib import Path

import pytest

from exporters.base import Notice
from probe.engine.dispatch import recalled
from tests.conftest import FakeClock
from tests.web.responding import CHAT, DAY, HOUR, NOW, equip, fail, link, post, recover, tick
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
