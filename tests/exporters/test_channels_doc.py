"""What docs/channels.md and its example say of receivers is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from exporters.notifiers import receiver_types
from exporters.notifiers.command import variables
from exporters.sayings import headline
from probe.config import load
from tests.exporters.notices import BY_KIND, FULL

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "channels.md").read_text()
TITLES = {
    "alertmanager": "Alertmanager",
    "apprise": "Apprise",
    "command": "Command",
    "discord": "Discord",
    "email": "E-mail",
    "mattermost": "Mattermost",
    "ntfy": "ntfy",
    "pagerduty": "PagerDuty",
    "slack": "Slack",
    "teams": "Microsoft Teams",
    "telegram": "Telegram",
    "webhook": "Webhook",
}


def section(title: str) -> str:
    (found,) = re.findall(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", TEXT, flags=re.DOTALL | re.MULTILINE)
    return str(found)


def test_every_type_has_a_section_and_a_line_in_the_table() -> None:
    assert set(TITLES) == set(receiver_types())
    for name, title in TITLES.items():
        assert section(title)
        assert re.search(rf"^\| `{name}`", TEXT, flags=re.MULTILINE)


@pytest.mark.parametrize("name", TITLES)
def test_every_key_is_described_in_its_section_and_in_the_schema(name: str) -> None:
    for key, described in receiver_types()[name].model_json_schema()["properties"].items():
        assert f"`{key}`" in section(TITLES[name])
        assert described["description"]


def test_the_example_has_one_of_each_and_loads(tmp_path: Path) -> None:
    example = (DOCS / "examples/receivers.yml").read_text()
    for name in re.findall(r"\$\{file:/run/secrets/(\w+)\}", example):
        (tmp_path / name).write_text(f"https://{name}.example/services/T0/B0/xxxxxxxxxxxxxxxx\n")
    (tmp_path / "probe.yml").write_text(example.replace("/run/secrets", str(tmp_path)))
    config = load(
        tmp_path / "probe.yml",
        {
            "PD_KEY": "0123456789abcdef0123456789abcdef",
            "SLACK_TOKEN": "xoxb-1-2-3",
            "NTFY_TOKEN": "tk_x",
            "TELEGRAM_TOKEN": "110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
            "SMS_KEY": "k",
            "GOTIFY_TOKEN": "Abcdefghijklmno",
        },
    )
    assert {type(receiver).__module__.rpartition(".")[2] for receiver in config.receivers.values()} == set(TITLES)


def test_every_variable_of_a_command_is_named() -> None:
    told = section("Command")
    for name in (*variables(FULL), "PROBE_TO"):
        assert f"`{name}`" in told


def test_every_kind_has_its_line() -> None:
    told = section("What each kind looks like")
    for kind, notice in BY_KIND.items():
        (line,) = re.findall(rf"^\| {kind.value} \|.*$", told, flags=re.MULTILINE)
        assert kind.value == "bulletin" or headline(notice).split(" ")[0] in line
