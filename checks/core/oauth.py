"""OAuth 2 client credentials (RFC 6749 section 4.4): what is configured, and how a token endpoint is asked."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace
from typing import Literal
from urllib.parse import quote_plus, urlencode

import msgspec
from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator

from checks.core.base import ExpectationError
from checks.core.classify import ClassifiedError, classify
from checks.core.connection import Connection
from checks.core.decode import Body
from checks.core.http1 import Answer
from checks.core.net import Net
from checks.core.redact import MASK
from checks.core.request import Request
from checks.core.result import Failure, FailureKind, Trace
from checks.core.text import one_line
from checks.core.tls import TlsOptions
from checks.core.url import parse_url

_MOST = 65536  # bytes of a token endpoint's answer
_LONGEST = 16384  # characters of a token: longer headers are refused everywhere
_UNSAID = 300.0  # s that a token is used for when nobody says how long it is good


class OAuth2(BaseModel):
    """Client credentials for a token endpoint of OAuth 2."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    token_url: str = Field(description="Address of the token endpoint: https:// or, inside a trusted network, http://.")
    client_id: str = Field(min_length=1, description="Who asks for the token.")
    client_secret: SecretStr = Field(
        description="The client's secret, best as ${env:NAME} or ${file:/run/secrets/name}."
    )
    scope: str = Field(default="", description="Scopes to ask for, with blanks between them.")
    audience: str = Field(default="", description="API that the token is for, where the endpoint wants to know it.")
    auth: Literal["basic", "body"] = Field(
        default="basic", description="How the client shows its secret: HTTP basic authentication, or form fields."
    )
    tls: TlsOptions = Field(default_factory=TlsOptions, description="How https is spoken with the token endpoint.")

    @field_validator("token_url")
    @classmethod
    def _url_parses(cls, url: str) -> str:
        if "@" in url.partition("://")[2].partition("/")[0]:
            raise ValueError("credentials do not belong into token_url; they are client_id and client_secret")
        parse_url(url)
        return url

    def request(self) -> Request:
        """What asks for a token: RFC 6749 sections 2.3.1 and 4.4.2."""
        secret = self.client_secret.get_secret_value()
        form = {"grant_type": "client_credentials", "scope": self.scope, "audience": self.audience}
        headers = {"user-agent": "Probe", "accept": "application/json"}
        headers["content-type"] = "application/x-www-form-urlencoded"
        if self.auth == "basic":
            pair = f"{quote_plus(self.client_id)}:{quote_plus(secret)}"
            headers["authorization"] = "Basic " + b64encode(pair.encode()).decode()
        else:
            form |= {"client_id": self.client_id, "client_secret": secret}
        body = urlencode({name: value for name, value in form.items() if value})
        return Request("POST", parse_url(self.token_url), headers, body.encode())


async def fetch(options: OAuth2, trace: Trace, net: Net) -> tuple[str, float]:
    """A token and the seconds that it is good for. Raises ClassifiedError that tells of the token endpoint."""
    try:
        status, body = await _exchange(options, trace, net)
    except Exception as error:  # noqa: BLE001  # told as what it is: a failure on the way to the token, not to the target
        failure = classify(error, trace)
        raise ClassifiedError(
            replace(failure, phase="auth", message=f"the token endpoint: {failure.message}")
        ) from None
    try:
        return _read(status, body)
    except ExpectationError as error:
        message = one_line(str(error).replace(options.client_secret.get_secret_value(), MASK), 300)
        raise ClassifiedError(Failure(FailureKind.EXPECTATION, "auth", message)) from None


async def _exchange(options: OAuth2, trace: Trace, net: Net) -> tuple[int, bytes]:
    request = options.request()
    url, tls = request.url, options.tls if request.url.scheme == "https" else None
    with await net.connect(trace, url.host, url.port, tls=tls, alpn=("http/1.1",)) as connection:
        with trace.timed("ttfb") as span:
            await connection.send(request.render())
            data = await connection.recv()
            if not data:
                raise EOFError
            span.arrived(connection.received_at)
        with trace.timed("transfer", began=span.ended) as span:
            answer = Answer()
            body = await _body(connection, answer, data)
            span.arrived(connection.received_at)
    return answer.status, body


async def _body(connection: Connection, answer: Answer, data: bytes) -> bytes:
    body: Body | None = None
    while True:
        piece = answer.feed(data)
        if answer.headed:
            body = body or Body(answer.headers.get("content-encoding", ""), keep=_MOST, limit=_MOST)
            body.write(piece)
        if answer.done:
            break
        data = await connection.recv()
        if not data:
            answer.end()
            break
    if body is None:
        return b""
    body.end()
    return bytes(body.data)


def _read(status: int, body: bytes) -> tuple[str, float]:
    """The token and its lifetime: RFC 6749 sections 5.1 and 5.2."""
    try:
        said = msgspec.json.decode(body)
    except msgspec.DecodeError:
        said = None
    said = said if isinstance(said, dict) else {}
    if status // 100 != 2:
        reasons = [
            one_line(text, 120) for key in ("error", "error_description") if isinstance(text := said.get(key), str)
        ]
        raise ExpectationError(f"the token endpoint answered {status}" + (": " if reasons else "") + ", ".join(reasons))
    token, kind = said.get("access_token"), said.get("token_type", "bearer")
    if not isinstance(token, str) or not token:
        raise ExpectationError(f"the token endpoint answered {status}, but without an access_token in JSON")
    if len(token) > _LONGEST or not (token.isascii() and token.isprintable()) or " " in token:
        raise ExpectationError("the token endpoint gave a token that cannot be sent in a header")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise ExpectationError(f"the token endpoint gave a token of type {one_line(str(kind), 40)}, wanted bearer")
    return token, _lifetime(said.get("expires_in"))


def _lifetime(said: object) -> float:
    try:
        return max(0.0, float(said)) if isinstance(said, (int, float, str)) else _UNSAID
    except (ValueError, OverflowError):
        return _UNSAID
