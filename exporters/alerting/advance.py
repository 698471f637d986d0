"""What a case has to tell now, and when to look at it again. Pure: what is known goes in, what to do comes out.

It compares what is so with what was told. So nothing is lost that happens while nobody looks, and nothing is told
twice because somebody looks again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from checks.core.units import format_duration
from exporters.alerting.absence import looked_for, next_look, unreached
from exporters.alerting.case import Case, Line, Page, People, Said, Seen, Tell
from exporters.alerting.incident import Incident, Severity, Status
from exporters.base import NoticeKind
from exporters.oncall.escalation import EscalationPolicy, Step
from thresholds.base import Level

LASTS = "it lasts"  # why somebody is told again
_ESCALATION = "escalation:"
_COMPANY_MS = 10_000  # that a change in a group waits for others: what fails together recovers together
_LATE_MS = 60_000  # by which a step comes late before it is worth a line
_MOST_STEPS = 100  # taken in one go: a policy without delays must end


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


class _Advance:
    """One look at one case."""

    def __init__(
        self, case: Case, seen: Sequence[Seen], people: People, now_ms: int, elsewhere: Collection[str]
    ) -> None:
        self.case = case
        self.elsewhere = elsewhere
        self.people = people
        self.now_ms = now_ms
        self.live = [one for one in seen if one.incident.open]
        self.shown = [one.incident for one in self.live if not one.hold]
        self.new: dict[str, str] = {}  # why, by receiver that hears of it for the first time
        self.again: dict[str, str] = {}  # ... that hears that it lasts
        self.asked: dict[str, str] = {}  # ... that is asked whether an acknowledgement still holds
        self.last: set[str] = set()  # of the new those who hear of it because nobody else could be told
        self.wakes = [one.until_ms for one in self.live if one.hold and one.until_ms]
        self.lapsed: list[str] = []
        self.notes: list[str] = []
        self.urgent = False  # what is new does not wait for others
        self.pending_ms = 0

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

    @property
    def _severity(self) -> Severity:
        return max((incident.severity for incident in self.shown), key=lambda one: one.rank)

    def _held(self) -> bool:
        """Somebody takes care of all of it."""
        return all(incident.status.held for incident in self.shown)

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
        if line.target.startswith(_ESCALATION):
            policy = self.people.policy(line.target.removeprefix(_ESCALATION))
            if policy is not None:
                line = self._escalated(line, policy)
        if line.absent and not self._held():
            self.wakes.append(next_look(self.now_ms))
        return self._repeated(line)

    def _anew(self, line: Line) -> Line:
        """Nobody takes care of it any more: it begins anew. Those who know are told that, and are not told twice."""
        line = replace(line, paused=False, again=True, since_ms=self.now_ms, step=0, reminded={}, absent=())
        if not line.target.startswith(_ESCALATION) and ":" in line.target:
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
        if line.target.startswith(_ESCALATION):
            return line
        line, _ = self._told(line, line.target, line.route)
        return line

    def _told(self, line: Line, target: str, why: str, *, alone: bool = False) -> tuple[Line, bool]:
        """A line with its target told; and whether there was anybody to tell."""
        if ":" not in target:
            return self._tell(line, target, why), True
        line, reached = self._people(line, target, why, alone=alone)
        if not reached:
            self.notes.append(f"nobody to tell in {target}")
        return looked_for(line, target, why, alone=alone, reached=reached), reached

    def _arrived(self, line: Line) -> Line:
        """Those who were not there when it was their turn, and are now."""
        for one in line.absent:
            late = f"{one.why}: nobody was there when it was due"
            line, reached = self._people(line, one.target, late, alone=one.alone)
            line = looked_for(line, one.target, one.why, alone=one.alone, reached=reached)
        return line

    def _people(self, line: Line, target: str, why: str, *, alone: bool) -> tuple[Line, bool]:
        reached = False
        pages = list(line.pages)
        for user in self.people.people(target, self.now_ms):
            reason = ", ".join(part for part in (_on_call(target), why) if part)
            for receiver, after in self.people.contacts(user, self._severity):
                reached = True
                if after <= 0:
                    line = self._tell(line, receiver, reason)
                else:
                    pages.append(Page(self.now_ms + round(after * 1000), receiver, reason, alone, user))
                    self.wakes.append(pages[-1].due_ms)
        return replace(line, pages=tuple(pages)), reached

    def _tell(self, line: Line, receiver: str, why: str) -> Line:
        if receiver in self.case.receivers or receiver in self.new:
            if receiver not in self.new and (line.round or line.again):
                self.again[receiver] = why
        elif receiver in self.elsewhere and not (line.round or line.again):
            return replace(line, spared=tuple(dict.fromkeys((*line.spared, receiver))))
        else:
            self.new[receiver] = why
            if line.last:
                self.last.add(receiver)
        if receiver in line.receivers:
            return line
        return replace(line, receivers=(*line.receivers, receiver))

    def _spared(self, line: Line) -> Line:
        """Those who heard of all of it by another digest, and do not any more."""
        for receiver in line.spared if not self._held() else ():
            if receiver not in self.elsewhere:
                line = replace(line, spared=tuple(name for name in line.spared if name != receiver))
                line = self._tell(line, receiver, line.route)
        return line

    def _pages(self, line: Line) -> Line:
        """Those who are told some time after the others."""
        waiting = []
        pages, line = line.pages, replace(line, pages=())
        ackers = {incident.acked_by for incident in self.shown if incident.status.held}
        for page in pages:
            if self._held() and (not page.alone or page.person in ackers):
                continue
            if self.now_ms < page.due_ms:
                waiting.append(page)
                self.wakes.append(page.due_ms)
            else:
                line = self._tell(line, page.receiver, page.why)
        return replace(line, pages=(*waiting, *line.pages))

    def _escalated(self, line: Line, policy: EscalationPolicy) -> Line:
        if self._held():
            return self._reminded(line, policy)
        for _ in range(_MOST_STEPS):
            due_ms = self._due(line, policy)
            if due_ms is None:
                break
            if self.now_ms < due_ms:
                self.wakes.append(due_ms)
                break
            line = self._stepped(self._late(line, policy, due_ms), policy)
        return line

    def _late(self, line: Line, policy: EscalationPolicy, due_ms: int) -> Line:
        """A step that nobody took when it was due moves those after it along: people get the time that was promised.

        Only while nothing ran, or for that long, does a step come late.
        """
        late_ms = self.now_ms - due_ms
        if late_ms >= _LATE_MS:
            what = f"step {line.step + 1}" if line.step < len(policy.steps) else "another round"
            late = format_duration(float(late_ms // 60_000 * 60))
            ago = f"{what} of {policy.name} was due {late} ago, when nothing ran"
            self.notes.append(f"{ago}: what comes after it waits from now on")
        return replace(line, since_ms=line.since_ms + late_ms)

    def _due(self, line: Line, policy: EscalationPolicy) -> int | None:
        """When the next step is due; None after the last."""
        if line.step < len(policy.steps):
            return line.since_ms + round(policy.steps[line.step].after * 1000)
        if line.round >= policy.repeat or not policy.steps:
            return None
        return line.since_ms + round((policy.steps[-1].after + policy.again) * 1000)

    def _stepped(self, line: Line, policy: EscalationPolicy) -> Line:
        if line.step >= len(policy.steps):
            return replace(line, round=line.round + 1, step=0, since_ms=self.now_ms)
        step = policy.steps[line.step]
        why = f"step {line.step + 1} of {line.target.removeprefix(_ESCALATION)}"
        line, reached = self._all(line, step, why)
        line = replace(line, step=line.step + 1, told_ms=self.now_ms)
        if not reached and line.step < len(policy.steps):
            # Nobody is there: the next ones are told at once.
            after = policy.steps[line.step].after
            line = replace(line, since_ms=min(line.since_ms, self.now_ms - round(after * 1000)))
        return line

    def _all(self, line: Line, step: Step, why: str) -> tuple[Line, bool]:
        any_reached = False
        for target in step.notify:
            line, reached = self._told(line, target, why, alone=step.multi_ack)
            any_reached = any_reached or reached
        return line, any_reached

    def _reminded(self, line: Line, policy: EscalationPolicy) -> Line:
        """Whoever acknowledged is asked now and then whether that still holds."""
        if not policy.ack.remind:
            return line
        reminded: dict[str, int] = {}
        for incident in self.shown:
            if incident.status is Status.ACKNOWLEDGED and (at_ms := self._asked(incident, line, policy)):
                reminded[incident.id] = at_ms
        return replace(line, reminded=reminded) if reminded != line.reminded else line

    def _asked(self, incident: Incident, line: Line, policy: EscalationPolicy) -> int:
        """When whoever has an incident was asked about it last, which may be now; 0: not yet."""
        asked = line.reminded.get(incident.id, 0)
        asked = asked if asked > incident.acked_ms else 0
        since_ms = asked or incident.acked_ms
        if asked and policy.ack.unack_after:
            due_ms = asked + round(policy.ack.unack_after * 1000)
            if self.now_ms < due_ms:
                self.wakes.append(due_ms)
                return asked
            if self.now_ms - due_ms < _LATE_MS:
                self.lapsed.append(incident.id)
                return asked
            since_ms = 0  # while nothing ran nobody could answer: they are asked again
        due_ms = since_ms + round(policy.ack.remind * 1000)
        if self.now_ms < due_ms:
            self.wakes.append(due_ms)
            return asked
        self.asked |= self._reminder(incident, line)
        self.wakes.append(self.now_ms + round((policy.ack.unack_after or policy.ack.remind) * 1000))
        return self.now_ms

    def _reminder(self, incident: Incident, line: Line) -> dict[str, str]:
        """Why, by receiver that asks whoever acknowledged: at home; else where it was done; else where it was told."""
        lasts = "it lasts: acknowledge it again, or it goes on"
        if ways := self.people.contacts(incident.acked_by, self._severity):
            return {receiver: f"you have acknowledged it, and {lasts}" for receiver, _ in ways}
        there = (incident.acked_via,) if incident.acked_via else line.receivers
        return dict.fromkeys(there, f"{incident.acked_by} has acknowledged it, and {lasts}")

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

    def _wake(self) -> int:
        return min((at_ms for at_ms in self.wakes if at_ms > self.now_ms), default=0)


def _passed_on(before: Said, incident: Incident) -> bool:
    """Somebody else takes care of it, or puts it off now."""
    return incident.status.held and (before.status is not incident.status or before.by != incident.acked_by)


def _on_call(target: str) -> str:
    kind, _, name = target.partition(":")
    return {"user": "", "rotation": f"on duty in {name}", "schedule": f"on call in {name}"}.get(kind, "")


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
    if not line.target.startswith(_ESCALATION) or not line.begun_ms:
        return line
    policy = people.policy(line.target.removeprefix(_ESCALATION))
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
