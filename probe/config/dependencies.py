"""What checks depend on: every name must be there, and nothing may depend on itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from probe.config.faults import Faults
from probe.config.model import ServicePlan
from probe.config.plan import Planner
from probe.config.problems import suggestion

_MOST = 20  # complaints: one gateway that is misspelt stands in thousands of checks


def check_dependencies(faults: Faults, planner: Planner, services: Mapping[str, ServicePlan]) -> None:
    """Report names that are not there, and circles."""
    said: set[tuple[object, ...]] = set()
    names = [*planner.checks, *planner.services]
    reach: dict[str, set[str]] = {}  # everything that a name leads to
    for name, planned in planner.checks.items():
        origin = planner.origins[name]
        own = (*origin.path, "depends_on")  # what a service or `defaults` say holds for others, too
        if name in origin.common.said.depends_on and len(said) < _MOST and (own, name) not in said:
            said.add((own, name))
            faults.error(own, "it depends on itself", f"leave out {name}")
        for wanted in planned.depends_on:
            path = planner.origins[name].path_of("depends_on")
            if len(said) >= _MOST or (path, wanted) in said:
                continue
            if wanted not in planner.checks and wanted not in planner.known_services:
                said.add((path, wanted))
                faults.error(path, f"no check or service is called {wanted}", suggestion(wanted, names, "names"))
                continue
            if wanted not in reach:
                reach[wanted] = _reach(wanted, planner, services)
            if name in reach[wanted]:
                circle = _circle(name, wanted, planner, services)
                said.add((path, wanted))
                faults.error(path, f"it depends on itself: {' -> '.join((name, *circle))}", "leave one of them out")


def _reach(wanted: str, planner: Planner, services: Mapping[str, ServicePlan]) -> set[str]:
    seen, ways = {wanted}, [wanted]
    while ways:
        new = {name for name in _leads_to(ways.pop(), planner, services) if name not in seen}
        seen |= new
        ways += new
    return seen


def _circle(name: str, wanted: str, planner: Planner, services: Mapping[str, ServicePlan]) -> tuple[str, ...]:
    """The way from what a check depends on back to it; () where there is none."""
    seen = {wanted}
    ways: list[tuple[str, ...]] = [(wanted,)]
    while ways:
        way = ways.pop()
        for following in _leads_to(way[-1], planner, services):
            if following == name:
                return (*way, name)
            if following not in seen:
                seen.add(following)
                ways.append((*way, following))
    return (name,) if wanted == name else ()


def _leads_to(name: str, planner: Planner, services: Mapping[str, ServicePlan]) -> Iterator[str]:
    if name in services:
        yield from services[name].members
    if name in planner.checks:
        yield from planner.checks[name].depends_on
