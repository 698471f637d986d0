"""A terminal's other screen, drawn on by a thread of its own.

A terminal may stop taking what is written: Ctrl-S, a slow line, a suspended multiplexer. The service must not wait for
it, so a frame that cannot be drawn is replaced by the next, and leaving takes a bounded time.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from io import StringIO
from types import TracebackType
from typing import Self

from rich.console import Console, RenderableType
from rich.text import Text

from probe.cli.colours import harmless

_ENTER = "\x1b[?1049h\x1b[?25l\x1b[2J"
_LEAVE = "\x1b[?25h\x1b[?1049l"
_BEGIN, _END = "\x1b[?2026h", "\x1b[?2026l"  # drawn as one: no flicker where the terminal knows it
_LAST = 1.0  # s for the last frame
_KEPT = 30  # printed lines


class Notes(StringIO):
    """Takes what is printed meanwhile, as lines: it would run across the picture."""

    def __init__(self) -> None:
        super().__init__()
        self.lines: deque[str] = deque(maxlen=_KEPT)
        self._open = ""

    def write(self, text: str, /) -> int:
        *lines, self._open = (self._open + text).split("\n")
        # Without colours and cursor movements: these lines are drawn into a picture, and cut to fit.
        plain = (harmless(Text.from_ansi(line).plain).rstrip() for line in lines)
        self.lines.extend(line for line in plain if line)
        return len(text)


class Screen:
    """Shows the newest picture that it was offered. What the console prints meanwhile is kept in `notes`."""

    def __init__(self, console: Console, *, patience: float = _LAST) -> None:
        self._patience = patience
        self.notes = Notes()
        self._console = console
        self._file = console.file
        self._fd = console.file.fileno()
        self._fresh = threading.Condition()
        self._picture: RenderableType | None = None
        self._last: RenderableType | None = None
        self._left = False
        # A daemon: a terminal that takes nothing must not keep the program from ending.
        self._thread = threading.Thread(target=self._draw_all, name="screen", daemon=True)

    def __enter__(self) -> Self:
        self._console.file = self.notes
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with self._fresh:
            self._left = True
            self._fresh.notify()
        self._thread.join(self._patience)
        self._console.file = self._file

    def size(self) -> tuple[int, int]:
        try:
            size = os.get_terminal_size(self._fd)
        except OSError:
            return 80, 24
        return (size.columns or 80), (size.lines or 24)

    def offer(self, picture: RenderableType) -> None:
        with self._fresh:
            self._picture = picture
            self._fresh.notify()

    def leave(self, picture: RenderableType) -> None:
        """What stays on the ordinary screen when this one is left."""
        self._last = picture

    def _draw_all(self) -> None:
        try:
            self._write(_ENTER)
            while (picture := self._next()) is not None:
                self._write(_BEGIN + self._frame(picture) + _END)
            last = "" if self._last is None else self._drawn(self._last)
            self._write(_LEAVE + last + "".join(f"{line}\r\n" for line in self.notes.lines))
        except OSError:
            return  # the terminal is gone; the service is not

    def _next(self) -> RenderableType | None:
        with self._fresh:
            while self._picture is None and not self._left:
                self._fresh.wait()
            picture, self._picture = self._picture, None
            return None if self._left else picture

    def _frame(self, picture: RenderableType) -> str:
        """The picture from the top left, each line and then the screen cleared behind it."""
        lines = self._drawn(picture).rstrip("\n").split("\n")
        return "\x1b[H" + "\x1b[K\r\n".join(lines) + "\x1b[K\x1b[J"

    def _drawn(self, picture: RenderableType) -> str:
        width, _ = self.size()
        target = StringIO()
        console = Console(
            file=target,
            force_terminal=True,
            width=width,
            no_color=self._console.no_color,
        )
        console.print(picture, end="")
        return target.getvalue()

    def _write(self, text: str) -> None:
        data = text.encode(errors="replace")
        while data:
            data = data[os.write(self._fd, data) :]
