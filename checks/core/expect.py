"""What an answer must be: status sets, rules for text, and their judgement. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Annotated, Any, Literal, Self

import regex
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    PlainSerializer,
    WithJsonSchema,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from checks.core.base import ExpectationError
from checks.core.jsonpath import JsonPath, JsonRule, judge_json, parse_json
from checks.core.shared import made_once
from checks.core.text import quoted

Statuses = tuple[tuple[int, int], ...]


# Not whatever Python knows: some of its codecs take quadratic time.
_CHARSET = regex.compile(
    r"""charset\s*=\s*["']?(utf-?(?:8|16|32)(?:[bl]e)?|iso-8859-\d{1,2}|latin-?1|us-ascii|windows-125\d|cp125\d"""
    r"""|shift_jis|euc-jp|euc-kr|gb2312|gbk|gb18030|big5|koi8-[ru])["']?\s*(?:;|$)""",
    regex.IGNORECASE,
)


class TooSlowError(Exception):
    """An expectation of ours took too long to look at: that says nothing about the target."""


def parse_statuses(value: object) -> Statuses:
    """`2xx`, `204`, `200-299`, or a list of them, as ranges with both ends."""
    if isinstance(value, tuple):
        return value  # already parsed
    items = value if isinstance(value, list) else [value]
    if not items:
        raise ValueError("an empty list matches no status; write 2xx, 204, 200-299, or a list of them")
    return tuple(_status_range(item) for item in items)


def _status_range(item: object) -> tuple[int, int]:
    text = str(item).strip().lower()
    match = None if isinstance(item, bool) else regex.fullmatch(r"([1-5])xx|(\d{3})(?:\s*-\s*(\d{3}))?", text)
    if match and match[1]:
        return int(match[1]) * 100, int(match[1]) * 100 + 99
    if match:
        low, high = int(match[2]), int(match[3] or match[2])
        if 100 <= low <= high <= 599:
            return low, high
    raise ValueError(f"{item!r} is no set of statuses; write 2xx, 204, 200-299, or a list of them")


def format_statuses(statuses: Statuses) -> str:
    """For people: `2xx, 301, 500-503`."""
    return ", ".join(_format_range(low, high) for low, high in statuses)


def _format_range(low: int, high: int) -> str:
    if low % 100 == 0 and high == low + 99:
        return f"{low // 100}xx"
    return str(low) if low == high else f"{low}-{high}"


StatusSet = Annotated[
    Statuses,
    BeforeValidator(parse_statuses),
    PlainSerializer(format_statuses, return_type=str),
    WithJsonSchema(
        {
            "anyOf": [
                {"type": "integer", "minimum": 100, "maximum": 599},
                {"type": "string", "pattern": r"^([1-5]xx|\d{3}(-\d{3})?)$"},
                {"type": "array", "minItems": 1, "items": {"type": ["integer", "string"]}},
            ],
            "examples": ["2xx", 204, "200-299", [200, 204]],
        }
    ),
]


@lru_cache(maxsize=8192)
def compiled(pattern: str) -> regex.Pattern[str]:
    """A regular expression; raises ValueError that says where it is wrong."""
    try:
        return regex.compile(pattern)
    except regex.error as error:
        raise ValueError(f"{pattern!r} is no regular expression: {error}") from None


def _checked_patterns(patterns: tuple[str, ...]) -> tuple[str, ...]:
    for pattern in patterns:
        compiled(pattern)
    return patterns


def _listed(value: object) -> object:
    return tuple(value) if isinstance(value, list) else (value,) if isinstance(value, str) else value


_LIST = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}}]}
Texts = Annotated[
    tuple[Annotated[str, Field(min_length=1)], ...], BeforeValidator(_listed), WithJsonSchema(dict(_LIST))
]
Patterns = Annotated[Texts, AfterValidator(_checked_patterns)]


class TextRule(BaseModel):
    """What a text must hold and must not hold; a plain string means `contains`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contains: Texts = Field(default=(), description="Texts that must be there, all of them.")
    not_contains: Texts = Field(default=(), description="Texts of which none may be there.")
    regex: Patterns = Field(default=(), description="Regular expressions that must be found, all of them.")
    not_regex: Patterns = Field(default=(), description="Regular expressions of which none may be found.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"contains": value} if isinstance(value, (str, list)) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [*_LIST["anyOf"], handler(schema)]}

    def problem(self, text: str, *, seconds: float, fold: bool = False) -> str:
        """The first thing that is wrong with a text; "" when nothing is. Raises TooSlowError.

        `fold` ignores case in `contains`.
        """
        return next(self._problems(text, seconds, fold), "")

    def _problems(self, text: str, seconds: float, fold: bool) -> Iterator[str]:
        place = text.casefold() if fold else text
        for wanted in self.contains:
            if (wanted.casefold() if fold else wanted) not in place:
                yield f"does not contain {quoted(wanted)}"
        for unwanted in self.not_contains:
            if (unwanted.casefold() if fold else unwanted) in place:
                yield f"contains {quoted(unwanted)}, which it must not"
        for pattern in self.regex:
            if not found(pattern, text, seconds):
                yield f"does not match the regex {quoted(pattern)}"
        for pattern in self.not_regex:
            if found(pattern, text, seconds):
                yield f"matches the regex {quoted(pattern)}, which it must not"


def found(pattern: str, text: str, seconds: float) -> bool:
    """Whether a regular expression is found in a text; raises TooSlowError after `seconds` of our CPU."""
    try:
        # concurrent: the other threads, and with them the event loop, go on meanwhile.
        return compiled(pattern).search(text, timeout=seconds, concurrent=True) is not None
    except TimeoutError:
        raise TooSlowError(
            f"the regex {quoted(pattern)} took longer than {seconds:g} s on this text; make it simpler"
        ) from None


class HeaderRule(TextRule):
    """What a header must hold; a plain string means `contains`, in which case is ignored."""

    absent: bool = Field(default=False, description="The header must not be there at all.")

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.absent and (self.contains or self.not_contains or self.regex or self.not_regex):
            raise ValueError("a header that must be absent cannot have contents: drop `absent` or the rest")
        return self


class HttpExpect(BaseModel):
    """What an HTTP answer must be."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    status: StatusSet = Field(
        default=((200, 299),), description="Statuses that are good: `2xx`, `204`, `200-299`, or a list of them."
    )
    version: Literal["1.0", "1.1", "2", "3"] | None = Field(
        default=None, description="HTTP version that the server must speak."
    )
    header: Mapping[str, HeaderRule] = Field(
        default_factory=dict, description="Rules for headers, by name: a text that the value must contain, or a rule."
    )
    body: TextRule | None = Field(
        default=None, description="Rules for the decoded body: a text that it must contain, or a rule."
    )
    paths: Mapping[JsonPath, JsonRule] = Field(
        default_factory=dict,
        alias="json",
        description="Rules for the JSON body, by JSONPath (RFC 9535): the value that must be there, or a rule.",
    )

    def __deepcopy__(self, memo: dict[int, Any] | None = None) -> Self:
        return self  # nothing in it changes: as a default it is one object for all checks

    @property
    def reads_body(self) -> bool:
        return self.body is not None or bool(self.paths)

    def judge_head(self, status: int, version: str, headers: Mapping[str, str]) -> None:
        """Raise ExpectationError where status, version or headers are not as wanted."""
        if not any(low <= status <= high for low, high in self.status):
            raise ExpectationError(f"status {status}, wanted {format_statuses(self.status)}")
        if self.version is not None and version != self.version:
            raise ExpectationError(f"HTTP version {version}, wanted {self.version}")
        for name, rule in self.header.items():
            if problem := _header_problem(rule, headers.get(name.lower())):
                raise ExpectationError(f"header {name} {problem}")


Expected = Annotated[HttpExpect, made_once()]
ANSWERED = HttpExpect()  # for checks that expect nothing in particular: any good status


def judge_body(expect: HttpExpect, data: bytes | bytearray, content_type: str, seconds: float) -> None:
    """Raise ExpectationError where the decoded body is not as wanted; TooSlowError for a regex over `seconds`."""
    if expect.body is not None:
        text = data.decode(charset(content_type), "replace")
        if problem := expect.body.problem(text, seconds=seconds):
            raise ExpectationError(f"body {problem}")
    if expect.paths:
        document = parse_json(data)
        for path, rule in expect.paths.items():
            judge_json(path, rule, document)


def charset(content_type: str) -> str:
    """The encoding that a Content-Type names, if it is one that text on the web is in; UTF-8 otherwise."""
    match = _CHARSET.search(content_type)
    return match[1] if match else "utf-8"


def _header_problem(rule: HeaderRule, value: str | None) -> str:
    if rule.absent:
        return "" if value is None else f"is {quoted(value)}, and must be absent"
    if value is None:
        return "is missing"
    problem = rule.problem(value, seconds=0.05, fold=True)
    return f"{problem}: it is {quoted(value)}" if problem else ""
