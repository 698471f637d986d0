"""`probe incident` and `probe silence`: told to a real web application, and what people read of its answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from exporters.oncall.escalation import EscalationPolicy, Step
from exporters.oncall.roster import Roster
from exporters.route import Route
from probe.cli.incident_words import line, listed, plain, shown, silenced, silences, unsilenced
from probe.cli.main import main
from probe.cli.route_words import routed
from tests.conftest import FakeClock
from tests.web.responding import HOUR, equip, fail, recover
from tests.web.stand import Stand, planned, standing

PLANS = planned("shop/home", labels={"tier": "1"}), planned("shop/cart"), planned("mail/in", service="mail")
QUIET = ("silence", "add", "shop/*", "--reason", "load test", "--by", "ana")


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(round(time.time() * 1000))  # the commands go by this machine's


@asynccontextmanager
async def serving(clock: FakeClock, folder: Path) -> AsyncIterator[tuple[Stand, str]]:
    async with (
        standing(clock, folder, *PLANS) as stand,
        TestServer(stand.app(), host="127.0.0.1", access_log=None) as server,
    ):
        steps = {"prodops": EscalationPolicy("prodops", (Step(("mail",), 300.0),))}
        routes = Route(("chat", "escalation:prodops"), name="route 1")
        equip(stand, routes, roster=Roster(escalations=steps))
        yield stand, str(server.make_url("/")).rstrip("/")


async def probe(*arguments: str, code: int = 0) -> str:
    """What the command prints, on either of its outputs."""
    done: Result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    assert done.exit_code == code, done.output
    return done.output


async def test_what_is_open_is_listed_and_one_is_shown(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        assert await probe("incident", "list", "--url", url) == "no incident is open\n"
        await fail(stand, "mail/in")
        await recover(stand, "mail/in")
        await fail(stand, "shop/home", "shop/cart")
        (row,) = (await probe("incident", "list", "--url", url)).splitlines()
        assert row.startswith("#2  DOWN  page  shop  ")
        assert row.endswith("triggered  shop/home, shop/cart  connection refused")
        rows = (await probe("incident", "list", "--all", "--url", url)).splitlines()
        assert [one.split()[:2] for one in rows] == [["#1", "over"], ["#2", "DOWN"]]
        text = await probe("incident", "show", "2", "--url", url)
        assert text.splitlines()[:2] == ["#2 DOWN shop: connection refused", "#2 shop is triggered"]
        for part in ("\nwhat:  shop is DOWN: connection refused", "\nCHECKS\n", "\nTIMELINE\n", "\nNOTICES\n"):
            assert part in text
        assert "TO DO" not in text
        found = json.loads(await probe("incident", "show", "2", "--json", "--url", url))
        assert (found["number"], len(found["members"])) == (2, 2)
        assert json.loads(await probe("incident", "list", "--json", "--url", url))["open"] == 1


async def test_every_deed_is_done_and_said(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        await fail(stand, "shop/home")

        async def do(*words: str) -> str:
            return (await probe("incident", *words, "--by", "ana", "--url", url)).strip()

        assert await do("ack", "1") == "#1 shop is acknowledged by ana"
        assert await do("unack", "1") == "#1 shop is triggered"
        assert (await do("snooze", "1", "--for", "2h")).startswith("#1 shop is snoozed by ana until ")
        assert await do("escalate", "1") == "#1 shop is triggered"
        assert await do("note", "1", "rolled back") == "#1 shop is triggered"
        words = ("--category", "deploy", "--cause", "cold cache", "--fix", "rolled back", "--impact", "EU")
        assert await do("describe", "1", *words) == "#1 shop is triggered"
        task = ("--owner", "bo", "--due", "2026-12-01", "--link", "https://t.example/7")
        assert await do("action", "add", "1", "warm it", *task) == "#1 shop is triggered"
        assert await do("action", "done", "1", "1") == "#1 shop is triggered"
        assert await do("resolve", "1") == "#1 shop is resolved by ana"
        text = await probe("incident", "show", "1", "--url", url)
        for part in ("deploy; cold cache", "\nTO DO\n1  done ", "  bo  2026-12-01  warm it", "  note ", "rolled back"):
            assert part in text
        (filed,) = await stand.store.filed(0, 1 << 53, 10)
        assert filed.incident.actions[0].link == "https://t.example/7"


async def test_several_are_taken_by_one_command(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        await fail(stand, "shop/home", "mail/in")
        said = await probe("incident", "ack", "1", "2", "--by", "ana", "--url", url)
        assert said == "#1 shop is acknowledged by ana\n#2 mail is acknowledged by ana\n"
        await probe("incident", "resolve", "1", "--by", "cy", "--url", url)
        said = await probe("incident", "ack", "2", "1", "9", "--by", "bo", "--url", url, code=2)
        assert said.splitlines() == [
            "#2 mail is acknowledged by bo",
            "#1 shop is over, resolved by cy",
            "there is no incident #9",
        ]
        assert {one.subject: one.acked_by for one in stand.dispatcher.book.open()} == {"mail": "bo"}


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("incident", "ack"), "Missing argument 'NUMBER...'"),
        (("incident", "ack", *map(str, range(1, 502))), "numbers: has 501 numbers, at most 500"),
        (("incident", "ack", "7"), "there is no incident #7"),
        (("incident", "ack", "0"), "0 is not in the range x>=1"),
        (("incident", "ack", "x"), "'x' is not a valid integer"),
        (("incident", "unack", "1"), "#1 is not acknowledged"),
        (("incident", "snooze", "1"), "Missing option '--for'"),
        (("incident", "snooze", "1", "--for", "long"), "for: must be a length of time"),
        (("incident", "describe", "1"), "say at least one of --category, --cause, --fix and --impact"),
        (("incident", "note", "1", ""), "text: is missing"),
        (("incident", "action", "add", "1", "x", "--due", "soon"), "due: must be a date"),
        (("incident", "action", "done", "1", "9"), "#1 has no action item '9'"),
        (("incident", "list", "--days", "0"), "0 is not in the range"),
        (("incident", "show", "7"), "there is no incident #7"),
        ((*QUIET,), "a silence must end: say --for or --until"),
        ((*QUIET, "--for", "1h", "--until", "04:00"), "give --until or --for, not both"),
        (("silence", "add", "shop/hom", *QUIET[3:], "--for", "1h"), "did you mean shop/home?"),
        (
            ("silence", "add", "zzz", *QUIET[3:], "--for", "1h"),
            "matches no check; --even-if-none takes it all the same",
        ),
        (("silence", "add", "--for", "1h", *QUIET[3:]), "which checks? give patterns"),
        (("silence", "add", "*", "--for", "1h"), "Missing option '--reason'"),
        (("silence", "end", "s-nothing"), "there is no silence 's-nothing'"),
        (("silence", "end", "../../-/reload"), "there is no silence '../../-/reload'"),
    ],
)
async def test_what_is_wrong_is_said_in_a_line_with_code_2(clock: FakeClock, tmp_path: Path, arguments, line: str):
    async with serving(clock, tmp_path) as (stand, url):
        await fail(stand, "shop/home")
        said = await probe(*arguments, "--url", url, code=2)
        assert line in " ".join(said.split())
        assert stand.dispatcher.book.open()[0].status == "triggered"
        assert (stand.judgement.upkeep.announced(), stand.service.reloads) == ([], 0)


async def test_without_the_token_it_is_code_1_and_with_it_it_is_done(clock: FakeClock, tmp_path: Path):
    secret = tmp_path / "token"
    secret.write_text("correct-horse-battery\n")
    async with serving(clock, tmp_path) as (stand, url):
        stand.token = "correct-horse-battery"
        await fail(stand, "shop/home")
        refused = await probe("incident", "ack", "1", "--url", url, code=1)
        assert "-c CONFIG or --token-file brings it" in refused
        assert "is acknowledged" in await probe("incident", "ack", "1", "--url", url, "--token-file", str(secret))


async def test_a_store_that_fails_is_code_1(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        await fail(stand, "shop/home")
        await stand.store.close()
        assert "the store did not answer" in await probe("incident", "show", "1", "--url", url, code=1)
        await probe("incident", "ack", "1", "--url", url, code=1)
        assert "nothing is changed" in await probe(*QUIET, "--for", "1h", "--url", url, code=1)


async def test_a_silence_is_added_listed_and_ended(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        assert await probe("silence", "list", "--url", url) == "nothing is silenced\n"
        said = await probe(*QUIET, "--for", "2h", "--label", "severity=page", "--service", "shop", "--url", url)
        (made,) = stand.judgement.upkeep.announced()
        assert (made.checks, made.services, made.labels) == (("shop/*",), ("shop",), {"severity": "page"})
        assert made.ended_ms - made.began_ms == 2 * HOUR
        assert said.startswith(f"{made.id} silences shop/*, service shop, severity=page from ")
        assert said.endswith(f": load test\nended early by: probe silence end {made.id}\n")
        ahead = await probe(*QUIET, "--from", "2031-01-01T00:00Z", "--for", "1h", "--url", url, code=2)
        assert "more than a year ahead" in ahead
        await probe("silence", "add", "zzz", *QUIET[3:], "--even-if-none", "--for", "1h", "--url", url)
        rows = (await probe("silence", "list", "--url", url)).splitlines()
        assert [one.split()[1] for one in rows] == ["on", "on"]
        assert rows[0].endswith("shop/*, service shop, severity=page  ana: load test") or rows[1].endswith(
            "ana: load test"
        )
        await clock.advance(60.0)
        ended = await probe("silence", "end", made.id, "--by", "bo", "--url", url)
        assert ended.startswith(f"{made.id} ended at ")
        assert ended.endswith(" UTC, as bo said: load test\n")
        assert await probe("silence", "end", made.id, "--url", url) == ended
        listing = json.loads(await probe("silence", "list", "--json", "--url", url))
        assert [one["on"] for one in listing["silences"] if one["id"] == made.id] == [False]
        assert "over" in await probe("silence", "list", "--url", url)
        assert json.loads(await probe(*QUIET, "--for", "1h", "--json", "--url", url))["reason"] == "load test"


async def test_nobody_answers_is_code_1(tmp_path: Path):
    said = await probe("incident", "list", "--url", "http://127.0.0.1:9", code=1)
    assert said == "no answer from http://127.0.0.1:9: connection refused\n"


AT = "2026-11-22T02:00:00.000Z"
EVIL = "x\x1b[2J\ny\u202e"
INCIDENT = {
    "number": 1, "status": EVIL, "subject": EVIL, "level": EVIL, "severity": EVIL, "opened": AT, "ended": None,
    "reason": EVIL, "checks": [EVIL] * 5, "acked_by": EVIL, "resolved_by": "", "snoozed_until": AT, "held": EVIL,
    "recurrence": EVIL, "five_w": {EVIL: EVIL},
    "members": [{"check": EVIL, "worst": EVIL, "since": AT, "ended": AT, "reason": EVIL}],
    "actions": [{"id": 1, "done": AT, "owner": EVIL, "due": EVIL, "text": EVIL}],
    "timeline": [{"at": AT, "deed": EVIL, "who": EVIL, "text": EVIL}],
    "notices": [{"at": None, "kind": EVIL, "receiver": EVIL, "outcome": EVIL, "attempts": 1, "error": EVIL}],
}  # fmt: skip
SILENCE = {
    "id": EVIL, "from": AT, "to": AT, "on": True, "checks": [EVIL], "services": [EVIL], "labels": {EVIL: EVIL},
    "reason": EVIL, "author": EVIL, "ended_at": AT, "ended_by": EVIL,
}  # fmt: skip
ROUTE = {
    "at": AT, "check": EVIL, "level": EVIL, "severity": EVIL, "quiet_until": AT, "notes": [EVIL],
    "silenced": {"id": EVIL, "author": EVIL, "reason": EVIL},
    "routes": [{"route": EVIL, "taken": True, "to": [EVIL], "why": EVIL}],
    "hears": [{"after": 60.0, "kind": EVIL, "receiver": EVIL, "why": EVIL}],
    "with": {EVIL: EVIL}, "maintenance": [{"name": EVIL, "mode": EVIL, "by": EVIL, "reason": EVIL}],
    "maintenance_until": AT, "held": [{"after": 0.0, "until": None, "why": EVIL}], "storm": {"over": 1, "every": 60.0},
    "gathered": [{"route": EVIL, "by": {EVIL: EVIL}, "digest": False, "wait": 1.0, "interval": 1.0, "repeat": 1.0}],
    "depends_on": [{"name": EVIL, "level": EVIL, "every": 60.0}],
    "inhibited_by": [{"rule": EVIL, "source": {EVIL: EVIL}, "equal": {EVIL: EVIL}, "checks": [EVIL] * 5, "count": 5}],
}  # fmt: skip


@pytest.mark.parametrize(
    ("words", "answer", "lines"),
    [
        (listed, {"incidents": [INCIDENT]}, 1),
        (shown, INCIDENT, 18),
        (line, INCIDENT, 1),
        (silenced, SILENCE, 2),
        (unsilenced, SILENCE, 1),
        (silences, {"at": AT, "silences": [SILENCE]}, 1),
        (routed, ROUTE, 17),
    ],
)
def test_what_a_service_says_cannot_steer_a_terminal(words, answer, lines: int):
    text = words(plain(answer))
    assert not {"\x1b", "\u202e"} & set(text)
    assert len(text.splitlines()) == lines, text


def test_who_acknowledged_it_did_not_resolve_it():
    """What recovered by itself was resolved by nobody."""
    over = INCIDENT | {"status": "resolved", "ended": AT, "snoozed_until": None, "acked_by": "ana", "subject": "shop"}
    assert line(over) == "#1 shop is resolved"
    assert line(over | {"resolved_by": "bo"}) == "#1 shop is resolved by bo"
