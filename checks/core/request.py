"""HTTP requests as bytes. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from checks.core.url import Url

_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


@dataclass(frozen=True, slots=True)
class Request:
    """One request. Names of `headers` are in lower case; what is ours to say (Host, lengths) is not among them."""

    method: str
    url: Url
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    def render(self, cookies: str = "") -> bytes:
        """The bytes to send. `cookies` were set on the way here, by redirects."""
        lines = [f"{self.method} {self.url.path} HTTP/1.1"]
        if "host" not in self.headers:
            lines.append(f"Host: {self.url.authority}")
        headers = self.headers
        if cookies:
            own = headers.get("cookie")
            headers = {**headers, "cookie": f"{own}; {cookies}" if own else cookies}
        lines += [f"{_title(name)}: {value}" for name, value in headers.items()]
        if self.body or self.method in _WITH_BODY:
            lines.append(f"Content-Length: {len(self.body)}")
        lines.append("Connection: close\r\n\r\n")
        return "\r\n".join(lines).encode() + self.body


def _title(name: str) -> str:
    """`User-Agent`: the spelling that everybody expects, and some old servers need."""
    return "-".join(part.capitalize() for part in name.split("-"))
