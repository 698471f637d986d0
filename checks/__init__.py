"""What can be probed. Every module here is one check type; `ls` is their list."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from pydantic import BaseModel


def check_types() -> dict[str, type[BaseModel]]:
    """The configuration model of every check type, by the key that names it in a configuration."""
    return {
        module.name: import_module(f"checks.{module.name}").CHECK
        for module in iter_modules(__path__)
        if not module.ispkg
    }
