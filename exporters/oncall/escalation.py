"""Escalation: who is told next while nobody acknowledges. Pure."""

from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class Step:
    """Who is told, and how long after the round began."""

    notify: tuple[str, ...]  # targets: chat, user:ana, rotation:primary, schedule:prodops
    after: float = 0.0  # s since the incident was first told in this round
    multi_ack: bool = False  # an acknowledgement by one leaves the others of it to be told


@dataclass(frozen=True, slots=True)
class AckUpkeep:
    """What becomes of an acknowledgement while the incident lasts. 0: never."""

    remind: float = 0.0  # s between reminders
    unack_after: float = 0.0  # s after a reminder that nobody answers: it is taken back


@dataclass(frozen=True, slots=True)
class Due:
    """A step in its round, and how long after the incident was first told it comes."""

    after: float  # s
    round: int  # 0: the first
    number: int  # of the step; 0: the first
    step: Step


@dataclass(frozen=True, slots=True)
class EscalationPolicy:
    """Steps in order, and how often all of them are gone through again."""

    name: str
    steps: tuple[Step, ...]
    repeat: int = 0  # rounds after the first
    again: float = 1800.0  # s from the last step of a round to the first of the next
    ack: AckUpkeep = field(default_factory=AckUpkeep)

    @property
    def round_length(self) -> float:
        """Seconds from the beginning of one round to that of the next."""
        return max((step.after for step in self.steps), default=0.0) + self.again

    def timeline(self) -> tuple[Due, ...]:
        """Every step of every round, in order."""
        return tuple(
            Due(self.round_length * turn + step.after, turn, number, step)
            for turn in range(self.repeat + 1)
            for number, step in enumerate(self.steps)
        )
