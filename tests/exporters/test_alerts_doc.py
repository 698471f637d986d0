"""What docs/alerts.md and docs/channels.md say is so."""

from __future__ import annotations

import json
import re
import time
from base64 import b64encode
from pathlib import Path
from typing import Any

import pytest

from exporters.base import Notice
from exporters.limits import Limit
from exporters.notifiers import receiver_types
from exporters.notifiers.webhook import payload, signed, signing_key
from exporters.route import chosen
from probe.config import load
from probe.config.model import Config
from thresholds.base import Level

DOCS = Path(__file__).parents[2] / "docs"
TEXT = (DOCS / "alerts.md").read_text() + (DOCS / "channels.md").read_text()
TYPES = {"slack", "pagerduty", "webhook", "alertmanager", "email"}  # of the example
CHECKS = """
checks:
  shop/home: {tcp: {host: shop.example, port: 443}, labels: {tier: "1", env: prod}}
  shop/blog: {tcp: {host: blog.example, port: 443}}
"""


def told(config: Config, labels: dict[str, str], level: Level) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for route in chosen(config.routes, labels, level, 0) for name in route.to))


def block(language: str) -> str:
    (found,) = re.findall(rf"```{language}\n(.*?)```", TEXT, flags=re.DOTALL)
    return str(found)


def test_the_configuration_loads_and_routes_as_it_says(tmp_path: Path) -> None:
    for name, secret in (
        ("slack", "https://hooks.slack.example/services/T0/B0/x"),
        ("hook", "h" * 32),
        ("smtp", "pw-of-smtp"),
    ):
        (tmp_path / name).write_text(f"{secret}\n")
    path = tmp_path / "probe.yml"
    path.write_text(block("yaml").replace("/run/secrets", str(tmp_path)) + CHECKS)
    config = load(path, {"PD_KEY": "0123456789abcdef0123456789abcdef"})
    assert set(config.receivers) == {"chat", "oncall", "hook", "prometheus", "mail"}
    assert {type(receiver).__name__.lower() for receiver in config.receivers.values()} == TYPES
    fallbacks = {name: terms.fallback for name, terms in config.terms.items() if terms.fallback}
    assert fallbacks == {"chat": "oncall", "oncall": "mail", "hook": "mail", "prometheus": "mail"}
    assert config.terms["chat"].rate == (Limit(20, 60.0),)
    first = {"env": "prod", "tier": "1"}
    assert told(config, first, Level.DOWN) == ("prometheus", "oncall", "chat")
    assert told(config, first, Level.DEGRADED) == ("prometheus", "chat", "mail")
    assert told(config, {}, Level.DOWN) == ("chat", "mail")


def test_the_payload_is_the_one_that_is_sent(opened: Notice) -> None:
    assert json.loads(block("json")) == json.loads(payload(opened))


@pytest.mark.parametrize("name", sorted(receiver_types()))
def test_every_type_has_its_section(name: str) -> None:
    channels = (DOCS / "channels.md").read_text()
    titles = {
        title.lower().replace("-", "").removeprefix("microsoft ") for title in re.findall(r"(?m)^## (.+)$", channels)
    }
    assert name in titles
    assert re.search(rf"(?m)^\| `{name}`", channels)


@pytest.mark.parametrize("name", sorted(receiver_types()))
def test_every_key_of_every_receiver_is_described(name: str) -> None:
    for key, described in receiver_types()[name].model_json_schema()["properties"].items():
        assert f"`{key}`" in TEXT
        assert described["description"]


def test_the_snippet_tells_genuine_deliveries(opened: Notice) -> None:
    names: dict[str, Any] = {}
    exec(compile(block("python"), "docs/alerts.md", "exec"), names)  # it is our own
    genuine = names["genuine"]
    secret, old = ("whsec_" + b64encode(byte * 32).decode() for byte in (b"n", b"o"))
    body, now = payload(opened), int(time.time())
    headers = dict(signed([signing_key(secret), signing_key(old)], "msg_1", now, body))
    assert genuine(secret, headers, body)
    assert genuine(old, headers, body)
    assert not genuine("whsec_" + b64encode(b"x" * 32).decode(), headers, body)
    assert not genuine(secret, headers, body + b" ")
    assert not genuine(secret, {**headers, "webhook-id": "msg_2"}, body)
    assert not genuine(secret, dict(signed([signing_key(secret)], "msg_1", now - 301, body)), body)
