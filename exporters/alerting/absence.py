"""Targets that had nobody when it was their turn: who comes later is told, and who is told that nobody was. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from exporters.alerting.case import Absent, Line, People

_LOOK_MS = 60_000  # shifts begin on full minutes
_ESCALATION = "escalation:"


def looked_for(line: Line, target: str, why: str, *, alone: bool, reached: bool) -> Line:
    """A line that remembers whom it did not find, and forgets it once there is somebody."""
    others = tuple(one for one in line.absent if one.target != target)
    return replace(line, absent=others if reached else (*others, Absent(target, why, alone)))


def next_look(now_ms: int) -> int:
    """When somebody may have come on duty."""
    return (now_ms // _LOOK_MS + 1) * _LOOK_MS


def unreached(lines: Sequence[Line], people: People) -> tuple[str, ...]:
    """Targets that should have reached somebody and have reached nobody; () where all is as it should be.

    An escalation is there to reach a person, whatever else a route leads to: it is one as soon as all of its steps have
    found nobody. Other people are some only where nobody at all was told.
    """
    empty = [line for line in lines if line.absent and not (line.receivers or line.spared or line.pages)]
    if len(empty) == len(lines):
        return tuple(line.target for line in empty)
    return tuple(line.target for line in empty if _through(line, people))


def _through(line: Line, people: People) -> bool:
    policy = people.policy(line.target.removeprefix(_ESCALATION)) if line.target.startswith(_ESCALATION) else None
    return policy is not None and line.step >= len(policy.steps)


def last_resort(targets: Sequence[str], why: str) -> list[Line]:
    """Lines to those who are told because nobody else could be."""
    return [Line(target, why, last=True) for target in targets]
