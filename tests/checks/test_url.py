"""URLs, redirect targets, and the configuration of the HTTP check."""

import pytest
from pydantic import ValidationError

from checks.core.url import Url, parse_host, parse_url, redirect_target
from checks.http import Http


@pytest.mark.parametrize(
    ("text", "url", "authority"),
    [
        ("http://shop.example", Url("http", "shop.example", 80, "/"), "shop.example"),
        ("HTTPS://Shop.Example:443/a?b=c#d", Url("https", "shop.example", 443, "/a?b=c"), "shop.example"),
        ("http://shop.example:8080/", Url("http", "shop.example", 8080, "/"), "shop.example:8080"),
        ("https://shop.example:80/", Url("https", "shop.example", 80, "/"), "shop.example:80"),
        ("http://[2001:DB8::0:1]/", Url("http", "2001:db8::1", 80, "/"), "[2001:db8::1]"),
        ("http://[::1]:81/", Url("http", "::1", 81, "/"), "[::1]:81"),
        (
            "http://bücher.example/ü?q=ä",
            Url("http", "xn--bcher-kva.example", 80, "/%C3%BC?q=%C3%A4"),
            "xn--bcher-kva.example",
        ),
        ("http://a_b.example/%7Ex", Url("http", "a_b.example", 80, "/%7Ex"), "a_b.example"),
        ("http://shop.example?x=/y", Url("http", "shop.example", 80, "/?x=/y"), "shop.example"),
    ],
)
def test_urls(text, url, authority):
    assert parse_url(text) == url
    assert url.authority == authority


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("shop.example", "must begin with http:// or https://"),
        ("ftp://shop.example/", "must begin with http:// or https://"),
        ("file:///etc/passwd", "must begin with http:// or https://"),
        ("http://", "the host is missing"),
        ("http://:80/", "the host is missing"),
        ("http://a b/", "holds blanks or control characters; write a space as %20"),
        ("http://a/\r\nX: y", "holds blanks or control characters"),
        ("http://me:pw@shop.example/", "use `basic: {username: ..., password: ...}`"),
        ("http://a:99999/", "no valid port"),
        ("http://a:0/", "no valid port"),
        ("http://a:x/", "no valid port"),
        ("http://-a.example/", "is no host name or IP address"),
        ("http://a..b/", "is no host name or IP address"),
        ("http://" + "a" * 64 + ".example/", "is no host name or IP address"),
        ("http://[fe80::1%25eth0]/", "zone"),
        ("http://[::1/", "Invalid IPv6 URL"),
    ],
)
def test_bad_urls_say_what_would_be_right(text, message):
    with pytest.raises(ValidationError) as caught:
        Http(url=text)
    (error,) = caught.value.errors()
    assert error["loc"] == ("url",)
    assert message in error["msg"]
    assert "pw" not in error["msg"]


@pytest.mark.parametrize(
    ("location", "target"),
    # From RFC 3986 section 5.4, without what has no meaning over HTTP.
    [
        ("g", "http://a/b/c/g"),
        ("./g", "http://a/b/c/g"),
        ("g/", "http://a/b/c/g/"),
        ("/g", "http://a/g"),
        ("//g", "http://g/"),
        ("?y", "http://a/b/c/d;p?y"),
        ("g?y", "http://a/b/c/g?y"),
        ("g#s", "http://a/b/c/g"),
        ("..", "http://a/b/"),
        ("../../g", "http://a/g"),
        ("../../../g", "http://a/g"),
        ("g?y/../x", "http://a/b/c/g?y/../x"),
        # And what servers say besides.
        ("https://me:pw@b.example:8443/x?y#z", "https://b.example:8443/x?y"),
        (" /a b ", "http://a/a%20b"),
        ("/caf\xc3\xa9/men\xc3\xbc", "http://a/caf%C3%A9/men%C3%BC"),  # each character is an octet
        ("voil\xc3\xa0", "http://a/b/c/voil%C3%A0"),  # its last octet is a blank of Latin-1, and stays
        ("/caf\xe9?q=\xfc#\xe9", "http://a/caf%E9?q=%FC"),  # Latin-1 stays Latin-1
        ("/%C3%A9/\xc3\xa9", "http://a/%C3%A9/%C3%A9"),
        ("//b\xc3\xbccher.example/\xc3\xa9", "http://xn--bcher-kva.example/%C3%A9"),
        ("http://\xc3\xbc:pw@B\xc3\x9cCHER.example:81?\xc3\xa9", "http://xn--bcher-kva.example:81/?%C3%A9"),
        ("http://b.example?x=1", "http://b.example/?x=1"),
        ("HTTP://B.Example/", "http://b.example/"),
    ],
)
def test_redirects_lead_where_the_standard_says(location, target):
    assert str(redirect_target(parse_url("http://a/b/c/d;p?q"), location)) == target


@pytest.mark.parametrize(
    "location",
    [
        *("ftp://a/", "http://", "https:///x", "mailto:a@b", "http://[::1", "http://a:x/", "//"),
        *("http://b\xfccher.example/", "//\xe2\x82\xac.example/"),  # a host of Latin-1, and one that IDNA refuses
    ],
)
def test_redirects_that_lead_nowhere(location):
    if location in ("http://", "//"):
        return  # relative to an http base these are the base itself
    with pytest.raises(ValueError):
        redirect_target(parse_url("http://a/b"), location)


def test_hosts():
    assert parse_host("[::1]") == "::1"
    assert parse_host("Shop.Example.") == "shop.example."
    assert parse_host("10.0.0.1") == "10.0.0.1"


@pytest.mark.parametrize(
    ("options", "place", "message"),
    [
        ({"method": "GE T"}, ("method",), "is no method that can be probed"),
        ({"method": "connect"}, ("method",), "is no method that can be probed"),
        ({"headers": {"a b": "c"}}, ("headers",), "'a b' is no header name"),
        ({"headers": {"a": "b\r\nc: d"}}, ("headers",), "header a holds a line break"),
        ({"headers": {"Content-Length": "3"}}, ("headers",), "set by the prober itself"),
        ({"headers": {"A": "1", "a": "2"}}, ("headers",), "header a is given twice"),
        ({"basic": {"username": "a:b", "password": "c"}}, ("basic", "username"), "cannot hold a colon"),
        ({"basic": {"username": "a"}}, ("basic", "password"), "Field required"),
        ({"bearer": "x", "headers": {"authorization": "y"}}, (), "exclude each other; keep one"),
        ({"method": "HEAD", "expect": {"body": "x"}}, (), "the answer to HEAD has no body"),
        ({"redirects": 51}, ("redirects",), "less than or equal to 50"),
        ({"max_body": "10 MBytes"}, ("max_body",), "is no size"),
        ({"follow": True}, ("follow",), "Extra inputs are not permitted"),
        ({"tls": {"key": "k.pem"}}, ("tls",), "key needs cert"),
        ({"tls": {"ca": "/nowhere/ca.pem"}}, ("tls",), "ca: cannot read /nowhere/ca.pem (No such file or directory)"),
        ({"tls": {"min_version": "1.2"}}, ("tls", "min_version"), "'TLSv1.2'"),
        ({"family": "ipv5"}, ("family",), "'prefer_ipv6'"),
    ],
)
def test_bad_configuration_is_named(options, place, message):
    with pytest.raises(ValidationError) as caught:
        Http(url="http://a.example/", **options)
    (error,) = caught.value.errors()
    assert error["loc"] == place
    assert message in error["msg"]


def test_files_that_are_no_certificates_are_refused_early(tmp_path, authority):
    (tmp_path / "no.pem").write_text("hello")
    encrypted = tmp_path / "encrypted.pem"
    encrypted.write_text("-----BEGIN ENCRYPTED PRIVATE KEY-----\nMIIBvTBXBgkq\n-----END ENCRYPTED PRIVATE KEY-----\n")
    with pytest.raises(ValidationError, match=r"ca: .*no.pem cannot be used .*an unencrypted PEM file is wanted"):
        Http(url="https://a/", tls={"ca": str(tmp_path / "no.pem")})
    with pytest.raises(ValidationError, match=r"key: .*encrypted.pem cannot be used"):
        Http(url="https://a/", tls={"cert": str(authority.path), "key": str(encrypted)})


def test_secrets_are_not_shown():
    check = Http(
        url="http://a/", basic={"username": "me", "password": "s3cret"}, headers={"x": "s3cret"}, body="s3cret"
    )
    assert "s3cret" not in repr(check)
    assert "s3cret" not in check.target


def test_a_check_equals_its_twin_before_and_after_a_run():
    first, second = Http(url="http://a/b"), Http(url="http://a/b")
    assert (first.target, first.host) == ("http://a/b", "a")
    assert first._order
    assert first == second
    assert first != Http(url="http://a/c")


def test_every_key_is_described():
    schema = Http.model_json_schema()
    assert all("description" in one for one in schema["properties"].values())
    for name, definition in schema["$defs"].items():
        assert all("description" in one for one in definition.get("properties", {}).values()), name
