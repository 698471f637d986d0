"""HTTP and HTTPS: one request over a new connection, its redirects followed, its answer judged."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cached_property
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from checks.core.decode import ACCEPTED
from checks.core.exchange import Order, ask
from checks.core.expect import HttpExpect
from checks.core.net import NET_METRICS, TLS_METRICS, Family, Net
from checks.core.request import Request
from checks.core.result import Trace
from checks.core.tls import TlsOptions
from checks.core.units import Size
from checks.core.url import parse_url

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_OURS = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})


class Basic(BaseModel):
    """Credentials of HTTP basic authentication."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = Field(description="User name.")
    password: SecretStr = Field(description="Password, best as ${env:NAME} or ${file:/run/secrets/name}.")

    @field_validator("username")
    @classmethod
    def _no_colon(cls, username: str) -> str:
        if ":" in username:
            raise ValueError("a user name cannot hold a colon (RFC 7617 section 2)")
        return username


class Http(BaseModel):
    """Asks for a URL and judges the answer."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(repr=False, description="Address to ask for: http:// or https://.")
    method: str = Field(default="GET", description="Request method.")
    headers: Mapping[str, str] = Field(
        default_factory=dict, repr=False, description="Headers to send; a Host header asks for a virtual host."
    )
    body: str = Field(default="", repr=False, description="Body to send.")
    basic: Basic | None = Field(default=None, description="Credentials of HTTP basic authentication.")
    bearer: SecretStr | None = Field(default=None, description="Bearer token to send.")
    redirects: int = Field(
        default=10, ge=0, le=50, description="How many redirects to follow; 0 judges the redirect itself."
    )
    tls: TlsOptions = Field(default_factory=TlsOptions, description="How https is spoken, and whom to trust.")
    family: Family = Field(default="any", description="Which addresses to use, or to prefer.")
    max_body: Size = Field(
        default=10 << 20, gt=0, le=1 << 30, description="Largest good body, before and after decoding."
    )
    expect: HttpExpect = Field(default_factory=HttpExpect, description="What the answer must be.")

    @field_validator("url")
    @classmethod
    def _url_parses(cls, url: str) -> str:
        parse_url(url)
        return url

    @field_validator("method")
    @classmethod
    def _method_known(cls, method: str) -> str:
        if not _TOKEN.fullmatch(method) or method.upper() == "CONNECT":
            raise ValueError(f"{method!r} is no method that can be probed; write GET, HEAD, POST, ...")
        return method.upper()

    @field_validator("headers")
    @classmethod
    def _headers_sendable(cls, headers: Mapping[str, str]) -> Mapping[str, str]:
        seen: set[str] = set()
        for name, value in headers.items():
            if not _TOKEN.fullmatch(name):
                raise ValueError(f"{name!r} is no header name")
            if name.lower() in _OURS:
                raise ValueError(f"header {name} is set by the prober itself; leave it out")
            if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", value):
                raise ValueError(f"header {name} holds a line break or another control character")
            if name.lower() in seen:
                raise ValueError(f"header {name} is given twice")
            seen.add(name.lower())
        return headers

    @model_validator(mode="after")
    def _one_authorization(self) -> Self:
        ways = [self.basic is not None, self.bearer is not None, "authorization" in map(str.lower, self.headers)]
        if sum(ways) > 1:
            raise ValueError("basic, bearer and an Authorization header exclude each other; keep one")
        if self.method == "HEAD" and self.expect.reads_body:
            raise ValueError("the answer to HEAD has no body: use method GET, or expect nothing of the body")
        return self

    @property
    def target(self) -> str:
        return str(self._request.url)

    @property
    def host(self) -> str:
        return self._request.url.host

    @cached_property
    def _request(self) -> Request:
        headers = {"user-agent": "Probe", "accept": "*/*", "accept-encoding": ACCEPTED}
        headers.update((name.lower(), value) for name, value in self.headers.items())
        if self.basic is not None:
            pair = f"{self.basic.username}:{self.basic.password.get_secret_value()}"
            headers["authorization"] = "Basic " + b64encode(pair.encode()).decode()
        if self.bearer is not None:
            headers["authorization"] = "Bearer " + self.bearer.get_secret_value()
        return Request(self.method, parse_url(self.url), headers, self.body.encode())

    @cached_property
    def _order(self) -> Order:
        request = self._request
        return Order(request, request.render(), self.redirects, self.tls, self.family, self.max_body, self.expect)

    async def run(self, trace: Trace, net: Net) -> None:
        await ask(self._order, trace, net)


CHECK = Http
METRICS = NET_METRICS | TLS_METRICS | {"ttfb", "transfer"}
METRICS |= {f"http.{name}" for name in ("status", "bytes", "content_length", "redirects", "last_modified")}
