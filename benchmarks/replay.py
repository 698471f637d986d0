"""How long a replay takes, and a proposal, and in how much memory: 30 days of one check, and a week of a thousand.

    python benchmarks/replay.py [--short] [--keep FOLDER]

A week of a check is simulated, judged as live and stored by the store; the database is then filled with copies of it.
What is measured is `probe replay` itself, as a process of its own. It does one thing at a time, so its seconds of
processor are its time on a machine with a processor to spare; on a busy one it gives way, and takes longer. It has been
compiled before, as what is installed has. `--keep` leaves the database and the configurations in a folder, to look at.

Simulated are latencies that are log-normal around a level that rises by day, slow hours, outages, and runs that fail or
take long by chance; and a check that is bad at nearly every run, which no shortcut for healthy ones helps.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import math
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks.report import Goal, Table, at_most, middle, progress, show
from checks.core.result import Fact, Failure, FailureKind, Result
from probe.config import load
from probe.config.model import Planned
from probe.engine.recall import parts_of
from probe.store.base import Entry, Store
from probe.store.sqlite import open_store
from thresholds.base import State
from thresholds.past import Past
from thresholds.policy import judge

DAY = 86_400
NOW_MS = 1_764_547_200_000  # 2025-12-01T00:00Z: the same history every time
_BATCH = 1000
_COMPILED = "compiled"  # folder of bytecode

OLD = """\
store: sqlite:probe.db
defaults:
  every: {every}s
  thresholds:
    total: {{degraded: 450ms, down: 5s}}
checks:
{checks}
"""
NEW = """\
store: sqlite:probe.db
defaults:
  every: {every}s
  down_after: 3 of 5
  thresholds:
    total: {{degraded: 900ms, down: 5s}}
    p95(total) over 10m: {{degraded: 600ms}}
checks:
{checks}
"""
CHECK = "  {name}: {{http: {{url: 'http://127.0.0.1:9/'}}}}"


@dataclass(frozen=True, slots=True)
class Weather:
    """When a check was slow or out of order: instants in ms, and by how much slower; 0 is an outage."""

    start_ms: int
    end_ms: int
    factor: float


def weather(chance: random.Random, start_ms: int, end_ms: int) -> list[Weather]:
    """A slow time every two days, an outage every five."""
    days = (end_ms - start_ms) / 1000 / DAY
    found = []
    for count, factor, least, most in (
        (days / 2, 3.0, 600, 5400),
        (days / 5, 0.0, 400, 3000),
        (days / 1.5, 0.0, 30, 120),
    ):
        for _ in range(round(count + chance.random() * 0.5)):
            at = chance.uniform(start_ms, end_ms)
            found.append(Weather(round(at), round(at + chance.uniform(least, most) * 1000), factor))
    return found


def simulated(name: str, every: int, start_ms: int, end_ms: int, seed: int) -> Iterator[Result]:
    """The runs of a check, oldest first."""
    chance = random.Random(f"{seed} {name}")
    bad = weather(chance, start_ms, end_ms)
    for at_ms in range(start_ms + chance.randrange(every * 1000), end_ms, every * 1000):
        spell = next((one for one in bad if one.start_ms <= at_ms < one.end_ms), None)
        failed = chance.random() < 0.0004 or (spell is not None and spell.factor == 0)
        yield _failed(name, at_ms) if failed else _good(name, at_ms, chance, spell.factor if spell else 1.0)


def broken(name: str, every: int, start_ms: int, end_ms: int, seed: int) -> Iterator[Result]:
    """The runs of a check that is bad at nearly every one: it fails, or it is slow."""
    chance = random.Random(f"{seed} {name}")
    for at_ms in range(start_ms + chance.randrange(every * 1000), end_ms, every * 1000):
        fate = chance.random()
        yield _failed(name, at_ms) if fate < 0.95 else _good(name, at_ms, chance, 6.0 if fate < 0.99 else 1.0)


def _good(name: str, at_ms: int, chance: random.Random, factor: float) -> Result:
    hour = at_ms / 3_600_000 % 24
    level = 0.16 * (1.0 + 0.6 * max(0.0, math.sin((hour - 6) / 24 * 2 * math.pi))) * factor
    total = round(level * math.exp(chance.gauss(0, 0.22)) * (4 if chance.random() < 0.004 else 1), 6)
    phases = {"dns": 0.0004, "connect": 0.011, "tls": 0.021, "ttfb": round(total * 0.7, 6)}
    phases["transfer"] = round(max(0.0, total - sum(phases.values())), 6)
    facts: dict[str, Fact] = {
        "http.status": 200,
        "http.version": "1.1",
        "http.bytes": chance.randrange(48_000, 49_000),
        "tls.days_left": 41.2,
    }
    return Result(name, at_ms, total, phases, facts)


def _failed(name: str, at_ms: int) -> Result:
    failure = Failure(FailureKind.CONNECT, "connect", "connection refused by 203.0.113.7:443")
    return Result(name, at_ms, 0.0121, {"dns": 0.0004}, {"address": "203.0.113.7"}, failure)


async def live(store: Store, planned: Planned, runs: Iterator[Result]) -> int:
    """Judge runs as the service does, and store them; how many."""
    state, count = State(), 0
    past = Past(parts_of(planned.policy, lambda _span: False)) if planned.policy.remembers else None
    entries: list[Entry] = []
    for result in runs:
        verdict = judge(planned.policy, state, result, past)
        state = verdict.state
        entries.append(Entry(verdict))
        if len(entries) >= _BATCH:
            await store.append(entries)
            entries, count = [], count + len(entries)
    await store.append(entries)
    return count + len(entries)


def write_configs(folder: Path, names: Sequence[str], every: int) -> None:
    checks = "\n".join(CHECK.format(name=name) for name in names)
    for file, text in (("old.yml", OLD), ("new.yml", NEW)):
        (folder / file).write_text(text.format(every=every, checks=checks), encoding="utf-8")


Simulate = Callable[[str, int, int, int, int], Iterator[Result]]


async def prepare(
    folder: Path, names: Sequence[str], every: int, days: float, seeds: int, runs_of: Simulate = simulated
) -> int:
    """A database of checks: the first few are simulated, the others have copies of their runs."""
    write_configs(folder, names, every)
    config = load(folder / "old.yml")
    start_ms, count = NOW_MS - round(days * DAY * 1000), 0
    with contextlib.suppress(FileNotFoundError):
        (folder / "probe.db").unlink()
    store = await open_store(config.store)
    try:
        for seed, name in enumerate(names[:seeds]):
            count += await live(store, config.checks[name], runs_of(name, every, start_ms, NOW_MS, seed))
    finally:
        await store.close()
    return count + copy(folder / "probe.db", names, seeds)


def copy(database: Path, names: Sequence[str], seeds: int) -> int:
    """Give the other checks the runs and the transitions of the first ones."""
    connection = sqlite3.connect(database, isolation_level=None)
    count = 0
    with contextlib.closing(connection):
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute("BEGIN")
        connection.execute("DROP INDEX results_by_time")
        for place, name in enumerate(names[seeds:], start=seeds):
            connection.execute("INSERT INTO checks (name) VALUES (?)", (name,))
            (check,) = connection.execute("SELECT id FROM checks WHERE name = ?", (name,)).fetchone()
            (other,) = connection.execute("SELECT id FROM checks WHERE name = ?", (names[place % seeds],)).fetchone()
            columns = (
                "at_ms, attempt, level, provisional, duration_us, shape_id, measured, kind, phase, message, reason"
            )
            count += connection.execute(
                f"INSERT INTO results (check_id, {columns}) SELECT ?, {columns} FROM results WHERE check_id = ?",
                (check, other),
            ).rowcount
            columns = "at_ms, since_ms, level_before, level_after, event, incident, incident_since_ms, reason"
            moves = f"SELECT ?, {columns} FROM transitions WHERE check_id = ?"
            connection.execute(f"INSERT INTO transitions (check_id, {columns}) {moves}", (check, other))
        connection.execute("CREATE INDEX results_by_time ON results (at_ms)")
        connection.execute("COMMIT")
    return count


@dataclass(frozen=True, slots=True)
class Measured:
    seconds: float
    cpu: float  # s
    memory: float  # MiB, at most
    runs: int


def measure(folder: Path, days: float, *options: str) -> Measured:
    """One replay as people run it."""
    printed, seen = _ran(folder, days, "replay", "-c", "new.yml", "--until", _instant(NOW_MS), *options)
    return replace(seen, runs=json.loads(printed)["totals"]["runs"])


def tuned(folder: Path, days: float, name: str) -> Measured:
    """One proposal for a check as people ask for it."""
    printed, seen = _ran(folder, days, "tune", name, "-c", "old.yml")
    return replace(seen, runs=json.loads(printed)["runs"])


def _ran(folder: Path, days: float, *words: str) -> tuple[bytes, Measured]:
    """What a command prints as JSON, and what it took."""
    since = _instant(NOW_MS - round(days * DAY * 1000))
    command = [sys.executable, "-m", "probe", *words, "--json", "--since", since]
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    environment["PYTHONPYCACHEPREFIX"] = str(folder.resolve().parent / _COMPILED)
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    began = time.monotonic()
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, env=environment) as process:
        assert process.stdout is not None
        printed = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"probe {words[0]} failed with {process.returncode}")
    cpu = usage.ru_utime + usage.ru_stime
    return printed, Measured(time.monotonic() - began, cpu, usage.ru_maxrss / 1024, 0)


def _instant(at_ms: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M", time.gmtime(at_ms / 1000))


@dataclass(frozen=True, slots=True)
class Case:
    title: str
    checks: int
    every: int
    days: float
    seconds: float | None  # that it is to take at most
    memory: float | None  # MiB, at most
    times: int = 1
    runs_of: Simulate = simulated


FULL = (
    Case("30 days of one check every 10 s", 1, 10, 30, 5.0, None, 3),
    Case("30 days of one check every 10 s, bad at nearly every run", 1, 10, 30, 5.0, None, 3, broken),
    Case("7 days of 1,000 checks every 60 s", 1000, 60, 7, None, 500.0),
)
SHORT = (
    Case("5 days of one check every 10 s", 1, 10, 5, 1.5, None),
    Case("5 days of one check every 10 s, bad at nearly every run", 1, 10, 5, 2.0, None, 1, broken),
    Case("7 days of 10 checks every 60 s", 10, 60, 7, None, 500.0),
)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--short", action="store_true", help="less history")
    parser.add_argument("--keep", type=Path, help="a folder for the databases")
    options = parser.parse_args()
    rows: list[list[str]] = []
    goals: list[Goal] = []
    with tempfile.TemporaryDirectory() as temporary:
        for place, case in enumerate(SHORT if options.short else FULL):
            folder = (options.keep or Path(temporary)) / f"case{place + 1}"
            folder.mkdir(parents=True, exist_ok=True)
            names = [f"shop/page-{index + 1}" for index in range(case.checks)]
            progress(f"{case.title}: simulating")
            asyncio.run(prepare(folder, names, case.every, case.days, min(5, case.checks), case.runs_of))
            for what, extra in (("table", ()), ("page", ("--html", "report.html", "--old", "old.yml"))):
                progress(f"{case.title}: {what}")
                if not place:
                    measure(folder, 0.05, *extra)  # compiles
                seen = [measure(folder, case.days, *extra) for _ in range(case.times)]
                rows.append(_row(case, what, seen))
                goals += _goals(case, what, seen)
            if case.checks == 1 and case.runs_of is simulated:
                progress(f"{case.title}: tune")
                asked = [tuned(folder, case.days, names[0]) for _ in range(case.times)]
                rows.append(_row(case, "`probe tune`", asked))
    columns = ["history", "with", "runs", "time, s", "CPU, s", "us per run", "memory, MiB"]
    show([Table("Replay", columns, rows, ["the new policy has limits on runs and a p95 over 10 minutes"])], goals)


def _row(case: Case, what: str, seen: Sequence[Measured]) -> list[str]:
    runs = seen[0].runs
    per_run = [one.cpu / max(1, runs) * 1e6 for one in seen]
    took, cpu, memory = ([getattr(one, part) for one in seen] for part in ("seconds", "cpu", "memory"))
    return [case.title, what, f"{runs:,}", middle(took, 1), middle(cpu, 1), middle(per_run, 1), middle(memory, 0)]


def _goals(case: Case, what: str, seen: Sequence[Measured]) -> Iterator[Goal]:
    if case.seconds is not None:
        cpu = [one.cpu for one in seen]
        yield at_most(f"replay of {case.title}, {what}, CPU", case.seconds, cpu, " s")
    if case.memory is not None:
        memory = [one.memory for one in seen]
        yield at_most(f"replay of {case.title}, {what}: memory", case.memory, memory, " MiB", 0)


if __name__ == "__main__":
    main()
