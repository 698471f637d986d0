"""Who hears that Probe is at work, and what they hear when it is not. Real servers; time is told to pass."""

import asyncio
import json
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
import trustme
from aiohttp import web
from prometheus_client import CollectorRegistry

from exporters.base import NotifyError
from exporters.post import open_post
from probe.config.watch import Watch
from probe.engine.deadman import Deadman
from probe.engine.knock import open_get
from probe.engine.watched import Watched
from tests.conftest import FakeClock, settled
from thresholds.base import Level, State

SECRET = "3f1c9a2e-71d1-4c5f-9d3b-secret"


@dataclass
class Hearing:
    """A service like healthchecks, and an Alertmanager, on loopback."""

    status: int = 200
    port: int = 0
    heard: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, body
    alerts: list[dict[str, Any]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    gate: asyncio.Event | None = None

    async def ping(self, request: web.Request) -> web.StreamResponse:
        self.heard.append((request.method, request.path, (await request.read()).decode()))
        self.headers.append(dict(request.headers))
        if self.gate is not None:
            await self.gate.wait()
        if self.status == 302:
            raise web.HTTPFound(f"http://127.0.0.1:{self.port}/elsewhere")
        return web.Response(status=self.status, text=f"you asked for {request.path}" if self.status >= 400 else "OK")

    async def alert(self, request: web.Request) -> web.Response:
        self.alerts += json.loads(await request.read())
        return web.Response(status=self.status)

    def url(self, path: str = f"/ping/{SECRET}") -> str:
        return f"http://127.0.0.1:{self.port}{path}"

    @property
    def paths(self) -> list[str]:
        return [path.replace(SECRET, "SECRET") for _, path, _ in self.heard]


@asynccontextmanager
async def hearing(tls: ssl.SSLContext | None = None) -> AsyncIterator[Hearing]:
    found = Hearing()
    app = web.Application()
    app.router.add_post("/api/v2/alerts", found.alert)
    app.router.add_route("*", "/{path:.*}", found.ping)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls).start()
    found.port = int(runner.addresses[0][1])
    try:
        yield found
    finally:
        if found.gate is not None:
            found.gate.set()
        await runner.cleanup()


class Telling:
    """A dead man's switch at work."""

    def __init__(self, clock: FakeClock, deadman: Deadman) -> None:
        self.clock, self.deadman = clock, deadman
        self.trouble = ""

    async def pass_(self, seconds: float, until: Callable[[], object] | None = None) -> None:
        """Let time pass; then, in real time, until something has happened, or for a moment in which nothing does."""
        await self.clock.advance(seconds)
        async with asyncio.timeout(20):
            while until is not None and not until():
                await asyncio.sleep(0.002)
        await asyncio.sleep(0.02)
        await settled()


@asynccontextmanager
async def telling(clock: FakeClock, **watch: object) -> AsyncIterator[Telling]:
    async with open_post() as post, open_get() as get:
        found = Telling(clock, Deadman(clock, post, get, lambda: found.trouble, lambda text: text))
        found.deadman.configure(Watch.model_validate(watch), "prod-eu")
        task = asyncio.create_task(found.deadman.run())
        try:
            yield found
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_while_it_is_well_the_address_is_asked_for_at_its_interval(clock: FakeClock):
    async with hearing() as there, telling(clock, ping=[{"url": there.url(), "every": "1m"}]) as one:
        await one.pass_(10)
        one.deadman.stir()
        await one.pass_(4)
        assert there.heard == []  # what starts and falls, again and again, is not well
        await one.pass_(1, lambda: len(there.heard) == 1)
        await one.pass_(60, lambda: len(there.heard) == 2)
        await one.pass_(60, lambda: len(there.heard) == 3)
        assert there.heard == [("GET", f"/ping/{SECRET}", "")] * 3
        heard = one.deadman.heard["127.0.0.1:" + str(there.port)]
        assert (heard.last_ms, heard.failures, heard.withheld) == (clock.now_ms(), 0, 0)


async def test_it_is_posted_to_and_with_headers_where_that_is_wanted(clock: FakeClock):
    async with hearing() as there:
        ping = {"url": there.url(), "every": "5s", "timeout": "1s", "method": "post", "headers": {"X-Team": "ops"}}
        async with telling(clock, ping=[ping]) as one:
            await one.pass_(5, lambda: there.heard)
        assert there.heard == [("POST", f"/ping/{SECRET}", "")]
        assert there.headers[0]["X-Team"] == "ops"


async def test_when_it_is_not_well_nothing_is_said(clock: FakeClock):
    async with hearing() as there, telling(clock, ping=[{"url": there.url()}]) as one:
        await one.pass_(15, lambda: there.heard)
        one.trouble = "the store fails: disk full"
        one.deadman.stir()
        for _ in range(5):
            await one.pass_(60)
        assert len(there.heard) == 1
        (heard,) = one.deadman.heard.values()
        assert heard.withheld >= 4
        one.trouble = ""
        one.deadman.stir()
        await one.pass_(3, lambda: len(there.heard) == 2)  # at once, not at the end of the interval


async def test_when_it_is_not_well_the_reason_is_posted_where_somebody_listens(clock: FakeClock):
    async with hearing() as there:
        ping = {"url": there.url(), "fail_url": there.url(f"/ping/{SECRET}/fail")}
        async with telling(clock, ping=[ping]) as one:
            await one.pass_(15, lambda: there.heard)
            await one.pass_(5)
            one.trouble = "results cannot be stored: disk full\nand more"
            one.deadman.stir()
            await one.pass_(0, lambda: len(there.heard) == 2)
            await one.pass_(60, lambda: len(there.heard) == 3)
            one.trouble = ""
            await one.pass_(60, lambda: len(there.heard) == 4)
        assert there.paths == ["/ping/SECRET", "/ping/SECRET/fail", "/ping/SECRET/fail", "/ping/SECRET"]
        assert there.heard[1] == ("POST", f"/ping/{SECRET}/fail", "results cannot be stored: disk full and more")


async def test_what_comes_and_goes_is_not_told_all_the_time(clock: FakeClock):
    async with hearing() as there:
        ping = {"url": there.url(), "fail_url": there.url(f"/ping/{SECRET}/fail")}
        async with telling(clock, ping=[ping]) as one:
            await one.pass_(15, lambda: there.heard)
            for number in range(100):
                one.trouble = "it lags" if number % 2 else ""
                one.deadman.stir()
                await one.pass_(0.1)
            assert len(there.heard) <= 7  # in ten seconds


async def test_who_does_not_take_it_is_told_again_soon_and_no_error_has_the_address(clock: FakeClock, caplog):
    caplog.set_level(logging.WARNING)
    async with hearing() as there, telling(clock, ping=[{"url": there.url()}]) as one:
        there.status = 404
        await one.pass_(15, lambda: one.deadman.heard[f"127.0.0.1:{there.port}"].failures == 1)
        await one.pass_(15, lambda: one.deadman.heard[f"127.0.0.1:{there.port}"].failures == 2)
        (why,) = one.deadman.unheard().values()
        assert why.startswith(f"127.0.0.1:{there.port} answered 404")
        assert SECRET not in why
        there.status = 200
        await one.pass_(15, lambda: one.deadman.heard[f"127.0.0.1:{there.port}"].last_ms)
        assert list(one.deadman.unheard().values()) == [""]
    assert SECRET not in caplog.text
    assert caplog.text.count("did not take our word") == 1  # the same again is no news


async def test_a_redirect_is_not_followed(clock: FakeClock):
    async with hearing() as there, telling(clock, ping=[{"url": there.url()}]) as one:
        there.status = 302
        await one.pass_(15, lambda: any(one.deadman.unheard().values()))
        assert there.paths == ["/ping/SECRET"]
        assert "redirects are not followed" in str(one.deadman.unheard())


async def test_one_that_is_silent_holds_up_no_other(clock: FakeClock):
    async with hearing() as silent, hearing() as there:
        silent.gate = asyncio.Event()
        pings = [{"url": silent.url(), "timeout": "200ms"}, {"url": there.url(), "name": "other"}]
        async with telling(clock, ping=pings) as one:
            await one.pass_(15, lambda: one.deadman.heard["other"].last_ms)
            await one.pass_(0, lambda: any(one.deadman.unheard().values()))
        assert "no answer within 200 ms" in str(one.deadman.unheard())


async def test_the_alert_fires_and_ends_by_itself_after_four_times(clock: FakeClock):
    async with hearing() as there:
        alive = {"urls": [there.url("")], "every": "30s", "labels": {"severity": "none", "team": "ops"}}
        async with telling(clock, alertmanager=alive) as one:
            await one.pass_(15, lambda: there.alerts)
            await one.pass_(30, lambda: len(there.alerts) == 2)
            one.trouble = "it lags"
            await one.pass_(60)
            assert len(there.alerts) == 2
        first, second = there.alerts
        labels = {"alertname": "ProbeAlive", "probe": "prod-eu", "severity": "none", "team": "ops"}
        assert first["labels"] == second["labels"] == labels  # an alert is its labels
        assert first["startsAt"] == second["startsAt"]
        assert _seconds(second["endsAt"], second["startsAt"]) == 30 + 15 + 4 * 30


def _seconds(later: str, earlier: str) -> float:
    return (datetime.fromisoformat(later) - datetime.fromisoformat(earlier)).total_seconds()


async def test_one_peer_that_takes_the_alert_is_enough(clock: FakeClock):
    async with hearing() as dead, hearing() as there:
        dead.status = 500
        async with telling(clock, alertmanager={"urls": [dead.url(""), there.url("")]}) as one:
            await one.pass_(15, lambda: one.deadman.heard["alertmanager"].last_ms)
            there.status = 500
            await one.pass_(60, lambda: one.deadman.heard["alertmanager"].failures)
            assert "answered 500" in one.deadman.unheard()["alertmanager"]


async def test_another_configuration_tells_others_and_what_stays_keeps_its_time(clock: FakeClock):
    async with hearing() as there, hearing() as new:
        kept = {"url": there.url(), "name": "kept"}
        async with telling(clock, ping=[kept, {"url": there.url("/old"), "name": "old"}]) as one:
            await one.pass_(15, lambda: len(there.heard) == 2)
            await one.pass_(30)
            watch = Watch.model_validate({"ping": [kept, {"url": new.url(), "name": "new"}]})
            one.deadman.configure(watch, "prod-eu")
            await one.pass_(15, lambda: new.heard)
            assert len(there.heard) == 2
            await one.pass_(15, lambda: len(there.heard) == 3)
            assert sorted(there.paths) == ["/old", "/ping/SECRET", "/ping/SECRET"]
            assert set(one.deadman.heard) == {"kept", "new"}


async def test_what_is_said_of_ourselves_is_there_as_metrics(clock: FakeClock):
    async with hearing() as there, telling(clock, ping=[{"url": there.url(), "name": "hc"}]) as one:
        registry = CollectorRegistry()
        own = {"store": State(Level.DOWN), "config": State(Level.UP)}
        watched = Watched()
        watched.own, watched.heard, watched.jumps = lambda: own, lambda: one.deadman.heard, lambda: 3
        registry.register(watched)

        def value(series: str, **labels: str) -> float | None:
            return registry.get_sample_value(series, labels)

        last = "probe_deadman_last_success_timestamp_seconds"
        assert value(last, target="hc") == value("probe_deadman_failures_total", target="hc") == 0
        await one.pass_(15, lambda: one.deadman.heard["hc"].last_ms)
        assert value(last, target="hc") == clock.now_ms() / 1000
        assert value("probe_self_level", subject="store") == 3
        assert value("probe_self_level", subject="config") == 1
        assert value("probe_clock_jumps_total") == 3
        one.trouble = "it lags"
        await one.pass_(60, lambda: one.deadman.heard["hc"].withheld)
        assert value("probe_deadman_withheld_total", target="hc") == 1


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1:1/" + SECRET, "127.0.0.1:1: cannot connect: connection refused"),
        ("http://nowhere.invalid/" + SECRET, "nowhere.invalid: its name does not resolve"),
    ],
)
async def test_an_address_that_does_not_answer_is_said_without_it(url, why):
    async with open_get() as get:
        with pytest.raises(NotifyError) as caught:
            await get(url, {})
    assert str(caught.value) == why
    assert caught.value.__cause__ is None


async def test_a_certificate_that_is_not_trusted_is_refused():
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with hearing(context) as there:
        url = f"https://127.0.0.1:{there.port}/{SECRET}"
        async with open_get() as get:
            with pytest.raises(NotifyError, match="no TLS connection that can be trusted") as caught:
                await get(url, {})
            assert SECRET not in str(caught.value)
        async with open_get(tls=trusting) as get:
            assert (await get(url, {})).status == 200


async def test_of_a_long_answer_only_the_beginning_is_read():
    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        try:
            while True:
                await response.write(b"x" * 4096)
        except ConnectionError:
            return response

    async with _serving(endless) as port, open_get() as get:
        assert len((await get(f"http://127.0.0.1:{port}/", {})).text) == 1024


@asynccontextmanager
async def _serving(handler: Callable[[web.Request], Awaitable[web.StreamResponse]]) -> AsyncIterator[int]:
    app = web.Application()
    app.router.add_get("/", handler)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(
    ("watch", "wrong"),
    [
        ({"ping": [{"url": "ftp://x.example/"}]}, "no URL that can be posted to"),
        ({"ping": [{"url": "https://x.example/", "every": "5s", "timeout": "9s"}]}, "not be longer than"),
        ({"alertmanager": {"urls": []}}, "at least 1"),
        ({"alertmanager": {"urls": ["http://a.example"], "labels": {"probe": "x"}}}, "set by Probe itself"),
        ({"alertmanager": {"urls": ["http://a.example"], "labels": {"a-b": "x"}}}, "is no name"),
        ({"alertmanager": {"urls": ["http://a.example"], "username": "x"}}, "needs both"),
        ({"self": {"runs": "5"}}, "wants a share"),
        ({"self": {"lag": "0s"}}, "greater than 0"),
        ({"limits": {}}, "not permitted"),
    ],
)
def test_a_mistake_says_what_is_wrong(watch, wrong):
    with pytest.raises(ValueError, match=wrong):
        Watch.model_validate(watch)
