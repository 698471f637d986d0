"""An HTTP/1.x answer from bytes, by httptools: no socket, no await. Bounded whatever a server sends."""

from __future__ import annotations

from httptools import HttpParserError, HttpParserUpgrade, HttpResponseParser

from checks.core.base import ProtocolError
from checks.core.text import excerpt

# All header lines, interim answers among them; and what may come between two bytes of a body (chunk sizes, trailers).
_MOST_HEADER = 65536


class Answer:
    """The answer to one request: feed() it what arrives, end() it when the stream does.

    `headed` once status and headers are known, `done` once the body is complete. What comes after is ignored.
    """

    __slots__ = (
        "_begun",
        "_chunked",
        "_fault",
        "_got",
        "_head",
        "_idle",
        "_interim",
        "_parser",
        "_pieces",
        "done",
        "headed",
        "headers",
        "length",
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
        self._head = head
        self._begun = self._interim = self._chunked = False
        self._got = self._idle = 0
        self._pieces: list[bytes] = []
        self._fault = ""
        self._parser: HttpResponseParser | None = HttpResponseParser(self)
        # Nobody can be smuggled past a client that asks once: accept what browsers and curl accept.
        self._parser.set_dangerous_leniencies(
            lenient_optional_cr_before_lf=True, lenient_chunked_length=True, lenient_data_after_close=True
        )

    def feed(self, data: bytes) -> bytes:
        """What of the body is in `data`, still in its content encoding; raises ProtocolError."""
        if self._parser is None:
            return b""
        try:
            self._parser.feed_data(data)
        except HttpParserUpgrade:
            self._fault = self._fault or "the server switched protocols, which nobody asked for"
        except HttpParserError as error:
            if not self.done:
                self._fault = self._fault or self._malformed(data, error)
        self._begun = True
        body = self._take()
        self._bound(len(data), bool(body))
        if self._fault:
            self.release()
            raise ProtocolError(self._fault)
        if self.done:
            self.release()
        return body

    def end(self) -> None:
        """The stream ended; raises where more was due."""
        self.release()
        if self.done:
            return
        if not self._begun:
            raise EOFError("the connection was closed without an answer")
        if not self.headed:
            raise ProtocolError("the connection was closed in the middle of the headers")
        if self._chunked:
            raise ProtocolError(f"the body ended after {self._got} bytes, before its last chunk")
        if self.length is not None:
            raise ProtocolError(f"the body ended after {self._got} of {self.length} bytes")
        self.done = True  # RFC 9112 section 6.3: without a length the end of the stream ends the body

    def release(self) -> None:
        """Let go of the parser, which holds on to us: nothing is left to the garbage collector."""
        self._parser = None

    def _take(self) -> bytes:
        pieces = self._pieces
        if not pieces:
            return b""
        body = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        self._pieces = []
        return body

    def _bound(self, size: int, advanced: bool) -> None:
        self._idle = 0 if advanced or self.done else self._idle + size
        if self._idle > _MOST_HEADER and not self._fault:
            where = "between two parts of the body" if self.headed else "of headers without an end"
            self._fault = f"more than {_MOST_HEADER // 1024} KiB {where}"

    def _malformed(self, data: bytes, error: HttpParserError) -> str:
        if self._begun or self.status or data[:5] == b"HTTP/":
            return f"malformed HTTP answer: {str(error).lower()}"
        if data[:1] in (b"\x15", b"\x16") and data[1:2] == b"\x03":
            return "the server speaks TLS on this port: use https://"
        return f"no HTTP answer, it begins with: {excerpt(data, 60) or data[:20].hex()}"

    # What httptools calls.

    def on_header(self, name: bytes, value: bytes) -> None:
        if self.headed:
            return  # a trailer
        key, text = name.decode("latin-1").lower(), value.decode("latin-1").strip()
        before = self.headers.get(key)
        # Cookies alone cannot be joined by commas: their dates hold some (RFC 9110 section 5.3).
        joint = "\n" if key == "set-cookie" else ", "
        self.headers[key] = text if before is None else f"{before}{joint}{text}"

    def on_headers_complete(self) -> None:
        parser = self._parser
        if parser is None or self.headed:
            return
        status = parser.get_status_code()
        self._interim = 100 <= status < 200
        if self._interim:
            if status == 101:
                self._fault = "the server switched protocols (status 101), which nobody asked for"
            self.headers.clear()
            return
        self.status, self.version, self.headed = status, parser.get_http_version(), True
        # RFC 9110 section 6.4.1: no body, whatever the headers say. Of 204 and 304 the parser knows that itself.
        self.done = self._head
        self._chunked = "chunked" in self.headers.get("transfer-encoding", "").lower()
        announced = self.headers.get("content-length", "")
        if announced.isascii() and announced.isdigit():
            self.length = int(announced)

    def on_body(self, body: bytes) -> None:
        if not self.done:
            self._got += len(body)
            self._pieces.append(body)

    def on_message_complete(self) -> None:
        if self._interim:
            self._interim = False
        elif self.headed:
            self.done = True
