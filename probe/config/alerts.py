"""Who is told: the receivers and the routes of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, cast

from pydantic import BaseModel, Field, create_model

from exporters.base import Notifier
from exporters.notifiers import receiver_types
from exporters.route import Route
from probe.config.faults import Faults
from probe.config.files import rooted
from probe.config.plan import types_by_name
from probe.config.problems import nearest, suggestion
from probe.config.sections import RouteSection, Section
from probe.config.tree import Path, Series, Table, folder_of, missing
from thresholds.base import Level

_LEVELS = {"degraded": Level.DEGRADED, "down": Level.DOWN}
KEYS = ("receivers", "routes")


@cache
def kinds_by_name() -> Mapping[str, type[BaseModel]]:
    """The receiver types, found once."""
    return receiver_types()


@cache
def receiver_model() -> type[Section]:
    """What stands under the name of a receiver: one key, for its type."""
    kinds: dict[str, Any] = {
        name: (model, Field(None, description=(model.__doc__ or name).split("\n")[0]))
        for name, model in kinds_by_name().items()
    }
    return create_model("Receiver", __base__=Section, __doc__="Somebody who is told.", **kinds)


@dataclass(frozen=True, slots=True)
class Alerts:
    """Receivers by name, and routes in order with the place of each in the document."""

    receivers: Mapping[str, Notifier]
    routes: Sequence[tuple[Path, Route]]


def read_alerts(section: object, services: Sequence[str], faults: Faults) -> Alerts:
    """What can be used of the section; what cannot is reported."""
    if section is None:
        return Alerts({}, ())
    if not isinstance(section, Table):
        faults.error(("alerts",), "wants a mapping with receivers and routes")
        return Alerts({}, ())
    for key in section:
        if key not in KEYS:
            faults.error(("alerts", key), "unknown key", suggestion(key, KEYS, "keys here"), key=True)
    named = section.get("receivers")
    receivers = _receivers(named, faults)
    names = list(named) if isinstance(named, Table) else []
    return Alerts(receivers, _routes(section.get("routes"), names, services, faults))


def _receivers(section: object, faults: Faults) -> dict[str, Notifier]:
    path = ("alerts", "receivers")
    if section is None:
        return {}
    if not isinstance(section, Table):
        faults.error(path, "wants a mapping, a name for each receiver", "write {chat: {slack: {...}}}")
        return {}
    found: dict[str, Notifier] = {}
    for name, body in section.items():
        receiver = _receiver(body, (*path, name), faults)
        if receiver is not None:
            found[name] = receiver
    return found


def _receiver(body: object, path: Path, faults: Faults) -> Notifier | None:
    kinds = kinds_by_name()
    if not isinstance(body, Table):
        faults.error(path, "wants a mapping with one type", suggestion("", list(kinds), "types"), key=True)
        return None
    given = [key for key in body if key in kinds]
    if len(given) > 1:
        faults.error((*path, given[1]), f"a second type beside {given[0]}", "a receiver has one", key=True)
    elif not given and not any(nearest(key, list(kinds)) for key in body):
        faults.error(path, "no receiver type", suggestion("", list(kinds), "types"), key=True)
    rooted_body = rooted(body, given[0], lambda: folder_of(faults.root, path)) if given else body
    model = faults.validate(receiver_model(), rooted_body, path)
    return cast("Notifier", getattr(model, given[0])) if model is not None and len(given) == 1 else None


def _routes(
    section: object, receivers: Sequence[str], services: Sequence[str], faults: Faults
) -> list[tuple[Path, Route]]:
    path = ("alerts", "routes")
    if section is None:
        return []
    if not isinstance(section, Series):
        faults.error(path, "wants a list of routes", "write - {to: [chat]}")
        return []
    found: list[tuple[Path, Route]] = []
    for index, body in enumerate(section):
        route = _route(body, (*path, index), receivers, services, faults)
        if route is not None:
            found.append(((*path, index), route))
    return found


def _route(body: object, path: Path, receivers: Sequence[str], services: Sequence[str], faults: Faults) -> Route | None:
    before = len(faults.report.errors)
    if isinstance(body, Table) and not missing(body):
        _check_names(body, path, receivers, services, faults)
    section = faults.validate(RouteSection, body, path)
    if section is None or len(faults.report.errors) > before:
        return None
    match = {label: value for label, value in section.match.items() if label != "level"}
    level = _LEVELS.get(section.match.get("level", ""), Level.DEGRADED)
    return Route(tuple(section.to), match, level, section.go_on)


def _check_names(body: Table, path: Path, receivers: Sequence[str], services: Sequence[str], faults: Faults) -> None:
    """Whatever a route names must be there."""
    to, match = body.get("to"), body.get("match")
    for index, name in enumerate(to if isinstance(to, Series) else ()):
        if isinstance(name, str) and name not in receivers:
            hint = suggestion(name, list(receivers), "receivers")
            faults.error((*path, "to", index), f"no receiver is called {name}", hint)
    # The program's checks on itself can be routed like all others.
    known = {"level": [*_LEVELS], "type": [*types_by_name(), "self"], "service": [*services, "probe"]}
    for label, values in known.items():
        value = match.get(label) if isinstance(match, Table) else None
        if isinstance(value, str) and value not in ("", *values):  # "" matches checks that have none
            hint = suggestion(value, values, f"{label}s")
            faults.error((*path, "match", label), f"no {label} is called {value}", hint)
