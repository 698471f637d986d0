"""`probe oncall`: by a real web application, and by a configuration alone where nothing answers."""

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
from probe.config import load
from probe.engine.duty import Duty
from tests.conftest import FakeClock
from tests.web.stand import Stand, standing

CONFIG = """
listen: 127.0.0.1:{port}
store: sqlite:probe.db
users:
  ana: {{name: Ana Ruiz, zone: Europe/Madrid, contacts: {{mail: ana@shop.example}}}}
  bo: {{contacts: {{mail: bo@shop.example}}}}
rotations:
  primary: {{zone: UTC, start: 2026-11-02T09:00, every: 1 day, users: [ana]}}
schedules:
  prodops: {{zone: Europe/Madrid, layers: [{{who: rotation:primary}}]}}
  office:
    zone: UTC
    layers: [{{who: user:bo, when: "Mon-Fri 09:00-17:00"}}]
    covers: "daily 09:00-17:00"
escalations: {{night: {{steps: [{{notify: schedule:prodops}}]}}}}
checks: {{a: {{tcp: {{host: 127.0.0.1, port: 1}}}}}}
alerts:
  receivers: {{mail: {{email: {{smtp: "127.0.0.1:25", tls: none, from: p@shop.example, to: [o@shop.example]}}}}}}
  routes: [{{to: [escalation:night]}}]
"""


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock(round(time.time() * 1000))  # the commands go by this machine's


@pytest.fixture
def alone(tmp_path: Path) -> str:
    """A configuration of a service that does not run."""
    file = tmp_path / "probe.yml"
    file.write_text(CONFIG.format(port=1))
    return str(file)


@asynccontextmanager
async def serving(clock: FakeClock, folder: Path) -> AsyncIterator[tuple[Stand, str]]:
    async with (
        standing(clock, folder) as stand,
        TestServer(stand.app(), host="127.0.0.1", access_log=None) as server,
    ):
        file = folder / "served.yml"
        file.write_text(CONFIG.format(port=server.port))
        config = load(file)
        stand.service.duty = Duty(config.roster)
        stand.service.duty.receivers = lambda: config.receivers
        yield stand, str(file)


async def probe(*arguments: str, code: int = 0) -> Result:
    done: Result = await asyncio.to_thread(CliRunner().invoke, main, ("oncall", *arguments))
    assert done.exit_code == code, done.output
    return done


async def test_who_is_on_call_is_asked_of_the_service_of_a_configuration(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, config):
        replaced = ("--schedule", "prodops", "--replace", "ana=bo", "--for", "2h", "--reason", "ill", "--by", "ana")
        said = (await probe("override", *replaced, "-c", config)).stdout
        identity = said.split()[0]
        assert " puts bo in the place of ana in prodops from " in said
        assert f"ended early by: probe oncall override end {identity}" in said
        assert (await probe("who", "prodops", "-c", config)).stdout.startswith("prodops  bo  until ")
        by_file = await probe("who", "prodops", "-c", config, "--offline")
        assert by_file.stdout.startswith("prodops  Ana Ruiz (ana)")
        assert f"{identity}  on  prodops" in (await probe("override", "list", "-c", config)).stdout
        clock.step_wall(60_000)
        assert " ended at " in (await probe("override", "end", identity, "--by", "bo", "-c", config)).stdout
        assert (await probe("who", "prodops", "-c", config)).stdout.startswith("prodops  Ana Ruiz (ana)")


async def test_without_an_answer_it_is_by_the_configuration_and_says_so(alone: str):
    done = await probe("who", "prodops", "-c", alone)
    assert done.stdout == "prodops  Ana Ruiz (ana)  for months to come\n"
    assert "no answer from http://127.0.0.1:1: connection refused; by " in done.stderr
    assert "overrides that people told it, and calendars from elsewhere, are left out" in done.stderr
    quiet = await probe("who", "-c", alone, "--offline", "--json")
    assert quiet.stderr == ""
    assert json.loads(quiet.stdout)["source"] == "configuration"


async def test_at_another_time_somebody_else_is(alone: str):
    at = ("--at", "Mon 10:00", "--zone", "UTC")
    assert (await probe("who", "office", *at, "-c", alone, "--offline")).stdout.startswith("office  bo  until Mon ")
    at = ("--at", "Sat 10:00", "--zone", "UTC")
    done = (await probe("who", "office", *at, "-c", alone, "--offline")).stdout
    assert done.startswith("office  nobody  until Mon ")
    assert done.endswith("  GAP\n")


@pytest.mark.parametrize("live", [False, True], ids=["by the file", "by the service"])
async def test_both_sources_say_the_same(clock: FakeClock, tmp_path: Path, live: bool):
    async with serving(clock, tmp_path) as (_, config):
        where = ("-c", config) if live else ("-c", config, "--offline")
        source = "service" if live else "configuration"
        gaps = json.loads((await probe("gaps", "--days", "14", "--json", *where, code=1)).stdout)
        assert (gaps["source"], {one["schedule"] for one in gaps["gaps"]}) == (source, {"office"})
        assert len(gaps["gaps"]) in (4, 5)  # weekends: one may be under way
        assert "nobody is on call:\noffice  S" in (await probe("gaps", "office", *where, code=1)).stdout
        assert "at all times" in (await probe("gaps", "prodops", *where)).stdout
        coming = json.loads((await probe("next", "ana", "--days", "3", "--json", *where)).stdout)
        assert (coming["source"], [one["on"] for one in coming["shifts"]]) == (source, [True])
        assert "times are of Europe/Madrid" in (await probe("next", "ana", *where)).stdout
        assert "schedules.office: nobody is on call" in (await probe("lint", *where, code=1)).stdout
        file = tmp_path / "out.ics"
        await probe("ics", "office", "-o", str(file), *where)
        assert file.read_bytes().startswith(b"BEGIN:VCALENDAR\r\n")
        assert "SUMMARY:On call: office" in (await probe("ics", "--user", "bo", *where)).stdout


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        (("who", "prodop"), 2, "there is no schedule prodop; did you mean prodops?"),
        (("next", "an"), 2, "there is no user an; did you mean ana?"),
        (("ics", "prodop"), 2, "there is no schedule prodop"),
        (("ics",), 2, "name a schedule, or a user with --user"),
        (("who", "--at", "soon"), 2, "'soon' is no instant"),
        (("override", "--for", "2h", "--replace", "ana=bo"), 2, "say what for with --reason"),
        (("override", "--reason", "x", "--replace", "ana=bo"), 2, "an override must end"),
        (("override", "--reason", "x", "--for", "2h", "--to", "09:00"), 2, "give --to or --for, not both"),
        (("override", "--reason", "x", "--for", "2h", "--replace", "ana"), 2, "names nobody who takes over"),
    ],
)
async def test_a_mistake_is_one_line(alone: str, arguments, code: int, line: str):
    by = () if arguments[0] == "override" else ("--offline",)
    assert line in (await probe(*arguments, "-c", alone, *by, code=code)).output


async def test_what_the_service_knows_better_is_its_line(clock: FakeClock, tmp_path: Path):
    async with serving(clock, tmp_path) as (_, config):
        assert "there is no schedule 'none'" in (await probe("who", "none", "-c", config, code=2)).output
        said = ("--schedule", "prodops", "--replace", "bo=ana", "--for", "1h", "--reason", "x", "--by", "ana")
        done = await probe("override", *said, "-c", config)
        assert done.stderr == "warning: bo is not on call in prodops in that time\n"


async def test_nobody_to_ask_and_nothing_to_go_by_ends_with_1():
    done = await probe("who", "--url", "http://127.0.0.1:1", code=1)
    assert "-c CONFIG goes by a configuration alone" in done.output
    assert "--offline goes by a configuration" in (await probe("who", "--offline", code=2)).output
