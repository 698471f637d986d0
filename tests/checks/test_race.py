"""Several addresses of one host, raced for a connection: RFC 8305 against real sockets of both families."""

import asyncio
import errno
import os
from contextlib import asynccontextmanager

import pytest

from checks.core import race
from checks.core.peer import PeerError
from checks.core.poller import Poller
from checks.core.result import Trace
from tests.servers import free_port, full_backlog, serving, silent


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208  # a list is enough


@asynccontextmanager
async def polling():
    poller = Poller()
    try:
        yield poller
    finally:
        poller.close()


@asynccontextmanager
async def serving_both():
    """A port that listens on both families; somebody else may have it on one of them."""
    for _ in range(50):
        async with serving(silent, host="::1") as six:
            try:
                async with serving(silent, port=six.port):
                    yield six.port
                    return
            except OSError:
                continue
    raise AssertionError


@pytest.mark.parametrize(
    ("addresses", "mixed"),
    [
        (["::1", "::2", "1.1.1.1", "2.2.2.2"], ["::1", "1.1.1.1", "::2", "2.2.2.2"]),
        (["1.1.1.1", "2.2.2.2", "::1"], ["1.1.1.1", "::1", "2.2.2.2"]),
        (["::1", "1.1.1.1", "2.2.2.2", "3.3.3.3"], ["::1", "1.1.1.1", "2.2.2.2", "3.3.3.3"]),
        (["1.1.1.1"], ["1.1.1.1"]),
    ],
)
def test_families_take_turns(addresses, mixed):
    assert race.interleaved(addresses) == mixed


async def test_the_first_address_wins_when_it_answers():
    async with serving_both() as port, polling() as poller:
        trace = Trace()
        with await race.dial(poller, trace, ["::1", "127.0.0.1"], port) as connection:
            assert connection.peer == f"[::1]:{port}"
        assert trace.facts == {"net.address": "::1", "net.family": 6, "timing": "kernel"}
        assert len(trace.waits) == 1


async def test_the_next_one_goes_at_once_where_one_refuses():
    async with serving(silent) as four, polling() as poller:
        trace = Trace()
        with await race.dial(poller, trace, ["::1", "127.0.0.1"], four.port, stagger=60):
            pass
    assert trace.facts["net.address"] == "127.0.0.1"
    assert trace.facts["net.family"] == 4
    assert trace.facts["net.failed"] == "::1 (refused)"
    assert trace.waits == []  # a part of it was ours


async def test_one_that_swallows_packets_is_overtaken_and_told_of():
    with full_backlog() as port:
        async with serving(silent, host="::1", port=port), polling() as poller:
            before = descriptors()
            trace = Trace()
            with await race.dial(poller, trace, ["127.0.0.1", "::1"], port, stagger=0.05):
                assert len(poller._callbacks) == 1  # the loser's is gone
            assert descriptors() <= before + 1
    assert trace.facts["net.address"] == "::1"
    assert str(trace.facts["net.failed"]).startswith("127.0.0.1 (no answer in ")
    assert trace.phases["connect"] >= 0.05


async def test_a_slow_one_is_not_given_up_for_the_next():
    with full_backlog() as port:
        async with polling() as poller:
            trace = Trace()
            dialling = asyncio.ensure_future(race.dial(poller, trace, ["127.0.0.1", "::1"], port, stagger=0.01))
            await asyncio.sleep(0.1)
            assert not dialling.done()
            dialling.cancel()
            with pytest.raises(asyncio.CancelledError):
                await dialling
    failed = str(trace.facts["net.failed"])
    assert failed.startswith("127.0.0.1 (no answer in ")
    assert failed.endswith("::1 (refused)")


async def test_of_two_that_are_seen_at_once_the_kernel_knows_the_first():
    async with serving_both() as port, polling() as poller:
        contest = race._Race(poller, Trace(), port)
        contest._start("::1")
        contest._start("127.0.0.1")
        await asyncio.wait([attempt.task for attempt in contest._attempts])
        earliest = min(contest._attempts, key=lambda attempt: attempt.task.result().connected_at)
        winner = await contest.run(["::1"], 60)
        await contest.end()
        assert winner is earliest
        assert len(poller._callbacks) == 1
        winner.task.result().close()


async def test_nobody_wins_and_the_targets_own_failure_is_told():
    port = free_port()
    async with polling() as poller:
        trace = Trace()
        with pytest.raises(PeerError, match=r"connection refused by 127\.0\.0\.1") as raised:
            # ff02::1 is multicast: no connection leads there, which says nothing about the target.
            await race.dial(poller, trace, ["ff02::1", "127.0.0.1"], port)
        assert raised.value.code == errno.ECONNREFUSED
        assert poller._callbacks == {}
    assert trace.phase == "connect"
    assert str(trace.facts["net.failed"]).endswith("127.0.0.1 (refused)")


async def test_many_addresses_are_not_all_tried_at_once():
    with full_backlog() as port:
        # All of 127.0.0.0/8 is this machine, and nobody listens there: only the full queue swallows.
        async with polling() as poller:
            before = descriptors()
            dialling = asyncio.ensure_future(race.dial(poller, Trace(), ["127.0.0.1"] * 20, port, stagger=0.001))
            await asyncio.sleep(0.2)
            assert descriptors() - before == 6
            dialling.cancel()
            await asyncio.wait([dialling])
            assert descriptors() == before


async def test_a_race_may_be_cut_off_at_every_await():
    async with serving(silent, host="::1") as six, polling() as poller:
        for turns in range(12):
            dialling = asyncio.ensure_future(race.dial(poller, Trace(), ["127.0.0.1", "::1"], six.port))
            for _ in range(turns):
                await asyncio.sleep(0)
            dialling.cancel()
            await asyncio.wait([dialling])
            if not dialling.cancelled():
                dialling.result().close()
            await asyncio.sleep(0)
            assert poller._callbacks == {}  # and what is not closed is a warning, which fails the test


async def test_addresses_of_the_preferred_family_follow_each_other_as_usual():
    """All of 127.0.0.0/8 is this machine; the full queue, which swallows, is at 127.0.0.1."""
    with full_backlog() as port:
        async with serving(silent, host="127.0.0.2", port=port), polling() as poller:
            trace = Trace()
            async with asyncio.timeout(10):
                with await race.dial(poller, trace, ["127.0.0.1", "127.0.0.2", "::1"], port, stagger=60):
                    pass
    assert trace.facts["net.address"] == "127.0.0.2"
    assert "::1" not in str(trace.facts["net.failed"])


async def test_the_other_family_waits_while_an_address_of_the_preferred_one_may_still_answer():
    with full_backlog() as port:
        async with serving(silent, host="::1", port=port), polling() as poller:
            trace = Trace()
            addresses = ["127.0.0.2", "127.0.0.1", "::1"]  # refused, swallowed
            dialling = asyncio.ensure_future(race.dial(poller, trace, addresses, port, stagger=60))
            await asyncio.wait([dialling], timeout=2 * race.STAGGER)
            assert not dialling.done()
            dialling.cancel()
            await asyncio.wait([dialling])
    assert "::1" not in str(trace.facts["net.failed"])


async def test_the_other_family_has_its_turn_however_many_the_preferred_one_has():
    with full_backlog() as port:
        async with serving(silent, host="::1", port=port), polling() as poller:
            trace = Trace()
            contest = ["127.0.0.1"] * 20 + ["::1"]
            async with asyncio.timeout(10):
                with await race.dial(poller, trace, contest, port, stagger=race.STAGGER + 0.05):
                    pass
    assert trace.facts["net.address"] == "::1"
