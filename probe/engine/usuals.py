"""Baselines as metrics: how much each has learned, and from where on its check is slower than usual."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from probe.config.model import Planned
from thresholds.limits import BaselineLimit

_OF = ("check", "baseline")


class Learning(Protocol):
    """A check with what its baselines have learned."""

    @property
    def planned(self) -> Planned: ...
    @property
    def learned(self) -> Collection[BaselineLimit]: ...


class Usuals(Collector):
    """Asks how baselines stand at each scrape."""

    def __init__(self) -> None:
        self.watches: Callable[[], Iterable[Learning]] = tuple

    def collect(self) -> Iterable[Metric]:
        learned = GaugeMetricFamily(
            "probe_check_baseline_learned_hours",
            "Hours of the last five weeks, of 840, that a baseline has learned from.",
            labels=_OF,
        )
        limit = GaugeMetricFamily(
            "probe_check_baseline_limit_seconds",
            "Beyond this a check is slower than usual at this hour of the week; absent while that is learned.",
            labels=_OF,
        )
        for watch in self.watches():
            for one in watch.learned:
                labels = watch.planned.name, one.threshold.name
                learned.add_metric(labels, one.learned)
                if one.usual is not None:
                    limit.add_metric(labels, one.usual.limit)
        yield learned
        yield limit
