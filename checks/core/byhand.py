"""Checks as lines for a shell: curl, nc, openssl. What is secret stands there as a variable. Pure.

Whatever a text holds, the shell takes it as it is: everything but those variables is quoted.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

from checks.core.curl_wish import Wish
from checks.core.exchange import Order
from checks.core.redact import MASK, lets_in
from checks.core.request import Request
from checks.core.tls import TlsOptions
from checks.core.url import Url

_LONGEST_BODY = 1000  # characters
_LONGEST = 3000  # of a line, which would be of no use in parts
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_VERSIONS = {"1.1": "--http1.1", "2": "--http2", "3": "--http3-only", "auto": "--http2"}
_OLD_TLS = ("TLSv1", "TLSv1.1")
_DASHED = {"TLSv1": "1.0", "TLSv1.1": "1.1", "TLSv1.2": "1.2", "TLSv1.3": "1.3"}
_USUAL = {"accept": "*/*"}  # that curl sends by itself
_SAID_OTHERWISE = frozenset({"accept-encoding", "user-agent"})  # by options

Hide = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Proofs:
    """Which logins a check has, beside those that its request or its wish shows."""

    basic: str = ""  # the user name
    bearer: bool = False


def word(text: str, variable: str = "SECRET") -> str:
    """A text as one word of a shell; what is masked in it is taken from a variable."""
    parts = [_quoted(part) if part else "" for part in text.split(MASK)]
    return f'"${variable}"'.join(parts) or "''"


def curl(order: Order, wish: Wish | None, proofs: Proofs, address: str, timeout: float, hide: Hide) -> str:
    """The request with its redirects."""
    wish = wish or Wish()
    line = " ".join(_curl(order, wish, proofs, address, timeout, hide))
    return line if len(line) <= _LONGEST else ""


def _curl(order: Order, wish: Wish, proofs: Proofs, address: str, timeout: float, hide: Hide) -> Iterator[str]:
    url, host = order.request.url, order.tls.server_name or order.request.url.host
    version = "--http2-prior-knowledge" if wish.version == "2" and url.scheme == "http" else _VERSIONS[wish.version]
    yield f"curl -v -g --path-as-is {version} --max-time {timeout:g}"
    if order.redirects:
        yield f"-L --max-redirs {order.redirects}"
    if order.family in ("ipv4", "ipv6"):
        yield f"-{order.family[-1]}"
    yield from _method(order.request, hide)
    yield from _headers(order.request, proofs, hide)
    yield from _logins(proofs, wish, hide)
    if url.scheme == "https":
        yield from _tls(order.tls)
    yield from _way(url, host, wish, address)
    yield word(hide(str(replace(url, host=host))))


def _method(request: Request, hide: Hide) -> Iterator[str]:
    if request.method == "HEAD":
        yield "--head"
        return
    body = request.body.decode("utf-8", "replace")
    if request.method not in (("POST",) if body else ("GET",)):
        yield f"-X {word(request.method)}"
    if body:
        yield f"--data-raw {word(hide(body)) if len(body) <= _LONGEST_BODY else chr(34) + '$BODY' + chr(34)}"


def _headers(request: Request, proofs: Proofs, hide: Hide) -> Iterator[str]:
    said = _SAID_OTHERWISE | ({"authorization"} if proofs.basic or proofs.bearer else set())
    for name, value in request.headers.items():
        if _USUAL.get(name) == value or name in said:
            continue
        if lets_in(name):
            variable = re.sub(r"[^A-Z0-9]", "_", name.upper())
            yield f'-H {_quoted(name + ": ")}"${variable}"'
        else:
            yield f"-H {word(hide(f'{name}: {value}') if value else f'{name};')}"
    if request.body and "content-type" not in request.headers:
        yield "-H Content-Type:"
    if "accept-encoding" in request.headers:
        yield "--compressed"
    if agent := request.headers.get("user-agent"):
        yield f"-A {word(hide(agent))}"


def _logins(proofs: Proofs, wish: Wish, hide: Hide) -> Iterator[str]:
    if proofs.bearer:
        yield '-H "Authorization: Bearer $TOKEN"'
    if proofs.basic:
        yield f'-u {word(hide(proofs.basic) + ":")}"$PASSWORD"'
    for scheme, login in (("digest", wish.digest), ("ntlm", wish.ntlm)):
        if login is not None:
            yield f'--{scheme} -u {word(hide(login.username) + ":")}"$PASSWORD"'
    if (key := wish.sigv4) is not None:
        yield f"--aws-sigv4 {word(f'aws:amz:{key.region}:{key.service}')}"
        yield f'-u {word(hide(key.access_key) + ":")}"$SECRET_KEY"'
        if key.session_token is not None:
            yield '-H "X-Amz-Security-Token: $SESSION_TOKEN"'


def _tls(tls: TlsOptions) -> Iterator[str]:
    if not tls.verify:
        yield "-k"
    elif tls.ca is not None:
        yield f"--cacert {word(tls.ca)}"
    if tls.cert is not None:
        yield f"--cert {word(tls.cert)}"
    if tls.key is not None:
        yield f"--key {word(tls.key)}"
    yield f"--tlsv{_DASHED[tls.min_version]}"
    if tls.min_version in _OLD_TLS:
        yield "--ciphers DEFAULT@SECLEVEL=0"


def _way(url: Url, host: str, wish: Wish, address: str) -> Iterator[str]:
    """To the same address, or through the same proxy."""
    if (proxy := wish.proxy) is not None:
        yield f"--proxy {word(proxy.url)}"
        if proxy.username:
            yield f'--proxy-user {word(proxy.username + ":")}"$PROXY_PASSWORD"'
    else:
        yield "--noproxy '*'"
    if host != url.host:
        yield f"--connect-to {word(f'::{_bracketed(url.host)}:{url.port}')} -H {word(f'Host: {url.authority}')}"
    elif wish.proxy is None and address and address != url.host:
        yield f"--resolve {word(f'{url.host}:{url.port}:{_bracketed(address)}')}"


@dataclass(frozen=True, slots=True)
class Call:
    """What a check without requests connects to and says."""

    host: str
    port: int
    said: bytes
    listens: bool
    tls: TlsOptions | None


def call(one: Call, address: str, timeout: float, hide: Hide) -> str:
    """A connection, with what is said on it."""
    said = _printf(one.said, hide) if one.said else ""
    if one.tls is not None:
        line = _openssl(one, one.tls, address, timeout, said)
    else:
        line = f"{said}nc -v -w {max(1, round(timeout))} {word(address or one.host)} {one.port}"
    return line if len(line) <= _LONGEST else ""


def _openssl(one: Call, tls: TlsOptions, address: str, timeout: float, said: str) -> str:
    name = tls.server_name or one.host
    words = [
        f"{said}timeout {max(1, round(timeout))} openssl s_client -showcerts",
        f"-connect {word(f'{_bracketed(address or one.host)}:{one.port}')}",
    ]
    if not (":" in name or re.fullmatch(r"[0-9.]+", name)):
        words.append(f"-servername {word(name)}" + (f" -verify_hostname {word(name)}" if tls.verify else ""))
    if tls.ca is not None:
        words.append(f"-CAfile {word(tls.ca)}")
    if tls.cert is not None:
        words.append(f"-cert {word(tls.cert)} -key {word(tls.key or tls.cert)}")
    words.append(f"-min_protocol {tls.min_version}")
    if one.listens:
        words.append("-ign_eof")
    return " ".join(words) if said else " ".join([*words, "</dev/null"])


def _printf(said: bytes, hide: Hide) -> str:
    """The bytes through a pipe: as octal escapes of printf (POSIX) where they are not printable."""
    parts = hide(said.decode("utf-8", "surrogateescape")).split(MASK)
    format_ = "%s".join(_octal(part.encode("utf-8", "surrogateescape")) for part in parts)
    variables = ' "$SECRET"' * (len(parts) - 1)
    return f"printf -- {shlex.quote(format_)}{variables} | "


def _octal(part: bytes) -> str:
    named = {0x0D: r"\r", 0x0A: r"\n", 0x09: r"\t", 0x5C: r"\\", 0x25: "%%"}
    return "".join(named.get(byte) or (chr(byte) if 0x20 <= byte < 0x7F else f"\\{byte:03o}") for byte in part)


def _quoted(text: str) -> str:
    """One word. Control characters, which a terminal may obey as they are pasted, are spelled out ($'...' of bash)."""
    if not _CONTROL.search(text):
        return shlex.quote(text)
    spelled = "".join(_spelled(character) for character in text)
    return f"$'{spelled}'"


def _spelled(character: str) -> str:
    if character in "\\'":
        return f"\\{character}"
    return f"\\x{ord(character):02x}" if _CONTROL.match(character) else character


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
