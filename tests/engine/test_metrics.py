"""The service's own series: what is counted is what a scrape says."""

import subprocess
from itertools import pairwise

import pytest
from prometheus_client import CollectorRegistry, Histogram, generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from exporters.base import Trouble
from probe.engine.metrics import OwnMetrics
from probe.engine.process import own_usage
from probe.engine.report import report
from probe.engine.vitals import BOUNDS, Tally, Vitals


@pytest.fixture
def registry():
    return CollectorRegistry()


@pytest.fixture
def own(registry):
    return OwnMetrics(registry)


def test_queues_are_asked_at_each_scrape(own, registry):
    queue = [1, 2, 3]
    own.watch_queue("store", lambda: len(queue), lambda: 5)
    assert registry.get_sample_value("probe_queue_length", {"queue": "store"}) == 3
    assert registry.get_sample_value("probe_queue_dropped_total", {"queue": "store"}) == 5
    queue.clear()
    assert registry.get_sample_value("probe_queue_length", {"queue": "store"}) == 0


def test_each_receiver_says_what_it_waits_for_and_whether_it_is_disabled(own, registry):
    waiting = {"chat": (2, 95_000), "page": (1, 40_000), "idle": (0, 0)}
    own.watch_receivers(lambda: waiting, lambda: 100_000, lambda: {"idle"})

    def shown(name):
        return {one: registry.get_sample_value(name, {"receiver": one}) for one in ("chat", "page", "idle")}

    assert shown("probe_notification_oldest_pending_seconds") == {"chat": 5, "page": 60, "idle": 0}
    assert shown("probe_notifications_pending") == {"chat": 2, "page": 1, "idle": 0}
    assert shown("probe_receiver_disabled") == {"chat": 0, "page": 0, "idle": 1}
    waiting.clear()
    assert shown("probe_notifications_pending")["chat"] is None


def test_receivers_count_from_zero_and_vanish(own, registry):
    own.set_receivers(["chat", "page"])
    own.sent("chat")
    own.failed("page", Trouble.AUTH, True)
    own.failed("page", Trouble.SERVER, False)
    failed = {"receiver": "page", "reason": "auth"}
    assert registry.get_sample_value("probe_notifications_failed_total", failed) == 1
    assert registry.get_sample_value("probe_notifications_failed_total", {**failed, "reason": "timeout"}) == 0
    assert registry.get_sample_value("probe_notifications_lost_total", {"receiver": "page"}) == 1
    assert registry.get_sample_value("probe_notifications_paced_total", {"receiver": "page"}) == 0
    own.set_receivers(["chat"])
    assert registry.get_sample_value("probe_notifications_failed_total", failed) is None
    assert registry.get_sample_value("probe_notifications_sent_total", {"receiver": "chat"}) == 1


def test_a_rejected_configuration_leaves_the_time_of_the_one_in_use(own, registry):
    own.reloaded(7, 1_700_000_000_000)
    own.reload_failed()
    assert registry.get_sample_value("probe_config_last_reload_successful") == 0
    assert registry.get_sample_value("probe_config_last_reload_success_timestamp_seconds") == 1_700_000_000
    assert registry.get_sample_value("probe_checks") == 7


def test_no_counter_has_a_second_series(own, registry):
    own.set_receivers(["chat"])
    assert not [s.name for metric in registry.collect() for s in metric.samples if s.name.endswith("_created")]


SERVICE = Vitals("service", 100, 1_700_000_000_000, cpu=2.5, rss=80 << 20, fds=26, fd_limit=1024)
WORKER = Vitals(
    "worker 1", 101, 1_700_000_000_000, checks=7, runs=40, missed=3, in_flight=2, seats=768, lookups=1, lag=0.004,
    restarts=1, cpu=1.5, rss=50 << 20, fds=12, fd_limit=1024, queued=5, dropped={"slow_reader": 9},
)  # fmt: skip


@pytest.mark.parametrize(
    ("series", "service", "worker"),
    [
        ("probe_runs_missed_total", 0, 3),
        ("probe_process_runs_total", 0, 40),
        ("probe_process_checks", 0, 7),
        ("probe_runs_in_flight", 0, 2),
        ("probe_runs_in_flight_limit", 0, 768),
        ("probe_resolver_waiting", 0, 1),
        ("probe_process_cpu_seconds_total", 2.5, 1.5),
        ("probe_process_resident_memory_bytes", 80 << 20, 50 << 20),
        ("probe_open_fds", 26, 12),
        ("probe_max_fds", 1024, 1024),
        ("probe_results_waiting", None, 5),
        ("probe_worker_restarts_total", None, 1),
    ],
)
def test_every_process_says_how_it_does(own, registry, series, service, worker):
    own.watch_processes(lambda: [SERVICE, WORKER])
    assert registry.get_sample_value(series, {"process": "service"}) == service
    assert registry.get_sample_value(series, {"process": "worker 1"}) == worker


def test_what_a_worker_lost_has_its_reason(own, registry):
    own.watch_processes(lambda: [SERVICE, WORKER])
    labels = {"process": "worker 1", "reason": "slow_reader"}
    assert registry.get_sample_value("probe_results_dropped_total", labels) == 9


SECONDS = [0.0, 0.0005, 0.001, 0.0010001, 0.05, 0.07, 0.3, 2.5, 2.6, 100.0]


def test_a_histogram_counts_what_prometheus_client_counts(own, registry):
    """An edge belongs to the bucket below it, and buckets are cumulative: as their own Histogram has it."""
    tally, theirs = Tally(), Histogram("theirs", "The same.", buckets=BOUNDS, registry=registry)
    for seconds in SECONDS:
        tally.late(seconds)
        tally.loop_lag.observe(seconds)
        theirs.observe(seconds)
    vitals = Vitals(
        "service", 1, 0, loop_lag=tally.loop_lag.counts, loop_lag_total=tally.loop_lag.total,
        lateness=tally.lateness.counts, lateness_total=tally.lateness.total,
    )  # fmt: skip
    own.watch_processes(lambda: [vitals])
    for name in ("probe_loop_lag_seconds", "probe_schedule_lateness_seconds"):
        ours = {
            (sample.name.removeprefix(name), sample.labels.get("le")): sample.value
            for metric in registry.collect()
            for sample in metric.samples
            if metric.name == name
        }
        assert ours == {
            (sample.name.removeprefix("theirs"), sample.labels.get("le")): pytest.approx(sample.value)
            for metric in theirs.collect()
            for sample in metric.samples
        }


def test_a_process_without_a_word_yet_has_no_histogram(own, registry):
    own.watch_processes(lambda: [Vitals("service", 1, 0)])
    assert registry.get_sample_value("probe_loop_lag_seconds_count", {"process": "service"}) is None


def test_the_process_is_asked_once_a_scrape(own, registry):
    asked = []

    def vitals():
        asked.append(1)
        return [SERVICE]

    own.watch_processes(vitals)
    generate_latest(registry)
    assert len(asked) == 1


def test_the_usual_series_of_a_process_are_there(registry, own):
    before = own_usage()
    values: dict[str, float] = {}
    for metric in registry.collect():
        values |= {sample.name: sample.value for sample in metric.samples if metric.name.startswith("process_")}
    assert set(values) == {
        "process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds", "process_max_fds",
        "process_start_time_seconds",
    }  # fmt: skip
    assert values["process_cpu_seconds_total"] >= before.cpu
    assert values["process_max_fds"] == before.fd_limit
    assert own.process.started_ms == round(values["process_start_time_seconds"] * 1000)


def full(own: OwnMetrics) -> None:
    """Let every family have a series."""
    own.set_receivers(["chat"])
    own.watch_queue("store", lambda: 1, lambda: 2)
    own.watch_receivers(lambda: {"chat": (1, 5)}, lambda: 10)
    worker = Vitals("worker 1", 1, 0, loop_lag=[0] * 12, lateness=[0] * 12, dropped={"slow_reader": 1})
    own.watch_processes(lambda: [SERVICE, worker])


def test_promtool_finds_nothing_to_say(own, registry):
    full(own)
    text = generate_latest(registry)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_a_strict_reader_of_openmetrics_takes_it(own, registry):
    full(own)
    families = text_string_to_metric_families(openmetrics.generate_latest(registry).decode())
    names = [family.name for family in families]
    assert {"probe_loop_lag_seconds", "probe_runs_missed", "probe_results_dropped"} <= set(names)
    assert all(before != after for before, after in pairwise(sorted(names)))


def test_the_report_says_what_the_scrape_says(own):
    full(own)
    own.store_size.set(4096)
    own.store_failures.inc()
    for seconds in (0.004, 0.02, 0.03, 60.0):
        own.store_write.observe(seconds)
    own.sent("chat")
    own.failed("chat", Trouble.SERVER, False)
    own.failed("chat", Trouble.REFUSED, True)
    said = report(own)
    assert said["queues"] == [{"name": "store", "length": 1, "dropped": 2}]
    assert said["receivers"] == [{"name": "chat", "sent": 1, "failed": 2, "pending": 1, "oldest_ms": 5}]
    assert (said["store"]["size"], said["store"]["failures"]) == (4096, 1)
    assert said["store"]["write"] == {
        "bounds": [0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0],
        "counts": [0, 1, 0, 2, 0, 0, 0, 0, 0, 0, 0, 1],
        "total": 60.054,
    }
    service, worker = said["processes"]
    assert (service["process"], service["rss"], service["dropped"]) == ("service", 80 << 20, {})
    assert service["loop_lag"] == {"bounds": list(BOUNDS), "counts": [0] * 12, "total": 0.0}
    assert worker["dropped"] == {"slow_reader": 1}
