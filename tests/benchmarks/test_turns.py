"""A turn counts as what our own work kept the loop for: work is, waiting is not."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.observer.sitecustomize import STEP, STEPS
from benchmarks.turns import Observer, Turns, during

WORKING = """
import asyncio, sys, threading, time

def work(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass

async def main():
    await asyncio.sleep(0.001)
    print("begun", flush=True)
    sys.stdin.readline()
    {turn}
    await asyncio.sleep(0.001)

asyncio.run(main())
"""


def turned(folder: Path, turn: str) -> Turns:
    """What a process counted from its "begun" on."""
    observer = Observer(folder / "turns")
    process = subprocess.Popen(
        [sys.executable, "-c", WORKING.format(turn=turn)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, **observer.environment},
    )
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        before = observer.counts()
        process.communicate(b"\n", timeout=30)
    ((pid, turns),) = during(before, observer.counts())
    assert pid == process.pid
    return turns


@pytest.mark.parametrize(
    ("turn", "above"),
    [
        ("work(0.05)", 1),
        ("thread = threading.Thread(target=work, args=(0.05,)); thread.start(); thread.join()", 1),
        ("time.sleep(0.05)", 0),
        ("await asyncio.sleep(0.05)", 0),
    ],
    ids=["work", "a thread that works", "a core that did not come", "nothing to do"],
)
def test_a_turn_is_as_long_as_our_own_work_in_it(tmp_path: Path, turn: str, above: int) -> None:
    turns = turned(tmp_path, turn)
    assert turns.above(0.04) == above
    assert (turns.longest >= 0.05) is bool(above)


def test_processes_without_the_environment_count_nothing(tmp_path: Path) -> None:
    observer = Observer(tmp_path / "turns")
    assert observer.environment["PROBE_TURNS"] == str(tmp_path / "turns")
    subprocess.run([sys.executable, "-c", "import asyncio; asyncio.run(asyncio.sleep(0))"], check=True, timeout=30)
    assert not observer.counts()


def test_the_paths_that_are_there_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/somewhere")
    assert Observer(tmp_path).environment["PYTHONPATH"].endswith(f"observer{os.pathsep}/somewhere")


def test_what_was_before_is_not_counted() -> None:
    early, late = [0] * STEPS, [0] * STEPS
    early[5], late[5], late[99], late[100] = 7, 9, 1, 1
    turns = dict(during({1: early}, {1: late, 2: early}))
    assert (turns[1].count, turns[2].count) == (4, 7)
    assert turns[1].above(100 * STEP) == 1
    assert turns[1].longest == pytest.approx(101 * STEP)
    assert Turns([0] * STEPS).longest == 0.0
