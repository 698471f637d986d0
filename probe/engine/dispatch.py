"""Incidents at work: what transitions and people do to them, and who is told when. Decides; never waits.

What is decided is handed to `record` to be written down first and sent then. Lengths of time are kept by the steady
clock: a wall clock that is set moves what is under way along.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace

from exporters.alerting.advance import hastened
from exporters.alerting.book import Book, Change, DeedError, Failing
from exporters.alerting.case import Case, People
from exporters.alerting.compose import Sender
from exporters.alerting.incident import (
    Action,
    Deed,
    Happening,
    Incident,
    Status,
    routing_labels,
)
from exporters.alerting.rules import Silence
from exporters.alerting.storm import storm_of
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.deciding import Deciding
from probe.engine.draft import Draft
from probe.engine.unproven import Unproven
from probe.engine.waiting import sleep_or
from probe.store.base import Act, Announcement, Kind
from probe.store.casebook import Filed, Incidents
from thresholds.base import Transition

log = logging.getLogger(__name__)

_LOOK = 5.0  # s between two looks, at most: the wall clock may be set meanwhile
_JUMP_MS = 2_000  # by which the wall clock may differ from the steady one without having been set
_KEPT_MS = 3_600_000  # for which ended incidents are remembered at least
_REMEMBERED_MS = 30 * 86_400_000  # for which a failure counts as one that came back
_MOST = 20_000  # incidents that are remembered at the start


class Dispatcher(Deciding):
    """All open incidents, and what everybody has been told of them."""

    def __init__(
        self,
        config: Config,
        clock: Clock,
        record: Callable[[Act], None],
        people: People,
        *,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        super().__init__(config, clock, people, redact)
        self._record = record
        self._unproven = Unproven(self.held.dependence)
        self._tidied_ms = 0
        self._steady_ms = self._steady()
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Go by another configuration. What was told stays told."""
        self._config = config
        self._sender = Sender(config.instance, config.url)
        self.book.grace = config.alerting.grace
        self.held.renew()
        draft = Draft()
        for case in self._cases.all():
            lines = tuple(
                replace(line, receivers=tuple(name for name in line.receivers if name in config.receivers))
                for line in case.lines
            )
            if lines != case.lines:
                draft.cases[case.id] = replace(case, lines=lines)
                self._cases.keep(draft.cases[case.id])
        for incident in self.book.open():
            self._route(incident, draft)
        self.look_again()
        if act := draft.act():
            self._record(act)

    def load(self, filed: Iterable[Filed], cases: Iterable[Case], last_number: int) -> None:
        """Go on where the store says that it stopped."""
        now_ms = self._clock.now_ms()
        self.book = Book(self._config.alerting.grace, last_number + 1)
        opened_ms = []
        for one in filed:
            self.history.take([one.incident])
            if one.incident.open or one.incident.ended_ms > now_ms - _KEPT_MS or _lasts_all_the_same(one):
                self.book.load(one.incident, one.members)
                self.held.keep(one.incident.id, one.incident.untold)
                if one.incident.open:
                    self._unproven.load(one.incident.id, now_ms)
            opened_ms.append(one.incident.detected_ms)
        storm = ""
        for case in cases:
            self._cases.keep(case)
            if case.digest:
                storm = storm_of(case.id)
        self._storms.load(opened_ms, storm, now_ms)
        self.look_again()

    def hear(self, transition: Transition, failing: Failing) -> Act | None:
        """What a transition leads to, to be stored with it."""
        self._steady_on()
        change = self.book.hear(transition, failing)
        if change is None:
            return None
        draft = Draft()
        draft.change(change)
        if any(one.deed is Deed.JOINED for one in change.happenings):
            labels = {**routing_labels(change.incident), **failing.labels, "check": transition.check}
            self._route(change.incident, draft, labels)
        if any(one.deed in (Deed.OPENED, Deed.REOPENED) for one in change.happenings):
            self._storms.opened(self._clock.now_ms())
            self._seen_before(change.incident, transition.at_ms, draft)
        self._follow(change.incident, draft)
        self._reconsider()
        return draft.act()

    def _seen_before(self, incident: Incident, at_ms: int, draft: Draft) -> None:
        for line in self.changes(incident, self._clock.now_ms()):
            draft.happenings.append(Happening(incident.id, at_ms, Deed.CHANGE, text=line))
        if again := self.history.recurrence(incident):
            draft.happenings.append(Happening(incident.id, at_ms, Deed.NOTE, text=again))

    # What people do. Each raises DeedError where it cannot be done.

    def acknowledge(self, identity: str, who: str, via: str = "") -> Act:
        return self._done(self.book.acknowledge(identity, who, self._clock.now_ms(), via))

    def acknowledge_all(self, takers: Mapping[str, str], via: str = "") -> Act | None:
        """Take several at once, each by somebody: cases are looked at when all are taken, and tell of them as one."""
        now_ms = self._clock.now_ms()
        draft = Draft()
        for identity, who in takers.items():
            draft.change(self.book.acknowledge(identity, who, now_ms, via))
        self.history.take(draft.incidents.values())
        for case in sorted({case.id for identity in takers for case in self._cases.of(identity)}):
            self._advance(case, draft)
        self._reconsider()
        self._news.set()
        return draft.act()

    def unacknowledge(self, identity: str, who: str) -> Act:
        return self._done(self.book.unacknowledge(identity, who, self._clock.now_ms()))

    def snooze(self, identity: str, who: str, seconds: float) -> Act:
        now_ms = self._clock.now_ms()
        return self._done(self.book.snooze(identity, who, now_ms + round(seconds * 1000), now_ms))

    def resolve(self, identity: str, who: str) -> Act:
        return self._done(self.book.resolve(identity, who, self._clock.now_ms()))

    def describe(self, identity: str, who: str, texts: Mapping[str, str]) -> Act:
        return self._done(self.book.describe(identity, who, self._clock.now_ms(), texts))

    def note(self, identity: str, who: str, text: str) -> Act:
        return self._done(self.book.note(identity, who, self._clock.now_ms(), text))

    def action(self, identity: str, who: str, action: Action) -> Act:
        return self._done(self.book.act(identity, who, self._clock.now_ms(), action))

    def escalate(self, identity: str, who: str) -> Act:
        """Tell the next step of its escalations now."""
        now_ms = self._clock.now_ms()
        self.book.check_open(identity)
        targets = [line.target for case in self._cases.of(identity) for line in case.lines]
        if not any(target.startswith("escalation:") for target in targets):
            raise DeedError("no escalation is under way for it: no route that it took leads to one")
        change = self.book.note(identity, who, now_ms, "asked for the next step", Deed.ESCALATED)
        if change.incident.status.held:
            first = self.book.unacknowledge(identity, who, now_ms, "escalated")
            change = replace(first, happenings=(*first.happenings, *change.happenings))
        draft = Draft()
        for case in self._cases.of(identity):
            draft.cases[case.id] = hastened(case, self.people, now_ms)
            self._cases.keep(draft.cases[case.id])
        return self._done(change, draft)

    def adopt(self, filed: Filed) -> None:
        """Know an incident that ended long ago again: somebody writes about it."""
        if self.book.get(filed.incident.id) is None:
            self.book.load(filed.incident, filed.members)

    def _done(self, change: Change, draft: Draft | None = None) -> Act:
        draft = draft or Draft()
        draft.change(change)
        self._follow(change.incident, draft)
        for case in self._cases.of(change.incident.id):
            if case.key:  # the others were looked at
                self._advance(case.id, draft)
        self._reconsider()
        act = draft.act()
        assert act is not None
        return act

    # Time.

    async def run(self) -> None:
        """Look at what is due, for ever."""
        while True:
            self._news.clear()
            act = self.tick()
            if act is not None:
                self._record(act)
            await sleep_or(self._clock, self.until_next(), self._news)

    def tick(self) -> Act | None:
        """What is due now."""
        self._steady_on()
        now_ms = self._clock.now_ms()
        draft = Draft()
        for incident in list(self.book.open()):
            if incident.status is Status.SNOOZED and incident.snoozed_ms <= now_ms:
                draft.change(self.book.unacknowledge(incident.id, "", now_ms, "the snooze is over"))
                self._follow(draft.incidents[incident.id], draft)
        self._still_bad(draft, now_ms)
        for identity in self._cases.due(now_ms):
            if again_ms := self._unsure(identity, now_ms):
                self._cases.wakes[identity] = again_ms
            else:
                self._advance(identity, draft)
        if self._recheck_ms and now_ms >= self._recheck_ms:
            self._recheck_ms = 0
            self._dependents(draft)
        for identity in self.book.forget(now_ms - max(_KEPT_MS, round(self.book.grace * 2000))):
            self.held.keep(identity, "")
        if now_ms - self._tidied_ms > _KEPT_MS:
            self._tidied_ms = now_ms
            self.history.forget(now_ms)
        return draft.act()

    def _unsure(self, identity: str, now_ms: int) -> int:
        """When to look again whether a case of before the start still lasts; 0: an incident of it is known to."""
        case = self._cases.get(identity)
        incidents = case.incidents if case is not None else ()
        found = [incident for one in incidents if (incident := self.book.get(one)) is not None and incident.open]
        looks = [self._unproven.until(one, self.book.members(one.id).values(), now_ms) for one in found]
        return min(looks, default=0)

    def _still_bad(self, draft: Draft, now_ms: int) -> None:
        """Incidents that somebody ended, and that last all the same."""
        for incident in self.book.ended_by_people():
            if now_ms >= incident.ended_ms + self.book.grace * 1000:
                change = self.book.again(incident.id, now_ms)
                if change is not None:
                    draft.change(change)
                    self._follow(change.incident, draft)

    def until_next(self, most: float = _LOOK) -> float:
        """Seconds until something is due, `most` at most: the wall clock may be set meanwhile."""
        now_ms = self._clock.now_ms()
        due = [*self._cases.wakes.values(), *([self._recheck_ms] if self._recheck_ms else ())]
        due += [one.snoozed_ms for one in self.book.open() if one.status is Status.SNOOZED]
        due += [one.ended_ms + round(self.book.grace * 1000) for one in self.book.ended_by_people()]
        left = (min(due, default=now_ms + round(most * 1000)) - now_ms) / 1000
        return min(most, max(0.01, left))

    def _steady(self) -> int:
        return self._clock.now_ms() - round(self._clock.monotonic() * 1000)

    def _steady_on(self) -> None:
        """Where the wall clock was set, what is under way moves along."""
        difference = self._steady() - self._steady_ms
        if abs(difference) < _JUMP_MS:
            self._steady_ms += difference
            return
        self._steady_ms += difference
        log.warning("the clock was set by %.1f s: what is under way goes on as it was", difference / 1000)
        self._cases.shift(difference)
        self._storms.shift(difference)
        self._unproven.shift(difference)
        moved = self.book.shift(difference)
        self._record(Act(incidents=tuple(moved), cases=tuple(self._cases.all())))


def _lasts_all_the_same(filed: Filed) -> bool:
    """Somebody has said that it is over, and a check of it is bad."""
    return bool(filed.incident.resolved_by) and any(member.bad for member in filed.members)


async def recalled(dispatcher: Dispatcher, store: Incidents, now_ms: int) -> None:
    """Let a dispatcher go on where the store says that the one before stopped. Raises StoreError."""
    filed = await store.filed(now_ms - _REMEMBERED_MS, now_ms + _REMEMBERED_MS, _MOST)
    dispatcher.load(filed, await store.cases(), await store.last_number())


def silences_of(announcements: Iterable[Announcement]) -> list[Silence]:
    """The silences among what people announced."""
    return [
        Silence(
            one.id,
            one.began_ms,
            one.ended_ms,
            one.checks,
            one.services,
            one.labels,
            one.reason,
            one.author,
        )
        for one in announcements
        if one.kind is Kind.SILENCE
    ]
