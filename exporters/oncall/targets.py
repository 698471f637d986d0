"""Targets: who is told, as text. `chat` is a receiver; `user:ana`, `rotation:primary`, `schedule:night` are people."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class TargetKind(StrEnum):
    RECEIVER = ""
    USER = "user"
    ROTATION = "rotation"
    SCHEDULE = "schedule"
    ESCALATION = "escalation"


PEOPLE = (TargetKind.USER, TargetKind.ROTATION, TargetKind.SCHEDULE)


@dataclass(frozen=True, slots=True)
class Target:
    kind: TargetKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.kind else self.name


def parse_target(text: str) -> Target:
    """What a text leads to. One of no kind that there is, is taken for the name of a receiver."""
    kind, colon, name = text.strip().partition(":")
    if colon and kind in set(TargetKind) - {TargetKind.RECEIVER}:
        return Target(TargetKind(kind), name.strip())
    return Target(TargetKind.RECEIVER, text.strip())
