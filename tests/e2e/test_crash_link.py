"""The service is killed while it does what a link asks for: the link is used and it is done, or neither."""

from __future__ import annotations

import re
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio

from tests.e2e.crashes import Point, Story, staged
from tests.e2e.launching import Launcher, launcher
from tests.e2e.processes import until
from tests.e2e.receiving import plain

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(300)]

_DEADLINE = 90.0  # s
_LINK = re.compile(r"Acknowledge: https://probe\.example(/act/\S+)")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def starting() -> AsyncIterator[Launcher]:
    async with launcher() as one:
        yield one


def link_of(story: Story) -> str:
    """The path that acknowledges, from the mail of the opening."""
    found = _LINK.search(plain(story.receivers.mails[0]))
    assert found is not None
    return found[1]


async def press(story: Story, path: str) -> int:
    """What the button of a link answers; 0 where the service is gone before it does."""
    try:
        async with story.session.post(f"http://127.0.0.1:{story.port}{path}", data={"name": "ana"}) as answer:
            await answer.read()
            return answer.status
    except (aiohttp.ClientError, OSError):
        return 0


def done(story: Story) -> tuple[int, int]:
    """How many links were used, and how many acknowledgements there were."""
    ((used,),) = story.rows("SELECT count(*) FROM used_links")
    ((deeds,),) = story.rows("SELECT count(*) FROM happenings WHERE deed = 'acknowledged'")
    return used, deeds


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize(
    ("point", "kept"), [("deciding", 0), ("offered", 0), ("appending", 0), ("appended", 0), ("stored", 1)]
)
async def test_killed_there_a_link_is_used_if_and_only_if_it_is_done(
    starting: Launcher, tmp_path: Path, point: str, kept: int
) -> None:
    async with staged(tmp_path / "story", starting) as story:
        await story.start(Point(point).fault("acknowledgement", tmp_path / "fault"))
        await until(story.is_up, "the site is up", _DEADLINE)
        await story.move("opening")
        await story.until_over("opening")
        path = link_of(story)
        assert await press(story, path) == 0
        assert story.process is not None
        assert await story.process.ended(_DEADLINE) == -signal.SIGKILL
        assert done(story) == (kept, kept)
        await story.start()
        await until(story.ready, "the service is ready again", _DEADLINE)
        assert await press(story, path) == (410 if kept else 200)
        assert await press(story, path) == 410
        assert done(story) == (1, 1)
