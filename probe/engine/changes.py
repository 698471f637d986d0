"""Changes and deploys that people told of: kept first, then gone by. A change may be maintenance, too, if asked to."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace

from exporters.alerting.change import Change, Ended, Moment, nearby
from probe.clock import Clock
from probe.config.model import Planned
from probe.store.base import Announcement, Kind, Store, StoreError

log = logging.getLogger(__name__)

_BACK_MS = 7 * 86_400_000  # that are remembered here; the store has all
_MOST = 10_000  # that are


class ChangeLog:
    """What changes are in progress, and what changed in the last days.

    `announce` makes maintenance of a change that mutes. `told` hears what begins, ends and is deployed.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        announce: Callable[[Announcement], Awaitable[None]],
        told: Callable[[Change, Moment], None] = lambda _change, _moment: None,
    ) -> None:
        self._store = store
        self._clock = clock
        self._announce = announce
        self._turn = asyncio.Lock()  # two pipelines may begin one change at once
        self._known: dict[tuple[str, int], Change] = {}
        self.told = told

    async def read(self) -> None:
        """Know what the store knows, and finish what a crash left half done. Raises StoreError."""
        found = await self._store.changes(self._clock.now_ms() - _BACK_MS, _MOST)
        self._known = {(one.id, one.began_ms): one for one in found}
        await self._reconcile([one for one in found if one.suppress])

    def known(self) -> Sequence[Change]:
        """Those in progress, and those of the last days; by their beginning."""
        return sorted(self._known.values(), key=lambda one: (one.began_ms, one.id))

    def lasting(self) -> Sequence[Change]:
        """Those in progress."""
        now_ms = self._clock.now_ms()
        return [one for one in self.known() if one.lasts(now_ms)]

    def nearby(self, planned: Planned, since_ms: int) -> tuple[str, ...]:
        """What may be why a check fails since an instant, a line each."""
        changes, now_ms = self._known.values(), self._clock.now_ms()
        return nearby(changes, planned.service, planned.labels, planned.name, since_ms, now_ms)

    async def begin(self, change: Change) -> Change:
        """Keep a change, or a deploy, as it is from now on. Raises StoreError.

        One of this id that is in progress is changed, and goes on since it began; a deploy told of twice is one.
        """
        async with self._turn:
            before = await self._before(change)
            kept = _merged(before, change) if before is not None else change
            if kept != before:
                await self._keep(kept)
            if kept.suppress or (before is not None and before.suppress):
                await self._mute(kept)
        if before is None:
            self._say(kept, Moment.DEPLOYED if kept.instant else Moment.BEGUN)
        return kept

    async def end(self, wanted: str, outcome: Ended) -> Change | None:
        """End a change; None where there never was one of this id. What is over stays so. Raises StoreError."""
        async with self._turn:
            before = await self._last(wanted)
            if before is None:
                return None
            now_ms = self._clock.now_ms()
            lasted = before.lasts(now_ms)
            kept = _ended(before, outcome, now_ms)
            if kept != before:
                await self._keep(kept)
            if kept.suppress:
                await self._mute(kept)
        if lasted:
            self._say(kept, Moment.OVER)
        return kept

    async def _before(self, change: Change) -> Change | None:
        """What was kept of this very attempt."""
        if change.instant:
            return self._known.get((change.id, change.began_ms))
        last = await self._last(change.id)
        if last is None or last.lasts(self._clock.now_ms()) or last.began_ms == change.began_ms:
            return last
        return None

    async def _last(self, wanted: str) -> Change | None:
        """The last attempt at a change of this id. Deploys may have the id of theirs."""
        known = [one for one in self._known.values() if one.id == wanted and not one.instant]
        found = known or [one for one in await self._store.attempts(wanted) if not one.instant]
        return max(found, key=lambda one: one.began_ms, default=None)

    async def _keep(self, change: Change) -> None:
        await self._store.mark(change)
        self._known[change.id, change.began_ms] = change
        horizon_ms = self._clock.now_ms() - _BACK_MS
        for key, one in list(self._known.items()):
            if one.ended_ms and one.ended_ms < horizon_ms:
                del self._known[key]
        while len(self._known) > _MOST:
            over = (key for key, one in self._known.items() if one.ended_ms)
            del self._known[min(over, key=lambda key: key[1], default=next(iter(self._known)))]

    async def _mute(self, change: Change) -> None:
        """Its maintenance as it is now."""
        try:
            await self._announce(maintenance_of(change, self._clock.now_ms()))
        except StoreError:
            log.warning("change %s is kept, its maintenance is not: tell of it again", change.id)
            raise

    async def _reconcile(self, muting: Iterable[Change]) -> None:
        """A crash may lie between a change and its maintenance."""
        for change in muting:
            said = {one.id: one for one in await self._store.announcements(change.began_ms)}
            now_ms = self._clock.now_ms()
            wanted = maintenance_of(change, now_ms)
            there = said.get(wanted.id)
            if there is None or _outlasts(there, change, now_ms):
                await self._announce(wanted)

    def _say(self, change: Change, moment: Moment) -> None:
        log.info("change %s %s: %s", change.id, moment, change.title or change.version)
        self.told(change, moment)


def _merged(before: Change, change: Change) -> Change:
    """What is said now, of what began before; what is over stays so."""
    if before.instant:
        return replace(change, began_ms=before.began_ms, ended_ms=before.ended_ms)
    if before.outcome is not Ended.OPEN:
        return replace(change, began_ms=before.began_ms, ended_ms=before.ended_ms, outcome=before.outcome)
    return replace(change, began_ms=before.began_ms)


def _ended(change: Change, outcome: Ended, now_ms: int) -> Change:
    """Over now, if it was not; that it failed may be said afterwards, and is not taken back."""
    ended_ms = max(now_ms, change.began_ms + 1) if change.lasts(now_ms) else change.ended_ms
    if change.outcome is Ended.FAILED:
        outcome = Ended.FAILED
    return replace(change, ended_ms=ended_ms, outcome=outcome)


def maintenance_of(change: Change, now_ms: int) -> Announcement:
    """The maintenance that a change makes. One that does not mute any more ends it."""
    ended_ms = change.ended_ms if change.suppress else min(now_ms, change.ended_ms or now_ms)
    return Announcement(
        f"change:{change.id}@{change.began_ms}",  # no maintenance of the configuration has a colon in its name
        Kind.MAINTENANCE,
        change.began_ms,
        ended_ms,
        change.checks,
        change.services,
        change.labels,
        reason=change.title or change.id,
        author=change.author,
    )


def _outlasts(there: Announcement, change: Change, now_ms: int) -> bool:
    """Whether the maintenance lasts although the change is over."""
    return not change.lasts(now_ms) and (not there.ended_ms or there.ended_ms > max(now_ms, change.ended_ms))
