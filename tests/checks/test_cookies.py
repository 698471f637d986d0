"""Cookies on a chain of redirects."""

import pytest

from checks.core.cookies import Cookies
from checks.core.url import parse_url


@pytest.mark.parametrize(
    ("header", "towards", "sent"),
    [
        ("a=1", "https://shop.example/", "a=1"),
        ("a=1; Path=/x; Expires=Sun, 06 Nov 2094 08:49:37 GMT; HttpOnly\nb=2", "https://shop.example/", "a=1; b=2"),
        ("a=1\na=2", "https://shop.example/", "a=2"),
        ("a=1", "https://www.shop.example/", ""),
        ("a=1", "https://other.example/", ""),
        ("a=1; Domain=.shop.example", "https://www.shop.example/", "a=1"),
        ("a=1; Domain=shop.example", "https://bookshop.example/", ""),
        ("a=1; Domain=example", "https://other.example/", ""),
        ("a=1; Domain=other.example", "https://other.example/", ""),
        ("a=1; Secure", "https://shop.example/", "a=1"),
        ("a=1; Secure", "http://shop.example/", ""),
        ("nonsense", "https://shop.example/", ""),
        ("a=\x01", "https://shop.example/", ""),
    ],
)
def test_cookies_go_back_where_they_belong(header, towards, sent):
    cookies = Cookies()
    cookies.keep(parse_url("https://shop.example/"), header)
    assert cookies.header(parse_url(towards)) == sent


def test_there_is_an_end_of_cookies():
    cookies = Cookies()
    cookies.keep(parse_url("https://shop.example/"), "\n".join(f"c{number}=1" for number in range(1000)))
    assert cookies.header(parse_url("https://shop.example/")).count("=") == 50
