"""Signed webhooks: the standard's own vector, what a receiver gets, and what a configuration may say."""

from __future__ import annotations

import hashlib
import hmac
import json
import time
from base64 import b64decode, b64encode
from dataclasses import replace

import pytest
from pydantic import ValidationError

from exporters.base import Notice, NoticeKind, NotifyError, Post
from exporters.notifiers.webhook import RECEIVER, Webhook, message_id, payload, signed, signing_key
from tests.exporters.conftest import BEGAN, Inbox, loud

SECRET = "whsec_" + b64encode(b"k" * 32).decode()
OLD_SECRET = "whsec_" + b64encode(b"o" * 24).decode()


def test_signature_is_that_of_the_standard() -> None:
    # Source: github.com/standard-webhooks/standard-webhooks, the reference library's test of its sign function
    # (libraries/python/tests/test_webhooks.py, test_sign_function).
    headers = signed(
        [signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")],
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        1614265330,
        b'{"test": 2432232314}',
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


async def test_delivery_is_signed_over_id_instant_and_the_body_as_it_was_sent(
    inbox: Inbox, post: Post, opened: Notice
) -> None:
    before = int(time.time())
    await Webhook(url=inbox.url, secret=SECRET).send(opened, post)
    taken = inbox.taken[0]
    stamp = taken.headers["webhook-timestamp"]
    assert before <= int(stamp) <= int(time.time())
    text = b".".join([taken.headers["webhook-id"].encode(), stamp.encode(), taken.body])
    wanted = b64encode(hmac.new(b"k" * 32, text, hashlib.sha256).digest()).decode()
    assert taken.headers["webhook-signature"] == f"v1,{wanted}"
    assert taken.headers["Content-Type"] == "application/json"


async def test_two_keys_give_two_signatures(inbox: Inbox, post: Post, opened: Notice) -> None:
    await Webhook(url=inbox.url, secret=[SECRET, OLD_SECRET]).send(opened, post)
    signatures = inbox.taken[0].headers["webhook-signature"].split(" ")
    assert len(set(signatures)) == 2
    assert all(signature.startswith("v1,") and len(b64decode(signature[3:])) == 32 for signature in signatures)


async def test_without_a_secret_there_is_no_signature(inbox: Inbox, post: Post, opened: Notice) -> None:
    await Webhook(url=inbox.url, headers={"Authorization": "Bearer abc"}).send(opened, post)
    headers = inbox.taken[0].headers
    assert "webhook-signature" not in headers
    assert headers["webhook-id"] == opened.id
    assert headers["Authorization"] == "Bearer abc"


async def test_id_stays_the_same_when_it_is_tried_again(inbox: Inbox, post: Post, opened: Notice) -> None:
    inbox.answer(503)
    hook = Webhook(url=inbox.url, secret=SECRET)
    for _ in range(2):
        with pytest.raises(NotifyError):
            await hook.send(opened, post)
    first, second = inbox.taken
    assert first.headers["webhook-id"] == second.headers["webhook-id"]
    assert first.body == second.body


@pytest.mark.parametrize("identity", ["shop.example/home@1.2", "geschäft/zürich", "a b\r\nX-Evil: 1", "a%2Eb"])
def test_id_fits_a_header_and_holds_no_full_stop(opened: Notice, identity: str) -> None:
    sent = message_id(replace(opened, id=identity))
    assert sent.isascii()
    assert sent.isprintable()
    assert "." not in sent
    assert " " not in sent


def test_different_ids_stay_different(opened: Notice) -> None:
    assert message_id(replace(opened, id="a.b")) != message_id(replace(opened, id="a%2Eb"))


def test_payload_of_an_open_incident(opened: Notice) -> None:
    assert json.loads(payload(opened)) == {
        "type": "incident.opened",
        "timestamp": "2026-11-21T10:04:12.000Z",
        "data": {
            "id": "msg_ad05be1e9bfe48b084bc664b",
            "incident": "shop/home@1795255200000",
            "number": 0,
            "instance": "prod-eu",
            "subject": "shop/home",
            "check": "shop/home",
            "target": "https://shop.example/",
            "level": "down",
            "was": None,
            "severity": "",
            "firing": True,
            "since": "2026-11-21T10:00:00.000Z",
            "ended": None,
            "seconds": 252.0,
            "summary": "DOWN shop/home: status 503, wanted 2xx",
            "reason": "status 503, wanted 2xx",
            "text": "",
            "count": 1,
            "members": [],
            "acknowledged_by": "",
            "snoozed_until": None,
            "resolved_by": "",
            "again": 0,
            "recurrence": "",
            "changes": [],
            "service": "shop",
            "owner": "team-shop",
            "runbook": "https://wiki.example/runbooks/shop",
            "bridge": "",
            "link": "https://probe.example/checks/shop/home",
            "actions": {},
            "why": "",
            "labels": {"tier": "1", "env": "prod"},
            "evidence": {"total": "1.2 s", "http.status": "503"},
        },
    }


def test_payloads_of_the_other_kinds(changed: Notice, resolved: Notice, passed: Notice) -> None:
    told = [json.loads(payload(notice)) for notice in (changed, resolved, passed)]
    assert [one["type"] for one in told] == ["incident.changed", "incident.resolved", "incident.passed"]
    assert [one["data"]["firing"] for one in told] == [True, False, False]
    assert [one["data"]["ended"] for one in told] == [None, "2026-11-21T10:04:12.000Z", "2026-11-21T10:04:12.000Z"]


def test_payload_says_what_people_do(taken_care: Notice) -> None:
    until = replace(taken_care, snoozed_ms=BEGAN + 3_600_000)
    told = json.loads(payload(until))
    assert told["type"] == "incident.acknowledged"
    data = told["data"]
    assert (data["acknowledged_by"], data["snoozed_until"]) == ("ana", "2026-11-21T11:00:00.000Z")
    assert (data["number"], data["subject"], data["severity"], data["count"]) == (42, "shop: 3 checks", "page", 3)
    assert data["members"] == ["shop/home DOWN: status 503", "shop/cart DOWN: status 503"]
    assert data["actions"] == {"Take it back": "https://probe.example/act/s1gned"}
    others = {
        json.loads(payload(replace(until, kind=kind)))["type"]
        for kind in (NoticeKind.REPEATED, NoticeKind.UNACKNOWLEDGED)
    }
    assert others == {"incident.repeated", "incident.unacknowledged"}


def test_a_bulletin_is_no_incident(bulletin: Notice) -> None:
    assert json.loads(payload(bulletin)) == {
        "type": "bulletin",
        "timestamp": "2026-11-21T10:00:00.000Z",
        "data": {
            "id": "msg_roster",
            "instance": "prod-eu",
            "title": "On call in prodops: ana",
            "text": "ana until Mon 09:00\nthen bob",
            "link": "",
            "why": "",
        },
    }


async def test_a_body_of_alertmanagers_is_signed_all_the_same(inbox: Inbox, post: Post, opened: Notice) -> None:
    hook = Webhook(url=inbox.url, secret=SECRET, format="alertmanager").named("ops")
    await hook.send(opened, post)
    taken = inbox.taken[0]
    text = b".".join([taken.headers["webhook-id"].encode(), taken.headers["webhook-timestamp"].encode(), taken.body])
    signature = b64encode(hmac.new(b"k" * 32, text, hashlib.sha256).digest()).decode()
    assert taken.headers["webhook-signature"] == f"v1,{signature}"
    told = json.loads(taken.body)
    assert (told["version"], told["receiver"], told["status"]) == ("4", "ops", "firing")


async def test_alertmanagers_form_has_nothing_for_a_bulletin(inbox: Inbox, post: Post, bulletin: Notice) -> None:
    await Webhook(url=inbox.url, format="alertmanager").send(bulletin, post)
    assert inbox.taken == []


# Source: the Standard Webhooks specification, on 410: the endpoint should be disabled. A 404 is not mentioned there.
@pytest.mark.parametrize(("status", "gone"), [(410, True), (404, False), (403, False), (500, False)])
async def test_410_is_the_end_of_the_receiver(
    inbox: Inbox, post: Post, opened: Notice, status: int, gone: bool
) -> None:
    inbox.answer(status)
    with pytest.raises(NotifyError) as caught:
        await Webhook(url=inbox.url).send(opened, post)
    assert caught.value.gone is gone


async def test_body_stays_below_20_kb_whatever_a_server_says(inbox: Inbox, post: Post, opened: Notice) -> None:
    rude = "\x00\n" + "\U0001f4a5" * 9000
    await Webhook(url=inbox.url, secret=SECRET).send(loud(opened, rude), post)
    assert len(inbox.taken[0].body) < 20_000
    assert json.loads(inbox.taken[0].body)["data"]["reason"].startswith("\U0001f4a5")


async def test_error_repeats_neither_address_nor_secret(inbox: Inbox, post: Post, opened: Notice) -> None:
    hook = Webhook(url=f"{inbox.url}hook/t0ken-abc?key=k3y-abcdef", secret=SECRET, headers={"X-Key": "h3ader-value"})
    inbox.answer(404, f"Cannot POST /hook/t0ken-abc?key=k3y-abcdef with h3ader-value and {SECRET}")
    with pytest.raises(NotifyError) as caught:
        await hook.send(opened, post)
    error = str(caught.value)
    assert error.startswith("webhook 127.0.0.1:")
    for secret in ("t0ken-abc", "k3y-abcdef", "h3ader-value", SECRET):
        assert secret not in error
        assert secret not in repr(hook)
    assert caught.value.permanent


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"url": "ops.example/hook"}, "no URL that can be posted to"),
        ({"url": "ftp://ops.example/hook"}, "no URL that can be posted to"),
        ({"url": "https:///hook"}, "no URL that can be posted to"),
        ({"url": "https://ops.example:99999/"}, "no valid URL"),
        ({"url": "https://[::1/"}, "no valid URL"),
        ({"url": "https://ops.example/s3cret key"}, "blank or a control character"),
        ({"url": "https://ops.example/", "secret": "too short"}, "it must have 24 to 64"),
        ({"url": "https://ops.example/", "secret": "whsec_not*base64"}, "not base64"),
        ({"url": "https://ops.example/", "secret": "whsec_" + b64encode(b"x" * 23).decode()}, "has 23 bytes"),
        ({"url": "https://ops.example/", "secret": "whsec_" + b64encode(b"x" * 65).decode()}, "has 65 bytes"),
        ({"url": "https://ops.example/", "headers": {"Webhook-Id": "x"}}, "set by Probe itself"),
        ({"url": "https://ops.example/", "headers": {"Host": "x"}}, "set by Probe itself"),
        ({"url": "https://ops.example/", "headers": {"X-A": "1\r\nX-B: 2"}}, "printable ASCII"),
        ({"url": "https://ops.example/", "headers": {"X A": "1"}}, "no name of a header"),
        ({"url": "https://ops.example/", "retries": 3}, "Extra inputs are not permitted"),
        ({}, "Field required"),
    ],
)
def test_mistakes_are_said_without_repeating_a_secret(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError) as caught:
        RECEIVER.model_validate(given)
    assert said in str(caught.value)
    for secret in ("too short", "not*base64", "s3cret key"):
        assert secret not in str(caught.value)


@pytest.mark.parametrize("secret", ["a plain string of thirty chars", SECRET, f"{SECRET}\n"])
def test_secrets_that_are_taken(secret: str) -> None:
    hook = Webhook(url="https://ops.example/\n", secret=secret)
    assert 24 <= len(signing_key(hook.secret[0].get_secret_value())) <= 64
    assert hook.url.get_secret_value() == "https://ops.example/"


def test_schema_describes_every_key() -> None:
    properties = RECEIVER.model_json_schema()["properties"]
    assert set(properties) == {"url", "secret", "headers", "format"}
    assert all(described["description"] for described in properties.values())
