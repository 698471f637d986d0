"""What the pages and the API need of the running service."""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Any, Protocol

from probe.config.model import Planned
from thresholds.base import Level, State, Verdict


class CheckView(Protocol):
    """One check as it stands now."""

    @property
    def planned(self) -> Planned: ...
    @property
    def state(self) -> State: ...
    @property
    def last(self) -> Verdict | None: ...
    @property
    def history(self) -> Sequence[tuple[Level, float]]:
        """The last runs, oldest first: the level of each alone and its duration in seconds."""


class Board(Protocol):
    """All checks as they stand now."""

    def views(self) -> Collection[CheckView]: ...
    def view(self, name: str) -> CheckView | None: ...
    def own_states(self) -> Mapping[str, State]:
        """How the parts of Probe itself stand, by subject."""


class Control(Protocol):
    """What the endpoints may ask of the service."""

    def unready(self) -> str:
        """Why the service is not ready; "" when it is."""

    async def reload(self) -> Sequence[str]:
        """Read the configuration again; the problems that kept it from being used, or none."""

    def report(self) -> Mapping[str, Any]:
        """How the service does, as plain values; instants are Unix ms under names that end with _ms."""

    def metrics(self, *, openmetrics: bool) -> AsyncIterator[bytes]:
        """The exposition in chunks, none of which takes long to make."""
