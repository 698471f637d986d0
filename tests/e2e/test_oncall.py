"""Calendars, overrides and announcements over `kill -9`: real processes, a real host of calendars, a real receiver."""

import json
import signal
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.processes import PROBE, Process, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = """
instance: e2e
listen: 127.0.0.1:{port}
store: sqlite:probe.db
users: {{ana: {{}}, bo: {{}}, cy: {{}}}}
schedules:
  prodops:
    zone: UTC
    layers: [{{who: user:bo}}, {{ical: "http://127.0.0.1:{other}/private-secret.ics"}}]
    announce: [{{to: hook, on: change}}]
checks: {{a: {{every: 60s, tcp: {{host: 127.0.0.1, port: {port}}}}}}}
alerts:
  receivers: {{hook: {{webhook: {{url: "http://127.0.0.1:{other}/hook"}}}}}}
  routes: [{{to: [hook]}}]
"""


@dataclass
class Elsewhere:
    """The host of the calendar, and the receiver."""

    port: int = 0
    gone: bool = False
    told: list[dict[str, Any]] = field(default_factory=list)

    async def calendar(self, _: web.Request) -> web.Response:
        if self.gone:
            raise web.HTTPBadGateway
        days = (datetime.now(UTC) + timedelta(days=day) for day in (-2, 9))
        first, last = (day.strftime("%Y%m%dT000000Z") for day in days)
        event = f"BEGIN:VEVENT\r\nUID:1\r\nDTSTART:{first}\r\nDTEND:{last}\r\nSUMMARY:ana\r\nEND:VEVENT\r\n"
        return web.Response(text=f"BEGIN:VCALENDAR\r\n{event}END:VCALENDAR\r\n", content_type="text/calendar")

    async def hook(self, request: web.Request) -> web.Response:
        self.told.append(json.loads(await request.read()))
        return web.Response()


@pytest.fixture
async def elsewhere() -> AsyncIterator[Elsewhere]:
    one = Elsewhere()
    app = web.Application()
    app.router.add_get("/private-secret.ics", one.calendar)
    app.router.add_post("/hook", one.hook)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


async def test_who_is_on_call_outlives_a_kill_and_is_told_under_one_id(tmp_path: Path, elsewhere: Elsewhere):
    config, port = tmp_path / "probe.yml", free_port()
    config.write_text(CONFIG.format(port=port, other=elsewhere.port))
    process = Process([str(PROBE), "run", str(config), "--plain"], tmp_path / "probe.log")

    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def on_call(name: str) -> bool:
            assert process.running, process.output()
            async with session.get("/api/v1/oncall") as answer:
                return [one["user"] for one in (await answer.json())["schedules"][0]["people"]] == [name]

        async def told(count: int) -> bool:
            return len(elsewhere.told) >= count

        try:
            await process.start()
            await until(lambda: on_call("ana"), "the calendar is in force")
            # What a calendar says first is no change: it is where announcing begins.
            await until(lambda: _said(session), "the schedule was looked at")
            elsewhere.gone = True
            said = {"schedule": "prodops", "replace": {"ana": "cy"}, "for": "2h", "reason": "ill", "author": "ana"}
            async with session.post("/api/v1/overrides", json=said) as answer:
                assert answer.status == 201, await answer.text()
            await until(lambda: told(1), "the change is told")
            for _ in range(2):
                await process.end(signal.SIGKILL)
                await process.start()
                await until(lambda: on_call("cy"), "the calendar and the override are in force again")
                await until(lambda: _said(session), "the schedule was looked at again")
            assert await process.end() == 0  # what is being said is said before it ends
            # Killed before it could write down that it was taken, it says the same again: under the same id.
            (only,) = {(one["data"]["id"], one["data"]["title"]) for one in elsewhere.told}
            assert only[1] == "on call in prodops: cy"
            assert "private-secret" not in process.output()
        finally:
            if process.running:
                await process.kill()


async def _said(session: aiohttp.ClientSession) -> bool:
    async with session.get("/metrics") as answer:
        return 'probe_oncall_people{schedule="prodops"} 1.0' in await answer.text()
