"""Expectations as tables, and the configuration that they come from."""

import pytest
from pydantic import TypeAdapter, ValidationError

from checks.core.base import ExpectationError
from checks.core.expect import HttpExpect, StatusSet, charset, format_statuses, parse_statuses
from checks.core.jsonpath import JsonRule, parse_json, same, select
from checks.http import Http


@pytest.mark.parametrize(
    ("value", "ranges", "text"),
    [
        ("2xx", ((200, 299),), "2xx"),
        ("5XX", ((500, 599),), "5xx"),
        (204, ((204, 204),), "204"),
        ("204", ((204, 204),), "204"),
        ("200-299", ((200, 299),), "2xx"),
        ("200 - 204", ((200, 204),), "200-204"),
        ([200, "3xx", "401-403"], ((200, 200), (300, 399), (401, 403)), "200, 3xx, 401-403"),
    ],
)
def test_status_sets(value, ranges, text):
    assert parse_statuses(value) == ranges
    assert format_statuses(ranges) == text


@pytest.mark.parametrize(
    "value", ["6xx", "20", 99, 600, "299-200", "ok", True, None, [], [[]], 2.5, {"a": 1}, "2xx, 301"]
)
def test_what_is_no_status_set(value):
    with pytest.raises(ValidationError, match="write 2xx, 204, 200-299, or a list of them"):
        TypeAdapter(StatusSet).validate_python(value)


@pytest.mark.parametrize(
    ("expect", "place", "message"),
    [
        ({"status": "ok"}, ("status",), "'ok' is no set of statuses"),
        ({"version": "4"}, ("version",), "Input should be '1.0', '1.1', '2' or '3'"),
        ({"body": {"regex": "["}}, ("body", "regex"), "'[' is no regular expression"),
        ({"body": {"contains": ""}}, ("body", "contains", 0), "at least 1 character"),
        ({"header": {"x": {"absent": True, "contains": "y"}}}, ("header", "x"), "must be absent cannot have contents"),
        ({"json": {"status": "ok"}}, ("json", "status", "[key]"), "'status' is no JSONPath"),
        (
            {"json": {"$[?match(@.a, 'x')]": 1}},
            ("json", "$[?match(@.a, 'x')]", "[key]"),
            "use a rule on the body's text",
        ),
        (
            {"json": {"$[?search(@.a, 'x')]": 1}},
            ("json", "$[?search(@.a, 'x')]", "[key]"),
            "use a rule on the body's text",
        ),
        ({"json": {"$.a": {"equal": 1}}}, ("json", "$.a", "equal"), "Extra inputs are not permitted"),
        ({"json": {"$.a": {"exists": False, "min": 1}}}, ("json", "$.a"), "drop `exists` or the rest"),
    ],
)
def test_bad_expectations_are_named(expect, place, message):
    with pytest.raises(ValidationError) as caught:
        HttpExpect(**expect)
    (error,) = caught.value.errors()
    assert error["loc"] == place
    assert message in error["msg"]


@pytest.mark.parametrize(
    ("rule", "values", "problem"),
    [
        ("ok", ["ok"], ""),
        ("ok", ["ok", "bad"], 'is "bad", wanted "ok"'),
        ("ok", [], "is not there"),
        (1, [1.0], ""),
        (1, [True], "is true, wanted 1"),
        (True, [1], "is 1, wanted true"),
        (None, [None], ""),
        (None, [0], "is 0, wanted null"),
        ("1", [1], 'is 1, wanted "1"'),
        ([1, "a"], [[1, "a"]], ""),
        ({"equals": {"a": [True]}}, [{"a": [True]}], ""),
        ({"equals": {"a": 1}}, [{"a": 1, "b": 2}], 'is {"a":1,"b":2}, wanted {"a":1}'),
        ({"min": 2, "max": 3}, [2, 3, 2.5], ""),
        ({"min": 2}, [1], "is 1, wanted at least 2"),
        ({"max": 3}, [3.5], "is 3.5, wanted at most 3"),
        ({"max": 3}, ["2"], 'is "2", wanted a number'),
        ({"max": 3}, [True], "is true, wanted a number"),
        ({"exists": True}, [None], ""),
        ({"exists": False}, [], ""),
        ({"exists": False}, [0], "is 0, and must not be there"),
    ],
)
def test_json_rules(rule, values, problem):
    assert JsonRule.model_validate(rule).problem(values) == problem


def test_equality_of_json_is_not_pythons():
    assert same({"a": [1.0]}, {"a": [1]})
    assert not same([1], [True])
    assert not same([0], [False])
    assert not same({"a": 1}, {"b": 1})
    assert not same([1], [1, 2])


# Each of them means something else: a configuration that has another one has changed.
RULES = [
    1, 1.0, True, 0, False, "1", None, [1], [True], [1.0], [[0]], [[False]], [], [1, True], [True, 1], ["1,True"],
    {"equals": {}}, {"equals": {"a": 1}}, {"equals": {"a": True}}, {"equals": {"a": [1]}}, {"equals": {"a": [True]}},
    {"exists": True}, {"exists": False}, {"min": 1}, {"max": 1}, {"equals": 1, "min": 1},
]  # fmt: skip


@pytest.mark.parametrize("index", range(len(RULES)))
def test_rules_are_equal_only_where_they_say_the_same(index):
    rule = JsonRule.model_validate(RULES[index])
    again = [JsonRule.model_validate(one) for one in RULES]
    assert [other == rule for other in again] == [at == index for at in range(len(RULES))]
    assert hash(again[index]) == hash(rule)
    assert HttpExpect(json={"$.a": RULES[index]}) == HttpExpect(json={"$.a": RULES[index]})


def test_a_check_whose_json_rule_changes_its_type_has_changed():
    def check(value):
        return Http.model_validate({"url": "http://a.example/", "expect": {"json": {"$.ok": value}}})

    assert check(1) != check(True)
    assert check(True) == check(True)


@pytest.mark.parametrize(
    ("path", "values"),
    # From RFC 9535 section 1.5, table 2, over the document of figure 1.
    [
        ("$.store.book[*].author", ["Nigel Rees", "Evelyn Waugh", "Herman Melville", "J. R. R. Tolkien"]),
        ("$..book[2].title", ["Moby Dick"]),
        ("$..book[-1].title", ["The Lord of the Rings"]),
        ("$..book[?@.isbn].isbn", ["0-553-21311-3", "0-395-19395-8"]),
        ("$..book[?@.price<10].price", [8.95, 8.99]),
        ("$.store.bicycle.color", ["red"]),
    ],
)
def test_paths_select_what_the_standard_says(path, values):
    book = {
        "store": {
            "book": [
                {"author": "Nigel Rees", "title": "Sayings of the Century", "price": 8.95},
                {"author": "Evelyn Waugh", "title": "Sword of Honour", "price": 12.99},
                {"author": "Herman Melville", "title": "Moby Dick", "isbn": "0-553-21311-3", "price": 8.99},
                {
                    "author": "J. R. R. Tolkien",
                    "title": "The Lord of the Rings",
                    "isbn": "0-395-19395-8",
                    "price": 22.99,
                },
            ],
            "bicycle": {"color": "red", "price": 399},
        }
    }
    assert select(path, book) == values


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"<html>", "the body is no JSON: JSON is malformed: invalid character (byte 0)"),
        (b"", "the body is no JSON: Input data was truncated"),
        (b"[" * 100_000, "the body is JSON nested too deeply"),
        (b'"\xff"', "the body is no JSON"),
    ],
)
def test_what_is_no_json(data, message):
    with pytest.raises(ExpectationError) as caught:
        parse_json(data)
    assert str(caught.value).startswith(message)


def test_a_path_that_selects_everything_is_bounded():
    with pytest.raises(ExpectationError, match="selects more than 10000 values"):
        select("$..*", [[0] * 200] * 200)


def test_a_document_that_is_too_deep_for_a_path_is_not_wanted():
    with pytest.raises(ExpectationError, match="recursion limit"):
        select("$..a", parse_json(b"[" * 500 + b"]" * 500))


@pytest.mark.parametrize(
    ("content_type", "encoding"),
    [
        ("text/html", "utf-8"),
        ("text/html; charset=ISO-8859-1", "ISO-8859-1"),
        ('text/html; charset="windows-1252"; x=y', "windows-1252"),
        ("text/html; charset=zip", "utf-8"),
        ("text/html; charset=idna", "utf-8"),
    ],
)
def test_charsets_of_the_web_alone_are_decoded(content_type, encoding):
    assert charset(content_type) == encoding
    b"x".decode(charset(content_type))


def test_the_schema_knows_the_short_forms():
    schema = HttpExpect.model_json_schema()
    assert schema["properties"]["status"]["examples"] == ["2xx", 204, "200-299", [200, 204]]
    assert {"type": "string"} in schema["$defs"]["TextRule"]["anyOf"]
    assert all("description" in one for one in schema["properties"].values())
