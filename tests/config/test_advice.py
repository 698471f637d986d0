"""Warnings: what is allowed and probably not meant, each told once, at its place."""

import os

import pytest

TCP = "tcp: {host: a.example, port: 1}"
CHECK = f"checks: {{a: {{{TCP}}}}}\n"
EXPOSED = "1:9: listen: everybody who reaches this address may change things; set a token"
OFTEN = f"checks:\n  a: {{every: 500ms, {TCP}}}\n  b: {{every: 1s, {TCP}}}\n"  # 3 runs a second
AWS = "access_key: A, secret_key: b, region: r, service: s"
CHAT = "receivers: {chat: {slack: {webhook: https://chat.example/x}}}"


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (CHECK, []),
        ("instance: x\n", ["1:1: no checks: there is nothing to watch"]),
        (f"listen: 0.0.0.0:80\n{CHECK}", [EXPOSED]),
        (f"listen: probe.example:80\n{CHECK}", [EXPOSED]),
        (f"listen: '[::1]:80'\n{CHECK}", []),
        (f"listen: 127.9.9.9:80\n{CHECK}", []),
        (f"listen: localhost:80\n{CHECK}", []),
        (f"listen: 0.0.0.0:80\ntoken: {'t' * 16}\n{CHECK}", []),
        (f"token: short\n{CHECK}", ["1:8: token: a token of less than 16 characters can be guessed"]),
        (f"services: {{s: {{}}}}\n{CHECK}", ["1:12: services.s: no check belongs to it"]),
        # workers
        (f"workers: 1\n{CHECK}", []),
        (f"workers: 0\n{CHECK}", []),
        (f"workers: auto\n{CHECK}", []),
        (f"workers: 2\n{CHECK}", ["1:10: workers: more than there are checks, 1: the others have nothing to do"]),
        # times
        (
            f"checks: {{a: {{every: 5s, timeout: 6s, {TCP}}}}}",
            ["1:34: checks.a.timeout: longer than every, 5 s: a run that takes so long makes the next one skip"],
        ),
        (f"checks: {{a: {{every: 5s, timeout: 5s, {TCP}}}}}", []),
        (f"checks: {{a: {{every: 1s, {TCP}}}}}", []),
        (
            f"defaults: {{timeout: 20s}}\nchecks: {{a: {{every: 5s, {TCP}}}, b: {{every: 5s, {TCP}}}, c: {{{TCP}}}}}",
            [
                ("1:21: defaults.timeout: longer than every, 5 s: a run that takes so long makes the next one skip "
                "(of a and 1 more)")
            ],
        ),
        (
            f"checks: {{a: {{every: 5s, confirm: {{after: 4s}}, {TCP}}}}}",
            ["1:34: checks.a.confirm: no retry fits before the next run: every is 5 s"],
        ),
        (f"checks: {{a: {{every: 5s, timeout: 1s, confirm: {{after: 4s}}, {TCP}}}}}", []),
        (f"checks: {{a: {{every: 5s, confirm: {{retries: 0, after: 4s}}, {TCP}}}}}", []),
        (
            f"checks: {{a: {{timeout: 5s, thresholds: {{total: {{degraded: 1s, down: 5s}}}}, {TCP}}}}}",
            ["1:68: checks.a.thresholds.total.down: never reached: timeout is 5 s"],
        ),
        (
            f"services: {{s: {{thresholds: {{connect: {{degraded: 30s}}}}}}}}\nchecks: {{a: {{service: s, {TCP}}}}}",
            ["1:49: services.s.thresholds.connect.degraded: never reached: timeout is 10 s (of a)"],
        ),
        # exposure
        (
            "checks: {a: {http: {url: https://a.example, tls: {verify: false}}}}",
            ["1:59: checks.a.http.tls.verify: certificates are not verified: an impostor is UP, too"],
        ),
        (
            "checks: {a: {tcp: {host: a.example, port: 1, tls: {verify: false}}}}",
            ["1:60: checks.a.tcp.tls.verify: certificates are not verified: an impostor is UP, too"],
        ),
        (
            "checks: {a: {http: {url: http://a.example, bearer: x}}}",
            ["1:52: checks.a.http.bearer: credentials travel unencrypted: the URL is http://"],
        ),
        (
            "checks: {a: {http: {url: HTTP://a.example, basic: {username: a, password: b}}}}",
            ["1:51: checks.a.http.basic: credentials travel unencrypted: the URL is http://"],
        ),
        ("checks: {a: {http: {url: https://a.example, bearer: x}}}", []),
        ("checks: {a: {http: {url: http://127.0.0.1, bearer: x}}}", []),
        (
            "checks: {a: {http: {url: http://a.example, digest: {username: a, password: b}}}}",
            ["1:52: checks.a.http.digest: who listens can guess the password from what travels: the URL is http://"],
        ),
        (
            "checks: {a: {http: {url: http://a.example, ntlm: {username: a, password: b}}}}",
            ["1:50: checks.a.http.ntlm: who listens can guess the password from what travels: the URL is http://"],
        ),
        ("checks: {a: {http: {url: http://localhost, ntlm: {username: a, password: b}}}}", []),
        (
            f"checks: {{a: {{http: {{url: http://a.example, sigv4: {{{AWS}, session_token: t}}}}}}}}",
            ["1:120: checks.a.http.sigv4.session_token: it travels unencrypted: the URL is http://"],
        ),
        (f"checks: {{a: {{http: {{url: http://a.example, sigv4: {{{AWS}}}}}}}}}", []),
        (
            ("checks: {a: {http: {url: https://a.example, oauth2: {token_url: http://b.example/t, "
            "client_id: a, client_secret: b}}}}"),
            ["1:65: checks.a.http.oauth2.token_url: client_secret and token travel unencrypted: it is http://"],
        ),
        (
            ("checks: {a: {http: {url: http://a.example, oauth2: {token_url: https://b.example/t, "
            "client_id: a, client_secret: b}}}}"),
            ["1:52: checks.a.http.oauth2: the token travels unencrypted: the URL is http://"],
        ),
        (
            "checks: {a: {http: {url: https://a.example, proxy: http://u:p@b.example:3128}}}",
            ["1:52: checks.a.http.proxy: credentials of the proxy travel unencrypted: it is http://"],
        ),
        (
            "checks: {a: {http: {url: https://a.example, proxy: socks5h://u:p@b.example}}}",
            ["1:52: checks.a.http.proxy: credentials of the proxy travel unencrypted: it is socks5h://"],
        ),
        ("checks: {a: {http: {url: https://a.example, proxy: http://u:p@127.0.0.1:3128}}}", []),
        ("checks: {a: {http: {url: https://a.example, proxy: https://u:p@b.example}}}", []),
        ("checks: {a: {http: {url: https://a.example, proxy: http://b.example}}}", []),
        # politeness
        (
            f"network: {{per_host: {{rate: 1/s}}}}\n{OFTEN}",
            [
                ("1:28: network.per_host.rate: 1/s is less than the 3/s that the checks of a.example need; "
                "runs will be missed")
            ],
        ),
        (f"network: {{per_host: {{rate: 3/s}}}}\n{OFTEN}", []),
        # alerts
        (f"alerts: {{{CHAT}, routes: [{{to: [chat]}}]}}\n{CHECK}", []),
        (
            f"alerts: {{{CHAT}}}\n{CHECK}",
            ["1:21: alerts.receivers: nobody is told: there are no routes; add routes: [{to: [NAME]}]"],
        ),
        (
            ("alerts: {receivers: {chat: {slack: {webhook: https://chat.example/x}}, spare: {slack: {webhook: "
            f"https://chat.example/y}}}}}}, routes: [{{to: [chat]}}]}}\n{CHECK}"),
            ["1:72: alerts.receivers.spare: no route leads to it"],
        ),
        (
            f"alerts: {{{CHAT}, routes: [{{match: {{level: down}}, to: [chat]}}]}}\n{CHECK}",
            ["1:81: alerts.routes: an alert that no route matches is told to nobody; end with {to: [NAME]}"],
        ),
        (f"alerts: {{{CHAT}, routes: [{{to: [chat], continue: true}}]}}\n{CHECK}", []),
        (
            (f"alerts:\n  {CHAT}\n  routes:\n    - {{to: [chat]}}\n    - {{match: {{x: y}}, to: [chat]}}\n"
            f"defaults: {{labels: {{x: y}}}}\n{CHECK}"),
            ["5:7: alerts.routes[1]: never tried: alerts.routes[0] takes everything"],
        ),
        (
            (f"alerts:\n  {CHAT}\n  routes:\n    - {{match: {{teir: '1'}}, to: [chat]}}\n    - {{to: [chat]}}\n"
            f"defaults: {{labels: {{tier: '2'}}}}\n{CHECK}"),
            ["4:22: alerts.routes[0].match.teir: no check has this label; did you mean tier?"],
        ),
        (
            (f"alerts:\n  {CHAT}\n  routes:\n    - {{match: {{env: prd}}, to: [chat]}}\n    - {{to: [chat]}}\n"
            f"defaults: {{labels: {{env: prod}}}}\n{CHECK}"),
            ["4:21: alerts.routes[0].match.env: no check has env prd; did you mean prod?"],
        ),
        (
            (f"alerts:\n  {CHAT}\n  routes:\n"
            f"    - {{match: {{owner: '', service: '', check: probe/store}}, to: [chat]}}\n"
            f"    - {{match: {{type: self}}, to: [chat]}}\n    - {{to: [chat]}}\n{CHECK}"),
            [],
        ),
    ],
)  # fmt: skip
def test_warnings_are_told_at_their_place(desk, text, warnings):
    assert desk.warnings(text) == [f"probe.yml:{warning}" for warning in warnings]


@pytest.mark.parametrize(("workers", "warns"), [(2, False), (3, True)])
def test_more_workers_than_processors_are_allowed_with_a_warning(desk, workers, warns):
    ours = os.sched_getaffinity(0)
    os.sched_setaffinity(0, set(sorted(ours)[:2]))  # as `taskset` and a container's cpuset do
    try:
        config = desk.load(f"workers: {workers}\n{OFTEN}  c: {{{TCP}}}\n")
        cores = len(os.sched_getaffinity(0))
    finally:
        os.sched_setaffinity(0, ours)
    assert config.workers == workers
    message = f"workers: more than this machine has processors for us, {cores}: they take turns"
    wanted = [f"{desk.folder}/probe.yml:1:10: {message}; auto takes one for each at most"]
    assert list(config.warnings) == (wanted if warns or workers > cores else [])


def test_workers_are_not_counted_against_checks_that_are_faulty(problems):
    assert len(problems("workers: 2\nchecks: {a: {tcp: {host: a}}, b: {tcp: {host: b}}}\n")) == 2


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("-1", "must be at least 0"),
        ("65", "must be at most 64"),
        ("all", "wants 'auto'"),
    ],
)
def test_workers_are_auto_or_a_number(problems, text, problem):
    (told,) = problems(f"workers: {text}\n{CHECK}")
    assert told.startswith("probe.yml:1:10: workers: ")
    assert problem in told


def test_an_exception_lets_a_denied_address_pass(desk):
    text = "network: {allow: [169.254.1.0/24]}\nchecks: {a: {tcp: {host: 169.254.1.1, port: 1}}}"
    assert not desk.warnings(text)


def test_what_the_user_denies_is_denied_beside_what_is_built_in(problems):
    found = problems(
        "network: {deny: [10.0.0.0/8]}\n"
        "checks:\n  a: {tcp: {host: 10.1.2.3, port: 1}}\n  b: {tcp: {host: 169.254.169.254, port: 1}}\n"
        "  c: {http: {url: 'http://[fe80::1]/'}}\n  d: {tcp: {host: 11.0.0.1, port: 1}}\n"
    )
    assert [problem.split(": ")[1] for problem in found] == ["checks.a.tcp", "checks.b.tcp", "checks.c.http"]


def test_warnings_do_not_follow_from_errors(problems):
    assert (
        len(problems(f"services: {{s: {{}}}}\nalerts: {{{CHAT}}}\nchecks: {{a: {{service: s, tcp: {{host: a}}}}}}"))
        == 1
    )
