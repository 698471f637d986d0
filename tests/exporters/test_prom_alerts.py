"""Alerts as Prometheus's programs know them: fingerprints, and the body of a webhook of Alertmanager's."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
import pytest

from exporters.base import Notice, NoticeKind
from exporters.message import tidy
from exporters.prom_alerts import fingerprint, prom_alerts, webhook_body
from thresholds.base import Level


# Expected values: what Alertmanager 0.25 of Debian answers to GET /api/v2/alerts after these labels were posted.
@pytest.mark.parametrize(
    ("labels", "wanted"),
    [
        (
            {
                "severity": "critical",
                "alertname": "CheckDown",
                "check": "shop/home",
                "service": "shop",
                "probe": "prod-eu",
            },
            "c4fab51ba3933e5b",
        ),
        ({"alertname": "Überall", "leer": "ä € 💥"}, "1dabbe92046c66a4"),
    ],
)
def test_fingerprints_are_those_of_alertmanager(labels: dict[str, str], wanted: str) -> None:
    assert fingerprint(labels) == wanted


def told(notice: Notice) -> Any:
    return json.loads(msgspec.json.encode(webhook_body(tidy(notice), "ops")))


def assert_webhook_of_alertmanager(body: Any) -> None:
    """Source: Alertmanager's documentation of webhook_config: the keys of a body, version 4."""
    assert set(body) == {
        "version",
        "groupKey",
        "truncatedAlerts",
        "status",
        "receiver",
        "groupLabels",
        "commonLabels",
        "commonAnnotations",
        "externalURL",
        "alerts",
    }
    assert body["version"] == "4"
    assert body["status"] in ("firing", "resolved")
    for alert in body["alerts"]:
        keys = {"status", "labels", "annotations", "startsAt", "endsAt", "generatorURL", "fingerprint"}
        assert set(alert) == keys
        assert len(alert["fingerprint"]) == 16
        datetime.fromisoformat(alert["startsAt"])
        assert body["commonLabels"].items() <= alert["labels"].items()
        assert body["groupLabels"].items() <= alert["labels"].items()
        assert (alert["endsAt"] == "0001-01-01T00:00:00Z") is (alert["status"] == "firing")
    assert (body["status"] == "firing") is any(alert["status"] == "firing" for alert in body["alerts"])


def test_the_body_of_an_opening_has_one_firing_alert(opened: Notice) -> None:
    body = told(opened)
    assert_webhook_of_alertmanager(body)
    assert body["status"] == "firing"
    (alert,) = body["alerts"]
    assert alert["labels"]["alertname"] == "CheckDown"
    assert alert["annotations"]["summary"] == "DOWN shop/home: status 503, wanted 2xx"
    assert alert["startsAt"] == "2026-11-21T10:00:00.000Z"
    assert body["externalURL"] == "https://probe.example"
    assert body["groupKey"] == '{}:{incident="shop/home@1795255200000", probe="prod-eu"}'


@pytest.mark.parametrize("kind", [one for one in NoticeKind if one is not NoticeKind.BULLETIN])
def test_every_kind_makes_a_sound_body_of_the_same_group(opened: Notice, kind: NoticeKind) -> None:
    ended_ms = opened.at_ms if kind in (NoticeKind.RESOLVED, NoticeKind.PASSED) else 0
    body = told(replace(opened, kind=kind, ended_ms=ended_ms))
    assert_webhook_of_alertmanager(body)
    assert body["groupKey"] == told(opened)["groupKey"]
    assert body["status"] == ("resolved" if ended_ms else "firing")


def test_an_acknowledgement_changes_what_is_said_and_not_what_is_known_by(opened: Notice, taken_care: Notice) -> None:
    first, second = next(prom_alerts(opened)), next(prom_alerts(replace(taken_care, labels=opened.labels)))
    assert first.labels == second.labels
    assert not second.ended_ms
    assert second.annotations["acknowledged_by"] == "ana"


def test_a_change_of_level_ends_the_alert_of_the_other(opened: Notice) -> None:
    down, slow = prom_alerts(replace(opened, kind=NoticeKind.CHANGED, was=Level.DEGRADED))
    assert (down.labels["alertname"], down.ended_ms) == ("CheckDown", 0)
    assert (slow.labels["alertname"], slow.ended_ms) == ("CheckDegraded", opened.at_ms)


def test_a_bulletin_is_no_alert(bulletin: Notice) -> None:
    assert list(prom_alerts(bulletin)) == []
