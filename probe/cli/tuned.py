"""A proposal of thresholds: as a table, as lines to paste, as JSON."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import click
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from checks.core.units import format_duration
from probe.cli.colours import harmless
from probe.cli.replay.figures import instant
from probe.cli.replay.table import stamp
from probe.config.fields import format_ratio
from probe.config.limits import AnyThreshold
from probe.config.model import Planned
from thresholds.base import BaselineThreshold, Policy, Threshold, WindowThreshold
from thresholds.spans import Span
from thresholds.track import Usual
from thresholds.tuning import Outcome

_WIDE = 160  # columns, where there is no terminal


@dataclass(frozen=True, slots=True)
class Found:
    """What history says of a check."""

    runs: int
    outages: int
    slow: int  # slow times
    normal: Usual


@dataclass(frozen=True, slots=True)
class Proposal:
    """What follows from it."""

    planned: Planned
    metric: str
    period: Span
    wanted: float  # false alarms a week
    found: Found
    now: Outcome  # of the policy in force
    curve: Sequence[Outcome]
    pick: Outcome  # replayed exactly
    policy: Policy  # of the check with it


def show(proposal: Proposal) -> None:
    """Print what was found, the trade-off, and what to paste."""
    console = Console(width=None if sys.stdout.isatty() else _WIDE)
    name, metric = harmless(proposal.planned.name), proposal.metric
    first, last = map(stamp, proposal.period)
    console.print(f"{name}: {proposal.found.runs:,} runs, {first} to {last} UTC", highlight=False)
    found = proposal.found
    usual, slow = format_duration(found.normal.median), format_duration(found.normal.slow)
    wrong = f"{_counted(found.outages, 'outage')} and {_counted(found.slow, 'slow time')} of 5 minutes or more"
    console.print(f"{metric} is usually {usual}; slow from {slow} on. What was wrong: {wrong}.\n", highlight=False)
    console.print(_curve(proposal))
    pick = proposal.pick
    if pick.false_a_week > proposal.wanted * 1.001:
        said = f"No candidate is as calm as {rate(proposal.wanted)} false alarms a week; the calmest:"
        if stays := _others(proposal):
            said = f"More than {rate(proposal.wanted)} false alarms a week, with what stays: {', '.join(stays)}"
        console.print(Text(said, style="yellow"))
    plural = "" if proposal.wanted == 1 else "s"
    console.print(f"\nProposed for at most {rate(proposal.wanted)} false alarm{plural} a week:\n", highlight=False)
    click.echo(yaml_of(proposal), nl=False)


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _curve(proposal: Proposal) -> Table:
    """What each candidate would tell; those that another one beats in everything are left out."""
    table = Table(box=box.SIMPLE_HEAD, header_style="dim", pad_edge=False, show_edge=False)
    for head in ("", "THRESHOLD", "OVER", "RUNS"):
        table.add_column(head, no_wrap=True, justify="right" if head == "OVER" else "left")
    for head in ("ALERTS/WEEK", "FALSE/WEEK", "FOUND", "TOLD AFTER"):
        table.add_column(head, no_wrap=True, justify="right")
    for outcome in proposal.curve:
        candidate = outcome.candidate
        assert candidate is not None
        picked = candidate == proposal.pick.candidate
        m, n = candidate.runs
        cells = (candidate.name, format_duration(candidate.limit), f"{m} of {n}", *_figures(outcome))
        table.add_row("→" if picked else "", *cells, style="bold green" if picked else "")
    table.add_section()
    table.add_row("", "in force now", "", "", *_figures(proposal.now), style="dim")
    return table


def _figures(outcome: Outcome) -> tuple[str, str, str, str]:
    late = "—" if outcome.to_find is None else format_duration(outcome.to_find)
    found = f"{outcome.found} of {outcome.spells}"
    return f"{outcome.alerts_a_week:.2f}", f"{outcome.false_a_week:.2f}", found, late


def yaml_of(proposal: Proposal) -> str:
    """What to paste into the configuration."""
    pick, policy = proposal.pick, proposal.planned.policy
    candidate = pick.candidate
    assert candidate is not None
    late = "—" if pick.to_find is None else format_duration(pick.to_find)
    said = f"{rate(pick.alerts_a_week)} alerts a week, {rate(pick.false_a_week)} of them false"
    lines = [f"# {said}; {pick.found} of {pick.spells} found, half of them within {late}"]
    lines += ["checks:", f"  {proposal.planned.name}:"]
    if candidate.runs != policy.down_after:
        lines.append(f"    down_after: {candidate.runs[0]} of {candidate.runs[1]}")
    lines += ["    thresholds:", *(f"      {name}: {limits}" for name, limits in _changes(policy, proposal.policy))]
    old, new = _named(policy), _named(proposal.policy)
    for name in old.keys() & new.keys():
        if (down := getattr(old[name], "down", None)) is not None and getattr(new[name], "down", None) is None:
            lines.append(f"# down: {written(down)} of {name} goes: it would not lie over degraded")
    if stays := _others(proposal):
        lines.append(f"# counted with what stays: {', '.join(stays)}")
    return "\n".join(lines) + "\n"


def _named(policy: Policy) -> dict[str, AnyThreshold]:
    """Thresholds by the names that they are configured by."""
    runs = {one.metric: one for one in policy.thresholds}
    return {**runs, **{one.name: one for one in policy.windows}, **{one.name: one for one in policy.baselines}}


def _changes(before: Policy, after: Policy) -> Iterator[tuple[str, str]]:
    """What to write that one policy becomes the other: names replace what is inherited by them as a whole."""
    old, new = _named(before), _named(after)
    for name, one in new.items():
        if one != old.get(name) and not isinstance(one, BaselineThreshold):  # they are as they were, or off
            yield name, _limits(one)
    yield from ((name, "off") for name in old if name not in new)


def _limits(one: Threshold | WindowThreshold) -> str:
    """`{degraded: 620ms, down: 5s}`"""
    pairs = [(name, getattr(one, name)) for name in ("degraded", "down")]
    said = [f"{name}: {written(value)}" for name, value in pairs if value is not None]
    if isinstance(one, WindowThreshold):
        usual = WindowThreshold("", one.aggregate, "", 0.0)
        said += [f"min_samples: {one.min_samples}"] if one.min_samples != usual.min_samples else []
        said += [f"hysteresis: {format_ratio(one.hysteresis)}"] if one.hysteresis != usual.hysteresis else []
    return f"{{{', '.join(said)}}}"


def _others(proposal: Proposal) -> list[str]:
    """What is in force beside the lines to paste, and may tell of something, too."""
    old = _named(proposal.planned.policy)
    return [name for name, one in _named(proposal.policy).items() if one == old.get(name)]


def rate(a_week: float) -> str:
    """At least two digits that count, as people write it: `0.019`, `2.3`, `700`."""
    return f"{a_week:,.0f}" if a_week >= 10 else f"{a_week:.2g}"


def written(seconds: float) -> str:
    """A length as the configuration has it: `850ms`, `1.2s`."""
    return f"{seconds * 1000:.6g}ms" if seconds < 1 else f"{seconds:.6g}s"


def to_json(proposal: Proposal) -> Mapping[str, Any]:
    """All of it, for programs. Lengths in seconds."""
    return {
        "check": proposal.planned.name,
        "metric": proposal.metric,
        "since": instant(proposal.period[0]),
        "until": instant(proposal.period[1]),
        "runs": proposal.found.runs,
        "usual": proposal.found.normal.median,
        "slow_from": proposal.found.normal.slow,
        "outages": proposal.found.outages,
        "slow_times": proposal.found.slow,
        "wanted_false_a_week": proposal.wanted,
        "now": _outcome(proposal.now),
        "curve": [_outcome(one) for one in proposal.curve],
        "proposed": _outcome(proposal.pick),
        "yaml": yaml_of(proposal),
    }


def _outcome(outcome: Outcome) -> Mapping[str, Any]:
    candidate = outcome.candidate
    what: Mapping[str, Any] = {}
    if candidate is not None:
        m, n = candidate.runs
        what = {"threshold": candidate.name, "degraded": candidate.limit, "down_after": f"{m} of {n}"}
    return {
        **what,
        "alerts": outcome.alerts,
        "false": outcome.false,
        "alerts_a_week": round(outcome.alerts_a_week, 4),
        "false_a_week": round(outcome.false_a_week, 4),
        "found": outcome.found,
        "of": outcome.spells,
        "median_seconds_to_tell": outcome.to_find,
        "mean_seconds_untold": outcome.untold,
    }
