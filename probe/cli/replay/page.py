"""A replay as a page: one file that needs nothing else. Everything in it is escaped by the template."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jinja2 import Environment, PackageLoader, StrictUndefined

from checks.core.units import format_duration
from probe.cli.replay import chart as geometry
from probe.cli.replay.chart import Chart, chart
from probe.cli.replay.figures import Figures, Line, busiest, figures, lines
from probe.cli.replay.history import Question, Story
from probe.cli.replay.table import exact, stamp
from probe.config.model import Config
from thresholds.alerts import Noise

_MOST_CHARTS = 60
_MOST_LINES = 200  # alerts of one check
_MOST_OPEN = 50  # rows of a table that stands open


@dataclass(frozen=True, slots=True)
class Part:
    """One check on the page."""

    story: Story
    sums: Figures
    lines: Sequence[Line]
    hidden: int  # lines that there is no room for
    chart: Chart | None


def page(
    stories: Sequence[Story], absent: Sequence[str], question: Question, config: Config, old: Config | None
) -> str:
    """The page as HTML."""
    environment = Environment(
        loader=PackageLoader("probe.cli.replay", ""),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"stamp": stamp, "exact": exact, "length": _length}
    order = busiest(stories)
    telling = [story for story in order if not story.quiet] or order[:1]
    since_ms = min((story.period[0] for story in stories), default=question.period[0])
    return environment.get_template("report.html").render(
        instance=config.instance,
        path=config.path.name,
        old=old.path.name if old is not None else "",
        since_ms=since_ms,
        until_ms=question.period[1],
        wanted_ms=question.period[0],
        sums=figures(stories),
        checks=len(stories),
        quiet=len(stories) - len(telling),
        absent=absent,
        parts=[_part(story, old, drawn=place < _MOST_CHARTS) for place, story in enumerate(telling)],
        outage=question.outage,
        kinds=list(Noise),
        geometry=geometry,
        most_open=_MOST_OPEN,
    )


def _part(story: Story, old: Config | None, *, drawn: bool) -> Part:
    before = old.checks.get(story.name) if old is not None else None
    found = lines(story)
    picture = None
    if drawn and story.series is not None:
        picture = chart(story, story.series, before.policy if before is not None else None)
    return Part(story, figures([story]), found[:_MOST_LINES], max(0, len(found) - _MOST_LINES), picture)


def _length(seconds: float | None) -> str:
    return "—" if seconds is None else format_duration(seconds)
