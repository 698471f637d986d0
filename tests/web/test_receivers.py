"""`/api/v1/receivers`, over the real couriers and the real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from aiohttp.test_utils import TestClient, TestServer

from exporters.base import NotifyError
from exporters.terms import Terms
from probe.store.sqlite import open_store
from probe.web.receivers import SWITCHBOARD
from tests.conftest import FakeClock
from tests.engine.post_office import Ear, PostOffice, notice
from tests.web.stand import planned, standing


@asynccontextmanager
async def asked(clock: FakeClock, folder: Path) -> AsyncIterator[tuple[PostOffice, TestClient[Any, Any]]]:
    """A service whose chat is gone, behind the web application."""
    (folder / "mail").mkdir()
    store = await open_store(f"sqlite:{folder / 'mail/probe.db'}")
    office = PostOffice(store, clock)
    chat = Ear().failing(NotifyError("410 of s3cr3t", gone=True))
    await office.open({"chat": chat, "ana/chat": Ear(address="ana"), "mail": Ear()}, {"chat": Terms(fallback="mail")})
    await office.decide(notice("opened"), "chat")
    async with standing(clock, folder, planned("shop/home")) as stand:
        app = stand.app()
        app[SWITCHBOARD] = office.deliverer
        async with TestClient(TestServer(app, host="127.0.0.1")) as client:
            yield office, client
    await office.close()
    await store.close()


async def test_receivers_are_listed_with_who_is_disabled_and_why(clock: FakeClock, tmp_path: Path) -> None:
    async with asked(clock, tmp_path) as (_, client):
        answer = await client.get("/api/v1/receivers")
        value = await answer.json()
    assert [one["name"] for one in value["receivers"]] == ["ana/chat", "chat", "mail"]
    _, chat, mail = value["receivers"]
    assert chat == {
        "name": "chat",
        "disabled": True,
        "since": "2023-11-14T22:13:20.000Z",  # date -u -d @1700000000
        "reason": "410 of •••",
        "fallback": "mail",
        "pending": 0,
        "oldest": None,
    }
    assert (mail["disabled"], mail["since"], mail["fallback"]) == (False, None, "")


async def test_a_receiver_is_enabled_and_asking_twice_does_no_harm(clock: FakeClock, tmp_path: Path) -> None:
    async with asked(clock, tmp_path) as (office, client):
        for _ in range(2):
            answer = await client.post("/api/v1/receivers/chat/enable", json={"author": "ana"})
            assert (answer.status, (await answer.json())["disabled"]) == (200, False)
        assert office.enabled == ["chat"]
        await office.decide(notice("opened", "b@2"), "chat")
        derived = await client.post("/api/v1/receivers/ana%2Fchat/enable", json={})
        assert (await derived.json())["name"] == "ana/chat"


async def test_what_is_not_there_cannot_be_enabled(clock: FakeClock, tmp_path: Path) -> None:
    async with asked(clock, tmp_path) as (_, client):
        answer = await client.post("/api/v1/receivers/pager/enable", json={})
        assert answer.status == 404
        assert "no receiver 'pager'" in (await answer.json())["error"]
        form = await client.post("/api/v1/receivers/chat/enable", data={"author": "x"})
        assert form.status == 415  # a page elsewhere cannot do it in a visitor's name


async def test_before_couriers_are_at_work_nothing_is_said_of_them(clock: FakeClock, tmp_path: Path) -> None:
    async with standing(clock, tmp_path, planned("shop/home")) as stand, stand.client() as client:
        answer = await client.get("/api/v1/receivers")
        assert answer.status == 503
