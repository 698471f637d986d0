"""Rows as what they come to, and that as a row: for thousands of runs at a time. Pure.

Runs are not made Results on the way: their columns go into sketches as they stand in the rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from checks.core.result import Result
from probe.store.base import Bucket
from probe.store.shapes import MICRO, Shape
from thresholds.measured import LAG, truthful
from thresholds.rollup import TOTAL, Tally
from thresholds.sketch import Sketch

_measured = msgspec.json.Decoder(list[Any])  # numbers, and texts that change


@dataclass(frozen=True, slots=True)
class Outline:
    """What a rollup needs to know of a shape."""

    metrics: tuple[str, ...]  # in the order of a run's columns: its whole length, then its phases
    width: int  # of the columns, with those that are of no interest here
    lag: int  # which column is the run's share of our own lag; 0: it has none


def outline(shape: Shape) -> Outline:
    columns = (TOTAL, *shape.phases, *shape.measured)
    return Outline((TOTAL, *shape.phases), len(columns), columns.index(LAG) if LAG in shape.measured else 0)


def fold(tally: Tally, found: Sequence[Sequence[Any]], outlines: Mapping[int, Outline]) -> None:
    """Take runs into a tally. Rows: check_id, level, kind, duration_us, measured, shape_id of runs that count.

    ValueError or msgspec.MsgspecError where a row is not as this version writes it.
    """
    for (level, kind), times in Counter([row[1:3] for row in found]).items():
        tally.count(level, kind, times)
    good: dict[int, list[list[Any]]] = {}  # columns of each run, by shape
    for _, _, kind, duration_us, measured, shape_id in found:
        if kind is None and shape_id in outlines:  # a shape that is gone was deleted meanwhile, and its runs with it
            good.setdefault(shape_id, []).append([duration_us, *_measured.decode(measured)])
    for shape_id, runs in good.items():
        _measure(tally, runs, outlines[shape_id])


def _measure(tally: Tally, runs: list[list[Any]], shape: Outline) -> None:
    if len(runs[0]) != shape.width:
        raise ValueError(f"{len(runs[0]) - 1} values measured, {shape.width - 1} names")
    if shape.lag:
        runs = [run for run in runs if _truthful(run[0], run[shape.lag])]
    if shape.metrics == (TOTAL,):  # as of thresholds.measured.timed
        runs = [run for run in runs if run[0]]
    for metric, column in zip(shape.metrics, zip(*runs, strict=True), strict=False):  # facts follow
        tally.measure(metric, [us / MICRO for us in column])


def _truthful(duration_us: int, lag: float | None) -> bool:
    lag = float("nan") if lag is None else lag  # JSON has no NaN
    return truthful(Result("", 0, duration_us / MICRO, facts={LAG: lag}))


def stored(at_ms: int, step: int, tally: Tally) -> Bucket:
    """A tally as it is kept."""
    sketches = {metric: sketch.encode() for metric, sketch in sorted(tally.sketches.items())}
    kinds = dict(sorted(tally.kinds.items()))
    return Bucket(at_ms, step, tally.up, tally.degraded, tally.down, tally.unknown, kinds, sketches)


def tally_of(bucket: Bucket, metrics: Collection[str] | None = None) -> Tally:
    """What is kept, as a tally; with sketches of these metrics alone, or of all. ValueError for a broken sketch."""
    tally = Tally()
    tally.up, tally.degraded, tally.down, tally.unknown = bucket.up, bucket.degraded, bucket.down, bucket.unknown
    tally.kinds = dict(bucket.kinds)
    wanted = bucket.sketches if metrics is None else [one for one in metrics if one in bucket.sketches]
    tally.sketches = {metric: Sketch.decode(bucket.sketches[metric]) for metric in wanted}
    return tally
