"""Values as columns and back: what a row holds, and what many rows share. Pure.

Reading raises ValueError or msgspec.MsgspecError where a row is not as this version writes it.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, MutableMapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import msgspec

from checks.core.result import Fact, Failure, FailureKind, Result
from exporters.base import Notice
from probe.store.base import Delivery, Kept, Outcome
from thresholds.base import Event, Level, State, Transition, Verdict

Column = str | bytes | int | float | None
Row = tuple[Column, ...]

_MICRO = 1_000_000
_RESTLESS = 16  # changes after which a text goes with each run: an excerpt or a request id, not the issuer

_LEVELS = tuple(Level)

_encoder = msgspec.json.Encoder()
_states = msgspec.json.Decoder(State)
_notices = msgspec.json.Decoder(Notice)
_measured = msgspec.json.Decoder(list[Any])  # numbers, and texts that change; both by construction


@dataclass(frozen=True, slots=True)
class Shape:
    """What the runs of a check have in common: names in the order of the measured values, facts that stay the same."""

    phases: tuple[str, ...]
    measured: tuple[str, ...]
    same: Mapping[str, Fact]


_shapes = msgspec.json.Decoder(Shape)
_NUMBERS = {int, float}  # bool is neither


@dataclass(frozen=True, slots=True)
class Mould:
    """A shape as it is stored, and what it is found by."""

    shape: Shape
    body: str
    digest: bytes


class Splitter:
    """Parts each run into its shape, which repeats, and what it measured.

    Numbers are measured; texts stay the same until one has changed too often to be worth a shape of its own.
    """

    def __init__(self) -> None:
        self._last: dict[str, Mould] = {}  # by check
        self._changes: Counter[tuple[str, str]] = Counter()  # by check and fact
        self._restless: defaultdict[str, set[str]] = defaultdict(set)  # facts by check

    def split(self, result: Result) -> tuple[Mould, str]:
        """The shape of a run, and the JSON of what it measured."""
        values: list[Fact] = [round(seconds * _MICRO) for seconds in result.phases.values()]
        names, same = [], {}
        restless = self._restless.get(result.check, ())
        for name, fact in result.facts.items():
            if type(fact) in _NUMBERS or name in restless:
                names.append(name)
                values.append(fact)
            else:
                same[name] = fact
        return self._mould(result.check, Shape(tuple(result.phases), tuple(names), same)), to_json(values)

    def _mould(self, check: str, shape: Shape) -> Mould:
        last = self._last.get(check)
        if last is not None and last.shape == shape:
            return last
        if last is not None:
            self._compare(check, last.shape.same, shape.same)
        body = to_json(shape)
        mould = self._last[check] = Mould(shape, body, blake2b(body.encode(), digest_size=16).digest())
        return mould

    def _compare(self, check: str, before: Mapping[str, Fact], after: Mapping[str, Fact]) -> None:
        for name in before.keys() & after.keys():
            if before[name] != after[name]:
                self._changes[check, name] += 1
                if self._changes[check, name] > _RESTLESS:
                    self._restless[check].add(name)


def result_row(verdict: Verdict, shape: bytes, measured: str) -> Row:
    result, failure = verdict.result, verdict.result.failure
    message = to_text(failure.message) if failure else None
    reason = to_text(verdict.reason)
    return (
        to_text(result.check),
        result.at_ms,
        result.attempt,
        int(verdict.level),
        int(result.provisional),
        round(result.duration * _MICRO),
        shape,
        measured,
        failure.kind.value if failure else None,
        to_text(failure.phase) if failure else None,
        message,
        None if reason == (message or "") else reason,  # what a failure says is mostly the reason too
    )


def kept(check: str, row: Sequence[Any], shapes: MutableMapping[int, Shape]) -> Kept:
    """The stored run of a row of `results`; a shape is read once for all rows that have it."""
    at_ms, attempt, level, provisional, duration_us, measured, kind, phase, message, reason, shape_id, body = row
    shape = shapes.get(shape_id)
    if shape is None:
        shape = shapes[shape_id] = _shapes.decode(body)
    values = _measured.decode(measured)
    count = len(shape.phases)
    if len(values) != count + len(shape.measured):
        raise ValueError(f"{len(values)} values measured at {at_ms}, {count + len(shape.measured)} names")
    if None in values:  # JSON has no NaN and no infinity
        values = [float("nan") if value is None else value for value in values]
    facts = dict(shape.same)
    facts.update(zip(shape.measured, values[count:], strict=True))
    result = Result(
        check,
        at_ms,
        duration_us / _MICRO,
        dict(zip(shape.phases, [us / _MICRO for us in values[:count]], strict=True)),
        facts,
        Failure(FailureKind(kind), phase, message) if kind is not None else None,
        attempt,
        bool(provisional),
    )
    return Kept(result, _LEVELS[level], (message or "") if reason is None else reason)


def state_row(verdict: Verdict) -> Row:
    return to_text(verdict.result.check), verdict.result.at_ms, to_json(verdict.state)


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
    )


def transition(row: Sequence[Any]) -> Transition:
    check, at_ms, since_ms, before, after, event, incident, incident_since_ms, reason = row
    return Transition(
        check, at_ms, since_ms, Level(before), Level(after), Event(event), incident, incident_since_ms, reason
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
    )


def delivery(row: Sequence[Any]) -> Delivery:
    body, receiver, outcome, attempts, error, at_ms = row
    return Delivery(_notices.decode(body), receiver, Outcome(outcome), attempts, error, at_ms)


def to_text(text: str) -> str:
    """Text that every database takes: a lone surrogate from somebody's header must not stop the store."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def to_json(value: object) -> str:
    try:
        return _encoder.encode(value).decode()
    except UnicodeEncodeError:
        return _encoder.encode(_clean(msgspec.to_builtins(value))).decode()


def _clean(value: object) -> object:
    if isinstance(value, str):
        return to_text(value)
    if isinstance(value, Mapping):
        return {_clean(key): _clean(item) for key, item in value.items()}
    return [_clean(item) for item in value] if isinstance(value, (list, tuple)) else value
