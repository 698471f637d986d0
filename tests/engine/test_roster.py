"""Who is told who is on call, and when: at handoffs, at times of the week, once, also over crashes; and of gaps."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from exporters.base import Notice, NoticeKind
from exporters.notifiers.webhook import Webhook
from exporters.oncall.announce import About, Announcement, parse_moments
from exporters.oncall.escalation import EscalationPolicy, Step
from exporters.oncall.override import Override
from exporters.oncall.people import User
from exporters.oncall.roster import Roster
from exporters.oncall.rotation import Grid, LineUp, Rotation
from exporters.oncall.schedule import Layer, Schedule
from exporters.route import Route
from probe.config.model import Config
from probe.engine.duty import Duty
from probe.engine.oncall_series import OnCallSeries
from probe.engine.record import Recorder
from probe.engine.roster import Herald, in_use
from probe.store.base import Act
from probe.store.deliveries import Delivery, Outcome
from probe.store.sql import SqlStore
from probe.store.sqlite import open_store
from tests.conftest import FakeClock
from thresholds.base import Level
from thresholds.hours import parse_hours

MADRID = ZoneInfo("Europe/Madrid")
MIN, HOUR = 60_000, 3_600_000
CHANGE = Announcement("chat")
FRIDAY = Announcement("chat", parse_moments("Fri 16:00"), About.WEEKEND)


def at(text: str) -> int:
    """Unix ms of a time in Madrid."""
    return round(datetime.fromisoformat(text).replace(tzinfo=MADRID).timestamp() * 1000)


def roster(*announcements: Announcement, hours: str = "", covers: str = "") -> Roster:
    """Ana, bo and cy by the week, from Monday 2026-11-02 09:00 on."""
    turns = LineUp(("ana", "bo", "cy"), Grid(datetime.fromisoformat("2026-11-02T09:00"), MADRID))
    layer = Layer(("rotation:primary",), parse_hours(hours, MADRID) if hours else None)
    wanted = parse_hours(covers, MADRID) if covers else None
    schedule = Schedule("prodops", (layer,), MADRID, (), announcements, wanted)
    users = {name: User(name, name.title()) for name in ("ana", "bo", "cy")}
    policy = EscalationPolicy("night", (Step(("schedule:prodops",)),))
    return Roster(users, {"primary": Rotation("primary", (turns,))}, {"prodops": schedule}, {"night": policy})


def config(of: Roster, *, routes: Sequence[Route] = ()) -> Config:
    chat = Webhook(url="https://chat.example/hook")
    return Config(
        Path("probe.yml"), "prod-eu", "127.0.0.1", 0, "", {}, receivers={"chat": chat}, roster=of,
        url="https://probe.example", routes=tuple(routes),
    )  # fmt: skip


@dataclass
class Life:
    """One life of a service, from its start to its end or its death."""

    clock: FakeClock
    herald: Herald
    duty: Duty
    told: list[Delivery] = field(default_factory=list)
    said: dict[str, tuple[Level, str]] = field(default_factory=dict)

    async def look(self) -> list[Notice]:
        """What is told now."""
        count = len(self.told)
        await self.herald.look()
        async with asyncio.timeout(10):
            while self.herald._writing:  # the recorder gathers what is to be written for a moment of its clock
                await self.clock.advance(0.01)
                await asyncio.sleep(0.001)
        return [one.notice for one in self.told[count:]]


@asynccontextmanager
async def living(
    clock: FakeClock,
    path: Path,
    of: Roster,
    *,
    written: Callable[[Life, SqlStore, Act], Awaitable[None]] | None = None,
    routes: Sequence[Route] = (),
) -> AsyncIterator[Life]:
    store = await open_store(f"sqlite:{path / 'probe.db'}")
    told: list[Delivery] = []

    async def dying(act: Act) -> None:
        assert written is not None
        await written(life, store, act)

    recorder = Recorder(store, clock, told.append, lambda _: None)
    running = asyncio.ensure_future(recorder.pump.run())
    duty = Duty(of)
    herald = Herald(
        store, clock, duty, dying if written else recorder.written,
        lambda subject, level, why: life.said.__setitem__(subject, (level, why)),
    )  # fmt: skip
    life = Life(clock, herald, duty, told)
    try:
        await herald.open(config(of, routes=routes))
        yield life
    finally:
        running.cancel()
        for task in herald._writing:
            task.cancel()
        await asyncio.gather(*herald._writing, running, return_exceptions=True)
        await store.close()


def clock_at(text: str) -> FakeClock:
    return FakeClock(at(text))


async def test_a_handoff_is_told_once_when_it_comes(tmp_path: Path):
    clock = clock_at("2026-11-08T20:00")
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        assert await life.look() == []  # that there is a roster is no change
        assert life.herald.until_next() == 60.0
        clock.step_wall(at("2026-11-09T08:59:30") - clock.now_ms())
        assert await life.look() == []
        assert life.herald.until_next() == 30.0
        clock.step_wall(30_000)
        (notice,) = await life.look()
        assert (notice.kind, notice.title) == (NoticeKind.BULLETIN, "on call in prodops: Bo")
        assert notice.text == "Bo from Mon 09 Nov 09:00 (Europe/Madrid), after Ana."
        assert notice.link == "https://probe.example/oncall"
        assert [one.receiver for one in life.told] == ["chat"]
        clock.step_wall(MIN)
        assert await life.look() == []


async def test_an_override_is_told_as_it_begins_and_as_it_ends(tmp_path: Path):
    clock = clock_at("2026-11-04T20:00")
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        await life.look()
        begins = clock.now_ms() + HOUR
        said = [Override(begins, begins + HOUR, replace={"ana": "cy"}, schedule="prodops")]
        life.duty.overrides = lambda: said
        life.herald.look_again()
        assert await life.look() == []
        clock.step_wall(HOUR)
        (notice,) = await life.look()
        assert notice.text == "Cy from Wed 04 Nov 21:00 to Wed 04 Nov 22:00 (Europe/Madrid), after Ana."
        clock.step_wall(HOUR)
        (notice,) = await life.look()
        assert notice.title == "on call in prodops: Ana"


async def test_what_people_change_now_is_not_late(tmp_path: Path):
    """By the new roster bo has been on call since Monday; nobody knew until now."""
    clock = clock_at("2026-11-04T20:00")
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        await life.look()
        turns = LineUp(("bo", "ana"), Grid(datetime.fromisoformat("2026-11-02T09:00"), MADRID))
        before = roster(CHANGE)
        life.duty.roster = Roster(before.users, {"primary": Rotation("primary", (turns,))}, before.schedules)
        life.herald.look_again()
        (notice,) = await life.look()
        assert notice.title == "on call in prodops: Bo"
        assert "from Wed 04 Nov 20:00" in notice.text


@pytest.mark.parametrize(
    ("back", "told"),
    [
        ("2026-11-09T09:30", ["on call in prodops: Bo"]),
        ("2026-11-09T11:30", ["late: on call in prodops: Bo"]),
        ("2026-11-17T12:00", ["late: on call in prodops: Cy"]),  # bo's week is not told any more
        ("2026-11-23T12:00", []),  # it is ana again
    ],
)
async def test_a_handoff_that_we_were_not_there_for_is_told_once(tmp_path: Path, back: str, told: list[str]):
    clock = clock_at("2026-11-08T20:00")
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        await life.look()
    clock.step_wall(at(back) - clock.now_ms())
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        assert [one.title for one in await life.look()] == told
        assert await life.look() == []
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        assert await life.look() == []


async def test_a_weekend_is_told_on_friday_and_not_again_after_a_restart(tmp_path: Path):
    clock = clock_at("2026-11-06T15:00")
    async with living(clock, tmp_path, roster(FRIDAY)) as life:
        assert await life.look() == []
        clock.step_wall(HOUR)
        (notice,) = await life.look()
        assert notice.title == "on call in prodops, the weekend from Sat 07 Nov 00:00"
        assert notice.text == "Sat 07 Nov 00:00 to Mon 09 Nov 00:00: Ana\nTimes are of Europe/Madrid."
    async with living(clock, tmp_path, roster(FRIDAY)) as life:
        clock.step_wall(MIN)
        assert await life.look() == []


async def test_of_many_fridays_that_were_missed_the_last_is_told_late(tmp_path: Path):
    clock = clock_at("2026-11-06T15:00")
    async with living(clock, tmp_path, roster(FRIDAY)) as life:
        await life.look()
    clock.step_wall(at("2026-11-21T12:00") - clock.now_ms())
    async with living(clock, tmp_path, roster(FRIDAY)) as life:
        (notice,) = await life.look()
        assert notice.title.startswith("late: on call in prodops, the weekend from Sat 21 Nov 12:00")
        assert "This comes late" in notice.text
        assert await life.look() == []


async def test_a_death_before_it_is_remembered_tells_nobody_twice(tmp_path: Path):
    """On disk and delivered, but not remembered: the same is decided again, under the same id."""
    clock = clock_at("2026-11-08T20:00")

    async def stored_and_died(life: Life, store: SqlStore, act: Act) -> None:
        await store.append([act])
        await store.settle(
            [Delivery(notice, to[0], Outcome.DELIVERED, 1, "", clock.now_ms()) for notice, to in act.notices]
        )
        life.told += [Delivery(notice, "chat") for notice, _ in act.notices]
        await asyncio.Event().wait()

    async with living(clock, tmp_path, roster(CHANGE)) as life:
        await life.look()
    clock.step_wall(at("2026-11-09T09:00:05") - clock.now_ms())
    async with living(clock, tmp_path, roster(CHANGE), written=stored_and_died) as life:
        await life.herald.look()
        async with asyncio.timeout(10):
            while not life.told:
                await asyncio.sleep(0.002)
        first = life.told[0].notice
    clock.step_wall(20 * MIN)
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        (again,) = await life.look()
        assert again.id == first.id
        store = life.herald._store
        assert isinstance(store, SqlStore)
        assert await store.pending() == []  # the outbox has it as delivered
        (known,) = await store.told(0)  # and by this the courier knows it
        assert (known.notice.id, known.receiver) == (first.id, "chat")


async def test_a_death_before_it_is_on_disk_loses_nothing(tmp_path: Path):
    clock = clock_at("2026-11-08T20:00")

    async def died(_life: Life, _store: SqlStore, _act: Act) -> None:
        await asyncio.Event().wait()

    async with living(clock, tmp_path, roster(CHANGE)) as life:
        await life.look()
    clock.step_wall(at("2026-11-09T09:00:05") - clock.now_ms())
    async with living(clock, tmp_path, roster(CHANGE), written=died) as life:
        await life.herald.look()
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        assert [one.title for one in await life.look()] == ["on call in prodops: Bo"]


async def test_what_a_calendar_will_say_is_waited_for(tmp_path: Path):
    clock = clock_at("2026-11-08T20:00")
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        await life.look()
        clock.step_wall(at("2026-11-09T09:00") - clock.now_ms())
        life.herald.untried = lambda _keys: True
        assert await life.look() == []
        life.herald.untried = lambda _keys: False
        assert len(await life.look()) == 1


@pytest.mark.parametrize(
    ("routes", "covers", "moment", "told"),
    [
        ([Route(("escalation:night",))], "", "2026-11-03T20:00", True),
        ([Route(("schedule:prodops",))], "", "2026-11-03T20:00", True),
        ([Route(("escalation:night",))], "", "2026-11-03T12:00", False),
        ([Route(("escalation:night",))], "Mon-Fri 09:00-17:00", "2026-11-03T20:00", False),
        ([Route(("chat",))], "", "2026-11-03T20:00", False),
    ],
    ids=["by an escalation", "by a route", "somebody is there", "not needed then", "nothing leads there"],
)
async def test_a_gap_is_said_where_alerts_lead_to_it(tmp_path: Path, routes, covers: str, moment: str, told: bool):
    of = roster(hours="Mon-Fri 09:00-17:00", covers=covers)
    async with living(clock_at(moment), tmp_path, of, routes=routes) as life:
        await life.look()
        level, why = life.said["oncall/prodops"]
        assert level is (Level.DEGRADED if told else Level.UP)
        if told:
            assert "nobody is on call in prodops until Wed 04 Nov 09:00 (Europe/Madrid)" in why


async def test_a_gap_that_was_said_of_a_schedule_that_is_gone_is_taken_back(tmp_path: Path):
    async with living(clock_at("2026-11-03T12:00"), tmp_path, roster()) as life:
        life.herald.own = lambda: ["oncall/old", "oncall/prodops", "store"]
        life.herald.configure(config(roster()))
        assert life.said == {"oncall/old": (Level.UP, "")}


def test_what_is_said_of_probe_itself_leads_to_schedules_too():
    of = config(roster())
    assert in_use(of) == frozenset()
    assert in_use(Config(of.path, "a", "", 0, "", {}, roster=of.roster, self_route=("escalation:night",))) == {
        "prodops"
    }


async def test_a_scrape_says_how_many_are_on_call(tmp_path: Path):
    clock = clock_at("2026-11-03T20:00")
    registry = CollectorRegistry()
    async with living(clock, tmp_path, roster(hours="Mon-Fri 09:00-17:00")) as life:
        series = OnCallSeries()
        series.people = life.herald.people
        registry.register(series)
        await life.look()
        assert 'probe_oncall_people{schedule="prodops"} 0.0' in generate_latest(registry).decode()
        clock.step_wall(15 * HOUR)
        assert 'probe_oncall_people{schedule="prodops"} 1.0' in generate_latest(registry).decode()


async def test_it_goes_on_by_itself(tmp_path: Path):
    clock = clock_at("2026-11-09T08:58")
    async with living(clock, tmp_path, roster(CHANGE)) as life:
        running = asyncio.ensure_future(life.herald.run())
        async with asyncio.timeout(10):
            while not life.told:
                await clock.advance(10)
                await asyncio.sleep(0.005)
        assert life.told[0].notice.title == "on call in prodops: Bo"
        running.cancel()
