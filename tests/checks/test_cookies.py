"""Cookies on a chain of redirects."""

import pytest

from checks.core.cookies import Cookies, _instant
from checks.core.request import Request
from checks.core.url import parse_url

FUTURE = "Expires=Sun, 06 Nov 2094 08:49:37 GMT"
PAST = "Expires=Sun, 06 Nov 1994 08:49:37 GMT"


def sent(header: str, towards: str, since: str = "https://shop.example/") -> str:
    cookies = Cookies()
    cookies.keep(parse_url(since), header)
    return cookies.header(parse_url(towards))


@pytest.mark.parametrize(
    ("header", "towards", "wanted"),
    [
        ("a=1", "https://shop.example/", "a=1"),
        (f"a=1; Path=/x; {FUTURE}; HttpOnly\nb=2", "https://shop.example/x", "a=1; b=2"),
        ("a=1\na=2", "https://shop.example/", "a=2"),
        (" a = 1 2 ;Secure", "https://shop.example/", "a=1 2"),
        ("a=b=c", "https://shop.example/", "a=b=c"),
        ("a=", "https://shop.example/", "a="),
        ("a=1", "https://www.shop.example/", ""),
        ("a=1", "https://other.example/", ""),
        # Domain
        ("a=1; Domain=.shop.example", "https://www.shop.example/", "a=1"),
        ("a=1; Domain=SHOP.example", "https://www.shop.example/", "a=1"),
        ("a=1; Domain=", "https://www.shop.example/", ""),
        ("a=1; Domain=other.example; Domain=shop.example", "https://www.shop.example/", "a=1"),
        ("a=1; Domain=shop.example", "https://bookshop.example/", ""),
        ("a=1; Domain=www.shop.example", "https://www.shop.example/", ""),
        ("a=1; Domain=example", "https://other.example/", ""),
        ("a=1; Domain=other.example", "https://other.example/", ""),
        # Secure
        ("a=1; Secure", "https://shop.example/", "a=1"),
        ("a=1; Secure", "http://shop.example/", ""),
        # Max-Age and Expires
        (f"a=1\na=2; {PAST}", "https://shop.example/", ""),
        ("a=1\na=; Max-Age=0", "https://shop.example/", ""),
        ("a=1\na=; Max-Age=-1", "https://shop.example/", ""),
        ("a=1\na=2; Max-Age=60", "https://shop.example/", "a=2"),
        (f"a=1; Max-Age=60; {PAST}", "https://shop.example/", "a=1"),
        (f"a=1; Max-Age=soon; {PAST}", "https://shop.example/", ""),
        ("a=1; Expires=one day", "https://shop.example/", "a=1"),
        (f"a=1; Path=/x\na=2; {PAST}", "https://shop.example/x", "a=1"),  # another cookie of the same name
        # Prefixes: draft-ietf-httpbis-rfc6265bis section 4.1.3
        ("__Secure-a=1; Secure", "https://shop.example/", "__Secure-a=1"),
        ("__Secure-a=1", "https://shop.example/", ""),
        ("__Host-a=1; Secure; Path=/", "https://shop.example/", "__Host-a=1"),
        ("__Host-a=1; Secure", "https://shop.example/", ""),
        ("__host-a=1; Secure; Path=/; Domain=shop.example", "https://shop.example/", ""),
        ("__Host-a=1; Path=/", "https://shop.example/", ""),
        # What is none
        ("nonsense", "https://shop.example/", ""),
        ("=1", "https://shop.example/", ""),
        ("a=\x01", "https://shop.example/", ""),
        ("a=" + "x" * 4096, "https://shop.example/", ""),
        ("", "https://shop.example/", ""),
    ],
)
def test_cookies_go_back_where_they_belong(header, towards, wanted):
    assert sent(header, towards) == wanted


# RFC 6265 section 5.1.4.
@pytest.mark.parametrize(
    ("since", "attribute", "towards", "goes"),
    [
        ("/", "", "/x/y", True),
        ("/a/b", "", "/a/c", True),
        ("/a/b", "", "/a", True),
        ("/a/b", "", "/ab", False),
        ("/a/b", "", "/", False),
        ("/a/b?c=/d/e", "", "/a/x?y", True),
        ("/a", "; Path=/x", "/x", True),
        ("/a", "; Path=/x", "/x/y", True),
        ("/a", "; Path=/x", "/x?y", True),
        ("/a", "; Path=/x", "/xy", False),
        ("/a", "; Path=/x/", "/x/", True),
        ("/a", "; Path=/x/", "/x", False),
        ("/a", "; Path=x", "/b", True),
        ("/a/b", "; Path=", "/b", False),
    ],
)
def test_paths_are_minded(since, attribute, towards, goes):
    got = sent(f"a=1{attribute}", f"https://shop.example{towards}", f"https://shop.example{since}")
    assert got == ("a=1" if goes else "")


@pytest.mark.parametrize(
    ("since", "header", "towards", "wanted"),
    [
        ("http://127.0.0.1/", "a=1; Domain=127.0.0.1", "http://127.0.0.1/", "a=1"),
        ("http://127.0.0.1/", "a=1; Domain=0.1", "http://127.0.0.1/", ""),
        ("http://localhost/", "a=1; Domain=localhost", "http://localhost/", "a=1"),
        ("http://localhost/", "a=1; Domain=localhost", "http://x.localhost/", ""),
        ("http://www.shop.example/", "a=1; Domain=shop.example", "http://shop.example/", "a=1"),
        ("http://shop.example/", "a=1; Secure", "https://shop.example/", ""),
        ("http://shop.example/", "__Secure-a=1; Secure", "https://shop.example/", ""),
    ],
)
def test_hosts_of_every_kind_set_for_themselves_alone(since, header, towards, wanted):
    assert sent(header, towards, since) == wanted


def test_longer_paths_go_first_then_the_older():
    header = "a=1; Path=/\nb=2; Path=/x\nc=3; Path=/x/y\nd=4; Path=/x\na=5; Path=/"
    assert sent(header, "https://shop.example/x/y/z") == "c=3; b=2; d=4; a=5"


# The first three are the forms of RFC 9110 section 5.6.7, of one instant.
@pytest.mark.parametrize(
    ("text", "instant"),
    [
        ("Sun, 06 Nov 1994 08:49:37 GMT", 784111777.0),
        ("Sunday, 06-Nov-94 08:49:37 GMT", 784111777.0),
        ("Sun Nov  6 08:49:37 1994", 784111777.0),
        ("06 November 1994 8:49:37", 784111777.0),
        ("Thu, 01-Jan-1970 00:00:00 GMT", 0.0),
        ("Fri, 31 Feb 2094 00:00:00 GMT", None),
        ("Fri, 01 Jan 2094 25:00:00 GMT", None),
        ("01 Jan 99999 00:00:00", None),
        ("0", None),
        ("", None),
    ],
)
def test_dates_are_read_as_cookies_write_them(text, instant):
    assert _instant(text) == instant


def test_there_is_an_end_of_cookies():
    cookies = Cookies()
    cookies.keep(parse_url("https://shop.example/"), "\n".join(f"c{number}=1" for number in range(1000)))
    assert cookies.header(parse_url("https://shop.example/")).count("=") == 50
    cookies.keep(parse_url("https://shop.example/"), "c49=2")
    assert cookies.header(parse_url("https://shop.example/")).endswith("c49=2")


def test_there_is_one_cookie_header():
    request = Request("GET", parse_url("https://shop.example/"), {"cookie": "mine=1"})
    assert request.render("theirs=2").count(b"Cookie: ") == 1
    assert b"\r\nCookie: mine=1; theirs=2\r\n" in request.render("theirs=2")
    assert b"\r\nCookie: mine=1\r\n" in request.render()
