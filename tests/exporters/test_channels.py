"""All chat channels alike: every kind of notice, hostile texts and endless ones make what their owners publish."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from exporters import blocks
from exporters.base import Notice, NoticeKind
from exporters.harmless import Worded, Words
from exporters.message import tidy
from exporters.notifiers import discord, mattermost, ntfy, teams, telegram
from tests.exporters.notices import BY_KIND, EVIL, EVIL_TEXTS, FULL, KINDS, RUDE, said_everywhere
from tests.exporters.schemas import (
    all_texts,
    check_discord,
    check_mattermost,
    check_ntfy,
    check_slack,
    check_teams,
    check_telegram,
)

Make = Callable[[Notice], Any]


def _of_telegram(make: Make) -> Make:
    return lambda notice: {"chat_id": -100, **make(notice)}


MAKES: dict[str, tuple[Make, Callable[[Any], Any]]] = {
    "slack": (blocks.message, check_slack),
    "slack brief": (blocks.brief, check_slack),
    "slack thread": (blocks.news, check_slack),
    "teams": (teams.message, check_teams),
    "teams brief": (teams.brief, check_teams),
    "ntfy": (lambda notice: ntfy.publication(notice, "ops", "p1", 3), check_ntfy),
    "telegram": (_of_telegram(telegram.message), check_telegram),
    "telegram without buttons": (_of_telegram(lambda notice: telegram.forms(notice)[-2]), check_telegram),
    "telegram plain": (_of_telegram(telegram.plain), check_telegram),
    "telegram reply": (_of_telegram(telegram.news), check_telegram),
    "discord": (discord.message, check_discord),
    "mattermost": (mattermost.message, check_mattermost),
}
WHOLE = ("slack", "teams", "ntfy", "telegram", "telegram without buttons", "discord", "mattermost")


def encoded(content: Any) -> bytes:
    return json.dumps(content, ensure_ascii=False).encode()


def texts(name: str, notice: Notice) -> str:
    make, check = MAKES[name]
    return "\n".join(all_texts(check(encoded(make(tidy(notice))))))


def templated(notice: Notice, words: Words) -> Notice:
    return Worded(**{field: getattr(notice, field) for field in Notice.__dataclass_fields__}, words=words)


@pytest.mark.parametrize("kind", NoticeKind)
@pytest.mark.parametrize("name", MAKES)
def test_every_kind_is_taken(name: str, kind: NoticeKind) -> None:
    assert texts(name, BY_KIND[kind])


@pytest.mark.parametrize("name", WHOLE)
def test_a_message_says_all_that_people_want_to_know(name: str) -> None:
    said = texts(name, FULL)
    for part in (
        "DOWN #42 shop/home",
        "status 503, wanted 2xx",
        "2026-11-21T10:00:00Z (for 4m 12s)",
        "page",
        "3 checks",
        "shop/cart: status 503",
        "and 1 more",
        "5th time in 30 days",
        "CHG123 in progress for 10m: new cart",
        "https://shop.example/",
        "team-shop",
        "on call in prodops, step 2",
        "1.2 s",
        "tier=1",
        "Probe prod-eu",
        "Acknowledge",
        "https://probe.example/do/ack?k=1",
        "https://probe.example/incidents/42",
    ):
        assert part in said, part


@pytest.mark.parametrize("name", [name for name in WHOLE if name != "ntfy"])  # which has three buttons
def test_a_message_leads_to_the_runbook_and_to_the_bridge(name: str) -> None:
    said = texts(name, FULL)
    assert "https://wiki.example/runbooks/shop" in said
    assert "https://meet.example/shop" in said


@pytest.mark.parametrize("name", WHOLE)
def test_a_message_says_who_takes_care_and_for_how_long_it_is_put_off(name: str) -> None:
    said = texts(name, BY_KIND[NoticeKind.ACKNOWLEDGED])
    assert "by ana" in said
    assert "2026-11-21T11:00:00Z" in said


@pytest.mark.parametrize("name", WHOLE)
def test_a_bulletin_says_its_title_and_its_text_and_nothing_of_an_incident(name: str) -> None:
    said = texts(name, BY_KIND[NoticeKind.BULLETIN])
    assert "On call in prodops" in said
    assert "ana until Mon 09:00" in said
    assert "then ben" in said
    assert "Incident" not in said
    assert "Since" not in said


@pytest.mark.parametrize("name", WHOLE)
def test_a_template_speaks_instead_of_us(name: str) -> None:
    words = Words(title="Tür offen", body="Bitte *sofort*\nschließen", fields=(("Ort", "Lager"),))
    said = texts(name, templated(FULL, words))
    for part in ("Tür offen", "sofort", "schließen", "Lager", "Acknowledge"):
        assert part in said
    assert "status 503" not in said


# What would be a mention, a link or a format in the channel, if it got there as it came. Slack's is in `check_slack`.
MARKUP = {
    "telegram": r"<a |</code>|(?<!\w)@\w",
    "discord": r"(?<!\\)\[click(?<!\\)\]|(?<!\\)<@",
    "mattermost": r"(?<!\\)\[click(?<!\\)\]|(?<!\w)@\w|!\[i\]",
}


@pytest.mark.parametrize("name", MARKUP)
@pytest.mark.parametrize("kind", NoticeKind)
def test_a_server_can_neither_mention_people_nor_forge_links(name: str, kind: NoticeKind) -> None:
    bare = replace(BY_KIND[kind], actions={}, link="", runbook="", bridge="")
    make, check = MAKES[name]
    evil = replace(bare, reason=EVIL, evidence={"x": EVIL}, members=(EVIL,), text=EVIL, title=EVIL)
    content = check(encoded(make(tidy(evil))))
    for attachment in content.get("attachments", []):  # these two are shown as they are
        attachment["fallback"] = attachment["footer"] = ""
    said = "\n".join(all_texts(content))
    assert "evil.example" in said
    assert not re.search(MARKUP[name], said)


@pytest.mark.parametrize("words", RUDE.values(), ids=RUDE)
@pytest.mark.parametrize("name", MAKES)
def test_endless_texts_stay_within_the_limits(name: str, words: str) -> None:
    texts(name, said_everywhere(FULL, words))
    texts(name, said_everywhere(BY_KIND[NoticeKind.BULLETIN], words))


@pytest.mark.parametrize("words", RUDE.values(), ids=RUDE)
@pytest.mark.parametrize("name", MAKES)
def test_an_endless_template_stays_within_the_limits(name: str, words: str) -> None:
    texts(name, templated(said_everywhere(FULL, words), Words(words, words, ((words, words),) * 45)))


@given(words=EVIL_TEXTS, kind=KINDS, name=st.sampled_from(sorted(MAKES)))
@example(words=EVIL, kind=NoticeKind.OPENED, name="mattermost")
@settings(max_examples=100, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_servers_say_the_message_is_taken(words: str, kind: NoticeKind, name: str) -> None:
    texts(name, said_everywhere(BY_KIND[kind], words))


@given(title=EVIL_TEXTS, body=EVIL_TEXTS, fields=st.lists(st.tuples(EVIL_TEXTS, EVIL_TEXTS), max_size=45))
@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
def test_whatever_a_template_makes_the_message_is_taken(title: str, body: str, fields: list[tuple[str, str]]) -> None:
    own = templated(FULL, Words(title=title, body=body, fields=tuple(fields)))
    for name in MAKES:
        texts(name, own)


@pytest.mark.parametrize("name", MAKES)
def test_a_bare_notice_makes_a_sound_message(name: str) -> None:
    bare = Notice(
        id="n",
        kind=NoticeKind.OPENED,
        incident="i",
        instance="",
        check="shop/home",
        target="",
        level=FULL.level,
        since_ms=FULL.since_ms,
        at_ms=FULL.at_ms,
    )
    assert "shop/home" in texts(name, bare)
