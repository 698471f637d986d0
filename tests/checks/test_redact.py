"""A secret is masked wherever it turns up, also as part of a URL."""

from base64 import b64encode

import pytest

from checks.core.redact import MASK, Redactor, credentials


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


@pytest.mark.parametrize(
    "shown",
    [
        r"""{"key": "a\"b\\c&d\u00e9'e"}""",  # JSON in ASCII
        r"""{"key": "a\"b\\c&dé'e"}""",
        r"<p>a&quot;b\c&amp;dé&#x27;e</p>",  # Python's HTML
        r"<p>a&#34;b\c&amp;dé&#39;e</p>",  # most templates'
    ],
)
def test_a_secret_is_masked_as_json_and_html_have_it(shown: str) -> None:
    assert Redactor(["a\"b\\c&dé'e"])(shown) in (f'{{"key": "{MASK}"}}', f"<p>{MASK}</p>")


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


def basic(pair: str, charset: str = "utf-8") -> str:
    return b64encode(pair.encode(charset)).decode()


@pytest.mark.parametrize(
    ("name", "value", "hidden"),
    [
        ("Authorization", f"Basic {basic('ann:open sesame')}", {basic("ann:open sesame"), "open sesame"}),
        ("authorization", f"basic  {basic('ann:a:b:c')}", {basic("ann:a:b:c"), "a:b:c"}),
        ("Proxy-Authorization", f"Basic {basic('ann:zoë!', 'latin-1')}", {basic("ann:zoë!", "latin-1"), "zoë!"}),
        ("Authorization", "Basic not-base-64", {"not-base-64"}),
        ("Authorization", "Bearer abcdefgh.ijkl", {"Bearer abcdefgh.ijkl", "abcdefgh.ijkl"}),
        ("Authorization", "Bearer test", {"Bearer test"}),  # "test" is a word of many a name
        ("X-Api-Key", "k3y-of-ours", {"k3y-of-ours"}),
        ("x_api_key", "k3y-of-ours", {"k3y-of-ours"}),
        ("X-Auth-Token", "t0ken-of-ours", {"t0ken-of-ours"}),
        ("PRIVATE-TOKEN", "prod", set()),
        ("Cookie", "lang=en; sid=8f14e45fceea167a", {"lang=en; sid=8f14e45fceea167a", "sid=8f14e45fceea167a"}
         | {"8f14e45fceea167a"}),
        ("Cookie", "region=sydney", {"region=sydney"}),
        ("Accept-Language", "en-AU, en;q=0.5", set()),
        ("X-Author", "somebody else", set()),
        ("X-Keyboard", "somebody else", set()),
        ("Host", "token.shop.example", set()),
    ],
)  # fmt: skip
def test_headers_that_let_somebody_in_are_told_by_their_names(name: str, value: str, hidden: set[str]) -> None:
    assert {text for text in credentials({name: value}) if len(text) >= 4} == hidden
