"""A notice as alerts in Prometheus's sense: known by their labels, with texts beside. Pure.

What changes within an incident must not be a label, so that DOWN and DEGRADED are two alerts, CheckDown and
CheckDegraded: when one begins, the other ends.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from exporters.base import Notice, NoticeKind
from exporters.message import body, rfc3339, summary, utc
from exporters.prometheus import label_name
from thresholds.base import Level

_NAMES = {Level.DOWN: ("CheckDown", "critical"), Level.DEGRADED: ("CheckDegraded", "warning")}
_OTHER = {Level.DOWN: Level.DEGRADED, Level.DEGRADED: Level.DOWN}
# All else tells of the level that was told last: the end of an alert that never fired would make Alertmanager tell
# its group once more.
_MOVES = frozenset((NoticeKind.CHANGED, NoticeKind.RESOLVED, NoticeKind.PASSED))
_NEVER = "0001-01-01T00:00:00Z"  # how Alertmanager writes the end of what lasts
# 64-bit FNV-1a, with a byte after each name and value that no text holds: prometheus/common, model/signature.go.
_OFFSET, _PRIME, _SEPARATOR = 14695981039346656037, 1099511628211, b"\xff"


@dataclass(frozen=True, slots=True)
class PromAlert:
    """One alert: what it is known by, what is said of it, and when it began and ended; `ended_ms` 0: it lasts."""

    labels: dict[str, str]
    annotations: dict[str, str]
    began_ms: int
    ended_ms: int
    link: str


def prom_alerts(notice: Notice) -> Iterator[PromAlert]:
    """The alert of a notice, and the end of that of the other level, which may have been taken before.

    That holds for a PASSED notice too: a receiver can have taken an alert though its answer did not reach us. A
    bulletin makes none.
    """
    if notice.kind is NoticeKind.BULLETIN:
        return
    level = notice.level if notice.level in _NAMES else Level.DOWN
    yield _alert(notice, level, notice.ended_ms)
    if notice.kind in _MOVES:
        yield _alert(notice, _OTHER[level], notice.ended_ms or notice.at_ms)


def _alert(notice: Notice, level: Level, ended_ms: int) -> PromAlert:
    return PromAlert(labels(notice, level), _texts(notice), notice.since_ms, ended_ms, notice.link)


def labels(notice: Notice, level: Level) -> dict[str, str]:
    """What an alert is known by. A configured `severity` wins over ours; other clashes are kept as `exported_...`."""
    name, severity = _NAMES[level]
    ours = {
        "alertname": name,
        "check": notice.check,
        "service": notice.service,
        "owner": notice.owner,
        "probe": notice.instance,
    }
    named = {key: text for key, text in ours.items() if text}
    for key, text in sorted(notice.labels.items()):
        if text:
            named[_free_name(key, ours, named)] = text
    named.setdefault("severity", severity)
    return named


def _free_name(key: str, ours: Mapping[str, str], taken: Mapping[str, str]) -> str:
    """The name that a configured label has in our metrics as well, so that people can join the two."""
    name = label_name(key)
    if name in ours:
        name = f"exported_{name}"
    while name in taken:  # "a-b" and "a.b" are both a_b
        name += "_"
    return name


def _texts(notice: Notice) -> dict[str, str]:
    """What is said of an alert. Whatever may change while it lasts belongs here."""
    told = {
        "summary": summary(notice),
        "description": body(notice),
        "runbook_url": notice.runbook,
        "target": notice.target,
        "reason": notice.reason,
        "incident": notice.incident,
        "number": str(notice.number) if notice.number else "",
        "urgency": notice.severity,
        "acknowledged_by": notice.acked_by,
        "snoozed_until": utc(notice.snoozed_ms) if notice.snoozed_ms else "",
        "recurrence": notice.recurrence,
        "changes": "; ".join(notice.changes),
        "bridge": notice.bridge,
    }
    return {name: text for name, text in told.items() if text}


def fingerprint(labels: Mapping[str, str]) -> str:
    """By which Alertmanager knows an alert: 16 hexadecimal digits."""
    total = _OFFSET
    for name, value in sorted(labels.items()):
        for byte in (*name.encode(), *_SEPARATOR, *value.encode(), *_SEPARATOR):
            total = (total ^ byte) * _PRIME & 0xFFFFFFFFFFFFFFFF
    return f"{total:016x}"


def webhook_body(notice: Notice, receiver: str) -> dict[str, object]:
    """What Alertmanager itself would send to a webhook, version 4; one group for each incident.

    `receiver` is what the configuration calls it. Source: Alertmanager's documentation of `webhook_config`, and
    template.Data in its source.
    """
    told = list(prom_alerts(notice))
    everywhere = set.intersection(*({*one.labels.items()} for one in told)) if told else set()
    said = set.intersection(*({*one.annotations.items()} for one in told)) if told else set()
    return {
        "version": "4",
        "groupKey": f'{{}}:{{incident="{notice.incident}", probe="{notice.instance}"}}',
        "truncatedAlerts": 0,
        "status": "firing" if notice.firing else "resolved",
        "receiver": receiver,
        "groupLabels": {name: text for name, text in told[0].labels.items() if name in ("check", "probe")},
        "commonLabels": dict(sorted(everywhere)),
        "commonAnnotations": dict(sorted(said)),
        "externalURL": _origin(notice.link),
        "alerts": [_shown(one) for one in told],
    }


def _origin(link: str) -> str:
    parts = urlsplit(link)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""


def _shown(alert: PromAlert) -> dict[str, object]:
    return {
        "status": "resolved" if alert.ended_ms else "firing",
        "labels": alert.labels,
        "annotations": alert.annotations,
        "startsAt": rfc3339(alert.began_ms),
        "endsAt": rfc3339(alert.ended_ms) if alert.ended_ms else _NEVER,
        "generatorURL": alert.link,
        "fingerprint": fingerprint(alert.labels),
    }
