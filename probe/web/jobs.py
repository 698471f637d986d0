"""What pings and pages need of the jobs that report to us."""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from typing import Protocol

from aiohttp import web

from probe.config.model import Planned
from probe.store.beats import Said
from thresholds.heartbeat import Ping, Rules, Standing


class JobView(Protocol):
    """One job: what is expected of it and how it stands."""

    @property
    def planned(self) -> Planned: ...
    @property
    def rules(self) -> Rules: ...
    @property
    def standing(self) -> Standing: ...
    @property
    def paused_ms(self) -> int:
        """Since when nothing is waited for; 0: it is."""


class Jobs(Protocol):
    """All of them."""

    @property
    def jobs(self) -> Mapping[str, JobView]:
        """By the names of their checks; the very same object until the configuration changes."""

    @property
    def refused(self) -> MutableMapping[str, int]:
        """Pings that were not taken, by why."""

    async def hear(self, ping: Ping, said: Said) -> None:
        """Take what a job says; it is on disk when this returns. Raises StoreError."""


JOBS = web.AppKey("jobs", Jobs)
