"""HTTP and HTTPS: one request over a new connection, its redirects followed, its answer judged."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Callable, Mapping
from functools import cached_property, partial
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from checks.core import veil
from checks.core.byhand import Proofs, curl
from checks.core.curl_wish import Login, Proxy, SigV4, Version, Wish, lacking, sendable
from checks.core.decode import ACCEPTED
from checks.core.exchange import Order, ask
from checks.core.expect import ANSWERED, Expected
from checks.core.net import NET_METRICS, TLS_METRICS, Family, Net
from checks.core.oauth import OAuth2
from checks.core.request import Request
from checks.core.result import Trace
from checks.core.tls import TlsOptions
from checks.core.tokens import Ask, authorized
from checks.core.units import Size
from checks.core.url import parse_url

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 section 5.6.2
_OURS = frozenset({"connection", "content-length", "expect", "te", "trailer", "transfer-encoding", "upgrade"})
_USUAL = {"user-agent": "Probe", "accept": "*/*", "accept-encoding": ACCEPTED}
_NO_HEADERS: Mapping[str, str] = {}  # one for all checks that send none of their own
# What a server may answer in, by the version that it is asked in.
_ANSWERS = {"1.1": ("1.0", "1.1"), "2": ("2",), "3": ("3",), "auto": ("1.0", "1.1", "2")}
_LOGINS = ("basic", "bearer", "oauth2", "digest", "ntlm", "sigv4")


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
        default_factory=lambda: _NO_HEADERS,
        repr=False,
        description="Headers to send; a Host header asks for a virtual host.",
    )
    body: str = Field(default="", repr=False, description="Body to send.")
    basic: Basic | None = Field(default=None, description="Credentials of HTTP basic authentication.")
    bearer: SecretStr | None = Field(default=None, description="Bearer token to send.")
    oauth2: OAuth2 | None = Field(
        default=None, description="Client credentials of OAuth 2, for which a bearer token is fetched and kept."
    )
    digest: Login | None = Field(default=None, description="Credentials of HTTP digest authentication.")
    ntlm: Login | None = Field(default=None, description="Credentials of an NTLM login (version 2 of NTLM).")
    sigv4: SigV4 | None = Field(default=None, description="Key to sign requests with, as AWS wants them.")
    version: Version = Field(
        default="1.1", description="HTTP version to speak: 1.1, 2, 3, or auto for 2 where the server knows it."
    )
    proxy: Proxy | None = Field(
        default=None, description="Proxy to go through: http://, https://, socks5:// or socks5h://."
    )
    redirects: int = Field(
        default=10, ge=0, le=50, description="How many redirects to follow; 0 judges the redirect itself."
    )
    tls: TlsOptions = Field(default=TlsOptions(), description="How https is spoken, and whom to trust.")
    family: Family = Field(default="any", description="Which addresses to use, or to prefer.")
    max_body: Size = Field(
        default=10 << 20, gt=0, le=1 << 30, description="Largest good body, before and after decoding."
    )
    expect: Expected = Field(default=ANSWERED, description="What the answer must be.")

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

    @field_validator("bearer")
    @classmethod
    def _bearer_sendable(cls, bearer: SecretStr | None) -> SecretStr | None:
        return bearer if bearer is None else sendable(bearer)

    @model_validator(mode="after")
    def _one_authorization(self) -> Self:
        ways = [getattr(self, name) is not None for name in _LOGINS]
        if sum(ways) + ("authorization" in map(str.lower, self.headers)) > 1:
            raise ValueError(f"{', '.join(_LOGINS)} and an Authorization header exclude each other; keep one")
        if self.method == "HEAD" and self.expect.reads_body:
            raise ValueError("the answer to HEAD has no body: use method GET, or expect nothing of the body")
        return self

    @model_validator(mode="after")
    def _speakable(self) -> Self:
        if self.version == "3" and parse_url(self.url).scheme == "http":
            raise ValueError('version "3" needs an https:// url: HTTP/3 is never unencrypted')
        if self.version == "3" and self.proxy is not None:
            raise ValueError('version "3" does not go through a proxy; leave one of them out')
        if self.ntlm is not None and self.version != "1.1":
            raise ValueError(f'ntlm does not go with version "{self.version}": it logs in a connection of HTTP/1.1')
        wanted = self.expect.version
        if wanted is not None and wanted not in _ANSWERS[self.version]:
            remedy = f'version: "{wanted}"' if wanted in _ANSWERS else 'version: "1.1"'
            raise ValueError(f'expect.version "{wanted}" never comes true: version is "{self.version}"; write {remedy}')
        wish = self._wish
        if wish is not None and (problem := lacking(self.version)):
            raise ValueError(f"{wish.needs} needs {problem}")
        return self

    @property
    def target(self) -> str:
        return veil.url(str(parse_url(self.url)))

    @property
    def host(self) -> str:
        return parse_url(self.url).host

    @cached_property
    def _request(self) -> Request:
        if not self.headers and self.basic is None and self.bearer is None:
            return Request(self.method, parse_url(self.url), _USUAL, self.body.encode())
        headers = {**_USUAL, **{name.lower(): value for name, value in self.headers.items()}}
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

    @property
    def _wish(self) -> Wish | None:
        """What our own exchange does not speak; None when it speaks all that is asked for."""
        wish = Wish(self.version, self.proxy, self.digest, self.ntlm, self.sigv4)
        return wish if wish.needs else None

    @cached_property
    def _ask(self) -> Ask:
        """The exchange that carries our orders."""
        wish = self._wish
        if wish is None:
            return ask
        from checks.core.curl import ask_by_curl  # an optional extra

        return partial(ask_by_curl, wish)

    def by_hand(self, address: str, timeout: float, hide: Callable[[str], str]) -> str:
        """A line with curl that asks the same."""
        user = self.basic.username if self.basic is not None else ""
        proofs = Proofs(user, bearer=self.bearer is not None or self.oauth2 is not None)
        return curl(self._order, self._wish, proofs, address, timeout, hide)

    async def run(self, trace: Trace, net: Net) -> None:
        if self.oauth2 is None:
            await self._ask(self._order, trace, net)
        else:
            await authorized(self.oauth2, self._order, trace, net, self._ask)


CHECK = Http
METRICS = NET_METRICS | TLS_METRICS | {"auth", "proxy", "ttfb", "transfer"}
METRICS |= {f"http.{name}" for name in ("status", "bytes", "content_length", "redirects", "last_modified")}
