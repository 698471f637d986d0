"""The commands as people type them: what they print, and the code they end with."""

import asyncio
import json
import re
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from tests.e2e.processes import PROBE, free_port, started, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(60)]


async def probe(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(PROBE), *arguments]
    return await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, timeout=30)


@pytest.fixture
async def site() -> AsyncIterator[str]:
    async def answer(request: web.Request) -> web.Response:
        return web.Response(status=int(request.match_info["status"]), text="hello")

    app = web.Application()
    app.router.add_get("/{status}", answer)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


async def test_check_shows_phases_and_verdict(site: str) -> None:
    done = await probe("check", f"{site}/200")
    assert done.returncode == 0, done.stderr
    for word in ("connect", "ttfb", "transfer", "UP", "200"):
        assert word in done.stdout
    assert "\x1b" not in done.stdout  # colours are for terminals


async def test_check_of_a_failing_target_ends_with_1(site: str) -> None:
    done = await probe("check", f"{site}/503")
    assert done.returncode == 1
    assert "status 503, wanted 2xx" in done.stdout


async def test_check_gives_json(site: str) -> None:
    done = await probe("check", "--json", f"{site}/200")
    run: dict[str, Any] = json.loads(done.stdout)
    assert run["level"] == "up"
    assert {"connect", "ttfb", "transfer"} <= set(run["phases"])
    assert run["facts"]["http.status"] == 200


async def test_check_takes_name_thresholds_and_policy_from_the_configuration(site: str, tmp_path: Path) -> None:
    config = tmp_path / "probe.yml"
    config.write_text(
        f"checks:\n  a: {{http: {{url: '{site}/200'}}, thresholds: {{http.status: {{degraded: 199}}}}}}\n"
        "  denied: {tcp: {host: metadata.internal.example, port: 80}}\n"
    )
    done = await probe("check", "a", "-c", str(config))
    assert done.returncode == 0
    assert "DEGRADED" in done.stdout
    done = await probe("check", "aa", "-c", str(config))
    assert done.returncode == 2
    assert "did you mean a?" in done.stderr


async def test_check_of_a_metadata_address_is_refused() -> None:
    done = await probe("check", "http://169.254.169.254/latest/meta-data/")
    assert done.returncode == 1
    assert "network.allow" in done.stdout
    assert "UNKNOWN" in done.stdout


async def test_validate_names_every_mistake_and_ends_with_2(tmp_path: Path) -> None:
    config = tmp_path / "probe.yml"
    config.write_text("checks:\n  a: {htpp: {url: 'http://x.example/'}}\n  b: {tcp: {host: x.example, prot: 1}}\n")
    done = await probe("validate", str(config))
    assert done.returncode == 2
    assert re.search(r"probe\.yml:2:7: .*htpp.*did you mean http", done.stderr)
    assert re.search(r"probe\.yml:3:30: .*prot.*did you mean port", done.stderr)
    assert "Traceback" not in done.stderr


async def test_validate_of_a_good_file_ends_with_0(tmp_path: Path) -> None:
    config = tmp_path / "probe.yml"
    config.write_text("checks: {a: {tcp: {host: x.example, port: 1}}}\n")
    done = await probe("validate", str(config))
    assert (done.returncode, done.stdout) == (0, f"{config}: 1 check: valid\n")


async def test_a_missing_file_is_one_line() -> None:
    done = await probe("run", "/nowhere/probe.yml")
    assert done.returncode == 2
    assert "/nowhere/probe.yml" in done.stderr
    assert "Traceback" not in done.stderr


async def test_schema_and_version_are_printed() -> None:
    schema = json.loads((await probe("schema")).stdout)
    assert schema["$schema"].startswith("https://json-schema.org/")
    assert "checks" in schema["properties"]
    assert re.fullmatch(r"probe \d+\.\d+\.\d+\n", (await probe("version")).stdout)


@pytest.mark.parametrize("command", ["run", "demo", "validate", "check", "schema", "version"])
async def test_every_command_has_help(command: str) -> None:
    done = await probe(command, "--help")
    assert done.returncode == 0
    assert len(done.stdout.splitlines()) > 4


async def test_the_demonstration_starts_alone_and_leaves_nothing_behind(tmp_path: Path) -> None:
    port = free_port()
    command = [str(PROBE), "demo", "--plain", "--listen", f"127.0.0.1:{port}"]
    async with (
        started(command, tmp_path / "log", TMPDIR=str(tmp_path)) as process,
        aiohttp.ClientSession() as session,
    ):

        async def judged() -> set[tuple[str, str]] | None:
            async with session.get(f"http://127.0.0.1:{port}/api/v1/checks") as response:
                checks = (await response.json())["checks"]
            levels = {(check["name"], check["level"]) for check in checks}
            return levels if not any(level == "unknown" for _, level in levels) else None

        levels = await until(judged, "every check of the demonstration is judged")
        assert isinstance(levels, set)
        assert {("shop/home", "up"), ("shop/secure", "degraded"), ("platform/cache", "up")} <= levels
        assert len(levels) == 6
        assert f"http://127.0.0.1:{port}" in process.output()
        assert await process.end() == 0, process.output()
    assert [path.name for path in tmp_path.iterdir()] == ["log"]
