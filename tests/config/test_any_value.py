"""Whatever stands in place of any value of a configuration: a Config, or problems with their places. Nothing else."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from probe.config import ConfigError, load
from tests.config.test_examples import DOCS, ENVIRONMENT

FULL = yaml.safe_load((DOCS / "examples/full.yml").read_text())
VALUES: list[Any] = [
    None, True, 0, -1, 1.5, 10**30, "", "x", "{x}", "${env:PD_KEY}", "${", "5s", "169.254.169.254", "http://[::1]:80",
    "http://[fe80::1%eth0]/", "a" * 300, [], {}, [[]], [None], {"": None}, {"from": "x"}, {"a": 1},
    {"$.x": {"min": "a"}}, "a\nb", "(", "::1", "-", "}",
    {"total": {"down": 1}}, {"http": {}, "tcp": {}}, "\N{GRINNING FACE}", "\x7f",
]  # fmt: skip


def paths(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    if path:
        yield path
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in inner:
        yield from paths(one, (*path, key))


def replaced(path: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(FULL)
    at = document
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = value
    return document


@pytest.mark.parametrize("start", range(2))
def test_any_value_anywhere_is_taken_or_told(tmp_path: Path, start: int) -> None:
    told = 0
    file = tmp_path / "probe.yml"
    for index, path in enumerate(paths(FULL)):
        value = VALUES[(start * 11 + index * 7) % len(VALUES)]
        file.write_text(yaml.safe_dump(replaced(path, value), allow_unicode=True))
        try:
            load(file, ENVIRONMENT)
        except ConfigError as error:
            told += 1
            for problem in error.problems:
                assert problem.line, (path, value, str(problem))
                assert "pydantic" not in str(problem)
                assert "input_value" not in str(problem)
    assert told > 50
