"""The texts of a notice: what people read first, and that nothing harmful gets into them."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from exporters.base import Notice, NoticeKind
from exporters.message import (
    Mood,
    body,
    clip_escaped,
    facts,
    fields,
    fitted,
    footnote,
    headline,
    lasted,
    lede,
    links,
    mood,
    one_line,
    rfc3339,
    sentence,
    summary,
    tidy,
    utc,
)
from exporters.notifiers.slack import escape
from tests.exporters.conftest import BEGAN
from thresholds.base import Level


@pytest.mark.parametrize(
    ("kind", "level", "was", "wanted"),
    [
        (NoticeKind.OPENED, Level.DOWN, Level.UNKNOWN, "DOWN shop/home"),
        (NoticeKind.OPENED, Level.DEGRADED, Level.UNKNOWN, "DEGRADED shop/home"),
        (NoticeKind.CHANGED, Level.DOWN, Level.DEGRADED, "DOWN shop/home, was DEGRADED"),
        (NoticeKind.CHANGED, Level.DEGRADED, Level.DOWN, "DEGRADED shop/home, was DOWN"),
        (NoticeKind.CHANGED, Level.DOWN, Level.UP, "DOWN shop/home"),  # it flaps: it has come and gone before
        (NoticeKind.RESOLVED, Level.DOWN, Level.UNKNOWN, "RECOVERED shop/home, was DOWN for 4m 12s"),
        (NoticeKind.PASSED, Level.DOWN, Level.UNKNOWN, "PASSED shop/home, was DOWN for 4m 12s and recovered"),
    ],
)
def test_headline_says_the_state_first(opened: Notice, kind: NoticeKind, level: Level, was: Level, wanted: str) -> None:
    ended = kind in (NoticeKind.RESOLVED, NoticeKind.PASSED)
    notice = replace(opened, kind=kind, level=level, was=was, ended_ms=opened.at_ms if ended else 0)
    assert headline(notice) == wanted
    assert summary(notice) == f"{wanted}: status 503, wanted 2xx"


def test_headlines_of_what_people_do(taken_care: Notice) -> None:
    """The state first, then the number that people say, then what it is about."""
    told = {
        headline(replace(taken_care, kind=kind, acked_by=who, snoozed_ms=until))
        for kind, who, until in (
            (NoticeKind.OPENED, "", 0),
            (NoticeKind.OPENED, "ana", 0),
            (NoticeKind.REPEATED, "", 0),
            (NoticeKind.ACKNOWLEDGED, "ana", 0),
            (NoticeKind.ACKNOWLEDGED, "ana", BEGAN + 3_600_000),
            (NoticeKind.ACKNOWLEDGED, "", 0),
            (NoticeKind.UNACKNOWLEDGED, "", 0),
        )
    }
    assert told == {
        "DOWN #42 shop: 3 checks",
        "DOWN #42 shop: 3 checks, acknowledged by ana",
        "STILL DOWN #42 shop: 3 checks, for 4m 12s",
        "ACKNOWLEDGED #42 shop: 3 checks by ana",
        "SNOOZED #42 shop: 3 checks by ana until 2026-11-21T11:00:00Z",
        "ACKNOWLEDGED #42 shop: 3 checks",
        "UNACKNOWLEDGED #42 shop: 3 checks, DOWN for 4m 12s",
    }


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_every_kind_says_what_it_is_about_in_every_text(taken_care: Notice, kind: NoticeKind) -> None:
    ended_ms = taken_care.at_ms if kind in (NoticeKind.RESOLVED, NoticeKind.PASSED) else 0
    notice = replace(taken_care, kind=kind, ended_ms=ended_ms)
    for text in (headline(notice), summary(notice), sentence(notice), body(notice)):
        assert "shop: 3 checks" in text


def test_the_mood_is_how_bad_it_is_or_who_cares(opened: Notice, resolved: Notice, bulletin: Notice) -> None:
    slow = replace(opened, level=Level.DEGRADED)
    moods = [mood(one) for one in (opened, slow, replace(opened, acked_by="ana"), resolved, bulletin)]
    assert moods == [Mood.DOWN, Mood.DEGRADED, Mood.TAKEN, Mood.OVER, Mood.NEWS]


def test_body_says_who_cares_what_is_affected_and_what_can_be_done(taken_care: Notice) -> None:
    text = body(taken_care)
    for part in (
        "Severity:  page",
        "Affected:  3 checks",
        "Taken by:  ana",
        "History:   5th time in 30 days",
        "Changes:   CHG123 in progress for 10m: new cart",
        "Bridge:    https://meet.example/shop",
        "Why you:   on call in prodops, step 2",
        "Incident:  #42 shop/home@1795255200000",
        "  shop/cart DOWN: status 503",
        "  and 1 more",
        "  Take it back: https://probe.example/act/s1gned",
    ):
        assert part in text


def test_a_bulletin_says_its_title_and_its_text_and_opens_no_incident(bulletin: Notice) -> None:
    assert headline(bulletin) == summary(bulletin) == "On call in prodops: ana"
    assert lede(bulletin) == ("", "ana until Mon 09:00\nthen bob")
    assert body(bulletin).startswith("On call in prodops: ana\n\nana until Mon 09:00\nthen bob\n")
    assert [name for name, _ in facts(bulletin)] == ["Told by"]
    assert fields(bulletin) == []


def test_a_card_has_the_reason_first_and_links_as_buttons(taken_care: Notice, resolved: Notice) -> None:
    assert lede(taken_care) == ("Reason", "status 503, wanted 2xx")
    assert lede(resolved)[0] == "It was"
    assert [words for words, _ in links(taken_care)] == ["Take it back", "Open in Probe", "Runbook", "Bridge"]
    names = {name for name, _ in fields(taken_care)}
    assert names >= {"Since", "Severity", "Affected", "Taken by", "History", "Changes", "Service", "Owner"}
    assert not names & {"Reason", "Runbook", "Page", "Labels", "Incident"}
    assert "Why you: on call in prodops, step 2" in footnote(taken_care)


def test_new_texts_become_one_harmless_line_too(taken_care: Notice) -> None:
    rude = "two\r\nlines \u202eand" + "x" * 9000
    told = tidy(replace(taken_care, title=rude, acked_by=rude, recurrence=rude, why=rude, severity=rude))
    for text in (told.title, told.acked_by, told.recurrence, told.why, told.severity):
        assert text.startswith("two lines and")
        assert len(text) <= 300


def test_members_changes_texts_and_actions_are_bounded(taken_care: Notice) -> None:
    many = ("a\nb" * 500,) * 500
    text = "one\n  two\x00\n" + "three " * 9000
    links_there = {f"do {number}": f"https://x.example/{number}" for number in range(50)}
    links_there["bad"] = "javascript:alert(1)"
    told = tidy(replace(taken_care, members=many, changes=many, text=text, actions=links_there))
    assert (len(told.members), len(told.changes), len(told.actions)) == (30, 10, 6)
    assert all("\n" not in line and len(line) <= 200 for line in (*told.members, *told.changes))
    assert told.text.startswith("one\n  two\nthree three")
    assert len(told.text) <= 4000


def test_a_bridge_may_be_a_number_to_call(taken_care: Notice) -> None:
    notice = tidy(replace(taken_care, bridge="+61 2 5550 0123\npin 42"))
    assert dict(facts(notice))["Bridge"] == "+61 2 5550 0123 pin 42"
    assert "Bridge" not in [words for words, _ in links(notice)]
    assert dict(fields(notice))["Bridge"] == "+61 2 5550 0123 pin 42"


def test_a_passed_outage_is_told_in_one_sentence(passed: Notice) -> None:
    assert sentence(passed) == "shop/home was DOWN for 4m 12s and has recovered; it was over before it was told."


def test_body_says_what_since_when_why_where_and_who(opened: Notice) -> None:
    text = body(opened)
    for part in (
        "shop/home is DOWN.",
        "status 503, wanted 2xx",
        "2026-11-21T10:00:00Z (for 4m 12s)",
        "https://wiki.example/runbooks/shop",
        "https://probe.example/checks/shop/home",
        "team-shop",
        "tier=1, env=prod",
        "Probe prod-eu",
        "http.status: 503",
    ):
        assert part in text


def test_what_is_not_known_is_left_out(opened: Notice) -> None:
    bare = replace(opened, service="", owner="", runbook="", link="", labels={}, evidence={}, reason="", target="")
    assert [name for name, _ in facts(bare)] == ["Since", "Told by", "Incident"]
    assert summary(bare) == "DOWN shop/home"
    assert "Seen by the run" not in body(bare)


def test_instants_are_rfc_3339_in_utc() -> None:
    # The epoch itself, and the second before the leap second of RFC 3339 section 5.8 (`date -u -d @662687999`).
    assert utc(0) == "1970-01-01T00:00:00Z"
    assert rfc3339(662_687_999_250) == "1990-12-31T23:59:59.250Z"


@pytest.mark.parametrize(
    ("seconds", "wanted"), [(0.4, "400 ms"), (42.4, "42 s"), (252.2, "4m 12s"), (7500.0, "2h 5m"), (360_000.0, "4d 4h")]
)
def test_an_outage_lasted_whole_seconds(opened: Notice, seconds: float, wanted: str) -> None:
    assert lasted(replace(opened, at_ms=opened.since_ms + round(seconds * 1000))) == wanted


def test_a_clock_that_was_set_back_makes_no_negative_length(opened: Notice) -> None:
    assert lasted(replace(opened, at_ms=opened.since_ms - 5000)) == "0.0 ms"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("two\r\nlines\tand\x00more", "two lines and more"),
        ("a\u2028b\u2029c\x85d", "a b c d"),
        ("right-to-left \u202egnp.exe", "right-to-left gnp.exe"),
        ("half \ud83d character", "half character"),
        ("\x1b[31mred\x1b[0m", "[31mred [0m"),
        ("x" * 700, "x" * 599 + "…"),
    ],
)
def test_texts_from_servers_become_one_harmless_line(opened: Notice, text: str, wanted: str) -> None:
    reason = tidy(replace(opened, reason=text)).reason
    assert reason == wanted
    reason.encode()


@pytest.mark.parametrize(
    "url",
    [
        "javascript:alert(1)",
        "https://x.example/\r\nBcc: a@b.example",
        "https://x.example/\nBcc:a@b.example",
        "https://x.example/\u202ey",
        "https://x.example/ y",
        "ftp://x.example",
        "https://",
        "https://x.example/" + "y" * 1000,
        "http://[::1",
        "/relative",
    ],
)
def test_a_link_that_is_none_is_dropped(opened: Notice, url: str) -> None:
    notice = tidy(replace(opened, link=url, runbook=url))
    assert (notice.link, notice.runbook) == ("", "")


def test_tidy_keeps_what_identifies(opened: Notice) -> None:
    assert tidy(opened) == opened


def test_an_endless_notice_is_cut_to_size_evidence_first(opened: Notice) -> None:
    many = {f"fact{number}": "€" * 300 for number in range(60)}
    notice = tidy(replace(opened, reason="€" * 5000, evidence=many, labels={"tier": "1"}))

    def encode(shorter: Notice) -> bytes:
        return msgspec.json.encode({"reason": shorter.reason, "e": shorter.evidence, "l": shorter.labels})

    told = msgspec.json.decode(fitted(notice, 10_000, encode))
    assert len(fitted(notice, 10_000, encode)) < 10_000
    assert list(told["e"]) == [f"fact{number}" for number in range(len(told["e"]))]
    assert told["e"]
    assert told["l"] == {"tier": "1"}
    assert msgspec.json.decode(fitted(notice, 10, encode)) == {"reason": notice.reason, "e": {}, "l": {}}


def test_no_escape_sequence_is_cut_in_two() -> None:
    clipped = clip_escaped("<" * 100, 50, escape)
    assert len(clipped) <= 50
    assert clipped == "&lt;" * (len(clipped) // 4) + "…"
    assert clip_escaped("a<b", 50, escape) == "a&lt;b"


def test_one_line_does_not_read_an_endless_text() -> None:
    assert one_line(" " * 10_000 + "x", 100) == ""
