"""`kill -9` at any instant: the file is sound, what was acknowledged is there, and no batch is there in part."""

import asyncio
import random
import sqlite3
import sys
from pathlib import Path

from probe.store.sqlite import open_store
from tests.store.samples import AT_MS

CHECKS = 20
ROUNDS = 10

# Batches as fast as they go, each with a transition that two people must hear of, and one of them does.
APPENDS = """
import asyncio, sys
from dataclasses import replace
from probe.store.base import Entry
from probe.store.deliveries import Delivery, Outcome
from probe.store.sqlite import open_store
from tests.store.samples import AT_MS, alarm, told, verdict

async def main(url, number, checks):
    store = await open_store(url)
    while True:
        at_ms = AT_MS + number * 1000
        batch = [Entry(verdict(f"c/{index}", at_ms)) for index in range(checks)]
        batch[number % checks] = alarm(f"c/{number % checks}", at_ms)
        await store.append(batch)
        print("kept", number, flush=True)
        notice = told(batch[number % checks])
        await store.settle([Delivery(notice, "chat", Outcome.DELIVERED, 1, "", at_ms + 500)])
        print("told", number, flush=True)
        await store.prune(AT_MS + (number - 300) * 1000, 40)
        number += 1

asyncio.run(main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3])))
"""


async def test_nothing_acknowledged_is_lost_to_kill_9(path: Path) -> None:
    dice = random.Random(20_240_229)
    number, told = 0, set[int]()
    for _ in range(ROUNDS):
        heard = await _append_until_killed(path, number, dice)
        told |= heard["told"]
        number = await _check(path, max(heard["kept"]), told) + 1


async def _append_until_killed(path: Path, number: int, dice: random.Random) -> dict[str, set[int]]:
    """The batches that were acknowledged, and those whose delivery was."""
    writer = await asyncio.create_subprocess_exec(
        sys.executable, "-c", APPENDS, f"sqlite:{path}", str(number), str(CHECKS), stdout=asyncio.subprocess.PIPE
    )
    assert writer.stdout is not None
    try:
        heard = [await writer.stdout.readline() for _ in range(dice.randint(1, 60))]
        await asyncio.sleep(dice.uniform(0, 0.008))  # the instant of the kill: anywhere in a batch
    finally:
        writer.kill()
        rest = (await writer.stdout.read()).splitlines(keepends=True)
        await writer.wait()
    acknowledged: dict[str, set[int]] = {"kept": set(), "told": set()}
    for line in [*heard, *rest]:
        if line.endswith(b"\n"):
            word, at = line.decode().split()
            acknowledged[word].add(int(at))
    return acknowledged


async def _check(path: Path, last_kept: int, told: set[int]) -> int:
    """The last batch in the file."""
    store = await open_store(f"sqlite:{path}")
    try:
        owed = await store.pending()
        known = await store.told(0)
        states = await store.states()
    finally:
        await store.close()
    results, transitions = _rows(path)
    last = transitions[-1]
    assert last in {last_kept, last_kept + 1}
    assert transitions == list(range(last + 1))  # none lost, none twice
    assert set(list(results.values())[1:]) == {CHECKS}  # the oldest may be pruned in part
    assert max(results) == last
    assert states[f"c/{last % CHECKS}"].incident == f"c/{last % CHECKS}@{AT_MS + last * 1000}"
    assert {_number(delivery.notice.at_ms) for delivery in owed if delivery.receiver == "oncall"} == set(transitions)
    unsaid = {_number(delivery.notice.at_ms) for delivery in owed if delivery.receiver == "chat"}
    assert not unsaid & told
    assert told <= {_number(delivery.notice.at_ms) for delivery in known}
    return last


def _rows(path: Path) -> tuple[dict[int, int], list[int]]:
    """How many results each batch has, and the batches of the transitions in order; of a file that is sound."""
    database = sqlite3.connect(path)
    try:
        assert database.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert database.execute("PRAGMA foreign_key_check").fetchall() == []
        counts = database.execute("SELECT at_ms, count(*) FROM results GROUP BY at_ms ORDER BY at_ms").fetchall()
        ((oldest, newest, states),) = database.execute("SELECT min(at_ms), max(at_ms), count(*) FROM states").fetchall()
        transitions = [_number(at_ms) for (at_ms,) in database.execute("SELECT at_ms FROM transitions ORDER BY id")]
    finally:
        database.close()
    assert (oldest, newest, states) == (AT_MS + transitions[-1] * 1000, AT_MS + transitions[-1] * 1000, CHECKS)
    return {(at_ms - AT_MS) // 1000: count for at_ms, count in counts}, transitions


def _number(at_ms: int) -> int:
    """The batch of a transition or notice."""
    return (at_ms - 30 - AT_MS) // 1000
