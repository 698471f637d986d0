"""Both engines against the same servers: the same kind, phase and facts, and the same words where libcurl lets us."""

import gzip
from typing import Any

import pytest

from checks.core.curl import ask_by_curl
from checks.core.curl_wish import Wish
from checks.core.net import Net
from checks.core.result import FailureKind
from checks.http import Http
from tests.checks.conftest import Outcome, outcome
from tests.servers import (
    ENDLESS_BODY,
    ENDLESS_HEADER,
    ENDLESS_HEADERS,
    ENDLESS_INTERIM,
    ENDLESS_TRAILERS,
    Authority,
    alerting,
    answering,
    chunked,
    closing,
    dripping,
    echo,
    endless,
    free_port,
    full_backlog,
    gzip_bomb,
    name_server,
    redirecting,
    resetting,
    response,
    routing,
    serving,
    silent,
)

OK = b"HTTP/1.1 200 OK\r\n"
GZIP = {"Content-Encoding": "gzip"}
UNCHANGED = {"expect": {"status": 304}}
OURS = {"engine", "timing"}  # the facts in which the engines differ


class OverCurl(Http):
    """The same check, carried by libcurl though nothing asks for it."""

    async def run(self, trace, net):
        await ask_by_curl(Wish(), self._order, trace, net)


async def both(net: Net, *, limit: float = 5.0, **options: Any) -> list[Outcome]:
    return [await outcome(kind(**options), net, limit=limit) for kind in (Http, OverCurl)]


def assert_same(ours: Outcome, curls: Outcome, *, words: bool = True) -> None:
    assert (curls.kind, curls.phase) == (ours.kind, ours.phase), (curls.message, ours.message)
    assert set(curls.phases) == set(ours.phases)
    differing = OURS | ({"tls.alpn"} if ours.kind is FailureKind.TLS else set())
    assert set(curls.facts) - differing == set(ours.facts) - differing
    for name in set(ours.facts) - OURS:
        if name == "http.bytes" and "larger" in ours.message:
            continue  # where they stopped
        if not name.startswith("tls.") or name in ("tls.fingerprint", "tls.version", "tls.alpn", "tls.sans"):
            assert curls.facts[name] == ours.facts[name], name
    if words and ours.kind is not FailureKind.TIMEOUT:
        assert curls.message == ours.message


ANSWERS: dict[str, tuple[bytes, dict[str, Any]]] = {
    "good": (response(b"hello", headers={"Content-Type": "text/html"}), {}),
    "404": (response(b"gone", "404 Not Found"), {}),
    "404-wanted": (response(b"gone", "404 Not Found"), {"expect": {"status": 404, "body": "gone"}}),
    "bad-body": (response(b"hello"), {"expect": {"body": "goodbye"}}),
    "bad-header": (response(b"hello"), {"expect": {"header": {"X-Cache": "hit"}}}),
    "gzip": (response(gzip.compress(b"some text"), headers=GZIP), {"expect": {"body": "some text"}}),
    "no-gzip": (response(b"not gzip at all", headers=GZIP), {}),
    "half-gzip": (response(gzip.compress(b"hello")[:-4], headers=GZIP), {}),
    "large": (response(b"x" * 500_000), {"max_body": 4096}),
    "large-decoded": (response(gzip.compress(bytes(9000)), headers=GZIP), {"max_body": 4096}),
    "chunked": (chunked(b"some", b" ", b"text"), {}),
    "no-length": (b"HTTP/1.1 200 OK\r\n\r\nsome text", {}),
    "http-1.0": (b"HTTP/1.0 200 OK\r\n\r\nsome text", {}),
    "bare-line-feeds": (b"HTTP/1.1 200 OK\nContent-Length: 4\n\nsome", {}),
    "204": (b"HTTP/1.1 204 No Content\r\n\r\n", {}),
    "head": (b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", {"method": "HEAD"}),
    "head-of-much": (b"HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", {"method": "HEAD", "max_body": 4096}),
    "304-of-much": (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99999\r\n\r\n", UNCHANGED | {"max_body": 4096}),
    "404-broken-off": (b"HTTP/1.1 404 Not Found\r\nContent-Length: 99\r\n\r\ngone", {}),
    "404-bad-gzip": (response(b"not gzip at all", "404 Not Found", GZIP), {}),
    "interim": (b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(b"some text"), {}),
    "two-equal-lengths": (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 4\r\n\r\nsome", {}),
    "redirect-wanted": (redirecting("/elsewhere"), {"redirects": 0, "expect": {"status": 302}}),
    "redirect-to-ftp": (redirecting("ftp://x/"), {}),
    "redirect-loop": (redirecting("/"), {}),
}


@pytest.mark.parametrize("name", ANSWERS)
async def test_answers(net, name):
    answer, options = ANSWERS[name]
    async with serving(routing({"/": answer})) as served:
        ours, curls = await both(net, url=served.url(), **options)
    assert_same(ours, curls)
    assert curls.facts["engine"] == "curl"


@pytest.mark.parametrize(
    ("location", "asked"),
    [
        ("/café/menü", b"/caf%C3%A9/men%C3%BC"),
        ("café/voilà", b"/in/caf%C3%A9/voil%C3%A0"),
        ("//{host}/café?menü=à#é", b"/caf%C3%A9?men%C3%BC=%C3%A0"),
        ("http://{host}/caf%C3%A9/é", b"/caf%C3%A9/%C3%A9"),
        (b"/caf\xe9", b"/caf%E9"),  # no UTF-8: the same octets
    ],
)
async def test_a_redirect_is_followed_with_the_octets_that_it_came_with(net, location, asked):
    async def handler(reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        octets = location if isinstance(location, bytes) else location.format(host=f"127.0.0.1:{served.port}").encode()
        moved = OK.replace(b"200 OK", b"302 Found") + b"Content-Length: 0\r\nLocation: " + octets + b"\r\n\r\n"
        writer.write(moved if b" /in/ " in head else response(b"here"))

    async with serving(handler) as served:
        ours, curls = await both(net, url=served.url("/in/"), expect={"body": "here"})
    assert [head.split()[1] for head in served.requests] == [b"/in/", asked] * 2
    assert ours.failure is None
    assert_same(ours, curls)


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("//bücher.invalid/".encode(), "no such host xn--bcher-kva.invalid"),
        (b"//b\xfccher.invalid/", 'redirected to "//bücher.invalid/", which is no usable http(s) address'),
        ("//€€.invalid/é".encode(), 'redirected to "//€€.invalid/é", which is no usable http(s) address'),
    ],
)
async def test_a_host_of_other_letters_is_looked_up_as_browsers_do(net, location, told):
    moved = OK.replace(b"200 OK", b"302 Found") + b"Content-Length: 0\r\nLocation: " + location + b"\r\n\r\n"
    async with serving(answering(moved)) as served:
        ours, curls = await both(net, url=served.url())
    assert ours.failure is not None
    assert told in ours.message
    assert_same(ours, curls)


@pytest.mark.parametrize(
    "handler",
    [
        ENDLESS_HEADERS,
        ENDLESS_INTERIM,
        ENDLESS_TRAILERS,
        ENDLESS_BODY,
        endless(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1000\r\n" + b"a" * 4096 + b"\r\n"),
        answering(OK + b"Content-Length: 99999999999999\r\n\r\nhi"),
        answering(gzip_bomb()),
        answering(OK + b"Content-Length: 100\r\n\r\n0123456789"),
        answering(OK + b"Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"),
        answering(b"SSH-2.0-OpenSSH_9.2\r\n"),
        answering(b"\x15\x03\x01\x00\x02\x02\x46"),
        answering(OK + b"X: y\r\n"),
        answering(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n"),
        answering(),
        resetting(),
        resetting(OK + b"Content-Length: 9\r\n\r\n0123"),
    ],
)
async def test_rude_servers(net, handler):
    async with serving(handler) as served:
        ours, curls = await both(net, url=served.url())
    assert_same(ours, curls)


@pytest.mark.parametrize(
    "handler",
    [
        ENDLESS_HEADER,
        closing,
        answering(OK + b"Content-Length: -1\r\n\r\n"),
        answering(OK + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nhi"),
        answering(OK + b"no header at all\r\n\r\n"),
        answering(OK + b"Transfer-Encoding: chunked\r\n\r\nnonsense\r\n"),
    ],
)
async def test_rude_servers_of_whom_libcurl_says_less(net, handler):
    async with serving(handler) as served:
        ours, curls = await both(net, url=served.url())
    assert ours.kind is curls.kind, (ours.message, curls.message)
    assert curls.message.isprintable()


async def test_deadlines(net):
    # A status line that is not whole libcurl does not tell of: for it the first byte is that of the second line.
    drop = dripping(b"X: y\r\n")

    async def dripping_headers(reader, writer):
        writer.write(OK)
        await drop(reader, writer)

    for handler in (silent, dripping_headers, answering(OK + b"Content-Length: 9\r\n\r\n", b"hi", pause=9)):
        async with serving(handler) as served:
            ours, curls = await both(net, url=served.url(), limit=0.2)
        assert_same(ours, curls)
        assert curls.kind is FailureKind.TIMEOUT


async def test_connections_that_fail(net):
    port = free_port()
    assert_same(*await both(net, url=f"http://127.0.0.1:{port}/"))
    with full_backlog() as full:
        ours, curls = await both(net, url=f"http://127.0.0.1:{full}/", limit=0.2)
    assert_same(ours, curls)
    assert curls.message.endswith(" connecting to 127.0.0.1")


@pytest.mark.parametrize(
    "made",
    [
        lambda ca: ca.issue(),
        lambda ca: ca.issue(days=-3.5),
        lambda ca: ca.issue(since=2.5),
        lambda ca: ca.issue("other.example", "more.example"),
        lambda ca: ca.self_signed(),  # and for another name, which libcurl looks at first
        lambda _: Authority("Unknown CA").issue(),
    ],
)
async def test_certificates(net, authority, made):
    async with serving(answering(response()), tls=made(authority).server()) as served:
        for tls in ({"ca": str(authority.path)}, {"verify": False}):
            ours, curls = await both(net, url=served.url(scheme="https"), tls=tls)
            assert_same(ours, curls, words="self-signed" not in ours.message)


async def test_the_authorities_of_the_system_are_those_that_python_finds(net, authority, monkeypatch):
    async with serving(answering(response()), tls=authority.issue().server()) as served:
        bad = await both(net, url=served.url(scheme="https"))
        monkeypatch.setenv("SSL_CERT_FILE", str(authority.path))
        fresh = Net()
        good = await both(fresh, url=served.url(scheme="https"))
        await fresh.close()
    assert_same(*bad)
    assert_same(*good)
    assert [run.kind for run in (*bad, *good)] == [FailureKind.TLS, FailureKind.TLS, None, None]


@pytest.mark.parametrize("handler", [closing, resetting(listen=False), silent, echo])
async def test_handshakes_that_fail(net, handler):
    async with serving(handler) as served:
        limit = 0.3 if handler is silent else 5
        ours, curls = await both(net, url=served.url(scheme="https"), tls={"verify": False}, limit=limit)
    assert_same(ours, curls, words=handler is not closing)


async def test_the_wrong_scheme(net, authority):
    async def plain(reader, writer):
        await reader.read(100)
        writer.write(response(b"", "400 Bad Request"))
        await writer.drain()

    async with serving(plain) as served:
        assert_same(*await both(net, url=served.url(scheme="https")))
    with alerting(authority.issue().server()) as port:
        ours, curls = await both(net, url=f"http://127.0.0.1:{port}/")
    assert ours.kind is curls.kind


async def test_options_of_tls(net, authority, tmp_path):
    client, ca = str(authority.issue("client.example").path), str(authority.path)
    with alerting(authority.issue().server(client_ca=authority.path)) as port:
        url, tls = f"https://127.0.0.1:{port}/", {"ca": ca, "cert": client}
        assert_same(*await both(net, url=url, tls=tls))
        without = await both(net, url=url, tls={"ca": ca})
        first = routing({"/": redirecting(url)})
        async with serving(first, tls=authority.issue().server()) as served:
            elsewhere = await both(net, url=served.url(scheme="https"), tls=tls)
    for ours, curls in (without, elsewhere):
        assert_same(ours, curls, words=False)
        assert curls.message.startswith("the server wants a client certificate")
    async with serving(answering(response()), tls=authority.issue("shop.example").server()) as served:
        for name in ("shop.example", "blog.example", "192.0.2.7"):
            assert_same(*await both(net, url=served.url(scheme="https"), tls={"ca": ca, "server_name": name}))


async def test_names_and_redirects():
    async with (
        name_server({"shop.example": ["127.0.0.1"], "meta.example": ["169.254.169.254"]}) as dns,
        serving(routing({"/": response(b"hello")})) as last,
    ):
        routes = {
            "/": redirecting(f"http://shop.example:{last.port}/", "307 Temporary Redirect"),
            "/meta": redirecting("http://meta.example/"),
            "/nowhere": redirecting("http://nowhere.example/"),
            "/loop": redirecting("/loop"),
        }
        net = Net(nameservers=[dns.address])
        async with serving(routing(routes)) as first:
            for path in ("/", "/meta", "/nowhere", "/loop"):
                url = f"http://shop.example:{first.port}{path}"
                assert_same(*await both(net, url=url, method="POST", body="x", redirects=3))
            for url in ("http://meta.example/", "http://nowhere.example/"):
                assert_same(*await both(net, url=url))
            asked, wanted = (request.replace(b"\r\n", b"\n") for request in last.requests)
        await net.close()
    assert asked == wanted
