"""What is counted and remembered of one check, as plain numbers: taking a run builds no text and looks no label up.

Lines are made of it when somebody asks; exporters/prometheus.py does that.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_left
from collections.abc import Callable, Mapping
from functools import lru_cache
from itertools import accumulate
from typing import Protocol

from checks.core.base import CheckSpec
from checks.core.result import FailureKind, Result
from exporters import families
from exporters.exposition import head, tail
from exporters.families import BUCKETS
from thresholds.base import Level, State, Verdict
from thresholds.measured import timed, truthful

_STALE_AFTER = 3  # intervals without a run: what the last one saw says nothing of now

# Where each counter stands in a check's `counts`. Runs come first: a level is its own place.
ATTEMPTS = len(Level)
_FAILURES = ATTEMPTS + 1
FAILURES = {kind: _FAILURES + place for place, kind in enumerate(FailureKind)}
_BUCKETS = _FAILURES + len(FailureKind)
_ZEROS = bytes(array("I").itemsize * (_BUCKETS + len(BUCKETS) + 1))

# Names that our own labels have, and those that Prometheus sets on what it scrapes.
RESERVED = frozenset(
    {"check", "service", "instance", "job", "le", "quantile", "level", "kind", "phase", "type", "target", "owner"}
    | {"runbook", "version", "cipher", "fingerprint_sha256", "subject", "issuer", "subjectalternative", "serialnumber"}
)


class Described(Protocol):
    """What is to be known of a configured check."""

    @property
    def spec(self) -> CheckSpec: ...
    @property
    def type(self) -> str: ...
    @property
    def service(self) -> str: ...
    @property
    def owner(self) -> str: ...
    @property
    def runbook(self) -> str: ...
    @property
    def labels(self) -> Mapping[str, str]: ...


@lru_cache
def label_name(name: str) -> str:
    """A configured label's name as Prometheus takes it.

    Other characters become `_`. A name that is taken gets the prefix that Prometheus itself gives in that case.
    """
    name = re.sub("[^a-zA-Z0-9_]", "_", name) or "_"
    if name[:1].isdigit():
        name = f"_{name}"
    return f"exported_{name}" if name in RESERVED or name.startswith("__") else name


def check_labels(name: str, described: Described) -> dict[str, str]:
    """The labels of all series of a check: `check`, `service`, and the configured ones."""
    labels = {"check": name, "service": described.service}
    for key, value in sorted(described.labels.items()):
        wanted = label_name(key)
        while wanted in labels:  # "a-b" and "a.b" are both a_b
            wanted += "_"
        labels[wanted] = value
    return labels


class Series:
    """One check: its counters, its last run, and the parts of its lines that stay the same."""

    __slots__ = ("certificate", "counts", "described", "info", "labels", "last", "stale_after", "state", "sum")

    def __init__(self, described: Described) -> None:
        self.counts = array("I", _ZEROS)  # half of what a list of ints takes
        self.sum = 0.0  # s: all runs in the histogram
        self.state = _UNKNOWN
        self.last: Result | None = None
        self.certificate = ""
        self.plan(described)

    def plan(self, described: Described) -> None:
        """Belong to this check, under new labels if those changed; they are written when they are first asked for."""
        self.described = described
        self.labels = self.info = ""
        spec = described.spec
        longest = (spec.timeout + spec.retry_after) * (spec.retries + 1)
        self.stale_after = round((_STALE_AFTER * spec.every + longest) * 1000)  # ms

    def describe(self, redact: Callable[[str], str]) -> None:
        """Write what every line of the check ends with, and the line about the check."""
        described = self.described
        labels = check_labels(described.spec.name, described)
        self.labels = tail({key: redact(value) for key, value in labels.items()})
        about = {"type": described.type, "target": described.spec.check.target, "owner": described.owner}
        about["runbook"] = described.runbook
        self.info = head(families.INFO.name, {key: redact(value) for key, value in about.items()})

    def take(self, verdict: Verdict) -> None:
        """Count a run and keep it; an attempt that is about to be repeated is only an attempt."""
        counts = self.counts
        counts[ATTEMPTS] += 1
        self.state = verdict.state
        result = verdict.result
        if result.provisional:
            return
        counts[verdict.level] += 1
        self.last = result
        if result.failure is not None:
            counts[FAILURES[result.failure.kind]] += 1
        elif truthful(result) and timed(result):
            duration = result.duration
            counts[_BUCKETS + bisect_left(BUCKETS, duration)] += 1
            self.sum += duration

    def seen(self, now_ms: int) -> Result | None:
        """The last run, where it says something of the target now: our own failures and old runs do not."""
        last = self.last
        if last is None or last.at_ms + self.stale_after <= now_ms:
            return None
        return None if last.failure is not None and last.failure.kind is FailureKind.LOCAL else last

    def histogram(self) -> list[float]:
        """How many runs took up to each bucket's limit, how many there were, and how long they took together."""
        buckets = list(accumulate(self.counts[_BUCKETS:]))
        return [*buckets, buckets[-1], self.sum]


_UNKNOWN = State()
