"""One answer for each thing that `probe query` can be asked: as JSON as the API has it, as rows, and as a table."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from probe.cli.query_asked import Question, known
from probe.cli.query_series import series
from probe.cli.query_table import NOTHING, Found, Row, length, percent, spent, stamp
from probe.engine.records import Subject
from probe.web import reckon
from thresholds.calendar import Unit, calendar_spans
from thresholds.spans import Span

_SURE = "With less than 95 % of the time known there is no availability to quote, only what it is at worst and at best."
_SPENT = ("down", "degraded", "planned", "paused", "unknown")


async def _availability(question: Question) -> Found:
    values, rows, cells = [], [], []
    for subject, window in question.subjects():
        found = question.records.availability(subject, window)
        runs = await question.records.occurrences(question.store, subject, window)
        shaped, counts = reckon.availability(found), reckon.runs(runs)
        spans = {"of": subject.name, **reckon.span(window)}
        values.append({**spans, "availability": shaped, "runs": counts})
        shares = {name: share for name, share in shaped.items() if name != "seconds"}
        seconds = {f"{name}_seconds": amount for name, amount in shaped["seconds"].items()}
        rows.append({**spans, **shares, **seconds, **{f"runs_{name}": count for name, count in counts.items()}})
        sure = found.headline is not None
        cells.append(
            {
                **question.named(subject),
                "avail.": percent(found.headline),
                "at worst": percent(found.least),
                "at best": percent(found.most),
                "known": percent(found.coverage, 2),
                "with planned": percent(found.including_planned) if sure and found.planned else NOTHING,
                "by runs": percent(runs.ratio),
                **{name: spent(getattr(found, name)) for name in _SPENT},
                "transient": str(runs.transient),
            }
        )
    spare = ("paused", "planned", "unknown", "degraded", "with planned", "transient", "by runs")
    note = _SURE if any(row["headline"] is None for row in rows) else ""
    return Found(values, rows, cells, question.title("Availability"), note, spare)


async def _outages(question: Question) -> Found:
    values, rows, cells = [], [], []
    for subject, window in question.subjects():
        for one in question.records.outages(subject, window):
            values.append({"of": subject.name, **reckon.outage(one)})
            rows.append(values[-1])
            times = {"lasted": spent(one.bad), "counted": spent(one.lost)}
            began, ended = question.stamp(one.first_bad_ms, subject), question.stamp(one.first_good_ms, subject)
            ended = "still open" if one.open else ended
            cells.append({**question.named(subject), "began": began, "ended": ended, **times, "reason": one.reason})
    return Found(values, rows, cells, question.title("Outages"))


async def _measures(question: Question) -> Found:
    values, rows, cells = [], [], []
    for subject, window in question.subjects():
        shaped = reckon.reliability(question.records.reliability(subject, window))
        spans = {"of": subject.name, **reckon.span(window)}
        values.append({**spans, **shaped, "reasons": _causes(question, subject, window)})
        values[-1]["flow"] = _flows(question, subject, window)
        for one in shaped["measures"]:
            rows.append({**spans, "measure": one["name"], **{name: one[name] for name in one if name != "name"}})
            times = {name: length(one[name]) for name in ("mean", "median", "p90")}
            counts = {"n": str(one["n"]), **times, "apart": str(one["apart"])}
            cells.append({**question.named(subject), "measure": one["name"], **counts})
    note = "n: failures that a mean is of; apart: those it cannot be of. Definitions: --format json, docs/slo.md."
    return Found(values, rows, cells, question.title("Mean times"), note)


def _causes(question: Question, subject: Subject, window: Span) -> list[dict[str, Any]]:
    return [reckon.cause(one) for one in question.records.reasons(subject, window)]


def _flows(question: Question, subject: Subject, window: Span) -> list[dict[str, Any]]:
    days = calendar_spans(Unit.DAY, subject.zone, window)
    return [reckon.flow(one) for one in question.records.flow(subject, days)]


async def _reasons(question: Question) -> Found:
    values, rows, cells = [], [], []
    for subject, window in question.subjects():
        values.append({"of": subject.name, **reckon.span(window), "reasons": _causes(question, subject, window)})
        rows += [{"of": subject.name, **one} for one in values[-1]["reasons"]]
        for one in question.records.reasons(subject, window):
            first, last = question.stamp(one.first_ms, subject), question.stamp(one.last_ms, subject)
            times = {"n": str(one.count), "cost": spent(one.minutes * 60), "first": first, "last": last}
            cells.append({**question.named(subject), **times, "reason": one.example})
    return Found(values, rows, cells, question.title("Reasons"), "", ("first",))


async def _flow(question: Question) -> Found:
    values, rows, cells = [], [], []
    for subject, window in question.subjects():
        values.append({"of": subject.name, **reckon.span(window), "flow": _flows(question, subject, window)})
        rows += [{"of": subject.name, **one} for one in values[-1]["flow"]]
        for one in question.records.flow(subject, calendar_spans(Unit.DAY, subject.zone, window)):
            counts = {name: getattr(one, name) for name in ("opened", "resolved", "open")}
            if any(counts.values()):
                day = stamp(one.start_ms, subject.zone, question.now_ms, "%m-%d")
                shown = {name: str(count) for name, count in counts.items()}
                cells.append({**question.named(subject), "day": day, **shown})
    note = "open: at the end of the day. Days of which there is nothing to say are left out."
    return Found(values, rows, cells, question.title("Flow by day"), note)


async def _objectives(question: Question) -> Found:
    asked, values, rows, cells = question.asked, [], [], []
    if asked.name:
        known(question.config, asked.name)
    for account in await question.records.accounts(question.store):
        promise, standing = account.promise, account.standing
        if asked.name and promise.subject != asked.name:
            continue
        shaped = reckon.objective(promise.subject, standing, account.burns)
        values.append(shaped)
        severity = account.alert.rule.severity.value if account.alert is not None else ""
        rows.append(_objective_row(shaped, covered=standing.covered, alert=severity))
        cells.append(
            {
                "of": promise.subject,
                "objective": str(promise.objective),
                "so far": percent(standing.ratio if standing.covered else None),
                "known": percent(standing.coverage, 2),
                "budget": str(standing),
                "burn": f"{standing.burn:.3g} x",
                "gone in": "gone" if standing.exhausted else length(standing.gone_in),
                "alert": severity,
            }
        )
    if not rows:
        raise ValueError(f"{asked.name} has no slo" if asked.name else "no service and no check has an slo")
    unsure = any(row["headline"] is None for row in rows)
    note = "With less than 95 % of the time known there is no figure to quote as `so far`." if unsure else ""
    return Found(
        values, rows, cells, f"Objectives of {asked.name or 'services and checks'}", note, ("alert", "gone in")
    )


def _objective_row(shaped: Row, *, covered: bool, alert: str) -> Row:
    flat = {name: value for name, value in shaped.items() if name not in {"period", "alerts"}}
    headline = shaped["ratio"] if covered else None
    return {"of": flat.pop("subject"), **flat, **shaped["period"], "headline": headline, "alert": alert}


Answer = Callable[[Question], Awaitable[Found]]
ANSWERS: Mapping[str, Answer] = {
    "availability": _availability,
    "outages": _outages,
    "measures": _measures,
    "reasons": _reasons,
    "flow": _flow,
    "objectives": _objectives,
    "series": series,
}
