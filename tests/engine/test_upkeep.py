"""Who is muted and who is paused, minute by minute."""

import asyncio
from dataclasses import replace

import pytest

from probe.engine.upkeep import Upkeep
from probe.store.base import Announcement, Kind
from tests.conftest import FakeClock, settled
from tests.engine.test_hub import planned
from thresholds.maintenance import Mode, OneOff, Window

MIN = 60_000


@pytest.fixture
def checks():
    return {name: planned(name) for name in ("shop/home", "shop/cart", "mail/in")}


def window(first: int, last: int, mode: Mode = Mode.MUTE, clock_ms: int = 0) -> Window:
    return Window("patching", OneOff((clock_ms + first * MIN, clock_ms + last * MIN)), checks=("shop/*",), mode=mode)


async def test_checks_are_muted_while_their_maintenance_lasts(clock: FakeClock, checks) -> None:
    now = clock.now_ms()
    upkeep = Upkeep(clock)
    upkeep.configure((window(10, 20, clock_ms=now),), checks)
    muted = [minute for minute in range(30) if upkeep.muted("shop/home", now + minute * MIN)]
    assert muted == list(range(10, 20))
    assert not any(upkeep.muted("mail/in", now + minute * MIN) for minute in range(30))
    assert upkeep.of("shop/home", (now, now + 30 * MIN)) == ([(now + 10 * MIN, now + 20 * MIN)], [], [])
    assert upkeep.paused() == frozenset()


async def test_it_says_when_checks_are_to_pause_and_to_go_on(clock: FakeClock, checks) -> None:
    changes: list[frozenset[str]] = []
    upkeep = Upkeep(clock, lambda: changes.append(upkeep.paused()))
    upkeep.configure((window(10, 20, Mode.PAUSE, clock.now_ms()),), checks)
    running = asyncio.create_task(upkeep.run())
    await clock.advance(9 * 60)
    assert changes == []
    await clock.advance(2 * 60)
    assert changes == [{"shop/home", "shop/cart"}]
    await clock.advance(8 * 60)
    assert len(changes) == 1
    await clock.advance(2 * 60)
    assert changes[1:] == [frozenset()]
    running.cancel()
    await settled()


async def test_maintenance_days_ahead_is_worked_out_in_time(clock: FakeClock, checks) -> None:
    now = clock.now_ms()
    upkeep = Upkeep(clock)
    upkeep.configure((window(5 * 1440, 5 * 1440 + 60, clock_ms=now),), checks)
    assert not upkeep.muted("shop/home", now + 5 * 1440 * MIN - MIN)
    running = asyncio.create_task(upkeep.run())
    await clock.advance(5 * 86_400 + 60)
    assert upkeep.muted("shop/home", clock.now_ms())
    running.cancel()
    await settled()


async def test_what_people_announce_counts_until_they_end_it(clock: FakeClock, checks) -> None:
    now = clock.now_ms()
    changes: list[int] = []
    upkeep = Upkeep(clock, lambda: changes.append(clock.now_ms()))
    upkeep.configure((), checks)
    said = Announcement("m1", Kind.MAINTENANCE, now, 0, ("shop/*",), mode="pause", reason="disks", author="ana")
    upkeep.announce((said,))
    assert upkeep.paused() == {"shop/home", "shop/cart"}
    assert upkeep.muted("shop/home", now + 400 * MIN)
    upkeep.announce((replace(said, ended_ms=now + MIN),))
    assert upkeep.paused() == {"shop/home", "shop/cart"}
    await clock.advance(61)
    assert upkeep.paused() == frozenset()
    assert not upkeep.muted("shop/home", clock.now_ms())
    assert upkeep.announced()[0].ended_ms == now + MIN


async def test_an_exclusion_counts_for_nobody_and_mutes_nobody(clock: FakeClock, checks) -> None:
    now = clock.now_ms()
    upkeep = Upkeep(clock)
    upkeep.configure((), checks)
    upkeep.announce((Announcement("e1", Kind.EXCLUSION, now, now + 5 * MIN, ("mail/in",), reason="lab"),))
    assert not upkeep.muted("mail/in", now + MIN)
    assert upkeep.of("mail/in", (now, now + 9 * MIN)) == ([], [], [(now, now + 5 * MIN)])


async def test_maintenance_that_counts_all_the_same_mutes_and_excludes_nothing(clock: FakeClock, checks) -> None:
    now = clock.now_ms()
    upkeep = Upkeep(clock)
    upkeep.configure((replace(window(0, 5, clock_ms=now), excluded=False),), checks)
    assert upkeep.muted("shop/home", now)
    assert upkeep.of("shop/home", (now, now + 9 * MIN)) == ([], [], [])


async def test_what_was_ended_before_it_began_never_was(clock: FakeClock, checks) -> None:
    now = clock.now_ms()
    upkeep = Upkeep(clock)
    upkeep.configure((), checks)
    upkeep.announce((Announcement("m1", Kind.MAINTENANCE, now + 9 * MIN, now + MIN, ("*",)),))
    assert not any(upkeep.muted("shop/home", now + minute * MIN) for minute in range(20))
