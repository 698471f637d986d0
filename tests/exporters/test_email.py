"""Mail to a real SMTP server: what arrives, one thread per incident, and what becomes of refusals."""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from html.parser import HTMLParser
from pathlib import Path

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session
from pydantic import ValidationError

from exporters.base import Addressed, Notice, NoticeKind, NotifyError, Post, Trouble
from exporters.markup import html
from exporters.message import body, tidy
from exporters.notifiers.email import RECEIVER, Email, compose
from tests.exporters.conftest import Serve
from tests.exporters.test_post import free_port, silent

SENDER, ONCALL, BOSS = "Probe <probe@shop.example>", "oncall@shop.example", "boss@shop.example"
PASSWORD = "s3cret-password"


@dataclass
class Mailserver:
    """Takes mail, but not for everybody."""

    port: int = 0
    ca: Path | None = None
    mails: list[Envelope] = field(default_factory=list)
    refuse: dict[str, str] = field(default_factory=dict)
    data: str = "250 OK"
    encrypted: list[bool] = field(default_factory=list)
    logins: list[bytes] = field(default_factory=list)

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.refuse:
            return self.refuse[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:  # noqa: N802
        self.mails.append(envelope)
        self.encrypted.append(session.ssl is not None)
        return self.data

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, given: LoginPassword
    ) -> AuthResult:
        self.logins.append(given.login)
        return AuthResult(success=given.password == PASSWORD.encode(), handled=False)

    def mail(self) -> EmailMessage:
        (envelope,) = self.mails
        content = envelope.content
        assert isinstance(content, bytes)
        mail = message_from_bytes(content, policy=default)
        assert isinstance(mail, EmailMessage)
        return mail


@asynccontextmanager
async def serving(
    mailserver: Mailserver, make: Callable[[], SMTP], tls: ssl.SSLContext | None = None
) -> AsyncIterator[None]:
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls)
    mailserver.port = server.sockets[0].getsockname()[1]
    yield
    server.close()
    await server.wait_closed()


@pytest.fixture
async def plain() -> AsyncIterator[Mailserver]:
    mailserver = Mailserver()
    async with serving(mailserver, lambda: SMTP(mailserver, hostname="mail.example")):
        yield mailserver


@pytest.fixture
def identity(tmp_path: Path) -> tuple[ssl.SSLContext, Path]:
    """A server's TLS context, and the file with the CA that it takes to trust it."""
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    return context, tmp_path / "ca.pem"


@pytest.fixture
async def guarded(identity: tuple[ssl.SSLContext, Path]) -> AsyncIterator[Mailserver]:
    """Wants STARTTLS and a login before it takes anything."""
    mailserver = Mailserver(ca=identity[1])

    def make() -> SMTP:
        return SMTP(
            mailserver,
            hostname="mail.example",
            tls_context=identity[0],
            require_starttls=True,
            authenticator=mailserver.authenticate,
            auth_required=True,
        )

    async with serving(mailserver, make):
        yield mailserver


def receiver(port: int, **given: object) -> Email:
    return RECEIVER.model_validate(
        {"smtp": f"127.0.0.1:{port}", "from": SENDER, "to": [ONCALL, BOSS], "tls": "none", **given}
    )


async def refusal(email: Email, notice: Notice, post: Post) -> NotifyError:
    with pytest.raises(NotifyError) as caught:
        await email.send(notice, post)
    assert PASSWORD not in str(caught.value)
    assert caught.value.__cause__ is None
    return caught.value


async def test_mail_says_what_since_when_why_where_and_who(plain: Mailserver, post: Post, opened: Notice) -> None:
    await receiver(plain.port).send(opened, post)
    assert plain.mails[0].mail_from == "probe@shop.example"
    assert plain.mails[0].rcpt_tos == [ONCALL, BOSS]
    mail = plain.mail()
    assert mail["Subject"] == "[prod-eu] DOWN shop/home: status 503, wanted 2xx"
    assert mail["From"] == SENDER
    assert mail["To"] == f"{ONCALL}, {BOSS}"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime.tzinfo is not None
    text = mail.get_body(("plain",))
    assert text is not None
    assert text.get_content().replace("\r\n", "\n") == body(opened)
    marked = mail.get_body(("html",))
    assert marked is not None
    for part in ("shop/home is DOWN.", "status 503, wanted 2xx", f'<a href="{opened.runbook}">', "http.status"):
        assert part in marked.get_content()


async def test_starttls_and_login_by_default(guarded: Mailserver, post: Post, opened: Notice) -> None:
    email = receiver(guarded.port, tls="starttls", ca=guarded.ca, username="probe", password=PASSWORD)
    await email.send(opened, post)
    assert guarded.encrypted == [True]
    assert guarded.logins == [b"probe"]
    assert RECEIVER.model_fields["tls"].default == "starttls"
    assert PASSWORD not in repr(email)


async def test_tls_from_the_start(identity: tuple[ssl.SSLContext, Path], post: Post, opened: Notice) -> None:
    mailserver = Mailserver()
    async with serving(mailserver, lambda: SMTP(mailserver, hostname="mail.example"), identity[0]):
        await receiver(mailserver.port, tls="tls", ca=identity[1]).send(opened, post)
    assert mailserver.mail()["Subject"].startswith("[prod-eu] DOWN")


async def test_an_unknown_certificate_is_not_trusted(guarded: Mailserver, post: Post, opened: Notice) -> None:
    error = await refusal(receiver(guarded.port, tls="starttls"), opened, post)
    assert "certificate verify failed" in str(error)
    assert not error.permanent
    assert guarded.mails == []


async def test_nothing_goes_out_in_the_clear_where_starttls_is_missing(
    plain: Mailserver, post: Post, opened: Notice
) -> None:
    error = await refusal(receiver(plain.port, tls="starttls"), opened, post)
    assert "STARTTLS" in str(error)
    assert error.permanent
    assert plain.mails == []


async def test_a_wrong_password_is_permanent(guarded: Mailserver, post: Post, opened: Notice) -> None:
    email = receiver(guarded.port, tls="starttls", ca=guarded.ca, username="probe", password=f"{PASSWORD}-old")
    error = await refusal(email, opened, post)
    assert error.permanent
    assert "535" in str(error)


async def test_one_incident_is_one_thread(opened: Notice, changed: Notice, resolved: Notice) -> None:
    first, second, third = (compose(notice, SENDER, [ONCALL]) for notice in (opened, changed, resolved))
    assert first["In-Reply-To"] == second["In-Reply-To"] == third["References"] != first["Message-ID"]
    assert len({mail["Message-ID"] for mail in (first, second, third)}) == 3
    assert compose(changed, SENDER, [ONCALL])["Message-ID"] == second["Message-ID"]
    assert str(first["Message-ID"]).endswith("@shop.example>")
    other = compose(replace(opened, incident="shop/home@2"), SENDER, [ONCALL])
    assert other["Message-ID"] != first["Message-ID"]
    elsewhere = compose(replace(opened, instance="prod-us"), SENDER, [ONCALL])
    assert elsewhere["Message-ID"] != first["Message-ID"]


async def test_a_server_s_words_cannot_become_headers_or_markup(plain: Mailserver, post: Post, opened: Notice) -> None:
    evil = "x\r\nBcc: evil@evil.example\r\n\r\n<script>alert(1)</script>\u2028\x00 é\ud800"
    await receiver(plain.port).send(
        replace(
            opened, check=evil, reason=evil, evidence={evil: evil}, instance=evil, link=f"https://x.example/{evil}"
        ),
        post,
    )
    mail = plain.mail()
    assert mail["Bcc"] is None
    assert plain.mails[0].rcpt_tos == [ONCALL, BOSS]
    assert len(mail["Subject"]) <= 200
    marked = mail.get_body(("html",))
    assert marked is not None
    tags: list[str] = []

    class Tags(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)

    Tags().feed(marked.get_content())
    assert "script" not in tags
    assert "&lt;script&gt;" in marked.get_content()


def test_html_escapes_quotes_in_links(opened: Notice) -> None:
    shown = html(tidy(replace(opened, link='https://x.example/"onclick="alert(1)')))
    assert 'href="https://x.example/&quot;onclick=&quot;alert(1)"' in shown


async def test_refused_for_some_is_delivered_and_said(
    plain: Mailserver, post: Post, opened: Notice, caplog: pytest.LogCaptureFixture
) -> None:
    plain.refuse = {BOSS: "550 no such mailbox"}
    with caplog.at_level(logging.WARNING, "exporters"):
        await receiver(plain.port).send(opened, post)
    assert plain.mails[0].rcpt_tos == [ONCALL]
    (record,) = (record for record in caplog.records if record.name.startswith("exporters"))
    assert record.getMessage() == f"email 127.0.0.1:{plain.port}: refused for {BOSS} (550 no such mailbox)"


@pytest.mark.parametrize(
    ("answers", "permanent"),
    [
        (("550 no such mailbox", "551 not here"), True),
        (("550 no such mailbox", "450 try again later"), False),
        (("452 mailbox full", "451 greylisted"), False),
    ],
)
async def test_refused_for_all(
    plain: Mailserver, post: Post, opened: Notice, answers: tuple[str, str], permanent: bool
) -> None:
    plain.refuse = dict(zip((ONCALL, BOSS), answers, strict=True))
    error = await refusal(receiver(plain.port), opened, post)
    assert error.permanent is permanent
    assert all(answer in str(error) for answer in answers)


@pytest.mark.parametrize(("answer", "permanent"), [("554 content refused", True), ("451 not now", False)])
async def test_refused_mail(plain: Mailserver, post: Post, opened: Notice, answer: str, permanent: bool) -> None:
    plain.data = answer
    error = await refusal(receiver(plain.port), opened, post)
    assert error.permanent is permanent
    assert str(error) == f"email 127.0.0.1:{plain.port}: {answer}"


@pytest.mark.parametrize(
    ("greeting", "permanent"), [(b"554 go away\r\n", True), (b"421 busy\r\n", False), (b"", False)]
)
async def test_refused_at_the_door(serve: Serve, post: Post, opened: Notice, greeting: bytes, permanent: bool) -> None:
    async def door(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        writer.close()

    assert (await refusal(receiver(await serve(door)), opened, post)).permanent is permanent


async def test_nobody_listens(post: Post, opened: Notice) -> None:
    error = await refusal(receiver(free_port()), opened, post)
    assert not error.permanent
    assert "Connect call failed" in str(error)


async def test_a_silent_server_ends_when_the_caller_says(serve: Serve, post: Post, opened: Notice) -> None:
    port = await serve(silent)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.1):
            await receiver(port).send(opened, post)


async def test_falling_silent_within_the_mail_ends_at_once_when_the_caller_says(
    serve: Serve, post: Post, opened: Notice
) -> None:
    reached = asyncio.Event()

    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        await reader.readline()
        writer.write(b"250 mail.example\r\n")
        await reader.readline()
        reached.set()
        await reader.read()

    sending = asyncio.create_task(receiver(await serve(half)).send(opened, post))
    await reached.wait()
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        async with asyncio.timeout(5):  # far below the 20 s that an answer to QUIT would be waited for
            await sending


async def test_a_mail_that_was_taken_is_delivered_though_the_farewell_fails(
    serve: Serve, post: Post, opened: Notice
) -> None:
    async def abrupt(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"220 mail.example\r\n")
        for answer in (b"250 mail.example", b"250 OK", b"250 OK", b"250 OK", b"354 go on"):
            await reader.readline()
            writer.write(answer + b"\r\n")
        await reader.readuntil(b"\r\n.\r\n")
        writer.write(b"250 taken\r\n")
        await reader.readline()
        writer.transport.abort()

    await receiver(await serve(abrupt)).send(opened, post)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"smtp": "mail.example"}, "write host:port"),
        ({"smtp": "mail.example:0"}, "write host:port"),
        ({"smtp": "mail.example:smtp"}, "write host:port"),
        ({"smtp": "ma il.example:25"}, "write host:port"),
        ({"to": []}, "at least 1 item"),
        ({"to": ["oncall"]}, "no mail address"),
        ({"to": ["oncall@"]}, "no mail address"),
        ({"to": ["a@b.example\r\nBcc: c@d.example"]}, "no mail address"),
        ({"from": "Probe"}, "no mail address"),
        ({"tls": "ssl"}, "'starttls', 'tls' or 'none'"),
        ({"username": "probe"}, "both `username` and `password`"),
        ({"password": PASSWORD}, "both `username` and `password`"),
        ({"smtp": "mail.example:25", "tls": "none", "username": "u", "password": PASSWORD}, "in the clear"),
        ({"subject": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_mistakes(given: dict[str, object], said: str) -> None:
    with pytest.raises(ValidationError, match=said) as caught:
        RECEIVER.model_validate({"smtp": "mail.example:587", "from": SENDER, "to": [ONCALL], **given})
    assert PASSWORD not in str(caught.value)


@pytest.mark.parametrize("smtp", ["mail.example:587", "[::1]:25", "192.0.2.1:465"])
def test_servers_that_are_taken(smtp: str) -> None:
    assert Email.model_validate({"smtp": smtp, "from": SENDER, "to": [f"On call <{ONCALL}>"]}).smtp == smtp


async def test_every_kind_of_one_incident_is_one_thread(plain: Mailserver, post: Post, taken_care: Notice) -> None:
    email = receiver(plain.port)
    for kind in NoticeKind:
        if kind is not NoticeKind.BULLETIN:
            ended_ms = taken_care.at_ms if kind in (NoticeKind.RESOLVED, NoticeKind.PASSED) else 0
            await email.send(replace(taken_care, id=f"msg_{kind}", kind=kind, ended_ms=ended_ms), post)
    contents = [envelope.content for envelope in plain.mails]
    mails = [message_from_bytes(content, policy=default) for content in contents if isinstance(content, bytes)]
    assert len({mail["References"] for mail in mails} - {None}) == 1
    assert len({mail["Message-ID"] for mail in mails}) == len(mails) == len(NoticeKind) - 1


async def test_a_bulletin_is_a_mail_of_no_thread(plain: Mailserver, post: Post, bulletin: Notice) -> None:
    await receiver(plain.port).send(bulletin, post)
    mail = plain.mail()
    assert mail["Subject"] == "[prod-eu] On call in prodops: ana"
    assert mail["References"] is None
    for kind in ("plain", "html"):
        part = mail.get_body((kind,))
        assert part is not None
        assert "ana until Mon 09:00\nthen bob" in part.get_content().replace("\r\n", "\n")


async def test_a_person_gets_a_mail_of_their_own(plain: Mailserver, post: Post, opened: Notice) -> None:
    email = receiver(plain.port)
    assert isinstance(email, Addressed)
    await email.addressed("Ana <ana@shop.example>").send(opened, post)
    assert plain.mails[0].rcpt_tos == ["ana@shop.example"]
    assert plain.mail()["To"] == "Ana <ana@shop.example>"
    with pytest.raises(ValueError, match="no mail address"):
        email.addressed("ana")


def test_the_page_has_who_cares_what_is_affected_and_what_can_be_done(taken_care: Notice) -> None:
    page = html(tidy(replace(taken_care, members=("<b>shop</b> DOWN",))))
    for part in (
        '<a href="https://probe.example/act/s1gned">Take it back</a>',
        "&lt;b&gt;shop&lt;/b&gt; DOWN",
        "ana",
        "5th time in 30 days",
        '<a href="https://meet.example/shop">',
    ):
        assert part in page


@pytest.mark.parametrize(
    ("answer", "kind"),
    [("550 no such user", Trouble.REFUSED), ("451 greylisted", Trouble.SERVER)],
)
async def test_metrics_tell_what_was_wrong(
    plain: Mailserver, post: Post, opened: Notice, answer: str, kind: Trouble
) -> None:
    plain.data = answer
    assert (await refusal(receiver(plain.port), opened, post)).kind is kind


async def test_a_refused_login_is_counted_as_one(guarded: Mailserver, post: Post, opened: Notice) -> None:
    email = receiver(guarded.port, tls="starttls", ca=guarded.ca, username="probe", password="wr0ng-password")
    assert (await refusal(email, opened, post)).kind is Trouble.AUTH


async def test_no_server_is_counted_as_no_connection(post: Post, opened: Notice) -> None:
    assert (await refusal(receiver(free_port()), opened, post)).kind is Trouble.CONNECTION
