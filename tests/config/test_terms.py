"""What stands beside the type of a receiver: read, inherited, and each mistake at its place."""

from __future__ import annotations

from pathlib import Path

import pytest

from exporters.limits import Limit
from exporters.receiver import Receiver
from exporters.terms import Terms
from exporters.vocabulary import examples, vocabulary
from probe.config import ConfigError, load
from probe.config.model import Config

HEAD = """
checks:
  shop/home: {tcp: {host: shop.example, port: 443}}
alerts:
"""
ROUTES = "  routes:\n    - {to: [chat]}\n"
MAIL = '    mail: {email: {smtp: "mail.example:587", from: a@shop.example, to: [b@shop.example]}}\n'
CHAT = '    chat:\n      slack: {webhook: "https://hooks.slack.example/services/T0/B0/x"}\n'


def read(tmp_path: Path, receivers: str, head: str = "") -> Config:
    path = tmp_path / "probe.yml"
    path.write_text(f"{HEAD}{head}  receivers:\n{receivers}{ROUTES}")
    return load(path, {})


def problems(tmp_path: Path, receivers: str, head: str = "") -> list[str]:
    with pytest.raises(ConfigError) as caught:
        read(tmp_path, receivers, head)
    return [str(problem).removeprefix(f"{tmp_path}/") for problem in caught.value.problems]


def test_terms_stand_beside_the_type(tmp_path: Path) -> None:
    config = read(tmp_path, CHAT + "      fallback: mail\n      rate: [1/s, 20/m]\n" + MAIL)
    assert config.terms["chat"].fallback == "mail"
    assert config.terms["chat"].rate == (Limit(1, 1), Limit(20, 60))
    assert config.terms["mail"] == Terms()
    assert config.warnings == ()  # a fallback needs no route that leads to it


def test_one_fallback_for_all_but_itself(tmp_path: Path) -> None:
    config = read(tmp_path, CHAT + MAIL, "  fallback: mail\n")
    assert (config.terms["chat"].fallback, config.terms["mail"].fallback) == ("mail", "")
    own = CHAT + "      fallback: hook\n    hook: {webhook: {url: https://ops.example/}}\n" + MAIL
    assert read(tmp_path, own, "  fallback: mail\n").terms["chat"].fallback == "hook"
    assert read(tmp_path, CHAT + '      fallback: ""\n' + MAIL, "  fallback: mail\n").terms["chat"].fallback == ""


@pytest.mark.parametrize(("written", "wanted"), [("off", ()), ('"off"', ()), ("5/2s", (Limit(5, 2),))])
def test_rates_as_people_write_them(tmp_path: Path, written: str, wanted: tuple[Limit, ...]) -> None:
    assert read(tmp_path, CHAT + f"      rate: {written}\n").terms["chat"].rate == wanted


def test_receivers_know_what_they_are_called(tmp_path: Path) -> None:
    chat = read(tmp_path, CHAT).receivers["chat"]
    assert isinstance(chat, Receiver)
    assert chat.name == "chat"


def test_templates_are_inline_or_files_beside_the_configuration(tmp_path: Path) -> None:
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts/body.txt").write_text("{{ reason }}\n{{ owner }}\n")
    text = '      text: {title: "{{ level }}", body: {file: texts/body.txt}, fields: {Team: "{{ owner }}"}}\n'
    template = read(tmp_path, CHAT + text).terms["chat"].template
    assert template is not None
    assert template.title is not None
    assert template.body is not None
    assert template.fields is not None
    values = vocabulary(next(iter(examples())), "chat")
    assert template.title(values) == "DOWN"
    assert template.body(values) == "status 503, wanted 2xx\nteam-shop"
    assert template.fields["Team"](values) == "team-shop"


def test_a_template_that_is_the_same_is_the_same_after_a_reload(tmp_path: Path) -> None:
    text = CHAT + '      text: {title: "{{ level }}"}\n'
    first, same, other = (
        read(tmp_path, one).terms["chat"].template for one in (text, text, text.replace("level", "was"))
    )
    assert first is not None
    assert same is not None
    assert other is not None
    assert first.source == same.source != other.source


BODY = "      text:\n        body: |\n          {{ level }}\n          {{ chekc }}\n"
NO_RATE = "wants how many in which time, as in 20/m, or several of these, or off"
NO_VALUE = "no value is called chekc; did you mean check?"


@pytest.mark.parametrize(
    ("beside", "place", "key", "said"),
    [
        ("fallback: mial", "8:17", "fallback", "no receiver is called mial; did you mean mail?"),
        ("fallback: chat", "8:17", "fallback", "a receiver cannot be told instead of itself; name another one"),
        ("rate: fast", "8:13", "rate", "'fast' is no rate; write how many in which time, as in 1/s, 20/m or 5/2s"),
        ("rate: 20", "8:13", "rate", NO_RATE),
        ("rate: []", "8:13", "rate", NO_RATE),
        ("fallbck: mail", "8:7", "fallbck", "unknown key; did you mean fallback?"),
        ("text: {titel: x}", "8:14", "text.titel", "unknown key; did you mean title?"),
        ('text: {title: "{{ chekc }}"}', "8:21", "text.title", NO_VALUE),
        (BODY.strip(" "), "9:15", "text.body", f"line 2 of the template: {NO_VALUE}"),
        (
            'text: {fields: {Team: "{{ owner() }}"}}',
            "8:29",
            "text.fields.Team",
            "a call is not possible here; write values, filters, if and for",
        ),
        ("text: {body: {file: none.txt}}", "8:27", "text.body.file", "file none.txt does not exist"),
    ],
)
def test_mistakes_are_told_at_their_places(tmp_path: Path, beside: str, place: str, key: str, said: str) -> None:
    wanted = f"probe.yml:{place}: alerts.receivers.chat.{key}: {said}"
    assert problems(tmp_path, f"{CHAT}      {beside}\n{MAIL}") == [wanted]


def test_a_mistake_in_a_file_is_told_at_its_line_there(tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_text("one\n{{ chekc }}\n")
    beside = "      text: {body: {file: bad.txt}}\n"
    wanted = f"bad.txt:2:1: alerts.receivers.chat.text.body.file: {NO_VALUE}"
    assert problems(tmp_path, CHAT + beside + MAIL) == [wanted]


def test_a_fallback_for_all_must_be_there(tmp_path: Path) -> None:
    assert problems(tmp_path, CHAT + MAIL, "  fallback: mial\n") == [
        "probe.yml:5:13: alerts.fallback: no receiver is called mial; did you mean mail?"
    ]
    assert problems(tmp_path, CHAT + MAIL, "  fallback: [mail]\n") == [
        "probe.yml:5:13: alerts.fallback: wants the name of a receiver; write mail"
    ]


def test_one_mistake_does_not_hide_another(tmp_path: Path) -> None:
    found = problems(tmp_path, CHAT + "      rate: fast\n      fallback: mial\n" + MAIL)
    assert [problem.split(": ")[1] for problem in found] == [
        "alerts.receivers.chat.rate",
        "alerts.receivers.chat.fallback",
    ]
