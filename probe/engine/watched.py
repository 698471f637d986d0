"""What is said of ourselves, as metrics: own alerts, the words to those who watch us, the clock."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from probe.engine.deadman import Heard
from thresholds.base import State


class Watched(Collector):
    """Asked at each scrape."""

    def __init__(self) -> None:
        self.own: Callable[[], Mapping[str, State]] = dict
        self.heard: Callable[[], Mapping[str, Heard]] = dict
        self.jumps: Callable[[], int] = int
        self.behind: Callable[[], float] = float
        self.absent: Callable[[], int] = int

    def collect(self) -> Iterable[Metric]:
        about = "How a part of Probe stands of which something was said: 1 up, 2 degraded, 3 down."
        alerts = GaugeMetricFamily("probe_self_level", about, labels=("subject",))
        for subject, state in sorted(self.own().items()):
            alerts.add_metric((subject,), state.level)
        yield alerts
        yield from self._words()
        about = "Times that the wall clock jumped against the steady one."
        yield CounterMetricFamily("probe_clock_jumps", about, self.jumps())
        about = "For how long the oldest five minutes, hour or day that is over has waited to be rolled up."
        yield GaugeMetricFamily("probe_rollup_lag_seconds", about, self.behind())
        about = "Checks that are to run and have had no result for three of their intervals."
        yield GaugeMetricFamily("probe_checks_absent", about, self.absent())

    def _words(self) -> Iterable[Metric]:
        of = ("target",)
        last = GaugeMetricFamily(
            "probe_deadman_last_success_timestamp_seconds",
            "When whoever watches Probe took its last word that it is well, in Unix time; 0: never.",
            labels=of,
        )
        failed = CounterMetricFamily("probe_deadman_failures", "Words that were not taken.", labels=of)
        withheld = CounterMetricFamily(
            "probe_deadman_withheld", "Times that Probe did not say that it is well, because it was not.", labels=of
        )
        for name, heard in self.heard().items():
            last.add_metric((name,), heard.last_ms / 1000)
            failed.add_metric((name,), heard.failures)
            withheld.add_metric((name,), heard.withheld)
        yield last
        yield failed
        yield withheld
