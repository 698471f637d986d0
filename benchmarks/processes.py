"""Processes under measurement: started, looked at through /proc, and ended by their ids, whatever happens."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

PROBE = Path(sys.executable).with_name("probe")

_TICKS = os.sysconf("SC_CLK_TCK")
_GRACE = 15.0  # s that a process may take to end by itself


class MeasurementError(Exception):
    """What ran is not what was to be measured. One line, with the remedy where there is one."""


@contextlib.contextmanager
def started(
    command: Sequence[str], log: Path, *, core: int | None = None, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of the block, its output in a file. `core` is the one that it may use."""
    # By taskset, because some programs look at the start for how many cores there are.
    pinned = ["taskset", "--cpu-list", str(core), *command] if core is not None else list(command)
    with log.open("ab") as out:
        process = subprocess.Popen(
            pinned,
            stdin=subprocess.PIPE,
            stdout=out,
            stderr=out,
            # Compiled modules are kept, whatever our own shell says: users have them from the second start on.
            env={**os.environ, "PYTHONDONTWRITEBYTECODE": "", **(environment or {})},
            start_new_session=True,  # Ctrl-C is for us: we end it
        )
    try:
        yield process
    finally:
        end(process)


def end(process: subprocess.Popen[bytes] | subprocess.Popen[str]) -> None:
    """Ask it to end, wait, and make it end where it does not, or where we are interrupted again."""
    process.terminate()
    try:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_GRACE)
    finally:
        process.kill()  # does nothing to a process that has ended
        process.wait()
        if process.stdin is not None:
            process.stdin.close()


def end_on_sigterm() -> None:
    """SIGTERM ends us as Ctrl-C does: with everything that we started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def cpu_seconds(pid: int) -> float:
    """Processor time of a process so far, all its threads and the kernel's work for it: utime + stime, proc(5)."""
    text = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    fields = text.rpartition(")")[2].split()  # the name before it may hold spaces
    return (int(fields[11]) + int(fields[12])) / _TICKS


def memory_mib(pid: int) -> float:
    """Memory in use, shared pages divided among those who share them (PSS); the resident size where that is denied."""
    try:
        return _kib(Path(f"/proc/{pid}/smaps_rollup"), "Pss:") / 1024
    except OSError:
        return _kib(Path(f"/proc/{pid}/status"), "VmRSS:") / 1024


def _kib(path: Path, name: str) -> int:
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    raise MeasurementError(f"{path} has no {name}")
