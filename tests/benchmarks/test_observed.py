"""What is read from reports and logs is what they say."""

import math
import shutil
from pathlib import Path

import pytest
from aiohttp import ClientSession

from benchmarks import disturbed, five_thousand_per_second, fleet, stalls, truth
from benchmarks.alerted import alerted
from benchmarks.exposed import Exposed, above, between, quantile
from benchmarks.native import Answered
from benchmarks.observed import Matched, Seen, ever_late, judged_slow, matched, slow, unrecorded
from benchmarks.processes import MeasurementError
from benchmarks.report import Table
from benchmarks.service import Fleet
from checks.core import kernel
from checks.core.result import Failure, FailureKind, Result
from probe.config import load
from probe.store.base import Kept
from thresholds.base import Level

MS = 1_000_000  # ns
SCRAPE = Exposed(
    b"# TYPE probe_runs_missed_total counter\n"
    b'probe_runs_missed_total{process="worker 1"} 3\n'
    b'probe_runs_missed_total{process="worker 2"} 4.0 1700000000\n'
    b"probe_runs_missed_totals 100\n"
    b'lag_bucket{le="0.01",process="a"} 6\nlag_bucket{le="0.05",process="a"} 8\nlag_bucket{le="+Inf",process="a"} 10\n'
    b'lag_bucket{process="b",le="0.01"} 0\nlag_bucket{process="b",le="0.05"} 0\nlag_bucket{process="b",le="+Inf"} 0\n'
    b"plain 7"
)


def test_series_are_added_up_over_processes() -> None:
    assert SCRAPE.total("probe_runs_missed_total") == 7
    assert SCRAPE.total("plain") == 7
    assert SCRAPE.total("absent") == 0
    assert SCRAPE.buckets("lag") == {0.01: 6, 0.05: 8, math.inf: 10}


@pytest.mark.parametrize(
    ("share", "wanted"),
    # Prometheus' histogram_quantile(): even within a bucket, and the last finite bound beyond it.
    [(0.3, 0.005), (0.6, 0.01), (0.7, 0.03), (0.8, 0.05), (0.99, 0.05)],
)
def test_quantiles_are_estimated_as_prometheus_does(share: float, wanted: float) -> None:
    assert quantile(SCRAPE.buckets("lag"), share) == pytest.approx(wanted)


def test_nothing_observed_has_no_quantile() -> None:
    assert math.isnan(quantile(between(SCRAPE, SCRAPE, "lag"), 0.99))
    assert math.isnan(quantile({}, 0.99))
    assert above(SCRAPE.buckets("lag"), 0.01) == 4
    assert above({}, 0.01) == 0


def test_a_target_that_was_late_once_is_known_whenever_it_was() -> None:
    prompt, late = Answered(1000 * MS, 1020 * MS), Answered(2000 * MS, 2026 * MS)
    assert ever_late({1: [prompt, prompt], 2: [late, prompt], 3: []}, 0.025) == {2}


def test_each_report_meets_the_request_that_it_was() -> None:
    answers = {1: [Answered(at * MS, (at + 20) * MS) for at in (1000, 2000, 3000)]}
    seen = [Seen(1, 1999, 0.0205, 0.021), Seen(1, 3000, 0.019, 0.02), Seen(1, 3100, 0.02, 0.02), Seen(2, 0, 0.02, 0.02)]
    found = matched(seen, answers)
    assert [one.seen.began_ms for one in found] == [1999, 3000]  # for the others nothing came
    assert [one.truth for one in found] == [0.02, 0.02]
    assert [round(one.first_byte_error, 6) for one in found] == [0.0005, 0.001]
    assert round(found[0].total_error, 6) == 0.001


def test_a_target_that_was_late_is_accused_rightly() -> None:
    def kept(check: str, level: Level) -> Kept:
        return Kept(Result(check, 1000, 0.03, {"ttfb": 0.03}, {"timing": "loop"}), level, "total 30 ms is over 25 ms")

    results = {
        "shop/check-1": [kept("shop/check-1", Level.DEGRADED)],
        "shop/check-2": [kept("shop/check-2", Level.UP), kept("shop/check-2", Level.DEGRADED)],
    }
    really = slow([Matched(Seen(1, 1000, 0.03, 0.03), 0.03), Matched(Seen(2, 1000, 0.03, 0.03), 0.02)], 0.025)
    assert judged_slow(results, really) == ["shop/check-2: total 30 ms is over 25 ms; ttfb 30.00, timing loop"]


@pytest.mark.parametrize(
    ("begun", "lost"),
    [
        ([1000, 2000, 3000], []),
        ([999, 1999, 2999], []),
        ([1000, 3000], [2000]),
        ([2000, 3000], [1000]),
        ([1000, 2000], [3000]),
        ([], [1000, 2000, 3000]),
        ([1000, 1500, 2000, 3000], []),  # one run did not get as far as a request
        ([500, 2000, 3000], []),  # a run may begin long before its request gets out
    ],
)
def test_answers_without_a_result_are_found(begun: list[int], lost: list[int]) -> None:
    given = [Answered(at * MS, (at + 20) * MS) for at in (1000, 2000, 3000)]
    assert unrecorded(given, begun) == [at * MS for at in lost]


async def test_alerts_on_targets_are_told_from_those_on_the_program() -> None:
    async with alerted() as alerts, ClientSession() as session:
        for check, firing in (("shop/a", True), ("shop/a", False), ("probe/store", True)):
            data = {"check": check, "level": "down", "firing": firing, "reason": "why"}
            async with session.post(alerts.url, json={"data": data}) as answer:
                assert answer.status == 204
    assert list(map(str, alerts.targets)) == ["shop/a: down, why"]
    assert list(map(str, alerts.own)) == ["probe/store: down, why"]


@pytest.mark.parametrize("workers", [None, 1])
def test_the_configuration_is_valid(tmp_path: Path, workers: int | None) -> None:
    asked = Fleet(3, 10.0, "http://127.0.0.1:1", {"ttfb": "25ms"}, "1 of 1", "http://127.0.0.1:2/", workers=workers)
    file = tmp_path / "probe.yml"
    file.write_text(asked.written(8080))
    config = load(file)
    assert list(config.checks) == asked.names == ["shop/check-0", "shop/check-1", "shop/check-2"]
    assert (asked.rate, config.workers) == (0.3, workers)
    assert {planned.spec.every for planned in config.checks.values()} == {10.0}


def with_errors(*errors: float) -> stalls.Outcome:
    """One round of as many probes as errors, in ms, of the first byte; the whole run is off by twice that."""
    seen = [Seen(1, 1000, 0.02 + error / 1000, 0.02 + error / 500, marked=error > 5) for error in errors]
    return stalls.Outcome([Matched(one, 0.02) for one in seen], 2.0, blocked=0.2, by_loop=1)


def test_the_error_stands_beside_the_one_without_stamps_of_the_same_round() -> None:
    kernels, loops = stalls.Form(stamps=True, slice_=0.01), stalls.Form(stamps=False, slice_=0.01)
    outcomes = {
        kernels: [with_errors(0.1, 0.1, 0.2), with_errors(0.1, 0.1, 0.4), with_errors(0.1, 0.1, 0.1)],
        loops: [with_errors(1, 1, 10), with_errors(2, 2, 40), with_errors(3, 3, 10)],
    }
    first = "0.10 (0.10-0.10) / 0.20 (0.10-0.40)"
    whole = "0.20 (0.20-0.20) / 0.40 (0.20-0.80)"
    share = "**0.0100 (0.0100-0.0200)**"
    assert stalls.row(kernels, outcomes) == [
        "every 10 ms", "the kernel", "2 (2-2)", "10.0%", first, whole, share, "33.3%", "0.0%", "0.20 (0.10-0.40)",
    ]  # fmt: skip
    assert stalls.row(loops, outcomes)[6:] == ["-", "33.3%", "33.3%", "2.00 (1.00-3.00)"]
    assert stalls.row(loops, {loops: [with_errors(10)]})[-1] == "-"  # every one is marked
    told, whole_run = (goal.row() for goal in stalls.goals(0.01, stalls.Plan(), outcomes))
    assert told[0] == "loop blocked for 10 ms, 1,000/s, looks every 10 ms: error of the reported first byte, p99"
    assert told[1:] == [
        "at most 0.5 ms",
        "0.200 (0.100-0.400) ms; 10.00 (10.00-40.00) ms without the kernel's stamps",
        "yes",
    ]
    assert whole_run[2].endswith("; 20.00 (20.00-80.00) ms without the kernel's stamps")


def test_failures_that_are_more_than_a_few_are_no_measurement() -> None:
    good = Result("check-1", 1000, 0.02, {"ttfb": 0.02}, {"timing": "kernel"})
    bad = Result("check-2", 1000, 0.02, {}, {}, Failure(FailureKind.CONNECT, "connect", "refused"))
    assert stalls.good([*[good] * 999, bad]) == [good] * 999
    with pytest.raises(MeasurementError, match="2 of 1000 runs failed: refused"):
        stalls.good([*[good] * 998, bad, bad])


@pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")
def test_latencies_of_a_blocked_loop_are_compared_with_the_truth() -> None:
    table, goals = stalls.measure(stalls.Plan(rate=50, stall=0.002, every=0.02, rounds=1, seconds=0.5, warm=0.1))
    assert [(row[0], row[1], row[7]) for row in table.rows] == [
        ("every 20 ms", "the kernel", "0.0%"),
        ("every 20 ms", "our loop", "100.0%"),
        ("at every event", "the kernel", "0.0%"),
        ("at every event", "our loop", "100.0%"),
    ]
    assert widths(table) == {0}
    for row in table.rows:
        assert float(row[2]) > 0
        assert float(row[3].rstrip("%")) > 0  # it was blocked
    assert len(goals) == 4
    assert kernel._LINUX  # what was switched off is on again


def widths(table: Table) -> set[int]:
    return {len(row) - len(table.columns) for row in table.rows}


@pytest.mark.e2e
def test_reported_latencies_are_compared_with_the_truth() -> None:
    table, goals = truth.measure([20], truth.Plan(rounds=1, seconds=2.0, warm=1.0))
    assert [row[1] for row in table.rows] == ["Probe", "blackbox_exporter"]
    assert widths(table) == {0}
    for row in table.rows:
        error = float(row[2].partition(" / ")[0])
        assert 0 <= error < 15  # 20 ms are found again: another request's would be hundreds of ms off
    assert len(goals) == 4


@pytest.mark.e2e
def test_a_fleet_is_watched() -> None:
    table, goals = fleet.measure(20, 0.5, 2.0)
    figures = {row[0]: row[1] for row in table.rows}
    assert int(figures["checks in the window"]) >= 60
    assert widths(table) == {0}
    assert len(goals) == 6


@pytest.mark.e2e
def test_the_disturbed_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {"loaded": disturbed.core_loaded, "stopped": disturbed.service_stopped}
    monkeypatch.setattr(disturbed, "DISTURBANCES", wanted)
    monkeypatch.setattr(disturbed, "_STOPPED", 0.5)
    table, goals = disturbed.measure(20, 1.0)
    assert [row[0] for row in table.rows] == ["loaded", "stopped"]
    assert all(int(row[1]) >= 40 for row in table.rows)
    assert widths(table) == {0}
    assert len(goals) == 4 * len(table.rows)


@pytest.mark.e2e
def test_both_sides_of_the_limit_are_watched(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(five_thousand_per_second, "_WARM", 1.0)
    table, goals = five_thousand_per_second.measure([10, 20], 2.0)
    assert [row[0] for row in table.rows] == ["10", "20"]
    assert widths(table) == {0}
    assert len(goals) == 5
