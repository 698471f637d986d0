"""Brings one receiver its notices: one at a time, in order, no faster than its channel allows, until each is settled.

At least once: what was delivered is written down after it was, so a crash between the two sends it again under the
same id.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from dataclasses import replace
from typing import Protocol

from exporters.base import Notice, NoticeKind, Notifier, NotifyError, Refreshing, Trouble
from exporters.limits import Pace
from probe.engine.desk import Desk
from probe.engine.merging import ENDS, Letter, letters
from probe.engine.remembered import Remembered
from probe.engine.voice import Voice
from probe.engine.waiting import sleep_or
from probe.store.deliveries import Delivery, Outcome

log = logging.getLogger(__name__)

_PAUSES = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0)  # s between attempts; then the last
_GIVE_UP = 86_400.0  # s of waiting here: whoever could not be told for a day reads it on the page
_MOST = 10_000  # notices that wait for one receiver
_DEADLINE = 30.0  # s for one attempt
_LONGEST_WISH = 3600.0  # s that a receiver's Retry-After may ask for
_STALE_AFTER = 300_000  # ms: whether what was decided earlier still lasts is asked before it is told
_HELD = 300.0  # s that a notice of what is over waits for its end, to be told with it


class Office(Protocol):
    """Who has what a receiver will not be told told elsewhere."""

    def divert(self, delivery: Delivery, why: str) -> str:
        """Hand a delivery to whoever is told instead; its name, or "" for nobody."""

    def gone(self, name: str, why: str) -> None:
        """A receiver takes nothing any more."""


class Courier:
    """The way to one receiver."""

    def __init__(self, name: str, notifier: Notifier, desk: Desk, office: Office) -> None:
        self.name = name
        self.notifier = notifier
        self.paces: tuple[Pace, ...] = ()
        self.memory = Remembered()
        self.voice = Voice(name, desk, self.memory)
        self._desk = desk
        self._office = office
        self._queue: deque[Delivery] = deque()
        self._news = asyncio.Event()
        self._not_before = 0.0
        self._refresh_at = 0.0
        self._since: dict[str, float] = {}  # by id: when a notice began to wait here
        self._held: dict[str, float] = {}  # by id: until when a notice waits for the end of what it tells of
        self._paced = ""  # id of the notice that waits for the channel's pace
        self.quiet = asyncio.Event()  # set while nothing is being sent

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def oldest_ms(self) -> int:
        """Unix ms of the decision that waits longest; 0 when none does."""
        return self._queue[0].notice.at_ms if self._queue else 0

    def accept(self, delivery: Delivery) -> None:
        """Take what is to be told; what waits already, or was told, is not taken again."""
        if self.knows(delivery.notice.id):
            return
        if len(self._queue) >= _MOST:
            self._finish(self._queue[0], Outcome.FAILED, "too many notices wait")
        self._queue.append(delivery)
        self._since[delivery.notice.id] = self._desk.clock.monotonic()
        self.wake()

    def knows(self, notice: str) -> bool:
        """Whether a notice waits here or is settled, by its id."""
        return notice in self._since or self.memory.is_settled(notice)

    def remember(self, delivery: Delivery) -> None:
        """What the receiver took before a restart."""
        self.memory.took(delivery, forgets=isinstance(self.notifier, Refreshing))

    def wake(self) -> None:
        """Look again: there is news."""
        self.quiet.clear()
        self._news.set()

    def abandon(self, reason: str, *, diverted: bool = False) -> None:
        """Settle everything that waits as failed. `diverted`: another receiver may be told instead."""
        while self._queue:
            self._lose(self._queue[0], reason, diverted=diverted)
        self._not_before = 0.0

    async def run(self) -> None:
        while True:
            self._news.clear()
            self.quiet.clear()
            now = self._desk.clock.monotonic()
            if self._refreshing is not None and now >= self._refresh_at:
                await self._refresh(self._refreshing)  # first: a long queue must not make it forget
            elif (letter := self._next(now)) is not None:
                await self._attempt(letter)
            else:
                self.quiet.set()
                await self._wait(now)

    @property
    def _refreshing(self) -> Refreshing | None:
        return self.notifier if isinstance(self.notifier, Refreshing) and self.memory.told else None

    def _next(self, now: float) -> Letter | None:
        """What to send now; None while there is nothing, or it has to wait."""
        if not self._queue or now < self._not_before:
            return None
        waiting = letters(self._queue, self.memory.told)
        letter = next((one for one in waiting if not self._hold(one.delivery.notice, now)), None)
        if letter is None or all(pace.delay(now) <= 0 for pace in self.paces):
            return letter
        if self._paced != letter.delivery.notice.id:
            self._paced = letter.delivery.notice.id
            self._desk.paced(self.name)
        return None

    def _hold(self, notice: Notice, now: float) -> bool:
        """Whether a notice had better wait: what it tells of is over, and its end will be here any moment.

        Not for long: perhaps the end was told to others only.
        """
        if notice.kind in ENDS or notice.kind in (NoticeKind.ACKNOWLEDGED, NoticeKind.BULLETIN):
            return False
        if self._desk.clock.now_ms() - notice.at_ms <= _STALE_AFTER or self._desk.still(notice.incident):
            return False
        return now < self._held.setdefault(notice.id, now + _HELD)

    async def _wait(self, now: float) -> None:
        """Sleep until something is due, or until there is news for an idle receiver."""
        due = [self._refresh_at] if self._refreshing is not None else []
        if self._queue:
            ready = max([self._not_before, *(now + pace.delay(now) for pace in self.paces)])
            # When nothing but held notices is left, each waits for its end, which is news, or for its time.
            due += [ready] if ready > now else [until for until in self._held.values() if until > now]
        if not due:
            await self._news.wait()
            return
        await sleep_or(self._desk.clock, min(due) - now, self._news)

    async def _attempt(self, letter: Letter) -> None:
        now_ms, now = self._desk.clock.now_ms(), self._desk.clock.monotonic()
        delivery = replace(letter.delivery, attempts=letter.delivery.attempts + 1, at_ms=now_ms)
        letter = replace(letter, delivery=delivery)
        for pace in self.paces:
            pace.take(now)
        try:
            async with asyncio.timeout(_DEADLINE):
                reference = await self.voice.say(delivery.notice, self.notifier)
        except TimeoutError:
            self._failed(letter, NotifyError(f"no answer within {_DEADLINE:g} s", kind=Trouble.TIMEOUT))
        except NotifyError as error:
            self._failed(letter, error)
        except Exception as error:  # a bug in one channel must not silence the others
            log.exception("receiver %s: bug while sending", self.name)
            self._failed(letter, NotifyError(f"bug: {type(error).__name__}"))
        else:
            self._took(letter, replace(delivery, reference=reference))

    def _took(self, letter: Letter, delivery: Delivery) -> None:
        for other in letter.superfluous:
            self._finish(other, Outcome.MERGED)
        self._finish(delivery, Outcome.DELIVERED)
        self.remember(delivery)
        self._not_before = 0.0
        self._desk.taken(self.name)

    def _failed(self, letter: Letter, error: NotifyError) -> None:
        delivery, message = letter.delivery, self._desk.redact(str(error))
        now = self._desk.clock.monotonic()
        final = error.permanent or now - self._since.get(delivery.notice.id, now) > _GIVE_UP
        self._desk.failed(self.name, error.kind, final)
        log.warning("receiver %s: %s (attempt %d)", self.name, message, delivery.attempts)
        tried = self._note(delivery, message)
        if error.gone:
            self._office.gone(self.name, message)
        elif final:
            for refused in (*letter.superfluous, tried):
                self._lose(refused, message, diverted=True)
            self._not_before = 0.0
            self._desk.refused(self.name, f"receiver {self.name} does not take alerts: {message}")
        else:
            self._not_before = now + _pause(delivery.attempts, error.retry_after)
            self._slow_down(error, now)
            self._desk.settle(tried)

    def _note(self, delivery: Delivery, message: str) -> Delivery:
        """The notice that waits, as it was decided, with what came of the attempt; it goes on waiting."""
        for index, waiting in enumerate(self._queue):
            if waiting.notice.id == delivery.notice.id:
                tried = replace(waiting, attempts=delivery.attempts, error=message, at_ms=delivery.at_ms)
                self._queue[index] = tried
                return tried
        return delivery

    def _slow_down(self, error: NotifyError, now: float) -> None:
        """Those who share the limit need not find out by themselves."""
        if error.kind is Trouble.RATE and error.retry_after is not None:
            for pace in self.paces:
                pace.close(now + min(error.retry_after, _LONGEST_WISH))

    def _lose(self, delivery: Delivery, why: str, *, diverted: bool) -> None:
        """Settle what this receiver will never be told."""
        notice = delivery.notice
        instead = self._office.divert(delivery, why) if diverted else ""
        kept = replace(delivery, reference=self.memory.reference(notice.incident) or "")
        self._finish(kept, Outcome.FAILED, f"{why}; {instead} is told instead" if instead else why)
        if not notice.firing:
            self.remember(kept)  # whoever must be told again is told that it is over

    def _finish(self, delivery: Delivery, outcome: Outcome, error: str = "") -> None:
        """Nothing more is done about a delivery: write that down."""
        notice = delivery.notice.id
        self._queue = deque(waiting for waiting in self._queue if waiting.notice.id != notice)
        self._since.pop(notice, None)
        self._held.pop(notice, None)
        self.memory.settled(notice)
        self._desk.settle(replace(delivery, outcome=outcome, error=error, at_ms=self._desk.clock.now_ms()))

    async def _refresh(self, notifier: Refreshing) -> None:
        self._refresh_at = self._desk.clock.monotonic() + notifier.refresh_every
        now_ms = self._desk.clock.now_ms()
        # What waits here says it better: of what is over, that it lasts would be told after its end.
        over = {waiting.notice.incident for waiting in self._queue if waiting.notice.kind in ENDS}
        kept = self.memory.recent(now_ms - notifier.keep_resolved * 1000)
        recent = [notice for notice in kept if notice.incident not in over]
        if not recent:
            return
        try:
            async with asyncio.timeout(_DEADLINE):
                await notifier.refresh([self.voice.worded(notice) for notice in recent], now_ms, self._desk.post)
        except (TimeoutError, NotifyError) as error:
            kind = error.kind if isinstance(error, NotifyError) else Trouble.TIMEOUT
            self._desk.failed(self.name, kind, False)
            log.warning("receiver %s: not refreshed: %s", self.name, self._desk.redact(str(error) or "no answer"))
        except Exception:  # as in _attempt
            log.exception("receiver %s: bug while refreshing", self.name)


def _pause(attempts: int, wish: float | None) -> float:
    pause = _PAUSES[min(attempts, len(_PAUSES)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # spreads retries only
    return pause if wish is None else max(pause, min(wish, _LONGEST_WISH))
