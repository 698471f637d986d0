"""A request as options of libcurl: everything that it would do by itself, or take from the environment, is settled."""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import pycurl

from checks.core.curl_route import Route, connect_to
from checks.core.curl_wish import Version, Wish
from checks.core.decode import ACCEPTED
from checks.core.request import Request
from checks.core.tls import TlsFileError, TlsOptions
from checks.core.url import Url

_PRIOR_KNOWLEDGE: int = pycurl.CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE
_HTTP: Mapping[str, int] = {
    "1.1": pycurl.CURL_HTTP_VERSION_1_1,
    "2": pycurl.CURL_HTTP_VERSION_2TLS,
    "3": pycurl.CURL_HTTP_VERSION_3ONLY,
    "auto": pycurl.CURL_HTTP_VERSION_2TLS,
}
_TLS = {
    "TLSv1": pycurl.SSLVERSION_TLSv1_0,
    "TLSv1.1": pycurl.SSLVERSION_TLSv1_1,
    "TLSv1.2": pycurl.SSLVERSION_TLSv1_2,
    "TLSv1.3": pycurl.SSLVERSION_TLSv1_3,
}
_WEB = pycurl.PROTO_HTTP | pycurl.PROTO_HTTPS  # libcurl opens file:// and others unless told otherwise
_NO_LIMIT = 3600  # s; the caller's deadline is what ends a transfer, and libcurl's own would come before some
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
# Its to say: it knows lengths, and which connection it is on.
_LIBCURLS = (b"content-length:", b"connection:")
# It signs every header that it is given, and what is between us and the target may change these.
_UNSIGNED = (b"accept", b"accept-encoding", b"user-agent")


@dataclass(frozen=True, slots=True)
class Hop:
    """One request of a chain, and how it is carried. `trusted`: credentials and client certificates go along."""

    request: Request
    payload: bytes  # the request as our own exchange would send it
    tls: TlsOptions
    wish: Wish
    route: Route
    trusted: bool = True
    patience: float = 0.0  # s until the proxy must have connected us; 0 is as long as the run may take
    authorization: str = ""  # instead of the payload's: a message of NTLM
    kept: bool = False  # the connection is left open for the next request, or was by the last
    resumed: bool = False  # it was

    @property
    def url(self) -> Url:
        return self.request.url

    @property
    def tunnelled(self) -> bool:
        proxy = self.wish.proxy
        return proxy is not None and proxy.scheme.startswith("http") and (self.url.scheme == "https" or self.kept)

    @property
    def challenged(self) -> bool:
        """Whether a challenge is answered by libcurl itself, with a second request: a digest login."""
        return self.wish.digest is not None and self.trusted

    @property
    def signed(self) -> bool:
        return self.wish.sigv4 is not None and self.trusted

    @property
    def asked_name(self) -> str:
        """For whom the certificate must be."""
        return (self.tls.server_name if self.trusted else None) or self.url.host


def apply(curl: pycurl.Curl, hop: Hop) -> None:
    """Raises TlsFileError."""
    _reach(curl, hop)
    _speak(curl, hop)
    if hop.trusted:
        _log_in(curl, hop.wish)
    if hop.url.scheme == "https" or (hop.wish.proxy and hop.wish.proxy.scheme == "https"):
        _secure(curl, hop)


def _reach(curl: pycurl.Curl, hop: Hop) -> None:
    curl.setopt(pycurl.PROTOCOLS, _WEB)
    curl.setopt(pycurl.REDIR_PROTOCOLS, _WEB)
    curl.setopt(pycurl.FOLLOWLOCATION, 0)
    curl.setopt(pycurl.CONNECTTIMEOUT, _NO_LIMIT)
    curl.setopt(pycurl.NOSIGNAL, 1)
    curl.setopt(pycurl.RESOLVE, [hop.route.resolve])
    if not hop.kept:
        curl.setopt(pycurl.FORBID_REUSE, 1)
        if not hop.challenged:  # whose second request may go over the connection of the first
            curl.setopt(pycurl.FRESH_CONNECT, 1)
    proxy = hop.wish.proxy
    if hop.asked_name != hop.url.host or (proxy and not proxy.resolves):
        curl.setopt(pycurl.CONNECT_TO, connect_to(hop.route.target, hop.url.port))
    # Set even when there is none: else libcurl asks the environment (http_proxy, ALL_PROXY, NO_PROXY).
    curl.setopt(pycurl.NOPROXY, "")
    curl.setopt(pycurl.PROXY, proxy.url if proxy else "")
    if proxy:
        curl.setopt(pycurl.HTTPPROXYTUNNEL, int(hop.tunnelled))
        if hop.tunnelled:  # else the headers of the request reach the proxy, and these would reach the target
            curl.setopt(pycurl.HEADEROPT, pycurl.HEADER_SEPARATE)
            curl.setopt(pycurl.PROXYHEADER, ["User-Agent: Probe"])
        if proxy.username:
            curl.setopt(pycurl.PROXYAUTH, pycurl.HTTPAUTH_BASIC)
            curl.setopt(pycurl.PROXYUSERNAME, proxy.username.encode())
            curl.setopt(pycurl.PROXYPASSWORD, proxy.password.get_secret_value().encode())


def _speak(curl: pycurl.Curl, hop: Hop) -> None:
    request, url = hop.request, hop.url
    host = f"[{hop.asked_name}]" if ":" in hop.asked_name else hop.asked_name
    curl.setopt(pycurl.URL, f"{url.scheme}://{host}:{url.port}{url.path}".encode())
    if not hop.signed:  # libcurl signs no path with dots in it
        curl.setopt(pycurl.PATH_AS_IS, 1)
    curl.setopt(pycurl.HTTP_VERSION, _http_version(hop.wish.version, url))
    curl.setopt(pycurl.HTTP_CONTENT_DECODING, 0)  # our own bounds it
    if request.method == "HEAD":
        curl.setopt(pycurl.NOBODY, 1)
    elif request.body or request.method in _WITH_BODY:
        curl.setopt(pycurl.POSTFIELDS, request.body)
    if request.method not in ("GET", "HEAD") or request.body:
        curl.setopt(pycurl.CUSTOMREQUEST, request.method)
    curl.setopt(pycurl.HTTPHEADER, list(_headers(hop)))


def _http_version(version: Version, url: Url) -> int:
    if version == "2" and url.scheme == "http":
        return _PRIOR_KNOWLEDGE
    return _HTTP[version]


def _headers(hop: Hop) -> Iterator[bytes]:
    """The lines of the payload, as libcurl wants them; what it would add by itself is taken out."""
    head, _, _ = hop.payload.partition(b"\r\n\r\n")
    given = set()
    for line in head.split(b"\r\n")[1:]:
        name = line.partition(b":")[0].lower()
        given.add(name)
        if line.lower().startswith(_LIBCURLS) or (hop.authorization and name == b"authorization"):
            continue
        if name in _UNSIGNED and hop.signed:
            continue
        # A name alone would take a header out; this is an empty one.
        yield line if line.partition(b":")[2].strip() else line.partition(b":")[0] + b";"
    if hop.authorization:
        yield b"Authorization: " + hop.authorization.encode()
    if hop.wish.version == "1.1" and not hop.wish.digest and not hop.kept and not hop.signed:
        yield b"Connection: close"
    if hop.wish.sigv4 and hop.trusted and (token := hop.wish.sigv4.session_token) is not None:
        yield b"X-Amz-Security-Token: " + token.get_secret_value().encode()
    yield from (name + b":" for name in _unasked(given))


def _unasked(given: Iterable[bytes]) -> list[bytes]:
    return sorted({b"accept", b"content-type", b"expect", b"user-agent"} - set(given))


def _log_in(curl: pycurl.Curl, wish: Wish) -> None:
    if wish.digest:
        curl.setopt(pycurl.HTTPAUTH, pycurl.HTTPAUTH_DIGEST)
        curl.setopt(pycurl.USERNAME, wish.digest.username.encode())
        curl.setopt(pycurl.PASSWORD, wish.digest.password.get_secret_value().encode())
    elif wish.sigv4:
        curl.setopt(pycurl.USERAGENT, "Probe")
        curl.setopt(pycurl.ACCEPT_ENCODING, ACCEPTED)
        curl.setopt(pycurl.AWS_SIGV4, f"aws:amz:{wish.sigv4.region}:{wish.sigv4.service}")
        curl.setopt(pycurl.USERNAME, wish.sigv4.access_key.encode())
        curl.setopt(pycurl.PASSWORD, wish.sigv4.secret_key.get_secret_value().encode())


def _secure(curl: pycurl.Curl, hop: Hop) -> None:
    tls = hop.tls
    curl.setopt(pycurl.OPT_CERTINFO, 1)
    curl.setopt(pycurl.SSL_SESSIONID_CACHE, 0)  # a resumed session shows no certificate, and costs less than a visit
    curl.setopt(pycurl.SSLVERSION, _TLS[tls.min_version])
    curl.setopt(pycurl.PROXY_SSLVERSION, _TLS[tls.min_version])
    if tls.min_version in ("TLSv1", "TLSv1.1"):
        curl.setopt(pycurl.SSL_CIPHER_LIST, "DEFAULT@SECLEVEL=0")  # OpenSSL 3 speaks them at this level alone
    for peer, host in (
        (pycurl.SSL_VERIFYPEER, pycurl.SSL_VERIFYHOST),
        (pycurl.PROXY_SSL_VERIFYPEER, pycurl.PROXY_SSL_VERIFYHOST),
    ):
        curl.setopt(peer, int(tls.verify))
        curl.setopt(host, 2 if tls.verify else 0)
    if tls.verify:
        _trust(curl, tls)
    if tls.cert is not None and hop.trusted:
        curl.setopt(pycurl.SSLCERT, _readable("cert", tls.cert))
        curl.setopt(pycurl.SSLKEY, _readable("key", tls.key or tls.cert))
        curl.setopt(pycurl.KEYPASSWD, "")  # OpenSSL would ask for the password of an encrypted key on the terminal


def _trust(curl: pycurl.Curl, tls: TlsOptions) -> None:
    """The authorities of `tls.ca`, or those of the system as Python finds them: the wheel's own path is Red Hat's."""
    if tls.ca is not None:
        # As a blob: a file is kept by libcurl for a day, and a renewed one not noticed.
        pem = _file("ca", tls.ca, _stamp(tls.ca))
        curl.setopt(pycurl.CAINFO_BLOB, pem)
        curl.setopt(pycurl.PROXY_CAINFO_BLOB, pem)
        return
    file, folder = system_trust()
    for option, value in (
        (pycurl.CAINFO, file),
        (pycurl.PROXY_CAINFO, file),
        (pycurl.CAPATH, folder),
        (pycurl.PROXY_CAPATH, folder),
    ):
        curl.setopt(option, value) if value else curl.unsetopt(option)
    curl.setopt(pycurl.SSL_OPTIONS, pycurl.SSLOPT_NO_PARTIALCHAIN)


def system_trust() -> tuple[str | None, str | None]:
    """A file of authorities, or a folder of them where there is none. SSL_CERT_FILE and SSL_CERT_DIR are honoured.

    Not both: with a folder libcurl would read the file anew for every handshake.
    """
    paths = ssl.get_default_verify_paths()
    if paths.cafile and not (os.environ.get(paths.openssl_capath_env) and not os.environ.get(paths.openssl_cafile_env)):
        return paths.cafile, None
    return None, paths.capath


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=256)
def _file(option: str, path: str, _when: tuple[int, int] | None) -> bytes:
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise TlsFileError(f"{option}: cannot read {path} ({error.strerror})") from None


def _readable(option: str, path: str) -> str:
    _file(option, path, _stamp(path))
    return path
