"""The probe alone, without a service around it: a worker process of Probe, and the client in C as the floor."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from benchmarks.contenders import Case, Running, Tally, UnableError
from benchmarks.native import Native, compiled, running
from benchmarks.processes import PROBE, MeasurementError, free_port, started
from checks.core import wire

_START = 60.0  # s until the first result
_RESULT = b'"duration":'  # a line may also be a worker's word on itself
_FAILURE = b'"failure":{'


@cache
def has_worker() -> bool:
    """Whether this version has the command."""
    return subprocess.run([str(PROBE), "worker", "--help"], capture_output=True, check=False).returncode == 0


class Worker:
    """`probe worker --shard 1/1`: the probes of a configuration and nothing else, results as lines into a file."""

    name = "Probe, worker alone"

    @asynccontextmanager
    async def running(self, case: Case) -> AsyncIterator[Running]:
        if not has_worker():
            raise UnableError("skipped: this version of Probe has no command `worker`")
        config, lines, log = (case.folder / name for name in ("probe.yml", "lines.jsonl", "worker.log"))
        config.write_text(case.fleet.written(free_port()))
        command = [str(PROBE), "worker", "--shard", "1/1", "-c", str(config)]
        with started(command, log, core=case.core, environment=case.environment, output=lines) as process:
            lined = _Lines([process.pid], lines)
            async with asyncio.timeout(_START):
                while not (await lined.tally()).done:
                    if process.poll() is not None:
                        said = log.read_text(errors="replace")[-500:]
                        raise MeasurementError(f"`probe worker` ended: exit code {process.poll()}; it said: {said}")
                    await asyncio.sleep(0.1)
            yield lined

    async def latencies(self, case: Case, since_ms: int, until_ms: int) -> Sequence[float]:
        found = map(wire.decode, _results(case.folder / "lines.jsonl"))
        return [one.duration for one in found if since_ms <= one.at_ms < until_ms]


def _results(lines: Path) -> Sequence[bytes]:
    """The lines that are whole, and results."""
    whole = lines.read_bytes().rpartition(b"\n")[0]
    return [line for line in whole.splitlines() if _RESULT in line]


@dataclass(slots=True)
class _Lines(Running):
    lines: Path
    read: int = 0  # bytes
    seen: Tally = field(default_factory=Tally)

    async def tally(self) -> Tally:
        with self.lines.open("rb") as file:
            file.seek(self.read)
            whole, end, _ = file.read().rpartition(b"\n")
        self.read += len(whole) + len(end)
        done, failed = whole.count(_RESULT), whole.count(_FAILURE)
        self.seen = Tally(self.seen.done + done, self.seen.failed + failed)
        return self.seen


class Floor:
    """client.c: sockets and bytes, and nothing else. `slice_ms`: it serves them once in so many milliseconds."""

    def __init__(self, slice_ms: float = 0.0) -> None:
        self._slice_ms = slice_ms
        self.name = f"C client in slices of {slice_ms:g} ms" if slice_ms else "C client"

    @asynccontextmanager
    async def running(self, case: Case) -> AsyncIterator[Running]:
        scheme, _, place = case.target.partition("://")
        if scheme != "http":
            raise UnableError("skipped: plain HTTP alone")
        program = compiled("client", case.folder)
        words = [str(program), place.rpartition(":")[2], f"{case.rate:g}", f"{self._slice_ms:g}"]
        with running(words, core=case.core) as native:
            yield _Client([native.process.pid], native)

    async def latencies(self, _case: Case, _since_ms: int, _until_ms: int) -> Sequence[float]:
        return []


@dataclass(slots=True)
class _Client(Running):
    native: Native

    async def tally(self) -> Tally:
        said = self.native.ask()
        return Tally(int(said["done"]), int(said["failed"]))
