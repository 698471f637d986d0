"""What people do about incidents: found by their number, done, and written down before anybody is told that it is."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from exporters.alerting.book import DeedError
from exporters.alerting.explain import Explanation
from exporters.alerting.incident import Happening, Incident
from exporters.alerting.links import ALL, SNOOZE, Link, LinkError, actions, by, read, taker
from exporters.alerting.several import Fate, Outcome, anyhow, fates, free
from exporters.base import Notice
from probe.clock import Clock
from probe.config.model import Config
from probe.config.supposed import supposed
from probe.engine.dispatch import Dispatcher
from probe.engine.foresight import foretold
from probe.engine.played import Question
from probe.store.base import Act, Spent, StoreError
from probe.store.casebook import Filed, Incidents
from probe.store.deliveries import Delivery
from thresholds.base import Level
from thresholds.maintenance import Window

log = logging.getLogger(__name__)

_PATIENCE = 10.0  # s for the store
_LINES = 2_000  # of a timeline

Deed = Callable[[Dispatcher, str], Act]


@dataclass(frozen=True, slots=True)
class Dossier:
    """An incident with all that happened to it."""

    filed: Filed
    happenings: Sequence[Happening]
    deliveries: Sequence[Delivery]
    hold: str = ""  # why nobody is told of it now
    recurrence: str = ""


class DoneError(StoreError):
    """It is done, and the store has not written it down yet."""


class Response:
    """Asked by pages, the API and links in messages."""

    def __init__(
        self,
        dispatcher: Dispatcher,
        written: Callable[[Act], Awaitable[None]],
        store: Incidents,
        clock: Clock,
        config: Callable[[], Config],
    ) -> None:
        """`written` returns when a decision is on disk."""
        self._dispatcher = dispatcher
        self._written = written
        self._store = store
        self._clock = clock
        self._config = config
        self.key = b""  # that links are signed with
        self._following: dict[bytes, int] = {}  # when links expire that the store does not know to be used yet

    async def incidents(self, since_ms: int, limit: int) -> list[Filed]:
        """Incidents that were open since an instant, oldest first; those that are open as they are now."""
        stored = {one.incident.id: one for one in await self._store.filed(since_ms, 1 << 53, limit)}
        book = self._dispatcher.book
        for incident in book.open():
            stored[incident.id] = Filed(incident, list(book.members(incident.id).values()))
        return sorted(stored.values(), key=lambda one: (one.incident.opened_ms, one.incident.number))[-limit:]

    def open(self) -> list[Filed]:
        """Those that are open, oldest first."""
        book = self._dispatcher.book
        found = [Filed(incident, list(book.members(incident.id).values())) for incident in book.open()]
        return sorted(found, key=lambda one: (one.incident.opened_ms, one.incident.number))

    async def find(self, number: int) -> Filed | None:
        """The incident of a number. Raises StoreError."""
        book = self._dispatcher.book
        for incident in (*book.open(), *book.ended()):
            if incident.number == number:
                return Filed(incident, list(book.members(incident.id).values()))
        return await self._store.incident(number)

    async def dossier(self, number: int) -> Dossier | None:
        """All that is known of an incident. Raises StoreError."""
        filed = await self.find(number)
        if filed is None:
            return None
        identity = filed.incident.id
        return Dossier(
            filed,
            await self._store.happenings(identity, _LINES),
            await self._store.deliveries(identity),
            self._dispatcher.holds(identity),
            self._dispatcher.history.recurrence(filed.incident),
        )

    async def do(self, number: int, deed: Deed) -> Incident | None:
        """Do something about an incident, and return it as it is then; None where there is none.

        Raises DeedError where it cannot be done, StoreError where it is done and could not be written down in time.
        """
        filed = await self.find(number)
        if filed is None:
            return None
        self._dispatcher.adopt(filed)
        act = deed(self._dispatcher, filed.incident.id)
        done = self._dispatcher.book.get(filed.incident.id)  # one that ended long ago is soon forgotten again
        await self._on_disk(act)
        return done

    async def _on_disk(self, act: Act) -> None:
        try:
            async with asyncio.timeout(_PATIENCE):
                await self._written(act)
        except TimeoutError:
            raise DoneError("it is done, but the store has not written it down yet") from None

    async def acknowledge(self, numbers: Sequence[int], who: str) -> list[Outcome]:
        """Take several incidents, whoever has them; what became of each. Raises StoreError."""
        recent = self._recent()
        missing = [number for number in dict.fromkeys(numbers) if number not in recent]
        old = {number: filed.incident for number in missing if (filed := await self._store.incident(number))}
        outcomes = fates(numbers, old | self._recent(), anyhow, Fate.UNKNOWN)
        return await self._take(outcomes, lambda _incident: who)

    def _recent(self) -> dict[int, Incident]:
        """Incidents that are open or were lately, by their number; what is open of two that share one."""
        book = self._dispatcher.book
        return {one.number: one for one in (*book.ended(), *book.open())}

    async def _take(
        self, outcomes: list[Outcome], who: Callable[[Incident], str], via: str = "", spent: tuple[Spent, ...] = ()
    ) -> list[Outcome]:
        """Take those that are to be had, as one decision on disk."""
        wanted = [one.incident for one in outcomes if one.fate is Fate.TAKEN and one.incident is not None]
        act = self._dispatcher.acknowledge_all({one.id: who(one) for one in wanted}, via)
        if act is None:
            return outcomes
        book = self._dispatcher.book
        done = [
            replace(one, incident=book.get(one.incident.id) or one.incident) if one.incident else one
            for one in outcomes
        ]
        await self._on_disk(replace(act, spent=spent))
        return done

    # Links.

    def dress(self, notice: Notice, receiver: str) -> Notice:
        """A notice as one receiver is told it: why this one is, and with links that act."""
        found = actions(notice, receiver, self._config().url, self.key) if self.key else {}
        why = "; ".join(part for part in (notice.why, notice.whys.get(receiver, "")) if part)
        return replace(notice, why=why, whys={}, actions=found)

    def link(self, text: str) -> Link:
        """What a link is for. Raises LinkError."""
        return read(text, self.key, self._clock.now_ms())

    async def used(self, link: Link) -> bool:
        """Whether a link was used before. Raises StoreError."""
        return await self._store.link_used(link.digest)

    async def follow(self, text: str, name: str = "") -> tuple[Link, Incident]:
        """Do what a link is for, once, as somebody who says a name. Raises LinkError, DeedError and StoreError.

        That it was used is written down with what was done: a crash leaves both, or neither.
        """
        link = self.link(text)
        async with self._once(link) as spent:
            link = by(link, name)
            known = self._recent().get(link.number)
            if known is not None:
                link = replace(link, who=taker(link, known))
            incident = await self.do(link.number, _spending(_deed(link), spent))
            if incident is None:
                raise LinkError(f"there is no incident #{link.number} any more")
        return link, incident

    async def about(self, link: Link) -> list[Outcome]:
        """What would become of each incident of a link for all of a message. Raises LinkError and StoreError."""
        numbers = await self._store.numbers_of(link.nonce)
        if link.deed != ALL or not numbers:
            raise LinkError("what this link is about is not known any more")
        # What is not known has been over for a while: its number was in the message.
        return fates(numbers, self._recent(), free(partial(taker, link)), Fate.OVER)

    async def follow_all(self, text: str, name: str = "") -> tuple[Link, list[Outcome]]:
        """Take all of a message that nobody has, once; what became of each. Raises LinkError and StoreError.

        Where none is left nothing is done, and the link stays good.
        """
        link = self.link(text)
        async with self._once(link) as spent:
            link = by(link, name)
            return link, await self._take(await self.about(link), partial(taker, link), link.via, (spent,))

    @asynccontextmanager
    async def _once(self, link: Link) -> AsyncIterator[Spent]:
        """While a link is followed nobody else follows it; it stays good where nothing was done."""
        now_ms, digest = self._clock.now_ms(), link.digest
        self._following = {one: at_ms for one, at_ms in self._following.items() if at_ms > now_ms}
        if digest in self._following:
            raise LinkError("this link was used before")
        self._following[digest] = link.expires_ms
        try:
            if await self._store.link_used(digest):
                raise LinkError("this link was used before")
            yield Spent(digest, link.expires_ms, now_ms)
        except (LinkError, DeedError, StoreError) as error:
            if not isinstance(error, DoneError):  # else the store will know of it when it can
                del self._following[digest]
            raise
        del self._following[digest]

    # What would be.

    def explain(
        self, check: str, level: Level, at_ms: int, others: Sequence[str] = (), windows: Sequence[Window] = ()
    ) -> Explanation | None:
        """Who would hear of a check's failure, while others stand as supposed; None where there is no such check.

        It takes a while, and nothing of the loop's: ask it beside. Raises ValueError.
        """
        config, dispatcher = self._config(), self._dispatcher
        if check not in config.checks:
            return None
        question = Question(check, level, at_ms, supposed(config, check, others))
        return foretold(config, dispatcher.people, question, dispatcher.held.silences(), windows)


def _spending(deed: Deed, spent: Spent) -> Deed:
    return lambda dispatcher, identity: replace(deed(dispatcher, identity), spent=(spent,))


def _deed(link: Link) -> Deed:
    match link.deed:
        case "acknowledge":
            return lambda dispatcher, identity: dispatcher.acknowledge(identity, link.who, link.via)
        case "snooze":
            return lambda dispatcher, identity: dispatcher.snooze(identity, link.who, SNOOZE)
        case "resolve":
            return lambda dispatcher, identity: dispatcher.resolve(identity, link.who)
    raise LinkError(f"this link is for {link.deed[:40]!r}, which nobody can do here")
