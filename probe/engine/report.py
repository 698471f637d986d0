"""How the service does, as plain values for programs: what a scrape says too, gathered at one instant."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from prometheus_client.registry import Collector
from prometheus_client.samples import Sample

from probe.engine.metrics import OwnMetrics
from probe.engine.vitals import BOUNDS, Vitals

Json = dict[str, Any]  # instants are Unix ms, under names that end with _ms

_FIGURES = ("process", "pid", "rss", "fds", "fd_limit", "checks", "in_flight", "seats", "lookups", "lag", "queued",
            "restarts", "ended")  # fmt: skip
_COUNTERS = ("at_ms", "cpu", "runs", "missed")


def report(own: OwnMetrics) -> Json:
    """Processes, queues, the store, the receivers. Counters are since the start of the process that counts."""
    return {
        "started_ms": own.process.started_ms,
        "processes": [_process(one) for one in own.processes.vitals()],
        "queues": _queues(own),
        "store": {
            "size": int(_value(own.store_size)),
            "failures": int(_value(own.store_failures)),
            "write": _counted(own.store_write),
        },
        "receivers": _receivers(own),
    }


def _process(vitals: Vitals) -> Json:
    counted = _counters(vitals)
    return {
        **{name: getattr(vitals, name) for name in _FIGURES},
        **counted,
        "before": counted if vitals.before is None else _counters(vitals.before),
    }


def _counters(vitals: Vitals) -> Json:
    return {
        **{name: getattr(vitals, name) for name in _COUNTERS},
        "dropped": dict(vitals.dropped),
        "loop_lag": _histogram(BOUNDS, vitals.loop_lag, vitals.loop_lag_total),
        "lateness": _histogram(BOUNDS, vitals.lateness, vitals.lateness_total),
    }


def _histogram(bounds: Sequence[float], counts: Sequence[int], total: float) -> Json:
    """Counts of seconds by bucket, the last of what is over every bound."""
    return {"bounds": list(bounds), "counts": list(counts) or [0] * (len(bounds) + 1), "total": round(total, 6)}


def _queues(own: OwnMetrics) -> list[Json]:
    queues = own.queues.queues.items()
    return [{"name": name, "length": length(), "dropped": dropped()} for name, (length, dropped) in queues]


def _receivers(own: OwnMetrics) -> list[Json]:
    sent = {one.labels["receiver"]: int(one.value) for one in _samples(own.notifications_sent)}
    failed = dict.fromkeys(sent, 0)
    for one in _samples(own.notifications_failed):
        failed[one.labels["receiver"]] += int(one.value)
    waiting = own.queues.waiting()
    return [
        {
            "name": name,
            "sent": count,
            "failed": failed[name],
            "pending": waiting.get(name, (0, 0))[0],
            "oldest_ms": waiting.get(name, (0, 0))[1],
        }
        for name, count in sorted(sent.items())
    ]


def _samples(metric: Collector) -> list[Sample]:
    return [sample for family in metric.collect() for sample in family.samples]


def _value(metric: Collector) -> float:
    return _samples(metric)[0].value


def _counted(metric: Collector) -> Json:
    samples = _samples(metric)
    buckets = [sample for sample in samples if sample.name.endswith("_bucket")]
    counts = [int(upto - before) for before, upto in pairwise([0.0, *(sample.value for sample in buckets)])]
    total = next(sample.value for sample in samples if sample.name.endswith("_sum"))
    return _histogram([float(sample.labels["le"]) for sample in buckets[:-1]], counts, total)
