"""What need not be said any more, because what came after it says it too. Pure.

Nothing overtakes anything of its own incident, and nothing is left out but what a later notice tells.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from dataclasses import dataclass, replace

from exporters.base import Notice, NoticeKind
from probe.store.deliveries import Delivery
from thresholds.base import Level

ENDS = frozenset((NoticeKind.RESOLVED, NoticeKind.PASSED))
# Of each of these the last one tells it all.
_STATES = frozenset((NoticeKind.CHANGED, NoticeKind.REPEATED))
_KEEPERS = frozenset((NoticeKind.ACKNOWLEDGED, NoticeKind.UNACKNOWLEDGED))


@dataclass(frozen=True, slots=True)
class Letter:
    """What to send, and the deliveries that it makes superfluous once it is taken."""

    delivery: Delivery
    superfluous: Sequence[Delivery] = ()


def letters(queue: Sequence[Delivery], told: Container[str]) -> Iterator[Letter]:
    """What could be sent next, one letter for each incident, in the order in which the incidents wait.

    `told` are the incidents that the receiver knows of.
    """
    seen = set()
    for head in queue:
        if head.notice.kind is NoticeKind.BULLETIN:
            yield Letter(head)
        elif head.notice.incident not in seen:
            seen.add(head.notice.incident)
            yield _letter([one for one in queue if _about(one, head.notice.incident)], head.notice.incident in told)


def _about(delivery: Delivery, incident: str) -> bool:
    return delivery.notice.incident == incident and delivery.notice.kind is not NoticeKind.BULLETIN


def _letter(same: Sequence[Delivery], told: bool) -> Letter:
    """The first thing to be said of an incident; `same` is what waits to be."""
    for index, delivery in enumerate(same):
        if delivery.notice.kind in ENDS:
            return _ended(same[: index + 1], told)
    if same[0].notice.kind is NoticeKind.OPENED:
        return _opened(same)
    family = next((one for one in (_STATES, _KEEPERS) if same[0].notice.kind in one), frozenset())
    return _latest([one for one in same if one.notice.kind in family], same)


def _ended(same: Sequence[Delivery], told: bool) -> Letter:
    """An outage that ended before the receiver took any notice of it is told as one message; else by its end alone."""
    kind = NoticeKind.RESOLVED if told else NoticeKind.PASSED
    worst = max(delivery.notice.level for delivery in same)
    end = same[-1]
    return Letter(replace(end, notice=replace(end.notice, kind=kind, level=worst)), same[:-1])


def _opened(same: Sequence[Delivery]) -> Letter:
    """An incident that nobody was told of yet is told as it stands now: how bad it is, and who takes care of it.

    By the id of what came last: the opening may have been taken already, just before a crash.
    """
    last = same[-1].notice
    evidence = last.evidence or next((one.notice.evidence for one in same if one.notice.evidence), last.evidence)
    notice = replace(last, kind=NoticeKind.OPENED, was=Level.UNKNOWN, evidence=evidence)
    return Letter(replace(same[-1], notice=notice), same[:-1])


def _latest(family: Sequence[Delivery], same: Sequence[Delivery]) -> Letter:
    """The last of a family, unless something else of the incident would have to be said before it."""
    if len(family) < 2:
        return Letter(same[0])
    last = family[-1]
    between = [one for one in same[: same.index(last)] if one not in family]
    if between:  # what was decided before it goes first; what it makes superfluous waits with it
        return Letter(between[0])
    return Letter(replace(last, notice=_changed(family)), family[:-1])


def _changed(family: Sequence[Delivery]) -> Notice:
    """The last notice; as a change from what the receiver was told before, where one of them was a change."""
    last = family[-1].notice
    changes = [one.notice for one in family if one.notice.kind is NoticeKind.CHANGED]
    if not changes:
        return last
    was = changes[0].was
    return replace(last, kind=NoticeKind.CHANGED, was=was if was is not last.level else Level.UNKNOWN)
