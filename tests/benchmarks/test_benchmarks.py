"""The benchmarks still run, and count what they say they count. Tiny numbers: nothing is measured here."""

import math
import os
import re
import signal
import ssl
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from benchmarks import cpu_per_check, exposition, report, run, start, store
from benchmarks.contenders import Blackbox, Case, Contender, Probe, Prometheus, reported_duration
from benchmarks.processes import MeasurementError, cpu_seconds, free_port, memory_mib, started
from benchmarks.report import Table

HERE = Path(run.__file__).parent
TINY = cpu_per_check.Plan(rounds=1, seconds=0.5, warm=0.0)
LINGERS = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); time.sleep(600)"


def cells(table: Table) -> dict[str, list[str]]:
    """The rows by their first cell; every row is as wide as the head."""
    assert all(len(row) == len(table.columns) for row in table.rows)
    return {row[0]: list(row[1:]) for row in table.rows}


def compared(contenders: list[Contender], case: str) -> list[list[str]]:
    table = cpu_per_check.measure(contenders, TINY, case)
    assert all(len(row) == len(table.columns) for row in table.rows)
    return [list(row) for row in table.rows]


def test_the_service_is_measured_over_verified_https() -> None:
    ((case, name, cpu, ratio, rate, memory, latency),) = compared([Probe()], "CA file")
    assert (case, name, ratio) == ("HTTPS, 100/s, CA file of its own", "Probe", "")
    assert float(cpu) >= 0
    assert float(memory) > 1
    assert 20 < float(rate) < 200
    assert re.fullmatch(r"[\d.]+ / [\d.]+", latency)


@pytest.mark.e2e
def test_the_peers_are_measured_at_the_same_rate() -> None:
    _, blackbox, prometheus = compared([Probe(), Blackbox(), Prometheus()], "HTTPS, 100/s, CA of the system")
    assert [blackbox[1], prometheus[1]] == ["blackbox_exporter", "Prometheus + blackbox_exporter"]
    assert 20 < float(blackbox[4]) < 200
    assert re.fullmatch(r"\*\*[\d.]+\*\*", blackbox[3])


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
    port, tls = free_port(), free_port()
    command = [sys.executable, str(HERE / "target.py"), str(port), str(tls), str(server)]
    with started(command, tmp_path / "target.log"):
        case = Case("stranger", 20, f"https://127.0.0.1:{tls}", tmp_path, stranger, pooled)
        with pytest.raises(MeasurementError, match=r"(\d+) of \1 checks failed"):
            await cpu_per_check.sample(contender, case, TINY)


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


def test_the_ratio_is_taken_round_by_round() -> None:
    ours = [cpu_per_check.Sample(cpu, 100.0, 50.0, [0.001]) for cpu in (1.0, 2.0, 3.0)]
    theirs = [cpu_per_check.Sample(cpu, 100.0, 20.0, []) for cpu in (2.0, 2.0, 12.0)]
    row = cpu_per_check.row("case", "other", ours, theirs)
    assert row[2:] == ["2.000 (2.000-12.000)", "**0.50 (0.25-1.00)**", "100 (100-100)", "20 (20-20)", "- / -"]


def test_the_reported_duration_is_blackbox_exporters() -> None:
    body = b"# TYPE probe_duration_seconds gauge\nprobe_duration_seconds 0.0012\nprobe_success 1\n"
    assert reported_duration(body) == 0.0012
    with pytest.raises(MeasurementError):
        reported_duration(b"probe_success 0\n")


async def test_the_store_is_measured(tmp_path: Path) -> None:
    plan = store.Plan(rows=400, batches=(5, 20), turns=2, queries=3, slices=4, slice=10)
    table = cells(await store.measure(plan, tmp_path))
    assert list(table) == [
        "append, 5 a batch",
        "append, 20 a batch",
        "size",
        "read 4 results of one check and day, among 400",  # 100 checks, so 4 minutes
        "prune a slice of 10",
    ]
    assert table["size"][1].endswith(" MB for 400 rows")


async def test_a_store_too_small_to_prune_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match="too few"):
        await store.measure(store.Plan(rows=50, batches=(5, 20), turns=2), tmp_path)


def test_a_start_is_measured() -> None:
    table = start.measure([1000], rounds=1, settle=0.0)  # 1,000 a minute: the first is due at once
    ready, first, memory, validation, cpu = map(float, cells(table)["1,000"])
    assert min(ready, first, memory, validation) > 0
    assert cpu >= 0


def test_a_scrape_is_measured() -> None:
    table = exposition.measure(checks=20, passes=2)
    assert table.title == "A scrape of 20 HTTPS checks"
    assert re.match(r"1,\d{3} lines", cells(table)["render all"][1])  # 52 series of each


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
    before, times = cpu_seconds(os.getpid()), os.times()
    assert before == pytest.approx(times.user + times.system, abs=0.05)
    sum(number * number for number in range(1_000_000))
    assert cpu_seconds(os.getpid()) > before
    assert memory_mib(os.getpid()) > 5


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
