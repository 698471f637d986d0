"""Who is owed what, and who was told what: in order, once, and also after a restart."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporters.base import Notice, NoticeKind
from probe.store.base import Entry, Store
from probe.store.deliveries import Delivery, Outcome
from probe.store.sqlite import open_store
from tests.store.samples import AT_MS, alarm, notice, telling, told, verdict
from thresholds.base import Level


def _delivered(what: Notice, receiver: str = "chat", at_ms: int = AT_MS + 900) -> Delivery:
    return Delivery(what, receiver, Outcome.DELIVERED, 1, "", at_ms)


def _end(start: Notice, ended_ms: int) -> Entry:
    over = notice("resolved", start.incident, ended_ms + 40, ended_ms=ended_ms)
    return Entry(verdict(start.check, ended_ms, Level.UP, moved_from=Level.DOWN), telling(over, "chat", "oncall"))


async def test_every_receiver_is_owed_the_notice(store: Store) -> None:
    entry = alarm()
    await store.append([entry])
    assert await store.pending() == [Delivery(told(entry), "chat"), Delivery(told(entry), "oncall")]


async def test_what_is_owed_comes_in_the_order_of_the_entries(store: Store) -> None:
    first = alarm("a", AT_MS)
    # The wall clock was set back by an hour in between: the end must not overtake the beginning.
    second = _end(told(first), AT_MS - 3_600_000)
    await store.append([first])
    await store.append([second, alarm("b", AT_MS - 3_599_000)])
    owed = await store.pending()
    assert [d.notice.kind.value + " " + d.notice.check for d in owed if d.receiver == "chat"] == [
        "opened a",
        "resolved a",
        "opened b",
    ]


@pytest.mark.parametrize("outcome", [Outcome.DELIVERED, Outcome.FAILED, Outcome.MERGED])
async def test_what_is_settled_is_owed_no_more(store: Store, outcome: Outcome) -> None:
    entry = alarm()
    await store.append([entry])
    chat, oncall = await store.pending()
    await store.settle([replace(chat, outcome=outcome, attempts=2, error="", at_ms=AT_MS + 5)])
    assert await store.pending() == [oncall]
    await store.append([entry])
    assert await store.pending() == [oncall]


async def test_attempts_are_remembered_while_it_is_owed(path: Path, store: Store) -> None:
    await store.append([alarm()])
    chat, oncall = await store.pending()
    tried = replace(chat, attempts=4, error="503 from chat.example", at_ms=AT_MS + 77)
    await store.settle([tried])
    await store.append([alarm()])
    await store.close()
    again = await open_store(f"sqlite:{path}")
    try:
        assert await again.pending() == [tried, oncall]
    finally:
        await again.close()


async def test_a_late_note_does_not_make_it_owed_again(store: Store) -> None:
    await store.append([alarm()])
    chat, _ = await store.pending()
    await store.settle([_delivered(chat.notice), replace(chat, attempts=1, error="timeout", at_ms=AT_MS)])
    assert [delivery.receiver for delivery in await store.pending()] == ["oncall"]
    assert await store.told(0) == [_delivered(chat.notice)]


async def test_a_refusal_that_is_put_right_by_hand_counts_as_told(store: Store) -> None:
    await store.append([alarm()])
    chat, _ = await store.pending()
    await store.settle([replace(chat, outcome=Outcome.FAILED, error="410 gone")])
    await store.settle([_delivered(chat.notice)])
    assert await store.told(0) == [_delivered(chat.notice)]


async def test_told_is_the_last_notice_that_each_receiver_took(store: Store) -> None:
    start = alarm()
    worse = replace(notice("changed", told(start).incident, AT_MS + 500), level=Level.DOWN)
    fell = verdict("shop/home", AT_MS + 500, Level.DOWN, moved_from=Level.DEGRADED)
    change = Entry(fell, telling(worse, "chat", "oncall"))
    await store.append([start, change])
    await store.settle([_delivered(told(start)), _delivered(told(start), "oncall"), _delivered(worse)])
    assert await store.told(AT_MS) == [_delivered(told(start), "oncall"), _delivered(worse)]


@pytest.mark.parametrize(
    ("since_ms", "seen"),
    [(0, ["resolved"]), (AT_MS + 60_000, ["resolved"]), (AT_MS + 60_001, [])],
    ids=["long ago", "at its end", "after its end"],
)
async def test_an_ended_incident_is_told_for_a_while(store: Store, since_ms: int, seen: list[str]) -> None:
    start = alarm()
    end = _end(told(start), AT_MS + 60_000)
    await store.append([start, end])
    await store.settle([_delivered(told(start))])
    await store.settle([_delivered(told(end))])
    assert [delivery.notice.kind.value for delivery in await store.told(since_ms)] == seen


async def test_an_incident_is_open_for_those_who_were_not_told_of_its_end(store: Store) -> None:
    start = alarm()
    end = _end(told(start), AT_MS + 60_000)
    await store.append([start, end])
    await store.settle([_delivered(told(start)), _delivered(told(start), "oncall")])
    await store.settle([_delivered(told(end), "oncall")])
    assert await store.told(AT_MS + 999_999) == [_delivered(told(start))]


async def test_a_notice_is_remembered_as_it_was_told(path: Path, store: Store) -> None:
    """One receiver heard the beginning and the end, the other both as one message, under the same id."""
    start = alarm()
    end = _end(told(start), AT_MS + 60_000)
    await store.append([start, end])
    at_once = replace(told(end), kind=NoticeKind.PASSED, level=Level.DEGRADED)
    await store.settle([_delivered(told(start)), _delivered(told(end)), _delivered(at_once, "oncall")])
    assert await store.told(0) == [_delivered(told(end)), _delivered(at_once, "oncall")]


async def test_what_was_told_while_the_store_failed_is_written_down(store: Store) -> None:
    """The transition was lost or comes later; the delivery is known all the same."""
    entry = alarm()
    await store.settle([_delivered(told(entry))])
    assert await store.told(0) == [_delivered(told(entry))]
    await store.append([entry])
    assert await store.pending() == [Delivery(told(entry), "oncall")]
    assert await store.told(0) == [_delivered(told(entry))]


async def test_an_older_notice_that_is_settled_late_is_not_the_last(store: Store) -> None:
    start = alarm()
    end = _end(told(start), AT_MS + 60_000)
    await store.append([start, end])
    await store.settle([_delivered(told(end))])
    await store.settle([_delivered(told(start))])
    assert await store.told(0) == [_delivered(told(end))]
