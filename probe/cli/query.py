"""`probe query`: what was, from the database itself. The service may run meanwhile, or not at all."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from checks.core.units import format_duration, parse_duration
from probe.clock import SystemClock
from probe.config.model import Config
from probe.engine.records import Records, Subject
from probe.engine.trend import trend
from probe.store.base import Store
from probe.store.onlooker import look_into
from probe.web import reckon
from thresholds.calendar import Unit, calendar_span, calendar_spans, parse_instant, previous_span
from thresholds.spans import Span

Row = Mapping[str, Any]

_PAST = "last-"
_MONTH = 30 * 86_400_000  # ms


@dataclass(frozen=True, slots=True)
class Asked:
    """What somebody wants to know."""

    what: str
    name: str  # of a service or a check; "": of all services, or of all checks where there are none
    since: str
    until: str
    step: str
    metrics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """An answer: all of it as JSON, and its rows as a table."""

    value: Any
    rows: Sequence[Row]
    title: str = ""
    note: str = ""


async def find(config: Config, store: Store, asked: Asked) -> Found:
    """The answer; ValueError with one line where the question makes no sense. Raises StoreError."""
    now_ms = SystemClock().now_ms()
    window = span_of(asked.since, asked.until, now_ms, "UTC")
    records = await Records.read(config, store, SystemClock(), min(window[0], now_ms - 400 * 86_400_000))
    answer: Answer = _WHAT[asked.what]
    return await answer(config, store, records, asked, now_ms)


async def ask(config: Config, store_url: str, asked: Asked) -> Found:
    """The answer from the database at a URL. Raises StoreError, and ValueError."""
    store = await look_into(store_url)
    try:
        return await find(config, store, asked)
    finally:
        await store.close()


def span_of(since: str, until: str, now_ms: int, zone: str) -> Span:
    """`30d`, `month`, `last-week`, or an instant, as a span that ends now or at `until`."""
    unit = since.removeprefix(_PAST)
    if unit in set(Unit):
        start, end = (previous_span if since.startswith(_PAST) else calendar_span)(unit, zone, now_ms)
        return start, min(end, now_ms)
    start = _instant("--since", since, now_ms, zone)
    end = _instant("--until", until, now_ms, zone) if until else now_ms
    if start >= end:
        raise ValueError("--until must lie after --since")
    return start, min(end, now_ms)


def _instant(option: str, text: str, now_ms: int, zone: str) -> int:
    try:
        return now_ms - round(parse_duration(text) * 1000)
    except ValueError:
        pass
    try:
        return parse_instant(text, zone)
    except ValueError:
        units = ", ".join(f"{unit}, {_PAST}{unit}" for unit in ("week", "month"))
        raise ValueError(
            f"{option} {text!r} is no time; write a length of time ago (30d), an instant (2026-11-01T08:00), or {units}"
        ) from None


async def _availability(_config: Config, _store: Store, records: Records, asked: Asked, now_ms: int) -> Found:
    rows, values = [], []
    for subject in _subjects(records, asked.name):
        window = span_of(asked.since, asked.until, now_ms, subject.zone)
        found = records.availability(subject, window)
        values.append({"of": subject.name, **reckon.span(window), "availability": reckon.availability(found)})
        bounds = f"{_percent(found.least)} to {_percent(found.most)}"
        row = {"of": subject.name, "availability": _percent(found.ratio), "known": _percent(found.coverage)}
        row |= {"bounds": bounds, "with planned": _percent(found.including_planned)}
        parts = ("down", "degraded", "planned", "paused", "unknown")
        rows.append(row | {name: _spent(getattr(found, name)) for name in parts})
    return Found(values, rows, f"Availability, {asked.since}", _COVERAGE)


_COVERAGE = "Of the time that is known. With less than 95 % of it known, quote the bounds and not the ratio."


async def _outages(_config: Config, _store: Store, records: Records, asked: Asked, now_ms: int) -> Found:
    rows, values = [], []
    for subject in _subjects(records, asked.name):
        window = span_of(asked.since, asked.until, now_ms, subject.zone)
        for one in records.outages(subject, window):
            shaped = {"of": subject.name, **reckon.outage(one)}
            values.append(shaped)
            rows.append(
                {
                    "of": subject.name,
                    "first bad": shaped["first_bad"],
                    "first good": shaped["first_good"] or "(open)",
                    "lasted": _spent(one.bad),
                    "counted": _spent(one.lost),
                    "worst": shaped["worst"],
                    "reason": one.reason,
                }
            )
    return Found(values, rows, f"Outages, {asked.since}")


async def _measures(_config: Config, _store: Store, records: Records, asked: Asked, now_ms: int) -> Found:
    rows, values = [], []
    for subject in _subjects(records, asked.name):
        window = span_of(asked.since, asked.until, now_ms, subject.zone)
        found = records.reliability(subject, window)
        shaped = reckon.reliability(found)
        days = calendar_spans(Unit.DAY, subject.zone, window)
        causes = [reckon.cause(one) for one in records.reasons(subject, window)]
        flow = [reckon.flow(one) for one in records.flow(subject, days)]
        values.append({"of": subject.name, **reckon.span(window), **shaped, "reasons": causes, "flow": flow})
        for one in shaped["measures"]:
            times = {name: _length(one[name]) for name in ("mean", "median", "p90")}
            rows.append({"of": subject.name, "measure": one["name"], "n": one["n"], **times, "apart": one["apart"]})
    return Found(values, rows, f"Mean times, {asked.since}", "Definitions stand in --format json, and in docs/slo.md.")


async def _objectives(_config: Config, store: Store, records: Records, asked: Asked, _now_ms: int) -> Found:
    rows, values = [], []
    for account in await records.accounts(store):
        promise, standing = account.promise, account.standing
        if asked.name and promise.subject != asked.name:
            continue
        values.append(reckon.objective(promise.subject, standing, account.burns))
        alert = account.alert
        rows.append(
            {
                "of": promise.subject,
                "objective": str(promise.objective),
                "so far": _percent(standing.ratio),
                "coverage": _percent(standing.coverage),
                "budget": str(standing),
                "burn": f"{standing.burn:.3g} x",
                "gone in": _length(standing.gone_in),
                "alert": alert.rule.severity.value if alert is not None else "",
            }
        )
    if not rows:
        raise ValueError(f"{asked.name} has no slo" if asked.name else "no service and no check has an slo")
    return Found(values, rows, "Objectives")


async def _series(_config: Config, store: Store, records: Records, asked: Asked, now_ms: int) -> Found:
    subject = records.subject(asked.name)
    if subject is None or subject.is_service:
        raise ValueError("a series is one check's: probe query series shop/home")
    window = span_of(asked.since, asked.until, now_ms, subject.zone)
    step = round(parse_duration(asked.step)) if asked.step else 0
    metrics = None if "all" in asked.metrics else asked.metrics
    found = await trend(store, subject.name, window, step=step, metrics=metrics)
    value = {
        "of": subject.name,
        **reckon.span(window),
        "step": found.step,
        "points": [reckon.point(one) for one in found.points],
        "whole": reckon.point(found.whole),
    }
    rows = [_point_row(point) for point in value["points"]]
    return Found(value, rows, f"{subject.name}, {asked.since}, in steps of {format_duration(found.step)}")


def _point_row(point: Row) -> Row:
    row = {"at": point["at"], **point["runs"]}
    for metric, stats in point["latencies"].items():
        row |= {f"{metric} {name}": stats[name] for name in ("p50", "p95", "p99", "mean", "most")}
    return row


Answer = Callable[[Config, Store, Records, Asked, int], Awaitable[Found]]
_WHAT: dict[str, Answer] = {
    "availability": _availability,
    "outages": _outages,
    "measures": _measures,
    "objectives": _objectives,
    "series": _series,
}
WHAT = tuple(_WHAT)


def _subjects(records: Records, name: str) -> list[Subject]:
    if name:
        subject = records.subject(name)
        if subject is None:
            raise ValueError(f"there is no service and no check {name}")
        return [subject]
    names = records.config.services or records.config.checks
    return [subject for one in names if (subject := records.subject(one)) is not None and subject.members]


def _percent(share: float | None) -> str:
    """Cut, never rounded up: 99.9996 % is not 100 %."""
    if share is None:
        return "-"
    return "100%" if share >= 1 else f"{int(share * 1_000_000) / 10_000:.4f}%"


def _spent(seconds: float) -> str:
    return format_duration(seconds) if seconds else "-"


def _length(seconds: float | None) -> str:
    return "-" if seconds is None else format_duration(seconds)


def show(found: Found, form: str) -> None:
    """Print an answer as a table, as CSV or as JSON."""
    if form == "json":
        click.echo(json.dumps(found.value, indent=2))
    elif form == "csv":
        click.echo(_csv(found.rows), nl=False)
    else:
        _table(found)


def _columns(rows: Iterable[Row]) -> list[str]:
    return list(dict.fromkeys(name for row in rows for name in row))


def _csv(rows: Sequence[Row]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, _columns(rows), restval="")
    writer.writeheader()
    writer.writerows({name: _safe(value) for name, value in row.items()} for row in rows)
    return text.getvalue()


def _safe(value: object) -> object:
    """A spreadsheet takes a text that begins so for a formula: what servers say must not become one."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t") and value != "-" else value


def _table(found: Found) -> None:
    console = Console()
    if not found.rows:
        console.print("nothing", style="dim")
        return
    table = Table(title=found.title, title_justify="left")
    columns = _columns(found.rows)
    for name in columns:
        numeric = all(isinstance(row.get(name, 0), (int, float)) for row in found.rows)
        table.add_column(name, justify="right" if numeric else "left", overflow="fold")
    for row in found.rows:
        table.add_row(*(_cell(row.get(name, "")) for name in columns))
    console.print(table)
    if found.note:
        console.print(found.note, style="dim")


def _cell(value: object) -> str:
    text = f"{value:g}" if isinstance(value, float) else str(value)
    return text.replace("[", r"\[")
