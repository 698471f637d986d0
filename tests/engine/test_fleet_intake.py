"""What workers write, read in turns: everybody gets one, and nonsense ends its writer only."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable

import pytest

from probe.engine.intake import Feed, Intake
from probe.engine.orders import NonsenseError


class Source:
    """A pipe that something is written to, and what was read of it."""

    def __init__(self, intake: Intake, cost: float = 0.0) -> None:
        self.reader, self.writer = os.pipe()
        os.set_blocking(self.reader, False)
        self.lines: list[bytes] = []
        self.ended: list[str] = []
        self._cost = cost
        self.feed = Feed(self.reader, intake, self.take, self.ended.append)

    def take(self, line: bytes) -> None:
        if line == b"nonsense":
            raise NonsenseError("it said nonsense")
        if self._cost:
            until = time.perf_counter() + self._cost
            while time.perf_counter() < until:
                pass
        self.lines.append(line)

    def write(self, data: bytes) -> None:
        os.write(self.writer, data)

    def close(self) -> None:
        self.feed.close()
        for fd in (self.reader, self.writer):
            try:
                os.close(fd)
            except OSError:
                continue


@pytest.fixture
async def intake() -> AsyncIterator[Intake]:
    intake = Intake()
    reading = asyncio.create_task(intake.run())
    yield intake
    reading.cancel()
    await asyncio.gather(reading, return_exceptions=True)


async def until(condition: Callable[[], object]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0)


async def test_lines_come_whole_however_they_were_written(intake: Intake) -> None:
    source = Source(intake)
    for piece in (b"a", b"b\nc", b"\n", b"d\ne\n"):
        source.write(piece)
        await asyncio.sleep(0.005)
    await until(lambda: len(source.lines) == 4)
    assert source.lines == [b"ab", b"c", b"d", b"e"]
    source.close()


async def test_the_end_comes_after_all_that_was_written_before(intake: Intake) -> None:
    source = Source(intake)
    source.write(b"x\n" * 10_000)
    os.close(source.writer)
    await until(lambda: source.ended)
    assert len(source.lines) == 10_000
    assert source.ended == [""]
    source.close()


async def test_a_full_pipe_keeps_nobody_from_their_turn(intake: Intake) -> None:
    busy, other = Source(intake, cost=0.001), Source(intake)
    busy.write(b"x\n" * 5_000)
    await until(lambda: busy.lines)
    other.write(b"y\n")
    turns = 0
    while not other.lines:
        await asyncio.sleep(0)
        turns += 1
        assert turns < 20
    assert len(busy.lines) < 200
    busy.close()
    other.close()


async def test_a_turn_is_bounded_in_time(intake: Intake) -> None:
    source = Source(intake, cost=0.0005)
    source.write(b"x\n" * 2_000)
    await until(lambda: source.lines)
    before = len(source.lines)
    await asyncio.sleep(0)
    assert 0 < len(source.lines) - before <= 32  # 4 ms at 0.5 ms each, and as many as go between two looks
    source.close()


async def test_nonsense_is_reported_and_nothing_is_read_after_it(intake: Intake) -> None:
    source = Source(intake)
    source.write(b"a\nnonsense\nb\n")
    await until(lambda: source.ended)
    assert (source.lines, source.ended) == ([b"a"], ["it said nonsense"])
    source.write(b"c\n")
    await asyncio.sleep(0.01)
    assert source.lines == [b"a"]
    source.close()


async def test_a_line_without_an_end_is_not_kept_for_ever(intake: Intake) -> None:
    source = Source(intake)

    def write() -> None:
        for _ in range(40):
            os.write(source.writer, b"x" * 65_536)

    writing = asyncio.create_task(asyncio.to_thread(write))
    await until(lambda: source.ended)
    assert source.ended == ["a line of more than 1048576 bytes"]
    while not writing.done():  # let the writer end
        try:
            os.read(source.reader, 1 << 20)
        except BlockingIOError:
            await asyncio.sleep(0.001)
    await writing
    source.close()


async def test_what_was_heard_is_known(intake: Intake) -> None:
    source = Source(intake)
    assert not source.feed.heard
    source.write(b"half a line")
    await until(lambda: source.feed.heard)
    source.close()


async def test_a_bug_in_who_takes_results_is_raised(intake: Intake) -> None:
    own = Intake()
    reading = asyncio.create_task(own.run())
    reader, writer = os.pipe()
    os.set_blocking(reader, False)

    def bug(line: bytes) -> None:
        raise KeyError(line)

    feed = Feed(reader, own, bug, lambda why: None)
    os.write(writer, b"x\n")
    with pytest.raises(KeyError):
        await reading
    feed.close()
    os.close(reader)
    os.close(writer)
