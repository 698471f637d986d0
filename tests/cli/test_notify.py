"""`probe notify`: real notifiers to real receivers on this machine, and what people read of what came of it."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner

from exporters.base import NotifyError
from probe.cli.main import main
from probe.store.sqlite import open_store
from probe.web.receivers import SWITCHBOARD
from tests.conftest import FakeClock
from tests.engine.post_office import Ear, PostOffice, notice
from tests.exporters.conftest import Inbox, opened_inbox
from tests.web.stand import planned, standing

KEY = "0123456789abcdef0123456789abcdef"


@pytest.fixture
async def inbox() -> AsyncIterator[Inbox]:
    async with opened_inbox() as inbox:
        yield inbox


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def written(folder: Path, url: str, port: int | None = None, text: str = "") -> str:
    path = folder / "probe.yml"
    path.write_text(
        f"""
instance: prod-eu
listen: 127.0.0.1:{port or free_port()}
token: 0123456789abcdef-t0ken
checks:
  shop/home: {{tcp: {{host: shop.example, port: 443}}}}
alerts:
  receivers:
    hook:
      webhook: {{url: "{url}s3cret-path"}}
{text}
    peers: {{alertmanager: {{urls: ["{url.rstrip("/")}"]}}}}
    pager: {{pagerduty: {{routing_key: {KEY}, url: "{url}v2/enqueue"}}}}
  routes: [{{to: [hook, peers, pager]}}]
"""
    )
    return str(path)


async def probe(*arguments: str, code: int = 0) -> str:
    done = await asyncio.to_thread(CliRunner().invoke, main, ["notify", *arguments])
    assert done.exit_code == code, done.output
    return done.output


def bodies(inbox: Inbox) -> list[Any]:
    return [json.loads(taken.body) for taken in inbox.taken]


async def test_a_test_says_that_it_is_one_and_what_came_of_it(inbox: Inbox, tmp_path: Path) -> None:
    said = await probe("test", "hook", "-c", written(tmp_path, inbox.url), "--by", "ana")
    assert said.startswith("hook: the message taken after ")
    (told,) = bodies(inbox)
    assert told["type"] == "bulletin"
    assert told["data"]["title"] == "TEST of hook by Probe prod-eu"
    assert told["data"]["text"].startswith("This is a test. Nothing is wrong")
    assert "ana asked for it" in told["data"]["text"]


async def test_an_incident_is_opened_and_ended(inbox: Inbox, tmp_path: Path) -> None:
    await probe("test", "pager", "-c", written(tmp_path, inbox.url), "--incident", "--by", "ana")
    first, second = bodies(inbox)
    assert (first["event_action"], second["event_action"]) == ("trigger", "resolve")
    assert first["dedup_key"] == second["dedup_key"]
    assert "This is a test" in first["payload"]["summary"]
    assert first["payload"]["severity"] == "info"  # it wakes nobody


async def test_a_plain_message_to_pagerduty_notifies_nobody(inbox: Inbox, tmp_path: Path) -> None:
    await probe("test", "pager", "-c", written(tmp_path, inbox.url))
    assert [taken.path for taken in inbox.taken] == ["/v2/change/enqueue"]


async def test_who_takes_nothing_but_incidents_is_not_said_to_have_taken_one(inbox: Inbox, tmp_path: Path) -> None:
    path = written(tmp_path, inbox.url)
    assert "--incident opens one and ends it" in await probe("test", "peers", "-c", path, code=2)
    assert inbox.taken == []
    await probe("test", "peers", "-c", path, "--incident")
    assert len(inbox.taken) == 2


@pytest.mark.parametrize(
    ("status", "outlook"),
    [
        (410, "; a service would disable it: its address or key is dead"),
        (400, "; trying again will not help"),
        (503, "; a service would try again"),
    ],
)
async def test_a_refusal_is_told_once_without_the_address(
    inbox: Inbox, tmp_path: Path, status: int, outlook: str
) -> None:
    inbox.answer(status, "no such hook: s3cret-path")
    said = await probe("test", "hook", "-c", written(tmp_path, inbox.url), code=1)
    assert said.startswith("hook: not taken: webhook 127.0.0.1:")
    assert said.strip().endswith(outlook)
    assert "s3cret-path" not in said
    assert len(inbox.taken) == 1


async def test_the_receivers_own_words_are_tried_too(inbox: Inbox, tmp_path: Path) -> None:
    text = '      text: {title: "{{ instance }} says {{ title }}"}'
    await probe("test", "hook", "-c", written(tmp_path, inbox.url, text=text))
    assert bodies(inbox)[0]["data"]["title"] == "prod-eu says TEST of hook by Probe prod-eu"


async def test_a_template_that_breaks_is_a_failed_test(inbox: Inbox, tmp_path: Path) -> None:
    text = """      text: {title: "{% if instance == 'prod-eu' %}{{ instance|duration }}{% endif %}"}"""
    said = await probe("test", "hook", "-c", written(tmp_path, inbox.url, text=text), code=1)
    assert "The template of hook is broken (title: " in said
    assert bodies(inbox)[0]["data"]["title"] == "TEST of hook by Probe prod-eu"


async def test_a_receiver_that_is_not_there_is_a_mistake(inbox: Inbox, tmp_path: Path) -> None:
    path = written(tmp_path, inbox.url)
    assert "no receiver is called hok; did you mean hook?" in await probe("test", "hok", "-c", path, code=2)
    assert "no receiver is called ana/hook" in await probe("test", "hook", "-c", path, "--user", "ana", code=2)


@asynccontextmanager
async def serving(clock: FakeClock, folder: Path, port: int) -> AsyncIterator[PostOffice]:
    """A service whose hook is gone."""
    (folder / "mail").mkdir()
    store = await open_store(f"sqlite:{folder / 'mail/probe.db'}")
    office = PostOffice(store, clock)
    await office.open({"hook": Ear().failing(NotifyError("answered 410", gone=True)), "mail": Ear()})
    await office.decide(notice("opened"), "hook")
    async with standing(clock, folder, planned("shop/home")) as stand:
        app: web.Application = stand.app()
        app[SWITCHBOARD] = office.deliverer
        async with TestServer(app, host="127.0.0.1", port=port):
            yield office
    await office.close()
    await store.close()


async def test_a_test_that_succeeds_enables_the_receiver_in_the_service(
    clock: FakeClock, inbox: Inbox, tmp_path: Path
) -> None:
    port = free_port()
    async with serving(clock, tmp_path, port) as office:
        path = written(tmp_path, inbox.url, port)
        inbox.answer(500)
        await probe("test", "hook", "-c", path, code=1)
        assert set(office.deliverer.disabled()) == {"hook"}
        inbox.answer(200)
        said = await probe("test", "hook", "-c", path)
        assert said.splitlines()[1] == f"hook was disabled in http://127.0.0.1:{port}; it is enabled again"
        assert not office.deliverer.disabled()
        assert len((await probe("test", "hook", "-c", path)).splitlines()) == 1


async def test_receivers_are_listed_and_enabled(clock: FakeClock, tmp_path: Path) -> None:
    port = free_port()
    where = ("--url", f"http://127.0.0.1:{port}")
    async with serving(clock, tmp_path, port):
        assert await probe("list", *where) == (
            "hook  DISABLED  nothing waits\n"
            "      since 2023-11-14T22:13:20.000Z: answered 410\n"
            "mail  enabled   nothing waits\n"
        )
        assert await probe("enable", "hook", "--by", "ana", *where) == "hook is enabled\n"
        assert "DISABLED" not in await probe("list", *where)
        assert "no receiver 'pager'" in await probe("enable", "pager", "--by", "ana", *where, code=2)
    assert "no answer from" in await probe("list", *where, code=1)
