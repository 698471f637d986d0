"""Pings over real HTTP: what healthchecks' clients send is understood, and nobody else learns or breaks anything.

What addresses mean and what is answered is as in healthchecks' own tests (hc/api/tests/test_ping.py), and
https://healthchecks.io/docs/http_api/.
"""

import asyncio
import gzip
import hmac
import inspect
import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from checks.core.redact import Redactor
from probe.config import load
from probe.engine.heartbeats import Heartbeats
from probe.store.beats import Said
from probe.web import ping_keys
from probe.web.app import make_app, serve
from probe.web.ping_keys import Keys
from probe.web.ping_limits import Bucket, Strangers
from tests.conftest import FakeClock
from tests.jobs import at
from tests.web.stand import Markup, Stand, standing
from thresholds.base import Level

UUID_KEY = "5bf66975-d4c7-4bf5-bcc8-b8d8a82ea278"
SHARED = "fqOOd6-F4MMNuCEnzTU01w"  # as a project's ping key of healthchecks
NEW, OLD = "n" * 22, "o" * 22
RID = "728b3763-ea80-4113-9fc0-f99b1a1bbf2e"
JOBS = f"""
checks:
  backup/db: {{zone: UTC, heartbeat: {{cron: 30 2 * * *, keys: [{UUID_KEY}], stages: [{{name: dump}}]}}}}
  job/a: {{heartbeat: {{period: 1h, keys: [{SHARED}], body: 20}}}}
  job/b: {{heartbeat: {{period: 1h, keys: [{SHARED}], body: 20, body_keep: first, rate: 6/m}}}}
  posted: {{heartbeat: {{period: 1h, methods: post, keys: [{NEW}, {OLD}]}}}}
  silent: {{heartbeat: {{period: 1h, keys: [{NEW}x], body: 0}}}}
"""


@dataclass
class Desk:
    """The real application over real heartbeats, and someone who asks."""

    stand: Stand
    heartbeats: Heartbeats
    client: aiohttp.ClientSession

    async def said(self, check: str) -> list[Said]:
        return list(reversed(await self.stand.store.job_pings(check, 0, 999, 999)))

    def level(self, check: str) -> Level:
        view = self.stand.hub.view(check)
        assert view is not None
        return view.state.level


@asynccontextmanager
async def pinged(clock: FakeClock, folder: Path) -> AsyncIterator[Desk]:
    (folder / "probe.yml").write_text(JOBS)
    loaded = load(folder / "probe.yml")
    async with standing(clock, folder, *loaded.checks.values()) as stand:
        stand.token = "an-api-token-that-pings-do-not-need"
        stand.redact = Redactor([*loaded.secrets, "hunter2-secret"])
        heartbeats = Heartbeats(stand.store, clock, stand.hub.emit)
        await heartbeats.open(loaded)
        app = make_app(
            stand.hub,
            stand.service,
            stand.store,
            instance="test-1",
            token=lambda: stand.token,
            redact=stand.redact,
            clock=clock,
            jobs=heartbeats,
        )
        task = asyncio.create_task(heartbeats.run())
        try:
            site = await serve(app, "127.0.0.1", 0)
            async with aiohttp.ClientSession(site.url) as client:
                yield Desk(stand, heartbeats, client)
            await site.close()
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(at("02:31"))


@pytest.fixture
async def desk(clock: FakeClock, tmp_path: Path) -> AsyncIterator[Desk]:
    async with pinged(clock, tmp_path) as found:
        yield found


UNDERSTOOD = [
    (f"/ping/{UUID_KEY}", "backup/db", "success", None),
    (f"/ping/{UUID_KEY}/", "backup/db", "success", None),
    (f"/ping/{UUID_KEY}/start", "backup/db", "start", None),
    (f"/ping/{UUID_KEY}/fail", "backup/db", "fail", None),
    (f"/ping/{UUID_KEY}/log", "backup/db", "log", None),
    (f"/ping/{UUID_KEY}/0", "backup/db", "success", 0),
    (f"/ping/{UUID_KEY}/123", "backup/db", "fail", 123),
    (f"/ping/{UUID_KEY}/255", "backup/db", "fail", 255),
    (f"/ping/{UUID_KEY}/running", "backup/db", "running", None),
    (f"/ping/{UUID_KEY}/stage/dump", "backup/db", "stage", None),
    (f"/ping/{UUID_KEY}/backup-db/7", "backup/db", "fail", 7),
    (f"/ping/{SHARED}/job-a", "job/a", "success", None),
    (f"/ping/{SHARED}/job-b/start?rid={RID}", "job/b", "start", None),
    (f"/ping/{SHARED}/job-b/1?rid={RID.upper()}", "job/b", "fail", 1),
]


@pytest.mark.parametrize(("path", "check", "signal", "code"), UNDERSTOOD)
async def test_an_address_says_whose_and_what(desk: Desk, path: str, check: str, signal: str, code: int | None):
    answer = await desk.client.get(path)
    assert (answer.status, await answer.text()) == (200, "OK")
    (said,) = await desk.said(check)
    assert (said.signal.value, said.exit, said.source, said.method) == (signal, code, "127.0.0.1", "GET")


@pytest.mark.parametrize("method", ["HEAD", "GET", "POST", "PUT"])
async def test_any_of_the_usual_methods_is_a_ping(desk: Desk, method: str):
    answer = await desk.client.request(method, f"/ping/{UUID_KEY}", data=b"hello world" if method[0] == "P" else None)
    assert answer.status == 200
    assert answer.headers["Ping-Body-Limit"] == "10000"
    assert answer.headers["Access-Control-Allow-Origin"] == "*"
    assert answer.headers["Cache-Control"] == "no-store"
    (said,) = await desk.said("backup/db")
    assert (said.method, said.body) == (method, "hello world" if method[0] == "P" else "")


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/ping", 404, ""),
        ("/ping/", 404, "not found"),
        ("/ping/nobody", 404, "not found"),
        ("/ping/nobody/start", 404, "not found"),
        (f"/ping/{UUID_KEY[:-1]}", 404, "not found"),
        (f"/ping/{UUID_KEY.upper()}", 404, "not found"),
        (f"/ping/{UUID_KEY}/job-a", 404, "not found"),
        (f"/ping/{UUID_KEY}/begin", 404, "not found"),
        (f"/ping/{UUID_KEY}/start/start", 404, "not found"),
        (f"/ping/{SHARED}/job-c", 404, "not found"),
        (f"/ping/{UUID_KEY}/256", 400, "invalid url format: an exit code is a number from 0 to 255"),
        (f"/ping/{UUID_KEY}/00000", 400, "invalid url format: an exit code is a number from 0 to 255"),
        (f"/ping/{UUID_KEY}/stage", 400, "a stage is said as /stage/NAME"),
        (f"/ping/{UUID_KEY}?rid=1234", 400, "invalid uuid format"),
        (f"/ping/{UUID_KEY}?rid={RID.replace('-', '')}", 400, "invalid uuid format"),
        (f"/ping/{SHARED}", 409, "several heartbeats have this key"),
        (f"/ping/{SHARED}/start", 409, "several heartbeats have this key"),
    ],
)
async def test_an_address_that_means_nothing_is_refused(desk: Desk, path: str, status: int, words: str):
    answer = await desk.client.get(path)
    assert (answer.status, words in await answer.text()) == (status, True)
    assert [await desk.said(check) for check in ("backup/db", "job/a", "job/b")] == [[], [], []]


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        ("/ping/backup-db/start", UUID_KEY, 200),
        ("/ping/job-a", SHARED, 200),
        ("/ping/job-a", UUID_KEY, 404),
        ("/ping/nobody", UUID_KEY, 404),
        ("/ping/backup-db", "wrong", 404),
    ],
)
async def test_a_key_may_come_in_a_header(desk: Desk, path: str, key: str, status: int):
    answer = await desk.client.post(path, headers={"Authorization": f"Bearer {key}"})
    assert answer.status == status


async def test_while_keys_are_being_changed_both_are_right(desk: Desk):
    assert [(await desk.client.post(f"/ping/{key}")).status for key in (NEW, OLD, "x" * 22)] == [200, 200, 404]


async def test_a_scanner_s_get_is_no_ping_where_posts_are_wanted(desk: Desk):
    for method in ("GET", "HEAD", "DELETE"):
        answer = await desk.client.request(method, f"/ping/{NEW}")
        assert (answer.status, answer.headers["Allow"]) == (405, "POST, PUT")
    assert desk.level("posted") is Level.UNKNOWN
    assert (await desk.client.delete(f"/ping/{UUID_KEY}")).status == 405


async def test_pings_need_no_token_and_everything_else_does(desk: Desk):
    answer = await desk.client.post(
        f"/ping/{UUID_KEY}", headers={"Host": "probe.example", "Origin": "https://e.example"}
    )
    assert answer.status == 200
    for path in ("/-/reload", "/ping/../-/reload", "/%70ing/../-/reload", "/api/v1/maintenance"):
        assert (await desk.client.post(path)).status in (401, 404)
    assert desk.stand.service.reloads == 0


async def test_a_job_s_run_makes_the_check_s_level(desk: Desk, clock: FakeClock):
    for suffix, level in (
        ("start", Level.UNKNOWN),
        ("stage/dump", Level.UNKNOWN),
        ("0", Level.UP),
        ("fail", Level.DOWN),
    ):
        assert (await desk.client.post(f"/ping/{UUID_KEY}/{suffix}")).status == 200
        assert desk.level("backup/db") is level
        clock.step_wall(1000)


# Bodies.

LONG = "".join(f"{n:04}\n" for n in range(20_000))


@pytest.mark.parametrize(
    ("check", "body", "kept"),
    [
        ("a", "0123456789" * 3, "0123456789" * 2),
        ("b", "0123456789" * 3, "0123456789" * 2),
        ("a", "first" + "x" * 50 + "last", "x" * 16 + "last"),
        ("b", "first" + "x" * 50 + "last", "first" + "x" * 15),
        ("a", LONG, LONG[-20:]),
        ("b", LONG, LONG[:20]),
        ("a", "ä" * 15, "ä" * 10),
        ("a", "xä" + "ä" * 9 + "x", "ä" * 9 + "x"),  # half a character is none
        ("a", b"\xff\xfe\x00", "\ufffd" * 3),
        ("a", "\x1b[2J\x07\u202eab\r\nc\td", "\ufffd[2J\ufffd\ufffdab\nc\td"[-18:]),
        ("a", "", ""),
    ],
)
async def test_one_end_of_a_body_is_kept_harmless(desk: Desk, check: str, body: str | bytes, kept: str):
    answer = await desk.client.post(f"/ping/{SHARED}/job-{check}", data=body)
    assert answer.status == 200
    (said,) = await desk.said(f"job/{check}")
    assert said.body == kept
    assert len(said.body.encode()) <= 20


async def test_secrets_in_a_body_are_masked_also_where_it_is_cut(desk: Desk, tmp_path: Path):
    await desk.client.post(f"/ping/{UUID_KEY}", data=f"password hunter2-secret, key {UUID_KEY}")
    cut = "hunter2-secret".rjust(30, "-") + "." * 12  # the cut goes through it
    await desk.client.post(f"/ping/{SHARED}/job-a", data=cut)
    (whole,), (rest,) = await desk.said("backup/db"), await desk.said("job/a")
    assert whole.body == "password •••, key •••"
    assert "secret" not in rest.body
    with closing(sqlite3.connect(tmp_path / "probe.db")) as other:
        everything = "\n".join(other.iterdump())
    assert "hunter2-secret" not in everything
    assert UUID_KEY not in everything


async def test_a_body_without_end_costs_neither_memory_nor_the_ping(desk: Desk):
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(64):
            yield b"x" * (1 << 16)

    answer = await desk.client.post(f"/ping/{UUID_KEY}", data=endless())
    assert answer.status == 200
    (said,) = await desk.said("backup/db")
    assert said.body == "x" * 10_000


@pytest.mark.parametrize("packed", [gzip.compress(b"0" * (1 << 20)), b"no gzip"])
async def test_a_packed_body_stays_packed_and_is_not_kept(desk: Desk, packed: bytes):
    answer = await desk.client.post(f"/ping/{UUID_KEY}", data=packed, headers={"Content-Encoding": "gzip"})
    assert answer.status == 200
    assert [said.body for said in await desk.said("backup/db")] == [""]
    assert (await desk.client.post("/ping/nobody", data=packed, headers={"Content-Encoding": "gzip"})).status == 404


async def test_where_no_body_is_wanted_none_is_kept(desk: Desk):
    answer = await desk.client.post(f"/ping/{NEW}x", data="words")
    assert answer.headers["Ping-Body-Limit"] == "0"
    assert [said.body for said in await desk.said("silent")] == [""]


# Keys.


async def test_keys_are_nowhere(desk: Desk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch):
    caplog.set_level(logging.DEBUG)
    await desk.client.post(f"/ping/{UUID_KEY}/start", data=UUID_KEY)
    await desk.client.post(f"/ping/{UUID_KEY}/fail", data=f"curl https://probe.example/ping/{UUID_KEY}")
    await desk.client.post(f"/ping/{UUID_KEY[:-1]}0")
    monkeypatch.setattr(desk.heartbeats, "jobs", None)  # a bug
    assert (await desk.client.post(f"/ping/{UUID_KEY}")).status == 500
    monkeypatch.undo()
    texts = [caplog.text]
    pages = ("/", "/checks/backup/db", "/heartbeats/backup/db")
    for path in (*pages, "/api/v1/checks/backup/db", "/api/v1/heartbeats", "/api/v1/heartbeats/backup/db/runs"):
        texts.append(await (await desk.client.get(path)).text())
    assert all(UUID_KEY[:-1] not in text for text in texts)


def test_a_key_is_compared_as_a_whole_whoever_has_it(monkeypatch: pytest.MonkeyPatch):
    """Structure, not time: every look-up hashes the same way and compares all of two digests, found or not."""
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def counted(one: bytes, other: bytes) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counted)
    keys = Keys({})
    for guess in ("", UUID_KEY, "x" * 10_000):
        assert keys.owners(guess) == ()
    assert compared == [(32, 32)] * 3
    assert "==" not in inspect.getsource(Keys.owners)


def test_a_digest_is_of_this_process_alone():
    assert ping_keys.digest("key") == ping_keys.digest("key")
    assert len(ping_keys._SALT) == 32


# Limits.


async def test_a_heartbeat_takes_as_many_pings_as_it_may(desk: Desk, clock: FakeClock):
    answers = [await desk.client.get(f"/ping/{SHARED}/job-b") for _ in range(11)]
    assert [answer.status for answer in answers] == [200] * 10 + [429]
    assert answers[-1].headers["Retry-After"] == "10"
    assert (await desk.client.get(f"/ping/{SHARED}/job-a")).status == 200
    await clock.advance(10)
    assert (await desk.client.get(f"/ping/{SHARED}/job-b")).status == 200


async def test_who_knows_no_key_is_answered_ever_less(desk: Desk, clock: FakeClock):
    answers = [await desk.client.get(f"/ping/guess-{n}") for n in range(22)]
    assert [answer.status for answer in answers] == [404] * 20 + [429] * 2
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert (await desk.client.get(f"/ping/{UUID_KEY}")).status == 200  # who knows one is not limited by others
    elsewhere = {"X-Forwarded-For": "198.51.100.7, 203.0.113.9"}
    assert (await desk.client.get("/ping/guess", headers=elsewhere)).status == 404
    await clock.advance(60)
    assert (await desk.client.get("/ping/guess")).status == 404


def test_strangers_take_no_memory_however_many_they_are(clock: FakeClock):
    strangers = Strangers(clock)
    before = (len(strangers._spent), len(strangers._at))
    for n in range(5_000):
        strangers.wait(f"2001:db8:{n:x}::1")
    assert (len(strangers._spent), len(strangers._at)) == before


def test_a_network_of_ipv6_is_one_stranger(clock: FakeClock):
    strangers = Strangers(clock)
    assert [strangers.wait(f"2001:db8:1:2::{n:x}") > 0 for n in range(21)] == [False] * 20 + [True]


def test_a_bucket_begins_full_and_never_has_more():
    bucket = Bucket()
    assert [bucket.wait(0.0, 1.0) for _ in range(60)] == [0.0] * 60
    assert bucket.wait(0.5, 1.0) == 0.5
    assert [bucket.wait(1000.0, 1.0) > 0 for _ in range(61)] == [False] * 60 + [True]


# What cannot be kept.


async def test_what_is_not_on_disk_is_not_ok(desk: Desk):
    await desk.stand.store.close()
    answer = await desk.client.post(f"/ping/{UUID_KEY}")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert desk.level("backup/db") is Level.UNKNOWN
    assert desk.heartbeats.refused["store"] == 1


# What is shown.


async def test_heartbeats_and_their_runs_are_shown(desk: Desk, clock: FakeClock):
    await desk.client.post(f"/ping/{UUID_KEY}/start?rid={RID}")
    clock.step_wall(60_000)
    await desk.client.post(f"/ping/{UUID_KEY}/stage/dump?rid={RID}")
    await desk.client.post(f"/ping/{UUID_KEY}/3?rid={RID}", data="<script>alert(1)</script>\nno space")
    found = await (await desk.client.get("/api/v1/heartbeats")).json()
    one = next(one for one in found["heartbeats"] if one["name"] == "backup/db")
    assert (one["slug"], one["level"], one["due"], one["runs"]) == ("backup-db", "down", "2026-11-03T02:30:00.000Z", 1)
    assert one["troubles"][0]["reason"] == "exit code 3: <script>alert(1)</script> | no space"
    runs = await (await desk.client.get("/api/v1/heartbeats/backup/db/runs")).json()
    (run,) = runs["runs"]
    assert (run["rid"], run["outcome"], run["exit"], run["duration"]) == (RID, "failed", 3, 60.0)
    assert [said["signal"] for said in run["pings"]] == ["start", "stage", "fail"]
    text = await (await desk.client.get("/heartbeats/backup/db")).text()
    page = Markup(text)
    assert "failed" in page.text
    assert "<script>alert(1)</script>\nno space" in "".join(page.texts)
    assert len(page.all("script")) == 1
    assert "/heartbeats/backup/db" in {link["href"] for link in Markup(
        await (await desk.client.get("/checks/backup/db")).text()
    ).all("a")}  # fmt: skip


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/heartbeats/nobody", 404),
        ("/api/v1/heartbeats/nobody/runs", 404),
        ("/api/v1/heartbeats/backup/db/runs?limit=0", 400),
        ("/api/v1/heartbeats?x=1", 400),
        ("/heartbeats/job/a", 200),
        ("/api/v1/heartbeats/job/a/runs?limit=1&before=5", 200),
    ],
)
async def test_what_is_not_there_is_not_shown(desk: Desk, path: str, status: int):
    assert (await desk.client.get(path)).status == status


async def test_while_the_store_fails_the_page_says_so(desk: Desk):
    await desk.stand.store.close()
    answer = await desk.client.get("/api/v1/heartbeats/backup/db/runs")
    assert (answer.status, "did not answer" in (await answer.json())["error"]) == (503, True)
    assert "did not answer" in await (await desk.client.get("/heartbeats/backup/db")).text()
