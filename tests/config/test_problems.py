"""Every mistake is one message with its place, its key and its remedy; all of them are told at once."""

import pytest

from probe.config.problems import SHOWN, Problem

CHECK = "checks: {a: {tcp: {host: a.example, port: 1}}}\n"

TEN = """
instance: prod
shards: auto
defaults:
  every: 30
services:
  shop: {labels: {tier: 1}}
checks:
  shop/home:
    service: shpo
    http: {url: https://shop.example, tiemout: 5s}
  shop/cache:
    tcp: {host: cache.example}
    thresholds:
      p95(totl) over 10m: {degraded: 700ms}
      total: {degraded: 800}
  shop/nothing: {every: 10s}
  shop/login:
    http: {url: https://shop.example, bearer: "${env:NOPE}"}
alerts:
  receivers:
    chat: {slak: {webhook: https://chat.example}}
  routes:
    - {match: {level: dwon}, to: [caht], repaet: 4h}
"""


def test_a_bad_file_is_told_completely_and_in_order(problems):
    assert problems(TEN) == [
        (
            "probe.yml:2:1: shards: unknown key; keys here: instance, listen, url, token, store, retention, workers, "
            "defaults, network, include, services, checks, and 8 more"
        ),
        "probe.yml:4:10: defaults.every: 30 is no duration; write a number and its unit, as in 500ms, 30s, 5m, 2h, 7d",
        "probe.yml:6:25: services.shop.labels.tier: wants a text, not a number; put it in quotes",
        "probe.yml:9:14: checks.shop/home.service: no service is called shpo; did you mean shop?",
        "probe.yml:10:39: checks.shop/home.http.tiemout: unknown key; did you mean timeout, in checks.shop/home?",
        "probe.yml:12:10: checks.shop/cache.tcp.port: is missing",
        (
            "probe.yml:14:27: checks.shop/cache.thresholds.p95(totl) over 10m: no run has a phase or a numeric fact "
            "totl; did you mean total?"
        ),
        "probe.yml:15:25: checks.shop/cache.thresholds.total.degraded: a time without its unit; write 800ms or 800s",
        "probe.yml:16:3: checks.shop/nothing: no check type; types: heartbeat, http, tcp",
        "probe.yml:18:47: checks.shop/login.http.bearer: environment variable NOPE is not set",
        "probe.yml:21:12: alerts.receivers.chat.slak: unknown key; did you mean slack?",
        "probe.yml:23:23: alerts.routes[0].match.level: no level is called dwon; did you mean down?",
        "probe.yml:23:35: alerts.routes[0].to[0]: no receiver is called caht; did you mean chat?",
        "probe.yml:23:42: alerts.routes[0].repaet: unknown key; did you mean repeat?",
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        # the top level
        ("chekcs: {}", "1:1: chekcs: unknown key; did you mean checks?"),
        ("receivers: {}", "1:1: receivers: unknown key; did you mean alerts.receivers?"),
        ("checks: []", "1:9: checks: wants a mapping, a name for each check; write {shop/home: {...}}"),
        ("services: x", "1:11: services: wants a mapping, a name for each service; write {shop: {...}}"),
        ("services: {a: 3}", "1:12: services.a: wants a mapping, `key: value`"),
        ("alerts: []", "1:9: alerts: wants a mapping with receivers and routes"),
        ("alerts: {route: []}", "1:10: alerts.route: unknown key; did you mean routes?"),
        ("include: checks.yml", "1:10: include: wants a list of files; write [checks.d/*.yml]"),
        ("listen: 8080", "1:9: listen: wants an address and a port, as in 127.0.0.1:8080"),
        ("listen: :8080", "1:9: listen: no address; write 127.0.0.1 for this machine alone, 0.0.0.0 or [::] for every"),
        ("listen: ::1:8080", "1:9: listen: an IPv6 address stands in brackets, as in [::1]:8080"),
        ("listen: a:70000", "1:9: listen: wants an address and a port"),
        ("listen: '[nope]:80'", "1:9: listen: 'nope' does not appear to be an IPv4 or IPv6 address"),
        ("store: postgresql://db/probe", "1:8: store: a store of this kind is not supported yet; write sqlite: and a"),
        ("store: probe.db", "1:8: store: no kind of store is named; write sqlite: and a file"),
        ("store: 'sqlite:'", "1:8: store: wants a file after sqlite:"),
        ("store: 'sqlite::memory:'", "1:8: store: wants a file after sqlite:"),
        ("store: sqlite:///x.db", "1:8: store: wants a file after sqlite:"),
        ("url: probe.example", "1:6: url: wants a whole address, as in https://probe.example"),
        ("url: https://u:p@probe.example", "1:6: url: an address that people see holds no credentials"),
        ("token: 'a b'", "1:8: token: does not match the pattern"),
        ("instance: ''", "1:11: instance: is empty"),
        ("instance:", "1:1: instance: wants a text; there is nothing"),
        ("retention: {age: 1s}", "1:18: retention.age: must be at least 1h"),
        ("retention: {size: 5KiB}", "1:19: retention.size: must be at least 1048576 bytes"),
        ("retention: {size: lots}", "1:19: retention.size: 'lots' is no size"),
        # defaults and services
        ("defaults: {up_after: 0}", "1:22: defaults.up_after: must be at least 1"),
        ("defaults: {up_after: two}", "1:22: defaults.up_after: wants a whole number, not a text"),
        ("defaults: {down_after: 3 of 2}", "1:24: defaults.down_after: wants 1 <= M <= N <= 100 in `M of N`"),
        ("defaults: {down_after: most}", "1:24: defaults.down_after: wants `M of N` runs, as in 2 of 3, or one number"),
        ("defaults: {confirm: 2}", "1:21: defaults.confirm: wants a mapping, `key: value`, not a number"),
        ("defaults: {confirm: {retries: 11}}", "1:31: defaults.confirm.retries: must be at most 10"),
        ("defaults: {every: 1ms}", "1:19: defaults.every: must be at least 100 ms"),
        ("defaults: {every: -5s}", "1:19: defaults.every: '-5s' is no duration"),
        ("defaults: {labels: {service: a}}", "1:21: defaults.labels.service: service is taken; choose another name"),
        ("defaults: {labels: {a b: c}}", "1:21: defaults.labels.a b: a label's name is made of letters, digits and"),
        ("defaults: {labels: [a]}", "1:20: defaults.labels: wants a mapping, `key: value`, not a list"),
        ("defaults: {runbook: wiki/x}", "1:21: defaults.runbook: wants a whole address"),
        ("defaults: {http: {}}", "1:12: defaults.http: unknown key"),
        ("defaults: {service: nope}", "1:21: defaults.service: no service is called nope; there are no services"),
        ("defaults: {slo: []}", "1:12: defaults.slo: unknown key"),
        ("defaults: {up_when: any}", "1:12: defaults.up_when: unknown key"),
        ("defaults: {hours: Mon-Fry}", "1:19: defaults.hours: 'Mon-Fry' is no day, month, date or time, and"),
        ("defaults: {hours: 8}", "1:19: defaults.hours: wants hours of the week, as in Mon-Fri 08:00-20:00 Australia/"),
        ("defaults: {zone: Sydney}", "1:18: defaults.zone: 'Sydney' is no time zone; did you mean Australia/Sydney or"),
        ("defaults: {flap: {begins: 0.4}}", "1:27: defaults.flap.begins: wants a percentage, as in 10% or 99.9%"),
        ("defaults: {flap: {begins: 0%}}", "1:27: defaults.flap.begins: must be more than 0%"),
        ("defaults: {zone: localtime}", "1:18: defaults.zone: 'localtime' is no time zone"),
        # network
        ("network: {deny: [10.0.0.1/8]}", "1:18: network.deny[0]: bits beyond the prefix are set; write 10.0.0.0/8"),
        ("network: {deny: [10]}", "1:18: network.deny[0]: wants a range of addresses, as in 10.0.0.0/8"),
        ("network: {deny: 10.0.0.0/8}", "1:17: network.deny: wants a list, as in [a, b], not a text"),
        (
            "network: {per_host: {rate: 5}}",
            "1:28: network.per_host.rate: 5 is no rate; write a number per unit of time",
        ),
        ("network: {per_host: {rate: 0/s}}", "1:28: network.per_host.rate: '0/s' is no rate"),
        ("network: {resolvers: [dns.example]}", "1:23: network.resolvers[0]: wants the address of a name server"),
        ("network: {resolvers: ['10.0.0.1:99999']}", "1:23: network.resolvers[0]: wants a port from 1 to 65535"),
        # checks
        ("checks: {a: }", "1:10: checks.a: wants a mapping, `key: value`; a check has at least its type"),
        ("checks: {a: {http: }}", "1:14: checks.a.http: wants a mapping, `key: value`; there is nothing"),
        ("checks: {a: {htpp: {}}}", "1:14: checks.a.htpp: unknown key; did you mean http?"),
        ("checks: {a: {}}", "1:10: checks.a: no check type; types: heartbeat, http, tcp"),
        (
            "checks: {a: {http: {url: https://a.example}, tcp: {host: a, port: 1}}}",
            "1:46: checks.a.tcp: a second type beside http; a check has one",
        ),
        (
            "checks: {a: {url: x, http: {url: https://a.example}}}",
            "1:14: checks.a.url: unknown key; did you mean http.url?",
        ),
        (
            "checks: {a: {http: {url: https://a.example, timeout: 5s}}}",
            "1:45: checks.a.http.timeout: unknown key; did you mean timeout, in checks.a?",
        ),
        ("checks: {a b: {tcp: {host: a, port: 1}}}", "1:10: checks.a b: 'a b' is no name for a check; letters, digits"),
        ("checks: {/a: {tcp: {host: a, port: 1}}}", "1:10: checks./a: '/a' is no name for a check"),
        ("checks: {probe/a: {tcp: {host: a, port: 1}}}", "1:10: checks.probe/a: names that start with probe/ belong"),
        ("checks: {a: {tcp: {host: a, port: 1, prot: 2}}}", "1:38: checks.a.tcp.prot: unknown key; did you mean port?"),
        ("checks: {a: {tcp: {host: a, prot: 2}}}", "1:29: checks.a.tcp.prot: unknown key; did you mean port?"),
        ("checks: {a: {tcp: {host: a, port: 99999}}}", "1:35: checks.a.tcp.port: must be at most 65535"),
        (
            "checks: {a: {http: {url: ftp://a}}}",
            "1:26: checks.a.http.url: 'ftp://a' must begin with http:// or https://",
        ),
        (
            "checks: {a: {http: {url: https://a.example, expect: {status: 2x}}}}",
            "1:62: checks.a.http.expect.status: '2x' is no set of statuses",
        ),
        (
            "checks: {a: {http: {url: https://a.example, expect: {body: {contain: x}}}}}",
            "1:61: checks.a.http.expect.body.contain: unknown key; did you mean contains?",
        ),
        (
            "checks: {a: {http: {url: https://a.example, family: ipv5}}}",
            "1:53: checks.a.http.family: wants 'any', 'ipv4', 'ipv6', 'prefer_ipv4' or 'prefer_ipv6'",
        ),
        (
            "checks: {a: {http: {url: http://169.254.169.254/latest}}}",
            "1:14: checks.a.http: 169.254.169.254 is denied by the network policy (169.254.0.0/16)",
        ),
        ("checks: {a: {tcp: {host: '::ffff:169.254.1.1', port: 1}}}", "1:14: checks.a.tcp: ::ffff:"),
        # alerts
        ("alerts: {receivers: []}", "1:21: alerts.receivers: wants a mapping, a name for each receiver"),
        ("alerts: {receivers: {a: x}}", "1:22: alerts.receivers.a: wants a mapping with one type; types: alertmanager"),
        ("alerts: {receivers: {a: {}}}", "1:22: alerts.receivers.a: no receiver type; types: alertmanager, apprise"),
        (
            "alerts: {receivers: {a: {slack: {webhok: x}}}}",
            "1:34: alerts.receivers.a.slack.webhok: unknown key; did you mean webhook?",
        ),
        ("alerts: {routes: {to: [a]}}", "1:18: alerts.routes: wants a list of routes; write - {to: [chat]}"),
        ("alerts: {routes: [{to: [a]}]}", "1:25: alerts.routes[0].to[0]: no receiver is called a; there are no"),
        ("alerts: {routes: [{}]}", "1:19: alerts.routes[0].to: is missing"),
        ("alerts: {routes: [{to: []}]}", "1:24: alerts.routes[0].to: is empty"),
        ("alerts: {routes: [{to: a}]}", "1:24: alerts.routes[0].to: wants a list, as in [a, b], not a text"),
        (
            "alerts: {routes: [{match: {type: ftp}, to: []}]}",
            "1:34: alerts.routes[0].match.type: no type is called ftp",
        ),
        ("alerts: {routes: [{match: {service: x}, to: []}]}", "1:37: alerts.routes[0].match.service: no service is"),
        ("alerts: {routes: [{match: {tier: 1}, to: []}]}", "1:34: alerts.routes[0].match.tier: wants a text, not a"),
    ],
)
def test_one_mistake_is_one_message(problems, text, problem):
    if "checks" not in text:
        text += f"\n{CHECK}"
    found = problems(text)
    assert found[0].startswith(f"probe.yml:{problem}"), found
    assert len(found) == (2 if "to: []" in text and "match" in text else 1), found


def test_a_faulty_service_does_not_make_its_checks_faulty(problems):
    found = problems(
        f"services: {{shop: {{hours: x, every: 5}}, 3: 4}}\ndefaults: {{service: shop, every: 7}}\n{CHECK}"
    )
    assert [problem.split(": ")[1] for problem in found] == [
        "services.shop.hours",
        "services.shop.every",
        "services.3",
        "defaults.every",
    ]


def test_a_hundred_problems_are_shown_and_the_rest_counted(problems):
    checks = "".join(f"  c{n}: {{tpc: {{}}}}\n" for n in range(SHOWN + 50))
    found = problems(f"checks:\n{checks}")
    assert len(found) == SHOWN + 1
    assert found[0].startswith("probe.yml:2:8: checks.c0.tpc: unknown key; did you mean tcp?")
    assert found[-1] == "probe.yml: 50 more not shown"


@pytest.mark.parametrize(
    ("problem", "text"),
    [
        (Problem("a.yml", 3, 7, "x.y", "is wrong", "do right"), "a.yml:3:7: x.y: is wrong; do right"),
        (Problem("a.yml", 3, 7, "", "is wrong"), "a.yml:3:7: is wrong"),
        (Problem("a.yml", 0, 0, "x", "is wrong"), "a.yml: x: is wrong"),
    ],
)
def test_a_problem_prints_as_compilers_do(problem, text):
    assert str(problem) == text


def test_one_mistake_of_a_check_hides_no_other_of_it(problems):
    text = """
        checks:
          a:
            http: {url: "http://169.254.169.254/x"}
            thresholds: {totl: {down: 1s}}
            evry: 5s
    """
    assert [line.partition(" ")[0] for line in problems(text)] == [
        "probe.yml:3:5:",
        "probe.yml:4:24:",
        "probe.yml:5:5:",
    ]
