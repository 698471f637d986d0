"""`probe maintenance` and `probe exclusion`: told to a real web application, and what people read of its answers."""

import asyncio
import json
import re
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from probe.cli.instants import read, zone_of
from probe.cli.main import main
from probe.cli.upkeep_words import agenda, announced
from tests.conftest import FakeClock
from tests.web.stand import Stand, planned, standing
from thresholds.calendar import parse_instant
from thresholds.maintenance import Cron, OneOff, Window

HOUR = 3_600_000
PLANS = planned("shop/home", labels={"tier": "1"}), planned("shop/cart"), planned("mail/in", service="mail")
START = ("maintenance", "start")
WHY = ("--reason", "monthly patches", "--by", "ana")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(round(time.time() * 1000))  # the commands go by this machine's


@asynccontextmanager
async def serving(clock: FakeClock, folder: Path) -> AsyncIterator[tuple[Stand, str]]:
    async with (
        standing(clock, folder, *PLANS) as stand,
        TestServer(stand.app(), host="127.0.0.1", access_log=None) as server,
    ):
        yield stand, str(server.make_url("/")).rstrip("/")


async def probe(*arguments: str, code: int = 0) -> str:
    """What the command prints, on either of its outputs."""
    done: Result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert done.exit_code == code, done.output
    return done.output


async def test_maintenance_is_started_listed_and_ended(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        said = await probe(*START, "shop/*", "--for", "2h", *WHY, "--url", url)
        (made,) = stand.judgement.upkeep.announced()
        assert (made.checks, made.mode, made.reason, made.author) == (("shop/*",), "mute", "monthly patches", "ana")
        assert made.ended_ms - made.began_ms == 2 * HOUR
        assert said.startswith(f"{made.id} mutes 2 checks from ")
        assert f"ended early by: probe maintenance end {made.id}" in said
        listed = await probe("maintenance", "list", "--url", url)
        assert listed.splitlines()[0] == "NOW"
        assert f"{made.id}  mute  " in listed
        assert "2 checks  shop/*  monthly patches (ana)" in listed
        assert "none in the next 7 days" in listed
        clock.step_wall(60_000)
        ended = await probe("maintenance", "end", made.id, "--by", "ben", "--url", url)
        assert ended.startswith(f"{made.id} ended at ")
        assert ended.endswith(" UTC, as ben said: monthly patches\n")
        assert ended == await probe("maintenance", "end", made.id, "--url", url)
        assert not stand.judgement.upkeep.muted("shop/home", clock.now_ms())
        listed = await probe("maintenance", "list", "--url", url)
        assert "no maintenance now" in listed
        assert "\nENDED WITHIN A DAY\n" in listed
        assert re.search(r"monthly patches \(ana\)  ended by ben \d{4}-\d\d-\d\d [\d:]+ UTC$", listed, re.MULTILINE)


async def test_what_comes_often_is_one_line_and_hides_nothing_else(clock: FakeClock, tmp_path: Path):
    clock.step_wall(parse_instant("2031-01-01T00:01Z", "UTC") - clock.now_ms())
    backups = Window("backups", Cron("*/5 * * * *", "UTC", 60.0), ("shop/cart",), reason="snapshots")
    days = [Window(name, Cron(f"0 2 * * {day}", "UTC", 600.0), ("mail/*",)) for name, day in (("a", "*"), ("b", "5-6"))]
    async with serving(clock, tmp_path) as (stand, url):
        await stand.plan(backups, *days)
        listed = (await probe("maintenance", "list", "--url", url)).splitlines()
        told = json.loads(await probe("maintenance", "list", "--json", "--url", url))
    rows = [re.split(" {2,}", line) for line in listed[3:]]
    assert listed[2] == "NEXT 7 DAYS"
    assert [(row[0], row[2], row[4]) for row in rows] == [
        ("backups", "2031-01-01 00:05 UTC", "2016 times: then 00:10 UTC, 00:15 UTC"),
        ("a", "2031-01-01 02:00 UTC", "7 times: then 2031-01-02 02:00 UTC, 2031-01-03 02:00 UTC"),
        ("b", "2031-01-03 02:00 UTC", "1 check"),
        ("b", "2031-01-04 02:00 UTC", "1 check"),
    ]
    assert rows[0][5:] == ["1 check", "shop/cart", "snapshots"]
    assert (len(told["next"]), told["total"]) == (1000, 2025)


async def test_all_that_is_said_arrives(clock: FakeClock, tmp_path: Path):
    options = (
        "--service",
        "shop",
        "--label",
        "tier=1",
        "--mode",
        "pause",
        "--counted",
        "--zone",
        "Australia/Lord_Howe",
    )
    times = ("--from", "2031-04-05T22:00", "--until", "2031-04-06T01:45")
    ahead = parse_instant("2031-01-01T00:00Z", "UTC") - clock.now_ms()
    clock.step_wall(ahead)
    async with serving(clock, tmp_path) as (stand, url):
        text = await probe(*START, *options, *times, "--reason", "move", "--by", "ben", "--json", "--url", url)
        (made,) = stand.judgement.upkeep.announced()
    assert (made.services, made.labels, made.mode, made.counted) == (("shop",), {"tier": "1"}, "pause", True)
    answer = json.loads(text)
    # Lord Howe Island goes back by half an hour on 6 April 2031, at 02:00 +11:00: of 01:45 it is the second.
    assert (answer["from"], answer["to"]) == ("2031-04-05T11:00:00.000Z", "2031-04-05T15:15:00.000Z")


async def test_an_exclusion_is_added_listed_and_withdrawn(clock: FakeClock, tmp_path: Path):
    week_ago = datetime.fromtimestamp(clock.now_ms() / 1000 - 7 * 86400, ZoneInfo("UTC")).strftime("%Y-%m-%dT%H:%MZ")
    async with serving(clock, tmp_path) as (stand, url):
        cause = ("--reason", "uplink, INC-42", "--by", "ana", "--url", url)
        said = await probe("exclusion", "add", "shop/home", "--from", week_ago, "--for", "40m", *cause)
        (made,) = stand.judgement.upkeep.announced()
        assert made.ended_ms - made.began_ms == 40 * 60_000
        assert said.startswith(f"{made.id} leaves out 1 check from ")
        listed = await probe("exclusion", "list", "--url", url)
        assert f"{made.id}  " in listed
        assert "1 check  shop/home  uplink, INC-42 (ana)" in listed
        assert "its time counts" in await probe("exclusion", "withdraw", made.id, "--by", "ben", "--url", url)
        assert re.search(
            r"withdrawn by ben \d{4}-.* UTC$", await probe("exclusion", "list", "--url", url), re.MULTILINE
        )


async def test_the_token_comes_from_the_configuration_or_a_file(clock: FakeClock, tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PROBE_TEST_TOKEN", "correct-horse-battery")
    secret = tmp_path / "token"
    secret.write_text("correct-horse-battery\n")
    async with serving(clock, tmp_path) as (stand, url):
        stand.token = "correct-horse-battery"
        config = tmp_path / "probe.yml"
        config.write_text(
            f"listen: {url.removeprefix('http://')}\nstore: sqlite:{tmp_path}/x.db\n"
            "token: ${env:PROBE_TEST_TOKEN}\nchecks: {a: {tcp: {host: 127.0.0.1, port: 9}}}\n"
        )
        refused = await probe(*START, "shop/*", *WHY, "--url", url, code=1)
        assert "a valid token is needed" in refused
        assert "-c CONFIG or --token-file brings it" in refused
        assert "mutes 2 checks" in await probe(*START, "shop/*", *WHY, "--url", url, "--token-file", str(secret))
        assert "pauses 1 check" in await probe(*START, "mail/*", *WHY, "--mode", "pause", "-c", str(config))


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ((*START, *WHY), "which checks? give patterns ('shop/*'), --service or --label"),
        ((*START, "*"), "Missing option '--reason'"),
        ((*START, "*", *WHY, "--for", "1h", "--until", "04:00"), "give --until or --for, not both"),
        ((*START, "*", *WHY, "--until", "tomorrow"), "'tomorrow' is no instant; write a date and a time"),
        ((*START, "*", *WHY, "--until", "04:00", "--zone", "Sydney"), "did you mean Australia/Sydney or"),
        ((*START, "*", *WHY, "--label", "tier"), "'tier' is no label with its value; write tier=1"),
        ((*START, "*", *WHY, "--label", "a=1", "--label", "a=2"), "a label is given twice"),
        ((*START, "*", *WHY, "--for", "2"), "for: must be a length of time"),
        ((*START, "shop/hom", *WHY), "checks: 'shop/hom' matches no check; did you mean shop/home?"),
        ((*START, "zzz", *WHY), "matches no check; --even-if-none takes it all the same"),
        ((*START, "*", *WHY, "--from", "2020-01-01T00:00", "--for", "1h"), "left out by probe exclusion add"),
        (("maintenance", "end", "m-nothing"), "there is no maintenance 'm-nothing'"),
        (("maintenance", "end", "patching"), "change maintenance.patching there"),
        (("exclusion", "withdraw", "../../-/reload"), "there is no exclusion '../../-/reload'"),
        (("exclusion", "add", "*", "--from", "02:00", *WHY), "say when it ended with --to, or how long it took"),
        (("exclusion", "add", "*", "--to", "02:00", *WHY), "Missing option '--from'"),
        (("exclusion", "list", "--since", "x"), "since must be an instant with its offset"),
    ],
)
async def test_what_is_wrong_is_said_in_a_line_with_code_2(clock: FakeClock, tmp_path: Path, arguments, line: str):
    async with serving(clock, tmp_path) as (stand, url):
        await stand.plan(Window("patching", OneOff((1, 2)), ("*",)))
        said = await probe(*arguments, "--url", url, code=2)
        assert line in " ".join(said.split())
        assert stand.judgement.upkeep.announced() == []
        assert stand.service.reloads == 0


@pytest.mark.parametrize(
    ("times", "line"),
    [
        (
            ("--from", "04:00", "--until", "03:00"),
            "the next 03:00 is 23h later; if that is meant, write --until 2",
        ),
        (("--from", "04:00", "--until", "16:00"), "the next 16:00 is 12h later"),
        (("--from", "04:30", "--until", "17:15"), "T17:15, or --for 12h45m"),
        (("--from", "04:00", "--until", "15:59"), ""),
        (("--from", "22:00", "--until", "06:00"), ""),
        (("--from", "2031-04-05T04:00Z", "--until", "2031-04-06T03:00Z"), ""),  # a date is meant
        (("--from", "04:00", "--for", "23h"), ""),
    ],
)
async def test_a_time_of_day_that_is_half_a_day_away_is_asked_back(
    clock: FakeClock, tmp_path: Path, times: tuple[str, ...], line: str
):
    clock.step_wall(parse_instant("2031-04-01T00:00Z", "UTC") - clock.now_ms() if "2031" in times[1] else 0)
    async with serving(clock, tmp_path) as (stand, url):
        said = await probe(*START, "*", *times, *WHY, "--zone", "UTC", "--url", url, code=2 if line else 0)
        assert line in " ".join(said.split())
        assert len(stand.judgement.upkeep.announced()) == (not line)


async def test_an_exclusion_of_nearly_a_day_is_asked_back(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        times = ("--from", "04:00", "--to", "03:00", "--zone", "UTC")
        said = await probe("exclusion", "add", "*", *times, *WHY, "--url", url, code=2)
        assert "the next 03:00 is 23h later; if that is meant, write --to 2" in " ".join(said.split())
        assert stand.judgement.upkeep.announced() == []


async def test_a_pattern_that_matches_nothing_yet_is_taken_on_demand(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, url):
        said = await probe(*START, "zzz", *WHY, "--even-if-none", "--url", url)
    assert "mutes 0 checks from" in said
    assert "until it is ended" in said


async def test_silence_and_strangers_are_told_apart_with_code_1(clock: FakeClock, tmp_path: Path):
    async def odd(request: web.Request) -> web.Response:
        raise web.HTTPFound("http://127.0.0.1:9/elsewhere")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", odd)
    async with TestServer(app, host="127.0.0.1") as server:
        said = await probe("maintenance", "list", "--url", str(server.make_url("/")), code=1)
    assert "it answers 302 Found and no JSON; is it Probe, and this version?" in said
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        silent = f"http://127.0.0.1:{closed.getsockname()[1]}"
        said = await probe(*START, "*", *WHY, "--url", silent, code=1)
    assert said == f"no answer from {silent}: connection refused\n"


async def test_a_service_that_goes_away_in_the_middle_may_have_done_it(clock: FakeClock, tmp_path: Path):
    async def gone(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(gone, "127.0.0.1", 0) as server:
        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        said = await probe(*START, "*", *WHY, "--url", url, code=1)
    assert "whether it was done, `list` says once it answers" in said


async def test_a_service_that_cannot_keep_it_is_code_1(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        await stand.store.close()
        said = await probe(*START, "*", *WHY, "--url", url, code=1)
    assert "the store did not keep it, and nothing is changed" in said


@pytest.mark.parametrize(
    ("text", "ahead", "expected"),
    [
        ("04:00", True, "2026-11-22T04:00+01:00"),
        ("03:00", True, "2026-11-23T03:00+01:00"),  # it is 03:00 now: the next one is tomorrow's
        ("2:30", True, "2026-11-23T02:30+01:00"),
        ("03:00", False, "2026-11-22T03:00+01:00"),
        ("04:00", False, "2026-11-21T04:00+01:00"),
        ("2026-12-24T18:00", True, "2026-12-24T18:00+01:00"),
        ("2026-07-01 18:00", False, "2026-07-01T18:00+02:00"),
        ("2026-12-24T18:00Z", True, "2026-12-24T18:00+00:00"),
    ],
)
def test_an_instant_is_of_the_clock_that_people_look_at(text: str, ahead: bool, expected: str):
    now_ms = parse_instant("2026-11-22T03:00+01:00", "UTC")
    assert read(text, zone_of("Europe/Berlin"), now_ms, ahead=ahead) == parse_instant(expected, "UTC")


@pytest.mark.parametrize("name", ["Europe/Berlin", "Australia/Lord_Howe", "America/St_Johns", "UTC"])
def test_the_clock_of_this_machine_is_that_of_its_zone(name: str, monkeypatch):
    monkeypatch.setenv("TZ", name)
    time.tzset()
    try:
        days = [f"2026-{day}T{clock}" for day in ("03-29", "04-05", "10-25", "11-01") for clock in ("01:30", "02:15")]
        for text in days:
            for last in (False, True):
                ours = read(text, zone_of(None), 0, ahead=True, last=last)
                assert ours == read(text, zone_of(name), 0, ahead=True, last=last)
    finally:
        monkeypatch.undo()
        time.tzset()


def test_what_a_service_says_cannot_steer_a_terminal():
    entry = {
        "id": "m-1", "source": "announced", "mode": "pause", "slo": "counted", "from": "2026-11-22T02:00:00.000Z",
        "to": "2026-11-23T04:00:05.000Z", "checks": ["a", "b"], "services": ["s"], "labels": {"k": "v"},
        "covers": {"count": 1, "checks": ["a"]}, "reason": "x\x1b[2J\ny", "author": "",
        "ended_at": None, "ended_by": "",
    }  # fmt: skip
    gone = entry | {"ended_at": "2026-11-22T03:00:00.000Z", "ended_by": "e\x1b[2J"}
    text = agenda({"now": [entry], "next": [entry | {"times": 1}], "past": [gone], "days": 7, "total": 9})
    row = (
        "m-1  pause  2026-11-22 02:00 UTC  until 2026-11-23 04:00:05 UTC  1 check  a b service s k=v  counted  x [2J y"
    )
    past = f"{row}  ended by e [2J 2026-11-22 03:00 UTC"
    assert text.splitlines() == ["NOW", row, "", "NEXT 7 DAYS", row, "and 8 more", "", "ENDED WITHIN A DAY", past]
    assert "\x1b" not in announced(entry)
