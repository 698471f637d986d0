"""`probe change` and `probe deploy`: told to a real web application, and what people read of its answers."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiohttp.test_utils import TestServer
from click.testing import CliRunner, Result

from probe.cli.main import main
from tests.conftest import FakeClock
from tests.web.stand import Stand, planned, standing

HOUR = 3_600_000
PLANS = planned("shop/home", labels={"tier": "1"}), planned("shop/cart"), planned("mail/in", service="mail")
CART = ("change", "start", "CHG123", "--service", "shop", "--title", "new cart", "--by", "ana")


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


async def test_a_change_is_started_listed_and_ended(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        said = await probe(*CART, "--for", "2h", "--risk", "high", "--url", url)
        (made,) = stand.service.changes.lasting()
        assert (made.id, made.services, made.title, made.author, made.risk) == (
            "CHG123", ("shop",), "new cart", "ana", "high",
        )  # fmt: skip
        assert made.ended_ms - made.began_ms == 2 * HOUR
        assert not stand.judgement.upkeep.muted("shop/home", clock.now_ms())
        assert said.startswith("CHG123 in progress until ")
        assert "is told beside the alerts of 2 checks: new cart" in said
        assert "ended by: probe change end CHG123" in said
        listed = await probe("change", "list", "--url", url)
        assert "CHG123  in progress  " in listed
        assert listed.rstrip().endswith("shop  new cart (ana)")
        clock.step_wall(60_000)
        ended = await probe("change", "end", "CHG123", "--url", url)
        assert ended.startswith("CHG123 ended at ")
        assert await probe("change", "end", "CHG123", "--url", url) == ended
        assert "CHG123 failed at " in await probe("change", "end", "CHG123", "--failed", "--url", url)
        assert "failed" in await probe("change", "list", "--url", url)


async def test_a_change_mutes_when_asked_to(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        assert "mutes 2 checks" in await probe(*CART, "--mute", "--url", url)
        assert stand.judgement.upkeep.muted("shop/home", clock.now_ms())
        assert "in progress, muted" in await probe("change", "list", "--url", url)


async def test_a_deploy_is_told_with_its_instant(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (stand, url):
        where = ("--see", "https://ci.example/7", "--by", "ci", "--url", url)
        said = await probe("deploy", "--service", "shop", "--version", "1.2.3", *where)
        assert said.startswith("shop 1.2.3 deployed at ")
        assert said.rstrip().endswith("beside the alerts of 2 checks")
        (made,) = stand.service.changes.known()
        assert (made.instant, made.url, made.author) == (True, "https://ci.example/7", "ci")
        assert abs(made.began_ms - clock.now_ms()) < 60_000
        at = ("--at", "2026-01-01T00:00Z")
        assert "more than 30 days ago" in await probe("deploy", "--check", "*", "--version", "1", *at, *where, code=2)


async def test_what_a_pipeline_prints_is_json_and_doubts_are_apart(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, url):
        await probe(*CART, "--url", url)
        other = ("change", "start", "CHG9", "--check", "shop/h*", "--title", "patches", "--by", "ben", "--json")
        done = await asyncio.to_thread(CliRunner().invoke, main, (*other, "--url", url))
        assert json.loads(done.stdout)["id"] == "CHG9"
        assert done.stderr == "warning: CHG123 is in progress on shop/home, too: new cart (ana)\n"
        said = await probe("deploy", "--service", "shpo", "--version", "1", "--by", "ci", "--url", url)
        assert "warning: services: 'shpo' matches no service; did you mean shop?" in said


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("change", "start", "CHG1", "--title", "x", "--by", "a"), "what does it touch?"),
        (("change", "start", "a b", "--service", "shop", "--title", "x", "--by", "a"), "id: must be letters"),
        ((*CART, "--for", "2h", "--until", "04:00"), "give --until or --for, not both"),
        ((*CART, "--label", "tier"), "is no label with its value"),
        (("change", "end", "CHG7"), "there is no change 'CHG7'"),
        (("change", "start", "C", "--service", "shpo", "--title", "x", "--mute", "--by", "a"), "did you mean shop?"),
        (("deploy", "--service", "shop", "--version", "1", "--at", "soon", "--by", "a"), "soon"),
    ],
)
async def test_a_mistake_ends_with_2_and_says_what_is_wrong(clock: FakeClock, tmp_path: Path, arguments, line):
    async with serving(clock, tmp_path) as (_, url):
        assert line in await probe(*arguments, "--url", url, code=2)


async def test_what_others_wrote_cannot_move_the_cursor(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, url):
        evil = ("change", "start", "CHG1", "--service", "shop", "--title", "x\x1b[2J\nfake", "--by", "a\x07")
        said = await probe(*evil, "--url", url) + await probe("change", "list", "--url", url)
        assert "\x1b" not in said
        assert "\x07" not in said
