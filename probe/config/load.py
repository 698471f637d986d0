"""Reads a configuration: everything that is wrong with it at once, or a Config that is ready to run."""

from __future__ import annotations

import gc
from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, get_args
from urllib.parse import quote_plus

from pydantic import BaseModel, SecretStr

from checks.core.policy import DEFAULT_DENY
from checks.core.redact import Redactor, credentials
from checks.core.veil import planted
from probe.clock import SystemClock
from probe.config.advice import advise
from probe.config.alerts import Alerts, read_alerts
from probe.config.dependencies import check_dependencies
from probe.config.doubts import doubt
from probe.config.faults import Faults
from probe.config.heartbeats import check_heartbeats
from probe.config.idle import doubt_upkeep
from probe.config.include import gather
from probe.config.model import Config, NetworkSettings, Planned, Retention, ServicePlan
from probe.config.oncall import KEYS, OnCall, read_oncall
from probe.config.oncall_doubts import doubt_oncall
from probe.config.plan import Planner
from probe.config.problems import ConfigError, Report, told
from probe.config.references import check_references
from probe.config.schema import document_model
from probe.config.secrets import Secrets
from probe.config.sections import NetworkSection, RetentionSection, Service, Settings
from probe.config.services import plan_services
from probe.config.sources import sources_of
from probe.config.space import doubt_space
from probe.config.targets import Targets
from probe.config.tree import Table
from probe.config.upkeep import Upkeep, read_maintenance
from probe.config.watching import KEYS as WATCHED
from probe.config.watching import Watching, read_watching

# Read by themselves, so that a mistake in one leaves the others to be looked at.
_APART = ("include", "services", "checks", "maintenance", "alerts", *KEYS, *WATCHED)
_USERS = ("username", "client_id")  # whose secret it is that stands beside them


def load(path: Path, environment: Mapping[str, str] | None = None, now_ms: int | None = None) -> Config:
    """The configuration in a file and those that it includes. Raises ConfigError with every problem.

    `environment` is what `${env:NAME}` is looked up in; the process's own by default. `now_ms`, the machine's unless
    given, tells what of maintenance is over.
    """
    secrets, report = Secrets(environment), Report()
    with _without_collection():
        root = gather(path, secrets, report)
        now_ms = SystemClock().now_ms() if now_ms is None else now_ms
        config = _Reading(path, root, secrets, report, now_ms).config() if root is not None else None
    if report.errors or config is None:
        raise ConfigError(told(list(report.errors), Redactor(secrets.values), str(path)))
    return config


@contextmanager
def _without_collection() -> Iterator[None]:
    """Keeps the garbage collector off what is only being built: 40 % of the time for 20,000 checks."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


class _Reading:
    """One configuration on its way from the merged document to a Config."""

    def __init__(self, path: Path, root: Table, secrets: Secrets, report: Report, now_ms: int) -> None:
        self._path = path
        self._root = root
        self._secrets = secrets
        self._report = report
        self._now_ms = now_ms
        self._faults = Faults(root, report, document_model)

    def config(self) -> Config | None:
        """What the document says; None, or incomplete, where the report has errors."""
        settings = self._settings()
        services = self._services()
        section = self._root.get("services")
        known = list(section) if isinstance(section, Table) else []
        planner = Planner(self._faults, settings.defaults, services, known)
        self._checks(planner)
        plans = plan_services(self._faults, planner)
        zone = settings.defaults.zone if "zone" in settings.defaults.model_fields_set else None
        upkeep = read_maintenance(self._root.get("maintenance"), zone, self._faults)
        targets = Targets.of(self._root)
        alerts = read_alerts(self._root.get("alerts"), targets, known, zone, self._faults)
        oncall = read_oncall(self._root, targets, alerts.receivers, zone, self._faults)
        check_references(self._root, targets, self._faults)
        watching = read_watching(self._root, targets, self._faults)
        check_dependencies(self._faults, planner, plans)
        check_heartbeats(self._faults, planner)
        network = _network(settings.network)
        advise(self._faults, settings, network, planner, alerts, {*oncall.named, *watching.named, *alerts.fallbacks})
        doubt(self._faults, planner, plans, settings.retention, self._now_ms)
        doubt_space(self._faults, planner.checks.values(), settings.retention)
        doubt_upkeep(self._faults, upkeep, planner.checks.values(), self._now_ms)
        led = {*watching.named, *(target for _, route in alerts.routes for target in route.to)}
        doubt_oncall(self._faults, oncall, alerts.receivers, led, zoned=zone is not None, now_ms=self._now_ms)
        if self._report.errors:
            return None
        return self._made(settings, network, planner.checks, plans, upkeep, alerts, oncall, watching)

    def _settings(self) -> Settings:
        own = {key: value for key, value in self._root.items() if key not in _APART}
        return self._faults.salvage(Settings, own, ())

    def _services(self) -> dict[str, Service]:
        section = self._root.get("services")
        if section is None:
            return {}
        if not isinstance(section, Table):
            self._faults.error(("services",), "wants a mapping, a name for each service", "write {shop: {...}}")
            return {}
        found: dict[str, Service] = {}
        for name, body in section.items():
            path = ("services", name)
            if isinstance(body, Table) or body is None:
                found[name] = self._faults.salvage(Service, body or {}, path)
            else:
                self._faults.error(path, "wants a mapping, `key: value`", key=True)
        return found

    def _checks(self, planner: Planner) -> None:
        section = self._root.get("checks")
        if isinstance(section, Table):
            planner.plan(section)
        elif section is not None:
            self._faults.error(("checks",), "wants a mapping, a name for each check", "write {shop/home: {...}}")

    def _made(
        self,
        settings: Settings,
        network: NetworkSettings,
        checks: Mapping[str, Planned],
        services: Mapping[str, ServicePlan],
        upkeep: Sequence[Upkeep],
        alerts: Alerts,
        oncall: OnCall,
        watching: Watching,
    ) -> Config:
        host, port = settings.listen
        receivers = {**alerts.receivers, **oncall.receivers}
        hidden = {*self._secrets.values, *_hidden(receivers.values()), *oncall.hidden}
        hidden |= {*_hidden([watching.watch]), *watching.hidden}
        for planned in checks.values():
            if isinstance(planned.spec.check, BaseModel):
                hidden.update(_hidden_in(planned.spec.check))
            if isinstance(address := getattr(planned.spec.check, "url", None), str):
                hidden.update(planted(address))
        if settings.token:
            hidden.add(settings.token)
        warnings = told(list(self._report.warnings), Redactor(hidden), str(self._path))
        return Config(
            path=self._path,
            instance=settings.instance,
            host=host,
            port=port,
            store=f"sqlite:{self._path.absolute().parent / settings.store.removeprefix('sqlite:')}",
            checks=checks,
            services=services,
            maintenance=tuple(one.window for one in upkeep),
            network=network,
            retention=_retention(settings.retention),
            receivers=receivers,
            terms=alerts.terms,
            roster=oncall.roster,
            routes=tuple(route for _, route in alerts.routes),
            alerting=alerts.settings,
            self_route=watching.self_route,
            watch=watching.watch,
            change_targets=watching.change_targets,
            sources=sources_of(self._path, self._root),
            url=settings.url or "",
            workers=None if settings.workers == "auto" else settings.workers,
            token=settings.token or "",
            secrets=frozenset(hidden),
            warnings=tuple(str(warning) for warning in warnings),
        )


def _retention(section: RetentionSection) -> Retention:
    return Retention(section.age, section.size, section.five_minutes, section.hours, section.evidence)


def _network(section: NetworkSection) -> NetworkSettings:
    return NetworkSettings(
        deny=(*DEFAULT_DENY, *section.deny),
        allow=tuple(section.allow),
        rate=section.per_host.rate,
        concurrent=section.per_host.concurrent,
        resolvers=tuple(section.resolvers),
    )


def _hidden(values: Iterable[object]) -> Iterator[str]:
    """Every SecretStr in values, however deep: also what was written down in the file is not to be shown."""
    for value in values:
        if isinstance(value, SecretStr):
            yield value.get_secret_value()
        elif isinstance(value, BaseModel):
            yield from _hidden_in(value)
        elif isinstance(value, Mapping):
            yield from _hidden(value.values())
        elif isinstance(value, (list, tuple)):
            yield from _hidden(value)


def _hidden_in(model: BaseModel) -> Iterable[str]:
    """Every SecretStr in a model, what it looks like on the way, and credentials in its headers; most have none."""
    there = [value for name in _holders(type(model)) if (value := getattr(model, name)) is not None]
    headers = getattr(model, "headers", None)
    worn = credentials({name: _plain(value) for name, value in headers.items()}) if headers else ()
    return (*_hidden(there), *_paired(model, there), *worn) if there or headers else ()


def _plain(value: str | SecretStr) -> str:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _paired(model: BaseModel, there: Iterable[object]) -> Iterator[str]:
    """A secret as it travels beside the name of its owner, which targets and proxies that echo a request show."""
    user = next((name for key in _USERS if (name := getattr(model, key, None))), None)
    for secret in there:
        if isinstance(user, str) and isinstance(secret, SecretStr) and secret.get_secret_value():
            pair = user, secret.get_secret_value()
            yield _base64(":".join(pair))  # RFC 7617
            yield _base64(":".join(map(quote_plus, pair)))  # RFC 6749 section 2.3.1


def _base64(text: str) -> str:
    return b64encode(text.encode()).decode()


@cache
def _holders(model: type[BaseModel]) -> tuple[str, ...]:
    """The fields that can hold a secret, themselves or somewhere inside."""
    return tuple(name for name, field in model.model_fields.items() if _can_hold(field.annotation))


def _can_hold(annotation: Any) -> bool:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return bool(_holders(annotation))
    return annotation is SecretStr or any(_can_hold(argument) for argument in get_args(annotation))
