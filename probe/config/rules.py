"""When a service is up, as users write it: `all`, `any`, `2 of 3`, or `{weights: {shop/home: 3}, need: 60%}`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, PlainValidator, WithJsonSchema

from probe.config.fields import IN_DETAIL, IN_WORDS, WORDED, Ratio
from thresholds.composite import Kind, Rule

_K_OF_N = re.compile(r"(\d{1,6})(?:\s+of\s+(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class Stated:
    """A rule in words."""

    rule: Rule
    of: int = 0  # how many checks it is written for; 0: however many there are


def parse_rule(value: object) -> Stated:
    """`all`, `any`, `2 of 3`; `2` of however many there are."""
    if isinstance(value, Stated):
        return value
    if value in ("all", "any"):
        return Stated(Rule(Kind(str(value))))
    text = str(value) if isinstance(value, int) and not isinstance(value, bool) else value
    match = _K_OF_N.fullmatch(text.strip()) if isinstance(text, str) else None
    if match is None:
        raise ValueError("wants all, any, so many checks of all, as in 2 of 3, or weights")
    needed, of = int(match[1]), int(match[2] or 0)
    if needed < 1 or (match[2] and of < needed):
        raise ValueError("wants 1 <= K <= N in `K of N`")
    return Stated(Rule(Kind.K_OF_N, needed), of)


class Weighted(BaseModel):
    """A service is up while checks of enough weight are."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    weights: Mapping[str, Annotated[float, Field(gt=0, le=1e6)]] = Field(
        description="How much a check weighs, by its name or by a pattern, as in `shop/store-*`; a name goes before a "
        "pattern, the first pattern before the next. 1 where none is given.",
        min_length=1,
    )
    need: Ratio = Field(
        0.5,
        gt=0,
        json_schema_extra={"default": "50%"},
        description="The share of all weight that has to be up.",
    )


_Words = Annotated[
    Stated,
    PlainValidator(parse_rule),
    WithJsonSchema({"type": ["string", "integer"], "pattern": r"^(all|any|[0-9]+(\s+of\s+[0-9]+)?)$"}),
]
UpWhen = Annotated[Annotated[_Words, IN_WORDS] | Annotated[Weighted, IN_DETAIL], WORDED]
