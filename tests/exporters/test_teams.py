"""Microsoft Teams: cards as workflows take them, and what becomes of refusals."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError

from exporters.base import NoticeKind, NotifyError, Post
from exporters.notifiers.teams import RECEIVER, Teams, message
from tests.exporters.conftest import Inbox
from tests.exporters.notices import BY_KIND, FULL
from tests.exporters.schemas import all_texts, check_teams

PATH = "workflows/0a1b2c3d4e5f/triggers/manual/paths/invoke?api-version=1&sp=%2Ftriggers&sv=1.0&sig=s3cret-signature"


async def test_a_workflow_gets_a_card_and_202_is_taken(inbox: Inbox, post: Post) -> None:
    inbox.answer(202)
    await Teams(webhook=inbox.url + PATH).send(FULL, post)
    assert inbox.taken[0].path == f"/{PATH}"  # the signature is over the address as it was written
    card = check_teams(inbox.taken[0].body)["attachments"][0]["content"]
    assert card["body"][0]["inlines"][0]["text"] == "\N{LARGE RED CIRCLE} DOWN #42 shop/home"
    assert [action["title"] for action in card["actions"]] == [
        "Acknowledge",
        "Snooze 1h",
        "Open in Probe",
        "Runbook",
        "Bridge",
    ]


@pytest.mark.parametrize(
    ("kind", "colour"),
    [
        (NoticeKind.OPENED, "attention"),
        (NoticeKind.ACKNOWLEDGED, "accent"),
        (NoticeKind.RESOLVED, "good"),
        (NoticeKind.BULLETIN, "default"),
    ],
)
def test_the_heading_has_the_colour_of_the_state(kind: NoticeKind, colour: str) -> None:
    card = message(BY_KIND[kind])["attachments"][0]["content"]
    assert card["body"][0]["inlines"][0]["color"] == colour


async def test_a_card_that_is_refused_is_said_in_one_line(inbox: Inbox, post: Post) -> None:
    inbox.answers = [(413, {}, b"Request Entity Too Large"), (202, {}, b"")]
    await Teams(webhook=inbox.url).send(FULL, post)
    texts = all_texts(check_teams(inbox.taken[1].body)["attachments"][0]["content"]["body"])
    assert "\N{LARGE RED CIRCLE} DOWN #42 shop/home: status 503, wanted 2xx" in texts


# Source: learn.microsoft.com, troubleshooting flows: 401 for a signature, 404 for a workflow that is not there.
@pytest.mark.parametrize(
    ("status", "code", "gone", "permanent", "asked"),
    [
        (400, "WorkflowTriggerIsNotEnabled", True, True, 1),
        (400, "InvalidRequestContent", False, True, 2),
        (401, "DirectApiAuthorizationRequired", True, True, 1),
        (403, "AuthorizationFailed", True, True, 1),
        (404, "WorkflowNotFound", True, True, 1),
        (410, "Gone", True, True, 1),
        (429, "WorkflowRunActionRateLimit", False, False, 1),
        (502, "BadGateway", False, False, 1),
    ],
)
async def test_refusals(
    inbox: Inbox, post: Post, status: int, code: str, gone: bool, permanent: bool, asked: int
) -> None:
    said = {"error": {"code": code, "message": "The workflow s3cret-signature cannot be run."}}
    inbox.answer(status, json.dumps(said), Retry_After="17")
    with pytest.raises(NotifyError) as caught:
        await Teams(webhook=inbox.url + PATH).send(FULL, post)
    assert (caught.value.gone, caught.value.permanent) == (gone, permanent)
    assert caught.value.retry_after == (None if permanent else 17.0)
    assert code in str(caught.value)
    assert "s3cret" not in str(caught.value)
    assert len(inbox.taken) == asked


def test_the_address_is_a_secret() -> None:
    assert "s3cret" not in repr(Teams(webhook="https://x.logic.azure.example/" + PATH))
    with pytest.raises(ValidationError, match="no URL that can be posted to"):
        RECEIVER.model_validate({"webhook": "x.logic.azure.example"})
