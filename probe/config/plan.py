"""The checks of a configuration: templates filled, types found, everything inherited."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, Field, create_model

from checks import check_types
from checks.core.base import CheckSpec
from probe.config.expand import MOST, ExpandError, Row, Rows, filled
from probe.config.faults import Faults
from probe.config.files import rooted
from probe.config.inherit import Effective, settle
from probe.config.model import Planned
from probe.config.problems import nearest, suggestion
from probe.config.sections import CheckSection, Defaults, Inherited, Service
from probe.config.tree import Path, Table, missing, place_of

# Names stand in addresses, in metrics and on pages: no blank, and nothing that an address would have to escape.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
LONGEST_NAME = 200
OURS = "probe/"  # checks of the program on itself
FOR_EACH = "for_each"


@cache
def types_by_name() -> Mapping[str, type[BaseModel]]:
    """The check types, found once."""
    return check_types()


@cache
def check_model() -> type[CheckSection]:
    """What stands under the name of a check: the common keys, and one key for every type there is."""
    types: dict[str, Any] = {
        name: (model, Field(None, description=(model.__doc__ or name).split("\n")[0]))
        for name, model in types_by_name().items()
    }
    return create_model("Check", __base__=CheckSection, __doc__="One target, and how it is checked.", **types)


@dataclass(frozen=True, slots=True)
class Layer:
    """Something that checks inherit from, and where it stands."""

    path: Path
    said: Inherited


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a check comes from, and who says what in it: for warnings."""

    path: Path
    effective: Effective
    layers: tuple[Layer, ...]  # nearest first

    def path_of(self, *keys: str) -> tuple[str | int, ...]:
        """The path to the key that holds for this check, wherever it is inherited from."""
        return (*self.layers[self.effective.written.get(keys[0], 0)].path, *keys)


@dataclass
class Planner:
    """Makes Planned checks, one by one, and reports what is wrong with the others."""

    faults: Faults
    defaults: Defaults
    services: Mapping[str, Service]
    known_services: Sequence[str]  # the faulty ones, too: a second complaint would be no news
    checks: dict[str, Planned] = field(default_factory=dict)
    origins: dict[str, Origin] = field(default_factory=dict)
    rows: Rows = field(default_factory=Rows)
    _inherited: dict[str, tuple[tuple[Layer, ...], Effective]] = field(default_factory=dict)

    def plan(self, section: Mapping[str, Any]) -> None:
        for name, body in section.items():
            path = ("checks", name)
            if not isinstance(body, Table):
                self.faults.error(path, "wants a mapping, `key: value`", "a check has at least its type", key=True)
            elif FOR_EACH in body:
                self._expand(name, body, path)
            elif self._named(name, path, ""):
                self._add(name, body, path, "")

    def _expand(self, name: str, body: Table, path: Path) -> None:
        folder = FilePath(body.place_of(FOR_EACH).file).parent
        template = {key: inner for key, inner in body.items() if key != FOR_EACH}
        try:
            rows = self.rows.of(body[FOR_EACH], folder)
            for row in rows:
                before = len(self.faults.report.errors)
                self._fill(name, template, row, path)
                if len(self.faults.report.errors) > before:
                    break  # what is wrong with one is wrong with most
        except ExpandError as error:
            inner = (*path, *error.path)
            self.faults.error(inner, str(error), error.hint, key=not error.path, at=error.place)

    def _fill(self, name: str, template: Mapping[str, Any], row: Row, path: Path) -> None:
        full = filled(name, row)
        if full == name and "{" not in name:
            hint = f"put {{{next(iter(row))}}} into it"
            raise ExpandError("for_each without a placeholder in the name gives all checks one name", hint)
        note = f" (in {full})"
        if self._named(full, path, note):
            self._add(full, filled(template, row), path, note)

    def _named(self, name: str, path: Path, note: str) -> bool:
        """Whether a check may have this name."""
        if len(self.checks) >= MOST:
            self.faults.error(("checks",), f"more than {MOST:,} checks", key=True)
        elif name in self.checks:
            first = place_of(self.faults.root, self.origins[name].path, key=True)
            message = f"{name} is the name of another check, in {first.file}:{first.line}"
            self.faults.error(path, message, key=True)
        elif not NAME.fullmatch(name) or len(name) > LONGEST_NAME:
            hint = f"letters, digits and . _ - in parts with / between them, {LONGEST_NAME} characters at most"
            self.faults.error(path, f"{name!r} is no name for a check", hint, key=True)
        elif name.startswith(OURS):
            message = f"names that start with {OURS} belong to the program itself{note}"
            self.faults.error(path, message, "choose another name", key=True)
        else:
            return True
        return False

    def _add(self, name: str, body: Mapping[str, Any], path: Path, note: str) -> None:
        type_ = self._type(body, path, note)
        service = self._service(body, path, note)
        if type_ is not None:
            folder = FilePath(place_of(self.faults.root, path, key=True).file).parent
            body = rooted(body, type_, folder)
        section = self.faults.rescue(check_model(), body, path, note)
        check = getattr(section, type_ or "", None)
        if section is None or type_ is None or check is None or service is None:
            return
        layers, effective = self._settled(section, service, path)
        spec = CheckSpec(name, check, effective.every, effective.timeout, effective.retries, effective.retry_after)
        self.checks[name] = Planned(
            spec, effective.policy, type_, service, effective.owner, effective.runbook, effective.labels
        )
        self.origins[name] = Origin(path, effective, layers)

    def _type(self, body: Mapping[str, Any], path: Path, note: str) -> str | None:
        types = types_by_name()
        given = [key for key in body if key in types]
        if len(given) == 1:
            return given[0]
        if given:
            self.faults.error((*path, given[1]), f"a second type beside {given[0]}{note}", "a check has one", key=True)
        elif not any(key not in check_model().model_fields and nearest(key, list(types)) for key in body):
            self.faults.error(path, f"no check type{note}", suggestion("", list(types), "types"), key=True)
        return None

    def _service(self, body: Mapping[str, Any], path: Path, note: str) -> str | None:
        name = body.get("service", self.defaults.service)
        if not isinstance(name, str) or missing(name):
            return None
        if not name or name in self.services:
            return name
        if name not in self.known_services:
            at = (*path, "service") if "service" in body else ("defaults", "service")
            hint = suggestion(name, self.known_services, "services")
            self.faults.error(at, f"no service is called {name}{note if 'service' in body else ''}", hint)
        return None

    def _settled(self, section: CheckSection, service: str, path: Path) -> tuple[tuple[Layer, ...], Effective]:
        if service not in self._inherited:
            above = [Layer(("defaults",), self.defaults)]
            if service:
                above.insert(0, Layer(("services", service), self.services[service]))
            nothing = Layer(path, Inherited())
            self._inherited[service] = (nothing, *above), settle([Inherited(), *(layer.said for layer in above)])
        layers, effective = self._inherited[service]
        own = (Layer(path, section), *layers[1:])
        if section.model_fields_set.isdisjoint(Inherited.model_fields):
            return own, effective  # most checks of a large fleet share one policy
        return own, settle([layer.said for layer in own])
