"""The programs in C do what the benchmarks rely on."""

import os
import shutil
import socket
import time
from pathlib import Path

import pytest

from benchmarks.native import SOURCES, Answered, answers, compiled, running, target
from benchmarks.processes import MeasurementError, free_port

pytestmark = pytest.mark.skipif(shutil.which("cc") is None, reason="needs a C compiler")


def ask(port: int, number: int) -> tuple[bytes, float]:
    """The whole answer, and the seconds from before the request to after the answer."""
    with socket.create_connection(("127.0.0.1", port)) as one:
        began = time.monotonic()
        one.sendall(f"GET /{number} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        data = b""
        while piece := one.recv(4096):
            data += piece
        return data, time.monotonic() - began


@pytest.mark.parametrize("name", [source.stem for source in sorted(SOURCES.glob("*.c"))])
def test_the_sources_compile_without_a_warning(name: str, tmp_path: Path) -> None:
    assert compiled(name, tmp_path, "-Werror").exists()


def test_a_source_that_does_not_compile_is_told(tmp_path: Path) -> None:
    with pytest.raises(MeasurementError, match=r"client\.c does not compile: .*no-such-flag"):
        compiled("client", tmp_path, "--no-such-flag")


def test_the_delayed_answer_is_never_early_and_late_by_what_is_said(tmp_path: Path) -> None:
    log = tmp_path / "answers.log"
    with target(tmp_path, 0, 20, log=log) as site:
        seen = [ask(site.ports[1], number) for number in range(20)]
        said = site.report()
    assert {answer.partition(b"\r\n")[0] for answer, _ in seen} == {b"HTTP/1.1 200 OK"}
    assert all(answer.endswith(b"Hello, world") for answer, _ in seen)
    took = {number: each[0].answered - each[0].arrived for number, each in answers(log).items()}
    assert sorted(took) == list(range(20))
    late = sorted(one - 20_000_000 for one in took.values())
    assert late[0] >= 0
    assert said.late_max_us == late[-1] // 1000
    assert late[9] // 1000 <= said.late_p50_us <= late[10] // 1000
    # What a client sees is that and the way there and back, but never less.
    assert all(seconds * 1e9 >= took[number] - 100_000 for number, (_, seconds) in enumerate(seen))


def test_an_answer_at_once_is_not_delayed_by_others(tmp_path: Path) -> None:
    log = tmp_path / "answers.log"
    with target(tmp_path, 0, 600_000, log=log) as site:
        with socket.create_connection(("127.0.0.1", site.ports[1])) as slow:
            slow.sendall(b"GET /1 HTTP/1.1\r\n\r\n")
            assert ask(site.ports[0], 2)[0].endswith(b"Hello, world")
            assert site.report().requests == 1  # the other one waits still
        assert list(answers(log)) == [2]


def test_requests_in_pieces_and_clients_that_leave_do_no_harm(tmp_path: Path) -> None:
    with target(tmp_path, 5) as site:
        with socket.create_connection(("127.0.0.1", site.ports[0])) as one:
            one.sendall(b"GET /7 HT")
            ask(site.ports[0], 6)  # the first piece has been read by then
            one.sendall(b"TP/1.1\r\n\r\n")
            assert one.recv(10) == b"HTTP/1.1 2"
        for text in (b"", b"GET /1", b"GET /8 HTTP/1.1\r\n\r\n", b"x" * 5000):
            with socket.create_connection(("127.0.0.1", site.ports[0])) as one:
                one.sendall(text)
        assert ask(site.ports[0], 9)[0].endswith(b"Hello, world")


def test_requests_that_did_not_come_are_counted_by_check(tmp_path: Path) -> None:
    log = tmp_path / "answers.log"
    with target(tmp_path, 20, every=0.001, log=log) as site:
        for number in (1, 2, 1, 1):
            ask(site.ports[0], number)
        seen = site.report()
    first, second, third = (one.arrived for one in answers(log)[1])
    assert (seen.requests, seen.distinct, seen.first_ns) == (4, 2, first)
    assert seen.last_new_ns == answers(log)[2][0].arrived
    # Of every millisecond between two requests of a check, all but the last one's did not come.
    assert seen.missed == round((second - first) / 1e6) - 1 + round((third - second) / 1e6) - 1


def test_the_client_does_its_rate_and_judges_each_answer(tmp_path: Path) -> None:
    program = compiled("client", tmp_path)
    with target(tmp_path, 0) as site:
        for slices in ("0", "5"):
            with running([str(program), str(site.ports[0]), "500", slices]) as client:
                while (said := client.ask())["done"] < 50:
                    os.sched_yield()
            assert said["failed"] == 0
            assert said["cpu_ms"] >= 0
        assert site.report().requests >= 100


def test_the_client_counts_failures(tmp_path: Path) -> None:
    program = compiled("client", tmp_path)
    with running([str(program), str(free_port()), "500"]) as client:
        while not (said := client.ask())["done"]:
            os.sched_yield()
    assert said["failed"] == said["done"]


def test_a_program_that_has_ended_is_told(tmp_path: Path) -> None:
    with running(["true"]) as gone:
        gone.process.wait()
        with pytest.raises(MeasurementError, match=r"said nothing|has ended"):
            gone.ask()


def test_half_a_record_is_not_read(tmp_path: Path) -> None:
    log = tmp_path / "log"
    log.write_bytes(bytes([7, 0, 0, 0, 20, 0, 0, 0]) + (5).to_bytes(8, "little") + (9).to_bytes(8, "little") + b"half")
    assert answers(log) == {7: [Answered(5, 9)]}
