"""What a JSON body must say at a place: JSONPath (RFC 9535) with its bounds. Pure."""

from __future__ import annotations

from collections.abc import Hashable, Iterator
from functools import lru_cache
from typing import Annotated, Any

import msgspec
from jsonpath_rfc9535 import JSONPathEnvironment, JSONPathError, JSONPathQuery
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from checks.core.base import ExpectationError
from checks.core.shared import written
from checks.core.text import one_line

_MOST_NODES = 10_000  # values that one path may select


class _Environment(JSONPathEnvironment):
    """RFC 9535 without match() and search(): their regular expressions have no time limit."""

    def setup_function_extensions(self) -> None:
        super().setup_function_extensions()
        del self.function_extensions["match"], self.function_extensions["search"]


_ENVIRONMENT = _Environment()


@lru_cache(maxsize=8192)
def compiled(path: str) -> JSONPathQuery:
    """A JSONPath; raises ValueError that says where it is wrong."""
    try:
        return _ENVIRONMENT.compile(path)
    except JSONPathError as error:
        reason = one_line(str(error), 120)
        hint = "; use a rule on the body's text instead" if "match" in reason or "search" in reason else ""
        raise ValueError(f"{path!r} is no JSONPath that can be used: {reason}{hint}") from None
    except RecursionError:
        raise ValueError(f"{path!r} is nested too deeply") from None


def _checked(path: str) -> str:
    compiled(path)
    return path


JsonPath = Annotated[str, AfterValidator(_checked)]


class JsonRule(BaseModel):
    """What the values at a path must be, all of them; a plain value means `equals`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    equals: Any = Field(default=None, description="The value that must be there: text, number, boolean, null, list.")
    min: float | None = Field(default=None, description="Least number that is good.")
    max: float | None = Field(default=None, description="Greatest number that is good.")
    exists: bool = Field(default=True, description="Whether there must be something at the path; false: nothing.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return value if isinstance(value, dict) else {"equals": value}

    @model_validator(mode="after")
    def _says_something(self) -> JsonRule:
        if not self.exists and self.model_fields_set - {"exists"}:
            raise ValueError("a value that must not exist cannot be compared: drop `exists` or the rest")
        return self

    def __eq__(self, other: object) -> bool:
        """Whether both say the same of every document: of what JSON tells apart, Python's == takes 1, 1.0 and true."""
        return self._identity() == other._identity() if isinstance(other, JsonRule) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._identity())

    def _identity(self) -> tuple[Hashable, float | None, float | None, bool]:
        equals = written(self.equals) if "equals" in self.model_fields_set else ()  # null is a value to compare with
        return equals, self.min, self.max, self.exists

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": ["string", "number", "boolean", "null", "array"]}, handler(schema)]}

    def problem(self, values: list[Any]) -> str:
        """The first thing that is wrong with the values at a path; "" when nothing is."""
        if not values:
            return "is not there" if self.exists else ""
        if not self.exists:
            return f"is {_shown(values[0])}, and must not be there"
        return next((problem for value in values for problem in self._problems(value)), "")

    def _problems(self, value: Any) -> Iterator[str]:
        if "equals" in self.model_fields_set and not same(value, self.equals):
            yield f"is {_shown(value)}, wanted {_shown(self.equals)}"
        if self.min is None and self.max is None:
            return
        if isinstance(value, bool) or not isinstance(value, (int, float)):
            yield f"is {_shown(value)}, wanted a number"
        elif self.min is not None and value < self.min:
            yield f"is {value:g}, wanted at least {self.min:g}"
        elif self.max is not None and value > self.max:
            yield f"is {value:g}, wanted at most {self.max:g}"


def same(left: Any, right: Any) -> bool:
    """Equality of JSON values: 1 is 1.0, and true is not 1."""
    if isinstance(left, bool) or isinstance(right, bool):
        return left is right
    if isinstance(left, list) and isinstance(right, (list, tuple)):
        return len(left) == len(right) and all(same(one, other) for one, other in zip(left, right, strict=True))
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(value, right[key]) for key, value in left.items())
    return bool(left == right)  # text never equals a number, and null equals null alone


def parse_json(data: bytes | bytearray) -> Any:
    """The value of a JSON text; raises ExpectationError."""
    try:
        return msgspec.json.decode(data)
    except RecursionError:
        raise ExpectationError("the body is JSON nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise ExpectationError(f"the body is no JSON: {one_line(str(error), 100)}") from None


def select(path: str, document: Any) -> list[Any]:
    """The values at a path, in order; raises ExpectationError where there is no end of them."""
    values = []
    try:
        for node in compiled(path).finditer(document):
            values.append(node.value)
            if len(values) > _MOST_NODES:
                raise ExpectationError(f"JSON path {path} selects more than {_MOST_NODES} values")
    except JSONPathError as error:
        raise ExpectationError(f"JSON path {path}: {one_line(str(error), 100)}") from None
    return values


def judge_json(path: str, rule: JsonRule, document: Any) -> None:
    """Raise ExpectationError where the document does not say what the rule wants."""
    if problem := rule.problem(select(path, document)):
        raise ExpectationError(f"JSON {path} {problem}")


def _shown(value: Any) -> str:
    text = f'"{value}"' if isinstance(value, str) else msgspec.json.encode(value).decode()
    return one_line(text, 80)
