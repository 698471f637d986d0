"""A receiver's own words: templates for the headline, the text and the facts, tried before they are used.

One that breaks all the same leaves our words in its place, and the message says so.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, fields
from functools import cache

from jinja2 import TemplateError, TemplateSyntaxError

from exporters.base import Notice
from exporters.grammar import BadTemplateError, Grammar, examine
from exporters.harmless import Worded, Words, one_line, tidy, tidy_words
from exporters.vocabulary import examples, vocabulary

__all__ = ["LARGEST", "BadTemplateError", "Template", "compiled"]

LARGEST = 16 << 10  # characters of a template
_MOST = 8000  # characters that come out of one
_BREAKS = (TemplateError, ArithmeticError, LookupError, TypeError, ValueError, RecursionError)
Part = Callable[[Mapping[str, object]], str]  # what a template makes of the values of a notice


@cache
def _grammar() -> Grammar:
    return Grammar()


def compiled(source: str) -> Part:
    """The template, tried on examples of every kind of notice. Raises BadTemplateError."""
    if len(source) > LARGEST:
        raise BadTemplateError(f"longer than {LARGEST} characters")
    try:
        examine(_grammar().parse(source), vocabulary(next(iter(examples())), ""))
        template = _grammar().from_string(source)
    except TemplateSyntaxError as error:
        raise BadTemplateError(one_line(error.message or "no template", 200), error.lineno) from None
    except RecursionError:
        raise BadTemplateError("too deeply nested") from None

    def render(values: Mapping[str, object]) -> str:
        return _bounded(template.generate(values))

    for example in examples():
        _try(render, example)
    return render


def _bounded(chunks: Iterable[str]) -> str:
    told, size = [], 0
    for chunk in chunks:
        told.append(chunk)
        size += len(chunk)
        if size > _MOST:
            break
    return "".join(told)[:_MOST]


def _try(render: Part, example: Notice) -> None:
    try:
        render(vocabulary(tidy(example), "example"))
    except _BREAKS as error:
        kind = example.kind.value
        amount = "" if example.reason else ", of which little is known"
        raise BadTemplateError(f"fails for a notice of the kind {kind}{amount}: {one_line(str(error), 200)}") from None


@dataclass(frozen=True, slots=True)
class Template:
    """What a receiver says instead of our words: None leaves them."""

    title: Part | None = None
    body: Part | None = None
    fields: Mapping[str, Part] | None = None
    source: str = field(default="", compare=True)  # as written: templates are the same when this is

    def applied(self, notice: Notice, receiver: str) -> Worded:
        """The notice in these words. What breaks is left out, and `words.trouble` says so."""
        tidied = tidy(notice)
        attempt = _Attempt(vocabulary(tidied, receiver))
        title = attempt.made("title", self.title)
        body = attempt.made("body", self.body)
        told = None
        if self.fields is not None:
            told = tuple((name, attempt.made(name, part)) for name, part in self.fields.items())
        words = tidy_words(Words(title.strip(), body.strip("\n"), told, attempt.trouble(receiver)))
        return Worded(**{one.name: getattr(tidied, one.name) for one in fields(Notice)}, words=words)


class _Attempt:
    """One notice on its way through the templates of a receiver."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values
        self._broken = ""

    def made(self, name: str, part: Part | None) -> str:
        if part is None:
            return ""
        try:
            return part(self._values)
        except _BREAKS as error:
            self._broken = self._broken or f"{name}: {one_line(str(error), 120)}"
            return ""

    def trouble(self, receiver: str) -> str:
        return (
            f"The template of {receiver} is broken ({self._broken}); Probe's own words instead" if self._broken else ""
        )
