"""What a validator finds wrong inside a value: each mistake at its own key, all of them in one error."""

from __future__ import annotations

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class Complaints:
    """Collects mistakes; `tell` raises them, if there are any, as the ValidationError that pydantic expects."""

    def __init__(self) -> None:
        self._lines: list[InitErrorDetails] = []

    def add(self, text: str, hint: str = "", at: tuple[str | int, ...] = ()) -> None:
        """`at` leads from the value to what is wrong in it."""
        what = PydanticCustomError("limit", "{text}", {"text": text, "hint": hint})
        self._lines.append(InitErrorDetails(type=what, loc=at, input=None))

    def tell(self) -> None:
        if self._lines:
            raise ValidationError.from_exception_data("value", self._lines)
