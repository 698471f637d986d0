"""What a check may ask of libcurl: the version of HTTP, a proxy, logins that our own exchange does not speak."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, Self, TypeVar
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, ConfigDict, Field, GetJsonSchemaHandler, SecretStr, field_validator, model_validator
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from checks.core.url import parse_host

Version = Literal["1.1", "2", "3", "auto"]

_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}
REMEDY = "make setup EXTRAS=curl in the checkout, or pip install 'pycurl>=7.49'"


Text = TypeVar("Text", str, SecretStr)


def sendable(value: Text) -> Text:
    """The value, if it can be part of a header; raises ValueError, which does not tell it."""
    text = value if isinstance(value, str) else value.get_secret_value()
    if re.search(r"[\x00-\x1f\x7f]", text):
        raise ValueError("holds a line break or another control character")
    return value


class Proxy(BaseModel):
    """The proxy between us and the target; a plain string is its URL, credentials and all."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    url: str = Field(description="http://, https://, socks5:// (names are resolved here) or socks5h:// (by the proxy).")
    username: str = Field(default="", description="User name at the proxy.")
    password: SecretStr = Field(
        default=SecretStr(""), description="Password at the proxy, best as ${env:NAME} or ${file:/run/secrets/name}."
    )

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        scheme, separator, rest = value.partition("://")
        credentials, at, place = rest.rpartition("@")
        username, colon, password = credentials.partition(":")
        parts = {"url": f"{scheme}{separator}{place}"}
        if at:
            parts["username"] = unquote(username)
        if colon:
            parts["password"] = unquote(password)
        return parts

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}

    @field_validator("url")
    @classmethod
    def _url_parses(cls, url: str) -> str:
        scheme, separator, _ = url.partition("://")
        if not separator or scheme not in _PORTS:
            raise ValueError(f"a proxy begins with {', '.join(f'{name}://' for name in _PORTS)}")
        parts = urlsplit(url)
        if parts.username is not None:
            raise ValueError("credentials of the proxy stand either in a plain string or in username and password")
        if parts.path.strip("/") or parts.query or parts.fragment:
            raise ValueError("a proxy is a scheme, a host and a port, as in http://proxy.example:3128")
        try:
            port = parts.port
        except ValueError:
            port = 0
        if port == 0:
            raise ValueError("the proxy has no valid port; ports are 1 to 65535")
        parse_host(parts.hostname or "")
        return url

    @model_validator(mode="after")
    def _whole_login(self) -> Self:
        if self.password.get_secret_value() and not self.username:
            raise ValueError("password needs username: whose it is")
        if self.username and "password" not in self.model_fields_set:
            raise ValueError("username needs password, too; an empty one is written as user:@ or password: ''")
        return self

    @field_validator("username", "password")
    @classmethod
    def _sendable(cls, value: Text) -> Text:
        return sendable(value)

    @property
    def scheme(self) -> str:
        return self.url.partition("://")[0]

    @property
    def host(self) -> str:
        return parse_host(urlsplit(self.url).hostname or "")

    @property
    def port(self) -> int:
        return urlsplit(self.url).port or _PORTS[self.scheme]

    @property
    def resolves(self) -> bool:
        """Names of targets are resolved by the proxy, out of sight of our network policy."""
        return self.scheme != "socks5"

    def greets(self, tunnelled: bool) -> bool:
        """Whether something goes to and fro with the proxy before a request can be sent: a phase of its own."""
        return tunnelled or self.scheme != "http"

    def __str__(self) -> str:
        host = self.host
        return f"[{host}]:{self.port}" if ":" in host else f"{host}:{self.port}"


class Login(BaseModel):
    """A user name and a password that prove themselves by an answer to the server's challenge."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    username: str = Field(min_length=1, description="User name; for NTLM also DOMAIN\\name.")
    password: SecretStr = Field(description="Password, best as ${env:NAME} or ${file:/run/secrets/name}.")

    @field_validator("username", "password")
    @classmethod
    def _sendable(cls, value: Text) -> Text:
        return sendable(value)


class SigV4(BaseModel):
    """A key of AWS, or of who signs as AWS does, that requests are signed with (Signature Version 4)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    access_key: str = Field(min_length=1, pattern=r"^[^:\s]+$", description="Access key id.")
    secret_key: SecretStr = Field(description="Secret access key, best as ${env:NAME} or ${file:/run/secrets/name}.")
    region: str = Field(pattern=r"^[A-Za-z0-9-]+$", description="Region, as in eu-central-1.")
    service: str = Field(pattern=r"^[A-Za-z0-9-]+$", description="Service, as in execute-api or s3.")
    session_token: SecretStr | None = Field(default=None, description="Token of temporary credentials.")

    @field_validator("secret_key", "session_token")
    @classmethod
    def _sendable(cls, value: SecretStr | None) -> SecretStr | None:
        return value if value is None else sendable(value)


@dataclass(frozen=True, slots=True)
class Wish:
    """What of it one check asks for."""

    version: Version = "1.1"
    proxy: Proxy | None = None
    digest: Login | None = None
    ntlm: Login | None = None
    sigv4: SigV4 | None = None

    @property
    def needs(self) -> str:
        """The first key that only libcurl can do; "" when our own exchange serves."""
        if self.version != "1.1":
            return f'version "{self.version}"'
        return next((name for name in ("proxy", "digest", "ntlm", "sigv4") if getattr(self, name) is not None), "")


@cache
def lacking(version: Version) -> str:
    """What stands against a check that needs libcurl for HTTP `version`, with the remedy; "" when nothing does."""
    try:
        import pycurl  # an optional extra, loaded where a check asks for it
    except ImportError as error:
        missing = getattr(error, "name", None) in ("pycurl", None)
        return f"pycurl, which is not installed: {REMEDY}" if missing else f"pycurl, which does not load: {error}"
    if not hasattr(pycurl, "AsyncCurlMulti"):
        return f"pycurl 7.49 or later, and {pycurl.version.split()[0]} is installed: {REMEDY}"
    features = pycurl.version_info()[4]
    wanted = {"2": pycurl.VERSION_HTTP2, "auto": pycurl.VERSION_HTTP2, "3": pycurl.VERSION_HTTP3}.get(version, 0)
    if features & wanted != wanted:
        return f"a libcurl that speaks HTTP/{version}, and the one of {pycurl.version.split()[1]} does not: {REMEDY}"
    return ""
