"""docs/oncall.md is what the loader takes, is so, and names every key."""

import re
from pathlib import Path
from textwrap import indent

import pytest

from probe.config import json_schema, load
from probe.config.oncall import KEYS
from thresholds.calendar import parse_instant

TEXT = (Path(__file__).parents[2] / "docs/oncall.md").read_text()
WHOLE, CHANGES = re.findall(r"```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
CHECK = "checks: {shop/home: {tcp: {host: shop.example, port: 443}}}\n"
DEFINITIONS = json_schema()["$defs"]


@pytest.fixture
def config(tmp_path):
    path = tmp_path / "probe.yml"
    path.write_text(WHOLE + CHECK)
    return load(path, {}, parse_instant("2026-11-20T12:00", "UTC"))


def who(config, at):
    return config.roster.on_call("prodops", parse_instant(at, "Europe/Madrid"))


def test_the_example_loads_without_a_warning(config):
    assert config.warnings == ()
    assert {"ana/mail", "ana/pager", "bo/mail", "bo/pager", "cy/pager", "desk/mail"} < set(config.receivers)


@pytest.mark.parametrize(
    ("at", "people"),
    [
        ("2026-11-07T12:00", ("ana",)),  # a Saturday of the first week
        ("2026-11-09T08:59", ("ana",)),
        ("2026-11-09T09:00", ("desk",)),
        ("2026-11-09T18:00", ("bo",)),
        ("2026-12-24T17:59", ("desk",)),
        ("2026-12-25T12:00", ("cy",)),  # no office hours, and cy in place of bo
        ("2026-12-28T08:00", ("bo",)),
    ],
)
def test_the_example_has_those_on_call_whom_it_says(config, at, people):
    assert who(config, at) == people


def test_the_example_of_a_changed_line_up_is_one(tmp_path):
    users = WHOLE.replace("  desk:", "  dan: {contacts: {pager: dan-of-the-shop}}\n  desk:")
    rotation = f"  primary:\n    zone: Europe/Madrid\n{indent(CHANGES.partition(chr(10))[2], '    ')}"
    path = tmp_path / "probe.yml"
    path.write_text(re.sub(r"  primary:\n.*?\n\n", f"{rotation}\n", users, count=1, flags=re.DOTALL) + CHECK)
    primary = load(path, {}).roster.rotations["primary"]
    at = ("2026-12-31T12:00", "2027-01-04T09:00", "2027-01-11T09:00", "2027-03-01T09:00", "2027-03-15T09:00")
    assert [primary.who(parse_instant(one, "Europe/Madrid"))[0] for one in at] == ["cy", "bo", "cy", "dan", "bo"]


def keys(name, seen=()):
    """Every key of a section, and of those inside it."""
    definition = DEFINITIONS[name]
    for key, value in definition.get("properties", {}).items():
        yield key
        for inner in re.findall(r"#/\$defs/(\w+)", str(value)):
            if inner not in (*seen, name) and inner.endswith("Section"):
                yield from keys(inner, (*seen, name))


SECTIONS = ("UserSection", "RotationSection", "ScheduleSection", "EscalationSection")


@pytest.mark.parametrize("key", sorted({key for name in SECTIONS for key in keys(name)}))
def test_every_key_is_in_the_documentation(key):
    assert re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`|^\s*{key}:", TEXT, flags=re.MULTILINE)


def test_every_section_has_a_heading():
    assert set(KEYS) <= set(re.findall(r"^## (\w+)$", TEXT, flags=re.MULTILINE))
