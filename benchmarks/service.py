"""The whole service as it is installed, at work on a configuration of many checks that are all alike."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.exposed import Exposed
from benchmarks.processes import PROBE, MeasurementError, cpu_seconds, end, free_port, memory_mib, started
from benchmarks.scraper import Scraper
from probe.store.base import Kept
from probe.store.sqlite import open_store

_START = 120.0  # s until it is ready
_ANSWER = 120.0  # s for a scrape: of a service that is asked for too much
_MOST = 1_000_000  # results of one check


@dataclass(frozen=True, slots=True)
class Fleet:
    """Many checks, alike but for their number: as a team would write them, with an expectation and a threshold.

    Without repetitions: whatever fails is to be counted as failed.
    """

    checks: int
    every: float  # s
    target: str  # http://127.0.0.1:1234
    thresholds: Mapping[str, str] = field(default_factory=lambda: {"total": "500ms"})  # from where on it is degraded
    down_after: str = "2 of 3"
    hook: str = ""  # where to tell of a bad check; the target unless given
    ca: str = ""
    workers: int | None = None  # the service's own choice

    @property
    def rate(self) -> float:
        return self.checks / self.every

    @property
    def names(self) -> Sequence[str]:
        return [f"shop/check-{number}" for number in range(self.checks)]

    def written(self, port: int) -> str:
        """The configuration. YAML as people write it, a line or two for each check: reading it is part of a start."""
        settings = "".join(f"{key}: {json.dumps(value)}\n" for key, value in self._settings(port).items())
        tls = f", tls: {{ca: '{self.ca}'}}" if self.ca else ""
        lines = [
            f"  {name}:\n    http: {{url: '{self.target}/{number}', expect: {{status: 200}}{tls}}}\n"
            for number, name in enumerate(self.names)
        ]
        return f"{settings}checks:\n{''.join(lines)}"

    def _settings(self, port: int) -> Mapping[str, object]:
        thresholds = {metric: {"degraded": limit} for metric, limit in self.thresholds.items()}
        defaults = {
            "every": f"{self.every:g}s",
            "service": "shop",
            "thresholds": thresholds,
            "confirm": {"retries": 0},
            "down_after": self.down_after,
        }
        return {
            "instance": "benchmark",
            "listen": f"127.0.0.1:{port}",
            "store": "sqlite:probe.db",
            **({} if self.workers is None else {"workers": self.workers}),
            "defaults": defaults,
            "services": {"shop": {"owner": "team-shop", "labels": {"env": "test"}}},
            "alerts": {
                "receivers": {"hook": {"webhook": {"url": self.hook or self.target}}},
                "routes": [{"to": ["hook"]}],
            },
        }


@dataclass(slots=True)
class Service:
    """`probe run` at work, and everything that it has started."""

    process: subprocess.Popen[bytes]
    scraper: Scraper
    port: int
    began_ns: int  # Unix ns of the command
    ready: float  # s from the command on

    @property
    def pid(self) -> int:
        return self.process.pid

    async def exposed(self) -> Exposed:
        try:
            async with asyncio.timeout(_ANSWER):
                return Exposed(await self.scraper.get("/metrics"))
        except TimeoutError:
            raise MeasurementError(f"/metrics was not answered within {_ANSWER:g} s") from None

    def cpu(self) -> float:
        return cpu_seconds(self.pid)

    def memory(self) -> float:
        return memory_mib(self.pid)

    async def end(self) -> None:
        """As an operator ends it: what is under way is stored."""
        await asyncio.to_thread(end, self.process)


@asynccontextmanager
async def serving(
    fleet: Fleet,
    folder: Path,
    *,
    core: int | None = None,
    environment: Mapping[str, str] | None = None,
    gzip: bool = False,
) -> AsyncIterator[Service]:
    """A service that is ready, over a new store in `folder`."""
    port = free_port()
    config, log = folder / "probe.yml", folder / "probe.log"
    config.write_text(fleet.written(port))
    began, began_ns = time.monotonic(), time.time_ns()
    command = [str(PROBE), "run", str(config), "--plain"]
    with started(command, log, core=core, environment=environment) as process:
        async with Scraper(port, gzip=gzip) as scraper:
            await ready(scraper, "/-/ready", process, log)
            yield Service(process, scraper, port, began_ns, time.monotonic() - began)


async def ready(scraper: Scraper, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a good answer; MeasurementError with the process's own words where there is none."""
    try:
        await scraper.until_answered(path, _START, process.poll)
    except MeasurementError as error:
        said = log.read_text(errors="replace")[-500:]
        raise MeasurementError(f"{error}; exit code {process.poll()}; it said: {said}") from None


async def stored(
    folder: Path, names: Iterable[str], since_ms: int = 0, until_ms: int = 1 << 60
) -> Mapping[str, Sequence[Kept]]:
    """What is in the store, by check. The service must have ended: the store is one process's own."""
    store = await open_store(f"sqlite:{folder / 'probe.db'}")
    try:
        return {name: await store.results(name, since_ms, until_ms, _MOST) for name in names}
    finally:
        await store.close()
