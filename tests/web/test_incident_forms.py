"""What people do from the page of an incident: plain forms, and nobody else's page can send them."""

from pathlib import Path
from typing import Any

import pytest

from tests.conftest import FakeClock
from tests.web.responding import HOUR, equip, fail, recover
from tests.web.stand import Markup, Stand, planned, standing

TOKEN = "correct-horse-battery-ünï"
HOME = planned("shop/home")
PATH = "/incidents/1"


def status(stand: Stand) -> tuple[str, str]:
    (incident,) = [*stand.dispatcher.book.open(), *stand.dispatcher.book.ended()]
    return incident.status.value, incident.acked_by or incident.resolved_by


async def form(client: Any, **fields: str) -> Markup:
    """The page that a browser shows after a button was pressed."""
    answer = await client.post(PATH, data=fields)
    text = await answer.text()
    assert answer.status == 200, text
    assert [one.status for one in answer.history] == [303]
    assert answer.url.path == PATH
    return Markup(text)


@pytest.mark.parametrize(
    ("fields", "then", "shown"),
    [
        ({"deed": "acknowledge"}, ("acknowledged", "ana"), "acknowledged by ana"),
        ({"deed": "snooze", "for": "2h"}, ("snoozed", "ana"), "snoozed by ana until"),
        ({"deed": "resolve"}, ("resolved", "ana"), "resolved by ana"),
        ({"deed": "note", "text": "rolled <b>back</b>\nnow"}, ("triggered", ""), "rolled <b>back</b> now"),
    ],
)
async def test_a_button_does_what_it_says(
    clock: FakeClock, tmp_path: Path, fields: dict[str, str], then: tuple[str, str], shown: str
):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        page = await form(client, who="ana", **fields)
        assert status(stand) == then
        assert shown in page.text
        kept = await stand.store.incident(1)
        assert kept is not None
        assert kept.incident.status.value == then[0]  # on disk before it is answered
        assert "ana" in [one.who for one in await stand.store.happenings(kept.incident.id, 100)]


async def test_the_page_offers_what_can_be_done(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")

        async def offered() -> list[str | None]:
            answer = await client.get(PATH)
            assert answer.headers["Referrer-Policy"] == "same-origin"  # else browsers do not say where a form is from
            return [one.get("value") for one in Markup(await answer.text()).all("button")]

        assert await offered() == [None, "acknowledge", "snooze", "resolve", "note"]
        await form(client, who="ana", deed="acknowledge")
        assert await offered() == [None, "unacknowledge", "snooze", "resolve", "note"]
        await form(client, who="bo", deed="unacknowledge")
        assert status(stand) == ("triggered", "")
        await recover(stand, "shop/home")
        assert await offered() == [None, "note"]
        page = Markup(await (await client.get(PATH)).text())
        assert page.all("button")[0] == {"type": "submit", "disabled": None, "hidden": None}  # Enter presses nothing
        assert [one["name"] for one in page.all("input")] == ["who"]  # no token is asked for where there is none


@pytest.mark.parametrize(
    ("fields", "code", "line"),
    [
        ({"deed": "acknowledge"}, 400, "author: is missing; say who you are"),
        ({"deed": "acknowledge", "who": "a" * 201}, 400, "author: is longer than 200"),
        ({"deed": "note", "who": "ana", "text": " "}, 400, "text: is missing"),
        ({"deed": "snooze", "who": "ana"}, 400, "for: is missing"),
        ({"deed": "snooze", "who": "ana", "for": "99d"}, 400, "for:"),
        ({"deed": "erase", "who": "ana"}, 400, "the form asks for &#39;erase&#39;"),
        ({"who": "ana"}, 400, "the form asks for"),
    ],
)
async def test_a_form_that_makes_no_sense_changes_nothing(
    clock: FakeClock, tmp_path: Path, fields: dict[str, str], code: int, line: str
):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        answer = await client.post(PATH, data=fields)
        assert (answer.status, answer.content_type) == (code, "text/html")
        assert line in await answer.text()
        assert status(stand) == ("triggered", "")


async def test_what_is_over_cannot_be_acknowledged(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        await recover(stand, "shop/home")
        answer = await client.post(PATH, data={"deed": "acknowledge", "who": "ana"})
        assert answer.status == 409
        assert (await client.post("/incidents/7", data={"deed": "resolve", "who": "ana"})).status == 404


FOREIGN = [
    {"Origin": "https://evil.example"},
    {"Origin": "null"},
    {"Sec-Fetch-Site": "cross-site"},
    {"Sec-Fetch-Site": "same-site"},
    {"Host": "evil.example"},  # a name that was made to lead here
    {"X-Forwarded-For": "203.0.113.7"},
]


@pytest.mark.parametrize("headers", FOREIGN, ids=str)
async def test_without_a_token_no_other_page_can_send_it(clock: FakeClock, tmp_path: Path, headers: dict[str, str]):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        answer = await client.post(PATH, data={"deed": "resolve", "who": "eve"}, headers=headers)
        assert answer.status == 403
        assert status(stand) == ("triggered", "")


async def test_a_browser_on_this_machine_can(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        sent = {"Sec-Fetch-Site": "same-origin", "Origin": str(client.make_url("/")).rstrip("/")}
        answer = await client.post(PATH, data={"deed": "resolve", "who": "ana"}, headers=sent)
        assert (answer.status, status(stand)) == (200, ("resolved", "ana"))


@pytest.mark.parametrize(
    ("token", "headers", "code"),
    [
        (TOKEN, {}, 200),
        (f" {TOKEN} ", {"Origin": "https://probe.example", "X-Forwarded-For": "203.0.113.7"}, 200),
        ("", {}, 403),
        (TOKEN[:-1], {}, 403),
        (f"{TOKEN}x", {}, 403),
        ("\udcff", {}, 403),
        (TOKEN, {"Sec-Fetch-Site": "cross-site"}, 403),
        ("", {"Cookie": f"token={TOKEN}"}, 403),
    ],
)
async def test_with_a_token_a_field_is_the_proof(
    clock: FakeClock, tmp_path: Path, token: str, headers: dict[str, str], code: int
):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        stand.token = TOKEN
        page = Markup(await (await client.get(PATH)).text())
        assert [(one["name"], one.get("type")) for one in page.all("input")] == [("who", None), ("token", "password")]
        body = {"deed": "acknowledge", "who": "ana", "token": token.encode(errors="replace").decode()}
        answer = await client.post(PATH, data=body, headers=headers)
        assert answer.status == code
        assert status(stand) == (("acknowledged", "ana") if code == 200 else ("triggered", ""))
        assert TOKEN not in await answer.text()


@pytest.mark.parametrize(
    ("body", "kind", "code"),
    [
        (b'{"deed": "resolve", "who": "eve"}', "application/json", 415),
        (b"deed=resolve&who=eve", "text/plain", 415),
        (b"deed=note&deed=resolve&who=eve", "application/x-www-form-urlencoded", 400),
        (b"deed=resolve&who=" + b"e" * 100_000, "application/x-www-form-urlencoded", 413),
    ],
)
@pytest.mark.parametrize("token", ["", TOKEN])
async def test_nothing_but_a_form_is_taken(
    clock: FakeClock, tmp_path: Path, body: bytes, kind: str, code: int, token: str
):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        stand.token = token
        answer = await client.post(PATH, data=body, headers={"Content-Type": kind})
        assert answer.status == code
        assert status(stand) == ("triggered", "")


async def test_whoever_may_not_act_is_told_how_to(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        through = await client.get(PATH, headers={"X-Forwarded-For": "203.0.113.7"})
        page = Markup(await through.text())
        assert page.all("form") == []
        assert "To act from here, set token in the configuration" in page.text
        linked = await client.get(PATH, headers={"Sec-Fetch-Site": "cross-site"})  # from a chat: looking is no harm
        assert len(Markup(await linked.text()).all("form")) == 1


async def test_a_note_is_written_long_after(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, HOME) as stand, stand.client() as client:
        equip(stand)
        await fail(stand, "shop/home")
        await recover(stand, "shop/home")
        clock.step_wall(2 * HOUR)
        page = await form(client, who="ana", deed="note", text="hunter2-secret was in the log")
        assert "was in the log" in page.text
        assert "hunter2-secret" not in page.text
