"""A mistake hides no other that can be told honestly: what is wrong elsewhere in a section, or elsewhere at all."""

import pytest


def keys(problems: list[str]) -> list[str]:
    return [problem.split(": ", 2)[1] for problem in problems]


def test_names_in_faulty_sections_of_on_call_are_looked_at(desk):
    problems = desk.problems("""
        users: {ana: {}}
        rotations:
          r: {users: [ana, bob]}
          q: {users: [ana], start: "2026-11-02T09:00", changes: [{users: [cy]}]}
        schedules:
          s: {layers: [{who: user:dan, whne: x}], announce: [{to: nix, at: Fri 16:00, o: 1}]}
        escalations:
          e: {steps: [{notify: [user:ana, user:zed], after: 5}, {notify: rotation:x}]}
        """)
    assert keys(problems) == [
        "rotations.r.start",
        "rotations.r.users[1]",
        "rotations.q.changes[0].since",
        "rotations.q.changes[0].users[0]",
        "schedules.s.layers[0].who",
        "schedules.s.layers[0].whne",
        "schedules.s.announce[0].to",
        "schedules.s.announce[0].o",
        "escalations.e.steps[0].notify[1]",
        "escalations.e.steps[0].after",
        "escalations.e.steps[1].notify",
    ]


def test_what_is_told_twice_is_told_once(desk):
    problems = desk.problems("""
        users: {ana: {}}
        rotations: {r: {users: [bob], start: "2026-11-02T09:00"}}
        schedules: {s: {layers: [{who: [user:dan, rotation:r]}], announce: [{to: nix, at: Fri 16:00}]}}
        escalations: {e: {steps: [{notify: user:zed}]}}
        """)
    assert len(problems) == len(set(keys(problems))) == 4


def test_what_faulty_checks_and_services_depend_on_is_looked_at(desk):
    problems = desk.problems("""
        services: {shop: {ownr: x, depends_on: [nowhere]}, idle: {depends_on: [none]}, hers: {depends_on: [gone]}}
        checks:
          a: {service: hers, tcp: {host: x}, depends_on: [b, nothing]}
          b: {service: shop, tcp: {host: y, port: 1}, depends_on: [a, "store-1"]}
          store-{n}: {for_each: {n: [1, 2]}, tcp: {host: "s{n}"}}
          c: {tcp: {host: y, port: 1}, depends_on: [a, store-2, shelf-2]}
        """)
    assert keys(problems) == [
        "services.shop.ownr",
        "services.shop.depends_on",
        "services.hers.depends_on",
        "checks.a.tcp.port",
        "checks.a.depends_on",
        "checks.store-{n}.tcp.port",
        "checks.c.depends_on",
    ]
    assert "no check or service is called shelf-2" in problems[-1]  # and nothing of a, or of stores


@pytest.mark.parametrize(
    ("schedule", "key"),
    [
        ("cron: 99 * * * *", "cron"),
        ("calendar: [FREQ=NEVER]", "calendar"),
        ("cron: 0 2 * * *, zone: Mars/Base", "zone"),
    ],
)
def test_the_schedule_of_a_heartbeat_with_other_mistakes_is_looked_at(desk, schedule: str, key: str):
    problems = desk.problems(f"checks: {{a: {{heartbeat: {{{schedule}, keys: [short]}}}}}}")
    assert sorted(keys(problems)) == sorted(["checks.a.heartbeat.keys", f"checks.a.heartbeat.{key}"])


def test_a_mistake_that_keeps_no_check_from_being_read_hides_no_rule_about_them(desk):
    problems = desk.problems("""
        instanse: x
        services: {shop: {up_when: 3 of 3}}
        checks: {a: {service: shop, tcp: {host: x, port: 1}}}
        """)
    assert keys(problems) == ["instanse", "services.shop.up_when"]
