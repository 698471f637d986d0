"""Incidents at work: what transitions and people do to them, and who is told when. Decides; never waits.

What is decided is handed to `record` to be written down first and sent then. Lengths of time are kept by the steady
clock: a wall clock that is set moves what is under way along.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from exporters.alerting.absence import last_resort
from exporters.alerting.advance import advance, hastened, joined
from exporters.alerting.book import Book, Change, DeedError, Failing
from exporters.alerting.case import Case, Line, People, Seen, Tell
from exporters.alerting.compose import Sender, Told, bulletin, compose
from exporters.alerting.history import History
from exporters.alerting.incident import (
    Action,
    Deed,
    Happening,
    Incident,
    Member,
    Severity,
    Status,
    routing_labels,
)
from exporters.alerting.rules import Silence, inhibited, quiet_until, silenced
from exporters.alerting.shift import shifted
from exporters.alerting.storm import covered, digest_of, storm_of
from exporters.base import Notice, NoticeKind
from exporters.route import Route, chosen
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.dependence import PREFIX, Dependence
from probe.engine.notices import SELF
from probe.engine.resort import nobody, resort
from probe.engine.waiting import sleep_or
from probe.store.base import Act, Announcement, Kind
from probe.store.casebook import Filed, Incidents
from thresholds.base import Transition

log = logging.getLogger(__name__)

_ABOUT_RECEIVER = (f"{SELF}receiver/", f"{SELF}delivery/")
_LOOK = 5.0  # s between two looks, at most: the wall clock may be set meanwhile
_JUMP_MS = 2_000  # by which the wall clock may differ from the steady one without having been set
_MINUTE_MS = 60_000
_SOON_MS = 250  # for which what happens at once is gathered
_INHIBITED = "inhibited by "
_CALM_MS = 300_000  # without a new incident, after which a storm is over
_KEPT_MS = 3_600_000  # for which ended incidents are remembered at least
_REMEMBERED_MS = 30 * 86_400_000  # for which a failure counts as one that came back
_MOST = 20_000  # incidents that are remembered at the start
_STORM_WAIT = 10.0  # s: a storm's first message tells of more than one


class _Draft:
    """What is decided in one go, with the last word of each incident, check and case."""

    def __init__(self) -> None:
        self.incidents: dict[str, Incident] = {}
        self.members: dict[tuple[str, str], Member] = {}
        self.happenings: list[Happening] = []
        self.cases: dict[str, Case] = {}
        self.notices: list[tuple[Notice, tuple[str, ...]]] = []

    def change(self, change: Change) -> None:
        self.incidents[change.incident.id] = change.incident
        self.members |= {(change.incident.id, member.check): member for member in change.members}
        self.happenings += change.happenings

    def act(self) -> Act | None:
        if not (self.incidents or self.happenings or self.cases or self.notices):
            return None
        members = tuple((identity, member) for (identity, _), member in self.members.items())
        return Act(
            tuple(self.incidents.values()),
            members,
            tuple(self.happenings),
            tuple(self.cases.values()),
            tuple(self.notices),
        )


class Dispatcher:
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
        self._clock = clock
        self._record = record
        self.people = people
        self._redact = redact
        self.book = Book(config.alerting.grace)
        self.history = History()
        self._cases: dict[str, Case] = {}
        self._of_incident: dict[str, set[str]] = {}  # cases by incident
        self._wakes: dict[str, int] = {}  # Unix ms at which a case is looked at, by case
        self._holds: dict[str, str] = {}  # why an incident is not told, by incident
        self._opened: deque[int] = deque(maxlen=10_000)  # when incidents were opened lately
        self._storm = ""  # the one that new incidents are part of; "" in calm
        self._groups: dict[str, str] = {}  # cases by key
        self._recheck_ms = 0  # when to see whether what is held back may be told now, or the other way round; 0: never
        self._calm_ms = 0  # when the last incident was opened that is no part of the last minute
        self._sources: tuple[int, list[Incident]] = (-1, [])  # incidents that may speak for others, as of a version
        self._tidied_ms = 0
        self._news = asyncio.Event()
        self.silences: Callable[[], Sequence[Silence]] = tuple
        self.changes: Callable[[Incident, int], tuple[str, ...]] = lambda _incident, _now_ms: ()
        self.dependence = Dependence(clock)
        self._steady_ms = self._steady()
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Go by another configuration. What was told stays told."""
        self._config = config
        self._sender = Sender(config.instance, config.url)
        self.book.grace = config.alerting.grace
        self._sources = (-1, [])
        draft = _Draft()
        for identity, case in list(self._cases.items()):
            lines = tuple(
                replace(line, receivers=tuple(name for name in line.receivers if name in config.receivers))
                for line in case.lines
            )
            if lines != case.lines:
                draft.cases[identity] = replace(case, lines=lines)
                self._keep(draft.cases[identity])
        for incident in self.book.open():
            self._route(incident, draft)
        self._look_again(self._cases)
        if act := draft.act():
            self._record(act)

    def load(self, filed: Iterable[Filed], cases: Iterable[Case], last_number: int) -> None:
        """Go on where the store says that it stopped."""
        now_ms = self._clock.now_ms()
        self.book = Book(self._config.alerting.grace, last_number + 1)
        for one in filed:
            self.history.take([one.incident])
            if one.incident.open or one.incident.ended_ms > now_ms - _KEPT_MS or _lasts_all_the_same(one):
                self.book.load(one.incident, one.members)
                if one.incident.untold:
                    self._holds[one.incident.id] = one.incident.untold
            if one.incident.detected_ms > now_ms - _CALM_MS:
                self._opened.append(one.incident.detected_ms)
        for case in cases:
            self._keep(case)
            if case.digest and self._opened:
                self._storm = storm_of(case.id)
        self._look_again(self._cases)

    def cases(self) -> Sequence[Case]:
        return list(self._cases.values())

    def holds(self, identity: str) -> str:
        """Why nobody is told of an incident now; "" where they are."""
        return self._holds.get(identity, "")

    def still(self, case: str) -> bool:
        """Whether what a case tells of still lasts."""
        return case in self._cases

    # What checks do.

    def hear(self, transition: Transition, failing: Failing) -> Act | None:
        """What a transition leads to, to be stored with it."""
        self._steady_on()
        change = self.book.hear(transition, failing)
        if change is None:
            return None
        draft = _Draft()
        draft.change(change)
        if any(one.deed is Deed.JOINED for one in change.happenings):
            labels = {**routing_labels(change.incident), **failing.labels, "check": transition.check}
            self._route(change.incident, draft, labels)
        if any(one.deed in (Deed.OPENED, Deed.REOPENED) for one in change.happenings):
            self._opened.append(self._clock.now_ms())
            self._seen_before(change.incident, transition.at_ms, draft)
        self._follow(change.incident, draft)
        self._reconsider()
        return draft.act()

    def _seen_before(self, incident: Incident, at_ms: int, draft: _Draft) -> None:
        for line in self.changes(incident, self._clock.now_ms()):
            draft.happenings.append(Happening(incident.id, at_ms, Deed.CHANGE, text=line))
        if again := self.history.recurrence(incident):
            draft.happenings.append(Happening(incident.id, at_ms, Deed.NOTE, text=again))

    def _follow(self, incident: Incident, draft: _Draft) -> None:
        """Tell of an incident as it is now, whoever is to be told."""
        self.history.take([incident])
        if incident.open:
            self._route(incident, draft)
        for identity in sorted(self._of_incident.get(incident.id, ())):
            if self._cases[identity].key:
                # What comes at once is looked at once: thousands of checks fail together.
                soon_ms = self._clock.now_ms() + _SOON_MS
                self._wakes[identity] = min(soon_ms, self._wakes.get(identity, soon_ms))
            else:
                self._advance(identity, draft)
        self._news.set()

    def _reconsider(self) -> None:
        if self._holds and not self._recheck_ms:
            self._recheck_ms = self._clock.now_ms() + _SOON_MS
            self._news.set()

    def _dependents(self, draft: _Draft) -> None:
        """What is held back because of others may be told now, or the other way round."""
        for identity in list(self._holds):
            incident = self.book.get(identity)
            if incident is not None and self._hold(incident)[0] != self._holds.get(identity):
                for case in sorted(self._of_incident.get(identity, ())):
                    self._advance(case, draft)

    # Who is told.

    def _route(self, incident: Incident, draft: _Draft, labels: Mapping[str, str] | None = None) -> None:
        """Put an incident into the cases that the routes want: those of when it began, whenever that is asked."""
        now_ms = self._clock.now_ms()
        known = labels or routing_labels(incident)
        grouped: dict[str, list[Line]] = {}
        commons: dict[str, Mapping[str, str]] = {}
        for route in self._routes(incident, known):
            common = {name: known.get(name, "") for name in route.by if name}
            key = ",".join([route.name, *(f"{name}={text}" for name, text in common.items())]) if route.by else ""
            commons[key] = common
            for target in route.to:
                line = Line(target, route.name, route.wait, route.interval, route.repeat)
                grouped.setdefault(key, []).append(line)
        stormy = self._storm_of(incident, now_ms)
        for key, lines in grouped.items():
            if stormy:
                for line in lines:  # a digest for each target, of what the routes give it
                    # Alertmanager knows alerts by their labels: two digests are two.
                    of = {"digest": line.target}
                    self._join("storm", of, incident, [self._stormy(line)], digest_of(stormy, line.target), draft)
            else:
                self._join(key, commons[key], incident, lines, "", draft)

    def _stormy(self, line: Line) -> Line:
        return replace(line, wait=max(line.wait, _STORM_WAIT), interval=self._config.alerting.storm_every)

    def _routes(self, incident: Incident, labels: Mapping[str, str]) -> list[Route]:
        if incident.check.startswith(SELF) and incident.type != "slo" and self._config.self_route:
            return [Route(tuple(self._config.self_route), name="alerts.self")]
        began_ms = incident.spell_ms or incident.detected_ms
        return chosen(self._config.routes, labels, incident.worst, began_ms)

    def _join(
        self,
        key: str,
        labels: Mapping[str, str],
        incident: Incident,
        lines: Sequence[Line],
        stormy: str,
        draft: _Draft,
    ) -> None:
        case = self._cases.get(incident.id) if not key else self._group(key, stormy)
        if case is None:
            now_ms = self._clock.now_ms()
            identity = incident.id if not key else stormy or f"{key}@{now_ms}"
            check = incident.check if key else ""
            case = Case(identity, now_ms, (), key=key, labels=labels, check=check, digest=bool(stormy))
        new = joined(case, incident, lines)
        if new is not case and new != self._cases.get(new.id):
            self._keep(new)
            draft.cases[new.id] = new

    def _group(self, key: str, stormy: str) -> Case | None:
        if stormy:
            return self._cases.get(stormy)
        return self._cases.get(self._groups.get(key, ""))

    def _storm_of(self, incident: Incident, now_ms: int) -> str:
        """The storm that a new incident is part of; "" in calm, and for one that is told by itself already."""
        if self._of_incident.get(incident.id):
            digests = [one for one in self._of_incident[incident.id] if self._cases[one].digest]
            return storm_of(digests[0]) if digests else ""
        over = self._config.alerting.storm_over
        while self._opened and self._opened[0] <= now_ms - _MINUTE_MS:
            self._calm_ms = self._opened.popleft()
        if self._storm and len(self._opened) <= 1 and self._calm_ms < now_ms - _CALM_MS:
            self._storm = ""
        if over and len(self._opened) > over and not self._storm:
            self._storm = f"storm@{now_ms}"
            log.warning("%d new incidents within a minute: they are told as one", len(self._opened))
        return self._storm

    def _keep(self, case: Case) -> None:
        if case.ended:
            self._cases.pop(case.id, None)
            self._wakes.pop(case.id, None)
            if self._groups.get(case.key) == case.id:
                del self._groups[case.key]
            for incident in case.incidents:
                known = self._of_incident.get(incident, set())
                known.discard(case.id)
                if not known:
                    self._of_incident.pop(incident, None)
            return
        self._cases[case.id] = case
        if case.key and not case.digest:
            self._groups[case.key] = case.id
        for incident in case.incidents:
            self._of_incident.setdefault(incident, set()).add(case.id)

    def _advance(self, identity: str, draft: _Draft) -> None:
        """Look at a case, and decide what to tell."""
        case = self._cases.get(identity)
        if case is None:
            return
        now_ms = self._clock.now_ms()
        seen = [self._seen(one, draft, now_ms) for one in case.incidents if self.book.get(one) is not None]
        outcome = advance(case, seen, self.people, now_ms, self._elsewhere(case))
        if outcome.lapsed:
            for lapsed in outcome.lapsed:
                draft.change(self.book.unacknowledge(lapsed, "", now_ms, "nobody has confirmed it"))
            self._advance(identity, draft)  # anew, from where it stood: what this look would tell is not told yet
            return
        for tell in outcome.tells:
            self._tell(outcome.case, tell, draft, now_ms)
        for note in outcome.notes:
            self._note(case, note, draft, now_ms)
        self._keep(outcome.case)
        if outcome.wake_ms and not outcome.case.ended:
            self._wakes[identity] = outcome.wake_ms
        else:
            self._wakes.pop(identity, None)
        if outcome.case != case:
            draft.cases[identity] = outcome.case
        if outcome.unreached:
            self._resort(outcome.case, outcome.unreached, draft, now_ms)

    def _elsewhere(self, case: Case) -> frozenset[str]:
        """Receivers that hear of all of a digest by another of the same storm."""
        others = [self._cases[one] for one in self._of_incident.get(case.incidents[0], ()) if one != case.id]
        return covered(case, others) if case.digest else frozenset()

    def _note(self, case: Case, text: str, draft: _Draft, now_ms: int) -> None:
        """Say in the timelines of a case's incidents who was not told, and why."""
        for incident in self._open_of(case):
            draft.happenings.append(Happening(incident.id, now_ms, Deed.HELD, text=text))

    def _open_of(self, case: Case) -> list[Incident]:
        found = (self.book.get(one) for one in case.incidents)
        return [one for one in found if one is not None and one.open and not one.untold]

    def _resort(self, case: Case, unreached: Sequence[str], draft: _Draft, now_ms: int) -> None:
        """Nobody is there: whoever is told then is, once."""
        why = nobody(self._open_of(case), unreached)
        log.error("%s", why)
        targets = resort(self._config, {line.target for line in case.lines}, now_ms)
        whom = f"in their place {', '.join(targets)}" if targets else "name somebody under alerts.self"
        self._note(case, f"{why}; {whom}", draft, now_ms)
        case = replace(case, unreached=True, lines=(*case.lines, *last_resort(targets, why)))
        draft.cases[case.id] = case
        self._keep(case)
        self._advance(case.id, draft)

    def _seen(self, identity: str, draft: _Draft, now_ms: int) -> Seen:
        incident = self.book.get(identity)
        assert incident is not None
        why, until_ms = self._hold(incident) if incident.open else ("", 0)
        if why != incident.untold:
            text = f"not told: {why}" if why else "told from now on"
            if incident.open:
                draft.happenings.append(Happening(identity, now_ms, Deed.HELD, text=text))
            incident = draft.incidents[identity] = self.book.untold(identity, why)
        if why:
            self._holds[identity] = why
        else:
            self._holds.pop(identity, None)
        return Seen(incident, why, until_ms)

    def _hold(self, incident: Incident) -> tuple[str, int]:
        """Why nobody is to be told of an incident now, and when to look again."""
        now_ms = self._clock.now_ms()
        members = list(self.book.members(incident.id).values())
        silence = silenced(self.silences(), incident, members, now_ms)
        if silence is not None:
            by = f" by {silence.author}" if silence.author else ""
            return f"silenced{by}: {silence.reason}", silence.ended_ms
        # One that is not told itself speaks for nobody: two that inhibit each other would both be lost.
        speakers = (one for one in self._speakers() if not self._holds.get(one.id, "").startswith(_INHIBITED))
        other = inhibited(self._config.alerting.inhibitions, incident, speakers)
        if other is not None:
            return f"{_INHIBITED}#{other.number} {other.subject}", 0
        why, until_ms = self.dependence.hold(incident, members, now_ms)
        if why:
            return why, until_ms
        until_ms = quiet_until(self._config.alerting.quiet, incident, now_ms)
        return ("quiet hours", until_ms) if until_ms else ("", 0)

    def _speakers(self) -> list[Incident]:
        """Open incidents that a rule lets speak for others."""
        rules = self._config.alerting.inhibitions
        if rules and self._sources[0] != self.book.version:
            found = [one for one in self.book.open() if any(rule.speaks(one) for rule in rules)]
            self._sources = self.book.version, found
        return self._sources[1] if rules else []

    def _tell(self, case: Case, tell: Tell, draft: _Draft, now_ms: int) -> None:
        told = self._told(case, now_ms)
        receivers = self._reachable(tell, told)
        if not told or not receivers:
            return
        notice = self._masked(compose(case, tell, told, self._sender, now_ms))
        if tell.unreached:
            notice = replace(notice, title=f"{notice.subject}: nobody could be reached")
        draft.notices.append((notice, receivers))
        whom = ", ".join(f"{name} ({tell.receivers[name]})" if tell.receivers.get(name) else name for name in receivers)
        text = f"{tell.kind.value}: {whom}"
        for incident in _news_of(self._cases[case.id], tell, told):
            draft.happenings.append(Happening(incident.id, now_ms, Deed.TOLD, text=text, notice=notice.id))
            if not incident.first_told_ms:
                draft.incidents[incident.id] = self.book.told(incident.id, now_ms)

    def _told(self, case: Case, now_ms: int) -> list[Told]:
        found = [incident for one in case.incidents if (incident := self.book.get(one)) is not None]
        if case.key:  # what is held back is not told by the way, with others
            found = [one for one in found if not self._holds.get(one.id) or one.id in case.said]
        found.sort(key=lambda one: (not one.open, bool(self._holds.get(one.id)), one.opened_ms))
        return [self._told_of(incident, now_ms, alone=not case.key) for incident in found]

    def _told_of(self, incident: Incident, now_ms: int, *, alone: bool) -> Told:
        silent = (
            [
                one.subject
                for one in self.book.open()
                if self._holds.get(one.id, "").startswith(PREFIX) and self.dependence.is_on(one, incident)
            ]
            if self._holds and alone
            else []
        )
        return Told(
            incident,
            list(self.book.members(incident.id).values()),
            self.history.recurrence(incident),
            self.changes(incident, now_ms),
            tuple(silent),
        )

    def _reachable(self, tell: Tell, told: Sequence[Told]) -> tuple[str, ...]:
        """Those receivers of a notice that there are, without the one that all of it is about."""
        checks = [one.incident.check for one in told]
        subjects = {check[len(start) :] for check in checks for start in _ABOUT_RECEIVER if check.startswith(start)}
        about = {
            name for name in subjects if all(check in [start + name for start in _ABOUT_RECEIVER] for check in checks)
        }
        there = tuple(name for name in tell.receivers if name in self._config.receivers and name not in about)
        if there or tell.kind is not NoticeKind.RESOLVED or not told:
            return there
        # Those who were told have other names now: whoever would be told instead hears of the end.
        lead = told[0].incident
        names = [name for route in self._routes(lead, routing_labels(lead)) for name in route.to]
        return tuple(name for name in dict.fromkeys(names) if name in self._config.receivers and name not in about)

    def _masked(self, notice: Notice) -> Notice:
        redact = self._redact
        return replace(
            notice,
            target=redact(notice.target),
            reason=redact(notice.reason),
            members=tuple(redact(line) for line in notice.members),
            recurrence=redact(notice.recurrence),
            changes=tuple(redact(line) for line in notice.changes),
            evidence={name: redact(text) for name, text in notice.evidence.items()},
        )

    # What people do. Each raises DeedError where it cannot be done.

    def acknowledge(self, identity: str, who: str, via: str = "") -> Act:
        return self._done(self.book.acknowledge(identity, who, self._clock.now_ms(), via))

    def acknowledge_all(self, identities: Sequence[str], who: str, via: str = "") -> Act | None:
        """Take several at once: each case is looked at when all are taken, and tells of them as one."""
        now_ms = self._clock.now_ms()
        draft = _Draft()
        for identity in identities:
            draft.change(self.book.acknowledge(identity, who, now_ms, via))
        self.history.take(draft.incidents.values())
        for case in sorted({case for identity in identities for case in self._of_incident.get(identity, ())}):
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
        targets = [line.target for case in self._of_incident.get(identity, ()) for line in self._cases[case].lines]
        if not any(target.startswith("escalation:") for target in targets):
            raise DeedError("no escalation is under way for it: no route that it took leads to one")
        change = self.book.note(identity, who, now_ms, "asked for the next step", Deed.ESCALATED)
        if change.incident.status.held:
            first = self.book.unacknowledge(identity, who, now_ms, "escalated")
            change = replace(first, happenings=(*first.happenings, *change.happenings))
        draft = _Draft()
        for case in sorted(self._of_incident.get(identity, ())):
            draft.cases[case] = hastened(self._cases[case], self.people, now_ms)
            self._keep(draft.cases[case])
        return self._done(change, draft)

    def adopt(self, filed: Filed) -> None:
        """Know an incident that ended long ago again: somebody writes about it."""
        if self.book.get(filed.incident.id) is None:
            self.book.load(filed.incident, filed.members)

    def _done(self, change: Change, draft: _Draft | None = None) -> Act:
        draft = draft or _Draft()
        draft.change(change)
        self._follow(change.incident, draft)
        for identity in sorted(self._of_incident.get(change.incident.id, ())):
            if self._cases[identity].key:  # the others were looked at
                self._advance(identity, draft)
        self._reconsider()
        act = draft.act()
        assert act is not None
        return act

    def look_again(self) -> None:
        """Something that decides who is told has changed: a silence, a shift, a deploy."""
        self._look_again(self._cases)

    def _look_again(self, cases: Iterable[str]) -> None:
        now_ms = self._clock.now_ms()
        self._wakes |= dict.fromkeys(cases, now_ms)
        self._news.set()

    def announce(self, title: str, text: str, targets: Sequence[str], link: str = "") -> Act | None:
        """Tell targets something that is about no incident."""
        now_ms = self._clock.now_ms()
        names = [name for target in targets for name in self._receivers_of(target, now_ms)]
        receivers = tuple(dict.fromkeys(name for name in names if name in self._config.receivers))
        if not receivers:
            return None
        notice = bulletin(self._redact(title), self._redact(text), self._sender, now_ms, link=link)
        return Act(notices=((notice, receivers),))

    def _receivers_of(self, target: str, now_ms: int) -> list[str]:
        if ":" not in target:
            return [target]
        users = self.people.people(target, now_ms)
        return [name for user in users for name, _ in self.people.contacts(user, Severity.TICKET)]

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
        draft = _Draft()
        for incident in list(self.book.open()):
            if incident.status is Status.SNOOZED and incident.snoozed_ms <= now_ms:
                draft.change(self.book.unacknowledge(incident.id, "", now_ms, "the snooze is over"))
                self._follow(draft.incidents[incident.id], draft)
        self._still_bad(draft, now_ms)
        for identity in [one for one, at_ms in self._wakes.items() if at_ms <= now_ms]:
            self._advance(identity, draft)
        if self._recheck_ms and now_ms >= self._recheck_ms:
            self._recheck_ms = 0
            self._dependents(draft)
        for identity in self.book.forget(now_ms - max(_KEPT_MS, round(self.book.grace * 2000))):
            self._holds.pop(identity, None)
        if now_ms - self._tidied_ms > _KEPT_MS:
            self._tidied_ms = now_ms
            self.history.forget(now_ms)
        return draft.act()

    def _still_bad(self, draft: _Draft, now_ms: int) -> None:
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
        due = [*self._wakes.values(), *([self._recheck_ms] if self._recheck_ms else ())]
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
        self._cases = {identity: shifted(case, difference) for identity, case in self._cases.items()}
        self._wakes = {identity: at_ms + difference for identity, at_ms in self._wakes.items()}
        self._opened = deque((at_ms + difference for at_ms in self._opened), maxlen=self._opened.maxlen)
        self._calm_ms += difference
        moved = self.book.shift(difference)
        self._record(Act(incidents=tuple(moved), cases=tuple(self._cases.values())))


def _news_of(before: Case, tell: Tell, told: Sequence[Told]) -> Iterable[Incident]:
    """The incidents that a notice of a case says something of; not those whose end it told before."""
    for one in told:
        said = before.said.get(one.incident.id)
        if (
            one.incident.open
            or not before.key
            or (said is not None and (tell.kind is NoticeKind.RESOLVED or said.status is not Status.RESOLVED))
        ):
            yield one.incident


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
