"""docs/config.md and docs/examples are what the loader takes, and complete."""

import re
from pathlib import Path
from textwrap import indent

import pytest

from probe.config import json_schema, load

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "config.md").read_text()
PAGES = "".join(page.read_text() for page in sorted(DOCS.glob("*.md")))  # keys of some sections have pages of their own
INCIDENTS = (DOCS / "incidents.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", TEXT + INCIDENTS, flags=re.DOTALL)
RELEASES = """BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART;TZID=Europe/Berlin:20261102T220000
DTEND;TZID=Europe/Berlin:20261102T230000
RRULE:FREQ=WEEKLY
END:VEVENT
END:VCALENDAR
"""
CHECK = "checks: {a: {tcp: {host: a.example, port: 1}}}\n"
ENVIRONMENT = {
    "PROBE_TOKEN": "token-of-the-service",
    "BACKUP_KEY": "0123456789abcdef0123",
    "API_TOKEN": "token-of-the-api",
    "LOGIN_PASSWORD": "password-of-a-user",
    "ORDERS_TOKEN": "token-of-the-orders",
    "SLACK_WEBHOOK": "https://hooks.slack.example/services/T0/B0/x",
    "STORES_WEBHOOK": "https://hooks.slack.example/services/T0/B0/y",
    "PD_KEY": "0123456789abcdef0123456789abcdef",
    "HOOK_SECRET": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",  # the key in the tests of Standard Webhooks
    "MAIL_PASSWORD": "password-of-the-mailbox",
}


def whole(block: str) -> str:
    """A block as a configuration: what stands under a key is put there, and a check is added where there is none."""
    if match := re.match(r"# under (\w+)\.(\S+)\n", block):
        inside = indent(block[match.end() :], "    ")
        if "tcp:" not in block and "http:" not in block:
            inside += "    http: {url: https://shop.example}\n"
        return f"{match[1]}:\n  {match[2]}:\n{inside}"
    return block if re.search(r"(?m)^checks:", block) else block + CHECK


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_every_block_of_the_documentation_loads(tmp_path, block):
    (tmp_path / "slack").write_text("https://hooks.slack.example/services/T0/B0/x\n")
    (tmp_path / "stores.csv").write_text("store,country,host\nsydney,au,sydney.shop.example\n")
    (tmp_path / "releases.ics").write_text(RELEASES)
    path = tmp_path / "probe.yml"
    path.write_text(whole(block).replace("/run/secrets", str(tmp_path)))
    assert load(path, ENVIRONMENT).checks


def test_there_are_blocks():
    assert len(BLOCKS) >= 10


@pytest.mark.parametrize("name", ["minimal.yml", "full.yml", "fleet/probe.yml"])
def test_every_example_loads_without_a_warning(name):
    assert load(DOCS / "examples" / name, ENVIRONMENT).warnings == ()


def test_the_full_example_has_every_section():
    full = (DOCS / "examples/full.yml").read_text()
    top = set(json_schema()["properties"]) - {"include"}
    assert {key for key in top if re.search(rf"(?m)^{key}:", full)} == top


def test_the_fleet_is_what_it_says():
    config = load(DOCS / "examples/fleet/probe.yml", ENVIRONMENT)
    assert len([name for name in config.checks if name.startswith("stores/")]) == 6
    sydney = config.checks["stores/sydney/search"]
    assert sydney.spec.check.target == "https://sydney.shop.example/search"
    assert dict(sydney.labels) == {"env": "prod", "country": "au"}


@pytest.mark.parametrize(
    "key",
    sorted(
        {
            key
            for definition in json_schema()["$defs"].values()
            for shape in (definition, *definition.get("anyOf", ()))
            for key in shape.get("properties", {})
        }
    ),
)
def test_every_key_is_in_the_documentation(key):
    assert re.search(rf"`[^`\n]*\b{key}\b[^`\n]*`|^\s*{key}:", PAGES, flags=re.MULTILINE)
