"""The service in the foreground: signals, logs, and the live table where there is a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import queue
import signal
import sys
import threading
import time
from collections.abc import Callable
from logging.handlers import QueueHandler

import click
from rich.console import Console
from rich.logging import RichHandler

from probe.cli.table import show
from probe.config.model import Config
from probe.service import Service
from probe.store.base import StoreError

log = logging.getLogger("probe")

_LONGEST_END = 40.0  # s
_LINES = 10_000  # log lines that wait for a slow reader
_LAST_LINES = 1.0  # s for them at the end
_LINE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


class _Masked(logging.Filter):
    """No secret reaches a log, wherever it came from."""

    def __init__(self, redact: Callable[[str], str]) -> None:
        super().__init__()
        self._redact = redact

    def filter(self, record: logging.LogRecord) -> bool:
        record.msg, record.args = self._redact(record.getMessage()), ()
        if record.exc_info and not record.exc_text:
            record.exc_text = self._redact(logging.Formatter().formatException(record.exc_info))
        return True


class _Patient(QueueHandler):
    """Hands lines to a thread: whoever does not read our standard error must not stop the probes."""

    def __init__(self, lines: queue.Queue[logging.LogRecord]) -> None:
        super().__init__(lines)
        self.setFormatter(logging.Formatter("%(message)s"))  # the rest is added where lines are written
        self._lines = lines

    def enqueue(self, record: logging.LogRecord) -> None:
        with contextlib.suppress(queue.Full):
            self._lines.put_nowait(record)

    def flush(self) -> None:
        """At the end of the program: wait for the thread, but not for a reader who never comes."""
        deadline = time.monotonic() + _LAST_LINES
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.01)


def _write_lines(lines: queue.Queue[logging.LogRecord], handler: logging.Handler) -> None:
    while True:
        handler.handle(lines.get())
        lines.task_done()


def start_logging(redact: Callable[[str], str], console: Console | None) -> None:
    """Lines on standard error; above the live table where there is one."""
    handler: logging.Handler
    if console is not None:
        handler = RichHandler(console=console, show_path=False, log_time_format="%X")
        handler.setFormatter(logging.Formatter("%(message)s"))
    else:
        handler = logging.StreamHandler()
        handler.setFormatter(logging.Formatter(_LINE))
    handler.addFilter(_Masked(redact))
    lines: queue.Queue[logging.LogRecord] = queue.Queue(_LINES)
    logging.basicConfig(level=logging.INFO, handlers=[_Patient(lines)], force=True)
    threading.Thread(target=_write_lines, args=(lines, handler), name="log", daemon=True).start()
    for name in ("aiohttp.access", "aiosqlite"):  # the latter logs whole batches, with what notices say
        logging.getLogger(name).setLevel(logging.WARNING)


def operate(config: Config, *, plain: bool) -> int:
    """Run the service until it is told to end; the exit code."""
    console = None if plain or not sys.stdout.isatty() else Console()
    service = Service(config)
    start_logging(service.redact, console)
    try:
        asyncio.run(_operate(service, console))
    except (StoreError, OSError) as error:
        click.secho(f"probe cannot run: {service.redact(str(error))}", fg="red", err=True)
        return 1
    except BaseExceptionGroup as group:
        log.critical("a task ended unexpectedly; so does the service", exc_info=group)
        return 1
    return 0


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDONLY | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _give_up() -> None:
    os.write(2, b"probe: the end took too long (a disk that does not answer?); ended at once\n")
    os._exit(1)


async def _operate(service: Service, console: Console | None) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def end() -> None:
        if stop.is_set():
            os._exit(130)  # asked twice: at once
        stop.set()
        # Each step of the end is bounded, but a thread in a system call that hangs (a dead disk) cannot be cut off.
        loop.call_later(_LONGEST_END, _give_up)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    attended = _has_terminal()

    def hang_up() -> None:
        """A reload; but when our terminal is gone, so is whoever could end us."""
        if attended and not _has_terminal():
            end()
        else:
            service.reload_soon()

    loop.add_signal_handler(signal.SIGHUP, hang_up)
    running = asyncio.create_task(service.run(stop))
    try:
        await asyncio.wait(
            {running, asyncio.ensure_future(service.started.wait())}, return_when=asyncio.FIRST_COMPLETED
        )
        if service.started.is_set():
            click.echo(f"probe: {service.address}", err=console is None)
            with contextlib.suppress(asyncio.CancelledError):
                await _watch(service, console, running)
    finally:
        await running


async def _watch(service: Service, console: Console | None, running: asyncio.Task[None]) -> None:
    if console is None:
        await asyncio.wait({running})
        return
    table = asyncio.create_task(show(service.board, service, console))
    await asyncio.wait({running, table}, return_when=asyncio.FIRST_COMPLETED)
    table.cancel()
    await asyncio.gather(table, return_exceptions=True)
