"""What a reason has in common with others of its kind: numbers, addresses and identifiers masked. Pure."""

from __future__ import annotations

import re
from ipaddress import ip_address

_LONGEST = 300  # characters that are looked at
_UUID = re.compile(r"\b[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\b", re.IGNORECASE)
_IPV4 = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.]*\d)(?::\d{1,5}\b)?")
_IPV6 = re.compile(
    r"\[?(?<![\w:.])([0-9a-f]{0,4}:[0-9a-f:.]*:[0-9a-f.]*)(?:%\w+)?(?:\](?::\d{1,5}\b)?)?", re.IGNORECASE
)
_HEX = re.compile(r"\b(?:0x)?(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE)
# A status keeps its class: 502 and 503 are one trouble, 404 is another.
_STATUS = re.compile(r"\b(status|answered|HTTP) ([1-5])\d\d\b")
_UNIT = r"(?:[mun]?s|[mhdw]|[kMG]i?B|B|%)"
_NUMBER = re.compile(rf"\d+(?:[.,]\d+)*(?: ?{_UNIT}\b| ?%)?(?: \d+{_UNIT}\b)?(?!xx)")


def fingerprint(reason: str) -> str:
    """A reason without what differs from one failure to the next: text for people, and the same for the same trouble.

    `status 503, wanted 2xx` is `status 5xx, wanted 2xx`; `connecting to 10.0.0.7:443` is `connecting to <address>`.
    """
    text = _UUID.sub("<id>", " ".join(reason[:_LONGEST].split()))
    text = _IPV6.sub(_address, _IPV4.sub("<address>", text))
    text = _STATUS.sub(r"\1 \2xx", _HEX.sub("<id>", text))
    return _NUMBER.sub("#", text)


def _address(found: re.Match[str]) -> str:
    try:
        ip_address(found[1].rstrip("."))
    except ValueError:
        return found[0]  # a time of day, or words with colons between them
    return "<address>"
