"""Masks what lets somebody in by the name that it goes by: headers, parameters of URLs, fields of bodies. Pure.

Secrets of the configuration are the Redactor's, whatever they are called. Here is what targets make up: cookies,
tokens, signed links. Every expression takes time in proportion to its text, whoever wrote that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from urllib.parse import unquote

from checks.core.redact import MASK, Redactor, credentials, lets_in

_WORDS = ("password", "passwd", "passphrase", "secret", "token", "credential", "signature", "otp", "assertion")
_PAIRS = (("api", "key"), ("access", "key"), ("private", "key"), ("session", "id"))  # session_id, sessionId, session-id
_SPELLED = (*_WORDS, *(f"{one}{joint}{other}" for one, other in _PAIRS for joint in ("", "_", "-")))
_KEYWORDS = "|".join(_SPELLED)
# Beside those that a header may have: what logins and signed links call their proofs.
_PROOFS = frozenset(
    {
        "assertion",
        "bearer",
        "code",
        "hmac",
        "jwt",
        "otp",
        "pass",
        "pin",
        "psk",
        "pwd",
        "samlrequest",
        "samlresponse",
        "sid",
        "sig",
    }
)
_USERINFO = re.compile(r"(?<=://)[^\s/?#@]{1,400}@")
_PARAMETER = re.compile(r"([?&#;])([^=&#;?\s]{1,100})=([^&#;\s\"'<>]+)")
# Paths of which a part lets somebody in, as chats make them: Slack, Discord, Telegram, Teams, Mattermost.
_HOOK = re.compile(
    r"(/services/T\w{2,20}/B\w{2,20}/|/webhooks/\d{5,30}/|/bot\d{5,20}:|/webhookb2/|/hooks/(?=[\w-]{20}))([\w/@-]{6,300})"
)
_HOOKED = ("/services/T", "hook", "/bot")
_FIELD = re.compile(
    rf'("[\w.-]{{0,40}}?(?:{_KEYWORDS})[\w.-]{{0,40}}"\s{{0,5}}:\s{{0,5}}")((?:[^"\\]|\\.)++)', re.IGNORECASE
)
_PAIR = re.compile(rf"((?:{_KEYWORDS})[\w.-]{{0,40}}=)([^\s\"'&<>;,]+)", re.IGNORECASE)
_LOGIN = re.compile(r"^((?:AUTH|LOGIN|PASS|PASSWORD)[ \t]{1,9})(\S[^\r\n]*)", re.IGNORECASE | re.MULTILINE)
_JWT = re.compile(r"(?<![\w-])eyJ[\w-]{8,}+\.[\w-]{8,}+(?:\.[\w-]*+)?")
_PRIVATE = re.compile(r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}-----|\Z)", re.DOTALL)
_TOKEN = re.compile(r"(?=\D{0,400}\d).{8,}|.{16,}")  # no word that other texts have, too
_LINKED = frozenset({"location", "content-location", "link", "refresh", "referer"})


class Veil:
    """What a text of one run looks like without secrets: `redact` knows the configuration's, `own` are the run's."""

    def __init__(self, redact: Callable[[str], str], own: Iterable[str] = ()) -> None:
        self._redact = redact
        self._own = Redactor(own)

    def __call__(self, text: str) -> str:
        return self._redact(self._own(text))

    def body(self, text: str) -> str:
        """The text of a body, or of whatever else is no head."""
        return fields(self(text))

    def head(self, text: str) -> list[str]:
        """The lines of a request's or an answer's head."""
        first, *lines = re.split(r"\r?\n", text)
        return self("\n".join([url(first), *map(_line, lines)])).split("\n")


def url(text: str) -> str:
    """A URL, or a text with some: user names, passwords, telling parameters and paths of webhooks are masked."""
    if "://" in text:
        if any(sign in text for sign in _HOOKED):  # every run's facts come by: a hundredth of the expression's time
            text = _HOOK.sub(rf"\1{MASK}", text)
        if "@" in text:
            text = _USERINFO.sub(f"{MASK}@", text)
    return _PARAMETER.sub(_parameter, text) if "=" in text else text


def header(name: str, value: str) -> str:
    """The value of a header; of cookies and logins as much as is harmless."""
    key = name.lower()
    if key == "set-cookie":
        first, separator, rest = value.partition(";")
        return f"{_cookie(first)}{separator}{rest}"
    if key == "cookie":
        return "; ".join(_cookie(pair.strip()) for pair in value.split(";"))
    if not lets_in(name) or key in _LINKED or key.startswith("access-control-"):
        return url(value)
    scheme, blank, _ = value.strip().partition(" ")
    return f"{scheme} {MASK}" if blank and key.endswith("authorization") else MASK


def fields(text: str) -> str:
    """A text in which fields and parameters with telling names are masked, and what is a token by its looks."""
    lower = text.lower()
    if any(word in lower for word in _SPELLED):  # a hundredth of what the expressions take
        for expression in (_FIELD, _PAIR):
            text = expression.sub(rf"\1{MASK}", text)
    return url(_PRIVATE.sub(MASK, _JWT.sub(MASK, text)))


def login(text: str) -> str:
    """What was sent to a server without requests: a line that logs in, as of Redis, POP3 or SMTP, keeps its verb."""
    return _LOGIN.sub(rf"\1{MASK}", text)


def proofs(headers: Mapping[str, str], urls: Iterable[str], cookies: str) -> Iterator[str]:
    """What a run was let in with: from the headers of its request, parameters of URLs, and cookies that were set."""
    yield from credentials(headers)
    for address in urls:
        yield from (match[3] for match in _PARAMETER.finditer(address) if _telling(match[2]) and len(match[3]) >= 8)
    for line in cookies.split("\n"):
        yield from credentials({"cookie": line.partition(";")[0]})


def planted(address: str) -> Iterator[str]:
    """What a configured URL lets somebody in with, where it looks like nothing that another text would have.

    A word, as in `?partition_key=customers`, is masked in its place alone.
    """
    for match in (*_HOOK.finditer(address), *_PARAMETER.finditer(address)):
        value = match[match.lastindex or 0]
        if (match.re is _HOOK or _telling(match[2])) and _TOKEN.fullmatch(value):
            yield value
            yield unquote(value)


def _line(line: str) -> str:
    name, colon, value = line.partition(":")
    return f"{name}: {header(name.strip(), value.strip())}" if colon else url(line)


def _cookie(pair: str) -> str:
    name, equals, _ = pair.partition("=")
    return f"{name}={MASK}" if equals else MASK


def _parameter(match: re.Match[str]) -> str:
    return f"{match[1]}{match[2]}={MASK}" if _telling(match[2]) else match[0]


def _telling(name: str) -> bool:
    return lets_in(name) or name.lower() in _PROOFS
