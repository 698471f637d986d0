"""Maintenance: when it is, what it covers, and what of it does nothing."""

import os
from itertools import zip_longest

import pytest

from probe.config import load
from thresholds.calendar import parse_instant
from thresholds.hours import parse_hours
from thresholds.maintenance import Cron, Mode, OneOff, Subject

TCP = "tcp: {host: a.example, port: 1}"
CHECKS = f"""
services: {{shop: {{labels: {{env: prod}}}}}}
checks:
  shop/home: {{service: shop, {TCP}}}
  shop/cart: {{service: shop, labels: {{env: test}}, {TCP}}}
  db: {{labels: {{env: prod}}, {TCP}}}
"""
NOW = parse_instant("2026-11-20T12:00", "UTC")
SYDNEY = "Australia/Sydney"
EVENT = """BEGIN:VCALENDAR
BEGIN:VEVENT
DTSTART{of}:{start}
DURATION:PT1H
{more}END:VEVENT
END:VCALENDAR
"""


def window(desk, text, *, zone="UTC"):
    """The one maintenance of a configuration."""
    (found,) = desk.load(f"defaults: {{zone: {zone}}}\nmaintenance: {{m: {{{text}}}}}{CHECKS}").maintenance
    return found


def beginnings(told, wanted):
    """What is told, cut to the length of what is wanted of it."""
    return [one[: len(start)] for one, start in zip_longest(told, wanted, fillvalue="more than is wanted")]


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("when: Sun 02:00-04:00", parse_hours("Sun 02:00-04:00", "UTC")),
        ("when: Sun 02:00-04:00 Australia/Sydney", parse_hours("Sun 02:00-04:00 Australia/Sydney")),
        (f"when: Sun 02:00-04:00, zone: {SYDNEY}", parse_hours("Sun 02:00-04:00", SYDNEY)),
        ("cron: 0 2 * * 0, lasts: 2h", Cron("0 2 * * 0", "UTC", 7200.0)),
        (f"cron: 0 2 * * 0, lasts: 90m, zone: {SYDNEY}", Cron("0 2 * * 0", SYDNEY, 5400.0)),
        # Sydney is eleven hours ahead of UTC in December.
        (
            f"from: 2026-12-01T02:00, to: 2026-12-01 04:00, zone: {SYDNEY}",
            OneOff((parse_instant("2026-11-30T15:00Z", "UTC"), parse_instant("2026-11-30T17:00Z", "UTC"))),
        ),
        (
            f"from: '2026-12-01T02:00+01:00', lasts: 30m, zone: {SYDNEY}",
            OneOff((parse_instant("2026-12-01T01:00Z", "UTC"), parse_instant("2026-12-01T01:30Z", "UTC"))),
        ),
    ],
)
def test_it_is_when_it_says(desk, text, times):
    assert window(desk, f"{text}, checks: ['*']").times == times


def test_its_times_are_on_the_clock_of_the_defaults(desk):
    found = window(desk, "cron: 0 2 * * 0, lasts: 2h, checks: ['*']", zone=SYDNEY)
    assert found.times == Cron("0 2 * * 0", SYDNEY, 7200.0)


def test_a_night_whose_clocks_go_back_is_covered_to_its_end(desk):
    # Berlin, 2026-10-25: 02:30 comes twice, at 00:30 and 01:30 UTC. It begins with the first and ends with the last.
    found = window(desk, "from: 2026-10-25T02:30, to: 2026-10-25T02:45, checks: ['*']", zone="Europe/Berlin")
    span = parse_instant("2026-10-25T00:30Z", "UTC"), parse_instant("2026-10-25T01:45Z", "UTC")
    assert found.times == OneOff(span)


def test_it_covers_and_does_what_it_says(desk):
    found = window(
        desk,
        "when: Sun 02:00-04:00, checks: [shop/*], services: [shop], labels: {env: pr*}, mode: pause, slo: counted, "
        "reason: monthly patches",
    )
    assert (found.name, found.mode, found.excluded, found.reason) == ("m", Mode.PAUSE, False, "monthly patches")
    assert found.covers(Subject("shop/home", "shop", {"env": "prod"}))
    assert not found.covers(Subject("shop/cart", "shop", {"env": "test"}))
    assert not found.covers(Subject("db", "", {"env": "prod"}))


def test_unless_it_says_so_it_mutes_and_does_not_count(desk):
    found = window(desk, "when: Sun 02:00-04:00, checks: ['*']")
    assert (found.mode, found.excluded, found.reason, found.by) == (Mode.MUTE, True, "", "")


def test_a_calendar_is_read_beside_the_file_that_names_it(desk):
    text = EVENT.format(of=f";TZID={SYDNEY}", start="20261201T020000", more="SUMMARY:patches\n")
    desk.write(text, "teams/patches.ics")
    desk.write("maintenance: {m: {ical: patches.ics, services: [shop]}}", "teams/shop.yml")
    config = desk.load(f"include: [teams/*.yml]\nmaintenance: {{n: {{when: daily, checks: [db], zone: UTC}}}}{CHECKS}")
    assert [one.name for one in config.maintenance] == ["n", "m"]
    span = parse_instant("2026-11-30T15:00Z", "UTC"), parse_instant("2026-11-30T16:00Z", "UTC")
    assert config.maintenance[1].times.spans((NOW, NOW + 30 * 86_400_000)) == [span]


def test_times_of_a_calendar_that_name_no_zone_are_on_the_clock_of_the_maintenance(desk):
    desk.write(EVENT.format(of="", start="20261201T020000", more=""), "patches.ics")
    found = window(desk, f"ical: patches.ics, checks: ['*'], zone: {SYDNEY}")
    assert found.spans((NOW, NOW + 30 * 86_400_000))[0][0] == parse_instant("2026-11-30T15:00Z", "UTC")


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("", ["m: it is not said when; write when: Sun 02:00-04:00, or from:, cron:, ical:"]),
        ("when: null", ["m: it is not said when; write when: Sun 02:00-04:00, or from:, cron:, ical:"]),
        ("when: soon", ["m.when: 'soon' is no day, month, date or time"]),
        ("when: daily, cron: 0 2 * * 0", ["m.cron: a second time beside when; write another maintenance"]),
        ("when: daily, lasts: 2h", ["m.lasts: does not go with when; `when` says when it ends; leave it out"]),
        ("when: daily, to: 2026-12-01", ["m.to: does not go with when"]),
        ("when: daily, mode: stop", ["m.mode: wants 'mute' or 'pause'"]),
        ("when: daily, slo: no", ["m.slo: wants 'excluded' or 'counted'"]),
        ("when: daily, wehn: daily", ["m.wehn: unknown key; did you mean when?"]),
        ("when: daily, zone: Sydney", ["m.zone: 'Sydney' is no time zone; did you mean Australia/Sydney"]),
        ("when: daily, labels: {service: shop}", ["m.labels.service: service is taken"]),
        ("cron: 0 2 * * 0", ["m.cron: it never ends; lasts: says when"]),
        ("cron: '@daily', lasts: 1h", ["m.cron: '@daily' is no cron of five fields; write 0 0 * * *"]),
        ("cron: 0 2 30 2 *, lasts: 1h", ["m.cron: '0 2 30 2 *' is no cron: bad day-of-month"]),
        ("cron: 5, lasts: 400d", ["m.cron: '' has 0 fields of cron; wanted five", "m.lasts: must be at most 366d"]),
        ("cron: 0 2 * * 0, to: 2026-12-01", ["m.to: does not go with cron; write lasts: 2h"]),
        ("from: 2026-12-01T02:00", ["m.from: it never ends; to: or lasts: says when"]),
        (
            "from: 2026-12-01T02:00, to: 2026-12-01T03:00, lasts: 1h",
            ["m.lasts: a second end beside to; write one of them"],
        ),
        (
            "from: 2026-12-01T02:00, to: 2026-12-01T02:00",
            ["m.to: it ends before it begins; write the later"],
        ),
        (
            "from: tomorrow, to: 2027",
            ["m.from: 'tomorrow' is no instant; write a date and a time", "m.to: wants a date and a time, as in 2026-"],
        ),
        ("ical: nope.ics", ["m.ical: file nope.ics does not exist"]),
        ("ical: .", ["m.ical: file . is no regular file"]),
        ("ical: half.ics", ["m.ical: half.ics: the calendar ends before END:VEVENT: it is cut off; fetch it whole"]),
        ("ical: odd.ics", ["m.ical: odd.ics: line 3: event without SUMMARY and UID: DTSTART '2026' is no"]),
    ],
)
def test_each_mistake_is_told_at_its_key(desk, text, found):
    desk.write("BEGIN:VCALENDAR\nBEGIN:VEVENT\nDTSTART:20261201T020000\n", "half.ics")
    desk.write(EVENT.format(of="", start="2026", more=""), "odd.ics")
    comma = ", " if text else ""
    told = desk.problems(f"maintenance: {{m: {{{text}{comma}checks: ['*']}}}}{CHECKS}")
    assert beginnings([problem.split(": ", 1)[1].removeprefix("maintenance.") for problem in told], found) == found


def test_maintenance_of_nothing_is_refused_with_a_remedy(problems):
    (found,) = problems(f"maintenance: {{m: {{when: daily, checks: []}}}}{CHECKS}")
    assert found.endswith('m: it covers nothing: it names no checks, services or labels; checks: ["*"] covers all')


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("maintenance: []", "maintenance: wants a mapping, a name for each"),
        ("maintenance: {m: }", "maintenance.m: wants a mapping, `key: value`; it says at least when, and which checks"),
        ("maintenance: {m n: {when: daily, checks: [db]}}", "maintenance.m n: 'm n' is no name for a maintenance"),
    ],
)
def test_what_is_no_maintenance_is_refused(problems, text, problem):
    (found,) = problems(f"{text}{CHECKS}")
    assert found.split(": ", 1)[1].startswith(problem)


def test_a_calendar_is_read_no_further_than_is_allowed(desk):
    with desk.write("", "large.ics").open("wb") as file:
        os.truncate(file.fileno(), 1 << 40)  # of holes: it takes no room
    (found,) = desk.problems(f"maintenance: {{m: {{ical: large.ics, checks: ['*']}}}}{CHECKS}")
    assert found.endswith("maintenance.m.ical: file large.ics is larger than 4 MiB")


def test_a_pipe_is_no_calendar(desk):
    os.mkfifo(desk.folder / "pipe.ics")  # to open it would wait for ever
    (found,) = desk.problems(f"maintenance: {{m: {{ical: pipe.ics, checks: ['*']}}}}{CHECKS}")
    assert found.endswith("maintenance.m.ical: file pipe.ics is no regular file")


@pytest.mark.parametrize(
    ("text", "warnings"),
    [
        ("when: daily, checks: [shop/*, db]", []),
        ("when: daily, checks: ['*'], services: [sh?p], labels: {env: '*'}", []),
        ("when: daily, checks: [probe/*, probe/lag]", []),  # the program's checks on itself
        ("when: daily, checks: [shop/hom]", ["m.checks[0]: no check is called so; did you mean shop/home?"]),
        ("when: daily, checks: [db, 'web/*']", ["m.checks[1]: no check is called so"]),
        ("when: daily, services: [shp]", ["m.services[0]: no service with checks is called so; did you mean shop?"]),
        ("when: daily, checks: [nope], services: [shop]", ["m.checks[0]: no check is called so"]),
        ("when: daily, checks: [probed]", ["m.checks[0]: no check is called so"]),
        ("when: daily, services: [probe]", []),
        ("when: daily, labels: {evn: prod}", ["m.labels.evn: no check has this label; did you mean env?"]),
        ("when: daily, labels: {env: prd}", ["m.labels.env: no check has env prd; did you mean prod?"]),
        ("when: daily, checks: [db], services: [shop]", ["m: it covers no check: none has all that it names"]),
        (
            "from: 2026-11-20T10:00, to: 2026-11-20T12:00, checks: [db]",
            ["m: it is over: it changes no day any more; take it out"],
        ),
        ("from: 2026-11-20T10:00, to: 2026-11-20T12:01, checks: [db]", []),
        ("from: 2099-11-20T10:00, lasts: 1h, checks: [db]", []),
        (
            "when: 2026-11-19 08:00-20:00, checks: [db]",
            ["m: it has no time in the five years to come: it changes no day any more; take it out"],
        ),
        ("when: 2031-11-01 08:00-20:00, checks: [db]", []),
        ("when: 02-29 08:00-20:00, checks: [db]", []),  # in 2028
        ("cron: 0 2 29 2 *, lasts: 1h, checks: [db]", []),
        ("ical: over.ics, checks: [db]", ["m: it has no time in the five years to come: it changes no day any more;"]),
        ("ical: weekly.ics, checks: [db]", []),
    ],
)
def test_maintenance_that_does_nothing_is_a_warning(desk, text, warnings):
    desk.write(EVENT.format(of="", start="20200101T020000", more=""), "over.ics")
    desk.write(EVENT.format(of="", start="20200101T020000", more="RRULE:FREQ=WEEKLY\n"), "weekly.ics")
    path = desk.write(f"defaults: {{zone: UTC}}\nmaintenance: {{m: {{{text}}}}}{CHECKS}")
    found = [warning.split(": ", 1)[1].removeprefix("maintenance.") for warning in load(path, {}, NOW).warnings]
    assert beginnings(found, warnings) == warnings


@pytest.mark.parametrize(
    ("text", "zoned"),
    [
        ("when: Sun 02:00-04:00", False),
        ("when: Sun 02:00-04:00 UTC", True),
        ("when: Sun 02:00-04:00, zone: UTC", True),
        ("cron: 0 2 * * 0, lasts: 1h", False),
        ("cron: 0 2 * * 0, lasts: 1h, zone: UTC", True),
        ("from: 2099-01-01T02:00, to: 2099-01-01T03:00", False),
        ("from: '2099-01-01T02:00Z', to: 2099-01-01T03:00", False),
        ("from: '2099-01-01T02:00Z', to: '2099-01-01T03:00+00:00'", True),
        ("from: '2099-01-01T02:00Z', lasts: 1h", True),
    ],
)
def test_times_on_a_clock_that_nobody_named_are_a_warning(desk, text, zoned):
    found = desk.warnings(f"maintenance: {{m: {{{text}, checks: [db]}}}}{CHECKS}")
    message = "maintenance.m: no time zone is named: its times are UTC; give it a zone"
    assert [one.split(": ", 1)[1] for one in found] == ([] if zoned else [message])


@pytest.mark.parametrize(
    ("of", "start", "head", "zone", "zoned"),
    [
        (";VALUE=DATE", "20990101", "", "", False),
        ("", "20990101T020000", "", "", False),
        ("", "20990101T020000Z", "", "", True),
        (";TZID=Europe/Berlin", "20990101T020000", "", "", True),
        (";VALUE=DATE", "20990101", "X-WR-TIMEZONE:Europe/Berlin\n", "", True),
        (";VALUE=DATE", "20990101", "", ", zone: Europe/Berlin", True),
    ],
)
def test_days_of_a_calendar_on_a_clock_that_nobody_named_are_a_warning(desk, of, start, head, zone, zoned):
    text = EVENT.format(of=of, start=start, more="RRULE:FREQ=YEARLY\n").replace("BEGIN:VEVENT", f"{head}BEGIN:VEVENT")
    desk.write(text.replace("2099", "2020").replace("PT1H", "P1D"), "w.ics")
    found = desk.warnings(f"maintenance: {{m: {{ical: w.ics{zone}, checks: [db]}}}}{CHECKS}")
    message = "maintenance.m: no time zone is named: its days and times without one are UTC; give it a zone"
    assert [one.split(": ", 1)[1] for one in found] == ([] if zoned else [message])
