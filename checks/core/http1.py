"""An HTTP/1.x answer from bytes: no socket, no await. Bounded whatever a server sends."""

from __future__ import annotations

import re

from checks.core.base import ProtocolError
from checks.core.head import Head, read_head, refuse_other_protocols
from checks.core.text import excerpt, quoted

# All header lines, interim answers among them; and what may come between two bytes of a body (chunk sizes, trailers).
_MOST_HEADER = 65536
BODILESS = (204, 304)  # statuses, whatever the headers say
_LONGEST_LENGTH = 18  # digits: an exabyte
_LENGTH = re.compile(rf"[0-9]{{1,{_LONGEST_LENGTH}}}")
_CHUNK = re.compile(rb"[ \t]*0*([0-9A-Fa-f]{1,15})[ \t]*(?:;[^\n]*)?\r?")
# The same, whole and as it ought to be: at the beginning, and after a chunk.
_NEXT = re.compile(rb"0*([0-9A-Fa-f]{1,15})\r\n"), re.compile(rb"\r\n0*([0-9A-Fa-f]{1,15})\r\n")
_LAST = b"\r\n0\r\n\r\n"


class Answer:
    """The answer to one request: feed() it what arrives, end() it when the stream does.

    `headed` once status and headers are known, `done` once the body is complete. What comes after is ignored.
    """

    __slots__ = (
        "_buffer",
        "_chunks",
        "_got",
        "_head",
        "_idle",
        "_interim",
        "done",
        "headed",
        "headers",
        "length",
        "raw",
        "status",
        "version",
    )

    def __init__(self, *, head: bool = False) -> None:
        """`head`: the request was a HEAD, whose answer has no body."""
        self.status = 0
        self.version = ""
        self.headers: dict[str, str] = {}  # lower-case names; repeated ones joined
        self.length: int | None = None  # of the body, as announced
        self.headed = self.done = False
        self.raw = b""  # what it began with, as it came
        self._head = head
        self._buffer = b""  # a head without its end
        self._interim = 0  # bytes
        self._chunks: _Chunks | None = None
        self._got = self._idle = 0

    def feed(self, data: bytes) -> bytes:
        """What of the body is in `data`, still in its content encoding; raises ProtocolError."""
        if self.headed:
            return b"" if self.done else self._take(data)
        seen = len(self._buffer)
        if seen:
            data = self._buffer + data
        self.raw = data
        head = read_head(data, seen)
        if head is None or head[1] < 200 or self._interim or seen:
            head, data = self._wait(data, head)
            if head is None:
                return b""
        self._open(head)
        size = head[3]
        return b"" if self.done or len(data) == size else self._take(data[size:])

    def _wait(self, data: bytes, head: Head | None) -> tuple[Head | None, bytes]:
        """The head of the answer itself, after any number of interim ones, and the bytes from there on."""
        while head is not None and head[1] < 200:
            if head[1] == 101:
                raise ProtocolError("the server switched protocols (status 101), which nobody asked for")
            self._interim += head[3]
            data = data[head[3] :]
            head = read_head(data)
        if self._interim + (len(data) if head is None else head[3]) > _MOST_HEADER:
            raise ProtocolError(f"more than {_MOST_HEADER // 1024} KiB of headers without an end")
        self._buffer = b""
        if head is None:
            self._buffer = data.lstrip(b"\r\n")  # empty lines before an answer are old servers' habit
            self._interim += len(data) - len(self._buffer)
        return head, data

    def end(self) -> None:
        """The stream ended; raises where more was due."""
        if self.done:
            return
        if not self.headed:
            if not self._buffer and not self._interim:
                raise EOFError("the connection was closed without an answer")
            refuse_other_protocols(self._buffer)
            raise ProtocolError("the connection was closed in the middle of the headers")
        if self._chunks is not None:
            where = "in the middle of its trailers" if self._chunks.last else "before its last chunk"
            raise ProtocolError(f"the body ended after {self._got} bytes, {where}")
        if self.length is not None:
            raise ProtocolError(f"the body ended after {self._got} of {self.length} bytes")
        self.done = True  # RFC 9112 section 6.3: without a length the end of the stream ends the body

    def release(self) -> None:
        """Let go of what is buffered: nobody wants more of this answer than its head."""
        self._buffer, self.raw, self._chunks = b"", b"", None

    def _open(self, head: Head) -> None:
        """The framing of the body, by RFC 9112 section 6.3."""
        self.version, self.status, headers, _ = head
        self.headers, self.headed = headers, True
        # RFC 9110 section 6.4.1: no body, whatever the headers say.
        bodiless = self._head or self.status in BODILESS
        coding = headers.get("transfer-encoding")
        if coding is not None and not bodiless and (coding == "chunked" or _chunked(coding)):
            self._chunks = _Chunks()  # and Content-Length does not count
        elif announced := headers.get("content-length"):
            self.length = _length(announced, strict=not bodiless)
        self.done = bodiless or self.length == 0

    def _take(self, data: bytes) -> bytes:
        if self._chunks is not None:
            body = self._chunks.feed(data)
            self.done = self._chunks.done
            self._idle = 0 if body else self._idle + len(data)
            if self._idle > _MOST_HEADER and not self.done:
                raise ProtocolError(f"more than {_MOST_HEADER // 1024} KiB between two parts of the body")
        else:
            body = data if self.length is None else data[: self.length - self._got]
        self._got += len(body)
        if self._got == self.length:
            self.done = True
        return body


def _length(announced: str, *, strict: bool) -> int | None:
    """Of several equal lengths the one, as browsers have it. Raises ProtocolError when `strict`."""
    if announced.isdecimal() and len(announced) <= _LONGEST_LENGTH:
        return int(announced)
    lengths = {text.strip().lstrip("0") or "0" for text in announced.split(",") if text.strip()}
    if all(_LENGTH.fullmatch(length) for length in lengths):
        if len(lengths) < 2:
            return int(lengths.pop()) if lengths else None
        problem = f"two lengths of one body, Content-Length is {quoted(announced)}"
    else:
        problem = f"Content-Length is {quoted(announced)}, which is no length of a body"
    if strict:
        raise ProtocolError(f"malformed HTTP answer: {problem}")
    return None


def _chunked(coding: str) -> bool:
    """Raises ProtocolError for a transfer coding that nobody asked for."""
    codings = {text.strip().lower() for text in coding.split(",")} - {"identity", ""}
    if codings - {"chunked"}:
        raise ProtocolError(f"the body comes in the transfer encoding {quoted(coding)}, which nobody asked for")
    return bool(codings)


class _Chunks:
    """A chunked body (RFC 9112 section 7.1), with line ends of either kind. Extensions and trailers are dropped."""

    __slots__ = ("_due", "_left", "_line", "done", "last")

    def __init__(self) -> None:
        self._left = 0  # bytes of the open chunk
        self._due = False  # the line end after a chunk
        self._line = b""  # what there is of a line
        self.last = self.done = False

    def feed(self, data: bytes) -> bytes:
        if not self._line and (body := self._whole(data)) is not None:
            return body
        pieces: list[bytes] = []
        at, end = 0, len(data)
        while at < end and not self.done:
            if self._left:
                piece = data[at : at + self._left]
                pieces.append(piece)
                at += len(piece)
                self._left -= len(piece)
                self._due = not self._left
            elif self._line or self.last or (found := _NEXT[self._due].match(data, at)) is None:
                at = self._crawl(data, at)
            else:
                at = found.end()
                self._due = False
                self._open(int(found[1], 16))
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)

    def _whole(self, data: bytes) -> bytes | None:
        """The body, where it comes as most short ones do: one chunk and the last one in a single read."""
        if self._left or self._due or self.last or not data.endswith(_LAST) or (found := _NEXT[0].match(data)) is None:
            return None
        start, size = found.end(), int(found[1], 16)
        if len(data) != start + size + len(_LAST):
            return None
        self.last = self.done = True
        return data[start : start + size]

    def _open(self, size: int) -> None:
        self._left = size
        self.last = not size

    def _crawl(self, data: bytes, at: int) -> int:
        """Take one line, or the part of it that is there; where the next begins."""
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            return len(data)
        self._read(self._line + data[at:end])
        self._line = b""
        return end + 1

    def _read(self, line: bytes) -> None:
        if self._due:
            if line not in (b"\r", b""):
                raise ProtocolError("malformed HTTP answer: a chunk of the body is longer than its size")
            self._due = False
        elif self.last:
            self.done = line in (b"\r", b"")
        else:
            size = _CHUNK.fullmatch(line)
            if size is None:
                what = excerpt(line, 40)
                raise ProtocolError(f'malformed HTTP answer: a chunk of the body has no size but "{what}"')
            self._open(int(size[1], 16))
