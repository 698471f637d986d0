"""Real processes for end-to-end tests: started on free loopback ports, ended by their ids."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

PROBE = Path(sys.executable).with_name("probe")


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


async def until(condition: Callable[[], Awaitable[object]], what: str, limit: float = 60.0) -> object:
    """Poll until the condition is true, and give its value; fail with `what` at the limit."""
    seen: object = None
    try:
        async with asyncio.timeout(limit):
            while True:
                try:
                    if seen := await condition():
                        return seen
                except OSError as error:  # not listening yet
                    seen = error
                await asyncio.sleep(0.1)
    except TimeoutError:
        raise AssertionError(f"not within {limit:g} s: {what} (last seen: {seen!r})") from None


async def nothing_owed(folder: Path) -> bool:
    """Whether the store in `folder` knows of every delivery how it ended: no start tells one of them again."""
    with closing(sqlite3.connect(f"file:{folder / 'probe.db'}?mode=ro", uri=True)) as database:
        ((owed,),) = database.execute("SELECT count(*) FROM deliveries WHERE outcome = 'pending'")
    return bool(owed == 0)


class Process:
    """One child process with its output in a file."""

    def __init__(self, command: list[str], log: Path, **environment: str) -> None:
        self.command = command
        self.log = log
        self._environment = {**os.environ, **environment}
        self._process: asyncio.subprocess.Process | None = None

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.returncode is None

    async def start(self) -> None:
        with self.log.open("ab") as out:
            self._process = await asyncio.create_subprocess_exec(
                *self.command, stdin=asyncio.subprocess.DEVNULL, stdout=out, stderr=out, env=self._environment
            )

    async def end(self, number: signal.Signals = signal.SIGTERM, limit: float = 30.0) -> int:
        """Send a signal and wait; the exit code."""
        assert self._process is not None
        if self._process.returncode is None:
            self._process.send_signal(number)
        async with asyncio.timeout(limit):
            return await self._process.wait()

    def send(self, number: signal.Signals) -> None:
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        await self.end(signal.SIGKILL)

    def output(self) -> str:
        return self.log.read_text(errors="replace")


@asynccontextmanager
async def started(command: list[str], log: Path, **environment: str) -> AsyncIterator[Process]:
    """A process for the length of the block; killed if it is still there at the end."""
    process = Process(command, log, **environment)
    await process.start()
    try:
        yield process
    finally:
        if process.running:
            await process.kill()


@asynccontextmanager
async def alertmanager(folder: Path) -> AsyncIterator[str]:
    """Debian's Alertmanager with a receiver that tells nobody; its address."""
    port = free_port()
    config = folder / "alertmanager.yml"
    config.write_text("route: {receiver: nobody}\nreceivers: [{name: nobody}]\n")
    command = [
        "/usr/bin/prometheus-alertmanager",
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]
    async with started(command, folder / "alertmanager.log"):
        yield f"http://127.0.0.1:{port}"


@asynccontextmanager
async def prometheus(folder: Path, target: str) -> AsyncIterator[str]:
    """Debian's Prometheus, scraping one target every second; its address."""
    port = free_port()
    config = folder / "prometheus.yml"
    config.write_text(
        "global: {scrape_interval: 1s}\n"
        f"scrape_configs: [{{job_name: probe, static_configs: [{{targets: ['{target}']}}]}}]\n"
    )
    command = [
        "/usr/bin/prometheus",
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    async with started(command, folder / "prometheus.log"):
        yield f"http://127.0.0.1:{port}"
