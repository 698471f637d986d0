"""The HTTP/1.x answer from bytes: however they are cut, the same comes out; and odd servers are read as browsers do."""

from collections.abc import Sequence
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.base import ProtocolError
from checks.core.http1 import Answer

ANSWERS = [
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX-Empty:\r\nX-A: 1\r\nX-A:  2 \r\n\r\nhello",
    b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello, and what nobody announced",
    (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-T\r\n\r\n"
        b"3;ext=1\r\nhel\r\n2\r\nlo\r\n0\r\nX-T: 1\r\nX-U:\r\n\r\n"
    ),
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 99\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    b"HTTP/1.0 404 Not Found\r\n\r\nuntil the end",
    (
        b"HTTP/1.1 100 Continue\r\nX-I: 1\r\n\r\n"
        b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 \r\nContent-Length: 2\r\n\r\nhi"
    ),
    b"HTTP/1.1 204 No Content\r\nContent-Length: 7\r\n\r\n",
    b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7\r\nETag: x\r\n\r\n",
    b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi",
    (
        b"HTTP/1.1 200 OK\r\nSet-Cookie: a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT\r\n"
        b"Set-Cookie: b=2\r\nContent-Length: 0\r\n\r\n"
    ),
    b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nshort",
    b"HTTP/1.1 200 OK\r\nX: y\r\n",
    b"",
    b"nonsense",
    b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"\r\n\nHTTP/1.1 200 OK\nA: b\n c\n\t d\r\nTransfer-Encoding: chunked\n\n3 ;x\nhel\n2\nlo\n0\nX-T: 1\n\n",
    b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nhi",
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n",
    b"\x15\x03\x01\x00\x02\x02\x46",
]


def read(pieces: Sequence[bytes], *, head: bool = False) -> object:
    """What an answer says, or the kind of its failure."""
    answer, body = Answer(head=head), b""
    try:
        for piece in pieces:
            body += answer.feed(piece)
        answer.end()
    except (ProtocolError, EOFError) as error:
        return type(error)
    return answer.status, answer.version, answer.headers, answer.length, body


@given(st.sampled_from(ANSWERS), st.lists(st.integers(0, 160), max_size=12), st.booleans())
def test_splits_do_not_matter(data, cuts, head):
    marks = [0, *sorted({min(cut, len(data)) for cut in cuts}), len(data)]
    pieces = [data[low:high] for low, high in pairwise(marks) if high > low]
    assert read(pieces, head=head) == read([data] if data else [], head=head)


@pytest.mark.parametrize("data", ANSWERS)
def test_byte_by_byte_is_the_same(data):
    assert read([data[at : at + 1] for at in range(len(data))]) == read([data] if data else [])


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_end_in_an_answer_or_a_failure_of_its_own(data, begun):
    read([(b"HTTP/1.1 200 OK\r\n" if begun else b"") + data])


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        (ANSWERS[0], (200, "1.1", {"content-length": "5", "x-empty": "", "x-a": "1, 2"}, 5, b"hello")),
        (ANSWERS[2], (200, "1.1", {"transfer-encoding": "chunked", "trailer": "X-T"}, None, b"hello")),
        (ANSWERS[3], (200, "1.1", {"transfer-encoding": "chunked", "content-length": "99"}, None, b"hello")),
        (ANSWERS[4], (404, "1.0", {}, None, b"until the end")),
        (ANSWERS[5], (200, "1.1", {"content-length": "2"}, 2, b"hi")),
        (ANSWERS[6], (204, "1.1", {"content-length": "7"}, 7, b"")),
        (ANSWERS[7], (304, "1.1", {"content-length": "7", "etag": "x"}, 7, b"")),
        (
            ANSWERS[9],
            (
                200,
                "1.1",
                {"set-cookie": "a=1; Expires=Sun, 06 Nov 1994 08:49:37 GMT\nb=2", "content-length": "0"},
                0,
                b"",
            ),
        ),
        (ANSWERS[10], ProtocolError),
        (ANSWERS[12], EOFError),
        (ANSWERS[14], ProtocolError),
    ],
)
def test_what_an_answer_says(data, wanted):
    assert read([data] if data else []) == wanted


def test_the_answer_to_head_ends_with_its_headers():
    answer = Answer(head=True)
    answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
    assert answer.done


def test_the_body_is_known_to_be_complete_without_the_end_of_the_stream():
    answer = Answer()
    assert answer.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh") == b"h"
    assert (answer.headed, answer.done) == (True, False)
    assert answer.feed(b"ioverlong") == b"i"
    assert answer.done


OK = b"HTTP/1.1 200 OK\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"


# What browsers and curl make of them. "Chromium" is net/http of its source (HttpUtil, HttpResponseHeaders,
# HttpStreamParser, HttpChunkedDecoder), "WPT" the tests that browsers share, "curl" lib/http.c and lib/http_chunks.c.
@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        # RFC 9112 section 2.2: a lone LF ends a line; Chromium and curl agree, in chunks too.
        (b"HTTP/1.1 200 OK\nContent-Length: 2\n\nhi", (200, "1.1", {"content-length": "2"}, b"hi")),
        (b"HTTP/1.1 200 OK\nA: b\r\nContent-Length: 2\n\nhi", (200, "1.1", {"a": "b", "content-length": "2"}, b"hi")),
        (
            b"HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n2\nhi\n0\n\n",
            (200, "1.1", {"transfer-encoding": "chunked"}, b"hi"),
        ),
        # RFC 9112 section 5.2: a folded line is part of the value; Chromium and curl agree.
        (OK + b"A: b\r\n  c\r\n\td\r\n\r\nhi", (200, "1.1", {"a": "b c d"}, b"hi")),
        (OK + b"Content-Length: 2\r\n \r\nA: b\r\n\r\nhi", (200, "1.1", {"content-length": "2", "a": "b"}, b"hi")),
        (OK + b"A:\r\n b\r\n\r\n", (200, "1.1", {"a": "b"}, b"")),
        # RFC 9112 section 2.2: blanks before the first header are dropped with their line.
        (OK + b" X: y\r\nA: b\r\n\r\n", (200, "1.1", {"a": "b"}, b"")),
        # WPT fetch/content-length: several equal lengths are one.
        (OK + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\nhi", (200, "1.1", {"content-length": "2, 2"}, b"hi")),
        (OK + b"Content-Length: 2,2\r\n\r\nhi, and more", (200, "1.1", {"content-length": "2,2"}, b"hi")),
        (OK + b"Content-Length: 002\r\n\r\nhi", (200, "1.1", {"content-length": "002"}, b"hi")),
        (OK + b"Content-Length:\r\n\r\nhi", (200, "1.1", {"content-length": ""}, b"hi")),
        # RFC 9112 section 6.3: chunked wins over any length; Chromium agrees.
        (
            OK + b"Content-Length: 7\r\nContent-Length: 8\r\nTransfer-Encoding: Chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n",
            (200, "1.1", {"content-length": "7, 8", "transfer-encoding": "Chunked"}, b"hi"),
        ),
        (
            OK + b"Transfer-Encoding: identity\r\nContent-Length: 2\r\n\r\nhi, and more",
            (200, "1.1", {"transfer-encoding": "identity", "content-length": "2"}, b"hi"),
        ),
        # A body without a length, of either version.
        (b"HTTP/1.0 200 OK\r\nA: b\r\n\r\nhi", (200, "1.0", {"a": "b"}, b"hi")),
        (OK + b"\r\nhi", (200, "1.1", {}, b"hi")),
        # Lengths that do not count: RFC 9110 section 6.4.1.
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 7, 8\r\n\r\n", (304, "1.1", {"content-length": "7, 8"}, b"")),
        # curl strips blanks before the colon; Chromium drops the header.
        (OK + b"Foo : b\r\n\r\n", (200, "1.1", {"foo": "b"}, b"")),
        (OK + b"X(y): \xe4\x01\r\n\r\n", (200, "1.1", {"x(y)": "\xe4\x01"}, b"")),
        (OK + b"X:\ty\t\r\n\r\n", (200, "1.1", {"x": "y"}, b"")),
        # RFC 9112 section 2.2: a bare CR is a blank.
        (OK + b"A: b\rC: d\r\n\r\n", (200, "1.1", {"a": "b C: d"}, b"")),
        # Status lines: the reason may be missing, the name in any case (Chromium), the version newer (both).
        (b"HTTP/1.1 200\r\n\r\n", (200, "1.1", {}, b"")),
        (b"HTTP/1.1 200 \r\n\r\n", (200, "1.1", {}, b"")),
        (b"HTTP/1.1   200   OK\r\n\r\n", (200, "1.1", {}, b"")),
        (b"http/1.1 200 OK\r\n\r\n", (200, "1.1", {}, b"")),
        (b"HTTP/1.2 999 OK\r\n\r\n", (999, "1.1", {}, b"")),
        (b"HTTP/2 200\r\n\r\n", (200, "1.1", {}, b"")),
        (b"HTTP/1 200 OK\r\n\r\n", (200, "1.0", {}, b"")),
        (b"ICY 200 OK\r\n\r\n", (200, "1.0", {}, b"")),
        (b"\r\n\r\nHTTP/1.1 200 OK\r\n\r\nhi", (200, "1.1", {}, b"hi")),
        # Interim answers, any number of them: RFC 9110 section 15.2.
        (
            b"HTTP/1.1 100\r\n\r\nHTTP/1.1 102 Processing\nA: b\n\nHTTP/1.1 103 Hints\r\nLink: <a>\r\n\r\n"
            + OK
            + b"\r\nx",
            (200, "1.1", {}, b"x"),
        ),
        (b"HTTP/1.1 100 Continue\r\n\r\n" * 500 + OK + b"\r\nx", (200, "1.1", {}, b"x")),
        # Chunks: extensions and trailers are dropped, zeros before a size and blanks after it do no harm.
        (
            CHUNKED + b'2;a;b="c"\r\nhi\r\n0003 \r\n,yo\r\n00\r\nX-T: 1\r\nnonsense\r\n\r\nmore',
            (200, "1.1", {"transfer-encoding": "chunked"}, b"hi,yo"),
        ),
        (CHUNKED + b"0\r\n\r\n", (200, "1.1", {"transfer-encoding": "chunked"}, b"")),
        (
            CHUNKED + b"7\r\n\r\n0\r\n\r\n\r\n0\r\n\r\n",
            (200, "1.1", {"transfer-encoding": "chunked"}, b"\r\n0\r\n\r\n"),
        ),
        # Chromium takes equal Location headers for one.
        (OK + b"Location: /a\r\nLocation: /a\r\n\r\n", (200, "1.1", {"location": "/a"}, b"")),
    ],
)
def test_odd_answers_are_read_as_browsers_read_them(data, wanted):
    for pieces in ([data], [data[at : at + 1] for at in range(len(data))]):
        got = read(pieces)
        assert isinstance(got, tuple), got
        status, version, headers, _, body = got
        assert (status, version, headers, body) == wanted


@pytest.mark.parametrize(
    ("data", "message"),
    [
        # WPT fetch/content-length: different lengths are an error of the network.
        (
            OK + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\nhi",
            'malformed HTTP answer: two lengths of one body, Content-Length is "2, 3"',
        ),
        (
            OK + b"Content-Length: -1\r\n\r\n",
            'malformed HTTP answer: Content-Length is "-1", which is no length of a body',
        ),
        (
            OK + b"Content-Length: +1\r\n\r\n",
            'malformed HTTP answer: Content-Length is "+1", which is no length of a body',
        ),
        (
            OK + b"Content-Length: 9" + b"9" * 9000 + b"\r\n\r\n",
            'malformed HTTP answer: Content-Length is "' + "9" * 79 + '…", which is no length of a body',
        ),
        (
            OK + b"Transfer-Encoding: gzip, chunked\r\n\r\n",
            'the body comes in the transfer encoding "gzip, chunked", which nobody asked for',
        ),
        # curl fails these two with "Header without colon" and "Nul byte in header".
        (OK + b"nonsense\r\n\r\n", 'malformed HTTP answer: a header without a colon, "nonsense"'),
        (OK + b"A: b\0c\r\n\r\n", "malformed HTTP answer: a NUL byte in the headers"),
        (OK + b": b\r\n\r\n", 'malformed HTTP answer: a header without a name, ": b"'),
        # Chromium: ERR_RESPONSE_HEADERS_MULTIPLE_LOCATION.
        (OK + b"Location: /a\r\nLocation: /b\r\n\r\n", 'two Location headers, "/a" and "/b"'),
        (b"HTTP/1.1 OK\r\n\r\n", 'malformed HTTP answer: its status line is "HTTP/1.1 OK"'),
        (b"HTTP/1.1 2000 OK\r\n\r\n", 'malformed HTTP answer: its status line is "HTTP/1.1 2000 OK"'),
        (b"HTTP/1.1 099 OK\r\n\r\n", 'malformed HTTP answer: its status line is "HTTP/1.1 099 OK"'),
        (b"HTTPS/1.1 200 OK\r\n\r\n", "no HTTP answer, it begins with: HTTPS/1.1 200 OK"),
        (b"220 mx.example ESMTP\r\n", "no HTTP answer, it begins with: 220 mx.example ESMTP"),
        (b"\0\0HTTP/1.1 200 OK\r\n\r\n", "no HTTP answer, it begins with: "),
        (b"\xff\x00\x01", "no HTTP answer, it begins with: "),
        # curl: "Received HTTP/0.9 when not allowed"; Chromium: ERR_INVALID_HTTP_RESPONSE.
        (
            b"<html>hello</html>",
            "an answer without status and headers (HTTP/0.9), it begins with: <html>hello</html>",
        ),
        (b"\x15\x03\x01\x00\x02\x02\x46", "the server speaks TLS on this port: use https://"),
        (b"HTTP/1.1 101 Switching\r\n\r\n", "the server switched protocols (status 101), which nobody asked for"),
        (OK + b"Content-Length: 9\r\n\r\nhi", "the body ended after 2 of 9 bytes"),
        (CHUNKED + b"2\r\nhi\r\n", "the body ended after 2 bytes, before its last chunk"),
        (CHUNKED + b"2\r\nhi\r\n0\r\n", "the body ended after 2 bytes, in the middle of its trailers"),
        (CHUNKED + b"zz\r\n", 'malformed HTTP answer: a chunk of the body has no size but "zz"'),
        (CHUNKED + b"\r\n", 'malformed HTTP answer: a chunk of the body has no size but ""'),
        (CHUNKED + b"f" * 17 + b"\r\n", f'malformed HTTP answer: a chunk of the body has no size but "{"f" * 17}"'),
        (CHUNKED + b"2\r\nhi!\r\n", "malformed HTTP answer: a chunk of the body is longer than its size"),
        (OK + b"A: b\r\n", "the connection was closed in the middle of the headers"),
        (b"HTT", "the connection was closed in the middle of the headers"),
        (b"HTTP/1.1 100 Continue\r\n\r\n", "the connection was closed in the middle of the headers"),
        (OK + b"A: " + b"b" * 65536, "more than 64 KiB of headers without an end"),
        (b"\r\n" * 40000, "more than 64 KiB of headers without an end"),
        (CHUNKED + b"1;" + b"x" * 70000, "more than 64 KiB between two parts of the body"),
        (CHUNKED + b"0\r\n" + b"A: b\r\n" * 12000, "more than 64 KiB between two parts of the body"),
    ],
)
def test_what_cannot_be_read_says_why(data, message):
    for size in (len(data), 1000, 7) if len(data) > 1000 else (len(data), 1):
        answer = Answer()
        with pytest.raises(ProtocolError) as raised:
            for at in range(0, len(data), size):
                answer.feed(data[at : at + size])
            answer.end()
        # Fewer bytes may tell less of what it is, and never something else.
        assert str(raised.value).startswith(message) or message.startswith(str(raised.value))


@pytest.mark.parametrize("data", [b"SSH-2.0-OpenSSH_9.2\r\n", b"+OK\r\n", b"\x16\x03", b"<", b"HTTX"])
def test_another_protocol_is_noticed_while_the_server_still_waits(data):
    with pytest.raises(ProtocolError):
        Answer().feed(data)


def test_a_head_that_drips_is_not_read_anew_with_every_byte():
    answer = Answer()
    head = OK + b"A: b\r\n" * 10_000
    for at in range(len(head)):
        assert answer.feed(head[at : at + 1]) == b""
