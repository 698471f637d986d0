"""The JSON Schema says what the loader takes, and describes all of it."""

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from checks import check_types
from exporters.notifiers import receiver_types
from probe.config import json_schema

SCHEMA = json_schema()
EXAMPLES = sorted((Path(__file__).parents[2] / "docs/examples").rglob("*.yml"))
KNOWN = {
    "$schema", "$defs", "$ref", "type", "properties", "required", "additionalProperties", "items", "prefixItems",
    "anyOf", "oneOf", "enum", "const", "pattern", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum",
    "minLength", "maxLength", "minItems", "maxItems", "description", "default", "examples", "title", "format",
    "writeOnly", "propertyNames", "maxProperties", "minProperties",
}  # fmt: skip
TYPES: dict[str, Any] = {
    "string": str,
    "integer": int,
    "number": (int, float),
    "boolean": bool,
    "object": dict,
    "array": list,
}


def faults(value: Any, schema: Any, path: str = "") -> Iterator[str]:
    """What is wrong with a value: the part of draft 2020-12 that our schema uses."""
    if schema is True:
        return
    if "$ref" in schema:
        yield from faults(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]], path)
    if "type" in schema and not any(_is(value, kind) for kind in _list(schema["type"])):
        yield f"{path}: no {schema['type']}"
        return
    if "pattern" in schema and isinstance(value, str) and not re.search(schema["pattern"], value):
        yield f"{path}: {value} does not match {schema['pattern']}"
    if "enum" in schema and value not in schema["enum"]:
        yield f"{path}: not in {schema['enum']}"
    if isinstance(value, (int, float)) and not schema.get("minimum", value) <= value <= schema.get("maximum", value):
        yield f"{path}: out of bounds"
    for key, most in (("anyOf", math.inf), ("oneOf", 1)):
        if key in schema and not 1 <= sum(not list(faults(value, one, path)) for one in schema[key]) <= most:
            yield f"{path}: {key} does not hold"
    if isinstance(value, dict):
        yield from (f"{path}: {key} is missing" for key in schema.get("required", ()) if key not in value)
        for key, inner in value.items():
            rest = schema.get("additionalProperties", True)
            if key in schema.get("properties", {}):
                yield from faults(inner, schema["properties"][key], f"{path}.{key}")
            elif rest is False:
                yield f"{path}: {key} is not known"
            else:
                yield from faults(inner, rest, f"{path}.{key}")
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield from faults(inner, schema.get("items", True), f"{path}[{index}]")


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is(value: Any, kind: str) -> bool:
    if kind == "null":
        return value is None
    return isinstance(value, TYPES[kind]) and (kind == "boolean" or not isinstance(value, bool))


def everything(schema: Any, path: str = "#") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema in the schema."""
    if not isinstance(schema, dict):
        return
    yield path, schema
    for key in ("properties", "$defs"):
        for name, inner in schema.get(key, {}).items():
            yield from everything(inner, f"{path}/{key}/{name}")
    for key in ("items", "additionalProperties", "propertyNames"):
        yield from everything(schema.get(key), f"{path}/{key}")
    for key in ("anyOf", "oneOf", "prefixItems"):
        for index, inner in enumerate(schema.get(key, ())):
            yield from everything(inner, f"{path}/{key}/{index}")


def test_it_is_json_of_the_draft_that_it_names():
    assert json.loads(json.dumps(SCHEMA)) == SCHEMA
    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for path, schema in everything(SCHEMA):
        assert schema.keys() <= KNOWN, path
        if "$ref" in schema:
            assert schema["$ref"].removeprefix("#/$defs/") in SCHEMA["$defs"], path
        if "pattern" in schema:
            re.compile(schema["pattern"])


def test_every_key_is_described():
    keys = 0
    for path, schema in everything(SCHEMA):
        for name, inner in schema.get("properties", {}).items():
            keys += 1
            assert inner.get("description"), f"{path}: {name}"
    assert keys > 80


def test_the_top_level_is_what_is_documented():
    assert set(SCHEMA["properties"]) == {
        "instance", "include", "listen", "url", "token", "store", "retention", "workers", "defaults", "network",
        "services", "checks", "maintenance", "alerts", "watch", "changes",
        "users", "rotations", "schedules", "escalations",
    }  # fmt: skip
    assert SCHEMA["additionalProperties"] is False


def test_every_type_is_an_alternative():
    for name, types in (("Check", check_types()), ("Receiver", receiver_types())):
        definition = SCHEMA["$defs"][name]
        assert definition["oneOf"] == [{"required": [type_]} for type_ in types]
        assert types.keys() <= definition["properties"].keys()


def test_defaults_are_written_as_users_write_them():
    keys = SCHEMA["$defs"]["Check"]["properties"]
    found = {name: keys[name].get("default") for name in ("every", "timeout", "down_after", "up_after", "owner")}
    assert found == {"every": "30s", "timeout": "10s", "down_after": "2 of 3", "up_after": 2, "owner": None}
    assert SCHEMA["properties"]["listen"]["default"] == "127.0.0.1:8080"
    assert SCHEMA["$defs"]["RetentionSection"]["properties"]["age"]["default"] == "14d"
    for path, schema in everything(SCHEMA):
        if "default" in schema and "pattern" in schema:
            assert re.search(schema["pattern"], schema["default"]), path


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_the_examples_conform(path):
    assert not list(faults(yaml.safe_load(path.read_text()), SCHEMA))


@pytest.mark.parametrize(
    "text",
    [
        'listen: "${env:LISTEN}"',
        'retention: {age: "${file:age}"}',
        "checks: {'a-{t}': {for_each: {t: [1s, 2s]}, every: '{t}', tcp: {host: a, port: 1}}}",
        "services: {a: }",
    ],
)
def test_what_is_filled_in_later_conforms(text):
    assert not list(faults(yaml.safe_load(text), SCHEMA))


@pytest.mark.parametrize(
    "text",
    [
        "chekcs: {}",
        "checks: {a: {}}",
        "checks: {a: {every: 30, tcp: {host: a, port: 1}}}",
        "checks: {a: {tcp: {host: a}}}",
        "checks: {a: {tcp: {host: a, port: 99999}}}",
        "checks: {a: {tcp: {host: a, port: 1}, http: {url: x}}}",
        "checks: {a: {http: {url: x, family: ipv5}}}",
        "alerts: {routes: [{}]}",
        "alerts: {receivers: {a: {teams: {}}}}",
        "services: {a: {hors: x}}",
        "services: {a: {hours: 5}}",
        "services: {a: {up_when: some}}",
        "services: {a: {up_when: {weights: {a: 0, b: heavy}}}}",
        "services: {a: {slo: [{availability: 99.9%}]}}",
        "services: {a: {slo: [{availability: 0.999, over: 30d}]}}",
        "services: {a: {slo: [{latency: 95%, over: 30d}]}}",
        "defaults: {slo: []}",
        "maintenance: {a: {mode: stop}}",
        "maintenance: {a: {lasts: 2}}",
        "defaults: {labels: {a: 1}}",
        "defaults: {thresholds: {total: {worse: up}}}",
        "listen: 8080",
        "network: {per_host: {rate: 5}}",
    ],
)
def test_mistakes_do_not_conform(text):
    assert list(faults(yaml.safe_load(text), SCHEMA))
