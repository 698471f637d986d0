"""All channels are down, things happen, and the service is killed: what waited is told as it stands, in order."""

from __future__ import annotations

import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.e2e.crashes import Story, staged
from tests.e2e.launching import launcher
from tests.e2e.processes import until
from tests.e2e.receiving import CHANNELS

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

_DEADLINE = 90.0  # s
SAYS = [name for name in CHANNELS if name not in ("alertmanager", "pagerduty")]


@pytest.fixture
async def story(tmp_path: Path) -> AsyncIterator[Story]:
    """Nobody can be told, and it is down and acknowledged; then it is killed."""
    async with launcher() as starting, staged(tmp_path / "story", starting) as one:
        await one.start()
        await until(one.is_up, "the site is up", _DEADLINE)
        one.receivers.close()
        await one.move("opening")
        await waiting(one, "opened")
        await one.move("acknowledgement")
        await waiting(one, "acknowledged")
        yield one


async def waiting(story: Story, kind: str) -> None:
    """Until every channel has been asked for the first, and all that was decided waits."""

    async def so() -> bool:
        found = story.stored()
        assert {one.outcome for one in found} <= {"pending"}
        (tried,) = story.rows("SELECT count(*) FROM deliveries WHERE attempts > 0")[0]
        return tried >= len(CHANNELS) and {one.receiver for one in found if one.kind == kind} == {*CHANNELS}

    await until(so, f"{kind} waits for every channel", _DEADLINE)


async def crash_and_open(story: Story) -> None:
    """Kill it, and start it again when the channels take what they are told."""
    assert story.process is not None
    await story.process.end(signal.SIGKILL)
    assert story.receivers.count() == 0
    story.receivers.close(closed=False)
    await story.start()


async def told(story: Story, kind: str) -> None:
    async def so() -> bool:
        story.alive()
        found = story.stored()
        return kind in {one.kind for one in found} and all(one.outcome != "pending" for one in found)

    await until(so, f"all are told, up to {kind}", _DEADLINE)


def outcomes(story: Story) -> set[tuple[str, str]]:
    return {(one.kind, one.outcome) for one in story.stored()}


async def test_what_waits_for_all_channels_is_told_as_it_stands_by_then(story: Story) -> None:
    await crash_and_open(story)
    await told(story, "acknowledged")
    assert outcomes(story) == {("opened", "merged"), ("acknowledged", "delivered")}
    await story.move("end")
    await told(story, "resolved")
    receivers = story.receivers
    for name in SAYS:
        assert [one.kind for one in receivers.of(name)] == ["opened", "resolved"], name
    assert [page.events for page in receivers.pages.values()] == [["trigger", "acknowledge", "resolve"]]
    alerts = [one for one in receivers.alerts if one.name == "CheckDown"]
    assert [one.fires for one in alerts] == sorted((one.fires for one in alerts), reverse=True)
    assert {one.acked_by for one in alerts} == {"ana"}
    assert receivers.faults == []


async def test_what_ended_before_anybody_could_be_told_is_one_message(story: Story) -> None:
    await story.move("end")
    await waiting(story, "resolved")
    await crash_and_open(story)
    await told(story, "resolved")
    receivers = story.receivers
    assert outcomes(story) == {("opened", "merged"), ("acknowledged", "merged"), ("resolved", "delivered")}
    for name in SAYS:
        assert [one.kind for one in receivers.of(name)] == ["passed"], name
    assert [page.events for page in receivers.pages.values()] == [["trigger", "resolve"]]
    assert not any(one.fires for one in receivers.alerts)
    assert receivers.faults == []


async def test_what_ends_while_nobody_runs_ends_for_those_who_were_told(story: Story) -> None:
    """The channels come back, then it is killed, mended, and started again."""
    await crash_and_open(story)
    await told(story, "acknowledged")
    assert story.process is not None
    await story.process.end(signal.SIGKILL)
    await story.move("end")
    await story.start()
    await told(story, "resolved")
    for name in SAYS:
        assert [one.kind for one in story.receivers.of(name)] == ["opened", "resolved"], name
    async with story.session.get(f"http://127.0.0.1:{story.port}/api/v1/incidents") as answer:
        assert (await answer.json())["open"] == 0
    assert story.receivers.faults == []
