"""The values of a configuration, each of which knows where it stands."""

from __future__ import annotations

from pathlib import Path as FilePath
from typing import Any, Protocol

from probe.config.problems import Place
from probe.config.secrets import Filled

Path = tuple[str | int, ...]  # ("checks", "shop/home", "http", "headers", 0)

# Where something stands: line and column, counted from 0, as one number. Few of half a million are ever looked at, and
# a number takes a third of what the parser's own marks take.
Spot = int
_COLUMN = 26  # bits of a column, and of a line: a file has at most 2 ** 25 bytes
_SPOT = 2 * _COLUMN  # bits of a spot


class Mark(Protocol):
    """A spot as the YAML parser says it, counted from 0."""

    @property
    def name(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def spot_of(mark: Mark) -> Spot:
    return mark.line << _COLUMN | mark.column


def place_at(mark: Mark) -> Place:
    """A mark as people read it."""
    return Place(mark.name, mark.line + 1, mark.column + 1)


def read_spot(file: str, spot: Spot) -> Place:
    """A spot as people read it."""
    return Place(file, (spot >> _COLUMN) + 1, (spot & (1 << _COLUMN) - 1) + 1)


class Table(dict[str, Any]):
    """A mapping that stands in `file` at `spot`. `spots` holds where each key stands, and where its value."""

    __slots__ = ("file", "foreign", "spot", "spots")

    def __init__(self, file: str, spot: Spot) -> None:
        self.file = file
        self.spot = spot
        self.spots: dict[str, int] = {}  # both in one number, the key's in front
        self.foreign: dict[str, str] = {}  # the files of keys that were taken over from another one

    def put(self, key: str, value: object, key_at: Mark, value_at: Mark) -> None:
        """Put a value under a key, as it was read."""
        self[key] = value
        key_spot, value_spot = key_at.line << _COLUMN | key_at.column, value_at.line << _COLUMN | value_at.column
        self.spots[key] = key_spot << _SPOT | value_spot

    def add(self, key: str, value: object, other: Table) -> None:
        """Put a value under a key, at the place that the key has in another table."""
        self[key] = value
        self.spots[key] = other.spots[key]
        if other.file_of(key) != self.file:
            self.foreign[key] = other.file_of(key)

    def adopt(self, other: Table, key: str) -> None:
        """Take a key over from another table, with its places."""
        self.add(key, other[key], other)

    def file_of(self, key: str) -> str:
        return self.foreign.get(key, self.file)

    def place_of(self, key: str) -> Place:
        """Where a key stands."""
        return read_spot(self.file_of(key), self.spots[key] >> _SPOT)

    def place_in(self, key: str) -> Place:
        """Where the value of a key stands."""
        return read_spot(self.file_of(key), self.spots[key] & (1 << _SPOT) - 1)


class Series(list[Any]):
    """A list that stands in `file`. `spots` holds where each item stands."""

    __slots__ = ("file", "spots")

    def __init__(self, file: str) -> None:
        self.file = file
        self.spots: list[Spot] = []

    def place_in(self, index: int) -> Place:
        """Where an item stands."""
        return read_spot(self.file, self.spots[index])


class Missing(Filled):
    """A text whose reference could not be filled in. It has been complained of: what follows from it is not news."""

    __slots__ = ()


def missing(value: object) -> bool:
    """Whether a value could not be filled in, or one inside it."""
    if isinstance(value, dict):
        return any(missing(inner) for inner in value.values())
    if isinstance(value, list):
        return any(missing(inner) for inner in value)
    return isinstance(value, Missing)


def place_of(root: Table, path: Path, *, key: bool = False) -> Place:
    """Where the value at `path` stands, or its key; where there is no such thing, what is nearest around it."""
    place = read_spot(root.file, root.spot)
    value: Any = root
    for depth, part in enumerate(path, 1):
        around = value
        if isinstance(around, Table) and isinstance(part, str) and part in around:
            value = around[part]
            # A key without a value is looked for at the key.
            on_key = value is None or (key and depth == len(path))
            place = around.place_of(part) if on_key else around.place_in(part)
        elif isinstance(around, Series) and isinstance(part, int) and part < len(around):
            value, place = around[part], around.place_in(part)
        else:
            break
    return place


def folder_of(root: Table, path: Path) -> FilePath:
    """The folder of the file that the key at `path` stands in."""
    return FilePath(place_of(root, path, key=True).file).parent
