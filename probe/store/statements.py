"""The statements of queries.sql by name."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path


def read_statements() -> Mapping[str, str]:
    """Read from the file beside this one."""
    text = Path(__file__).with_name("queries.sql").read_text(encoding="utf-8")
    blocks = re.split(r"^-- name: (\w+)$", text, flags=re.MULTILINE)
    return {name: re.sub(r"^--.*\n", "", text, flags=re.MULTILINE).strip() for name, text in _pairs(blocks[1:])}


def _pairs(items: Sequence[str]) -> Iterable[tuple[str, str]]:
    return zip(items[::2], items[1::2], strict=True)


SQL = read_statements()
