"""Notices of every kind, with everything known that can be; and hostile ones."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from exporters.base import Notice, NoticeKind
from thresholds.base import Level

BEGAN = 1_795_255_200_000  # 2026-11-21T10:00:00Z
FULL = Notice(
    id="msg_ad05be1e9bfe48b084bc664b",
    kind=NoticeKind.OPENED,
    incident="shop/home@1795255200000",
    instance="prod-eu",
    check="shop/home",
    target="https://shop.example/",
    level=Level.DOWN,
    since_ms=BEGAN,
    at_ms=BEGAN + 252_000,
    reason="status 503, wanted 2xx",
    service="shop",
    owner="team-shop",
    runbook="https://wiki.example/runbooks/shop",
    link="https://probe.example/incidents/42",
    labels={"tier": "1", "env": "prod"},
    evidence={"total": "1.2 s", "http.status": "503"},
    number=42,
    severity="page",
    count=3,
    members=("shop/home: status 503", "shop/cart: status 503"),
    recurrence="5th time in 30 days, last fix open since 2026-11-03",
    changes=("CHG123 in progress for 10m: new cart",),
    bridge="https://meet.example/shop",
    why="on call in prodops, step 2",
    actions={"Acknowledge": "https://probe.example/do/ack?k=1", "Snooze 1h": "https://probe.example/do/snooze?k=2"},
)
_LATER_MS = FULL.at_ms + 60_000
_ENDED_MS = BEGAN + 300_000


def _next(kind: NoticeKind, **more: Any) -> Notice:
    return replace(FULL, kind=kind, id=f"msg_{kind.value}", at_ms=_LATER_MS, **more)


BY_KIND = {
    NoticeKind.OPENED: FULL,
    NoticeKind.CHANGED: _next(NoticeKind.CHANGED, was=Level.DEGRADED),
    NoticeKind.REPEATED: _next(NoticeKind.REPEATED),
    NoticeKind.ACKNOWLEDGED: _next(NoticeKind.ACKNOWLEDGED, acked_by="ana", snoozed_ms=BEGAN + 3_600_000),
    NoticeKind.UNACKNOWLEDGED: _next(NoticeKind.UNACKNOWLEDGED),
    NoticeKind.RESOLVED: _next(NoticeKind.RESOLVED, ended_ms=_ENDED_MS, actions={}, evidence={}),
    NoticeKind.PASSED: _next(NoticeKind.PASSED, ended_ms=_ENDED_MS, actions={}),
    NoticeKind.BULLETIN: Notice(
        id="msg_bulletin",
        kind=NoticeKind.BULLETIN,
        incident="",
        instance="prod-eu",
        check="",
        target="",
        level=Level.UP,
        since_ms=FULL.at_ms,
        at_ms=FULL.at_ms,
        title="On call in prodops",
        text="ana until Mon 09:00\nthen ben",
    ),
}
EVIL = (
    "<!channel> <@U1> @everyone @here @all @ana [click](https://evil.example) <https://evil.example|click> "
    "<b>x</b> </code></pre> **b** `c` ~~d~~ &amp; & \\ \" ' |x| ![i](https://evil.example/i.png) <at>ana</at>"
)
RUDE = {
    "less": "<" * 5000,
    "and": "&" * 5000,
    "quotes": '"' * 5000,
    "backslashes": "\\" * 5000,
    "stars": "*" * 5000,
    "circles": "\N{LARGE RED CIRCLE}" * 5000,
    "lines": "a\n" * 5000,
    "mentions": "@a " * 2000,
    "evil": EVIL * 20,
}


def said_everywhere(notice: Notice, words: str) -> Notice:
    """The notice with `words` wherever somebody else could have put them, and far too many of them."""
    many = {f"{number}{words}": words for number in range(50)}
    texts: dict[str, Any] = dict.fromkeys(
        ("check", "target", "reason", "service", "owner", "instance", "title", "text", "acked_by", "recurrence"), words
    )
    links = {f"{number} {words}": f"https://probe.example/{'x' * 900}{number}" for number in range(20)}
    lists: dict[str, Any] = {"members": (words,) * 40, "changes": (words,) * 40}
    return replace(
        notice, **texts, **lists, bridge=words, why=words, labels=many, evidence=many, count=1000, actions=links
    )


KINDS = st.sampled_from(list(NoticeKind))
# Encodable text: half characters come from nowhere that is decoded.
TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)
EVIL_TEXTS = st.one_of(TEXTS, st.text("<>&@\"'\\[]()`*_~|! \n\N{LARGE RED CIRCLE}x", max_size=400), st.just(EVIL))
