"""Who is told and what holds it back, as configuration: every key, every mistake at its place."""

import re
from pathlib import Path

import pytest

from exporters.alerting.incident import Severity
from exporters.alerting.settings import Settings
from exporters.route import Route
from thresholds.base import Level

DOC = (Path(__file__).parents[2] / "docs/incidents.md").read_text()
BLOCKS = re.findall(r"```yaml\n(.*?)```", DOC, flags=re.DOTALL)
HEAD = """\
alerts:
  receivers:
    chat: {webhook: {url: "https://ops.example/hook-of-ops"}}
    mail: {email: {smtp: "mail.example:25", tls: none, from: p@x.example, to: [all@x.example]}}
"""
REST = """
users: {ana: {contacts: {mail: ana@x.example}}}
rotations: {primary: {start: 2026-10-19T09:00, every: 1 week, users: [ana]}}
schedules: {night: {layers: [{who: "rotation:primary"}]}}
escalations: {prodops: {steps: [{notify: ["schedule:night"]}]}}
services: {shop: {}}
checks:
  shop/home: {service: shop, labels: {tier: "1", city: oslo}, tcp: {host: a.example, port: 1}}
"""
TCP = "tcp: {host: a.example, port: 1}"


def alerts(text: str) -> str:
    """A document whose fifth line begins the text, which is of `alerts`."""
    return f"{HEAD}  {text}{REST}"


def routes(desk, *lines: str) -> tuple[Route, ...]:
    found: tuple[Route, ...] = desk.load(alerts("routes:\n" + "\n".join(f"    - {line}" for line in lines))).routes
    return found


def settings(desk, text: str) -> Settings:
    found: Settings = desk.load(alerts(text)).alerting
    return found


# What it says is what it does.


def test_a_route_is_what_it_says(desk):
    (route,) = routes(
        desk,
        "{match: {level: down, tier: '1', city: [oslo, '!rome'], env: '!prod', check: '~shop/.*'}, to: [chat, mail], "
        "when: 'Mon-Fri 09:00-18:00 Europe/Madrid', wait: 2m, repeat: 4h, continue: true, "
        "group: {by: [service, city], wait: 30s, interval: 10m}}",
    )
    assert (route.to, route.level, route.go_on) == (("chat", "mail"), Level.DOWN, True)
    assert route.match == {"tier": "1", "city": ("oslo", "!rome"), "env": "!prod", "check": "~shop/.*"}
    assert (route.by, route.wait, route.interval, route.repeat) == (("service", "city"), 120.0, 600.0, 14_400.0)
    assert str(route.when) == "Mon-Fri 09:00-18:00 Europe/Madrid"


def test_a_route_that_says_little_tells_each_at_once_of_everything(desk):
    (route,) = routes(desk, "{to: [chat]}")
    assert route == Route(("chat",), level=Level.DEGRADED, name="route 1")
    assert (route.when, route.by, route.wait, route.repeat, route.go_on) == (None, (), 0.0, 0.0, False)


def test_a_group_has_usual_times_and_without_labels_is_all_of_the_route(desk):
    plain, wide, slow = routes(
        desk,
        "{to: [chat], group: {}}",
        "{to: [chat], group: {by: [service]}}",
        "{to: [chat], wait: 5m, group: {wait: 0s}}",
    )
    assert (plain.by, plain.wait, plain.interval) == (("",), 30.0, 300.0)
    assert (wide.by, wide.wait) == (("service",), 30.0)
    assert slow.wait == 300.0


def test_routes_are_called_by_their_place(desk):
    assert [one.name for one in routes(desk, "{match: {tier: '1'}, to: [chat]}", "{to: [mail]}")] == [
        "route 1",
        "route 2",
    ]


@pytest.mark.parametrize("target", ["chat", "user:ana", "rotation:primary", "schedule:night", "escalation:prodops"])
def test_every_kind_of_target_can_be_told(desk, target: str):
    assert routes(desk, f"{{to: ['{target}']}}")[0].to == (target,)


def test_hours_are_of_their_own_zone_or_of_the_defaults(desk):
    """2023-11-15T08:30Z, which is date -u -d @1700037000, is half past nine in Madrid."""
    text = alerts("routes: [{to: [chat], when: 'daily 09:00-18:00'}]")
    hours = [desk.load(text + more).routes[0].when for more in ("", "defaults: {zone: Europe/Madrid}\n")]
    assert [one.hold(1_700_037_000_000) for one in hours] == [False, True]


def test_without_a_word_the_settings_are_the_usual(desk):
    assert settings(desk, "routes: [{to: [chat]}]") == Settings(600.0, 20, 300.0, (), ())


def test_what_holds_back_is_what_it_says(desk):
    found = settings(
        desk,
        "reopen_within: 5m\n  storm: {over: 7, every: 1m}\n"
        "  inhibit: [{source: {service: shop, level: down}, target: {tier: ['1', '2']}, equal: [city, owner]}]\n"
        "  quiet: [{severity: [page, ticket], hours: 'daily 20:00-08:00', match: {level: degraded}},"
        " {hours: Sat-Sun}]\n"
        "  routes: [{to: [chat]}]",
    )
    assert (found.grace, found.storm_over, found.storm_every) == (300.0, 7, 60.0)
    (rule,) = found.inhibitions
    assert (rule.source, rule.target) == ({"service": "shop", "level": "down"}, {"tier": ("1", "2")})
    assert rule.equal == ("city", "owner")
    night, weekend = found.quiet
    assert (night.severities, night.match) == ((Severity.PAGE, Severity.TICKET), {"level": "degraded"})
    assert (weekend.severities, weekend.match, str(weekend.hours)) == ((Severity.TICKET,), {}, "Sat-Sun")


def test_a_storm_may_never_be_one_and_nothing_be_opened_again(desk):
    found = settings(desk, "storm: {over: 0}\n  reopen_within: 0s\n  routes: [{to: [chat]}]")
    assert (found.storm_over, found.grace) == (0, 0.0)


def test_our_own_checks_can_be_routed_like_all_others(desk):
    lines = "{match: {type: [self, slo], service: probe, check: '~probe/.*'}, to: [chat]}", "{to: [mail]}"
    assert routes(desk, *lines)[0].match["service"] == "probe"


def test_what_has_no_owner_can_be_matched(desk):
    assert routes(desk, "{match: {owner: '', service: '!'}, to: [chat]}", "{to: [mail]}")[0].match["owner"] == ""


def of(section: str, **more: str) -> str:
    """A document of one check `a`, with more of it, of services and of defaults."""
    lines = [f"{key}: {text}" for key, text in more.items()]
    return "\n".join([*lines, f"checks: {{a: {{{section}, {TCP}}}, b: {{{TCP}}}}}"]) + "\n"


@pytest.mark.parametrize(
    ("section", "down", "degraded"),
    [
        ("severity: ticket", "ticket", "ticket"),
        ("severity: {down: ticket}", "ticket", "ticket"),
        ("severity: {degraded: log}", "page", "log"),
        ("severity: {down: log, degraded: page}", "log", "page"),
        ("runbook: 'https://w.example/'", "page", "ticket"),
    ],
)
def test_a_check_says_how_much_it_disturbs(desk, section: str, down: str, degraded: str):
    found = desk.load(of(section)).checks["a"].severities
    assert (found[Level.DOWN], found[Level.DEGRADED]) == (Severity(down), Severity(degraded))


def test_the_nearest_word_on_severity_counts_whole(desk):
    text = of("service: s", services="{s: {severity: {down: ticket}}}", defaults="{severity: log}")
    config = desk.load(text)
    assert config.checks["a"].severities == {Level.DOWN: Severity.TICKET, Level.DEGRADED: Severity.TICKET}
    assert config.checks["b"].severities == {Level.DOWN: Severity.LOG, Level.DEGRADED: Severity.LOG}


def test_what_it_depends_on_is_added_to_what_is_inherited(desk):
    text = of("service: s, depends_on: [b]", services="{s: {depends_on: [g]}, g: {}}", defaults="{depends_on: [b]}")
    config = desk.load(text)
    assert set(config.checks["a"].depends_on) == {"b", "g"}
    assert config.checks["b"].depends_on == ()  # `defaults` are of b, too: it cannot depend on itself


def test_people_meet_where_the_nearest_word_says(desk):
    text = of("service: s, bridge: 'https://meet.example/a'", services="{s: {bridge: 'https://meet.example/s'}}")
    config = desk.load(text)
    assert (config.checks["a"].bridge, config.services["s"].bridge) == (
        "https://meet.example/a",
        "https://meet.example/s",
    )


# What cannot be, at its place. The text begins in line 5, column 3.


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("routes: {to: [chat]}", "5:11: alerts.routes: wants a list of routes; write - {to: [chat]}"),
        ("routes: [5]", "5:12: alerts.routes[0]: wants a mapping, `key: value`, not a number"),
        ("routes: [{}]", "5:12: alerts.routes[0].to: is missing"),
        ("routes: [{to: []}]", "5:17: alerts.routes[0].to: is empty"),
        ("routes: [{to: chat}]", "5:17: alerts.routes[0].to: wants a list, as in [a, b], not a text"),
        ("routes: [{to: [caht]}]", "5:18: alerts.routes[0].to[0]: no receiver is called caht; did you mean chat?"),
        ("routes: [{to: [ana]}]", "5:18: alerts.routes[0].to[0]: no receiver is called ana; did you mean user:ana?"),
        ("routes: [{to: ['user:bo']}]", "5:18: alerts.routes[0].to[0]: no user is called bo"),
        (
            "routes: [{to: ['rotation:night']}]",
            "5:18: alerts.routes[0].to[0]: no rotation is called night; did you mean",
        ),
        ("routes: [{to: [chat, 'escalation:x']}]", "5:24: alerts.routes[0].to[1]: no escalation is called x"),
        ("routes: [{to: ['team:x']}]", "5:18: alerts.routes[0].to[0]: no receiver is called team:x"),
        ("routes: [{to: [chat], tell: x}]", "5:25: alerts.routes[0].tell: unknown key"),
        ("routes: [{to: [chat], match: down}]", "5:32: alerts.routes[0].match: wants a mapping"),
        ("routes: [{to: [chat], match: {level: dwon}}]", "no level is called dwon; did you mean down?"),
        ("routes: [{to: [chat], match: {level: [down]}}]", "5:40: alerts.routes[0].match.level: wants one level"),
        ("routes: [{to: [chat], match: {level: '!down'}}]", "5:40: alerts.routes[0].match.level: wants one level"),
        ("routes: [{to: [chat], match: {level: '~d.*'}}]", "5:40: alerts.routes[0].match.level: wants one level"),
        ("routes: [{to: [chat], match: {level: ''}}]", "5:40: alerts.routes[0].match.level: wants one level"),
        (
            "routes: [{to: [chat], match: {severity: pages}}]",
            "match.severity: no severity is called pages; did you mean",
        ),
        (
            "routes: [{to: [chat], match: {severity: [page, tickt]}}]",
            "no severity is called tickt; did you mean ticket?",
        ),
        ("routes: [{to: [chat], match: {severity: '!tickt'}}]", "no severity is called tickt; did you mean ticket?"),
        (
            "routes: [{to: [chat], match: {service: shpo}}]",
            "5:42: alerts.routes[0].match.service: no service is called shpo",
        ),
        ("routes: [{to: [chat], match: {type: htpt}}]", "match.type: no type is called htpt; did you mean http?"),
        (
            "routes: [{to: [chat], match: {env: '~('}}]",
            "5:38: alerts.routes[0].match.env: no regular expression: missing )",
        ),
        ("routes: [{to: [chat], match: {env: '!~['}}]", "5:38: alerts.routes[0].match.env: no regular expression"),
        ("routes: [{to: [chat], match: {tier: 1}}]", "5:39: alerts.routes[0].match.tier: wants a text"),
        ("routes: [{to: [chat], when: 'Mon-Fry 09:00-18:00'}]", "5:31: alerts.routes[0].when: 'Mon-Fry' is no day"),
        ("routes: [{to: [chat], wait: -1s}]", "5:31: alerts.routes[0].wait: '-1s' is no duration"),
        ("routes: [{to: [chat], wait: 2d}]", "5:31: alerts.routes[0].wait: must be at most 1d"),
        ("routes: [{to: [chat], repeat: 10s}]", "5:33: alerts.routes[0].repeat: must be at least 1m"),
        ("routes: [{to: [chat], repeat: 4}]", "5:33: alerts.routes[0].repeat: 4 is no duration"),
        ("routes: [{to: [chat], continue: maybe}]", "5:35: alerts.routes[0].continue: wants true or false"),
        ("routes: [{to: [chat], group: true}]", "5:32: alerts.routes[0].group: wants a mapping"),
        ("routes: [{to: [chat], group: {by: service}}]", "5:37: alerts.routes[0].group.by: wants a list"),
        ("routes: [{to: [chat], group: {wait: 2h}}]", "5:39: alerts.routes[0].group.wait: must be at most 1h"),
        ("routes: [{to: [chat], group: {every: 1m}}]", "5:33: alerts.routes[0].group.every: unknown key"),
        ("inhibit: {source: {tier: '1'}}", "5:12: alerts.inhibit: wants a list of inhibitions; write - {source:"),
        ("inhibit: [{source: {tier: '1'}}]", "5:13: alerts.inhibit[0].target: is missing"),
        ("inhibit: [{source: {}, target: {tier: '1'}}]", "5:22: alerts.inhibit[0].source: is empty"),
        (
            "inhibit: [{source: {service: shpo}, target: {tier: '1'}}]",
            "alerts.inhibit[0].source.service: no service is",
        ),
        (
            "inhibit: [{source: {tier: '1'}, target: {level: dwon}}]",
            "alerts.inhibit[0].target.level: no level is called",
        ),
        ("inhibit: [{source: {tier: '~('}, target: {tier: '1'}}]", "inhibit[0].source.tier: no regular expression"),
        ("inhibit: [{source: {tier: '1'}, target: {tier: '1'}, equal: ['a b']}]", "alerts.inhibit[0].equal[0]: "),
        ("inhibit: [{source: {tier: '1'}, target: {tier: '1'}, eqal: []}]", "alerts.inhibit[0].eqal: unknown key"),
        ("quiet: {hours: daily}", "5:10: alerts.quiet: wants a list of quiet hours; write - {severity: ticket"),
        ("quiet: [{}]", "5:11: alerts.quiet[0].hours: is missing"),
        ("quiet: [{hours: nightly}]", "5:19: alerts.quiet[0].hours: 'nightly' is no day"),
        ("quiet: [{severity: log, hours: daily}]", "5:22: alerts.quiet[0].severity: wants"),
        ("quiet: [{severity: [], hours: daily}]", "5:22: alerts.quiet[0].severity: is empty"),
        ("quiet: [{hours: daily, match: {service: shpo}}]", "alerts.quiet[0].match.service: no service is called shpo"),
        ("storm: 5", "5:10: alerts.storm: wants a mapping"),
        ("storm: {over: -1}", "5:17: alerts.storm.over: must be at least 0"),
        ("storm: {over: 5, every: 1s}", "5:27: alerts.storm.every: must be at least 10 s"),
        ("storm: {ovr: 5}", "5:11: alerts.storm.ovr: unknown key; did you mean over?"),
        ("reopen_within: 2d", "5:18: alerts.reopen_within: must be at most 1d"),
        ("reopen_within: soon", "5:18: alerts.reopen_within: 'soon' is no duration"),
        ("reopn_within: 5m", "5:3: alerts.reopn_within: unknown key; did you mean reopen_within?"),
    ],
)
def test_a_mistake_in_alerts_is_told_once_at_its_place(problems, text: str, problem: str):
    (found,) = problems(alerts(text))
    assert problem in found


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (of("severity: high"), "1:24: checks.a.severity: wants 'page', 'ticket' or 'log'"),
        (of("severity: [page]"), "1:24: checks.a.severity: wants 'page', 'ticket' or 'log'"),
        (of("severity: {down: urgent}"), "1:31: checks.a.severity.down: wants 'page', 'ticket' or 'log'"),
        (of("severity: {degrded: log}"), "1:25: checks.a.severity.degrded: unknown key; did you mean degraded?"),
        (of("bridge: meet"), "1:22: checks.a.bridge: wants a whole address"),
        (of("depends_on: b"), "1:26: checks.a.depends_on: wants a list"),
        (of("depends_on: [gw]"), "1:26: checks.a.depends_on: no check or service is called gw"),
        (of("depends_on: [bb]"), "did you mean b?"),
        (of("depends_on: [a]"), "1:26: checks.a.depends_on: it depends on itself; leave out a"),
        (
            of("service: s", services="{s: {depends_on: [s]}}"),
            "1:28: services.s.depends_on: it depends on itself: a -> s -> a",
        ),
    ],
)
def test_a_mistake_in_a_check_is_told_once_at_its_place(problems, text: str, problem: str):
    (found,) = problems(text)
    assert problem in found


def test_a_circle_is_told_with_its_way(problems):
    text = f"""
        services: {{s: {{depends_on: [g]}}, g: {{}}}}
        checks:
          a: {{service: s, {TCP}}}
          b: {{service: g, depends_on: [c], {TCP}}}
          c: {{depends_on: [a], {TCP}}}
    """
    assert problems(text)[0] == (
        "probe.yml:1:28: services.s.depends_on: it depends on itself: a -> g -> b -> c -> a; leave one of them out"
    )


def test_one_name_that_is_misspelt_in_thousands_of_checks_is_told_once(problems):
    checks = "".join(f"  c{number}: {{{TCP}}}\n" for number in range(2000))
    (problem,) = problems(f"defaults: {{depends_on: [gw]}}\nchecks:\n{checks}")
    assert problem.startswith("probe.yml:1:24: defaults.depends_on: no check or service is called gw; names: c0, c1,")
    assert problem.endswith("and 1988 more")


def test_a_long_chain_is_no_circle_and_quickly_looked_through(desk):
    checks = "".join(f"  c{number}: {{depends_on: [c{number + 1}], {TCP}}}\n" for number in range(500))
    assert len(desk.load(f"checks:\n{checks}  c500: {{{TCP}}}\n").checks) == 501


# The documentation.


def test_every_block_of_the_documentation_loads(desk, monkeypatch):
    """The first is of services alone, the second is whole but for what it only names."""
    assert len(BLOCKS) == 2
    services, whole = BLOCKS
    gateway = f"  reports/daily: {{service: reports, {TCP}}}\n  net/gateway: {{{TCP}}}\n"
    found = desk.load(f"{services}checks:\n{gateway}").services
    assert found["reports"].severities[Level.DOWN] is Severity.TICKET
    config = desk.load(whole, {"SLACK_WEBHOOK": "https://hooks.slack.com/services/T0/B0/x"})
    assert [one.name for one in config.routes] == ["route 1", "route 2", "route 3"]
    assert (len(config.alerting.inhibitions), len(config.alerting.quiet), config.alerting.storm_over) == (1, 1, 20)


def test_the_documentation_names_every_key():
    from probe.config.routing import (
        GroupSection,
        InhibitSection,
        QuietSection,
        RouteSection,
        RoutingSection,
        StormSection,
    )

    for section in (RoutingSection, RouteSection, GroupSection, InhibitSection, QuietSection, StormSection):
        for name, field in section.model_fields.items():
            assert re.search(rf"\b{field.alias or name}\b", DOC), (section, name)
