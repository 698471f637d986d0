"""What watches Probe and who hears of changes, as configuration: what loads, what is refused, what is never shown."""

import re
from pathlib import Path

import pytest

from checks.core.redact import Redactor
from probe.config import ConfigError, load

DOCS = Path(__file__).parents[2] / "docs"
BLOCKS = [
    block
    for name in ("watch.md", "changes.md")
    for block in re.findall(r"```yaml\n(.*?)```", (DOCS / name).read_text(), flags=re.DOTALL)
    if not block.startswith("# alertmanager.yml")
]
REST = """
checks: {a: {tcp: {host: a.example, port: 1}}}
"""
RECEIVERS = """
  receivers:
    ops-chat: {webhook: {url: https://ops.example/hook-of-ops}}
    release-chat: {webhook: {url: https://ops.example/hook-of-releases}}
    pagerduty: {pagerduty: {routing_key: 0123456789abcdef0123456789abcdef}}
  routes: [{to: [ops-chat, release-chat, pagerduty]}]
"""
ESCALATION = "escalations: {platform: {steps: [{notify: ops-chat}]}}\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "probe.yml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("block", BLOCKS, ids=lambda block: block.split("\n")[0])
def test_every_block_of_the_documentation_loads(tmp_path: Path, block: str):
    (tmp_path / "deadman").write_text("https://hc.example/ping/3f1c9a2e\n")
    (tmp_path / "ping-sydney").write_text("https://sydney.example/ping/secret/madrid\n")
    text = block.replace("/run/secrets", str(tmp_path))
    if "alerts:" in text:
        text = text.rstrip() + RECEIVERS
    elif "announce" in text:
        text += f"alerts:{RECEIVERS}"
    text += ESCALATION if "escalation:" in text else ""
    assert load(written(tmp_path, text + REST)).checks


def test_there_are_blocks():
    assert len(BLOCKS) >= 6


def test_without_a_word_nobody_is_told_and_the_limits_are_the_usual():
    config = load(DOCS / "examples" / "minimal.yml")
    assert (config.watch.ping, config.watch.alertmanager, config.self_route, config.change_targets) == (
        (),
        None,
        (),
        (),
    )
    assert (config.watch.limits.lag, config.watch.limits.undelivered) == (0.25, 900.0)


def test_targets_are_given_in_their_order_once(tmp_path: Path):
    text = f"alerts:\n  self: [pagerduty, ops-chat, pagerduty]{RECEIVERS}changes: {{announce: [release-chat]}}\n{REST}"
    config = load(written(tmp_path, text))
    assert (config.self_route, config.change_targets) == (("pagerduty", "ops-chat"), ("release-chat",))


def test_a_receiver_that_only_hears_of_ourselves_is_no_doubt(tmp_path: Path):
    alerts = "alerts: {self: [a], receivers: {a: {webhook: {url: 'https://a.example/x'}}, b: {webhook: {url: 'https://b.example/x'}}}, routes: [{to: [b]}]}"  # noqa: E501
    assert not [line for line in load(written(tmp_path, alerts + REST)).warnings if "no route leads" in line]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("watch: {pings: []}", "1:9: watch.pings: unknown key"),
        ("watch: []", "watch: wants a mapping"),
        ("watch: {ping: [{url: nowhere}]}", "watch.ping[0].url: no URL that can be posted to"),
        ("watch: {ping: [{}]}", "watch.ping[0].url: is missing"),
        ("watch: {ping: [{url: 'https://x.example/', every: 60}]}", "watch.ping[0].every: 60 is no duration"),
        ("watch: {alertmanager: {}}", "watch.alertmanager.urls: is missing"),
        ("watch: {self: {lagg: 1s}}", "watch.self.lagg: unknown key"),
        ("watch: {self: {runs: 120%}}", "watch.self.runs: must be at most"),
        ("alerts: {self: [chat]}", "alerts.self[0]: no receiver is called chat"),
        ("alerts: {self: chat}", "alerts.self: wants a list of targets"),
        ("changes: {announce: ['user:ana']}", "changes.announce[0]: no user is called ana"),
        ("changes: {announce: chat}", "changes.announce: wants a list"),
        ("changes: {tell: [chat]}", "changes.tell: unknown key"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path: Path, text: str, line: str):
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, text + REST))
    problems = [str(problem) for problem in caught.value.problems]
    assert any(line in problem for problem in problems), problems
    assert len(problems) == 1


def test_no_address_is_ever_shown(tmp_path: Path):
    text = """
watch:
  ping: [{url: "https://hc.example/ping/aaaaaaaa-1", fail_url: "https://hc.example/ping/bbbbbbbb-2/fail", headers: {X-Key: cccccccc-3}}]
  alertmanager: {urls: ["http://am.example:9093"], username: probe, password: dddddddd-4}
"""  # noqa: E501
    config = load(written(tmp_path, text + REST))
    secrets = ("aaaaaaaa-1", "bbbbbbbb-2", "cccccccc-3", "dddddddd-4")
    assert not any(secret in repr(config.watch) for secret in secrets)
    masked = Redactor(config.secrets)("asked for /ping/aaaaaaaa-1, bbbbbbbb-2, cccccccc-3 and dddddddd-4")
    assert not any(secret in masked for secret in secrets)


def test_an_address_that_is_wrong_is_not_repeated(tmp_path: Path):
    with pytest.raises(ConfigError) as caught:
        load(written(tmp_path, "watch: {ping: [{url: 'ftp://hc.example/ping/aaaaaaaa-1'}]}" + REST))
    assert "aaaaaaaa" not in str(caught.value.problems)
