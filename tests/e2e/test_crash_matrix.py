"""The service is killed before and after every step from a transition to its delivery, in each phase of an incident.

Every channel hears everything, in order, and nothing twice but what was sent and not written down: that by the same id.
"""

from __future__ import annotations

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio

from tests.e2e.crashes import PHASES, Crash, Passes, Point, Story, audience, played
from tests.e2e.launching import Launcher, launcher
from tests.e2e.receiving import CHANNELS, CONTACTS, Heard, plain

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

AT_ONCE = 2  # stories: as many as a small machine has cores
POINTS = (
    Point("deciding", stored=False),
    Point("decided", stored=False),
    Point("offered", stored=False),
    Point("appending", stored=False),
    Point("appended", stored=False),  # and not committed
    Point("stored"),
    Point("handed", Passes.HALF),
    Point("sending"),
    Point("posting", Passes.HALF, heard="any", settled="any"),
    Point("answered", Passes.ALL, heard="all"),
    Point("sent", Passes.ALL, heard="all"),
    Point("sent", Passes.HALF, heard="some", settled="any"),
    Point("noted", heard="some"),
    Point("settling", heard="some"),
    Point("set", heard="some"),  # and not committed
    Point("settled", heard="some", settled="some"),
)
# Receivers that keep one message of an incident hear what happens in its thread, after the message was changed.
THREADED = {"bot", "telegram", "ana/bot", "ana/telegram"}
STATES = {"alertmanager"}  # told again and again how things are


class Stories:
    """Every story that is asked for, two at a time: while a test looks at one, the next is under way."""

    def __init__(self, folder: Path, launcher: Launcher, order: list[Point]) -> None:
        self._folder = folder
        self._launcher = launcher
        self._order = order
        self._tasks: dict[Point, asyncio.Task[Story]] = {}

    async def of(self, point: Point) -> Story:
        at = self._order.index(point)
        for one in self._order[at : at + AT_ONCE]:
            if one not in self._tasks:
                self._tasks[one] = asyncio.create_task(played(self._folder / str(one), self._launcher, one))
        return await self._tasks[point]

    async def end(self) -> None:
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stories(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Stories]:
    found_points = (_point_of(item) for item in request.session.items if item.path == Path(__file__))
    chosen = [point for point in found_points if point is not None]
    async with launcher() as starting:
        found = Stories(tmp_path_factory.mktemp("matrix"), starting, chosen)
        yield found
        await found.end()


def _point_of(item: pytest.Item) -> Point | None:
    """The point that a test is about."""
    call = getattr(item, "callspec", None)
    return call.params.get("point") if call is not None else None


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("point", POINTS, ids=str)
async def test_killed_there_in_every_phase_nothing_is_lost_and_nothing_out_of_order(
    stories: Stories, point: Point
) -> None:
    story = await stories.of(point)
    assert [crash.phase for crash in story.crashes] == [*PHASES]
    for crash in story.crashes:
        check_crash(point, crash)
    assert story.receivers.faults == []
    check_promise(story)
    check_told(story)
    check_what_stands(point, story)


def check_crash(point: Point, crash: Crash) -> None:
    """The process ended where it was to end, and things were then as they are at this point."""
    assert (crash.point, crash.code) == (f"{point.name} {crash.phase}", -signal.SIGKILL)
    owed = {one.receiver: one.outcome for one in crash.owed()}
    assert set(owed) == (audience(crash.phase) if point.stored else set())
    told, settled = crash.told(), {name for name, outcome in owed.items() if outcome != "pending"}
    assert settled <= told | STATES, "what is written down was heard"
    everybody = audience(crash.phase) - STATES
    if point.name == "answered" and crash.phase in ("acknowledgement", "end"):
        everybody -= THREADED
    assert _extent(told, everybody) in _wanted(point.heard)
    assert _extent(settled, audience(crash.phase)) in _wanted(point.settled)


def _extent(some: set[str], everybody: set[str]) -> str:
    return "none" if not some else "all" if some >= everybody else "some"


def _wanted(extent: str) -> set[str]:
    return {"any": {"none", "some", "all"}, "some": {"some", "all"}}.get(extent, {extent})


def check_promise(story: Story) -> None:
    """One incident from its transition to its end, all of it told; OK was said to nothing that was forgotten."""
    assert story.rows("SELECT event FROM transitions WHERE incident LIKE 'shop/home@%'") == [("opened",), ("resolved",)]
    assert story.rows("SELECT body ->> 'status' FROM incidents WHERE id LIKE 'shop/home@%'") == [("resolved",)]
    deeds = Counter(story.rows("SELECT deed FROM happenings WHERE incident LIKE 'shop/home@%' AND deed <> 'told'"))
    assert deeds == Counter({("opened",): 1, ("acknowledged",): 1, ("resolved",): 1})
    assert {one.outcome for one in story.deliveries} == {"delivered"}
    crash = story.crashes[PHASES.index("acknowledgement")]
    assert not story.answers[0] or crash.owed(), "what was answered with OK is on disk"
    assert len(story.answers) == 1 + (not crash.owed())


def check_told(story: Story) -> None:
    """Every receiver hears what was decided for it, in that order; the same again only where it was sent and lost."""
    for name in sorted(audience("end") - STATES):
        heard = story.receivers.of(name)
        decided = [one.kind for one in story.deliveries if one.receiver == name]
        assert decided == ["opened", "acknowledged", "resolved"]
        assert [one.kind for one in _once(heard)] == decided, f"{name} heard {heard}"
        for one, count in Counter(heard).items():
            assert count in _allowed(one, story), f"{name} heard {one.kind} {count} times"


def _once(heard: list[Heard]) -> Iterator[Heard]:
    """Without what was heard again right after itself, by the same id."""
    before = None
    for one in heard:
        if one != before:
            yield one
        before = one


def _allowed(one: Heard, story: Story) -> set[int]:
    """How often it may be heard."""
    for crash in story.crashes:
        owed = {delivery.receiver: delivery.outcome for delivery in crash.owed() if delivery.kind == one.kind}
        if owed.get(one.receiver) == "pending":
            # Sent, and not written down: once more. Where it was on its way, nobody knows.
            return {2} if one in crash.heard else {1, 2}
    return {1}


def check_what_stands(point: Point, story: Story) -> None:
    """What people see in the end, where a channel keeps what it was told."""
    receivers = story.receivers
    twice = story.crashes[0].told() | story.crashes[1].told()
    for name in THREADED:
        # A chat cannot tell that it was told before: a message that was sent and lost stays beside the one that counts.
        wanted = [["resolved"], ["opened", "resolved"]] if name in twice else [["resolved"]]
        assert receivers.colours(name) in wanted, name
    (page,) = receivers.pages.values()
    assert page.state == "resolve"
    check_alerts(story)
    check_mails(story)


def check_alerts(story: Story) -> None:
    """Alertmanager has one alert, which fired, says who took it, and ended; none that ended fires again."""
    posts = [one for one in story.receivers.alerts if one.name == "CheckDown"]
    fires = [one.fires for one in posts]
    assert fires == sorted(fires, reverse=True)
    assert (fires[0], fires[-1]) == (True, False)
    assert len({one.labels for one in posts}) == 1
    assert "ana" in {one.acked_by for one in posts}
    assert not any(one.fires for one in story.receivers.alerts if one.name != "CheckDown")


def check_mails(story: Story) -> None:
    """Mails of an incident are one thread, and one that has an id that was there before is the same mail."""
    mails = story.receivers.mails
    assert len({(mail["References"] or mail["Message-ID"]).split()[0] for mail in mails}) == 1
    told = {(mail["Message-ID"], mail["To"]): plain(mail) for mail in mails}
    for mail in mails:
        assert told[mail["Message-ID"], mail["To"]] == plain(mail)


def test_all_native_channels_are_in_the_matrix() -> None:
    kinds = {"hook", "prom", "slack", "bot", "teams", "pagerduty", "alertmanager", "mail", "ntfy"}
    assert set(CHANNELS) == kinds | {"telegram", "discord", "mattermost", "program"}
    assert set(CONTACTS) <= set(CHANNELS)
