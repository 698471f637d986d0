"""One check's runs judged again, by whatever policy: what would have been told. Pure.

It is `policy.judged` that judges, as live, so the policy that was in force gives the transitions that there were.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import replace

from checks.core.result import Failure, FailureKind
from thresholds.base import Event, Level, Policy, State, Transition
from thresholds.measured import Run
from thresholds.outages import Outage
from thresholds.past import Past
from thresholds.policy import is_well, judged, stays_well
from thresholds.spans import Spans, inside
from thresholds.standing import Standing
from thresholds.timeline import Condition

REAL = 300.0  # s that an outage lasts which nobody may miss
_BACK = 2  # good runs in a row that end one
_MOST_KEPT = 100_000
# What the service writes when a check leaves the configuration: its state ends there.
REMOVED = "the check was removed from the configuration"


class Replay:
    """A check being judged again. Runs come in the order in which they were: by start, then by attempt."""

    __slots__ = ("_standing", "_well", "muted", "past", "policy")

    def __init__(self, policy: Policy, past: Past | None = None, muted: Spans = (), state: State | None = None) -> None:
        """`past` is what the policy looks back on, needed where it `remembers`; `muted`, maintenance."""
        self.policy = policy
        self.past = past
        self.muted = muted
        self._standing = Standing(policy, state or State())
        self._well: State | None = None  # the last one that is known to be well

    @property
    def state(self) -> State:
        """As the check is after the last run."""
        return self._standing.state

    @state.setter
    def state(self, state: State) -> None:
        self._standing.state = state

    def take(self, result: Run) -> Transition | None:
        """Judge a run; what changed by it."""
        if result.failure is not None and _removed(result.failure):
            return self._close(result)
        standing, past = self._standing, self.past
        if past is not None:
            past.take(result)
        if not standing.moved and self._is_well(standing.state) and stays_well(self.policy, result, past):
            return None
        muted = bool(self.muted) and _muted(self.muted, result.at_ms)
        if not muted and standing.follow(result, past):
            return None
        _, standing.state, change = judged(self.policy, standing.state, result, past, muted=muted)
        return change

    def _is_well(self, state: State) -> bool:
        if state is not self._well:
            self._well = state if is_well(state) else None
        return self._well is not None

    def _close(self, result: Run) -> Transition | None:
        """The check was removed: an open incident ends, and a check of the same name begins anew."""
        before, self.state = self.state, State()
        if not before.incident:
            return None
        return Transition(
            result.check,
            result.at_ms,
            result.at_ms,
            before.level,
            Level.UNKNOWN,
            Event.RESOLVED,
            before.incident,
            before.incident_since_ms,
            REMOVED,
            before.worst,
        )


def replay(
    policy: Policy, results: Iterable[Run], past: Past | None = None, *, muted: Spans = ()
) -> Iterator[Transition]:
    """The transitions that runs make under a policy, each as soon as its run was taken."""
    again = Replay(policy, past, muted)
    for result in results:
        if transition := again.take(result):
            yield transition


def _removed(failure: Failure) -> bool:
    return failure.kind is FailureKind.LOCAL and failure.message == REMOVED


def _muted(spans: Spans, at_ms: int) -> bool:
    place = bisect_right(spans, (at_ms, 1 << 62)) - 1
    return place >= 0 and at_ms < spans[place][1]


class Failing:
    """Real outages, found in runs alone, whatever any threshold says of them.

    One begins with the start of a failed run and ends with the start of the first of two good ones in a row. A run that
    failed through us says nothing, and neither does time without runs. It is real when two runs or more failed, and it
    lasted for at least `least` seconds; in planned maintenance it is none.
    """

    __slots__ = (
        "_bad_ms",
        "_check",
        "_doubtful_ms",
        "_failed",
        "_good",
        "_good_ms",
        "_last_ms",
        "_least",
        "_now",
        "_planned",
        "found",
    )

    def __init__(self, check: str, least: float = REAL, planned: Spans = ()) -> None:
        self._check = check
        self._least = least
        self._planned = planned
        self._now: Outage | None = None
        self._failed = 0  # runs of the outage under way
        self._bad_ms = 0  # the last of them
        self._good = 0  # in a row, during one
        self._good_ms = 0  # the first of these; or the last one, while there is no outage
        self._doubtful_ms = 0  # the first failed attempt of the run that is being repeated
        self._last_ms = 0
        self.found: list[Outage] = []

    def take(self, result: Run) -> None:
        """Look at a run."""
        failure = result.failure
        if failure is None:
            if self._now is None:
                self._good_ms, self._doubtful_ms = result.at_ms, 0
            else:
                self._was_good(result.at_ms)
        elif result.provisional:
            self._doubtful_ms = self._doubtful_ms or result.at_ms
        elif failure.kind is not FailureKind.LOCAL:
            self._was_bad(result.at_ms, failure.message, result.attempt)

    def _was_good(self, at_ms: int) -> None:
        assert self._now is not None
        self._last_ms, self._doubtful_ms = at_ms, 0
        self._good += 1
        if self._good == 1:
            self._good_ms = at_ms
        if self._good >= _BACK:
            self._keep(self._now, self._good_ms)
            self._now, self._good, self._failed, self._good_ms = None, 0, 0, at_ms

    def _was_bad(self, at_ms: int, reason: str, attempt: int) -> None:
        began_ms = self._doubtful_ms if attempt > 1 and self._doubtful_ms else at_ms
        self._last_ms = self._bad_ms = at_ms
        self._doubtful_ms = self._good = 0
        self._failed += 1
        if self._now is None:
            self._now = Outage(
                self._check,
                self._good_ms,
                began_ms,
                0,
                at_ms,
                0,
                Condition.DOWN,
                reason,
                inside(self._planned, began_ms),
            )

    def _keep(self, outage: Outage, good_ms: int, until_ms: int = 0) -> None:
        lasted = (good_ms or until_ms) - outage.first_bad_ms
        if self._failed > 1 and lasted >= self._least * 1000 and len(self.found) < _MOST_KEPT and not outage.planned:
            lost = lasted / 1000
            ended = replace(outage, last_bad_ms=self._bad_ms, first_good_ms=good_ms, bad=lost, lost=lost)
            self.found.append(ended)

    def end(self) -> list[Outage]:
        """All that there were, oldest first; the last one may be open."""
        if self._now is not None:
            self._keep(self._now, 0, max(self._last_ms, self._bad_ms))
            self._now = None
        return self.found
