"""`probe query` and `probe rules`: what is asked of a real database on the command line, and how it is printed."""

import asyncio
import csv
import io
import json
import re
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
import pytest
import yaml
from click.testing import CliRunner
from click.testing import Result as Ran
from rich.console import Console

from checks.core.result import Failure, FailureKind, Result
from probe.cli.main import main
from probe.cli.query import WHAT, find
from probe.cli.query_asked import Asked, span_of
from probe.cli.query_table import Found, percent, table
from probe.config import load
from probe.engine.hub import Hub
from probe.store.base import Entry
from probe.store.onlooker import look_into
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from thresholds.calendar import parse_instant

MINUTE = 60_000
NOON = parse_instant("2026-03-02T12:00", "UTC")
EVIL = "=HYPERLINK(1) \x1b[2J \x1b]0;mine\x07 [bold]"
CONFIG = """\
store: sqlite:probe.db
defaults: {every: 60s, timeout: 5s, flap: off, down_after: 2}
services:
  shop: {up_when: all, zone: Europe/Berlin, slo: [{availability: 99.9%, over: 30d}]}
checks:
  shop/home: {service: shop, http: {url: http://127.0.0.1:9/}}
  shop/cart: {service: shop, http: {url: http://127.0.0.1:9/}}
  lone/dns: {http: {url: http://127.0.0.1:9/}}
alerts: {receivers: {unused: {webhook: {url: http://127.0.0.1:9/}}}}
"""
SINCE = ("--since", "2026-03-02T12:00Z", "--until", "2026-03-02T14:00Z")
# Minutes that fail; and those in which nobody looked.
BAD = {"shop/home": {*range(30, 40), *range(80, 85)}, "lone/dns": {*range(100, 105)}}
SILENT = {"lone/dns": {*range(50, 70)}}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two hours of a run a minute from noon on. One for all: it is only read."""
    place = tmp_path_factory.mktemp("query")
    (place / "probe.yml").write_text(CONFIG, encoding="utf-8")
    asyncio.run(lived(place))
    return place


async def lived(place: Path) -> None:
    conf, clock = load(place / "probe.yml"), FakeClock(NOON)
    entries: list[Entry] = []
    hub = Hub(conf, clock, entries.append, lambda _: None, {})
    failure = Failure(FailureKind.EXPECTATION, "", EVIL)
    for minute in range(120):
        for name in conf.checks:
            if minute not in SILENT.get(name, ()):
                bad = minute in BAD.get(name, ())
                hub.emit(Result(name, clock.now_ms(), 0.1, {"connect": 0.0123}, failure=failure if bad else None))
        await clock.advance(60)
    store = await open_store(f"sqlite:{place}/probe.db")
    await store.append(entries)
    await store.close()


def typed(folder: Path, *words: str, width: int = 80) -> Ran:
    return CliRunner(env={"COLUMNS": str(width)}).invoke(main, [*words, "-c", str(folder / "probe.yml")])


def asked(folder: Path, *words: str, since: tuple[str, ...] = SINCE, width: int = 80) -> str:
    since = () if words[0] == "objectives" else since  # they stand as of now
    ran = typed(folder, "query", *words, *since, width=width)
    assert (ran.exit_code, ran.stderr) == (0, ""), ran.output
    return ran.stdout


def rows(folder: Path, *words: str, since: tuple[str, ...] = SINCE) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(asked(folder, *words, "--format", "csv", since=since))))


def words_of(what: str) -> tuple[str, ...]:
    return (what, "shop/home", "--step", "15m", "--metric", "all") if what == "series" else (what,)


def test_the_command_line_offers_every_answer() -> None:
    command = main.commands["query"]
    assert isinstance(command.params[0].type, click.Choice)
    assert tuple(command.params[0].type.choices) == WHAT


@pytest.mark.parametrize("width", [80, 120])
@pytest.mark.parametrize("what", WHAT)
def test_a_table_fits_its_terminal_and_breaks_no_word_of_a_header(folder: Path, what: str, width: int) -> None:
    lines = asked(folder, *words_of(what), width=width).splitlines()
    assert max(len(line) for line in lines) <= width
    rule = next(place for place, line in enumerate(lines) if line.startswith("──"))
    assert not re.search(r"\b[b-mo-z]\b", " ".join(lines[1:rule]))  # `n` is a name; a letter of a broken word is not
    assert all(line.isprintable() for line in lines)  # what a server says moves no cursor
    assert not any(re.search(r"\d{4}-\d\d-\d\dT", line) for line in lines[rule:])


def test_what_a_narrow_terminal_has_no_room_for_is_named(folder: Path) -> None:
    printed = " ".join(asked(folder, *words_of("series"), width=40).split())
    assert "No room for: mean, max. A wider terminal or --format csv has it." in printed


@pytest.mark.parametrize("what", WHAT)
def test_csv_has_a_row_for_each_thing_and_instants_as_rfc_3339(folder: Path, what: str) -> None:
    found = rows(folder, *words_of(what))
    assert found
    assert all(row["of"] in {"shop", "lone/dns", "shop/home"} for row in found)
    dated = [value for row in found for name, value in row.items() if name in {"since", "at", "first_bad", "first"}]
    assert dated
    for value in dated:
        datetime.fromisoformat(value)
        assert value.endswith(".000Z") or what == "objectives"


@pytest.mark.parametrize("what", WHAT)
def test_json_is_an_answer_with_nothing_around_it(folder: Path, what: str) -> None:
    found = json.loads(asked(folder, *words_of(what), "--format", "json"))
    assert (
        found["of"] == "shop/home"
        if what == "series"
        else {"shop"} <= {one.get("of", one.get("subject")) for one in found}
    )


def test_without_a_name_nothing_that_is_down_is_left_out(folder: Path) -> None:
    found = rows(folder, "outages")
    assert [(one["of"], one["first_bad"][11:16]) for one in found] == [
        ("shop", "12:30"),
        ("shop", "13:20"),
        ("lone/dns", "13:40"),
    ]
    assert "services and checks in none; --checks for every check" in " ".join(asked(folder, "outages").split())


def test_each_check_by_itself_or_those_of_a_service(folder: Path) -> None:
    every = [one["of"] for one in rows(folder, "availability", "--checks")]
    assert every == ["shop/home", "shop/cart", "lone/dns"]
    assert [one["of"] for one in rows(folder, "availability", "shop", "--checks")] == ["shop/home", "shop/cart"]
    assert asked(folder, "availability", "shop", "--checks").startswith("Availability of the checks of shop;")


def test_instants_are_on_the_clock_of_the_subject(folder: Path) -> None:
    printed = asked(folder, "outages", "shop")
    assert "2026-03-02 13:00 to 2026-03-02 15:00, Europe/Berlin" in printed
    assert re.search(r"^(2026-)?03-02 13:30 +(2026-)?03-02 13:40 +10m ", printed, re.MULTILINE)  # an hour ahead of UTC
    assert "Europe/Berlin" in asked(folder, "outages")  # two zones: each row says which


def test_a_figure_that_rests_on_too_little_is_not_printed(folder: Path) -> None:
    shop, lone = rows(folder, "availability")
    assert float(shop["ratio"]) == float(shop["headline"]) == pytest.approx(105 / 120)
    assert lone["headline"] == ""
    assert float(lone["coverage"]) == pytest.approx(100.5 / 120)
    printed = asked(folder, "availability", width=100)
    assert re.search(r"^shop .*Berlin +87\.5000% +87\.5000% +87\.5000% +100% +93\.7500% +15m", printed, re.MULTILINE)
    lone_dns = r"^lone/dns +UTC +- +79\.5833% +95\.8333% +83\.75% +95\.0000% +5m +19m 30s"
    assert re.search(lone_dns, printed, re.MULTILINE)
    assert "With less than 95 %" in printed


def test_the_share_of_runs_stands_beside_that_of_time(folder: Path) -> None:
    """Of two checks of a service, one failed for fifteen of 120 minutes: an eighth of the time, a sixteenth of runs."""
    shop, lone = rows(folder, "availability")
    assert (shop["runs_counted"], shop["runs_bad"], shop["runs_transient"]) == ("240", "15", "0")
    assert float(shop["runs_ratio"]) == pytest.approx(225 / 240)
    assert (lone["runs_counted"], lone["runs_bad"]) == ("100", "5")  # nobody looked for twenty minutes
    (value, _) = json.loads(asked(folder, "availability", "--format", "json"))
    assert value["runs"] == {"ratio": 0.9375, "counted": 240, "good": 225, "bad": 15, "transient": 0}


async def test_an_objective_that_rests_on_too_little_has_no_figure(folder: Path) -> None:
    conf, store = load(folder / "probe.yml"), await look_into(f"sqlite:{folder}/probe.db")
    found = await find(conf, store, Asked("objectives"), FakeClock(NOON + 120 * MINUTE))
    await store.close()
    assert found.value[0]["ratio"] == pytest.approx(105 / 120)  # of two hours out of thirty days
    assert found.rows[0]["headline"] is None
    assert (found.cells[0]["so far"], found.cells[0]["known"]) == ("-", "0.27%")


async def test_a_budget_that_is_spent_is_gone_and_not_in_no_time(folder: Path) -> None:
    (folder / "strict.yml").write_text(CONFIG.replace("99.9%", "99.99%"), encoding="utf-8")
    conf, store = load(folder / "strict.yml"), await look_into(f"sqlite:{folder}/probe.db")
    found = await find(conf, store, Asked("objectives"), FakeClock(NOON + 120 * MINUTE))
    await store.close()
    assert "overspent" in found.cells[0]["budget"]
    assert found.cells[0]["gone in"] == "gone"


def test_a_month_is_that_of_the_clock_of_each(folder: Path) -> None:
    for row in rows(folder, "availability", since=("--since", "last-month")):
        zone = ZoneInfo("Europe/Berlin" if row["of"] == "shop" else "UTC")
        first, last = (datetime.fromisoformat(row[name]).astimezone(zone) for name in ("since", "until"))
        assert (first.day, first.hour, last.day, last.hour) == (1, 0, 1, 0)


def test_figures_stay_whole_beside_long_names(capsys: pytest.CaptureFixture[str]) -> None:
    cells = {"of": "payments/eu-west/checkout-of-a-long-name", "zone": "America/Argentina/Buenos_Aires"}
    cells |= {"avail.": "99.9996%", "at worst": "99.9000%", "at best": "99.9000%", "down": "15m 3s"}
    cells |= dict.fromkeys(("degraded", "planned", "paused", "unknown"), "19m 30s")
    table(Found(None, [], [cells], "Availability", spare=("paused", "planned")), Console(width=80))
    printed = capsys.readouterr().out
    assert max(len(line) for line in printed.splitlines()) <= 80
    assert re.search(r"99\.9996% 99\.9000% 99\.9000% 15m 3s +19m 30s 19m 30s$", printed, re.MULTILINE)
    assert "No room for: paused, planned." in printed


def test_reasons_and_flow_are_answers_of_their_own(folder: Path) -> None:
    (reason,) = rows(folder, "reasons", "lone/dns")
    assert (reason["count"], float(reason["minutes"]), reason["first"]) == ("1", 5.0, "2026-03-02T13:40:00.000Z")
    (day,) = rows(folder, "flow", "lone/dns")
    assert (day["opened"], day["resolved"], day["open"]) == ("1", "1", "0")
    assert day["since"] == "2026-03-02T00:00:00.000Z"


def test_no_cell_of_a_csv_is_a_formula(folder: Path) -> None:
    (reason,) = rows(folder, "reasons", "lone/dns")
    assert reason["example"].startswith("'=HYPERLINK")
    (outage,) = rows(folder, "outages", "lone/dns")
    assert outage["reason"].startswith("'=HYPERLINK")


def test_a_series_has_a_row_for_each_point_and_metric(folder: Path) -> None:
    found = rows(folder, "series", "shop/home", "--step", "1h", "--metric", "all")
    assert [(one["at"][11:16], one["metric"], one["up"], one["down"]) for one in found] == [
        ("12:00", "total", "50", "10"),
        ("12:00", "connect", "50", "10"),
        ("13:00", "total", "55", "5"),
        ("13:00", "connect", "55", "5"),
    ]
    assert float(found[1]["mean"]) == 0.0123  # in full; 12 ms for people
    assert re.search(r"connect +12 ms", asked(folder, "series", "shop/home", "--metric", "all", "--step", "1h"))


def test_a_point_without_a_good_run_has_a_row_too(folder: Path) -> None:
    found = rows(folder, "series", "shop/home", "--step", "5m")
    bad = [one for one in found if one["up"] == "0"]
    assert [(one["down"], one["p50"]) for one in bad] == [("5", ""), ("5", ""), ("5", "")]


NOTHING_THERE = "no run of shop/home has nope; runs of shop/home have total, connect"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("series", "shop/home", "--metric", "nope"), NOTHING_THERE),
        (("series", "shop/hom"), "there is no check shop/hom; did you mean shop/home?"),
        (("series", "nope"), "there is no check nope"),
        (("series",), "a series is one check's; name it"),
        (("series", "shop"), "shop is a service; its checks: shop/home, shop/cart"),
        (("series", "shop/home", "--step", "0s"), "--step 0s is no step"),
        (("series", "shop/home", "--step", "1500ms"), "--step 1500ms is no step"),
        (("series", "shop/home", "--step", "7m"), "a step of 420 s does not divide"),
        (("series", "shop/home", "--checks"), "--checks does not go with series"),
        (("availability", "nope"), "there is no service and no check nope"),
        (("objectives", "shop"), "each over its own period: --since and --until do not go with them"),
        (
            ("availability", "--since", "soon"),
            "one of day, week, month, quarter, year, last-day, last-week, last-month",
        ),
        (("availability", "--until", "soon"), "--until 'soon' is no time"),
        (("availability", "--until", "2026-03-01"), "--until must lie after --since"),
        (("availability", "--since", "2126-01-01", "--until", "2127-01-01"), "does not lie in the past"),
        (("availability", "--since", "month"), "--until goes with a length of time or an instant"),
        (("nonsense",), "'nonsense' is not one of"),
    ],
)
def test_what_makes_no_sense_is_said_and_is_exit_code_2(folder: Path, words: tuple[str, ...], said: str) -> None:
    ran = typed(folder, "query", *SINCE, *words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert said in " ".join(ran.stderr.split())
    assert "Traceback" not in ran.stderr


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("objectives", "nope"), "there is no service and no check nope"),
        (("objectives", "lone/dns"), "lone/dns has no slo"),
        (("objectives", "--since", "30d"), "objectives stand as of now"),  # though nothing else is usual
        (("objectives", "--until", "1h"), "`probe query availability` is of any time"),
    ],
)
def test_objectives_are_of_now_and_of_whoever_has_some(folder: Path, words: tuple[str, ...], said: str) -> None:
    ran = typed(folder, "query", *words)
    assert (ran.exit_code, ran.stdout) == (2, "")
    assert said in " ".join(ran.stderr.split())


def test_a_time_without_runs_has_no_unknown_metric(folder: Path) -> None:
    then = ("--since", "2026-03-01", "--until", "2026-03-02")
    assert typed(folder, "query", "series", "shop/home", *then, "--metric", "nope").exit_code == 2
    assert "nothing" in asked(folder, "series", "shop/home", "--metric", "ttfb", since=then)
    assert asked(folder, "series", "shop/home", "--format", "csv", since=then) == ""


def test_without_a_database_the_exit_code_is_1(folder: Path) -> None:
    ran = typed(folder, "query", "availability", "--store", f"sqlite:{folder}/nowhere.db")
    assert (ran.exit_code, ran.stdout) == (1, "")
    assert "there is no database" in ran.stderr


def test_warnings_of_the_configuration_are_for_validate_to_say(folder: Path) -> None:
    assert typed(folder, "validate").stderr != ""
    assert typed(folder, "query", "availability", *SINCE).stderr == ""
    assert typed(folder, "rules").stderr == ""


def test_rules_are_written_out_without_aliases(folder: Path) -> None:
    ran = typed(folder, "rules")
    assert ran.exit_code == 0
    assert not re.search(r"(^|\s)[&*]id\d+", ran.stdout)
    assert yaml.safe_load(ran.stdout)["groups"][0]["name"].startswith("probe-slo:shop:")


NOW = parse_instant("2026-11-22T10:25", "UTC")


@pytest.mark.parametrize(
    ("since", "until", "zone", "first", "last"),
    [
        # Clocks in Berlin went back on 25 October 2026: the month has 745 hours. Source: directive 2000/84/EC.
        ("last-month", "", "Europe/Berlin", "2026-10-01T00:00+02:00", "2026-11-01T00:00+01:00"),
        ("last-month", "", "UTC", "2026-10-01T00:00Z", "2026-11-01T00:00Z"),
        ("month", "", "Europe/Berlin", "2026-11-01T00:00+01:00", "2026-11-22T10:25Z"),
        ("last-week", "", "UTC", "2026-11-09T00:00Z", "2026-11-16T00:00Z"),
        ("last-quarter", "", "UTC", "2026-07-01T00:00Z", "2026-10-01T00:00Z"),
        ("last-year", "", "Asia/Tokyo", "2025-01-01T00:00+09:00", "2026-01-01T00:00+09:00"),
        ("day", "", "Asia/Tokyo", "2026-11-22T00:00+09:00", "2026-11-22T10:25Z"),
        ("2h", "1h", "UTC", "2026-11-22T08:25Z", "2026-11-22T09:25Z"),
        ("2026-11-01", "2027-01-01", "Europe/Berlin", "2026-11-01T00:00+01:00", "2026-11-22T10:25Z"),
    ],
)
def test_spans_are_those_of_a_calendar_and_end_now(since: str, until: str, zone: str, first: str, last: str) -> None:
    assert span_of(since, until, NOW, zone) == (parse_instant(first, "UTC"), parse_instant(last, "UTC"))


@pytest.mark.parametrize(
    ("share", "shown"),
    [(1.0, "100%"), (0.999996, "99.9996%"), (0.99999999, "99.9999%"), (0.9994, "99.9400%"), (0.0, "0.0000%")],
)
def test_percentages_are_never_rounded_up(share: float, shown: str) -> None:
    assert percent(share) == shown
