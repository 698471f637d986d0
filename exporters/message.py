"""What a notice says, in words: the texts that all channels share. Each channel escapes them its own way.

Every function takes a notice that `tidy` has made harmless. A receiver's own template speaks through these functions,
too: a channel that is made of `headline`, `lede`, `fields`, `evidence`, `links` and `footnote` shows what the template
says without knowing of it. One that shows plain text takes `headline` and `body`.
"""

from __future__ import annotations

from enum import StrEnum

from exporters.base import Notice, NoticeKind
from exporters.harmless import Worded, Words, clip, clip_escaped, fitted, one_line, some_lines, tidy
from exporters.sayings import headline, lasted, rfc3339, seconds_lasted, sentence, since, summary, utc, words_of
from thresholds.base import Level

__all__ = [
    "Mood",
    "Worded",
    "Words",
    "affected",
    "body",
    "clip",
    "clip_escaped",
    "evidence",
    "facts",
    "fields",
    "fitted",
    "footnote",
    "headline",
    "lasted",
    "lede",
    "links",
    "members",
    "mood",
    "one_line",
    "rfc3339",
    "seconds_lasted",
    "sentence",
    "since",
    "some_lines",
    "summary",
    "tidy",
    "utc",
]

_OFF_CARDS = ("Reason", "Page", "Trouble")
_IN_FOOTNOTES = ("Told by", "Why you", "Labels", "Incident")


class Mood(StrEnum):
    """What a message is coloured by."""

    DOWN = "down"
    DEGRADED = "degraded"
    TAKEN = "taken"  # it lasts, and somebody takes care of it
    OVER = "over"
    NEWS = "news"  # of no incident


def mood(notice: Notice) -> Mood:
    """Red, orange, blue, green, or grey."""
    if notice.kind is NoticeKind.BULLETIN:
        return Mood.NEWS
    if not notice.firing:
        return Mood.OVER
    if notice.acked_by or notice.kind is NoticeKind.ACKNOWLEDGED:
        return Mood.TAKEN
    return Mood.DEGRADED if notice.level is Level.DEGRADED else Mood.DOWN


def lede(notice: Notice) -> tuple[str, str]:
    """What stands right below the headline, and what to call it: ("Reason", "status 503, wanted 2xx").

    ("", text) is prose in lines: of a bulletin, or of a template. ("", "") where there is nothing to say.
    """
    words = words_of(notice)
    if words.body:
        return "", words.body
    if notice.kind is NoticeKind.BULLETIN:
        return "", notice.text
    if not notice.reason:
        return "", ""
    return ("Reason" if notice.firing else "It was"), notice.reason


def fields(notice: Notice) -> list[tuple[str, str]]:
    """The few facts that a card shows in a grid, each on one line. What `links` and `footnote` have is not here."""
    if (own := _own_fields(notice)) is not None:
        return own
    elsewhere = {*_OFF_CARDS, *_IN_FOOTNOTES, *(words for words, _ in links(notice))}
    return [(name, text) for name, text in _told(notice) if text and name not in elsewhere]


def facts(notice: Notice) -> list[tuple[str, str]]:
    """What there is to know, named and in the order in which it is read; what is not known is left out."""
    if (own := _own_fields(notice)) is not None:
        return own
    return [(name, text) for name, text in _told(notice) if text]


def _own_fields(notice: Notice) -> list[tuple[str, str]] | None:
    """What a template has instead of our facts; a template for the whole body leaves none of them."""
    words = words_of(notice)
    if words.fields is not None:
        return [(name, text) for name, text in words.fields if text]
    return [] if words.body else None


def _told(notice: Notice) -> list[tuple[str, str]]:
    bulletin = notice.kind is NoticeKind.BULLETIN
    return [*([] if bulletin else _about(notice)), *_around(notice)]


def _about(notice: Notice) -> list[tuple[str, str]]:
    return [
        ("Reason", notice.reason),
        ("Since", since(notice)),
        ("Ended", utc(notice.ended_ms) if notice.ended_ms else ""),
        ("Severity", notice.severity),
        ("Affected", affected(notice)),
        ("Taken by", notice.acked_by if notice.firing else ""),
        ("Snoozed", f"until {utc(notice.snoozed_ms)}" if notice.snoozed_ms and notice.firing else ""),
        ("History", notice.recurrence),
        ("Changes", "; ".join(notice.changes)),
        ("Target", notice.target),
    ]


def _around(notice: Notice) -> list[tuple[str, str]]:
    incident = f"#{notice.number} {notice.incident}" if notice.number else notice.incident
    return [
        ("Runbook", notice.runbook),
        ("Bridge", notice.bridge),
        ("Page", notice.link),
        ("Service", notice.service),
        ("Owner", notice.owner),
        ("Labels", ", ".join(f"{name}={text}" for name, text in notice.labels.items())),
        ("Told by", f"Probe {notice.instance}"),
        ("Why you", notice.why),
        ("Trouble", words_of(notice).trouble),
        ("Incident", "" if notice.kind is NoticeKind.BULLETIN else incident),
    ]


def affected(notice: Notice) -> str:
    """`3 checks`; nothing where one is all there is."""
    return f"{notice.count} checks" if notice.count > 1 else ""


def members(notice: Notice) -> list[str]:
    """A line for each check that it is made of; the last says how many more there are."""
    if _own_fields(notice) is not None or not notice.members:
        return []
    more = notice.count - len(notice.members)
    return [*notice.members, *([f"and {more} more"] if more > 0 else [])]


def evidence(notice: Notice) -> list[tuple[str, str]]:
    """What the run saw. Nothing where a template says everything, or where it is over."""
    if _own_fields(notice) is not None or notice.kind in (NoticeKind.RESOLVED, NoticeKind.BULLETIN):
        return []
    return list(notice.evidence.items())


def links(notice: Notice) -> list[tuple[str, str]]:
    """Where to go, by the words for it, what acts first: for buttons, whatever a template says."""
    places = [("Open in Probe", notice.link), ("Runbook", notice.runbook), ("Bridge", notice.bridge)]
    there = [(words, url) for words, url in places if url.startswith(("http://", "https://"))]
    return [*notice.actions.items(), *there]


def footnote(notice: Notice) -> str:
    """Who says so, to whom, and of what: the small print under a card, on one line."""
    told = dict(_told(notice))
    said = [f"{name}: {told[name]}" for name in _IN_FOOTNOTES if told.get(name)]
    return " | ".join([*said, *([words.trouble] if (words := words_of(notice)).trouble else [])])


def body(notice: Notice) -> str:
    """The whole notice as plain text, in lines."""
    own = words_of(notice).body
    lines = [own or sentence(notice)]
    if notice.kind is NoticeKind.BULLETIN and not own and notice.text:
        lines += ["", notice.text]
    if told := facts(notice):
        lines += ["", *(f"{name + ':':<10} {text}" for name, text in told)]
    lines += _listed("Affected:", members(notice))
    lines += _listed("Seen by the run:", [f"{name}: {text}" for name, text in evidence(notice)])
    if not own:
        lines += _listed("What you can do:", [f"{words}: {url}" for words, url in notice.actions.items()])
    elif trouble := words_of(notice).trouble:
        lines += ["", trouble]
    return "\n".join(lines) + "\n"


def _listed(title: str, lines: list[str]) -> list[str]:
    return ["", title, *(f"  {line}" for line in lines)] if lines else []
