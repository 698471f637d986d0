"""The values of a configuration, each of which knows where it stands."""

from __future__ import annotations

from typing import Any, Protocol

from probe.config.problems import Place
from probe.config.secrets import Filled

Path = tuple[str | int, ...]  # ("checks", "shop/home", "http", "headers", 0)


class Mark(Protocol):
    """A spot as the YAML parser says it, counted from 0. Kept as it is: few of half a million are ever looked at."""

    @property
    def name(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def column(self) -> int: ...


def spot(mark: Mark) -> Place:
    """A mark as people read it."""
    return Place(mark.name, mark.line + 1, mark.column + 1)


class Table(dict[str, Any]):
    """A mapping of the file. `keys_at` and `values_at` hold where each key stands and where its value."""

    __slots__ = ("keys_at", "mark", "values_at")

    def __init__(self, mark: Mark) -> None:
        super().__init__()
        self.mark = mark
        self.keys_at: dict[str, Mark] = {}
        self.values_at: dict[str, Mark] = {}

    def adopt(self, other: Table, key: str) -> None:
        """Take a key over from another table, with its places."""
        self[key] = other[key]
        self.keys_at[key] = other.keys_at[key]
        self.values_at[key] = other.values_at[key]

    def add(self, key: str, value: Table, other: Table) -> None:
        """Put a value under a key, at the place that the key has in another table."""
        self[key] = value
        self.keys_at[key] = other.keys_at[key]
        self.values_at[key] = other.values_at[key]

    def place_of(self, key: str) -> Place:
        """Where a key stands."""
        return spot(self.keys_at[key])


class Series(list[Any]):
    """A list of the file. `items_at` holds where each item stands."""

    __slots__ = ("items_at",)

    def __init__(self) -> None:
        super().__init__()
        self.items_at: list[Mark] = []


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
    mark: Mark = root.mark
    value: Any = root
    for depth, part in enumerate(path, 1):
        if isinstance(value, Table) and isinstance(part, str) and part in value:
            at_key, at_value = value.keys_at[part], value.values_at[part]
        elif isinstance(value, Series) and isinstance(part, int) and part < len(value):
            at_key = at_value = value.items_at[part]
        else:
            break
        value = value[part]
        # A key without a value is looked for at the key.
        mark = at_key if value is None or (key and depth == len(path)) else at_value
    return spot(mark)
