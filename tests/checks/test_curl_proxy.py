"""Through proxies: what they are asked, what is told, and where probes may not go."""

import asyncio
import ssl
from typing import Any

import pytest
from pydantic import ValidationError

from checks.core import curl_proxy
from checks.core.curl_wish import Proxy
from checks.core.net import Net
from checks.core.result import FailureKind
from checks.http import METRICS, Http
from tests.checks.conftest import outcome
from tests.proxies import HttpProxy, Socks5
from tests.servers import (
    HOST,
    Authority,
    Recorder,
    Served,
    answering,
    free_port,
    name_server,
    redirecting,
    resetting,
    response,
    routing,
    serving,
    silent,
)

CONNECT, LOCAL, EXPECTATION = FailureKind.CONNECT, FailureKind.LOCAL, FailureKind.EXPECTATION


@pytest.fixture
async def site(authority):
    """A site over TLS whose name only proxies know: shop.example."""
    async with serving(routing({"/": response(b"hello"), "/to": redirecting("/")}), tls=_site(authority)) as served:
        yield served


def _site(authority: Authority) -> ssl.SSLContext:
    return authority.issue("shop.example").server()


def shop(site: Served, authority: Authority, path: str = "/", **options: Any) -> Http:
    return Http(url=f"https://shop.example:{site.port}{path}", tls={"ca": str(authority.path)}, **options)


@pytest.mark.parametrize(("scheme", "handler"), [("http", HttpProxy), ("socks5h", Socks5)], ids=["http", "socks5h"])
async def test_a_proxy_that_resolves_takes_us_there(net, site, authority, scheme, handler):
    proxy = handler({"shop.example": HOST})
    async with serving(proxy) as served:
        run = await outcome(shop(site, authority, "/to", proxy=served.url("", scheme)), net)
    assert run.failure is None, run.message
    assert set(run.phases) == {"connect", "proxy", "tls", "ttfb", "transfer"}
    assert run.facts["net.proxy"] == f"{HOST}:{served.port}"
    assert run.facts["net.address"] == HOST
    assert "CN=shop.example" in run.facts["tls.subject"]
    assert run.facts["http.redirects"] == 1
    numbers = {name for name, fact in run.facts.items() if type(fact) in (int, float)}
    assert numbers | set(run.phases) <= METRICS
    if isinstance(proxy, HttpProxy):
        asked = f"CONNECT shop.example:{site.port} HTTP/1.1\r\nHost: shop.example:{site.port}\r\n"
        assert proxy.heads == [asked + "Proxy-Connection: Keep-Alive\r\nUser-Agent: Probe\r\n\r\n"] * 2
    else:
        assert proxy.asked == [("shop.example", site.port)] * 2


async def test_a_proxy_forwards_what_is_not_encrypted(net):
    proxy = HttpProxy({"shop.example": HOST})
    async with serving(answering(response(b"hello"))) as site, serving(proxy) as served:
        check = Http(url=f"http://shop.example:{site.port}/a?b", bearer="token", proxy=served.url(""))
        run = await outcome(check, net)
    assert run.failure is None
    assert set(run.phases) == {"connect", "ttfb", "transfer"}
    assert proxy.heads[0].startswith(f"GET http://shop.example:{site.port}/a?b HTTP/1.1\r\n")
    for head in (proxy.heads[0], site.requests[0].decode()):
        assert head.count("User-Agent: Probe\r\n") == head.lower().count("user-agent") == 1
    assert b"\r\nAuthorization: Bearer token\r\n" in site.requests[0]


async def test_credentials_of_a_target_do_not_reach_its_proxy(net, site, authority):
    proxy = HttpProxy({"shop.example": HOST})
    async with serving(proxy) as served:
        await outcome(shop(site, authority, bearer="token", headers={"x-key": "1"}, proxy=served.url("")), net)
    assert "token" not in proxy.heads[0]
    assert "x-key" not in proxy.heads[0].lower()


async def test_socks5_connects_to_what_we_resolved(authority, site):
    proxy = Socks5()
    async with name_server({"shop.example": [HOST]}) as dns, serving(proxy) as served:
        net = Net(nameservers=[dns.address])
        run = await outcome(shop(site, authority, proxy=served.url("", "socks5")), net)
        await net.close()
    assert run.failure is None
    assert proxy.asked == [(HOST, site.port)]
    assert set(run.phases) == {"dns", "connect", "proxy", "tls", "ttfb", "transfer"}


async def test_a_proxy_that_is_spoken_to_over_tls(net, site, authority):
    async with (
        serving(HttpProxy({"shop.example": HOST}), tls=authority.issue().server()) as served,
        serving(answering(response(b"hello"))) as plain,
    ):
        proxy = served.url("", "https")
        tunnelled = await outcome(shop(site, authority, proxy=proxy), net)
        forwarded = await outcome(Http(url=plain.url(), tls={"ca": str(authority.path)}, proxy=proxy), net)
        distrusted = await outcome(Http(url=plain.url(), proxy=proxy), net)
    assert tunnelled.failure is None
    assert set(tunnelled.phases) == {"connect", "proxy", "tls", "ttfb", "transfer"}
    assert tunnelled.facts["tls.sans"] == "shop.example"  # the target's, not the proxy's
    assert forwarded.failure is None
    assert set(forwarded.phases) == {"connect", "proxy", "ttfb", "transfer"}
    assert not [name for name in forwarded.facts if name.startswith("tls.")]
    assert (distrusted.kind, distrusted.phase) == (FailureKind.TLS, "proxy")
    assert distrusted.message.startswith("the proxy's certificate is not trusted: issuer Test CA unknown")


async def test_what_the_proxy_spoke_is_not_told_as_the_targets(net, authority):
    mute = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)  # about ALPN, which the proxy is not
    mute.load_cert_chain(authority.issue().path)
    async with (
        serving(answering(response()), tls=mute) as site,
        serving(HttpProxy(), tls=authority.issue().server()) as served,
    ):
        tls = {"ca": str(authority.path)}
        run = await outcome(Http(url=site.url(scheme="https"), tls=tls, proxy=served.url("", "https")), net)
    assert run.failure is None
    assert "tls.alpn" not in run.facts


async def test_the_site_behind_a_proxy_is_blamed_for_its_certificate(net, site, authority):
    async with serving(HttpProxy({"blog.example": HOST}), tls=authority.issue().server()) as served:
        url, tls = f"https://blog.example:{site.port}/", {"ca": str(authority.path)}
        run = await outcome(Http(url=url, tls=tls, proxy=served.url("", "https")), net)
    assert (run.kind, run.phase) == (FailureKind.TLS, "tls")
    assert run.message == "certificate is for shop.example, not blog.example"


@pytest.mark.parametrize(
    ("scheme", "handler"),
    [("http", HttpProxy(login="us er:p@ss:word")), ("socks5h", Socks5(login=("us er", "p@ss:word")))],
    ids=["http", "socks5h"],
)
async def test_a_login_at_the_proxy(net, authority, site, scheme, handler):
    handler.hosts = {"shop.example": HOST}
    async with serving(handler) as served:
        good = served.url("", scheme).replace("://", "://us%20er:p%40ss%3Aword@")
        bad = served.url("", scheme).replace("://", "://user:other@")
        runs = [await outcome(shop(site, authority, proxy=proxy), net) for proxy in (good, bad, served.url("", scheme))]
    assert runs[0].failure is None, runs[0].message
    peer = f"the proxy {HOST}:{served.port}"
    for run in runs[1:]:
        assert (run.kind, run.phase) == (CONNECT, "proxy")
        assert set(run.phases) == {"connect"}
    if scheme == "http":
        words = f"{peer} refused the tunnel with status 407: it wants another user name and password"
        assert [run.message for run in runs[1:]] == [words, words]
    else:
        assert runs[1].message == f"{peer} does not connect us: it does not accept the user name and password"
        assert runs[2].message == f"{peer} does not connect us: it accepts no way to log in that we have"


@pytest.mark.parametrize(
    ("scheme", "handler", "message"),
    [
        ("http", HttpProxy(refusal=response(b"no", "403 Forbidden")), "refused the tunnel with status 403"),
        ("http", HttpProxy(), "refused the tunnel with status 502"),
        ("socks5h", Socks5(), "does not connect us: the target refused the connection"),
        ("socks5h", Socks5(reply=4), "does not connect us: it could not reach the target"),
        ("socks5h", Socks5(reply=2), "does not connect us: its rules do not allow the target"),
    ],
)
async def test_a_proxy_that_does_not_connect_us_says_why(net, scheme, handler, message):
    async with serving(handler) as served:
        run = await outcome(Http(url=f"https://{HOST}:{free_port()}/", proxy=served.url("", scheme)), net)
    assert (run.kind, run.phase) == (CONNECT, "proxy")
    assert run.message == f"the proxy {HOST}:{served.port} {message}"


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
async def test_a_proxy_that_is_silent_or_not_there(net, scheme):
    async with serving(silent) as served:
        run = await outcome(Http(url=f"https://{HOST}/", proxy=served.url("", scheme)), net, limit=0.2)
    assert (run.kind, run.phase) == (FailureKind.TIMEOUT, "proxy")
    assert set(run.phases) == {"connect"}
    port = free_port()
    run = await outcome(Http(url=f"https://{HOST}/", proxy=f"{scheme}://{HOST}:{port}"), net)
    assert (run.kind, run.phase) == (CONNECT, "connect")
    assert run.message == f"connection refused by the proxy {HOST}:{port}"


LOGIN = {"username": "u", "password": "hidden"}
DENIED = "is denied by the network policy (169.254.0.0/16); network.allow makes an exception"


@pytest.mark.parametrize("scheme", ["http", "https", "socks5", "socks5h"])
@pytest.mark.parametrize("host", ["169.254.169.254", "[::ffff:169.254.169.254]"])
async def test_a_denied_address_is_not_asked_of_a_proxy(net, scheme, host):
    run = await outcome(Http(url=f"http://{host}/", proxy=f"{scheme}://{HOST}:{free_port()}"), net)
    assert run.kind is LOCAL
    assert run.message.endswith(DENIED)


@pytest.mark.parametrize("host", ["0xa9fea9fe", "2852039166", "0251.254.169.254", "169.254.43518"])
async def test_no_spelling_of_a_denied_address_is_asked_of_a_proxy(net, host):
    async with serving(HttpProxy()) as served:
        run = await outcome(Http(url=f"http://{host}/", proxy=served.url("")), net)
    assert (run.kind, run.message) == (LOCAL, f"169.254.169.254 {DENIED}")


async def test_the_policy_holds_for_the_proxy_itself_and_on_every_hop():
    async with name_server({"proxy.example": ["169.254.1.1"], "meta.example": ["169.254.169.254"]}) as dns:
        net = Net(nameservers=[dns.address])
        denied = await outcome(Http(url=f"http://{HOST}/", proxy="http://proxy.example:3128"), net)
        resolved = await outcome(Http(url="http://meta.example/", proxy=f"socks5://{HOST}:{free_port()}"), net)
        async with (
            serving(routing({"/": redirecting("http://169.254.169.254/")})) as site,
            serving(HttpProxy()) as served,
        ):
            hop = await outcome(Http(url=site.url(), proxy=served.url("")), net)
        await net.close()
    assert (denied.kind, denied.message) == (LOCAL, f"169.254.1.1 {DENIED}")
    assert (resolved.kind, resolved.message) == (LOCAL, f"169.254.169.254 {DENIED}")
    assert (hop.kind, hop.message) == (
        EXPECTATION,
        f"redirected to http://169.254.169.254/, and 169.254.169.254 {DENIED}",
    )


async def test_the_environment_says_nothing_about_proxies(net, monkeypatch):
    dead = f"http://{HOST}:{free_port()}"
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, dead)
    monkeypatch.setenv("no_proxy", "*")
    proxy = HttpProxy()
    async with serving(answering(response())) as site, serving(proxy) as served:
        direct = await outcome(Http(url=site.url(), version="auto"), net)
        through = await outcome(Http(url=site.url(), proxy=served.url("")), net)
    assert direct.failure is through.failure is None
    assert len(proxy.heads) == 1


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("http://proxy.example:3128", ("http", "proxy.example", 3128, "", "")),
        ("https://proxy.example", ("https", "proxy.example", 443, "", "")),
        ("socks5h://u:p%40q@[::1]:9", ("socks5h", "::1", 9, "u", "p@q")),
        ("socks5://proxy.example/", ("socks5", "proxy.example", 1080, "", "")),
        ("http://u:a@b@proxy.example", ("http", "proxy.example", 80, "u", "a@b")),
        ("http://key:@proxy.example", ("http", "proxy.example", 80, "key", "")),
        ({"url": "http://proxy.example", "username": "u", "password": "p"}, ("http", "proxy.example", 80, "u", "p")),
    ],
)
def test_proxies_are_written_as_a_text_or_in_parts(value, told):
    proxy = Proxy.model_validate(value)
    found = (proxy.scheme, proxy.host, proxy.port, proxy.username, proxy.password.get_secret_value())
    assert found == told


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("proxy.example:3128", "a proxy begins with http://, https://, socks5://, socks5h://"),
        ("socks4://proxy.example", "a proxy begins with http://, https://, socks5://, socks5h://"),
        ("http://u:hidden@proxy.example:0", "the proxy has no valid port; ports are 1 to 65535"),
        ("http://u:hidden@proxy.example/path", "a proxy is a scheme, a host and a port, as in http://proxy.example:31"),
        ("http://u:hidden@", "the host is missing"),
        ({"url": "http://u:p@proxy.example"}, "credentials of the proxy stand either in a plain string or in username"),
        ({"url": "http://proxy.example", "password": "hidden"}, "password needs username: whose it is"),
        ("http://u@proxy.example", "username needs password, too; an empty one is written as user:@ or password: ''"),
        ({"url": "http://proxy.example", "username": "u"}, "username needs password, too; an empty one is written as"),
    ],
)
def test_a_proxy_that_cannot_be_says_why_and_not_its_password(value, message):
    with pytest.raises(ValidationError) as caught:
        Proxy.model_validate(value)
    (error,) = caught.value.errors()
    assert message in error["msg"]
    assert "hidden" not in error["msg"]


def test_the_password_of_a_proxy_is_nowhere_to_be_seen():
    check = Http(url="http://shop.example/", proxy="http://user:hidden@proxy.example:3128")
    assert "hidden" not in f"{check!r} {check.proxy!s} {check.model_dump()} {check.model_dump_json()}"


# Several addresses of one target: 127.0.0.2 is this machine, too, and nobody listens there.


async def test_socks5_turns_to_the_next_address_where_the_proxy_cannot_reach_one(authority, site):
    proxy = Socks5()
    async with name_server({"shop.example": ["127.0.0.2", HOST]}) as dns, serving(proxy) as served:
        net = Net(nameservers=[dns.address])
        run = await outcome(shop(site, authority, "/to", family="ipv4", proxy=served.url("", "socks5")), net)
        await net.close()
    assert run.failure is None, run.message
    assert [host for host, _ in proxy.asked] == ["127.0.0.2", HOST] * 2
    assert run.facts["net.target_address"] == HOST
    assert run.facts["net.failed"] == "127.0.0.2 (the target refused the connection)"
    assert set(run.phases) == {"dns", "connect", "proxy", "tls", "ttfb", "transfer"}


async def test_socks5_does_not_wait_for_ever_for_an_address_that_swallows(monkeypatch):
    monkeypatch.setattr(curl_proxy, "PATIENCE", 0.1)
    proxy = Socks5(swallows={"127.0.0.2"})
    async with (
        name_server({"shop.example": ["127.0.0.2", HOST]}) as dns,
        serving(answering(response())) as site,
        serving(proxy) as served,
    ):
        net = Net(nameservers=[dns.address])
        url = f"http://shop.example:{site.port}/"
        run = await outcome(Http(url=url, family="ipv4", proxy=served.url("", "socks5")), net)
        await net.close()
    assert run.failure is None, run.message
    assert run.facts["net.failed"] == "127.0.0.2 (no answer in 100 ms)"
    assert run.facts["net.target_address"] == HOST


async def test_the_failure_names_every_address_that_was_asked_of_the_proxy():
    proxy = Socks5(reply=4)
    async with name_server({"shop.example": ["127.0.0.2", HOST]}) as dns, serving(proxy) as served:
        net = Net(nameservers=[dns.address])
        run = await outcome(Http(url="http://shop.example/", family="ipv4", proxy=served.url("", "socks5")), net)
        await net.close()
    assert (run.kind, run.phase) == (CONNECT, "proxy")
    assert run.message == (
        f"the proxy {HOST}:{served.port} reaches no address of the target: "
        "127.0.0.2 (it could not reach the target), 127.0.0.1 (it could not reach the target)"
    )


async def test_a_login_that_the_proxy_refuses_is_not_tried_for_every_address():
    handler = Socks5(login=("u", "other"))
    async with name_server({"shop.example": ["127.0.0.2", HOST]}) as dns, serving(handler) as served:
        net = Net(nameservers=[dns.address])
        proxy = served.url("", "socks5").replace("://", "://u:p@")
        run = await outcome(Http(url="http://shop.example/", family="ipv4", proxy=proxy), net)
        await net.close()
    assert run.message.endswith("does not connect us: it does not accept the user name and password")
    assert "net.failed" not in run.facts
    assert run.facts["net.target_address"] == "127.0.0.2"


# Refusals of the proxy itself, where there is no tunnel.


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        ("407 Proxy Authentication Required", {}, "status 407: it wants another user name and password"),
        ("502 Bad Gateway", {"Proxy-Status": "squid; error=connection_refused"}, "status 502"),
        ("503 Service Unavailable", {"X-Squid-Error": "ERR_CONNECT_FAIL 111", "Via": "1.1 squid"}, "status 503"),
    ],
)
async def test_a_request_that_the_proxy_refuses_is_not_the_targets_fault(net, status, headers, words):
    async with serving(HttpProxy(refusal=response(b"no", status, headers))) as served:
        run = await outcome(Http(url="http://shop.example/", proxy=served.url("")), net)
    assert (run.kind, run.phase) == (CONNECT, "proxy")
    assert run.message == f"the proxy {HOST}:{served.port} refused the request with {words}"
    assert run.facts["http.status"] == int(status[:3])


@pytest.mark.parametrize(
    ("status", "headers"),
    [
        ("502 Bad Gateway", {}),
        ("502 Bad Gateway", {"X-Squid-Error": "ERR_CONNECT_FAIL 111", "Via": "1.1 theirs, 1.1 ours"}),
        ("403 Forbidden", {"Proxy-Status": "cache; hit"}),
    ],
)
async def test_an_answer_that_may_be_the_targets_is_judged_as_the_targets(net, status, headers):
    async with serving(HttpProxy(refusal=response(b"no", status, headers))) as served:
        run = await outcome(Http(url="http://shop.example/", proxy=served.url("")), net)
    assert (run.kind, run.message) == (EXPECTATION, f"status {status[:3]}, wanted 2xx")


@pytest.mark.parametrize("target", ["http://shop.example/", "https://shop.example/"])
async def test_a_proxy_that_hangs_up_is_named(net, target):
    async with serving(_leaving) as served:
        closed = await outcome(Http(url=target, proxy=served.url("")), net)
    assert closed.kind is CONNECT
    words = f"connection closed by the proxy {HOST}:{served.port}"
    assert closed.message.removesuffix(" before it answered") == words
    async with serving(resetting()) as served:
        reset = await outcome(Http(url=target, proxy=served.url("")), net)
    assert reset.kind is CONNECT
    assert reset.message.startswith(f"connection reset by the proxy {HOST}:{served.port}")


async def _leaving(reader: Recorder, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")


async def test_a_target_that_hangs_up_behind_its_proxy_is_not_told_as_the_proxy(net):
    async with serving(_leaving) as site, serving(HttpProxy()) as proxy, serving(Socks5()) as socks:
        tunnelled = await outcome(Http(url=site.url(), ntlm=LOGIN, proxy=proxy.url("")), net)
        through = await outcome(Http(url=site.url(), proxy=socks.url("", "socks5")), net)
    for run, served in ((tunnelled, proxy), (through, socks)):
        assert (run.kind, run.phase) == (CONNECT, "ttfb")
        peer = f"{HOST}:{site.port} behind the proxy {HOST}:{served.port}"
        assert run.message == f"connection closed by {peer} before it answered"


async def test_a_proxy_that_talks_nonsense_is_named(net):
    async with serving(answering(b"hello\r\n\r\n")) as served:
        run = await outcome(Http(url="https://shop.example/", proxy=served.url("")), net)
    assert (run.kind, run.phase) == (FailureKind.PROTOCOL, "proxy")
    assert run.message.startswith(f"the proxy {HOST}:{served.port}: no HTTP answer, it begins with: hello")
