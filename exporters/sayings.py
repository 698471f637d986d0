"""What happened, in one line or one sentence, for every kind of notice. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from checks.core.units import format_duration
from exporters.base import Notice, NoticeKind
from exporters.harmless import Worded, Words, clip

_NO_WORDS = Words()


def words_of(notice: Notice) -> Words:
    """What the receiver's own template says; nothing where it has none."""
    return notice.words if isinstance(notice, Worded) else _NO_WORDS


def utc(at_ms: int) -> str:
    """For people: `2026-11-21T10:00:00Z`."""
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def rfc3339(at_ms: int) -> str:
    """For programs: `2026-11-21T10:00:00.250Z`."""
    return f"{utc(at_ms)[:-1]}.{at_ms % 1000:03d}Z"


def seconds_lasted(notice: Notice) -> float:
    """From the first failed run to its end, or to the decision that the notice tells of."""
    return max(0, (notice.ended_ms or notice.at_ms) - notice.since_ms) / 1000


def lasted(notice: Notice) -> str:
    """`4m 12s`: nobody on call reads the hundredths."""
    seconds = seconds_lasted(notice)
    return format_duration(float(round(seconds)) if seconds >= 1 else seconds)


def since(notice: Notice) -> str:
    """`2026-11-21T10:00:00Z (for 4m 12s)`."""
    return f"{utc(notice.since_ms)} (for {lasted(notice)})"


def headline(notice: Notice) -> str:
    """The state first, then what it is about: `DOWN #42 shop/home`, `RECOVERED shop/home, was DOWN for 4m 12s`."""
    if own := words_of(notice).title:
        return own
    if notice.kind is NoticeKind.BULLETIN:
        return notice.title or clip(notice.text.split("\n")[0], 200) or f"News from Probe {notice.instance}"
    about = f"#{notice.number} {notice.subject}" if notice.number else notice.subject
    return _HEADLINES[notice.kind](notice, about, notice.level.name)


def summary(notice: Notice) -> str:
    """The headline and why, on one line."""
    alone = words_of(notice).title or not notice.reason or notice.kind is NoticeKind.BULLETIN
    return headline(notice) if alone else f"{headline(notice)}: {notice.reason}"


def sentence(notice: Notice) -> str:
    """What happened, as one would say it."""
    if notice.kind is NoticeKind.BULLETIN:
        return headline(notice)
    return _SENTENCES[notice.kind](notice, notice.subject, notice.level.name)


Saying = Callable[[Notice, str, str], str]  # of a notice, what it is about, and its level in words


def _opened(notice: Notice, about: str, level: str) -> str:
    again = ", again" if notice.again else ""
    return f"{level} {about}{again}" + (f", acknowledged by {notice.acked_by}" if notice.acked_by else "")


def _changed(notice: Notice, about: str, level: str) -> str:
    return f"{level} {about}" + (f", was {notice.was.name}" if notice.was.bad else "")


def _acknowledged(notice: Notice, about: str, _level: str) -> str:
    by = f" by {notice.acked_by}" if notice.acked_by else ""
    until = f" until {utc(notice.snoozed_ms)}" if notice.snoozed_ms else ""
    return f"{'SNOOZED' if notice.snoozed_ms else 'ACKNOWLEDGED'} {about}{by}{until}"


def _resolved(notice: Notice, about: str, level: str) -> str:
    """Somebody who says that it is over does not know it better than the checks."""
    if notice.resolved_by:
        return f"RESOLVED by {notice.resolved_by}: {about}, {level} for {lasted(notice)}"
    return f"RECOVERED {about}, was {level} for {lasted(notice)}"


_HEADLINES: Mapping[NoticeKind, Saying] = {
    NoticeKind.OPENED: _opened,
    NoticeKind.CHANGED: _changed,
    NoticeKind.REPEATED: lambda notice, about, level: f"STILL {level} {about}, for {lasted(notice)}",
    NoticeKind.ACKNOWLEDGED: _acknowledged,
    NoticeKind.UNACKNOWLEDGED: lambda notice, about, level: f"UNACKNOWLEDGED {about}, {level} for {lasted(notice)}",
    NoticeKind.RESOLVED: _resolved,
    NoticeKind.PASSED: lambda notice, about, level: f"PASSED {about}, was {level} for {lasted(notice)} and recovered",
}


def _is_so(notice: Notice, subject: str, level: str) -> str:
    return f"{subject} is {level}." + (f" {notice.acked_by} takes care of it." if notice.acked_by else "")


def _is_now(notice: Notice, subject: str, level: str) -> str:
    return f"{subject} is now {level}; it was {notice.was.name}." if notice.was.bad else f"{subject} is {level}."


def _is_taken(notice: Notice, subject: str, level: str) -> str:
    who = notice.acked_by or "Somebody"
    if notice.snoozed_ms:
        return f"{who} has put {subject} off until {utc(notice.snoozed_ms)}; it is {level}."
    return f"{who} takes care of {subject}; it is {level}."


_SENTENCES: Mapping[NoticeKind, Saying] = {
    NoticeKind.OPENED: _is_so,
    NoticeKind.CHANGED: _is_now,
    NoticeKind.REPEATED: lambda notice, subject, level: f"{subject} is still {level}, for {lasted(notice)} now.",
    NoticeKind.ACKNOWLEDGED: _is_taken,
    NoticeKind.UNACKNOWLEDGED: lambda _, subject, level: f"Nobody takes care of {subject} any more; it is {level}.",
    NoticeKind.RESOLVED: lambda notice, subject, level: (
        f"{notice.resolved_by} says that {subject} is over; it was {level} for {lasted(notice)}."
        if notice.resolved_by
        else f"{subject} has recovered; it was {level} for {lasted(notice)}."
    ),
    NoticeKind.PASSED: lambda notice, subject, level: (
        f"{subject} was {level} for {lasted(notice)} and has recovered; it was over before it was told."
    ),
}
