"""What a notice says, in words: the texts that all channels share. Each channel escapes them its own way.

Reason, evidence and much else come from servers that are probed: `tidy` makes them harmless and short first.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from urllib.parse import urlsplit

from checks.core.units import format_duration
from exporters.base import Notice, NoticeKind

# Characters of a text. Together they stay below 20 kB as JSON in UTF-8, without evidence and labels.
_REASON, _NAME, _TARGET, _URL, _VALUE = 600, 200, 300, 1000, 300
_ENTRIES = 40  # of labels, and of evidence
_BLANK = frozenset({"Cc", "Zl", "Zp", "Zs"})  # line ends and other controls, separators
_GONE = frozenset({"Cf", "Cs"})  # direction overrides and other invisible ones, halves of a character


def one_line(text: str, limit: int) -> str:
    """The text without control characters, on one line, in at most `limit` characters."""
    kept = []
    for char in text[: limit * 4]:
        category = unicodedata.category(char)
        if category not in _GONE:
            kept.append(" " if category in _BLANK else char)
    return clip(" ".join("".join(kept).split()), limit)


def clip(text: str, limit: int) -> str:
    """At most `limit` characters; an ellipsis says that some are missing."""
    return text if len(text) <= limit else text[: limit - 1] + "…"


def clip_escaped(text: str, limit: int, escape: Callable[[str], str]) -> str:
    """The escaped text in at most `limit` characters, no escape sequence cut in two."""
    escaped = escape(text)
    while len(escaped) > limit:
        text = text[: len(text) - max(1, (len(escaped) - limit) // 6)]
        escaped = escape(text) + "…"
    return escaped


def tidy(notice: Notice) -> Notice:
    """The same notice with every text harmless and bounded. Its identities stay as they are."""
    return replace(
        notice,
        instance=one_line(notice.instance, _NAME),
        check=one_line(notice.check, _NAME),
        target=one_line(notice.target, _TARGET),
        reason=one_line(notice.reason, _REASON),
        service=one_line(notice.service, _NAME),
        owner=one_line(notice.owner, _NAME),
        runbook=_web_link(notice.runbook),
        link=_web_link(notice.link),
        labels=_tidy_mapping(notice.labels),
        evidence=_tidy_mapping(notice.evidence),
    )


def _tidy_mapping(texts: Mapping[str, str]) -> dict[str, str]:
    return {one_line(name, 100): one_line(text, _VALUE) for name, text in list(texts.items())[:_ENTRIES]}


def _web_link(url: str) -> str:
    """The link, or nothing: what is no http(s) URL or too long is dropped, because half a link leads elsewhere."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return ""
    sound = parts.scheme in ("http", "https") and parts.netloc and len(url) <= _URL and url == one_line(url, _URL)
    return url if sound and " " not in url else ""


def fitted(notice: Notice, limit: int, encode: Callable[[Notice], bytes]) -> bytes:
    """The encoded notice in fewer than `limit` bytes: evidence goes first, then labels, each from its end."""
    body = encode(notice)
    while len(body) >= limit and (notice.evidence or notice.labels):
        if notice.evidence:
            notice = replace(notice, evidence=dict(list(notice.evidence.items())[:-1]))
        else:
            notice = replace(notice, labels=dict(list(notice.labels.items())[:-1]))
        body = encode(notice)
    return body


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


def headline(notice: Notice) -> str:
    """The state first, then the check: `DOWN shop/home`, `RECOVERED shop/home, was DOWN for 4m 12s`."""
    level = notice.level.name
    match notice.kind:
        case NoticeKind.OPENED:
            return f"{level} {notice.check}"
        case NoticeKind.CHANGED:
            was = f", was {notice.was.name}" if notice.was.bad else ""
            return f"{level} {notice.check}{was}"
        case NoticeKind.RESOLVED:
            return f"RECOVERED {notice.check}, was {level} for {lasted(notice)}"
        case NoticeKind.PASSED:
            return f"PASSED {notice.check}, was {level} for {lasted(notice)} and recovered"


def summary(notice: Notice) -> str:
    """The headline and why, on one line."""
    return f"{headline(notice)}: {notice.reason}" if notice.reason else headline(notice)


def sentence(notice: Notice) -> str:
    """What happened, as one would say it."""
    level = notice.level.name
    match notice.kind:
        case NoticeKind.OPENED:
            return f"{notice.check} is {level}."
        case NoticeKind.CHANGED:
            if not notice.was.bad:
                return f"{notice.check} is {level}."
            return f"{notice.check} is now {level}; it was {notice.was.name}."
        case NoticeKind.RESOLVED:
            return f"{notice.check} has recovered; it was {level} for {lasted(notice)}."
        case NoticeKind.PASSED:
            return f"{notice.check} was {level} for {lasted(notice)} and has recovered; it was over before it was told."


def since(notice: Notice) -> str:
    """`2026-11-21T10:00:00Z (for 4m 12s)`."""
    return f"{utc(notice.since_ms)} (for {lasted(notice)})"


def facts(notice: Notice) -> list[tuple[str, str]]:
    """What there is to know, named and in the order in which it is read; what is not known is left out."""
    labels = ", ".join(f"{name}={text}" for name, text in notice.labels.items())
    told = [
        ("Reason", notice.reason),
        ("Since", since(notice)),
        ("Ended", utc(notice.ended_ms) if notice.ended_ms else ""),
        ("Target", notice.target),
        ("Runbook", notice.runbook),
        ("Page", notice.link),
        ("Service", notice.service),
        ("Owner", notice.owner),
        ("Labels", labels),
        ("Told by", f"Probe {notice.instance}"),
        ("Incident", notice.incident),
    ]
    return [(name, text) for name, text in told if text]


def body(notice: Notice) -> str:
    """The whole notice as plain text, in lines."""
    lines = [sentence(notice), "", *(f"{name + ':':<10} {text}" for name, text in facts(notice))]
    if notice.evidence:
        lines += ["", "Seen by the run:", *(f"  {name}: {text}" for name, text in notice.evidence.items())]
    return "\n".join(lines) + "\n"
