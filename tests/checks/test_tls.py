"""TLS: what is told of certificates, and why one is not accepted."""

import asyncio
import hashlib
import ssl
import time
from typing import Any

import pytest

import checks.http as http_module
import checks.tcp as tcp_module
from checks.core.certificate import certificate_facts
from checks.core.net import Net
from checks.core.result import FailureKind
from checks.core.tls import TlsOptions
from checks.http import Http
from checks.tcp import Tcp
from tests.checks.conftest import outcome
from tests.servers import (
    Authority,
    Served,
    alerting,
    answering,
    closing,
    echo,
    name_server,
    redirecting,
    resetting,
    response,
    routing,
    serving,
    silent,
)

DAY = 86400.0


def https(served: Served, authority: Authority | None = None, **options: Any) -> Http:
    tls = {"ca": str(authority.path)} if authority else {}
    return Http(url=served.url(scheme="https"), tls={**tls, **options})


async def test_a_good_certificate_leaves_its_facts(net, authority):
    pem = authority.issue(days=10.5)
    async with serving(answering(response()), tls=pem.server()) as served:
        run = await outcome(https(served, authority), net)
    assert run.failure is None
    assert set(run.phases) == {"connect", "tls", "ttfb", "transfer"}
    facts = run.facts
    assert (facts["tls.version"], facts["tls.alpn"]) == ("TLSv1.3", "http/1.1")
    assert facts["tls.cipher"].startswith("TLS_")
    assert facts["tls.fingerprint"] == hashlib.sha256(pem.der).hexdigest()
    assert facts["tls.days_left"] == pytest.approx(10.5, abs=0.01)
    assert facts["tls.not_after"] == pytest.approx(time.time() + 10.5 * DAY, abs=60)
    assert facts["tls.chain_not_after"] == facts["tls.not_after"]
    assert "CN=shop.example" in facts["tls.subject"]
    assert "O=Test CA" in facts["tls.issuer"]
    assert facts["tls.sans"] == "localhost,127.0.0.1,::1"
    assert int(facts["tls.serial"], 16) > 0
    assert facts["timing"] == "kernel"


def test_an_intermediate_that_expires_first_counts(authority):
    leaf, other, root = (authority.issue(days=days).der for days in (90, 20, 50))
    facts = certificate_facts([leaf, other], [leaf, root], time.time())
    assert facts["tls.days_left"] == pytest.approx(20, abs=0.01)  # what is presented
    assert facts["tls.chain_not_after"] == pytest.approx(time.time() + 50 * DAY, abs=60)  # what is relied upon
    alone = certificate_facts([leaf, other], [], time.time())
    assert alone["tls.chain_not_after"] == alone["tls.not_after"]


@pytest.mark.parametrize(
    ("made", "message"),
    [
        (lambda ca: ca.issue(days=-3.5), "certificate expired 3 days ago (CN=shop.example, issuer Test CA)"),
        (lambda ca: ca.issue(days=-1.2), "certificate expired 1 day ago (CN=shop.example, issuer Test CA)"),
        (lambda ca: ca.issue(since=2.5), "certificate is valid only in 2 days (CN=shop.example, issuer Test CA)"),
        (
            lambda ca: ca.issue("other.example", "more.example"),
            "certificate is for other.example, more.example, not 127.0.0.1",
        ),
        (lambda ca: ca.self_signed(), "certificate is self-signed (CN=localhost)"),
        (
            lambda _: Authority("Unknown CA").issue(),
            (
                "certificate is not trusted: issuer Unknown CA unknown"
                " (CN=shop.example; the server sent no intermediate certificate)"
            ),
        ),
    ],
)
async def test_a_certificate_that_is_not_accepted_is_explained(net, authority, made, message):
    async with serving(answering(response()), tls=made(authority).server()) as served:
        run = await outcome(https(served, authority), net)
    assert (run.kind, run.phase, run.message) == (FailureKind.TLS, "tls", message)
    assert "tls.days_left" in run.facts
    assert "tls.fingerprint" in run.facts
    assert set(run.phases) == {"connect"}


async def test_without_verification_everything_is_accepted_and_still_told(net, authority):
    async with serving(answering(response()), tls=authority.issue(days=-3).server()) as served:
        run = await outcome(https(served, verify=False), net)
    assert run.failure is None
    assert run.facts["tls.days_left"] == pytest.approx(-3, abs=0.01)


async def test_the_reason_survives_a_deadline_that_strikes_while_the_server_is_asked_again(net, authority):
    calls = []

    async def first_call_alone(reader, writer):
        calls.append(1)
        if len(calls) > 1:
            await asyncio.sleep(3600)
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", served.port)
        inner_writer.write(await reader.read(65536))
        writer.write(await inner_reader.read(65536))
        inner_writer.close()

    async with serving(echo, tls=authority.issue(days=-3).server()) as served, serving(first_call_alone) as front:
        run = await outcome(https(front, authority), net, limit=0.5)
    assert len(calls) == 2
    assert (run.kind, run.phase) == (FailureKind.TLS, "tls")
    assert run.message == "certificate is not accepted: certificate has expired"


async def test_another_server_name_is_asked_for_and_verified(net, authority):
    async with serving(answering(response()), tls=authority.issue("shop.example").server()) as served:
        good = await outcome(https(served, authority, server_name="shop.example"), net)
        bad = await outcome(https(served, authority, server_name="blog.example"), net)
    assert good.failure is None
    assert bad.message == "certificate is for shop.example, not blog.example"


async def test_a_client_certificate_is_shown_where_it_is_wanted(net, authority):
    client = str(authority.issue("client.example").path)
    with alerting(authority.issue().server(client_ca=authority.path)) as port:
        url, ca = f"https://127.0.0.1:{port}/", str(authority.path)
        good = await outcome(Http(url=url, tls={"ca": ca, "cert": client}), net)
        bad = await outcome(Http(url=url, tls={"ca": ca}), net)
    assert good.failure is None
    assert bad.kind is FailureKind.TLS
    assert bad.message.startswith("the server wants a client certificate")


async def test_a_client_certificate_stays_within_its_origin(net, authority):
    client = str(authority.issue("client.example").path)
    with alerting(authority.issue().server(client_ca=authority.path)) as port:
        first = routing({"/": redirecting(f"https://127.0.0.1:{port}/")})
        async with serving(first, tls=authority.issue().server()) as served:
            run = await outcome(https(served, authority, cert=client), net)
    assert run.message.startswith("the server wants a client certificate")


async def test_facts_of_tls_tell_of_the_last_hop(net, authority):
    async with serving(answering(response())) as plain:
        first = routing({"/": redirecting(plain.url())})
        async with serving(first, tls=authority.issue().server()) as served:
            run = await outcome(https(served, authority), net)
    assert run.failure is None
    assert "tls" in run.phases
    assert not [name for name in run.facts if name.startswith("tls.")]


async def test_an_old_server_is_refused_and_accepted_when_asked(net, authority):
    old = authority.issue().server()
    old.minimum_version = ssl.TLSVersion.TLSv1_2
    old.maximum_version = ssl.TLSVersion.TLSv1_2
    with alerting(old) as port:
        url, ca = f"https://127.0.0.1:{port}/", str(authority.path)
        good = await outcome(Http(url=url, tls={"ca": ca}), net)
        bad = await outcome(Http(url=url, tls={"ca": ca, "min_version": "TLSv1.3"}), net)
    assert good.facts["tls.version"] == "TLSv1.2"
    assert bad.kind is FailureKind.TLS
    assert bad.message.startswith("no version of TLS in common with the server")


@pytest.mark.parametrize(
    ("handler", "kind", "message"),
    [
        (closing, FailureKind.TLS, "connection "),
        (resetting(listen=False), FailureKind.TLS, "connection reset by 127.0.0.1:{port} in the TLS handshake"),
        (silent, FailureKind.TIMEOUT, "timed out after "),
        (echo, FailureKind.TLS, "TLS failed: "),
    ],
    ids=["closes", "resets", "silent", "echo"],
)
async def test_a_handshake_that_fails_says_how(net, handler, kind, message):
    async with serving(handler) as served:
        run = await outcome(https(served), net, limit=0.3 if handler is silent else 5)
        assert (run.kind, run.phase) == (kind, "tls")
        assert run.message.startswith(message.format(port=served.port))


async def test_https_on_a_plain_port_says_so(net):
    async def plain(reader, writer):
        await reader.read(100)
        writer.write(response(b"", "400 Bad Request"))
        await writer.drain()

    async with serving(plain) as served:
        run = await outcome(https(served), net)
    assert run.kind is FailureKind.TLS
    assert run.message.startswith("the server does not speak TLS here")


async def test_http_on_a_tls_port_is_no_http_answer(net, authority):
    async with serving(answering(response()), tls=authority.issue().server()) as served:
        run = await outcome(Http(url=served.url()), net)
    assert run.kind in (FailureKind.PROTOCOL, FailureKind.CONNECT)  # OpenSSL of the server may close without a word


async def test_large_bodies_come_whole_through_tls(net, authority):
    body = bytes(range(256)) * 8000
    async with serving(answering(response(body)), tls=authority.issue().server()) as served:
        run = await outcome(https(served, authority), net)
    assert run.failure is None
    assert run.facts["http.bytes"] == len(body)


async def test_tcp_speaks_tls_too(net, authority):
    async with serving(echo, tls=authority.issue().server()) as served:
        check = Tcp(
            host="127.0.0.1", port=served.port, tls={"ca": str(authority.path)}, send=r"PING\r\n", expect="PING"
        )
        run = await outcome(check, net)
    assert run.failure is None
    assert run.facts["tls.version"] == "TLSv1.3"
    assert set(run.phases) == {"connect", "tls", "send", "ttfb", "transfer"}


async def test_the_name_that_was_resolved_is_the_name_that_is_verified(authority):
    async with (
        name_server({"shop.example": ["127.0.0.1"]}) as dns,
        serving(answering(response()), tls=authority.issue("shop.example").server()) as served,
    ):
        net = Net(nameservers=[dns.address])
        check = Http(url=f"https://shop.example:{served.port}/", tls={"ca": str(authority.path)})
        run = await outcome(check, net)
        await net.close()
    assert run.failure is None
    assert set(run.phases) == {"dns", "connect", "tls", "ttfb", "transfer"}


async def test_a_renewed_ca_file_is_noticed(net, tmp_path):
    old, new = Authority(), Authority()
    ca = tmp_path / "ca.pem"
    ca.write_bytes(old.path.read_bytes())
    options = TlsOptions(ca=str(ca))
    async with serving(answering(response()), tls=new.issue().server()) as served:
        check = Http(url=served.url(scheme="https"), tls=options)
        before = await outcome(check, net)
        ca.write_bytes(new.path.read_bytes() + b"\n")
        after = await outcome(check, net)
    assert before.kind is FailureKind.TLS
    assert after.failure is None


async def test_a_ca_file_that_went_away_is_our_side(net, tmp_path, authority):
    ca = tmp_path / "ca.pem"
    ca.write_bytes(authority.path.read_bytes())
    async with serving(answering(response()), tls=authority.issue().server()) as served:
        check = Http(url=served.url(scheme="https"), tls={"ca": str(ca)})
        ca.unlink()
        run = await outcome(check, net)
    assert (run.kind, run.message) == (FailureKind.LOCAL, f"ca: cannot read {ca} (No such file or directory)")


async def test_thresholds_may_name_every_number_of_a_run(net, authority):
    """What `METRICS` lacks, a configuration could not set a limit on."""
    async with serving(answering(response(b"hello")), tls=authority.issue("127.0.0.1").server()) as served:
        web = await outcome(https(served, authority), net)
    async with serving(echo, tls=authority.issue("127.0.0.1").server()) as served:
        tls = {"ca": str(authority.path)}
        tcp = Tcp(host="127.0.0.1", port=served.port, tls=tls, send="hello", expect="hello")
        plain = await outcome(tcp, net)
    for run, known in ((web, http_module.METRICS), (plain, tcp_module.METRICS)):
        assert run.failure is None
        numbers = {name for name, fact in run.facts.items() if type(fact) in (int, float)}
        assert numbers | set(run.phases) <= known
