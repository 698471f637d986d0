"""Lines on their way out of a process: gathered, written in batches, never waited for."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import stat
from collections import deque
from collections.abc import Callable

PIPE = 1 << 20  # bytes that a pipe may hold: what Linux gives without privileges
_GATHER = 0.05  # s that a line may wait for others
_BATCH = 1 << 16  # bytes that are worth a write at once
_BOUND = 32 << 20  # bytes that wait for a reader who is slow or stopped
_CLOSED = (BrokenPipeError, ConnectionResetError)
_TURN = 16  # batches written in one turn of the loop: others want theirs too
_READER = "slow_reader"  # why lines are dropped


class Outbox:
    """Writes lines to a descriptor. The oldest are dropped beyond `bound` bytes, and counted.

    `gone` is called once when nobody can read any more. The descriptor must not block.
    """

    def __init__(self, fd: int, gone: Callable[[], None], *, bound: int = _BOUND) -> None:
        self._fd = fd
        self._gone = gone
        self._bound = bound
        self._lines: deque[bytes] = deque()
        self._size = 0  # bytes of the lines
        self._rest = b""  # of a batch that the kernel took a part of
        self._word = b""
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self._waiting = self._closed = False
        self._empty = asyncio.Event()
        self._empty.set()
        self.dropped = {_READER: 0}

    def __len__(self) -> int:
        return len(self._lines)

    def put(self, line: bytes) -> None:
        """Send a line; it may be dropped later."""
        if self._closed:
            return
        self._empty.clear()
        self._lines.append(line)
        self._size += len(line) + 1
        if self._size > self._bound:
            self._drop()
        if self._size >= _BATCH and not self._waiting:
            self._write()
        elif self._timer is None and not self._waiting:
            self._timer = self._loop.call_later(_GATHER, self._write)

    def tell(self, word: bytes) -> None:
        """Send a line ahead of the others; it takes the place of one that was told before and has not gone out."""
        if self._closed:
            return
        self._empty.clear()
        self._word = word
        if not self._waiting and self._timer is None:
            self._write()

    async def flush(self) -> None:
        """Wait until everything has been written, or nobody reads. The caller sets the deadline."""
        if not self._waiting:
            self._write()
        await self._empty.wait()

    def close(self) -> None:
        """Write nothing more. The descriptor stays the caller's."""
        self._closed = True
        self._lines.clear()
        self._size = 0
        self._rest = self._word = b""
        self._wait(wanted=False)
        if self._timer is not None:
            self._timer.cancel()
        self._empty.set()

    def _drop(self) -> None:
        while self._size > self._bound:
            self._size -= len(self._lines.popleft()) + 1
            self.dropped[_READER] += 1

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for _ in range(_TURN):
            batch = self._rest or self._batch()
            if not batch or not self._wrote(batch):
                break
        if self._closed:
            return
        done = not (self._rest or self._word or self._lines)
        self._wait(wanted=not done)
        if done:
            self._empty.set()

    def _wrote(self, batch: bytes) -> bool:
        """Whether the kernel took some of it; keeps what it did not take."""
        try:
            self._rest = batch[os.write(self._fd, batch) :]
        except BlockingIOError:
            self._rest = batch
            return False
        except _CLOSED:
            self.close()
            self._gone()
            return False
        return True

    def _batch(self) -> bytes:
        """The lines that go out next, as one piece of which no part may be dropped any more."""
        lines = [self._word] if self._word else []
        size, self._word = len(self._word), b""
        while self._lines and size < _BATCH:
            line = self._lines.popleft()
            lines.append(line)
            size += len(line) + 1
            self._size -= len(line) + 1
        return b"".join((b"\n".join(lines), b"\n")) if lines else b""

    def _wait(self, *, wanted: bool) -> None:
        """Have the loop tell when the reader has made room."""
        if wanted and not self._waiting:
            self._loop.add_writer(self._fd, self._write)
        elif self._waiting and not wanted:
            self._loop.remove_writer(self._fd)
        self._waiting = wanted


def enlarge(fd: int) -> None:
    """Let a pipe hold as much as the system allows: fewer waits, fewer wake-ups."""
    with contextlib.suppress(OSError, AttributeError):  # not a pipe, not Linux, or too many pipes already
        fcntl.fcntl(fd, fcntl.F_SETPIPE_SZ, PIPE)


def unblocked(fd: int) -> int:
    """A descriptor for the same reader that does not block, where that is possible.

    A pipe or a terminal is opened anew: whoever shares ours, a shell for example, must not find it changed.
    """
    mode = os.fstat(fd).st_mode
    if stat.S_ISFIFO(mode) or os.isatty(fd):
        with contextlib.suppress(OSError):
            return os.open(f"/proc/self/fd/{fd}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    if not stat.S_ISREG(mode):
        os.set_blocking(fd, False)
    return fd
