"""The HTTP check against servers that behave."""

import asyncio
import gzip
import zlib

import pytest

from checks.core.net import Net
from checks.core.result import FailureKind
from checks.http import Http
from tests.checks.conftest import outcome
from tests.servers import answering, chunked, name_server, redirecting, response, routing, serving

DENIED = "is denied by the network policy (169.254.0.0/16); network.allow makes an exception"


async def test_a_good_answer_leaves_phases_and_facts(net):
    async with serving(
        answering(
            response(b"hello", headers={"Content-Type": "text/html", "Last-Modified": "Sun, 06 Nov 1994 08:49:37 GMT"})
        )
    ) as served:
        run = await outcome(Http(url=served.url("/shop?x=1")), net)
    assert run.failure is None
    assert set(run.phases) == {"connect", "ttfb", "transfer"}
    assert all(length >= 0 for length in run.phases.values())
    assert run.facts == {
        "net.address": "127.0.0.1",
        "net.family": 4,
        "timing": "kernel",
        "http.url": served.url("/shop?x=1"),
        "http.status": 200,
        "http.version": "1.1",
        "http.bytes": 5,
        "http.content_length": 5,
        "http.content_type": "text/html",
        "http.redirects": 0,
        "http.last_modified": 784111777.0,  # the date of RFC 9110 section 5.6.7
    }


async def test_the_request_is_what_a_server_expects(net):
    async with serving(routing({"/a": response()})) as served:
        check = Http(url=served.url("/a?b=ü c".replace(" ", "%20")), method="post", headers={"x-id": "7"}, body="ü")
        assert (await outcome(check, net)).failure is None
    assert served.requests == [
        (
            f"POST /a?b=%C3%BC%20c HTTP/1.1\r\nHost: 127.0.0.1:{served.port}\r\nUser-Agent: Probe\r\nAccept: */*\r\n"
            "Accept-Encoding: gzip, deflate, br, zstd\r\nX-Id: 7\r\nContent-Length: 2\r\nConnection: close\r\n\r\n"
        ).encode()
    ]


@pytest.mark.parametrize(
    ("options", "header"),
    [
        # The example of RFC 7617 section 2.
        (
            {"basic": {"username": "Aladdin", "password": "open sesame"}},
            b"Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==",
        ),
        ({"bearer": "mF_9.B5f-4.1JqM"}, b"Authorization: Bearer mF_9.B5f-4.1JqM"),
        ({"headers": {"Host": "virtual.example"}}, b"Host: virtual.example"),
        ({"headers": {"user-agent": "curl"}}, b"User-Agent: curl"),
    ],
)
async def test_headers_that_are_asked_for_are_sent_once(net, options, header):
    async with serving(answering(response())) as served:
        await outcome(Http(url=served.url(), **options), net)
    name = header.split(b":")[0] + b":"
    assert [line for line in served.requests[0].split(b"\r\n") if line.startswith(name)] == [header]


@pytest.mark.parametrize(
    ("encoding", "packed"),
    [
        ("gzip", gzip.compress(b"some text")),
        ("x-gzip", gzip.compress(b"some ") + gzip.compress(b"text")),
        ("deflate", zlib.compress(b"some text")),
        ("deflate", zlib.compress(b"some text")[2:-4]),
        ("identity", b"some text"),
    ],
    ids=["gzip", "two-members", "zlib", "bare", "identity"],  # gzip writes the time into its bytes
)
async def test_bodies_are_decoded(net, encoding, packed):
    async with serving(answering(response(packed, headers={"Content-Encoding": encoding}))) as served:
        run = await outcome(Http(url=served.url(), expect={"body": "some text"}), net)
    assert run.failure is None
    assert run.facts["http.bytes"] == 9


@pytest.mark.parametrize(
    ("answer", "size"),
    [
        (chunked(b"some", b" ", b"text"), 9),
        (b"HTTP/1.1 200 OK\r\n\r\nsome text", 9),
        (b"HTTP/1.0 200 OK\r\n\r\nsome text", 9),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + response(b"some text"), 9),
        (b"HTTP/1.1 200 OK\nContent-Length: 4\n\nsome", 4),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsome text beyond its length", 4),
        (b"HTTP/1.1 204 No Content\r\nContent-Length: 100\r\n\r\n", 0),
    ],
    ids=["chunked", "no-length", "http-1.0", "interim", "bare-line-feeds", "beyond-length", "204"],
)
async def test_every_shape_of_answer_is_read_to_its_end(net, answer, size):
    async with serving(answering(answer)) as served:
        run = await outcome(Http(url=served.url()), net)
    assert run.failure is None
    assert run.facts["http.bytes"] == size


async def test_the_answer_to_head_has_no_body(net):
    async with serving(answering(b"HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n")) as served:
        run = await outcome(Http(url=served.url(), method="HEAD"), net)
    assert run.failure is None
    assert (run.facts["http.bytes"], run.facts["http.content_length"]) == (0, 99)


@pytest.mark.parametrize(
    ("expect", "message"),
    [
        ({"status": 404}, "status 200, wanted 404"),
        ({"status": ["5xx", 404, "300-304"]}, "status 200, wanted 5xx, 404, 300-304"),
        ({"version": "1.0"}, "HTTP version 1.1, wanted 1.0"),
        ({"header": {"content-type": "json"}}, 'header content-type does not contain "json": it is "text/HTML"'),
        ({"header": {"X-Cache": "hit"}}, "header X-Cache is missing"),
        ({"header": {"Content-Type": {"absent": True}}}, 'header Content-Type is "text/HTML", and must be absent'),
        ({"body": "Basket"}, 'body does not contain "Basket"'),
        ({"body": {"not_contains": ["x", "status"]}}, 'body contains "status", which it must not'),
        ({"body": {"regex": r"id:\d+"}}, r'body does not match the regex "id:\d+"'),
        ({"body": {"not_regex": "o.en"}}, 'body matches the regex "o.en", which it must not'),
        ({"json": {"$.status": "ok"}}, 'JSON $.status is "open", wanted "ok"'),
        ({"json": {"$.queue": {"max": 10}}}, "JSON $.queue is 12, wanted at most 10"),
        ({"json": {"$.version": {"exists": True}}}, "JSON $.version is not there"),
    ],
)
async def test_an_answer_that_is_not_the_wanted_one_says_why(net, expect, message):
    body = b'{"status": "open", "queue": 12}\n\x1b[31m'
    sent = body[:31] if "json" in expect else body
    async with serving(answering(response(sent, headers={"Content-Type": "text/HTML"}))) as served:
        run = await outcome(Http(url=served.url(), expect=expect), net)
    assert (run.kind, run.message) == (FailureKind.EXPECTATION, message)
    assert run.facts["http.excerpt"].startswith('{"status": "open", "queue": 12}')
    assert "\x1b" not in run.facts["http.excerpt"]
    assert set(run.phases) == {"connect", "ttfb", "transfer"}


async def test_a_good_answer_meets_every_expectation(net):
    expect = {
        "status": "2xx",
        "version": "1.1",
        "header": {
            "content-type": "html",
            "etag": {"regex": r'^"\w+"$', "not_contains": "W/"},
            "x-no": {"absent": True},
        },
        "body": {"contains": "open", "regex": ["queue", r"\d+"], "not_contains": "error", "not_regex": "^$"},
        "json": {"$.status": "open", "$.queue": {"min": 1, "max": 12}, "$.error": {"exists": False}, "$.none": None},
    }
    answer = response(
        b'{"status": "open", "queue": 12, "none": null}', headers={"Content-Type": "text/HTML", "ETag": '"abc"'}
    )
    async with serving(answering(answer)) as served:
        assert (await outcome(Http(url=served.url(), expect=expect), net)).failure is None


async def test_a_bad_status_shows_the_beginning_of_its_body_even_if_that_comes_late(net):
    whole = response(b"database is down", "503 Service Unavailable")
    async with serving(answering(whole[:-16], whole[-16:], pause=0.02)) as served:
        run = await outcome(Http(url=served.url()), net)
    assert (run.kind, run.message) == (FailureKind.EXPECTATION, "status 503, wanted 2xx")
    assert run.facts["http.excerpt"] == "database is down"


async def test_text_is_read_in_the_charset_that_the_answer_names(net):
    headers = {"Content-Type": "text/html; charset=ISO-8859-1"}
    async with serving(answering(response("Grüße".encode("latin-1"), headers=headers))) as served:
        assert (await outcome(Http(url=served.url(), expect={"body": "Grüße"}), net)).failure is None


async def test_a_catastrophic_regex_is_our_fault_and_ends(net):
    async with serving(answering(response(b"a" * 60))) as served:
        run = await outcome(Http(url=served.url(), expect={"body": {"regex": "(a|aa)+b"}}), net, limit=60)
    assert run.kind is FailureKind.LOCAL
    assert run.message == 'the regex "(a|aa)+b" took longer than 1 s on this text; make it simpler'


async def test_a_large_body_is_judged_off_the_loop(net):
    body = b'{"items": [' + b"1," * 50_000 + b'2], "status": "ok"}'
    async with serving(answering(response(body))) as served:
        run = await outcome(Http(url=served.url(), expect={"json": {"$.status": "ok"}, "body": '"status"'}), net)
    assert run.failure is None


async def test_an_encoding_nobody_asked_for_matters_only_to_those_who_read_it(net):
    async with serving(answering(response(b"\x0b\x02\x80", headers={"Content-Encoding": "compress"}))) as served:
        assert (await outcome(Http(url=served.url()), net)).failure is None
        run = await outcome(Http(url=served.url(), expect={"body": "x"}), net)
    assert (run.kind, run.message) == (
        FailureKind.EXPECTATION,
        "the body is encoded as compress, which was not asked for",
    )


class TestRedirects:
    async def test_hops_are_summed_and_counted(self, net):
        async with serving(
            routing({"/": redirecting("/b"), "/b": redirecting("c"), "/c": response(b"done")})
        ) as served:
            run = await outcome(Http(url=served.url()), net)
        assert run.failure is None
        assert (run.facts["http.redirects"], run.facts["http.url"]) == (2, served.url("/c"))
        assert run.facts["http.bytes"] == 4
        assert len(served.requests) == 3

    async def test_the_wait_for_every_hop_counts(self, net):
        async def late(reader, writer):
            path = (await reader.readuntil(b"\r\n\r\n")).split(b" ")[1]
            await asyncio.sleep(0.03)
            writer.write(redirecting("/b") if path == b"/" else response())

        async with serving(late) as served:
            run = await outcome(Http(url=served.url()), net)
        assert run.phases["ttfb"] >= 0.06

    async def test_zero_judges_the_redirect_itself(self, net):
        async with serving(routing({"/": redirecting("/b", "301 Moved")})) as served:
            check = Http(url=served.url(), redirects=0, expect={"status": 301, "header": {"location": "/b"}})
            assert (await outcome(check, net)).failure is None

    @pytest.mark.parametrize(
        ("status", "method", "after", "body"),
        [  # RFC 9110 section 15.4
            ("301 Moved", "POST", b"GET", b""),
            ("302 Found", "POST", b"GET", b""),
            ("303 See Other", "PUT", b"GET", b""),
            ("307 Temporary", "POST", b"POST", b"payload"),
            ("308 Permanent", "PUT", b"PUT", b"payload"),
            ("302 Found", "HEAD", b"HEAD", b""),
        ],
    )
    async def test_methods_change_as_browsers_change_them(self, net, status, method, after, body):
        seen = []

        def note(request):
            seen.append(request)
            return response(b"")

        async with serving(routing({"/": redirecting("/b", status), "/b": note})) as served:
            sent = "" if method == "HEAD" else "payload"
            await outcome(Http(url=served.url(), method=method, body=sent, headers={"content-type": "text/plain"}), net)
        assert seen[0].startswith(after + b" /b ")
        assert seen[0].partition(b"\r\n\r\n")[2] == body
        assert (b"Content-Type" in seen[0]) is (after == method.encode())

    @pytest.mark.parametrize(
        "credentials",
        [
            {"basic": {"username": "me", "password": "s3cret"}},
            {"bearer": "s3cret"},
            {"headers": {"Cookie": "session=s3cret", "Proxy-Authorization": "s3cret", "Host": "s3cret.example"}},
            {"headers": {"X-Api-Key": "s3cret"}},
        ],
    )
    async def test_credentials_stay_within_their_origin(self, net, credentials):
        def leave(request):
            return redirecting(other.url())

        handler = routing({"/": redirecting("/in"), "/in": leave})
        async with serving(answering(response())) as other, serving(handler) as served:
            assert (await outcome(Http(url=served.url(), **credentials), net)).failure is None
        wanted = [b"s3cret" in head or b"Authorization" in head for head in served.requests]
        assert wanted == [True, True]
        assert b"s3cret" not in other.requests[0]
        assert b"Authorization" not in other.requests[0]
        assert f"Host: 127.0.0.1:{other.port}".encode() in other.requests[0]

    async def test_a_cookie_that_is_set_on_the_way_is_sent_back(self, net):
        def door(request):
            if b"Cookie: seen=1; theme=dark" in request:
                return response(b"inside")
            return response(
                b"",
                "302 Found",
                {
                    "Location": "/",
                    "Set-Cookie": "seen=1; Expires=Sun, 06 Nov 2094 08:49:37 GMT",
                    "set-cookie": "theme=dark",
                },
            )

        async with serving(routing({"/": door})) as served:
            run = await outcome(Http(url=served.url(), expect={"body": "inside"}), net)
        assert run.failure is None
        assert run.facts["http.redirects"] == 1

    @pytest.mark.parametrize(
        ("location", "message"),
        [
            ("ftp://shop.example/", 'redirected to "ftp://shop.example/", which is no usable http(s) address'),
            ("https://", 'redirected to "https://", which is no usable http(s) address'),
            ("http://[::1", 'redirected to "http://[::1", which is no usable http(s) address'),
            ("http://a:99999/", 'redirected to "http://a:99999/", which is no usable http(s) address'),
            ("javascript:alert(1)", 'redirected to "javascript:alert(1)", which is no usable http(s) address'),
            (
                "http://169.254.169.254/latest/meta-data/",
                f"redirected to http://169.254.169.254/latest/meta-data/, and 169.254.169.254 {DENIED}",
            ),
        ],
    )
    async def test_a_redirect_that_cannot_be_followed_is_the_targets_fault(self, net, location, message):
        async with serving(routing({"/": redirecting(location)})) as served:
            run = await outcome(Http(url=served.url()), net)
        assert (run.kind, run.message) == (FailureKind.EXPECTATION, message)

    async def test_a_loop_is_seen_at_its_second_round(self, net):
        async with serving(routing({"/": redirecting("/b"), "/b": redirecting("/")})) as served:
            run = await outcome(Http(url=served.url()), net)
        message = f"redirect loop: {served.url('/b')} leads back to {served.url('/')}"
        assert (run.kind, run.message) == (FailureKind.EXPECTATION, message)
        assert len(served.requests) == 2

    async def test_a_long_chain_ends_at_its_limit(self, net):
        def onward(request):
            return redirecting(f"/?{int(request.split(b' ')[1][2:] or 0) + 1}")

        async with serving(routing({"/": onward})) as served:
            run = await outcome(Http(url=served.url(), redirects=3), net)
        message = f"more than 3 redirects, the last one to {served.url('/?4')}"
        assert (run.kind, run.message) == (FailureKind.EXPECTATION, message)
        assert len(served.requests) == 4

    async def test_a_name_is_looked_at_after_it_is_resolved(self):
        async with (
            name_server({"meta.example": ["169.254.169.254"]}) as dns,
            serving(routing({"/": redirecting("http://meta.example/")})) as served,
        ):
            net = Net(nameservers=[dns.address])
            direct = await outcome(Http(url="http://meta.example/"), net)
            hop = await outcome(Http(url=served.url()), net)
            await net.close()
        assert direct.kind is FailureKind.LOCAL
        assert "network.allow" in direct.message
        assert hop.kind is FailureKind.EXPECTATION
        assert "169.254.169.254" in hop.message
