"""One check written once for many: `for_each` and the `{placeholders}` that it fills."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

from probe.config.files import FileError, read_text
from probe.config.problems import Place, suggestion
from probe.config.secrets import Filled
from probe.config.tree import Missing, Series, Table

MOST = 100_000  # checks
LARGEST = 16 << 20  # bytes of a CSV file
_BRACES = re.compile(r"\{\{|\}\}|\{([^{}]*)\}|[{}]")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
FROM = "from"  # the key that names a CSV file

Row = Mapping[str, str]


class ExpandError(Exception):
    """A template that cannot be filled.

    `path` leads from the check to what is wrong; `place` is given where that is in a CSV file.
    """

    def __init__(
        self, message: str, hint: str = "", path: Sequence[str | int] = (), place: Place | None = None
    ) -> None:
        super().__init__(message)
        self.hint = hint
        self.path = tuple(path)
        self.place = place


@dataclass
class Rows:
    """Reads what `for_each` lists. A CSV file that many checks use is read once."""

    files: dict[Path, list[Row]] = field(default_factory=dict)

    def of(self, for_each: object, folder: Path) -> list[Row]:
        """Every combination of the variables. Raises ExpandError."""
        if not isinstance(for_each, Table) or not for_each:
            raise ExpandError("wants variables", "write {city: [sydney, london]} or {from: stores.csv}", ("for_each",))
        lists: list[list[Row]] = []
        total = 1
        for name, values in for_each.items():
            rows = self._file(values, folder) if name == FROM else _listed(name, values)
            lists.append(rows)
            total *= len(rows)
            if total > MOST:
                raise ExpandError(f"more than {MOST:,} combinations", path=("for_each", name))
        return [_joined(rows) for rows in product(*lists)]

    def _file(self, name: object, folder: Path) -> list[Row]:
        if not isinstance(name, str) or isinstance(name, Missing):
            raise ExpandError("wants the name of a CSV file", path=("for_each", FROM))
        path = folder / name
        if path not in self.files:
            self.files[path] = list(_table_rows(path, name))
        if not self.files[path]:
            raise ExpandError(f"file {name} has no rows", path=("for_each", FROM))
        return self.files[path]


def _joined(rows: Sequence[Row]) -> Row:
    joined: dict[str, str] = {}
    for row in rows:
        if twice := joined.keys() & row.keys():
            raise ExpandError(f"variable {min(twice)} is given by a list and by a file", path=("for_each",))
        joined.update(row)
    return joined


def _listed(name: str, values: object) -> list[Row]:
    path = ("for_each", name)
    if not _VARIABLE.fullmatch(name):
        raise ExpandError("a variable's name is made of letters, digits and _", path=path)
    if not isinstance(values, Series) or not values:
        raise ExpandError("wants a list with at least one value", f"write {name}: [a, b]", path)
    for index, value in enumerate(values):
        if not isinstance(value, (str, int)) or isinstance(value, bool):
            raise ExpandError("wants a text", "put it in quotes", (*path, index))
    return [{name: str(value)} for value in values]


def _table_rows(path: Path, name: str) -> Iterator[Row]:
    lines = csv.reader(io.StringIO(_content(path, name), newline=""), strict=True)
    try:
        header = next(lines, [])
        _check_header(header, name)
        for row in lines:
            if len(row) == len(header):
                yield dict(zip(header, row, strict=True))
            elif row:
                message = f"{len(row)} values in a row, the header has {len(header)} names"
                raise ExpandError(message, place=Place(name, lines.line_num, 1))
            if lines.line_num > MOST:
                raise ExpandError(f"more than {MOST:,} lines", place=Place(name, lines.line_num, 1))
    except csv.Error as error:
        raise ExpandError(f"not CSV: {error}", place=Place(name, lines.line_num, 1)) from None


def _check_header(header: Sequence[str], name: str) -> None:
    wrong = next((cell for cell in header if not _VARIABLE.fullmatch(cell)), None)
    if not header or wrong is not None:
        message = f"{wrong!r} is no name of a variable" if wrong else "no header"
        raise ExpandError(message, "the first line names the columns, as in city,country", place=Place(name, 1, 1))
    if len(set(header)) < len(header):
        raise ExpandError("two columns have one name", place=Place(name, 1, 1))


def _content(path: Path, name: str) -> str:
    try:
        return read_text(path, name, LARGEST)
    except FileError as error:
        raise ExpandError(str(error), path=("for_each", FROM)) from None


Filling = Callable[[Row], Any]


@dataclass
class Template:
    """A value with placeholders in its texts and keys. They are looked for once, and filled in for every row."""

    value: Any
    variables: Sequence[str]

    def filled(self, row: Row) -> Any:
        """The value of a row, which has all the variables. Raises ExpandError."""
        return self.value if self._filling is None else self._filling(row)

    @cached_property
    def _filling(self) -> Filling | None:
        return _filling(self.value, self.variables, ())


def _filling(value: Any, variables: Sequence[str], path: tuple[str | int, ...]) -> Filling | None:
    """How to fill in a value; None where there is nothing to fill in. Raises ExpandError."""
    if isinstance(value, Missing):
        return None
    if isinstance(value, Filled):
        return _secret(value, variables, path)
    if isinstance(value, str):
        return _text(value, variables, path)
    if isinstance(value, dict):
        return _mapping(value, variables, path)
    if isinstance(value, list):
        fillings = [_filling(inner, variables, (*path, index)) for index, inner in enumerate(value)]
        if any(fillings):
            return lambda row: [_either(*both, row) for both in zip(fillings, value, strict=True)]
    return None


def _either(filling: Filling | None, value: Any, row: Row) -> Any:
    return value if filling is None else filling(row)


def _mapping(value: dict[str, Any], variables: Sequence[str], path: tuple[str | int, ...]) -> Filling | None:
    keys, inner = {}, {}
    for key, one in value.items():
        if filling := _text(key, variables, (*path, key)):
            keys[key] = filling
        if filling := _filling(one, variables, (*path, key)):
            inner[key] = filling
    if not keys and not inner:
        return None

    def filled(row: Row) -> dict[str, Any]:
        copy = dict(value)
        for key, filling in inner.items():
            copy[key] = filling(row)
        return {_either(keys.get(key), key, row): one for key, one in copy.items()} if keys else copy

    return filled


def _secret(value: Filled, variables: Sequence[str], path: tuple[str | int, ...]) -> Filling | None:
    """What a secret holds is taken as it is: its braces are no placeholders."""
    parts = [(text, secret, None if secret else _text(text, variables, path)) for text, secret in value.parts]
    if not any(filling for _, _, filling in parts):
        return None
    return lambda row: Filled.of(value.raw, [(_either(filling, text, row), secret) for text, secret, filling in parts])


def _text(text: str, variables: Sequence[str], path: tuple[str | int, ...]) -> Filling | None:
    if "{" not in text and "}" not in text:
        return None
    for match in _BRACES.finditer(text):
        whole, name = match[0], match[1]
        if whole in {"{{", "}}"}:
            continue
        if name is None:
            raise ExpandError(f"a single {whole}", f"write {whole * 2} for the character itself", path)
        if name not in variables:
            hint = suggestion(name, sorted(variables), "variables")
            raise ExpandError(f"{{{name}}} is no variable of for_each", hint + "; {{ is a literal brace", path)
    return text.format_map  # the same syntax, now that its names are known to be plain ones
