"""An index of thousands of secrets finds what a plain search for each of them finds."""

from hypothesis import given
from hypothesis import strategies as st

from checks.core.needles import MANY, Few, Many, needles
from checks.core.redact import MASK, Redactor

_URLS = [
    "https://hook.example/T0KEN-and-more",
    "https://hook.example/",
    "http://user:hidden@proxy.example:3128/",
    "ftp://x",
]
_SECRETS = st.lists(
    st.text("ab/:@.", min_size=4, max_size=30) | st.sampled_from(_URLS), min_size=1, max_size=12, unique=True
)


@st.composite
def texts(draw: st.DrawFn) -> tuple[list[str], str]:
    """Secrets, and a text with pieces of them."""
    secrets = draw(_SECRETS)
    pieces = [secret[first:last] for secret in secrets for first, last in ((0, 99), (0, 7), (0, 13), (0, -1), (2, 99))]
    return secrets, "".join(draw(st.lists(st.sampled_from(pieces) | st.text("ab/… ", max_size=5), max_size=6)))


@given(texts())
def test_many_are_found_as_few_are(drawn: tuple[list[str], str]) -> None:
    secrets, text = drawn
    few, many = Few(secrets), Many(secrets)
    found = many.within(text)
    assert {secret for secret in found if secret in text} == {secret for secret in secrets if secret in text}
    assert [len(secret) for secret in found] == sorted(map(len, found), reverse=True)
    for end in (text, text.partition("…")[0]):
        assert many.ending(end) == few.ending(end)


def test_of_five_thousand_keys_every_one_is_masked_and_few_are_looked_for() -> None:
    keys = [f"{number:05}-key-of-{number * 7919:08x}" for number in range(5000)]
    redact, known = Redactor(keys), needles(keys)
    assert isinstance(known, Many)
    line = "POST /ping/{} from 127.0.0.1: 404 there is nothing at this address"
    for key in keys[::97]:
        assert redact(line.format(key)) == line.format(MASK)
        assert redact(f"it said {key[:-2]}") == f"it said {MASK}"
        assert len(known.within(line.format(key))) <= 50
    assert redact(line) == line
    assert len(known.within(line * 100)) == 0


def test_where_they_are_few_there_is_no_index() -> None:
    assert isinstance(needles([f"secret-{number}" for number in range(MANY)]), Few)
