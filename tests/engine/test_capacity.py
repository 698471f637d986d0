"""Whether all runs find room: what is computed is what a schedule of hanging targets comes to."""

import subprocess
import sys
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from checks.core.base import CheckSpec
from probe.config.model import Config, NetworkSettings, Planned
from probe.engine.capacity import most_runs, objection
from probe.engine.schedule import grid
from tests.e2e.processes import started, until
from thresholds.base import Policy


@dataclass(frozen=True)
class Hanging:
    host: str = "a.example"
    target: str = "a.example:1"

    async def run(self, trace, net) -> None: ...


def specs(count: int, every=30.0, timeout=10.0, retries=0, after=2.0, hosts=1) -> list[CheckSpec]:
    return [
        CheckSpec(f"check-{number}", Hanging(f"host-{number % hosts}"), every, timeout, retries, after)
        for number in range(count)
    ]


@pytest.mark.parametrize(
    ("found", "mean"),
    [
        ([], 0),
        (specs(1), 1),
        (specs(900), 300),
        (specs(900, retries=1), 600),  # the second attempt fits
        (specs(900, retries=1, after=25.0), 300),  # no room for a second one
        (specs(900, retries=5, timeout=1.0), 180),  # six attempts of a second each
        (specs(900, timeout=30.0), 900),
        (specs(900, every=5.0), 900),  # a check never overlaps itself
        (specs(900) + specs(100, every=10.0), 400),
    ],
)
def test_runs_at_once_when_everything_hangs(found, mean):
    assert mean <= most_runs(found) <= min(len(found), 1.3 * mean)


@pytest.mark.parametrize(("concurrent", "runs"), [(None, 900), (4, 40), (200, 900)])
def test_politeness_bounds_them(concurrent, runs):
    assert most_runs(specs(900, timeout=30.0, hosts=10), concurrent) == runs


@pytest.mark.parametrize(("every", "timeout"), [(30.0, 10.0), (10.0, 9.0), (60.0, 2.0)])
def test_the_busiest_moment_is_found(every, timeout):
    """Looked for among all moments at which a check begins: those of its neighbours that have not ended yet."""
    found = specs(400, every, timeout)
    begins = [grid(spec.name, every, 1_700_000_000_000, 0.0).next_due(0.0) for spec in found]
    running = (sum((at - begin) % every < timeout for begin in begins) for at in begins)
    assert most_runs(found) == max(running)


def config(found, workers: int | None = 0, **network) -> Config:
    checks = {spec.name: Planned(spec, Policy(), "tcp") for spec in found}
    made = Config(Path("probe.yml"), "t", "127.0.0.1", 0, "", checks, NetworkSettings(**network))
    return replace(made, workers=workers)


def test_what_has_no_room_is_said_with_figures_and_remedy():
    assert objection(config(specs(900, timeout=30.0)), 2, 1024) == (
        "when all targets hang 900 runs are under way at once, and 1024 open files have room for 768: others would be "
        "late or missed; raise the hard limit to 2048 (LimitNOFILE= of systemd, ulimit -Hn), lower timeout, or raise "
        "every"
    )


@pytest.mark.parametrize(
    ("made", "cores", "limit", "fits"),
    [
        (config(specs(900, timeout=30.0)), 2, 1156, True),
        (config(specs(900, timeout=30.0)), 2, 1155, False),
        (config(specs(900, timeout=30.0), workers=2), 2, 1024, True),
        (config(specs(2000, timeout=30.0), workers=2), 2, 1024, False),
        # `auto`: as many as the service would take
        (config(specs(6000, every=1.0), workers=None), 4, 4096, True),
        (config(specs(6000, every=1.0), workers=None), 1, 4096, False),
        (config(specs(900, timeout=30.0), concurrent=10), 2, 300, True),
    ],
)
def test_room_is_that_of_all_probing_processes(made, cores, limit, fits):
    assert (objection(made, cores, limit) == "") is fits


def limited(tmp_path: Path, command: str) -> tuple[Path, list[str]]:
    """A configuration of a hundred checks, and a command on it in a process that may have 300 open files."""
    path = tmp_path / "probe.yml"
    numbers = ", ".join(map(str, range(100)))
    check = f"for_each: {{n: [{numbers}]}}, every: 10s, tcp: {{host: 127.0.0.1, port: 9}}"
    path.write_text(f"workers: 0\nlisten: 127.0.0.1:0\nchecks: {{'a-{{n}}': {{{check}}}}}")
    limit = "import resource, runpy, sys; resource.setrlimit(resource.RLIMIT_NOFILE, (300, 300));"
    run = f"{limit} sys.argv = ['probe', {command!r}, {str(path)!r}]; runpy.run_module('probe', run_name='__main__')"
    return path, [sys.executable, "-c", run]


SAID = "when all targets hang 100 runs are under way at once, and 300 open files have room for 44: "


def test_validate_says_so_on_the_machine_that_it_runs_on(tmp_path):
    path, command = limited(tmp_path, "validate")
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, f"{path}: 100 checks: valid\n")
    assert done.stderr.startswith(f"{path}: on this machine: {SAID}")


async def test_the_service_says_so_when_it_starts(tmp_path):
    _, command = limited(tmp_path, "run")
    async with started(command, tmp_path / "log") as process:

        async def said() -> bool:
            return "checks run" in process.output()

        await until(said, "the service runs", limit=30)
        assert f"WARNING probe.service: {SAID}" in process.output()
        assert await process.end() == 0, process.output()
