"""What docs/tuning.md tells people to type does what it says, on a history of a week that ends now."""

import asyncio
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from benchmarks.replay import live, simulated
from probe.config import load
from probe.store.sqlite import open_store

PAGE = (Path(__file__).parents[2] / "docs/tuning.md").read_text(encoding="utf-8")
FILES = dict(re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, flags=re.DOTALL))
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, flags=re.DOTALL) for line in block.splitlines()]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    where = tmp_path_factory.mktemp("tuning")
    for name, text in FILES.items():
        (where / name).write_text(text, encoding="utf-8")
    (where / "probe").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m probe "$@"\n', encoding="utf-8")
    (where / "probe").chmod(0o755)
    asyncio.run(_fill(where))
    return where


async def _fill(where: Path) -> None:
    config = load(where / "probe.yml")
    now_ms = round(time.time() * 1000)
    store = await open_store(config.store)
    try:
        runs = simulated("shop/home", 60, now_ms - 7 * 86_400_000, now_ms, 5)
        await live(store, config.checks["shop/home"], runs)
    finally:
        await store.close()


def typed(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    root = str(Path(__file__).parents[2])
    environment = {**os.environ, "PATH": f"{folder}:{os.environ['PATH']}", "PYTHONPATH": root}
    return subprocess.run(
        ["bash", "-c", command], cwd=folder, env=environment, capture_output=True, text=True, timeout=100
    )


def test_the_commands_work_as_they_stand_and_in_their_order(folder: Path) -> None:
    assert set(FILES) == {"probe.yml", "new.yml"}
    assert len(COMMANDS) == 5
    printed = ""
    for command in COMMANDS:
        run = typed(command, folder)
        assert run.returncode == 0, (command, run.stderr)
        assert "Traceback" not in run.stderr
        printed += run.stdout
    for words in ("TOLD AFTER", "in force now", "    thresholds:", "WOULD BE", "vanish", "real outage"):
        assert words in printed, words
    assert "<svg" in (folder / "replay.html").read_text(encoding="utf-8")
    totals = json.loads((folder / "replay.json").read_text(encoding="utf-8"))["totals"]
    assert totals["today"]["alerts"] >= totals["would_be"]["alerts"] > 0
    assert totals["outages"] > 0


def test_what_tune_prints_can_be_pasted(folder: Path) -> None:
    printed = typed(COMMANDS[0], folder).stdout
    assert "down: 5s}" in printed  # inherited, and none of what is proposed
    lines = printed[printed.index("checks:") :].replace(
        "shop/home:\n", "shop/home:\n    http: {url: https://a.example/}\n"
    )
    (folder / "pasted.yml").write_text(f"store: sqlite:probe.db\n{lines}", encoding="utf-8")
    (check,) = load(folder / "pasted.yml").checks.values()
    assert check.policy.thresholds or check.policy.windows


def test_the_unchanged_configuration_changes_nothing(folder: Path) -> None:
    run = typed("probe replay -c probe.yml --since 6d --json", folder)
    (check,) = json.loads(run.stdout)["checks"]
    assert check["alerts_today"] == check["alerts_would_be"]
    assert check["alerts_today"]
    assert check["vanishes"] == check["new"] == 0
