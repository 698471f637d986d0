"""The programs in C: compiled where they are needed, started, asked, and ended.

Both answer a line on standard input with one line of JSON, and end when it ends.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
import subprocess
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.processes import MeasurementError, end

SOURCES = Path(__file__).parent
FLAGS = ("-std=gnu17", "-O2", "-Wall", "-Wextra")
_RECORD = struct.Struct("=IIqq")


def compiled(name: str, folder: Path, *flags: str) -> Path:
    """The program that NAME.c becomes, in `folder`."""
    compiler = shutil.which("cc")
    if compiler is None:
        raise MeasurementError("a C compiler is needed: apt-get install gcc libc6-dev")
    program = folder / name
    command = [compiler, *FLAGS, *flags, "-o", str(program), str(SOURCES / f"{name}.c")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MeasurementError(f"{name}.c does not compile: {done.stderr[-1000:]}")
    return program


class Native:
    """A program in C at work."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process

    def ask(self) -> dict[str, Any]:
        """Its counts."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write("\n")
            self.process.stdin.flush()
        except OSError:
            raise MeasurementError(f"{self.process.args!r} has ended: {self.process.poll()}") from None
        return dict(json.loads(self.line()))

    def line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise MeasurementError(f"{self.process.args!r} said nothing: {self.process.poll()}")
        return line


@contextlib.contextmanager
def running(command: Sequence[str], *, core: int | None = None) -> Iterator[Native]:
    """A program at work for the length of the block."""
    pinned = ["taskset", "--cpu-list", str(core), *command] if core is not None else list(command)
    process = subprocess.Popen(pinned, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        yield Native(process)
    finally:
        end(process)
        if process.stdout is not None:
            process.stdout.close()


@dataclass(frozen=True, slots=True)
class Report:
    """What a target has seen. Counts are since its start, lateness since the report before."""

    requests: int
    distinct: int  # numbers of checks that were seen
    missed: int  # requests that did not come, where it was told how often they are to
    first_ns: int  # Unix ns of the first request
    last_new_ns: int  # of the last one that came from a check not seen before
    late_p50_us: float  # beyond the delay, when the answer was sent
    late_p99_us: float
    late_max_us: float

    @property
    def lateness(self) -> str:
        return f"p50 {self.late_p50_us / 1000:.2f}, p99 {self.late_p99_us / 1000:.2f} ms"


class Target:
    """target.c at work."""

    def __init__(self, native: Native) -> None:
        self._native = native
        self.ports = [int(word) for word in native.line().split()]

    def url(self, listener: int = 0) -> str:
        return f"http://127.0.0.1:{self.ports[listener]}"

    def report(self) -> Report:
        return Report(**self._native.ask())


@contextlib.contextmanager
def target(
    folder: Path, *delays_ms: float, log: Path | None = None, every: float = 0.0, core: int | None = None
) -> Iterator[Target]:
    """A target that answers so many milliseconds after a request came, one listener for each delay.

    `every`, in seconds, is how often every check is to come: those that do not are counted.
    """
    command = [str(compiled("target", folder)), "--every", f"{every:g}"]
    command += ["--log", str(log)] if log is not None else []
    with running([*command, *(f"{delay:g}" for delay in delays_ms)], core=core) as native:
        yield Target(native)


@dataclass(frozen=True, slots=True)
class Answered:
    """One request as the target saw it, in Unix ns: received by the kernel, answered."""

    arrived: int
    answered: int


def answers(log: Path) -> dict[int, list[Answered]]:
    """What a target has written down, by the number of the check, in the order of arrival. Ask for a report before."""
    found: dict[int, list[Answered]] = {}
    data = log.read_bytes()
    for number, _, arrived, answered in _RECORD.iter_unpack(data[: len(data) // _RECORD.size * _RECORD.size]):
        found.setdefault(number, []).append(Answered(arrived, answered))
    for each in found.values():
        each.sort(key=lambda one: one.arrived)
    return found
