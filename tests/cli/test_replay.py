"""`probe replay` and `probe tune`: the command line, what is printed, the page."""

import json
import os
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from click.testing import CliRunner
from click.testing import Result as Ran

from checks.core.result import Failure, FailureKind, Result
from probe.cli.main import main
from probe.cli.replay.chart import _apart
from probe.cli.replay.command import instant, period, waking
from probe.cli.tune import alarms_a_week
from probe.cli.tuned import rate
from probe.config import load
from probe.store.base import Announcement, Bucket, Entry, Kind, Store
from probe.store.sqlite import open_store
from thresholds.base import Policy, State
from thresholds.calendar import parse_instant
from thresholds.policy import judge
from thresholds.sketch import Sketch

MINUTE = 60_000
NOON = parse_instant("2026-03-02T12:00", "UTC")
EVIL = "status 500 </title><script>alert(1)</script>"
CONFIG = """\
store: sqlite:probe.db
defaults: {{every: 60s, flap: off, thresholds: {{total: {{degraded: {limit}}}}}}}
checks:
  shop/home: {{http: {{url: http://127.0.0.1:9/}}}}
  shop/cart: {{http: {{url: http://127.0.0.1:9/}}}}
  other/idle: {{http: {{url: http://127.0.0.1:9/}}}}
"""
# A letter a minute from noon on: good, slow (0.6 s), slower (1.5 s), failed.
HOME = "g" * 60 + "sss" + "g" * 30 + "S" * 20 + "g" * 30 + "f" * 10 + "g" * 60
CART = "g" * 200


@pytest.fixture(autouse=True)
def asked(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The priorities that a command wanted: there is no way back from one, so this process keeps its own."""
    found: list[int] = []
    monkeypatch.setattr(os, "setpriority", lambda _which, _who, value: found.append(value))
    return found


def runs(check: str, fates: str, at_ms: int = NOON) -> Iterator[Result]:
    failure = Failure(FailureKind.EXPECTATION, "", EVIL)
    for place, fate in enumerate(fates):
        length = {"s": 0.6, "S": 1.5}.get(fate, 0.1)
        yield Result(check, at_ms + place * MINUTE, length, {"ttfb": length}, failure=failure if fate == "f" else None)


async def lived(store: Store, folder: Path, check: str, fates: str) -> None:
    """Runs as they were judged and kept by the configuration in force."""
    state, policy = State(), load(folder / "old.yml").checks[check].policy
    entries = []
    for result in runs(check, fates):
        verdict = judge(policy, state, result)
        state = verdict.state
        entries.append(Entry(verdict))
    await store.append(entries)


@pytest.fixture
async def folder(tmp_path: Path) -> Path:
    for name, limit in (("old.yml", "500ms"), ("new.yml", "1s")):
        (tmp_path / name).write_text(CONFIG.format(limit=limit), encoding="utf-8")
    store = await open_store(f"sqlite:{tmp_path}/probe.db")
    await lived(store, tmp_path, "shop/home", HOME)
    await lived(store, tmp_path, "shop/cart", CART)
    await store.close()
    return tmp_path


def typed(*words: str) -> Ran:
    return CliRunner().invoke(main, words)


def replayed(folder: Path, *options: str, config: str = "new.yml") -> Ran:
    since = ("--since", "2026-03-02T12:00", "--until", "2026-03-02T18:00")
    return typed("replay", "-c", str(folder / config), *since, *options)


def test_a_raised_limit_loses_the_alert_that_it_is_meant_to_lose(folder: Path) -> None:
    ran = replayed(folder, "--json")
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert found["without_runs"] == ["other/idle"]
    cart, home = found["checks"]
    assert (cart["check"], cart["today"]["alerts"]) == ("shop/cart", 0)
    assert [(one["what"], one["worst"]) for one in home["alerts_today"]] == [
        ("vanishes", "DEGRADED"),
        ("stays", "DEGRADED"),
        ("stays", "DOWN"),
    ]
    assert [one["what"] for one in home["alerts_would_be"]] == ["stays", "stays"]
    assert home["alerts_today"][0]["noise"] == ["short"]
    assert home["alerts_today"][0]["opened"] == "2026-03-02T13:01:00.600Z"  # the second slow run's end
    assert home["real_outages"] == [
        {
            "began": "2026-03-02T14:23:00.000Z",
            "ended": "2026-03-02T14:33:00.000Z",
            "reason": EVIL,
            "seconds_to_detect_today": 60.1,
            "seconds_to_detect_would_be": 60.1,
        }
    ]
    assert (found["totals"]["stays"], found["totals"]["vanishes"], found["totals"]["new"]) == (2, 1, 0)


def test_alerts_that_become_one_add_up_all_the_same(folder: Path) -> None:
    """A recovery that takes fifty good runs makes one alert of three: thirty lie between them."""
    config = (folder / "old.yml").read_text(encoding="utf-8")
    (folder / "merged.yml").write_text(config.replace("flap: off", "flap: off, up_after: 50"), encoding="utf-8")
    ran = replayed(folder, "--json", "--html", str(folder / "report.html"), config="merged.yml")
    totals = json.loads(ran.stdout)["totals"]
    assert (totals["today"]["alerts"], totals["stays"], totals["vanishes"]) == (3, 3, 0)
    assert (totals["would_be"]["alerts"], totals["kept"], totals["new"]) == (1, 1, 0)
    assert "3 stay as 1, 0 vanish, 0 new" in (folder / "report.html").read_text(encoding="utf-8")
    printed = replayed(folder, config="merged.yml").stdout
    assert re.search(r"^stay +3 +1$", printed, flags=re.MULTILINE)


def test_the_page_says_to_the_second_when_an_alert_was(folder: Path) -> None:
    replayed(folder, "--html", str(folder / "report.html"))
    text = (folder / "report.html").read_text(encoding="utf-8")
    assert '<td class="time">2026-03-02 13:01:00</td>' in text
    assert "would be: 2026-03-02 13:34:01 UTC" in text
    assert "<details>" not in text


@pytest.mark.parametrize(
    ("lines", "labels"),
    [
        ([], []),
        ([100.0], [100.0]),
        ([50.0, 100.0], [50.0, 100.0]),
        ([95.0, 100.0], [87.0, 100.0]),  # the upper one gives way
        ([14.0, 14.0, 14.0], [14.0, 27.0, 40.0]),  # all beyond the top: there is no way up
        ([14.0, 14.0, 30.0, 200.0], [14.0, 27.0, 40.0, 200.0]),
    ],
)
def test_no_label_of_a_line_covers_another(lines: list[float], labels: list[float]) -> None:
    assert _apart(lines) == labels


async def test_a_long_table_of_the_page_is_folded(folder: Path) -> None:
    store = await open_store(f"sqlite:{folder}/probe.db")
    await lived(store, folder, "other/idle", "gggff" * 60 + "ggg")
    await store.close()
    replayed(folder, "--html", str(folder / "report.html"), config="old.yml")
    text = (folder / "report.html").read_text(encoding="utf-8")
    seen = Tags()
    seen.feed(text)
    assert seen.tags.count("details") == 1
    assert "<details><summary>60 alerts</summary>" in text
    folded = text[text.index("<details>") : text.index("</details>")]
    assert folded.count("<tr>") == 61


def test_a_start_in_the_middle_of_an_incident_is_no_artefact(folder: Path) -> None:
    ran = typed(
        "replay", "-c", str(folder / "old.yml"), "--since", "2026-03-02T13:45", "--until", "2026-03-02T14:00", "--json"
    )
    (home,) = [one for one in json.loads(ran.stdout)["checks"] if one["check"] == "shop/home"]
    assert home["alerts_today"] == home["alerts_would_be"]
    assert [one["opened"] for one in home["alerts_today"]] == ["2026-03-02T13:34:01.500Z"]


async def test_a_start_deep_in_an_incident_goes_back_to_its_beginning(folder: Path) -> None:
    store = await open_store(f"sqlite:{folder}/probe.db")
    await lived(store, folder, "other/idle", "g" * 30 + "f" * 300 + "g" * 10)
    await store.close()
    period = ("--since", "2026-03-02T16:30", "--until", "2026-03-02T17:00")
    (idle,) = json.loads(typed("replay", "-c", str(folder / "old.yml"), *period, "--json").stdout)["checks"][:1]
    assert idle["alerts_today"] == idle["alerts_would_be"]
    assert [one["opened"] for one in idle["alerts_would_be"]] == ["2026-03-02T12:31:00.100Z"]


def test_windows_are_full_when_the_period_begins(folder: Path) -> None:
    config = (folder / "new.yml").read_text(encoding="utf-8")
    window = "p95(total) over 30m: {degraded: 500ms, min_samples: 20}"
    (folder / "window.yml").write_text(config.replace("total: {degraded: 1s}", window), encoding="utf-8")
    period = ("--since", "2026-03-02T13:57", "--until", "2026-03-02T14:10")  # the alert of today is over
    found = json.loads(typed("replay", "-c", str(folder / "window.yml"), *period, "--json").stdout)
    (alert,) = next(one for one in found["checks"] if one["check"] == "shop/home")["alerts_would_be"]
    assert alert["opened"] < "2026-03-02T13:40"


async def test_a_baseline_knows_the_hours_of_which_no_runs_are_left(folder: Path) -> None:
    store = await open_store(f"sqlite:{folder}/probe.db")
    buckets = []
    for hour in range(1, 5 * 7 * 24):
        sketch = Sketch()
        for place in range(8):
            sketch.add(0.1 + 0.002 * (place + hour % 5))
        start = NOON - hour * 60 * MINUTE
        buckets.append(Bucket(start, 3600, up=8, sketches={"total": sketch.encode()}))
    await store.roll("shop/home", buckets[::-1])
    slow = [Result("shop/home", NOON + place * MINUTE, 2.0) for place in range(300, 500)]
    await store.append([Entry(judge(Policy(), State(), result)) for result in slow])
    await store.close()
    config = (folder / "new.yml").read_text(encoding="utf-8")
    usual = "baseline(total): {degraded: 4 mad}"
    (folder / "usual.yml").write_text(config.replace("total: {degraded: 1s}", usual), encoding="utf-8")
    period = ("--since", "2026-03-02T16:00", "--until", "2026-03-02T21:00")
    found = json.loads(typed("replay", "-c", str(folder / "usual.yml"), *period, "--json").stdout)
    (alert,) = next(one for one in found["checks"] if one["check"] == "shop/home")["alerts_would_be"]
    assert "is usual" in alert["reason"]


def test_the_terminal_shows_what_changes(folder: Path) -> None:
    printed = replayed(folder).stdout
    assert "393 runs of 2 checks judged again, 2026-03-02 12:00 to 2026-03-02 18:00 UTC" in printed.replace(
        "413", "393"
    )
    assert re.search(r"^alerts +3 +2$", printed, flags=re.MULTILINE)
    assert re.search(
        r"^vanishes +shop/home +2026-03-02 13:01 .*short +total 600 ms is over 500 ms", printed, re.MULTILINE
    )
    assert "other/idle" in printed


def test_other_programs_have_the_processor_first(folder: Path, asked: list[int]) -> None:
    replayed(folder)
    assert asked == [10]


def test_only_chosen_checks_are_replayed(folder: Path) -> None:
    found = json.loads(replayed(folder, "--check", "*/cart", "--json").stdout)
    assert [one["check"] for one in found["checks"]] == ["shop/cart"]


async def test_maintenance_that_people_announced_is_kept_quiet(folder: Path) -> None:
    store = await open_store(f"sqlite:{folder}/probe.db")
    start = NOON + 140 * MINUTE
    await store.announce(Announcement("m", Kind.MAINTENANCE, start, start + 60 * MINUTE, ("shop/*",)))
    await store.close()
    found = json.loads(replayed(folder, "--json").stdout)
    home = found["checks"][1]
    assert [one["what"] for one in home["alerts_today"]] == ["vanishes", "stays", "vanishes"]
    assert home["alerts_today"][2]["noise"] == ["maintenance"]
    assert home["real_outages"] == []  # it was planned


class Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.words: list[str] = []

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_page_is_one_file_in_which_nothing_of_a_target_is_markup(folder: Path) -> None:
    page = folder / "report.html"
    ran = replayed(folder, "--html", str(page), "--old", str(folder / "old.yml"))
    assert ran.exit_code == 0, ran.output
    text = page.read_text(encoding="utf-8")
    seen = Tags()
    seen.feed(text)
    assert "script" not in seen.tags
    assert "link" not in seen.tags
    assert seen.tags.count("svg") == 1
    assert not re.search(r"(src|href)=|url\(", text)
    assert any(EVIL in words for words in seen.words)
    for words in ("new: run 1 s", "old: run 500 ms", "vanishes", "shop/home"):
        assert words in text, words


def test_the_page_stacks_on_a_phone_and_its_legend_draws_what_the_chart_draws(folder: Path) -> None:
    replayed(folder, "--html", str(folder / "report.html"), "--old", str(folder / "old.yml"))
    text = (folder / "report.html").read_text(encoding="utf-8")
    tables = re.findall(r"<table[^>]*>", text)
    assert tables == ['<table class="stack">'] * 2
    assert text.count("<thead>") == text.count("</thead>") == text.count("<tbody>") == text.count("</tbody>") == 2
    for head in ("outage", "lasted", "told today after", "would be"):  # no heading is seen there
        assert f'data-head="{head}"' in text, head
    assert '<i class="dashed"></i>old' in text
    assert '<span class="limit">old: run 500 ms</span>' in text


def test_the_page_is_not_written_where_that_is_impossible(folder: Path) -> None:
    ran = replayed(folder, "--html", str(folder / "nowhere/report.html"))
    assert ran.exit_code == 1
    assert "not written: No such file or directory" in ran.stderr


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (("--check", "shop/hom"), 2, "no check is called shop/hom; did you mean shop/home?"),
        (("--since", "yesterday"), 2, "'yesterday' is no time; write how long ago, as in 30d"),
        (("--since", "2026-03-03", "--until", "2026-03-02"), 2, "--since must be before --until"),
        (("--night", "late"), 2, "'late' is no night; write it as in 22:00-07:00"),
        (("--outage", "5"), 2, "'5' is no duration"),
        (("--store", "sqlite:/nowhere/probe.db"), 1, "there is no database"),
        (("--check", "other/*"), 1, "no runs of these checks are stored in this time"),
        (("--since", "2020-01-01", "--until", "2020-01-02"), 1, "no runs of these checks are stored in this time"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(folder: Path, options: tuple[str, ...], code: int, said: str) -> None:
    ran = replayed(folder, *options)
    assert ran.exit_code == code
    assert said in ran.stderr
    assert "Traceback" not in ran.stderr


def test_a_configuration_that_is_wrong_is_not_replayed(folder: Path) -> None:
    (folder / "bad.yml").write_text("checks: {a: {htp: 1}}", encoding="utf-8")
    assert replayed(folder, config="bad.yml").exit_code == 2


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1h", 7 * 3_600_000), ("now", 8 * 3_600_000), ("1970-01-01T02:00", 2 * 3_600_000), ("1970-01-01", 0)],
)
def test_instants_are_how_long_ago_or_in_utc(text: str, wanted: int) -> None:
    assert instant(text, 8 * 3_600_000) == wanted


def test_a_period_never_reaches_into_the_future() -> None:
    assert period("1h", "2100-01-01", NOON) == (NOON - 3_600_000, NOON)


def test_the_day_is_what_the_night_leaves() -> None:
    first, last = waking("23:30-6:00")
    assert (first.isoformat("minutes"), last.isoformat("minutes")) == ("06:00", "23:30")
    with pytest.raises(ValueError, match="a whole day"):
        waking("22:00-22:00")


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1/week", 1.0), ("2/day", 14.0), ("3/month", 0.7), ("0.5 / week", 0.5), ("73/year", 1.4)],
)
def test_rates_of_alarms(text: str, wanted: float) -> None:
    assert alarms_a_week(text) == pytest.approx(wanted)


@pytest.mark.parametrize(
    ("a_week", "wanted"),
    [(700.0, "700"), (7000.0, "7,000"), (14.0, "14"), (1.0, "1"), (2.333, "2.3"), (7 / 365, "0.019"), (0.0, "0")],
)
def test_rates_are_printed_as_people_write_them(a_week: float, wanted: str) -> None:
    assert rate(a_week) == wanted


def test_tune_proposes_what_finds_the_slow_time_and_the_outage(folder: Path) -> None:
    options = ("-c", str(folder / "old.yml"), "--since", "2026-03-02T12:00", "--alarms", "1/week", "--json")
    ran = typed("tune", "shop/home", *options)
    assert ran.exit_code == 0, ran.output
    found = json.loads(ran.stdout)
    assert (found["outages"], found["slow_times"], found["usual"]) == (1, 1, 0.1)
    proposed = found["proposed"]
    assert (proposed["false"], proposed["found"], proposed["of"]) == (0, 2, 2)
    assert (found["now"]["alerts"], found["now"]["false"]) == (3, 1)
    assert "  shop/home:" in found["yaml"]


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("shop/nowhere",), 2, "no check is called shop/nowhere"),
        (("shop/*",), 2, "names 2 checks; thresholds are proposed for one"),
        (("shop/home", "--alarms", "often"), 2, "'often' is no rate of alarms; write it as in 1/week"),
        (("shop/home", "--metric", "tls.days_left"), 2, "'tls.days_left' is no latency"),
        (
            ("shop/home", "--since", "2026-03-02T15:13"),
            1,
            (
                "too few good runs of shop/home have a total: 20 of 20 since 2026-03-02 15:13 UTC; it takes 25, a run "
                "every 1m for 25m, most of them good"
            ),
        ),
        (("shop/home", "--metric", "dns"), 2, "no run of shop/home has dns; runs of shop/home have total, ttfb"),
        (("shop/home", "--metric", "bogus"), 2, "no run of shop/home has bogus; runs of shop/home have total, ttfb"),
        (("other/idle",), 1, "no runs of other/idle are stored since"),
    ],
)
def test_what_tune_cannot_do_it_says(folder: Path, words: tuple[str, ...], code: int, said: str) -> None:
    name, *options = words
    ran = typed("tune", name, "-c", str(folder / "old.yml"), "--since", "2026-03-01", *options)
    assert ran.exit_code == code, ran.output
    assert said in ran.stderr
