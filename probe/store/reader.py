"""A database read beside the Probe that uses it: read-only, without its lock, never for long at a time. For replays.

No transaction outlives a page of rows: one that stays open would keep the service's log from being emptied. Of each run
only the numbers are decoded that judging asks for.
"""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from checks.core.result import Fact, Failure, FailureKind
from probe.store import rows
from probe.store.base import Announcement, Bucket, StoreError
from probe.store.faults import explain
from probe.store.migrate import load
from probe.store.shapes import MICRO, Shape
from probe.store.sqlite import APPLICATION, file_of
from probe.store.statements import SQL
from probe.store.texts import to_text
from probe.store.writer import numbered
from thresholds.base import Event, Transition
from thresholds.measured import LAG
from thresholds.spans import Span

_PAGE = 4096  # runs read at a time: some ms
_PATIENCE = 5.0  # s that a lock of another program is waited for
_MOST = 1_000_000  # transitions of one check
_LOOK_BACK = 64  # transitions in which the last one is looked for that people were told of
_FAILURES = 10_000  # of one check that are kept as values
_FOREVER = 1 << 53
_NOTHING: Mapping[str, Any] = {}
_FIRST = "SELECT min(at_ms), max(at_ms) FROM results WHERE check_id = (SELECT id FROM checks WHERE name = $1)"
_CHECKS = "SELECT name FROM checks ORDER BY name"
# As the statement `runs`, without what judging again does not ask for: each column is a tenth of what a row costs.
_RUNS = """
SELECT at_ms, attempt, shape_id, duration_us, provisional, kind, phase, message, measured
FROM results
WHERE check_id = (SELECT id FROM checks WHERE name = $1) AND (at_ms, attempt) > ($2, $3) AND at_ms < $4
ORDER BY at_ms, attempt
LIMIT $5
"""

_measured = msgspec.json.Decoder(list[Any])


class Stored(msgspec.Struct, frozen=True, gc=False):
    """A run, as far as it is read again. No Result: making those took a quarter of a replay."""

    check: str
    at_ms: int
    duration: float
    phases: Mapping[str, float]
    facts: Mapping[str, Fact]
    failure: Failure | None
    attempt: int
    provisional: bool


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Where in a run's measured values the numbers are that somebody asked for."""

    phases: tuple[tuple[str, int], ...]
    facts: tuple[tuple[str, int], ...]
    same: Mapping[str, Any]  # facts that are the same in all runs of a shape
    none: bool = False  # of the measured ones


def _wanted(shape: Shape, metrics: Collection[str]) -> _Wanted:
    asked = {*metrics, LAG}
    count = len(shape.phases)
    phases = tuple((name, place) for place, name in enumerate(shape.phases) if name in asked)
    facts = tuple((name, count + place) for place, name in enumerate(shape.measured) if name in asked)
    same = {name: value for name, value in shape.same.items() if name in asked}
    return _Wanted(phases, facts, same, none=not (phases or facts))


class Reader:
    """What replays ask of a store. Every method may raise StoreError. Instants are Unix ms; windows are half-open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection = self._open()
        self._shapes: dict[int, Shape] = {}

    @classmethod
    def at(cls, url: str) -> Self:
        """The store at `sqlite:/path/to/probe.db`."""
        return cls(file_of(url))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def _open(self) -> sqlite3.Connection:
        if not self.path.is_file():
            raise StoreError(f"{self.path}: there is no database; give the one of a service with --store sqlite:PATH")
        uri = f"{self.path.as_uri()}?mode=ro"
        try:
            connection = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=_PATIENCE)
        except sqlite3.Error as error:
            raise explain(self.path, error) from error
        try:
            self._recognise(connection)
        except BaseException as error:
            connection.close()
            if isinstance(error, sqlite3.Error):
                raise explain(self.path, error) from error
            raise
        return connection

    def _recognise(self, connection: sqlite3.Connection) -> None:
        ((application,),) = connection.execute("PRAGMA application_id")
        ((version,),) = connection.execute("PRAGMA user_version")
        known = len(load())
        if application != APPLICATION:
            raise StoreError(f"{self.path}: this is a database of another program; give that of a service")
        if version < known:
            raise StoreError(
                f"{self.path}: an older Probe made this database (schema {version}, wanted {known}), and it is not "
                "changed by reading; start the service on it once with this version, or on a copy of it"
            )
        if version > known:
            raise StoreError(
                f"{self.path}: a newer Probe made this database (schema {version}, known here: {known}); "
                "read it with that version"
            )

    def _read(self, statement: str, values: rows.Row = ()) -> list[Any]:
        try:
            return self._connection.execute(numbered(statement), values).fetchall()
        except sqlite3.Error as error:
            raise explain(self.path, error) from error

    def checks(self) -> Sequence[str]:
        """All checks that ever ran."""
        return [name for (name,) in self._read(_CHECKS)]

    def kept(self, check: str) -> Span | None:
        """When the first and the last stored run of a check began; None without any."""
        ((first, last),) = self._read(_FIRST, (to_text(check),))
        return None if first is None else (int(first), int(last))

    def latencies(self) -> list[str]:
        """What the runs that were read so far took the time of: `total` first, then phases."""
        phases = {name for shape in self._shapes.values() for name in shape.phases}
        return ["total", *sorted(phases - {"total"})]

    def runs(
        self, check: str, since_ms: int, until_ms: int = _FOREVER, metrics: Collection[str] = ()
    ) -> Iterator[list[Stored]]:
        """The runs of a check in a window, oldest first, some thousand at a time.

        Of phases and facts they have only what `metrics` names, and how our own loop lagged.
        """
        after = since_ms, -1
        name = to_text(check)
        wanted: dict[int, _Wanted] = {}
        failures: dict[tuple[str, str, str], Failure] = {}
        while found := self._read(_RUNS, (name, *after, until_ms, _PAGE)):
            after = found[-1][0], found[-1][1]
            self._learn({row[2] for row in found} - wanted.keys(), wanted, metrics)
            with self._legible():
                page = list(_stored(check, found, wanted, failures))
            if len(failures) > _FAILURES:
                failures.clear()
            yield page
            if len(found) < _PAGE:
                return

    def _learn(self, ids: Collection[int], wanted: dict[int, _Wanted], metrics: Collection[str]) -> None:
        """Read shapes that are not known yet. One that is gone was deleted meanwhile, with its runs."""
        unknown = sorted(one for one in ids if one not in self._shapes)
        for start in range(0, len(unknown), 16):
            some = unknown[start : start + 16]
            found = self._read(SQL["shapes"], (*some, *[some[0]] * (16 - len(some))))
            with self._legible():
                self._shapes.update((number, rows.shape(body)) for number, body in found)
        wanted.update((one, _wanted(self._shapes[one], metrics)) for one in ids if one in self._shapes)

    def transitions(self, check: str, since_ms: int, until_ms: int = _FOREVER) -> Sequence[Transition]:
        """The transitions of a check in a window, in the order in which they were decided."""
        found = self._read(SQL["transitions_of_check"], (to_text(check), since_ms, until_ms, _MOST))
        with self._legible():
            return [rows.transition(row) for row in reversed(found)]

    def open_at(self, check: str, at_ms: int) -> Transition | None:
        """The last transition before an instant of an incident that was open then; None where there was none."""
        found = self._read(SQL["transitions_of_check"], (to_text(check), 0, at_ms, _LOOK_BACK))
        with self._legible():
            for row in found:
                move = rows.transition(row)
                if move.event is not Event.QUIET:
                    return None if move.event is Event.RESOLVED else move
        return None

    def buckets(self, check: str, step: int, since_ms: int, until_ms: int) -> Sequence[Bucket]:
        """What runs came to, of buckets that begin in a window."""
        found = self._read(SQL["rollups"], (to_text(check), step, since_ms, until_ms))
        with self._legible():
            return [rows.bucket(row) for row in found]

    def announcements(self, since_ms: int = 0) -> Sequence[Announcement]:
        """What people announced that had not ended before an instant."""
        found = self._read(SQL["announcements"], (since_ms,))
        with self._legible():
            return [rows.announcement(body) for (body,) in found]

    @contextlib.contextmanager
    def _legible(self) -> Iterator[None]:
        try:
            yield
        except (msgspec.MsgspecError, ValueError, IndexError) as error:
            raise StoreError(f"{self.path}: it holds a row that this version cannot read: {error}") from error


def _stored(
    check: str,
    found: Sequence[Sequence[Any]],
    wanted: Mapping[int, _Wanted],
    failures: dict[tuple[str, str, str], Failure],
) -> Iterator[Stored]:
    """`failures` are those seen so far: most runs fail as the one before, and to make each anew took half of a read."""
    for at_ms, attempt, shape, duration_us, provisional, kind, phase, message, measured in found:
        if (ask := wanted.get(shape)) is None:
            continue
        phases, facts = (_NOTHING, ask.same) if ask.none else _values(ask, _measured.decode(measured))
        failure = None if kind is None else failures.get((kind, phase, message))
        if failure is None and kind is not None:
            failure = failures[kind, phase, message] = Failure(FailureKind(kind), phase, message)
        yield Stored(check, at_ms, duration_us / MICRO, phases, facts, failure, attempt, provisional == 1)


def _values(wanted: _Wanted, values: Sequence[Any]) -> tuple[Mapping[str, float], Mapping[str, Fact]]:
    phases = {name: values[place] / MICRO for name, place in wanted.phases}
    if not wanted.facts:
        return phases, wanted.same
    return phases, {**wanted.same, **{name: _number(values[place]) for name, place in wanted.facts}}


def _number(value: Any) -> Any:
    return float("nan") if value is None else value  # JSON has no NaN
