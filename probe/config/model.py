"""What a loaded configuration is to the rest of the program: resolved, complete, immutable."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from checks.core.base import CheckSpec
from exporters.alerting.incident import USUAL, Severity
from exporters.alerting.settings import Settings
from exporters.base import Notifier
from exporters.oncall.roster import Roster
from exporters.route import Route
from exporters.terms import Terms
from probe.config.sources import Sources
from probe.config.watch import Watch
from thresholds.base import Level, Policy
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
    bridge: str = ""  # where people meet while it is down
    severities: Mapping[Level, Severity] = field(default_factory=lambda: USUAL)
    depends_on: tuple[str, ...] = ()  # checks and services without which it cannot be up

    @property
    def name(self) -> str:
        return self.spec.name

    @property
    def passive(self) -> bool:
        """Whether it reports to us: no prober is given it."""
        return self.type == "heartbeat"

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
    bridge: str = ""
    severities: Mapping[Level, Severity] = field(default_factory=lambda: USUAL)
    depends_on: tuple[str, ...] = ()

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
    evidence: float = 14 * 86400.0  # s that evidence is, and longer while there is an outage


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
    receivers: Mapping[str, Notifier] = field(default_factory=dict)  # those of people too, as "ana/mail"
    terms: Mapping[str, Terms] = field(default_factory=dict)  # by receiver; people's are treated as what they are of
    routes: tuple[Route, ...] = ()
    services: Mapping[str, ServicePlan] = field(default_factory=dict)
    maintenance: tuple[Window, ...] = ()
    roster: Roster = field(default_factory=Roster)
    url: str = ""  # where people reach the pages, for links in alerts; no trailing slash
    workers: int | None = None  # probing processes; 0: inside the service; None: as many as the checks want
    token: str = ""  # protects what changes something; "" when none is set
    alerting: Settings = field(default_factory=Settings)
    self_route: tuple[str, ...] = ()  # targets of what is said of the program itself; (): the ordinary routes
    watch: Watch = field(default_factory=Watch)
    change_targets: tuple[str, ...] = ()  # who hears of changes and deploys
    sources: Sources | None = field(default=None, compare=False)  # the files that it was read from
    secrets: frozenset[str] = frozenset()  # every value that must not be shown
    warnings: tuple[str, ...] = ()  # "file:line:column: ..." of what is allowed and probably not meant

    def __repr__(self) -> str:
        return f"Config({str(self.path)!r}, {len(self.checks)} checks)"  # anything else may hold a secret
