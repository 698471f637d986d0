"""The HTTP/1.x answer from bytes: however they are cut, the same comes out."""

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
        (ANSWERS[3], (200, "1.1", {"transfer-encoding": "chunked", "content-length": "99"}, 99, b"hello")),
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
