"""OAuth 2 client credentials: what a token endpoint is asked, who shares a token, and that nobody gets to see it."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import parse_qs, quote

import pytest

from checks.core.exchange import ask
from checks.core.net import Net
from checks.core.oauth import OAuth2
from checks.core.result import FailureKind, Trace
from checks.core.tokens import Tokens, authorized, masked
from checks.http import Http
from tests.checks.conftest import outcome
from tests.servers import answering, free_port, redirecting, response, routing, serving, silent

JWT = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiJwcm9iZSJ9.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk" + "x" * 300
CREDENTIALS = {"client_id": "s6BhdRkqt3", "client_secret": "7Fjfp0ZBr1KtDRbnfVdmIw"}  # the example of RFC 6749


@dataclass
class Endpoint:
    """A token endpoint and the API behind it, over one port."""

    answer: bytes | None = None
    lifetime: object = 3600
    valid: set[str] = field(default_factory=set)
    asked: list[bytes] = field(default_factory=list)
    pause: float = 0.0
    greeting: bytes = b"hello"

    async def __call__(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        if head.startswith(b"POST /token "):
            length = next(int(line[15:]) for line in head.split(b"\r\n") if line.lower().startswith(b"content-length"))
            self.asked.append(head + await reader.readexactly(length))
            await asyncio.sleep(self.pause)
            writer.write(self.answer or self.grant())
        else:
            sent = next((line[22:] for line in head.split(b"\r\n") if line.startswith(b"Authorization: Bearer ")), b"")
            writer.write(response(self.greeting) if sent.decode() in self.valid else response(sent, "401 No"))

    def grant(self) -> bytes:
        token = f"{JWT}{len(self.asked)}"
        self.valid = {token}
        said = {"access_token": token, "token_type": "Bearer", "expires_in": self.lifetime}
        return response(json.dumps({key: value for key, value in said.items() if value is not None}).encode())


class Api:
    """A check of the API that asks for a token first."""

    def __init__(self, served, *, expect=None, **options) -> None:
        self.http = Http(url=served.url("/api"), **({"expect": expect} if expect else {}))
        self.options = OAuth2(**{"token_url": served.url("/token"), **CREDENTIALS, **options})
        self.target = self.host = ""

    async def run(self, trace: Trace, net: Net) -> None:
        await authorized(self.options, self.http._order, trace, net, ask)


async def run(check: Api, net: Net, clock: Callable[[], float]) -> Trace:
    """One run, on a clock that stands still."""
    trace = Trace(clock)
    await check.run(trace, net)
    return trace


async def test_the_token_is_asked_for_as_the_standard_says_and_sent(net):
    async with serving(Endpoint()) as served:
        done = await outcome(Api(served, scope="read write", audience="https://api.example"), net)
        endpoint_head, api_head = served.requests
    assert done.failure is None
    # The pair of RFC 6749 section 2.3.1.
    assert b"\r\nAuthorization: Basic czZCaGRSa3F0Mzo3RmpmcDBaQnIxS3REUmJuZlZkbUl3\r\n" in endpoint_head
    assert b"\r\nContent-Type: application/x-www-form-urlencoded\r\n" in endpoint_head
    assert f"\r\nAuthorization: Bearer {JWT}1\r\n".encode() in api_head


@pytest.mark.parametrize(
    ("options", "form"),
    [
        ({}, {"grant_type": "client_credentials"}),
        ({"scope": "a b"}, {"grant_type": "client_credentials", "scope": "a b"}),
        ({"audience": "x&y"}, {"grant_type": "client_credentials", "audience": "x&y"}),
        ({"auth": "body"}, {"grant_type": "client_credentials", **CREDENTIALS}),
    ],
)
async def test_what_is_asked_for_goes_into_the_form(net, options, form):
    endpoint = Endpoint()
    async with serving(endpoint) as served:
        assert (await outcome(Api(served, **options), net)).failure is None
    head, _, body = endpoint.asked[0].partition(b"\r\n\r\n")
    assert {name: values[0] for name, values in parse_qs(body.decode()).items()} == form
    assert (b"Authorization" in head) is (options.get("auth") != "body")


def test_odd_credentials_are_encoded_before_they_are_joined():
    request = OAuth2(token_url="https://id.example/", client_id="a:b", client_secret="c d").request()
    assert request.headers["authorization"] == "Basic YSUzQWI6Yytk"  # a%3Ab:c+d


async def test_a_token_is_kept_and_its_cost_is_a_phase_of_its_own(net):
    endpoint = Endpoint(pause=0.05)
    async with serving(endpoint) as served:
        first, second = await outcome(Api(served), net), await outcome(Api(served), net)
    assert len(endpoint.asked) == 1
    assert set(first.phases) == {"auth", "connect", "ttfb", "transfer"}
    assert set(second.phases) == {"connect", "ttfb", "transfer"}
    assert first.phases["auth"] >= 0.05
    assert first.phases["ttfb"] < 0.05
    assert first.facts["http.url"] == served.url("/api")


async def test_other_options_are_another_token(net):
    endpoint = Endpoint()
    async with serving(endpoint) as served:
        await outcome(Api(served), net)
        await outcome(Api(served, scope="more"), net)
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("lifetime", "kept_for"),
    [(3600, 3570), ("3600", 3570), (60, 48), (0, 0), (-1, 0), (None, 270), ("soon", 270), (1e999, 1e9)],
)
async def test_a_token_is_used_until_shortly_before_it_expires(net, lifetime, kept_for):
    now = [1000.0]
    endpoint = Endpoint(lifetime=lifetime)
    if lifetime == 1e999:
        endpoint.lifetime = 10**400  # no float holds it
        kept_for = 270
    async with serving(endpoint) as served:
        check = Api(served)
        for at, asked in ((0, 1), (kept_for - 1, 1), (kept_for + 1, 2)):
            if at >= 0:
                now[0] = 1000.0 + at
                await run(check, net, lambda: now[0])
                assert len(endpoint.asked) == asked


async def test_a_hundred_runs_fetch_one_token_and_each_waits_for_it(net):
    endpoint = Endpoint(pause=0.05)
    async with serving(endpoint) as served:
        check = Api(served)
        runs = await asyncio.gather(*(outcome(check, net) for _ in range(100)))
    assert [run.failure for run in runs] == [None] * 100
    assert len(endpoint.asked) == 1
    assert all(run.phases["auth"] > 0.01 for run in runs)


async def test_the_one_who_fetches_may_be_cut_off_and_another_takes_over(net):
    endpoint = Endpoint(pause=0.1)
    async with serving(endpoint) as served:
        check = Api(served)
        short, long = await asyncio.gather(outcome(check, net, limit=0.03), outcome(check, net))
    assert (short.kind, short.phase) == (FailureKind.TIMEOUT, "auth")
    assert short.message.endswith(" waiting for the token endpoint")
    assert long.failure is None
    assert len(endpoint.asked) == 2


async def test_one_who_waits_may_be_cut_off_and_the_fetch_goes_on(net):
    endpoint = Endpoint(pause=0.1)
    async with serving(endpoint) as served:
        check = Api(served)
        long, short = await asyncio.gather(outcome(check, net), outcome(check, net, limit=0.03))
    assert long.failure is None
    assert short.phase == "auth"
    assert len(endpoint.asked) == 1


class TestRefusal:
    async def test_a_cached_token_that_is_refused_is_replaced_once(self, net):
        endpoint = Endpoint()
        async with serving(endpoint) as served:
            check = Api(served)
            await outcome(check, net)
            endpoint.valid.clear()
            again = await outcome(check, net)
        assert again.failure is None
        assert len(endpoint.asked) == 2
        assert again.facts["http.status"] == 200
        assert "http.excerpt" not in again.facts
        assert set(again.phases) == {"auth", "connect", "ttfb", "transfer"}
        assert len(served.requests) == 5  # token, api; api, token, api

    async def test_those_who_were_refused_together_share_the_new_token(self, net):
        endpoint = Endpoint(pause=0.05)
        async with serving(endpoint) as served:
            check = Api(served)
            await outcome(check, net)
            endpoint.valid.clear()
            runs = await asyncio.gather(*(outcome(check, net) for _ in range(20)))
        assert all(run.failure is None for run in runs)
        assert len(endpoint.asked) == 2

    async def test_a_fresh_one_is_not_and_the_target_is_believed_for_a_while(self, net):
        endpoint, now = Endpoint(), [0.0]
        async with serving(endpoint) as served:
            check = Api(served)
            endpoint.answer = response(json.dumps({"access_token": JWT, "token_type": "bearer"}).encode())
            asked = []
            for at in (0, 1, 2, 59, 61):
                now[0] = at
                with pytest.raises(Exception, match="status 401, wanted 2xx"):
                    await run(check, net, lambda: now[0])
                asked.append(len(endpoint.asked))
        assert asked == [1, 1, 1, 1, 2]

    async def test_a_check_that_wants_401_gets_it(self, net):
        endpoint = Endpoint()
        async with serving(endpoint) as served:
            await outcome(Api(served), net)
            endpoint.valid.clear()
            assert (await outcome(Api(served, expect={"status": 401}), net)).failure is None
        assert len(endpoint.asked) == 1


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        # RFC 6749 section 5.2
        (
            response(b'{"error":"invalid_client"}', "401 Unauthorized"),
            "the token endpoint answered 401: invalid_client",
        ),
        (
            response(b'{"error":"invalid_scope","error_description":"no\\nsuch scope"}', "400 Bad Request"),
            "the token endpoint answered 400: invalid_scope, no such scope",
        ),
        (
            response(b'{"error":"invalid_client","error_description":"not 7Fjfp0ZBr1KtDRbnfVdmIw"}', "401 No"),
            "the token endpoint answered 401: invalid_client, not •••",
        ),
        (response(b"<html>", "503 Unavailable"), "the token endpoint answered 503"),
        (redirecting("https://elsewhere.example/"), "the token endpoint answered 302"),
        (response(b"[]"), "the token endpoint answered 200, but without an access_token in JSON"),
        (response(b"<html>"), "the token endpoint answered 200, but without an access_token in JSON"),
        (response(b'{"access_token": ""}'), "the token endpoint answered 200, but without an access_token in JSON"),
        (response(b'{"access_token": "a\\nb"}'), "the token endpoint gave a token that cannot be sent in a header"),
        (
            response(json.dumps({"access_token": "x" * 20000}).encode()),
            "the token endpoint gave a token that cannot be sent in a header",
        ),
        (
            response(b'{"access_token": "abc", "token_type": "mac"}'),
            "the token endpoint gave a token of type mac, wanted bearer",
        ),
    ],
)
async def test_what_a_token_endpoint_says_is_told_as_what_it_is(net, answer, message):
    async with serving(Endpoint(answer)) as served:
        run = await outcome(Api(served), net)
    assert (run.kind, run.phase, run.message) == (FailureKind.EXPECTATION, "auth", message)
    assert len(served.requests) == 1


@pytest.mark.parametrize(
    ("answer", "kind", "message"),
    [
        (b"SSH-2.0\r\n", FailureKind.PROTOCOL, "the token endpoint: no HTTP answer, it begins with: SSH-2.0"),
        (
            b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{}",
            FailureKind.PROTOCOL,
            "the token endpoint: the body ended after 2 of 9 bytes",
        ),
        (
            response(b" " * 70000),
            FailureKind.EXPECTATION,
            "the token endpoint: the body is larger than 64 KiB; max_body sets the limit",
        ),
    ],
)
async def test_a_token_endpoint_that_misbehaves(net, answer, kind, message):
    async with serving(Endpoint(answer)) as served:
        run = await outcome(Api(served), net)
    assert (run.kind, run.phase, run.message) == (kind, "auth", message)


async def test_a_token_endpoint_that_is_not_there(net):
    port = free_port()
    async with serving(answering(response())) as served:
        run = await outcome(Api(served, token_url=f"http://127.0.0.1:{port}/token"), net)
    assert (run.kind, run.phase) == (FailureKind.CONNECT, "auth")
    assert run.message == f"the token endpoint: connection refused by 127.0.0.1:{port}"
    assert served.requests == []


async def test_the_network_policy_holds_for_token_endpoints(net):
    async with serving(answering(response())) as served:
        run = await outcome(Api(served, token_url="http://169.254.169.254/token"), net)
    assert (run.kind, run.phase) == (FailureKind.LOCAL, "auth")
    assert run.message.startswith("the token endpoint: 169.254.169.254 is denied by the network policy")


async def test_a_silent_token_endpoint_is_no_slow_target(net):
    async with serving(silent) as served:
        run = await outcome(Api(served), net, limit=0.1)
    assert (run.kind, run.phase) == (FailureKind.TIMEOUT, "auth")
    assert run.phases == {}


async def test_a_failure_is_shared_for_a_moment_and_then_tried_anew(net):
    endpoint, now = Endpoint(response(b"", "500 Oops")), [0.0]
    async with serving(endpoint) as served:
        check = Api(served)
        for at, asked in ((0.0, 1), (0.2, 1), (0.3, 2)):
            now[0] = at
            with pytest.raises(Exception, match="the token endpoint answered 500"):
                await run(check, net, lambda: now[0])
            assert len(endpoint.asked) == asked


async def test_tokens_over_tls_need_a_certificate_that_is_trusted(net, authority):
    async with serving(Endpoint(), tls=authority.issue("127.0.0.1").server()) as served:
        url = served.url("/token", "https")
        async with serving(answering(response())) as api:
            refused = await outcome(Api(api, token_url=url), net)
            trusted = await outcome(Api(api, token_url=url, tls={"ca": str(authority.path)}), net)
    assert trusted.failure is None
    assert (refused.kind, refused.phase) == (FailureKind.TLS, "auth")
    assert refused.message.startswith("the token endpoint: ")


class TestSecrecy:
    @pytest.mark.parametrize("expect", [{"body": "nothing like it"}, {"json": {"$.t": "x"}}, {"body": {"regex": "^$"}}])
    async def test_a_token_that_is_sent_back_is_masked(self, net, expect):
        endpoint = Endpoint()

        async def echo(reader, writer):
            head = await reader.readuntil(b"\r\n\r\n")
            if head.startswith(b"POST"):
                writer.write(endpoint.grant())
            else:
                token = head.split(b"Bearer ")[1].split(b"\r\n")[0]
                writer.write(response(b'{"t": "%s"}' % token, headers={"Content-Type": token[:90].decode()}))

        async with serving(echo) as served:
            run = await outcome(Api(served, expect=expect), net)
        assert run.kind is FailureKind.EXPECTATION
        shown = f"{run.message} {run.facts}"
        assert "eyJhbGci" not in shown
        assert "•••" in shown

    async def test_a_token_in_a_redirect_is_masked_and_goes_to_no_other_origin(self, net):
        endpoint = Endpoint()

        def leave(request):
            token = request.split(b"Bearer ")[1].split(b"\r\n")[0].decode()
            return redirecting(f"{other.url()}?t={quote(token)}")

        routes = {"/token": lambda _: endpoint.grant(), "/api": leave}
        async with serving(answering(response(b"", "500 No"))) as other, serving(routing(routes)) as served:
            run = await outcome(Api(served), net)
        assert b"Authorization" not in other.requests[0]
        assert "eyJhbGci" not in f"{run.message} {run.facts}"
        assert run.facts["http.url"] == other.url("/?t=•••")

    def test_tokens_and_secrets_are_not_in_what_is_printed(self):
        options = OAuth2(token_url="https://id.example/", **CREDENTIALS)
        assert CREDENTIALS["client_secret"] not in repr(options)


@pytest.mark.parametrize(
    ("text", "token", "wanted"),
    [
        ("a secret-token b", "secret-token", "a ••• b"),
        ("secret-token secret-token", "secret-token", "••• •••"),
        ("cut off: secret-to…", "secret-token", "cut off: •••…"),
        ("secret%2Btoken%2Fmore secret%2Btoken/more secret+token/more", "secret+token/more", "••• ••• •••"),
        ("secret-tea", "secret-token", "•••ea"),
        ("secret is short", "secret-token", "secret is short"),
        ("abcd", "abcd", "•••"),
        ("abc", "abc", "abc"),
    ],
)
def test_masking(text, token, wanted):
    assert masked(text, token) == wanted


async def test_tokens_that_ran_out_are_not_kept_for_ever(net):
    tokens = Tokens()
    for number in range(1000):
        tokens._enter(OAuth2(token_url=f"https://id.example/{number}", **CREDENTIALS), 0.0)
    assert len(tokens._entries) <= 256
