"""Some hundred checks as a scrape finds them: one run of each for all families, whatever comes in meanwhile.

Everything is read at once, each check being looked at while it is at hand: family by family took three times as long.
It is kept as texts and tuples of texts, which no garbage collection walks: lists of a million numbers stopped the loop
for 20 ms.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

from checks.core.result import Result
from exporters import families
from exporters.exposition import Family, head, lines, written
from exporters.families import BUCKETS
from exporters.series import ATTEMPTS, FAILURES, Series
from thresholds.base import Level

T = TypeVar("T")
Readers = Mapping[str, Callable[[T], float | None]]  # by the head of the line


def _by_head(table: Iterable[tuple[Family, tuple[Callable[[T], float | None], ...]]]) -> Readers[T]:
    return {start: read for family, readers in table for start, read in zip(family.heads, readers, strict=True)}


def _counter(place: int) -> Callable[[Series], float]:
    return lambda one: one.counts[place]


def _up(one: Series) -> float | None:
    confirmed = one.state.confirmed
    return None if confirmed is Level.UNKNOWN else int(confirmed is not Level.DOWN)


# What is known of a check, whatever its last run saw.
KNOWN: tuple[tuple[Family, tuple[Callable[[Series], float | None], ...]], ...] = (
    (families.RUNS, tuple(map(_counter, Level))),
    (families.FAILURES, tuple(map(_counter, FAILURES.values()))),
    (families.ATTEMPTS, (_counter(ATTEMPTS),)),
    (families.LEVEL, (lambda one: int(one.state.level),)),
    (families.UP, (_up,)),
    (families.SINCE, (lambda one: one.state.since_ms / 1000 or None,)),
    (families.LAST_RUN, (lambda one: None if one.last is None else one.last.at_ms / 1000,)),
    (families.INTERVAL, (lambda one: one.described.spec.every,)),
)
_EVERY, _OF_HTTP, _KNOWN = _by_head(families.EVERY), _by_head(families.OF_HTTP), _by_head(KNOWN)

_HISTOGRAM = tuple(
    [head(f"{families.LATENCY.name}_bucket", {"le": str(bucket)}) for bucket in (*BUCKETS, "+Inf")]
    + [head(f"{families.LATENCY.name}_{what}", {}) for what in ("count", "sum")]
)


class Snapshot:
    """The lines of some checks. What was shown is let go."""

    __slots__ = ("_labels", "_numbers", "_starts")

    def __init__(self, series: Sequence[Series], now_ms: int) -> None:
        self._numbers: dict[str, str] = {}  # by the head of their lines; a histogram's and an info's by their name
        self._labels: dict[str, tuple[str, ...]] = {}  # of each number, likewise
        self._starts: dict[str, tuple[str, ...]] = {}  # heads that differ by the check, by the family's name
        seen = [(one, run) for one in series if (run := one.seen(now_ms)) is not None]
        of_http = [(one, run) for one, run in seen if one.described.type == "http"]
        self._read([run for _, run in seen], [one for one, _ in seen], _EVERY)
        self._read([run for _, run in of_http], [one for one, _ in of_http], _OF_HTTP)
        self._read(series, series, _KNOWN)
        self._inform(series, seen)
        self._count(series)

    def _read(self, items: Sequence[T], owners: Sequence[Series], readers: Readers[T]) -> None:
        labels = tuple([one.labels for one in owners])
        for start, read in readers.items():
            values = [read(item) for item in items]
            there = [value for value in values if value is not None]
            self._numbers[start] = written(there)
            self._labels[start] = labels if len(there) == len(values) else _where(values, labels)

    def _inform(self, series: Sequence[Series], seen: Sequence[tuple[Series, Result]]) -> None:
        """Heads whose labels say everything; the value is always 1."""
        for one, run in seen:
            one.certificate = families.certificate(run.facts, one.certificate)
        for family, starts, owners in (
            (families.CHAIN_INFO, [one.certificate for one, _ in seen], [one for one, _ in seen]),
            (families.TLS_VERSION, [families.tls_version(run.facts) for _, run in seen], [one for one, _ in seen]),
            (families.TLS_CIPHER, [families.tls_cipher(run.facts) for _, run in seen], [one for one, _ in seen]),
            (families.INFO, [one.info for one in series], series),
        ):
            self._starts[family.name] = tuple([start for start in starts if start])
            self._labels[family.name] = _where(starts, [one.labels for one in owners])

    def _count(self, series: Sequence[Series]) -> None:
        name = families.LATENCY.name
        self._numbers[name] = written([value for one in series for value in one.histogram()])
        self._labels[name] = tuple([one.labels for one in series])

    def numbers(self, start: str) -> str:
        """One line of each check that has a value for it."""
        labels = self._labels.pop(start)
        return lines([start] * len(labels), labels, self._numbers.pop(start))

    def infos(self, name: str) -> str:
        labels = self._labels.pop(name)
        return lines(self._starts.pop(name), labels, ",".join(["1"] * len(labels)))

    def histograms(self) -> str:
        """The lines of one check together, as OpenMetrics wants them."""
        name = families.LATENCY.name
        labels = self._labels.pop(name)
        repeated = [label for label in labels for _ in _HISTOGRAM]
        return lines(_HISTOGRAM * len(labels), repeated, self._numbers.pop(name))


def _where(there: Sequence[object], labels: Sequence[str]) -> tuple[str, ...]:
    """The labels of those that have something."""
    return tuple([its for its, one in zip(labels, there, strict=True) if one is not None and one != ""])
