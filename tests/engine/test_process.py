"""What a process says of itself is what the kernel says of it."""

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
