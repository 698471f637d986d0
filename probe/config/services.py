"""The services of a configuration: which checks make each, by which rule, and what it promises."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase

from probe.config.faults import Faults
from probe.config.inherit import settle
from probe.config.model import Planned, ServicePlan
from probe.config.objectives import promised
from probe.config.plan import Planner
from probe.config.problems import suggestion
from probe.config.rules import Stated, UpWhen, Weighted
from probe.config.tree import Path
from thresholds.composite import Kind, Rule

_PATTERN = "*?["
_ABOUT_CHECKS = ("checks", "services", "defaults")  # where a mistake stands that may keep a check from being read


def plan_services(faults: Faults, planner: Planner) -> dict[str, ServicePlan]:
    """Every service that could be read, with its checks. A rule that they do not fit is reported."""
    members: dict[str, list[Planned]] = {name: [] for name in planner.services}
    for planned in planner.checks.values():
        if planned.service in members:
            members[planned.service].append(planned)
    # Else a check that a rule is about may be a faulty one.
    complete = not any(problem.key.startswith(_ABOUT_CHECKS) for problem in faults.report.errors)
    return {name: _plan(name, found, planner, faults if complete else None) for name, found in members.items()}


def _plan(name: str, members: Sequence[Planned], planner: Planner, faults: Faults | None) -> ServicePlan:
    section = planner.services[name]
    effective = settle([section, planner.defaults])
    names = tuple(planned.name for planned in members)
    rule = _rule(section.up_when, names, ("services", name, "up_when"), faults) if faults else Rule()
    return ServicePlan(
        name=name,
        rule=rule,
        members=names,
        hours=effective.hours,
        zone=effective.zone,
        objectives=promised(section.slo, effective.zone),
        owner=effective.owner,
        runbook=effective.runbook,
        labels=effective.labels,
        bridge=effective.bridge,
        severities=effective.severities,
        depends_on=effective.depends_on,
        every=max((planned.spec.every for planned in members), default=0.0),
    )


def _rule(up_when: UpWhen, members: Sequence[str], path: Path, faults: Faults) -> Rule:
    if isinstance(up_when, Weighted):
        return _weighted(up_when, members, path, faults)
    _check_count(up_when, len(members), path, faults)
    return up_when.rule


def _check_count(stated: Stated, members: int, path: Path, faults: Faults) -> None:
    if stated.rule.kind is not Kind.K_OF_N or not members:
        return
    k = stated.rule.k
    if k > members:
        message = f"the service has {members} check{'s' if members > 1 else ''}: {k} can never be up"
        faults.error(path, message, f"write {members} of {members}, or all")
    elif stated.of not in (0, members):
        faults.warn(path, f"the service has {members} checks: {k} of {members} is what holds", f"write {k}")


def _weighted(section: Weighted, members: Sequence[str], path: Path, faults: Faults) -> Rule:
    weights = dict(section.weights)
    for key in weights:
        if not _found(key, members):
            message = "no check of the service is called so" if not _is_pattern(key) else "no check of it matches"
            faults.error((*path, "weights", key), message, suggestion(key, members, "its checks"), key=True)
    if not members:
        return Rule()
    patterns = {key: weight for key, weight in weights.items() if _is_pattern(key)}
    rule = Rule(Kind.WEIGHTED, need=section.need, weights=(1.0,))
    return replace(rule, weights=tuple(float(weights.get(name, _by(patterns, name))) for name in members))


def _by(patterns: Mapping[str, float], name: str) -> float:
    return next((weight for pattern, weight in patterns.items() if fnmatchcase(name, pattern)), 1.0)


def _found(key: str, members: Sequence[str]) -> bool:
    return any(fnmatchcase(name, key) for name in members) if _is_pattern(key) else key in members


def _is_pattern(key: str) -> bool:
    return any(sign in key for sign in _PATTERN)
