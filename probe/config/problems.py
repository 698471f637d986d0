"""What is wrong with a configuration, and where: collected over every section, told at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from difflib import get_close_matches
from typing import NamedTuple

from checks.core import veil
from checks.core.redact import Redactor

SHOWN = 100  # a generated file with one mistake in every check is no reason for a screen without end


class Place(NamedTuple):
    """A spot in a file; `line` and `column` count from 1, and are 0 where the file as a whole is meant."""

    file: str
    line: int = 0
    column: int = 0


@dataclass(frozen=True, slots=True)
class Problem:
    """One mistake: where it stands, which key, what is wrong, and what would be right."""

    file: str
    line: int
    column: int
    key: str  # "checks.shop/home.http.url"; "" where no key is meant
    message: str
    hint: str = ""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}" if self.line else self.file
        what = f"{self.message}; {self.hint}" if self.hint else self.message
        return f"{where}: {self.key}: {what}" if self.key else f"{where}: {what}"


class ConfigError(Exception):
    """A configuration that cannot be used. `problems` are in the order of their places."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = tuple(problems)


class Report:
    """Collects what is wrong (errors) and what is probably not meant (warnings), each place and text once."""

    def __init__(self) -> None:
        self.errors: dict[Problem, None] = {}
        self.warnings: dict[Problem, None] = {}

    def error(self, place: Place, key: str, message: str, hint: str = "") -> None:
        self.errors[Problem(*place, key, message, hint)] = None

    def warn(self, place: Place, key: str, message: str, hint: str = "") -> None:
        self.warnings[Problem(*place, key, message, hint)] = None


def told(problems: Sequence[Problem], redact: Redactor, main: str) -> tuple[Problem, ...]:
    """The problems in order of place without secrets, the first hundred and a count of the rest."""
    ordered = sorted(problems, key=lambda problem: (problem.file != main, problem.file, problem.line, problem.column))

    def clean(text: str) -> str:
        return veil.url(redact(text))

    shown = [
        replace(problem, key=clean(problem.key), message=clean(problem.message), hint=clean(problem.hint))
        for problem in ordered[:SHOWN]
    ]
    if rest := len(ordered) - len(shown):
        shown.append(Problem(main, 0, 0, "", f"{rest} more not shown"))
    return tuple(shown)


def nearest(word: str, words: Sequence[str]) -> str:
    """The one of `words` that was probably meant, or ""."""
    return next(iter(get_close_matches(word, words, n=1)), "")


def suggestion(word: str, words: Sequence[str], nouns: str) -> str:
    """A hint: the nearest of `words`, or all of them where they are few. `nouns` says what they are."""
    if near := nearest(word, words):
        return f"did you mean {near}?"
    if not words:
        return f"there are no {nouns}"
    few = ", ".join(words) if len(words) <= 15 else ", ".join([*words[:12], f"and {len(words) - 12} more"])
    return f"{nouns}: {few}"


def dotted(path: Sequence[str | int]) -> str:
    """`checks.shop/home.http.url`, `alerts.routes[0].to`."""
    text = ""
    for part in path:
        text += f"[{part}]" if isinstance(part, int) else f".{part}" if text else part
    return text
