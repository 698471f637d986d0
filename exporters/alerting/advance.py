"""What a case has to tell now, and when to look at it again. Pure: what is known goes in, what to do comes out.

It compares what is so with what was told. So nothing is lost that happens while nobody looks, and nothing is told
twice because somebody looks again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from exporters.alerting.absence import next_look, unreached
from exporters.alerting.case import Case, Line, People, Said, Seen, Tell
from exporters.alerting.escalating import ESCALATION, Escalating
from exporters.alerting.incident import Incident, Status
from exporters.base import NoticeKind
from thresholds.base import Level

LASTS = "it lasts"  # why somebody is told again
_COMPANY_MS = 10_000  # that a change in a group waits for others: what fails together recovers together


@dataclass(frozen=True, slots=True)
class Outcome:
    """What follows."""

    case: Case
    tells: tuple[Tell, ...] = ()
    wake_ms: int = 0  # when to look again; 0: when something changes
    lapsed: tuple[str, ...] = ()  # incidents whose acknowledgement nobody has confirmed
    notes: tuple[str, ...] = ()  # for the timeline: who could not be told, and why
    unreached: tuple[str, ...] = ()  # targets that should have reached somebody, and nobody has said so yet


def advance(case: Case, seen: Sequence[Seen], people: People, now_ms: int, elsewhere: Collection[str] = ()) -> Outcome:
    """What to do about a case. `seen` are its incidents, as they are now; one that is missing is over.

    `elsewhere` are receivers that hear of all of its incidents by another case.
    """
    return _Advance(case, seen, people, now_ms, elsewhere).outcome()


class _Advance(Escalating):
    """One look at one case, and what follows."""

    def outcome(self) -> Outcome:
        case = self.case
        if case.ended:
            return Outcome(case)
        if not self.live:
            return self._ended()
        if not self.shown:
            return Outcome(replace(case, hidden_ms=case.hidden_ms or self.now_ms), wake_ms=self._wake())
        if case.hidden_ms:
            self.case = _resumed(case, self.now_ms)
        return self._looked()

    def _looked(self) -> Outcome:
        """What is to be told of what is shown."""
        case, told = self.case, self.case.receivers
        lines = tuple(self._line(line) for line in case.lines)
        news, was = self._news() if told else (None, Level.UNKNOWN)
        if news is not None and self._postponed(news):
            news = None
        fresh = {name: why for name, why in self.new.items() if name not in told}
        case = replace(case, lines=lines, pending_ms=self.pending_ms)
        if news is not None:
            case = replace(case, lines=tuple(_refreshed(line, self.now_ms) for line in case.lines))
        if news is not None or fresh:
            case = replace(case, said=self._say(case.said), told_ms=self.now_ms)
        tells = self._tells(news, was, told, fresh)
        return Outcome(
            replace(case, count=case.count + len(tells)),
            tells,
            self._wake(),
            tuple(self.lapsed),
            tuple(self.notes),
            () if case.unreached else unreached(lines, self.people),
        )

    def _tells(
        self, news: NoticeKind | None, was: Level, told: Sequence[str], fresh: Mapping[str, str]
    ) -> tuple[Tell, ...]:
        """First what is new for those who know, then that it lasts, then to those who hear of it for the first time."""
        tells = [] if news is None else [Tell(news, dict.fromkeys(told, ""), was)]
        if news is None and self.again:
            tells.append(Tell(NoticeKind.REPEATED, dict(self.again)))
        if self.asked:
            tells.append(Tell(NoticeKind.REPEATED, dict(self.asked), asks=True))
        if some := {name: why for name, why in fresh.items() if name not in self.last}:
            tells.append(Tell(NoticeKind.OPENED, some))
        if some := {name: why for name, why in fresh.items() if name in self.last}:
            tells.append(Tell(NoticeKind.OPENED, some, unreached=True))
        return tuple(tells)

    def _ended(self) -> Outcome:
        """All of it is over: whoever was told hears that."""
        case, told = self.case, self.case.receivers
        tells = (Tell(NoticeKind.RESOLVED, dict.fromkeys(told, "")),) if told else ()
        ended = replace(case, ended=True, count=case.count + len(tells), told_ms=self.now_ms if tells else case.told_ms)
        return Outcome(ended, tells)

    # What has changed for those who know of it.

    def _news(self) -> tuple[NoticeKind | None, Level]:
        """What is new since the last message, the most important of it, and the level that was told."""
        kind, was = None, Level.UNKNOWN
        for incident in self.shown:
            before = self.case.said.get(incident.id)
            if before is None:
                kind = NoticeKind.CHANGED  # another incident of the group
            elif before.status is Status.RESOLVED:
                kind, self.urgent = NoticeKind.CHANGED, True  # it has come back
            elif incident.level > before.level or (incident.level is not before.level and not incident.status.held):
                kind, was = NoticeKind.CHANGED, before.level
                self.urgent = self.urgent or not self.case.key or incident.level > before.level
            elif before.status.held is not incident.status.held or _passed_on(before, incident):
                kind = kind or self._handed(incident)
            elif incident.count >= 2 * before.count and not incident.status.held:
                kind = NoticeKind.CHANGED
        open_ids = {one.incident.id for one in self.live}
        if (
            kind is None
            and self.case.key
            and any(
                said.status is not Status.RESOLVED
                for identity, said in self.case.said.items()
                if identity not in open_ids
            )
        ):
            kind = NoticeKind.CHANGED  # one of several is over
        return kind, was

    def _handed(self, incident: Incident) -> NoticeKind:
        """Somebody takes care of an incident, or does not any more. Of a group that is a change until they have all."""
        if self._held():
            return NoticeKind.ACKNOWLEDGED
        before = [self.case.said[one.id] for one in self.shown if one.id in self.case.said]
        if incident.status.held or not all(said.status.held for said in before):
            self.urgent = True  # what somebody does is told at once
            return NoticeKind.CHANGED
        return NoticeKind.UNACKNOWLEDGED

    def _postponed(self, news: NoticeKind) -> bool:
        """Whether a message about a change comes too soon: after the last one, or before others that come with it."""
        if news is not NoticeKind.CHANGED or self.urgent:
            return False
        self.pending_ms = self.case.pending_ms or self.now_ms
        interval = max((line.interval for line in self.case.lines), default=0.0)
        due_ms = max(self.case.told_ms + round(interval * 1000), self.pending_ms + _COMPANY_MS)
        if self.now_ms >= due_ms:
            self.pending_ms = 0
            return False
        self.wakes.append(due_ms)
        return True

    def _say(self, before: Mapping[str, Said]) -> Mapping[str, Said]:
        """What receivers know of after the message."""
        said = {identity: replace(one, status=Status.RESOLVED) for identity, one in before.items()}
        for one in self.live:
            if one.incident.id in before:
                said[one.incident.id] = before[one.incident.id]
        for incident in self.shown:
            said[incident.id] = Said(incident.level, incident.status, incident.count, incident.acked_by)
        return said

    # Who is to be told, and when.

    def _line(self, line: Line) -> Line:
        if not line.begun_ms:
            line = self._begin(line)
            if not line.begun_ms:
                return line
        line = self._spared(self._pages(line))
        if self._held():
            line = replace(line, paused=True)
        elif line.paused:
            line = self._anew(line)
        else:
            line = self._arrived(line)
        if line.target.startswith(ESCALATION):
            policy = self.people.policy(line.target.removeprefix(ESCALATION))
            if policy is not None:
                line = self._escalated(line, policy)
        if line.absent and not self._held():
            self.wakes.append(next_look(self.now_ms))
        return self._repeated(line)

    def _anew(self, line: Line) -> Line:
        """Nobody takes care of it any more: it begins anew. Those who know are told that, and are not told twice."""
        line = replace(line, paused=False, again=True, since_ms=self.now_ms, step=0, reminded={}, absent=())
        if not line.target.startswith(ESCALATION) and ":" in line.target:
            line, _ = self._told(line, line.target, line.route)
        return line

    def _begin(self, line: Line) -> Line:
        due_ms = self.case.opened_ms + round(line.wait * 1000)
        if self.now_ms < due_ms:
            self.wakes.append(due_ms)
            return line
        if self._held():
            return line  # acknowledged before anybody was told: whoever did knows
        line = replace(line, begun_ms=self.now_ms, told_ms=self.now_ms, since_ms=self.now_ms)
        if line.target.startswith(ESCALATION):
            return line
        line, _ = self._told(line, line.target, line.route)
        return line

    def _repeated(self, line: Line) -> Line:
        if not line.repeat or not line.receivers or self._held():
            return line
        due_ms = line.told_ms + round(line.repeat * 1000)
        if self.now_ms < due_ms:
            self.wakes.append(due_ms)
            return line
        self.again |= {name: LASTS for name in line.receivers if name not in self.new}
        self.wakes.append(self.now_ms + round(line.repeat * 1000))
        return replace(line, told_ms=self.now_ms)


def _passed_on(before: Said, incident: Incident) -> bool:
    """Somebody else takes care of it, or puts it off now."""
    return incident.status.held and (before.status is not incident.status or before.by != incident.acked_by)


def _refreshed(line: Line, now_ms: int) -> Line:
    """A line whose receivers were told something now: the next repetition waits from now on."""
    return replace(line, told_ms=now_ms) if line.receivers else line


def _resumed(case: Case, now_ms: int) -> Case:
    """A case that was held back: what was under way goes on where it stopped, not all at once."""
    by_ms = now_ms - case.hidden_ms
    lines = tuple(
        replace(
            line,
            since_ms=line.since_ms + by_ms if line.since_ms else 0,
            told_ms=line.told_ms + by_ms if line.told_ms else 0,
            pages=tuple(replace(page, due_ms=page.due_ms + by_ms) for page in line.pages),
        )
        for line in case.lines
    )
    return replace(case, lines=lines, hidden_ms=0)


def hastened(case: Case, people: People, now_ms: int) -> Case:
    """A case whose escalations take their next step now, because somebody asked for it.

    Of one that is held back they take it when nothing holds it back any more.
    """
    # What is held back goes on from when that began: see `_resumed`.
    from_ms = case.hidden_ms or now_ms
    return replace(case, lines=tuple(_hastened(line, people, from_ms) for line in case.lines))


def _hastened(line: Line, people: People, now_ms: int) -> Line:
    if not line.target.startswith(ESCALATION) or not line.begun_ms:
        return line
    policy = people.policy(line.target.removeprefix(ESCALATION))
    if policy is None or not policy.steps:
        return line
    line = replace(line, paused=False, again=True)
    if line.step >= len(policy.steps):
        return replace(line, round=line.round + 1, step=0, since_ms=now_ms)
    return replace(line, since_ms=now_ms - round(policy.steps[line.step].after * 1000))


def joined(case: Case, incident: Incident, lines: Iterable[Line]) -> Case:
    """A case with one more incident, or one more way to tell of it."""
    known = {(line.target, line.route) for line in case.lines}
    more = tuple(line for line in lines if (line.target, line.route) not in known)
    incidents = case.incidents if incident.id in case.incidents else (*case.incidents, incident.id)
    return replace(case, incidents=incidents, lines=(*case.lines, *more), ended=False)
