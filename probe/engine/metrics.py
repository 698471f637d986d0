"""What Probe says of itself: lag, lateness, queues, the store, alerts. The names are in docs/metrics.md."""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Mapping
from importlib.metadata import version

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    GCCollector,
    Histogram,
    ProcessCollector,
    disable_created_metrics,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

_QUICK = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5)  # s
_SLOW = (0.001, 0.005, 0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)  # s

# Without it every counter has a second series, of its birth, that Prometheus has no use for.
_omit_created: Callable[[], None] = disable_created_metrics
_REASONS = ("temporary", "permanent")

Waiting = Mapping[str, tuple[int, int]]  # by receiver: how many notices wait, Unix ms of the oldest decision or 0


class OwnMetrics:
    """The process's own series in one registry, as attributes to count on."""

    def __init__(self, registry: CollectorRegistry) -> None:
        _omit_created()
        self._registry = registry
        self._receivers: set[str] = set()
        for collector in (ProcessCollector, GCCollector):
            collector(registry=registry)
        self._add_engine()
        self._add_store()
        self._add_alerts()
        self._add_configuration()
        self._queues = _Queues()
        registry.register(self._queues)

    def _add_engine(self) -> None:
        registry = self._registry
        self.build_info = Gauge(
            "probe_build_info", "Always 1; the labels say what runs.", ("version", "pythonversion"), registry=registry
        )
        self.build_info.labels(version("probe"), platform.python_version()).set(1)
        self.loop_lag = Histogram(
            "probe_loop_lag_seconds",
            "How much later than asked for our event loop woke a sleeper; observed fifty times a second.",
            buckets=_QUICK,
            registry=registry,
        )
        self.schedule_lateness = Histogram(
            "probe_schedule_lateness_seconds",
            "How long after it was due a run began.",
            buckets=_QUICK,
            registry=registry,
        )
        self.runs_missed = Counter(
            "probe_runs_missed_total", "Runs skipped because the one before had not ended.", registry=registry
        )
        self.runs_in_flight = Gauge("probe_runs_in_flight", "Runs that are under way.", registry=registry)

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
            "Attempts that a receiver did not take; temporary ones are repeated.",
            ("receiver", "reason"),
            registry=registry,
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

    def late(self, seconds: float) -> None:
        self.schedule_lateness.observe(seconds)

    def skipped(self, runs: int) -> None:
        self.runs_missed.inc(runs)

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
            self.notifications_sent.remove(name)
            for reason in _REASONS:
                self.notifications_failed.remove(name, reason)
        for name in wanted:
            self.notifications_sent.labels(name)
            for reason in _REASONS:
                self.notifications_failed.labels(name, reason)
        self._receivers = wanted

    def sent(self, receiver: str) -> None:
        self.notifications_sent.labels(receiver).inc()

    def failed(self, receiver: str, permanent: bool) -> None:
        self.notifications_failed.labels(receiver, _REASONS[permanent]).inc()

    def watch_queue(self, name: str, length: Callable[[], int], dropped: Callable[[], int]) -> None:
        """Show a queue: both functions are asked at each scrape."""
        self._queues.queues[name] = (length, dropped)

    def watch_receivers(self, waiting: Callable[[], Waiting], now_ms: Callable[[], int]) -> None:
        """Show what receivers are still owed: `waiting` is asked at each scrape."""
        self._queues.waiting = waiting
        self._queues.now_ms = now_ms


class _Queues(Collector):
    """Asks the queues at each scrape, so that nothing has to be counted twice."""

    def __init__(self) -> None:
        self.queues: dict[str, tuple[Callable[[], int], Callable[[], int]]] = {}
        self.waiting: Callable[[], Waiting] = dict
        self.now_ms: Callable[[], int] = int

    def collect(self) -> Iterable[Metric]:
        yield from self._lengths()
        yield from self._notices()

    def _lengths(self) -> Iterable[Metric]:
        length = GaugeMetricFamily("probe_queue_length", "Items that wait in a queue of ours.", labels=("queue",))
        dropped = CounterMetricFamily(
            "probe_queue_dropped_total", "Items dropped because a queue of ours was full.", labels=("queue",)
        )
        for name, (count, lost) in self.queues.items():
            length.add_metric((name,), count())
            dropped.add_metric((name,), lost())
        yield length
        yield dropped

    def _notices(self) -> Iterable[Metric]:
        pending = GaugeMetricFamily(
            "probe_notifications_pending", "Notices that a receiver has not taken yet.", labels=("receiver",)
        )
        waiting = self.waiting()
        for receiver, (count, _) in waiting.items():
            pending.add_metric((receiver,), count)
        yield pending
        oldest_ms = min((at_ms for _, at_ms in waiting.values() if at_ms), default=0)
        age = max(0, self.now_ms() - oldest_ms) / 1000 if oldest_ms else 0.0
        yield GaugeMetricFamily(
            "probe_notification_oldest_pending_seconds", "Age of the notice that waits longest; 0 when none does.", age
        )
