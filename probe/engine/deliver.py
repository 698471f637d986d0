"""From a stored transition to the people on call: one courier per receiver, one notice at a time, in order.

At least once: what was delivered is written down after it was, so a crash between the two sends it again under the
same id. Nothing here waits for another receiver, and nothing else waits for this.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections import deque
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass, replace

from exporters.base import Notice, NoticeKind, Notifier, NotifyError, Post, Refreshing
from probe.clock import Clock
from probe.engine.crew import Crew
from probe.engine.waiting import sleep_or
from probe.store.base import Delivery, Outcome

log = logging.getLogger(__name__)

_PAUSES = (5.0, 10.0, 30.0, 60.0, 120.0, 300.0)  # s between attempts; then the last
_GIVE_UP = 86_400.0  # s of waiting here: whoever could not be told for a day reads it on the page
_MOST = 10_000  # notices that wait for one receiver
_ENDS = (NoticeKind.RESOLVED, NoticeKind.PASSED)
_DEADLINE = 30.0  # s for one attempt
_LONGEST_WISH = 3600.0  # s that a receiver's Retry-After may ask for


@dataclass(frozen=True, slots=True)
class Desk:
    """What couriers share with the service."""

    clock: Clock
    post: Post
    redact: Callable[[str], str]
    settle: Callable[[Delivery], None]  # write down what became of a delivery
    refused: Callable[[str, str], None]  # a receiver refuses for good, and why
    taken: Callable[[str], None]  # a receiver took a notice
    failed: Callable[[str, bool], None]  # a receiver failed, permanently or not


def merged(queue: Sequence[Delivery], told: Container[str]) -> tuple[Delivery, Sequence[Delivery]]:
    """What to send next, and what need not be sent any more. `told` are the incidents that the receiver knows of.

    An outage that ended before the receiver took any notice of it is told as one message; a change of level that
    ended is told by its end alone.
    """
    head = queue[0]
    same = [delivery for delivery in queue if delivery.notice.incident == head.notice.incident]
    end = next((delivery for delivery in same if delivery.notice.kind in _ENDS), None)
    if end is None:
        return head, ()
    kind = NoticeKind.RESOLVED if head.notice.incident in told else NoticeKind.PASSED
    worst = max(delivery.notice.level for delivery in same)
    return replace(end, notice=replace(end.notice, kind=kind, level=worst)), same[: same.index(end)]


class Courier:
    """Brings one receiver its notices, until each is taken or refused for good."""

    def __init__(self, name: str, notifier: Notifier, desk: Desk) -> None:
        self.name = name
        self.notifier = notifier
        self._desk = desk
        self._queue: deque[Delivery] = deque()
        self._news = asyncio.Event()
        self._not_before = 0.0
        self._refresh_at = 0.0
        self._told: dict[
            str, Notice
        ] = {}  # by incident: the last notice that the receiver took, or had the last word on
        self._since: dict[str, float] = {}  # by id: when a notice began to wait here
        self.quiet = asyncio.Event()  # set while nothing is being sent

    def __len__(self) -> int:
        return len(self._queue)

    @property
    def oldest_ms(self) -> int:
        """Unix ms of the decision that waits longest; 0 when none does."""
        return self._queue[0].notice.at_ms if self._queue else 0

    def accept(self, delivery: Delivery) -> None:
        if len(self._queue) >= _MOST:
            self._finish(self._queue.popleft(), Outcome.FAILED, "too many notices wait")
        self._queue.append(delivery)
        self._since.setdefault(delivery.notice.id, self._desk.clock.monotonic())
        self.quiet.clear()
        self._news.set()

    def remember(self, notice: Notice) -> None:
        """A notice that the receiver took, perhaps before a restart. An end is kept only for those that forget."""
        if notice.firing or isinstance(self.notifier, Refreshing):
            self._told[notice.incident] = notice
        else:
            self._told.pop(notice.incident, None)

    def abandon(self, reason: str) -> None:
        """Settle everything that waits as failed: the receiver is gone from the configuration."""
        while self._queue:
            self._finish(self._queue.popleft(), Outcome.FAILED, reason)

    async def run(self) -> None:
        while True:
            self._news.clear()
            self.quiet.clear()
            now = self._desk.clock.monotonic()
            if self._refreshing is not None and now >= self._refresh_at:
                await self._refresh(self._refreshing)  # first: a long queue must not make it forget
            elif self._queue and now >= self._not_before:
                await self._attempt(*merged(self._queue, self._told))
            else:
                self.quiet.set()
                await self._wait(now)

    @property
    def _refreshing(self) -> Refreshing | None:
        return self.notifier if isinstance(self.notifier, Refreshing) and self._told else None

    async def _wait(self, now: float) -> None:
        """Sleep until something is due, or until there is news for an idle receiver."""
        due = [self._not_before] if self._queue else []
        if self._refreshing is not None:
            due.append(self._refresh_at)
        if not due:
            await self._news.wait()
            return
        await sleep_or(self._desk.clock, min(due) - now, self._news)

    async def _attempt(self, delivery: Delivery, superfluous: Sequence[Delivery]) -> None:
        delivery = replace(delivery, attempts=delivery.attempts + 1, at_ms=self._desk.clock.now_ms())
        try:
            async with asyncio.timeout(_DEADLINE):
                await self.notifier.send(delivery.notice, self._desk.post)
        except TimeoutError:
            self._postpone(delivery, superfluous, NotifyError(f"no answer within {_DEADLINE:g} s"))
        except NotifyError as error:
            self._postpone(delivery, superfluous, error)
        except Exception as error:  # a bug in one channel must not silence the others
            log.exception("receiver %s: bug while sending", self.name)
            self._postpone(delivery, superfluous, NotifyError(f"bug: {type(error).__name__}"))
        else:
            for other in superfluous:
                self._finish(other, Outcome.MERGED)
            self._finish(delivery, Outcome.DELIVERED)
            self.remember(delivery.notice)
            self._not_before = 0.0
            self._desk.taken(self.name)

    def _postpone(self, delivery: Delivery, superfluous: Sequence[Delivery], error: NotifyError) -> None:
        message = self._desk.redact(str(error))
        now = self._desk.clock.monotonic()
        final = error.permanent or now - self._since.get(delivery.notice.id, now) > _GIVE_UP
        self._desk.failed(self.name, final)
        log.warning("receiver %s: %s (attempt %d)", self.name, message, delivery.attempts)
        if final:
            for refused in (*superfluous, delivery):
                self._finish(refused, Outcome.FAILED, message)
            if not delivery.notice.firing:
                self.remember(delivery.notice)  # whoever must be told again is told that it is over
            self._not_before = 0.0
            self._desk.refused(self.name, f"receiver {self.name} does not take alerts: {message}")
            return
        self._not_before = now + _pause(delivery.attempts, error.retry_after)
        for index, waiting in enumerate(self._queue):
            if waiting.notice.id == delivery.notice.id:
                tried = replace(waiting, attempts=delivery.attempts, error=message, at_ms=delivery.at_ms)
                self._queue[index] = tried
                self._desk.settle(tried)

    def _finish(self, delivery: Delivery, outcome: Outcome, error: str = "") -> None:
        """Nothing more is done about a delivery: write that down."""
        self._queue = deque(waiting for waiting in self._queue if waiting.notice.id != delivery.notice.id)
        self._since.pop(delivery.notice.id, None)
        self._desk.settle(replace(delivery, outcome=outcome, error=error, at_ms=self._desk.clock.now_ms()))

    async def _refresh(self, notifier: Refreshing) -> None:
        self._refresh_at = self._desk.clock.monotonic() + notifier.refresh_every
        now_ms = self._desk.clock.now_ms()
        horizon = now_ms - notifier.keep_resolved * 1000
        self._told = {key: told for key, told in self._told.items() if told.firing or told.ended_ms > horizon}
        if not self._told:
            return
        try:
            async with asyncio.timeout(_DEADLINE):
                await notifier.refresh(list(self._told.values()), now_ms, self._desk.post)
        except (TimeoutError, NotifyError) as error:
            self._desk.failed(self.name, False)
            log.warning("receiver %s: not refreshed: %s", self.name, self._desk.redact(str(error) or "no answer"))
        except Exception:  # as in _attempt
            log.exception("receiver %s: bug while refreshing", self.name)


def _pause(attempts: int, wish: float | None) -> float:
    pause = _PAUSES[min(attempts, len(_PAUSES)) - 1] * random.uniform(0.8, 1.2)  # noqa: S311  # spreads retries only
    return pause if wish is None else max(pause, min(wish, _LONGEST_WISH))


class Deliverer:
    """Keeps a courier for every receiver of the configuration."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._couriers: dict[str, Courier] = {}
        self._crew = Crew("courier")

    async def run(self) -> None:
        """Wait for ever; raise what a courier raised, for that is a bug of ours."""
        await self._crew.run()

    def configure(self, receivers: Mapping[str, Notifier], told: Sequence[Delivery] = ()) -> None:
        """Keep exactly these receivers. What waits for one that stays is sent by its new settings.

        `told` is what receivers knew before: a new one may be an old one that comes back.
        """
        for name in self._couriers.keys() - receivers.keys():
            self._crew.end(name)
            self._couriers.pop(name).abandon("the receiver was removed from the configuration")
        for name, notifier in receivers.items():
            if name in self._couriers:
                self._couriers[name].notifier = notifier
                continue
            courier = self._couriers[name] = Courier(name, notifier, self._desk)
            for delivery in told:
                if delivery.receiver == name:
                    courier.remember(delivery.notice)
            self._crew.start(name, courier.run())

    def accept(self, delivery: Delivery) -> None:
        if delivery.receiver in self._couriers:
            self._couriers[delivery.receiver].accept(delivery)
            return
        gone = replace(delivery, outcome=Outcome.FAILED, error="no such receiver in the configuration")
        self._desk.settle(replace(gone, at_ms=self._desk.clock.now_ms()))

    def waiting(self) -> Mapping[str, tuple[int, int]]:
        """How many notices wait by receiver, and Unix ms of the oldest one's decision."""
        return {name: (len(courier), courier.oldest_ms) for name, courier in self._couriers.items()}

    async def flush(self) -> None:
        """Wait until every courier has sent what it can send now. The caller sets the deadline."""
        for courier in list(self._couriers.values()):
            await courier.quiet.wait()

    async def stop(self) -> None:
        self._couriers.clear()
        await self._crew.stop()
