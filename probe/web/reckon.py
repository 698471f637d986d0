"""Answers about the past as plain values: availability, outages and their measures, objectives, series. Pure.

The API and `probe query` say the same. Ratios are shares, lengths seconds, instants RFC 3339; None is "not known".
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Protocol

from probe.web.shape import instant
from thresholds.availability import Availability
from thresholds.burn import Burn
from thresholds.measures import Cause, Flow, Measure, Reliability
from thresholds.occurrences import Occurrences
from thresholds.outages import Outage
from thresholds.rollup import Stats
from thresholds.slo import Standing
from thresholds.spans import Span
from thresholds.timeline import Interval

Json = dict[str, Any]


class Point(Protocol):
    """What the runs of a while came to."""

    @property
    def at_ms(self) -> int: ...
    @property
    def step(self) -> int: ...
    @property
    def up(self) -> int: ...
    @property
    def degraded(self) -> int: ...
    @property
    def down(self) -> int: ...
    @property
    def unknown(self) -> int: ...
    @property
    def kinds(self) -> Any: ...
    @property
    def latencies(self) -> Any: ...


def span(window: Span) -> Json:
    return {"since": instant(window[0]), "until": instant(window[1])}


def availability(found: Availability) -> Json:
    """The ratio with what it rests on: how much is known, and what it would be at worst and at best."""
    names = ("up", "degraded", "down", "unknown", "paused", "planned", "planned_down", "excluded", "outside")
    return {
        "ratio": found.ratio,
        "headline": found.headline,
        "coverage": found.coverage,
        "least": found.least,
        "most": found.most,
        "including_planned": found.including_planned,
        "seconds": {name: round(getattr(found, name), 3) for name in names},
    }


def runs(found: Occurrences) -> Json:
    """The share of runs that were good, beside that of time; and the bad ones that confirmed nothing."""
    return {
        "ratio": found.ratio,
        "counted": found.counted,
        "good": found.good,
        "bad": found.bad,
        "transient": found.transient,
    }


def interval(one: Interval) -> Json:
    return {
        **span((one.start_ms, one.end_ms)),
        "condition": one.condition.name.lower(),
        "served": one.served,
        "planned": one.planned,
        "excluded": one.excluded,
    }


def outage(one: Outage) -> Json:
    """The four instants that bound an outage, when it was known, and what it cost."""
    return {
        "last_good": instant(one.last_good_ms),
        "first_bad": instant(one.first_bad_ms),
        "detected": instant(one.detected_ms),
        "last_bad": instant(one.last_bad_ms),
        "first_good": instant(one.first_good_ms),
        "open": one.open,
        "worst": one.worst.name.lower(),
        "reason": one.reason,
        "seconds": round(one.bad, 3),
        "counted_seconds": round(one.lost, 3),
        "planned": one.planned,
        "incident": one.incident,
    }


def reliability(found: Reliability) -> Json:
    measures = (
        found.mttf, found.mtbf, found.mttr, found.mttr_from_ack, found.mttd, found.mttd_worst, found.mtta,
    )  # fmt: skip
    return {
        "failures": len(found.failures),
        "open": len(found.open),
        "measures": [measure(one) for one in measures],
    }


def measure(one: Measure) -> Json:
    return {
        "name": one.name,
        "n": one.n,
        "mean": one.mean,
        "median": one.median,
        "p90": one.p90,
        "apart": one.apart,
        "definition": one.definition,
    }


def cause(one: Cause) -> Json:
    return {
        "fingerprint": one.fingerprint,
        "example": one.example,
        "count": one.count,
        "minutes": round(one.minutes, 3),
        "first": instant(one.first_ms),
        "last": instant(one.last_ms),
    }


def flow(one: Flow) -> Json:
    return {
        **span((one.start_ms, one.end_ms)),
        "opened": one.opened,
        "resolved": one.resolved,
        "open": one.open,
    }


def objective(subject: str, standing: Standing, burns: Iterable[Burn]) -> Json:
    """How an objective stands: what it promises, what was kept, what is left, and how fast that goes."""
    promised = standing.objective
    return {
        "subject": subject,
        "name": promised.name,
        "kind": promised.kind.value,
        "says": str(promised),
        "target": promised.target,
        "period": span(standing.window),
        "ratio": standing.ratio,
        "headline": standing.ratio if standing.covered else None,
        "coverage": standing.coverage,
        "budget_seconds": round(standing.allowed * standing.slice, 3),
        "left_seconds": round(standing.left * standing.slice, 3),
        "left_ratio": standing.left_ratio,
        "left": str(standing),
        "burn": standing.burn,
        "pace": standing.pace,
        "gone_in": standing.gone_in,
        "exhausted": standing.exhausted,
        "alerts": [_burn(one) for one in burns],
    }


def _burn(burn: Burn) -> Json:
    rule = burn.rule
    return {
        "severity": rule.severity.value,
        "factor": rule.factor,
        "long": {"seconds": rule.long, "burn": burn.long_rate},
        "short": {"seconds": rule.short, "burn": burn.short_rate},
        "firing": burn.firing,
        "reason": burn.reason,
    }


def point(one: Point) -> Json:
    return {
        "at": instant(one.at_ms),
        "step": one.step,
        "runs": {"up": one.up, "degraded": one.degraded, "down": one.down, "unknown": one.unknown},
        "kinds": dict(one.kinds),
        "latencies": {metric: stats(found) for metric, found in one.latencies.items()},
    }


def stats(found: Stats) -> Json:
    names = ("mean", "least", "most", "p50", "p90", "p95", "p99")
    return {"count": found.count, **{name: round(getattr(found, name), 6) for name in names}}


def timeline(line: Sequence[Interval]) -> list[Json]:
    return [interval(one) for one in line]
