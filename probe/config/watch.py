"""What watches Probe, as users write it: whom it tells that it is at work, and from when on it is not well.

Knows nothing of the rest of the configuration, which holds it.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    WithJsonSchema,
    model_validator,
)

from checks.core.units import Duration, Size
from exporters.notifiers.alertmanager import Alertmanager, Url
from exporters.receiver import Address, Headers, host_of

_HOUR, _DAY = 3600.0, 86400.0
_LABEL = r"^[a-zA-Z_][a-zA-Z0-9_]*$"
Name = Annotated[str, StringConstraints(min_length=1, max_length=60, pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._-]*$")]
_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%")


def parse_share(value: object) -> float:
    """`5%` as 0.05."""
    if isinstance(value, float):
        return value
    if isinstance(value, str) and (match := _PERCENT.fullmatch(value.strip())):
        return float(match[1]) / 100
    raise ValueError("wants a share, as in 5%")


Share = Annotated[
    float, BeforeValidator(parse_share), WithJsonSchema({"type": "string", "pattern": f"^{_PERCENT.pattern}$"})
]


def _named(labels: dict[str, str]) -> dict[str, str]:
    for name in labels:
        if not re.fullmatch(_LABEL, name) or name in ("alertname", "probe"):
            taken = (
                "is set by Probe itself; leave it out" if re.fullmatch(_LABEL, name) else "is no name; write severity"
            )
            raise ValueError(f"the label {name[:60]!r} {taken}")
    return labels


Labels = Annotated[dict[str, Annotated[str, StringConstraints(max_length=200)]], AfterValidator(_named)]


class Section(BaseModel):
    """Immutable, strict about its keys, and silent about its values when they are wrong."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


class Ping(Section):
    """An address that hears from Probe for as long as Probe is well; whoever listens there misses it otherwise."""

    url: Address = Field(
        description="What is asked for, as in https://hc-ping.example/3f1c...; whoever has it can ping, so it is a "
        "secret: ${file:/run/secrets/deadman}."
    )
    every: Duration = Field(60.0, ge=1, le=_DAY, description="Time from one ping to the next.")
    timeout: Duration = Field(10.0, gt=0, le=60, description="How long an answer may take.")
    method: Literal["get", "post"] = Field("get", description="How it is asked for.")
    fail_url: Address | None = Field(
        None,
        description="What is posted to, with the reason as its text, while Probe runs and is not well: of services "
        "like healthchecks the address with `/fail`. Without it there is no ping then.",
    )
    headers: Headers = Field({}, description="Headers to send along.")
    name: Name | None = Field(
        None, description="Names it in metrics and the log; the host of its address if not given."
    )

    @property
    def host(self) -> str:
        return host_of(self.url.get_secret_value())

    @model_validator(mode="after")
    def _in_time(self) -> Self:
        if self.timeout > self.every:
            raise ValueError("`timeout` must not be longer than `every`")
        return self


class Alive(Section):
    """An alert in Alertmanager that always fires while Probe is well, and goes stale when it is not."""

    urls: tuple[Url, ...] = Field(min_length=1, description="Addresses of all peers; each is told.")
    name: Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=_LABEL)] = Field(
        "ProbeAlive", description="Its alertname."
    )
    labels: Labels = Field(
        {"severity": "none"}, description="Its labels, beside `alertname` and `probe`, which is the instance."
    )
    every: Duration = Field(
        60.0, ge=1, le=_HOUR, description="How often it is sent; it ends by itself after four times."
    )
    username: str = Field("", description="User name for basic authentication.")
    password: SecretStr | None = Field(None, description="Password for basic authentication.")
    bearer: SecretStr | None = Field(None, description="Token for bearer authentication.")
    headers: Headers = Field({}, description="Headers to send along, for example X-Scope-OrgID.")
    timeout: Duration = Field(5.0, gt=0, le=60, description="How long one peer may take to answer.")

    @model_validator(mode="after")
    def _as_a_receiver(self) -> Self:
        self.receiver(Alertmanager)
        return self

    def receiver(self, kind: type[Alertmanager]) -> Alertmanager:
        """The peers as a receiver of some kind; ValueError where they can be none."""
        shared = ("urls", "username", "password", "bearer", "headers", "timeout")
        return kind(**{key: getattr(self, key) for key in shared}, refresh_every=self.every)


class Limits(Section):
    """From when on Probe says of itself that it is not well, as a check `probe/...`."""

    lag: Duration = Field(
        0.25, gt=0, le=60, description="A loop that wakes later than this, in more than one look of a hundred, lags."
    )
    late: Duration = Field(
        1.0, gt=0, le=_HOUR, description="A run that begins later than this after it was due is late."
    )
    runs: Share = Field(
        0.05, gt=0, le=1, json_schema_extra={"default": "5%"}, description="How many of all runs may be late or missed."
    )
    silent: Duration = Field(
        60.0,
        ge=5,
        le=_DAY,
        description="How long no run may end at all; longer where checks are run so seldom.",
    )
    undelivered: Duration = Field(
        15 * 60.0, ge=10, le=_DAY, description="How long a notice may wait for the receiver that is to take it."
    )
    disk_free: Size = Field(
        512 << 20,
        ge=0,
        json_schema_extra={"default": "512MiB"},
        description="Free space that the disk of the database must have; below a quarter of it is DOWN. 0: any.",
    )
    files: Share = Field(
        0.9,
        gt=0,
        le=1,
        json_schema_extra={"default": "90%"},
        description="How much of the limit of open files may be used.",
    )
    restarts: int = Field(5, ge=1, le=1000, description="Workers that may end within an hour.")
    clock: Duration = Field(2.0, ge=0.1, le=_DAY, description="How far the wall clock may jump.")
    stale: Duration = Field(
        10 * 60.0,
        ge=1,
        le=7 * _DAY,
        description="How long the configuration on disk may differ from the one at work, or be unreadable.",
    )
    lasts: Duration = Field(120.0, ge=0, le=_DAY, description="How long something must be so before it is told.")
    calm: Duration = Field(300.0, ge=0, le=_DAY, description="How long it must be well again before that is told.")


class Watch(Section):
    """Who watches Probe: whom it tells that it is at work, and from when on it says that it is not well."""

    ping: tuple[Ping, ...] = Field((), max_length=10, description="Addresses that hear from it while it is well.")
    alertmanager: Alive | None = Field(None, description="An alert that always fires while it is well.")
    limits: Limits = Field(Limits(), alias="self", description="From when on it says of itself that it is not well.")
