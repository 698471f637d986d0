"""A good configuration becomes what it says; defaults and inheritance are as documented."""

from ipaddress import ip_network

import pytest

from checks.core.policy import DEFAULT_DENY
from exporters.route import Route, chosen
from thresholds.base import Level, Threshold

CHECK = "checks: {a: {tcp: {host: a.example, port: 1}}}\n"


def test_the_least_configuration_has_the_documented_defaults(desk):
    config = desk.load(CHECK)
    assert (config.host, config.port) == ("127.0.0.1", 8080)
    assert config.store == f"sqlite:{desk.folder}/probe.db"
    assert (config.retention.age, config.retention.size) == (14 * 86400, 4 * 1024**3)
    assert config.network.deny == DEFAULT_DENY
    assert (config.network.rate, config.network.concurrent, config.network.resolvers) == (None, None, ())
    assert (config.url, config.token, config.routes) == ("", "", ())
    assert config.instance
    planned = config.checks["a"]
    spec, policy = planned.spec, planned.policy
    assert (spec.every, spec.timeout, spec.retries, spec.retry_after) == (30, 10, 1, 2)
    assert (policy.down_after, policy.up_after, policy.thresholds) == ((2, 3), 2, ())
    assert (planned.type, planned.service, planned.owner, planned.runbook, dict(planned.labels)) == (
        "tcp",
        "",
        "",
        "",
        {},
    )


def test_every_setting_arrives(desk):
    config = desk.load(
        f"""
        instance: prod-eu
        listen: "[::1]:9090"
        url: https://probe.example/base/
        token: 0123456789abcdef-token
        store: sqlite:data/x.db
        retention: {{age: 30d, size: 8GiB}}
        network:
          deny: [10.0.0.0/8, "fd00::/8", 192.0.2.1]
          allow: [169.254.10.0/24]
          per_host: {{rate: 30/m, concurrent: 4}}
          resolvers: [10.0.0.2, "[2001:db8::1]:5353", "10.0.0.3:54"]
        {CHECK}"""
    )
    assert config.instance == "prod-eu"
    assert (config.host, config.port) == ("::1", 9090)
    assert config.url == "https://probe.example/base"
    assert config.token == "0123456789abcdef-token"
    assert config.store == f"sqlite:{desk.folder}/data/x.db"
    assert (config.retention.age, config.retention.size) == (30 * 86400, 8 * 1024**3)
    user = tuple(ip_network(text) for text in ("10.0.0.0/8", "fd00::/8", "192.0.2.1/32"))
    assert config.network.deny == (*DEFAULT_DENY, *user)
    assert config.network.allow == (ip_network("169.254.10.0/24"),)
    assert (config.network.rate, config.network.concurrent) == (0.5, 4)
    assert config.network.resolvers == ("10.0.0.2", "[2001:db8::1]:5353", "10.0.0.3:54")


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [
        ("127.0.0.1:8080", "127.0.0.1", 8080),
        ("'[::]:80'", "::", 80),
        ("localhost:0", "localhost", 0),
        ("probe.example:65535", "probe.example", 65535),
    ],
)
def test_listen_is_an_address_and_a_port(desk, text, host, port):
    config = desk.load(f"listen: {text}\ntoken: {'t' * 20}\n{CHECK}")
    assert (config.host, config.port) == (host, port)


def test_an_absolute_store_stays_where_it_is(desk):
    assert desk.load(f"store: sqlite:/var/lib/probe/probe.db\n{CHECK}").store == "sqlite:/var/lib/probe/probe.db"


def test_the_nearest_wins(desk):
    config = desk.load(
        """
        defaults:
          every: 1m
          timeout: 5s
          confirm: {retries: 3, after: 4s}
          down_after: 1 of 2
          up_after: 5
          owner: defaults
          runbook: https://runbooks.example/defaults
          labels: {env: prod, tier: "3"}
          thresholds: {total: {degraded: 1s, down: 2s}, ttfb: {down: 3s}}
        services:
          shop:
            every: 20s
            owner: shop
            labels: {tier: "2", team: shop}
            thresholds: {total: {down: 4s}}
          bare:
        checks:
          near:
            service: shop
            every: 15s
            confirm: {retries: 0}
            up_after: 1
            labels: {tier: "1"}
            thresholds: {tls.days_left: {down: 3}}
            tcp: {host: a.example, port: 1}
          middle: {service: shop, tcp: {host: a.example, port: 1}}
          far: {service: bare, tcp: {host: a.example, port: 1}}
        """
    ).checks
    near, middle, far = config["near"], config["middle"], config["far"]
    assert [one.spec.every for one in (near, middle, far)] == [15, 20, 60]
    assert [one.spec.timeout for one in (near, middle, far)] == [5, 5, 5]
    assert (near.spec.retries, near.spec.retry_after) == (0, 2)  # replaced as a whole
    assert (middle.spec.retries, middle.spec.retry_after) == (3, 4)
    assert [one.policy.up_after for one in (near, middle, far)] == [1, 5, 5]
    assert near.policy.down_after == (1, 2)
    assert [one.owner for one in (near, middle, far)] == ["shop", "shop", "defaults"]
    assert near.runbook == "https://runbooks.example/defaults"
    assert dict(near.labels) == {"env": "prod", "tier": "1", "team": "shop"}
    assert dict(middle.labels) == {"env": "prod", "tier": "2", "team": "shop"}
    assert dict(far.labels) == {"env": "prod", "tier": "3"}
    total, ttfb, days = (
        Threshold("total", None, 4.0),
        Threshold("ttfb", None, 3.0),
        Threshold("tls.days_left", None, 3, True),
    )
    assert set(near.policy.thresholds) == {total, ttfb, days}  # by metric, not limit by limit
    assert set(middle.policy.thresholds) == {total, ttfb}
    assert set(far.policy.thresholds) == {Threshold("total", 1.0, 2.0), ttfb}


def test_checks_may_take_their_service_from_the_defaults(desk):
    config = desk.load(
        """
        defaults: {service: shop}
        services: {shop: {owner: team}, other: {owner: them}}
        checks:
          a: {tcp: {host: a.example, port: 1}}
          b: {service: other, tcp: {host: a.example, port: 1}}
          c: {service: "", tcp: {host: a.example, port: 1}}
        """
    )
    assert [(one.service, one.owner) for one in config.checks.values()] == [
        ("shop", "team"),
        ("other", "them"),
        ("", ""),
    ]


@pytest.mark.parametrize(
    ("written", "timeout", "after"),
    [
        ("every: 1m", 10, 2),
        ("every: 4s", 4, 1),
        ("every: 1s", 1, 0.25),
        ("every: 1s, timeout: 10s", 10, 0.25),
        ("every: 1s, confirm: {after: 2s}", 1, 2),
        ("every: 1s, confirm: {retries: 2}", 1, 0.25),
    ],
)
def test_what_nobody_chose_gives_way_to_a_short_interval(desk, written, timeout, after):
    spec = desk.load(f"checks: {{a: {{{written}, tcp: {{host: a.example, port: 1}}}}}}").checks["a"].spec
    assert (spec.timeout, spec.retry_after) == (timeout, after)


@pytest.mark.parametrize(("text", "pair"), [("2 of 3", (2, 3)), ("3", (3, 3)), ("1", (1, 1)), ("'5 of 100'", (5, 100))])
def test_down_after_is_m_of_n(desk, text, pair):
    config = desk.load(f"defaults: {{down_after: {text}}}\n{CHECK}")
    assert config.checks["a"].policy.down_after == pair


def test_routes_are_what_they_say(desk):
    config = desk.load(
        f"""
        alerts:
          receivers:
            chat: {{slack: {{webhook: "https://chat.example/x"}}}}
            oncall: {{pagerduty: {{routing_key: 0123456789abcdef0123456789abcdef}}}}
          routes:
            - {{match: {{level: down, tier: "1"}}, to: [oncall], continue: true}}
            - {{match: {{level: degraded, check: a}}, to: [chat]}}
            - {{match: {{service: probe, type: self}}, to: [oncall]}}
            - {{to: [chat, oncall]}}
        {CHECK}"""
    )
    assert config.routes == (
        Route(("oncall",), {"tier": "1"}, Level.DOWN, go_on=True, name="route 1"),
        Route(("chat",), {"check": "a"}, Level.DEGRADED, name="route 2"),
        Route(("oncall",), {"service": "probe", "type": "self"}, Level.DEGRADED, name="route 3"),
        Route(("chat", "oncall"), {}, Level.DEGRADED, name="route 4"),
    )
    taken = chosen(config.routes, {"tier": "1", "check": "a"}, Level.DOWN, 0)
    assert [name for route in taken for name in route.to] == ["oncall", "chat"]
    assert set(config.receivers) == {"chat", "oncall"}


def test_certificate_files_start_at_the_folder_of_the_configuration(desk):
    desk.write("nothing", "teams/ca.pem")
    desk.write("checks: {b: {http: {url: https://b.example, tls: {ca: ca.pem}}}}", "teams/b.yml")
    (problem,) = desk.problems("include: [teams/b.yml]\n")
    assert problem.startswith("teams/b.yml:1:")
    assert "checks.b.http.tls" in problem
    assert "ca.pem cannot be used" in problem  # it was found


def test_checks_keep_their_order(desk):
    names = [f"c{n}" for n in (3, 1, 2)]
    text = "".join(f"  {name}: {{tcp: {{host: a.example, port: 1}}}}\n" for name in names)
    assert list(desk.load(f"checks:\n{text}").checks) == names


def test_words_that_yaml_1_1_takes_for_booleans_are_understood_where_one_is_wanted(desk):
    config = desk.load("checks: {a: {http: {url: https://a.example, tls: {verify: no}, expect: {body: no}}}}")
    check = config.checks["a"].spec.check
    assert check.tls.verify is False
    assert check.expect.body.contains == ("no",)
