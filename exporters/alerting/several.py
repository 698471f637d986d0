"""Several incidents acknowledged as one: which of them are to be had, and what became of each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from exporters.alerting.incident import Incident, Status


class Fate(StrEnum):
    """What becomes of one of several incidents that somebody wants to take."""

    TAKEN = "acknowledged"
    HELD = "held"  # somebody else takes care of it, or puts it off
    OVER = "over"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one incident. `incident` is how it stands then; None where nothing but its number is known."""

    number: int
    fate: Fate
    incident: Incident | None = None


Wanted = Callable[[Incident], bool]


def fates(numbers: Sequence[int], known: Mapping[int, Incident], wanted: Wanted, missing: Fate) -> list[Outcome]:
    """What would become of each, in order and once: those that are open and `wanted` are to be had."""
    return [_fate(number, known.get(number), wanted, missing) for number in dict.fromkeys(numbers)]


def _fate(number: int, incident: Incident | None, wanted: Wanted, missing: Fate) -> Outcome:
    if incident is None:
        return Outcome(number, missing)
    if not incident.open:
        return Outcome(number, Fate.OVER, incident)
    return Outcome(number, Fate.TAKEN if wanted(incident) else Fate.HELD, incident)


def free(taker: Callable[[Incident], str]) -> Wanted:
    """Those that nobody has, and those that whoever asks has already: that confirms them."""

    def wanted(incident: Incident) -> bool:
        mine = incident.acked_by == taker(incident)
        return incident.status is Status.TRIGGERED or (incident.status is Status.ACKNOWLEDGED and mine)

    return wanted


def anyhow(_incident: Incident) -> bool:
    """Whoever names them takes them, also from somebody else, as one by one."""
    return True
