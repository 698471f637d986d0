"""Work in threads: bounded, told of, and never waited for."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading

import pytest

from exporters.aside import Aside, BusyError


async def test_the_result_comes_back_from_a_thread_of_its_own() -> None:
    assert await Aside("t", 2, 2).run("a", threading.get_ident) != threading.get_ident()


async def test_what_it_raises_is_raised_where_it_is_waited_for() -> None:
    def fail() -> None:
        raise LookupError("here")

    with pytest.raises(LookupError, match="here"):
        await Aside("t", 2, 2).run("a", fail)


async def test_what_is_stuck_keeps_its_place_and_stops_only_its_own_kind() -> None:
    aside, freed = Aside("t", most=4, each=2), threading.Event()
    for _ in range(2):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await aside.run("stuck", freed.wait)
    with pytest.raises(BusyError, match="2 earlier ones are still under way"):
        await aside.run("stuck", freed.wait)
    assert await aside.run("other", lambda: 7) == 7
    freed.set()
    while True:  # until the threads have noticed
        try:
            assert await aside.run("stuck", lambda: 8) == 8
            break
        except BusyError:
            await asyncio.sleep(0.001)


async def test_all_together_are_bounded() -> None:
    aside, freed = Aside("t", most=2, each=2), threading.Event()
    waiting = [asyncio.create_task(aside.run(key, freed.wait)) for key in "ab"]
    await asyncio.sleep(0)
    with pytest.raises(BusyError, match="2 of other receivers"):
        await aside.run("c", freed.wait)
    freed.set()
    assert await asyncio.gather(*waiting) == [True, True]


def test_the_end_of_the_program_does_not_wait_for_them() -> None:
    program = (
        "import asyncio, threading\n"
        "from exporters.aside import Aside\n"
        "async def main():\n"
        "    task = asyncio.create_task(Aside('t', 1, 1).run('a', threading.Event().wait))\n"
        "    await asyncio.sleep(0)\n"
        "    task.cancel()\n"
        "asyncio.run(main())\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, text=True)
    assert (done.returncode, done.stderr) == (0, "")
