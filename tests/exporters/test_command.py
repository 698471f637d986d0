"""A command: what it is given, what its exit says, and that nothing of it is left behind."""

from __future__ import annotations

import asyncio
import json
import os
import stat
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from exporters.base import Addressed, NoticeKind, NotifyError, Post, Trouble
from exporters.notifiers.command import RECEIVER, Command
from tests.exporters.notices import BY_KIND, EVIL, FULL, said_everywhere
from tests.exporters.schemas import check_webhook

Script = Callable[..., Command]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """A program of these lines of Python, as a receiver."""

    def written(*lines: str, **more: Any) -> Command:
        path = tmp_path / "page"
        path.write_text("\n".join([f"#!{sys.executable} -S", "import os, sys, time", *lines]))
        path.chmod(path.stat().st_mode | stat.S_IXUSR)
        return Command.model_validate({"run": [str(path), "--team", "a b; exit 9 $HOME"], "cwd": str(tmp_path), **more})

    return written


KEEP = "open('told', 'wb').write(sys.stdin.buffer.read())"


@pytest.mark.parametrize("kind", NoticeKind)
async def test_the_program_reads_the_notice_as_json(
    script: Script, post: Post, tmp_path: Path, kind: NoticeKind
) -> None:
    await script(KEEP).send(BY_KIND[kind], post)
    told = check_webhook((tmp_path / "told").read_bytes())
    assert told["type"].endswith(kind.value)
    assert told["data"]["id"] == BY_KIND[kind].id


async def test_the_program_finds_the_notice_in_its_environment(script: Script, post: Post, tmp_path: Path) -> None:
    dump = "import json; json.dump({'env': dict(os.environ), 'argv': sys.argv[1:]}, open('told', 'w'))"
    ana = script(dump, env={"PAGER_KEY": "k3y-value"}).addressed("ana-pager")
    await ana.send(BY_KIND[NoticeKind.ACKNOWLEDGED], post)
    told = json.loads((tmp_path / "told").read_text())
    assert told["argv"] == ["--team", "a b; exit 9 $HOME"]  # no shell has seen it
    wanted = {
        "PROBE_TO": "ana-pager",
        "PROBE_KIND": "acknowledged",
        "PROBE_TITLE": "SNOOZED #42 shop/home by ana until 2026-11-21T11:00:00Z",
        "PROBE_NUMBER": "42",
        "PROBE_LEVEL": "down",
        "PROBE_FIRING": "1",
        "PROBE_SEVERITY": "page",
        "PROBE_SINCE": "2026-11-21T10:00:00Z",
        "PROBE_ENDED": "",
        "PAGER_KEY": "k3y-value",
    }
    assert {name: told["env"].get(name) for name in wanted} == wanted


async def test_nothing_of_our_own_environment_leaks(
    script: Script, post: Post, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PD_KEY", "s3cret")
    await script("import json; json.dump(dict(os.environ), open('told', 'w'))").send(FULL, post)
    told = json.loads((tmp_path / "told").read_text())
    assert "PD_KEY" not in told
    assert told["PATH"] == os.environ["PATH"]


@pytest.mark.parametrize(
    ("code", "codes", "permanent"),
    [(75, None, False), (1, None, False), (64, None, True), (65, None, True), (78, None, True), (3, (3,), True)],
)
async def test_its_exit_says_whether_to_try_again(
    script: Script, post: Post, code: int, codes: tuple[int, ...] | None, permanent: bool
) -> None:
    more = {"permanent_codes": codes} if codes else {}
    failing = script("sys.stderr.write('\\n  no such team\\nmore\\n')", f"sys.exit({code})", **more)
    with pytest.raises(NotifyError) as caught:
        await failing.send(FULL, post)
    assert str(caught.value) == f"command page exited with {code}: no such team"
    assert caught.value.permanent is permanent
    assert not caught.value.gone


async def test_temporary_failure_is_never_for_good(script: Script, post: Post) -> None:
    with pytest.raises(NotifyError) as caught:
        await script("sys.exit(75)", permanent_codes=(75,)).send(FULL, post)
    assert not caught.value.permanent


async def test_what_it_says_is_masked(script: Script, post: Post) -> None:
    failing = script(
        "sys.stderr.write('bad key ' + os.environ['PAGER_KEY'])", "sys.exit(1)", env={"PAGER_KEY": "k3y-v"}
    )
    with pytest.raises(NotifyError, match="bad key •••") as caught:
        await failing.send(FULL, post)
    assert "k3y-v" not in str(caught.value)
    assert "k3y-v" not in repr(failing)


async def test_a_program_that_was_killed_is_tried_again(script: Script, post: Post) -> None:
    with pytest.raises(NotifyError, match="ended by signal 9") as caught:
        await script("os.kill(os.getpid(), 9)").send(FULL, post)
    assert not caught.value.permanent


async def test_a_program_that_reads_nothing_and_writes_without_end_is_taken(script: Script, post: Post) -> None:
    await script("sys.stderr.write('x' * 3_000_000)", "sys.stdout.write('y' * 3_000_000)").send(FULL, post)


async def ended(pid: int) -> None:
    """Return once the process is no more, or only waits to be reaped by whoever is its parent now."""
    async with asyncio.timeout(20):
        while _runs(pid):
            await asyncio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (FileNotFoundError, ProcessLookupError):
        return False


STUCK = (
    "child = os.fork()",
    "open('pids', 'a').write(f'{os.getpid()}\\n')",
    "time.sleep(600)",
)


async def test_at_the_limit_it_is_killed_with_all_that_it_has_started(
    script: Script, post: Post, tmp_path: Path
) -> None:
    with pytest.raises(NotifyError, match="command page: not done within 500 ms") as caught:
        await script(*STUCK, timeout="500ms").send(FULL, post)
    assert (caught.value.permanent, caught.value.kind) == (False, Trouble.TIMEOUT)
    pids = [int(line) for line in (tmp_path / "pids").read_text().split()]
    assert len(pids) == 2
    for pid in pids:
        await ended(pid)


async def test_when_nobody_waits_any_more_it_is_killed(script: Script, post: Post, tmp_path: Path) -> None:
    sending = asyncio.create_task(script(*STUCK).send(FULL, post))
    while not (tmp_path / "pids").exists() or len((tmp_path / "pids").read_text().split()) < 2:
        await asyncio.sleep(0.01)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    for pid in (tmp_path / "pids").read_text().split():
        await ended(int(pid))


async def test_what_it_leaves_running_is_not_waited_for(script: Script, post: Post, tmp_path: Path) -> None:
    # The child keeps our pipe open, as a daemon does that somebody has started carelessly.
    leaving = script(
        "child = os.fork()",
        "if child: open('pid', 'w').write(str(child)); sys.stderr.write('over to you\\n'); sys.exit(1)",
        "time.sleep(60)",
    )
    with pytest.raises(NotifyError, match="over to you"):
        await leaving.send(FULL, post)
    os.kill(int((tmp_path / "pid").read_text()), 9)


@pytest.mark.parametrize("name", ["nowhere/page", "text", "."])
async def test_what_cannot_be_run_is_tried_again(post: Post, tmp_path: Path, name: str) -> None:
    (tmp_path / "text").write_text("no program")
    with pytest.raises(NotifyError, match=r"cannot be run: (no such file|permission denied)") as caught:
        await Command(run=(str(tmp_path / name),)).send(FULL, post)
    assert not caught.value.permanent


async def test_hostile_texts_stay_texts(script: Script, post: Post, tmp_path: Path) -> None:
    await script(KEEP).send(said_everywhere(FULL, f"{EVIL}\0\n$(touch x)`touch x`" * 50), post)
    check_webhook((tmp_path / "told").read_bytes())
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"run": []}, "at least 1 item"),
        ({"run": [" "]}, "the first word is the program"),
        ({"run": ["/bin/true", "a\0b"]}, "the first word is the program"),
        ({"run": "/bin/true"}, "valid tuple"),
        ({"run": ["./page"]}, "write the whole path"),
        ({"run": ["page"], "cwd": "scripts"}, "write the whole path"),
        ({"run": ["/bin/true"], "timeout": "30s"}, "between 100ms and 25"),
        ({"run": ["/bin/true"], "env": {"PROBE_TO": "s3cret"}}, "leave PROBE_ to Probe"),
        ({"run": ["/bin/true"], "env": {"A B": "s3cret"}}, "is no name here"),
        ({"run": ["/bin/true"], "env": {"A": "s3cret\0"}}, "holds a NUL"),
        ({"run": ["/bin/true"], "permanent_codes": [0]}, "greater than or equal to 1"),
    ],
)
def test_mistakes_are_said_without_repeating_a_secret(given: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        RECEIVER.model_validate(given)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("to", ["", "a\nb", "a\0b", " a"])
def test_an_address_is_one_line(to: str) -> None:
    command = Command(run=("/bin/true",))
    assert isinstance(command, Addressed)
    with pytest.raises(ValueError, match="write one line"):
        command.addressed(to)
