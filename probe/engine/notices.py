"""What is known of a subject that fails, beside its transition: for incidents, and for whoever is told. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from urllib.parse import quote

from checks.core.result import FailureKind, Result
from checks.core.units import format_duration
from exporters.alerting.book import Failing
from exporters.alerting.incident import USUAL, Severity
from probe.config.model import Planned
from thresholds.base import Level, Transition
from thresholds.fingerprint import fingerprint

SELF = "probe/"  # checks of this name are about ourselves; no configured check may have it
_UNTOLD = (
    "http.excerpt",
    "tls.sans",
    "tls.serial",
    "tls.fingerprint",
    "timing",
)  # too long or too technical for a page
_OF_THE_WAY = frozenset({FailureKind.CONNECT, FailureKind.TIMEOUT, FailureKind.TLS})  # what an address explains


@dataclass(frozen=True, slots=True)
class About:
    """What people want to know of the subject of a notice, whatever it is."""

    type: str = "self"
    service: str = SELF.rstrip("/")
    owner: str = ""
    runbook: str = ""
    target: str = ""
    page: str = ""  # its path below the address of the pages
    labels: Mapping[str, str] = field(default_factory=dict)
    bridge: str = ""
    severities: Mapping[Level, Severity] = field(default_factory=lambda: USUAL)
    depends_on: tuple[str, ...] = ()

    @classmethod
    def check(cls, planned: Planned) -> About:
        return cls(
            planned.type,
            planned.service,
            planned.owner,
            planned.runbook,
            planned.spec.check.target,
            f"/checks/{quote(planned.name)}",
            planned.labels,
            planned.bridge,
            planned.severities,
            planned.depends_on,
        )


OURSELVES = About()


def failing(about: About, transition: Transition, result: Result, redact: Callable[[str], str]) -> Failing:
    """What an incident is made of, without secrets."""
    # What is said of ourselves, and of an objective, is an incident of its own, whatever else fails.
    alone = about.type in ("self", "slo")
    return Failing(
        subject="" if alone else about.service,
        service=about.service,
        owner=about.owner,
        runbook=about.runbook,
        bridge=about.bridge,
        target=redact(about.target),
        type=about.type,
        page=about.page,
        labels=about.labels,
        causes=(f"self:{transition.check}",) if alone else _causes(transition, result, about),
        seen={name: redact(text) for name, text in _seen(result).items()},
        severities=about.severities,
        depends_on=about.depends_on,
    )


def _causes(transition: Transition, result: Result, about: About) -> tuple[str, ...]:
    """What a failure may have in common with others: its reason, the address, what it depends on."""
    failure = result.failure
    found = [f"reason:{fingerprint(transition.reason)}"]
    if failure is not None and failure.kind in _OF_THE_WAY and (address := result.facts.get("net.address")):
        found.append(f"address:{address}")
    return (*found, *(f"depends:{name}" for name in about.depends_on))


def _seen(result: Result) -> Mapping[str, str]:
    phases = {f"{name} time": format_duration(seconds) for name, seconds in result.phases.items()}
    total = {"total time": format_duration(result.duration)} if result.duration else {}
    facts = {name: str(fact)[:300] for name, fact in result.facts.items() if name not in _UNTOLD}
    return {**total, **phases, **facts}
