"""Warnings of what judgement is asked for and cannot give.

Limits that are never reached, windows that never speak, objectives that no run can verify, alerts that never fire,
hours that never come.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from checks.core.units import format_duration
from probe.config.faults import Faults
from probe.config.fields import names_zone
from probe.config.grouped import Grouped
from probe.config.idle import comes
from probe.config.limits import AnyThreshold
from probe.config.model import Planned, ServicePlan
from probe.config.plan import Origin, Planner
from probe.config.sections import RetentionSection
from probe.config.tree import Path
from thresholds.base import BaselineThreshold, Threshold, WindowThreshold
from thresholds.baseline import MIN_SAMPLES
from thresholds.burn import alert_rules, warnings
from thresholds.hours import Hours
from thresholds.profile import REACH
from thresholds.slo import HOUR, Kind, Objective, unverifiable
from thresholds.spans import length

_FOUR_WEEKS = 28 * 86_400_000  # ms
_NEARLY = 1e-9


def doubt(
    faults: Faults, planner: Planner, services: Mapping[str, ServicePlan], kept: RetentionSection, now_ms: int
) -> None:
    """Look at everything that judges."""
    grouped = Grouped(faults)
    for name, planned in planner.checks.items():
        origin = planner.origins[name]
        _thresholds(grouped, planned, origin, kept)
        if planned.hours:
            zoned = "zone" in origin.common.effective.written
            for text in _opening(planned.hours, zoned, now_ms):
                grouped.warn(origin.path_of("hours"), text, name)
        if planned.objectives:
            promiser = _Promiser(name, origin.path, planned.spec.every, planned.spec.timeout, planned.hours, now_ms)
            _promises(grouped, promiser, planned.objectives, kept)
    for plan in services.values():
        _service(grouped, plan, planner, kept, now_ms)
    grouped.tell()
    _usual(faults, planner.checks.values(), kept)
    _names(faults, planner, services)


def _thresholds(grouped: Grouped, planned: Planned, origin: Origin, kept: RetentionSection) -> None:
    policy = planned.policy
    every_one: tuple[AnyThreshold, ...] = (*policy.thresholds, *policy.windows, *policy.baselines)
    for one in every_one:
        name = one.metric if isinstance(one, Threshold) else one.name
        for keys, text in (
            *_unreachable(one, planned.spec.timeout),
            *_silent(one, planned.spec.every),
            *_forgotten(one, kept),
        ):
            layer = next(layer for layer in origin.layers if name in layer.said.thresholds)
            grouped.warn((*layer.path, "thresholds", name, *keys), text, planned.name)
    for path, text in _idle(origin):
        grouped.warn(path, text, planned.name)


def _idle(origin: Origin) -> Iterator[tuple[Path, str]]:
    """What is taken out and was never there: mostly a name that is written in another way."""
    inherited: set[str] = set()
    for layer in reversed(origin.layers):
        given = layer.said.thresholds
        for name in given:
            if given[name] is None and name not in inherited:
                others = f"; inherited are {', '.join(sorted(inherited))}" if inherited else ""
                yield (*layer.path, "thresholds", name), f"takes nothing out: nobody says it before{others}"
        inherited.update(given)


def _unreachable(threshold: AnyThreshold, timeout: float) -> Iterator[tuple[Path, str]]:
    """A run that takes longer than its timeout has failed: no limit on a time beyond it can say more."""
    if not threshold.metric or "." in threshold.metric:
        return
    keys = ("floor",) if isinstance(threshold, BaselineThreshold) else ("degraded", "down")
    for key in keys:
        limit = getattr(threshold, key)
        if limit is not None and limit >= timeout:
            yield (key,), f"never reached: timeout is {format_duration(timeout)}"


def _silent(threshold: AnyThreshold, every: float) -> Iterator[tuple[Path, str]]:
    """A window or a bucket in which there are never as many runs as it takes to say something."""
    if isinstance(threshold, WindowThreshold):
        runs, least, remedy = threshold.over / every, threshold.min_samples, "lower min_samples, or look further back"
    elif isinstance(threshold, BaselineThreshold):
        runs, least, remedy = threshold.bucket / every, MIN_SAMPLES, "take a longer bucket, or run more often"
    else:
        return
    if runs < least * (1 - _NEARLY):
        yield (), f"it never says anything: it holds {runs:.2g} runs, and it takes {least}; {remedy}"


def _forgotten(threshold: AnyThreshold, kept: RetentionSection) -> Iterator[tuple[Path, str]]:
    """A window is filled again from what is stored."""
    if isinstance(threshold, WindowThreshold) and threshold.over > kept.age:
        yield (), f"after a restart it looks back no further than retention.age, {format_duration(kept.age)}"


def _usual(faults: Faults, checks: Iterable[Planned], kept: RetentionSection) -> None:
    """What is usual is learned from the hours that are kept."""
    reach = REACH * HOUR
    if kept.hours < reach and any(planned.policy.baselines for planned in checks):
        text = f"baselines compare with the last {format_duration(reach)}; keep so much"
        faults.warn(("retention", "hours"), text)


@lru_cache(maxsize=1024)
def _opening(hours: Hours, zoned: bool, now_ms: int) -> tuple[str, ...]:
    """What is doubtful of service hours. `zoned`: somebody said whose clock they are of."""
    if not comes(hours, now_ms):
        return ("never open in the five years to come: nothing counts",)
    if not zoned and not names_zone(hours.text) and _share(hours, now_ms) < 1:
        return (f"no time zone is named: it is {hours} UTC; name it there, or as zone",)
    return ()


@lru_cache(maxsize=1024)
def _share(hours: Hours, now_ms: int) -> float:
    """How much of the time they are open."""
    return length(hours.spans((now_ms, now_ms + _FOUR_WEEKS))) * 1000 / _FOUR_WEEKS


@dataclass(frozen=True, slots=True)
class _Promiser:
    """Who promises something, as far as it decides what can be promised."""

    name: str
    path: Path
    every: float
    timeout: float
    hours: Hours | None
    now_ms: int


def _promises(grouped: Grouped, promiser: _Promiser, objectives: tuple[Objective, ...], kept: RetentionSection) -> None:
    for index, objective in enumerate(objectives):
        path = (*promiser.path, "slo", index)
        for text in _unkept(objective, promiser.every, promiser.hours, promiser.now_ms):
            grouped.warn(path, text, promiser.name)
        if objective.kind is Kind.LATENCY and objective.limit >= promiser.timeout:
            text = f"never broken: a slower run has failed, for timeout is {format_duration(promiser.timeout)}"
            grouped.warn((*path, "latency"), text, promiser.name)
        counted = max(kept.five_minutes, kept.age)
        if objective.kind is Kind.LATENCY and objective.over.seconds > counted:
            text = f"after a restart it counts no more than retention.five_minutes, {format_duration(counted)}"
            grouped.warn((*path, "over"), text, promiser.name)


@lru_cache(maxsize=1024)
def _unkept(objective: Objective, every: float, hours: Hours | None, now_ms: int) -> tuple[str, ...]:
    """Why nobody could know whether an objective is met, and which of its alerts can never fire."""
    text = unverifiable(objective, every) or _unverifiable_in_hours(objective, every, hours, now_ms)
    return *([text] if text else []), *warnings(objective, alert_rules(objective, every), every)


def _unverifiable_in_hours(objective: Objective, every: float, hours: Hours | None, now_ms: int) -> str:
    """As `unverifiable`, of the time that counts: a quarter of the time has a quarter of the budget."""
    share = _share(hours, now_ms) if hours else 1.0
    if not 0 < share < 1 or not unverifiable(objective, every / share):
        return ""
    allowed = objective.budget * objective.over.seconds * share  # s
    return (
        f"{objective} cannot be verified within its hours, {share:.0%} of the time, by a run every "
        f"{format_duration(every)}: its budget is {allowed / every:.2g} runs, and under 10 say too little; "
        f"run every {format_duration(allowed / 10)} or more often, or promise less"
    )


def _service(grouped: Grouped, plan: ServicePlan, planner: Planner, kept: RetentionSection, now_ms: int) -> None:
    path: Path = ("services", plan.name)
    section = planner.services[plan.name]
    if plan.hours:
        at = path if section.hours is not None else ("defaults",)
        zoned = bool({"zone"} & (section.model_fields_set | planner.defaults.model_fields_set))
        for text in _opening(plan.hours, zoned, now_ms):
            grouped.warn((*at, "hours"), text, plan.name)
    if plan.objectives and plan.members:
        timeout = max(planner.checks[name].spec.timeout for name in plan.members)
        promiser = _Promiser(plan.name, path, plan.every, timeout, plan.hours, now_ms)
        _promises(grouped, promiser, plan.objectives, kept)


def _names(faults: Faults, planner: Planner, services: Mapping[str, ServicePlan]) -> None:
    """A check may be called as a service is; what they promise may not: alerts go by both names together."""
    for plan in services.values():
        promised = {objective.name for objective in plan.objectives}
        check = planner.checks.get(plan.name)
        for index, objective in enumerate(check.objectives if check and promised else ()):
            if objective.name in promised:
                path = (*planner.origins[plan.name].path, "slo", index)
                message = f"the service {plan.name} has an objective {objective.name}, too"
                faults.error(path, message, "give one of them another name")
