"""Escalations of a case: steps that are due, rounds, and whoever acknowledged, who is asked again. Pure."""

from __future__ import annotations

from dataclasses import replace

from checks.core.units import format_duration
from exporters.alerting.case import Line
from exporters.alerting.incident import Incident, Status
from exporters.alerting.look import Look
from exporters.oncall.escalation import EscalationPolicy, Step

ESCALATION = "escalation:"
_LATE_MS = 60_000  # by which a step comes late before it is worth a line
_MOST_STEPS = 100  # taken in one go: a policy without delays must end


class Escalating(Look):
    """A look that takes the steps of escalations."""

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
        why = f"step {line.step + 1} of {line.target.removeprefix(ESCALATION)}"
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
