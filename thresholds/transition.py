"""What a run changed: a transition to keep, and what people are told of it. Pure."""

from __future__ import annotations

from thresholds.assess import Assessment
from thresholds.base import Event, Level, State, Transition
from thresholds.flap import KEPT, changes
from thresholds.measured import Run


def transition(
    before: State, after: State, result: Run, run: Assessment, *, muted: bool, runs_since_ms: int
) -> Transition | None:
    """The change from one state to the next; None where nothing changed that anybody sees, counts or is told of.

    `runs_since_ms`: from when on, in Unix ms, the runs alone say what they say now; 0 where that is not new.
    """
    if (
        before.level is after.level
        and before.confirmed is after.confirmed
        and before.incident == after.incident
        and before.worst is after.worst
        and before.flapping is after.flapping
        and not runs_since_ms
    ):
        return None
    event = _event(before, after, muted=muted)
    came_back = after.confirmed is before.confirmed and after.level is not before.level
    known = event is not Event.QUIET
    named = known or runs_since_ms  # an outage that its runs confirm belongs to the incident that a window opened
    return Transition(
        check=result.check,
        at_ms=result.at_ms + round(result.duration * 1000),
        # What merely comes back into view is known from this run on.
        since_ms=result.at_ms if came_back else after.since_ms,
        before=before.level,
        after=after.level,
        event=event,
        incident=(after.incident or before.incident) if named else "",
        incident_since_ms=(after.incident_since_ms or before.incident_since_ms) if named else 0,
        reason=_reason(before, after, run, event),
        worst=max(before.worst, after.worst) if known else Level.UNKNOWN,
        runs=after.by_runs if after.level is not Level.UNKNOWN else None,
        runs_since_ms=runs_since_ms,
    )


def _event(before: State, after: State, *, muted: bool) -> Event:
    """What people are told: of an incident's beginning and end always, of what is between while it means something."""
    if after.level is Level.UNKNOWN:
        return Event.QUIET
    if after.incident != before.incident:
        return Event.OPENED if after.incident else Event.RESOLVED
    if not after.incident or muted:
        return Event.QUIET
    if after.worst is not before.worst:
        return Event.CHANGED  # perhaps it got worse in maintenance, and is told after that
    if after.flapping or before.flapping:
        return Event.QUIET if after.flapping and before.flapping else Event.CHANGED
    return Event.CHANGED if after.confirmed is not before.confirmed else Event.QUIET


def _reason(before: State, after: State, run: Assessment, event: Event) -> str:
    if event is Event.RESOLVED:
        return before.reason  # a recovery says what it recovered from
    if after.level is Level.UNKNOWN:
        return run.reason
    reason = after.reason if after.confirmed.bad else run.reason or after.reason
    if after.flapping and (event is Event.OPENED or not before.flapping):
        return f"flapping, {changes(after.states)} changes in the last {KEPT} runs: {reason}"
    if before.flapping and event is Event.CHANGED and not after.flapping:
        return f"no longer flapping: {reason}"
    return reason
