"""What templates can speak of: the values of a notice by name, and examples to try templates on. Pure.

The names are documented in docs/templates.md, and stay. Values are texts, numbers, lists of texts, and mappings of
texts: nothing that could be called.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from exporters.base import Notice, NoticeKind
from exporters.sayings import headline, lasted, rfc3339, seconds_lasted, sentence, summary
from thresholds.base import Level

COLLECTIONS = frozenset(("labels", "evidence", "members", "changes", "actions"))  # what loops go through


def vocabulary(notice: Notice, receiver: str) -> Mapping[str, object]:
    """The values of a notice that `tidy` has made harmless."""
    return {**_told(notice, receiver), **_state(notice), **_times(notice), **_around(notice)}


def _told(notice: Notice, receiver: str) -> Mapping[str, object]:
    return {
        "kind": notice.kind.value,
        "headline": headline(notice),
        "summary": summary(notice),
        "sentence": sentence(notice),
        "subject": notice.subject,
        "title": notice.title,
        "text": notice.text,
        "receiver": receiver,
        "instance": notice.instance,
        "why": notice.why,
        "id": notice.id,
    }


def _state(notice: Notice) -> Mapping[str, object]:
    bulletin = notice.kind is NoticeKind.BULLETIN  # about no incident: nothing is bad, and nothing lasts
    return {
        "incident": notice.incident,
        "number": notice.number,
        "check": notice.check,
        "target": notice.target,
        "level": "" if bulletin else notice.level.name,
        "was": notice.was.name if notice.was.bad else "",
        "severity": notice.severity,
        "firing": notice.firing and not bulletin,
        "reason": notice.reason,
        "count": notice.count,
        "members": list(notice.members),
        "acked_by": notice.acked_by,
    }


def _times(notice: Notice) -> Mapping[str, object]:
    return {
        "since": rfc3339(notice.since_ms),
        "at": rfc3339(notice.at_ms),
        "ended": rfc3339(notice.ended_ms) if notice.ended_ms else "",
        "snoozed_until": rfc3339(notice.snoozed_ms) if notice.snoozed_ms else "",
        "lasted": lasted(notice),
        "seconds": seconds_lasted(notice),
    }


def _around(notice: Notice) -> Mapping[str, object]:
    return {
        "service": notice.service,
        "owner": notice.owner,
        "runbook": notice.runbook,
        "link": notice.link,
        "bridge": notice.bridge,
        "recurrence": notice.recurrence,
        "changes": list(notice.changes),
        "labels": dict(notice.labels),
        "evidence": dict(notice.evidence),
        "actions": dict(notice.actions),
    }


_BEGAN = 1_795_255_200_000  # 2026-11-21T10:00:00Z
_BARE = Notice(
    id="msg_example",
    kind=NoticeKind.OPENED,
    incident="shop/home@1795255200000",
    instance="probe",
    check="shop/home",
    target="",
    level=Level.DOWN,
    since_ms=_BEGAN,
    at_ms=_BEGAN + 252_000,
)


def examples() -> Iterator[Notice]:
    """Notices of every kind, with all that can be known and with next to nothing."""
    full = replace(
        _BARE,
        target="https://shop.example/",
        reason="status 503, wanted 2xx",
        service="shop",
        owner="team-shop",
        runbook="https://wiki.example/runbooks/shop",
        link="https://probe.example/checks/shop/home",
        labels={"tier": "1", "env": "prod"},
        evidence={"total": "1.2 s", "http.status": "503"},
        number=42,
        severity="page",
        title="shop: 2 checks",
        text="Nothing is wrong.\nThis is an example.",
        count=2,
        members=("shop/home DOWN: status 503", "shop/search DOWN: status 503"),
        acked_by="ana",
        recurrence="5th time in 30 days",
        changes=("CHG123 in progress for 10m: new cart",),
        bridge="https://meet.example/shop",
        why="on call in shop, step 1",
        actions={"Acknowledge": "https://probe.example/act/example"},
    )
    for kind in NoticeKind:
        ended_ms = _BEGAN + 600_000 if kind in (NoticeKind.RESOLVED, NoticeKind.PASSED) else 0
        was = Level.DEGRADED if kind is NoticeKind.CHANGED else Level.UNKNOWN
        yield replace(full, kind=kind, ended_ms=ended_ms, was=was)
        yield replace(_BARE, kind=kind, ended_ms=ended_ms)
