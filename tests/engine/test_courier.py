"""What a courier adds to delivery: threads that go on, a pace that is kept, nothing stale, and a receiver's words."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from exporters.base import Notice, NotifyError, Trouble
from exporters.harmless import Worded
from exporters.limits import Limit
from exporters.templates import Template, compiled
from exporters.terms import Terms
from probe.store.sql import SqlStore
from probe.store.sqlite import open_store
from tests.conftest import FakeClock, settled
from tests.engine.post_office import Ear, PostOffice, Thread, notice
from thresholds.base import Level


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    opened = await open_store(f"sqlite:{tmp_path / 'probe.db'}")
    yield opened
    await opened.close()


async def heard(clock: FakeClock, ear: Ear, count: int) -> None:
    """Wait for the store's threads until so much was heard."""
    while len(ear.heard) < count:
        await settled()


async def test_an_incident_is_told_by_what_the_receiver_returned_for_it(store: SqlStore, clock: FakeClock) -> None:
    chat, office = Thread(), PostOffice(store, clock)
    await office.open({"chat": chat})
    for kind, incident in (("opened", "a@1"), ("opened", "b@2"), ("changed", "a@1"), ("resolved", "a@1")):
        await office.decide(notice(kind, incident), "chat")
    await heard(clock, chat, 4)
    await office.close()
    assert chat.asked == ["", "", "ts1/a@1", "ts1/a@1"]
    references = {one.notice.id: one.reference for one in office.writes if one.outcome == "delivered"}
    assert references["a@1-changed-0"] == "ts1/a@1"
    assert references["b@2-opened-0"] == "ts2/b@2"


async def test_a_thread_goes_on_after_a_restart_also_of_what_ended_long_ago(store: SqlStore, clock: FakeClock) -> None:
    first = PostOffice(store, clock)
    await first.open({"chat": Thread()})
    await first.decide(notice("opened"), "chat")
    await heard(clock, Thread(), 0)
    while not first.writes:
        await settled()
    await first.write()
    await first.decide(notice("resolved"), "chat")
    while not first.writes:
        await settled()
    await first.write()
    await first.close()
    clock.step_wall(7 * 86_400_000)
    chat, second = Thread(), PostOffice(store, clock)
    await second.open({"chat": chat})
    await second.decide(replace(notice("opened", number=1), at_ms=clock.now_ms()), "chat")  # it began anew
    await heard(clock, chat, 1)
    await second.close()
    assert chat.asked == ["ts1/a@1"]


async def test_between_taken_and_written_down_a_crash_repeats_it_by_the_same_id(
    store: SqlStore, clock: FakeClock
) -> None:
    chat, first = Thread(), PostOffice(store, clock)
    await first.open({"chat": chat})
    await first.decide(notice("opened"), "chat")
    await heard(clock, chat, 1)
    await first.close()  # nothing was written
    second = PostOffice(store, clock)
    await second.open({"chat": chat})
    await heard(clock, chat, 2)
    await second.close()
    assert chat.tries == ["a@1-opened-0", "a@1-opened-0"]


async def test_an_end_that_was_refused_keeps_the_thread(store: SqlStore, clock: FakeClock) -> None:
    chat, office = Thread(), PostOffice(store, clock)
    await office.open({"chat": chat})
    await office.decide(notice("opened"), "chat")
    await heard(clock, chat, 1)
    chat.failing(NotifyError("400", permanent=True))
    await office.decide(notice("resolved"), "chat")
    while not any(one.outcome == "failed" for one in office.writes):
        await settled()
    await office.write()
    await office.close()
    assert await store.reference("a@1", "chat") == "ts1/a@1"


class Locked:
    """A store that does not answer."""

    def __init__(self, store: SqlStore) -> None:
        self.disabled, self.disable, self.enable = store.disabled, store.disable, store.enable

    async def reference(self, incident: str, receiver: str) -> str:
        raise TimeoutError


async def test_a_store_that_does_not_answer_delays_nobody(store: SqlStore, clock: FakeClock) -> None:
    chat, office = Thread(), PostOffice(store, clock, book=Locked(store))
    await office.open({"chat": chat})
    await office.decide(notice("opened"), "chat")
    await office.close()
    assert chat.asked == [""]


SLOW = {"chat": Terms(rate=(Limit(2, 60.0),))}


async def test_a_channel_is_told_no_faster_and_others_do_not_wait(store: SqlStore, clock: FakeClock) -> None:
    chat, mail, office = Ear(), Ear(), PostOffice(store, clock)
    await office.open({"chat": chat, "mail": mail}, SLOW)
    for number in range(5):
        await office.decide(notice("opened", f"a@{number}"), "chat", "mail")
    assert (len(chat.heard), len(mail.heard)) == (2, 5)
    await clock.advance(59)
    assert len(chat.heard) == 2
    await clock.advance(2)
    assert len(chat.heard) == 4
    await clock.advance(60)
    await office.close()
    assert chat.heard == [f"opened a@{number}" for number in range(5)]
    assert office.paced == ["chat"] * 2  # once for each wait


async def test_what_waits_for_the_pace_is_told_as_it_stands_by_then(store: SqlStore, clock: FakeClock) -> None:
    chat, office = Ear(), PostOffice(store, clock)
    await office.open({"chat": chat}, SLOW)
    await office.decide(notice("opened", "a@1"), "chat")
    await office.decide(notice("opened", "b@2"), "chat")
    for number in range(3):
        await office.decide(notice("changed", "a@1", number, (Level.DEGRADED, Level.DOWN)[number % 2]), "chat")
    await office.decide(notice("opened", "c@3"), "chat")
    await office.decide(replace(notice("acknowledged", "c@3"), acked_by="ana"), "chat")
    await office.decide(notice("resolved", "b@2"), "chat")
    await clock.advance(200)
    await office.close()
    assert chat.heard == ["opened a@1", "opened b@2", "changed a@1", "opened c@3", "resolved b@2"]
    assert chat._heard[2].id == "a@1-changed-2"
    assert chat._heard[3].acked_by == "ana"


async def test_people_reached_by_one_receiver_share_its_pace(store: SqlStore, clock: FakeClock) -> None:
    ana, bob, office = Ear(address="ana"), Ear(address="bob"), PostOffice(store, clock)
    await office.open({"chat": Ear(), "ana/chat": ana, "bob/chat": bob}, SLOW)
    for number in range(2):
        await office.decide(notice("opened", f"a@{number}"), "ana/chat", "bob/chat")
    assert len(ana.heard) + len(bob.heard) == 2
    await clock.advance(61)
    await office.close()
    assert len(ana.heard) + len(bob.heard) == 4


async def test_a_429_slows_down_all_who_share_the_limit(store: SqlStore, clock: FakeClock) -> None:
    refusal = NotifyError("429", retry_after=100.0, kind=Trouble.RATE)
    ana, bob, office = Ear(address="ana").failing(refusal), Ear(address="bob"), PostOffice(store, clock)
    await office.open({"chat": Ear(), "ana/chat": ana, "bob/chat": bob}, SLOW)
    await office.decide(notice("opened"), "ana/chat")
    await office.decide(notice("opened"), "bob/chat")
    await clock.advance(99)
    assert bob.tries == []
    await clock.advance(100)
    await office.close()
    assert (ana.heard, bob.heard) == (["opened a@1"], ["opened a@1"])


async def test_what_is_over_is_not_told_as_if_it_lasted(store: SqlStore, clock: FakeClock) -> None:
    """The service was down while the outage ended: the notice of its beginning is told with its end."""
    clock.step_wall(600_000)
    chat, office = Ear(), PostOffice(store, clock, lasting=lambda incident: incident != "a@1")
    await office.open({"chat": chat})
    await office.decide(notice("opened", "a@1"), "chat")
    await office.decide(notice("opened", "b@2"), "chat")  # which lasts
    assert chat.heard == ["opened b@2"]
    await clock.advance(100)
    await office.decide(notice("resolved", "a@1"), "chat")
    await office.close()
    assert chat.heard == ["opened b@2", "passed a@1"]


@pytest.mark.parametrize(
    ("kind", "age", "held"),
    [
        ("opened", 299, False),
        ("opened", 301, True),
        ("repeated", 301, True),
        ("unacknowledged", 301, True),
        ("acknowledged", 301, False),
        ("bulletin", 301, False),
    ],
)
async def test_only_what_says_that_it_lasts_can_be_stale(
    store: SqlStore, clock: FakeClock, kind: str, age: int, held: bool
) -> None:
    clock.step_wall(age * 1000)
    chat, office = Ear(), PostOffice(store, clock, lasting=lambda _incident: False)
    await office.open({"chat": chat})
    await office.decide(notice(kind), "chat")
    assert chat.heard == ([] if held else [f"{kind} a@1"])
    await office.close()


async def test_an_end_that_never_comes_is_not_waited_for_for_ever(store: SqlStore, clock: FakeClock) -> None:
    clock.step_wall(600_000)
    chat, office = Ear(), PostOffice(store, clock, lasting=lambda _incident: False)
    await office.open({"chat": chat})
    await office.decide(notice("opened"), "chat")
    await clock.advance(299)
    assert chat.heard == []
    await clock.advance(2)
    await office.close()
    assert chat.heard == ["opened a@1"]


async def test_a_notice_is_dressed_for_each_receiver_and_kept_as_it_was(store: SqlStore, clock: FakeClock) -> None:
    def dress(what: Notice, receiver: str) -> Notice:
        return replace(what, actions={"Acknowledge": f"https://probe.example/act/{receiver}"})

    chat, mail, office = Ear().failing(NotifyError("503")), Ear(), PostOffice(store, clock, dress=dress)
    await office.open({"chat": chat, "mail": mail})
    await office.decide(notice("opened"), "chat", "mail")
    await clock.advance(10)
    await office.close()
    told = [one.actions for ear in (chat, mail) for one in ear._heard]
    assert told == [{"Acknowledge": f"https://probe.example/act/{name}"} for name in ("chat", "mail")]
    assert all(not one.notice.actions for one in office.writes)


async def test_a_receiver_speaks_in_its_own_words_and_a_broken_template_is_counted(
    store: SqlStore, clock: FakeClock
) -> None:
    breaks = "{% if instance == 'test' and kind == 'changed' %}{{ instance|duration }}{% endif %}"
    terms = {"chat": Terms(template=Template(compiled("{{ level }}!"), compiled(breaks)))}
    chat, mail, office = Ear(), Ear(), PostOffice(store, clock)
    await office.open({"chat": chat, "mail": mail}, terms)
    await office.decide(notice("opened"), "chat", "mail")
    assert office.garbled == []
    await office.decide(notice("changed"), "chat", "mail")
    await office.close()
    first, second = chat._heard
    assert isinstance(first, Worded)
    assert isinstance(second, Worded)
    assert (first.words.title, first.words.trouble) == ("DOWN!", "")
    assert (second.words.title, second.words.body) == ("DOWN!", "")
    assert second.words.trouble.startswith("The template of chat is broken (body: ")
    assert office.garbled == ["chat"]
    assert not any(isinstance(one, Worded) for one in mail._heard)
