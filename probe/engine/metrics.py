"""What Probe says of itself: lag, lateness, queues, the store, alerts. The names are in docs/metrics.md."""

from __future__ import annotations

import platform
from collections.abc import Callable, Container, Iterable, Sequence
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    disable_created_metrics,
)

from exporters.base import Trouble
from probe.engine.heartbeat_series import HeartbeatSeries
from probe.engine.incident_series import IncidentSeries
from probe.engine.oncall_series import OnCallSeries
from probe.engine.promised import Promised
from probe.engine.series import Process, Processes, Queues, Waiting
from probe.engine.usuals import Usuals
from probe.engine.vitals import Vitals
from probe.engine.watched import Watched

_SLOW = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # s

# Without it every counter has a second series, of its birth, that Prometheus has no use for.
_omit_created: Callable[[], None] = disable_created_metrics


class OwnMetrics:
    """The service's own series in one registry, as attributes to count on.

    What is counted at every run is not here: prometheus_client takes 2 us for one number. See probe.engine.vitals.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        _omit_created()
        self._registry = registry
        self._receivers: set[str] = set()
        self.process = Process()
        self.queues = Queues()
        self.processes = Processes(lambda: ())
        self.promised = Promised()
        self.usuals = Usuals()
        self.heartbeats = HeartbeatSeries()
        self.watched = Watched()
        self.oncall = OnCallSeries()
        self.incidents = IncidentSeries()
        GCCollector(registry=registry)
        self._add_build()
        self._add_store()
        self._add_alerts()
        self._add_configuration()
        asked = (
            self.process,
            self.processes,
            self.queues,
            self.promised,
            self.usuals,
            self.watched,
            self.incidents,
            self.heartbeats,
        )
        for one in (*asked, self.oncall):
            registry.register(one)

    def _add_build(self) -> None:
        labels = ("version", "pythonversion")
        about = "Always 1; the labels say what runs."
        self.build_info = Gauge("probe_build_info", about, labels, registry=self._registry)
        self.build_info.labels(version("probe"), platform.python_version()).set(1)

    def _add_store(self) -> None:
        registry = self._registry
        self.store_write = Histogram(
            "probe_store_write_seconds", "How long writing a batch took.", buckets=_SLOW, registry=registry
        )
        self.store_failures = Counter(
            "probe_store_failures_total", "Batches that could not be written; they are tried again.", registry=registry
        )
        self.store_size = Gauge("probe_store_size_bytes", "Bytes that the database uses.", registry=registry)

    def _add_alerts(self) -> None:
        registry = self._registry
        self.notifications_sent = Counter(
            "probe_notifications_sent_total", "Notices that a receiver took.", ("receiver",), registry=registry
        )
        self.notifications_failed = Counter(
            "probe_notifications_failed_total",
            "Attempts that a receiver did not take.",
            ("receiver", "reason"),
            registry=registry,
        )
        about = "Notices that a receiver will not be told: it refused them for good, or could not be reached for a day."
        self.notifications_lost = Counter("probe_notifications_lost_total", about, ("receiver",), registry=registry)
        about = "Waits of a receiver's notices because its channel is told no faster."
        self.notifications_paced = Counter("probe_notifications_paced_total", about, ("receiver",), registry=registry)
        about = "Notices told in our own words because the receiver's template broke."
        self.template_failures = Counter("probe_template_failures_total", about, ("receiver",), registry=registry)
        self._by_receiver = (
            self.notifications_sent,
            self.notifications_lost,
            self.notifications_paced,
            self.template_failures,
        )

    def _add_configuration(self) -> None:
        registry = self._registry
        self.checks = Gauge("probe_checks", "Checks of the configuration in use.", registry=registry)
        self._reload_worked = Gauge(
            "probe_config_last_reload_successful",
            "Whether the configuration could be used when it was last read: 1 or 0.",
            registry=registry,
        )
        self._reloaded = Gauge(
            "probe_config_last_reload_success_timestamp_seconds",
            "When the configuration in use was read, in Unix time.",
            registry=registry,
        )

    def reloaded(self, checks: int, now_ms: int) -> None:
        """A configuration with so many checks is in use from now on."""
        self.checks.set(checks)
        self._reload_worked.set(1)
        self._reloaded.set(now_ms / 1000)

    def reload_failed(self) -> None:
        """A configuration could not be used; the one before stays."""
        self._reload_worked.set(0)

    def set_receivers(self, names: Iterable[str]) -> None:
        """Count for exactly these receivers, from zero: the first failure is an increase, too."""
        wanted = set(names)
        for name in self._receivers - wanted:
            for counter in self._by_receiver:
                counter.remove(name)
            for reason in Trouble:
                self.notifications_failed.remove(name, reason)
        for name in wanted:
            for counter in self._by_receiver:
                counter.labels(name)
            for reason in Trouble:
                self.notifications_failed.labels(name, reason)
        self._receivers = wanted

    def sent(self, receiver: str) -> None:
        self.notifications_sent.labels(receiver).inc()

    def failed(self, receiver: str, trouble: Trouble, final: bool) -> None:
        self.notifications_failed.labels(receiver, trouble).inc()
        if final:
            self.notifications_lost.labels(receiver).inc()

    def paced(self, receiver: str) -> None:
        self.notifications_paced.labels(receiver).inc()

    def garbled(self, receiver: str) -> None:
        self.template_failures.labels(receiver).inc()

    def watch_processes(self, vitals: Callable[[], Sequence[Vitals]]) -> None:
        """Show every process, the service's own first: `vitals` is asked once a scrape."""
        self.processes.vitals = vitals

    def watch_queue(self, name: str, length: Callable[[], int], dropped: Callable[[], int]) -> None:
        """Show a queue: both functions are asked at each scrape."""
        self.queues.queues[name] = (length, dropped)

    def watch_receivers(
        self,
        waiting: Callable[[], Waiting],
        now_ms: Callable[[], int],
        disabled: Callable[[], Container[str]] = frozenset,
    ) -> None:
        """Show what receivers are still owed, and which of them are disabled: both are asked at each scrape."""
        self.queues.waiting = waiting
        self.queues.now_ms = now_ms
        self.queues.disabled = disabled
