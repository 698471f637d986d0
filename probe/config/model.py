"""What a loaded configuration is to the rest of the program: resolved, complete, immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from checks.core.base import CheckSpec
from exporters.base import Notifier
from exporters.route import Route
from thresholds.base import Policy
from thresholds.composite import Rule
from thresholds.hours import Hours
from thresholds.maintenance import Window
from thresholds.slo import Objective

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True, repr=False)
class Planned:
    """One check with everything that it inherits: what to run, how to judge it, whose it is."""

    spec: CheckSpec
    policy: Policy
    type: str  # the check type's key: "http"
    service: str = ""
    owner: str = ""
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    zone: str = "UTC"
    hours: Hours | None = None  # None: always
    objectives: tuple[Objective, ...] = ()  # of this check alone

    @property
    def name(self) -> str:
        return self.spec.name

    def __repr__(self) -> str:
        return f"Planned({self.name!r})"  # an address or a label may hold a secret


@dataclass(frozen=True, slots=True, repr=False)
class ServicePlan:
    """One service: which checks make it and how, when it is to be there, and what it promises."""

    name: str
    rule: Rule = field(default_factory=Rule)
    members: tuple[str, ...] = ()  # its checks by name, in the order of the rule's weights
    hours: Hours | None = None  # None: always
    zone: str = "UTC"
    objectives: tuple[Objective, ...] = ()
    owner: str = ""
    runbook: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    every: float = 0.0  # s: the longest interval of its checks; 0 without any

    def __repr__(self) -> str:
        return f"ServicePlan({self.name!r}, {len(self.members)} checks)"  # a label may hold a secret


@dataclass(frozen=True, slots=True)
class NetworkSettings:
    """Where probes may go, how politely, and whom they ask for names."""

    deny: tuple[Network, ...] = ()
    allow: tuple[Network, ...] = ()  # exceptions to `deny`; both are looked at after resolving
    rate: float | None = None  # probes/s towards one host
    concurrent: int | None = None  # probes at once towards one host
    resolvers: tuple[str, ...] = ()  # name servers; the system's when empty


@dataclass(frozen=True, slots=True)
class Retention:
    """How long and how much history is kept."""

    age: float = 14 * 86400.0  # s that results are kept
    size: int = 4 << 30  # bytes of the database file
    five_minutes: float = 90 * 86400.0  # s that buckets of five minutes are kept
    hours: float = 730 * 86400.0  # s that buckets of an hour are; those of days stay


@dataclass(frozen=True, slots=True, repr=False)
class Config:
    """A whole configuration, ready to run."""

    path: Path
    instance: str
    host: str
    port: int
    store: str  # "sqlite:/absolute/path.db"
    checks: Mapping[str, Planned]
    network: NetworkSettings = field(default_factory=NetworkSettings)
    retention: Retention = field(default_factory=Retention)
    receivers: Mapping[str, Notifier] = field(default_factory=dict)
    routes: tuple[Route, ...] = ()
    services: Mapping[str, ServicePlan] = field(default_factory=dict)
    maintenance: tuple[Window, ...] = ()
    url: str = ""  # where people reach the pages, for links in alerts; no trailing slash
    workers: int | None = None  # probing processes; 0: inside the service; None: as many as the checks want
    token: str = ""  # protects what changes something; "" when none is set
    secrets: frozenset[str] = frozenset()  # every value that must not be shown
    warnings: tuple[str, ...] = ()  # "file:line:column: ..." of what is allowed and probably not meant

    def __repr__(self) -> str:
        return f"Config({str(self.path)!r}, {len(self.checks)} checks)"  # anything else may hold a secret
