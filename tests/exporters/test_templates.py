"""A receiver's own words: what templates say, that none can hang or reach anything, and what a broken one leaves."""

from __future__ import annotations

import re
import time
from dataclasses import fields, replace
from pathlib import Path

import pytest

from exporters.base import Notice, NoticeKind
from exporters.markup import html
from exporters.message import body, evidence, facts, footnote, headline, lede, links, summary, tidy
from exporters.notifiers.command import variables
from exporters.templates import LARGEST, BadTemplateError, Template, compiled
from exporters.vocabulary import examples, vocabulary
from thresholds.base import Level


def said(source: str, notice: Notice) -> str:
    return compiled(source)(vocabulary(tidy(notice), "chat"))


@pytest.mark.parametrize(
    ("source", "wanted"),
    [
        ("{{ level }} {{ check|upper }}", "DOWN SHOP/HOME"),
        ("{{ headline }}", "DOWN shop/home"),
        ("{{ labels.env }} {{ labels['tier'] }}", "prod 1"),
        ("{{ labels.city }}|", "|"),  # a label that this check has not
        ("{{ labels.city|default('anywhere') }}", "anywhere"),
        ("{{ since|time('%H:%M', 'Australia/Sydney') }}", "21:00"),  # 10:00 UTC is 21:00 AEDT (date -d)
        ("{{ ended|time('%H:%M') }}|", "|"),
        ("{{ seconds|duration }}", "4m 12s"),
        ("{% if severity == 'page' %}call{% else %}mail{% endif %}", "mail"),
        (
            "{% for name, text in labels|items %}{{ name }}={{ text }}{% if not loop.last %}, {% endif %}{% endfor %}",
            "tier=1, env=prod",
        ),
        ("{% for line in members %}- {{ line }}{% else %}alone{% endfor %}", "alone"),
        ("{{ evidence|length }}", "2"),
        ("{{ reason|truncate(10) }}", "status 50…"),
        ("{{ reason|replace('503', 'five-o-three') }}", "status five-o-three, wanted 2xx"),
        ("{{ labels|join('/') }}", "tier/env"),
        ("{{ ('x' if firing else 'y') ~ number }}", "x0"),
        ("{{ target|urlencode }}", "https%3A%2F%2Fshop.example%2F"),
        ("{{ labels|json }}", '{"tier": "1", "env": "prod"}'),
        ("{{ members[:1]|join }}|", "|"),
        ("{# a comment #}{{ owner }}", "team-shop"),
    ],
)
def test_templates_say(opened: Notice, source: str, wanted: str) -> None:
    assert said(source, opened) == wanted


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("{{ chekc }}", "no value is called chekc"),
        ("{{ reason|uppr }}", "no filter is called uppr"),
        ("{% if reason is blue %}{% endif %}", "no test is called blue"),
        ("{{ reason", "unexpected end of template"),
        ("{% for x in reason %}{% endfor %}", "a loop goes through one of the lists"),
        ("{% for x in members %}{% for c in x %}{% endfor %}{% endfor %}", "a loop goes through one of the lists"),
        (
            "{% for a in members %}{% for b in members %}{% for c in members %}{% endfor %}{% endfor %}{% endfor %}",
            "2 deep",
        ),
        ("{% for x in members recursive %}{{ loop(x) }}{% endfor %}", "is not possible"),
        ("{{ range(10**9) }}", "is not possible"),
        ("{% for x in range(9) %}{% endfor %}", "is not possible"),
        ("{{ 'x' * 1000000000 }}", "a multiplication is not possible"),
        ("{{ 9 ** 9999999 }}", "a power is not possible"),
        ("{{ '%99999999d' % number }}", "a remainder is not possible"),
        ("{% set x = reason %}", "set is not possible"),
        ("{% macro m() %}{{ m() }}{{ m() }}{% endmacro %}", "macro is not possible"),
        ("{% include '/etc/passwd' %}", "include is not possible"),
        ("{% extends 'x' %}", "extends is not possible"),
        ("{{ ''.__class__.__mro__ }}", "fails for a notice"),
        ("{{ reason.upper }}", "fails for a notice"),
        ("{{ reason.upper() }}", "a call is not possible"),
        ("{{ labels.__class__.__init__.__globals__ }}", "fails for a notice"),
        ("{{ members[0] }}", "of which little is known"),
        ("{{ since|time('%Q') }}", "is no form of a time"),
        ("{{ since|time('%H:%M', 'Mars/Olympus') }}", "Mars"),
        ("{{ reason > 5 }}", "fails for a notice"),
        ("{{ loop.index }}", "no value is called loop"),
        ("x" * (LARGEST + 1), "longer than"),
        ("{{ " + "(" * 5000 + "1" + ")" * 5000 + " }}", "too deeply nested"),
    ],
)
def test_what_cannot_be_used_is_said_before_it_is(source: str, message: str) -> None:
    with pytest.raises(BadTemplateError) as caught:
        compiled(source)
    assert message in caught.value.message


def test_a_mistake_is_told_with_its_line_and_what_was_meant() -> None:
    with pytest.raises(BadTemplateError) as caught:
        compiled("{{ check }}\n\n{{ chekc }}")
    assert (caught.value.line, caught.value.hint) == (3, "did you mean check?")


def test_the_worst_that_a_template_can_do_is_over_at_once(opened: Notice) -> None:
    """Every filter as often as there is room for, in the deepest loops, over the largest notice."""
    many = {f"label{number}": "x" * 300 for number in range(60)}
    notice = tidy(replace(opened, labels=many, members=("y" * 200,) * 60, text="z" * 9000))
    step = "{{ text|replace('z', text)|indent(20)|replace('z', text)|urlencode|length }}"
    loops = "{% for a in labels %}{% for b in members %}{% if false %}" + step + "{% endif %}{% endfor %}{% endfor %}"
    render = compiled(loops + step * 50)
    began = time.process_time()
    told = render(vocabulary(notice, "chat"))
    assert time.process_time() - began < 5  # a bound, no measurement: without limits this would not end
    assert len(told) <= 8000


@pytest.mark.parametrize(("doc", "first"), [("templates", "title: "), ("alerts", "text: {title: ")])
def test_titles_of_the_documentation_say_what_has_become_of_it(doc: str, first: str) -> None:
    text = (Path(__file__).parents[2] / f"docs/{doc}.md").read_text()
    source = text.split(f'{first}"', 1)[1].split('"', 1)[0]
    for notice in examples():
        assert headline(tidy(notice)) in said(source, notice)


def test_a_bulletin_has_no_level_and_does_not_last(opened: Notice) -> None:
    bulletin = replace(opened, kind=NoticeKind.BULLETIN, level=Level.DEGRADED, title="ana is on call")
    assert said("{{ level }}|{{ firing }}", bulletin) == "|False"
    assert said("{{ level }}|{{ firing }}", opened) == "DOWN|True"
    told = variables(bulletin)
    assert (told["PROBE_LEVEL"], told["PROBE_FIRING"], told["PROBE_TITLE"]) == ("", "0", "ana is on call")


def test_every_value_that_there_is_is_documented_and_none_else(opened: Notice) -> None:
    text = (Path(__file__).parents[2] / "docs/templates.md").read_text()
    table = text.split("\n## Values\n", 1)[1].split("\n## ", 1)[0]
    assert set(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE)) == set(vocabulary(opened, "chat"))


def test_values_hold_nothing_that_could_be_called(opened: Notice) -> None:
    def plain(value: object) -> bool:
        if isinstance(value, dict):
            return all(isinstance(key, str) and isinstance(text, str) for key, text in value.items())
        if isinstance(value, list):
            return all(isinstance(text, str) for text in value)
        return isinstance(value, (str, int, float, bool))

    assert all(plain(value) for value in vocabulary(opened, "chat").values())


TEMPLATE = Template(
    compiled("{{ level }}: {{ subject }}"),
    compiled("Call {{ owner }}.\nNow."),
    {"Team": compiled("{{ owner }}"), "Nothing": compiled("{{ bridge }}")},
)


def test_all_texts_of_a_message_are_those_of_the_template(opened: Notice) -> None:
    notice = TEMPLATE.applied(opened, "chat")
    assert headline(notice) == summary(notice) == "DOWN: shop/home"
    assert lede(notice) == ("", "Call team-shop.\nNow.")
    assert facts(notice) == [("Team", "team-shop")]
    assert evidence(notice) == []
    assert body(notice) == "Call team-shop.\nNow.\n\nTeam:      team-shop\n"
    assert ("Runbook", opened.runbook) in links(notice)
    page = html(notice)
    assert "Call team-shop.\nNow." in page
    assert "status 503" not in page


def test_what_a_template_leaves_out_is_said_in_our_words(opened: Notice) -> None:
    notice = Template(title=compiled("{{ level }}!")).applied(opened, "chat")
    assert headline(notice) == "DOWN!"
    assert body(notice) == body(opened)
    titled = Template(body=compiled("{{ reason }}")).applied(opened, "chat")
    assert headline(titled) == "DOWN shop/home"
    assert facts(titled) == []


def test_identities_stay_whatever_a_template_says(opened: Notice) -> None:
    notice = TEMPLATE.applied(opened, "chat")
    assert all(getattr(notice, one.name) == getattr(opened, one.name) for one in fields(Notice))


def test_what_a_template_makes_is_harmless_too(opened: Notice) -> None:
    rude = replace(opened, labels={"a": "\x1b[31m\u202e" + "x" * 9000})
    notice = Template(title=compiled("{{ labels.a }}\n{{ labels.a }}")).applied(rude, "chat")
    assert headline(notice).startswith("[31mxxx")
    assert "\n" not in headline(notice)
    assert len(headline(notice)) <= 300


def test_a_template_that_breaks_leaves_our_words_and_says_so(opened: Notice) -> None:
    fragile = Template(
        title=compiled("{{ level }}"),
        body=compiled("{% if instance == 'prod-eu' %}{{ (reason|replace('status ', ''))|duration }}{% endif %}"),
    )
    notice = fragile.applied(opened, "chat")
    assert headline(notice) == "DOWN"
    assert notice.words.trouble.startswith("The template of chat is broken (body: ")
    assert notice.words.trouble in body(notice)
    assert notice.words.trouble in footnote(notice)
    assert "status 503, wanted 2xx" in body(notice)


@pytest.mark.parametrize("kind", list(NoticeKind))
def test_templates_speak_of_every_kind(taken_care: Notice, kind: NoticeKind) -> None:
    notice = Template(title=compiled("{{ kind }} {{ subject }}")).applied(replace(taken_care, kind=kind), "chat")
    assert headline(notice) == f"{kind.value} shop: 3 checks"
