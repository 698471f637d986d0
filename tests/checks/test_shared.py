"""One object for what is written alike; and never one for what is not."""

from typing import Annotated, Any

import pytest
from pydantic import BaseModel, ConfigDict, TypeAdapter, ValidationError

from checks.core.expect import ANSWERED, Expected, HttpExpect
from checks.core.shared import made_once, written
from checks.http import Http

EXPECTED = TypeAdapter(Expected)


class Text(str):
    __slots__ = ()


class Held(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    value: Any


@pytest.mark.parametrize(
    "values",
    [
        (1, 1.0, True, "1"),
        (0, False, None, ""),
        ("a", Text("a")),
        ([1], [True], {"0": 1}),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, ["a", 1, "b", 2]),
        ([], {}, [[]], [{}]),
        ([["a"], "b"], ["a", ["b"]], [["a", "b"]]),
    ],
)
def test_keys_tell_apart_what_python_takes_for_equal(values):
    assert len({written(value) for value in values}) == len(values)
    assert len({written(value) for value in (*values, *values)}) == len(values)


def test_equal_values_become_one_object():
    held = TypeAdapter(Annotated[Held, made_once()])
    one, other = (held.validate_python({"value": ["a", {"b": 1}]}) for _ in range(2))
    assert one is other
    assert held.validate_python({"value": ["a", {"b": True}]}).value == ["a", {"b": True}]
    assert held.validate_python({"value": ["a", {"b": True}]}).value[1]["b"] is True


def test_expectations_alike_are_one_and_others_are_not():
    one, other, third = (EXPECTED.validate_python({"status": status}) for status in ("2xx", "2xx", [200]))
    assert one is other
    assert (one.status, third.status) == (((200, 299),), ((200, 200),))
    number, truth = (EXPECTED.validate_python({"json": {"$.a": value}}) for value in (1, True))
    assert (number.paths["$.a"].equals, truth.paths["$.a"].equals is True) == (1, True)
    assert number.paths["$.a"].problem([True])
    assert not truth.paths["$.a"].problem([True])


def test_a_mistake_is_one_every_time():
    for _ in range(2):
        with pytest.raises(ValidationError) as caught:
            EXPECTED.validate_python({"status": "abc"})
        assert [error["loc"] for error in caught.value.errors()] == [("status",)]


def test_objects_made_in_code_are_taken_as_they_are():
    made = HttpExpect(status="2xx")
    assert EXPECTED.validate_python(made) is made
    assert HttpExpect() == ANSWERED


def test_what_has_no_hash_is_validated_as_ever():
    held = TypeAdapter(Annotated[Held, made_once()])
    assert held.validate_python({"value": {1, 2}}).value == {1, 2}


def test_what_is_remembered_is_bounded():
    held = TypeAdapter(Annotated[Held, made_once()])
    first = held.validate_python({"value": "first"})
    for number in range(1024):
        held.validate_python({"value": number})
    again = held.validate_python({"value": "first"})
    assert again == first
    assert again is not first


def test_a_default_is_one_object_for_all_checks():
    one, other = (Http(url=f"http://{host}.example") for host in "ab")
    assert one.expect is other.expect is ANSWERED
