"""What docs/storage.md tells people to type does what it says."""

import re
import shlex
import shutil
import sqlite3
import subprocess
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from probe.store.base import Entry
from probe.store.deliveries import Delivery, Outcome
from probe.store.sqlite import open_store
from tests.store.samples import alarm, runs, told, verdict
from thresholds.base import Level

PAGE = Path(__file__).parents[2] / "docs/storage.md"


def _commands() -> list[tuple[str, str]]:
    """What the page calls a command, and the command."""
    found: list[tuple[str, str]] = []
    for block in re.findall(r"```sh\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL):
        parts = re.split(r"^# (.*)\n", block, flags=re.MULTILINE)
        found += list(zip(parts[1::2], parts[2::2], strict=True)) if len(parts) > 1 else [("backup", block)]
    return found


COMMANDS = _commands()


@pytest.fixture
async def database(path: Path) -> AsyncIterator[Path]:
    """A database in use: runs of the last minutes, an outage, an alert that was delivered and one that is owed."""
    store = await open_store(f"sqlite:{path}")
    try:
        now_ms = time.time_ns() // 1_000_000
        await store.append(runs(count=100, every_ms=1000, since_ms=now_ms - 200_000))
        fallen = alarm("shop/home", now_ms - 50_000)
        slow = Entry(verdict("shop/cart", now_ms - 40_000, Level.DEGRADED, moved_from=Level.UP))
        await store.append([fallen, slow])
        await store.settle([Delivery(told(fallen), "chat", Outcome.DELIVERED, 2, "", now_ms - 47_000)])
        yield path
    finally:
        await store.close()


def test_the_page_has_its_commands() -> None:
    assert len(COMMANDS) >= 9
    assert all(shlex.split(command)[:3] == ["sqlite3", "-readonly", "probe.db"] for _, command in COMMANDS)


@pytest.mark.parametrize("what", [what for what, _ in COMMANDS])
def test_a_command_of_the_page_answers(database: Path, what: str) -> None:
    statement = shlex.split(dict(COMMANDS)[what])[3].replace("'backup.db'", f"'{database.parent}/backup.db'")
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        found = connection.execute(statement).fetchall()
    finally:
        connection.close()
    if what == "backup":
        copy = sqlite3.connect(database.with_name("backup.db"))
        assert copy.execute("SELECT count(*) FROM results").fetchone() == (102,)
        copy.close()
    else:
        assert found


@pytest.mark.parametrize("what", [what for what, command in COMMANDS if "name = " in command])
def test_what_names_its_check_reads_that_check_alone(database: Path, what: str) -> None:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        plan = connection.execute(f"EXPLAIN QUERY PLAN {shlex.split(dict(COMMANDS)[what])[3]}").fetchall()
    finally:
        connection.close()
    assert any("SEARCH r USING PRIMARY KEY (check_id=?" in step[3] for step in plan)
    assert not any(step[3].startswith("SCAN r") for step in plan)


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("SELECT level, kind, phase, reason FROM runs WHERE reason IS NOT NULL AND name = 'shop/home'",
         ("down", "connect", "connect", "connection refused by 203.0.113.7:443")),
        ("SELECT level, reason FROM runs WHERE name = 'shop/cart'", ("degraded", "total 912 ms is over 800 ms")),
        ("SELECT phase FROM phases WHERE name = 'shop/home' ORDER BY at_ms DESC, ms LIMIT 1", ("dns",)),
        ("SELECT count(*), min(ms) >= 0.412, max(ms) < 10.5 FROM phases WHERE phase = 'dns'", (102, 0, 1)),
        ("SELECT value FROM facts WHERE fact = 'tls.days_left' LIMIT 1", (41.257,)),
        ("SELECT value FROM facts WHERE fact = 'http.status' LIMIT 1", (200,)),
        ("SELECT DISTINCT value FROM facts WHERE fact = 'address'", ("203.0.113.7",)),
        ("SELECT name, level_before, level_after, event FROM changes ORDER BY at_ms LIMIT 1",
         ("shop/home", "up", "down", "opened")),
        ("SELECT name, kind, outcome, attempts, after_s FROM alerts WHERE receiver = 'chat'",
         ("shop/home", "opened", "delivered", 2, 2.97)),
        ("SELECT outcome, after_s FROM alerts WHERE receiver = 'oncall'", ("pending", None)),
    ],
)  # fmt: skip
def test_views_say_what_was_stored(database: Path, statement: str, row: tuple[object, ...]) -> None:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True)
    try:
        assert connection.execute(statement).fetchone() == row
    finally:
        connection.close()


@pytest.mark.e2e
async def test_the_commands_run_in_a_shell_as_they_stand(database: Path) -> None:
    assert shutil.which("sqlite3"), "tests/e2e/install brings it"
    for what, command in [*COMMANDS, ("the shell's own", 'sqlite3 -readonly probe.db ".backup copy.db"')]:
        run = subprocess.run(["bash", "-c", command], cwd=database.parent, capture_output=True, text=True, timeout=20)
        assert (run.returncode, run.stderr) == (0, ""), what
        assert run.stdout or "backup" in command
    for name in ("backup.db", "copy.db"):
        copy = await open_store(f"sqlite:{database.parent / name}")
        assert len(await copy.pending()) == 1
        await copy.close()
