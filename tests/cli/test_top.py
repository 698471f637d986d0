"""`probe top`: what is computed between samples, what a picture shows, and that it never harms a terminal."""

import asyncio
import math
import os
import pty
import re
import subprocess
import sys
import termios
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from io import StringIO
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from click.testing import CliRunner
from rich.cells import cell_len
from rich.console import Console

from probe.cli import top
from probe.cli.main import main
from probe.cli.top import NoAnswerError, Source, Top, interval, place, shown
from probe.cli.top_frame import render
from probe.cli.top_model import Histogram, Line, Process, Queue, Receiver, Sample, StoreFigures, Window, read
from probe.cli.top_words import shortened
from probe.config.model import Config
from probe.engine.vitals import Vitals
from tests.conftest import FakeClock
from tests.e2e.processes import free_port
from tests.web.stand import REFUSED, planned, standing
from thresholds.base import Level

BOUNDS = (0.001, 0.01, 0.1, 1.0)
NOW = datetime(2026, 11, 22, 3, 31, 5, tzinfo=UTC)
EMPTY = Histogram(BOUNDS, (0, 0, 0, 0, 0))


def seconds(*counts: int) -> Histogram:
    return Histogram(BOUNDS, counts)


def process(name: str = "service", **changes) -> Process:
    plain = Process(
        name, 100, NOW, cpu=10.0, rss=80 << 20, fds=26, fd_limit=1024, checks=7, runs=1000, missed=0, in_flight=2,
        seats=768, lookups=0, lag=0.001, queued=0, restarts=0, dropped={}, loop_lag=EMPTY, lateness=EMPTY,
    )  # fmt: skip
    return replace(plain, **changes)


def sample(*processes: Process, **changes) -> Sample:
    plain = Sample(
        "prod-eu", "0.1.0", NOW, "", {"down": 1, "up": 499}, 1, (), NOW - timedelta(hours=2),
        processes or (process(),), (Queue("store", 4, 0),), StoreFigures(88 << 10, 0, EMPTY),
        (Receiver("chat", 12, 0, 0, None),), (), (),
    )  # fmt: skip
    return replace(plain, **changes)


def later(before: Sample, by: float, **of_service) -> Sample:
    """The same service a moment later, its first process changed."""
    at = before.at + timedelta(seconds=by)
    first = replace(before.processes[0], at=at, **of_service)
    return replace(before, at=at, processes=(first, *before.processes[1:]))


def window(*samples: Sample) -> Window:
    made = Window()
    for one in samples:
        made.take(one)
    return made


@pytest.mark.parametrize(
    ("counts", "share", "quantile"),
    [
        # As histogram_quantile of Prometheus: evenly within the bucket that the rank falls into.
        # promtool test rules gives the same for the fifth, the fourth and the third, made cumulative.
        ((10, 0, 0, 0, 0), 0.5, 0.0005),
        ((0, 10, 0, 0, 0), 0.5, 0.0055),
        ((50, 50, 0, 0, 0), 0.5, 0.001),
        ((50, 50, 0, 0, 0), 0.75, 0.0055),
        ((90, 0, 10, 0, 0), 0.99, 0.091),
        ((99, 0, 0, 0, 1), 0.99, 0.001),
        ((98, 0, 0, 0, 2), 0.99, math.inf),
        ((0, 0, 0, 0, 0), 0.5, None),
        ((), 0.5, None),
    ],
)
def test_quantiles_are_those_of_prometheus(counts, share, quantile):
    found = Histogram(BOUNDS, counts).quantile(share)
    assert found == (quantile if quantile is None else pytest.approx(quantile))


def test_rates_are_of_what_happened_between_two_samples():
    first = sample(process(lateness=seconds(100, 0, 0, 0, 0)))
    second = later(first, 4.0, runs=1400, cpu=12.0, missed=3, dropped={"x": 2}, lateness=seconds(100, 0, 20, 0, 0))
    pace = window(first, second).paces()["service"]
    assert (pace.runs, pace.cpu, pace.missed, pace.dropped) == (100.0, 0.5, 3, 2)
    assert pace.late.counts == (0, 0, 20, 0, 0)


def test_one_sample_has_no_rates_and_nothing_that_is_wrong_now():
    pace = window(sample(process(missed=9, dropped={"x": 5}))).paces()["service"]
    assert (pace.runs, pace.cpu, pace.missed, pace.dropped) == (None, None, 0, 0)


def test_rates_look_back_ten_seconds():
    samples = [sample()]
    for second in range(30):
        samples.append(later(samples[-1], 1.0, runs=1000 + (second + 1 if second < 20 else 20)))
    assert window(*samples).paces()["service"].runs == 0.0
    assert window(*samples[:21]).paces()["service"].runs == 1.0


def test_a_worker_that_says_nothing_new_keeps_its_rate():
    worker = process("worker 1", runs=0)
    first = sample(process(), worker)
    second = replace(later(first, 1.0), processes=(process(), replace(worker, at=NOW + timedelta(seconds=1), runs=50)))
    third = later(second, 1.0)
    assert window(first, second, third).paces()["worker 1"].runs == 50.0


@pytest.mark.parametrize(
    "change",
    [{"started": NOW}, {"at": NOW - timedelta(seconds=1)}],
    ids=["started anew", "clock set back"],
)
def test_another_life_starts_from_nothing(change):
    first = sample(process(runs=1000))
    second = replace(later(first, 5.0, runs=3), **change)
    assert window(first, second).paces()["service"].runs is None


def test_counters_that_fall_are_no_negative_rates():
    first = sample(process(runs=1000, cpu=50.0, missed=5, lateness=seconds(9, 0, 0, 0, 0)))
    pace = window(first, later(first, 1.0, runs=3, cpu=0.1, missed=0, lateness=EMPTY)).paces()["service"]
    assert (pace.runs, pace.cpu, pace.missed, sum(pace.late.counts)) == (0.0, 0.0, 0, 0)


def lines(shown_: Window | None, width: int = 80, height: int = 24, **more) -> list[str]:
    console = Console(record=True, width=width, height=height, file=StringIO(), force_terminal=True)
    console.print(render(shown_, "http://127.0.0.1:8080", width, height, **more), end="")
    return [line.rstrip() for line in console.export_text().rstrip("\n").split("\n")]


def coloured(shown_: Window, width: int = 150, height: int = 40) -> dict[str, str]:
    """Every coloured part of a picture and its style."""
    parts = {}
    for text in render(shown_, "", width, height).renderables:  # type: ignore[union-attr]  # a Group
        for span in text.spans:
            if any(colour in str(span.style) for colour in ("red", "yellow")):
                parts[text.plain[span.start : span.end].strip()] = str(span.style)
        if any(colour in str(text.style) for colour in ("red", "yellow")):
            parts[text.plain] = str(text.style)
    return parts


def busy() -> Window:
    """A service of three processes and many checks in trouble."""
    workers = [process(f"worker {number}", runs=0, in_flight=300) for number in (1, 2)]
    checks = [Line(f"shop/check-{n}", "down", NOW, "status 500, wanted 2xx", "https://x", 0.2) for n in range(50)]
    first = sample(process(), *workers, failing=tuple(checks), slowest=tuple(checks), counts={"down": 90, "up": 10})
    return window(first, later(first, 2.0, runs=2000))


@pytest.mark.parametrize(("width", "height"), [(80, 24), (150, 40), (60, 12), (40, 10), (20, 5), (1, 1), (300, 100)])
def test_a_picture_never_outgrows_the_terminal(width, height):
    crowd = [process(f"worker {number}") for number in range(1, 33)]
    many = sample(process(), *crowd, ourselves=tuple(Line(f"probe/{n}", "down", NOW, "x" * 300) for n in range(9)))
    for shown_ in (busy(), window(many), None):
        for silence in ("", "no answer for 3 s: connection refused"):
            drawn = lines(shown_, width, height, silence=silence, hint="q ends")
            assert len(drawn) <= height
            assert max(map(cell_len, drawn)) <= width


def test_the_small_picture_has_it_all():
    first = sample(
        process(lateness=seconds(0, 0, 0, 0, 0), loop_lag=seconds(0, 0, 0, 0, 0)),
        failing=(
            Line("shop/checkout", "down", NOW - timedelta(minutes=3), "status 503, wanted 2xx", "https://x", 0.2),
        ),
        slowest=(Line("shop/search", "up", NOW, "", "https://shop.example/search", 0.7),),
    )
    second = later(
        first, 2.0, runs=1984, cpu=10.5, lateness=seconds(98, 0, 2, 0, 0), loop_lag=seconds(100, 0, 0, 0, 0), lag=0.002
    )
    assert lines(window(first, second), hint="q ends") == [
        "Probe prod-eu  1 DOWN  499 UP  up 2h  0.1.0",
        "runs   492.0/s · 2 of 768 under way · 0 missed lately, 0 in all · 25% of a core",
        "late   p50 0.5 ms · p99 55 ms · loop lag p99 1.0 ms · worst now 2.0 ms",
        "store  queue 4 · 0.0 writes/s · p99 — · 88 KiB",
        "alerts 1 incident open · 0 pending · 12 sent",
        "",
        "PROCESS      CPU   MEMORY  RUNS/S LATE p99  LAG p99  MISSED RUNNING       FILES",
        "service      25%   80 MiB   492.0    55 ms   1.0 ms       0       2     26/1024",
        "",
        "FAILING",
        " DOWN     shop/checkout 3m 2s    status 503, wanted 2xx",
        "SLOWEST",
        "   700 ms shop/search   https://shop.example/search",
        "q ends · http://127.0.0.1:8080",
    ]


def test_a_wide_picture_has_every_column():
    head = next(line for line in lines(busy(), 150, 40) if line.startswith("PROCESS"))
    assert head.split() == [
        "PROCESS", "PID", "CPU", "MEMORY", "CHECKS", "RUNS/S", "LATE", "p50", "LATE", "p99", "LAG", "p99", "MISSED",
        "RUNNING", "NAMES", "FILES", "QUEUED", "DROPPED", "RESTARTS",
    ]  # fmt: skip


def test_failing_checks_leave_room_for_the_slowest():
    drawn = lines(busy())
    assert len(drawn) == 24
    at = drawn.index("SLOWEST")
    assert drawn[at - 1].startswith(" DOWN")
    assert "FAILING 5 of 90" in drawn
    assert at < len(drawn) - 4


@pytest.mark.parametrize(
    ("changes", "words", "style"),
    [
        ({"missed": 3}, "3", "bold red"),
        ({"dropped": {"slow_reader": 4}}, "4", "bold red"),
        ({"lateness": seconds(0, 0, 100, 0, 0)}, "p99 99 ms", "yellow"),
        ({"lateness": seconds(0, 0, 0, 100, 0)}, "p99 991 ms", "bold red"),
        ({"lateness": seconds(0, 0, 0, 0, 100)}, "p99 > 1 s", "bold red"),
        ({"loop_lag": seconds(0, 0, 100, 0, 0)}, "loop lag p99 99 ms", "yellow"),
        ({"cpu": 11.7}, "85%", "yellow"),
        ({"cpu": 12.0}, "100%", "bold red"),
        ({"fds": 800}, "800/1024", "yellow"),
        ({"fds": 1000}, "1000/1024", "bold red"),
        ({"in_flight": 600}, "600", "yellow"),
        ({"lookups": 500}, "500", "yellow"),
        ({"restarts": 1}, "1", "yellow"),
        ({"pid": 0}, "ended; another one starts", "bold red"),
    ],
)
def test_what_is_wrong_with_a_process_is_coloured(changes, words, style):
    first = sample(process(), process("worker 1"))
    worse = replace(process("worker 1", **changes), at=NOW + timedelta(seconds=2))
    second = replace(later(first, 2.0), processes=(process(), worse))
    assert coloured(window(first, second)).get(words) == style


def test_nothing_is_coloured_where_all_is_well():
    first = sample(counts={"up": 500}, incidents=0)
    assert coloured(window(first, later(first, 2.0, lateness=seconds(100, 0, 0, 0, 0)))) == {}


@pytest.mark.parametrize(
    ("change", "words", "style"),
    [
        ({"queues": (Queue("store", 4, 7),)}, "queue 4, 7 dropped", "bold red"),
        ({"queues": (Queue("store", 60_000, 0),)}, "queue 60,000", "bold red"),
        ({"store": StoreFigures(1, 2, EMPTY)}, "2 writes failed", "bold red"),
        (
            {"receivers": (Receiver("chat", 1, 0, 2, NOW - timedelta(seconds=98)),)},
            "2 pending for 1m 40s: chat",
            "yellow",
        ),
        ({"receivers": (Receiver("chat", 1, 1, 0, None),)}, "1 attempt failed", "yellow"),
        ({"trouble": "stopping"}, "not ready: stopping", "yellow"),
        (
            {"ourselves": (Line("probe/store", "down", NOW, "disk full"),)},
            "probe/store DOWN for 2 s: disk full",
            "bold red",
        ),
    ],
)
def test_what_is_wrong_with_the_service_is_coloured(change, words, style):
    first = sample()
    assert coloured(window(first, replace(later(first, 2.0), **change))).get(words) == style


def test_a_process_that_says_nothing_is_told():
    first = sample(process(), process("worker 1"))
    second = replace(later(first, 12.0), processes=(process(at=NOW + timedelta(seconds=12)), process("worker 1")))
    assert coloured(window(first, second)).get("no word for 12 s") == "bold red"


def test_workers_of_which_there_are_no_more_count_and_are_not_listed():
    drawn = lines(window(sample(process(missed=1), process("worker 2", pid=0, missed=41, ended=True))))
    assert not [line for line in drawn if line.startswith("worker 2")]
    assert "42 in all" in drawn[1]


@pytest.mark.parametrize(
    ("name", "width", "short"),
    [
        ("shop/home", 9, "shop/home"),
        ("shop/home", 12, "shop/home   "),
        ("very/long/team-name/with/many/parts/checkout", 25, "very/lon…y/parts/checkout"),
        ("very/long/team-name/with/many/parts/search", 25, "very/lon…any/parts/search"),
        ("日本日本日本日本", 9, "日…本日本"),
        ("日本日本日本日本", 10, "日…本日本 "),
        ("shop/home", 2, "s…"),
        ("shop/home", 0, ""),
    ],
)
def test_names_are_cut_in_the_middle(name, width, short):
    assert shortened(name, width) == short
    assert cell_len(short) == width


def test_long_names_of_one_folder_can_be_told_apart():
    names = [f"very/long/team-name/with/many/parts/of/it/{end}" for end in ("checkout", "search")]
    checks = tuple(Line(name, "down", NOW, "status 500", "https://x", 0.2) for name in names)
    drawn = "\n".join(lines(window(sample(failing=checks, slowest=checks))))
    assert drawn.count("it/checkout ") == drawn.count("it/search ") == 2


ATTACKS = ["\x1b[2J\x1b]0;owned\x07", "a\rb\nc", "\u202egpj", "\x9b31m", "[bold red]x[/]", "日本" * 100]


@pytest.mark.parametrize("attack", ATTACKS)
def test_a_servers_words_cannot_move_the_cursor(attack):
    line = Line(attack, attack, NOW, attack, attack, 0.1)
    hostile = sample(
        process(attack), instance=attack, version=attack, trouble=attack, ourselves=(line,), failing=(line,),
        slowest=(line,), queues=(Queue(attack, 1, 1),), receivers=(Receiver(attack, 1, 1, 1, NOW),),
    )  # fmt: skip
    console = Console(width=80, height=24, file=StringIO(), force_terminal=True, color_system=None)
    console.print(render(window(hostile), attack, 80, 24, silence=attack))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert not [char for char in text if (ord(char) < 32 and char != "\n") or ord(char) in (0x7F, 0x9B, 0x202E)]
    assert len(text.splitlines()) <= 24


@pytest.mark.parametrize(
    ("address", "url"),
    [
        (None, "http://127.0.0.1:8080"),
        ("probe.example:8080", "http://probe.example:8080"),
        ("https://probe.example/here/", "https://probe.example/here"),
        ("http://[::1]:80", "http://[::1]:80"),
    ],
)
def test_an_address_is_taken_as_people_type_it(address, url):
    assert place(address, None) == url


@pytest.mark.parametrize(
    "address",
    ["ftp://x", "http://", "", "http://x?limit=5", "foo:bar", "x:0", "x:70000", "http://[::1", "a b", "http://[x]:1"],
)
def test_what_is_no_address_is_said(address):
    with pytest.raises(ValueError, match="no address of a service"):
        place(address, None)


@pytest.mark.parametrize(
    ("host", "url"),
    [
        ("127.0.0.1", "http://127.0.0.1:80"),
        ("0.0.0.0", "http://127.0.0.1:80"),
        ("::", "http://[::1]:80"),
        ("::1", "http://[::1]:80"),
        ("probe.example", "http://probe.example:80"),
    ],
)
def test_a_configuration_says_where_the_service_is(host, url):
    assert place(None, Config(Path("p.yml"), "x", host, 80, "", {})) == url


def test_a_port_that_nobody_knows_is_asked_for():
    with pytest.raises(ValueError, match="give the URL"):
        place(None, Config(Path("p.yml"), "x", "127.0.0.1", 0, "", {}))


def test_a_password_is_not_shown():
    assert shown("https://me:hunter2@probe.example:1/x") == "https://probe.example:1/x"


@pytest.mark.parametrize(("text", "length"), [("2s", 2.0), ("200ms", 0.2), ("1h", 3600.0)])
def test_how_often_is_a_length_of_time(text, length):
    assert interval(text) == length


@pytest.mark.parametrize("text", ["2", "0s", "100ms", "2h", "x"])
def test_how_often_has_bounds(text):
    with pytest.raises(ValueError):
        interval(text)


@asynccontextmanager
async def answering(handler, port: int = 0) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_get("/api/v1/vitals", handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as opened:
        yield opened


async def test_the_endpoint_is_understood(clock: FakeClock, tmp_path: Path, session):
    async with standing(clock, tmp_path, planned("shop/home"), planned("shop/search")) as stand:
        stand.run("shop/home", REFUSED)
        stand.run("shop/search", duration=0.25)
        stand.hub.report("store", Level.DOWN, "disk full")
        stand.service.own.set_receivers(["chat"])
        stand.service.own.store_write.observe(0.02)
        async with stand.client() as client:
            found = await Source(session, f"http://127.0.0.1:{client.port}").sample()
    assert (found.instance, found.counts["down"], found.incidents) == ("test-1", 1, 1)
    assert [line.name for line in found.failing] == ["shop/home"]
    assert [(line.name, line.duration) for line in found.slowest] == [("shop/search", 0.25)]
    assert [line.name for line in found.ourselves] == ["probe/store"]
    assert sum(found.store.write.counts) == 1
    assert found.processes[0].process == "service"


@pytest.mark.parametrize(
    ("status", "body", "why"),
    [
        (404, b"nothing", "it answers 404 Not Found"),
        (200, b"<html>", "not understood"),
        (200, b"{}", "not understood"),
        (200, b'{"instance": 5}', "not understood"),
        (200, b"x" * (9 << 20), "larger than"),
    ],
)
async def test_whoever_is_not_probe_is_told_so(session, status, body, why):
    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, body=body)

    async with answering(answer) as url:
        with pytest.raises(NoAnswerError, match=re.escape(why)):
            await Source(session, url).sample()


async def test_silence_is_not_waited_for_for_ever(session, monkeypatch):
    monkeypatch.setattr(top, "_PATIENCE", aiohttp.ClientTimeout(total=0.05))
    gate = asyncio.Event()

    async def answer(_: web.Request) -> web.Response:
        await gate.wait()
        return web.Response()

    async with answering(answer) as url:
        with pytest.raises(NoAnswerError, match=r"nothing within 0\.05 s"):
            await Source(session, url).sample()
        gate.set()


async def test_a_service_that_went_away_and_came_back_is_shown_again(clock: FakeClock, tmp_path: Path, session):
    port = free_port()
    source = Source(session, f"http://127.0.0.1:{port}")
    shown_ = Top(source, "there", 2.0)
    async with standing(clock, tmp_path) as stand:

        async def answer(request: web.Request) -> web.StreamResponse:
            return web.json_response(await _vitals(stand))

        await shown_._ask()
        assert "no answer: connection refused" in " ".join(picture(shown_).split())
        shown_._answered -= 3.5
        assert "no answer for 3 s: connection refused" in " ".join(picture(shown_).split())
        assert "connection refused" in picture(shown_)
        async with answering(answer, port):
            await shown_._ask()
            assert "no answer" not in picture(shown_)
            assert "test-1" in picture(shown_)
        await shown_._ask()
        assert "connection refused" in picture(shown_)
        assert "test-1" in picture(shown_)  # what was seen last stays
        async with answering(answer, port):
            await shown_._ask()
            assert "no answer" not in picture(shown_)


async def _vitals(stand):
    async with stand.client() as client:
        return await (await client.get("/api/v1/vitals")).json()


def picture(shown_: Top) -> str:
    console = Console(record=True, width=120, file=StringIO())
    console.print(shown_._picture(120, 30, ""))
    return console.export_text()


def test_a_sample_of_a_later_version_is_understood():
    body = b"""{"instance":"a","version":"9","at":"2026-11-22T03:31:05.250Z","trouble":"","counts":{},"incidents":0,
        "ourselves":[],"started":null,"processes":[],"queues":[],"receivers":[],"failing":[],"slowest":[],"new":{"x":1},
        "store":{"size":1,"failures":0,"new":2,"write":{"bounds":[],"counts":[],"total":0}}}"""
    assert read(body).instance == "a"
    assert lines(window(read(body)))[0].startswith("Probe a")


PROBE = Path(sys.executable).with_name("probe")


async def _probe(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROBE), "top", *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=60)


async def test_output_that_is_no_terminal_gets_one_picture(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/home")) as stand, stand.client() as client:
        stand.run("shop/home", REFUSED)
        stand.vitals[0].at_ms = clock.now_ms()
        done = await _probe(f"127.0.0.1:{client.port}")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Probe test-1  1 DOWN")
    assert "\x1b" not in done.stdout
    assert " DOWN     shop/home" in done.stdout
    assert "q ends" not in done.stdout


async def test_one_picture_shows_the_last_ten_seconds_of_a_service_in_which_nothing_happens_now(clock, tmp_path: Path):
    async with standing(clock, tmp_path, planned("shop/home")) as stand, stand.client() as client:
        now_ms = clock.now_ms()
        late = [0] * 11 + [4]
        ago = Vitals("service", 100, now_ms - 10_000, runs=100, missed=5, cpu=1.0, lateness=[0] * 12)
        stand.vitals = [Vitals("service", 100, now_ms, runs=130, missed=47, cpu=2.0, lateness=late, before=ago)]
        done = await _probe(f"127.0.0.1:{client.port}", "--once")
    assert "runs   3.0/s · 0 of 0 under way · 42 missed lately, 47 in all · 10% of a core" in done.stdout
    assert "late   p50 > 2.5 s" in done.stdout


async def test_output_that_cannot_be_written_is_one_line_and_code_1(clock: FakeClock, tmp_path: Path):
    async with standing(clock, tmp_path) as stand, stand.client() as client:
        stand.vitals[0].at_ms = clock.now_ms()
        command = [str(PROBE), "top", f"127.0.0.1:{client.port}", "--once"]
        with Path("/dev/full").open("w") as full:
            done = await asyncio.to_thread(
                subprocess.run, command, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
            )
    assert (done.returncode, done.stderr) == (1, "standard output cannot be written: no space left on device\n")


async def test_nobody_there_is_one_line_and_code_1():
    port = free_port()
    done = await _probe(f"http://me:hunter2@127.0.0.1:{port}", "--once")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"no answer from http://127.0.0.1:{port}: connection refused\n"


@pytest.mark.parametrize("arguments", [["ftp://x"], ["foo:bar"], ["--every", "1"], ["http://x", "-c", "probe.yml"]])
def test_a_wrong_command_line_is_code_2(arguments):
    done = CliRunner().invoke(main, ["top", *arguments])
    assert done.exit_code == 2
    assert "Usage:" in done.output


@pytest.mark.parametrize("end", [b"q", b"\x03"], ids=["q", "Ctrl-C"])
async def test_the_terminal_is_left_as_it_was_found(clock: FakeClock, tmp_path: Path, end):
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    before = termios.tcgetattr(theirs)
    try:
        async with standing(clock, tmp_path, planned("shop/home")) as stand, stand.client() as client:
            stand.run("shop/home", REFUSED)
            command = ["setsid", "--ctty", str(PROBE), "top", f"127.0.0.1:{client.port}", "--every", "200ms"]
            running = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs)
            drawn = await asyncio.to_thread(_read_until, ours, b"shop/home")
            assert b"\x1b[?1049h" in drawn
            os.write(ours, end)
            drawn += await asyncio.to_thread(_read_until, ours, b"\x1b[?1049l")
            assert await asyncio.to_thread(running.wait, 30) == 0
            assert b"\x1b[?25h" in drawn
            assert termios.tcgetattr(theirs) == before
    finally:
        os.close(theirs)
        os.close(ours)


def _read_until(fd: int, mark: bytes) -> bytes:
    drawn, deadline = b"", time.monotonic() + 30
    while mark not in drawn and time.monotonic() < deadline:
        drawn += os.read(fd, 65536)
    return drawn
