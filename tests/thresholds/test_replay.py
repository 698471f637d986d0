"""Replays of hand-made runs, and real outages as they are found in runs alone."""

import pytest

from checks.core.result import Failure, FailureKind, Result
from thresholds.base import Event, Level, Policy, Threshold
from thresholds.replay import REMOVED, Failing, Replay, replay
from thresholds.spans import Spans

MINUTE = 60_000
FAILURES = {
    "x": Failure(FailureKind.CONNECT, "connect", "connection refused"),
    "o": Failure(FailureKind.LOCAL, "", "no descriptors left"),
}


def runs(text: str, at: int = 0) -> list[Result]:
    """A run a minute: `.` good, `s` slow, `x` failed, `o` failed through us, blank none."""
    return [
        Result("a", (at + place) * MINUTE, 0.9 if fate == "s" else 0.1, failure=FAILURES.get(fate))
        for place, fate in enumerate(text)
        if fate != " "
    ]


def found(text: str, least: float = 300.0, planned: Spans = ()) -> list[tuple[int, int]]:
    """Real outages, in minutes."""
    failing = Failing("a", least, planned)
    for result in runs(text):
        failing.take(result)
    return [(one.first_bad_ms // MINUTE, one.first_good_ms // MINUTE) for one in failing.end()]


def test_a_changed_limit_tells_of_other_runs() -> None:
    history = runs("..ss..xx..")
    told = [(move.event, move.at_ms // MINUTE) for move in replay(Policy((Threshold("total", 0.5),)), history)]
    assert told == [(Event.QUIET, 0), (Event.OPENED, 3), (Event.RESOLVED, 5), (Event.OPENED, 7), (Event.RESOLVED, 9)]
    calmer = [(move.event, move.at_ms // MINUTE) for move in replay(Policy((Threshold("total", 2.0),)), history)]
    assert calmer == [(Event.QUIET, 0), (Event.OPENED, 7), (Event.RESOLVED, 9)]


def test_nothing_is_told_in_maintenance() -> None:
    history = runs("..xxxx..xx....")
    told = [move.event for move in replay(Policy(), history, muted=[(2 * MINUTE, 7 * MINUTE)])]
    assert told.count(Event.OPENED) == 1
    assert told.count(Event.RESOLVED) == 1


def test_a_check_that_was_removed_ends_its_incident_and_begins_anew() -> None:
    gone = Result("a", 9 * MINUTE, 0.0, failure=Failure(FailureKind.LOCAL, "", REMOVED))
    again = Replay(Policy())
    moves = [move for result in [*runs("..xx"), gone, *runs("..", 20)] if (move := again.take(result))]
    assert [move.event for move in moves] == [Event.QUIET, Event.OPENED, Event.RESOLVED, Event.QUIET]
    assert (moves[2].after, moves[2].at_ms, moves[2].worst) == (Level.UNKNOWN, 9 * MINUTE, Level.DOWN)
    assert moves[3].before is Level.UNKNOWN


def test_a_state_that_is_handed_over_goes_on() -> None:
    before = Replay(Policy())
    for result in runs("..xx"):
        before.take(result)
    after = Replay(Policy(), state=before.state)
    moves = [move for result in runs("xx..", 4) if (move := after.take(result))]
    assert [move.event for move in moves] == [Event.RESOLVED]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("..xxxxx..", [(2, 7)]),
        ("..xxxx....", []),  # four minutes
        ("..x.xxx....", [(2, 7)]),  # one good run is no recovery
        ("..xx..xxx.......", []),  # two are
        ("..x         ..", []),  # one failed run, however long ago the next one
        ("..xx        ..", [(2, 12)]),  # no data ends nothing
        ("..xxoooo..", [(2, 8)]),  # neither does a fault of ours
        ("..oooooo..", []),
        ("xxxxxx..", [(0, 6)]),
        ("..ssssssss..", []),  # slow is not down
        ("..xxxxxxx", [(2, 0)]),
        ("..xxxxxx.", [(2, 0)]),  # not over yet
        ("..xxxxxx..xxxxx..", [(2, 8), (10, 15)]),
    ],
)
def test_real_outages_are_found_in_runs_alone(text: str, wanted: list[tuple[int, int]]) -> None:
    assert found(text) == wanted


def test_how_long_a_real_outage_lasts_can_be_chosen() -> None:
    assert found("..xxxx....", 240.0) == [(2, 6)]


def test_an_outage_in_maintenance_is_none() -> None:
    assert found("..xxxxxx..xxxxx..", planned=[(0, 5 * MINUTE)]) == [(10, 15)]


def test_an_outage_begins_with_the_attempt_that_failed_first() -> None:
    failing = Failing("a")
    bad = FAILURES["x"]
    for result in (
        *runs(".."),
        Result("a", 2 * MINUTE, 0.1, failure=bad, provisional=True),
        Result("a", 2 * MINUTE + 3000, 0.1, failure=bad, attempt=2),
        *runs("xxxxx..", 3),
    ):
        failing.take(result)
    (one,) = failing.end()
    assert (one.first_bad_ms, one.last_good_ms, one.reason) == (2 * MINUTE, MINUTE, "connection refused")
