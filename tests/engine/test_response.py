"""What people do about incidents, with the dispatcher at work beside them: done, written down, and nothing more."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from exporters.alerting.book import DeedError
from exporters.alerting.incident import Status
from exporters.alerting.links import LinkError
from exporters.alerting.rules import Silence
from exporters.route import Route
from probe.engine.response import Response
from probe.store.base import Act, StoreError
from probe.store.sqlite import open_store
from tests.conftest import FakeClock, settled
from tests.engine.incidents import Stage
from tests.web.responding import KEY, link

CHAT = Route(("chat",))
HOUR = 3600.0


@asynccontextmanager
async def at_work(stage: Stage, folder: Path) -> AsyncIterator[Response]:
    """A response over a real store, and the dispatcher's own task."""
    store = await open_store(f"sqlite:{folder / 'probe.db'}")
    filed = stage.kept.filed()
    await store.append([Act((one.incident,), tuple((one.incident.id, each) for each in one.members)) for one in filed])
    stage.dispatcher._record = stage.take

    async def written(act: Act) -> None:
        await settled()  # a batch takes a while, and everybody else goes on
        stage.take(act)
        await store.append([act])

    working = asyncio.create_task(stage.dispatcher.run())
    try:
        yield Response(stage.dispatcher, written, store, stage.clock, lambda: stage.config)
    finally:
        working.cancel()
        with suppress(asyncio.CancelledError):
            await working
        await store.close()


async def ended(clock: FakeClock, hours: float = 3.0) -> Stage:
    """One incident that was over some hours ago."""
    stage = Stage(clock, CHAT)
    stage.fail("shop/home")
    await stage.after(60)
    stage.recover("shop/home")
    await stage.after(hours * HOUR)
    return stage


async def test_what_somebody_asks_for_is_done_and_written_down(clock: FakeClock, tmp_path: Path) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/home")
    async with at_work(stage, tmp_path) as response:
        done = await response.do(1, lambda desk, identity: desk.acknowledge(identity, "ana"))
        assert done is not None
        assert (done.status, done.acked_by) == (Status.ACKNOWLEDGED, "ana")
        filed = await response._store.incident(1)
        assert filed is not None
        assert filed.incident == done
        assert await response.do(7, lambda desk, identity: desk.acknowledge(identity, "ana")) is None


async def test_one_that_ended_long_ago_is_written_about_while_the_dispatcher_works(clock, tmp_path: Path) -> None:
    stage = await ended(clock)
    async with at_work(stage, tmp_path) as response:
        await settled()
        assert stage.dispatcher.book.ended() == []
        done = await response.do(1, lambda desk, identity: desk.describe(identity, "ana", {"cause": "cold cache"}))
        assert done is not None
        assert done.cause == "cold cache"


async def test_writing_about_an_old_incident_leaves_the_open_one_of_its_cause_alone(clock: FakeClock) -> None:
    stage = await ended(clock)
    (old,) = stage.kept.filed()
    stage.fail("shop/home")
    stage.dispatcher.adopt(old)
    stage.deed("note", "ana", "the same again")
    stage.fail("shop/cart")
    assert [one.number for one in stage.dispatcher.book.open()] == [2]
    assert set(stage.dispatcher.book.members(stage.incident(2).id)) == {"shop/home", "shop/cart"}


async def test_writing_about_one_that_was_resolved_by_hand_leaves_its_check_where_it_is(clock: FakeClock) -> None:
    """Its check was still bad when the service ended, and fails anew since."""
    stage = await ended(clock)
    (old,) = stage.kept.filed()
    bad = [replace(one, ended_ms=0) for one in old.members]
    stage.fail("shop/home")
    stage.dispatcher.adopt(replace(old, incident=replace(old.incident, resolved_by="ana"), members=bad))
    stage.deed("note", "ana", "the same again")
    stage.recover("shop/home")
    await stage.after(60)
    assert [one.number for one in stage.dispatcher.book.open()] == []
    assert stage.incident(2).status is Status.RESOLVED


async def test_what_is_over_is_not_escalated(clock: FakeClock) -> None:
    stage = await ended(clock, 0.1)
    with pytest.raises(DeedError, match="#1 is over"):
        stage.deed("escalate", "ana")


async def test_resolved_by_hand_and_failing_on_through_a_long_restart_it_opens_again(clock: FakeClock) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/home")
    await stage.after(60)
    stage.deed("resolve", "ana")
    stage.heard()
    await clock.advance(2 * HOUR)  # the service is down
    stage.start()
    await stage.after(60)
    assert [kind for _, kind, _ in stage.heard()] == ["opened"]


@pytest.mark.parametrize("by_ms", [3_600_000, -3_600_000])
async def test_what_begins_after_the_clock_was_set_waits_as_long_as_ever(clock: FakeClock, by_ms: int) -> None:
    stage = Stage(clock, Route(("chat",), wait=60.0))
    stage.take(stage.dispatcher.tick())
    clock.step_wall(by_ms)
    began = clock.monotonic()
    stage.fail("shop/home")
    stage.take(stage.dispatcher.tick())
    for _ in range(100):
        await clock.advance(5.0)
        stage.take(stage.dispatcher.tick())
        if stage.told:
            break
    assert 60 <= clock.monotonic() - began <= 65


async def test_a_link_without_a_key_is_none(clock: FakeClock, tmp_path: Path) -> None:
    """Whoever knew that there is no key yet could sign with none."""
    stage = Stage(clock, CHAT)
    stage.fail("shop/home")
    async with at_work(stage, tmp_path) as response:
        response.key = b""
        with pytest.raises(LinkError):
            response.link(link(key=b"").removeprefix("/act/"))


async def never(_act: Act) -> None:
    await asyncio.Event().wait()


async def test_what_is_not_written_down_in_time_is_said_and_done_all_the_same(clock, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("probe.engine.response._PATIENCE", 0.01)
    stage = Stage(clock, CHAT)
    stage.fail("shop/home")
    async with at_work(stage, tmp_path) as response:
        response._written = never
        with pytest.raises(StoreError, match="it is done, but"):
            await response.do(1, lambda desk, identity: desk.acknowledge(identity, "ana"))
        assert stage.dispatcher.book.open()[0].acked_by == "ana"


async def test_a_link_whose_deed_waits_for_the_disk_does_nothing_again_and_after_a_crash_it_does(
    clock: FakeClock, tmp_path: Path, monkeypatch
) -> None:
    monkeypatch.setattr("probe.engine.response._PATIENCE", 0.01)
    stage = Stage(clock, CHAT)
    stage.fail("shop/home")
    text = link(since=clock.now_ms()).removeprefix("/act/")
    async with at_work(stage, tmp_path) as response:
        response.key = KEY
        response._written = never
        with pytest.raises(StoreError, match="it is done, but"):
            await response.follow(text)
        stage.deed("unacknowledge", "bo")
        with pytest.raises(LinkError, match="used before"):
            await response.follow(text)
        assert stage.dispatcher.book.open()[0].status is Status.TRIGGERED
    monkeypatch.undo()
    stage.start()
    async with at_work(stage, tmp_path) as response:  # what was not on disk did not happen
        response.key = KEY
        _, done = await response.follow(text)
        assert done.acked_by == "ana"


async def test_a_link_that_could_do_nothing_stays_good(clock: FakeClock, tmp_path: Path) -> None:
    stage = Stage(clock, CHAT)
    stage.fail("shop/home")
    text = link(since=clock.now_ms()).removeprefix("/act/")
    async with at_work(stage, tmp_path) as response:
        response.key = KEY
        stage.deed("resolve", "bo")
        for _ in range(2):
            with pytest.raises(DeedError, match="#1 is over"):
                await response.follow(text)
        stage.recover("shop/home")
        stage.fail("shop/home")  # the same incident is open again
        _, done = await response.follow(text)
        assert done.acked_by == "ana"


# What is not told yet, over a crash.


@pytest.mark.parametrize("why", ["silenced", "waits"])
async def test_what_is_not_told_yet_is_told_after_a_crash(clock: FakeClock, why: str) -> None:
    stage = Stage(clock, Route(("chat",), wait=60.0 if why == "waits" else 0.0))
    silence = Silence("s-1", clock.now_ms(), clock.now_ms() + 60_000 if why == "silenced" else 1, ("*",))
    stage.dispatcher.held.silences = lambda: (silence,)
    stage.fail("shop/home")
    await stage.after(30)
    assert stage.heard() == []
    stage.start()
    stage.dispatcher.held.silences = lambda: (silence,)
    await stage.after(60)
    assert [(kind, receivers) for _, kind, receivers in stage.heard()] == [("opened", ("chat",))]


async def test_an_incident_that_has_joined_a_group_is_told_after_a_crash(clock: FakeClock) -> None:
    stage = Stage(clock, Route(("chat",), by=("owner",), wait=0.0, interval=300.0))
    stage.fail("shop/home")
    await stage.after(30)
    stage.fail("mail/in", subject="mail")
    stage.heard()
    stage.start()
    await stage.after(300)
    assert [kind for _, kind, _ in stage.heard()] == ["changed"]
    assert "2 incidents" in stage.notices[-1].title
