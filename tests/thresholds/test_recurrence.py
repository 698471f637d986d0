"""Rules that repeat, against the examples of RFC 5545 section 3.8.5.3 and what it says that they give."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from thresholds.recurrence import parse_rule, starts

_ZONE = ZoneInfo("America/New_York")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")

_END = datetime.fromisoformat("2010-01-01")


def _wall(text: str) -> datetime:
    """What a wall clock shows."""
    return datetime.fromisoformat(text)


def _given(rule: str, first: datetime, end: datetime = _END) -> list[datetime]:
    return list(starts(parse_rule(rule, first, _ZONE), first, first, end))


def _upto(end: int) -> str:
    return ",".join(map(str, range(end)))


def _days(text: str) -> list[tuple[int, int, int]]:
    """`1997 Sep 2 9; 1998 Jan 6` as dates."""
    found = []
    for part in text.split(";"):
        year = 0
        month = 0
        for word in part.split():
            if word in _MONTHS:
                month = _MONTHS.index(word) + 1
            elif len(word) == 4:
                year = int(word)
            else:
                found.append((year, month, int(word)))
    return found


@pytest.mark.parametrize(
    ("first", "rule", "days"),
    [
        ("1997-09-02", "FREQ=DAILY;COUNT=10", "1997 Sep 2 3 4 5 6 7 8 9 10 11"),
        ("1997-09-02", "FREQ=DAILY;INTERVAL=10;COUNT=5", "1997 Sep 2 12 22 Oct 2 12"),
        ("1997-09-02", "FREQ=WEEKLY;COUNT=10", "1997 Sep 2 9 16 23 30 Oct 7 14 21 28 Nov 4"),
        (
            "1997-09-02",
            "FREQ=WEEKLY;UNTIL=19971224T000000Z",
            "1997 Sep 2 9 16 23 30 Oct 7 14 21 28 Nov 4 11 18 25 Dec 2 9 16 23",
        ),
        (
            "1997-09-02",
            "FREQ=WEEKLY;INTERVAL=2;WKST=SU",
            "1997 Sep 2 16 30 Oct 14 28 Nov 11 25 Dec 9 23; 1998 Jan 6 20 Feb 3 17",
        ),
        ("1997-09-02", "FREQ=WEEKLY;COUNT=10;WKST=SU;BYDAY=TU,TH", "1997 Sep 2 4 9 11 16 18 23 25 30 Oct 2"),
        (
            "1997-09-01",
            "FREQ=WEEKLY;INTERVAL=2;UNTIL=19971224T000000Z;WKST=SU;BYDAY=MO,WE,FR",
            "1997 Sep 1 3 5 15 17 19 29 Oct 1 3 13 15 17 27 29 31 Nov 10 12 14 24 26 28 Dec 8 10 12 22",
        ),
        ("1997-09-02", "FREQ=WEEKLY;INTERVAL=2;COUNT=8;WKST=SU;BYDAY=TU,TH", "1997 Sep 2 4 16 18 30 Oct 2 14 16"),
        (
            "1997-09-05",
            "FREQ=MONTHLY;COUNT=10;BYDAY=1FR",
            "1997 Sep 5 Oct 3 Nov 7 Dec 5; 1998 Jan 2 Feb 6 Mar 6 Apr 3 May 1 Jun 5",
        ),
        ("1997-09-05", "FREQ=MONTHLY;UNTIL=19971224T000000Z;BYDAY=1FR", "1997 Sep 5 Oct 3 Nov 7 Dec 5"),
        (
            "1997-09-07",
            "FREQ=MONTHLY;INTERVAL=2;COUNT=10;BYDAY=1SU,-1SU",
            "1997 Sep 7 28 Nov 2 30; 1998 Jan 4 25 Mar 1 29 May 3 31",
        ),
        ("1997-09-22", "FREQ=MONTHLY;COUNT=6;BYDAY=-2MO", "1997 Sep 22 Oct 20 Nov 17 Dec 22; 1998 Jan 19 Feb 16"),
        ("1997-09-28", "FREQ=MONTHLY;BYMONTHDAY=-3", "1997 Sep 28 Oct 29 Nov 28 Dec 29; 1998 Jan 29 Feb 26"),
        (
            "1997-09-02",
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=2,15",
            "1997 Sep 2 15 Oct 2 15 Nov 2 15 Dec 2 15; 1998 Jan 2 15",
        ),
        (
            "1997-09-30",
            "FREQ=MONTHLY;COUNT=10;BYMONTHDAY=1,-1",
            "1997 Sep 30 Oct 1 31 Nov 1 30 Dec 1 31; 1998 Jan 1 31 Feb 1",
        ),
        (
            "1997-09-10",
            "FREQ=MONTHLY;INTERVAL=18;COUNT=10;BYMONTHDAY=10,11,12,13,14,15",
            "1997 Sep 10 11 12 13 14 15; 1999 Mar 10 11 12 13",
        ),
        (
            "1997-09-02",
            "FREQ=MONTHLY;INTERVAL=2;BYDAY=TU",
            "1997 Sep 2 9 16 23 30 Nov 4 11 18 25; 1998 Jan 6 13 20 27 Mar 3 10 17 24 31",
        ),
        (
            "1997-06-10",
            "FREQ=YEARLY;COUNT=10;BYMONTH=6,7",
            "1997 Jun 10 Jul 10; 1998 Jun 10 Jul 10; 1999 Jun 10 Jul 10; 2000 Jun 10 Jul 10; 2001 Jun 10 Jul 10",
        ),
        (
            "1997-03-10",
            "FREQ=YEARLY;INTERVAL=2;COUNT=10;BYMONTH=1,2,3",
            "1997 Mar 10; 1999 Jan 10 Feb 10 Mar 10; 2001 Jan 10 Feb 10 Mar 10; 2003 Jan 10 Feb 10 Mar 10",
        ),
        (
            "1997-01-01",
            "FREQ=YEARLY;INTERVAL=3;COUNT=10;BYYEARDAY=1,100,200",
            "1997 Jan 1 Apr 10 Jul 19; 2000 Jan 1 Apr 9 Jul 18; 2003 Jan 1 Apr 10 Jul 19; 2006 Jan 1",
        ),
        ("1997-05-19", "FREQ=YEARLY;BYDAY=20MO", "1997 May 19; 1998 May 18; 1999 May 17"),
        ("1997-03-13", "FREQ=YEARLY;BYMONTH=3;BYDAY=TH", "1997 Mar 13 20 27; 1998 Mar 5 12 19 26; 1999 Mar 4 11 18 25"),
        ("1998-02-13", "FREQ=MONTHLY;BYDAY=FR;BYMONTHDAY=13", "1998 Feb 13 Mar 13 Nov 13; 1999 Aug 13; 2000 Oct 13"),
        (
            "1997-09-13",
            "FREQ=MONTHLY;BYDAY=SA;BYMONTHDAY=7,8,9,10,11,12,13",
            "1997 Sep 13 Oct 11 Nov 8 Dec 13; 1998 Jan 10 Feb 7 Mar 7 Apr 11 May 9 Jun 13",
        ),
        (
            "1996-11-05",
            "FREQ=YEARLY;INTERVAL=4;BYMONTH=11;BYDAY=TU;BYMONTHDAY=2,3,4,5,6,7,8",
            "1996 Nov 5; 2000 Nov 7; 2004 Nov 2",
        ),
        ("1997-09-04", "FREQ=MONTHLY;COUNT=3;BYDAY=TU,WE,TH;BYSETPOS=3", "1997 Sep 4 Oct 7 Nov 6"),
        (
            "1997-09-29",
            "FREQ=MONTHLY;BYDAY=MO,TU,WE,TH,FR;BYSETPOS=-2",
            "1997 Sep 29 Oct 30 Nov 27 Dec 30; 1998 Jan 29 Feb 26 Mar 30",
        ),
        ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=MO", "1997 Aug 5 10 19 24"),
        ("1997-08-05", "FREQ=WEEKLY;INTERVAL=2;COUNT=4;BYDAY=TU,SU;WKST=SU", "1997 Aug 5 17 19 31"),
        ("2007-01-15", "FREQ=MONTHLY;BYMONTHDAY=15,30;COUNT=5", "2007 Jan 15 30 Feb 15 Mar 15 30"),
    ],
)
def test_the_examples_of_the_standard_come_when_it_says(first: str, rule: str, days: str) -> None:
    wanted = _days(days)
    found = [(at.year, at.month, at.day) for at in _given(rule, datetime.fromisoformat(f"{first}T09:00"))]
    bounded = "COUNT" in rule or "UNTIL" in rule
    assert found[: len(wanted)] == wanted
    assert len(found) == len(wanted) or not bounded


def test_every_day_in_january_for_three_years() -> None:
    """Two examples of the standard that give the same."""
    first = _wall("1998-01-01T09:00")
    yearly = _given("FREQ=YEARLY;UNTIL=20000131T140000Z;BYMONTH=1;BYDAY=SU,MO,TU,WE,TH,FR,SA", first)
    daily = _given("FREQ=DAILY;UNTIL=20000131T140000Z;BYMONTH=1", first)
    assert (
        yearly == daily == [_wall(f"{year}-01-{day:02}T09:00") for year in (1998, 1999, 2000) for day in range(1, 32)]
    )


def test_daily_until_a_day_in_utc_ends_with_the_last_start_before_it() -> None:
    """The standard: from 2 September to 23 December."""
    found = _given("FREQ=DAILY;UNTIL=19971224T000000Z", _wall("1997-09-02T09:00"))
    assert (len(found), found[-1]) == (113, _wall("1997-12-23T09:00"))


def test_hours_and_minutes_give_several_times_a_day() -> None:
    """The standard: every 20 minutes from 9:00 to 16:40."""
    rule = "FREQ=DAILY;BYHOUR=9,10,11,12,13,14,15,16;BYMINUTE=0,20,40"
    found = _given(rule, _wall("1997-09-02T09:00"), _wall("1997-09-02T23:00"))
    assert found == [_wall(f"1997-09-02T{hour:02}:{minute:02}") for hour in range(9, 17) for minute in (0, 20, 40)]


def test_the_first_start_counts_though_the_rule_does_not_give_it() -> None:
    assert _given("FREQ=WEEKLY;BYDAY=MO;COUNT=2", _wall("1997-09-02")) == [_wall("1997-09-02"), _wall("1997-09-08")]


def test_a_birthday_with_its_day_alone_comes_once_a_year() -> None:
    found = _given("FREQ=YEARLY;BYMONTHDAY=16", _wall("2020-07-16"), _wall("2022-12-31"))
    assert found == [_wall("2020-07-16"), _wall("2021-07-16"), _wall("2022-07-16")]


@pytest.mark.parametrize(
    ("until", "last"),
    [
        ("19970905T130000Z", 5),  # 09:00 in New York
        ("19970905T125959Z", 4),
        ("19970905T090000", 5),
        ("19970905T085959", 4),
        ("19970905", 5),  # a whole day
    ],
)
def test_until_is_included_in_whatever_way_it_is_written(until: str, last: int) -> None:
    assert _given(f"FREQ=DAILY;UNTIL={until}", _wall("1997-09-02T09:00"))[-1].day == last


@pytest.mark.parametrize("frequency", ["DAILY", "WEEKLY", "MONTHLY", "YEARLY"])
@pytest.mark.parametrize("interval", [1, 3])
def test_a_rule_asked_for_late_goes_on_as_it_began(frequency: str, interval: int) -> None:
    first, begin, end = _wall("1970-01-31T09:00"), _wall("2026-05-01"), _wall("2032-01-01")
    rule = parse_rule(f"FREQ={frequency};INTERVAL={interval};WKST=SU", first, UTC)
    whole = [at for at in starts(rule, first, first, end) if at >= begin]
    assert list(starts(rule, first, begin, end)) == whole
    assert whole


def test_a_rule_that_never_comes_ends_with_the_span() -> None:
    first = _wall("2026-01-01")
    rule = parse_rule("FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", first, UTC)
    assert list(starts(rule, first, _wall("2026-01-02"), _wall("2027-01-01"))) == []


def test_a_rule_without_an_end_goes_on() -> None:
    first = _wall("2026-01-31")
    found = starts(parse_rule("FREQ=MONTHLY", first, UTC), first, first, _wall("2100-01-01"))
    assert [at.month for at in islice(found, 4)] == [1, 3, 5, 7]  # months without a 31st have none


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("FREQ=SECONDLY", "FREQ=SECONDLY is none of DAILY, WEEKLY, MONTHLY, YEARLY; what comes several times a day is"),
        ("INTERVAL=2", "FREQ= is none of"),
        ("FREQ=DAILY;INTERVAL=0", "INTERVAL=0 of a rule is out of range; wanted 1 to 1000"),
        ("FREQ=DAILY;COUNT=0", "COUNT=0 of a rule is out of range"),
        ("FREQ=DAILY;COUNT=99999", "wanted 1 to 10000"),
        ("FREQ=DAILY;COUNT=2;UNTIL=20270101", "COUNT and UNTIL stand in one rule"),
        ("FREQ=DAILY;UNTIL=tomorrow", "UNTIL=TOMORROW of a rule is no date"),
        ("FREQ=DAILY;BYMONTH=13", "BYMONTH of a rule has '13'; wanted numbers from 1 to 12"),
        ("FREQ=MONTHLY;BYMONTHDAY=0", "BYMONTHDAY of a rule has 0"),
        ("FREQ=WEEKLY;BYDAY=1MO", "1MO counts days of a month; write FREQ=MONTHLY, or BYDAY=MO"),
        ("FREQ=MONTHLY;BYDAY=XX", "'XX' is no day of a rule"),
        ("FREQ=YEARLY;BYWEEKNO=20", "'BYWEEKNO' in a rule is not known here"),
        ("FREQ=DAILY;FREQ=WEEKLY", "FREQ of a rule stands twice"),
        ("FREQ=DAILY;BYDAY=", "BYDAY of a rule has no value"),
        (f"FREQ=DAILY;BYHOUR={_upto(24)};BYMINUTE={_upto(60)}", "comes 1440 times a day"),
        ("FREQ=MONTHLY;BYMONTH=2;BYMONTHDAY=30;COUNT=2", "COUNT=2 is not reached"),
        ("FREQ=DAILY;" + "X" * 2000, "too long"),
    ],
)
def test_what_is_wrong_with_a_rule_is_told_with_what_would_be_right(rule: str, told: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_rule(rule, _wall("2026-01-01"), UTC)
    assert told in str(caught.value)
