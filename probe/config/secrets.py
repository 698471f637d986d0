"""Brings `${env:NAME}` and `${file:path}` into texts, and remembers what must never be shown again."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

_LIMIT = 64 << 10  # bytes of a file that holds one secret
_REFERENCE = re.compile(r"\$\$\{|\$\{([^{}]*)\}|\$\{")
_FRAGMENT = 4  # as many characters of a secret in a row are a leak


class UnfilledError(Exception):
    """A reference that cannot be filled in. Two texts: what is wrong, and what would be right."""

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class Filled(str):
    """A text that a secret is part of. `raw` is how it was written, the only form that may be shown."""

    __slots__ = ("parts", "raw")

    raw: str
    parts: tuple[tuple[str, bool], ...]  # (text, whether it is secret), in order

    @classmethod
    def of(cls, raw: str, parts: Iterable[tuple[str, bool]]) -> Filled:
        kept = tuple(parts)
        filled = cls("".join(text for text, _ in kept))
        filled.raw, filled.parts = raw, kept
        return filled

    @property
    def hidden(self) -> Iterator[str]:
        return (text for text, secret in self.parts if secret)

    def __repr__(self) -> str:
        return repr(self.raw)


class Secrets:
    """Where references are looked up; `values` is everything that was found."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        self._environment = os.environ if environment is None else environment
        self._found: dict[tuple[Path, str], str] = {}
        self.values: set[str] = set()

    def fill(self, text: str, folder: Path) -> str:
        """`text` with its references filled in; files are looked for from `folder`. Raises UnfilledError."""
        parts: list[tuple[str, bool]] = []
        end = 0
        for match in _REFERENCE.finditer(text):
            parts.append((text[end : match.start()], False))
            parts.append(("${", False) if match[0] == "$${" else (self._look_up(match[1], folder), True))
            end = match.end()
        parts.append((text[end:], False))
        if any(secret for _, secret in parts):
            return Filled.of(text, parts)
        return "".join(part for part, _ in parts)

    def _look_up(self, reference: str | None, folder: Path) -> str:
        value = self._found.get((folder, reference or ""))
        if value is None:
            value = self._found[folder, reference or ""] = self._read(reference, folder)
            self.values.add(value)
        return value

    def _read(self, reference: str | None, folder: Path) -> str:
        kind, _, name = (reference or "").partition(":")
        if kind == "env" and name:
            return self._variable(name)
        if kind == "file" and name:
            return _content(folder / name, name)
        shown = "${" if reference is None else f"${{{reference}}}"
        raise UnfilledError(
            f"{shown} is no reference", "write ${env:NAME} or ${file:path}, or $${ for the two characters themselves"
        )

    def _variable(self, name: str) -> str:
        value = self._environment.get(name)
        if value is None:
            raise UnfilledError(f"environment variable {name} is not set")
        if not value:
            raise UnfilledError(f"environment variable {name} is empty")
        return value


def _content(path: Path, name: str) -> str:
    """The text of a small regular file without its last line end: a pipe could keep us waiting for ever."""
    try:
        if not path.is_file():
            raise UnfilledError(f"file {name} {'is no regular file' if path.exists() else 'does not exist'}")
        with path.open("rb") as file:
            content = file.read(_LIMIT + 1)
    except OSError as error:
        raise UnfilledError(f"file {name} cannot be read: {error.strerror}") from None
    if len(content) > _LIMIT:
        raise UnfilledError(f"file {name} is larger than 64 KiB", "one file holds one secret")
    try:
        text = content.decode().rstrip("\r\n")
    except UnicodeDecodeError:
        raise UnfilledError(f"file {name} is not UTF-8 text") from None
    if not text:
        raise UnfilledError(f"file {name} is empty")
    return text


def guarded(message: str, value: object) -> str:
    """`message` about `value`, with its secrets as they were written, or a text that says nothing of them."""
    for filled in _filled_in(value):
        message = message.replace(repr(str(filled)), repr(filled))
        if len(filled) >= _FRAGMENT:
            message = message.replace(str(filled), filled.raw)
        if any(_leaks(message.replace(filled.raw, ""), secret) for secret in filled.hidden):
            return f"the value that {filled.raw} gives is not valid here"
    return message


def _filled_in(value: object) -> Iterator[Filled]:
    if isinstance(value, Filled):
        yield value
    elif isinstance(value, dict):
        for inner in value.values():
            yield from _filled_in(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _filled_in(inner)


def _leaks(message: str, secret: str) -> bool:
    if len(secret) < _FRAGMENT:
        return re.search(rf"(?<!\w){re.escape(secret)}(?!\w)", message) is not None
    text, wanted = message.casefold(), secret.casefold()
    return any(wanted[at : at + _FRAGMENT] in text for at in range(len(wanted) - _FRAGMENT + 1))
