"""One look at one case: what is shown of it, whom a target means, and who is to be told of it. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from exporters.alerting.absence import looked_for
from exporters.alerting.case import Case, Line, Page, People, Seen
from exporters.alerting.incident import Severity


class Look:
    """What is gathered while a case is looked at: who is to be told, and when to look again."""

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

    @property
    def _severity(self) -> Severity:
        return max((incident.severity for incident in self.shown), key=lambda one: one.rank)

    def _held(self) -> bool:
        """Somebody takes care of all of it."""
        return all(incident.status.held for incident in self.shown)

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

    def _wake(self) -> int:
        return min((at_ms for at_ms in self.wakes if at_ms > self.now_ms), default=0)


def _on_call(target: str) -> str:
    kind, _, name = target.partition(":")
    return {"user": "", "rotation": f"on duty in {name}", "schedule": f"on call in {name}"}.get(kind, "")
