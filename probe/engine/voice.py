"""How one receiver is spoken to: dressed for it, in its words, and by what it knows the incident."""

from __future__ import annotations

import asyncio
import logging

from exporters.base import Notice, NoticeKind, Notifier, Threaded
from exporters.terms import Terms
from probe.engine.desk import Desk
from probe.engine.remembered import Remembered
from probe.store.base import StoreError

log = logging.getLogger(__name__)

_LOOK_UP = 2.0  # s for the store to say by what an incident is known


class Voice:
    """Says notices to a receiver; raises what it raises."""

    def __init__(self, name: str, desk: Desk, memory: Remembered) -> None:
        self.name = name
        self.terms = Terms()
        self._desk = desk
        self._memory = memory

    async def say(self, notice: Notice, notifier: Notifier) -> str:
        """Tell the receiver; by what it knows the incident from now on."""
        told = self.worded(notice)
        if isinstance(notifier, Threaded) and notice.kind is not NoticeKind.BULLETIN:
            return await notifier.tell(told, self._desk.post, await self._reference(notice.incident))
        await notifier.send(told, self._desk.post)
        return ""

    def worded(self, notice: Notice) -> Notice:
        """The notice with what the service adds for this receiver, and in the words of its template."""
        dressed = self._desk.dress(notice, self.name)
        if self.terms.template is None:
            return dressed
        worded = self.terms.template.applied(dressed, self.name)
        if worded.words.trouble:
            self._desk.garbled(self.name)
            log.warning("receiver %s: %s", self.name, self._desk.redact(worded.words.trouble))
        return worded

    async def _reference(self, incident: str) -> str:
        """By what the receiver knows an incident: also one of before a restart, and one that ended long ago."""
        known = self._memory.reference(incident)
        if known is None:
            known = await self._looked_up(incident)
            self._memory.refer(incident, known)
        return known

    async def _looked_up(self, incident: str) -> str:
        if self._desk.book is None:
            return ""
        try:
            async with asyncio.timeout(_LOOK_UP):
                return await self._desk.book.reference(incident, self.name)
        except (StoreError, TimeoutError):
            return ""  # it begins anew there: better than to wait for a disk
