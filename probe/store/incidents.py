"""Incidents in the database: what is read of them, and links that act once."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from exporters.alerting.case import Case
from exporters.alerting.incident import Deed, Happening, Incident, Member
from exporters.base import Notice
from probe.store.casebook import Filed
from probe.store.deliveries import Delivery
from probe.store.driver import Driver, legible
from probe.store.rows import delivery
from probe.store.statements import SQL
from probe.store.texts import to_text

_incidents = msgspec.json.Decoder(Incident)
_members = msgspec.json.Decoder(Member)
_cases = msgspec.json.Decoder(Case)
_numbered = msgspec.json.Decoder(Notice)


class SqlIncidents:
    """`Incidents` over a driver."""

    _driver: Driver

    async def filed(self, since_ms: int, until_ms: int, limit: int) -> Sequence[Filed]:
        found = await self._driver.read(SQL["incidents"], (since_ms, until_ms, limit))
        return await self._with_members([body for (body,) in reversed(found)])

    async def incident(self, number: int) -> Filed | None:
        found = await self._driver.read(SQL["incident"], (number,))
        filed = await self._with_members([body for (body,) in found])
        return filed[0] if filed else None

    async def _with_members(self, bodies: Sequence[str]) -> list[Filed]:
        with legible():
            incidents = [_incidents.decode(body) for body in bodies]
        filed = []
        for incident in incidents:
            found = await self._driver.read(SQL["members"], (to_text(incident.id),))
            with legible():
                filed.append(Filed(incident, [_members.decode(body) for (body,) in found]))
        return filed

    async def happenings(self, incident: str, limit: int) -> Sequence[Happening]:
        found = await self._driver.read(SQL["happenings"], (to_text(incident), limit))
        with legible():
            return [Happening(incident, row[0], Deed(row[1]), *row[2:]) for row in reversed(found)]

    async def deliveries(self, incident: str) -> Sequence[Delivery]:
        found = await self._driver.read(SQL["deliveries_of_incident"], (to_text(incident),))
        with legible():
            return [delivery(row) for row in found]

    async def numbers_of(self, notice: str) -> Sequence[int]:
        found = await self._driver.read(SQL["notice"], (to_text(notice),))
        with legible():
            return _numbered.decode(found[0][0]).numbers if found else ()

    async def cases(self) -> Sequence[Case]:
        found = await self._driver.read(SQL["cases"])
        with legible():
            return [_cases.decode(body) for (body,) in found]

    async def last_number(self) -> int:
        ((number,),) = await self._driver.read(SQL["last_number"])
        return int(number or 0)

    async def key(self, name: str, new: bytes) -> bytes:
        await self._driver.write([(SQL["add_key"], [(name, new)])])
        ((value,),) = await self._driver.read(SQL["key"], (name,))
        return bytes(value)

    async def link_used(self, digest: bytes) -> bool:
        ((count,),) = await self._driver.read(SQL["link_used"], (digest,))
        return bool(count)
