"""The shapes of the API: plain values that become JSON. docs/api.md documents them, and a test compares the two."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from checks.core.result import Failure, Result
from probe.store.base import Kept
from probe.web.agenda import Occasion
from probe.web.base import CheckView
from thresholds.base import Level, State, Transition, Verdict
from thresholds.limits import BaselineLimit, WindowLimit
from thresholds.measured import timed
from thresholds.profile import REACH

Json = dict[str, Any]


def instant(at_ms: int) -> str | None:
    """RFC 3339 in UTC with milliseconds; None for 0, which stands for "never"."""
    if not at_ms:
        return None
    return f"{datetime.fromtimestamp(at_ms // 1000, UTC).isoformat()[:19]}.{at_ms % 1000:03d}Z"


def check(view: CheckView, under: Occasion | None = None, number: int = 0) -> Json:
    """One check as it stands, as a list shows it; `under` which maintenance, `number` of its open incident."""
    planned, state = view.planned, view.state
    return {
        "name": planned.name,
        "type": planned.type,
        "target": planned.spec.check.target,
        "service": planned.service,
        "owner": planned.owner,
        "runbook": planned.runbook,
        "labels": dict(planned.labels),
        "level": word(state.level),
        "since": instant(state.since_ms),
        "reason": state.reason,
        "incident": incident(state, number),
        "maintenance": None if under is None else maintenance(under),
        "last": None if view.last is None else summary(view.last),
    }


def detail(view: CheckView, now_ms: int, under: Occasion | None = None, number: int = 0) -> Json:
    """One check as it stands, with everything that is known of its last run, and its limits on many."""
    spec = view.planned.spec
    last = None if view.last is None else run(view.last.result, view.last.level, view.last.reason)
    return check(view, under, number) | {
        "every": spec.every,
        "timeout": spec.timeout,
        "last": last,
        "windows": [window(limit) for limit in view.windows()],
        "baselines": [baseline(limit) for limit in view.baselines(now_ms)],
    }


def window(limit: WindowLimit) -> Json:
    threshold = limit.threshold
    return {
        "name": threshold.name,
        "level": word(limit.level),
        "value": None if limit.value is None else _seconds(limit.value),
        "runs": limit.runs,
        "min_runs": threshold.min_samples,
        "degraded": threshold.degraded,
        "down": threshold.down,
    }


def baseline(limit: BaselineLimit) -> Json:
    threshold, usual = limit.threshold, limit.usual
    return {
        "name": threshold.name,
        "metric": threshold.metric,
        "level": word(limit.level),
        "stage": limit.stage.value,
        "learned_hours": limit.learned,
        "of_hours": REACH,
        "usual_seconds": None if usual is None else _seconds(usual.median),
        "limit_seconds": None if usual is None else _seconds(usual.limit),
    }


def maintenance(occasion: Occasion) -> Json:
    window = occasion.window
    until = instant(occasion.until_ms)
    return {"id": window.name, "mode": window.mode.value, "until": until, "reason": window.reason}


def incident(state: State, number: int) -> Json | None:
    if not state.incident:
        return None
    return {"id": state.incident, "number": number or None, "since": instant(state.incident_since_ms)}


def summary(verdict: Verdict) -> Json:
    """A run without its facts."""
    result = verdict.result
    return {
        "at": instant(result.at_ms),
        "duration": _seconds(result.duration) if timed(result) else None,
        "level": word(verdict.level),
        "reason": verdict.reason,
        "phases": {phase: _seconds(lasts) for phase, lasts in result.phases.items()},
        "failure": failure(result.failure),
    }


def run(result: Result, level: Level, reason: str) -> Json:
    """A run with all that it left behind; `level` and `reason` are those of the run alone."""
    return {
        **summary(Verdict(result, level, reason)),
        "attempt": result.attempt,
        "provisional": result.provisional,
        "facts": dict(result.facts),
    }


def kept(entry: Kept) -> Json:
    return run(entry.result, entry.level, entry.reason)


def failure(failed: Failure | None) -> Json | None:
    if failed is None:
        return None
    return {"kind": failed.kind.value, "phase": failed.phase, "message": failed.message}


def transition(change: Transition) -> Json:
    return {
        "at": instant(change.at_ms),
        "since": instant(change.since_ms),
        "before": word(change.before),
        "after": word(change.after),
        "event": change.event.value,
        "incident": change.incident or None,
        "reason": change.reason,
        "runs": word(change.after if change.runs is None else change.runs),
    }


def word(level: Level) -> str:
    return level.name.lower()


def redacted(value: Any, redact: Callable[[str], str]) -> Any:
    """The same value with every text in it redacted, keys left as they are."""
    if isinstance(value, str):
        return redact(value)
    if isinstance(value, dict):
        return {key: redacted(part, redact) for key, part in value.items()}
    if isinstance(value, list):
        return [redacted(part, redact) for part in value]
    return value


def _seconds(length: float) -> float:
    return round(length, 6)  # microseconds: no clock of ours is better than that
