"""Values as columns and back: what a row holds, and what many rows share. Pure.

Reading raises ValueError or msgspec.MsgspecError where a row is not as this version writes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from checks.core.result import Failure, FailureKind, Result
from exporters.base import Notice
from probe.store.base import Announcement, Bucket, Kept
from probe.store.deliveries import Delivery, Outcome
from probe.store.shapes import MICRO, Mould, Shape
from probe.store.texts import to_json, to_text
from thresholds.base import Event, Level, State, Transition, Verdict

Column = str | bytes | int | float | None
Row = tuple[Column, ...]

_LEVELS = tuple(Level)
_NOTHING = (None, None, None, None)  # of a run that is as it should be: no failure, no reason

_states = msgspec.json.Decoder(State)
_notices = msgspec.json.Decoder(Notice)
_shapes = msgspec.json.Decoder(Shape)
_announcements = msgspec.json.Decoder(Announcement)
_kinds = msgspec.json.Decoder(dict[str, int])
_sketches = msgspec.msgpack.Decoder(dict[str, bytes])
_measured = msgspec.json.Decoder(list[Any])  # numbers, and texts that change; both by construction


def result_row(verdict: Verdict, check_id: int, mould: Mould) -> Row:
    result = verdict.result
    why = _why(verdict) if verdict.reason or result.failure is not None else _NOTHING
    return (
        check_id,
        result.at_ms,
        result.attempt,
        int(verdict.level),
        int(result.provisional),
        round(result.duration * MICRO),
        mould.id,
        mould.measured(result),
        *why,
    )


def _why(verdict: Verdict) -> tuple[str | None, ...]:
    """Kind, phase and message of the failure, and the reason: what a failure says is mostly the reason too."""
    failure, reason = verdict.result.failure, to_text(verdict.reason)
    if failure is None:
        return None, None, None, reason
    message = to_text(failure.message)
    return failure.kind.value, to_text(failure.phase), message, None if reason == message else reason


def shape(body: str) -> Shape:
    return _shapes.decode(body)


def kept(check: str, found: Sequence[Sequence[Any]], shapes: Mapping[int, Shape]) -> list[Kept]:
    """The stored runs of rows of `results`. A row whose shape is gone was deleted meanwhile."""
    return [_kept(check, row, shapes[row[10]]) for row in found if row[10] in shapes]


def _kept(check: str, row: Sequence[Any], shape: Shape) -> Kept:
    at_ms, attempt, level, provisional, duration_us, measured, kind, phase, message, reason, _ = row
    values = _measured.decode(measured)
    count = len(shape.phases)
    if len(values) != count + len(shape.measured):
        raise ValueError(f"{len(values)} values measured at {at_ms}, {count + len(shape.measured)} names")
    if None in values:  # JSON has no NaN and no infinity
        values = [float("nan") if value is None else value for value in values]
    phases = {name: us / MICRO for name, us in zip(shape.phases, values, strict=False)}  # facts follow
    facts = dict(shape.same)
    if shape.measured:
        facts.update(zip(shape.measured, values[count:], strict=True))
    failure = Failure(FailureKind(kind), phase, message) if kind is not None else None
    result = Result(check, at_ms, duration_us / MICRO, phases, facts, failure, attempt, bool(provisional))
    return Kept(result, _LEVELS[level], (message or "") if reason is None else reason)


def state_row(verdict: Verdict, check_id: int) -> Row:
    return check_id, verdict.result.at_ms, to_json(verdict.state)


def state(body: str) -> State:
    return _states.decode(body)


def transition_row(transition: Transition) -> Row:
    return (
        to_text(transition.check),
        transition.at_ms,
        transition.since_ms,
        int(transition.before),
        int(transition.after),
        transition.event.value,
        to_text(transition.incident),
        transition.incident_since_ms,
        to_text(transition.reason),
        None if transition.runs is None else int(transition.runs),
        transition.runs_since_ms,
    )


def transition(row: Sequence[Any]) -> Transition:
    check, at_ms, since_ms, before, after, event, incident, incident_since_ms, reason, runs, runs_since_ms = row
    return Transition(
        check,
        at_ms,
        since_ms,
        Level(before),
        Level(after),
        Event(event),
        incident,
        incident_since_ms,
        reason,
        runs=None if runs is None else Level(runs),
        runs_since_ms=runs_since_ms,
    )


def notice_row(notice: Notice) -> Row:
    return to_text(notice.id), to_text(notice.incident), notice.at_ms, notice.ended_ms, to_json(notice)


def delivery_row(delivery: Delivery) -> Row:
    return (
        to_text(delivery.notice.id),
        to_text(delivery.receiver),
        delivery.outcome.value,
        delivery.attempts,
        to_text(delivery.error),
        delivery.at_ms,
        to_json(delivery.notice),
        to_text(delivery.reference),
    )


def delivery(row: Sequence[Any]) -> Delivery:
    body, receiver, outcome, attempts, error, at_ms, reference = row
    return Delivery(_notices.decode(body), receiver, Outcome(outcome), attempts, error, at_ms, reference)


def bucket_row(check_id: int, bucket: Bucket) -> Row:
    return (
        check_id,
        bucket.step,
        bucket.at_ms,
        bucket.up,
        bucket.degraded,
        bucket.down,
        bucket.unknown,
        to_json(bucket.kinds),
        msgspec.msgpack.encode(bucket.sketches),
    )


def bucket(row: Sequence[Any]) -> Bucket:
    at_ms, step, up, degraded, down, unknown, kinds, sketches = row
    return Bucket(at_ms, step, up, degraded, down, unknown, _kinds.decode(kinds), _sketches.decode(sketches))


def late_row(step: int, at_ms: int, check_id: int) -> Row:
    return step, at_ms, check_id, 1


def announcement_row(announcement: Announcement) -> Row:
    kept = announcement
    return to_text(kept.id), kept.kind.value, kept.began_ms, kept.ended_ms, to_json(kept)


def announcement(body: str) -> Announcement:
    return _announcements.decode(body)
