"""Changes and deploys, and which of them may be why something fails. Pure.

A change lasts from its beginning to its end; a deploy is an instant. Neither mutes anything by itself: it is put beside
what fails, for whoever looks for the cause.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from fnmatch import fnmatchcase

from checks.core.units import format_duration
from exporters.message import one_line

_MOST = 5  # lines of one notice
_TITLE, _LINE = 120, 200  # characters
_AFTERWARDS_MS = 900_000  # a marker that late may still be of the cause: it was sent when the deploy was over
_FOREVER = 1 << 53


class Ended(StrEnum):
    """How a change ended, as whoever ended it said."""

    OPEN = ""  # nobody has said anything
    DONE = "done"
    FAILED = "failed"


class Moment(StrEnum):
    """What is announced of a change."""

    BEGUN = "begun"
    OVER = "over"
    DEPLOYED = "deployed"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of something that is watched: what, of what, from when to when, and who says so.

    It touches what matches every kind that it names: one of the checks, of the services, all labels. Patterns as of a
    shell. One that names nothing touches everything.
    """

    id: str  # CHG123: given by people, and used again for another attempt
    began_ms: int
    ended_ms: int = 0  # may lie ahead: until then it lasts; 0: until somebody ends it
    title: str = ""
    checks: tuple[str, ...] = ()
    services: tuple[str, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    version: str = ""
    url: str = ""
    author: str = ""
    risk: str = ""
    suppress: bool = False  # it is maintenance, too: nobody is told of what it touches
    outcome: Ended = Ended.OPEN

    @property
    def instant(self) -> bool:
        """Whether it is a marker of an instant: a deploy."""
        return self.began_ms == self.ended_ms

    def lasts(self, at_ms: int) -> bool:
        """Whether it is in progress at an instant."""
        return self.began_ms <= at_ms < (self.ended_ms or _FOREVER)

    def touches(self, check: str, service: str, labels: Mapping[str, str]) -> bool:
        """Whether it is about a check; or, with `check` empty, about a service as a whole."""
        return (
            (not self.checks or _matches(check, self.checks))
            and (not self.services or _matches(service, self.services))
            and all(fnmatchcase(labels.get(label, ""), value) for label, value in self.labels.items())
        )


def _matches(name: str, patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, pattern) for pattern in patterns)


def nearby(
    changes: Iterable[Change],
    service: str,
    labels: Mapping[str, str],
    check: str,
    since_ms: int,
    now_ms: int,
    *,
    before: float = 3600.0,
) -> tuple[str, ...]:
    """Changes that may be why something fails since an instant, a line each, most likely first, five at most.

    Those in progress when it began, those that began or ended within `before` seconds until then, and those that were
    marked a little later. What came closest before it stands first.
    """
    close = [one for one in changes if _close(one, since_ms, now_ms, round(before * 1000))]
    found = [one for one in close if one.touches(check, service, labels)]
    found.sort(key=lambda one: _rank(one, since_ms))
    return tuple(_line(one, since_ms, now_ms) for one in found[:_MOST])


def _close(change: Change, since_ms: int, now_ms: int, before_ms: int) -> bool:
    latest_ms = min(now_ms, since_ms + _AFTERWARDS_MS)
    return change.began_ms <= latest_ms and (change.ended_ms or _FOREVER) >= since_ms - before_ms


def _rank(change: Change, since_ms: int) -> tuple[bool, int, int, str]:
    """What happened before it failed comes first; of that what happened last; then what is about the least."""
    later = change.began_ms > since_ms
    ended_ms = change.ended_ms or _FOREVER
    turned_ms = ended_ms if ended_ms <= since_ms else change.began_ms  # the last that happened to it by then
    return later, abs(since_ms - turned_ms), _breadth(change), change.id


def _breadth(change: Change) -> int:
    if any(pattern != "*" for pattern in change.checks):
        return 0
    return 1 if change.services else 2 if change.labels else 3


def _line(change: Change, since_ms: int, now_ms: int) -> str:
    """`CHG123 in progress for 10m: new cart`, `shop 1.2.3 deployed 6m before`."""
    words = f"{name_of(change)} {_when(change, since_ms, now_ms)}"
    title = one_line(change.title, _TITLE)
    return one_line(f"{words}: {title}" if title else words, _LINE)


def _when(change: Change, since_ms: int, now_ms: int) -> str:
    if change.instant:
        return f"deployed {_beside(change.began_ms, since_ms)}"
    if change.lasts(now_ms):
        later = change.began_ms > since_ms
        return f"began {_beside(change.began_ms, since_ms)}" if later else f"in progress for {_ago(change, now_ms)}"
    return f"{'failed' if change.outcome is Ended.FAILED else 'ended'} {_beside(change.ended_ms, since_ms)}"


def _beside(at_ms: int, since_ms: int) -> str:
    return f"{length(since_ms - at_ms)} before" if at_ms <= since_ms else f"{length(at_ms - since_ms)} after"


def _ago(change: Change, now_ms: int) -> str:
    return length(now_ms - change.began_ms)


def length(ms: int) -> str:
    """`45 s`, `6m`, `2h 5m`: to the minute where there is one."""
    seconds = max(0, ms) // 1000
    return format_duration(float(seconds - seconds % 60 if 60 <= seconds < 3600 else seconds)) if seconds else "0 s"


def name_of(change: Change) -> str:
    """What people call it: `CHG123`; of a deploy `shop 1.2.3`."""
    if not change.instant:
        return change.id
    of = ", ".join((*change.services, *change.checks)) or ", ".join(f"{k}={v}" for k, v in change.labels.items())
    return one_line(f"{of} {change.version}".strip() or change.id, _TITLE)


def bulletin(change: Change, moment: Moment, covers: int | None = None) -> tuple[str, str]:
    """What a channel is told of a change: a title, and a text in lines."""
    about = one_line(change.title, _TITLE)
    match moment:
        case Moment.DEPLOYED:
            title = f"{name_of(change)} deployed"
        case Moment.BEGUN:
            title = f"{change.id} has begun"
        case Moment.OVER:
            title = f"{change.id} {'failed' if change.outcome is Ended.FAILED else 'is over'}"
            title += f" after {length(change.ended_ms - change.began_ms)}"
    return f"{title}: {about}" if about else title, "\n".join(_facts(change, covers))


def _facts(change: Change, covers: int | None) -> Sequence[str]:
    labels = ", ".join(f"{name}={value}" for name, value in change.labels.items())
    told = [
        ("Services", ", ".join(change.services)),
        ("Checks", ", ".join(change.checks)),
        ("Labels", labels),
        ("Version", change.version),
        ("Risk", change.risk),
        ("By", change.author),
        ("See", change.url),
    ]
    lines = [f"{name}: {one_line(text, _LINE)}" for name, text in told if text]
    if covers is not None:
        lines.append(f"{covers} check{'' if covers == 1 else 's'}")
    if change.suppress and not change.instant:
        lines.append("Nobody is told of them while it lasts.")
    return lines
