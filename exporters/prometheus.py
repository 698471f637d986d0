"""The series of every configured check, rendered by ourselves: a scrape never stalls a probe.

A general client library takes 15 us a line; this takes a fifth of one, in pieces of well under a millisecond. What the
process says of itself comes from prometheus_client and follows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.registry import Collector

from exporters import families
from exporters.exposition import EOF, Family, negotiate, packed, slices
from exporters.registry import pieces
from exporters.series import RESERVED, Described, Series, check_labels, label_name
from exporters.snapshot import KNOWN, Snapshot
from thresholds.base import State, Verdict

__all__ = ["RESERVED", "CheckSeries", "Described", "check_labels", "exposition", "label_name", "negotiate"]

_DESCRIBED = 25  # checks whose labels are written between two turns of the event loop: half a millisecond


class CheckSeries:
    """A sink that keeps the series of every configured check, and of no other."""

    def __init__(self, now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000) -> None:
        self._now_ms = now_ms
        self._series: dict[str, Series] = {}
        self._redact: Callable[[str], str] = str

    def set_checks(
        self,
        checks: Mapping[str, Described],
        states: Mapping[str, State] | None = None,
        *,
        redact: Callable[[str], str] = str,
    ) -> None:
        """Keep exactly these checks: at the start, with the states that the store remembers, and after a reload.

        Counters of a check that stays go on, under new labels if those changed.
        """
        self._redact = redact
        before, self._series = self._series, {}
        for name, described in checks.items():
            series = before.get(name)
            if series is None or series.described.type != described.type:
                series = Series(described)
            else:
                series.plan(described)
            if states and name in states:
                series.state = states[name]
            self._series[name] = series

    def record(self, batch: Sequence[Verdict]) -> None:
        """Take verdicts, without waiting for anything."""
        for verdict in batch:
            series = self._series.get(verdict.result.check)
            if series is not None:  # else it was removed while it ran
                series.take(verdict)

    async def write(self, batch: Sequence[Verdict]) -> None:
        self.record(batch)

    def render(self, *, openmetrics: bool) -> Iterator[bytes]:
        """All series, family by family, in pieces made in well under a millisecond. Without OpenMetrics' `# EOF`.

        Some pieces are empty: work was done, and others may have a turn.
        """
        now_ms = self._now_ms()
        parts = []
        for some in slices(list(self._series.values())):
            for few in slices(some, _DESCRIBED):
                if self._describe(few):
                    yield b""
            self._describe(some)  # those that a reload has planned anew in the meantime
            parts.append(Snapshot(some, now_ms))
            yield b""
        yield from packed(_texts(parts, openmetrics=openmetrics))

    def _describe(self, series: list[Series]) -> bool:
        """Write the labels of those that have none yet; whether there were any."""
        bare = [one for one in series if not one.labels]
        for one in bare:
            one.describe(self._redact)
        return bool(bare)


def exposition(series: CheckSeries, own: Collector, *, openmetrics: bool) -> Iterator[bytes]:
    """What a scrape gets: every check's series, then what prometheus_client's registry `own` says of the process."""
    yield from series.render(openmetrics=openmetrics)
    yield from pieces(own, openmetrics=openmetrics)
    if openmetrics:
        yield EOF


def _texts(parts: list[Snapshot], *, openmetrics: bool) -> Iterator[str]:
    """Everything, family by family; each in texts of some hundred lines."""
    for family, texts in _families(parts):
        headed = False
        for text in texts:
            if text and not headed:  # a family without lines has no header either
                headed = True
                yield family.header(openmetrics=openmetrics)
            yield text


def _families(parts: list[Snapshot]) -> Iterator[tuple[Family, Iterator[str]]]:
    for family, _ in (*families.EVERY, *families.OF_HTTP, *KNOWN):
        yield family, (part.numbers(start) for start in family.heads for part in parts)
    for family in (families.CHAIN_INFO, families.TLS_VERSION, families.TLS_CIPHER, families.INFO):
        yield family, (part.infos(family.name) for part in parts)
    yield families.LATENCY, (part.histograms() for part in parts)
