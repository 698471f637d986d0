"""A certificate authority for a demonstration, and a server certificate that is about to expire."""

from __future__ import annotations

import datetime as dt
import ssl
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

_AUTHORITY = "Probe demonstration authority"


def _name(common: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])


def _builder(subject: str, key: ec.EllipticCurvePrivateKey, days: int) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(_name(subject))
        .issuer_name(_name(_AUTHORITY))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=80))
        # An hour more than whole days: it reads "10 days" for the first hour.
        .not_valid_after(now + dt.timedelta(days=days, hours=1))
    )


def issue(folder: Path, host: str, *, days: int) -> tuple[Path, ssl.SSLContext]:
    """The authority's certificate as a file, and a server context for `host` that expires in `days`."""
    root_key, key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
    constraints = x509.BasicConstraints(ca=True, path_length=0)
    root = (
        _builder(_AUTHORITY, root_key, 3650).add_extension(constraints, critical=True).sign(root_key, hashes.SHA256())
    )
    names = x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName("localhost")])
    leaf = _builder(host, key, days).add_extension(names, critical=False).sign(root_key, hashes.SHA256())
    pem = serialization.Encoding.PEM
    authority, chain = folder / "ca.pem", folder / "server.pem"
    authority.write_bytes(root.public_bytes(pem))
    chain.touch(mode=0o600)
    chain.write_bytes(
        key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + leaf.public_bytes(pem)
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(chain)
    return authority, context
