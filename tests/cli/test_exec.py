"""`probe exec` with real commands and a real server: the job is as it was without us, and the server hears of it."""

import contextlib
import json
import os
import signal
import stat
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

PROBE = str(Path(sys.executable).with_name("probe"))
KEY = "a-key-of-a-heartbeat-1"


@dataclass
class Heard:
    """A server that remembers what it was told. `answers` are statuses for the next pings; then 200."""

    url: str = ""
    pings: list[tuple[str, str, bytes]] = field(default_factory=list)  # path, run id, body
    keys: set[str | None] = field(default_factory=set)
    answers: list[int] = field(default_factory=list)
    mute: bool = False
    heard: threading.Condition = field(default_factory=threading.Condition)

    @property
    def said(self) -> list[str]:
        return [path for path, _, _ in self.pings]


class _Handler(BaseHTTPRequestHandler):
    desk: Heard

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", "0")))
        path, _, query = self.path.partition("?rid=")
        desk = self.desk
        with desk.heard:
            desk.keys.add(self.headers.get("Authorization"))
            status = desk.answers.pop(0) if desk.answers else 200
            if status == 200:
                desk.pings.append((path, query, body))
            desk.heard.notify_all()
        if desk.mute:
            threading.Event().wait(30)
        self.send_response(status)
        self.send_header("Content-Length", "2")
        self.end_headers()
        with contextlib.suppress(OSError):
            self.wfile.write(b"OK")

    def log_message(self, *_args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[Heard]:
    desk = Heard()
    handler = type("Handler", (_Handler,), {"desk": desk})
    listening = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    listening.daemon_threads, listening.block_on_close = True, False
    thread = threading.Thread(target=listening.serve_forever, daemon=True)
    thread.start()
    desk.url = f"http://127.0.0.1:{listening.server_address[1]}"
    yield desk
    listening.shutdown()
    listening.server_close()
    thread.join()


def arguments(server: Heard, *command: str, options: tuple[str, ...] = ()) -> list[str]:
    return [PROBE, "exec", "backup/db", "--url", server.url, *options, "--", *command]


def run(server: Heard, *command: str, options: tuple[str, ...] = (), **more) -> subprocess.CompletedProcess[bytes]:
    environment = {**os.environ, "PROBE_PING_KEY": KEY, **more.pop("env", {})}
    return subprocess.run(
        arguments(server, *command, options=options),
        env=environment,
        capture_output=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
        **more,
    )


def shell(text: str) -> tuple[str, str, str]:
    return "sh", "-c", text


def test_a_job_is_told_with_one_run_id_and_its_last_words(server: Heard):
    done = run(server, *shell("echo out; echo err >&2; exit 3"))
    assert (done.returncode, done.stdout, done.stderr) == (3, b"out\n", b"err\n")
    assert server.said == ["/ping/backup-db/start", "/ping/backup-db/3"]
    assert sorted(server.pings[1][2].split()) == [b"err", b"out"]
    assert len({rid for _, rid, _ in server.pings}) == 1
    assert server.keys == {f"Bearer {KEY}"}


def test_output_passes_through_byte_for_byte_and_the_end_of_it_is_sent(server: Heard):
    script = "import sys; sys.stdout.buffer.write(bytes(range(256)) * 4000); sys.stdout.buffer.write(b'end')"
    done = run(server, sys.executable, "-c", script)
    everything = bytes(range(256)) * 4000 + b"end"
    assert done.stdout == everything
    assert server.pings[1][2] == everything[-10_000:]


@pytest.mark.parametrize(
    ("command", "options", "code"),
    [
        (("true",), (), 0),
        (shell("exit 255"), (), 255),
        (shell("kill -TERM $$"), (), 143),
        (shell("kill -KILL $$"), (), 137),
        (("/nowhere/nothing",), (), 127),
        (("{folder}/plain",), (), 126),
        (("sleep", "60"), ("--timeout", "300ms"), 124),
        (shell("trap '' TERM; sleep 60"), ("--timeout", "300ms", "--kill-after", "300ms"), 124),
        (shell("sleep 60 | sleep 60"), ("--timeout", "300ms"), 124),
    ],
)
def test_the_exit_code_is_the_command_s(server: Heard, tmp_path: Path, command, options, code: int):
    (tmp_path / "plain").write_text("no program")
    done = run(server, *(part.format(folder=tmp_path) for part in command), options=options)
    assert done.returncode == code
    assert server.said[-1] == f"/ping/backup-db/{code}"


def test_without_capture_the_outputs_are_left_alone(server: Heard):
    done = run(server, *shell("echo out; exit 1"), options=("--no-output",))
    assert (done.stdout, server.pings[-1][2]) == (b"out\n", b"")


# Signals.


@contextlib.contextmanager
def running(server: Heard, *command: str, options: tuple[str, ...] = ()) -> Iterator[subprocess.Popen[bytes]]:
    process = subprocess.Popen(
        arguments(server, *command, options=options),
        env={**os.environ, "PROBE_PING_KEY": KEY},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def line(process: subprocess.Popen[bytes]) -> bytes:
    assert process.stdout is not None
    return process.stdout.readline()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1])
def test_signals_are_passed_on(server: Heard, number: signal.Signals):
    name = number.name.removeprefix("SIG")
    script = f"trap 'echo got {name}; exit 7' {name}; echo ready; while :; do sleep 0.05; done"
    with running(server, *shell(script)) as process:
        assert line(process) == b"ready\n"
        process.send_signal(number)
        assert line(process) == f"got {name}\n".encode()
        assert process.wait(30) == 7
    assert server.said[-1] == "/ping/backup-db/7"


def test_what_the_command_started_is_reached_too(server: Heard, tmp_path: Path):
    with running(server, *shell(f"sh -c 'echo $$ > {tmp_path}/pid; echo ready; exec sleep 60'; true")) as process:
        assert line(process) == b"ready\n"
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert not alive(int((tmp_path / "pid").read_text()))


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_a_reader_that_goes_is_known_to_the_command(server: Heard):
    """As without us: SIGPIPE ends it, and `yes | head` ends."""
    with running(server, "yes") as process:
        assert line(process) == b"y\n"
        assert process.stdout is not None
        process.stdout.close()
        assert process.wait(30) == 141
        process.stdout = None


def test_a_child_that_goes_on_alone_is_not_cut_off(server: Heard):
    done = run(server, *shell("(sleep 2.5; echo late) & echo early"))
    assert done.stdout == b"early\nlate\n"
    assert server.pings[-1][2] == b"early\n"  # told when the command had ended


# A monitor that is dead, slow or wrong.


def test_a_dead_monitor_changes_nothing_for_the_job(tmp_path: Path):
    nobody = Heard(url="http://127.0.0.1:1")
    done = run(nobody, *shell("echo out; exit 4"), options=("--patience", "100ms"))
    assert (done.returncode, done.stdout) == (4, b"out\n")
    assert b"the end was not told: connection refused" in done.stderr
    assert KEY.encode() not in done.stderr
    quiet = run(nobody, "true", options=("--quiet", "--patience", "100ms"))
    assert (quiet.returncode, quiet.stderr) == (0, b"")


def test_a_job_does_not_wait_for_a_monitor_that_does_not_answer(server: Heard):
    server.mute = True
    with running(server, *shell("echo ready"), options=("--patience", "300ms")) as process:
        assert line(process) == b"ready\n"
        assert process.wait(30) == 0


def test_a_ping_that_is_not_kept_is_sent_again(server: Heard):
    server.answers = [503]
    with running(server, *shell("while [ ! -e /dev/null/x ]; do sleep 0.05; done")) as process:
        wait(lambda: "/ping/backup-db/start" in server.said, server)
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    assert server.said == ["/ping/backup-db/start", "/ping/backup-db/143"]


def test_a_key_that_is_wrong_is_not_tried_again(server: Heard):
    server.answers = [404, 404]
    done = run(server, "true")
    assert done.returncode == 0
    assert b"the end was not told: it answers 404" in done.stderr
    assert server.answers == []


@pytest.mark.parametrize(
    ("options", "environment"),
    [
        ((), {"PROBE_PING_KEY": ""}),
        (("--key-file", "/nowhere/key"), {}),
        (("-c", "/nowhere/probe.yml"), {}),
        (("--url", "ftp://x"), {}),
    ],
)
def test_a_job_runs_also_where_nobody_can_be_told(server: Heard, options, environment):
    done = run(server, *shell("exit 5"), options=options, env=environment)
    assert done.returncode == 5
    assert b"nobody is told" in done.stderr
    assert server.pings == []


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        (("--patience", "soon"), b"--patience: 'soon' is no duration"),
        (("--patience",), b"--patience wants a value"),
        (("--timeout", "-5"), b"--timeout: '-5' is no duration"),
        (("--timeout", "0"), b"--timeout wants more than nothing"),
        (("--every=often",), b"--every: 'often' is no duration"),
        (("--kill-after", "1 h"), b"--kill-after: '1 h' is no duration"),
        (("--patiance", "5s"), b"there is no option --patiance"),
        (("--patiance=5s",), b"there is no option --patiance"),
        (("-x",), b"there is no option -x"),
        (("--quiet=yes", "--no-such"), b"--quiet takes no value"),
        (("--timeout", "9" * 400 + "w"), b""),
        (("--patience", "1"), b""),
        (("--timeout=30", "--kill-after", "1.5"), b""),
    ],
)
def test_a_mistake_in_an_option_is_told_and_the_job_runs_and_is_told_of(server: Heard, options, complaint: bytes):
    done = run(server, *shell("echo out; exit 5"), options=options)
    assert (done.returncode, done.stdout) == (5, b"out\n")
    assert complaint in done.stderr
    assert bool(complaint) is bool(done.stderr)
    assert server.said == ["/ping/backup-db/start", "/ping/backup-db/5"]


@pytest.mark.parametrize(
    "words",
    [
        ("--", "sh", "-c", "exit 5"),  # the name was an empty variable
        ("--url", "http://127.0.0.1:1", "--", "sh", "-c", "exit 5"),
        ("backup/db", "--key-file", "/", "--", "sh", "-c", "exit 5"),
        ("backup/db", "-c", "/", "--", "sh", "-c", "exit 5"),
        ("backup/db", "-c", "{folder}/bytes", "--", "sh", "-c", "exit 5"),
        ("backup/db", "-c", "{folder}/bytes", "sh", "-c", "exit 5"),  # its -c, not ours
        (b"back\xffup", "--patience", "0.1", "--url", "http://127.0.0.1:1", "--", "sh", "-c", "exit 5"),
        ("backup/db", "--rid", "a b", "--patience", "0.1", "--url", "http://127.0.0.1:1", "--", "sh", "-c", "exit 5"),
    ],
)
def test_a_job_runs_whatever_else_is_wrong(tmp_path: Path, words):
    (tmp_path / "bytes").write_bytes(bytes(range(256)))
    command = [word if isinstance(word, bytes) else word.format(folder=tmp_path) for word in words]
    environment = {**os.environ, "PROBE_PING_KEY": KEY}
    done = subprocess.run([PROBE, "exec", *command], env=environment, capture_output=True, timeout=60)
    assert done.returncode == 5, done.stderr
    assert b"probe exec: " in done.stderr
    assert b"Traceback" not in done.stderr


def test_only_a_missing_command_is_a_usage_error():
    for words in ([], ["backup/db"], ["backup/db", "--"], ["backup/db", "--patience", "1"], ["--no-such", "backup/db"]):
        done = subprocess.run([PROBE, "exec", *words], capture_output=True, timeout=60)
        assert (done.returncode, b"Usage: probe exec" in done.stderr) == (2, True), words
    done = subprocess.run([PROBE, "exec", "--help"], capture_output=True, timeout=60)
    assert (done.returncode, b"COMMAND" in done.stdout) == (0, True)


def test_two_dashes_of_the_command_are_the_command_s(server: Heard):
    done = run(server, "echo", "a", "--", "--quiet", "b")
    assert done.stdout == b"a -- --quiet b\n"
    plain = [PROBE, "exec", "backup/db", "--url", server.url, "echo", "a", "--", "--quiet"]
    again = subprocess.run(plain, env={**os.environ, "PROBE_PING_KEY": KEY}, capture_output=True, timeout=60)
    assert again.stdout == b"a -- --quiet\n"


def wait(condition: Callable[[], bool], server: Heard) -> None:
    with server.heard:
        assert server.heard.wait_for(condition, 30)


# Keys, and what the job may say itself.


def test_a_key_comes_from_a_file_and_a_configuration(server: Heard, tmp_path: Path):
    (tmp_path / "key").write_text(f"{KEY}\n")
    (tmp_path / "key").chmod(stat.S_IRUSR)
    assert (
        run(server, "true", options=("--key-file", str(tmp_path / "key")), env={"PROBE_PING_KEY": ""}).returncode == 0
    )
    config = tmp_path / "probe.yml"
    config.write_text(f"checks: {{backup/db: {{heartbeat: {{period: 1h, keys: [{KEY}]}}}}}}\n")
    assert run(server, "true", options=("-c", str(config)), env={"PROBE_PING_KEY": ""}).returncode == 0
    assert (len(server.pings), server.keys) == (4, {f"Bearer {KEY}"})


def test_a_job_says_its_stages_itself(server: Heard):
    done = run(
        server, *shell(f"{PROBE} heartbeat ping --stage upload && {PROBE} heartbeat ping --log --message - <<X\nhi\nX")
    )
    assert done.returncode == 0, done.stderr
    assert sorted(server.said[:-1]) == [
        "/ping/backup-db/log",
        "/ping/backup-db/stage/upload",
        "/ping/backup-db/start",
    ]
    assert len({rid for _, rid, _ in server.pings}) == 1
    assert (b"hi\n") in {body for _, _, body in server.pings}


def test_every_so_often_each_run_is_one_of_its_own(server: Heard):
    with running(server, "true", options=("--every", "200ms")) as process:
        wait(lambda: server.said.count("/ping/backup-db/0") >= 3, server)
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) in (0, 143)  # between two runs, or in one
    assert len({rid for _, rid, _ in server.pings}) >= 3


@pytest.mark.parametrize(
    ("words", "suffix"),
    [
        ((), ""),
        (("--start",), "/start"),
        (("--fail", "--message", "no space"), "/fail"),
        (("--running",), "/running"),
        (("--exit", "0"), "/0"),
    ],
)
def test_heartbeat_ping_says_what_it_is_told(server: Heard, words, suffix: str):
    command = [PROBE, "heartbeat", "ping", "backup/db", "--url", server.url, *words]
    done = subprocess.run(command, env={**os.environ, "PROBE_PING_KEY": KEY}, capture_output=True, timeout=60)
    assert (done.returncode, server.said) == (0, [f"/ping/backup-db{suffix}"])


@pytest.mark.parametrize(
    ("words", "code", "complaint"),
    [
        (("--start", "--exit", "1"), 2, b"say one thing"),
        (("--exit", "256"), 2, b"256"),
        (("--url", "http://127.0.0.1:1", "--rid", "x", "--patience", "100ms"), 1, b"not told: connection refused"),
    ],
)
def test_heartbeat_ping_says_what_is_wrong(words, code: int, complaint: bytes):
    command = [PROBE, "heartbeat", "ping", "backup/db", *words]
    done = subprocess.run(command, env={**os.environ, "PROBE_PING_KEY": KEY}, capture_output=True, timeout=60)
    assert (done.returncode, complaint in done.stderr) == (code, True)


def test_addresses_show_keys_only_when_asked(tmp_path: Path):
    config = tmp_path / "probe.yml"
    config.write_text(f"url: https://p.example\nchecks: {{backup/db: {{heartbeat: {{period: 1h, keys: [{KEY}]}}}}}}\n")
    plain = subprocess.run([PROBE, "heartbeat", "urls", str(config)], capture_output=True, timeout=60)
    assert plain.stdout == b"backup/db  https://p.example/ping/KEY/backup-db\n"
    shown = subprocess.run([PROBE, "heartbeat", "urls", str(config), "--show-keys"], capture_output=True, timeout=60)
    assert shown.stdout == f"backup/db  https://p.example/ping/{KEY}/backup-db\n".encode()
    for done in (plain, shown):
        assert done.returncode == 0, json.dumps(done.stderr.decode())


def test_the_wrapper_is_quick_to_start():
    """What a job waits for: no web client, no configuration library is loaded before it begins."""
    script = "import sys, probe.cli.exec; print(sorted({'aiohttp', 'pydantic', 'http.client'} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.stdout == b"[]\n", done.stderr
