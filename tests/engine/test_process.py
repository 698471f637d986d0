"""What a process says of itself is what the kernel says of it; and its garbage does not keep its loop."""

import os
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from probe.engine.process import hard_limit, limit_for, most_at_once, own_usage, seats_within


def test_open_files_are_counted():
    before = own_usage().fds
    assert before == len(list(Path("/proc/self/fd").iterdir())) - 1  # the listing has itself in it
    files = [os.open("/dev/null", os.O_RDONLY) for _ in range(200)]
    try:
        assert own_usage().fds == before + 200
    finally:
        for file in files:
            os.close(file)
    assert own_usage().fds == before


def test_processor_time_and_memory_are_those_of_the_kernel():
    used = own_usage()
    times = resource.getrusage(resource.RUSAGE_SELF)
    assert used.cpu == pytest.approx(times.ru_utime + times.ru_stime, abs=0.1)
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    assert used.rss == pytest.approx(int(status["VmRSS"].split()[0]) * 1024, rel=0.2)


def test_memory_that_is_taken_shows():
    before = own_usage().rss
    taken = bytearray(b"x") * (64 << 20)
    assert own_usage().rss - before > 48 << 20
    del taken


LIMITED = """
import resource
from probe.engine.process import hard_limit, most_at_once, own_usage
resource.setrlimit(resource.RLIMIT_NOFILE, (300, 700))
assert own_usage().fd_limit == 300
print(hard_limit(), most_at_once(), own_usage().fd_limit)
"""


def test_the_limit_is_raised_to_the_hard_limit():
    done = subprocess.run([sys.executable, "-c", LIMITED], capture_output=True, text=True, timeout=30)
    assert done.stdout == "700 444 700\n", done.stderr


def test_where_no_descriptor_is_left_all_are_in_use():
    """Linux before 6.2 needs one to list them; either way the answer is a number."""
    text = """
import os, resource
from probe.engine.process import own_usage
own_usage()
resource.setrlimit(resource.RLIMIT_NOFILE, (32, 32))
try:
    while True:
        os.open("/dev/null", os.O_RDONLY)
except OSError:
    used = own_usage()
    os.write(1, f"{used.fds} {used.rss > 1 << 20}".encode())
"""
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=30)
    assert done.stdout == "32 True", done.stderr


@pytest.mark.parametrize(("limit", "seats"), [(64, 16), (256, 16), (272, 16), (273, 17), (1024, 768), (20_000, 19_744)])
def test_some_files_are_kept_for_the_service_itself(limit, seats):
    assert seats_within(limit) == seats


@pytest.mark.parametrize("runs", [1, 767, 768, 769, 6000])
def test_a_suggested_limit_is_enough_and_round(runs):
    assert seats_within(limit_for(runs)) >= runs
    assert limit_for(runs) % 1024 == 0
    assert limit_for(runs) == 1024 or seats_within(limit_for(runs) - 1024) < runs


def test_this_process_has_a_limit():
    assert 0 < own_usage().fd_limit <= hard_limit()
    assert most_at_once() == seats_within(hard_limit())


SETTLED = """
import asyncio, gc, time, weakref
from probe.engine import process

class Node:
    def __init__(self):
        self.itself = self

async def gone(reference):
    end = time.monotonic() + 20
    while reference() is not None and time.monotonic() < end:
        await asyncio.sleep(0.01)
    return reference() is None

async def main():
    {body}

asyncio.run(main())
"""


def settled(body: str) -> str:
    """What a process prints in which `body` is run: what settle() does holds for all of a process."""
    text = SETTLED.format(body=body.strip().replace("\n", "\n    "))
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, timeout=60)
    assert not done.stderr
    return done.stdout


def test_garbage_is_collected_between_turns_and_never_within_one():
    body = """
runs = []
process.settle()
gc.callbacks.append(lambda phase, about: runs.append(phase))
nodes = [Node() for _ in range(50_000)]
reference = weakref.ref(nodes[0])
nodes.clear()
print(len(runs), await gone(reference), len(runs) > 0)
"""
    assert settled(body) == "0 True True\n"


def test_what_was_loaded_and_what_the_first_runs_made_is_not_looked_at_again():
    body = """
process._SWEEP, process._WARM = 0.01, (2,)
loaded = [Node() for _ in range(1000)]
process.settle()
print(any(one is loaded[-1] for one in gc.get_objects()))
made = [Node() for _ in range(1000)]
end = time.monotonic() + 20
while any(one is made[-1] for one in gc.get_objects()) and time.monotonic() < end:
    await asyncio.sleep(0.01)
print(any(one is made[-1] for one in gc.get_objects()))
"""
    assert settled(body) == "False\nFalse\n"


def test_old_garbage_is_collected_in_the_end():
    body = """
process._SWEEP, process._WARM, process._ALL = 0.01, (), 20
process.settle()
node = Node()
reference = weakref.ref(node)
for _ in range(3):
    gc.collect(1)  # it is of the oldest generation now
del node
print(await gone(reference))
"""
    assert settled(body) == "True\n"


def test_a_loop_that_is_settled_again_is_swept_once():
    body = """
for _ in range(3):
    process.settle()
print(sum(isinstance(getattr(one._callback, "__self__", None), process._Sweep)
          for one in asyncio.get_running_loop()._scheduled))
"""
    assert settled(body) == "1\n"
