"""TCP: does a port take connections, and say what it should."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    GetJsonSchemaHandler,
    field_validator,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from checks.core.base import ExpectationError
from checks.core.byhand import Call, call
from checks.core.connection import Connection
from checks.core.expect import Patterns, Texts, found
from checks.core.net import NET_METRICS, TLS_METRICS, Family, Net
from checks.core.result import Trace
from checks.core.text import excerpt, quoted
from checks.core.tls import TlsOptions
from checks.core.units import Size
from checks.core.url import parse_host
from checks.core.veil import login

_ESCAPE = re.compile(r"\\(x[0-9a-fA-F]{2}|.|$)", re.DOTALL)
_PLAIN = {"r": b"\r", "n": b"\n", "t": b"\t", "0": b"\0", "\\": b"\\"}


def unescape(text: str) -> bytes:
    r"""Bytes of a text in which `\r \n \t \0 \\ \xHH` stand for themselves; raises ValueError for others."""
    parts, last = [], 0
    for match in _ESCAPE.finditer(text):
        parts.append(text[last : match.start()].encode())
        code = match[1]
        if code in _PLAIN:
            parts.append(_PLAIN[code])
        elif len(code) == 3:
            parts.append(bytes([int(code[1:], 16)]))
        else:
            raise ValueError(rf"\{code} is no escape; known are \r \n \t \0 \\ \xHH")
        last = match.end()
    return b"".join((*parts, text[last:].encode()))


def _escaped(text: str) -> str:
    unescape(text)
    return text


class TcpExpect(BaseModel):
    """What the target must say; a plain string means `contains`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    contains: Texts = Field(default=(), description="Texts that must come, all of them.")
    regex: Patterns = Field(default=(), description="Regular expressions that must be found, all of them.")
    max_bytes: Size = Field(default=65536, gt=0, le=1 << 20, description="How much to read while waiting for them.")

    @model_validator(mode="before")
    @classmethod
    def _shorthand(cls, value: Any) -> Any:
        return {"contains": value} if isinstance(value, str) else value

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> JsonSchemaValue:
        return {"anyOf": [{"type": "string"}, handler(schema)]}

    @model_validator(mode="after")
    def _says_something(self) -> TcpExpect:
        if not self.contains and not self.regex:
            raise ValueError("expect needs contains or regex")
        return self

    def missing(self, text: str) -> str:
        """The first thing that has not come yet; "" when all is there."""
        for wanted in self.contains:
            if wanted not in text:
                return f"does not contain {quoted(wanted)}"
        for pattern in self.regex:
            if not found(pattern, text, 0.05):
                return f"does not match the regex {quoted(pattern)}"
        return ""


class Tcp(BaseModel):
    """Connects to a port, over TLS if wanted; sends and expects text if wanted."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field(description="Name or IP address.")
    port: int = Field(ge=1, le=65535, description="TCP port.")
    tls: TlsOptions | None = Field(default=None, description="Speak TLS: `true`, or options.")
    send: Annotated[str, AfterValidator(_escaped)] = Field(
        default="", repr=False, description=r"Text to send first; \r \n \t \0 \\ \xHH are understood."
    )
    expect: TcpExpect | None = Field(default=None, description="What must come back: a text, or a rule.")
    family: Family = Field(default="any", description="Which addresses to use, or to prefer.")

    @field_validator("host")
    @classmethod
    def _host_name(cls, host: str) -> str:
        return parse_host(host)

    @field_validator("tls", mode="before", json_schema_input_type=bool | TlsOptions | None)
    @classmethod
    def _tls_switch(cls, value: Any) -> Any:
        return {True: {}, False: None}[value] if isinstance(value, bool) else value

    @property
    def target(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @cached_property
    def _bytes(self) -> bytes:
        return unescape(self.send)

    def by_hand(self, address: str, timeout: float, hide: Callable[[str], str]) -> str:
        """A line with nc, or openssl, that says the same."""
        one = Call(self.host, self.port, self._bytes, self.expect is not None, self.tls)
        return call(one, address, timeout, lambda text: login(hide(text)))

    async def run(self, trace: Trace, net: Net) -> None:
        # What is said may come in pieces: each is looked at as it comes, for its stamp to be its own.
        promptly = self.expect is not None
        with await net.connect(
            trace, self.host, self.port, tls=self.tls, family=self.family, promptly=promptly
        ) as connection:
            if self.send:
                trace.leg.payload = self._bytes
                with trace.timed("send"):
                    await connection.send(self._bytes)
            if self.expect is not None:
                await self._listen(trace, connection, self.expect)

    async def _listen(self, trace: Trace, connection: Connection, expect: TcpExpect) -> None:
        with trace.timed("ttfb") as first:
            heard = bytearray(await connection.recv())
            if not heard:
                raise EOFError
            trace.leg.heard = heard
            first.arrived(connection.received_at)
        with trace.timed("transfer", began=first.ended) as rest:
            while True:
                rest.ended = connection.received_at
                trace.facts["tcp.excerpt"] = excerpt(heard, 200)
                missing = expect.missing(heard.decode("utf-8", "replace"))
                if not missing or len(heard) >= expect.max_bytes or not (data := await connection.recv()):
                    break
                heard += data
        if missing:
            raise ExpectationError(f"the answer {quoted(excerpt(heard, 80))} {missing}")


CHECK = Tcp
METRICS = NET_METRICS | TLS_METRICS | {"send", "ttfb", "transfer"}
