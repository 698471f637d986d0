"""What comes in as a secret is filled in, and never told."""

import os
from base64 import b64encode
from pathlib import Path

import pytest

from checks.core.redact import Redactor
from probe.config.secrets import Secrets, UnfilledError, guarded

KEY = "correct-horse-battery"
CHECK = "checks: {a: {tcp: {host: a.example, port: 1}}}\n"


def test_references_are_filled_in(desk):
    desk.write("from-a-file\n\r\n", "secrets/token")
    config = desk.load(
        """
        instance: "a-${env:A}-${file:secrets/token}-$${env:A}-$x"
        checks: {a: {tcp: {host: a.example, port: "${env:PORT}"}}}
        """,
        {"A": "eins", "PORT": "6379"},
    )
    assert config.instance == "a-eins-from-a-file-${env:A}-$x"
    assert config.checks["a"].spec.check.port == 6379
    assert {"eins", "from-a-file", "6379"} <= config.secrets


def test_files_start_at_the_folder_of_the_file_that_names_them(desk):
    desk.write("inner-secret", "teams/token")
    desk.write(
        'checks: {b: {http: {url: https://b.example, bearer: "${file:token}"}}}',
        "teams/checks.yml",
    )
    config = desk.load("include: [teams/checks.yml]")
    assert config.checks["b"].spec.check.bearer.get_secret_value() == "inner-secret"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("${env:NOPE}", "environment variable NOPE is not set"),
        ("${env:EMPTY}", "environment variable EMPTY is empty"),
        ("${file:nope}", "file nope does not exist"),
        ("${file:.}", "file . is no regular file"),
        ("${file:empty}", "file empty is empty"),
        ("${file:binary}", "file binary is not UTF-8 text"),
        ("${file:large}", "file large is larger than 64 KiB; one file holds one secret"),
        ("${file:pipe}", "file pipe is no regular file"),
        ("${NOPE}", "${NOPE} is no reference; write ${env:NAME} or ${file:path}, or $${ for the two characters"),
        ("${env:}", "${env:} is no reference"),
        ("a ${", "${ is no reference"),
    ],
)
def test_what_cannot_be_filled_in_is_one_problem_at_its_place(desk, text, message):
    desk.write("", "empty")
    (desk.folder / "binary").write_bytes(b"\xff\xfe")
    (desk.folder / "large").write_bytes(b"x" * (65 << 10))
    os.mkfifo(desk.folder / "pipe")
    (problem,) = desk.problems(f'store: "{text}"\n{CHECK}', {"EMPTY": ""})
    assert problem.startswith("probe.yml:1:8: store: " + message)


def test_nothing_is_said_of_what_follows_from_a_missing_secret(desk):
    text = """
        alerts:
          receivers: {chat: {slack: {webhook: "${env:NOPE}"}}}
          routes: [{to: ["${env:NOPE}"], match: {level: "${env:NOPE}"}}]
        checks:
          a: {service: "${env:NOPE}", every: "${env:NOPE}", http: {url: "${env:NOPE}"}}
        """
    assert [problem.split(": ", 1)[1].partition(":")[0] for problem in desk.problems(text)] == [
        "alerts.receivers.chat.slack.webhook",
        "alerts.routes[0].to[0]",
        "alerts.routes[0].match.level",
        "checks.a.service",
        "checks.a.every",
        "checks.a.http.url",
    ]


@pytest.mark.parametrize(
    "place",
    [
        'defaults: {every: "${env:KEY}"}',
        'listen: "${env:KEY}"',
        'store: "${env:KEY}"',
        'url: "ftp://${env:KEY}"',
        'network: {deny: ["${env:KEY}"]}',
        'network: {resolvers: ["${env:KEY}"]}',
        'network: {per_host: {rate: "${env:KEY}", concurrent: "${env:KEY}"}}',
        'retention: {size: "${env:KEY}"}',
        'services: {shop: {runbook: "${env:KEY}", down_after: "${env:KEY}"}}',
        'defaults: {thresholds: {total: {down: "${env:KEY}"}}}',
        'defaults: {thresholds: {tls.days_left: {down: "${env:KEY}"}}}',
        'services: {shop: "${env:KEY}"}',
        'services: "${env:KEY}"',
        'include: ["${env:KEY}"]',
        'alerts: {routes: [{to: ["${env:KEY}"], match: {type: "${env:KEY}"}}]}',
        'alerts: {receivers: {a: {pagerduty: {routing_key: "${env:KEY}"}}}}',
        'alerts: {receivers: {a: {webhook: {url: "${env:KEY}", secret: "${env:KEY}"}}}}',
        'alerts: {receivers: {a: {webhook: {url: "https://x.example", headers: {"X-A": "${env:KEY}\\n"}}}}}',
        'alerts: {receivers: {a: {email: {smtp: "${env:KEY}", from: "${env:KEY}", to: ["${env:KEY}"]}}}}',
        'checks: {b: {service: "${env:KEY}", http: {url: "https://user:${env:KEY}@b.example:port/"}}}',
        'checks: {b: {http: {url: "gopher://${env:KEY}", method: "${env:KEY}", expect: {status: "${env:KEY}"}}}}',
        'checks: {b: {http: {url: "https://b.example", expect: {body: {regex: "(${env:KEY}"}}}}}',
        'checks: {b: {tcp: {host: "${env:KEY} ", port: "${env:KEY}"}}}',
        'checks: {"x-{y}": {for_each: {y: ["${env:KEY} "]}, tcp: {host: a, port: 1}}}',
        'checks: {"x-{y}": {for_each: {from: "${env:KEY}"}, tcp: {host: a, port: 1}}}',
    ],
)
def test_no_problem_tells_a_secret(desk, place):
    if not place.startswith("checks"):
        place += f"\n{CHECK}"
    found = "\n".join(desk.problems(place, {"KEY": KEY}))
    pieces = {KEY[at : at + 6] for at in range(len(KEY) - 5)}
    assert not [piece for piece in pieces if piece in found], found


@pytest.mark.parametrize("short", ["5", "ab", "xyz"])
def test_short_secrets_are_not_told_either(desk, short):
    (problem,) = desk.problems(f'defaults: {{every: "${{env:T}}"}}\n{CHECK}', {"T": short})
    assert problem.startswith("probe.yml:1:19: defaults.every: '${env:T}' is no duration")


@pytest.mark.parametrize(
    ("text", "secret"),
    [("listen: '[${env:KEY}]:80'", "xyz"), ("checks: {b: {http: {url: 'https://${env:KEY}!/'}}}", "CORRECTHORSE")],
)
def test_a_piece_of_a_value_or_another_spelling_is_not_told(desk, text, secret):
    (problem,) = desk.problems(text if "checks" in text else f"{text}\n{CHECK}", {"KEY": secret})
    assert secret.casefold() not in problem.casefold()
    assert "${env:KEY}" in problem


def test_a_message_that_would_tell_a_piece_of_a_secret_says_nothing(desk):
    secrets = Secrets({"KEY": KEY})
    value = secrets.fill("x${env:KEY}", desk.folder)
    assert guarded(f"{KEY[:6]} is no port", value) == "the value that x${env:KEY} gives is not valid here"
    assert guarded(f"{value!r} is no port", value) == "'x${env:KEY}' is no port"
    assert guarded("no port at all", [{"a": value}]) == "no port at all"


def test_no_warning_and_no_repr_tells_a_secret(desk):
    config = desk.load(
        """
        instance: "${env:KEY}"
        token: "${env:KEY}"
        checks:
          a:
            labels: {x: "${env:KEY}"}
            http: {url: "http://a.example/${env:KEY}", headers: {X: "${env:KEY}"}, bearer: "${env:KEY}"}
        alerts:
          receivers: {chat: {slack: {webhook: "https://chat.example/${env:KEY}"}}}
          routes: [{match: {owner: "${env:KEY}"}, to: [chat]}]
        """,
        {"KEY": KEY},
    )
    assert config.warnings
    assert KEY not in "\n".join(config.warnings) + repr(config) + repr(config.checks) + repr(config.receivers)


def test_secrets_that_were_written_down_are_known_too(desk):
    config = desk.load(
        """
        token: written-down-token
        checks: {a: {http: {url: https://a.example, basic: {username: u, password: written-password}}}}
        alerts:
          receivers:
            hook:
              webhook:
                url: https://hook.example/path
                headers: {X-Key: written-header}
                secret: abcdefghijklmnopqrstuvwx
          routes: [{to: [hook]}]
        """
    )
    assert {
        "written-down-token",
        "written-password",
        "https://hook.example/path",
        "written-header",
        "abcdefghijklmnopqrstuvwx",
    } <= config.secrets


def test_a_lookup_that_fails_names_no_other_value():
    with pytest.raises(UnfilledError) as caught:
        Secrets({"OTHER": KEY}).fill("${env:NOPE}", Path())
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "sent"),
    [
        ("basic: {username: user, password: written-password}", "user:written-password"),
        ("digest: {username: user, password: written-password}", "user:written-password"),
        ("proxy: 'http://user:written%20password@proxy.example'", "user:written password"),
        (  # RFC 6749 section 2.3.1: both are encoded as in a form first
            "oauth2: {token_url: 'https://b.example', client_id: 'a b', client_secret: 'x/y+z'}",
            "a+b:x%2Fy%2Bz",
        ),
    ],
)
def test_credentials_are_masked_as_they_travel(desk, options, sent):
    config = desk.load(f"checks: {{a: {{http: {{url: 'https://a.example', {options}}}}}}}")
    echoed = b64encode(sent.encode()).decode()
    redact = Redactor(config.secrets)
    assert echoed not in redact(f"Authorization: Basic {echoed} was not welcome")
    assert echoed[:12] not in redact(f"Authorization: Basic {echoed[:12]}…")


@pytest.mark.parametrize(
    ("header", "echoed"),
    [
        ("Authorization: 'Basic {pair}'", "{pair}"),
        ("Authorization: 'Basic {pair}'", "user:written-password"),
        ("Authorization: 'Basic ${{env:PAIR}}'", "written-password"),
        ("X-Api-Key: written-key", "written-key"),
        ("Cookie: 'a=b; session=written-session'", "written-session"),
    ],
)
@pytest.mark.parametrize("where", ["check", "receiver"])
def test_credentials_in_headers_that_were_written_down_are_masked(desk, where, header, echoed):
    pair = b64encode(b"user:written-password").decode()
    headers = "{" + header.format(pair=pair) + "}"
    own, hook = (headers, "{}") if where == "check" else ("{}", headers)
    config = desk.load(
        f"""
        checks: {{a: {{http: {{url: "https://a.example", headers: {own}}}}}}}
        alerts:
          receivers: {{hook: {{webhook: {{url: "https://hook.example/path", headers: {hook}}}}}}}
          routes: [{{to: [hook]}}]
        """,
        {"PAIR": pair},
    )
    if where == "receiver" and "session" in header:
        echoed = "a=b; session=written-session"
    hidden = echoed.format(pair=pair).removeprefix("user:")
    assert hidden not in Redactor(config.secrets)(f"401: {hidden} was not welcome")


def test_credentials_of_a_receiver_are_masked_as_they_travel(desk):
    config = desk.load(
        """
        checks: {a: {tcp: {host: a.example, port: 1}}}
        alerts:
          receivers: {am: {alertmanager: {urls: ["https://am.example"], username: user, password: written-password}}}
          routes: [{to: [am]}]
        """
    )
    assert b64encode(b"user:written-password").decode() in config.secrets


def test_credentials_in_a_token_url_are_refused_with_advice_that_can_be_followed(desk):
    oauth2 = "{token_url: 'https://u:hidden@b.example', client_id: a, client_secret: b}"
    (problem,) = desk.problems(f"checks: {{a: {{http: {{url: 'https://a.example', oauth2: {oauth2}}}}}}}")
    assert "credentials do not belong into token_url; they are client_id and client_secret" in problem
    assert "hidden" not in problem
