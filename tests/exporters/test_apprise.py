"""Apprise: what arrives through one of its services, what fails, and that a stuck one holds up nobody."""

from __future__ import annotations

import asyncio
import json
import logging
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest
from pydantic import ValidationError

from exporters.aside import Aside
from exporters.base import NoticeKind, NotifyError, Post, Trouble
from exporters.notifiers import apprise
from exporters.notifiers.apprise import RECEIVER, Apprise
from tests.exporters.conftest import Inbox, Serve
from tests.exporters.notices import BY_KIND, EVIL, FULL, said_everywhere


def address(inbox: Inbox, path: str = "hook/s3cret-path") -> str:
    return f"{inbox.url.replace('http://', 'json://')}{path}"


@pytest.mark.parametrize(
    ("kind", "type_"),
    [
        (NoticeKind.OPENED, "failure"),
        (NoticeKind.CHANGED, "failure"),
        (NoticeKind.REPEATED, "failure"),
        (NoticeKind.ACKNOWLEDGED, "info"),
        (NoticeKind.UNACKNOWLEDGED, "failure"),
        (NoticeKind.RESOLVED, "success"),
        (NoticeKind.PASSED, "success"),
        (NoticeKind.BULLETIN, "info"),
    ],
)
async def test_a_service_gets_title_text_and_type(inbox: Inbox, post: Post, kind: NoticeKind, type_: str) -> None:
    await Apprise(urls=(address(inbox),)).send(BY_KIND[kind], post)
    told = json.loads(inbox.taken[0].body)
    assert told["type"] == type_
    assert ("On call in prodops" if kind is NoticeKind.BULLETIN else "#42 shop/home") in told["title"]
    assert ("ana until Mon 09:00" if kind is NoticeKind.BULLETIN else "status 503, wanted 2xx") in told["message"]


async def test_nobody_is_mentioned(inbox: Inbox, post: Post) -> None:
    await Apprise(urls=(address(inbox),)).send(said_everywhere(FULL, EVIL), post)
    told = json.loads(inbox.taken[0].body)
    assert "@everyone" not in told["message"]
    assert "everyone" in told["message"]


async def test_what_fails_is_tried_again_and_says_why_without_the_address(inbox: Inbox, post: Post) -> None:
    inbox.answer(404, "nothing at s3cret-path")
    receiver = Apprise(urls=(address(inbox),))
    with pytest.raises(NotifyError, match=r"apprise: JSON: .*error=404") as caught:
        await receiver.send(FULL, post)
    assert not caught.value.permanent
    assert "s3cret" not in str(caught.value)
    assert "s3cret" not in repr(receiver)


async def test_one_service_that_takes_it_is_enough_and_the_other_is_named(
    inbox: Inbox, other_inbox: Inbox, post: Post, caplog: pytest.LogCaptureFixture
) -> None:
    inbox.answer(500)
    await Apprise(urls=(address(inbox), address(other_inbox))).send(FULL, post)
    assert len(other_inbox.taken) == 1
    (line,) = [record.getMessage() for record in caplog.records if record.name == "exporters.notifiers.apprise"]
    assert "another service took it" in line
    assert "s3cret" not in line


class Root(logging.Handler):
    """What the program would write: all that reaches the root of the loggers."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        self.names.add(record.name.partition(".")[0])


@pytest.fixture
def root() -> Iterator[Root]:
    handler, logger = Root(), logging.getLogger()
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


async def test_what_apprise_logs_itself_stays_unwritten(inbox: Inbox, post: Post, root: Root) -> None:
    # It holds addresses: "Loaded JSON URL: json://...".
    inbox.answer(500)
    with pytest.raises(NotifyError):
        await Apprise(urls=(address(inbox),)).send(FULL, post)
    with pytest.raises(ValidationError):
        RECEIVER.model_validate({"urls": ["bogus://s3cret"]})
    assert not root.names & {"apprise", "urllib3", "requests"}


async def test_a_stuck_service_holds_up_neither_the_loop_nor_others(
    inbox: Inbox, post: Post, serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(apprise, "_aside", Aside("apprise", most=8, each=2))
    held = asyncio.Event()

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await held.wait()

    port = await serve(silent)
    stuck = Apprise(urls=(f"json://127.0.0.1:{port}/?rto=20",), timeout="100ms")
    for _ in range(2):
        with pytest.raises(NotifyError, match="apprise: not done within 100 ms") as caught:
            await stuck.send(FULL, post)
        assert (caught.value.permanent, caught.value.kind) == (False, Trouble.TIMEOUT)
    with pytest.raises(NotifyError, match="2 earlier ones are still under way") as caught:
        await stuck.send(FULL, post)
    assert not caught.value.permanent
    await Apprise(urls=(address(inbox),)).send(FULL, post)
    assert len(inbox.taken) == 1
    held.set()
    names = [thread for thread in threading.enumerate() if thread.name == "apprise"]
    assert all(thread.daemon for thread in names)


async def test_people_have_their_place_in_the_address(inbox: Inbox, post: Post) -> None:
    receiver = Apprise(urls=(f"{inbox.url.replace('http://', 'json://')}page/{{to}}",))
    with pytest.raises(NotifyError, match="reaches people alone"):
        await receiver.send(FULL, post)
    await receiver.addressed("+61 2 5550 1234").send(FULL, post)
    assert inbox.taken[0].path.startswith("/page/+61")
    with pytest.raises(ValueError, match=r"write \{to\} in one of them"):
        Apprise(urls=(address(inbox),)).addressed("x")
    with pytest.raises(ValueError, match="is no address"):
        receiver.addressed("")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"urls": []}, "at least 1 item"),
        ({"urls": ["json://localhost", "bogus://s3cret"]}, "address 2 is none of Apprise's"),
        ({"urls": ["slack://s3cret"]}, "address 1 is none of Apprise's"),
        ({"urls": ["json://localhost"], "timeout": "1m"}, "between 100ms and 25"),
    ],
)
def test_mistakes_are_said_without_repeating_a_secret(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        RECEIVER.model_validate(given)
    assert "s3cret" not in str(caught.value)


def test_without_apprise_a_receiver_that_needs_it_is_an_error_with_its_remedy() -> None:
    program = (
        "import sys; sys.modules['apprise'] = None\n"
        "from exporters.notifiers.apprise import RECEIVER\n"
        "try: RECEIVER.model_validate({'urls': ['json://localhost']})\n"
        "except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, text=True)
    assert "needs Apprise, which is not installed: make setup EXTRAS=apprise" in done.stdout


def test_without_such_a_receiver_apprise_is_not_loaded() -> None:
    program = (
        "import sys; from exporters.notifiers import receiver_types; receiver_types(); "
        "print('apprise' in sys.modules, 'requests' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, timeout=60, text=True)
    assert done.stdout.strip() == "False False"
