"""The sections of a configuration file as users write them. What they become is in model.py."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from checks.core.units import Duration, Rate, Size
from exporters.alerting.incident import Severity
from probe.config.fields import (
    IN_DETAIL,
    IN_WORDS,
    WORDED,
    IPRange,
    LabelName,
    Listen,
    MOfN,
    Opening,
    Ratio,
    Resolver,
    StoreAddress,
    WebAddress,
    Zone,
)
from probe.config.limits import Thresholds
from probe.config.objectives import Objectives
from probe.config.rules import Stated, UpWhen
from thresholds.base import Level
from thresholds.composite import Rule

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


class Flap(Section):
    """A check flaps from `begins` on until `ends`: the weighted share of changes among its last 21 runs."""

    begins: Ratio = Field(0.3, gt=0, json_schema_extra={"default": "30%"}, description="From this share on it flaps.")
    ends: Ratio = Field(0.15, ge=0, json_schema_extra={"default": "15%"}, description="At this share it flaps no more.")

    @model_validator(mode="after")
    def _apart(self) -> Self:
        if self.ends >= self.begins:
            raise ValueError("flapping must end at a smaller share than it begins at")
        return self


@lru_cache
def severities(down: str, degraded: str) -> Mapping[Level, Severity]:
    """How much each level disturbs people; one value for all checks that say the same."""
    return {Level.DOWN: Severity(down), Level.DEGRADED: Severity(degraded)}


SeverityName = Annotated[Literal["page", "ticket", "log"], IN_WORDS]


class Severities(Section):
    """How much each level disturbs people."""

    down: Literal["page", "ticket", "log"] = Field("page", description="While it is DOWN.")
    degraded: Literal["page", "ticket", "log"] = Field("ticket", description="While it is DEGRADED.")

    @property
    def by_level(self) -> Mapping[Level, Severity]:
        return severities(self.down, self.degraded)


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
        "(tls.days_left). Added to those that are inherited; the same metric is replaced, and taken out by `off`.",
    )
    flap: Annotated[Annotated[Literal["off"], IN_WORDS] | Annotated[Flap, IN_DETAIL], WORDED] = Field(
        Flap(),
        description="When a level that comes and goes is one incident instead of many; `off` tells of each.",
    )
    zone: Zone = Field(
        "UTC", description="Whose hours and days count for it: of baselines, service hours and calendar windows."
    )
    hours: Opening | None = Field(
        None,
        description="Service hours, as in `Mon-Fri 08:00-20:00 Australia/Sydney`: availability and objectives are "
        "about these. In `zone` where none is named; `daily` is always, as it is without this key.",
    )
    labels: Labels = Field(
        {},
        description="For metrics and for alert routes. Added to those that are inherited; the same name is replaced.",
    )
    owner: Label = Field("", description="Who looks after it. Routes can match it.")
    runbook: WebAddress | None = Field(None, description="Where it is written what to do. Alerts link to it.")
    bridge: WebAddress | None = Field(None, description="Where people meet while it is down. Alerts link to it.")
    severity: Annotated[SeverityName | Annotated[Severities, IN_DETAIL], WORDED] = Field(
        Severities(),
        json_schema_extra={"default": {"down": "page", "degraded": "ticket"}},
        description="How much it disturbs people: `page`, `ticket` or `log`, for both levels or by level: "
        "`{down: ticket}`.",
    )
    depends_on: list[Word] = Field(
        [],
        description="Checks and services without which it cannot be up: while one of them is down, this one is not "
        "told by itself. Added to those that are inherited.",
    )


class Defaults(Inherited):
    """Any key of a check except its type: what holds where neither the check nor its service says otherwise."""

    service: str = Field("", description="The service of checks that name none.")


class Service(Inherited):
    """What the checks of one service have in common, and how they make the service."""

    up_when: UpWhen = Field(
        Stated(Rule()),
        json_schema_extra={"default": "all"},
        description="When the service is up: `all` of its checks are, `any` is, `2 of 3` are, or enough of their "
        "weight is: `{weights: {shop/home: 3}, need: 60%}`.",
    )
    slo: Objectives = Field([], description="What the service promises. Checks do not inherit it.")


class CheckSection(Inherited):
    """What every check has, whatever its type."""

    service: str = Field("", description="The service that it belongs to, one of `services`.")
    for_each: dict[str, list[str | int] | str] = Field(
        {},
        description="One check for every value: `{city: [sydney, london]}`, or for every row of a CSV file with a "
        "header: `{from: stores.csv}`. Several variables are combined. `{city}` is filled in wherever it "
        "stands in the check; `{{` is a literal brace.",
    )
    slo: Objectives = Field([], description="What is promised of this check alone.")


class RetentionSection(Section):
    """How much history is kept; whichever limit is met first."""

    age: Duration = Field(14 * 86400.0, ge=3600, description="Results older than this are deleted.")
    five_minutes: Duration = Field(
        90 * 86400.0,
        ge=86400,
        description="What five minutes of results came to is deleted once it is older than this.",
    )
    hours: Duration = Field(
        730 * 86400.0,
        ge=2 * 86400,
        description="What an hour of results came to is deleted once it is older than this; what days came to stays.",
    )
    evidence: Duration = Field(
        14 * 86400.0,
        ge=3600,
        description="What failing runs saw is deleted once it is older than this and the last outage of its check has "
        "been over for as long.",
    )
    size: Size = Field(
        4 << 30,
        ge=1 << 20,
        json_schema_extra={"default": "4GiB"},
        description="While the database is larger than this, `age`, `five_minutes`, `hours` and `evidence` are "
        "shortened, all in proportion: the oldest goes.",
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
    retention: RetentionSection = Field(RetentionSection(), description="How much history is kept.")
    workers: Literal["auto"] | Annotated[int, Field(ge=0, le=64)] = Field(
        "auto",
        description="Processes that do nothing but probe; 0 probes inside the service. `auto` takes none for a few "
        "checks and up to one per core for many.",
    )
    defaults: Defaults = Field(Defaults(), description="What checks inherit.")
    network: NetworkSection = Field(NetworkSection(), description="Where probes may go, and how politely.")
