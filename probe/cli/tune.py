"""`probe tune`: thresholds for one check, proposed from its history."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from typing import Any

import click

from checks.core.units import format_duration
from probe.cli.replay.command import Advance, Begin, be_nice, chosen, period, progress
from probe.cli.replay.history import Historian, Question
from probe.cli.replay.table import stamp
from probe.cli.tuned import Found, Proposal, show, to_json
from probe.config.inherit import memory_of
from probe.config.model import Config, Planned
from probe.store.base import StoreError
from probe.store.reader import Reader
from thresholds.alerts import span_of
from thresholds.base import Policy
from thresholds.replay import Failing
from thresholds.spans import Span, union
from thresholds.track import Track, Usual, runs_for, usual
from thresholds.tuning import Candidate, Outcome, Trial, best, front

_ALARMS = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(day|week|month|year)")
_A_WEEK = {"day": 7.0, "week": 1.0, "month": 7 / 30, "year": 7 / 365}


class TuneError(Exception):
    """There is nothing to propose. One line."""


def alarms_a_week(text: str) -> float:
    """`1/week`, `2/month` as false alarms a week. Raises ValueError."""
    if match := _ALARMS.fullmatch(text.strip()):
        return float(match[1]) * _A_WEEK[match[2]]
    raise ValueError(f"{text!r} is no rate of alarms; write it as in 1/week, 2/month, 1/day or 4/year")


def tune(
    config: Config, name: str, *, metric: str, alarms: str, since: str, store: str | None, now_ms: int
) -> Proposal:
    """Read the history of a check and propose. Raises ValueError, StoreError and TuneError."""
    wanted, window = alarms_a_week(alarms), period(since, "now", now_ms)
    (planned, *others) = chosen(config, [name])
    if others:
        raise ValueError(f"{name!r} names {len(others) + 1} checks; thresholds are proposed for one")
    if not re.fullmatch(r"[a-z_]+", metric):
        raise ValueError(f"{metric!r} is no latency; name total, or a phase as in ttfb")
    be_nice()
    with Reader.at(store or config.store) as reader, progress(3) as bar:
        kept = reader.kept(planned.name)
        if kept is None or kept[1] < window[0]:
            raise TuneError(f"no runs of {planned.name} are stored since {stamp(window[0])} UTC")
        desk = Desk(reader, config, planned, (max(window[0], kept[0]), window[1]), *bar)
        return desk.proposal(metric, wanted)


@dataclass(frozen=True, slots=True)
class Desk:
    """Where a proposal is made: what there is to read, and who hears how far it is."""

    reader: Reader
    config: Config
    planned: Planned
    period: Span
    begin: Begin
    advance: Advance

    def proposal(self, metric: str, wanted: float) -> Proposal:
        """Read, try, and replay what is best. Raises TuneError, and ValueError for a metric that no run has."""
        track, outages = self._read(metric)
        if metric not in (there := self.reader.latencies()):
            name = self.planned.name
            raise ValueError(f"no run of {name} has {metric}; runs of {name} have {', '.join(there)}")
        normal = usual(track)
        if normal is None:
            raise TuneError(self._too_few(track, metric))
        trial = Trial(track, [*outages, *normal.spells], self.planned.policy)
        outcomes = self._tried(trial, normal)
        pick = best(outcomes, wanted)
        if pick is None or pick.candidate is None:
            raise TuneError(f"no limit on {metric} of {self.planned.name} is worth a try: it is always the same")
        self.begin("replaying")
        now = trial.count(None, self._replayed(self.planned.policy))
        would_be = self._policy(pick.candidate)
        exact = trial.count(pick.candidate, self._replayed(would_be))
        found = Found(len(track), len(outages), len(normal.spells), normal)
        return Proposal(self.planned, metric, self.period, wanted, found, now, front(outcomes), exact, would_be)

    def _policy(self, candidate: Candidate) -> Policy:
        """The policy of the check once the proposal is pasted."""
        policy, every = candidate.policy(self.planned.policy), self.planned.spec.every
        return replace(policy, memory=memory_of(policy.down_after, policy.up_after, every))

    def _too_few(self, track: Track, metric: str) -> str:
        """How many runs there are, and how many it takes."""
        name, since, every = self.planned.name, stamp(self.period[0]), self.planned.spec.every
        wanted = runs_for(every)
        return (
            f"too few good runs of {name} have a {metric}: {track.known} of {len(track)} since {since} UTC; it takes "
            f"{wanted}, a run every {format_duration(every)} for {format_duration(wanted * every)}, most of them good"
        )

    def _read(self, metric: str) -> tuple[Track, list[Span]]:
        """The runs as numbers, and the real outages."""
        self.begin("reading")
        since_ms, until_ms = self.period
        track, failing = Track(metric), Failing(self.planned.name)
        for page in self.reader.runs(self.planned.name, since_ms, until_ms, {metric}):
            for result in page:
                track.take(result)
                failing.take(result)
            self.advance((page[-1].at_ms - since_ms) / (until_ms - since_ms) if page else 0)
        return track, [(start, min(end, until_ms)) for start, end in map(span_of, failing.end())]

    def _tried(self, trial: Trial, normal: Usual) -> list[Outcome]:
        self.begin("trying")
        tries = trial.candidates(normal, self.planned.spec.every)
        outcomes = []
        for place, candidate in enumerate(tries):
            outcomes.append(trial.outcome(candidate))
            self.advance(place / len(tries))
        return outcomes

    def _replayed(self, policy: Policy) -> list[Span]:
        """The alerts that a policy makes, judged run by run as live."""
        historian = Historian(self.reader, Question(self.period), self.config.maintenance)
        story = historian.story(replace(self.planned, policy=policy), self.advance)
        alerts = [told.alert for told in story.would_be] if story is not None else []
        return union((alert.opened_ms, alert.resolved_ms or self.period[1]) for alert in alerts)


def command(config: Config, name: str, *, as_json: bool, **rest: Any) -> int:
    """Tune, print, and say how it went: the exit code. Raises ValueError for a wrong command line."""
    try:
        proposal = tune(config, name, **rest)
    except (StoreError, TuneError) as error:
        click.echo(str(error), err=True)
        return 1
    if as_json:
        click.echo(json.dumps(to_json(proposal), indent=2))
    else:
        show(proposal)
    return 0
