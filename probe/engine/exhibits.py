"""Which evidence is made, and which of it is kept: that of how an outage began, and of what changed in it. Pure.

A run that fails like the ones before it tells nothing new, and an outage of all checks must not cost their probes.
"""

from __future__ import annotations

from checks.core.result import Failure
from thresholds.base import Verdict

KEPT = 3  # failing runs of an outage, attempts that were repeated among them, beside those that change the level
_MADE = 10  # failing runs in a row, as many as most policies need to judge a check
_AFRESH_MS = 3_600_000  # after so long, what still fails is looked at again; and a check that only now and then does
_MOST = 100_000  # checks that fail, as a bound

_Series = tuple[int, int, str]  # runs, the Unix ms of the first, and what was wrong


class Making:
    """Whether a run that failed is worth evidence, where it ran: by how often its check has failed in a row."""

    def __init__(self) -> None:
        self.failing: dict[str, _Series] = {}  # by check; whoever sees a good run takes it out

    def wanted(self, check: str, failure: Failure, at_ms: int) -> bool:
        """Take note of a failing run."""
        runs, since_ms, before = self.failing.get(check, (0, at_ms, ""))
        wrong = f"{failure.kind} {failure.phase}"
        if wrong != before or not 0 <= at_ms - since_ms < _AFRESH_MS:
            runs, since_ms = 0, at_ms
        if len(self.failing) >= _MOST:
            self.failing.clear()
        self.failing[check] = (runs + 1, since_ms, wrong)
        return runs < _MADE


class Keeping:
    """Whether evidence is stored, by how much of it has been for the outage of its check."""

    def __init__(self) -> None:
        self._kept: dict[str, tuple[int, int, str]] = {}  # by check: how many, the Unix ms of the first, the outage

    def worth(self, verdict: Verdict) -> bool:
        """Whether the evidence of a run is to be kept: of the first that fail, and of those that make it worse."""
        check, at_ms, transition = verdict.result.check, verdict.result.at_ms, verdict.transition
        count, since_ms, outage = self._kept.get(check, (0, at_ms, ""))
        state = verdict.state
        # Dated to its first bad run, an outage begins with what was kept for it, or after what was kept before.
        another = state.incident != outage if outage else since_ms < state.incident_since_ms
        now_and_then = not state.level.bad and not 0 <= at_ms - since_ms < _AFRESH_MS
        if another or now_and_then:
            count, since_ms = 0, at_ms
        fell = transition is not None and transition.after.bad and transition.after > transition.before
        if count >= KEPT and not fell:
            return False
        if len(self._kept) >= _MOST:
            self._kept.clear()
        self._kept[check] = (count + 1, since_ms, state.incident)
        return True
