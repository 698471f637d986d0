"""How fast channels are told: the published figures, and that no window ever holds more."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporters.base import Notifier
from exporters.limits import Limit, Pace, Paces, limits_of, parse_limit
from exporters.notifiers.ntfy import Ntfy
from exporters.notifiers.pagerduty import Pagerduty
from exporters.notifiers.slack import Slack
from exporters.notifiers.telegram import Telegram
from exporters.notifiers.webhook import Webhook

HOOK = "https://hooks.slack.example/services/T0/B0/s3cret"
TOKEN = "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [("1/s", Limit(1, 1)), ("20/m", Limit(20, 60)), ("5/2s", Limit(5, 2)), ("100/h", Limit(100, 3600))],
)
def test_rates_are_read_as_they_are_said(text: str, wanted: Limit) -> None:
    assert parse_limit(text) == wanted


@pytest.mark.parametrize("text", ["", "20", "0/m", "20/0s", "1.5/s", "-1/s", "20/day", "fast"])
def test_what_is_no_rate_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="is no rate; write"):
        parse_limit(text)


def test_as_many_as_allowed_go_at_once_and_the_next_when_the_first_is_old_enough() -> None:
    pace = Pace(Limit(2, 10))
    for now in (0.0, 4.0):
        assert pace.delay(now) == 0
        pace.take(now)
    assert pace.delay(5.0) == 5
    assert pace.delay(10.0) == 0
    pace.take(10.0)
    assert pace.delay(11.0) == 3


def test_a_burst_is_refilled_bit_by_bit() -> None:
    """ntfy: 60 at once, then one every five seconds, and a burst again after five minutes of silence."""
    pace = Pace(Limit(60, 300, refill=5))
    for _ in range(60):
        assert pace.delay(1000.0) == 0
        pace.take(1000.0)
    assert pace.delay(1000.0) == 5
    assert pace.delay(1004.0) == 1
    pace.take(1005.0)
    assert pace.delay(1005.0) == 5
    assert pace.delay(1305.0) == 0
    for _ in range(60):
        assert pace.delay(1310.0) == 0
        pace.take(1310.0)
    assert pace.delay(1310.0) > 0


def test_whoever_sets_the_limit_can_close_it_for_a_while() -> None:
    pace = Pace(Limit(10, 1))
    pace.close(30.0)
    assert pace.delay(20.0) == 10
    pace.close(25.0)
    assert pace.delay(20.0) == 10
    assert pace.delay(31.0) == 0


@given(
    st.integers(1, 8),
    st.floats(0.1, 60),
    st.lists(st.floats(0, 5), min_size=1, max_size=60),
)
def test_no_window_ever_holds_more_than_allowed(count: int, per: float, pauses: list[float]) -> None:
    pace, now, sent = Pace(Limit(count, per)), 0.0, []
    for pause in pauses:
        now += pause
        now += pace.delay(now)
        assert pace.delay(now) <= 1e-9
        pace.take(now)
        sent.append(now)
    for first, later in zip(sent, sent[count:], strict=False):
        assert later - first >= per - 1e-6


# Sources: beside each figure in exporters/limits.py.
@pytest.mark.parametrize(
    ("notifier", "wanted"),
    [
        (Slack(webhook=HOOK), {Limit(1, 1)}),
        (Telegram(token=TOKEN, chat="42"), {Limit(1, 1), Limit(30, 1)}),
        (Telegram(token=TOKEN, chat="-100123"), {Limit(1, 1), Limit(20, 60), Limit(30, 1)}),
        (Ntfy(topic="ops"), {Limit(60, 300, refill=5)}),
        (Pagerduty(routing_key="0" * 32), {Limit(120, 60)}),
        (Webhook(url="https://ops.example/"), set()),
    ],
)
def test_channels_have_the_limits_that_were_published(notifier: Notifier, wanted: set[Limit]) -> None:
    assert {limit for _, limit in limits_of(notifier)} == wanted


def test_people_of_one_bot_share_what_is_the_bots_and_have_chats_of_their_own() -> None:
    paces, bot = Paces(), Telegram(token=TOKEN, chat="42")
    ana, bob = (set(paces.of(bot.addressed(chat), None, f"{chat}/bot")) for chat in ("1", "2"))
    assert len(ana & bob) == 1  # 30 a second in all
    assert len(ana - bob) == 1  # one a second to each
    assert set(paces.of(bot.addressed("1"), None, "1/bot")) == ana  # a reload forgets nothing


def test_two_channels_of_one_app_are_two() -> None:
    first, second = (Slack(token="xoxb-1-2-abc", channel=channel) for channel in ("C01", "C02"))
    paces = Paces()
    assert not set(paces.of(first, None, "a")) & set(paces.of(second, None, "b"))


def test_what_the_configuration_says_holds_for_a_receiver_and_its_people_together() -> None:
    paces, bot = Paces(), Telegram(token=TOKEN, chat="42")
    own = (Limit(5, 60),)
    (base,) = paces.of(bot, own, "bot")
    (ana,) = paces.of(bot.addressed("1"), own, "ana/bot")
    assert base is ana
    assert paces.of(bot, (), "bot") == ()


def test_keys_show_no_secret() -> None:
    assert "s3cret" not in "".join(key for key, _ in limits_of(Slack(webhook=HOOK)))
