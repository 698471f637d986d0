"""Heartbeats as metrics, beside those that every check has: what was heard, what is open, what is due."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from probe.engine.heartbeat_deadlines import Job
from probe.engine.heartbeats import Heartbeats
from thresholds.heartbeat import NEVER

_OF = ("check", "service")


class HeartbeatSeries(Collector):
    """Asks how heartbeats stand at each scrape."""

    def __init__(self, heartbeats: Heartbeats | None = None) -> None:
        self.heartbeats = heartbeats

    def collect(self) -> Iterable[Metric]:
        known = self.heartbeats.jobs if self.heartbeats is not None else {}
        heard = self.heartbeats.pings if self.heartbeats is not None else {}
        spurned = self.heartbeats.refused if self.heartbeats is not None else {}
        jobs = list(known.values())
        yield from _standing(jobs)
        pings = CounterMetricFamily("probe_heartbeat_pings", "Pings that were kept.", labels=(*_OF, "signal"))
        for (name, signal), count in sorted(heard.items()):
            if job := known.get(name):
                pings.add_metric((*_labels(job), signal), count)
        yield pings
        about = "Pings that were not taken: wrong keys, too many, by the wrong method, or the store failed."
        refused = CounterMetricFamily("probe_heartbeat_refused", about, labels=("reason",))
        for reason, count in sorted(spurned.items()):
            refused.add_metric((reason,), count)
        yield refused


def _standing(jobs: Sequence[Job]) -> Iterator[Metric]:
    about = "When a job was heard last, in Unix time; absent before."
    yield _gauge(
        "probe_heartbeat_last_ping_timestamp_seconds", about, jobs, lambda job: _instant(job.standing.heard_ms)
    )
    about = "When the last run of a job began, in Unix time; absent before."
    yield _gauge(
        "probe_heartbeat_last_start_timestamp_seconds", about, jobs, lambda job: _instant(job.standing.began_ms)
    )
    about = "When the next run of a job is due, in Unix time."
    yield _gauge("probe_heartbeat_due_timestamp_seconds", about, jobs, lambda job: _instant(job.standing.due_ms))
    about = "Runs of a job that have begun and not ended."
    yield _gauge("probe_heartbeat_runs_open", about, jobs, lambda job: len(job.standing.runs))
    about = "Those of them that should have ended."
    yield _gauge("probe_heartbeat_runs_overdue", about, jobs, lambda job: sum(run.overdue for run in job.standing.runs))


def _gauge(name: str, about: str, jobs: Sequence[Job], value: Callable[[Job], float | None]) -> Metric:
    family = GaugeMetricFamily(name, about, labels=_OF)
    for job in jobs:
        if (found := value(job)) is not None:
            family.add_metric(_labels(job), found)
    return family


def _instant(at_ms: int) -> float | None:
    return at_ms / 1000 if 0 < at_ms < NEVER else None


def _labels(job: Job) -> tuple[str, str]:
    return job.name, job.planned.service
