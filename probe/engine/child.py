"""One worker process as the service sees it: its pipes, what it says on them, its end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Callable, Mapping
from pathlib import Path

from checks.core.result import Result
from probe.engine.intake import Feed, Intake
from probe.engine.orders import Order, pack, read_line
from probe.engine.outbox import enlarge
from probe.engine.shard import Shard
from probe.engine.vitals import Vitals

log = logging.getLogger(__name__)

_MODULE = "probe.engine.worker"
_ROOT = Path(__file__).resolve().parents[2]  # the folder that `probe` is imported from
_LOOK = 0.005  # s between two looks whether a killed process is gone
_HURRY = 1.0  # s
_LAST_LINES = 0.5  # s for what a dead process wrote to its log
_LONGEST = 4000  # characters of a log line
_LOG_LINE = re.compile(r"(DEBUG|INFO|WARNING|ERROR|CRITICAL) [\w.]+: (.*)", re.DOTALL)


class Child:
    """A worker process from its start to its burial. `closed` is set once nothing more will come from it."""

    def __init__(
        self, shard: Shard, intake: Intake, result: Callable[[Result], None], ready: Callable[[], None]
    ) -> None:
        self.name = f"worker {shard.index + 1}"
        self.closed = asyncio.Event()
        self.vitals: Vitals | None = None  # what it said last of itself
        self.planned = False  # it has said that it has checks to run
        self.results = 0  # that came from it
        self.why = ""  # it was killed
        self._result = result
        self._ready = ready
        self._stdin: asyncio.WriteTransport | None = None
        self._stderr: asyncio.ReadTransport | None = None
        self._log = _Log(self.name)
        self._process = _spawn(shard)
        self._feed = Feed(self._stdout, intake, self._line, self._ended)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def _stdout(self) -> int:
        assert self._process.stdout is not None
        return self._process.stdout.fileno()

    async def connect(self) -> None:
        """Be ready to give orders, and to hear what it logs."""
        loop = asyncio.get_running_loop()
        self._stdin, _ = await loop.connect_write_pipe(asyncio.BaseProtocol, self._process.stdin)
        self._stderr, _ = await loop.connect_read_pipe(lambda: self._log, self._process.stderr)

    def send(self, order: Order) -> None:
        assert self._stdin is not None
        self._stdin.write(pack(order))

    def heard(self) -> bool:
        """Whether it said anything since the last time this was asked, or would if we listened."""
        heard, self._feed.heard = self._feed.heard or self._feed.waiting, False
        return heard

    def kill(self, why: str) -> None:
        """End it at once. What it wrote before is still read."""
        if not self.why:
            self.why = why
            self._process.kill()

    async def bury(self) -> str:
        """See that it is dead for certain; how it came to that."""
        self._feed.close()
        self._process.kill()
        try:
            while self._process.poll() is None:  # noqa: ASYNC110  # nobody tells us of the death of a process
                await asyncio.sleep(_LOOK)
            if self._stderr is not None:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LAST_LINES):
                        await self._log.ended.wait()
        finally:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(_HURRY)  # cancelled: nobody comes back to look
            self._close()
        return self.why or _cause(self._process.returncode)

    def _close(self) -> None:
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.abort()
        if self._stderr is not None:
            self._stderr.close()
        for file in (self._process.stdin, self._process.stdout, self._process.stderr):
            if file is not None:
                file.close()

    def _line(self, line: bytes) -> None:
        said = read_line(line)
        if isinstance(said, Vitals):
            self.vitals = said
            self.planned = self.planned or said.checks > 0
            self._ready()
        else:
            self.results += 1
            self._result(said)

    def _ended(self, why: str) -> None:
        if why:
            self.kill(f"wrote {why}")
        self.closed.set()


class _Log(asyncio.Protocol):
    """The standard error of a worker, line by line into our own log."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._tail = b""
        self._level = logging.ERROR
        self.ended = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        *lines, tail = (self._tail + data).split(b"\n")
        self._tail = tail[-_LONGEST:]
        for line in lines:
            self._pass_on(line)

    def connection_lost(self, _error: Exception | None) -> None:
        if self._tail:
            self._pass_on(self._tail)
            self._tail = b""
        self.ended.set()

    def _pass_on(self, line: bytes) -> None:
        text = line.decode(errors="replace")[:_LONGEST]
        if match := _LOG_LINE.fullmatch(text):
            # Lines without a level of their own belong to the one before: tracebacks.
            self._level, text = logging.getLevelNamesMapping()[match[1]], match[2]
        log.log(self._level, "%s: %s", self._name, text)


def _spawn(shard: Shard) -> subprocess.Popen[bytes]:
    """The process, in a session of its own: Ctrl-C is for the service, which ends its workers in order."""
    process = subprocess.Popen(  # noqa: S603  # it is ourselves
        # -P: what lies in the current folder is not ours to import.
        [sys.executable, "-P", "-m", _MODULE, str(shard)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        bufsize=0,
        env=_environment(),
        start_new_session=True,
    )
    assert process.stdout is not None
    os.set_blocking(process.stdout.fileno(), False)
    enlarge(process.stdout.fileno())
    return process


def _environment() -> Mapping[str, str]:
    """Ours; a program that runs from its source folder is found there by its workers, too."""
    if _ROOT in (Path(sysconfig.get_path("purelib")).resolve(), Path(sysconfig.get_path("platlib")).resolve()):
        return os.environ
    known = os.environ.get("PYTHONPATH")
    return {**os.environ, "PYTHONPATH": os.pathsep.join((str(_ROOT), known) if known else (str(_ROOT),))}


def _cause(code: int | None) -> str:
    if code is not None and code < 0:
        with contextlib.suppress(ValueError):
            return f"was killed by {signal.Signals(-code).name}"
    return f"ended with code {code}"
