"""How large the database of a configuration becomes, by what rows and buckets were measured to take. Pure.

docs/storage.md has the formula; `benchmarks/store.py` and `benchmarks/rollups.py` print bytes a row and a bucket.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, sqrt

from checks.core.units import format_duration
from probe.config.faults import Faults
from probe.config.model import Planned
from probe.config.sections import RetentionSection

_ROW = 140.0  # bytes of a result, with its share of the indexes
_BUCKET, _SKETCH, _SPREAD = 55.0, 28.0, 4.0  # bytes: of a bucket, of a sketch, times the root of the runs in it
_SKETCH_MOST = 330.0
_PAGES = 1.15  # pages are not full
_TIMINGS = {"http": 6, "tcp": 2}  # the whole and its phases; plain HTTP has no TLS, and a little less
_FIVE_MINUTES, _HOUR, _DAY = 300.0, 3600.0, 86_400.0
_LIKELY = 1.2  # an estimate is not off by more
_GIB = 1 << 30


def needed(checks: Iterable[Planned], kept: RetentionSection) -> float:
    """Bytes of results and rollups once they are as old as they may get; of days, for which there is no end, a year."""
    steps = (_FIVE_MINUTES, kept.five_minutes), (_HOUR, kept.hours), (_DAY, 365 * _DAY)
    total = 0.0
    for planned in checks:
        if planned.passive:
            continue
        every = planned.spec.every
        total += kept.age / every * _ROW
        timings = _TIMINGS.get(planned.type, max(_TIMINGS.values()))
        total += sum(lasts / max(step, every) * bucket_bytes(step / every, timings) for step, lasts in steps)
    return total


def bucket_bytes(runs: float, timings: int) -> float:
    """Bytes of a rollup of so many runs, with so many latencies each."""
    sketch = min(_SKETCH + _SPREAD * sqrt(max(1.0, runs)), _SKETCH_MOST)
    return _PAGES * (_BUCKET + timings * sketch)


def doubt_space(faults: Faults, checks: Iterable[Planned], kept: RetentionSection) -> None:
    """Warn where `retention.size` cuts what the ages promise."""
    wanted = needed(checks, kept)
    if wanted <= kept.size * _LIKELY:
        return
    ages = (("results", kept.age), ("five minutes", kept.five_minutes), ("hours", kept.hours))
    promised = ", ".join(f"{name} for {format_duration(age)}" for name, age in ages)
    left = ", ".join(format_duration(age * kept.size / wanted) for _, age in ages)
    text = f"about {_said(wanted)} are needed to keep {promised}; with {_said(kept.size)} it is {left}"
    faults.warn(("retention", "size"), text, f"set {ceil(wanted * _LIKELY / _GIB)}GiB, or shorter times")


def _said(size: float) -> str:
    return f"{size / _GIB:.3g} GiB" if size >= _GIB else f"{size / (1 << 20):.3g} MiB"
