"""What becomes of incidents: who is to be told of each, when, and what holds it back. Decides; never waits."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from exporters.alerting.absence import last_resort
from exporters.alerting.advance import advance, joined
from exporters.alerting.case import Case, Line, People, Seen
from exporters.alerting.incident import (
    Deed,
    Happening,
    Incident,
    routing_labels,
)
from exporters.alerting.storm import covered, digest_of, storm_of
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.draft import Draft
from probe.engine.resort import nobody, resort
from probe.engine.storms import Storms
from probe.engine.telling import Telling

log = logging.getLogger("probe.engine.dispatch")

_SOON_MS = 250  # for which what happens at once is gathered
_STORM_WAIT = 10.0  # s: a storm's first message tells of more than one


class Deciding(Telling):
    """The cases that incidents are told by, looked at whenever something about them changes."""

    def __init__(
        self, config: Config, clock: Clock, people: People, redact: Callable[[str], str] = lambda text: text
    ) -> None:
        super().__init__(config, clock, people, redact)
        self._storms = Storms()
        self._recheck_ms = 0  # when to see whether what is held back may be told now, or the other way round; 0: never
        self._news = asyncio.Event()

    def cases(self) -> Sequence[Case]:
        return self._cases.all()

    def holds(self, identity: str) -> str:
        """Why nobody is told of an incident now; "" where they are."""
        return self.held.why(identity)

    def still(self, case: str) -> bool:
        """Whether what a case tells of still lasts."""
        return case in self._cases

    def _follow(self, incident: Incident, draft: Draft) -> None:
        """Tell of an incident as it is now, whoever is to be told."""
        self.history.take([incident])
        if incident.open:
            self._route(incident, draft)
        for case in self._cases.of(incident.id):
            if case.key:
                # What comes at once is looked at once: thousands of checks fail together.
                self._cases.wake_by(case, self._clock.now_ms() + _SOON_MS)
            else:
                self._advance(case.id, draft)
        self._news.set()

    def _reconsider(self) -> None:
        if self.held and not self._recheck_ms:
            self._recheck_ms = self._clock.now_ms() + _SOON_MS
            self._news.set()

    def _dependents(self, draft: Draft) -> None:
        """What is held back because of others may be told now, or the other way round."""
        for identity in self.held.held():
            incident = self.book.get(identity)
            if incident is not None and self._hold(incident)[0] != self.held.why(identity):
                for case in self._cases.of(identity):
                    self._advance(case.id, draft)

    def look_again(self) -> None:
        """Something that decides who is told has changed: a silence, a shift, a deploy."""
        self._cases.wake(self._cases.all(), self._clock.now_ms())
        self._news.set()

    # Who is told.

    def _route(self, incident: Incident, draft: Draft, labels: Mapping[str, str] | None = None) -> None:
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

    def _join(
        self,
        key: str,
        labels: Mapping[str, str],
        incident: Incident,
        lines: Sequence[Line],
        stormy: str,
        draft: Draft,
    ) -> None:
        case = self._cases.get(stormy) if stormy else self._cases.group(key) if key else self._cases.get(incident.id)
        if case is None:
            now_ms = self._clock.now_ms()
            identity = incident.id if not key else stormy or f"{key}@{now_ms}"
            check = incident.check if key else ""
            case = Case(identity, now_ms, (), key=key, labels=labels, check=check, digest=bool(stormy))
        new = joined(case, incident, lines)
        if new is not case and new != self._cases.get(new.id):
            self._cases.keep(new)
            draft.cases[new.id] = new

    def _storm_of(self, incident: Incident, now_ms: int) -> str:
        """The storm that a new incident is part of; "" in calm, and for one that is told by itself already."""
        if known := self._cases.of(incident.id):
            return next((storm_of(one.id) for one in known if one.digest), "")
        return self._storms.now(self._config.alerting.storm_over, now_ms)

    def _advance(self, identity: str, draft: Draft) -> None:
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
        self._cases.keep(outcome.case)
        if outcome.wake_ms and not outcome.case.ended:
            self._cases.wakes[identity] = outcome.wake_ms
        else:
            self._cases.wakes.pop(identity, None)
        if outcome.case != case:
            draft.cases[identity] = outcome.case
        if outcome.unreached:
            self._resort(outcome.case, outcome.unreached, draft, now_ms)

    def _elsewhere(self, case: Case) -> frozenset[str]:
        """Receivers that hear of all of a digest by another of the same storm."""
        others = [one for one in self._cases.of(case.incidents[0]) if one.id != case.id]
        return covered(case, others) if case.digest else frozenset()

    def _note(self, case: Case, text: str, draft: Draft, now_ms: int) -> None:
        """Say in the timelines of a case's incidents who was not told, and why."""
        for incident in self._open_of(case):
            draft.happenings.append(Happening(incident.id, now_ms, Deed.HELD, text=text))

    def _open_of(self, case: Case) -> list[Incident]:
        found = (self.book.get(one) for one in case.incidents)
        return [one for one in found if one is not None and one.open and not one.untold]

    def _resort(self, case: Case, unreached: Sequence[str], draft: Draft, now_ms: int) -> None:
        """Nobody is there: whoever is told then is, once."""
        why = nobody(self._open_of(case), unreached)
        log.error("%s", why)
        targets = resort(self._config, {line.target for line in case.lines}, now_ms)
        whom = f"in their place {', '.join(targets)}" if targets else "name somebody under alerts.self"
        self._note(case, f"{why}; {whom}", draft, now_ms)
        case = replace(case, unreached=True, lines=(*case.lines, *last_resort(targets, why)))
        draft.cases[case.id] = case
        self._cases.keep(case)
        self._advance(case.id, draft)

    def _seen(self, identity: str, draft: Draft, now_ms: int) -> Seen:
        incident = self.book.get(identity)
        assert incident is not None
        why, until_ms = self._hold(incident) if incident.open else ("", 0)
        if why != incident.untold:
            text = f"not told: {why}" if why else "told from now on"
            if incident.open:
                draft.happenings.append(Happening(identity, now_ms, Deed.HELD, text=text))
            incident = draft.incidents[identity] = self.book.untold(identity, why)
        self.held.keep(identity, why)
        return Seen(incident, why, until_ms)

    def _hold(self, incident: Incident) -> tuple[str, int]:
        """Why nobody is to be told of an incident now, and when to look again."""
        return self.held.decide(incident, self.book, self._config.alerting, self._clock.now_ms())
