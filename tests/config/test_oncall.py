"""On-call as it is configured: what it becomes, every mistake at its place, and what of it does nothing."""

import os
from datetime import datetime
from itertools import zip_longest
from textwrap import dedent
from zoneinfo import ZoneInfo

import pytest

from exporters.notifiers.ntfy import Ntfy
from exporters.oncall.announce import About
from exporters.oncall.escalation import AckUpkeep, Step
from exporters.oncall.override import Override
from exporters.oncall.people import ContactRule
from exporters.oncall.rotation import Grid, LineUp, Period
from exporters.oncall.targets import TargetKind
from probe.config import load
from probe.config.document import Budget, read_table
from probe.config.problems import Report
from probe.config.secrets import Secrets
from probe.config.targets import ON_DUTY, Targets, Wrong
from thresholds.base import Level
from thresholds.calendar import parse_instant
from thresholds.hours import parse_hours

CHECKS = """
checks: {a: {tcp: {host: a.example, port: 1}}}
alerts:
  receivers: {pager: {ntfy: {topic: ops}}, chat: {ntfy: {topic: chat}}, hook: {webhook: {url: https://ops.example/h}}}
  routes: [{to: [chat, hook]}]
"""
USERS = """
users:
  ana: {name: Ana Ruiz, contacts: {pager: ana-topic}}
  bo: {contacts: {pager: bo-topic}}
"""
ROTATION = "rotations: {primary: {start: 2026-11-02T09:00, users: [ana, bo]}}\n"
NOW = parse_instant("2026-11-20T12:00", "UTC")
MADRID = ZoneInfo("Europe/Madrid")
EVENT = """BEGIN:VCALENDAR
BEGIN:VEVENT
SUMMARY:ana
DTSTART:{start}
DURATION:PT8H
RRULE:FREQ=DAILY
END:VEVENT
END:VCALENDAR
"""


def beginnings(told, wanted):
    """What is told, cut to the length of what is wanted of it."""
    return [one[: len(start)] for one, start in zip_longest(told, wanted, fillvalue="more than is wanted")]


def roster(desk, text, users=USERS):
    return desk.load(f"defaults: {{zone: Europe/Madrid}}\n{dedent(users)}{dedent(text)}{CHECKS}").roster


def told(desk, text, users=USERS):
    """Every problem without its place in the file."""
    return [problem.split(": ", 1)[1] for problem in desk.problems(f"defaults: {{zone: UTC}}\n{users}{text}{CHECKS}")]


def warned(desk, text, users=USERS, zone="defaults: {zone: Europe/Madrid}\n", to="chat, hook"):
    path = desk.write(f"{zone}{users}{text}{CHECKS.replace('chat, hook', to)}")
    return [warning.split(": ", 1)[1] for warning in load(path, {}, NOW).warnings]


def test_without_on_call_nobody_is(desk):
    config = desk.load(CHECKS)
    assert (config.roster.users, config.roster.schedules, set(config.receivers)) == ({}, {}, {"pager", "chat", "hook"})


def test_a_person_has_receivers_of_their_own(desk):
    config = desk.load(f"{USERS}{CHECKS}")
    own = config.receivers["ana/pager"]
    assert isinstance(own, Ntfy)
    assert own == config.receivers["pager"].addressed("ana-topic") != config.receivers["pager"]
    assert {name for name in config.receivers if "/" in name} == {"ana/pager", "bo/pager"}


def test_people_are_as_they_are_written(desk):
    users = """
    users:
      ana:
        name: Ana Ruiz
        zone: Asia/Tokyo
        contacts: {pager: ana-topic, chat: ana-chat}
        notify: [{by: pager, severity: page}, {by: chat, after: 5m, level: down}]
      bo: {contacts: {}}
    """
    found = roster(desk, "", users).users
    assert (found["ana"].full_name, found["ana"].zone, found["bo"].zone) == ("Ana Ruiz", "Asia/Tokyo", "Europe/Madrid")
    assert found["ana"].contacts == {"pager": "ana-topic", "chat": "ana-chat"}
    assert found["ana"].rules == (
        ContactRule("pager", 0.0, "page", Level.DEGRADED),
        ContactRule("chat", 300.0, "log", Level.DOWN),
    )
    assert found["bo"].rules == ()


def test_an_address_from_the_environment_is_a_secret(desk):
    users = 'users: {ana: {contacts: {pager: "${env:TOPIC}"}}}\n'
    config = desk.load(f"{users}{CHECKS}", {"TOPIC": "very-private-topic"})
    assert config.roster.users["ana"].contacts == {"pager": "very-private-topic"}
    assert "very-private-topic" in config.secrets
    assert "very-private-topic" not in repr(config.roster)
    (problem,) = desk.problems(f"{users}{CHECKS}", {"TOPIC": "very private topic"})
    assert "private" not in problem
    assert "${env:TOPIC}" in problem
    assert "users.ana.contacts.pager: " in problem


@pytest.mark.parametrize(
    ("every", "turn"),
    [
        ("1 week", (1, Period.WEEK)),
        ("week", (1, Period.WEEK)),
        ("12 hours", (12, Period.HOUR)),
        ("2 Days", (2, Period.DAY)),
        ("3 months", (3, Period.MONTH)),
    ],
)
def test_a_rotation_is_as_it_is_written(desk, every, turn):
    text = f"rotations: {{r: {{zone: Asia/Tokyo, start: 2026-11-02T09:00, every: {every}, users: [bo, ana]}}}}"
    (line_up,) = roster(desk, text).rotations["r"].line_ups
    start = datetime.fromisoformat("2026-11-02T09:00")
    assert line_up == LineUp(("bo", "ana"), Grid(start, ZoneInfo("Asia/Tokyo"), *turn))


def test_line_ups_change_at_instants(desk):
    text = """
    rotations:
      r:
        start: 2026-11-02 09:00
        users: [ana, bo]
        changes:
          - {since: 2027-01-04T09:00, users: [bo]}
          - {since: "2027-02-01T12:00Z", users: [ana, bo], every: 1 day}
    """
    first, second, third = roster(desk, text).rotations["r"].line_ups
    assert (first.grid.every, first.grid.period) == (1, Period.WEEK)
    assert second == LineUp(("bo",), first.grid, parse_instant("2027-01-04T08:00Z", "UTC"))
    at = datetime.fromisoformat("2027-02-01T13:00")  # in Madrid
    assert third == LineUp(("ana", "bo"), Grid(at, MADRID, 1, Period.DAY), parse_instant("2027-02-01T12:00Z", "UTC"))


def test_a_schedule_is_as_it_is_written(desk):
    text = """
    rotations: {primary: {start: 2026-11-02T09:00, users: [ana, bo]}}
    schedules:
      prodops:
        layers:
          - who: rotation:primary
          - {who: [user:ana, user:bo], when: "Mon-Fri 09:00-18:00"}
          - {ical: https://calendar.example/private-42/oncall.ics, refresh: 5m, when: Sat}
        overrides:
          - {from: 2026-12-24T18:00, to: 2026-12-27T09:00, replace: {ana: bo}, reason: holidays}
          - {from: 2026-12-31T18:00, to: 2027-01-01T09:00, add: ana, remove: [bo]}
        announce:
          - {to: chat, on: change}
          - {to: chat, at: "Fri 16:00", what: weekend}
          - {to: hook, at: "09:00"}
        covers: Mon-Fri 08:00-20:00
    """
    found = roster(desk, text).schedules["prodops"]
    primary, office, feed = found.layers
    assert (primary.who, primary.when) == (("rotation:primary",), None)
    assert (office.who, office.when) == (("user:ana", "user:bo"), parse_hours("Mon-Fri 09:00-18:00", MADRID))
    assert (feed.feed.address, feed.feed.refresh) == ("https://calendar.example/private-42/oncall.ics", 300.0)
    assert (feed.feed.name, feed.when) == ("calendar.example", parse_hours("Sat", MADRID))
    assert found.overrides == (
        Override(
            parse_instant("2026-12-24T17:00Z", "UTC"),
            parse_instant("2026-12-27T08:00Z", "UTC"),
            replace={"ana": "bo"},
            schedule="prodops",
            reason="holidays",
        ),
        Override(
            parse_instant("2026-12-31T17:00Z", "UTC"),
            parse_instant("2027-01-01T08:00Z", "UTC"),
            add=("ana",),
            remove=("bo",),
            schedule="prodops",
        ),
    )
    assert [(one.to, one.on_change, one.about) for one in found.announcements] == [
        ("chat", True, About.NOW),
        ("chat", False, About.WEEKEND),
        ("hook", False, About.WEEK),
    ]
    assert found.announcements[1].at.text == "Fri 16:00"
    assert (found.zone, found.covers) == (MADRID, parse_hours("Mon-Fri 08:00-20:00", MADRID))


def test_the_address_of_a_calendar_is_a_secret(desk):
    address = "https://calendar.example/private-42/oncall.ics"
    config = desk.load(f"{USERS}schedules: {{s: {{zone: UTC, layers: [{{ical: {address}}}]}}}}{CHECKS}")
    assert address in config.secrets
    assert "private-42" not in f"{config!r} {config.roster!r} {config.warnings}"


def test_a_calendar_in_a_file_is_read_beside_the_file_that_names_it(desk):
    desk.write(EVENT.format(start="20261101T080000"), "teams/shifts.ics")
    desk.write("schedules: {s: {zone: Asia/Tokyo, layers: [{ical: shifts.ics}]}}", "teams/shop.yml")
    found = desk.load(f"include: [teams/*.yml]\n{USERS}{CHECKS}").roster
    assert found.on_call("s", parse_instant("2026-11-20T08:00", "Asia/Tokyo")) == ("ana",)
    assert found.on_call("s", parse_instant("2026-11-20T16:00", "Asia/Tokyo")) == ()


def test_an_escalation_is_as_it_is_written(desk):
    text = """
    rotations: {primary: {start: 2026-11-02T09:00, users: [ana, bo]}}
    schedules: {prodops: {layers: [{who: rotation:primary}]}}
    escalations:
      prodops:
        steps:
          - {notify: schedule:prodops}
          - {notify: [rotation:primary, user:ana, chat], after: 15m, multi_ack: true}
        repeat: 2
        again: 45m
        ack: {remind: 1h, unack_after: 15m}
      usual: {steps: [{notify: chat}]}
    """
    found = roster(desk, text).escalations
    policy = found["prodops"]
    assert policy.steps == (
        Step(("schedule:prodops",), 0.0),
        Step(("rotation:primary", "user:ana", "chat"), 900.0, multi_ack=True),
    )
    assert (policy.repeat, policy.again, policy.ack) == (2, 2700.0, AckUpkeep(3600.0, 900.0))
    assert (found["usual"].repeat, found["usual"].again, found["usual"].ack) == (0, 1800.0, AckUpkeep())


def test_teams_keep_their_own_people_in_files_of_their_own(desk):
    desk.write(f"{USERS}{ROTATION}schedules: {{s: {{layers: [{{who: rotation:primary}}]}}}}", "teams/shop.yml")
    desk.write("escalations: {s: {steps: [{notify: schedule:s}]}}", "teams/steps.yml")
    found = desk.load(f"include: [teams/*.yml]\n{CHECKS}").roster
    assert (set(found.users), set(found.escalations)) == ({"ana", "bo"}, {"s"})
    (problem,) = desk.problems(f"include: [teams/*.yml]\nusers: {{ana: {{}}}}\n{CHECKS}")
    assert "users.ana: given twice; the first is in" in problem


@pytest.mark.parametrize(
    ("users", "found"),
    [
        ("users: []", ["users: wants a mapping, a name for each"]),
        ("users: {ana: }", ["users.ana: wants a mapping, `key: value`"]),
        ("users: {a/b: {}}", ["users.a/b: 'a/b' is no name here; letters, digits and . _ -, the first a letter"]),
        ("users: {ana: {}, Ana: {}}", ["users.Ana: in a calendar nobody can tell it from ana; change its name"]),
        ("users: {ana: {contact: {}}}", ["users.ana.contact: unknown key; did you mean contacts?"]),
        ("users: {ana: {zone: Madrid}}", ["users.ana.zone: 'Madrid' is no time zone; did you mean Europe/Madrid?"]),
        (
            "users: {ana: {contacts: {pagr: x}}}",
            ["users.ana.contacts.pagr: no receiver is called pagr; did you mean pager?"],
        ),
        (
            "users: {ana: {contacts: {hook: x}}}",
            [
                (
                    "users.ana.contacts.hook: hook cannot reach one person: it has no addresses; receivers that reach "
                    "people: pager, chat"
                )
            ],
        ),
        ("users: {ana: {contacts: {pager: a b}}}", ["users.ana.contacts.pager: "]),
        (
            "users: {ana: {contacts: {pager: 5}}}",
            ["users.ana.contacts.pager: wants a text, not a number; put it in qu"],
        ),
        (
            "users: {ana: {contacts: {pager: x}, notify: [{by: pagr}]}}",
            ["users.ana.notify[0].by: no contact is called pagr; did you mean pager?"],
        ),
        (
            "users: {ana: {contacts: {pager: x}, notify: [{by: pager, severity: high}]}}",
            ["users.ana.notify[0].severity: wants 'page', 'ticket' or 'log'"],
        ),
        (
            "users: {ana: {contacts: {pager: x}, notify: [{by: pager, after: 5}]}}",
            ["users.ana.notify[0].after: 5 is no duration"],
        ),
    ],
)
def test_a_mistake_about_people_is_told_at_its_place(desk, users, found):
    problems = told(desk, "", f"{users}\n")
    assert beginnings(problems, found) == found


def test_a_receiver_cannot_take_the_name_of_a_persons(desk):
    text = CHECKS.replace("{pager:", "{ana/pager: {ntfy: {topic: x}}, pager:")
    found = desk.problems(f"{USERS}{text}")
    assert any("users.ana.contacts.pager: a receiver is already called ana/pager" in one for one in found)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("users: [ana]", ["start: is missing"]),
        ("start: 2026-11-02T09:00", ["users: is missing"]),
        ("start: 2026-11-02T09:00, users: []", ["users: is empty"]),
        ("start: 2026-11-02T09:00, users: [anna]", ["users[0]: no user is called anna; did you mean ana?"]),
        ("start: 2026-11-02T09:00, users: ['user:ana']", ["users[0]: no user is called user:ana; did you mean ana?"]),
        ("start: soon, users: [ana]", ["start: wants a date and a time, as in 2026-11-02T09:00"]),
        (
            "start: '2026-11-02T09:00+01:00', users: [ana]",
            ["start: a handoff is on the wall clock of `zone`; leave the offset out"],
        ),
        (
            "start: 2026-11-02T09:00, every: 7d, users: [ana]",
            ["every: wants a number of hours, days, weeks or months, as in 1 week or 12 hours"],
        ),
        ("start: 2026-11-02T09:00, every: 0 days, users: [ana]", ["every: wants 1 to 366 days"]),
        (
            "start: 2026-10-31T09:00, every: month, users: [ana]",
            ["start: not every month has a day 31; begin on one up to 28"],
        ),
        (
            "start: 2026-11-02T09:00, users: [ana], changes: [{since: 2027-01-01T00:00, users: [b]}]",
            ["changes[0].users[0]: no user is called b; did you mean bo?"],
        ),
        (
            (
                "start: 2026-11-02T09:00, users: [ana], changes: [{since: 2027-02-01T00:00, users: [bo]}, "
                "{since: 2027-01-01T00:00, users: [bo]}]"
            ),
            ["changes[1].since: not after the change before it; write the earliest first"],
        ),
        (
            "start: 2026-11-02T09:00, users: [ana], changes: [{since: 2027-01-31T00:00, every: month, users: [bo]}]",
            ["changes[0].since: not every month has a day 31"],
        ),
    ],
)
def test_a_mistake_in_a_rotation_is_told_at_its_place(desk, text, found):
    problems = [one.removeprefix("rotations.r.") for one in told(desk, f"rotations: {{r: {{{text}}}}}")]
    assert beginnings(problems, found) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["layers: is missing"]),
        ("layers: []", ["layers: is empty"]),
        ("layers: [{when: Sat}]", ["layers[0]: nobody is in it; write who: rotation:NAME, or ical: with a calendar"]),
        ("layers: [{who: []}]", ["layers[0].who: is empty"]),
        ("layers: [{who: ana}]", ["layers[0].who: ana is neither a user nor a rotation; did you mean user:ana?"]),
        ("layers: [{who: [user:ana, bo]}]", ["layers[0].who[1]: bo is neither a user nor a rotation; did you mean us"]),
        ("layers: [{who: user:anna}]", ["layers[0].who: no user is called anna; did you mean user:ana?"]),
        ("layers: [{who: user:primary}]", ["layers[0].who: no user is called primary; did you mean rotation:primary?"]),
        ("layers: [{who: 'schedule:s'}]", ["layers[0].who: a schedule cannot stand here; targets here: user:ana, "]),
        (
            "layers: [{who: 'usr:ana'}]",
            ["layers[0].who: usr:ana is neither a user nor a rotation; did you mean user:a"],
        ),
        ("layers: [{who: user:ana, when: soon}]", ["layers[0].when: 'soon' is no day, month, date or time"]),
        ("layers: [{who: user:ana, ical: x.ics}]", ["layers[0].ical: does not go with who; write another layer"]),
        ("layers: [{who: user:ana, refresh: 5m}]", ["layers[0].refresh: only a calendar is fetched; leave it out"]),
        ("layers: [{ical: nope.ics}]", ["layers[0].ical: file nope.ics does not exist"]),
        ("layers: [{ical: half.ics}]", ["layers[0].ical: half.ics: the calendar ends before END:VEVENT: it is cut"]),
        ("layers: [{ical: good.ics, refresh: 5m}]", ["layers[0].refresh: a file is read with the configuration, and"]),
        (
            "layers: [{ical: 'webcal://calendar.example/x'}]",
            ["layers[0].ical: no address that can be fetched; write https:// in its place"],
        ),
        (
            "layers: [{ical: 'https:///x'}]",
            ["layers[0].ical: no address that can be fetched; write https://..., or a f"],
        ),
        ("layers: [{ical: 'https://a b/x'}]", ["layers[0].ical: no address that can be fetched"]),
        ("layers: [{ical: 'https://a.example/x', refresh: 5s}]", ["layers[0].refresh: must be at least 1m"]),
        (
            "layers: [{who: user:ana}], overrides: [{from: 2026-12-01T00:00, to: 2026-12-02T00:00}]",
            ["overrides[0]: it changes nothing; write replace: {ana: bo}, add: [bo] or remove: [ana]"],
        ),
        (
            "layers: [{who: user:ana}], overrides: [{from: 2026-12-02T00:00, to: 2026-12-01T00:00, add: [zed]}]",
            [
                "overrides[0].to: it ends before it begins; write the later time as to",
                "overrides[0].add[0]: no user is called zed; users: ana, bo",
            ],
        ),
        (
            (
                "layers: [{who: user:ana}], overrides: [{from: 2026-12-01T00:00, to: 2026-12-02T00:00, "
                "replace: {an: bob}, remove: anna}]"
            ),
            [
                "overrides[0].replace.an: no user is called an; did you mean ana?",
                "overrides[0].replace.an: no user is called bob; did you mean bo?",
                "overrides[0].remove: no user is called anna; did you mean ana?",
            ],
        ),
        (
            "layers: [{who: user:ana}], announce: [{to: chats, on: change}]",
            ["announce[0].to: no receiver is called chats; did you mean chat?"],
        ),
        (
            "layers: [{who: user:ana}], announce: [{to: user:ana, on: change}]",
            ["announce[0].to: a user cannot stand here; targets here: pager, chat, hook"],
        ),
        (
            "layers: [{who: user:ana}], announce: [{to: chat}]",
            ["announce[0]: it is not said when; write on: change, or at: Fri 16:00"],
        ),
        (
            "layers: [{who: user:ana}], announce: [{to: chat, on: change, at: '09:00'}]",
            ["announce[0]: both on and at; write on: change, or at: Fri 16:00"],
        ),
        (
            "layers: [{who: user:ana}], announce: [{to: chat, on: change, what: week}]",
            ["announce[0].what: a change is about itself; leave it out"],
        ),
        (
            "layers: [{who: user:ana}], announce: [{to: chat, at: Friday}]",
            ["announce[0].at: 'Friday' is no time of the week; write it as in Fri 16:00, or just 09:00"],
        ),
        ("layers: [{who: user:ana}], covers: 9-18", ["covers: '9-18' is no day, month, date or time"]),
    ],
)
def test_a_mistake_in_a_schedule_is_told_at_its_place(desk, text, found):
    desk.write("BEGIN:VCALENDAR\nBEGIN:VEVENT\n", "half.ics")
    desk.write(EVENT.format(start="20261101T080000"), "good.ics")
    problems = [one.removeprefix("schedules.s.") for one in told(desk, f"{ROTATION}schedules: {{s: {{{text}}}}}")]
    assert beginnings(problems, found) == found


def test_a_calendar_is_read_no_further_than_is_allowed(desk):
    with desk.write("", "large.ics").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)  # of holes: it takes no room
    (problem,) = told(desk, "schedules: {s: {layers: [{ical: large.ics}]}}")
    assert problem == "schedules.s.layers[0].ical: file large.ics is larger than 4 MiB"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("steps: []", ["steps: is empty"]),
        ("steps: [{}]", ["steps[0].notify: is missing"]),
        ("steps: [{notify: ana}]", ["steps[0].notify: no receiver is called ana; did you mean user:ana?"]),
        (
            "steps: [{notify: [chat, schedule:x]}]",
            ["steps[0].notify[1]: no schedule is called x; targets here: pager, "],
        ),
        ("steps: [{notify: escalation:e}]", ["steps[0].notify: an escalation cannot stand here"]),
        (
            "steps: [{notify: chat, after: 5m}, {notify: chat, after: 1m}]",
            ["steps[1].after: sooner than the step before it; write steps in their order"],
        ),
        ("steps: [{notify: chat}], repeat: 1000", ["repeat: must be at most 100"]),
        (
            "steps: [{notify: chat}], ack: {unack_after: 15m}",
            ["ack.unack_after: nobody is ever reminded; write remind"],
        ),
        ("steps: [{notify: chat}], ack: {remind: 5s}", ["ack.remind: must be at least 1m"]),
    ],
)
def test_a_mistake_in_an_escalation_is_told_at_its_place(desk, text, found):
    problems = [one.removeprefix("escalations.e.") for one in told(desk, f"escalations: {{e: {{{text}}}}}")]
    assert beginnings(problems, found) == found


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        (f"{ROTATION}schedules: {{s: {{layers: [{{who: rotation:primary}}]}}}}", []),
        (
            "schedules: {s: {layers: [{who: user:ana, when: Mon-Fri}]}}",
            [
                (
                    "schedules.s: nobody is on call for 26d of the next 90 days, 13 times, first from Sat 2026-11-21 "
                    "00:00 to Mon 2026-11-23 00:00 Europe/Madrid; add a layer, or say with covers when somebody"
                )
            ],
        ),
        ("schedules: {s: {layers: [{who: user:ana, when: Mon-Fri}], covers: Mon-Fri}}", []),
        ("schedules: {s: {layers: [{ical: 'https://calendar.example/x'}]}}", []),  # it is not known yet
        ("schedules: {s: {layers: [{ical: 'http://127.0.0.1:5000/x'}]}}", []),
        (
            "schedules: {s: {layers: [{ical: 'http://calendar.example/x'}]}}",
            ["schedules.s.layers[0].ical: others on the way can read and change who is on call: it is http://; write"],
        ),
        (
            "schedules: {s: {layers: [{who: user:bo, when: Sat}, {who: user:ana}]}}",
            ["schedules.s.layers[0]: it never counts: the layers after it have its time; put it after them"],
        ),
        (
            (
                "schedules: {s: {layers: [{who: user:ana, when: Mon-Fri}], covers: daily}}\n"
                "escalations: {e: {steps: [{notify: schedule:s}]}}"
            ),
            [
                "schedules.s: nobody is on call for 26d",
                "escalations.e: whoever is paged then, nobody is told: for 26d of the next 90 days, 13 times",
            ],
        ),
    ],
)
def test_what_will_not_do_is_a_warning(desk, text, warnings):
    to = "chat, hook, escalation:e" if "escalations" in text else "chat, hook"
    assert beginnings(warned(desk, text, to=to), warnings) == warnings


def test_an_escalation_that_no_route_leads_to_is_a_warning(desk):
    text = "escalations: {e: {steps: [{notify: [chat, user:ana]}]}}"
    assert warned(desk, text) == ["escalations.e: no route leads to it"]
    assert warned(desk, text, to="hook, escalation:e") == []


@pytest.mark.parametrize(
    ("users", "warnings"),
    [
        ("ana: {}", ["users.ana: nothing reaches them: they have no contacts; add contacts: {RECEIVER: ADDRESS}"]),
        (
            "ana: {contacts: {pager: x}, notify: [{by: pager, level: down}]}",
            [],
        ),
    ],
)
def test_whom_nothing_reaches_is_a_warning(desk, users, warnings):
    text = "schedules: {s: {layers: [{who: user:ana}]}}\nescalations: {e: {steps: [{notify: [chat, pager]}]}}"
    told = warned(desk, text, f"users: {{{users}}}\n", to="chat, hook, escalation:e")
    assert beginnings(told, warnings) == warnings


def test_times_on_a_clock_that_nobody_named_are_a_warning(desk):
    schedules = "schedules: {s: {layers: [{who: rotation:primary}]}, t: {zone: UTC, layers: [{who: user:bo}]}}"
    text = f"{ROTATION}{schedules}"
    assert warned(desk, text, zone="") == [
        "rotations.primary: no time zone is named: its handoffs are UTC; give it a zone",
        "schedules.s: no time zone is named: its times are UTC; give it a zone",
    ]
    assert warned(desk, text) == []


def test_receivers_that_only_people_are_reached_by_are_used(desk):
    """The routes lead to chat and hook alone: pager is there for the contacts."""
    assert warned(desk, "") == []
    assert warned(desk, "", users="") == ["alerts.receivers.pager: no route leads to it"]


def test_a_target_is_checked_by_what_the_document_has(desk):
    path = desk.write(f"{USERS}{ROTATION}{CHECKS}")
    targets = Targets.of(read_table(path, str(path), Secrets({}), Report(), Budget()))
    assert targets.names[TargetKind.USER] == ("ana", "bo")
    assert targets.check("chat") is targets.check("user:ana") is targets.check("rotation:primary") is None
    assert targets.check("user:ana", ON_DUTY) is None
    assert targets.check("user:chat") == Wrong("no user is called chat", "did you mean chat?")
