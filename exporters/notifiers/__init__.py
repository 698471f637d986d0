"""How people are told. Every module here is one receiver type; `ls` is their list."""

from __future__ import annotations

from importlib import import_module
from pkgutil import iter_modules

from pydantic import BaseModel


def receiver_types() -> dict[str, type[BaseModel]]:
    """The configuration model of every receiver type, by the key that names it in a configuration."""
    return {
        module.name: import_module(f"exporters.notifiers.{module.name}").RECEIVER for module in iter_modules(__path__)
    }
