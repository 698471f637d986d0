"""What need not be said any more: of one incident, what came last says it all; and nothing overtakes anything."""

from __future__ import annotations

from dataclasses import replace

import pytest

from exporters.base import NoticeKind
from probe.engine.merging import letters
from probe.store.deliveries import Delivery
from tests.engine.test_deliver import notice
from thresholds.base import Level

DOWN, SLOW = Level.DOWN, Level.DEGRADED


def queue(*kinds: str, incident: str = "a@1") -> list[Delivery]:
    return [Delivery(notice(kind, incident, number), "chat") for number, kind in enumerate(kinds)]


def sent(waiting: list[Delivery], told: set[str]) -> list[str]:
    """What is sent, one after the other, when each is taken: kind and number of each notice."""
    heard = []
    left = list(waiting)
    while left:
        letter = next(letters(left, told))
        one = letter.delivery.notice
        heard.append(f"{one.kind} {one.id.rpartition('-')[2]}")
        gone = {letter.delivery.notice.id, *(other.notice.id for other in letter.superfluous)}
        left = [other for other in left if other.notice.id not in gone]
        told = told | {one.incident} if one.firing else told - {one.incident}
    return heard


@pytest.mark.parametrize(
    ("kinds", "known", "wanted"),
    [
        ("opened", False, ["opened 0"]),
        ("opened changed", False, ["opened 1"]),  # as it stands now, by the id of what came last
        ("opened acknowledged", False, ["opened 1"]),
        ("opened changed acknowledged repeated", False, ["opened 3"]),
        ("opened resolved", False, ["passed 1"]),
        ("opened acknowledged resolved", False, ["passed 2"]),
        ("opened resolved opened", False, ["passed 1", "opened 2"]),  # it began anew
        ("opened resolved opened resolved", False, ["passed 1", "passed 3"]),
        ("changed changed changed", True, ["changed 2"]),
        ("repeated repeated", True, ["repeated 1"]),
        ("changed repeated", True, ["changed 1"]),  # of a change that was not told yet
        ("acknowledged resolved", True, ["resolved 1"]),
        ("acknowledged unacknowledged", True, ["unacknowledged 1"]),
        ("acknowledged unacknowledged acknowledged", True, ["acknowledged 2"]),
        ("changed acknowledged", True, ["changed 0", "acknowledged 1"]),
        ("changed acknowledged changed", True, ["acknowledged 1", "changed 2"]),
        ("repeated acknowledged resolved", True, ["resolved 2"]),
        ("acknowledged", False, ["acknowledged 0"]),  # who was not told of the beginning
        ("changed resolved", False, ["passed 1"]),
        ("bulletin bulletin", False, ["bulletin 0", "bulletin 1"]),
    ],
)
def test_what_is_told_of_what_waits(kinds: str, known: bool, wanted: list[str]) -> None:
    assert sent(queue(*kinds.split()), {"a@1"} if known else set()) == wanted


def test_an_opening_that_waited_tells_how_it_stands_now() -> None:
    first = replace(notice("opened", level=SLOW), evidence={"http.status": "503"}, reason="slow")
    last = replace(notice("acknowledged", number=1, level=DOWN), acked_by="ana", reason="status 503")
    (letter,) = letters([Delivery(first, "chat"), Delivery(last, "chat")], set())
    told = letter.delivery.notice
    assert (told.kind, told.level, told.acked_by, told.reason) == (NoticeKind.OPENED, DOWN, "ana", "status 503")
    assert dict(told.evidence) == {"http.status": "503"}
    assert told.id == last.id


@pytest.mark.parametrize(
    ("levels", "was"),
    [((DOWN, SLOW, DOWN), SLOW), ((DOWN, SLOW), Level.UNKNOWN), ((SLOW, DOWN), SLOW)],
)
def test_changes_that_waited_are_one_from_what_was_told_before(levels: tuple[Level, ...], was: Level) -> None:
    """It was DEGRADED when the receiver was told last."""
    before, waiting = SLOW, []
    for number, level in enumerate(levels):
        waiting.append(Delivery(replace(notice("changed", number=number, level=level), was=before), "chat"))
        before = level
    (letter,) = letters(waiting, {"a@1"})
    assert (letter.delivery.notice.level, letter.delivery.notice.was) == (levels[-1], was)


def test_the_worst_of_an_outage_is_told_and_not_of_the_next_one() -> None:
    waiting = queue("opened", "changed", "resolved", "opened")
    levels = (SLOW, SLOW, SLOW, DOWN)
    waiting = [
        replace(one, notice=replace(one.notice, level=level)) for one, level in zip(waiting, levels, strict=True)
    ]
    letter = next(letters(waiting, set()))
    assert letter.delivery.notice.level is SLOW


def test_incidents_take_their_turns_in_the_order_in_which_they_came() -> None:
    waiting = [*queue("opened", incident="a@1"), *queue("opened", "resolved", incident="b@2"), *queue("bulletin")]
    told = [(one.delivery.notice.kind.value, one.delivery.notice.incident) for one in letters(waiting, set())]
    assert told == [("opened", "a@1"), ("passed", "b@2"), ("bulletin", "a@1")]
