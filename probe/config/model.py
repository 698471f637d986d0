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

    @property
    def name(self) -> str:
        return self.spec.name

    def __repr__(self) -> str:
        return f"Planned({self.name!r})"  # an address or a label may hold a secret


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
    """How long and how much raw history is kept."""

    age: float = 14 * 86400.0  # s
    size: int = 4 << 30  # bytes of the database file


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
    url: str = ""  # where people reach the pages, for links in alerts; no trailing slash
    workers: int | None = None  # probing processes; 0: inside the service; None: as many as the checks want
    token: str = ""  # protects what changes something; "" when none is set
    secrets: frozenset[str] = frozenset()  # every value that must not be shown
    warnings: tuple[str, ...] = ()  # "file:line:column: ..." of what is allowed and probably not meant

    def __repr__(self) -> str:
        return f"Config({str(self.path)!r}, {len(self.checks)} checks)"  # anything else may hold a secret
