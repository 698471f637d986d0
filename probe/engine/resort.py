"""Who is told when nobody could be: those who hear of Probe itself, or else whoever stands in for channels. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from exporters.alerting.incident import Incident
from exporters.route import chosen
from probe.config.model import Config
from probe.engine.notices import OURSELVES, SELF
from thresholds.base import Level


def resort(config: Config, tried: Collection[str], at_ms: int) -> tuple[str, ...]:
    """Targets of `alerts.self`; without it the fallbacks, and without any whoever hears of Probe by the routes."""
    fallbacks = tuple(dict.fromkeys(terms.fallback for terms in config.terms.values() if terms.fallback))
    found = config.self_route or fallbacks or _routed(config, at_ms)
    return tuple(target for target in found if target not in tried)


def _routed(config: Config, at_ms: int) -> tuple[str, ...]:
    labels = {
        "check": f"{SELF}oncall",
        "service": OURSELVES.service,
        "type": OURSELVES.type,
        "owner": "",
        "severity": OURSELVES.severities[Level.DOWN].value,
    }
    routes = chosen(config.routes, labels, Level.DOWN, at_ms)
    return tuple(dict.fromkeys(target for route in routes for target in route.to))


def nobody(incidents: Sequence[Incident], unreached: Sequence[str]) -> str:
    """`nobody could be reached for #42 shop: escalation:prodops`."""
    lead = incidents[0]
    others = f" and {len(incidents) - 1} more" if len(incidents) > 1 else ""
    return f"nobody could be reached for #{lead.number} {lead.subject}{others}: {', '.join(unreached)}"
