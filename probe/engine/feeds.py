"""Calendars of shifts, fetched again and again. A bad one changes nothing: the last good copy counts, also of before a
restart. Each has a task of its own; reading one never holds up the loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import tzinfo
from zlib import crc32

from checks.core.units import format_duration
from exporters.message import one_line
from exporters.oncall.feed import Feed, read_feed
from exporters.oncall.roster import DAY, Roster
from exporters.oncall.schedule import Schedule
from probe.clock import Clock
from probe.engine.fetch import Fetch, FetchError
from probe.store.base import StoreError
from probe.store.feeds import Copy, OnCallKept
from thresholds.base import Level

log = logging.getLogger(__name__)

SUBJECT = "feed/"
_AT_ONCE = 4  # calendars fetched at the same time
_SOON = 60.0  # s after which what failed is tried again, at the earliest
_SPREAD = 10.0  # s over which those of one start are spread
_PATIENCE = 3  # refreshes without a good copy, or with unknown titles, that are worth telling
_TRIES = 3  # in a row that failed, too: one slip after a night without us is not
_AHEAD = 14 * DAY  # ms in which titles must be of people whom we know
_FORGOTTEN = 7 * DAY  # ms after which the copy of a calendar goes that nobody names
_LONGEST = 300  # characters of a reason


@dataclass(slots=True)
class Calendar:
    """One address, for every schedule that names it."""

    name: str  # "calendar.example", which says nothing of the rest
    feed: Feed
    schedules: Sequence[Schedule]
    due: float  # on the steady clock
    began: float  # when it was first wanted
    copy: Copy | None = None
    marks: Mapping[str, str] = field(default_factory=dict)
    failures: int = 0  # in a row
    trouble: str = ""  # why the last try failed
    strange_since: float | None = None
    kept: bool = True  # whether the store has the copy
    tried: bool = False  # in this process, or a short while before it

    @property
    def refresh(self) -> float:
        """Seconds between two fetches: the shortest that anybody wants."""
        return min(one.refresh for schedule in self.schedules for one in schedule.feeds if one.key == self.feed.key)

    @property
    def zones(self) -> Sequence[tzinfo]:
        return list(dict.fromkeys(schedule.zone for schedule in self.schedules))


class Feeds:
    """Every calendar that the schedules of a configuration name. `changed` hears of new texts."""

    def __init__(
        self,
        store: OnCallKept,
        clock: Clock,
        fetch: Fetch,
        report: Callable[[str, Level, str], None],
        changed: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._fetch = fetch
        self._report = report
        self._changed = changed
        self._roster = Roster()
        self._calendars: dict[str, Calendar] = {}  # by key
        self._news = asyncio.Event()
        self._seats = asyncio.Semaphore(_AT_ONCE)
        self.texts: Mapping[str, str] = {}  # the last good one of each, by key; replaced as a whole
        self.said: Callable[[], Collection[str]] = tuple  # subjects of which something was said

    def untried(self, keys: Iterable[str]) -> bool:
        """Whether any of some calendars has yet to be asked for: what it will say is not known."""
        return any(key in self._calendars and not self._calendars[key].tried for key in keys)

    async def configure(self, roster: Roster) -> None:
        """Keep exactly the calendars of a roster. Those that stay are fetched when they are due."""
        wanted: dict[str, list[Schedule]] = {}
        feeds: dict[str, Feed] = {}
        for schedule in roster.schedules.values():
            for feed in dict.fromkeys(schedule.feeds):
                wanted.setdefault(feed.key, []).append(schedule)
                feeds.setdefault(feed.key, feed)
        found: dict[str, Calendar] = {}
        for (key, feed), name in zip(feeds.items(), _named(feed.name for feed in feeds.values()), strict=True):
            found[key] = await self._calendar(name, feed, wanted[key])
        self._roster, self._calendars = roster, found
        for subject in [one for one in self.said() if one.startswith(SUBJECT)]:
            if subject.removeprefix(SUBJECT) not in {one.name for one in found.values()}:
                self._report(subject, Level.UP, "")
        self._publish()
        self._news.set()
        await self._tidy()

    async def _calendar(self, name: str, feed: Feed, schedules: Sequence[Schedule]) -> Calendar:
        now = self._clock.monotonic()
        before = self._calendars.get(feed.key)
        if before is not None:
            before.name, before.schedules = name, schedules
            before.due = min(before.due, now + before.refresh)
            return before
        one = Calendar(name, feed, schedules, now + _share(feed.key) * _SPREAD, now)
        with contextlib.suppress(StoreError):  # then it is fetched
            one.copy = await self._store.feed(feed.key)
        if one.copy is not None:
            await self._warm(one, one.copy.text)
            left = one.copy.fetched_ms / 1000 + one.refresh - self._clock.now_ms() / 1000
            one.tried = 0 < left <= one.refresh
            one.due = now + left if one.tried else one.due
        else:
            one.due = now
        return one

    async def _warm(self, one: Calendar, text: str) -> None:
        """Read a copy of before: who asks for it next waits for nothing."""
        for zone in one.zones:
            with contextlib.suppress(ValueError):
                await asyncio.to_thread(read_feed, text, zone)

    async def _tidy(self) -> None:
        """Forget copies that nobody has named for days: a name may come back with the next reload."""
        horizon_ms = self._clock.now_ms() - _FORGOTTEN
        with contextlib.suppress(StoreError):
            kept = await self._store.feed_keys()
            old = [key for key, at_ms in kept.items() if key not in self._calendars and at_ms < horizon_ms]
            await self._store.drop_feeds(old)

    def _publish(self, *, again: bool = False) -> None:
        texts = {key: one.copy.text for key, one in self._calendars.items() if one.copy is not None}
        same = texts.keys() == self.texts.keys() and all(self.texts[key] is text for key, text in texts.items())
        self.texts = texts
        if again or not same:
            self._changed()

    async def run(self) -> None:
        """Keep them fetched, until cancelled."""
        while True:
            self._news.clear()
            async with asyncio.TaskGroup() as tasks:
                running = [tasks.create_task(self._keep(one), name=one.name) for one in self._calendars.values()]
                await self._news.wait()
                for task in running:
                    task.cancel()

    async def _keep(self, one: Calendar) -> None:
        while True:
            await self._clock.sleep(one.due - self._clock.monotonic())
            async with self._seats:
                await self.refresh(one)
            # Those that began together do not stay together.
            spread = 0.95 + 0.1 * _share(f"{one.feed.key}{one.due}")
            wait = one.refresh if not one.failures else min(one.refresh, max(_SOON, one.refresh / 4))
            one.due = self._clock.monotonic() + wait * spread

    async def refresh(self, one: Calendar) -> None:
        """Fetch one, and take it if it is good."""
        try:
            fetched = await self._fetch(one.feed.address, one.marks if one.copy is not None else {})
            text = fetched.text if fetched.text is not None else one.copy.text if one.copy else ""
            for zone in one.zones:
                await asyncio.to_thread(read_feed, text, zone)
        except FetchError as error:
            self._failed(one, str(error))
        except ValueError as error:
            self._failed(one, f"{one.name}: {one_line(str(error), _LONGEST)}")
        except Exception as error:  # a calendar that we cannot read must not end the service
            log.exception("calendar %s: bug while reading it", one.name)
            self._failed(one, f"bug: {type(error).__name__}")
        else:
            one.marks = fetched.marks or one.marks
            await self._took(one, text)
        first, one.tried = not one.tried, True
        self._publish(again=first)  # also of one that failed: nobody needs to wait for it any more
        await self._judge(one)

    def _failed(self, one: Calendar, why: str) -> None:
        if why != one.trouble:
            log.warning("the calendar of %s is as it was: %s", _of(one), why)
        one.failures += 1
        one.trouble = why

    async def _took(self, one: Calendar, text: str) -> None:
        if one.trouble:
            log.info("the calendar of %s is fetched again", _of(one))
        one.failures, one.trouble = 0, ""
        now_ms, before = self._clock.now_ms(), one.copy
        same = before is not None and before.text == text
        one.copy = Copy(before.text if same and before else text, now_ms)  # the very text that was read
        try:
            if same and one.kept:
                await self._store.touch_feed(one.feed.key, now_ms)
            else:
                await self._store.keep_feed(one.feed.key, one.copy)
            one.kept = True
        except StoreError as error:
            log.warning("the calendar of %s is in force and not kept yet: %s", _of(one), error)
            one.kept = False

    async def _judge(self, one: Calendar) -> None:
        """Say what has been wrong with it for long."""
        subject, now = SUBJECT + one.name, self._clock.monotonic()
        strangers = await self._strangers(one)
        one.strange_since = (one.strange_since if one.strange_since is not None else now) if strangers else None
        late = _PATIENCE * one.refresh
        if one.failures >= _TRIES and self._age(one) > late:
            self._report(subject, Level.DEGRADED, self._stale(one))
        elif one.strange_since is not None and now - one.strange_since > late:
            more = f", and {len(strangers) - 1} more like it" if len(strangers) > 1 else ""
            self._report(subject, Level.DEGRADED, f"the calendar of {_of(one)}: {strangers[0]}{more}")
        elif not one.failures and not strangers:
            self._report(subject, Level.UP, "")

    def _age(self, one: Calendar) -> float:
        """Seconds since it was last as it should be."""
        if one.copy is None:
            return self._clock.monotonic() - one.began
        return (self._clock.now_ms() - one.copy.fetched_ms) / 1000

    def _stale(self, one: Calendar) -> str:
        counts = "the last good copy counts" if one.copy else "there is no copy: the layers before it count"
        age = format_duration(self._age(one) // 60 * 60)
        return one_line(f"the calendar of {_of(one)} was not fetched for {age}, {counts}: {one.trouble}", _LONGEST)

    async def _strangers(self, one: Calendar) -> list[str]:
        """What of the next days cannot be understood."""
        if one.copy is None:
            return []
        now_ms, texts = self._clock.now_ms(), {one.feed.key: one.copy.text}
        found: list[str] = []
        for schedule in one.schedules:
            if schedule.name in self._roster.schedules:
                span = now_ms, now_ms + _AHEAD
                said = await asyncio.to_thread(self._roster.feed_shifts, schedule.name, one.feed, span, texts)
                found += said.warnings
        return list(dict.fromkeys(found))


def _of(one: Calendar) -> str:
    """`schedule prodops (calendar.example)`: all that may be said of it."""
    names = ", ".join(schedule.name for schedule in one.schedules)
    return f"schedule{'s' if len(one.schedules) > 1 else ''} {names} ({one.name})"


def _share(key: str) -> float:
    """A number from 0 to 1, the same for the same key."""
    return crc32(key.encode()) / 0xFFFFFFFF


def _named(names: Iterable[str]) -> list[str]:
    """Each name once: `calendar.example`, `calendar.example 2`."""
    counts: dict[str, int] = {}
    found = []
    for name in names:
        counts[name] = counts.get(name, 0) + 1
        found.append(name if counts[name] == 1 else f"{name} {counts[name]}")
    return found
