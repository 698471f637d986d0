"""A secret is masked wherever it turns up, also as part of a URL."""

import pytest

from checks.core.redact import MASK, Redactor


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("key=pa/ss+w=rd", f"key={MASK}"),
        ("https://x.example/?k=pa%2Fss%2Bw%3Drd", f"https://x.example/?k={MASK}"),
        ("https://x.example/pa/ss%2Bw%3Drd", f"https://x.example/{MASK}"),
        ("nothing here", "nothing here"),
        ("twice pa/ss+w=rd pa/ss+w=rd", f"twice {MASK} {MASK}"),
    ],
)
def test_a_secret_is_masked_in_every_spelling(text: str, shown: str) -> None:
    assert Redactor(["pa/ss+w=rd"])(text) == shown


def test_the_longer_of_two_goes_first() -> None:
    assert Redactor(["token", "token-and-more"])("token-and-more token") == f"{MASK} {MASK}"


def test_what_is_too_short_to_mask_is_left() -> None:
    assert Redactor(["a", ""])("a banana") == "a banana"


KEY = "correct-horse-battery"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("it said correct-horse-batter", f"it said {MASK}"),
        ("it said correct-horse-bat…", f"it said {MASK}…"),
        ('header "correct-ho…", wanted "x"', f'header "{MASK}…", wanted "x"'),
        ("correct-correct-horse", f"correct-{MASK}"),
        ("it said correc…", f"it said {MASK}…"),
        ("it said corre…", "it said corre…"),
        ("it said correct-hor", "it said correct-hor"),
        ("it said correct-hors", f"it said {MASK}"),
        ("it said horse-battery, at the end: battery", "it said horse-battery, at the end: battery"),
        ("it is not correct-hors at all", "it is not correct-hors at all"),
        ("…", "…"),
        ("", ""),
    ],
)
def test_a_secret_that_is_cut_off_is_masked(text: str, shown: str) -> None:
    assert Redactor([KEY, "another-secret"])(text) == shown


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("https://hook.example/", "https://hook.example/"),
        ("https://hook.example/T0KEN", "https://hook.example/T0KEN"),
        ("https://hook.example/T0KEN-", MASK),
    ],
)
def test_the_host_of_a_secret_url_is_no_secret(text: str, shown: str) -> None:
    assert Redactor(["https://hook.example/T0KEN-and-more"])(text) == shown


def test_credentials_in_a_url_are_masked_where_they_are_cut() -> None:
    assert Redactor(["http://user:hidden@proxy.example:3128/"])("via http://user:hid…") == f"via {MASK}…"


def test_a_word_that_a_long_secret_begins_with_is_a_word() -> None:
    hook = "services/T000/B000/a-long-and-secret-token"
    assert Redactor([hook])("answered 404: no_service") == "answered 404: no_service"
    assert Redactor([hook])("answered 404: no_service…") == f"answered 404: no_{MASK}…"
