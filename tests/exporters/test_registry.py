"""What a registry says in pieces is what it says in one."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics_families
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

from exporters.exposition import EOF, OPENMETRICS, TEXT
from exporters.registry import SAMPLES, pieces


class Many(Collector):
    """A family of many samples, given in parts; `asked` says how many were made."""

    def __init__(self, count: int, part: int) -> None:
        self._count, self._part = count, part
        self.asked = 0

    def collect(self) -> Iterable[Metric]:
        for start in range(0, self._count, self._part):
            family = GaugeMetricFamily("probe_many_seconds", "Said of many.", labels=("of",))
            for number in range(start, min(start + self._part, self._count)):
                family.add_metric((f"#{number}\n# HELP",), number / 7)
                self.asked += 1
            yield family


def registry(many: Many | None = None) -> CollectorRegistry:
    own = CollectorRegistry()
    requests = Counter("requests_total", "Requests.", ("path",), registry=own)
    for number in range(200):
        requests.labels(f"/{number}").inc(number)
    took = Histogram("took_seconds", "How long.", ("path",), registry=own, buckets=(0.1, 0.5, 1.0))
    for number in range(40):
        took.labels(f"/{number}").observe(number / 40)
    if many is not None:
        own.register(many)
    Counter("last_total", "The last.", registry=own).inc()
    return own


def families(text: bytes, *, openmetrics: bool) -> list[Metric]:
    if openmetrics:
        return list(openmetrics_families((text + EOF).decode()))
    return list(text_string_to_metric_families(text.decode()))


def untimed(found: Iterable[Metric]) -> Iterator[tuple[object, ...]]:
    """Without the instants at which counters were made."""
    for one in found:
        samples = [sample for sample in one.samples if not sample.name.endswith("_created")]
        yield one.name, one.type, one.documentation, one.unit, samples


@pytest.mark.parametrize("openmetrics", [True, False])
def test_in_pieces_it_says_the_same(openmetrics: bool) -> None:
    own = registry(Many(300, 1000))
    encode, _ = choose_encoder(OPENMETRICS.format("1.0.0") if openmetrics else TEXT)
    whole = families(encode(own).removesuffix(EOF), openmetrics=openmetrics)
    made = b"".join(pieces(own, openmetrics=openmetrics))
    assert list(untimed(families(made, openmetrics=openmetrics))) == list(untimed(whole))
    assert len(whole) >= 4


@pytest.mark.parametrize("openmetrics", [True, False])
@pytest.mark.parametrize("part", [1, 64, 65, 1000])
def test_however_a_family_is_given_it_stands_together_under_one_header(openmetrics: bool, part: int) -> None:
    made = b"".join(pieces(registry(Many(1000, part)), openmetrics=openmetrics))
    assert made.count(b"# TYPE probe_many_seconds gauge\n") == 1
    (many,) = [one for one in families(made, openmetrics=openmetrics) if one.name == "probe_many_seconds"]
    assert [sample.value for sample in many.samples] == [number / 7 for number in range(1000)]


@pytest.mark.parametrize("openmetrics", [True, False])
def test_a_piece_is_of_few_samples_and_made_when_it_is_asked_for(openmetrics: bool) -> None:
    many = Many(1000, SAMPLES)
    made, before = 0, 0
    own = CollectorRegistry()
    own.register(many)
    for piece in pieces(own, openmetrics=openmetrics):
        assert sum(not line.startswith(b"#") for line in piece.splitlines()) <= 2 * SAMPLES
        assert many.asked - before <= 2 * SAMPLES
        made, before = made + 1, many.asked
    assert made >= 1000 // SAMPLES
