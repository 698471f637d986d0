"""The running service: everything built in order, held together, taken down in order.

A task of ours that ends unexpectedly ends the service, loudly; a target, a receiver or a disk never does.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import AsyncIterator, Awaitable, Collection, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from secrets import token_bytes
from typing import Any, cast

from prometheus_client import CollectorRegistry

from checks.core.policy import Policy
from checks.core.redact import Redactor
from checks.core.result import Result
from checks.core.units import format_duration
from exporters.alerting.change import Change, Moment, bulletin
from exporters.alerting.incident import Incident
from exporters.base import Post, Trouble
from exporters.exposition import slices
from exporters.post import open_post
from exporters.prometheus import CheckSeries, exposition
from probe.clock import Clock, SystemClock
from probe.config import ConfigError, Problem, load
from probe.config.machine import cores
from probe.config.model import Config
from probe.engine.capacity import objection
from probe.engine.changes import ChangeLog
from probe.engine.deadman import Deadman
from probe.engine.deliver import Deliverer, Desk
from probe.engine.dispatch import Dispatcher, recalled, silences_of
from probe.engine.duty import Duty
from probe.engine.feeds import Feeds
from probe.engine.fetch import Fetch, open_fetch
from probe.engine.heartbeats import Heartbeats
from probe.engine.hub import Hub
from probe.engine.judgement import Judgement
from probe.engine.knock import open_get
from probe.engine.metrics import OwnMetrics
from probe.engine.notices import SELF
from probe.engine.objectives import Account
from probe.engine.orders import Rules
from probe.engine.place import WORKER, Ears
from probe.engine.probing import Probing, rules_of
from probe.engine.process import settle
from probe.engine.record import Recorder
from probe.engine.records import Records
from probe.engine.report import report
from probe.engine.response import Response
from probe.engine.retention import Janitor
from probe.engine.roll import Roller, grace_for
from probe.engine.roster import Herald
from probe.engine.trend import Series, trend
from probe.engine.vitals import Vitals
from probe.engine.watchman import Parts, Watchman
from probe.store.base import Announcement, StoreError
from probe.store.deliveries import Delivery
from probe.store.overrides import overrides_of
from probe.store.sqlite import open_store
from probe.web.app import make_app, serve
from probe.web.receivers import SWITCHBOARD
from thresholds.base import Level, State
from thresholds.maintenance import Window
from thresholds.spans import Span

log = logging.getLogger(__name__)

_DRAIN = 5.0  # s that each step of a shutdown may take
_TOLD_BACK = 900_000  # ms: ends as old as this are told again to receivers that forget
_READING = 60.0  # s for reading a configuration again
_LOOK = 30.0  # s between two looks for checks that cannot be judged
_AT_ONCE = 1_000  # checks looked at in one turn of the loop
_BLIND = 300_000  # ms without a judgement that are worth an alert
_FIXED = ("instance", "host", "port", "store")  # what a reload leaves as it is


class Service:
    """One configuration at work. `run` holds it; the rest is what pages, signals and the terminal ask of it."""

    def __init__(self, config: Config, clock: Clock | None = None) -> None:
        self.config = config
        self.address = ""  # where the pages are, once `started`
        self.started = asyncio.Event()
        self._clock = clock or SystemClock()
        self._mask = Redactor(config.secrets)
        self._phase = "starting"
        self._store_trouble = ""
        self._store_size = 0  # bytes, as of the last look
        self._reloading = asyncio.Lock()
        self._reload_wanted = asyncio.Event()
        self._replan = asyncio.Event()  # other checks than before are paused
        self.alerts_sent = self.alerts_failed = self.runs = 0  # since the start
        self._series = CheckSeries(self._clock.now_ms)
        self.registry = CollectorRegistry()
        self.own = OwnMetrics(self.registry)

    def redact(self, text: str) -> str:
        return self._mask(text)

    async def run(self, stop: asyncio.Event) -> None:
        """Work until `stop` is set, then end in order. Raises StoreError or ListenError when it cannot start."""
        async with AsyncExitStack() as stack:
            await self._build(stack)
            app = make_app(
                self.board,
                self,
                self._store,
                instance=self.config.instance,
                token=lambda: self.config.token,
                redact=self.redact,
                clock=self._clock,
                jobs=self._heartbeats,
            )
            app[SWITCHBOARD] = self._deliverer
            site = await serve(app, self.config.host, self.config.port)
            stack.push_async_callback(site.close)
            self.address = site.url
            await self._work(stop)

    async def _build(self, stack: AsyncExitStack) -> None:
        config, clock = self.config, self._clock
        self._store = await open_store(config.store)
        stack.push_async_callback(self._store.close)
        post = await stack.enter_async_context(open_post())
        get = await stack.enter_async_context(open_get())
        self._deliverer = Deliverer(self._desk(post))
        self._recorder = Recorder(self._store, clock, self._deliverer.accept, self._stored)
        self._recorder.observe = self.own.store_write.observe
        states = await self._store.states()
        self._told = await self._store.told(clock.now_ms() - _TOLD_BACK)
        self._pending = await self._store.pending()
        self.duty = Duty(config.roster)
        self.dispatcher = Dispatcher(config, clock, self._recorder.record, self.duty, redact=self.redact)
        await recalled(self.dispatcher, self._store, clock.now_ms())
        self.response = Response(self.dispatcher, self._recorder.written, self._store, clock, lambda: self.config)
        self.response.key = await self._store.key("links", token_bytes(32))
        self._rules = rules_of(config)
        self.judgement = judgement = Judgement(self._store, clock, self._replan.set)
        await judgement.configure(config)
        seen_ms, pasts = await self._store.last_runs(), await judgement.recall(config, {})
        self.board = Hub(
            config,
            clock,
            self._recorder.record,
            self._series.record,
            states,
            self.own.incidents.counting(self.dispatcher.hear),
            seen_ms=seen_ms,
            pasts=pasts,
        )
        judgement.attach(self.board)
        self._attach()
        await self._open_roster(await stack.enter_async_context(open_fetch(self._policy)))
        self._probing = Probing(clock, Ears(self._ran, self.board.report, self._seen_ms))
        self._roller = Roller(self._store, clock)
        self._janitor = Janitor(self._store, clock, config.retention, self._sized)
        self._observe()
        self.changes = ChangeLog(self._store, clock, self.announce)
        self.changes.told = self._changed
        await self.changes.read()
        self._deadman = Deadman(clock, post, get, lambda: self._watchman.trouble(), self.redact)  # noqa: PLW0108  # made below
        self._watchman = Watchman(config, clock, self._parts(), self._deadman.stir)
        watched = self.own.watched
        watched.own, watched.heard = self.board.own_states, lambda: self._deadman.heard
        watched.jumps = lambda: self._watchman.jumps
        self._clear_own(config)
        self._watchman.adopt()
        await self._forget(states)
        self._apply(config, states)
        self._heartbeats = Heartbeats(self._store, clock, self._ran)
        self.own.heartbeats.heartbeats = self._heartbeats
        await self._heartbeats.open(config)

    def _desk(self, post: Post) -> Desk:
        """What couriers ask and tell: much of it is made after them."""
        return Desk(
            self._clock,
            post,
            self.redact,
            self._settle,
            self._refused,
            self._taken,
            self._failed,
            enabled=lambda receiver: self.board.report(f"receiver/{receiver}", Level.UP, ""),
            paced=self.own.paced,
            garbled=self.own.garbled,
            still=lambda incident: self.dispatcher.still(incident),  # noqa: PLW0108  # made later
            dress=lambda notice, receiver: self.response.dress(notice, receiver),  # noqa: PLW0108
            book=self._store,
        )

    def _attach(self) -> None:
        """Let those who decide ask those who know."""
        dispatcher, upkeep = self.dispatcher, self.judgement.upkeep
        silences = silences_of(upkeep.announced())
        dispatcher.silences = lambda: silences
        overrides = overrides_of(upkeep.announced())
        self.duty.overrides = lambda: overrides
        self.duty.receivers = lambda: self.config.receivers
        dispatcher.changes = self._nearby
        dispatcher.dependence.watch = self.board.view
        dispatcher.dependence.services = self.config.services

    def _nearby(self, incident: Incident, _now_ms: int) -> tuple[str, ...]:
        """Changes and deploys that may be why an incident is."""
        planned = self.config.checks.get(incident.check)
        return self.changes.nearby(planned, incident.spell_ms or incident.opened_ms) if planned is not None else ()

    def _changed(self, change: Change, moment: Moment) -> None:
        """A change begins, ends or is deployed: whoever is to hear of it does."""
        title, text = bulletin(change, moment)
        act = self.dispatcher.announce(title, text, self.config.change_targets, change.url)
        if act is not None:
            self._recorder.record(act)

    async def _open_roster(self, fetch: Fetch) -> None:
        """Calendars as they were, and what was announced."""
        report = self.board.report
        self._feeds = Feeds(self._store, self._clock, fetch, report, self._calendars_changed)
        written = self._recorder.written
        self._herald = Herald(self._store, self._clock, self.duty, written, report, redact=self.redact)
        self._feeds.said = self._herald.own = self.board.own_states
        self._herald.untried = self._feeds.untried
        self.own.oncall.people = self._herald.people
        await self._feeds.configure(self.config.roster)
        await self._herald.open(self.config)

    def _policy(self) -> Policy:
        return Policy(self.config.network.deny, self.config.network.allow)

    def _calendars_changed(self) -> None:
        """Shifts of a calendar are others than before."""
        self.duty.feeds = self._feeds.texts
        self.dispatcher.look_again()
        self._herald.look_again()

    def _parts(self) -> Parts:
        """What the watchman looks at."""
        board, pump = self.board, self._recorder.pump
        return Parts(
            vitals=self.vitals,
            runs=lambda: self.runs,
            paused=self.judgement.upkeep.paused,
            dropped=lambda: pump.dropped,
            waiting=self._deliverer.waiting,
            size=lambda: self._store_size,
            unheard=self._deadman.unheard,
            own=board.own_states,
            report=board.report,
        )

    def _observe(self) -> None:
        own, pump = self.own, self._recorder.pump
        own.watch_queue("store", lambda: len(pump), lambda: pump.dropped)
        own.watch_receivers(self._deliverer.waiting, self._clock.now_ms, self._deliverer.disabled)
        own.watch_processes(self.vitals)
        own.incidents.open = self.dispatcher.book.open
        own.promised.accounts = lambda: self.judgement.accountant.accounts
        own.usuals.watches = self.board.views

    def _clear_own(self, config: Config) -> None:
        """What is right again for certain: the store is open, the configuration is read, some receivers are gone."""
        workers = [subject for subject in self.board.own_states() if subject.startswith(WORKER)]
        for subject in ("store", "config", *workers, *_gone(self.board, config)):
            self.board.report(subject, Level.UP, "")

    async def _forget(self, states: Mapping[str, State]) -> None:
        """States of checks that are gone would otherwise come back with a check of the same name."""
        # One with an open incident gets its end first, which is a state of its own.
        gone = [
            name
            for name, state in states.items()
            if name not in self.config.checks and not name.startswith(SELF) and not state.incident
        ]
        if gone:
            await self._store.forget(gone)

    def _apply(self, config: Config, states: Mapping[str, State] | None = None) -> None:
        self._series.set_checks(config.checks, states, redact=self.redact)
        self.own.set_receivers(config.receivers)
        self.own.reloaded(len(config.checks), self._clock.now_ms())
        self._janitor.retention = config.retention
        self._watchman.configure(config)
        self._deadman.configure(config.watch, config.instance)
        self._roller.grace = grace_for(config.checks.values())

    async def _work(self, stop: asyncio.Event) -> None:
        async with asyncio.TaskGroup() as tasks:
            jobs = {
                "store": self._recorder.pump.run(),
                "probing": self._probing.run(),
                "retention": self._janitor.run(),
                "reload": self._reload_when_wanted(),
                "lookout": self._look_out(),
                "judgement": self.judgement.run(),
                "incidents": self.dispatcher.run(),
                "rollups": self._roller.run(),
                "pauses": self._replan_when_wanted(),
                "watchman": self._watchman.run(),
                "deadman": self._deadman.run(),
                "heartbeats": self._heartbeats.run(),
                "feeds": self._feeds.run(),
                "roster": self._herald.run(),
            }
            running = [tasks.create_task(self._deliverer.run(), name="couriers")]
            await asyncio.sleep(0)
            disabled = await self._store.disabled()
            # What was owed when the service ended goes first, before anything new can be decided and handed on.
            self._deliverer.configure(self.config.receivers, self._told, terms=self.config.terms, disabled=disabled)
            for delivery in self._pending:
                self._deliverer.accept(delivery)
            running += [tasks.create_task(job, name=name) for name, job in jobs.items()]
            await asyncio.sleep(0)  # each has begun: the probers take what comes next
            await self._plan(rules_of(self.config))
            self._phase = ""
            settle()
            self.started.set()
            log.info("%d checks run; pages at %s", len(self.config.checks), self.address)
            await stop.wait()
            await self._end()
            for task in running:
                task.cancel()

    async def _end(self) -> None:
        """No new runs; what was seen is stored, what is being said is said. Each step is bounded."""
        self._phase = "stopping"
        log.info("stopping")
        await _within(self._probing.stop(), "runs under way")
        await _within(self._heartbeats.end(), "heartbeats not written down")
        await _within(self._recorder.pump.drain(), "results not stored")
        await _within(self._deliverer.flush(), "alerts not sent; they are after the next start")
        await _within(self._recorder.pump.drain(), "deliveries not written down")

    # What pages and signals ask.

    def unready(self) -> str:
        return self._phase or (f"the store fails: {self._store_trouble}" if self._store_trouble else "")

    async def metrics(self, *, openmetrics: bool) -> AsyncIterator[bytes]:
        for chunk in exposition(self._series, self.registry, openmetrics=openmetrics):
            yield chunk
            await asyncio.sleep(0)  # a scrape never stalls a probe

    def report(self) -> Mapping[str, Any]:
        """How the service does, as plain values."""
        return report(self.own)

    def maintenance(self) -> Sequence[Window]:
        """The maintenance of the configuration."""
        return self.config.maintenance

    def announced(self) -> Sequence[Announcement]:
        """What people announced and is not over, and what was over lately."""
        return self.judgement.upkeep.announced()

    def accounts(self) -> Sequence[Account]:
        """How every objective stands."""
        return list(self.judgement.accountant.accounts.values())

    async def records(self, since_ms: int) -> Records:
        """What is known of the past from an instant on. Raises StoreError."""
        return await self.judgement.records(self.config, since_ms)

    async def trend(self, check: str, window: Span, step: int, metrics: Collection[str] | None) -> Series:
        """A check's series. Raises StoreError, and ValueError where it is no step."""
        return await trend(self._store, check, window, step=step, metrics=metrics)

    async def announce(self, announcement: Announcement) -> None:
        """Keep what somebody announced, and go by it. Raises StoreError."""
        await self.judgement.announce(announcement)
        self._attach()
        self.dispatcher.look_again()
        self._herald.look_again()

    def reload_soon(self) -> None:
        """For signals: the reload happens in a task of its own, and says in the log what came of it."""
        self._reload_wanted.set()

    async def reload(self) -> Sequence[str]:
        """Read the configuration again. Unchanged checks go on as if nothing had been; a bad one changes nothing."""
        async with self._reloading:
            if self._phase:
                return (f"not now: the service is {self._phase}",)
            try:
                config = await _read(self.config.path)
            except ConfigError as error:
                problems = [self.redact(str(problem)) for problem in error.problems]
                self.own.reload_failed()
                self.board.report("config", Level.DEGRADED, f"the configuration cannot be used: {problems[0]}")
                return problems
            await self._adopt(config)
            log.info("configuration reloaded: %d checks", len(config.checks))
            return ()

    async def _reload_when_wanted(self) -> None:
        while True:
            await self._reload_wanted.wait()
            self._reload_wanted.clear()
            for problem in await self.reload():
                log.error("not reloaded: %s", problem)

    async def _replan_when_wanted(self) -> None:
        """Maintenance that pauses begins or ends: other checks are to run."""
        while True:
            await self._replan.wait()
            self._replan.clear()
            async with self._reloading:
                await self._plan(self._rules)

    async def _look_out(self) -> None:
        """Say when checks are UNKNOWN for long: whoever relies on them must know that nobody looks."""
        while True:
            await self._clock.sleep(_LOOK)
            names = await self._unjudged(self._clock.now_ms() - _BLIND)
            few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
            reason = f"not judged for {format_duration(_BLIND / 1000)} because of trouble on our side: {few}"
            self.board.report("unjudged", Level.DEGRADED if names else Level.UP, reason if names else "")

    async def _unjudged(self, at_ms: int) -> Sequence[str]:
        """Checks that have been UNKNOWN since then, looked for in many turns of the loop: 20,000 in one take 10 ms."""
        names: list[str] = []
        for some in slices(list(self.board.views()), _AT_ONCE):
            names += self.board.unknown_since(at_ms, some)
            await asyncio.sleep(0)
        return sorted(names)

    async def _seen_again(self, config: Config) -> Mapping[str, int]:
        """When checks were run last that a configuration brings back."""
        if all(self.board.view(name) for name in config.checks):
            return {}
        with contextlib.suppress(StoreError):
            return await self._store.last_runs()
        return {}

    async def _adopt(self, config: Config) -> None:
        before = self.config
        self._mask = Redactor(before.secrets | config.secrets)  # runs under way may still show the old ones
        for key in _FIXED:
            if getattr(before, key) != getattr(config, key):
                log.warning("a change of %s takes a restart", {"host": "listen", "port": "listen"}.get(key, key))
        # Receivers know incidents by the instance: it must not change between a beginning and its end.
        self.config = config = replace(config, **{key: getattr(before, key) for key in _FIXED})
        with contextlib.suppress(StoreError):  # then a receiver that comes back does not know what it was told before
            self._told = await self._store.told(self._clock.now_ms() - _TOLD_BACK)
        self._deliverer.configure(config.receivers, self._told, terms=config.terms)
        with contextlib.suppress(StoreError):  # then objectives go by what is in memory, and windows begin anew
            await self.judgement.configure(config)
        pasts = await self.judgement.recall(config, self.board.pasts())
        self.duty.roster = config.roster
        self.dispatcher.configure(config)
        self.board.configure(config, pasts=pasts, seen_ms=await self._seen_again(config))
        self._attach()
        self._apply(config)
        await self._heartbeats.configure(config)
        await self._feeds.configure(config.roster)
        self._herald.configure(config)
        for subject in ("config", *_gone(self.board, config)):
            self.board.report(subject, Level.UP, "")
        rules = rules_of(config)
        await self._plan(replace(rules, secrets=before.secrets | rules.secrets))

    async def _plan(self, rules: Rules) -> None:
        if lack := objection(self.config, cores()):
            log.warning("%s", lack)
        paused = self.judgement.upkeep.paused()
        await self._heartbeats.pause(paused)
        active = {name: planned for name, planned in self.config.checks.items() if not planned.passive}
        specs = [planned.spec for name, planned in active.items() if name not in paused]
        self._rules = rules
        await self._probing.plan(specs, rules, self.config.workers)

    # What the terminal shows.

    @property
    def instance(self) -> str:
        return self.config.instance

    @property
    def lag(self) -> float:
        """Seconds by which the slowest of our processes lags."""
        return max(one.lag for one in self.vitals())

    @property
    def missed(self) -> int:
        return sum(one.missed for one in self.vitals())

    def vitals(self) -> Sequence[Vitals]:
        """How our processes do, the service first."""
        return self._probing.vitals()

    # What the probers, the store and the couriers tell.

    def _ran(self, result: Result) -> None:
        self.runs += 1
        self.judgement.take(result)
        self.board.emit(result)

    def _seen_ms(self, check: str) -> int:
        """When the last run of a check ended that a result came from; 0 for none."""
        view = self.board.view(check)
        if view is None or view.last is None:
            return 0
        last = view.last.result
        return last.at_ms + round(last.duration * 1000)

    def _sized(self, size: int) -> None:
        self._store_size = size
        self.own.store_size.set(size)

    def _settle(self, delivery: Delivery) -> None:
        self._recorder.settle(delivery)

    def _stored(self, trouble: str) -> None:
        if trouble:
            self.own.store_failures.inc()
        self._store_trouble = trouble
        self.board.report(
            "store", Level.DOWN if trouble else Level.UP, trouble and f"results cannot be stored: {trouble}"
        )

    def _taken(self, receiver: str) -> None:
        self.alerts_sent += 1
        self.own.sent(receiver)
        self.board.report(f"receiver/{receiver}", Level.UP, "")

    def _failed(self, receiver: str, trouble: Trouble, final: bool) -> None:
        self.alerts_failed += 1
        self.own.failed(receiver, trouble, final)

    def _refused(self, receiver: str, why: str) -> None:
        self.board.report(f"receiver/{receiver}", Level.DEGRADED, why)


def _gone(board: Hub, config: Config) -> Sequence[str]:
    """What is said of receivers that are no longer configured."""
    said = [subject for subject in board.own_states() if subject.startswith("receiver/")]
    return [subject for subject in said if subject.removeprefix("receiver/") not in config.receivers]


async def _read(path: Path) -> Config:
    """The configuration, read by a thread that nobody waits for for ever: a file may lie on a disk that hangs."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Config] = loop.create_future()

    def settle(config: Config | None, error: Exception | None) -> None:
        if not done.done():
            done.set_exception(error) if error else done.set_result(cast("Config", config))

    def work() -> None:
        outcome: tuple[Config | None, Exception | None]
        try:
            outcome = load(path), None
        except Exception as error:  # noqa: BLE001  # raised again where it is waited for
            outcome = None, error
        with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(settle, *outcome)

    threading.Thread(target=work, name="load", daemon=True).start()
    try:
        async with asyncio.timeout(_READING):
            return await done
    except TimeoutError:
        raise ConfigError([Problem(str(path), 0, 0, "", f"not read within {_READING:g} s", "")]) from None


async def _within(step: Awaitable[object], left: str) -> None:
    try:
        async with asyncio.timeout(_DRAIN):
            await step
    except TimeoutError:
        log.warning("shutdown: %s within %g s", left, _DRAIN)
