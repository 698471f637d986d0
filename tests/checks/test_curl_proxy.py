"""Through proxies: what they are asked, what is told, and where probes may not go."""

import ssl
from typing import Any

import pytest
from pydantic import ValidationError

from checks.core.curl_wish import Proxy
from checks.core.net import Net
from checks.core.result import FailureKind
from checks.http import METRICS, Http
from tests.checks.conftest import outcome
from tests.proxies import HttpProxy, Socks5
from tests.servers import (
    HOST,
    Authority,
    Served,
    answering,
    free_port,
    name_server,
    redirecting,
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
