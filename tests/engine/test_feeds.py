"""Calendars of shifts from a real server, a rude one too; the last good copy outlives everything. Time is told."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from ipaddress import ip_network
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from aiohttp import web

from checks.core.policy import Policy
from exporters.oncall.feed import Feed
from exporters.oncall.people import User
from exporters.oncall.roster import Roster
from exporters.oncall.schedule import Layer, Schedule
from probe.engine.feeds import Feeds
from probe.engine.fetch import FetchError, open_fetch
from probe.store.feeds import Copy
from probe.store.sqlite import open_store
from tests.conftest import FakeClock, settled
from thresholds.base import Level

SECRET = "private-3f1c9a2e"
REFRESH = 600.0
MADRID = ZoneInfo("Europe/Madrid")


def calendar(*titles: str) -> str:
    """Each of them on call for all of the fourteen days around the clock's beginning, 2023-11-14."""
    events = "".join(
        f"BEGIN:VEVENT\r\nUID:{n}\r\nDTSTART:20231110T000000Z\r\nDTEND:20231130T000000Z\r\nSUMMARY:{title}\r\nEND:VEVENT\r\n"
        for n, title in enumerate(titles)
    )
    return f"BEGIN:VCALENDAR\r\nVERSION:2.0\r\n{events}END:VCALENDAR\r\n"


@dataclass
class Host:
    """Where a calendar is kept, on loopback."""

    text: str = calendar("ana")
    status: int = 200
    location: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[dict[str, str]] = field(default_factory=list)
    silent: bool = False
    half: bool = False
    endless: bool = False
    port: int = 0

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(dict(request.headers))
        if self.silent:
            await asyncio.sleep(30)
        if self.location and request.path == f"/{SECRET}.ics":
            return web.Response(status=302, headers={"Location": self.location})
        if request.headers.get("If-None-Match") == self.headers.get("ETag", "none"):
            return web.Response(status=304, headers=self.headers)
        if self.half or self.endless:
            response = web.StreamResponse(headers={} if self.endless else {"Content-Length": "5000"})
            await response.prepare(request)
            await response.write(self.text.encode())
            while self.endless:
                await response.write(b"X" * 65536)
            assert request.transport is not None
            request.transport.close()
            return response
        return web.Response(status=self.status, body=self.text.encode(), headers=self.headers)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/{SECRET}.ics"


@pytest.fixture
async def host() -> AsyncIterator[Host]:
    one = Host()
    app = web.Application()
    app.router.add_get("/{name}", one.answer)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    one.port = runner.addresses[0][1]
    yield one
    await runner.cleanup()


def roster(url: str, *schedules: str) -> Roster:
    feed = Feed(url, REFRESH, name="127.0.0.1")
    layers = (Layer(("user:bo",)), Layer(feed=feed))
    found = {name: Schedule(name, layers, MADRID) for name in schedules or ("prodops",)}
    return Roster({name: User(name) for name in ("ana", "bo")}, {}, found)


@dataclass
class Kept:
    """Feeds at work, and what they say."""

    feeds: Feeds
    said: list[tuple[str, Level, str]]
    news: list[int]
    roster: Roster

    def on_call(self, clock: FakeClock) -> tuple[str, ...]:
        return self.roster.on_call("prodops", clock.now_ms(), (), self.feeds.texts)

    async def refreshed(self) -> None:
        for one in list(self.feeds._calendars.values()):
            await self.feeds.refresh(one)


@asynccontextmanager
async def keeping(
    clock: FakeClock, path: Path, url: str, *schedules: str, policy: Policy | None = None, limit: float = 30.0
) -> AsyncIterator[Kept]:
    store = await open_store(f"sqlite:{path / 'probe.db'}")
    said: list[tuple[str, Level, str]] = []
    news: list[int] = []
    try:
        async with open_fetch(lambda: policy or Policy((), ()), limit=limit) as fetch:
            feeds = Feeds(store, clock, fetch, lambda *one: said.append(one), lambda: news.append(1))
            kept = Kept(feeds, said, news, roster(url, *schedules))
            await feeds.configure(kept.roster)
            yield kept
    finally:
        await store.close()


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not true():
            await asyncio.sleep(0.002)


async def test_a_calendar_is_fetched_at_once_and_every_refresh(host: Host, clock: FakeClock, tmp_path: Path):
    async with keeping(clock, tmp_path, host.url, "prodops", "second") as kept:
        assert kept.on_call(clock) == ("bo",)
        (key,) = {feed.key for one in kept.roster.schedules.values() for feed in one.feeds}
        assert kept.feeds.untried([key])
        running = asyncio.ensure_future(kept.feeds.run())
        await clock.advance(0)
        await until(lambda: not kept.feeds.untried([key]))
        assert kept.on_call(clock) == ("ana",)
        assert len(host.asked) == 1  # one address of two schedules is asked for once
        host.text = calendar("bo")
        await until(lambda: bool(kept.said))
        await settled()
        await clock.advance(REFRESH * 0.94)
        assert len(host.asked) == 1
        await clock.advance(REFRESH * 0.12)
        await until(lambda: kept.on_call(clock) == ("bo",))
        assert len(host.asked) == 2
        assert len(kept.news) == 2
        running.cancel()


@pytest.mark.parametrize(
    ("rudeness", "why"),
    [
        ({"status": 500}, "status 500"),
        ({"status": 404}, "status 404"),
        ({"text": calendar("bo")[:-20]}, "127.0.0.1"),
        ({"text": "<html>sign in</html>"}, "127.0.0.1"),
        ({"text": calendar("bo"), "half": True}, "in part"),
        ({"endless": True}, "larger than 4 MiB"),
        ({"silent": True}, "not read within 500 ms"),
        ({"location": "http://localhost:1/elsewhere"}, "another host"),
        ({"location": "file:///etc/passwd"}, "no address"),
        ({"location": f"/{SECRET}.ics"}, "more than 5 redirects"),
        ({"headers": {"Content-Encoding": "gzip"}}, "packed"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_a_bad_answer_keeps_the_last_good_copy_and_says_why(
    host: Host, clock: FakeClock, tmp_path: Path, caplog: pytest.LogCaptureFixture, rudeness, why
):
    async with keeping(clock, tmp_path, host.url, limit=0.5) as kept:
        await kept.refreshed()
        for name, value in rudeness.items():
            setattr(host, name, value)
        with caplog.at_level(logging.DEBUG):
            await kept.refreshed()
        assert kept.on_call(clock) == ("ana",)
        assert why in caplog.text
        assert SECRET not in caplog.text
        assert kept.said[-1][1] is Level.UP  # not yet worth telling


async def test_a_redirect_on_the_same_host_is_followed(host: Host, clock: FakeClock, tmp_path: Path):
    host.location = "/other.ics"
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
        assert kept.on_call(clock) == ("ana",)


@pytest.mark.parametrize("name", ["127.0.0.1", "localhost", "2130706433", "0x7f.1"])
async def test_where_probes_may_not_go_no_calendar_is_fetched(host: Host, name: str):
    policy = Policy((ip_network("127.0.0.0/8"), ip_network("::1/128")), ())
    async with open_fetch(lambda: policy) as fetch:
        with pytest.raises(FetchError, match=r"denied by the network policy|InvalidUrl|resolve") as refused:
            await fetch(f"http://{name}:{host.port}/{SECRET}.ics", {})
    assert not host.asked
    assert SECRET not in str(refused.value)


async def test_what_has_not_changed_is_not_sent_again(host: Host, clock: FakeClock, tmp_path: Path):
    host.headers = {"ETag": '"1"'}
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
        await kept.refreshed()
        assert host.asked[-1]["If-None-Match"] == '"1"'
        assert kept.on_call(clock) == ("ana",)
        assert len(kept.news) == 1


async def test_the_last_good_copy_outlives_a_restart(host: Host, clock: FakeClock, tmp_path: Path):
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
    host.status = 503
    clock.step_wall(3_600_000)
    async with keeping(clock, tmp_path, host.url) as kept:
        assert kept.on_call(clock) == ("ana",)
        await kept.refreshed()
        assert kept.on_call(clock) == ("ana",)


async def test_the_address_is_not_in_the_database(host: Host, clock: FakeClock, tmp_path: Path):
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
    assert all(SECRET.encode() not in file.read_bytes() for file in tmp_path.iterdir())


async def test_a_failure_is_told_after_three_refreshes_and_its_end(host: Host, clock: FakeClock, tmp_path: Path):
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
        host.status = 500
        for _ in range(3):
            await clock.advance(REFRESH)
            await kept.refreshed()
            assert all(level is Level.UP for _, level, _ in kept.said)
        await clock.advance(60)
        await kept.refreshed()
        subject, level, reason = kept.said[-1]
        assert (subject, level) == ("feed/127.0.0.1", Level.DEGRADED)
        assert reason.startswith(
            "the calendar of schedule prodops (127.0.0.1) was not fetched for 31m, the last good copy counts: "
        )
        assert SECRET not in reason
        host.status = 200
        await kept.refreshed()
        assert kept.said[-1] == ("feed/127.0.0.1", Level.UP, "")


async def test_one_slip_after_a_long_absence_is_not_told(host: Host, clock: FakeClock, tmp_path: Path):
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
    host.status = 500
    clock.step_wall(86_400_000)
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
        await kept.refreshed()
        assert kept.said == []
        await kept.refreshed()
        assert kept.said[-1][1] is Level.DEGRADED


async def test_titles_of_strangers_are_told_after_three_refreshes(host: Host, clock: FakeClock, tmp_path: Path):
    host.text = calendar("anna", "team lunch")
    async with keeping(clock, tmp_path, host.url) as kept:
        for _ in range(4):
            await kept.refreshed()
            assert kept.said == []
            await clock.advance(REFRESH)
        await kept.refreshed()
        subject, level, reason = kept.said[-1]
        assert (subject, level) == ("feed/127.0.0.1", Level.DEGRADED)
        assert "'anna'" in reason
        assert "did you mean ana?" in reason
        assert kept.on_call(clock) == ("bo",)


async def test_what_is_said_of_a_calendar_that_is_gone_is_taken_back(host: Host, clock: FakeClock, tmp_path: Path):
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
        kept.feeds.said = lambda: ["feed/127.0.0.1", "store"]
        kept.said.clear()
        await kept.feeds.configure(Roster())
        assert kept.said == [("feed/127.0.0.1", Level.UP, "")]
        assert kept.feeds.texts == {}


async def test_the_copy_of_what_nobody_names_goes_after_days(host: Host, clock: FakeClock, tmp_path: Path):
    async with keeping(clock, tmp_path, host.url) as kept:
        await kept.refreshed()
        await kept.feeds.configure(Roster())
        assert await kept.feeds._store.feed_keys()
        clock.step_wall(8 * 86_400_000)
        await kept.feeds.configure(kept.roster)
        assert await kept.feeds._store.feed_keys()  # named again
        await kept.feeds._store.keep_feed("old", Copy("", clock.now_ms() - 8 * 86_400_000))
        await kept.feeds.configure(kept.roster)
        assert list(await kept.feeds._store.feed_keys()) == [kept.roster.schedules["prodops"].feeds[0].key]
