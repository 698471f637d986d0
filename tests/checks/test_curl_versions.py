"""HTTP/2 and HTTP/3 through libcurl, against a real server."""

import asyncio
from typing import Any

import pytest
from pydantic import ValidationError

from checks.core.decode import ACCEPTED
from checks.core.result import FailureKind
from checks.http import Http
from tests.checks.conftest import Outcome, outcome
from tests.hyper import PASSWORD, USER, door, hyper
from tests.servers import HOST, answering, free_port, response, serving

PHASES = {"2": {"connect", "tls", "ttfb", "transfer"}, "3": {"connect", "ttfb", "transfer"}}


@pytest.fixture(scope="module")
def doors(authority):
    """The ports of one server: `good`, `old` (HTTP/1.1 over TLS), `plain`, `expired`, `other` (of a name)."""
    found = {
        "good": door(authority.issue(), quic=True),
        "old": door(authority.issue(), alpn="http/1.1"),
        "plain": door(),
        "expired": door(authority.issue("shop.example", days=-3.5), quic=True),
        "other": door(authority.issue("shop.example"), quic=True),
    }
    with hyper(*found.values()):
        yield {name: one["port"] for name, one in found.items()}


@pytest.fixture
def good(doors, authority):
    """A check of the good port, by version, path and other options."""

    def make(version, path="/", **options):
        url = f"https://{HOST}:{doors['good']}{path}"
        return Http(url=url, version=version, tls={"ca": str(authority.path)}, **options)

    return make


@pytest.mark.parametrize("version", ["2", "3"])
async def test_the_version_that_is_asked_for_is_spoken_and_told(net, good, version):
    run = await outcome(good(version), net)
    assert run.failure is None
    assert set(run.phases) == PHASES[version]
    facts = run.facts
    assert (facts["http.status"], facts["http.version"]) == (200, version)
    assert (facts["engine"], facts["timing"]) == ("curl", "loop")
    assert (facts["net.address"], facts["net.family"], facts["tls.version"]) == (HOST, 4, "TLSv1.3")
    assert facts["tls.days_left"] == pytest.approx(90, abs=0.01)


@pytest.mark.parametrize("version", ["2", "3"])
async def test_the_request_is_the_one_of_our_own_exchange(net, good, version):
    headers = {"X-Id": "7", "Host": "virtual.example", "X-Empty": ""}
    heard = {
        "$.http_version": version,
        "$.method": "POST",
        "$.path": "/a",
        "$.query": "b=%20c",
        "$.body": "text",
        "$.headers": [
            ["accept", "*/*"],
            ["accept-encoding", ACCEPTED],
            ["content-length", "4"],
            ["host", "virtual.example"],
            ["user-agent", "Probe"],
            ["x-empty", ""],
            ["x-id", "7"],
        ],
    }
    expect = {"json": {path: {"equals": value} for path, value in heard.items()}}
    run = await outcome(good(version, "/a?b=%20c", method="post", body="text", headers=headers, expect=expect), net)
    assert run.failure is None, run.message


@pytest.mark.parametrize("version", ["2", "3"])
async def test_answers_are_judged_and_redirects_followed_as_ever(net, good, version):
    bad = await outcome(good(version, "/404"), net)
    followed = await outcome(good(version, "/to?/", expect={"body": f'"http_version": "{version}"'}), net)
    large = await outcome(good(version, "/large", max_body=1_000_000), net)
    assert (bad.kind, bad.message) == (FailureKind.EXPECTATION, "status 404, wanted 2xx")
    assert bad.facts["http.excerpt"] == "gone"
    assert followed.failure is None
    assert followed.facts["http.redirects"] == 1
    assert large.message == "the body is larger than 1000000 bytes; max_body sets the limit"


@pytest.mark.parametrize(("name", "spoken"), [("good", "2"), ("old", "1.1")])
async def test_auto_takes_what_the_server_knows(net, doors, authority, name, spoken):
    check = Http(url=f"https://{HOST}:{doors[name]}/", version="auto", tls={"ca": str(authority.path)})
    run = await outcome(check, net)
    assert run.failure is None
    assert run.facts["http.version"] == spoken


async def test_http_2_without_tls_is_spoken_at_once(net, doors):
    run = await outcome(Http(url=f"http://{HOST}:{doors['plain']}/", version="2"), net)
    assert run.failure is None
    assert run.facts["http.version"] == "2"


async def test_a_server_that_does_not_speak_http_2_is_told_of(net, doors, authority):
    check = Http(url=f"https://{HOST}:{doors['old']}/", version="2", tls={"ca": str(authority.path)})
    secure = await outcome(check, net)
    async with serving(answering(response())) as served:
        plain = await outcome(Http(url=served.url(), version="2"), net)
    assert secure.kind is plain.kind is FailureKind.PROTOCOL
    assert secure.message == "the server does not speak HTTP/2 here: it answered in HTTP/1.1"
    assert plain.message == "the server does not speak HTTP/2 here"


async def test_a_server_that_does_not_speak_http_3_is_told_of(net):
    port = free_port()
    run = await outcome(Http(url=f"https://{HOST}:{port}/", version="3"), net)
    assert (run.kind, run.phase) == (FailureKind.CONNECT, "connect")
    assert run.message == f"connection refused by {HOST}:{port}"


@pytest.mark.parametrize("version", ["2", "3"])
async def test_certificates_are_looked_at_as_ever(net, doors, authority, version):
    async def run(name: str, **tls: Any) -> Outcome:
        return await outcome(Http(url=f"https://{HOST}:{doors[name]}/", version=version, tls=tls), net)

    ca = str(authority.path)
    expired = await run("expired", ca=ca, server_name="shop.example")
    unknown = await run("other", server_name="shop.example")
    other = await run("other", ca=ca)
    named = await run("other", ca=ca, server_name="shop.example")
    assert expired.kind is unknown.kind is other.kind is FailureKind.TLS
    assert expired.message == "certificate expired 3 days ago (CN=shop.example, issuer Test CA)"
    assert unknown.message.startswith("certificate is not trusted: issuer Test CA unknown")
    assert other.message == f"certificate is for shop.example, not {HOST}"
    assert expired.facts["tls.days_left"] == pytest.approx(-3.5, abs=0.01)
    assert named.failure is None


@pytest.mark.parametrize(("version", "seen"), [("2", {"connect", "tls"}), ("3", {"connect"})])
async def test_a_deadline_keeps_what_was_seen(net, good, version, seen):
    run = await outcome(good(version, "/slow"), net, limit=0.5)
    assert (run.kind, run.phase) == (FailureKind.TIMEOUT, "ttfb")
    assert set(run.phases) == seen
    assert "tls.days_left" in run.facts


async def test_a_redirect_to_plain_http_ends_http_3(net, good):
    run = await outcome(good("3", f"/to?http://{HOST}/"), net)
    assert run.kind is FailureKind.EXPECTATION
    assert run.message == f"redirected to http://{HOST}/, which HTTP/3 is not spoken to: only to https://"


@pytest.mark.parametrize("hashing", ["MD5", "SHA-256"])
@pytest.mark.parametrize("version", ["2", "3", "auto"])
async def test_digest_answers_a_challenge_in_every_version(net, good, version, hashing):
    spoken = "2" if version == "auto" else version
    path = f"/digest/{hashing}?b=c&d=%20e"
    options = {"method": "POST", "body": "text", "expect": {"json": {"$.http_version": spoken, "$.body": "text"}}}
    run = await outcome(good(version, path, digest={"username": USER, "password": PASSWORD}, **options), net)
    assert run.failure is None, run.message
    assert set(run.phases) == PHASES[spoken]
    assert (run.facts["http.status"], run.facts["http.version"]) == (200, spoken)
    assert run.facts["tls.days_left"] == pytest.approx(90, abs=0.01)


@pytest.mark.parametrize("hashing", ["MD5", "SHA-256"])
@pytest.mark.parametrize("version", ["2", "3"])
@pytest.mark.parametrize("wrong", [{"password": "hidden"}, {"username": "Scar"}], ids=str)
async def test_a_digest_that_is_refused_is_told_in_every_version(net, good, version, hashing, wrong):
    login = {"username": USER, "password": PASSWORD} | wrong
    run = await outcome(good(version, f"/digest/{hashing}", digest=login), net)
    assert (run.kind, run.phase, run.message) == (FailureKind.EXPECTATION, "", "status 401, wanted 2xx")
    assert (run.facts["http.status"], run.facts["http.excerpt"]) == (401, "who?")
    assert set(run.phases) == PHASES[version]


async def test_digest_has_a_connection_of_its_own_where_others_are_open(net, good):
    login = {"username": "u", "password": "hidden"}
    waiting = asyncio.ensure_future(outcome(good("2", "/slow"), net, limit=30))
    first = await outcome(good("2"), net)
    second = await outcome(good("2", digest=login), net)
    waiting.cancel()
    await asyncio.wait([waiting])
    assert first.failure is second.failure is None
    assert set(first.phases) == set(second.phases) == PHASES["2"]
    assert second.facts["tls.fingerprint"] == first.facts["tls.fingerprint"]


@pytest.mark.parametrize(
    ("version", "wanted", "remedy"),
    [
        ("1.1", "2", 'version: "2"'),
        ("2", "1.1", 'version: "1.1"'),
        ("3", "2", 'version: "2"'),
        ("auto", "3", 'version: "3"'),
        ("2", "1.0", 'version: "1.1"'),
    ],
)
def test_a_version_that_never_comes_is_not_expected(version, wanted, remedy):
    with pytest.raises(ValidationError) as caught:
        Http(url="https://a.example/", version=version, expect={"version": wanted})
    message = f'expect.version "{wanted}" never comes true: version is "{version}"; write {remedy}'
    assert message in caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(("version", "wanted"), [("1.1", "1.0"), ("auto", "1.1"), ("auto", "2"), ("3", "3")])
def test_a_version_that_may_come_can_be_expected(version, wanted):
    assert Http(url="https://a.example/", version=version, expect={"version": wanted}).expect.version == wanted
