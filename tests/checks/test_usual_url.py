"""The short way that nearly every URL takes, and the long one, lead to the same."""

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from checks.core import url
from checks.core.url import Url, parse_host, parse_url

HOSTS = ["a", "b.example", "A.b", "1.2.3.4", "01.2.3.4", "1.2.3", "0x7f.1", "999.1.1.1", "[::1]", "xn--a", "u:p@"]
PORTS = [":80", ":0", ":059", ":65535", ":65536", ":8080"]
SIGNS = [*"-_./?#%@[]'\"<|~;&=\\^{ :\t\n\x7fü\u2028", "a" * 63, "a" * 64]
PIECES = st.sampled_from([*HOSTS, *PORTS, *SIGNS, "..", "/p", "?x=1", "#f", "%20"])
TEXTS = st.builds(
    "".join,
    st.tuples(st.sampled_from(["http://", "https://", "HTTP://", ""]), st.lists(PIECES, max_size=6).map("".join)),
)


def read(parse, text):
    try:
        return parse(text)
    except ValueError as error:
        return str(error)


@given(TEXTS)
@example("http://a.example:8080/p/1?x=1&y=%20")
@example("https://127.0.0.1/")
@example("https://127.0.0.1./")
@example("http://" + "a." * 126 + "a/")
@example("http://" + "a." * 127 + "a/")
@example("http://a?")
@example("http://a:0/")
@example("http://a:080/")
@example("http://a:65536/")
@settings(max_examples=300, deadline=None)
def test_both_ways_give_the_same_url_or_the_same_complaint(text):
    assert read(parse_url, text) == read(url._any_url, text)


@given(st.lists(PIECES, max_size=6).map("".join))
@example("a." * 126 + "a")
@example("a." * 127 + "a")
@example("a" * 63 + ".a")
@example("a" * 64 + ".a")
@example("a." + "a" * 64)
@settings(max_examples=300, deadline=None)
def test_a_host_that_is_taken_as_it_stands_is_one_that_the_long_way_leaves_so(text):
    if url._NAME.fullmatch(text):
        assert read(parse_host, text) == read(url._host_name, text)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("http://a.example", Url("http", "a.example", 80, "/")),
        ("https://a.example:8443/p?x=/y?z", Url("https", "a.example", 8443, "/p?x=/y?z")),
        ("https://10.0.0.1/p", Url("https", "10.0.0.1", 443, "/p")),
    ],
)
def test_usual_urls_take_the_short_way(text, wanted, monkeypatch):
    monkeypatch.delattr(url, "_any_url")
    assert parse_url(text) == wanted
