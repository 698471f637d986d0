"""Who is told: the receivers and the routes of a configuration."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any, cast

from pydantic import BaseModel, Field, create_model

from exporters.alerting.settings import Settings
from exporters.base import Notifier
from exporters.notifiers import receiver_types
from exporters.receiver import Receiver
from exporters.route import Route
from exporters.terms import Terms
from probe.config.faults import Faults
from probe.config.files import rooted
from probe.config.problems import nearest, suggestion
from probe.config.routing import KEYS as ROUTING
from probe.config.routing import read_routing
from probe.config.targets import Targets
from probe.config.terms import Beside, check_fallback, terms_of
from probe.config.tree import Path, Table, folder_of

KEYS = ("receivers", "fallback", "self", *ROUTING)


@cache
def kinds_by_name() -> Mapping[str, type[BaseModel]]:
    """The receiver types, found once."""
    return receiver_types()


@cache
def receiver_model() -> type[Beside]:
    """What stands under the name of a receiver: one key for its type, and how it is to be treated."""
    kinds: dict[str, Any] = {
        name: (model, Field(None, description=(model.__doc__ or name).split("\n")[0]))
        for name, model in kinds_by_name().items()
    }
    return create_model("Receiver", __base__=Beside, __doc__="Somebody who is told.", **kinds)


@dataclass(frozen=True, slots=True)
class Alerts:
    """Receivers by name, and routes in order with the place of each in the document."""

    receivers: Mapping[str, Notifier] = field(default_factory=dict)
    routes: Sequence[tuple[Path, Route]] = ()
    settings: Settings = field(default_factory=Settings)
    terms: Mapping[str, Terms] = field(default_factory=dict)  # by receiver

    @property
    def fallbacks(self) -> frozenset[str]:
        """The receivers that are told instead of others."""
        return frozenset(terms.fallback for terms in self.terms.values() if terms.fallback)


def read_alerts(section: object, targets: Targets, services: Sequence[str], zone: str | None, faults: Faults) -> Alerts:
    """What can be used of the section; what cannot is reported. `zone` is of hours that name none."""
    if section is None:
        return Alerts()
    if not isinstance(section, Table):
        faults.error(("alerts",), "wants a mapping with receivers and routes")
        return Alerts()
    for key in section:
        if key not in KEYS:
            faults.error(("alerts", key), "unknown key", suggestion(key, KEYS, "keys here"), key=True)
    routing = read_routing(section, targets, services, zone, faults)
    named = section.get("receivers")
    usual = _usual_fallback(section.get("fallback"), tuple(named) if isinstance(named, Table) else (), faults)
    receivers = _receivers(named, usual, faults)
    terms = {name: one.terms for name, one in receivers.items()}
    notifiers = {name: one.notifier for name, one in receivers.items() if one.notifier is not None}
    return Alerts(notifiers, routing.routes, routing.settings, terms)


@dataclass(frozen=True, slots=True)
class _Named:
    """What stands under the name of a receiver."""

    notifier: Notifier | None
    terms: Terms


def _usual_fallback(name: object, receivers: tuple[str, ...], faults: Faults) -> str:
    if name is None:
        return ""
    if not isinstance(name, str):
        faults.error(("alerts", "fallback"), "wants the name of a receiver", "write mail")
        return ""
    check_fallback(name, ("alerts", "fallback"), receivers, faults)
    return name


def _receivers(section: object, usual: str, faults: Faults) -> dict[str, _Named]:
    path = ("alerts", "receivers")
    if section is None:
        return {}
    if not isinstance(section, Table):
        faults.error(path, "wants a mapping, a name for each receiver", "write {chat: {slack: {...}}}")
        return {}
    names = tuple(section)
    found: dict[str, _Named] = {}
    for name, body in section.items():
        model, kind = _receiver(body, (*path, name), faults)
        if model is not None:
            terms = terms_of(model, (*path, name), names, usual, faults)
            found[name] = _Named(_notifier(getattr(model, kind), name) if kind else None, terms)
    return found


def _notifier(receiver: Any, name: str) -> Notifier | None:
    return cast("Notifier | None", receiver.named(name) if isinstance(receiver, Receiver) else receiver)


def _receiver(body: object, path: Path, faults: Faults) -> tuple[Beside | None, str]:
    """What stands there, and the key of its type; "" where there is none, or more than one."""
    kinds = kinds_by_name()
    if not isinstance(body, Table):
        faults.error(path, "wants a mapping with one type", suggestion("", list(kinds), "types"), key=True)
        return None, ""
    given = [key for key in body if key in kinds]
    if len(given) > 1:
        faults.error((*path, given[1]), f"a second type beside {given[0]}", "a receiver has one", key=True)
    elif not given and not any(nearest(key, list(kinds)) for key in body):
        faults.error(path, "no receiver type", suggestion("", list(kinds), "types"), key=True)
    rooted_body = rooted(body, given[0], lambda: folder_of(faults.root, path)) if given else body
    model = faults.rescue(receiver_model(), rooted_body, path)
    return model, given[0] if len(given) == 1 else ""
