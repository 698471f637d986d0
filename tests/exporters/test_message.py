"""The texts of a notice: what people read first, and that nothing harmful gets into them."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from exporters.base import Notice, NoticeKind
from exporters.message import (
    body,
    clip_escaped,
    facts,
    fitted,
    headline,
    lasted,
    one_line,
    rfc3339,
    sentence,
    summary,
    tidy,
    utc,
)
from exporters.notifiers.slack import escape
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
