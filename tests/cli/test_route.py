"""`probe route`: who would hear of a failure, by a configuration alone."""

import asyncio
import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner

from probe.cli.instants import weekly, zone_of
from probe.cli.main import main
from probe.config import load
from tests.conftest import FakeClock
from tests.web.stand import standing
from thresholds.calendar import parse_instant

DOC = (Path(__file__).parents[2] / "docs/commands.md").read_text()
CONFIG = """
users:
  ana: {contacts: {mail: ana@x.example}}
  bo: {contacts: {mail: bo@x.example}}
rotations:
  primary: {zone: Europe/Madrid, start: 2026-10-19T09:00, every: 1 week, users: [ana, bo]}
escalations:
  prodops: {steps: [{notify: ["rotation:primary"]}, {notify: [chat], after: 15m}]}
alerts:
  receivers:
    chat: {webhook: {url: "https://chat.example/hook-of-chat"}}
    mail: {email: {smtp: "mail.example:25", tls: none, from: p@x.example, to: [all@x.example]}}
  routes:
    - {match: {service: batch}, when: Mon-Fri 09:00-18:00 UTC, to: [mail]}
    - {match: {severity: page}, to: ["escalation:prodops"]}
    - {match: {service: shop}, to: [chat]}
  quiet: [{severity: ticket, hours: "daily 20:00-08:00 UTC"}]
services: {shop: {}, batch: {severity: ticket}, lost: {severity: log}}
checks:
  shop/home: {service: shop, tcp: {host: a.example, port: 1}}
  batch/in: {service: batch, tcp: {host: b.example, port: 1}}
  lost/it: {service: lost, tcp: {host: c.example, port: 1}}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "probe.yml"
    path.write_text(CONFIG)
    return str(path)


def route(config: str, *arguments: str, code: int = 0) -> str:
    done = CliRunner().invoke(main, ["route", "-c", config, *arguments])
    assert done.exit_code == code, done.output
    return done.output


def test_it_says_who_hears_of_it_when_and_why(config: str):
    # 2026-11-28 is a Saturday; weeks begin on Mondays at 9, and that of the 23rd is the sixth: bo's.
    assert route(config, "--check", "shop/home", "--at", "2026-11-28T03:00Z").splitlines() == [
        "shop/home DOWN (page) at 2026-11-28 03:00 UTC",
        "",
        "route 1  -      mail                service is shop, wanted batch",
        "route 2  taken  escalation:prodops  it matches",
        "",
        "at once    opened  bo/mail  on duty in primary, step 1 of prodops",
        "after 15m  opened  chat     step 2 of prodops",
        "",
        "route 2: told by itself, first at once",
        "with more than 20 new incidents within a minute it is a line of a digest, every 5m",
    ]


def test_time_of_day_decides(config: str):
    day = route(config, "--check", "batch/in", "--at", "2026-11-27T10:00Z")
    assert "at once  opened  mail  route 1" in day
    night = route(config, "--check", "batch/in", "--at", "2026-11-28T10:00Z", code=1)
    assert "it is not Mon-Fri 09:00-18:00" in night
    assert night.endswith("nobody hears of it\n")


def test_what_waits_for_the_morning_says_so(config: str):
    text = route(config, "--check", "shop/home", "--level", "degraded", "--at", "2026-11-27T23:00Z")
    assert "quiet hours: told at 2026-11-28 08:00 UTC" in text
    assert "at once   not told  for 9h  quiet hours" in text
    assert "after 9h  opened    chat    route 3" in text


def test_what_nobody_asked_for_is_heard_by_nobody(config: str):
    text = route(config, "--check", "lost/it", "--at", "2026-11-27T23:00Z", code=1)
    assert "severity is log, which goes only where a route asks for it" in text
    assert "nobody hears of it" in text


def test_it_is_json_for_programs(config: str):
    found = json.loads(route(config, "--check", "shop/home", "--at", "2026-11-28T03:00Z", "--json"))
    assert [(one["after"], one["receiver"]) for one in found["hears"]] == [(0.0, "bo/mail"), (900.0, "chat")]
    assert [one["taken"] for one in found["routes"]] == [False, True]


def documented() -> tuple[str, str]:
    """The configuration and the commands with their answers that the documentation shows."""
    section = DOC[DOC.index("## `probe route") : DOC.index("## `probe change")]
    (yaml,), (console,) = (re.findall(rf"```{kind}\n(.*?)```", section, re.DOTALL) for kind in ("yaml", "console"))
    return yaml, console


def test_the_example_of_the_documentation_is_what_it_answers(tmp_path: Path):
    yaml, console = documented()
    (tmp_path / "probe.yml").write_text(yaml)
    commands = re.findall(r"(?m)^\$ probe route -c probe.yml (.+)\n((?:(?!\$ ).*\n)+)", console)
    assert len(commands) == 2
    for typed, answer in commands:
        done = CliRunner().invoke(main, ["route", "-c", str(tmp_path / "probe.yml"), *typed.split()])
        assert done.output == answer, typed


BESIDE = CONFIG.replace("services: {shop: {},", "services: {shop: {depends_on: [batch]},")
STORMY = CONFIG.replace("  quiet:", "  storm: {over: 1, every: 10m}\n  quiet:")


def test_what_it_depends_on_can_be_played(tmp_path: Path):
    config = tmp_path / "probe.yml"
    config.write_text(BESIDE)
    up = route(str(config), "--check", "shop/home", "--at", "2026-11-28T03:00Z")
    assert "depends on batch: not told while that is DOWN; waits for its next run, which comes every 30 s" in up
    assert re.search(r"at once +not told +for 30 s +depends on batch, of which there is no news yet\n", up)
    ran = route(str(config), "--check", "shop/home", "--at", "2026-11-28T03:00Z", "--with", "batch/in=up")
    assert "at once    opened  bo/mail" in ran
    down = route(str(config), "--check", "shop/home", "--at", "2026-11-28T03:00Z", "--with", "batch=down", code=1)
    assert "at once  not told  while that lasts  depends on batch, which is DOWN\nnobody hears of it\n" in down


def test_many_at_once_are_a_digest(tmp_path: Path):
    config = tmp_path / "probe.yml"
    config.write_text(STORMY)
    text = route(str(config), "--check", "shop/home", "--at", "2026-11-28T03:00Z", "--with", "batch=down")
    assert (
        "route 2: a line of a digest, as there are so many new incidents, first after 10 s, changes every 10m" in text
    )
    assert "after 10 s" in text
    assert "with more than 1 new incidents within a minute" in text


def test_maintenance_lets_nothing_begin(tmp_path: Path):
    config = tmp_path / "probe.yml"
    config.write_text(
        CONFIG + "maintenance: {deploys: {when: 'Sat 03:00-04:00 UTC', services: [shop], reason: weekly}}\n"
    )
    text = route(str(config), "--check", "shop/home", "--at", "2026-11-28T03:45Z")
    assert "maintenance deploys (mute) lets no incident begin: weekly\nit begins at 2026-11-28 04:00 UTC" in text
    assert "after 15m  opened  bo/mail" in text
    config.write_text(config.read_text().replace("Sat 03:00-04:00", "daily 00:00-24:00"))
    ever = route(str(config), "--check", "shop/home", "--at", "2026-11-28T03:45Z", code=1)
    assert "no end of that is in sight" in ever


def test_maintenance_of_a_calendar_says_what_the_event_is_called(tmp_path: Path):
    event = "UID:{0}\nSUMMARY:Release {0}\nDTSTART:202611{0}T030000Z\nDURATION:PT1H"
    events = "".join(f"BEGIN:VEVENT\n{event.format(day)}\nEND:VEVENT\n" for day in (27, 28))
    (tmp_path / "w.ics").write_text(f"BEGIN:VCALENDAR\n{events}END:VCALENDAR\n")
    config = tmp_path / "probe.yml"
    config.write_text(f"{CONFIG}maintenance: {{releases: {{ical: w.ics, services: [shop]}}}}\n")
    text = route(str(config), "--check", "shop/home", "--at", "2026-11-28T03:45Z")
    assert "maintenance releases (mute) lets no incident begin: Release 28\n" in text


async def test_offline_and_the_service_agree(config: str, clock: FakeClock, tmp_path: Path):
    loaded = load(Path(config))
    async with standing(clock, tmp_path, *loaded.checks.values()) as stand, stand.client() as client:
        stand.service.config = loaded
        stand.service.duty.roster = loaded.roster
        stand.dispatcher.configure(loaded)
        for more in ([], ["batch/in=down"], ["batch=degraded", "lost/it=down"]):
            typed = [part for text in more for part in ("--with", text)]
            offline = await asyncio.to_thread(
                route, config, "--check", "shop/home", "--at", "2026-11-28T03:00Z", "--json", *typed
            )
            query = {"check": "shop/home", "at": "2026-11-28T03:00:00Z", "with": more}
            answer = await client.get("/api/v1/route", params=query)
            assert await answer.json() == json.loads(offline)


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("--check", "shop/home", "--with", "batch"), "'batch' supposes nothing; write gateway=down"),
        (
            ("--check", "shop/home", "--with", "batsh=down"),
            "no check or service is called 'batsh'; did you mean batch?",
        ),
        (("--check", "shop/home", "--with", "shop/home=up"), "shop/home is the one that fails"),
        (("--check", "shop/hom"), "there is no check shop/hom; did you mean shop/home?"),
        ((), "Missing option '--check'"),
        (("--check", "shop/home", "--level", "up"), "'up' is not one of 'down', 'degraded'"),
        (("--check", "shop/home", "--at", "Sat"), "'Sat' is no instant"),
        (("--check", "shop/home", "--at", "Xyz 03:00"), "'Xyz 03:00' is no instant"),
        (("--check", "shop/home", "--at", "Sat 25:00"), "'25:00' is no time of day; write Sat 03:00"),
        (("--check", "shop/home", "--at", "Sat 2026-11-22T03:00"), "is no time of day"),
        (("--check", "shop/home", "--at", "Sat 03:00", "--zone", "Sydney"), "did you mean Australia/Sydney"),
    ],
)
def test_what_is_wrong_is_said_with_code_2(config: str, arguments: tuple[str, ...], line: str):
    assert line in " ".join(route(config, *arguments, code=2).split())


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Sat 03:00", "2026-11-28T03:00+01:00"),
        ("saturday 03:00", "2026-11-28T03:00+01:00"),
        ("Sun 11:59", "2026-11-29T11:59+01:00"),  # today's is over
        ("Sun 12:00", "2026-11-29T12:00+01:00"),  # it is that time now: the next one
        ("Sun 12:01", "2026-11-22T12:01+01:00"),
        ("Mon 0:30", "2026-11-23T00:30+01:00"),
        ("13:00", "2026-11-22T13:00+01:00"),
        ("2026-07-01T03:00", "2026-07-01T03:00+02:00"),
    ],
)
def test_a_day_of_the_week_is_the_next_one(text: str, expected: str):
    now_ms = parse_instant("2026-11-22T12:00+01:00", "UTC")  # a Sunday
    assert weekly(text, zone_of("Europe/Madrid"), now_ms) == parse_instant(expected, "UTC")


@pytest.mark.parametrize(
    ("text", "zone", "near", "expected"),
    [
        # Clocks go forward at 02:00 on Sunday 2026-03-29: 02:30 is not there, and 03:30 is an hour nearer.
        ("Sun 03:30", "Europe/Madrid", "2026-03-28T12:00", "2026-03-29T03:30"),
        ("Sun 01:30", "Europe/Madrid", "2026-03-28T12:00", "2026-03-29T01:30"),
        # Clocks go back at 03:00 on Sunday 2026-10-25.
        ("Sun 04:00", "Europe/Madrid", "2026-10-24T12:00", "2026-10-25T04:00"),
        # Lord Howe goes back by half an hour at 02:00 on Sunday 2026-04-05.
        ("Sun 03:00", "Australia/Lord_Howe", "2026-04-04T12:00", "2026-04-05T03:00"),
        # Beirut goes forward at midnight of Sunday 2026-03-29: that day begins at 01:00.
        ("Sun 01:00", "Asia/Beirut", "2026-03-28T12:00", "2026-03-29T01:00"),
        ("Mon 00:15", "Asia/Beirut", "2026-03-28T12:00", "2026-03-30T00:15"),
    ],
)
def test_days_on_which_clocks_change_are_days(text: str, zone: str, near: str, expected: str):
    moment = ZoneInfo(zone)
    near_ms, wanted = (
        round(datetime.fromisoformat(at).replace(tzinfo=moment).timestamp() * 1000) for at in (near, expected)
    )
    assert weekly(text, zone_of(zone), near_ms) == wanted
