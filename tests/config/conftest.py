"""Writes configurations into a folder and loads them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from textwrap import dedent

import pytest

from probe.config import ConfigError, load
from probe.config.model import Config


class Desk:
    """A folder with a configuration in it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.environment: dict[str, str] = {}

    def write(self, text: str, name: str = "probe.yml") -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(dedent(text).lstrip("\n"))
        return path

    def load(self, text: str, environment: Mapping[str, str] | None = None) -> Config:
        return load(self.write(text), self.environment if environment is None else environment)

    def problems(self, text: str, environment: Mapping[str, str] | None = None) -> list[str]:
        """Every problem as it is printed, without the folder."""
        with pytest.raises(ConfigError) as caught:
            self.load(text, environment)
        return [str(problem).replace(f"{self.folder}/", "") for problem in caught.value.problems]

    def warnings(self, text: str) -> list[str]:
        return [warning.replace(f"{self.folder}/", "") for warning in self.load(text).warnings]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


@pytest.fixture
def problems(desk: Desk) -> Callable[[str], list[str]]:
    return desk.problems
