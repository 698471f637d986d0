"""One file, one Probe: what it may be, who may have it, and what is said when it cannot be used."""

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from probe.store.base import Store, StoreError
from probe.store.sqlite import APPLICATION, SqliteDriver, file_of, open_store
from tests.store.samples import runs

HOLD = """
import asyncio, sys
from probe.store.sqlite import open_store

async def hold():
    await open_store(sys.argv[1])
    print("open", flush=True)
    await asyncio.sleep(60)

asyncio.run(hold())
"""


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:/var/lib/probe/probe.db", "/var/lib/probe/probe.db"),
        ("sqlite:///var/lib/probe.db", "/var/lib/probe.db"),
        ("sqlite:probe.db", str(Path.cwd() / "probe.db")),
        ("sqlite:/with space/100%?.db", "/with space/100%?.db"),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    assert str(file_of(url)) == path


@pytest.mark.parametrize("url", ["", "sqlite:", "postgresql://db/probe", "/var/lib/probe.db", "sqlite::memory:"])
def test_what_is_no_file_is_refused_with_an_example(url: str) -> None:
    with pytest.raises(StoreError, match=r"write sqlite:/path/to/probe\.db"):
        file_of(url)


async def _refused(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        await (await open_store(f"sqlite:{path}")).close()  # a store left open would keep the test run from ending
    line = str(caught.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    return line


def _another_program(path: Path) -> None:
    with sqlite3.connect(path) as connection:
        connection.execute("CREATE TABLE customers (name TEXT)")
    connection.close()


async def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    assert f"mkdir -p {tmp_path}/no/such" in await _refused(tmp_path / "no/such/probe.db")
    assert not (tmp_path / "no").exists()


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    assert "this is a folder" in await _refused(tmp_path)


async def test_a_text_file_is_left_alone(path: Path) -> None:
    path.write_text("checks:\n  shop/home:\n" * 100)
    assert "no SQLite database" in await _refused(path)
    assert path.read_text().startswith("checks:")


async def test_the_database_of_another_program_is_left_alone(path: Path) -> None:
    _another_program(path)
    before = path.read_bytes()
    assert "another program" in await _refused(path)
    assert path.read_bytes() == before
    assert not path.with_name("probe.db-wal").exists()


async def test_a_damaged_database_is_named_with_the_way_out(path: Path) -> None:
    store = await open_store(f"sqlite:{path}")
    await store.append(runs(count=3000))
    await store.close()
    with path.open("r+b") as file:
        file.seek(4096)
        file.write(b"\xff" * (path.stat().st_size - 4096))
    driver = SqliteDriver(path)
    with pytest.raises(StoreError, match=r"probe\.db: the database is damaged .*sqlite3 .*probe\.db \.recover"):
        try:
            await driver.open()
            await driver.read("SELECT count(*) FROM results")
        finally:
            await driver.close()


async def test_an_empty_file_becomes_a_database(path: Path) -> None:
    path.touch()
    store = await open_store(f"sqlite:{path}")
    await store.close()
    assert path.stat().st_size > 0


async def test_odd_names_are_names(tmp_path: Path) -> None:
    path = tmp_path / "größe 100%?#&mode=ro.db"
    store = await open_store(f"sqlite:{path}")
    await store.append(runs(count=1))
    await store.close()
    assert path.exists()


async def test_the_file_is_set_up_to_last(path: Path, store: Store) -> None:
    await store.append(runs(count=1))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as reader:
        found = {
            name: reader.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("journal_mode", "auto_vacuum", "application_id")
        }
    reader.close()
    assert found == {"journal_mode": "wal", "auto_vacuum": 2, "application_id": APPLICATION}


async def test_the_writer_syncs_and_the_reader_cannot_write(path: Path) -> None:
    driver = SqliteDriver(path)
    await driver.open()
    try:
        assert driver._writer is not None
        assert list(await driver._writer.execute_fetchall("PRAGMA synchronous")) == [(2,)]
        assert list(await driver._writer.execute_fetchall("PRAGMA mmap_size")) == [(0,)]
        with pytest.raises(StoreError, match="cannot be written"):
            await driver.read("DELETE FROM results")
    finally:
        await driver.close()


async def test_a_second_probe_is_refused_and_told_who_has_it(path: Path, store: Store) -> None:
    assert f"(process {os.getpid()})" in await _refused(path)
    await store.append(runs(count=1))
    await store.close()
    again = await open_store(f"sqlite:{path}")
    await again.close()


async def test_a_killed_probe_leaves_no_lock(path: Path) -> None:
    holder = await asyncio.create_subprocess_exec(
        sys.executable, "-c", HOLD, f"sqlite:{path}", stdout=asyncio.subprocess.PIPE
    )
    try:
        assert holder.stdout is not None
        assert await holder.stdout.readline() == b"open\n"
        assert f"(process {holder.pid})" in await _refused(path)
    finally:
        holder.send_signal(signal.SIGKILL)
        await holder.wait()
    store = await open_store(f"sqlite:{path}")
    await store.close()


async def test_other_programs_may_read_and_copy_while_it_runs(path: Path, store: Store, tmp_path: Path) -> None:
    await store.append(runs(count=50))
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as reader:
        assert reader.execute("SELECT count(*) FROM runs").fetchone() == (50,)
        await store.append(runs(count=60))  # the reader's transaction holds nothing up
        reader.execute("VACUUM INTO ?", (str(tmp_path / "copy.db"),))
    reader.close()
    copy = await open_store(f"sqlite:{tmp_path / 'copy.db'}")
    try:
        assert len(await copy.results("shop/home", 0, 2**53, 100)) == 60
        await copy.append(runs("b", 1))
    finally:
        await copy.close()


async def test_a_closed_store_says_so(store: Store) -> None:
    await store.close()
    for use in (store.append(runs(count=1)), store.states(), store.prune(0, 1), store.size()):
        with pytest.raises(StoreError, match="closed"):
            await use
    await store.close()
