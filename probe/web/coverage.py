"""Which checks a maintenance covers, and whether a pattern names any at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from difflib import get_close_matches
from fnmatch import fnmatchcase

from probe.web.body import BodyError
from probe.web.shape import Json
from probe.web.site import Site, Turn
from thresholds.maintenance import Subject, Window

_NAMED = 50  # checks that an answer names
_LOOKED_AT = 2000  # names, for one that may be meant
_REMEDY = '"even_if_none": true takes it all the same'


async def covered(site: Site, window: Window) -> list[str]:
    """The checks that it covers, by name."""
    turn, found = Turn(), []
    for view in list(site.board.views()):
        planned = view.planned
        if window.covers(Subject(planned.name, planned.service, planned.labels)):
            found.append(planned.name)
        await turn.yielded()
    return sorted(found)


async def check_covered(site: Site, window: Window) -> None:
    """BodyError where a name is mistyped: nobody must believe that a check is covered that is not."""
    views = list(site.board.views())
    check_names("checks", window.checks, {view.planned.name for view in views})
    check_names("services", window.services, {view.planned.service for view in views if view.planned.service})
    if not await covered(site, window):
        raise BodyError(f"no check matches all of that; {_REMEDY}")


def check_names(key: str, patterns: Iterable[str], names: Collection[str]) -> None:
    """BodyError where a pattern matches none of the names."""
    for pattern in patterns:
        if pattern in names or any(fnmatchcase(name, pattern) for name in names):
            continue
        near = get_close_matches(pattern, sorted(names)[:_LOOKED_AT], n=1)
        hint = f"did you mean {near[0]}?" if near else _REMEDY
        raise BodyError(f"{key}: {pattern!r} matches no {key.removesuffix('s')}; {hint}")


def patterns(window: Window) -> Json:
    return {"checks": list(window.checks), "services": list(window.services), "labels": dict(window.labels)}


def covers(names: list[str]) -> Json:
    """How many checks, and the first of them."""
    return {"count": len(names), "checks": names[:_NAMED]}
