"""The benchmarks still run, and count what they say they count. Tiny numbers: nothing is measured here."""

import asyncio
import math
import os
import random
import re
import shutil
import signal
import ssl
import subprocess
import sys
import time
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import (
    alone,
    cost,
    cpu_per_check,
    exposition,
    idle,
    report,
    rounds,
    run,
    slices,
    start,
    store,
    whole_system,
)
from benchmarks.blackbox import Blackbox, Prometheus, reported
from benchmarks.contenders import Case, Contender, Probe, Tally
from benchmarks.engine_alone import at_work
from benchmarks.processes import MeasurementError, cpu_seconds, free_port, memory_mib, started, tree
from benchmarks.report import Goal, Table, at_most, none_of
from benchmarks.result_path import STAGES, WHOLE
from benchmarks.rounds import Plan, Sample
from probe.engine import engine
from probe.engine.engine import slice_for

HERE = Path(run.__file__).parent
TINY = Plan(rounds=1, seconds=0.5, warm=0.0)
LINGERS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def cells(table: Table) -> dict[str, list[str]]:
    """The rows by their first cell; every row is as wide as the head."""
    assert all(len(row) == len(table.columns) for row in table.rows)
    return {row[0]: list(row[1:]) for row in table.rows}


def compared(contenders: list[Contender], case: str) -> tuple[list[list[str]], list[Goal]]:
    table, goals = cpu_per_check.measure(contenders, TINY, [case])
    assert all(len(row) == len(table.columns) for row in table.rows)
    return [list(row) for row in table.rows], goals


def test_the_service_is_measured_over_verified_https() -> None:
    ((case, name, cpu, of_blackbox, of_client, rate, memory, latency),), goals = compared([Probe()], "CA file")
    assert (case, name, of_blackbox, of_client) == ("HTTPS, 100/s, CA file of its own", "Probe", "-", "-")
    assert float(cpu) >= 0
    assert float(memory) > 1
    assert 20 < float(rate) < 200
    assert re.fullmatch(r"[\d.]+ / [\d.]+", latency)
    assert [goal.reached for goal in goals] == [None]  # there is nobody to compare it with


@pytest.mark.e2e
def test_the_service_is_measured_beside_the_client_in_c() -> None:
    (service, floor), goals = compared([Probe(), alone.Floor()], "HTTP, 200/s")
    assert [service[1], floor[1]] == ["Probe", "C client"]
    assert 150 < float(floor[5]) < 250
    assert len(goals) == 4


async def test_a_version_without_workers_is_not_measured_as_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(alone, "has_worker", lambda: False)
    samples, unable = await rounds.compare([alone.Worker()], Case("case", 1, "http://127.0.0.1:1", tmp_path), TINY)
    assert samples == {"Probe, worker alone": [None]}
    assert unable == ["skipped: this version of Probe has no command `worker`"]


async def test_a_worker_is_counted_by_its_whole_lines(tmp_path: Path) -> None:
    result, failed = b'{"check":"a","duration":0.1,"failure":null}\n', b'{"duration":0.1,"failure":{"kind":"dns"}}\n'
    lines = tmp_path / "lines.jsonl"
    worker = alone._Lines([], lines)
    lines.write_bytes(b'{"process":"worker 1","runs":2}\n' + result + failed[:20])
    assert await worker.tally() == Tally(1, 0)
    with lines.open("ab") as file:
        file.write(failed[20:] + result)
    assert await worker.tally() == Tally(3, 1)


@pytest.mark.e2e
def test_the_peers_are_measured_at_the_same_rate() -> None:
    (_, blackbox, prometheus), goals = compared([Probe(), Blackbox(), Prometheus()], "HTTPS, 100/s, CA of the system")
    assert [blackbox[1], prometheus[1]] == ["blackbox_exporter", "Prometheus + blackbox_exporter"]
    assert 20 < float(blackbox[5]) < 200
    assert re.fullmatch(r"\*\*[\d.]+\*\*", prometheus[3])
    assert goals[0].reached is not None


@pytest.mark.e2e
def test_whole_systems_are_measured() -> None:
    table, goals = whole_system.measure([Probe(), Prometheus()], 20, 1.0, TINY)
    assert list(cells(table)) == ["Probe", "Prometheus + blackbox_exporter"]
    assert [goal.reached is None for goal in goals] == [False, False]


@pytest.mark.parametrize(
    ("contender", "pooled"),
    [
        (Probe(), False),
        pytest.param(Probe(), True, marks=pytest.mark.e2e),
        pytest.param(Blackbox(), False, marks=pytest.mark.e2e),
        pytest.param(Blackbox(), True, marks=pytest.mark.e2e),
    ],
)
async def test_a_certificate_that_is_not_trusted_fails_every_check(
    tmp_path: Path, contender: Contender, pooled: bool
) -> None:
    _, server = cpu_per_check.certificate(tmp_path)
    (tmp_path / "other").mkdir()
    stranger, _ = cpu_per_check.certificate(tmp_path / "other")
    tls = free_port()
    command = [sys.executable, str(HERE / "tls_target.py"), str(tls), str(server)]
    with started(command, tmp_path / "target.log"):
        case = Case("stranger", 20, f"https://127.0.0.1:{tls}", tmp_path, stranger, pooled)
        with pytest.raises(MeasurementError, match=r"(\d+) of \1 checks failed"):
            await rounds.sample(contender, case, TINY)


def test_certificates_are_rsa_2048_and_verify(tmp_path: Path) -> None:
    ca, server = cpu_per_check.certificate(tmp_path)
    openssl = ["openssl", "verify", "-CAfile", str(ca), str(server)]
    assert "OK" in subprocess.run(openssl, capture_output=True, text=True, check=True).stdout
    text = subprocess.run(
        ["openssl", "x509", "-in", str(server), "-noout", "-text"], capture_output=True, text=True, check=True
    ).stdout
    assert "Public-Key: (2048 bit)" in text
    assert "rsaEncryption" in text
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(server)


def test_the_ratio_is_taken_round_by_round_where_both_were_able() -> None:
    def sampled(*cpu: float) -> list[Sample | None]:
        return [Sample(one, 100.0, 50.0, [0.001]) if one else None for one in cpu]

    samples = {"Probe": sampled(1.0, 2.0, 3.0, 4.0), "other": sampled(2.0, 2.0, 12.0, 0.0)}
    assert rounds.shares(samples, "Probe", "other") == [0.5, 1.0, 0.25]
    assert rounds.shares(samples, "Probe", "nobody") == []
    unseen = {"Probe": sampled(1.0, 2.0), "other": [Sample(0.0, 200.0, 1.0, []), *sampled(4.0)]}
    assert rounds.shares(unseen, "Probe", "other") == [0.5]  # less than a tick of the clock is no figure to divide by
    row = cpu_per_check.row("case", "Probe", samples | {"blackbox_exporter": samples["other"]})
    assert row[2:5] == ["2.500 (1.000-4.000)", "**0.50 (0.25-1.00)**", "-"]


def test_the_reported_duration_is_blackbox_exporters() -> None:
    body = (
        b"# TYPE probe_duration_seconds gauge\nprobe_duration_seconds 0.0012\nprobe_success 1\n"
        b'probe_http_duration_seconds{phase="connect"} 0.0002\nprobe_http_duration_seconds{phase="processing"} 0.001\n'
    )
    seen = reported(7, 1000, body)
    assert (seen.check, seen.asked_ms, seen.duration, seen.first_byte) == (7, 1000, 0.0012, 0.001)
    with pytest.raises(MeasurementError):
        reported(7, 1000, b"probe_success 0\n")


async def test_the_store_is_measured(tmp_path: Path) -> None:
    plan = store.Plan(rows=400, batches=(5, 20), turns=2, queries=3, slices=4, slice=10, pace=1000, paced=0.2)
    measured, goals = await store.measure(plan, tmp_path)
    table = cells(measured)
    assert [goal.figure for goal in goals] == ["store: 1,000 results/s for 0 s: furthest behind"]
    assert list(table)[1:] == [
        "append, 5 a batch",
        "append, 20 a batch",
        "size",
        "read 4 results of one check and day, among 400",  # 100 checks, so 4 minutes
        "prune a slice of 10",
    ]
    assert table["size"][1].endswith(" MB for 400 rows")


async def test_a_store_too_small_to_prune_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="too few"):
        await store.measure(store.Plan(rows=50, batches=(5, 20), turns=2, paced=0.01), tmp_path)


async def test_a_store_that_is_slow_is_behind(tmp_path: Path) -> None:
    class Slow:
        async def append(self, entries: list[object]) -> None:
            time.sleep(0.05)

    plan = store.Plan(pace=1000, paced=0.1)
    pace = await store.keep_pace(Slow(), store.entries(random.Random(1)), plan)  # type: ignore[arg-type]
    assert pace.stored == 100
    assert pace.behind >= 0.05
    assert 0 < pace.busy < 1


def test_a_start_is_measured() -> None:
    table, _ = start.measure([20], rounds=1, every=0.5)
    ready, first, every, memory, validation, cpu = map(float, cells(table)["20"])
    assert 0 < first <= every
    assert min(ready, memory, validation) > 0
    assert cpu >= 0


def test_the_writer_of_the_series_is_measured() -> None:
    table = exposition.measure(checks=20, passes=2)
    assert table.title == "The writer by itself, 20 HTTPS checks"
    assert re.match(r"1,\d{3} lines", cells(table)["render all"][1])  # 52 series of each


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_the_engine_by_itself_is_measured_by_its_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    usual = slice_for(500)
    monkeypatch.setattr(slices, "_WARM", 0.1)
    monkeypatch.setattr(slices, "_SLICES", (0.0, 0.04))
    costs, profile = slices.measure(20, 1, 0.3)
    assert list(cells(costs)) == ["at every event", "every 40 ms"]
    assert all(float(each[0]) > 0 for each in cells(costs).values())
    assert profile.title == "Where the time goes, 20 runs/s, looks at every event"
    assert engine.slice_for(500) == usual  # it decides by itself again


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
@pytest.mark.e2e
async def test_a_result_and_a_check_that_waits_are_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "FEW", 5)
    monkeypatch.setattr(idle, "_SETTLE", 0.0)
    plan = cost.Plan(rounds=2, checks=50, ran=20, batch=40, https=12, few=10)
    (path, plain, secure, taken, shared), goals = await cost.measure(plan)
    assert list(cells(path)) == [*STAGES, *WHOLE]
    assert all(float(figure.split()[0]) >= 0 for row in cells(path).values() for figure in row)
    assert [plain.columns, secure.columns] == [["function", "share"]] * 2
    parts = cells(taken)
    assert {part.partition(":")[0] for part in parts} == {"service", "worker"}
    assert 100 < float(parts["service: its last run, and what the store knows of it"][0].replace(",", "")) < 10_000
    assert cells(shared) == {"12": ["4", "4", "4"]}
    assert [goal.reached for goal in goals] == [True] * 7


async def test_an_engine_that_ends_early_is_no_measurement() -> None:
    def fail(_result: object) -> None:
        raise RuntimeError("a bug")

    before = asyncio.all_tasks()
    with pytest.raises(ExceptionGroup, match="TaskGroup") as raised:
        async with at_work(f"http://127.0.0.1:{free_port()}", 20, fail):
            await asyncio.wait(asyncio.all_tasks() - before)
    assert str(raised.value.exceptions[0]) == "a bug"


@pytest.mark.e2e
async def test_a_scrape_of_the_service_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exposition, "EVERY", 0.5)
    monkeypatch.setattr(exposition, "_REST", 0.0)
    table, goals = await exposition.at_work(20, 1, tmp_path)
    assert re.search(r"[1-9][\d,]* lines", cells(table)["a scrape"][1])
    assert len(goals) == 4


def test_a_process_is_ended_when_the_block_fails(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), started(["sleep", "600"], tmp_path / "log") as process:
        raise KeyboardInterrupt
    assert process.returncode == -signal.SIGTERM


def test_a_process_that_will_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.processes._GRACE", 0.1)
    log = tmp_path / "log"
    with started([sys.executable, "-c", LINGERS], log) as process:
        while not log.stat().st_size:
            os.sched_yield()
    assert process.returncode == -signal.SIGKILL


def test_processor_time_is_the_kernels() -> None:
    command = [sys.executable, "-c", "import os; sum(range(10**7)); print(sum(os.times()[:4]), flush=True); input()"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        said = float(process.stdout.readline())
        assert cpu_seconds(process.pid) == pytest.approx(said, abs=0.05)
        assert memory_mib(process.pid) > 1
        process.communicate("\n")
    with pytest.raises(MeasurementError, match="has ended"):
        cpu_seconds(process.pid)


def test_what_a_process_has_started_is_its_own() -> None:
    grandchild = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'sum(range(10**7))'])"
    lasts = (
        f"{grandchild}; child = subprocess.Popen(['sleep', '600']); print(child.pid, flush=True); input(); child.kill()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", lasts], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        child = int(process.stdout.readline())
        own = sum(map(int, Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[11:13]))
        assert set(tree(process.pid)) == {process.pid, child}
        ended = cpu_seconds(process.pid) - own / os.sysconf("SC_CLK_TCK")
        assert ended > 0.05  # s, of the one that is there no longer
        process.communicate("\n")


@pytest.mark.parametrize(
    ("values", "share", "wanted"),
    [([3.0, 1.0, 2.0], 0.5, 2.0), ([1.0], 0.99, 1.0), (list(map(float, range(100))), 0.99, 99.0)],
)
def test_percentiles_are_values_that_were_seen(values: list[float], share: float, wanted: float) -> None:
    assert report.percentile(values, share) == wanted


def test_nothing_has_no_percentile() -> None:
    assert math.isnan(report.percentile([], 0.5))


def test_a_table_is_markdown() -> None:
    table = Table("Title", ["a", "b"], [["1", "2"]], ["note"])
    assert table.markdown() == "**Title**\n\n| a | b |\n| --- | --- |\n| 1 | 2 |\n\n- note"


@pytest.mark.parametrize(
    ("goal", "row"),
    [
        (at_most("a", 0.25, [0.2, 0.3, 0.24], " x"), ["a", "at most 0.25 x", "0.24 (0.20-0.30) x", "yes"]),
        (at_most("a", 1, [1.01]), ["a", "at most 1", "1.01", "**no**"]),
        (at_most("a", 1, []), ["a", "at most 1", "not measured", "-"]),
        (none_of("a", [0, 0, 1]), ["a", "none", "0 (0-1)", "**no**"]),
        (none_of("a", [0]), ["a", "none", "0", "yes"]),
        (at_most("a", 1, [math.nan]), ["a", "at most 1", "nan", "**no**"]),
    ],
)
def test_a_goal_is_judged_by_the_median_and_none_by_every_round(goal: Goal, row: list[str]) -> None:
    assert goal.row() == row


def test_the_goals_of_all_benchmarks_stand_together(capsys: pytest.CaptureFixture[str]) -> None:
    report.show([Table("First", ["a"], [["1"]])], [none_of("x", [0])])
    report.show([Table("Second", ["a"], [["2"]])], [])
    report.show([Table("Third", ["a"], [["3"]])], [at_most("y", 1, [2.0]), none_of("z", [0])])
    printed = re.split(r"^\*\*(?=First|Second|Third)", capsys.readouterr().out, flags=re.MULTILINE)
    parts = [f"**{part}" for part in printed[1:]]
    found = run.goals(parts)
    assert [(row[0], row[3]) for row in found.rows] == [("x", "yes"), ("y", "**no**"), ("z", "yes")]
    assert run.without_goals(parts[0].strip()) == "**First**\n\n| a |\n| --- |\n| 1 |"
    assert "To reach" not in "".join(run.without_goals(part) for part in parts)


def test_figures_replace_the_marked_part_alone() -> None:
    readme = "before\n<!-- figures: begin -->\nold\n<!-- figures: end -->\nafter\n"
    new = run.with_figures(readme, r"new \1")
    assert new == "before\n<!-- figures: begin -->\n\nnew \\1\n\n<!-- figures: end -->\nafter\n"
    with pytest.raises(SystemExit, match="no marked part"):
        run.with_figures("unmarked", "new")


@pytest.mark.parametrize("name", run.BENCHMARKS)
def test_every_benchmark_has_a_short_form_and_its_section(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    with pytest.raises(SystemExit, match="0"):
        import_module(f"benchmarks.{name}").main()
    assert "--short" in capsys.readouterr().out
    readme = run.README.read_text(encoding="utf-8")
    assert f"## `{name}.py`" in readme
    assert run.with_figures(readme, "new") != readme
