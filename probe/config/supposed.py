"""How things stand beside a failure that is only supposed, as people say it: `net/gw=down`."""

from __future__ import annotations

from collections.abc import Sequence

from probe.config.model import Config
from probe.config.problems import nearest
from thresholds.base import Level

LEVELS = {"down": Level.DOWN, "degraded": Level.DEGRADED, "up": Level.UP}
_MOST = 100
_LONGEST = 300  # characters


def supposed(config: Config, check: str, texts: Sequence[str]) -> dict[str, Level]:
    """Levels of checks and services by name, beside a check that fails. Raises ValueError."""
    if len(texts) > _MOST:
        raise ValueError(f"{len(texts)} things are supposed; at most {_MOST}")
    found: dict[str, Level] = {}
    for text in texts:
        name, _, word = text[:_LONGEST].rpartition("=")
        if not name or word not in LEVELS:
            raise ValueError(f"{text[:100]!r} supposes nothing; write gateway=down, or {', '.join(LEVELS)} of another")
        if name == check:
            raise ValueError(f"{name} is the one that fails; suppose something of others")
        if name in found:
            raise ValueError(f"{name} is supposed twice; say it once")
        found[_known(config, name)] = LEVELS[word]
    return found


def _known(config: Config, name: str) -> str:
    if name in config.checks or name in config.services:
        return name
    near = nearest(name, [*config.checks, *config.services])
    raise ValueError(f"no check or service is called {name[:100]!r}{f'; did you mean {near}?' if near else ''}")
