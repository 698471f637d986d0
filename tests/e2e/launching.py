"""Processes of `probe` that start at once: forks of one that has imported everything. Ended by their ids."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

TREE = Path(__file__).parents[2]


class Launched:
    """One process with its output in a file."""

    def __init__(self, pid: int, log: Path) -> None:
        self.pid = pid
        self._log = log
        self._ended: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    @property
    def running(self) -> bool:
        return not self._ended.done()

    def gone(self, code: int) -> None:
        self._ended.set_result(code)

    async def end(self, number: signal.Signals = signal.SIGTERM, limit: float = 90.0) -> int:
        """Send a signal and wait; the exit code."""
        if self.running:
            os.kill(self.pid, number)
        async with asyncio.timeout(limit):
            return await asyncio.shield(self._ended)

    async def ended(self, limit: float) -> int:
        """Wait until it ends by itself; the exit code, negative for a signal."""
        async with asyncio.timeout(limit):
            return await asyncio.shield(self._ended)

    def output(self) -> str:
        return self._log.read_text(errors="replace")


class Launcher:
    """Has processes forked, and hears of their ends."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._asked: deque[tuple[Path, asyncio.Future[Launched]]] = deque()
        self._launched: dict[int, Launched] = {}

    async def start(self, arguments: list[str], log: Path, fault: str = "") -> Launched:
        """A process of `probe` with these arguments; `fault` as in PROBE_FAULT."""
        begun: asyncio.Future[Launched] = asyncio.get_running_loop().create_future()
        self._asked.append((log, begun))
        assert self._process.stdin is not None
        asked = {"arguments": arguments, "log": str(log), "fault": fault}
        self._process.stdin.write(json.dumps(asked).encode() + b"\n")
        return await begun

    async def listen(self) -> None:
        assert self._process.stdout is not None
        while line := await self._process.stdout.readline():
            said = json.loads(line)
            if "ended" in said:
                self._launched.pop(said["ended"]).gone(said["code"])
            else:
                log, begun = self._asked.popleft()
                launched = self._launched[said["pid"]] = Launched(said["pid"], log)
                begun.set_result(launched)


@asynccontextmanager
async def launcher() -> AsyncIterator[Launcher]:
    paths = [str(TREE), *filter(None, [os.environ.get("PYTHONPATH")])]
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "tests.e2e.faults.launcher",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
        cwd=TREE,
    )
    found = Launcher(process)
    listening = asyncio.create_task(found.listen())
    try:
        yield found
    finally:
        assert process.stdin is not None
        process.stdin.close()
        await process.wait()
        await listening
