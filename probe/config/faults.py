"""From pydantic's errors to problems that name a place, a key and a remedy. Values never get into them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from checks.core.units import format_duration, parse_duration, parse_size
from probe.config.fields import format_ratio, parse_ratio
from probe.config.problems import Place, Report, dotted, nearest, suggestion
from probe.config.secrets import guarded
from probe.config.tree import Path, Table, missing, place_of

Model = TypeVar("Model", bound=BaseModel)

_KINDS = {
    "string": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "dict": "a mapping, `key: value`",
    "model": "a mapping, `key: value`",
    "list": "a list, as in [a, b]",
    "tuple": "a list, as in [a, b]",
    "set": "a list, as in [a, b]",
}
_PHRASES = {
    "extra_forbidden": "unknown key",
    "missing": "is missing",
    "value_error": "{error}",
    "literal_error": "wants {expected}",
    "enum": "wants {expected}",
    "greater_than": "must be more than {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be less than {lt}",
    "less_than_equal": "must be at most {le}",
    "string_too_short": "must have at least {min_length} characters",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "must have at least {min_length} items, has {actual_length}",
    "too_long": "must have at most {max_length} items",
    "string_pattern_mismatch": "does not match the pattern {pattern}",
}
_UNITS: tuple[tuple[Callable[[object], float], Callable[[float], str]], ...] = (
    (parse_duration, format_duration),
    (parse_size, "{} bytes".format),
    (parse_ratio, format_ratio),
)
_NAMES: Mapping[type, str] = {str: "a text", int: "a number", float: "a number", bool: "true or false"}


class Faults:
    """Validates values of one document and reports what is wrong with them, each mistake once."""

    def __init__(self, root: Table, report: Report, document: Callable[[], type[BaseModel]]) -> None:
        self.root = root
        self.report = report
        self._document = document  # gives the model of the whole, to look for keys that stand in the wrong place

    def error(self, path: Path, message: str, hint: str = "", *, key: bool = False, at: Place | None = None) -> None:
        self.report.error(at or place_of(self.root, path, key=key), dotted(path), message, hint)

    def warn(self, path: Path, message: str, hint: str = "", *, key: bool = False) -> None:
        self.report.warn(place_of(self.root, path, key=key), dotted(path), message, hint)

    def validate(self, model: type[Model], value: object, path: Path, note: str = "") -> Model | None:
        """The model of a value, or None and its problems. `note` says of which of many the value is."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self._tell(error, value, tuple(path), note)
            return None

    def rescue(self, model: type[Model], value: Mapping[str, Any], path: Path, note: str = "") -> Model | None:
        """As `validate`, but of a faulty value what can still be looked at for more mistakes."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self._tell(error, value, tuple(path), note)
            bad = {line["loc"][0] for line in _lines(error) if line["loc"]}
        try:
            return model.model_validate({key: inner for key, inner in value.items() if key not in bad})
        except ValidationError:
            return None

    def salvage(self, model: type[Model], value: Mapping[str, Any], path: Path) -> Model:
        """The model of a value without its faulty keys, which are reported: the rest still tells more mistakes."""
        try:
            return model.model_validate(value)
        except ValidationError as error:
            self._tell(error, value, tuple(path), "")
            bad = {line["loc"][0] for line in _lines(error) if line["loc"]}
            return model.model_validate({key: inner for key, inner in value.items() if key not in bad})

    def _tell(self, error: ValidationError, value: object, path: Path, note: str) -> None:
        by_path: dict[tuple[str | int, ...], list[ErrorDetails]] = {}
        for line in _lines(error):
            by_path.setdefault(_inside(value, line), []).append(line)
        meant = {
            inner: self._meant((*path, *inner), _at(value, inner[:-1]))
            for inner, lines in by_path.items()
            if lines[0]["type"] == "extra_forbidden"
        }
        for inner, lines in by_path.items():
            at, kind = _at(value, inner), lines[0]["type"]
            misspelt = any(inner[:-1] == other[:-1] and hint == _did(inner[-1]) for other, hint in meant.items())
            if missing(at) or (kind == "missing" and misspelt):
                continue
            message, hint = _described(lines, at)
            on_key = kind in {"extra_forbidden", "missing"} or lines[0]["loc"][-1:] == ("[key]",)
            place = place_of(self.root, (*path, *inner), key=on_key)
            self.report.error(place, dotted((*path, *inner)), guarded(message, at) + note, meant.get(inner, hint))

    def _meant(self, path: Path, siblings: object) -> str:
        """The key that was probably meant: of this mapping, of one inside it, or of one around it."""
        word, chain = str(path[-1]), list(_models_on(self._document(), path[:-1]))
        own = {name: name for model in chain[-1] for name in _keys(model)}
        present = siblings if isinstance(siblings, dict) else {}
        inside = {
            name: f"{key}.{name}"
            for model in chain[-1]
            # What is there comes last and so wins: `url` beside `http:` is http.url.
            for key, child in sorted(_keys(model).items(), key=lambda item: item[0] in present)
            if child.direct
            for deeper in child.models
            for name in _keys(deeper)
        }
        around = {
            name: f"{name}, {'in ' + dotted(path[:depth]) if depth else 'at the top level'}"
            for depth, models in enumerate(chain[:-1])
            for model in models
            for name in _keys(model)
        }
        for words in (own, inside, around):
            if word in words:
                return _did(words[word])
        for words in (own, inside, around):
            if near := nearest(word, list(words)):
                return _did(words[near])
        return suggestion(word, list(own), "keys here")


def _did(name: object) -> str:
    return f"did you mean {name}?"


def _lines(error: ValidationError) -> list[ErrorDetails]:
    return error.errors(include_url=False, include_input=False)


def _inside(value: Any, line: ErrorDetails) -> Path:
    """An error's location without what is not in the document: the tags of unions and of validators."""
    path: list[str | int] = []
    last = len(line["loc"]) - 1
    for index, part in enumerate(line["loc"]):
        if _has(value, part):
            value = value[part]
        elif not (index == last and line["type"] == "missing"):
            continue
        path.append(part)
    return tuple(path)


def _has(value: object, part: str | int) -> bool:
    if isinstance(value, list):
        return isinstance(part, int) and part < len(value)
    return isinstance(value, dict) and part in value


def _at(value: Any, path: Path) -> object:
    for part in path:
        value = value[part] if _has(value, part) else None
    return value


def _described(lines: list[ErrorDetails], value: object) -> tuple[str, str]:
    """What is wrong, in one phrase; alternatives of a union are joined."""
    custom = [line for line in lines if line["type"] in {"value_error", "limit"}]
    texts = list(dict.fromkeys(_text(line, value) for line in custom or lines))
    hint = str(lines[0].get("ctx", {}).get("hint", "")) or _quoted(lines, value)
    return ", or ".join([texts[0], *(text.removeprefix("wants ") for text in texts[1:])]), hint


def _text(line: ErrorDetails, value: object) -> str:
    kind, context = line["type"], line.get("ctx", {})
    if kind in {"string_too_short", "too_short"} and context["min_length"] == 1:
        return "is empty"
    if kind in _PHRASES:
        return _PHRASES[kind].format(**{name: _as_written(bound, value) for name, bound in context.items()})
    family = kind.removesuffix("_type").removesuffix("_parsing").removesuffix("_from_float")
    if family in _KINDS:
        return f"wants {_KINDS[family]}{_instead(value)}"
    message = line["msg"].removeprefix("Input ")
    return message[:1].lower() + message[1:]


def _as_written(bound: object, value: object) -> object:
    """A bound in the unit of the value that is out of it: lengths and sizes are numbers only to us."""
    if isinstance(bound, (int, float)) and isinstance(value, str):
        for parse, form in _UNITS:
            with suppress(ValueError):
                parse(value)
                return form(bound)
    return int(bound) if isinstance(bound, float) and bound.is_integer() else bound


def _instead(value: object) -> str:
    if value is None:
        return "; there is nothing"
    if isinstance(value, dict):
        return ", not a mapping"
    if isinstance(value, list):
        return ", not a list"
    return f", not {_NAMES[type(value)]}" if type(value) in _NAMES else ""


def _quoted(lines: list[ErrorDetails], value: object) -> str:
    wanted = any(line["type"] == "string_type" for line in lines)
    return "put it in quotes" if wanted and isinstance(value, (int, float)) else ""


@dataclass(frozen=True, slots=True)
class _Child:
    """What may stand under a key: models, either right there or one level down under names or numbers."""

    models: tuple[type[BaseModel], ...]
    direct: bool


def _models_on(model: type[BaseModel], path: Path) -> Iterator[tuple[type[BaseModel], ...]]:
    """The models around a place, outermost first: one step for each part of the path to it."""
    here: tuple[type[BaseModel], ...] = (model,)
    yield here
    for part in path:
        inside = tuple(deeper for one in here if (child := _keys(one).get(str(part))) for deeper in child.models)
        here = inside or here
        yield here


@cache
def _keys(model: type[BaseModel]) -> Mapping[str, _Child]:
    """The keys that a model takes."""
    return {
        field.alias or name: _Child(tuple(dict.fromkeys(_models_in(field.annotation))), _direct(field.annotation))
        for name, field in model.model_fields.items()
    }


def _direct(annotation: Any) -> bool:
    return get_origin(annotation) in {None, Union, UnionType, Annotated}


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and get_origin(annotation) is None and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)
