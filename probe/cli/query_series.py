"""The series of one check that `probe query` prints: a row for each point and metric."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from checks.core.units import format_duration
from probe.cli.query_asked import Question, chosen, known, span_of, step_of
from probe.cli.query_table import NOTHING, Cells, Found, Row, length
from probe.config.bounds import METRICS
from probe.engine.records import Subject
from probe.engine.trend import Point, Series, trend
from probe.store.base import Store
from probe.web import reckon
from thresholds.rollup import Stats
from thresholds.spans import Span


async def series(question: Question) -> Found:
    """Runs and latencies of a check over time. Raises ValueError, StoreError."""
    asked, subject = question.asked, _check(question)
    window, step = span_of(asked.since, asked.until, question.now_ms, subject.zone), step_of(asked.step)
    metrics = None if "all" in asked.metrics else asked.metrics
    found = await trend(question.store, subject.name, window, step=step, metrics=metrics)
    if metrics is not None:
        await _had(question.store, found, window, metrics)
    points = [reckon.point(one) for one in found.points]
    whole = reckon.point(found.whole)
    value = {"of": subject.name, **reckon.span(window), "step": found.step, "points": points, "whole": whole}
    rows = [row for point in points for row in _point_rows(subject.name, point)]
    several = len(found.whole.latencies) > 1
    cells = [row for one in found.points for row in _point_cells(question, subject, one, several=several)]
    title = f"{question.title('Series')}, steps of {format_duration(found.step)}"
    if not several:
        title += "".join(f", {metric}" for metric in found.whole.latencies)
    return Found(value, rows, cells, title, "", ("unknown", "mean", "degraded", "max"))


def _check(question: Question) -> Subject:
    config, name = question.config, question.asked.name
    if not name:
        raise ValueError("a series is one check's; name it, as in probe query series shop/home")
    if name in config.services:
        members = ", ".join(config.services[name].members[:8])
        raise ValueError(f"a series is one check's, and {name} is a service; its checks: {members}")
    known(config, name, kind="check")
    (subject,) = chosen(question.records, question.asked)
    return subject


async def _had(store: Store, found: Series, window: Span, metrics: Sequence[str]) -> None:
    """ValueError for a metric that no run of a check had."""
    for metric in metrics:
        if metric in found.whole.latencies:
            continue
        there = (await trend(store, found.check, window, step=found.step, metrics=None)).whole.latencies
        if there:
            names = sorted(there, key=lambda one: (one != "total", one))
            raise ValueError(f"no run of {found.check} has {metric}; runs of {found.check} have {', '.join(names)}")
        if metric not in METRICS or "." in metric:
            raise ValueError(f"{metric} is no latency; name total, a phase as in connect or ttfb, or all")


def _point_rows(name: str, point: Row) -> list[Row]:
    """A row for each metric of a point; one without figures where no run was good."""
    base = {"of": name, "at": point["at"], "step": point["step"], **point["runs"]}
    latencies: Mapping[str, Row] = point["latencies"] or {"": {}}
    empty = dict.fromkeys(("count", "mean", "least", "most", "p50", "p90", "p95", "p99"), "")
    return [{**base, "metric": metric, **empty, **stats} for metric, stats in latencies.items()]


def _point_cells(question: Question, subject: Subject, point: Point, *, several: bool) -> Iterator[Cells]:
    runs = {name: str(getattr(point, name)) for name in ("up", "degraded", "down", "unknown")}
    base = {"at": question.stamp(point.at_ms, subject), **runs}
    names: Mapping[str, Stats | None] = point.latencies or {NOTHING: None}
    for metric, stats in names.items():
        yield {**base, **({"metric": metric} if several else {}), **_latencies(stats)}


def _latencies(stats: Stats | None) -> Cells:
    names = {"p50": "p50", "p95": "p95", "p99": "p99", "max": "most", "mean": "mean"}
    return {shown: length(getattr(stats, name) if stats is not None else None) for shown, name in names.items()}
