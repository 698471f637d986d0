"""The one place that every result passes: judged, remembered, handed on. Never waits."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from struct import Struct

from checks.core.redact import Redactor
from checks.core.result import Failure, FailureKind, Result
from exporters.alerting.book import Failing
from probe.clock import Clock
from probe.config.model import Config, Planned
from probe.engine.exhibits import Keeping
from probe.engine.notices import OURSELVES, SELF, About, failing
from probe.store.base import Act, Entry
from thresholds.base import Event, Level, State, Transition, Verdict
from thresholds.limits import BaselineLimit, WindowLimit, baseline_limits, window_limits
from thresholds.past import Past
from thresholds.policy import judge
from thresholds.profile import HOUR_MS
from thresholds.replay import REMOVED
from thresholds.spans import Span
from thresholds.timeline import covered_until, gap_between

_HISTORY = 40  # runs that a sparkline shows
_RUN = Struct("<Bf")  # one of them: its level and how long it took, in s
_NEW = State()


class Watch:
    """One check as it stands: what the pages show of it."""

    __slots__ = ("_hour", "_runs", "last", "learned", "past", "planned", "seen_ms", "state")

    def __init__(self, planned: Planned, state: State, seen_ms: int = 0) -> None:
        self.planned = planned
        self.state = state
        self.last: Verdict | None = None
        self.past: Past | None = None
        self.learned: tuple[BaselineLimit, ...] = ()  # baselines in the hour of the last run, as metrics show them
        self._hour = -1  # that it is of; -1: none
        self.seen_ms = seen_ms  # Unix ms from which on the next run is waited for; 0: there was none
        self._runs = b""  # a text of bytes is the smallest thing that holds them, and copied in no time

    @property
    def history(self) -> Sequence[tuple[Level, float]]:
        return [(Level(level), duration) for level, duration in _RUN.iter_unpack(self._runs)]

    def windows(self) -> Sequence[WindowLimit]:
        """Its thresholds on a while, as of the last run."""
        return list(window_limits(self.past, self.state.held))

    def baselines(self, at_ms: int) -> Sequence[BaselineLimit]:
        """Its thresholds on what is usual, in the hour of the week of an instant."""
        return list(baseline_limits(self.past, self.state.held, at_ms))

    def remember(self, past: Past | None) -> None:
        """Look back on this from now on; what was learned by others than its parts is forgotten."""
        if past is None or self.past is None or past.parts != self.past.parts:
            self.learned, self._hour = (), -1
        self.past = past

    def gap(self, result: Result) -> Span | None:
        """The time before a run in which there should have been one; from now on the next is waited for."""
        every = self.planned.spec.every
        gap = gap_between(self.seen_ms, every, result.at_ms) if self.seen_ms else None
        # What a run takes beyond its interval is no gap: the target kept us busy.
        self.seen_ms = result.at_ms + max(0, round((result.duration - every) * 1000))
        return gap

    def take(self, verdict: Verdict) -> None:
        self.state = verdict.state
        if verdict.result.provisional:
            return
        self.last = verdict
        if self.past is not None:
            self._learn(verdict.result.at_ms)
        self._runs = self._runs[-_RUN.size * (_HISTORY - 1) :] + _RUN.pack(verdict.level, verdict.result.duration)

    def _learn(self, at_ms: int) -> None:
        """Keep what is usual, at the first run of an hour: a scrape would work it out for all checks at once."""
        hour = at_ms // HOUR_MS
        if hour != self._hour:
            self.learned, self._hour = tuple(baseline_limits(self.past, self.state.held, at_ms)), hour


class Hub:
    """Judges results, keeps every check's state, and hands each transition to whoever decides what follows.

    `record` takes what must be stored (and, once stored, told); `export` takes what metrics show; `dispatch` says what
    is to be told of a transition.
    """

    def __init__(
        self,
        config: Config,
        clock: Clock,
        record: Callable[[Entry], None],
        export: Callable[[Sequence[Verdict]], None],
        states: Mapping[str, State],
        dispatch: Callable[[Transition, Failing], Act | None] = lambda _transition, _failing: None,
        *,
        seen_ms: Mapping[str, int] | None = None,
        pasts: Mapping[str, Past] | None = None,
    ) -> None:
        self._clock = clock
        self._record = record
        self._export = export
        self.dispatch = dispatch
        self._own = {name: state for name, state in states.items() if name.startswith(SELF)}
        self._watches: dict[str, Watch] = {}
        self._config = config
        self._keeping = Keeping()
        self.muted: Callable[[str, int], bool] = lambda _check, _at_ms: False
        self.moved: Callable[[Transition], None] = lambda _transition: None  # hears every transition
        self.unseen: Callable[[str, Span], None] = lambda _check, _gap: None  # hears every gap
        self.configure(config, states, pasts=pasts, seen_ms=seen_ms)

    def views(self) -> Collection[Watch]:
        return self._watches.values()

    def view(self, name: str) -> Watch | None:
        return self._watches.get(name)

    def covered(self, name: str) -> int:
        """Until when, in Unix ms, the last run of a check speaks for it; 0 where none does."""
        watch = self._watches.get(name)
        return covered_until(watch.seen_ms, watch.planned.spec.every) if watch is not None and watch.seen_ms else 0

    def seen(self, name: str) -> int:
        """When the last run of a check began, or what took longer than its interval ended: Unix ms; 0: never."""
        watch = self._watches.get(name)
        return watch.seen_ms if watch is not None else 0

    def pasts(self) -> Mapping[str, Past]:
        """What windows and baselines look back on, by check."""
        return {name: watch.past for name, watch in self._watches.items() if watch.past is not None}

    def configure(
        self,
        config: Config,
        states: Mapping[str, State] | None = None,
        *,
        pasts: Mapping[str, Past] | None = None,
        seen_ms: Mapping[str, int] | None = None,
    ) -> None:
        """Watch the checks of a configuration. States and histories of checks that stay are kept.

        `states` are those that the store remembers; without them, those of this process count. `pasts` are what
        windows and baselines look back on; without one a check has none. `seen_ms` says when the last run began that
        the store has of a check.
        """
        known = states if states is not None else {name: watch.state for name, watch in self._watches.items()}
        before, self._watches, self._config = self._watches, {}, config
        self._redact = Redactor(config.secrets)
        for name, planned in config.checks.items():
            watch = before.get(name) or Watch(planned, known.get(name, _NEW), (seen_ms or {}).get(name, 0))
            watch.planned = planned
            watch.remember((pasts or {}).get(name))
            self._watches[name] = watch
        for name, state in known.items():
            if name not in config.checks and not name.startswith(SELF) and state.incident:
                self._close(name, state, before[name].planned if name in before else None)

    def emit(self, result: Result) -> None:
        """Take a result from the engine."""
        watch = self._watches.get(result.check)
        if watch is None:
            return  # removed by a reload while it ran
        evidence = result.evidence
        if evidence is not None:
            result = replace(result, evidence=None)  # what is kept in memory of thousands of checks has none
        gap = watch.gap(result)
        muted = self.muted(result.check, result.at_ms)
        verdict = judge(watch.planned.policy, watch.state, result, watch.past, muted=muted)
        watch.take(verdict)
        self._export((verdict,))
        entry = Entry(verdict) if verdict.transition is None else self._entry(verdict, About.check(watch.planned))
        if verdict.transition is not None:
            self.moved(verdict.transition)
        if gap is not None:
            self.unseen(result.check, gap)
            entry = replace(entry, gap=gap)
        if evidence is not None and self._keeping.worth(verdict):
            entry = replace(entry, evidence=evidence)
        self._record(entry)

    def report(self, subject: str, level: Level, reason: str, *, about: About = OURSELVES) -> None:
        """Say something that no run says: `probe/<subject>` is UP, DEGRADED or DOWN. Told by the same routes."""
        name = SELF + subject
        before = self._own.get(name, State(Level.UP, confirmed=Level.UP))
        if before.level is level:
            return
        now_ms = self._clock.now_ms()
        failure = Failure(FailureKind.LOCAL, subject, reason) if level.bad else None
        verdict = _move(Result(name, now_ms, 0.0, failure=failure), before, level, reason)
        self._own[name] = verdict.state
        self._record(self._entry(verdict, about))

    def unknown_since(self, at_ms: int, among: Iterable[Watch] | None = None) -> Sequence[str]:
        """The checks, or those among some, that have been UNKNOWN since an instant or longer, although they run."""
        watches = self._watches.values() if among is None else among
        unknown = (watch for watch in watches if watch.state.level is Level.UNKNOWN)
        return sorted(watch.planned.name for watch in unknown if 0 < watch.state.since_ms <= at_ms)

    def own_states(self) -> Mapping[str, State]:
        """What is wrong with ourselves, by subject; UP ones too."""
        return {name.removeprefix(SELF): state for name, state in self._own.items()}

    def _close(self, name: str, state: State, planned: Planned | None) -> None:
        """A check that is gone has no outage any more: whoever was told of it is told that."""
        failure = Failure(FailureKind.LOCAL, "", REMOVED)
        result = Result(name, self._clock.now_ms(), 0.0, failure=failure)
        about = About.check(planned) if planned else OURSELVES
        verdict = _move(result, state, Level.UNKNOWN, REMOVED)
        if verdict.transition is not None:
            self.moved(verdict.transition)
        self._record(self._entry(verdict, about))

    def _entry(self, verdict: Verdict, about: About) -> Entry:
        transition = verdict.transition
        if transition is None:
            return Entry(verdict)
        transition = replace(transition, reason=self._redact(transition.reason))
        return Entry(verdict, self.dispatch(transition, failing(about, transition, verdict.result, self._redact)))


def _move(result: Result, before: State, level: Level, reason: str) -> Verdict:
    """A change of level that no threshold decides."""
    at_ms = result.at_ms
    opened = level.bad and not before.incident
    state = State(
        level=level,
        since_ms=at_ms,
        confirmed=level,
        confirmed_since_ms=at_ms,
        incident=(f"{result.check}@{at_ms}" if opened else before.incident) if level.bad else "",
        incident_since_ms=(at_ms if opened else before.incident_since_ms) if level.bad else 0,
        reason=reason if level.bad else "",
        worst=max(level, before.worst) if level.bad else Level.UNKNOWN,
    )
    event = (Event.OPENED if opened else Event.CHANGED) if level.bad else Event.RESOLVED
    known = state if level.bad else before
    transition = Transition(
        result.check,
        at_ms,
        at_ms,
        before.level,
        level,
        event if known.incident else Event.QUIET,
        known.incident,
        known.incident_since_ms,
        reason,
        max(before.worst, state.worst),
    )
    return Verdict(result, level, reason, state, transition)
