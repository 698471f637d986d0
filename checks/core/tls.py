"""TLS as checks are configured to speak it: options, and the contexts that they share."""

from __future__ import annotations

import asyncio
import os
import ssl
from functools import lru_cache
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

_VERSIONS = {
    "TLSv1": ssl.TLSVersion.TLSv1,
    "TLSv1.1": ssl.TLSVersion.TLSv1_1,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}


class TlsOptions(BaseModel):
    """How a TLS connection is made and whom it trusts."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    verify: bool = Field(default=True, description="Whether the certificate must be trusted and for the right name.")
    ca: str | None = Field(
        default=None, description="PEM file of the authorities to trust instead of the system's, for a private CA."
    )
    cert: str | None = Field(default=None, description="PEM file of the client certificate, with its chain.")
    key: str | None = Field(
        default=None, description="PEM file of the client certificate's key, unencrypted; in `cert` when left out."
    )
    server_name: str | None = Field(
        default=None, min_length=1, description="Name to ask for (SNI) and to verify; the target's own when left out."
    )
    min_version: Literal["TLSv1", "TLSv1.1", "TLSv1.2", "TLSv1.3"] = Field(
        default="TLSv1.2", description="Oldest version of TLS to accept."
    )

    @model_validator(mode="after")
    def _files_load(self) -> Self:
        if self.key and not self.cert:
            raise ValueError("key needs cert: the certificate that the key belongs to")
        if self.ca or self.cert:
            _load_once(self, _stamps(self))
        return self


class TlsFileError(Exception):
    """A file of TLS options cannot be used: our side. It names the option, the file and the reason."""


class Contexts:
    """One SSLContext per set of options: loading the authorities of the system takes some 40 ms.

    A renewed client certificate or CA file is noticed by its time and size, and loaded anew.
    """

    def __init__(self) -> None:
        self._made: dict[tuple[TlsOptions, tuple[str, ...]], tuple[_Stamps, asyncio.Future[ssl.SSLContext]]] = {}

    async def get(self, options: TlsOptions, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
        """The shared context; raises TlsFileError."""
        stamps = _stamps(options)
        known = self._made.get((options, alpn))
        if known is None or known[0] != stamps or _failed(known[1]):
            # In a thread, and owned by no run: one that is cut off must not take it from the others.
            making = asyncio.get_running_loop().run_in_executor(None, make_context, options, alpn)
            known = self._made[options, alpn] = (stamps, making)
        return known[1].result() if known[1].done() else await asyncio.shield(known[1])


def make_context(options: TlsOptions, alpn: tuple[str, ...] = ()) -> ssl.SSLContext:
    """A client context; blocks while files load. Raises TlsFileError."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    if options.min_version in ("TLSv1", "TLSv1.1"):
        context.set_ciphers("DEFAULT@SECLEVEL=0")  # OpenSSL 3 speaks them at this level alone
    context.minimum_version = _VERSIONS[options.min_version]
    if alpn:
        context.set_alpn_protocols(list(alpn))
    if not options.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif options.ca is None:
        context.load_default_certs()
    _load_files(context, options)
    return context


def _load_files(context: ssl.SSLContext, options: TlsOptions) -> None:
    if options.ca is not None:
        # An intermediate may be what is trusted, as for curl and browsers.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        try:
            context.load_verify_locations(cafile=options.ca)
        except OSError as error:
            raise TlsFileError(f"ca: {_reason(options.ca, error)}") from None
    if options.cert is not None:
        try:
            context.load_cert_chain(options.cert, options.key, password=_no_password)
        except OSError as error:
            name = "key" if options.key and os.access(options.cert, os.R_OK) else "cert"
            raise TlsFileError(f"{name}: {_reason(options.key or options.cert, error)}") from None


def _reason(path: str, error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        what = (error.reason or "no PEM").replace("_", " ").lower()
        return f"{path} cannot be used ({what}); an unencrypted PEM file is wanted"
    return f"cannot read {path} ({error.strerror})"


def _no_password() -> str:
    """Without it OpenSSL would ask for the password of an encrypted key on the terminal."""
    return ""


_Stamps = tuple[tuple[int, int] | None, ...]


def _stamps(options: TlsOptions) -> _Stamps:
    return tuple(_stamp(path) for path in (options.ca, options.cert, options.key) if path is not None)


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - once per connection: a Path costs more than the call
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


def _failed(making: asyncio.Future[ssl.SSLContext]) -> bool:
    return making.done() and (making.cancelled() or making.exception() is not None)


@lru_cache(maxsize=1024)
def _load_problem(ca: str | None, cert: str | None, key: str | None, _stamps_of_files: _Stamps) -> str:
    """Why files do not load; "" when they do. Looked at once per file, however many checks name it."""
    options = TlsOptions.model_construct(ca=ca, cert=cert, key=key)
    try:
        _load_files(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), options)
    except TlsFileError as error:
        return str(error)
    return ""


def _load_once(options: TlsOptions, stamps: _Stamps) -> None:
    if problem := _load_problem(options.ca, options.cert, options.key, stamps):
        raise ValueError(problem)
