"""Incidents as the rest of the program asks the store for them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from exporters.alerting.case import Case
from exporters.alerting.incident import Happening, Incident, Member
from probe.store.deliveries import Delivery


@dataclass(frozen=True, slots=True)
class Filed:
    """An incident with its checks."""

    incident: Incident
    members: Sequence[Member]


class Incidents(Protocol):
    """What the store knows of incidents. Every method may raise StoreError."""

    async def filed(self, since_ms: int, until_ms: int, limit: int) -> Sequence[Filed]:
        """The newest incidents that were open in a window, oldest first; open ones before all others."""

    async def incident(self, number: int) -> Filed | None:
        """The incident of a number, the newest where there are several."""

    async def happenings(self, incident: str, limit: int) -> Sequence[Happening]:
        """The newest lines of an incident's timeline, oldest first."""

    async def deliveries(self, incident: str) -> Sequence[Delivery]:
        """What became of every notice that an incident's timeline names, in order."""

    async def numbers_of(self, notice: str) -> Sequence[int]:
        """The incidents that a notice, by its id, lets somebody take; none where there is no such notice."""

    async def cases(self) -> Sequence[Case]:
        """What receivers are being told of."""

    async def last_number(self) -> int:
        """The highest number that an incident has; 0 where there is none."""

    async def key(self, name: str, new: bytes) -> bytes:
        """The key of a name: the one that is kept, or else the new one, which is kept from now on."""

    async def link_used(self, digest: bytes) -> bool:
        """Whether a link was used before."""
