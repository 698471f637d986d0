"""A database read beside whoever uses it."""

import contextlib
import sqlite3
from collections.abc import Collection
from dataclasses import replace
from pathlib import Path

import pytest

from checks.core.result import Result
from probe.store.base import Announcement, Entry, Kind, Store, StoreError
from probe.store.migrate import MIGRATIONS
from probe.store.reader import Reader, Stored
from probe.store.sqlite import SqliteDriver
from tests.store.samples import AT_MS, result, verdict
from thresholds.base import Level, Verdict
from thresholds.measured import LAG

NAME = "shop/home"


async def filled(store: Store, count: int = 10) -> None:
    await store.append([Entry(verdict(NAME, AT_MS + place * 1000)) for place in range(count)])


async def test_runs_are_read_beside_the_service_that_writes(store: Store, path: Path) -> None:
    await filled(store)
    with Reader(path) as reader:
        assert reader.kept(NAME) == (AT_MS, AT_MS + 9000)
        await filled(store, 12)  # the writer is not kept waiting, and what it wrote is seen
        assert reader.kept(NAME) == (AT_MS, AT_MS + 11_000)
        assert reader.kept("shop/nowhere") is None
        assert reader.checks() == [NAME]


async def test_the_log_can_be_emptied_while_runs_are_read(store: Store, path: Path) -> None:
    await filled(store)
    with Reader(path) as reader, contextlib.closing(sqlite3.connect(path)) as other:
        pages = reader.runs(NAME, 0)
        next(pages)
        (blocked, *_) = other.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        assert not blocked


async def test_a_reader_can_write_nothing(store: Store, path: Path) -> None:
    await filled(store)
    with Reader(path) as reader, pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader._connection.execute("DELETE FROM results")


async def test_runs_are_those_that_were_stored(store: Store, path: Path) -> None:
    good, failed = result(NAME, AT_MS), result(NAME, AT_MS + 1000, good=False)
    await store.append([Entry(Verdict(good, Level.UP, "")), Entry(Verdict(failed, Level.DOWN, "refused"))])
    names = {*good.phases, "tls.days_left", "http.status"}
    with Reader(path) as reader:
        ((first, second),) = reader.runs(NAME, 0, metrics=names)
        assert (first.at_ms, first.duration, first.attempt, first.failure) == (good.at_ms, good.duration, 1, None)
        assert first.phases == good.phases
        assert first.facts == {"tls.days_left": 41.257, "http.status": 200}
        assert second.failure == failed.failure
        ((bare, _),) = reader.runs(NAME, 0)
        assert (bare.phases, bare.facts) == ({}, {})


def narrowed(run: Result, metrics: Collection[str]) -> Stored:
    """What is to be read of a run: how our own loop lagged, whether it was asked for or not."""
    phases = {name: length for name, length in run.phases.items() if name in metrics}
    facts = {name: value for name, value in run.facts.items() if name in {*metrics, LAG}}
    return Stored(run.check, run.at_ms, run.duration, phases, facts, run.failure, run.attempt, run.provisional)


@pytest.mark.parametrize(
    "metrics",
    [
        (),
        ("ttfb",),
        ("http.bytes",),
        ("ttfb", "tls.version", "tls.days_left", "tls.resumed"),
        ("dns", LAG),
        ("tls.version",),
        ("no",),
    ],
)
async def test_of_each_run_as_much_is_read_as_was_asked_for(store: Store, path: Path, metrics: tuple[str, ...]) -> None:
    good, failed = result(NAME, AT_MS), result(NAME, AT_MS + 1000, good=False)
    runs = [
        good,
        replace(failed, provisional=True),
        replace(failed, attempt=2),  # begun in the same millisecond
        replace(good, at_ms=AT_MS + 2000, facts={**good.facts, LAG: 0.3}),
        replace(good, at_ms=AT_MS + 3000, phases={}, facts={LAG: 0.25}, duration=1.234567),
        replace(good, at_ms=AT_MS + 4000, phases={}, facts={}),
    ]
    await store.append([Entry(Verdict(run, Level.UP, "")) for run in runs])
    with Reader(path) as reader:
        (found,) = reader.runs(NAME, 0, metrics=metrics)
    assert found == [narrowed(run, metrics) for run in runs]


async def test_a_window_of_runs_is_half_open_and_goes_over_pages(store: Store, path: Path) -> None:
    await store.append([Entry(verdict(NAME, AT_MS + place * 1000)) for place in range(5000)])
    with Reader(path) as reader:
        pages = list(reader.runs(NAME, AT_MS + 1000, AT_MS + 4999_000))
        assert len(pages) == 2
        found = [one.at_ms for page in pages for one in page]
        assert found == list(range(AT_MS + 1000, AT_MS + 4999_000, 1000))


async def test_an_incident_that_was_open_is_found(store: Store, path: Path) -> None:
    await store.append(
        [
            Entry(verdict(NAME, AT_MS, Level.DOWN, moved_from=Level.UP)),
            Entry(verdict(NAME, AT_MS + 60_000, Level.UP, moved_from=Level.DOWN)),
        ]
    )
    with Reader(path) as reader:
        assert reader.open_at(NAME, AT_MS) is None
        opened = reader.open_at(NAME, AT_MS + 50_000)
        assert opened is not None
        assert opened.after is Level.DOWN
        assert reader.open_at(NAME, AT_MS + 70_000) is None
        assert [move.after for move in reader.transitions(NAME, AT_MS, AT_MS + 61_000)] == [Level.DOWN, Level.UP]


async def test_what_people_announced_is_read(store: Store, path: Path) -> None:
    said = Announcement("m1", Kind.MAINTENANCE, AT_MS, AT_MS + 1000, ("shop/*",), reason="new disks", author="ana")
    await store.announce(said)
    with Reader(path) as reader:
        assert reader.announcements() == [said]
        assert reader.announcements(AT_MS + 1000) == []


def test_a_file_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="there is no database; give the one of a service with --store"):
        Reader.at(f"sqlite:{tmp_path}/nowhere.db")
    assert list(tmp_path.iterdir()) == []


async def test_an_older_database_is_refused_and_left_as_it_is(tmp_path: Path) -> None:
    older = tmp_path / "migrations"
    older.mkdir()
    first = min(MIGRATIONS.glob("*.sql"))
    (older / first.name).write_text(first.read_text(encoding="utf-8"), encoding="utf-8")
    driver = SqliteDriver(tmp_path / "old.db", migrations=older)
    await driver.open()
    await driver.close()
    before = (tmp_path / "old.db").read_bytes()
    with pytest.raises(StoreError, match=r"old\.db: an older Probe made this database \(schema 1, wanted \d+\)"):
        Reader(tmp_path / "old.db")
    assert (tmp_path / "old.db").read_bytes() == before


def test_databases_of_others_are_refused(tmp_path: Path) -> None:
    with contextlib.closing(sqlite3.connect(tmp_path / "other.db")) as other:
        other.execute("CREATE TABLE notes (text)")
    with pytest.raises(StoreError, match="another program"):
        Reader(tmp_path / "other.db")
    (tmp_path / "text.db").write_text("no database, " * 100, encoding="utf-8")
    with pytest.raises(StoreError, match="no SQLite database"):
        Reader(tmp_path / "text.db")


async def test_a_newer_database_is_refused(store: Store, path: Path) -> None:
    await store.close()
    with contextlib.closing(sqlite3.connect(path)) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(StoreError, match=r"a newer Probe made this database \(schema 99"):
        Reader(path)
