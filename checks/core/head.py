"""The head of an HTTP/1.x answer: status line and headers. Pure; bytes in, a value out.

An ordinary head is read by two expressions. Any other is read line by line, as forgiving as browsers are: a client
that asks once per connection has no second answer that somebody could smuggle in.
"""

from __future__ import annotations

import re

from checks.core.base import ProtocolError
from checks.core.text import excerpt, quoted

# RFC 9112 sections 4 and 5, without what is obsolete. Possessive: what does not match fails at once.
_ORDINARY = re.compile(
    rb"HTTP/(1\.[01]) ([1-9]\d\d)(?: [^\0\r\n]*+)?\r\n"
    rb"((?:[!#$%&'*+.^_`|~0-9A-Za-z-]++:[^\0\r\n]*+\r\n)*+)\r\n"
)
_FIELD = re.compile(r"([^:]+):[ \t]*([^\r]*)\r\n")
_END = re.compile(rb"\n\r?\n")
_STATUS_LINE = re.compile(r"(?:HTTP/(\d+)(?:\.(\d+))?|ICY)[ \t]+(\d{3})(?!\d)", re.IGNORECASE)
_SIGNS = (b"HTTP/", b"ICY ")  # ICY: radio streams, which every browser takes for HTTP/1.0


# Version, status, headers, size in bytes with the empty line. Names are in lower case; repeated headers are joined.
# A plain tuple: made for every answer.
Head = tuple[str, int, dict[str, str], int]


def read_head(data: bytes, seen: int = 0) -> Head | None:
    """The head that `data` begins with; None while its end is missing. Raises ProtocolError.

    `seen`: so many bytes of `data` were looked at before, and the end was not among them.
    """
    found = _ORDINARY.match(data) if not seen or _END.search(data, max(0, seen - 2)) else None
    if found is not None:
        version, status, fields = found.groups()
        pairs = _FIELD.findall(fields.decode("latin-1"))
        headers = {name.lower(): value.rstrip(" \t") for name, value in pairs}
        if len(headers) < len(pairs):
            headers = _joined(pairs)
        return version.decode(), int(status), headers, found.end()
    return _read_odd(data, seen)


def refuse_other_protocols(data: bytes) -> None:
    """Raise ProtocolError where `data`, however short, cannot be the beginning of an HTTP answer."""
    start = data.lstrip(b"\r\n")[:5].upper()
    if any(start.startswith(sign) or sign.startswith(start) for sign in _SIGNS):
        return
    if data[:1] in (b"\x15", b"\x16") and data[1:2] in (b"\x03", b""):
        raise ProtocolError("the server speaks TLS on this port: use https://")
    begins = excerpt(data, 60) or data[:20].hex()
    if start.startswith(b"<"):
        # HTTP/0.9, which browsers and curl refuse too.
        raise ProtocolError(f"an answer without status and headers (HTTP/0.9), it begins with: {begins}")
    raise ProtocolError(f"no HTTP answer, it begins with: {begins}")


def _read_odd(data: bytes, seen: int) -> Head | None:
    refuse_other_protocols(data)
    start = len(data) - len(data.lstrip(b"\r\n"))
    end = _END.search(data, max(start, seen - 2))
    if end is None:
        return None
    head = data[start : end.start()]
    if b"\0" in head:
        raise ProtocolError("malformed HTTP answer: a NUL byte in the headers")
    first, *lines = (line.removesuffix("\r") for line in head.decode("latin-1").split("\n"))
    version, status = _read_status(first)
    return version, status, _joined(_fields(lines)), end.end()


def _read_status(line: str) -> tuple[str, int]:
    found = _STATUS_LINE.match(line)
    if found is None or found[3] < "100":
        raise ProtocolError(f"malformed HTTP answer: its status line is {quoted(line)}")
    # Browsers take every version for one of these two, by which is nearer.
    modern = (int((found[1] or "1")[:9]), int((found[2] or "0")[:9])) >= (1, 1)
    return "1.1" if modern else "1.0", int(found[3])


def _fields(lines: list[str]) -> list[tuple[str, str]]:
    """Names and values. RFC 9112: a folded line continues a value (5.2), a bare CR is a blank (2.2)."""
    fields: list[tuple[str, str]] = []
    for line in (line.replace("\r", " ") for line in lines):
        name, colon, value = line.partition(":")
        if line[:1] in (" ", "\t"):
            if fields:
                before, start = fields[-1]
                fields[-1] = before, f"{start} {line.strip(_BLANKS)}".strip(_BLANKS)
        elif not colon or not name.strip(_BLANKS):
            what = "without a name" if colon else "without a colon"
            raise ProtocolError(f"malformed HTTP answer: a header {what}, {quoted(line)}")
        else:
            fields.append((name.rstrip(_BLANKS), value.strip(_BLANKS)))
    return fields


_BLANKS = " \t"


def _joined(fields: list[tuple[str, str]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for name, value in fields:
        key, text = name.lower(), value.rstrip(_BLANKS)
        before = headers.get(key)
        if before is None:
            headers[key] = text
        elif key == "location":
            if before != text:  # Chromium refuses these too: somebody may have slipped one in
                raise ProtocolError(f"two Location headers, {quoted(before)} and {quoted(text)}")
        else:
            # Cookies alone cannot be joined by commas: their dates hold some (RFC 9110 section 5.3).
            headers[key] = f"{before}\n{text}" if key == "set-cookie" else f"{before}, {text}"
    return headers
