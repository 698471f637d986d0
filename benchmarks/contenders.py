"""Those who are compared: the whole service of Probe, blackbox_exporter asked at the same rate, and by Prometheus."""

from __future__ import annotations

import asyncio
import json
import subprocess
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import quote
from zlib import crc32

from benchmarks.client import Client
from benchmarks.processes import PROBE, MeasurementError, free_port, started
from probe.store.sqlite import open_store

BLACKBOX = Path("/usr/bin/prometheus-blackbox-exporter")
PROMETHEUS = Path("/usr/bin/prometheus")
_SCRAPE_EVERY = 5.0  # s
_START = 60.0  # s that a contender may take to be ready
_LOOKED_AT = 100  # checks whose stored latencies are read


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked of every contender alike: `rate` checks, each once a second.

    `authority` is the file of the CA that signed the target's certificate; `pooled` has it in the place of the
    system's authorities rather than named in the configuration.
    """

    name: str
    rate: int
    target: str  # https://127.0.0.1:1234
    folder: Path  # empty: what a contender keeps goes there
    authority: Path | None = None
    pooled: bool = False
    core: int | None = None
    gzip: bool = False

    @property
    def environment(self) -> dict[str, str]:
        return {"SSL_CERT_FILE": str(self.authority)} if self.pooled else {}

    @property
    def named_authority(self) -> str | None:
        return str(self.authority) if self.authority is not None and not self.pooled else None

    def urls(self) -> list[str]:
        return [f"{self.target}/{number}" for number in range(self.rate)]


@dataclass(slots=True)
class Tally:
    """Checks that a contender has done so far, and how many of them failed."""

    done: int = 0
    failed: int = 0


@dataclass(slots=True)
class Running:
    """A contender at work; `pids` are the processes whose cost is its cost."""

    pids: Sequence[int]

    async def tally(self) -> Tally:
        raise NotImplementedError

    async def work(self, seconds: float) -> None:
        """Let it work; what belongs to its use happens meanwhile."""
        await asyncio.sleep(seconds)


class Contender(Protocol):
    """Somebody who can do a case."""

    @property
    def name(self) -> str: ...

    def running(self, case: Case) -> AbstractAsyncContextManager[Running]:
        """At work for the length of the block."""

    async def latencies(self, case: Case, since_ms: int, until_ms: int) -> Sequence[float]:
        """Seconds that it reports of checks in a window, asked after the end; nothing where that is not looked at."""


class Probe:
    """`probe run` with its store, its pages and a receiver; /metrics is scraped every 5 s."""

    name = "Probe"

    @asynccontextmanager
    async def running(self, case: Case) -> AsyncIterator[Running]:
        port = free_port()
        config, log = case.folder / "probe.yml", case.folder / "probe.log"
        config.write_text(json.dumps(service_config(case, port)))  # JSON is YAML
        command = [str(PROBE), "run", str(config), "--plain"]
        with started(command, log, core=case.core, environment=case.environment) as process:
            async with Client(port, gzip=case.gzip) as client:
                await ready(client, "/-/ready", process, log)
                yield _Service([process.pid], client)

    async def latencies(self, case: Case, since_ms: int, until_ms: int) -> Sequence[float]:
        store = await open_store(f"sqlite:{case.folder / 'probe.db'}")
        try:
            names = list(service_checks(case))[:_LOOKED_AT]
            kept = [await store.results(name, since_ms, until_ms, 10_000) for name in names]
        finally:
            await store.close()
        return [one.result.duration for results in kept for one in results]


def service_checks(case: Case) -> dict[str, object]:
    tls = {"tls": {"ca": case.named_authority}} if case.named_authority else {}
    return {
        f"check-{number}": {"http": {"url": url, "expect": {"status": 200}, **tls}}
        for number, url in enumerate(case.urls())
    }


def service_config(case: Case, port: int) -> dict[str, object]:
    """A configuration as a team would write it: an expectation and a threshold on every check, and somebody to tell.

    Without repetitions: whatever fails is to be counted as failed.
    """
    thresholds = {"total": {"degraded": "500ms"}}
    return {
        "instance": "benchmark",
        "listen": f"127.0.0.1:{port}",
        "store": "sqlite:probe.db",
        "defaults": {"every": "1s", "service": "shop", "thresholds": thresholds, "confirm": {"retries": 0}},
        "services": {"shop": {"owner": "team-shop", "labels": {"env": "test"}}},
        "checks": service_checks(case),
        "alerts": {
            "receivers": {"hook": {"webhook": {"url": case.target}}},
            "routes": [{"match": {"level": "down"}, "to": ["hook"]}],
        },
    }


@dataclass(slots=True)
class _Service(Running):
    client: Client

    async def tally(self) -> Tally:
        text = (await self.client.get("/metrics")).decode()
        return Tally(_sum(text, "probe_check_attempts_total{"), _sum(text, "probe_check_failures_total{"))

    async def work(self, seconds: float) -> None:
        scrapes = max(1, round(seconds / _SCRAPE_EVERY))
        for number in range(scrapes):
            await asyncio.sleep(seconds / scrapes)
            if number < scrapes - 1:  # the tally at the end is one, too
                await self.client.get("/metrics")


def _sum(text: str, start: str) -> int:
    return sum(int(float(line.rpartition(" ")[2])) for line in text.splitlines() if line.startswith(start))


class Blackbox:
    """Debian's blackbox_exporter, asked for each check once a second as Prometheus would: over kept connections."""

    name = "blackbox_exporter"

    def __init__(self) -> None:
        self._seen: Sequence[tuple[int, float]] = ()  # Unix ms, and the seconds that were reported

    @asynccontextmanager
    async def running(self, case: Case) -> AsyncIterator[Running]:
        async with exporter(case) as (port, process), Client(port, gzip=case.gzip) as client:
            log = case.folder / "blackbox.log"
            await ready(client, "/-/healthy", process, log)
            running = _Exporter([process.pid])
            self._seen = running.seen
            tasks = [asyncio.create_task(_ask(client, url, running)) for url in case.urls()]
            try:
                yield running
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
                _complain(ended)

    async def latencies(self, _case: Case, since_ms: int, until_ms: int) -> Sequence[float]:
        return [duration for at_ms, duration in self._seen if since_ms <= at_ms < until_ms]


@asynccontextmanager
async def exporter(case: Case) -> AsyncIterator[tuple[int, subprocess.Popen[bytes]]]:
    """blackbox_exporter's port and process."""
    installed(BLACKBOX)
    port = free_port()
    config = case.folder / "blackbox.yml"
    config.write_text(json.dumps(exporter_config(case)))
    command = [str(BLACKBOX), f"--config.file={config}", f"--web.listen-address=127.0.0.1:{port}"]
    with started(command, case.folder / "blackbox.log", core=case.core, environment=case.environment) as process:
        yield port, process


def exporter_config(case: Case) -> dict[str, object]:
    tls = {"tls_config": {"ca_file": case.named_authority}} if case.named_authority else {}
    http = {"valid_status_codes": [200], "preferred_ip_protocol": "ip4", **tls}
    return {"modules": {"http": {"prober": "http", "timeout": "10s", "http": http}}}


@dataclass(slots=True)
class _Exporter(Running):
    seen: list[tuple[int, float]] = field(default_factory=list)  # Unix ms, and seconds reported
    done: int = 0
    failed: int = 0

    async def tally(self) -> Tally:
        return Tally(self.done, self.failed)


async def _ask(client: Client, url: str, running: _Exporter) -> None:
    """Ask for one check every second, on a grid that its name shifts; a late answer skips instants."""
    loop = asyncio.get_running_loop()
    path = f"/probe?module=http&target={quote(url, safe='')}"
    offset = crc32(url.encode()) / 2**32
    while True:
        await asyncio.sleep((offset - loop.time()) % 1.0 or 1.0)
        body = await client.get(path)
        running.done += 1
        running.failed += b"\nprobe_success 1\n" not in body
        running.seen.append((now_ms(), reported_duration(body)))


def reported_duration(body: bytes) -> float:
    """blackbox_exporter's probe_duration_seconds."""
    _, found, rest = body.partition(b"\nprobe_duration_seconds ")
    if not found:
        raise MeasurementError(f"blackbox_exporter reported no duration: {body[:200]!r}")
    return float(rest.partition(b"\n")[0])


def _complain(ended: Sequence[BaseException | None]) -> None:
    for error in ended:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            raise MeasurementError(f"blackbox_exporter did not answer: {error!r}")


class Prometheus:
    """Debian's Prometheus asking blackbox_exporter and keeping the answers: what schedules and remembers there."""

    name = "Prometheus + blackbox_exporter"

    @asynccontextmanager
    async def running(self, case: Case) -> AsyncIterator[Running]:
        installed(PROMETHEUS)
        async with exporter(case) as (asked, blackbox):
            port = free_port()
            config, log = case.folder / "prometheus.yml", case.folder / "prometheus.log"
            config.write_text(json.dumps(scrape_config(case, asked)))
            command = [
                str(PROMETHEUS),
                f"--config.file={config}",
                f"--storage.tsdb.path={case.folder / 'prometheus'}",
                f"--web.listen-address=127.0.0.1:{port}",
            ]
            with started(command, log, core=case.core) as process:
                async with Client(port) as client:
                    await ready(client, "/-/ready", process, log)
                    running = _Scraper([process.pid, blackbox.pid], client)
                    await running.begun(case.rate)
                    yield running

    async def latencies(self, _case: Case, _since_ms: int, _until_ms: int) -> Sequence[float]:
        return []


def scrape_config(case: Case, port: int) -> dict[str, object]:
    """blackbox_exporter's own way of being asked: the target is a parameter."""
    relabel = [
        {"source_labels": ["__address__"], "target_label": "__param_target"},
        {"source_labels": ["__param_target"], "target_label": "instance"},
        {"target_label": "__address__", "replacement": f"127.0.0.1:{port}"},
    ]
    job = {
        "job_name": "blackbox",
        "metrics_path": "/probe",
        "params": {"module": ["http"]},
        "static_configs": [{"targets": case.urls()}],
        "relabel_configs": relabel,
    }
    return {"global": {"scrape_interval": "1s", "scrape_timeout": "1s"}, "scrape_configs": [job]}


@dataclass(slots=True)
class _Scraper(Running):
    client: Client

    async def begun(self, checks: int) -> None:
        """Wait until every check was asked for: Prometheus takes some seconds to discover its targets."""
        async with asyncio.timeout(_START):
            while (await self.tally()).done < checks:
                await asyncio.sleep(0.1)

    async def tally(self) -> Tally:
        done = _sum((await self.client.get("/metrics")).decode(), "prometheus_target_interval_length_seconds_count{")
        answer = json.loads(await self.client.get("/api/v1/query?query=" + quote("count(probe_success == 0)")))
        failed = answer["data"]["result"]
        return Tally(done, int(failed[0]["value"][1]) if failed else 0)


async def ready(client: Client, path: str, process: subprocess.Popen[bytes], log: Path) -> None:
    """Wait for a good answer; MeasurementError with the process's own words where there is none."""
    try:
        await client.until_answered(path, _START, process.poll)
    except MeasurementError as error:
        said = log.read_text(errors="replace")[-500:]
        raise MeasurementError(f"{error}; exit code {process.poll()}; it said: {said}") from None


def installed(program: Path) -> None:
    if not program.exists():
        raise MeasurementError(f"{program} is missing: ./tests/e2e/install, or apt-get install {program.name}")


def now_ms() -> int:
    return time.time_ns() // 1_000_000
