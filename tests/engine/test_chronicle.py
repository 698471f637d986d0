"""How checks stood, from the store and from what happened since."""

from pathlib import Path

import pytest

from probe.engine.chronicle import Chronicle
from probe.store.base import Entry
from probe.store.sqlite import open_store
from tests.store.samples import verdict
from thresholds.base import Event, Level, Transition
from thresholds.timeline import Condition

T = 1_763_800_000_000
MIN = 60_000


def move(check: str, minute: int, before: Level, after: Level) -> Transition:
    at_ms = T + minute * MIN
    return Transition(check, at_ms, at_ms, before, after, Event.QUIET, "", 0, "")


def seen(chronicle: Chronicle, check: str, first: int, last: int) -> list[tuple[int, int, Condition]]:
    line = chronicle.timeline(check, (T + first * MIN, T + last * MIN), seen_until_ms=1 << 53)
    return [((one.start_ms - T) // MIN, (one.end_ms - T) // MIN, one.condition) for one in line]


@pytest.fixture
async def store(tmp_path: Path):
    opened = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    stored = [
        Entry(verdict("a", T, Level.UP, moved_from=Level.UNKNOWN)),
        Entry(verdict("a", T + 10 * MIN, Level.DOWN, moved_from=Level.UP)),
        Entry(verdict("a", T + 20 * MIN, Level.UP, moved_from=Level.DOWN), gap=(T + 15 * MIN, T + 18 * MIN)),
    ]
    await opened.append(stored)
    yield opened
    await opened.close()


async def test_a_timeline_begins_with_what_held_before_it(store) -> None:
    chronicle = Chronicle()
    await chronicle.read(store, T + 12 * MIN)
    assert seen(chronicle, "a", 12, 25) == [
        (12, 15, Condition.DOWN),
        (15, 18, Condition.UNKNOWN),
        (18, 20, Condition.DOWN),
        (20, 25, Condition.UP),
    ]


async def test_what_happens_meanwhile_is_added_and_survives_a_longer_look(store) -> None:
    chronicle = Chronicle()
    await chronicle.read(store, T + 12 * MIN)
    chronicle.moved(move("a", 30, Level.UP, Level.DEGRADED))  # not stored yet
    chronicle.unseen("a", (T + 33 * MIN, T + 34 * MIN))
    expected = [
        (20, 30, Condition.UP),
        (30, 33, Condition.DEGRADED),
        (33, 34, Condition.UNKNOWN),
        (34, 40, Condition.DEGRADED),
    ]
    assert seen(chronicle, "a", 20, 40) == expected
    await chronicle.read(store, T - MIN)
    assert seen(chronicle, "a", 20, 40) == expected
    assert seen(chronicle, "a", -1, 12) == [(-1, 0, Condition.UNKNOWN), (0, 10, Condition.UP), (10, 12, Condition.DOWN)]


async def test_what_is_forgotten_leaves_what_still_holds(store) -> None:
    chronicle = Chronicle()
    await chronicle.read(store, T - MIN)
    before = seen(chronicle, "a", 16, 25)
    chronicle.forget(T + 16 * MIN)
    assert seen(chronicle, "a", 16, 25) == before
    assert len(chronicle.edges("a")) == 2


def test_a_check_that_nobody_knows_is_unknown() -> None:
    assert seen(Chronicle(), "b", 0, 5) == [(0, 5, Condition.UNKNOWN)]
