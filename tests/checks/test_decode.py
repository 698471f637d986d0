"""Bodies out of their encoding, in whatever pieces they come."""

import gzip
import itertools
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.base import ExpectationError, ProtocolError
from checks.core.decode import Body

TEXT = b"some text, " * 5000


def fed(encoding: str, data: bytes, size: int, *, keep: int = 1 << 20, limit: int = 1 << 20) -> Body:
    body = Body(encoding, keep=keep, limit=limit)
    for at in range(0, len(data), size):
        body.write(data[at : at + size])
    body.end()
    return body


@given(st.binary(max_size=3000), st.integers(1, 3000), st.sampled_from(["gzip", "deflate", "raw", ""]))
def test_pieces_do_not_matter(data, size, encoding):
    bare = zlib.compressobj(wbits=-15)
    packed = {
        "gzip": gzip.compress(data[:99]) + gzip.compress(data[99:]),
        "deflate": zlib.compress(data),
        "raw": bare.compress(data) + bare.flush(),
        "": data,
    }[encoding]
    # One byte of a bare stream cannot be told from a header of zlib's: servers send more at once.
    size = max(size, 2) if encoding == "raw" else size
    assert fed("deflate" if encoding == "raw" else encoding, packed, size).data == data


@pytest.mark.parametrize("encoding", ["", "gzip"])
def test_no_more_is_kept_than_wanted(encoding):
    packed = gzip.compress(TEXT) if encoding else TEXT
    body = fed(encoding, packed, 1000, keep=10)
    assert (bytes(body.data), body.size) == (TEXT[:10], len(TEXT))


def test_the_limit_holds_before_and_after_decoding():
    with pytest.raises(ExpectationError, match="larger than 1 KiB once decoded from gzip"):
        fed("gzip", gzip.compress(TEXT), 64, limit=1024)
    with pytest.raises(ExpectationError, match="larger than 1000 bytes; max_body sets the limit"):
        fed("", TEXT, 64, limit=1000)
    assert fed("", TEXT[:1000], 64, limit=1000).size == 1000


@pytest.mark.parametrize("cut", [1, 5, 20, -1])
def test_half_a_body_is_no_body(cut):
    with pytest.raises(ProtocolError, match="the gzip body ends before its end"):
        fed("gzip", gzip.compress(TEXT)[:cut], 7)


def test_padding_after_the_end_is_ignored():
    assert fed("gzip", gzip.compress(b"text") + bytes(100), 30).data == b"text"


@pytest.mark.parametrize(("encoding", "opaque"), [("br", True), ("gzip, br", True), ("identity", False), ("", False)])
def test_what_nobody_asked_for_is_opaque(encoding, opaque):
    assert Body(encoding, keep=1, limit=1).opaque is opaque


def test_a_bomb_is_decoded_in_small_pieces_between_which_others_run():
    bomb = gzip.compress(bytes(20 << 20), mtime=0)
    body = Body("gzip", keep=1000, limit=64 << 20)
    sizes = []
    for _ in body.pieces(bomb):
        sizes.append(body.size)
    assert max(after - before for before, after in itertools.pairwise([0, *sizes])) <= 65536
    assert body.size == 20 << 20
