"""What is said of incidents, to whom of those that are to be told, and what their timelines say of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace

from exporters.alerting.book import Book
from exporters.alerting.case import Case, People, Tell
from exporters.alerting.compose import Sender, Told, bulletin, compose
from exporters.alerting.history import History
from exporters.alerting.incident import (
    Deed,
    Happening,
    Incident,
    Severity,
    Status,
    routing_labels,
)
from exporters.base import Notice, NoticeKind
from exporters.route import Route, chosen
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.cases import Cases
from probe.engine.draft import Draft
from probe.engine.holds import Holds
from probe.engine.notices import SELF
from probe.store.base import Act

_ABOUT_RECEIVER = (f"{SELF}receiver/", f"{SELF}delivery/")


class Telling:
    """What there is to be told of: incidents, their history, why some are held back, and changes nearby."""

    def __init__(
        self, config: Config, clock: Clock, people: People, redact: Callable[[str], str] = lambda text: text
    ) -> None:
        self._config = config
        self._clock = clock
        self.people = people
        self._redact = redact
        self.book = Book(config.alerting.grace)
        self.history = History()
        self._cases = Cases()
        self.held = Holds(clock)
        self.changes: Callable[[Incident, int], tuple[str, ...]] = lambda _incident, _now_ms: ()
        self._sender = Sender(config.instance, config.url)

    def _tell(self, case: Case, tell: Tell, draft: Draft, now_ms: int) -> None:
        told = self._told(case, now_ms)
        receivers = self._reachable(tell, told)
        if not told or not receivers:
            return
        notice = self._masked(compose(case, tell, told, self._sender, now_ms))
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
            found = [one for one in found if not self.held.why(one.id) or one.id in case.said]
        found.sort(key=lambda one: (not one.open, bool(self.held.why(one.id)), one.opened_ms))
        return [self._told_of(incident, now_ms, alone=not case.key) for incident in found]

    def _told_of(self, incident: Incident, now_ms: int, *, alone: bool) -> Told:
        return Told(
            incident,
            list(self.book.members(incident.id).values()),
            self.history.recurrence(incident),
            self.changes(incident, now_ms),
            tuple(self.held.behind(incident, self.book) if alone else ()),
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

    def _routes(self, incident: Incident, labels: Mapping[str, str]) -> list[Route]:
        if incident.check.startswith(SELF) and incident.type != "slo" and self._config.self_route:
            return [Route(tuple(self._config.self_route), name="alerts.self")]
        began_ms = incident.spell_ms or incident.detected_ms
        return chosen(self._config.routes, labels, incident.worst, began_ms)

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
