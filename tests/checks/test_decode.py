"""Bodies out of their encoding, in whatever pieces they come."""

import gzip
import itertools
import tracemalloc
import zlib
from collections.abc import Callable

import brotli
import pytest
from hypothesis import given
from hypothesis import strategies as st

from checks.core.base import ExpectationError, ProtocolError
from checks.core.codings import ACCEPTED, zstd
from checks.core.decode import Body

TEXT = b"some text, " * 5000


def bare(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(data) + packer.flush()


PACKED: dict[str, Callable[[bytes], bytes]] = {
    "gzip": lambda data: gzip.compress(data[:99], mtime=0) + gzip.compress(data[99:], mtime=0),
    "x-gzip": lambda data: gzip.compress(data, mtime=0),
    "deflate": zlib.compress,
    "br": lambda data: brotli.compress(data, quality=5),
    "zstd": lambda data: zstd.compress(data[:99]) + zstd.compress(data[99:]),
    "": bytes,
    "identity": bytes,
    "gzip, br": lambda data: brotli.compress(gzip.compress(data, mtime=0)),
    "zstd, deflate, gzip": lambda data: gzip.compress(zlib.compress(zstd.compress(data)), mtime=0),
}
LAYERED = [name for name in PACKED if name not in ("", "identity")]


def fed(encoding: str, data: bytes, size: int, *, keep: int = 1 << 20, limit: int = 1 << 20) -> Body:
    body = Body(encoding, keep=keep, limit=limit)
    for at in range(0, len(data), size):
        body.write(data[at : at + size])
    body.end()
    return body


@given(st.binary(max_size=3000), st.integers(1, 3000), st.sampled_from(list(PACKED)))
def test_pieces_do_not_matter(data, size, encoding):
    assert fed(encoding, PACKED[encoding](data), size).data == data


@given(st.binary(max_size=3000), st.integers(2, 3000))
def test_a_bare_deflate_stream_is_understood(data, size):
    # One byte of a bare stream cannot be told from a header of zlib's: servers send more at once.
    assert fed("deflate", bare(data), size).data == data


def test_what_is_asked_for_is_understood():
    names = ACCEPTED.split(", ")
    assert names == ["gzip", "deflate", "br", "zstd"]
    assert not any(Body(name, keep=1, limit=1).opaque for name in names)


@pytest.mark.parametrize(
    ("encoding", "packed", "text"),
    [
        ("br", "06", b""),  # RFC 7932 section 9.1: window 16, the last meta-block, and empty
        ("br", "0b00805803", b"X"),  # tests/testdata/x.compressed of google/brotli
        ("zstd", "28b52ffd045831000068656c6c6f0a5388bd91", b"hello\n"),  # printed by the tool zstd 1.5.4
    ],
)
def test_known_documents(encoding, packed, text):
    assert fed(encoding, bytes.fromhex(packed), 1).data == text


@pytest.mark.parametrize("encoding", ["", *LAYERED])
def test_no_more_is_kept_than_wanted(encoding):
    body = fed(encoding, PACKED[encoding](TEXT), 1000, keep=10)
    assert (bytes(body.data), body.size) == (TEXT[:10], len(TEXT))


@pytest.mark.parametrize("encoding", LAYERED)
def test_the_limit_holds_after_decoding(encoding):
    name = encoding.removeprefix("x-")
    with pytest.raises(ExpectationError, match=f"larger than 1 KiB once decoded from {name}; max_body"):
        fed(encoding, PACKED[encoding](TEXT), 64, limit=1024)


def test_the_limit_holds_before_decoding():
    with pytest.raises(ExpectationError, match="larger than 1000 bytes; max_body sets the limit"):
        fed("", TEXT, 64, limit=1000)
    assert fed("", TEXT[:1000], 64, limit=1000).size == 1000
    with pytest.raises(ExpectationError, match="larger than 16 bytes"):
        fed("gzip", gzip.compress(b"") * 9, 64, limit=16)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
@pytest.mark.parametrize("cut", [1, 5, 20, -1])
def test_half_a_body_is_no_body(encoding, cut):
    packed = zstd.compress(TEXT) if encoding == "zstd" else PACKED[encoding](TEXT)  # a single frame
    with pytest.raises(ProtocolError, match=f"the {encoding} body ends before its end"):
        fed(encoding, packed[:cut], 7)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd"])
def test_no_body_at_all_is_no_broken_one(encoding):
    assert fed(encoding, b"", 1).size == 0
    body = Body(encoding, keep=1, limit=1)
    body.write(b"")  # what an exchange hands over when the head came alone
    body.end()
    assert body.size == 0


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_what_is_not_encoded_as_it_says_is_a_broken_protocol(encoding):
    with pytest.raises(ProtocolError, match=f"the body is no valid {encoding}"):
        fed(encoding, b"<html>plain text</html>", 100)


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_padding_after_the_end_is_ignored(encoding):
    packed = PACKED["x-gzip" if encoding == "gzip" else encoding](b"text")
    assert fed(encoding, packed + bytes(100), 30).data == b"text"


@pytest.mark.parametrize(
    ("encoding", "opaque"),
    [
        ("compress", True),
        ("gzip, compress", True),
        ("gzip, gzip, gzip, gzip, gzip, gzip", True),
        ("GZip , identity", False),
        ("identity", False),
        (",", False),
        ("", False),
    ],
)
def test_what_nobody_asked_for_is_opaque(encoding, opaque):
    assert Body(encoding, keep=1, limit=1).opaque is opaque


ZEROS = bytes(20 << 20)


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "zstd", "gzip, br"])
def test_a_bomb_is_decoded_in_small_pieces_between_which_others_run(encoding):
    bomb = PACKED[encoding](ZEROS)
    body = Body(encoding, keep=1000, limit=64 << 20)
    sizes = []
    for _ in body.pieces(bomb):
        sizes.append(body.size)
    assert max(after - before for before, after in itertools.pairwise([0, *sizes])) <= 98304
    assert body.size == len(ZEROS)


def test_a_bomb_between_two_layers_ends_too():
    skipped = b"\x50\x2a\x4d\x18" + (19 << 20).to_bytes(4, "little") + bytes(19 << 20)  # RFC 8878 section 3.1.2
    body = Body("zstd, gzip", keep=10, limit=1 << 20)
    with pytest.raises(ExpectationError, match="larger than 1 MiB"):
        body.write(gzip.compress(skipped, mtime=0))


def test_a_window_beyond_what_clients_owe_is_refused():
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27, zstd.CompressionParameter.content_size_flag: 0}
    packer = zstd.ZstdCompressor(options=options)
    packed = packer.compress(b"text") + packer.flush()
    with pytest.raises(ProtocolError, match=r"the body is no valid zstd .*memory"):
        fed("zstd", packed, 1000)


@pytest.mark.parametrize("encoding", ["gzip", "br", "zstd"])
def test_a_bomb_costs_no_memory(encoding):
    bomb = PACKED[encoding](ZEROS)
    tracemalloc.start()
    with pytest.raises(ExpectationError):
        Body(encoding, keep=1000, limit=10 << 20).write(bomb)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1 << 20
