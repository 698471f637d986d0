"""Those who are compared: what each is asked to do, and what is looked at while it does. The whole service of Probe."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from benchmarks.processes import MeasurementError, cpu_seconds, memory_mib
from benchmarks.service import Fleet, Service, serving, stored

_SCRAPE_EVERY = 5.0  # s
_LOOKED_AT = 200  # checks whose stored latencies are read


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked of every contender alike: so many checks, each once in `every` seconds.

    `authority` is the file of the CA that signed the target's certificate; `pooled` has it in the place of the
    system's authorities rather than named in the configuration.
    """

    name: str
    checks: int
    target: str  # https://127.0.0.1:1234
    folder: Path  # empty: what a contender keeps goes there
    authority: Path | None = None
    pooled: bool = False
    core: int | None = None
    gzip: bool = False
    every: float = 1.0  # s

    @property
    def rate(self) -> float:
        return self.checks / self.every

    @property
    def environment(self) -> dict[str, str]:
        return {"SSL_CERT_FILE": str(self.authority)} if self.pooled else {}

    @property
    def named_authority(self) -> str:
        return str(self.authority) if self.authority is not None and not self.pooled else ""

    @property
    def fleet(self) -> Fleet:
        return Fleet(self.checks, self.every, self.target, ca=self.named_authority)

    def urls(self) -> list[str]:
        return [f"{self.target}/{number}" for number in range(self.checks)]


@dataclass(slots=True)
class Tally:
    """Checks that a contender has done so far, and how many of them failed."""

    done: int = 0
    failed: int = 0


@dataclass(slots=True)
class Running:
    """A contender at work; `pids` are the processes whose cost is its cost, with those that they have started."""

    pids: Sequence[int]

    async def tally(self) -> Tally:
        raise NotImplementedError

    async def work(self, seconds: float) -> None:
        """Let it work; what belongs to its use happens meanwhile."""
        await asyncio.sleep(seconds)

    def cpu(self) -> float:
        return sum(cpu_seconds(pid) for pid in self.pids)

    def memory(self) -> float:
        return sum(memory_mib(pid) for pid in self.pids)


class Contender(Protocol):
    """Somebody who can do a case."""

    @property
    def name(self) -> str: ...

    def running(self, case: Case) -> AbstractAsyncContextManager[Running]:
        """At work for the length of the block. Raises UnableError where it cannot do the case at all."""

    async def latencies(self, case: Case, since_ms: int, until_ms: int) -> Sequence[float]:
        """Seconds that it reports of checks in a window, asked after the end; nothing where that is not looked at."""


class UnableError(MeasurementError):
    """This contender cannot do this case, and why; the others can."""


class Probe:
    """`probe run` with its store, its pages and a receiver; /metrics is scraped every 5 s."""

    name = "Probe"

    @asynccontextmanager
    async def running(self, case: Case) -> AsyncIterator[Running]:
        async with serving(
            case.fleet, case.folder, core=case.core, environment=case.environment, gzip=case.gzip
        ) as service:
            yield _Serving([service.pid], service)

    async def latencies(self, case: Case, since_ms: int, until_ms: int) -> Sequence[float]:
        names = case.fleet.names[:: max(1, case.checks // _LOOKED_AT)]
        kept = await stored(case.folder, names, since_ms, until_ms)
        return [one.result.duration for results in kept.values() for one in results]


@dataclass(slots=True)
class _Serving(Running):
    service: Service

    async def tally(self) -> Tally:
        seen = await self.service.exposed()
        attempts, failures = seen.total("probe_check_attempts_total"), seen.total("probe_check_failures_total")
        return Tally(int(attempts), int(failures))

    async def work(self, seconds: float) -> None:
        scrapes = max(1, round(seconds / _SCRAPE_EVERY))
        for number in range(scrapes):
            await asyncio.sleep(seconds / scrapes)
            if number < scrapes - 1:  # the tally at the end is one, too
                await self.service.scraper.get("/metrics")


def now_ms() -> int:
    return time.time_ns() // 1_000_000
