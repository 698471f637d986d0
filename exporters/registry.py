"""What a registry of prometheus_client says, a little at a time: its encoder takes 15 us a line, and others wait.

A collector may give a family in parts, one after the other, each made when it is asked for: they are one family here.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from exporters.exposition import EOF, OPENMETRICS, TEXT, slices

SAMPLES = 40  # made and written at a time: about a millisecond


class _Only(Collector):
    """One metric, for an encoder that wants a registry."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterable[Metric]:
        yield self._metric


def pieces(own: Collector, *, openmetrics: bool) -> Iterator[bytes]:
    """Everything that a registry says, in pieces that take little time to make. Without OpenMetrics' `# EOF`."""
    encode, _ = choose_encoder(OPENMETRICS.format("1.0.0") if openmetrics else TEXT)
    ready: list[bytes] = []
    count, told = 0, ""
    for metric in own.collect():
        for part in _parts(metric):
            text = encode(_Only(part)).removesuffix(EOF)
            ready.append(_headless(text) if metric.name == told else text)
            told = metric.name
            count += len(part.samples)
            if count >= SAMPLES:
                yield b"".join(ready)
                ready, count = [], 0
    yield b"".join(ready)


def _parts(metric: Metric) -> Iterator[Metric]:
    """A family as several of few samples each.

    One that says since when it counts stays whole: the encoder makes a family of its own of that, after the samples.
    """
    if len(metric.samples) <= SAMPLES or any(sample.name.endswith("_created") for sample in metric.samples):
        yield metric
        return
    for some in slices(metric.samples, SAMPLES):
        part = Metric(metric.name, metric.documentation, metric.type, metric.unit)
        part.samples = some
        yield part


def _headless(text: bytes) -> bytes:
    """The lines of a family whose header was written before."""
    while text.startswith(b"#"):
        text = text.partition(b"\n")[2]
    return text
