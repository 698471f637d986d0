"""What workers have written, read in turns of a few milliseconds: results never keep the loop from pages and alerts."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable

from probe.engine.orders import NonsenseError

_TURN = 0.002  # s: others in the same turn of the loop have as much to do
_AT_ONCE = 8  # lines between two looks at the clock
_CHUNK = 1 << 18  # bytes per read
_LONGEST = 1 << 20  # bytes of a line


class Intake:
    """Gives its turn to one feed after the other."""

    def __init__(self) -> None:
        self._ready: deque[Feed] = deque()
        self._news = asyncio.Event()

    async def run(self) -> None:
        while True:
            while self._ready:
                feed = self._ready.popleft()
                if feed.take(time.perf_counter() + _TURN):
                    self._ready.append(feed)
                await asyncio.sleep(0)
            self._news.clear()
            await self._news.wait()

    def add(self, feed: Feed) -> None:
        self._ready.append(feed)
        self._news.set()


class Feed:
    """The lines of one pipe. `ended` is called with what was wrong with them, "" at the end of the stream."""

    def __init__(self, fd: int, intake: Intake, line: Callable[[bytes], None], ended: Callable[[str], None]) -> None:
        self._fd = fd
        self._intake = intake
        self._line = line
        self._ended = ended
        self._lines: deque[bytes] = deque()
        self._tail = b""
        self._loop = asyncio.get_running_loop()
        self._open = True
        self.waiting = False  # there is something to read, and others have their turn
        self.heard = False  # something came since this was last set to False
        self._listen()

    def close(self) -> None:
        """Read nothing more; `ended` is not called any more. The descriptor stays the caller's."""
        self._open = False
        self._lines.clear()
        self._loop.remove_reader(self._fd)

    def take(self, until: float) -> bool:
        """Read and hand on until that instant of time.perf_counter(); whether there is more now."""
        while self._open:
            if not self._lines and not self._fill():
                return False
            try:
                for _ in range(min(_AT_ONCE, len(self._lines))):
                    self._line(self._lines.popleft())
            except NonsenseError as error:
                self._end(str(error))
            if time.perf_counter() >= until:
                return self._open
        return False

    def _fill(self) -> bool:
        """Read what there is; whether to go on."""
        try:
            data = os.read(self._fd, _CHUNK)
        except BlockingIOError:
            self._listen()
            return False
        if not data:
            self._end("")
            return False
        self.heard = True
        *lines, self._tail = (self._tail + data).split(b"\n")
        self._lines.extend(lines)
        if len(self._tail) > _LONGEST:
            self._end(f"a line of more than {_LONGEST} bytes")
            return False
        return True

    def _end(self, why: str) -> None:
        self.close()
        self._ended(why)

    def _listen(self) -> None:
        self.waiting = False
        self._loop.add_reader(self._fd, self._notice)

    def _notice(self) -> None:
        self._loop.remove_reader(self._fd)
        self.waiting = True
        self._intake.add(self)
