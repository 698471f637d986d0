"""Logins through libcurl: digest, NTLM and signatures of AWS, against servers that compute them independently."""

import asyncio
import re
import struct
from base64 import b64decode, b64encode
from hashlib import sha256
from string import ascii_lowercase, ascii_uppercase, digits
from urllib.parse import quote

import pytest
from pydantic import SecretStr, ValidationError
from spnego._ntlm_raw.md4 import md4 as others_md4

from checks.core.base import ProtocolError
from checks.core.curl_ntlm import authenticate, challenge_in, negotiate, ntowf_v2, responses
from checks.core.curl_wish import Login
from checks.core.http1 import Answer
from checks.core.md4 import md4
from checks.core.result import FailureKind
from checks.http import Http
from tests.checks.conftest import outcome
from tests.logins import Digest, Ntlm, aws_signature, digest_response
from tests.proxies import HttpProxy
from tests.servers import answering, redirecting, response, routing, serving

EXPECTATION = FailureKind.EXPECTATION
LOGIN = {"username": "Mufasa", "password": "Circle of Life"}


@pytest.mark.parametrize(
    ("hashing", "wanted"),
    [
        ("MD5", "8ca523f5e9506fed4657c9700eebdbec"),
        ("SHA-256", "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"),
    ],
)
def test_the_digest_of_the_test_server_is_that_of_the_standard(hashing, wanted):
    """The example of RFC 7616 section 3.9.1."""
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    realm, uri = "http-auth@example.org", "/dir/index.html"
    found = digest_response(hashing, LOGIN["username"], LOGIN["password"], realm, "GET", uri, nonce, "00000001", cnonce)
    assert found == wanted


@pytest.mark.parametrize("stays", [True, False], ids=["same-connection", "new-connection"])
@pytest.mark.parametrize("hashing", ["MD5", "SHA-256"])
async def test_digest_logs_in(net, hashing, stays):
    server = Digest(user=LOGIN["username"], password=LOGIN["password"], hashing=hashing, stays=stays)
    async with serving(server) as served:
        options = {"url": served.url("/a?b=c"), "method": "POST", "body": "text", "expect": {"body": "welcome text"}}
        good = await outcome(Http(digest=LOGIN, **options), net)
        bad = await outcome(Http(digest=LOGIN | {"password": "hidden"}, **options), net)
    assert good.failure is None, good.message
    assert set(good.phases) == {"connect", "ttfb", "transfer"}
    assert good.facts["http.status"] == 200
    assert (bad.kind, bad.message) == (EXPECTATION, "status 401, wanted 2xx")
    assert bad.facts["http.status"] == 401
    assert len(server.heads) == 4


async def test_digest_is_not_needed_where_nobody_asks(net):
    async with serving(answering(response(b"hello"))) as served:
        run = await outcome(Http(url=served.url(), digest=LOGIN), net)
    assert run.failure is None
    assert run.facts["http.bytes"] == 5


@pytest.mark.parametrize("key", ["digest", "ntlm"])
async def test_a_login_stays_within_its_origin(net, users, key):
    server = Digest("u", "p") if key == "digest" else Ntlm()
    async with serving(server) as served, serving(routing({"/": redirecting(served.url())})) as first:
        run = await outcome(Http(url=first.url(), **{key: LOGIN}), net)
    assert run.message == "status 401, wanted 2xx"
    assert len(server.heads) == 1
    assert "uthorization" not in server.heads[0]


# NTLM


@pytest.fixture
def users(tmp_path, monkeypatch):
    """The users whom the NTLM server knows."""
    path = tmp_path / "users"
    path.write_text("ZOO:Mufasa:Circle of Life\n")
    monkeypatch.setenv("NTLM_USER_FILE", str(path))


@pytest.mark.parametrize(
    ("data", "wanted"),
    [  # RFC 1320, appendix A.5
        (b"", "31d6cfe0d16ae931b73c59d7e0c089c0"),
        (b"a", "bde52cb31de33e46245e05fbdbd6fb24"),
        (b"abc", "a448017aaf21d8525fc10ae87aa6729d"),
        (b"message digest", "d9130a8164549fe818874806e1c7014b"),
        (ascii_lowercase.encode(), "d79e1c308aa5bbcdeea8ed63df412da9"),
        (f"{ascii_uppercase}{ascii_lowercase}{digits}".encode(), "043f8582f241db351ce627e153e7f0e4"),
        (b"1234567890" * 8, "e33b4ddc9c38f2199c3e7b164fcc0536"),
        # MS-NLMP 4.2.2.1.2: the hash of a password
        ("Password".encode("utf-16-le"), "a4f49c406510bdcab6824ee7c30fd852"),
    ],
)
def test_md4_is_that_of_the_standard(data, wanted):
    assert md4(data).hex() == wanted


def test_md4_of_every_length_up_to_three_blocks_is_that_of_others():
    data = bytes(range(193))
    assert [md4(data[:size]) for size in range(193)] == [others_md4(data[:size]) for size in range(193)]


# MS-NLMP 4.2.4.3: what the server asks, and what user "User" of domain "Domain" with password "Password" answers.
ASKED = bytes.fromhex(
    "4e544c4d53535000020000000c000c003800000033828ae20123456789abcdef0000000000000000240024004400000006007017"
    "0000000f53006500720076006500720002000c0044006f006d00610069006e0001000c0053006500720076006500720000000000"
)
ANSWERED = bytes.fromhex(
    "4e544c4d5353500003000000180018006c00000054005400840000000c000c00480000000800080054000000100010005c000000"
    "10001000d8000000358288e20501280a0000000f44006f006d00610069006e00550073006500720043004f004d00500055005400"
    "4500520086c35097ac9cec102554764a57cccc19aaaaaaaaaaaaaaaa68cd0ab851e51c96aabc927bebef6a1c0101000000000000"
    "0000000000000000aaaaaaaaaaaaaaaa0000000002000c0044006f006d00610069006e0001000c00530065007200760065007200"
    "0000000000000000c5dad2544fc9799094ce1ce90bc9d03e"
)
LM, NT, DOMAIN, USER = 12, 20, 28, 36  # where a message of this kind tells of its parts: MS-NLMP 2.2.1.3


def part(message: bytes, at: int) -> bytes:
    size, start = struct.unpack_from("<H2xI", message, at)
    return message[start : start + size]


def asking(message: bytes) -> Answer:
    answer = Answer()
    answer.status, answer.headers = 401, {"www-authenticate": f"NTLM {b64encode(message).decode()}"}
    return answer


def test_the_challenge_of_ntlm_is_read_as_the_specification_has_it():
    challenge = challenge_in(asking(ASKED))
    assert challenge is not None
    assert challenge.nonce.hex() == "0123456789abcdef"
    assert challenge.flags == 0xE28A8233
    assert challenge.target_info == ASKED[0x44:]
    assert challenge.stamp == b""


def test_the_responses_of_ntlm_are_those_of_the_specification():
    """MS-NLMP 4.2.4.1.1, 4.2.4.2.1 and 4.2.4.2.2: our nonce is aa..aa, the time 0."""
    key = ntowf_v2("Password", "User", "Domain")
    assert key.hex() == "0c868a403bfd7a93a3001ef22ef02e3f"
    challenge = challenge_in(asking(ASKED))
    assert challenge is not None
    assert responses(key, challenge, b"\xaa" * 8, bytes(8)) == (part(ANSWERED, NT), part(ANSWERED, LM))


def test_the_answer_of_ntlm_is_that_of_the_specification(monkeypatch):
    monkeypatch.setattr("checks.core.curl_ntlm.os.urandom", lambda size: b"\xaa" * size)
    monkeypatch.setattr("checks.core.curl_ntlm.time.time", lambda: -11644473600.0)  # 1601
    challenge = challenge_in(asking(ASKED))
    assert challenge is not None
    said = authenticate(challenge, Login(username=r"Domain\User", password=SecretStr("Password")))
    message = b64decode(said.removeprefix("NTLM "))
    assert message[:12] == ANSWERED[:12]
    assert [part(message, at) for at in (LM, NT, DOMAIN, USER)] == [part(ANSWERED, at) for at in (LM, NT, DOMAIN, USER)]
    assert part(message, 44) == part(message, 52) == b""  # no workstation and no session key: nothing is sealed
    (flags,) = struct.unpack_from("<I", message, 60)
    assert flags & ~challenge.flags == 0


def test_a_server_that_tells_the_time_gets_it_back_and_no_lm_response():
    """MS-NLMP 3.1.5.1.2."""
    stamp = bytes(range(1, 9))
    info = b"\x07\0\x08\0" + stamp + ASKED[0x44:]
    message = bytearray(ASKED[:0x44] + info)
    struct.pack_into("<HH", message, 40, len(info), len(info))
    challenge = challenge_in(asking(bytes(message)))
    assert challenge is not None
    said = authenticate(challenge, Login(username=r"Domain\User", password=SecretStr("Password")))
    answer = b64decode(said.removeprefix("NTLM "))
    assert part(answer, LM) == bytes(24)
    nonce = part(answer, NT)[32:40]
    wanted, _ = responses(ntowf_v2("Password", "User", "Domain"), challenge, nonce, stamp)
    assert part(answer, NT) == wanted


async def test_ntlm_logs_in_over_one_connection(net, users):
    server = Ntlm()
    async with serving(server) as served:
        options = {"url": served.url("/a"), "method": "POST", "body": "text", "expect": {"body": "welcome"}}
        good = await outcome(Http(ntlm=LOGIN | {"username": r"ZOO\Mufasa"}, **options), net)
        bad = await outcome(Http(ntlm={"username": r"ZOO\Mufasa", "password": "hidden"}, **options), net)
    assert good.failure is None, good.message
    assert set(good.phases) == {"connect", "ttfb", "transfer"}
    assert (bad.kind, bad.message) == (EXPECTATION, "status 401, wanted 2xx")
    assert server.bodies == [b"", b"text"] * 2  # the first request only asks for the challenge
    assert "hidden" not in f"{bad.facts}"


async def test_ntlm_goes_through_a_proxy_by_a_tunnel(net, users):
    async with serving(Ntlm()) as served, serving(HttpProxy()) as proxy:
        check = Http(url=served.url(), ntlm=LOGIN | {"username": r"ZOO\Mufasa"}, proxy=proxy.url(""))
        run = await outcome(check, net)
    assert run.failure is None, run.message
    assert set(run.phases) == {"connect", "proxy", "ttfb", "transfer"}


async def test_many_ntlm_logins_at_once_do_not_share_connections(net, users):
    server = Ntlm()
    async with serving(server) as served:
        checks = [
            Http(url=served.url(), ntlm={"username": r"ZOO\Mufasa", "password": password})
            for password in ["Circle of Life", "wrong"] * 5
        ]
        runs = await asyncio.gather(*(outcome(check, net) for check in checks))
    assert [run.failure is None for run in runs] == [True, False] * 5


async def test_ntlm_that_is_cut_in_the_middle_says_so(net, users):
    async with serving(Ntlm(hangs_up=True)) as served:
        run = await outcome(Http(url=served.url(), ntlm=LOGIN), net)
    assert run.kind is FailureKind.PROTOCOL
    assert run.message == "the server closed the connection in the middle of the NTLM login"


@pytest.mark.parametrize(
    "challenge",
    ["NTLM AAAA", "NTLM " + "A" * 44, "NTLM =", "NTLM TlRMTVNTUAACAAAA/////w==", negotiate()],
)
def test_a_broken_challenge_is_no_bug_of_ours(challenge):
    answer = Answer()
    answer.status, answer.headers = 401, {"www-authenticate": challenge}
    with pytest.raises(ProtocolError, match="the challenge of NTLM is broken"):
        challenge_in(answer)


@pytest.mark.parametrize("header", ["", "NTLM", "Negotiate", "Basic realm=x"])
async def test_a_server_that_does_not_speak_ntlm_is_judged_by_its_answer(net, header):
    headers = {"WWW-Authenticate": header} if header else {}
    async with serving(answering(response(b"no", "401 Unauthorized", headers))) as served:
        run = await outcome(Http(url=served.url(), ntlm=LOGIN), net)
    assert (run.kind, run.message) == (EXPECTATION, "status 401, wanted 2xx")


# AWS

SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
EMPTY = sha256(b"").hexdigest()


@pytest.mark.parametrize(
    ("method", "query", "signature"),
    [
        ("GET", "", "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31"),
        ("GET", "Param1=value1&Param2=value2", "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500"),
        ("POST", "", "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b"),
    ],
    ids=["get-vanilla", "get-vanilla-query-order-key-case", "post-vanilla"],
)
def test_the_signature_of_the_test_server_is_that_of_aws(method, query, signature):
    """Three cases of the test suite that AWS publishes for Signature Version 4."""
    at, scope = "20150830T123600Z", "20150830/us-east-1/service/aws4_request"
    headers = [("host", "example.amazonaws.com"), ("x-amz-date", at)]
    assert aws_signature(SECRET, scope, at, method, "/", query, headers, EMPTY) == signature


@pytest.mark.parametrize(
    ("service", "path", "canonical", "query"),
    [
        ("execute-api", "/", "/", ""),
        ("execute-api", "/prod/items?b=2&a=1", "/prod/items", "a=1&b=2"),
        ("execute-api", "/a%20b", quote("/a%20b"), ""),
        ("s3", "/bucket/a%20b", "/bucket/a%20b", ""),
    ],
)
@pytest.mark.parametrize("body", ["", '{"city": "Sydney"}'])
async def test_requests_are_signed_as_aws_wants_them(net, service, path, canonical, query, body):
    key = {"access_key": "AKIDEXAMPLE", "secret_key": SECRET, "region": "us-east-1", "service": service}
    async with serving(answering(response())) as served:
        check = Http(
            url=served.url(path),
            method="POST" if body else "GET",
            body=body,
            headers={"X-Id": "7"},
            sigv4=key | {"session_token": "the-token"},
        )
        run = await outcome(check, net)
        host = f"127.0.0.1:{served.port}"
    assert run.failure is None, run.message
    (head,) = served.requests
    headers = dict(line.split(": ", 1) for line in head.decode().lower().split("\r\n")[1:] if ": " in line)
    raw = dict(line.split(": ", 1) for line in head.decode().split("\r\n")[1:] if ": " in line)
    found = re.fullmatch(
        r"AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/(\S+), SignedHeaders=(\S+), Signature=(\w+)", raw["Authorization"]
    )
    assert found is not None, raw["Authorization"]
    assert found[2].split(";") == sorted(
        ["host", "x-amz-date", "x-amz-security-token", "x-id"] + ["x-amz-content-sha256"] * (service == "s3")
    )
    at = raw["X-Amz-Date"]
    assert found[1] == f"{at[:8]}/us-east-1/{service}/aws4_request"
    signed = [(name, {"x-amz-date": at, "host": host}.get(name, headers[name])) for name in found[2].split(";")]
    payload = sha256(body.encode()).hexdigest()
    wanted = aws_signature(SECRET, found[1], at, check.method, canonical, query, signed, payload)
    assert found[3] == wanted
    assert SECRET not in head.decode()


async def test_a_signature_stays_within_its_origin(net):
    key = {"access_key": "AKIDEXAMPLE", "secret_key": SECRET, "region": "us-east-1", "service": "s3"}
    async with serving(answering(response())) as served, serving(routing({"/": redirecting(served.url())})) as first:
        run = await outcome(Http(url=first.url(), sigv4=key | {"session_token": "t"}), net)
    assert run.failure is None
    assert b"AWS4" in first.requests[0]
    assert b"AWS4" not in served.requests[0]
    assert b"X-Amz" not in served.requests[0]


@pytest.mark.parametrize("stays", [True, False], ids=["same-connection", "new-connection"])
async def test_a_digest_run_over_tls_tells_of_its_connection(net, authority, stays):
    server = Digest(LOGIN["username"], LOGIN["password"], stays=stays)
    async with serving(server, tls=authority.issue().server()) as served:
        run = await outcome(Http(url=served.url(scheme="https"), digest=LOGIN, tls={"ca": str(authority.path)}), net)
    assert run.failure is None
    assert set(run.phases) == {"connect", "tls", "ttfb", "transfer"}
    assert run.facts["tls.days_left"] == pytest.approx(90, abs=0.01)


@pytest.mark.parametrize(
    "options",
    [
        {"digest": LOGIN | {"username": "u\r\nX-Evil: 1"}},
        {"ntlm": LOGIN | {"password": "hid\nden"}},
        {"sigv4": {"access_key": "A", "secret_key": "hidden", "region": "r", "service": "s", "session_token": "a\nb"}},
        {"proxy": {"url": "http://proxy.example", "username": "u\r\n", "password": "hidden"}},
        {"proxy": "http://u%0d%0a:hidden@proxy.example"},
        {"bearer": "hid\r\nden"},
    ],
)
def test_line_breaks_in_credentials_are_refused_without_telling_them(options):
    with pytest.raises(ValidationError) as caught:
        Http(url="https://a.example/", **options)
    (error,) = caught.value.errors()
    assert error["msg"] == "Value error, holds a line break or another control character"
