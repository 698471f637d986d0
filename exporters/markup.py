"""A notice as a small page of HTML, for mail. Everything in it is escaped."""

from __future__ import annotations

from collections.abc import Iterable
from html import escape

from exporters.base import Notice
from exporters.card import colour
from exporters.message import evidence, facts, lede, links, members, sentence
from exporters.sayings import words_of


def html(notice: Notice) -> str:
    """The same as the plain text: a line in the colour of the state, prose where there is some, and a table."""
    bar = f"border-left:6px solid {colour(notice)};padding:6px 10px"
    return (
        '<!doctype html><html><body style="font-family:sans-serif;font-size:14px">\n'
        f'<p style="{bar}"><b>{escape(_first(notice))}</b></p>\n'
        f"{_prose(notice)}{_buttons(notice)}"
        f'<table cellpadding="3">\n{"".join(_rows(notice))}</table>\n</body></html>\n'
    )


def _first(notice: Notice) -> str:
    return words_of(notice).title or sentence(notice)


def _prose(notice: Notice) -> str:
    name, text = lede(notice)
    said = [] if name or not text else [text]
    said += [trouble] if (trouble := words_of(notice).trouble) else []
    return "".join(f'<p style="white-space:pre-wrap">{escape(one)}</p>\n' for one in said)


def _buttons(notice: Notice) -> str:
    """Links by their words: those that act, and where a template says the rest, those that lead somewhere."""
    there = links(notice) if words_of(notice).body else list(notice.actions.items())
    if not there:
        return ""
    return "<p>" + " &middot; ".join(f'<a href="{escape(url)}">{escape(words)}</a>' for words, url in there) + "</p>\n"


def _rows(notice: Notice) -> Iterable[str]:
    yield from (_row(name, text) for name, text in facts(notice))
    yield from _titled("Affected", [("", line) for line in members(notice)])
    yield from _titled("Seen by the run", evidence(notice))


def _titled(title: str, rows: list[tuple[str, str]]) -> Iterable[str]:
    if rows:
        yield f'<tr><td colspan="2" style="padding-top:12px"><b>{title}</b></td></tr>'
        yield from (_row(name, text) for name, text in rows)


def _row(name: str, text: str) -> str:
    shown = escape(text)
    if name in ("Runbook", "Page", "Bridge") and text.startswith(("http://", "https://")):
        shown = f'<a href="{shown}">{shown}</a>'
    return f'<tr><td style="color:#666;vertical-align:top">{escape(name)}</td><td>{shown}</td></tr>\n'
