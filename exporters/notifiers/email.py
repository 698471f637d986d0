"""Mail, over SMTP: plain text and HTML, and one thread per incident."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from email.errors import HeaderParseError
from email.headerregistry import Address as Mailbox
from email.message import EmailMessage
from email.policy import SMTP as SMTP_POLICY
from email.utils import format_datetime, parseaddr
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Literal, Self

import aiosmtplib
from pydantic import AfterValidator, Field, SecretStr, model_validator

from checks.core.redact import Redactor
from exporters.base import Notice, NoticeKind, NotifyError, Post, Trouble
from exporters.markup import html
from exporters.message import body, one_line, summary, tidy
from exporters.receiver import Receiver

_log = logging.getLogger(__name__)
_SUBJECT = 200  # characters
_STEP = 20.0  # s for one answer of the server; the caller bounds the whole
_FAREWELL = 2.0  # s for the answer to QUIT: the mail has been taken by then


def _mailbox(text: str) -> str:
    name, address = parseaddr(text)
    try:
        Mailbox(display_name=name, addr_spec=address)
    except (HeaderParseError, IndexError, ValueError):
        address = ""
    if "@" not in address or not all(char.isprintable() for char in text):
        raise ValueError(f"{text!r} is no mail address; write it as in Probe <probe@shop.example>, or without the name")
    return text


def _server(text: str) -> str:
    host, port = _host_port(text)
    if not host or not host.isprintable() or " " in host or not 0 < port < 65536:
        raise ValueError(f"{text!r} is no server; write host:port, as in mail.example:587")
    return text


def _host_port(text: str) -> tuple[str, int]:
    host, _, port = text.strip().rpartition(":")
    return host.removeprefix("[").removesuffix("]"), int(port) if port.isascii() and port.isdigit() else 0


def _loopback(host: str) -> bool:
    with suppress(ValueError):
        return ip_address(host).is_loopback
    return host == "localhost"


MailboxText = Annotated[str, AfterValidator(_mailbox)]


class Email(Receiver):
    """Mailboxes, reached by one SMTP server."""

    smtp: Annotated[str, AfterValidator(_server)] = Field(description="SMTP server, host:port, as mail.example:587.")
    sender: MailboxText = Field(alias="from", description="Who it comes from, as Probe <probe@shop.example>.")
    to: tuple[MailboxText, ...] = Field(min_length=1, description="Who is told. All of them get one and the same mail.")
    username: str = Field(default="", description="User name, where the server asks for one.")
    password: SecretStr | None = Field(default=None, description="Password of the user.")
    tls: Literal["starttls", "tls", "none"] = Field(
        default="starttls",
        description="How the connection is protected: `starttls` (port 587), `tls` from the start (port 465), `none`.",
    )
    ca: Path | None = Field(default=None, description="File with the CA certificates of the server, if it has its own.")

    @model_validator(mode="after")
    def _password_is_safe(self) -> Self:
        if bool(self.username) is not (self.password is not None):
            raise ValueError("logging in needs both `username` and `password`")
        if self.username and self.tls == "none" and not _loopback(_host_port(self.smtp)[0]):
            raise ValueError("`tls: none` would send the password in the clear; use `starttls` or `tls`")
        return self

    def addressed(self, to: str) -> Self:
        """The same mail server, for one person's mailbox."""
        return self.model_copy(update={"to": (_mailbox(to),)})

    async def send(self, notice: Notice, post: Post) -> None:
        """Return when the server took it for at least one recipient; those that it refused are named in the log."""
        del post  # mail does not travel over HTTP
        mail = compose(tidy(notice), self.sender, self.to)
        try:
            refused = await self._deliver(mail)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            raise self._error(error) from None
        if refused:
            # Sending again would tell the others twice, and make the next alert wait for one full mailbox.
            _log.warning("email %s: refused for %s", self.smtp, "; ".join(refused))

    async def _deliver(self, mail: EmailMessage) -> list[str]:
        host, port = _host_port(self.smtp)
        client = aiosmtplib.SMTP(
            hostname=host,
            port=port,
            local_hostname=_own_name(),
            username=self.username or None,
            password=self.password.get_secret_value() if self.password is not None else None,
            timeout=_STEP,
            use_tls=self.tls == "tls",
            start_tls=self.tls == "starttls",
            cert_bundle=str(self.ca) if self.ca is not None else None,
        )
        # Not `async with`: left by a cancellation it would wait for a silent server's answer to QUIT.
        try:
            await client.connect()
            recipients = [parseaddr(mailbox)[1] for mailbox in self.to]
            answers, _ = await client.send_message(mail, sender=parseaddr(self.sender)[1], recipients=recipients)
            with suppress(aiosmtplib.SMTPException, OSError):
                await client.quit(timeout=_FAREWELL)
        finally:
            client.close()
        return [f"{who} ({answer.code} {self._safe(answer.message)})" for who, answer in answers.items()]

    def _safe(self, text: str) -> str:
        hidden = [self.password.get_secret_value()] if self.password is not None else []
        return one_line(Redactor(hidden)(text), 160)

    def _error(self, error: Exception) -> NotifyError:
        """5xx and what the server cannot do need a change; 4xx and a broken connection need patience (RFC 5321)."""
        kind = Trouble.REFUSED
        match error:
            case aiosmtplib.SMTPRecipientsRefused():
                said = "; ".join(f"{each.recipient}: {each.code} {each.message}" for each in error.recipients)
                permanent = all(each.code >= 500 for each in error.recipients)
            case aiosmtplib.SMTPResponseException():
                said, permanent = f"{error.code} {error.message}", error.code >= 500
                kind = _trouble(error)
            case OSError():  # a broken connection and a timeout are OSErrors, here too
                said, permanent = str(error) or type(error).__name__, False
                kind = Trouble.TIMEOUT if isinstance(error, TimeoutError) else Trouble.CONNECTION
            case _:
                said, permanent = str(error), True
        return NotifyError(f"email {self.smtp}: {self._safe(said)}", permanent=permanent, kind=kind)


def _trouble(error: aiosmtplib.SMTPResponseException) -> Trouble:
    if isinstance(error, aiosmtplib.SMTPAuthenticationError):
        return Trouble.AUTH
    return Trouble.REFUSED if error.code >= 500 else Trouble.SERVER


def _own_name() -> str:
    """What EHLO says: the machine's name where it is a whole one (RFC 5321 section 4.1.4). Asks no name server."""
    name = socket.gethostname()
    return name if "." in name and name.isascii() and name.isprintable() and " " not in name else "[127.0.0.1]"


def compose(notice: Notice, sender: str, to: Iterable[str]) -> EmailMessage:
    """The mail of a notice. Retries have the same Message-ID, so that mailboxes can tell."""
    mail = EmailMessage(policy=SMTP_POLICY)
    mail["From"] = sender
    mail["To"] = ", ".join(to)
    mail["Subject"] = one_line(f"[{notice.instance}] {summary(notice)}", _SUBJECT)
    mail["Date"] = format_datetime(datetime.now(UTC))
    thread, own = message_ids(notice, parseaddr(sender)[1].rpartition("@")[2])
    mail["Message-ID"] = own
    if thread:
        mail["In-Reply-To"] = thread
        mail["References"] = thread
    mail["Auto-Submitted"] = "auto-generated"  # RFC 3834: no vacation replies
    mail["X-Auto-Response-Suppress"] = "All"  # the same, to Exchange
    mail.set_content(body(notice), cte="quoted-printable")
    mail.add_alternative(html(notice), subtype="html", cte="quoted-printable")
    return mail


def message_ids(notice: Notice, domain: str) -> tuple[str, str]:
    """The Message-ID that an incident's thread hangs on, which no mail has, and the notice's own.

    Every notice has its own: a mailbox that is told by two ways, or again of what came back, drops what it has seen.
    What is about no incident has no thread.
    """
    if notice.kind is NoticeKind.BULLETIN:
        return "", _message_id(f"{notice.instance}\n{notice.id}", domain)
    thread = _message_id(f"{notice.instance}\n{notice.incident}", domain)
    return thread, _message_id(f"{notice.instance}\n{notice.incident}\n{notice.id}", domain)


def _message_id(text: str, domain: str) -> str:
    return f"<probe.{sha256(text.encode()).hexdigest()[:40]}@{domain}>"


RECEIVER = Email
