"""Alertmanager: alerts whose labels never change, told to all peers, and told again."""

from __future__ import annotations

import json
import logging
import re
from base64 import b64encode
from dataclasses import replace
from datetime import datetime
from typing import Any

import pytest
from pydantic import ValidationError

from exporters.base import Notice, Notifier, NotifyError, Post, Refreshing
from exporters.notifiers.alertmanager import RECEIVER, Alertmanager, alerts
from exporters.prom_alerts import labels
from tests.exporters.conftest import BEGAN, Inbox, Serve
from tests.exporters.test_post import free_port, silent
from thresholds.base import Level

NOW = BEGAN + 300_000


def told(inbox: Inbox) -> list[dict[str, Any]]:
    return [alert for taken in inbox.taken for alert in json.loads(taken.body)]


def ends(notices: list[Notice], now_ms: int = NOW) -> dict[str, str]:
    return {alert.labels["alertname"]: alert.ends for alert in alerts(notices, now_ms, 60.0)}


async def test_an_open_incident_is_one_firing_alert(inbox: Inbox, post: Post, opened: Notice) -> None:
    await Alertmanager(urls=[inbox.url]).refresh([opened], NOW, post)
    assert inbox.taken[0].path == "/api/v2/alerts"
    (alert,) = told(inbox)
    assert alert["labels"] == {
        "alertname": "CheckDown",
        "severity": "critical",
        "check": "shop/home",
        "service": "shop",
        "owner": "team-shop",
        "probe": "prod-eu",
        "tier": "1",
        "env": "prod",
    }
    assert alert["annotations"]["summary"] == "DOWN shop/home: status 503, wanted 2xx"
    assert alert["annotations"]["runbook_url"] == opened.runbook
    assert "2026-11-21T10:00:00Z" in alert["annotations"]["description"]
    assert alert["generatorURL"] == opened.link
    assert alert["startsAt"] == "2026-11-21T10:00:00.000Z"
    assert alert["endsAt"] == "2026-11-21T10:09:00.000Z"  # four refreshes from now


async def test_send_tells_it_with_an_end_in_the_future(inbox: Inbox, post: Post, opened: Notice) -> None:
    await Alertmanager(urls=[inbox.url]).send(opened, post)
    left = datetime.fromisoformat(told(inbox)[0]["endsAt"]).timestamp() - datetime.now().astimezone().timestamp()
    assert 180 < left <= 240


def test_another_level_is_another_alert_and_ends_the_first(opened: Notice, changed: Notice) -> None:
    assert ends([opened]) == {"CheckDown": "2026-11-21T10:09:00.000Z"}
    assert ends([changed]) == {"CheckDegraded": "2026-11-21T10:09:00.000Z", "CheckDown": "2026-11-21T10:04:12.000Z"}
    worse = replace(changed, level=Level.DOWN)
    assert ends([worse]) == {"CheckDown": "2026-11-21T10:09:00.000Z", "CheckDegraded": "2026-11-21T10:04:12.000Z"}


def test_the_end_ends_both_levels(resolved: Notice) -> None:
    # Its level is the worst of the incident; the one that was told last may be the other.
    assert ends([resolved]) == dict.fromkeys(("CheckDown", "CheckDegraded"), "2026-11-21T10:04:12.000Z")


def test_what_has_passed_arrives_ended(passed: Notice) -> None:
    assert ends([passed]) == dict.fromkeys(("CheckDown", "CheckDegraded"), "2026-11-21T10:04:12.000Z")


def test_labels_stay_the_same_through_an_incident(opened: Notice, changed: Notice, resolved: Notice) -> None:
    first, other = alerts([changed], NOW, 60.0)
    assert other.labels == alerts([opened], NOW, 60.0)[0].labels
    assert [alert.labels for alert in alerts([resolved], NOW, 60.0)] == [other.labels, first.labels]
    later = replace(opened, reason="status 502", evidence={}, at_ms=NOW, id="other")
    assert alerts([later], NOW, 60.0)[0].labels == other.labels


def test_the_end_of_an_old_incident_does_not_end_a_new_one(opened: Notice, resolved: Notice) -> None:
    old = replace(resolved, since_ms=BEGAN - 600_000, ended_ms=BEGAN - 300_000, incident="shop/home@1")
    for notices in ([old, opened], [opened, old]):
        assert ends(notices) == {"CheckDown": "2026-11-21T10:09:00.000Z", "CheckDegraded": "2026-11-21T09:55:00.000Z"}


def test_an_alert_never_ends_before_it_began(resolved: Notice) -> None:
    for alert in alerts([replace(resolved, ended_ms=BEGAN - 5)], NOW, 60.0):
        assert alert.ends == alert.starts


def test_configured_labels_keep_to_prometheus_s_names_and_clash_with_none(opened: Notice) -> None:
    given = {
        "a-b": "1",
        "a.b": "2",
        "2nd": "3",
        "__x": "4",
        "check": "5",
        "probe": "6",
        "ünï": "7",
        "empty": "",
        "": "8",
    }
    named = labels(replace(opened, labels=given), Level.DOWN)
    # Source: prometheus.io/docs/concepts/data_model, label names.
    assert all(re.fullmatch("[a-zA-Z_][a-zA-Z0-9_]*", name) for name in named)
    assert named["check"] == "shop/home"
    assert named["exported_check"] == "5"
    assert named["probe"] == "prod-eu"
    assert named["exported_probe"] == "6"
    assert named["a_b"] == "1"
    assert named["a_b_"] == "2"
    assert sorted(named.values()) == sorted(
        [*"12345678", "CheckDown", "critical", "shop/home", "shop", "team-shop", "prod-eu"]
    )


def test_a_configured_severity_is_the_one_to_route_by(opened: Notice) -> None:
    assert labels(replace(opened, labels={"severity": "page"}), Level.DOWN)["severity"] == "page"


async def test_many_are_told_in_batches(inbox: Inbox, post: Post, opened: Notice) -> None:
    many = [replace(opened, check=f"shop/{number}") for number in range(150)]
    await Alertmanager(urls=[inbox.url]).refresh(many, NOW, post)
    assert [len(json.loads(taken.body)) for taken in inbox.taken] == [64, 64, 22]
    assert {alert["labels"]["check"] for alert in told(inbox)} == {notice.check for notice in many}


async def test_nothing_to_tell_is_nothing_sent(inbox: Inbox, post: Post) -> None:
    await Alertmanager(urls=[inbox.url]).refresh([], NOW, post)
    assert inbox.taken == []


async def test_every_peer_is_told(inbox: Inbox, other_inbox: Inbox, post: Post, opened: Notice) -> None:
    await Alertmanager(urls=[inbox.url, f"{other_inbox.url}prefix/"]).send(opened, post)
    assert len(inbox.taken) == 1
    assert other_inbox.taken[0].path == "/prefix/api/v2/alerts"


async def test_one_peer_is_enough_and_the_others_are_named_in_the_log(
    inbox: Inbox, other_inbox: Inbox, post: Post, serve: Serve, opened: Notice, caplog: pytest.LogCaptureFixture
) -> None:
    other_inbox.answer(503)
    mute, closed = await serve(silent), free_port()
    urls = [f"http://127.0.0.1:{closed}", f"http://127.0.0.1:{mute}", other_inbox.url, inbox.url]
    with caplog.at_level(logging.WARNING):
        await Alertmanager(urls=urls, timeout=0.2).send(opened, post)
    assert len(inbox.taken) == 1
    assert [record.message.removeprefix("alertmanager ") for record in caplog.records] == [
        f"127.0.0.1:{closed}: cannot connect: connection refused; another peer took it",
        f"127.0.0.1:{mute}: no answer within 200 ms; another peer took it",
        f"{other_inbox.url[7:-1]} answered 503; another peer took it",
    ]


@pytest.mark.parametrize(
    ("first", "second", "permanent", "wait"),
    [
        ((503, {"Retry-After": "30"}), (429, {"Retry-After": "10"}), False, 10.0),
        ((503, {"Retry-After": "30"}), (500, {}), False, None),
        ((400, {}), (503, {}), False, None),
        ((400, {}), (401, {}), True, None),
    ],
)
async def test_no_peer_is_an_error_that_names_all(
    inbox: Inbox,
    other_inbox: Inbox,
    post: Post,
    opened: Notice,
    first: tuple[int, dict[str, str]],
    second: tuple[int, dict[str, str]],
    permanent: bool,
    wait: float | None,
) -> None:
    inbox.answers, other_inbox.answers = [(*first, b"")], [(*second, b"")]
    with pytest.raises(NotifyError) as caught:
        await Alertmanager(urls=[inbox.url, other_inbox.url]).send(opened, post)
    assert (caught.value.permanent, caught.value.retry_after) == (permanent, wait)
    assert inbox.url[7:-1] in str(caught.value)
    assert other_inbox.url[7:-1] in str(caught.value)


async def test_login(inbox: Inbox, post: Post, opened: Notice) -> None:
    await Alertmanager(urls=[inbox.url], username="probe", password="pässword").send(opened, post)
    await Alertmanager(urls=[inbox.url], bearer="t0ken", headers={"X-Scope-OrgID": "ops"}).send(opened, post)
    wanted = b64encode("probe:pässword".encode()).decode()
    assert [taken.headers["Authorization"] for taken in inbox.taken] == [f"Basic {wanted}", "Bearer t0ken"]
    assert inbox.taken[1].headers["X-Scope-OrgID"] == "ops"


async def test_error_repeats_no_secret(inbox: Inbox, post: Post, opened: Notice) -> None:
    inbox.answer(401, "bad token t0ken-of-ours")
    receiver = Alertmanager(urls=[inbox.url], bearer="t0ken-of-ours")
    with pytest.raises(NotifyError) as caught:
        await receiver.send(opened, post)
    assert "t0ken-of-ours" not in str(caught.value) + repr(receiver)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"urls": []}, "at least 1 item"),
        ({"urls": ["am.example:9093"]}, "no URL that can be posted to"),
        ({"urls": ["http://u:p@am.example"]}, "holds credentials"),
        ({"urls": ["http://am.example/?a=b"]}, "must end with its path"),
        ({"urls": ["http://am.example"], "username": "probe"}, "both `username` and `password`"),
        ({"urls": ["http://am.example"], "password": "x"}, "both `username` and `password`"),
        ({"urls": ["http://am.example"], "bearer": "x", "username": "u", "password": "p"}, "choose one of"),
        ({"urls": ["http://am.example"], "bearer": "x", "headers": {"authorization": "y"}}, "choose one of"),
        ({"urls": ["http://am.example"], "refresh_every": "10ms"}, "at least 1s"),
        ({"urls": ["http://am.example"], "refresh_every": 60}, "no duration"),
    ],
)
def test_mistakes(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        RECEIVER.model_validate(given)


def test_it_is_a_receiver_that_is_refreshed() -> None:
    receiver = Alertmanager(urls=["http://am.example:9093/api/v2/alerts", "http://am.example/prefix/"])
    notifier: Notifier = receiver
    refreshing: Refreshing = receiver
    assert isinstance(notifier, Refreshing)
    assert (refreshing.refresh_every, refreshing.keep_resolved) == (60.0, 900.0)
    assert receiver.urls == ("http://am.example:9093", "http://am.example/prefix")


async def test_an_acknowledgement_does_not_end_it(inbox: Inbox, post: Post, taken_care: Notice) -> None:
    await Alertmanager(urls=[inbox.url]).send(taken_care, post)
    (firing,) = json.loads(inbox.taken[0].body)
    assert firing["labels"]["alertname"] == "CheckDown"
    assert datetime.fromisoformat(firing["endsAt"]).timestamp() * 1000 > taken_care.at_ms
    assert firing["annotations"]["acknowledged_by"] == "ana"
    assert firing["annotations"]["number"] == "42"


async def test_a_bulletin_is_nothing_to_alertmanager(inbox: Inbox, post: Post, bulletin: Notice) -> None:
    peers = Alertmanager(urls=[inbox.url])
    await peers.send(bulletin, post)
    assert inbox.taken == []
    assert peers.lifecycle
