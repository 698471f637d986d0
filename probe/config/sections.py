"""The sections of a configuration file as users write them. What they become is in model.py."""

from __future__ import annotations

import socket
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from checks.core.units import Duration, Rate, Size
from probe.config.fields import IPRange, LabelName, Listen, MOfN, Resolver, StoreAddress, WebAddress
from probe.config.limits import Thresholds

Label = Annotated[str, StringConstraints(max_length=200)]
Labels = dict[LabelName, Label]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^\S(.*\S)?$")]


class Section(BaseModel):
    """Configuration: frozen, and without a key that we do not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)


class Confirm(Section):
    """A failing run is repeated before it counts. Every attempt is kept."""

    retries: int = Field(1, ge=0, le=10, description="How often a failing run is repeated; 0 takes it at its word.")
    after: Duration = Field(
        2.0,
        ge=0,
        le=3600,
        description="How long to wait before a repetition. Unless it is given: 2s, or a quarter of `every` "
        "where that is less.",
    )


class Inherited(Section):
    """What a check takes from its service, and a service from `defaults`, unless it says otherwise itself."""

    every: Duration = Field(30.0, ge=0.1, le=31 * 86400, description="Time from one run to the next.")
    timeout: Duration = Field(
        10.0,
        gt=0,
        le=600,
        description="How long one attempt may take. Unless it is given: 10s, or `every` where that is less.",
    )
    confirm: Confirm = Field(
        Confirm(), description="How a failing run is repeated before it counts. Replaced as a whole where it is given."
    )
    down_after: MOfN = Field(
        (2, 3),
        json_schema_extra={"default": "2 of 3"},
        description="How many of the last runs must be bad before the check is: `2 of 3`, or `3` for 3 of 3.",
    )
    up_after: int = Field(2, ge=1, le=100, description="How many good runs in a row end an outage.")
    thresholds: Thresholds = Field(
        {},
        description="Limits by metric: `total`, a phase (dns, connect, tls, ttfb, transfer), or a numeric fact "
        "(tls.days_left). Added to those that are inherited; the same metric is replaced.",
    )
    labels: Labels = Field(
        {},
        description="For metrics and for alert routes. Added to those that are inherited; the same name is replaced.",
    )
    owner: Label = Field("", description="Who looks after it. Routes can match it.")
    runbook: WebAddress | None = Field(None, description="Where it is written what to do. Alerts link to it.")


class Defaults(Inherited):
    """Any key of a check except its type: what holds where neither the check nor its service says otherwise."""

    service: str = Field("", description="The service of checks that name none.")


class Service(Inherited):
    """What the checks of one service have in common."""


class CheckSection(Inherited):
    """What every check has, whatever its type."""

    service: str = Field("", description="The service that it belongs to, one of `services`.")
    for_each: dict[str, list[str | int] | str] = Field(
        {},
        description="One check for every value: `{city: [sydney, london]}`, or for every row of a CSV file with a "
        "header: `{from: stores.csv}`. Several variables are combined. `{city}` is filled in wherever it "
        "stands in the check; `{{` is a literal brace.",
    )


class RetentionSection(Section):
    """How much raw history is kept; whichever limit is met first."""

    age: Duration = Field(14 * 86400.0, ge=3600, description="Results older than this are deleted.")
    size: Size = Field(
        4 << 30,
        ge=1 << 20,
        json_schema_extra={"default": "4GiB"},
        description="The oldest results are deleted while the database is larger than this.",
    )


class PerHost(Section):
    """Politeness towards one host, whatever the number of its checks."""

    rate: Rate | None = Field(None, description="Runs per unit of time towards one host; no limit unless given.")
    concurrent: int | None = Field(
        None, ge=1, le=10_000, description="Runs at the same time towards one host; no limit unless given."
    )


class NetworkSection(Section):
    """Where probes may go, how politely, and whom they ask for names."""

    deny: list[IPRange] = Field(
        [],
        description="Ranges that no probe may reach, beside the built-in ones (link-local and metadata addresses). "
        "Looked at after resolving, and again on every redirect.",
    )
    allow: list[IPRange] = Field([], description="Exceptions to what is denied, by `deny` or built in.")
    per_host: PerHost = Field(PerHost(), description="Politeness towards one host.")
    resolvers: list[Resolver] = Field([], description="Name servers to ask; those of the system when empty.")


class Settings(Section):
    """The keys of the top level that have one value."""

    instance: Word = Field(
        default_factory=socket.gethostname,
        description="Names this service in alerts and metrics; the host's name unless given.",
    )
    listen: Listen = Field(
        ("127.0.0.1", 8080),
        json_schema_extra={"default": "127.0.0.1:8080"},
        description="Where pages, API and /metrics are served. 0.0.0.0 or [::] is every address; port 0 is a free one.",
    )
    url: WebAddress | None = Field(None, description="Where people reach the pages, for links in alerts.")
    token: Annotated[str, StringConstraints(min_length=1, max_length=1000, pattern=r"^[\x21-\x7e]+$")] | None = Field(
        None,
        description="Protects everything that changes something: sent as `Authorization: Bearer TOKEN`.",
        repr=False,
    )
    store: StoreAddress = Field(
        "sqlite:probe.db", description="Where results are kept. A relative path starts at the folder of this file."
    )
    retention: RetentionSection = Field(RetentionSection(), description="How much raw history is kept.")
    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=64)] = Field(
        "auto",
        description="Processes that do nothing but probe; 0 probes inside the service. `auto` takes none for a few "
        "checks and up to one per core for many.",
    )
    defaults: Defaults = Field(Defaults(), description="What checks inherit.")
    network: NetworkSection = Field(NetworkSection(), description="Where probes may go, and how politely.")


class RouteSection(Section):
    """Who is told. Routes are tried in order; the first match wins."""

    match: dict[str, Label] = Field(
        {},
        description="What must be so, all of it: `level` (the least level: `degraded` takes DEGRADED and DOWN), "
        "`check`, `service`, `owner`, `type`, or any label. Without it, everything matches.",
    )
    to: list[str] = Field(description="Names of receivers.", min_length=1)
    go_on: bool = Field(False, alias="continue", description="Try the next routes, too.")
