"""What lets somebody in and stands plainly in the URL of a check is in no output of a running service."""

import asyncio
import json
from contextlib import AsyncExitStack
from pathlib import Path

import aiohttp
import pytest
from click.testing import CliRunner

from probe.cli.main import main
from tests.e2e.processes import until
from tests.e2e.test_service import BASE, Service, Site

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

PLANTED = ("pl4nted-t0ken", "pl4nted-sign", "h00k-pl4nted")
CHECKS = """checks:
  site: {{http: {{url: "http://127.0.0.1:{site}/page?token=pl4nted-t0ken&page=harmless", redirects: 0}}}}
  short: {{http: {{url: "http://127.0.0.1:{site}/page?sig=qzj&page=harmless"}}}}
  moved: {{http: {{url: "http://127.0.0.1:{site}/moved?X-Amz-Signature=pl4nted-sign", redirects: 0}}}}
  posts: {{http: {{url: "http://127.0.0.1:{site}/hooks/h00k-pl4nted-h00k-pl4nted-x"}}}}
"""
PATHS = ("/", "/incidents", "/api/v1/checks", "/api/v1/incidents", "/api/v1/vitals", "/metrics")
NAMES = ("site", "short", "moved", "posts")


async def every_output(service: Service) -> dict[str, str]:
    paths = [*PATHS, *(path for name in NAMES for path in (f"/checks/{name}", f"/api/v1/checks/{name}"))]
    paths += [f"/api/v1/checks/{name}/evidence" for name in NAMES] + ["/?q=page", "/incidents/1", "/api/v1/incidents/1"]
    found = {path: (await service.get(path))[1] for path in paths}
    address = f"http://127.0.0.1:{service.port}"
    for words in (["top", address, "--once"], ["validate", str(service.config)]):
        found[words[0]] = await asyncio.to_thread(said, *words)
    for name in ("site", "posts"):
        for more in ([], ["--json"]):
            found[" ".join(["check", name, *more])] = await asyncio.to_thread(
                said, "check", name, "-c", str(service.config), "--evidence", *more
            )
    return found


def said(*words: str) -> str:
    return CliRunner().invoke(main, words).output


async def test_no_output_shows_a_token_that_stands_in_a_url(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        site = Site()
        site.status = 500
        await stack.enter_async_context(site.serving())
        service = Service(tmp_path, site, await stack.enter_async_context(aiohttp.ClientSession()))
        head, _, tail = BASE.partition("checks:\n")
        service.write(head + CHECKS + tail.partition("\n")[2])
        stack.push_async_callback(service.process.kill)
        await service.start()

        async def told() -> bool:
            return {check for _, check, _ in site.told} >= {"site", "posts"}

        await until(told, "outages are told")
        found = await every_output(service)
        await service.process.end()
        found |= {"log": service.process.output(), "alerts": json.dumps([site.told, site.bodies])}
        found |= {path.name: path.read_bytes().decode("latin-1") for path in tmp_path.glob("probe.db*")}
    leaks = [(place, secret) for place, text in found.items() for secret in (*PLANTED, "sig=qzj") if secret in text]
    assert not leaks
    for place in ("/checks/site", "/api/v1/checks/site", "/metrics", "alerts", "check site"):
        assert "page=harmless" in found[place], place
