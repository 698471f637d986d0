"""All checks at once: how they stand, which are worst, how fast, why they fail, and whether Probe itself keeps up."""

from __future__ import annotations

from boards.frame import SERVICE, dashboard, row
from boards.parts import (
    GREEN,
    GREY,
    LEVELS,
    ORANGE,
    RED,
    Json,
    counted,
    graph,
    heatmap,
    quantiles,
    query,
    shown,
    stat,
    steps,
    table,
)

OF = '{service=~"$service"}'
RUN = "probe_check_run_duration_seconds"
LINK = ("check", "/d/probe-check?${datasource:queryparam}&var-check=${__data.fields.check}")
RATIO = steps((None, RED), (0.99, ORANGE), (0.999, GREEN))


def board() -> Json:
    rows = (_now(), _worst(), _latency(), _failures(), _own_work(), _own_duties())
    about = "Every check: how it stands, how fast it answers, why it fails."
    return dashboard("probe-fleet", "Probe / Fleet", about, rows, (SERVICE,))


def _now() -> list[Json]:
    runs = 'increase(probe_check_runs_total{service=~"$service", level%s}[$__range])'
    good, judged = runs % '=~"up|degraded"', runs % '!="unknown"'
    availability = f"sum({good}) / sum({judged})"
    expiring = f"count(probe_ssl_earliest_cert_expiry{OF} - time() < 21 * 86400) or vector(0)"
    warn = steps((None, GREEN), (1, ORANGE))
    return row(
        "Now",
        *(_count(level, steps((None, GREEN), (1, colour))) for level, colour in ((3, RED), (2, ORANGE), (0, GREY))),
        _count(1, steps((None, GREEN))),
        stat("Availability, chosen range", availability, unit="percentunit", colours=RATIO, about="By runs."),
        stat("Runs a second", f"sum(rate(probe_check_runs_total{OF}[$__rate_interval]))", unit="ops"),
        stat("Certificates that expire in 21 days", expiring, colours=warn),
    )


def _count(level: int, colours: Json) -> Json:
    return stat(LEVELS[level][0].capitalize(), _at(level), width=3, colours=colours)


def _at(level: int) -> str:
    return f"count(probe_check_level{OF} == {level}) or vector(0)"


def _worst() -> list[Json]:
    age = f"time() - probe_check_level_since_timestamp_seconds{OF}"
    bad = (
        ("Level", f"max by (check, service) (probe_check_level{OF} != 1)", shown("none", mapping=True)),
        ("For", f"max by (check, service) (({age}) and probe_check_level != 1)", shown("dtdurations", decimals=0)),
    )
    lowest = f"bottomk(20, min by (check, service) (check:probe_availability:ratio1d{OF}))"
    column = ("Availability", lowest, shown("percentunit", colours=RATIO, decimals=3))
    title, about = "Lowest availability, 1 day", "DOWN, DEGRADED and UNKNOWN checks."
    return row(
        "Worst",
        table("Not up", bad, width=12, sort="Level", about=about, link=LINK),
        table(title, [column], width=12, sort="Availability", descending=False, link=LINK),
        graph(
            "Checks that are not up",
            [query(_at(level), LEVELS[level][0].lower()) for level in (3, 2, 0)],
            width=24,
            unit="none",
            stacked=True,
        ),
    )


def _latency() -> list[Json]:
    p95 = "probe_check_run_duration_seconds:p95_5m"
    slowest = f"topk(20, max by (check, service) (check:{p95}{OF} >= 0))"
    slow = shown("s", colours=steps((None, GREEN), (1, ORANGE), (5, RED)))
    services = [query(f"max by (service) (service:{p95}{OF})", "{{service}}")]
    about = "Of runs without a failure."
    return row(
        "Latency",
        heatmap("Run durations", RUN, OF, about=about),
        graph("Percentiles of all runs", quantiles(RUN, OF), about=about),
        graph("p95 by service", services),
        table("Slowest checks, p95 of 5 minutes", [("p95", slowest, slow)], width=12, height=8, sort="p95", link=LINK),
    )


def _failures() -> list[Json]:
    kinds = [query(counted("probe_check_failures_total", OF, by="kind") + " > 0", "{{kind}}")]
    services = [query(f"max by (service) (service:probe_availability:ratio5m{OF})", "{{service}}")]
    about = "local: on Probe's own side, never counted against the target."
    return row(
        "Failures",
        graph("Failed runs by kind", kinds, unit="none", stacked=True, bars=True, about=about),
        graph("Availability by service, 5 minutes", services, unit="percentunit", limit=(None, 1)),
    )


def _own(metric: str, legend: str = "{{instance}}") -> Json:
    return query(f"sum by (instance) ({metric})", legend)


def _each(expr: str, legend: str = "") -> Json:
    """A line for every process of every Probe."""
    return query(f"sum by (instance, process) ({expr})", f"{legend} {{{{process}}}} {{{{instance}}}}".strip())


def _own_work() -> list[Json]:
    lag = "What a blocked loop would add to measured times, were they not taken from the kernel."
    runs = [
        _own("probe_runs_in_flight", "under way {{instance}}"),
        query(counted("probe_runs_missed_total", by="instance"), "missed {{instance}}"),
    ]
    processor = [_each("rate(probe_process_cpu_seconds_total[$__rate_interval])")]
    files = [
        _each("probe_open_fds / probe_max_fds", "files"),
        _each("probe_runs_in_flight / probe_runs_in_flight_limit", "runs"),
    ]
    blocked = steps((None, GREEN), (0.1, RED))
    room = "Part of the limit of open files that is used, and of the runs that it has room for."
    return row(
        "Probe itself: work",
        graph("Event loop lag", quantiles("probe_loop_lag_seconds"), width=8, colours=blocked, about=lag),
        graph("Lateness of runs", quantiles("probe_schedule_lateness_seconds"), width=8),
        graph("Runs", runs, width=8, unit="none", about="A missed run is skipped, never caught up."),
        graph(
            "Processor",
            processor,
            width=8,
            unit="percentunit",
            about="1 is one whole core: all that a process can use.",
        ),
        graph("Memory", [_each("probe_process_resident_memory_bytes")], width=8, unit="bytes"),
        graph("Room for runs", files, width=8, unit="percentunit", about=room),
        graph("Runs by process", [_each("rate(probe_process_runs_total[$__rate_interval])")], width=8, unit="ops"),
        graph("Workers", _workers(), width=8, unit="none", about="Between the workers and the service."),
        graph("Names to resolve", [_each("probe_resolver_waiting")], width=8, unit="none"),
    )


def _workers() -> list[Json]:
    """Without workers there are no such series: zeros then."""
    dropped, restarts = counted("probe_results_dropped_total", by="reason"), counted("probe_worker_restarts_total")
    return [
        query("sum(probe_results_waiting) or vector(0)", "results waiting"),
        query(f"{dropped} or vector(0)", "results dropped: {{reason}}"),
        query(f"{restarts} or vector(0)", "restarts"),
    ]


def _own_duties() -> list[Json]:
    queues = [
        query("sum by (queue) (probe_queue_length)", "waiting: {{queue}}"),
        query(counted("probe_queue_dropped_total", by="queue"), "dropped: {{queue}}"),
    ]
    failed = counted("probe_notifications_failed_total", by="receiver, reason")
    alerts = [
        query(counted("probe_notifications_sent_total", by="receiver"), "sent: {{receiver}}"),
        query(failed, "{{reason}} failure: {{receiver}}"),
        query("sum by (receiver) (probe_notifications_pending)", "pending: {{receiver}}"),
    ]
    oldest = [query("max by (receiver) (probe_notification_oldest_pending_seconds)", "{{receiver}}")]
    unwritten = [query(counted("probe_store_failures_total", by="instance"), "{{instance}}")]
    return row(
        "Probe itself: history and alerts",
        graph("Queues", queues, width=8, unit="none"),
        graph("Alerts", alerts, width=8, unit="none"),
        graph("Age of the alert that waits longest", oldest, width=8, colours=steps((None, GREEN), (300, RED))),
        graph("Writing a batch", quantiles("probe_store_write_seconds"), width=8),
        graph("Batches that could not be written", unwritten, width=8, unit="none"),
        graph("Size of the database", [_own("probe_store_size_bytes")], width=8, unit="bytes"),
    )
