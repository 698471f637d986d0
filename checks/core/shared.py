"""What thousands of checks say in the same words is validated once and kept once."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

from pydantic import BaseModel, ValidatorFunctionWrapHandler, WrapValidator

_MOST = 1024  # different values of one kind that are remembered


def written(value: object) -> Hashable:
    """What was written, as a key: equal for the same values in the same order, and 1, 1.0 and true are not equal."""
    kind = type(value)
    if kind is str:
        return value
    if isinstance(value, dict):
        return dict, *[(key, written(inner)) for key, inner in value.items()]
    if isinstance(value, list):
        return list, *[written(inner) for inner in value]
    return kind, value


def made_once() -> WrapValidator:
    """For a field that holds a frozen model: values written alike become one object.

    Only where nothing but the value decides whether it is valid, no file and no clock.
    """
    made: dict[Hashable, Any] = {}

    def validated(value: Any, validate: ValidatorFunctionWrapHandler) -> Any:
        if not isinstance(value, (dict, str)):
            return validate(value)
        key = written(value)
        try:
            found = made.get(key)
        except TypeError:  # values made in code, which hold what has no hash
            return validate(value)
        if found is None:
            found = validate(value)
            if len(made) >= _MOST:
                made.clear()
            made[key] = found
        return found

    return WrapValidator(validated)


def slimmed(model: BaseModel) -> BaseModel:
    """An equal model in two thirds of the memory: its fields' names, and which are given, are shared with its like.

    Set one by one, the fields of all models of a type share one table of names; pydantic gives each model its own.
    """
    given = model.__pydantic_fields_set__
    if len(_GIVEN) >= _MOST:
        _GIVEN.clear()
    made = object.__new__(type(model))
    for name, value in model.__dict__.items():
        object.__setattr__(made, name, value)
    object.__setattr__(made, "__pydantic_fields_set__", _GIVEN.setdefault(frozenset(given), given))
    object.__setattr__(made, "__pydantic_extra__", None)
    object.__setattr__(made, "__pydantic_private__", None)
    return made


_GIVEN: dict[frozenset[str], set[str]] = {}
