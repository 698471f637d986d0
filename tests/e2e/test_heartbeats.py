"""Real cron jobs under a real service: one that does what it should, one that hangs, one that never starts.

And the service killed at the worst moment: what it said OK to is there when it comes back.
"""

import asyncio
import os
import signal
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.processes import PROBE, Process, free_port, started, until

pytestmark = pytest.mark.e2e

GOOD, HANGING, ABSENT = (f"{name}-{'k' * 20}" for name in ("good", "hang", "none"))
CONFIG = """
listen: 127.0.0.1:{port}
store: sqlite:{folder}/probe.db
checks:
  cron/good:
    heartbeat:
      cron: "* * * * *"
      zone: UTC
      start_within: 20s
      max_run: 20s
      keys: [{good}]
      stages: [{{name: dump}}]
  cron/hangs:
    heartbeat: {{cron: "* * * * *", zone: UTC, start_within: 20s, max_run: 3s, keys: [{hangs}]}}
  cron/never:
    heartbeat: {{period: 1s, grace: 2s, keys: [{never}]}}
"""


@asynccontextmanager
async def service(folder: Path, port: int) -> AsyncIterator[Process]:
    config = folder / "probe.yml"
    config.write_text(CONFIG.format(port=port, folder=folder, good=GOOD, hangs=HANGING, never=ABSENT))
    async with started([str(PROBE), "run", "--plain", str(config)], folder / "probe.log") as process:
        async with aiohttp.ClientSession() as client:

            async def ready() -> bool:
                async with client.get(f"http://127.0.0.1:{port}/-/ready") as answer:
                    return answer.status == 200

            await until(ready, "the service is ready")
        yield process


async def asked(port: int, path: str) -> Any:
    async with aiohttp.ClientSession() as client, client.get(f"http://127.0.0.1:{port}{path}") as answer:
        return await answer.json()


async def level(port: int, check: str) -> str:
    return str((await asked(port, f"/api/v1/checks/{check}"))["level"])


# The machine's own jobs are none of ours: cron sees our folders in the place of its own, and nobody else does.
NAMESPACE = """
mount -t tmpfs none /run && mount --bind {folder}/crontabs /var/spool/cron/crontabs &&
mount --bind {folder}/none /etc/cron.d && mount --bind {folder}/empty /etc/crontab && exec /usr/sbin/cron -f -L 0
"""


@asynccontextmanager
async def cron(folder: Path, *lines: str) -> AsyncIterator[Process]:
    """Debian's cron in the foreground with a crontab of ours alone, ended by its id."""
    (folder / "crontabs").mkdir()
    (folder / "none").mkdir()
    (folder / "empty").touch(0o644)
    tab = folder / "crontabs" / "root"
    tab.write_text('SHELL=/bin/sh\nMAILTO=""\n' + "\n".join(lines) + "\n")
    tab.chmod(0o600)
    command = ["unshare", "--mount", "sh", "-ec", NAMESPACE.format(folder=folder)]
    async with started(command, folder / "cron.log") as process:
        yield process


def namespaces() -> bool:
    return os.getuid() == 0 and subprocess.run(["unshare", "--mount", "true"], capture_output=True).returncode == 0


@pytest.mark.skipif(not namespaces(), reason="a crontab of its own takes root, and a mount namespace")
async def test_cron_jobs_that_work_hang_and_never_start(tmp_path: Path):
    port = free_port()
    address = f"--url http://127.0.0.1:{port}"
    for name, key in (("good", GOOD), ("hangs", HANGING)):
        (tmp_path / name).write_text(key)
        (tmp_path / name).chmod(0o600)
    job = f"sh -c 'echo 3 rows; {PROBE} heartbeat ping --stage dump; echo done'"
    jobs = (
        f"* * * * * {PROBE} exec cron/good {address} --key-file {tmp_path}/good -- {job}",
        f"* * * * * {PROBE} exec cron/hangs {address} --key-file {tmp_path}/hangs --timeout 8s -- sleep 600",
    )
    async with service(tmp_path, port), cron(tmp_path, *jobs):

        async def never_started() -> bool:
            return await level(port, "cron/never") == "down"

        async def worked() -> bool:
            return await level(port, "cron/good") == "up"

        async def hangs() -> bool:
            return await level(port, "cron/hangs") == "down"

        await until(never_started, "a job that never starts is down", 30)
        await until(worked, "cron has run the good job", 75)
        await until(hangs, "the job that hangs is down", 30)
        runs = (await asked(port, "/api/v1/heartbeats/cron/good/runs"))["runs"]
        assert (runs[0]["outcome"], runs[0]["exit"], [one["name"] for one in runs[0]["stages"]]) == (
            "success",
            0,
            ["dump"],
        )
        assert runs[0]["pings"][-1]["body"] == "3 rows\ndone\n"
        reason = (await asked(port, "/api/v1/checks/cron/hangs"))["reason"]
        assert "has not ended after 3 s" in reason

        async def ended() -> bool:
            found = (await asked(port, "/api/v1/heartbeats/cron/hangs/runs"))["runs"]
            return bool(found) and found[-1]["exit"] == 124

        await until(ended, "the job that hung was ended by its own deadline", 30)
    log = (tmp_path / "probe.log").read_text()
    assert all(key not in log for key in (GOOD, HANGING, ABSENT))


async def test_what_was_answered_is_there_after_kill_9(tmp_path: Path):
    """Killed right after the answer, again and again: every run that was acknowledged is there, and judged."""
    port, kept = free_port(), []
    for number in range(3):
        async with service(tmp_path, port) as process, aiohttp.ClientSession() as client:
            url = f"http://127.0.0.1:{port}/ping/{GOOD}"
            rid = f"00000000-0000-4000-8000-{number:012d}"
            for suffix in ("start", "stage/dump", "0" if number % 2 else "7"):
                async with client.post(f"{url}/{suffix}?rid={rid}", data=f"run {number}") as answer:
                    assert answer.status == 200
            process.send(signal.SIGKILL)
            kept.append(rid)
    async with service(tmp_path, port):
        runs = (await asked(port, "/api/v1/heartbeats/cron/good/runs"))["runs"]
        assert [run["rid"] for run in reversed(runs)] == kept
        assert [run["outcome"] for run in reversed(runs)] == ["failed", "success", "failed"]
        assert all(len(run["pings"]) == 3 for run in runs)

        async def judged() -> bool:
            results = (await asked(port, "/api/v1/checks/cron/good"))["results"]
            reported = {result["facts"].get("heartbeat.run") for result in results}
            return reported >= set(kept)

        await until(judged, "every run is among the results", 20)
        assert await level(port, "cron/good") == "down"


async def test_a_restart_is_no_miss(tmp_path: Path):
    """Ended and started again: the deadlines of the time between are moved, and a job that goes on is well."""
    port = free_port()
    async with aiohttp.ClientSession() as client:
        async with service(tmp_path, port) as process:
            async with client.post(f"http://127.0.0.1:{port}/ping/{ABSENT}") as answer:
                assert answer.status == 200
            await process.end()
        await asyncio.sleep(3.5)  # longer than its period and grace
        async with service(tmp_path, port):
            async with client.post(f"http://127.0.0.1:{port}/ping/{ABSENT}") as answer:
                assert answer.status == 200
            transitions = (await asked(port, "/api/v1/checks/cron/never"))["transitions"]
            assert "down" not in {one["after"] for one in transitions}
