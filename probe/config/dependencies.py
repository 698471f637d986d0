"""What checks depend on: every name must be there, and nothing may depend on itself."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase

from probe.config.faults import Faults
from probe.config.model import ServicePlan
from probe.config.plan import Origin, Planner
from probe.config.problems import dotted, suggestion
from probe.config.tree import Path, Series, Table, missing

_PLACEHOLDER = re.compile(r"\{[^{}]*\}")
_MOST = 20  # complaints: one gateway that is misspelt stands in thousands of checks


def check_dependencies(faults: Faults, planner: Planner, services: Mapping[str, ServicePlan]) -> None:
    """Report names that are not there, and circles."""
    said: set[tuple[object, ...]] = set()
    faulty = _Faulty(faults, planner)
    names = [*planner.checks, *faulty.names, *planner.services]
    reach: dict[str, set[str]] = {}  # everything that a name leads to
    for name, planned in planner.checks.items():
        origin = planner.origins[name]
        own = (*origin.path, "depends_on")  # what a service or `defaults` say holds for others, too
        if name in origin.common.said.depends_on and len(said) < _MOST and (own, name) not in said:
            said.add((own, name))
            faults.error(own, "it depends on itself", f"leave out {name}")
        for wanted in planned.depends_on:
            path = _place(origin, wanted)
            if len(said) >= _MOST or (path, wanted) in said:
                continue
            if wanted not in planner.checks and wanted not in planner.known_services and wanted not in faulty:
                said.add((path, wanted))
                faults.error(path, f"no check or service is called {wanted}", suggestion(wanted, names, "names"))
                continue
            if wanted not in reach:
                reach[wanted] = _reach(wanted, planner, services)
            if name in reach[wanted]:
                circle = _circle(name, wanted, planner, services)
                said.add((path, wanted))
                faults.error(path, f"it depends on itself: {' -> '.join((name, *circle))}", "leave one of them out")

    for path, wanted in faulty.named():
        known = wanted in planner.checks or wanted in planner.known_services or wanted in faulty
        if not known and len(said) < _MOST and (path, wanted) not in said:
            said.add((path, wanted))
            faults.error(path, f"no check or service is called {wanted}", suggestion(wanted, names, "names"))


def _place(origin: Origin, wanted: str) -> Path:
    """Where it is written that a check depends on something: at the check, or at what it inherits from."""
    saying = (layer.path for layer in origin.layers if wanted in layer.said.depends_on)
    return (*next(saying, origin.path), "depends_on")


class _Faulty:
    """Checks and services that could not be read: they are there all the same, and what they name is looked at."""

    def __init__(self, faults: Faults, planner: Planner) -> None:
        self._root = faults.root
        checks = self._root.get("checks")
        names = [name for name in checks if name not in planner.checks] if isinstance(checks, Table) else []
        wrong = sorted(problem.key for problem in faults.report.errors)
        self.names = dict.fromkeys(name for name in names if _is_within(wrong, dotted(("checks", name))))
        self._templates = [_PLACEHOLDER.sub("*", name) for name in self.names if "{" in name]

    def __contains__(self, wanted: str) -> bool:
        """Whether such a check would be there; of a template as far as its name tells."""
        return wanted in self.names or any(fnmatchcase(wanted, name) for name in self._templates)

    def named(self) -> Iterator[tuple[Path, str]]:
        """What they and their services depend on, and where that stands."""
        checks = [(("checks", name), self._root["checks"][name]) for name in self.names]
        asked = (body.get("service") for _, body in checks if isinstance(body, Table))
        theirs = {name for name in asked if isinstance(name, str)}
        services = self._root.get("services")
        found = services.items() if isinstance(services, Table) else ()
        for path, body in (*((("services", name), body) for name, body in found if name in theirs), *checks):
            wanted = body.get("depends_on") if isinstance(body, Table) else None
            for text in wanted if isinstance(wanted, Series) else ():
                if isinstance(text, str) and not missing(text) and "{" not in text:
                    yield (*path, "depends_on"), text


def _is_within(keys: Sequence[str], path: str) -> bool:
    """Whether one of the keys, which are in order, is the path or lies within it."""
    for start in (path, f"{path}.", f"{path}["):
        at = bisect_left(keys, start)
        if at < len(keys) and (keys[at] == path if start == path else keys[at].startswith(start)):
            return True
    return False


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
