"""The live table: what fits, in which order, and that a terminal never holds up the service."""

import asyncio
import contextlib
import os
import pty
import select
import termios
import threading
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import pytest
from rich.cells import cell_len
from rich.console import Console

from checks.core.result import Failure, FailureKind, Result
from probe.cli.screen import Screen
from probe.cli.table import Rate, render, show
from probe.config.model import Config
from probe.engine.hub import Hub
from tests.conftest import FakeClock, settled
from tests.web.stand import BLIND, REFUSED, planned


@dataclass
class Figures:
    instance: str = "prod-eu"
    address: str = "http://127.0.0.1:8080"
    alerts_sent: int = 7
    alerts_failed: int = 0
    runs: int = 0
    missed: int = 0
    lag: float = 0.0


def board(clock: FakeClock, *names: str) -> Hub:
    plans = {name: planned(name, f"https://{name.replace('/', '.')}.example/") for name in names}
    return Hub(Config(Path("x"), "t", "127.0.0.1", 0, "", plans), clock, lambda _: None, lambda _: None, {})


def run(hub: Hub, clock: FakeClock, name: str, failure: Failure | None = None, duration: float = 0.1) -> None:
    clock.step_wall(1000)
    hub.emit(Result(name, clock.now_ms(), duration, {"connect": duration}, failure=failure))


def drawn(hub: Hub, clock: FakeClock, width: int, height: int, figures=None, **more) -> list[str]:
    """The lines of the picture, as a terminal of that size shows them."""
    console = Console(record=True, width=width, height=height, file=StringIO(), force_terminal=True)
    console.print(render(hub, figures or Figures(), clock.now_ms(), width, height, **more), end="")
    return [line.rstrip() for line in console.export_text().rstrip("\n").split("\n")]


def fleet(clock: FakeClock, size: int) -> Hub:
    names = [f"service-{number % 7}/check-{number:04}" for number in range(size)]
    hub = board(clock, *names)
    for number, name in enumerate(names):
        run(hub, clock, name, REFUSED if number % 10 == 9 else None, 1.0 if number % 10 == 8 else 0.1)
    return hub


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50), (40, 10), (20, 6), (132, 43)])
@pytest.mark.parametrize("size", [3, 500])
def test_a_picture_never_outgrows_the_terminal(clock: FakeClock, width: int, height: int, size: int):
    lines = drawn(fleet(clock, size), clock, width, height, Figures(missed=3, lag=0.2, alerts_failed=2))
    assert len(lines) <= height
    assert max(cell_len(line) for line in lines) <= width


def test_the_worst_come_first_and_the_rest_is_counted(clock: FakeClock):
    lines = drawn(fleet(clock, 500), clock, 80, 24)
    assert lines[0].split() == ["Probe", "prod-eu", "50", "DOWN", "50", "DEGRADED", "400", "UP"]
    assert "7 alerts sent" in lines[1]
    assert "http://127.0.0.1:8080" in lines[1]
    rows = lines[3:-1]
    assert len(rows) == 20
    assert all(row.startswith(" DOWN ") for row in rows)
    assert rows[0].split()[1] == "service-2/check-0009"
    assert lines[-1].startswith("and 480 more: 30 DOWN  50 DEGRADED  400 UP")


def test_a_row_says_everything(clock: FakeClock):
    hub = board(clock, "shop/home", "shop/new", "shop/blind")
    run(hub, clock, "shop/home")
    run(hub, clock, "shop/home", REFUSED, 0.002)
    run(hub, clock, "shop/blind")
    run(hub, clock, "shop/blind", BLIND)
    clock.step_wall(3_600_000)
    down, *others = drawn(hub, clock, 160, 24)[3:6]
    parts = down.split()
    assert parts[:2] == ["DOWN", "shop/home"]
    assert parts[2].startswith("https://shop")
    assert "1h" in parts
    assert "2.0 ms" in down
    assert "▇█" in down  # the first run answered: below full height; the second failed: full height
    assert down.endswith("connection refused")
    assert others[0].split()[:2] == ["UNKNOWN", "shop/blind"]
    assert "no file descriptors left" in others[0]
    assert others[1].split()[:2] == ["UNKNOWN", "shop/new"]


def test_a_narrow_terminal_keeps_names_and_reasons(clock: FakeClock):
    hub = board(clock, "shop/home")
    run(hub, clock, "shop/home", REFUSED)
    (row,) = drawn(hub, clock, 80, 24)[3:4]
    assert "shop/home" in row
    assert "connection refused" in row


def test_what_is_wrong_with_ourselves_is_said(clock: FakeClock):
    hub = board(clock, "a")
    quiet = "\n".join(drawn(hub, clock, 120, 24))
    assert "missed" not in quiet
    assert "lags" not in quiet
    loud = "\n".join(drawn(hub, clock, 120, 24, Figures(missed=12, lag=0.25, alerts_failed=2), rate=41.27))
    for part in ("12 runs missed", "our own loop lags 250 ms", "2 failed", "41.3 runs/s"):
        assert part in loud


@pytest.mark.parametrize(
    "attack", ["\x1b[2J\x1b]0;owned\x07", "a\rb\nc", "\u202egpj", "\x9b31m", "[bold red]x[/]", "日本" * 100]
)
def test_a_servers_words_cannot_move_the_cursor(clock: FakeClock, attack: str):
    hub = board(clock, f"shop/{attack}")
    run(hub, clock, f"shop/{attack}", Failure(FailureKind.PROTOCOL, attack, attack))
    console = Console(width=80, height=24, file=StringIO(), force_terminal=True, color_system=None)
    console.print(render(hub, Figures(instance=attack), clock.now_ms(), 80, 24, notes=[attack]))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert not [char for char in text if (ord(char) < 32 and char != "\n") or ord(char) in (0x7F, 0x9B, 0x202E)]
    assert len(text.splitlines()) <= 6
    if attack.startswith("[bold"):
        assert attack in text


def test_levels_are_words_also_without_colours(clock: FakeClock):
    hub = fleet(clock, 10)
    console = Console(width=80, height=24, file=StringIO())
    console.print(render(hub, Figures(), clock.now_ms(), 80, 24))
    text = console.file.getvalue()  # type: ignore[attr-defined]  # a StringIO
    assert "\x1b" not in text
    for word in ("DOWN", "DEGRADED", "UP"):
        assert word in text


def test_notes_stand_at_the_bottom_where_there_is_room(clock: FakeClock):
    hub = fleet(clock, 100)
    notes = [f"note {number}" for number in range(9)]
    assert drawn(hub, clock, 80, 24, notes=notes)[-3:] == ["note 6", "note 7", "note 8"]
    assert "note" not in "\n".join(drawn(hub, clock, 80, 10, notes=notes))


def test_a_rate_is_smoothed_over_ten_seconds():
    rate = Rate()
    assert rate.taken(0, at=0.0) is None
    assert rate.taken(50, at=0.5) is None
    assert rate.taken(100, at=1.0) == 100.0
    for second in range(2, 20):
        rate.taken(100 * second, at=float(second))
    assert rate.taken(1900, at=20.0) == pytest.approx(90.0)  # the last second brought none


class Terminal:
    """A pseudo-terminal of 80 x 24, and what was drawn on it."""

    def __init__(self) -> None:
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        self.file = os.fdopen(theirs, "w", encoding="utf-8")
        self.drawn = b""

    def read_until(self, mark: bytes) -> None:
        while mark not in self.drawn:
            self.drawn += os.read(self.ours, 65536)

    def close(self) -> None:
        self.file.close()
        os.close(self.ours)


@pytest.fixture
def terminal():
    terminal = Terminal()
    yield terminal
    terminal.close()


async def test_the_table_is_drawn_on_another_screen_and_its_last_picture_stays(terminal: Terminal, clock: FakeClock):
    hub = board(clock, "shop/home")
    run(hub, clock, "shop/home", REFUSED)
    console = Console(file=terminal.file, force_terminal=True)
    table = asyncio.create_task(show(hub, Figures(), console, clock))
    await settled()
    await asyncio.to_thread(terminal.read_until, b"shop/home")
    console.print("[red]a line of the log[/]\x1b[2J")
    table.cancel()
    await asyncio.gather(table, return_exceptions=True)
    await asyncio.to_thread(terminal.read_until, b"a line of the log")
    entered, left = terminal.drawn.index(b"\x1b[?1049h"), terminal.drawn.index(b"\x1b[?1049l")
    assert entered < terminal.drawn.index(b"shop/home") < left
    after = terminal.drawn[left:]
    assert b"shop/home" in after
    assert b"\x1b[2J" not in after
    assert b"\x1b[?25h" in terminal.drawn[left - 10 :]
    assert console.file is terminal.file


def test_a_terminal_that_takes_nothing_holds_nobody_up(terminal: Terminal):
    """Nobody reads the other end: its buffer is full, writes block, and offers and the end do not."""
    os.set_blocking(terminal.file.fileno(), False)
    # What is full for a moment may be emptied by the kernel on its way to the other end.
    while select.select([], [terminal.file.fileno()], [], 0.1)[1]:
        with contextlib.suppress(BlockingIOError):
            os.write(terminal.file.fileno(), b"x" * 4096)
    os.set_blocking(terminal.file.fileno(), True)
    with Screen(Console(file=terminal.file, force_terminal=True), patience=0.01) as screen:
        for _ in range(50):
            screen.offer("y" * 100_000)
    (drawing,) = [thread for thread in threading.enumerate() if thread.name == "screen"]
    assert drawing.daemon
    terminal.read_until(b"\x1b[?1049l")  # let it go, so that it does not outlive the test
    drawing.join()
    assert b"y" * 80 not in terminal.drawn  # what nobody could see was not drawn


def test_a_terminal_that_is_gone_is_no_error():
    terminal = Terminal()
    os.close(terminal.ours)
    with Screen(Console(file=terminal.file, force_terminal=True)) as screen:
        screen.offer("x")
        screen.offer("y")
        assert screen.size() == (80, 24)
    terminal.file.close()
