"""How many people are on call, as a metric."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector


class OnCallSeries(Collector):
    """Asked at each scrape. `people` says how many are on call now, by schedule."""

    def __init__(self) -> None:
        self.people: Callable[[], Mapping[str, int]] = dict

    def collect(self) -> Iterable[Metric]:
        about = "People on call in a schedule now."
        found = GaugeMetricFamily("probe_oncall_people", about, labels=("schedule",))
        for schedule, count in sorted(self.people().items()):
            found.add_metric((schedule,), count)
        yield found
