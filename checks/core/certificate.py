"""What a certificate says, and in which words to tell people why it was not accepted. Nothing here verifies."""

from __future__ import annotations

import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from hashlib import sha256

from cryptography import x509
from cryptography.x509.oid import NameOID

from checks.core.result import Fact
from checks.core.text import one_line

_DAY = 86400.0
_LONGEST = 1000  # characters of the list of names that a certificate is for

# X509_V_ERR_* of OpenSSL's x509_vfy.h
_NOT_YET_VALID = 9
_EXPIRED = 10
_SELF_SIGNED = 18
_UNKNOWN_ROOT = 19
_UNKNOWN_ISSUER = {2, 20, 21}
_OTHER_NAME = {62, 64}


@dataclass(frozen=True, slots=True)
class Certificate:
    """One certificate of a chain. Instants are Unix seconds."""

    subject: str
    issuer: str
    name: str  # its common name, or what else it calls itself
    issuer_name: str
    not_before: float
    not_after: float
    fingerprint: str  # SHA-256, hex
    serial: str  # hex
    names: tuple[str, ...]  # that it is for

    def __str__(self) -> str:
        return f"CN={self.name}, issuer {self.issuer_name}"


@lru_cache(maxsize=2048)
def parse(der: bytes) -> Certificate | None:
    """A certificate from its DER bytes; None where it cannot be read."""
    try:
        parsed = x509.load_der_x509_certificate(der)
        serial = f"{parsed.serial_number:x}"
        return Certificate(
            subject=one_line(parsed.subject.rfc4514_string(), 300),
            issuer=one_line(parsed.issuer.rfc4514_string(), 300),
            name=_name(parsed.subject),
            issuer_name=_name(parsed.issuer),
            not_before=parsed.not_valid_before_utc.timestamp(),
            not_after=parsed.not_valid_after_utc.timestamp(),
            fingerprint=sha256(der).hexdigest(),
            serial=serial.zfill(len(serial) + len(serial) % 2),
            names=_names(parsed),
        )
    except (ValueError, TypeError, x509.InvalidVersion):
        return None


def _name(name: x509.Name) -> str:
    for kind in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if found := name.get_attributes_for_oid(kind):
            return one_line(str(found[0].value), 100)
    return one_line(name.rfc4514_string(), 100) or "(no name)"


def _names(certificate: x509.Certificate) -> tuple[str, ...]:
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
        return ()
    hosts = names.get_values_for_type(x509.DNSName)
    return tuple(hosts) + tuple(str(address) for address in names.get_values_for_type(x509.IPAddress))


def presented_chain(tls: ssl.SSLObject) -> list[bytes]:
    """The certificates that the server sent, leaf first, as DER."""
    return _chain(tls, "get_unverified_chain")


def verified_chain(tls: ssl.SSLObject) -> list[bytes]:
    """The chain that verification found, up to a root that is trusted; empty where nothing was verified."""
    return [] if tls.context.verify_mode is ssl.CERT_NONE else _chain(tls, "get_verified_chain")


def _chain(tls: ssl.SSLObject, method: str) -> list[bytes]:
    public = getattr(tls, method, None)  # from Python 3.13 on
    if public is not None:
        return list(public())
    private = getattr(getattr(tls, "_sslobj", None), method, None)
    if private is None:
        leaf = tls.getpeercert(binary_form=True)
        return [leaf] if leaf else []
    der = ssl._ssl.ENCODING_DER  # type: ignore[attr-defined]  # noqa: SLF001 - the only way before Python 3.13
    return [certificate.public_bytes(der) for certificate in private() or ()]


def certificate_facts(presented: Sequence[bytes], verified: Sequence[bytes], now: float) -> dict[str, Fact]:
    """The facts `tls.*` of a chain; `now` in Unix seconds."""
    chain = [certificate for der in presented if (certificate := parse(der)) is not None]
    if not chain:
        return {}
    trusted = [certificate for der in verified if (certificate := parse(der)) is not None] or chain
    leaf = chain[0]
    earliest = min(certificate.not_after for certificate in chain)
    return {
        "tls.days_left": round((earliest - now) / _DAY, 4),
        "tls.not_after": earliest,
        "tls.chain_not_after": min(certificate.not_after for certificate in trusted),
        "tls.issuer": leaf.issuer,
        "tls.subject": leaf.subject,
        "tls.fingerprint": leaf.fingerprint,
        "tls.serial": leaf.serial,
        "tls.sans": one_line(",".join(leaf.names), _LONGEST),
    }


def blame(code: int, message: str, presented: Sequence[bytes], host: str, now: float | None = None) -> str:
    """Why verification failed: OpenSSL's `code` and `message` in words, with the certificate that is at fault.

    `presented` may be empty: the server could not be asked again.
    """
    chain = [certificate for der in presented if (certificate := parse(der)) is not None]
    if not chain:
        return f"certificate is not accepted: {message}"
    words = _untimely(code, chain, time.time() if now is None else now) or _untrusted(code, chain, host)
    return f"certificate {words}" if words else f"certificate is not accepted: {message} ({chain[0]})"


def _untimely(code: int, chain: Sequence[Certificate], now: float) -> str:
    for bad in chain:
        whose = "" if bad is chain[0] else "of an issuer "
        if code == _EXPIRED and bad.not_after < now:
            return f"{whose}expired {_span(now - bad.not_after)} ago ({bad})"
        if code == _NOT_YET_VALID and bad.not_before > now:
            return f"{whose}is valid only in {_span(bad.not_before - now)} ({bad})"
    return ""


def _untrusted(code: int, chain: Sequence[Certificate], host: str) -> str:
    leaf, last = chain[0], chain[-1]
    if code in _OTHER_NAME:
        return f"is for {_listed(leaf.names or (leaf.name,))}, not {host}"
    if code == _SELF_SIGNED:
        return f"is self-signed (CN={leaf.name})"
    if code == _UNKNOWN_ROOT:
        return f"is not trusted: root {last.name} unknown (CN={leaf.name})"
    if code in _UNKNOWN_ISSUER:
        hint = "; the server sent no intermediate certificate" if len(chain) == 1 else ""
        return f"is not trusted: issuer {last.issuer_name} unknown (CN={leaf.name}{hint})"
    return ""


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return one_line(", ".join(names[:3]), 160) + more


def _span(seconds: float) -> str:
    for size, unit in ((_DAY, "day"), (3600.0, "hour"), (60.0, "minute"), (1.0, "second")):
        if seconds >= size or unit == "second":
            count = int(seconds / size)
            return f"{count} {unit}{'' if count == 1 else 's'}"
    raise AssertionError
