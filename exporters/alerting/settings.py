"""How incidents are opened again, held back and gathered. Pure values."""

from __future__ import annotations

from dataclasses import dataclass

from exporters.alerting.rules import Inhibition, Quiet


@dataclass(frozen=True, slots=True)
class Settings:
    """What `alerts` says beside receivers and routes."""

    grace: float = 600.0  # s: what comes back within it is the same incident
    storm_over: int = 20  # new incidents a minute; more become one digest; 0: never
    storm_every: float = 300.0  # s between two messages of a digest
    inhibitions: tuple[Inhibition, ...] = ()
    quiet: tuple[Quiet, ...] = ()
