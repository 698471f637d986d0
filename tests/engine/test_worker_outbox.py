"""Lines on their way out: whole, in order, bounded, and never waited for."""

import asyncio
import os
from collections.abc import Iterator

import pytest

from probe.engine.outbox import Outbox, enlarge, unblocked


class Pipe:
    """A pipe, and the outbox at its end."""

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()
        for fd in (self.reader, self.writer):
            os.set_blocking(fd, False)
        self.gone = 0

    def outbox(self, bound: int = 1 << 20) -> Outbox:
        def gone() -> None:
            self.gone += 1

        return Outbox(self.writer, gone, bound=bound)

    def read(self, size: int = 1 << 20) -> bytes:
        try:
            return os.read(self.reader, size)
        except BlockingIOError:
            return b""

    async def until(self, count: int) -> list[bytes]:
        """The next lines, as they come."""
        data = b""
        async with asyncio.timeout(10):
            while data.count(b"\n") < count:
                data += self.read()
                await asyncio.sleep(0.001)
        return data.splitlines()


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    for fd in (pipe.reader, pipe.writer):
        try:
            os.close(fd)
        except OSError:
            continue


async def test_lines_go_out_together_and_in_order(pipe: Pipe) -> None:
    outbox = pipe.outbox()
    for n in range(100):
        outbox.put(b"%d" % n)
    assert pipe.read() == b""  # one write for all of them
    assert await pipe.until(100) == [b"%d" % n for n in range(100)]


async def test_much_goes_out_at_once(pipe: Pipe) -> None:
    enlarge(pipe.writer)
    outbox = pipe.outbox()
    for _ in range(70):
        outbox.put(b"a" * 999)
    assert len(pipe.read()) >= 65_000


async def test_a_reader_who_stops_loses_the_oldest_whole_lines_and_they_are_counted(pipe: Pipe) -> None:
    outbox = pipe.outbox(bound=200_000)
    lines = [b"%06d" % n + b"x" * 500 for n in range(5000)]
    for line in lines:
        outbox.put(line)
    assert len(outbox) * 507 <= 200_000
    lost = outbox.dropped["slow_reader"]
    seen = await pipe.until(5000 - lost)
    assert set(seen) <= set(lines)
    assert seen == sorted(seen)
    assert seen[-1] == lines[-1]
    assert len(seen) == 5000 - lost
    assert not len(outbox)


async def test_nothing_is_lost_within_the_bound(pipe: Pipe) -> None:
    outbox = pipe.outbox(bound=4 << 20)
    lines = [b"%06d" % n + b"x" * 500 for n in range(5000)]
    for line in lines:
        outbox.put(line)
    assert await pipe.until(5000) == lines
    assert outbox.dropped == {"slow_reader": 0}


async def test_a_word_goes_ahead_and_takes_the_place_of_the_one_before(pipe: Pipe) -> None:
    outbox = pipe.outbox()
    while not outbox.dropped["slow_reader"] and len(outbox) < 1000:
        outbox.put(b"x" * 1000)
    outbox.tell(b"first word")
    outbox.tell(b"second word")
    lines = await pipe.until(1001)
    assert b"first word" not in lines
    assert lines.index(b"second word") < 200  # behind what the kernel had and what was being written


async def test_a_word_alone_goes_out_at_once(pipe: Pipe) -> None:
    pipe.outbox().tell(b"well")
    assert pipe.read() == b"well\n"


async def test_flush_waits_for_the_reader(pipe: Pipe) -> None:
    outbox = pipe.outbox()
    for _ in range(500):
        outbox.put(b"x" * 1000)
    flushing = asyncio.create_task(outbox.flush())
    await asyncio.sleep(0)
    assert not flushing.done()
    assert len(await pipe.until(500)) == 500
    async with asyncio.timeout(5):
        await flushing


async def test_flush_of_nothing_is_done(pipe: Pipe) -> None:
    async with asyncio.timeout(1):
        await pipe.outbox().flush()


async def test_when_nobody_reads_any_more_that_is_said_once_and_nothing_is_kept(pipe: Pipe) -> None:
    outbox = pipe.outbox()
    outbox.put(b"x")
    os.close(pipe.reader)
    await outbox.flush()
    outbox.put(b"y")
    outbox.tell(b"z")
    await outbox.flush()
    assert pipe.gone == 1
    assert not len(outbox)


async def test_a_pipe_is_opened_anew_so_that_a_shell_keeps_its_own(pipe: Pipe) -> None:
    os.set_blocking(pipe.writer, True)
    ours = unblocked(pipe.writer)
    try:
        assert not os.get_blocking(ours)
        assert os.get_blocking(pipe.writer)
        os.write(ours, b"x\n")
        assert pipe.read() == b"x\n"
    finally:
        os.close(ours)
