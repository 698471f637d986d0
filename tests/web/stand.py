"""A service to look at: the real hub and the real store, fed with results by hand, behind the real web application."""

import asyncio
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from prometheus_client import CollectorRegistry

from checks.core.base import CheckSpec
from checks.core.redact import Redactor
from checks.core.result import Failure, FailureKind, Result
from probe.config.model import Config, Planned
from probe.engine.changes import ChangeLog
from probe.engine.dispatch import Dispatcher
from probe.engine.duty import Duty
from probe.engine.heartbeats import Heartbeats
from probe.engine.hub import Hub
from probe.engine.judgement import Judgement
from probe.engine.metrics import OwnMetrics
from probe.engine.objectives import Account
from probe.engine.recall import parts_of
from probe.engine.records import Records
from probe.engine.report import report
from probe.engine.response import Response
from probe.engine.trend import Series, trend
from probe.engine.vitals import Vitals
from probe.store.base import Act, Announcement, Entry
from probe.store.overrides import overrides_of
from probe.store.sql import SqlStore
from probe.store.sqlite import open_store
from probe.web.app import make_app
from tests.conftest import FakeClock
from thresholds.base import Policy, Threshold
from thresholds.maintenance import Window
from thresholds.past import Past
from thresholds.spans import Span

REFUSED = Failure(FailureKind.CONNECT, "connect", "connection refused")
BLIND = Failure(FailureKind.LOCAL, "connect", "no file descriptors left")


@dataclass(frozen=True)
class Page:
    """A target of nothing: results come by hand."""

    target: str = "https://shop.example/"
    host: str = "shop.example"

    async def run(self, trace, net) -> None: ...


def planned(name: str, target: str = "https://shop.example/", **changes) -> Planned:
    policy = Policy((Threshold("total", degraded=0.8, down=5.0),), down_after=(1, 1), up_after=1)
    plan = Planned(CheckSpec(name, Page(target), 10.0, 5.0), policy, "http", "shop", "team-shop")
    return replace(plan, **changes)


@dataclass
class Service:
    """What the endpoints ask of the service; the tests turn its screws."""

    config: Config
    judgement: Judgement
    changes: ChangeLog
    response: Response
    duty: Duty
    reason: str = ""
    problems: Sequence[str] = ()
    reloads: int = 0
    chunks: Sequence[bytes] = (b"# HELP a\n", b"", b"a 1\n" * 1000)
    breaks_after: int | None = None
    gate: asyncio.Event | None = None  # what comes after the first chunk waits for it
    ended: asyncio.Event = field(default_factory=asyncio.Event)  # the exposition, one way or the other
    asked: list[bool] = field(default_factory=list)
    own: OwnMetrics = field(default_factory=lambda: OwnMetrics(CollectorRegistry()))

    def report(self) -> dict[str, Any]:
        return report(self.own)

    def unready(self) -> str:
        return self.reason

    def maintenance(self) -> Sequence[Window]:
        return self.config.maintenance

    def announced(self) -> Sequence[Announcement]:
        return self.judgement.upkeep.announced()

    def accounts(self) -> Sequence[Account]:
        return list(self.judgement.accountant.accounts.values())

    async def records(self, since_ms: int) -> Records:
        return await self.judgement.records(self.config, since_ms)

    async def trend(self, check: str, window: Span, step: int, metrics: Collection[str] | None) -> Series:
        return await trend(self.judgement.store, check, window, step=step, metrics=metrics)

    async def announce(self, announcement: Announcement) -> None:
        await self.judgement.announce(announcement)
        overrides = overrides_of(self.announced())
        self.duty.overrides = lambda: overrides

    async def reload(self) -> Sequence[str]:
        self.reloads += 1
        return self.problems

    async def metrics(self, *, openmetrics: bool) -> AsyncIterator[bytes]:
        self.asked.append(openmetrics)
        try:
            for number, chunk in enumerate(self.chunks):
                if number == self.breaks_after:
                    raise RuntimeError("a bug in the exposition, with hunter2-secret in it")
                yield chunk
                if self.gate:
                    await self.gate.wait()
        finally:
            self.ended.set()


class Stand:
    """Hub, store, application."""

    def __init__(self, clock: FakeClock, store: SqlStore, *plans: Planned) -> None:
        self.clock, self.store = clock, store
        config = Config(Path("probe.yml"), "test-1", "127.0.0.1", 0, "", {plan.name: plan for plan in plans})
        self.judgement = Judgement(store, clock, lambda: self.paused.append(self.judgement.upkeep.paused()))
        duty = Duty(config.roster)
        self.dispatcher = Dispatcher(config, clock, lambda _: None, duty)
        response = Response(self.dispatcher, self.kept, store, clock, lambda: self.service.config)
        self.service = Service(config, self.judgement, ChangeLog(store, clock, self.judgement.announce), response, duty)
        self.paused: list[frozenset[str]] = []  # what is paused, each time that it changes
        self.token = ""
        self.redact = Redactor(["hunter2-secret"])
        self.entries: list[Entry] = []
        self.vitals = [Vitals("service", 100, clock.now_ms())]
        self.service.own.watch_processes(lambda: self.vitals)
        self.service.own.watch_queue("store", lambda: len(self.entries), lambda: 0)
        pasts = {plan.name: Past(parts_of(plan.policy, lambda _: False)) for plan in plans if plan.policy.remembers}
        self.hub = Hub(config, clock, self.entries.append, lambda _: None, {}, self.dispatcher.hear, pasts=pasts)
        self.judgement.attach(self.hub)
        self.heartbeats = Heartbeats(store, clock, self.hub.emit)

    async def plan(self, *windows: Window) -> None:
        """Another configuration, with this maintenance."""
        self.service.config = replace(self.service.config, maintenance=windows)
        await self.judgement.configure(self.service.config)

    def run(self, name: str, failure: Failure | None = None, *, duration: float = 0.1, **more) -> None:
        self.clock.step_wall(10_000)
        phases = more.pop("phases", {"dns": duration * 0.2, "connect": duration * 0.3})
        self.hub.emit(Result(name, self.clock.now_ms(), duration, phases, failure=failure, **more))

    async def kept(self, act: Act) -> None:
        await self.store.append([act])

    async def keep(self) -> None:
        await self.store.append(self.entries)
        self.entries.clear()

    def app(self) -> web.Application:
        return make_app(
            self.hub,
            self.service,
            self.store,
            instance="test-1",
            token=lambda: self.token,
            redact=self.redact,
            clock=self.clock,
            jobs=self.heartbeats,
        )

    @asynccontextmanager
    async def client(self) -> AsyncIterator[TestClient[web.Request, web.Application]]:
        async with TestClient(TestServer(self.app(), access_log=None), auto_decompress=True) as client:
            yield client


@asynccontextmanager
async def standing(clock: FakeClock, folder: Path, *plans: Planned) -> AsyncIterator[Stand]:
    store = await open_store(f"sqlite:{folder / 'probe.db'}")
    try:
        stand = Stand(clock, store, *plans)
        await stand.plan()
        await stand.service.changes.read()
        yield stand
    finally:
        await store.close()


_VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Markup(HTMLParser):
    """Reads a page strictly: every element that opens closes in order. Keeps tags, attributes and text."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, f"left open: {self.open}"

    def handle_starttag(self, tag, attrs) -> None:
        assert len({name for name, _ in attrs}) == len(attrs), f"<{tag}> has an attribute twice"
        self.tags.append((tag, dict(attrs)))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> inside {self.open}"
        self.open.pop()

    def handle_data(self, data) -> None:
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]
