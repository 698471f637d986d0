"""A failure played ahead, with nobody acting: the dispatcher that decides at work decides here, on a clock of its own.

Whatever is not supposed is UP, and what the check depends on ran just before it failed: then the wait for news of it is
the longest that there may be.
"""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from checks.core.result import Result
from exporters.alerting.advance import LASTS
from exporters.alerting.case import Case, People
from exporters.alerting.explain import Hearing, Hold
from exporters.alerting.incident import Deed, Incident
from exporters.alerting.rules import Silence
from exporters.base import Notice, NoticeKind
from probe.config.model import Config, Planned
from probe.engine import dispatch
from probe.engine.dispatch import Dispatcher
from probe.engine.notices import About, failing
from probe.engine.played_clock import PlayedClock
from probe.store.base import Act
from thresholds.base import Event, Level, State, Transition, Verdict
from thresholds.maintenance import Subject, Window, planned

_LASTS_MS = 4 * 3_600_000  # that it is played, from when nothing holds it back any more
_FARTHEST_MS = 7 * 86_400_000
_LOOKS = 5_000
REASON = "as if it had failed"
_PLAYED_NUMBER = re.compile(r"\A(inhibited by )#\d+ ")  # of an incident that there is not
_NO_NEWS = ("not told: ", "told from now on")  # said of holds, which are seen by themselves


@dataclass(frozen=True, slots=True)
class Question:
    """What would happen if a check failed at an instant, while others stand as supposed."""

    check: str
    level: Level
    at_ms: int
    supposed: Mapping[str, Level] = field(default_factory=dict)  # of checks and services, by name


@dataclass(frozen=True, slots=True)
class _Standing:
    """A check as it stands in the play."""

    planned: Planned
    state: State
    last: Verdict | None


class Play:
    """One failure, from the instant that was asked about."""

    def __init__(
        self,
        config: Config,
        people: People,
        question: Question,
        silences: Sequence[Silence],
        windows: Sequence[Window],
    ) -> None:
        self._config, self._question = config, question
        self._windows = windows
        self._far_ms = question.at_ms + _FARTHEST_MS
        self._clock = PlayedClock(question.at_ms)
        self._dispatcher = Dispatcher(config, self._clock, self._take, people)
        self._dispatcher.held.silences = lambda: silences
        self._dispatcher.held.dependence.watch = self._watch
        self._dispatcher.held.dependence.services = config.services
        self._levels = {name: level for name, level, _ in self._supposed() if name != question.check}
        self._causes = {name: cause for name, _, cause in self._supposed()} | {question.check: question.check}
        self._levels[question.check] = question.level
        self._failed: set[str] = set()  # so far
        self.muted_ms = self._muted_until(question.check)
        self.opened_ms = question.at_ms if self.muted_ms in (0, self._far_ms) else self.muted_ms
        self.incident: Incident | None = None  # as it began; None: maintenance does not let it
        self.cases: tuple[Case, ...] = ()  # likewise
        self._early: list[tuple[int, Notice, Sequence[str]]] = []  # told before it began: it may be part of that
        self.hearings: list[Hearing] = []
        self.holds: list[Hold] = []
        self.notes: dict[str, None] = {}
        self.repeated: dict[str, float] = {}  # when each receiver is told for the first time that it lasts

    def _supposed(self) -> Iterator[tuple[str, Level, str]]:
        """Level and cause by check: what is said of a service is of all its checks, for one cause."""
        services, said = self._config.services, self._question.supposed
        for name, level in said.items():
            yield from ((member, level, name) for member in (services[name].members if name in services else ()))
        yield from ((name, level, name) for name, level in said.items() if name in self._config.checks)

    # What happens.

    def run(self) -> None:
        """Let everything fail that is to, and time pass."""
        for at_ms, name in self._runs():
            self._until(at_ms)
            self._failed.add(name)
            if self._muted_until(name) <= at_ms:
                self._fail(name)
        if self.incident is None:
            return
        end_ms = self._clock.now_ms() + _LASTS_MS
        for _ in range(_LOOKS):
            self._look()
            if self._dispatcher.holds(self.incident.id):
                end_ms = max(end_ms, min(self._far_ms, self._clock.now_ms() + _LASTS_MS))
            if self._clock.now_ms() >= end_ms:
                break
            self._on((end_ms - self._clock.now_ms()) / 1000)

    def _runs(self) -> list[tuple[int, str]]:
        """When each that is bad fails, and fails again after its maintenance; at the same instant the check is last."""
        found = [(self._question.at_ms, name) for name, level in self._levels.items() if level.bad]
        found += [(end_ms, name) for _, name in found if 0 < (end_ms := self._muted_until(name)) < self._far_ms]
        return sorted(found, key=lambda one: (one[0], one[1] == self._question.check))

    def _subject(self, name: str) -> Subject:
        return Subject(name, self._config.checks[name].service, self._config.checks[name].labels)

    def _muted_until(self, name: str) -> int:
        """Unix ms of the end of the maintenance that a check is in; 0: it is in none."""
        at_ms = self._question.at_ms
        muted = planned(self._windows, self._subject(name), (at_ms, self._far_ms)).muted
        return muted[0][1] if muted and muted[0][0] <= at_ms else 0

    def _until(self, at_ms: int) -> None:
        while self._clock.now_ms() < at_ms:
            self._look()
            self._on((at_ms - self._clock.now_ms()) / 1000)

    def _on(self, most: float) -> None:
        self._clock.pass_by(min(most, self._dispatcher.until_next(most)))

    def _fail(self, name: str) -> None:
        began_ms, now_ms, level = self._question.at_ms, self._clock.now_ms(), self._levels[name]
        outage = f"{name}@{began_ms}"
        change = Transition(name, now_ms, began_ms, Level.UP, level, Event.OPENED, outage, began_ms, REASON, level)
        known = failing(About.check(self._config.checks[name]), change, Result(name, now_ms, 0.0), str)
        # Nobody supposes that two fail for the same reason; what they depend on they have in common.
        own = (f"supposed:{self._causes[name]}", *(cause for cause in known.causes if cause.startswith("depends:")))
        act = self._dispatcher.hear(change, replace(known, causes=own))
        if name == self._question.check:
            self.incident = self._dispatcher.book.of_check(name)
            self.cases = tuple(self._ours())
            known_by = {case.id for case in self.cases if self.incident is not None and self.incident.id in case.said}
            for at_ms, notice, receivers in self._early:
                if notice.incident in known_by:
                    self._hear(notice, receivers, at_ms)
        self._take(act)

    # How things stand.

    def level(self, check: str) -> Level:
        """How a check is supposed to stand."""
        return self._levels.get(check, Level.UP)

    def maintenance(self) -> Iterator[Window]:
        """What is in force for it at the instant that was asked about."""
        at_ms, subject = self._question.at_ms, self._subject(self._question.check)
        for window in self._windows:
            if window.covers(subject) and (spans := window.spans((at_ms, at_ms + 1))):
                yield replace(window, reason=window.reasons(spans)[0])

    def _watch(self, name: str) -> _Standing | None:
        about = self._config.checks.get(name)
        if about is None:
            return None
        at_ms, now_ms = self._question.at_ms, self._clock.now_ms()
        known = name in self._failed or self.level(name) is Level.UP
        level = self.level(name) if known else Level.UP
        ran_ms = now_ms if known and name in self._levels else _last_run(about, at_ms, now_ms)
        state = State(level, at_ms, level, at_ms)
        return _Standing(about, state, Verdict(Result(name, ran_ms, 0.0), level, ""))

    def _ours(self) -> list[Case]:
        """The cases that tell of it."""
        incident = self.incident
        return [one for one in self._dispatcher.cases() if incident is not None and incident.id in one.incidents]

    # What is seen of it.

    def _look(self) -> None:
        self._take(self._dispatcher.tick())

    def _take(self, act: Act | None) -> None:
        self._see_holds()
        if act is None:
            return
        if self.incident is None:
            self._early += ((self._clock.now_ms(), notice, receivers) for notice, receivers in act.notices)
            return
        cases = {case.id: case for case in self._ours()}
        held = bool(self._dispatcher.holds(self.incident.id))
        for notice, receivers in act.notices:
            case = cases.get(notice.incident)
            if case is not None and (not held or self.incident.id in case.said):
                self._hear(notice, receivers, self._clock.now_ms())
        told_with = {identity for case in cases.values() for identity in case.incidents}
        self.notes |= dict.fromkeys(
            one.text
            for one in act.happenings
            if one.deed is Deed.HELD and one.incident in told_with and not one.text.startswith(_NO_NEWS)
        )

    def _hear(self, notice: Notice, receivers: Sequence[str], at_ms: int) -> None:
        whys, after = {name: notice.whys.get(name, "") for name in receivers}, self._after(at_ms)
        if notice.kind is NoticeKind.REPEATED and set(whys.values()) == {LASTS}:
            self.repeated |= {name: after for name in receivers if name not in self.repeated}
        else:
            self.hearings.append(Hearing(after, notice.kind, whys))

    def _see_holds(self) -> None:
        """Note what holds it back, from when on, and when that is over."""
        why = self._dispatcher.holds(self.incident.id) if self.incident is not None else ""
        why = _PLAYED_NUMBER.sub(r"\1", why)
        last = self.holds[-1] if self.holds and self.holds[-1].until is None else None
        if why == (last.why if last is not None else ""):
            return
        if last is not None:
            self.holds[-1] = Hold(last.after, self._after(self._clock.now_ms()), last.why)
        if why:
            # What is gathered is looked at a moment later; it was held back all the same.
            at_ms = self._clock.now_ms()
            self.holds.append(Hold(self._after(self.opened_ms if at_ms < self.opened_ms + 1000 else at_ms), None, why))

    def _after(self, at_ms: int) -> float:
        return (at_ms - self._question.at_ms) / 1000


def _last_run(about: Planned, failed_ms: int, now_ms: int) -> int:
    """When a check that nothing is supposed of ran last: just before the failure, and at its interval from then on."""
    every_ms = max(1, round(about.spec.every * 1000))
    return failed_ms - 1 + (now_ms - failed_ms + 1) // every_ms * every_ms


@contextmanager
def unlogged() -> Iterator[None]:
    """What is only played is not in the log."""
    ours, log = threading.get_ident(), dispatch.log

    def elsewhere(record: logging.LogRecord) -> bool:
        return record.thread != ours

    log.addFilter(elsewhere)
    try:
        yield
    finally:
        log.removeFilter(elsewhere)
