"""What an answer's status and Retry-After mean."""

from __future__ import annotations

import pytest

from exporters.answer import accept, answered, retry_after
from exporters.base import NotifyError, Response, Trouble

# The example of RFC 9110 section 10.2.3, and its instant: `date -u -d 'Fri, 31 Dec 1999 23:59:59 GMT' +%s`.
DATE, INSTANT = "Fri, 31 Dec 1999 23:59:59 GMT", 946_684_799.0


def refusal(status: int, text: str = "", hidden: tuple[str, ...] = (), **headers: str) -> NotifyError:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with pytest.raises(NotifyError) as caught:
        accept(Response(status, named, text), "webhook ops.example", hidden)
    return caught.value


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, Trouble.REFUSED),
        (401, Trouble.AUTH),
        (403, Trouble.AUTH),
        (404, Trouble.GONE),
        (408, Trouble.TIMEOUT),
        (410, Trouble.GONE),
        (413, Trouble.REFUSED),
        (429, Trouble.RATE),
        (500, Trouble.SERVER),
        (503, Trouble.SERVER),
    ],
)
def test_status_says_what_metrics_count_it_as(status: int, kind: Trouble) -> None:
    assert refusal(status).kind is kind


@pytest.mark.parametrize(("status", "gone"), [(404, True), (410, True), (400, False), (503, False)])
def test_a_channel_knows_which_answers_are_the_end_of_it(status: int, gone: bool) -> None:
    with pytest.raises(NotifyError) as caught:
        accept(Response(status, {}, "no_service"), "slack hooks.example", gone=answered(404, 410))
    assert caught.value.gone is gone
    assert not refusal(status).gone  # without knowing the channel nothing is


@pytest.mark.parametrize("status", [200, 201, 202, 204])
def test_2xx_is_taken(status: int) -> None:
    accept(Response(status, {}, ""), "webhook ops.example")


@pytest.mark.parametrize(
    ("status", "permanent"),
    [
        *((status, True) for status in (301, 302, 304, 400, 401, 403, 404, 410, 413)),
        *((status, False) for status in (408, 425, 429, 500, 502, 503, 504)),
    ],
)
def test_status_says_whether_another_try_can_help(status: int, permanent: bool) -> None:
    assert refusal(status).permanent is permanent


def test_error_names_the_receiver_the_status_and_what_was_said() -> None:
    assert str(refusal(400, "<p>no\nsuch  field</p>")) == "webhook ops.example answered 400: no such field"
    assert str(refusal(503)) == "webhook ops.example answered 503"
    assert "redirects are not followed" in str(refusal(302, "moved to https://ops.example/s3cret"))


def test_error_is_short_and_holds_no_secret() -> None:
    error = str(refusal(404, "Cannot POST /services/T00/s3cret-token " + "x" * 5000, ("s3cret-token",)))
    assert "s3cret-token" not in error
    assert len(error) < 250


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("120", 120.0),
        ("0", 0.0),
        (" 7 ", 7.0),
        ("99999999999999999999", 3600.0),
        (DATE, 59.0),
        ("Fri, 31 Dec 1999 23:00:00 GMT", 0.0),
        ("Sun, 06 Nov 2094 08:49:37 GMT", 3600.0),
        ("", None),
        ("-5", None),
        ("soon", None),
        ("٣", None),
        ("Fri, 99 Dec 1999 23:59:59 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, wanted: float | None) -> None:
    assert retry_after(Response(429, {"retry-after": value}, ""), INSTANT - 59) == wanted


def test_only_what_is_tried_again_waits() -> None:
    assert refusal(429, retry_after="30").retry_after == 30.0
    assert refusal(410, retry_after="30").retry_after is None
