"""The checks of a configuration: templates filled, types found, everything inherited."""

from __future__ import annotations

import re
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path as FilePath
from typing import Any

from pydantic import BaseModel, Field, SecretStr, TypeAdapter, ValidationError, create_model

from checks import check_types
from checks.core.base import CheckSpec
from checks.core.shared import slimmed, written
from checks.heartbeat import Heartbeat
from probe.config.expand import MOST, ExpandError, Row, Rows, Template
from probe.config.faults import Faults
from probe.config.files import rooted
from probe.config.inherit import Effective, settle
from probe.config.model import Planned
from probe.config.objectives import promised
from probe.config.passive import TYPE, ScheduleError, awaited, rules_of
from probe.config.problems import nearest, suggestion
from probe.config.sections import CheckSection, Defaults, Inherited, Labels, Service
from probe.config.tree import Path, Table, folder_of, missing, place_of
from thresholds.base import Policy
from thresholds.slo import Objective

# Names stand in addresses, in metrics and on pages: no blank, and nothing that an address would have to escape.
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*(/[A-Za-z0-9][A-Za-z0-9._-]*)*")
LONGEST_NAME = 200
OURS = "probe/"  # checks of the program on itself
FOR_EACH = "for_each"
_OF_SCHEDULE = ("period", "cron", "calendar", "zone")
_MOST_COMMON = 4096  # different sets of common keys that are remembered
_LABELS: TypeAdapter[dict[str, str]] = TypeAdapter(Labels)


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
class Common:
    """What checks that say the same beside their type have in common: said, inherited, and settled."""

    said: CheckSection
    above: tuple[Layer, ...]  # nearest first
    effective: Effective
    objectives: tuple[Objective, ...]


_Read = tuple[Any, Common, dict[str, str]]  # the check, and labels that are not among what is common


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a check comes from, and who says what in it: for warnings."""

    path: Path
    common: Common

    @property
    def layers(self) -> tuple[Layer, ...]:
        """What it inherits from, itself first."""
        return Layer(self.path, self.common.said), *self.common.above

    def path_of(self, *keys: str) -> tuple[str | int, ...]:
        """The path to the key that holds for this check, wherever it is inherited from."""
        return (*self.layers[self.common.effective.written.get(keys[0], 0)].path, *keys)


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
    _common: dict[Hashable, Common] = field(default_factory=dict)

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
        try:
            rows = self.rows.of(body[FOR_EACH], folder)
            variables = list(rows[0])
            names = Template(name, variables)
            template = Template({key: inner for key, inner in body.items() if key != FOR_EACH}, variables)
            for row in rows:
                before = len(self.faults.report.errors)
                self._fill(names, template, row, path)
                if len(self.faults.report.errors) > before:
                    break  # what is wrong with one is wrong with most
        except ExpandError as error:
            inner = (*path, *error.path)
            self.faults.error(inner, str(error), error.hint, key=not error.path, at=error.place)

    def _fill(self, names: Template, template: Template, row: Row, path: Path) -> None:
        full = names.filled(row)
        if full == names.value and "{" not in full:
            hint = f"put {{{next(iter(row))}}} into it"
            raise ExpandError("for_each without a placeholder in the name gives all checks one name", hint)
        note = f" (in {full})"
        if self._named(full, path, note):
            self._add(full, template.filled(row), path, note)

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
            body = rooted(body, type_, lambda: folder_of(self.faults.root, path))
        read = self._good(body, type_, service) or self._rescued(body, type_, service, path, note)
        if read is None or type_ is None or service is None:
            return
        check, common, labels = read
        effective = common.effective
        if isinstance(check, Heartbeat) and self._senseless(name, check, common, (*path, type_), note):
            return
        spec, policy = self._judged(name, check, common)
        labels = effective.labels | labels if labels else effective.labels
        self.checks[name] = Planned(
            spec,
            policy,
            type_,
            service,
            effective.owner,
            effective.runbook,
            labels,
            effective.zone,
            effective.hours,
            common.objectives,
            effective.bridge,
            effective.severities,
            tuple(one for one in effective.depends_on if one != name),
        )
        self.origins[name] = Origin(path, common)

    def _judged(self, name: str, check: Any, common: Common) -> tuple[CheckSpec, Policy]:
        effective = common.effective
        if isinstance(check, Heartbeat):
            return awaited(name, check, effective, common.said.model_fields_set)
        every, retries = effective.every, effective.retries
        return CheckSpec(name, check, every, effective.timeout, retries, effective.retry_after), effective.policy

    def _senseless(self, name: str, check: Heartbeat, common: Common, path: Path, note: str) -> bool:
        """Whether a heartbeat's schedule means nothing; reported."""
        try:
            rules_of(name, check, common.effective.zone)
        except ScheduleError as error:
            self.faults.error((*path, error.key), f"{error}{note}")
            return True
        return False

    def _schedule_alone(self, body: Table, path: Path, note: str) -> None:
        """Report what is wrong with the schedule of a heartbeat that has other mistakes."""
        kept = {key: value for key, value in body.items() if key in _OF_SCHEDULE and not missing(value)}
        try:
            rules_of("", Heartbeat.model_validate({**kept, "keys": [SecretStr("x" * 16)]}), self.defaults.zone)
        except ScheduleError as error:
            self.faults.error((*path, error.key), f"{error}{note}")
        except ValidationError:
            return  # it was told of

    def _good(self, body: Mapping[str, Any], type_: str | None, service: str | None) -> _Read | None:
        """What a check says; None where anything is wrong with it, whatever that is."""
        if type_ is None or service is None:
            return None
        # Labels are what differs most from check to check: they are read by themselves.
        rest = {key: value for key, value in body.items() if key not in (type_, "labels")}
        known = written(rest)
        common = self._common.get(known)
        try:
            if common is None:
                common = self._settled(CheckSection.model_validate(rest), service)
                if len(self._common) < _MOST_COMMON:
                    self._common[known] = common
            labels = _LABELS.validate_python(body["labels"]) if "labels" in body else {}
            return slimmed(types_by_name()[type_].model_validate(body[type_])), common, labels
        except ValidationError:
            return None

    def _rescued(
        self, body: Mapping[str, Any], type_: str | None, service: str | None, path: Path, note: str
    ) -> _Read | None:
        """As `_good`, of what is left without the faulty keys, which are reported."""
        section = self.faults.rescue(check_model(), body, path, note)
        check = getattr(section, type_ or "", None)
        if check is None and type_ == TYPE and isinstance(body[type_], Table):
            self._schedule_alone(body[type_], (*path, type_), note)
        if section is None or check is None or service is None:
            return None
        return check, self._settled(section, service), {}

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

    def _settled(self, section: CheckSection, service: str) -> Common:
        above: tuple[Layer, ...] = (Layer(("defaults",), self.defaults),)
        if service:
            above = (Layer(("services", service), self.services[service]), *above)
        effective = settle([section, *(layer.said for layer in above)])
        return Common(section, above, effective, promised(section.slo, effective.zone))
