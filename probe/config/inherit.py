"""What a check inherits: the nearest wins, check > service > defaults > built in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

from exporters.alerting.incident import Severity
from probe.config.limits import AnyThreshold
from probe.config.sections import Inherited, Severities, severities
from thresholds.base import BaselineThreshold, Level, Policy, Threshold, WindowThreshold
from thresholds.hours import Hours, parse_hours

_RETRY_AFTER = 2.0  # s, unless it is given
_GAP = 600.0  # s without a run, beyond the runs that count together, after which the ones before are forgotten
_BUILT_IN = Inherited()
_policy = lru_cache(maxsize=4096)(Policy)  # equal ones are one: thousands of checks have few
_opening = lru_cache(maxsize=1024)(parse_hours)


@dataclass(frozen=True, slots=True)
class Effective:
    """All that a check may inherit, settled. Lengths in seconds."""

    every: float
    timeout: float
    retries: int
    retry_after: float
    policy: Policy
    zone: str
    hours: Hours | None
    labels: dict[str, str]
    owner: str
    runbook: str
    bridge: str
    severities: Mapping[Level, Severity]
    depends_on: tuple[str, ...]
    written: Mapping[str, int]  # which of the layers says it, by key: 0 is the nearest; absent where it is built in


def memory_of(down_after: tuple[int, int], up_after: int, every: float) -> float:
    """Seconds for which a run is remembered: `Policy.memory`."""
    return max(down_after[1], up_after) * every + _GAP


def settle(layers: Sequence[Inherited]) -> Effective:
    """The layers, nearest first, as one."""
    written: dict[str, int] = {}
    labels: dict[str, str] = {}
    thresholds: dict[str, AnyThreshold | None] = {}  # None: taken out
    for index in range(len(layers) - 1, -1, -1):
        layer = layers[index]
        written |= dict.fromkeys(layer.model_fields_set, index)
        labels |= layer.labels
        thresholds |= layer.thresholds  # type: ignore[arg-type]  # the validator makes Thresholds of Limits

    def said(key: str) -> Inherited:
        return layers[written[key]] if key in written else _BUILT_IN

    every, confirm = said("every").every, said("confirm").confirm
    # What nobody chose gives way to a short interval.
    timeout = said("timeout").timeout if "timeout" in written else min(_BUILT_IN.timeout, every)
    after = confirm.after if "after" in confirm.model_fields_set else min(_RETRY_AFTER, every / 4)
    down_after, up_after = said("down_after").down_after, said("up_after").up_after
    memory = memory_of(down_after, up_after, every)
    flap, zone, hours = said("flap").flap, said("zone").zone, said("hours").hours
    all_, severity = [one for one in thresholds.values() if one is not None], said("severity").severity
    policy = _policy(
        tuple(one for one in all_ if isinstance(one, Threshold)),
        down_after,
        up_after,
        memory,
        tuple(one for one in all_ if isinstance(one, WindowThreshold)),
        tuple(replace(one, zone=zone) for one in all_ if isinstance(one, BaselineThreshold)),
        None if flap == "off" else (flap.ends * 100, flap.begins * 100),
    )
    return Effective(
        every=every,
        timeout=timeout,
        retries=confirm.retries,
        retry_after=after,
        policy=policy,
        zone=zone,
        hours=_opening(hours, zone) if hours else None,
        labels=labels,
        owner=said("owner").owner,
        runbook=said("runbook").runbook or "",
        bridge=said("bridge").bridge or "",
        severities=severity.by_level if isinstance(severity, Severities) else severities(severity, severity),
        depends_on=tuple(dict.fromkeys(name for layer in layers for name in layer.depends_on)),
        written=written,
    )
