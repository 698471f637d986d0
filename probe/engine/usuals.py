"""Baselines as metrics: how much each has learned, and from where on its check is slower than usual."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Protocol

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporters.exposition import slices
from exporters.registry import SAMPLES
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
        known = [(watch.planned.name, one) for watch in self.watches() for one in watch.learned]
        about = "Hours of the last five weeks, of 840, that a baseline has learned from."
        yield from _gauges("probe_check_baseline_learned_hours", about, [(*one, one[1].learned) for one in known])
        about = "Beyond this a check is slower than usual at this hour of the week; absent while that is learned."
        limits = [(*one, one[1].usual.limit) for one in known if one[1].usual is not None]
        yield from _gauges("probe_check_baseline_limit_seconds", about, limits)


def _gauges(name: str, about: str, values: list[tuple[str, BaselineLimit, float]]) -> Iterator[Metric]:
    """A family in parts, each of which is made in well under a millisecond."""
    for some in slices(values, SAMPLES) if values else ([],):
        family = GaugeMetricFamily(name, about, labels=_OF)
        for check, of, value in some:
            family.add_metric((check, of.threshold.name), value)
        yield family
