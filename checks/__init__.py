"""What can be probed. Every module here is one check type; `ls` is their list."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from pkgutil import iter_modules
from typing import Any

from pydantic import BaseModel


def check_types() -> dict[str, type[BaseModel]]:
    """The configuration model of every check type, by the key that names it in a configuration."""
    return {name: module.CHECK for name, module in _modules()}


def metrics() -> frozenset[str]:
    """Every phase and numeric fact that a run of any type may have, and `total`: what thresholds may name."""
    return frozenset({"total"}).union(*(module.METRICS for _, module in _modules()))


def _modules() -> Iterator[tuple[str, Any]]:
    for module in iter_modules(__path__):
        if not module.ispkg:
            yield module.name, import_module(f"checks.{module.name}")
