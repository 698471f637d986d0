"""Maintenance, windows and objectives in the real process: announced, killed, started again."""

from __future__ import annotations

import asyncio
import json
import subprocess
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.processes import PROBE, until
from tests.e2e.test_service import Service, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = """
instance: e2e
listen: 127.0.0.1:{port}
store: sqlite:probe.db
defaults: {{every: 1s, timeout: 800ms, confirm: {{retries: 0}}, service: shop}}
services:
  shop:
    slo: [{{availability: 99.9%, over: 30d}}]
checks:
  site:
    http: {{url: "http://127.0.0.1:{site}/page"}}
    down_after: 50 of 50
    thresholds:
      failures over 1m: {{degraded: 3}}
  resting: {{http: {{url: "http://127.0.0.1:{site}/page"}}}}
maintenance:
  always:
    when: daily
    zone: UTC
    checks: [resting]
    mode: pause
    reason: it is being moved
alerts:
  receivers: {{hook: {{webhook: {{url: "http://127.0.0.1:{site}/hook"}}}}}}
  routes: [{{to: [hook]}}]
"""


@pytest.fixture
async def service(tmp_path: Path) -> AsyncIterator[Service]:
    site = Site()
    async with AsyncExitStack() as stack:
        await stack.enter_async_context(site.serving())
        session = await stack.enter_async_context(aiohttp.ClientSession())
        running = Service(tmp_path, site, session)
        running.write(CONFIG)
        try:
            yield running
        finally:
            if running.process.running:
                await running.process.kill()


def _probe(service: Service, *arguments: str) -> str:
    done = subprocess.run([str(PROBE), *arguments], capture_output=True, text=True, timeout=60, cwd=service.folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


async def _command(service: Service, *arguments: str) -> str:
    return await asyncio.to_thread(_probe, service, *arguments, "-c", str(service.config))


async def test_a_check_that_is_paused_from_the_start_does_not_run_and_says_why(service: Service) -> None:
    await service.start()
    await until(service.is_up, "the other check runs")
    resting = await service.check("resting")
    assert (resting["level"], resting["last"]) == ("unknown", None)
    assert (resting["maintenance"]["mode"], resting["maintenance"]["reason"]) == ("pause", "it is being moved")


async def test_announced_maintenance_pauses_survives_a_kill_and_ends(service: Service) -> None:
    await service.start()
    await until(service.is_up, "it runs")
    said = await _command(
        service, "maintenance", "start", "site", "--mode", "pause", "--reason", "disks", "--by", "ana"
    )
    await service.process.kill()
    service.site.headers.clear()
    await service.start()

    async def known() -> bool:
        found = (await service.check("site"))["maintenance"]
        return found is not None and found["reason"] == "disks"

    await until(known, "the maintenance is still on")
    assert service.site.headers == [], "nothing has run since the start"
    listed = json.loads(await _command(service, "maintenance", "list", "--json"))["now"]
    (announced,) = [one for one in listed if one["reason"] == "disks"]
    assert announced["id"] in said
    await _command(service, "maintenance", "end", announced["id"])

    async def asked() -> bool:
        return bool(service.site.headers)

    await until(asked, "it runs again")


async def test_a_window_goes_on_after_a_kill_as_if_nothing_had_been(service: Service) -> None:
    """Two failures before the kill and one after it are three in a minute."""
    await service.start()
    await until(service.is_up, "it runs")
    service.site.status = 500
    await until(lambda: _failures(service, 2), "two failures are stored")
    service.site.status = 200
    before = service.rows("SELECT count(*) FROM results WHERE kind IS NOT NULL")[0][0]
    await service.process.kill()
    assert before in (2, 3, 4)
    service.site.status = 500
    await service.start()

    async def degraded() -> bool:
        return await service.level("site") == "degraded"

    await until(degraded, "the window is over its limit")
    reason = (await service.check("site"))["reason"]
    assert reason.startswith("failures over 1m ")
    service.site.status = 200
    found: list[Any] = json.loads(await _command(service, "query", "objectives", "shop", "--format", "json"))
    assert (found[0]["subject"], found[0]["target"]) == ("shop", 0.999)
    assert await service.metric('probe_slo_objective_ratio{service="shop",slo="availability-30d"}') == 0.999


async def _failures(service: Service, least: int) -> bool:
    return bool(service.rows("SELECT count(*) FROM results WHERE kind IS NOT NULL")[0][0] >= least)
