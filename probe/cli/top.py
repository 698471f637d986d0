"""`probe top`: asks a running service how it does, again and again, and shows it until somebody has seen enough."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
import termios
import time
import tty
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from ipaddress import IPv6Address
from urllib.parse import urlsplit

import aiohttp
import click
from rich.console import Console, RenderableType

from checks.core.units import format_duration, parse_duration
from probe.cli.screen import Screen
from probe.cli.top_frame import render
from probe.cli.top_model import Sample, Window, read
from probe.config.model import Config

_PATIENCE = aiohttp.ClientTimeout(total=5.0)
_LARGEST = 8 << 20  # bytes of an answer
_LIST = 50  # checks asked for: more than a terminal has lines for each list
_FIRST = 1.0  # s between the two samples of a single picture
_LINES = 50  # of a picture that goes into a file or a pipe
_FRAMES = 2.0  # a second
_HOST = re.compile(r"[\w.:%-]+")
_QUIT = (b"q", b"Q", b"\x03", b"\x04")


class NoAnswerError(Exception):
    """The service did not say how it does; one line says why."""


def place(address: str | None, config: Config | None) -> str:
    """Where the service is: as somebody typed it, or as a configuration says it. Raises ValueError."""
    if address is not None:
        url = address if "://" in address else f"http://{address}"
        if not _is_address(url):
            raise ValueError(f"{address!r} is no address of a service; write http://127.0.0.1:8080")
        return url.rstrip("/")
    if config is None:
        return "http://127.0.0.1:8080"
    if config.port == 0:
        raise ValueError(f"{config.path} listens on a port that is free at the start; give the URL that it printed")
    host = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}.get(config.host, config.host)  # noqa: S104
    return f"http://[{host}]:{config.port}" if ":" in host else f"http://{host}:{config.port}"


def _is_address(url: str) -> bool:
    try:
        parts = urlsplit(url)
        usable = parts.port != 0 and ("[" not in parts.netloc or IPv6Address(parts.hostname))
    except ValueError:  # a port that is no number, half an IPv6 address
        return False
    known = parts.scheme in ("http", "https") and _HOST.fullmatch(parts.hostname or "")
    return bool(usable and known and not parts.query and not parts.fragment)


def shown(url: str) -> str:
    """The address without a password in it."""
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()


def interval(text: str) -> float:
    """`--every` in seconds; raises ValueError."""
    seconds = parse_duration(text)
    if not 0.2 <= seconds <= 3600:
        raise ValueError(f"--every must be from 200ms to 1h, not {text}")
    return seconds


class Source:
    """A service to ask."""

    def __init__(self, session: aiohttp.ClientSession, url: str) -> None:
        self._session = session
        self._url = f"{url}/api/v1/vitals?limit={_LIST}"

    async def sample(self) -> Sample:
        """How it does now; raises NoAnswerError."""
        try:
            async with self._session.get(self._url, timeout=_PATIENCE) as answer:
                body = await _bounded(answer)
                if answer.status != 200:
                    raise NoAnswerError(f"it answers {answer.status} {answer.reason or ''}; is it Probe, and this one?")
                return read(body)
        except ValueError as error:
            raise NoAnswerError(f"what it answers is not understood; is it Probe? {error}") from None
        except TimeoutError:
            raise NoAnswerError(f"nothing within {_PATIENCE.total:g} s") from None
        except aiohttp.ClientError as error:
            raise NoAnswerError(_why(error)) from None


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    body = await answer.content.read(_LARGEST + 1)
    while not answer.content.at_eof():
        if len(body) > _LARGEST:
            raise NoAnswerError(f"its answer is larger than {_LARGEST} bytes")
        body += await answer.content.read(_LARGEST + 1)
    return body


def _why(error: aiohttp.ClientError) -> str:
    if isinstance(error, aiohttp.ClientConnectorError) and error.os_error.errno:
        return os.strerror(error.os_error.errno).lower() if error.os_error.errno > 0 else str(error.os_error)
    return str(error) or type(error).__name__


@contextlib.asynccontextmanager
async def _opened(url: str) -> AsyncIterator[Source]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=1)) as session:
        yield Source(session, url)


async def once(url: str, console: Console) -> int:
    """Print one picture, made from two samples a second apart; the exit code."""
    window = Window()
    async with _opened(url) as source:
        try:
            window.take(await source.sample())
            await asyncio.sleep(_FIRST)
            window.take(await source.sample())
        except NoAnswerError as error:
            click.echo(f"no answer from {shown(url)}: {error}", err=True)
            return 1
    height = console.height if console.is_terminal else _LINES
    return _printed(render(window, shown(url), console.width, height), console)


def _printed(picture: RenderableType, console: Console) -> int:
    """Print it; the exit code."""
    try:
        console.print(picture)
        console.file.flush()
    except OSError as error:
        click.echo(f"standard output cannot be written: {os.strerror(error.errno or 0).lower()}", err=True)
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # what is left would fail again at the end
        return 1
    return 0


class Top:
    """The live picture."""

    def __init__(self, source: Source, address: str, every: float) -> None:
        self._source = source
        self._address = address
        self._every = every
        self._window: Window | None = None
        self._answered = time.monotonic()
        self._silence = ""

    async def show(self, screen: Screen) -> None:
        """Ask and draw until cancelled; the last picture stays behind."""
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._ask_again_and_again())
                while True:  # also without an answer: silence lasts ever longer, and a terminal changes its size
                    width, height = screen.size()
                    hint = f"q ends · asks every {format_duration(self._every)}"
                    screen.offer(self._picture(width, height, hint))
                    await asyncio.sleep(1 / _FRAMES)
        finally:
            width, height = screen.size()
            screen.leave(self._picture(width, height - 1, ""))

    async def _ask_again_and_again(self) -> None:
        while True:
            began = time.monotonic()
            await self._ask()
            await asyncio.sleep(max(0.0, began + self._every - time.monotonic()))

    async def _ask(self) -> None:
        try:
            sample = await self._source.sample()
        except NoAnswerError as error:
            self._silence = str(error)
            return
        self._silence, self._answered = "", time.monotonic()
        self._window = self._window or Window()
        self._window.take(sample)

    def _picture(self, width: int, height: int, hint: str) -> RenderableType:
        silent = int(time.monotonic() - self._answered)
        lasting = f" for {format_duration(float(silent))}" if silent else ""
        silence = f"no answer{lasting}: {self._silence}" if self._silence else ""
        return render(self._window, self._address, width, height, silence=silence, hint=hint)


async def live(url: str, console: Console, every: float) -> int:
    """Show the service until a key or a signal ends it; the exit code."""
    enough = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, enough.set)
    async with _opened(url) as source:
        with Screen(console) as screen, _keys(enough):
            showing = asyncio.create_task(Top(source, shown(url), every).show(screen))
            ended = asyncio.create_task(enough.wait())
            await asyncio.wait({showing, ended}, return_when=asyncio.FIRST_COMPLETED)
            for task in (showing, ended):
                task.cancel()
            await asyncio.wait({showing, ended})
    if not showing.cancelled():
        showing.result()  # a bug of ours is not to look like an end
    return 0


@contextmanager
def _keys(enough: asyncio.Event) -> Iterator[None]:
    """Single keys from the terminal, where standard input is one."""
    if not sys.stdin.isatty():
        yield
        return
    fd, loop = sys.stdin.fileno(), asyncio.get_running_loop()

    def pressed() -> None:
        if os.read(fd, 64) in (*_QUIT, b""):
            enough.set()

    before = termios.tcgetattr(fd)
    tty.setcbreak(fd)
    loop.add_reader(fd, pressed)
    try:
        yield
    finally:
        loop.remove_reader(fd)
        termios.tcsetattr(fd, termios.TCSADRAIN, before)


def top(url: str, *, single: bool, every: float) -> int:
    """Show the service at an address; the exit code."""
    console = Console()
    if single or not console.is_terminal:
        return asyncio.run(once(url, console))
    return asyncio.run(live(url, console, every))
