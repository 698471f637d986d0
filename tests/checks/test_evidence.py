"""What a failing run saw is told, whole and without secrets: real servers, and rude ones, over both engines."""

import asyncio
import datetime as dt
import gzip
import json
from base64 import b64decode, b64encode
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trustme
from cryptography import x509
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from checks.core.curl import ask_by_curl
from checks.core.curl_wish import Wish
from checks.core.evidence import BEGINNING, LARGEST, Evidence, Form, to_json
from checks.core.gather import gather
from checks.core.net import Net
from checks.core.redact import MASK, Redactor
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.conftest import outcome
from tests.servers import (
    ENDLESS_HEADERS,
    HOST,
    Authority,
    Pem,
    answering,
    banner,
    closing,
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

PASSWORD = "hunter2-secret"
SECRETS = Redactor([PASSWORD])


class OverCurl(Http):
    """The same check, carried by libcurl though nothing asks for it."""

    async def run(self, trace, net):
        await ask_by_curl(Wish(), self._order, trace, net)


ENGINES = pytest.mark.parametrize("kind", [Http, OverCurl], ids=["own", "curl"])


async def seen(check, net: Net, *, redact=SECRETS, limit: float = 5.0) -> Evidence:
    """The evidence of a run, which has to fail."""
    ended = await outcome(check, net, limit=limit)
    assert ended.failure is not None
    evidence = gather(check, ended.trace, ended.failure, redact, limit)
    assert len(to_json(evidence)) <= LARGEST
    return evidence


def http(kind: type[Http] = Http, **options: Any) -> Http:
    return kind.model_validate(options)


@ENGINES
async def test_a_wrong_answer_is_kept_as_it_came(net, kind):
    page = b"<h1>Guru Meditation</h1>\r\n<p>XID: 98304</p>"
    answer = response(page, "503 Backend fetch failed", {"Content-Type": "text/html", "Via": "1.1 varnish"})
    callers: list[str] = []

    async def handle(reader, writer):
        callers.append("{}:{}".format(*writer.get_extra_info("peername")))
        await answering(answer)(reader, writer)

    async with serving(handle) as served:
        evidence = await seen(http(kind, url=served.url("/x?y=1"), headers={"X-Shop": "de"}), net)
    assert evidence.target == served.url("/x?y=1")
    assert evidence.request[0] == "GET /x?y=1 HTTP/1.1"
    assert f"Host: {HOST}:{served.port}" in evidence.request
    assert "X-Shop: de" in evidence.request
    # As the server was asked, byte for byte: nothing in it is secret.
    assert served.requests[0].decode().split("\r\n")[:-2] == list(evidence.request)[: len(evidence.request)]
    assert evidence.answer[0] == "HTTP/1.1 503 Backend fetch failed"
    assert set(evidence.answer[1:]) == {"content-type: text/html", "via: 1.1 varnish", f"content-length: {len(page)}"}
    assert evidence.received is not None
    assert (evidence.received.form, evidence.received.type) == (Form.TEXT, "text/html")
    assert evidence.received.content == page.decode().replace("\r\n", "\n")
    assert (evidence.received.size, evidence.received.cut) == (len(page), False)
    assert (evidence.peer, evidence.local) == (f"{HOST}:{served.port}", callers[0])
    assert [(one.address, one.outcome) for one in evidence.addresses] == [(HOST, "connected")]
    assert evidence.message == "status 503, wanted 2xx"
    assert set(evidence.phases) == {"connect", "ttfb", "transfer"}
    assert evidence.opened == 0.0
    assert not evidence.cut


@ENGINES
async def test_a_body_that_is_not_the_wanted_one_is_kept_with_its_address(net, kind):
    async with serving(answering(response(b"maintenance" + b"." * 9000))) as served:
        evidence = await seen(http(kind, url=served.url(), expect={"body": "welcome"}), net)
    assert evidence.received is not None
    assert evidence.received.content.startswith("maintenance...")
    assert len(evidence.received.content) == BEGINNING + 1  # and the mark of where it was cut
    assert (evidence.received.size, evidence.received.cut) == (9011, True)
    assert evidence.local.startswith(f"{HOST}:")


@ENGINES
async def test_an_answer_without_headers_has_its_body(net, kind):
    async with serving(answering(b"HTTP/1.1 500 Oops\r\n\r\nwhat went wrong")) as served:
        evidence = await seen(http(kind, url=served.url()), net)
    assert evidence.answer == ("HTTP/1.1 500 Oops",)
    assert evidence.received is not None
    assert evidence.received.content == "what went wrong"


@ENGINES
async def test_a_body_in_pieces_is_kept_up_to_its_beginning(net, kind):
    """More than is told in one line, and yet not all of it in the first piece."""
    head = b"HTTP/1.1 500 Oops\r\nContent-Length: 6000\r\n\r\n"
    async with serving(answering(head + b"a" * 1000, b"b" * 2000, b"c" * 3000, pause=0.01)) as served:
        evidence = await seen(http(kind, url=served.url()), net)
    assert evidence.received is not None
    assert evidence.received.content == "a" * 1000 + "b" * 2000 + "c" * (BEGINNING - 3000) + "…"


@ENGINES
async def test_the_beginning_is_what_a_compressed_body_unfolds_to(net, kind):
    page = b"an error of ours " * 1000
    packed = response(gzip.compress(page), "500 Oops", {"Content-Encoding": "gzip", "Content-Type": "text/plain"})
    async with serving(answering(packed)) as served:
        evidence = await seen(http(kind, url=served.url()), net)
    assert evidence.received is not None
    assert evidence.received.content[:100] == page[:100].decode()
    assert evidence.received.cut


TOKEN = "qx7Jw-only-for-you-9f2"
COOKIE = "c00kie-of-this-session"
JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N"  # of the kind that jwt.io shows


def _credulous(request: bytes) -> bytes:
    """An error page that says everything that its server knows of the one who asks."""
    told = {
        "message": "no backend",
        "sent": request.decode("latin-1"),
        "access_token": "made-up-by-the-target",
        "jwt": JWT,
        "session": COOKIE,
        "login": f"https://ann:{PASSWORD}@db.shop.example/x",
        "link": f"https://shop.example/reset?code=reset-code-77&token={TOKEN}",
    }
    page = json.dumps(told).encode() + b"\n" + request
    cookies = f"sid={COOKIE}; Path=/; HttpOnly; Secure"
    headers = {"Set-Cookie": cookies, "X-Auth-Token": TOKEN, "Content-Type": "application/json", "X-Trace": PASSWORD}
    return response(page, "500 Oops", headers)


@ENGINES
async def test_no_secret_of_either_side_is_told(net, kind):
    """Credentials written down, tokens in redirects, cookies set on the way and echoed, whatever the body says."""
    away = f"/back?token={TOKEN}&lang=de"
    first = response(b"moved", "302 Found", {"Location": away, "Set-Cookie": f"sid={COOKIE}; Path=/"})
    async with serving(routing({"/": first, "/back": _credulous})) as served:
        check = http(
            kind,
            url=served.url("/?api_key=k3y-in-the-url"),
            method="POST",
            body=f"user=ann&password={PASSWORD}&x=1",
            basic={"username": "ann", "password": PASSWORD},
            headers={"X-Api-Key": "k3y-of-ours", "Cookie": "theme=dark-and-long-enough"},
        )
        evidence = await seen(check, net)
    assert f"token={TOKEN}" in served.requests[1].decode()
    assert COOKIE in served.requests[1].decode()  # it was sent back
    told = to_json(evidence).decode()
    pair = b64encode(f"ann:{PASSWORD}".encode()).decode()
    hidden = (PASSWORD, TOKEN, COOKIE, JWT, pair, "k3y-in-the-url", "k3y-of-ours", "dark-and-long-enough")
    assert [one for one in (*hidden, "made-up-by-the-target", "reset-code-77") if one in told] == []
    assert [hop.location for hop in evidence.hops] == [f"/back?token={MASK}&lang=de"]
    assert f"Authorization: Basic {MASK}" in evidence.request
    assert f"X-Api-Key: {MASK}" in evidence.request
    assert any(line == f"Cookie: theme={MASK}; sid={MASK}" for line in evidence.request)
    assert f"set-cookie: sid={MASK}; Path=/; HttpOnly; Secure" in evidence.answer
    assert evidence.received is not None
    assert '"message": "no backend"' in evidence.received.content
    assert "$PASSWORD" in evidence.again


async def test_a_secret_that_the_beginning_ends_in_is_not_told_in_part(net):
    page = b"x" * (BEGINNING - len(PASSWORD) + 3) + PASSWORD.encode() + b"y" * 500
    async with serving(answering(response(page, "500 Oops"))) as served:
        evidence = await seen(http(url=served.url()), net)
    assert evidence.received is not None
    assert evidence.received.content.endswith(f"x{MASK}…")


BINARY = bytes(range(256)) * 8


@ENGINES
async def test_bytes_are_kept_as_bytes(net, kind):
    answer = response(BINARY, "500 Oops", {"Content-Type": "image/png"})
    async with serving(answering(answer)) as served:
        evidence = await seen(http(kind, url=served.url()), net)
    assert evidence.received is not None
    assert (evidence.received.form, evidence.received.type) == (Form.BASE64, "image/png")
    assert b64decode(evidence.received.content) == BINARY


@pytest.mark.parametrize(
    ("page", "form", "content"),
    [
        (b"\0\xff" + PASSWORD.encode() + b"\0\xfe", Form.BASE64, b"\0\xff" + MASK.encode() + b"\0\xfe"),
        (f"so {PASSWORD} it is".encode("utf-16-le"), Form.HIDDEN, b"binary, with a secret in it"),
    ],
    ids=["among bytes", "UTF-16"],
)
async def test_a_secret_among_bytes_is_not_told(net, page, form, content):
    async with serving(answering(response(page, "500 Oops"))) as served:
        evidence = await seen(http(url=served.url()), net)
    assert evidence.received is not None
    assert evidence.received.form is form
    told = evidence.received.content
    assert (b64decode(told) if form is Form.BASE64 else told.encode()) == content


async def test_what_nobody_asked_for_encoded_is_not_shown(net):
    async with serving(answering(response(b"zzz", "500 Oops", {"Content-Encoding": "x-ours"}))) as served:
        evidence = await seen(http(url=served.url()), net)
    assert evidence.received is not None
    assert (evidence.received.form, evidence.received.size) == (Form.HIDDEN, 3)
    assert evidence.received.content == "encoded as x-ours, which was not asked for"


async def test_nothing_that_a_terminal_would_obey_is_left(net):
    evil = "\x1b[2J\x07\u202e\x9b"
    page = response(f"a{evil}\tb\r\nc".encode(), "500 Oops", {"X-Evil": f"a{evil}b", "Content-Type": "text/plain"})
    async with serving(answering(page)) as served:
        evidence = await seen(http(url=served.url()), net)
    told = "".join([*evidence.answer, evidence.received.content if evidence.received else ""])
    assert {character for character in told if not character.isprintable()} == {"\t", "\n"}
    assert evidence.received is not None
    assert evidence.received.content == "a\ufffd[2J\ufffd\ufffd\ufffd\tb\nc"


# Cut off, and not in HTTP


@ENGINES
async def test_a_deadline_keeps_what_was_seen(net, kind):
    """The head came, with a cookie; the rest of the body never did."""
    head = b"HTTP/1.1 200 OK\r\nSet-Cookie: sid=c00kie-of-this-session\r\nContent-Length: 99\r\n\r\n"
    async with serving(answering(head + b"beginning", b"end", pause=60)) as served:
        evidence = await seen(http(kind, url=served.url()), net, limit=0.3)
    assert (evidence.kind, evidence.phase) == ("timeout", "transfer")
    assert evidence.answer[:2] == ("HTTP/1.1 200 OK", f"set-cookie: sid={MASK}")
    assert evidence.received is not None
    assert (evidence.received.content, evidence.received.cut) == ("beginning", True)
    assert 0.2 < evidence.opened < 5.0
    assert "ttfb" in evidence.phases


async def test_half_a_head_is_kept_without_its_cookies(net):
    """RFC 9112: the empty line that ends the headers is missing."""
    head = b"HTTP/1.1 200 Fine\r\nSet-Cookie: sid=c00kie-of-this-session\r\nX-Part: 1"
    async with serving(answering(head, b"", pause=60)) as served:
        evidence = await seen(http(url=served.url()), net, limit=0.3)
    assert evidence.answer == ("HTTP/1.1 200 Fine", f"Set-Cookie: sid={MASK}", "X-Part: 1")


@ENGINES
async def test_what_is_no_http_is_kept_as_it_came(net, kind):
    async with serving(answering(b"SSH-2.0-OpenSSH_9.2p1 Debian\r\n")) as served:
        evidence = await seen(http(kind, url=served.url()), net)
    assert (evidence.kind, evidence.answer) == ("protocol", ())
    assert evidence.received is not None
    assert evidence.received.type == "no HTTP answer"
    assert evidence.received.content == "SSH-2.0-OpenSSH_9.2p1 Debian\n"


@ENGINES
async def test_a_silent_server_leaves_the_request(net, kind):
    async with serving(silent) as served:
        evidence = await seen(http(kind, url=served.url()), net, limit=0.2)
    assert evidence.request[0] == "GET / HTTP/1.1"
    assert (evidence.answer, evidence.received) == ((), None)
    assert evidence.peer == f"{HOST}:{served.port}"
    assert evidence.local.startswith(f"{HOST}:")


@pytest.mark.parametrize(
    "handler",
    [ENDLESS_HEADERS, closing, resetting(), resetting(b"HTTP/1.1 200 OK\r\n\r\nhi"), answering(gzip_bomb())],
    ids=["endless headers", "closing", "reset", "reset later", "bomb"],
)
@ENGINES
async def test_rude_servers_leave_evidence_that_is_bounded(net, handler, kind):
    async with serving(handler) as served:
        evidence = await seen(http(kind, url=served.url(), max_body=1 << 20), net)
    assert evidence.peer == f"{HOST}:{served.port}"


@pytest.mark.parametrize(
    "page",
    [b'"' * 9000, b"\x01" * 9000, "\u2028€".encode() * 3000, b"\xff" * 9000, b"&amp;<script>" * 900],
    ids=["quotes", "controls", "wide", "no text", "markup"],
)
async def test_all_of_it_is_small_whatever_was_sent(net, page):
    """Fifty redirects, sixty-odd headers of a thousand characters, a body that grows as JSON."""
    headers = {f"X-{number}": '"' * 1000 for number in range(60)}
    routes: dict[str, Any] = {f"/{n}": redirecting(f"/{n + 1}?{'x' * 400}") for n in range(50)}
    async with serving(routing({**routes, "/50": response(page, "500 Oops", headers)})) as served:
        evidence = await seen(http(url=served.url("/0"), redirects=50), net)
    assert evidence.cut
    assert len(evidence.hops) <= 10
    assert evidence.received is not None
    assert evidence.received.content
    assert evidence.answer[0] == "HTTP/1.1 500 Oops"
    assert "more lines" in evidence.answer[-1]


# Connections


@ENGINES
async def test_every_address_is_told_with_what_came_of_it(kind):
    """::1 refuses, 127.0.0.1 takes the connection: the server listens on it alone."""
    async with (
        serving(answering(response(b"", "500 Oops"))) as served,
        name_server({"shop.test": ["::1", HOST]}) as dns,
    ):
        net = Net(nameservers=[dns.address])
        try:
            evidence = await seen(http(kind, url=f"http://shop.test:{served.port}/"), net)
        finally:
            await net.close()
    outcomes = {one.address: one.outcome for one in evidence.addresses}
    assert outcomes[HOST] == "connected"
    assert outcomes["::1"] == (f"connection refused by [::1]:{served.port}" if kind is Http else "not tried")
    assert evidence.peer == f"{HOST}:{served.port}"
    assert f"--resolve shop.test:{served.port}:{HOST}" in evidence.again


async def test_addresses_that_all_fail_are_told_each(net):
    port = free_port()
    evidence = await seen(http(url=f"http://localhost:{port}/"), net)
    assert {one.outcome for one in evidence.addresses if one.address == HOST} == {
        f"connection refused by {HOST}:{port}"
    }
    assert (evidence.peer, evidence.request) == ("", ())


async def test_a_connection_that_does_not_come_about_says_from_where(net):
    with full_backlog() as port:
        evidence = await seen(http(url=f"http://{HOST}:{port}/"), net, limit=0.2)
    assert (evidence.phase, evidence.peer) == ("connect", "")
    assert evidence.local.startswith(f"{HOST}:")
    assert evidence.addresses[0].outcome.endswith(f"connecting to {HOST}")


async def test_a_name_that_does_not_resolve_leaves_the_line_to_ask_by_hand():
    async with name_server({}) as dns:
        net = Net(nameservers=[dns.address])
        try:
            evidence = await seen(http(url="http://nowhere.test/"), net)
        finally:
            await net.close()
    assert (evidence.kind, evidence.addresses) == ("dns", ())
    assert evidence.again.endswith("http://nowhere.test/")
    assert evidence.target == "http://nowhere.test/"


@asynccontextmanager
async def chained(folder: Path, *, days: float = 90.0):
    """A site whose certificate an intermediate signed; the file of the root."""
    root = trustme.CA()
    middle = root.create_child_ca()
    now = dt.datetime.now(dt.UTC)
    leaf = middle.issue_cert(HOST, not_before=now - dt.timedelta(days=400), not_after=now + dt.timedelta(days=days))
    leaf.private_key_and_cert_chain_pem.write_to_path(str(folder / "site.pem"))
    root.cert_pem.write_to_path(str(folder / "root.pem"))
    certificates = [x509.load_pem_x509_certificate(blob.bytes()) for blob in leaf.cert_chain_pems]
    async with serving(answering(response(b"", "500 Oops")), tls=Pem(folder / "site.pem").server()) as served:
        yield served, str(folder / "root.pem"), certificates


@ENGINES
@pytest.mark.parametrize(("days", "kind_of_failure"), [(90.0, "expectation"), (-3.5, "tls")], ids=["good", "expired"])
async def test_the_chain_is_told_as_the_server_sent_it(net, kind, tmp_path, days, kind_of_failure):
    """Of the whole chain, also where it is not accepted. The expected values are those of cryptography."""
    async with chained(tmp_path, days=days) as (served, root, certificates):
        evidence = await seen(http(kind, url=served.url(scheme="https"), tls={"ca": root}), net)
    assert evidence.kind == kind_of_failure
    assert len(evidence.chain) == len(certificates) == 2
    for told, real in zip(evidence.chain, certificates, strict=True):
        assert told.fingerprint == real.fingerprint(SHA256()).hex()
        assert told.subject == real.subject.rfc4514_string()
        assert told.issuer == real.issuer.rfc4514_string()
        assert told.not_before_ms == round(real.not_valid_before_utc.timestamp() * 1000)
        assert told.not_after_ms == round(real.not_valid_after_utc.timestamp() * 1000)
    assert evidence.chain[0].names == (HOST,)
    assert evidence.chain[0].issuer == evidence.chain[1].subject
    assert evidence.tls.startswith("TLSv1.")
    assert certificates[0].public_bytes(Encoding.DER)


async def test_credentials_stay_at_their_origin_and_out_of_what_is_told(net):
    """A redirect elsewhere, with a user name and a password in its address: they are dropped, and not shown."""
    async with serving(answering(response(b"", "500 Oops"))) as other:
        away = f"http://ann:{PASSWORD}@{HOST}:{other.port}/x"
        async with serving(routing({"/": redirecting(away)})) as served:
            check = http(url=served.url(), bearer="b3arer-of-ours")
            evidence = await seen(check, net, redact=str)
    assert evidence.hops[0].location == f"http://{MASK}@{HOST}:{other.port}/x"
    assert evidence.target == f"http://{HOST}:{other.port}/x"
    assert not any(line.startswith("Authorization") for line in evidence.request)
    assert PASSWORD.encode() not in to_json(evidence)


# Checks without requests


async def test_tcp_tells_what_was_sent_and_what_came(net):
    async with serving(banner(b"-ERR wrong pass\r\n")) as served:
        check = Tcp.model_validate(
            {"host": HOST, "port": served.port, "send": r"AUTH ann op3n-sesame\r\nPING\r\n", "expect": "+PONG"}
        )
        evidence = await seen(check, net, limit=0.3)
    assert evidence.sent is not None
    assert evidence.received is not None
    assert evidence.sent.content == f"AUTH {MASK}\nPING\n"
    assert evidence.received.content == "-ERR wrong pass\n"
    assert evidence.again == f"printf -- 'AUTH %s\\r\\nPING\\r\\n' \"$SECRET\" | nc -v -w 1 {HOST} {served.port}"
    assert (evidence.request, evidence.answer) == ((), ())
    assert "op3n-sesame" not in to_json(evidence).decode()


async def test_tcp_over_tls_tells_the_chain(net, authority):
    async with serving(banner(b"\x00\x01\x02"), tls=authority.issue().server()) as served:
        check = Tcp.model_validate(
            {"host": HOST, "port": served.port, "tls": {"ca": str(authority.path)}, "expect": "hello"}
        )
        evidence = await seen(check, net, limit=0.3)
    assert len(evidence.chain) == 1
    assert evidence.received is not None
    assert b64decode(evidence.received.content) == b"\x00\x01\x02"
    assert "openssl s_client -showcerts" in evidence.again


async def test_a_certificate_for_another_name_is_shown(net, authority: Authority):
    async with serving(answering(response()), tls=authority.issue("other.example").server()) as served:
        evidence = await seen(http(url=served.url(scheme="https"), tls={"ca": str(authority.path)}), net)
    assert evidence.chain[0].names == ("other.example",)
    assert evidence.request == ()


async def test_no_more_than_the_beginning_is_waited_for(net):
    """A failed answer is told at once, though its body never ends."""
    async with serving(endless(b"HTTP/1.1 500 Oops\r\n\r\n", b"a" * 100)) as served, asyncio.timeout(20):
        evidence = await seen(http(url=served.url()), net)
    assert evidence.received is not None
    assert len(evidence.received.content) == BEGINNING + 1
    assert evidence.received.cut
