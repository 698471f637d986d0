"""A command that runs as if nobody watched: its output passes through, signals reach it, its exit code is ours.

The end of what it says is kept beside, for whoever wants to know why it failed.
"""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from types import FrameType
from typing import IO

TAIL = 10_000  # bytes that are kept of what a command says
NOT_FOUND, NOT_EXECUTABLE, OUT_OF_TIME = 127, 126, 124  # as a shell, and timeout(1), have them
_PASSED_ON = (
    signal.SIGTERM,
    signal.SIGINT,
    signal.SIGHUP,
    signal.SIGQUIT,
    signal.SIGUSR1,
    signal.SIGUSR2,
    signal.SIGCONT,
)
_ENDS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
_FROM_A_TERMINAL = (signal.SIGINT, signal.SIGQUIT)  # these go to all of a terminal's foreground by themselves
_CHUNK = 1 << 16
_LAST_WORDS = 1.0  # s after the end of a command in which what it said is still read


class Tail:
    """The end of what went through, from both of a command's outputs in the order in which it came."""

    def __init__(self, limit: int = TAIL) -> None:
        self._limit = limit
        self._kept = bytearray()
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        with self._lock:
            self._kept += data
            if len(self._kept) > 2 * self._limit:
                del self._kept[: -self._limit]

    def text(self) -> bytes:
        with self._lock:
            return bytes(self._kept[-self._limit :])


class Signals:
    """What is sent to us goes to the command, as long as there is one; nothing ends us before it has ended."""

    def __init__(self) -> None:
        self.asked_to_end = threading.Event()  # somebody wants the last run to be the last
        self._current: Wrapped | None = None
        self._apart = not _interactive()

    @property
    def group(self) -> int | None:
        """In a group of its own all that a command starts is reached by signals; a terminal wants it in ours."""
        return 0 if self._apart else None

    @contextmanager
    def forwarded(self) -> Iterator[None]:
        before = {number: signal.signal(number, self._pass_on) for number in _PASSED_ON}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def to(self, wrapped: Wrapped) -> Iterator[None]:
        self._current = wrapped
        try:
            yield
        finally:
            self._current = None

    def _pass_on(self, number: int, _frame: FrameType | None) -> None:
        if number in _ENDS:
            self.asked_to_end.set()
        if self._current is not None and (self._apart or number not in _FROM_A_TERMINAL):
            self._current.signal(number)


class Wrapped:
    """One run of a command."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], signals: Signals, *, capture: bool
    ) -> None:
        self._command = list(command)
        self._environment = dict(environment)
        self._signals = signals
        self._capture = capture
        self._process: subprocess.Popen[bytes] | None = None
        self._copiers: list[threading.Thread] = []
        self.tail = Tail()

    def run(self, limit: float | None, kill_after: float) -> int:
        """Its exit code; 124 where it had to be ended because it took too long."""
        with self._signals.to(self):
            try:
                self._start()
            except OSError as error:
                return self._not_started(error)
            code = self._wait(limit, kill_after)
        end = time.monotonic() + _LAST_WORDS
        for copier in self._copiers:
            copier.join(max(0.0, end - time.monotonic()))
        return code

    def drain(self) -> None:
        """Wait for whoever still holds the outputs: a child that goes on alone says on what it has to say."""
        for copier in self._copiers:
            copier.join()

    def signal(self, number: int) -> None:
        process = self._process
        if process is None or process.returncode is not None:
            return
        with suppress(ProcessLookupError):
            if self._signals.group is None:
                process.send_signal(number)
            else:
                os.killpg(process.pid, number)

    def _start(self) -> None:
        pipe, group = subprocess.PIPE if self._capture else None, self._signals.group
        self._process = process = subprocess.Popen(  # noqa: S603  # what somebody asked us to run
            self._command, stdout=pipe, stderr=pipe, env=self._environment, process_group=group
        )
        for source, target in ((process.stdout, 1), (process.stderr, 2)):
            if source is not None:
                copier = threading.Thread(target=_copy, args=(source, target, self.tail), daemon=True)
                copier.start()
                self._copiers.append(copier)

    def _not_started(self, error: OSError) -> int:
        words = f"{self._command[0]}: {(error.strerror or str(error)).lower()}\n".encode()
        self.tail.add(words)
        os.write(2, words)
        return NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE

    def _wait(self, limit: float | None, kill_after: float) -> int:
        process = self._process
        assert process is not None
        try:
            code = process.wait(limit)
        except subprocess.TimeoutExpired:
            self.signal(signal.SIGTERM)
            try:
                process.wait(kill_after)
            except subprocess.TimeoutExpired:
                self.signal(signal.SIGKILL)
                process.wait()
            self.tail.add(f"\nprobe exec: ended after {limit:g} s\n".encode())
            return OUT_OF_TIME
        return 128 - code if code < 0 else code


def _interactive() -> bool:
    """Whether a terminal controls us: the command must then stay in its foreground."""
    try:
        return os.isatty(0) and os.tcgetpgrp(0) == os.getpgrp()
    except OSError:
        return False


def _copy(source: IO[bytes], target: int, tail: Tail) -> None:
    """Everything, as it comes. Where nobody reads us any more the command learns it as it would without us."""
    with source, suppress(OSError):
        while data := os.read(source.fileno(), _CHUNK):
            tail.add(data)
            while data:
                data = data[os.write(target, data) :]
