"""The page of who is on call: now, next, and in the next two weeks. Names, and never how people are reached."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, time, timedelta, tzinfo
from typing import Any

from aiohttp import web
from markupsafe import Markup, escape

from exporters.message import one_line
from exporters.oncall.roster import Roster
from exporters.oncall.shift import Shift, each
from probe.store.base import Kind
from probe.web import oncall_shape, overrides, page
from probe.web.oncall import beside, rota_of
from probe.web.oncall_shape import Rota
from probe.web.site import SITE, Site
from probe.web.when import When, when
from thresholds.calendar import local, resolve
from thresholds.spans import Span, common, without

_DAYS = 14
_COLOURS = 8  # classes of the style sheet
_MOST = 100  # schedules on the page
_ROWS = 60  # shifts in the table of one
_DRAWN = 200  # in its chart
_NARROW = 2.5  # per cent of the chart: less has no room for a name
_BAR, _FOOT = 30, 18  # px: the chart, and the days under it
_SHOWN = "%a %d %b %H:%M"
_NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class Row:
    """One shift, or one gap."""

    begins: str
    ends: str
    at: When | None
    who: str
    kind: str  # "on", "gap", or "rest" where nobody has to be
    now: bool


async def index(request: web.Request) -> web.Response:
    """Who is on call in every schedule."""
    site = request.app[SITE]
    now_ms, rota = site.clock.now_ms(), rota_of(site)
    names = list(rota.roster.schedules)[:_MOST]
    sections = await beside(lambda: [_section(site, rota, name, now_ms) for name in names])
    said = [one for one in site.control.announced() if one.kind is Kind.OVERRIDE and one.ended_ms > now_ms]
    values = {
        "now": when(now_ms, now_ms),
        "worst": "degraded" if any(one["gap"] for one in sections) else "up",
        "gaps": sum(one["gap"] for one in sections),
        "sections": sections,
        "days": _DAYS,
        "more": len(rota.roster.schedules) - len(names),
        "overrides": [_override(one, now_ms) for one in (overrides.shown(site, one) for one in said)],
    }
    return await page.render(request, "oncall.html", values)


def _section(site: Site, rota: Rota, name: str, now_ms: int) -> dict[str, Any]:
    """What the page shows of one schedule."""
    (standing,) = oncall_shape.now(rota, now_ms, [name])
    zone = rota.roster.schedules[name].zone
    span = _window(now_ms, zone)
    gaps = rota.gaps(name, span)
    tiles = _parted(rota.tiles(name, span), gaps)
    ahead = [tile for tile in tiles if tile.end_ms > now_ms]
    rows = [_row(rota.roster, tile, gaps, span, zone, now_ms) for tile in ahead[:_ROWS]]
    until_ms = _ms(standing["until"]) if standing["until"] else 0
    return {
        "name": name,
        "zone": str(zone),
        "gap": standing["gap"],
        "people": [person["name"] for person in standing["people"]],
        "until": _shown(until_ms, zone) if until_ms else "",
        "until_at": when(until_ms, now_ms),
        "next": [person["name"] for person in standing["next"]],
        "rows": rows,
        "more": len(ahead) - len(rows),
        "gaps": sum(1 for gap in gaps if gap[1] > now_ms),
        "chart": _chart(site, rota.roster, tiles[:_DRAWN], gaps, span, zone, now_ms),
        "calendar": f"/oncall/{name}.ics",
    }


def _window(now_ms: int, zone: tzinfo) -> Span:
    """From the midnight before an instant, two weeks of a wall clock."""
    first = datetime.combine(local(now_ms, zone).date(), time())
    return resolve(first, zone), resolve(first + timedelta(days=_DAYS), zone)


def _row(roster: Roster, tile: Shift, gaps: Sequence[Span], span: Span, zone: tzinfo, now_ms: int) -> Row:
    return Row(
        "before" if tile.start_ms <= span[0] else _shown(tile.start_ms, zone),
        "later" if tile.end_ms >= span[1] else _shown(tile.end_ms, zone),
        when(tile.start_ms, now_ms),
        _names(roster, tile.who),
        _kind(tile, gaps),
        tile.start_ms <= now_ms < tile.end_ms,
    )


def _parted(tiles: Iterable[Shift], gaps: Sequence[Span]) -> list[Shift]:
    """Time of nobody cut into that in which somebody has to be on call, and the rest."""
    found: list[Shift] = []
    for tile in tiles:
        parts = [tile.span] if tile.who else [*common([tile.span], gaps), *without([tile.span], gaps)]
        found += each(sorted(parts), tile.who)
    return found


def _kind(tile: Shift, gaps: Sequence[Span]) -> str:
    return "on" if tile.who else "gap" if common([tile.span], gaps) else "rest"


def _names(roster: Roster, who: Iterable[str]) -> str:
    return ", ".join(roster.users[name].shown for name in who) or _NOBODY


def _shown(at_ms: int, zone: tzinfo) -> str:
    return local(at_ms, zone).strftime(_SHOWN)


def _override(one: dict[str, Any], now_ms: int) -> dict[str, Any]:
    changes = [f"{after} for {before}" for before, after in one["replace"].items()]
    changes += [f"{name} too" for name in one["add"]] + [f"without {name}" for name in one["remove"]]
    begins, ends = (when(_ms(one[key]), now_ms) for key in ("from", "to"))
    return one | {"changes": ", ".join(changes), "begins": begins, "ends": ends}


def _ms(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1000)


def _chart(
    site: Site, roster: Roster, tiles: Sequence[Shift], gaps: Sequence[Span], span: Span, zone: tzinfo, now_ms: int
) -> Markup:
    """Holds nothing but numbers of ours, and names that are redacted and escaped."""
    drawn = [*_bars(site, roster, tiles, gaps, span, zone), *_days(span, zone)]
    drawn.append(f'<rect class="now" x="{_share(now_ms, span):.3f}%" y="0" width="2" height="{_BAR}"/>')
    size = f'width="100%" height="{_BAR + _FOOT}"'
    # Safe: what is not ours was escaped where it was put in.
    return Markup(f'<svg class="turns" {size} aria-hidden="true">{"".join(drawn)}</svg>')  # noqa: S704


def _bars(
    site: Site, roster: Roster, tiles: Iterable[Shift], gaps: Sequence[Span], span: Span, zone: tzinfo
) -> Iterator[str]:
    """A bar for each shift; what is too long for it of a name is cut off by its frame."""
    numbers = {name: number % _COLOURS for number, name in enumerate(roster.users)}
    for tile in tiles:
        left, right = _share(tile.start_ms, span), _share(tile.end_ms, span)
        kind = _kind(tile, gaps)
        name = escape(one_line(site.redact(_names(roster, tile.who)), 80))
        colour = f"p{numbers[tile.who[0]]}" if tile.who else kind
        shown = "" if kind == "rest" or right - left < _NARROW else f'<text x="6" y="20">{name}</text>'
        about = f"{name}, {_shown(tile.start_ms, zone)} to {_shown(tile.end_ms, zone)}"
        yield (
            f'<svg x="{left:.3f}%" width="{right - left:.3f}%" height="{_BAR}"><title>{about}</title>'
            f'<rect class="{colour}" width="100%" height="{_BAR}"/>{shown}</svg>'
        )


def _days(span: Span, zone: tzinfo) -> Iterator[str]:
    first = local(span[0], zone).date()
    for number in range(_DAYS):
        day = first + timedelta(days=number)
        left = _share(resolve(datetime.combine(day, time()), zone), span)
        weekend = " weekend" if day.weekday() >= 5 else ""
        yield f'<rect class="day{weekend}" x="{left:.3f}%" y="0" width="1" height="{_BAR + _FOOT}"/>'
        yield f'<text class="foot{weekend}" x="{left + 0.3:.3f}%" y="{_BAR + 14}">{day:%a %d}</text>'


def _share(at_ms: int, span: Span) -> float:
    """Where an instant lies in a span, in per cent."""
    return min(100.0, max(0.0, (at_ms - span[0]) / (span[1] - span[0]) * 100))
