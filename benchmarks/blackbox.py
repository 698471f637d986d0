"""The alternative: blackbox_exporter asked at the same rate by a driver of ours, and by Prometheus, which remembers."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote
from zlib import crc32

from benchmarks.contenders import Case, Running, Tally, UnableError, now_ms
from benchmarks.exposed import Exposed
from benchmarks.processes import MeasurementError, free_port, started
from benchmarks.scraper import Scraper
from benchmarks.service import ready

BLACKBOX = Path("/usr/bin/prometheus-blackbox-exporter")
PROMETHEUS = Path("/usr/bin/prometheus")
_START = 90.0  # s until every check was asked for once
_DURATION = b"\nprobe_duration_seconds "
_PROCESSING = b'\nprobe_http_duration_seconds{phase="processing"} '


@dataclass(frozen=True, slots=True)
class Reported:
    """What was reported of one probe, in seconds."""

    check: int
    asked_ms: int  # Unix
    ended_ms: int
    duration: float
    first_byte: float  # from the request to the first byte of its answer


class Blackbox:
    """Debian's blackbox_exporter, asked for each check as Prometheus would: over kept connections."""

    name = "blackbox_exporter"

    def __init__(self) -> None:
        self.reported: Sequence[Reported] = ()  # since the last start

    @asynccontextmanager
    async def running(self, case: Case) -> AsyncIterator[Running]:
        async with exporter(case) as (port, process), Scraper(port, gzip=case.gzip) as scraper:
            await ready(scraper, "/-/healthy", process, case.folder / "blackbox.log")
            running = _Exporter([process.pid])
            self.reported = running.reported
            tasks = [asyncio.create_task(_ask(scraper, case, number, running)) for number in range(case.checks)]
            try:
                yield running
            finally:
                for task in tasks:
                    task.cancel()
                ended = await asyncio.gather(*tasks, return_exceptions=True)
            _complain(ended)

    async def latencies(self, _case: Case, since_ms: int, until_ms: int) -> Sequence[float]:
        return [one.duration for one in self.reported if since_ms <= one.ended_ms < until_ms]


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
    reported: list[Reported] = field(default_factory=list)
    done: int = 0
    failed: int = 0

    async def tally(self) -> Tally:
        return Tally(self.done, self.failed)


async def _ask(scraper: Scraper, case: Case, number: int, running: _Exporter) -> None:
    """Ask for one check again and again, on a grid that its name shifts; a late answer skips instants."""
    loop = asyncio.get_running_loop()
    url = f"{case.target}/{number}"
    path = f"/probe?module=http&target={quote(url, safe='')}"
    offset = crc32(url.encode()) / 2**32 * case.every
    while True:
        await asyncio.sleep((offset - loop.time()) % case.every or case.every)
        asked_ms = now_ms()
        body = await scraper.get(path)
        running.done += 1
        running.failed += b"\nprobe_success 1\n" not in body
        running.reported.append(reported(number, asked_ms, body))


def reported(check: int, asked_ms: int, body: bytes) -> Reported:
    """What blackbox_exporter says of the probe that it was just asked for."""
    return Reported(check, asked_ms, now_ms(), _value(body, _DURATION), _value(body, _PROCESSING))


def _value(body: bytes, start: bytes) -> float:
    _, found, rest = body.partition(start)
    if not found:
        raise MeasurementError(f"blackbox_exporter reported no {start.decode().strip()}: {body[:200]!r}")
    return float(rest.partition(b"\n")[0])


def _complain(ended: Sequence[BaseException | None]) -> None:
    for error in ended:
        if error is not None and not isinstance(error, asyncio.CancelledError):
            raise MeasurementError(f"blackbox_exporter did not answer: {error!r}")


class Prometheus:
    """Debian's Prometheus asking blackbox_exporter and keeping the answers: what schedules and remembers there."""

    name = "Prometheus + blackbox_exporter"

    def __init__(self) -> None:
        self._durations: Sequence[float] = ()

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
                async with Scraper(port) as scraper:
                    await ready(scraper, "/-/ready", process, log)
                    running = _Pair([process.pid, blackbox.pid], scraper)
                    await running.begun(case.checks)
                    yield running
                    self._durations = await running.values("probe_duration_seconds")

    async def latencies(self, _case: Case, _since_ms: int, _until_ms: int) -> Sequence[float]:
        """Of the last probe of every check: what was asked for at the end."""
        return self._durations


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
    every = f"{case.every:g}s"
    return {"global": {"scrape_interval": every, "scrape_timeout": every}, "scrape_configs": [job]}


@dataclass(slots=True)
class _Pair(Running):
    scraper: Scraper

    async def begun(self, checks: int) -> None:
        """Wait until every check was asked for: Prometheus takes some seconds to discover its targets."""
        seen: list[float] = []
        try:
            async with asyncio.timeout(_START):
                while sum(seen) < checks:
                    await asyncio.sleep(0.5)
                    seen = await self.values("count(probe_success)")
        except TimeoutError:
            behind = f"only {sum(seen):,.0f} of {checks:,} checks have a fresh result"
            raise UnableError(f"{Prometheus.name} did not keep up: {behind} after {_START:g} s") from None

    async def tally(self) -> Tally:
        own = Exposed(await self.scraper.get("/metrics"))
        done = own.total("prometheus_target_interval_length_seconds_count")
        failed = await self.values("count(probe_success == 0)")
        return Tally(int(done), int(sum(failed)))

    async def values(self, query: str) -> list[float]:
        """What PromQL gives now, without labels."""
        answer = json.loads(await self.scraper.get("/api/v1/query?query=" + quote(query)))
        return [float(one["value"][1]) for one in answer["data"]["result"]]


def installed(program: Path) -> None:
    if not program.exists():
        raise MeasurementError(f"{program} is missing: ./tests/e2e/install, or apt-get install {program.name}")
