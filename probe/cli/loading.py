"""The configuration that a command names, or all that is wrong with it and the end of the program."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from probe.config.model import Config

FILE = click.Path(path_type=Path, dir_okay=False)
USAGE = 2  # exit code: the command line or the configuration is wrong


def load(path: Path, *, quiet: bool = False) -> Config:
    """The configuration, its warnings printed; all its problems and the end of the program otherwise."""
    from probe.config import ConfigError
    from probe.config import load as read

    try:
        config = read(path)
    except ConfigError as error:
        for problem in error.problems:
            click.echo(str(problem), err=True)
        count = len(error.problems)
        click.secho(f"{path}: {count} problem{'s' if count != 1 else ''}; not valid", fg="red", err=True)
        sys.exit(USAGE)
    if not quiet:
        for warning in config.warnings:
            click.echo(f"{warning}", err=True)
    return config
