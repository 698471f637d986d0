"""Incidents as metrics: how many are open, and how many there were."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporters.alerting.book import Failing
from exporters.alerting.incident import Deed, Incident, Severity, Status
from probe.store.base import Act
from thresholds.base import Transition

Hear = Callable[[Transition, Failing], Act | None]


class IncidentSeries(Collector):
    """`open` is asked at each scrape."""

    def __init__(self) -> None:
        self.open: Callable[[], Iterable[Incident]] = tuple
        self._opened: Counter[Severity] = Counter()

    def counting(self, hear: Hear) -> Hear:
        """What decides on transitions, with the incidents counted that it opens."""

        def heard(transition: Transition, failing: Failing) -> Act | None:
            act = hear(transition, failing)
            if act is not None:
                self._count(act)
            return act

        return heard

    def _count(self, act: Act) -> None:
        opened = {one.incident for one in act.happenings if one.deed is Deed.OPENED}
        self._opened.update(one.severity for one in act.incidents if one.id in opened)

    def collect(self) -> Iterable[Metric]:
        about = "Incidents that are open."
        now = GaugeMetricFamily("probe_incidents_open", about, labels=("severity", "status"))
        counts = Counter((one.severity, one.status) for one in self.open())
        for severity in Severity:
            for status in Status:
                if status is not Status.RESOLVED:
                    now.add_metric((severity.value, status.value), counts[severity, status])
        yield now
        about = "Incidents that were opened, by the severity that they began with."
        ever = CounterMetricFamily("probe_incidents", about, labels=("severity",))
        for severity in Severity:
            ever.add_metric((severity.value,), self._opened[severity])
        yield ever
