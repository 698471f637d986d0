"""The parts of the service, built in order, each with what it has to ask and to tell."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from secrets import token_bytes

from checks.core.policy import Policy
from exporters.alerting.change import Change, Moment, bulletin
from exporters.alerting.incident import Incident
from exporters.base import Post
from exporters.post import open_post
from probe.config.model import Config
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
from probe.engine.notices import SELF
from probe.engine.place import WORKER, Ears
from probe.engine.probing import Probing, rules_of
from probe.engine.record import Recorder
from probe.engine.response import Response
from probe.engine.retention import Janitor
from probe.engine.roll import Roller, grace_for
from probe.engine.roster import Herald
from probe.engine.watchman import Parts, Watchman
from probe.service.told import Told
from probe.store.base import Announcement
from probe.store.overrides import overrides_of
from probe.store.sqlite import open_store
from thresholds.base import Level, State

TOLD_BACK = 900_000  # ms: ends as old as this are told again to receivers that forget


class Built(Told):
    """A service that can be built."""

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
        self._told = await self._store.told(clock.now_ms() - TOLD_BACK)
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
        dispatcher.held.silences = lambda: silences
        overrides = overrides_of(upkeep.announced())
        self.duty.overrides = lambda: overrides
        self.duty.receivers = lambda: self.config.receivers
        dispatcher.changes = self._nearby
        dispatcher.held.dependence.watch = self.board.view
        dispatcher.held.dependence.services = self.config.services

    async def announce(self, announcement: Announcement) -> None:
        """Keep what somebody announced, and go by it. Raises StoreError."""
        await self.judgement.announce(announcement)
        self._attach()
        self.dispatcher.look_again()
        self._herald.look_again()

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
            seen=board.seen,
            behind=lambda: self._roller.behind,
        )

    def _observe(self) -> None:
        own, pump = self.own, self._recorder.pump
        own.watch_queue("store", lambda: len(pump), lambda: pump.dropped)
        own.watch_receivers(self._deliverer.waiting, self._clock.now_ms, self._deliverer.disabled)
        own.watch_processes(self.vitals)
        own.incidents.open = self.dispatcher.book.open
        own.promised.accounts = lambda: self.judgement.accountant.accounts
        own.usuals.watches = self.board.views
        own.watched.behind = lambda: self._roller.behind
        own.watched.absent = lambda: len(self._watchman.absent)

    def _clear_own(self, config: Config) -> None:
        """What is right again for certain: the store is open, the configuration is read, some receivers are gone."""
        workers = [subject for subject in self.board.own_states() if subject.startswith(WORKER)]
        for subject in ("store", "config", *workers, *gone(self.board, config)):
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


def gone(board: Hub, config: Config) -> Sequence[str]:
    """What is said of receivers that are no longer configured."""
    said = [subject for subject in board.own_states() if subject.startswith("receiver/")]
    return [subject for subject in said if subject.removeprefix("receiver/") not in config.receivers]
