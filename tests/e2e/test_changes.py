"""What was told of changes is there after `kill -9`, and so is what it mutes. Real processes."""

import signal
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.processes import PROBE, Process, free_port, until

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(120)]

CONFIG = """
instance: e2e
listen: 127.0.0.1:{port}
store: sqlite:probe.db
services: {{shop: {{}}}}
checks:
  shop/home: {{service: shop, every: 1s, timeout: 500ms, tcp: {{host: 127.0.0.1, port: {port}}}}}
"""


async def test_changes_outlive_a_kill(tmp_path: Path):
    config = tmp_path / "probe.yml"
    port = free_port()
    config.write_text(CONFIG.format(port=port))
    process = Process([str(PROBE), "run", str(config), "--plain"], tmp_path / "probe.log")

    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:

        async def ready() -> bool:
            assert process.running, process.output()
            async with session.get("/-/ready") as answer:
                return answer.status == 200

        async def listed(what: str) -> Any:
            async with session.get(f"/api/v1/{what}") as answer:
                return await answer.json()

        async def told(path: str, body: Any) -> Any:
            async with session.post(f"/api/v1/changes{path}", json=body) as answer:
                assert answer.status < 300, await answer.text()
                return await answer.json()

        async def killed_and_back() -> None:
            await process.end(signal.SIGKILL)
            await process.start()
            await until(ready, "the service is back")

        try:
            await process.start()
            await until(ready, "the service is ready")
            made = await told("", {"id": "CHG123", "service": "shop", "title": "new cart", "mute": True})
            deployed = await told("", {"service": "shop", "version": "1.2.3"})
            await killed_and_back()
            for one in (made, deployed):
                del one["warnings"]
            assert (await listed("changes"))["changes"] == [made, deployed]
            assert [one["reason"] for one in (await listed("maintenance"))["now"]] == ["new cart"]
            ended = await told("/CHG123/end", {})
            assert ended["state"] == "done"
            await killed_and_back()
            assert (await listed("maintenance"))["now"] == []
            assert (await listed("changes"))["changes"] == [ended, deployed]
        finally:
            if process.running:
                await process.kill()
