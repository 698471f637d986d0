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
    command: Sequence[str],
    log: Path,
    *,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
    output: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """A process for the length of the block, what it says in a file. `core` is the one that it may use.

    `output` takes its standard output apart from its complaints.
    """
    # By taskset, because some programs look at the start for how many cores there are.
    pinned = ["taskset", "--cpu-list", str(core), *command] if core is not None else list(command)
    with log.open("ab") as said, (output or log).open("ab") as printed:
        process = subprocess.Popen(
            pinned,
            stdin=subprocess.PIPE,
            stdout=printed,
            stderr=said,
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
            with contextlib.suppress(BrokenPipeError):  # what was not read any more
                process.stdin.close()


def end_on_sigterm() -> None:
    """SIGTERM ends us as Ctrl-C does: with everything that we started."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def tree(pid: int) -> Sequence[int]:
    """A process and all that it has started, and these, as far as they are there now."""
    children: dict[int, list[int]] = {}
    for one in Path("/proc").iterdir():
        if one.name.isdigit():
            with contextlib.suppress(OSError):  # it has ended meanwhile
                children.setdefault(int(_fields(one.name)[1]), []).append(int(one.name))
    found = [pid]
    for parent in found:
        found += children.get(parent, [])
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time so far of a process and of all that it started: all threads, and the kernel's work for them.

    utime + stime of each that is there, cutime + cstime for those that have ended: proc(5).
    """
    if not Path(f"/proc/{pid}").exists():
        raise MeasurementError(f"process {pid} has ended meanwhile")
    ticks = 0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            ticks += sum(int(field) for field in _fields(str(one))[11:15])
    return ticks / _TICKS


def _fields(pid: str) -> Sequence[str]:
    """The third and later fields of /proc/PID/stat; the name before them may hold spaces."""
    return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()


def memory_mib(pid: int) -> float:
    """Memory of a process and of all that it started, in MiB."""
    total = 0.0
    for one in tree(pid):
        with contextlib.suppress(OSError):
            total += _memory(one)
    return total


def _memory(pid: int) -> float:
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
