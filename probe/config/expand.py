"""One check written once for many: `for_each` and the `{placeholders}` that it fills."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any

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
    at = ("for_each", FROM)
    try:
        if not path.is_file():
            raise ExpandError(f"file {name} does not exist", path=at)
        with path.open("rb") as file:
            content = file.read(LARGEST + 1)
        if len(content) > LARGEST:
            raise ExpandError(f"file {name} is larger than 16 MiB", path=at)
        return content.decode("utf-8-sig")
    except OSError as error:
        raise ExpandError(f"file {name} cannot be read: {error.strerror}", path=at) from None
    except UnicodeDecodeError:
        raise ExpandError(f"file {name} is not UTF-8 text", path=at) from None


def filled(value: Any, row: Row, path: tuple[str | int, ...] = ()) -> Any:
    """`value` with the placeholders in all its texts and keys filled in. Raises ExpandError."""
    if isinstance(value, Missing):
        return value
    if isinstance(value, Filled):
        # What a secret holds is taken as it is: its braces are no placeholders.
        parts = ((text if secret else _text(text, row, path), secret) for text, secret in value.parts)
        return Filled.of(value.raw, parts)
    if isinstance(value, str):
        return _text(value, row, path)
    if isinstance(value, dict):
        return {_text(key, row, (*path, key)): filled(inner, row, (*path, key)) for key, inner in value.items()}
    if isinstance(value, list):
        return [filled(inner, row, (*path, index)) for index, inner in enumerate(value)]
    return value


def _text(text: str, row: Row, path: tuple[str | int, ...]) -> str:
    if "{" not in text and "}" not in text:
        return text

    def replacement(match: re.Match[str]) -> str:
        whole, name = match[0], match[1]
        if whole in {"{{", "}}"}:
            return whole[0]
        if name is None:
            raise ExpandError(f"a single {whole}", f"write {whole * 2} for the character itself", path)
        if name not in row:
            hint = suggestion(name, sorted(row), "variables")
            raise ExpandError(f"{{{name}}} is no variable of for_each", hint + "; {{ is a literal brace", path)
        return row[name]

    return _BRACES.sub(replacement, text)
