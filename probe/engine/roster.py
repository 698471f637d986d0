"""The roster at work: channels are told who is on call, at handoffs and at times of the week; gaps that matter, too.

What is told is written down as an alert is, under an id that follows from what was said before: a crash in between says
the same again, and the outbox drops it. Who is on call is worked out beside the loop, for some days at a time.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

from exporters.base import Notice, NoticeKind
from exporters.oncall.announce import Announcement, span_about
from exporters.oncall.bulletin import Words, ahead, handed_over, tiled
from exporters.oncall.override import Override
from exporters.oncall.roster import DAY, Roster
from exporters.oncall.schedule import Schedule
from exporters.oncall.shift import Shift
from exporters.oncall.targets import TargetKind, parse_target
from probe.clock import Clock
from probe.config.model import Config
from probe.engine.duty import Duty
from probe.engine.waiting import sleep_or
from probe.store.base import Act, StoreError
from probe.store.feeds import OnCallKept, Said
from thresholds.base import Level
from thresholds.calendar import local
from thresholds.spans import Span

log = logging.getLogger(__name__)

SUBJECT = "oncall/"
_BACK, _AHEAD = 14 * DAY, 2 * DAY  # ms of the roster that are worked out at once
_SOON = DAY // 2  # ms before the end of that at which the next days are
_LOOK = 60.0  # s between two looks, at most: the wall clock may be set meanwhile
_LATE = 3_600_000  # ms after which what is told is said to be late
_RETRY = 15.0  # s between two tries to remember what was told
_SHOWN = "%a %d %b %H:%M"


@dataclass(frozen=True, slots=True)
class Outlook:
    """Who is on call in a schedule for some days, without a gap: where nobody is, a tile says so."""

    span: Span
    tiles: Sequence[Shift]

    def at(self, at_ms: int) -> Shift | None:
        return next((tile for tile in self.tiles if tile.start_ms <= at_ms < tile.end_ms), None)

    def after(self, at_ms: int) -> int:
        """The next instant at which it changes; the end of what is known where it does not."""
        return next((tile.start_ms for tile in self.tiles if tile.start_ms > at_ms), self.span[1])


class Herald:
    """Tells of the schedules of a configuration. `written` returns when a decision is on disk."""

    def __init__(
        self,
        store: OnCallKept,
        clock: Clock,
        duty: Duty,
        written: Callable[[Act], Awaitable[None]],
        report: Callable[[str, Level, str], None],
        *,
        redact: Callable[[str], str] = lambda text: text,
    ) -> None:
        self._store = store
        self._clock = clock
        self._duty = duty
        self._written = written
        self._report = report
        self._redact = redact
        self._config: Config | None = None
        self._used: frozenset[str] = frozenset()  # schedules that some alert leads to
        self._said: dict[str, Said] = {}  # by the name of an announcement
        self._seen_ms: dict[str, int] = {}  # when it was last looked at in this process
        self._stale = True
        self._news = asyncio.Event()
        self._writing: set[asyncio.Task[None]] = set()
        self.outlooks: Mapping[str, Outlook] = {}
        self.untried: Callable[[Iterable[str]], bool] = lambda _keys: False  # whether calendars are yet to be fetched
        self.own: Callable[[], Collection[str]] = tuple  # subjects of which something was said

    async def open(self, config: Config) -> None:
        """Remember what was told before. Raises StoreError."""
        self._said = dict(await self._store.said())
        self.configure(config)

    def configure(self, config: Config) -> None:
        """Go by another configuration; the roster itself is that of the duty."""
        self._config, self._used = config, in_use(config)
        for subject in [one for one in self.own() if one.startswith(SUBJECT)]:
            if subject.removeprefix(SUBJECT) not in config.roster.schedules:
                self._report(subject, Level.UP, "")
        self.look_again()

    def look_again(self) -> None:
        """Overrides, calendars or the configuration are others than before."""
        self._stale = True
        self._news.set()

    async def run(self) -> None:
        """Tell what is to be told, until cancelled."""
        try:
            while True:
                self._news.clear()
                await self.look()
                await sleep_or(self._clock, self.until_next(), self._news)
        finally:
            for task in self._writing:
                task.cancel()

    async def look(self) -> None:
        """See who is on call now, and tell who is to hear of it."""
        now_ms = self._clock.now_ms()
        if self._stale or any(self._ends(one, now_ms) for one in self.outlooks.values()):
            self._stale = False
            span = now_ms - _BACK, now_ms + _AHEAD
            duty = self._duty
            self.outlooks = await asyncio.to_thread(_outlooks, duty.roster, span, duty.overrides(), duty.feeds)
        for name, outlook in self.outlooks.items():
            schedule = self._duty.roster.schedules.get(name)
            shift = outlook.at(now_ms)
            if schedule is None or shift is None or self.untried(feed.key for feed in schedule.feeds):
                continue
            self._look_for_gap(schedule, shift, now_ms)
            for announcement in dict.fromkeys(schedule.announcements):
                if announcement.on_change:
                    self._tell_change(schedule, announcement, shift, outlook, now_ms)
                else:
                    await self._tell_moment(schedule, announcement, now_ms)

    def _ends(self, outlook: Outlook, now_ms: int) -> bool:
        return now_ms >= outlook.span[1] - _SOON or now_ms < outlook.span[0]

    def until_next(self) -> float:
        """Seconds until there is something to look at."""
        now_ms = self._clock.now_ms()
        due = [outlook.after(now_ms) for outlook in self.outlooks.values()]
        for schedule in self._duty.roster.schedules.values():
            for one in schedule.announcements:
                if one.at is not None:
                    due += one.at.within((now_ms + 1, now_ms + DAY), schedule.zone)[:1]
        return min([_LOOK, *((at_ms - now_ms) / 1000 for at_ms in due)])

    def people(self) -> Mapping[str, int]:
        """How many are on call now, by schedule."""
        now_ms = self._clock.now_ms()
        shifts = {name: outlook.at(now_ms) for name, outlook in self.outlooks.items()}
        return {name: len(shift.who) for name, shift in shifts.items() if shift is not None}

    # Gaps.

    def _look_for_gap(self, schedule: Schedule, shift: Shift, now_ms: int) -> None:
        gap = (
            not shift.who and schedule.name in self._used and bool(schedule.wanted([shift.span], (now_ms, now_ms + 1)))
        )
        reason = self._gap(schedule, shift) if gap else ""
        self._report(SUBJECT + schedule.name, Level.DEGRADED if gap else Level.UP, reason)

    def _gap(self, schedule: Schedule, shift: Shift) -> str:
        outlook = self.outlooks[schedule.name]
        endless = shift.end_ms >= outlook.span[1]
        until = "for days to come" if endless else f"until {local(shift.end_ms, schedule.zone).strftime(_SHOWN)}"
        return f"nobody is on call in {schedule.name} {until} ({schedule.zone}), and alerts lead to it"

    # Announcements.

    def _tell_change(
        self, schedule: Schedule, announcement: Announcement, shift: Shift, outlook: Outlook, now_ms: int
    ) -> None:
        name = f"{schedule.name} {announcement.to} change"
        before, who = self._said.get(name), ",".join(shift.who)
        seen_ms = self._seen_ms.get(name, before.at_ms if before else now_ms)
        self._seen_ms[name] = now_ms
        if before is None:
            self._remember(name, Said(now_ms, who))
        elif before.who != who:
            # What has begun before we last looked is so because people, or a calendar, say so now.
            since_ms = shift.start_ms if shift.start_ms > seen_ms else now_ms
            late = now_ms - since_ms > _LATE
            now = Shift(since_ms, shift.end_ms, shift.who)
            gone = tuple(part for part in before.who.split(",") if part)
            endless = shift.end_ms >= outlook.span[1]
            words = handed_over(self._duty.roster, schedule.name, gone, now, late=late, endless=endless)
            self._tell(name, schedule, announcement, words, before, Said(since_ms, who))

    async def _tell_moment(self, schedule: Schedule, announcement: Announcement, now_ms: int) -> None:
        assert announcement.at is not None
        name = f"{schedule.name} {announcement.to} {announcement.about} {announcement.at.text}"
        before = self._said.get(name)
        if before is None or before.at_ms > now_ms:  # or the clock was set back
            self._remember(name, Said(now_ms))
            return
        since_ms = max(before.at_ms + 1, now_ms - _BACK)
        moments = announcement.at.within((since_ms, now_ms + 1), schedule.zone)
        if not moments:
            return
        late = now_ms - moments[-1] > _LATE
        span = span_about(announcement.about, now_ms if late else moments[-1], schedule.zone)
        duty = self._duty
        found = await asyncio.to_thread(duty.roster.shifts, schedule.name, span, duty.overrides(), duty.feeds)
        words = ahead(duty.roster, schedule.name, announcement.about, span, tiled(found, span), late=late)
        self._tell(name, schedule, announcement, words, before, Said(moments[-1]))

    def _tell(
        self, name: str, schedule: Schedule, announcement: Announcement, words: Words, before: Said, said: Said
    ) -> None:
        """Hand it to be written down and told; then it is remembered."""
        self._said[name] = said
        config = self._config
        if config is None or announcement.to not in config.receivers:
            self._remember(name, said)
            return
        now_ms = self._clock.now_ms()
        # When a change was seen is left out: it may be another instant when a crash repeats this.
        news = said.who if announcement.on_change else said.at_ms
        about = f"{config.instance}\0{name}\0{before.at_ms}\0{before.who}\0{news}"
        notice = Notice(
            id=f"msg_oncall{sha256(about.encode()).hexdigest()[:24]}",
            kind=NoticeKind.BULLETIN,
            incident=f"oncall {name}",
            instance=config.instance,
            check="",
            target="",
            level=Level.UP,
            since_ms=said.at_ms,
            at_ms=now_ms,
            title=self._redact(words.title),
            text=self._redact(words.text),
            link=f"{config.url}/oncall" if config.url else "",
            why=f"schedule {schedule.name} is announced here",
        )
        log.info("%s is told: %s", announcement.to, notice.title)
        self._begin(self._told(Act(notices=((notice, (announcement.to,)),)), name, said))

    async def _told(self, act: Act, name: str, said: Said) -> None:
        await self._written(act)
        await self._kept(name, said)

    def _remember(self, name: str, said: Said) -> None:
        self._said[name] = said
        self._begin(self._kept(name, said))

    async def _kept(self, name: str, said: Said) -> None:
        """Remember it for the next start; what is older than what was said since is left out."""
        while self._said.get(name) == said:
            try:
                await self._store.say(name, said)
            except StoreError as error:
                log.warning("what was announced is not written down yet: %s", error)
                await self._clock.sleep(_RETRY)
            else:
                return

    def _begin(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)


def in_use(config: Config) -> frozenset[str]:
    """The schedules that alerts lead to: from a route, or by an escalation that a route leads to."""
    routed = [text for route in config.routes for text in route.to]
    targets = [parse_target(text) for text in (*routed, *config.self_route, *config.change_targets)]
    for target in list(targets):
        policy = config.roster.escalations.get(target.name) if target.kind is TargetKind.ESCALATION else None
        targets += [parse_target(text) for step in policy.steps for text in step.notify] if policy else []
    return frozenset(target.name for target in targets if target.kind is TargetKind.SCHEDULE)


def _outlooks(
    roster: Roster, span: Span, overrides: Sequence[Override], feeds: Mapping[str, str]
) -> Mapping[str, Outlook]:
    return {name: Outlook(span, tiled(roster.shifts(name, span, overrides, feeds), span)) for name in roster.schedules}
