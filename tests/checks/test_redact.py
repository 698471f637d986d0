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
