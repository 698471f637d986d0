"""PagerDuty: events as the API documents them, one alert per incident."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from exporters.base import Notice, NoticeKind, NotifyError, Post, Trouble
from exporters.notifiers.pagerduty import RECEIVER, Pagerduty, dedup_key
from tests.exporters.conftest import Inbox, loud
from thresholds.base import Level

KEY = "0123456789abcdef0123456789ABCDEF"


def assert_pagerduty_takes(event: Any, size: int) -> None:
    """Source: PagerDuty developer documentation, Events API v2, "Send an Alert Event" and "Size Limits"."""
    assert size <= 512_000
    assert len(event["routing_key"]) == 32
    assert event["event_action"] in ("trigger", "acknowledge", "resolve")
    assert 0 < len(event["dedup_key"].encode()) <= 255
    payload = event["payload"]
    assert 0 < len(payload["summary"]) <= 1024
    assert payload["source"]
    assert payload["severity"] in ("critical", "error", "warning", "info")
    assert isinstance(payload["custom_details"], dict)
    assert all(link["href"].startswith("https://") for link in event.get("links", []))


async def events(inbox: Inbox, post: Post, notice: Notice) -> list[Any]:
    inbox.answer(202, '{"status":"success","message":"Event processed","dedup_key":"x"}')
    await Pagerduty(routing_key=KEY, url=f"{inbox.url}v2/enqueue").send(notice, post)
    assert [taken.path for taken in inbox.taken] == ["/v2/enqueue"] * len(inbox.taken)
    told = [json.loads(taken.body) for taken in inbox.taken]
    for event, taken in zip(told, inbox.taken, strict=True):
        assert_pagerduty_takes(event, len(taken.body))
    return told


async def test_an_incident_opens_an_alert(inbox: Inbox, post: Post, opened: Notice) -> None:
    (event,) = await events(inbox, post, opened)
    assert event["event_action"] == "trigger"
    assert event["dedup_key"] == "prod-eu/shop/home@1795255200000"
    assert event["client"] == "Probe prod-eu"
    assert event["client_url"] == opened.link
    assert event["links"] == [
        {"href": opened.link, "text": "Open in Probe"},
        {"href": opened.runbook, "text": "Runbook"},
    ]
    payload = event["payload"]
    assert payload["summary"] == "DOWN shop/home: status 503, wanted 2xx"
    assert payload["source"] == "https://shop.example/"
    assert payload["severity"] == "critical"
    assert payload["timestamp"] == "2026-11-21T10:04:12.000Z"
    assert (payload["component"], payload["group"], payload["class"]) == ("shop/home", "shop", "DOWN")
    details = payload["custom_details"]
    assert details["since"] == "2026-11-21T10:00:00Z (for 4m 12s)"
    assert details["owner"] == "team-shop"
    assert details["labels"] == {"tier": "1", "env": "prod"}
    assert details["evidence"] == {"total": "1.2 s", "http.status": "503"}


async def test_a_change_updates_the_same_alert(inbox: Inbox, post: Post, opened: Notice, changed: Notice) -> None:
    (event,) = await events(inbox, post, changed)
    assert (event["event_action"], event["payload"]["severity"]) == ("trigger", "warning")
    assert event["dedup_key"] == dedup_key(opened)


async def test_the_end_resolves_it(inbox: Inbox, post: Post, opened: Notice, resolved: Notice) -> None:
    (event,) = await events(inbox, post, resolved)
    assert event["event_action"] == "resolve"
    assert event["dedup_key"] == dedup_key(opened)


async def test_what_has_passed_is_triggered_as_info_and_resolved(inbox: Inbox, post: Post, passed: Notice) -> None:
    trigger, resolve = await events(inbox, post, passed)
    assert (trigger["event_action"], trigger["payload"]["severity"]) == ("trigger", "info")
    assert resolve["event_action"] == "resolve"
    assert trigger["dedup_key"] == resolve["dedup_key"]


@pytest.mark.parametrize(
    ("kind", "acked_by", "wanted"),
    [
        (NoticeKind.OPENED, "", ["trigger"]),
        (NoticeKind.OPENED, "ana", ["trigger", "acknowledge"]),  # told of both at once
        (NoticeKind.REPEATED, "", ["trigger"]),
        (NoticeKind.ACKNOWLEDGED, "ana", ["acknowledge"]),
        (NoticeKind.UNACKNOWLEDGED, "", ["trigger"]),
    ],
)
async def test_what_people_do_reaches_the_same_alert(
    inbox: Inbox, post: Post, taken_care: Notice, kind: NoticeKind, acked_by: str, wanted: list[str]
) -> None:
    told = await events(inbox, post, replace(taken_care, kind=kind, acked_by=acked_by))
    assert [event["event_action"] for event in told] == wanted
    assert {event["dedup_key"] for event in told} == {dedup_key(taken_care)}
    assert told[0]["payload"]["custom_details"]["members"][-1] == "and 1 more"
    assert {"href": "https://probe.example/act/s1gned", "text": "Take it back"} in told[0]["links"]


# Source: PagerDuty's support site, "Dynamic Notifications": critical and error are of high urgency, the others of low.
@pytest.mark.parametrize(
    ("severity", "level", "wanted"),
    [
        ("page", Level.DOWN, "critical"),
        ("page", Level.DEGRADED, "error"),
        ("ticket", Level.DOWN, "warning"),
        ("log", Level.DOWN, "info"),
        ("", Level.DOWN, "critical"),
        ("", Level.DEGRADED, "warning"),
    ],
)
async def test_severity_decides_the_urgency(
    inbox: Inbox, post: Post, opened: Notice, severity: str, level: Level, wanted: str
) -> None:
    (event,) = await events(inbox, post, replace(opened, severity=severity, level=level))
    assert event["payload"]["severity"] == wanted


async def test_a_bulletin_is_a_change_event(inbox: Inbox, post: Post, bulletin: Notice) -> None:
    """Source: PagerDuty developer documentation, Events API v2, "Send a Change Event"."""
    inbox.answer(202, '{"status":"success","message":"Change event processed"}')
    await Pagerduty(routing_key=KEY, url=f"{inbox.url}v2/enqueue").send(bulletin, post)
    (taken,) = inbox.taken
    assert taken.path == "/v2/change/enqueue"
    event = json.loads(taken.body)
    assert set(event) == {"routing_key", "payload", "links"}
    assert event["payload"]["summary"] == "On call in prodops: ana"
    assert event["payload"]["source"] == "Probe prod-eu"
    assert event["payload"]["timestamp"] == "2026-11-21T10:00:00.000Z"
    assert event["payload"]["custom_details"]["text"] == "ana until Mon 09:00\nthen bob"


async def test_a_dead_key_is_the_end_of_the_receiver(inbox: Inbox, post: Post, opened: Notice) -> None:
    inbox.answer(400, '{"status":"invalid event","message":"Event object is invalid","errors":["Invalid routing key"]}')
    with pytest.raises(NotifyError) as caught:
        await Pagerduty(routing_key=KEY, url=inbox.url).send(opened, post)
    assert caught.value.gone
    assert caught.value.kind is Trouble.GONE


async def test_a_trigger_that_was_not_taken_is_not_resolved(inbox: Inbox, post: Post, passed: Notice) -> None:
    inbox.answer(500)
    with pytest.raises(NotifyError):
        await Pagerduty(routing_key=KEY, url=inbox.url).send(passed, post)
    assert len(inbox.taken) == 1


def test_a_long_key_keeps_its_identity(opened: Notice) -> None:
    # 200 characters are 400 bytes: what PagerDuty counts is not said, so both fit.
    long = [replace(opened, incident=f"{'ü' * 200}/{number}") for number in (1, 2)]
    keys = [dedup_key(notice) for notice in long]
    assert len(set(keys)) == 2
    assert all(len(key.encode()) <= 255 for key in keys)
    assert dedup_key(long[0]) == keys[0]
    assert len(dedup_key(replace(opened, instance="", incident="x" * 254))) == 255


async def test_endless_texts_stay_within_the_limits(inbox: Inbox, post: Post, opened: Notice) -> None:
    rude = "\U0001f4a5" * 9000
    await events(inbox, post, replace(loud(opened, rude), incident=rude))


async def test_a_bare_notice_makes_a_sound_event(inbox: Inbox, post: Post, opened: Notice) -> None:
    bare = replace(opened, reason="", service="", owner="", runbook="", link="", labels={}, evidence={}, target="")
    (event,) = await events(inbox, post, replace(bare, level=Level.DEGRADED))
    assert event["payload"]["source"] == "shop/home"
    assert "links" not in event
    assert "client_url" not in event


# Source: the same documentation, "Response Codes & Retry Logic".
@pytest.mark.parametrize(("status", "permanent"), [(400, True), (403, True), (429, False), (500, False), (503, False)])
async def test_refusals(inbox: Inbox, post: Post, opened: Notice, status: int, permanent: bool) -> None:
    inbox.answer(status, f'{{"status":"invalid event","errors":["routing_key {KEY} is unknown"]}}')
    with pytest.raises(NotifyError) as caught:
        await Pagerduty(routing_key=KEY, url=inbox.url).send(opened, post)
    assert caught.value.permanent is permanent
    assert "invalid event" in str(caught.value)
    assert KEY not in str(caught.value)


@pytest.mark.parametrize("key", ["", "short", KEY + "0", KEY[:-1] + "-", "•" * 32])
def test_a_routing_key_has_32_letters_and_digits(key: str) -> None:
    with pytest.raises(ValidationError, match="32 letters and digits") as caught:
        RECEIVER.model_validate({"routing_key": key})
    assert not key or key not in str(caught.value)


def test_events_go_to_pagerduty_unless_told_otherwise() -> None:
    receiver = Pagerduty(routing_key=f"{KEY}\n")
    assert receiver.url.get_secret_value() == "https://events.pagerduty.com/v2/enqueue"
    assert receiver.routing_key.get_secret_value() == KEY
    assert KEY not in repr(receiver)
