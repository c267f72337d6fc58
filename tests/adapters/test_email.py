"""E-mail as a mail server receives it: over STARTTLS, under TLS from the first byte, in the clear; and its refusals."""

import asyncio
import base64
import hashlib
import hmac
import logging
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from email import message_from_bytes, policy
from email.message import EmailMessage
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import trustme
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from adapters.email import EmailNotifier
from adapters.rendering import Renderer
from domain.alerts import Alert
from domain.configuration import EmailIntegration, Secret, TlsConfig
from domain.errors import DomainError, RejectedError, UnavailableError
from domain.labels import fingerprint
from tests.adapters.receiving import NOON, SECRET, Authority, reads, told

CHALLENGE = b"<1896.697170952@postoffice.example>"


@dataclass
class Arrived:
    """One message, with how it came."""

    sender: str
    recipients: list[str]
    content: bytes
    hello: str
    is_encrypted: bool
    login: tuple[str, ...]

    @property
    def message(self) -> EmailMessage:
        return message_from_bytes(self.content, policy=policy.SMTP)


@dataclass
class MailServer:
    """Takes what comes, unless a test says otherwise; knows one user, `bob`."""

    port: int = 0
    arrived: list[Arrived] = field(default_factory=list)
    logins: list[tuple[str, ...]] = field(default_factory=list)
    answers: dict[str, str] = field(default_factory=dict)
    """What it says to a recipient, or to `DATA`, instead of yes."""

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if address in self.answers:
            return self.answers[address]
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        sender = envelope.mail_from or ""
        login = self.logins[-1] if self.logins else ()
        assert server.transport is not None
        is_encrypted = server.transport.get_extra_info("sslcontext") is not None
        hello = session.host_name or ""
        self.arrived.append(Arrived(sender, list(envelope.rcpt_tos), envelope.content, hello, is_encrypted, login))
        return self.answers.get("DATA", "250 queued as 4711")

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, auth_data: Any
    ) -> AuthResult:
        assert isinstance(auth_data, LoginPassword)
        self.logins.append((mechanism, auth_data.login.decode()))
        return AuthResult(success=(auth_data.login, auth_data.password) == (b"bob", SECRET.encode()), handled=False)

    async def auth_CRAM__MD5(self, server: SMTP, args: list[str]) -> AuthResult:
        answer = await server.challenge_auth(CHALLENGE)
        assert isinstance(answer, bytes)
        name, _, digest = answer.decode().partition(" ")
        self.logins.append(("CRAM-MD5", name))
        expected = hmac.new(SECRET.encode(), CHALLENGE, "md5").hexdigest()
        return AuthResult(success=digest == expected, handled=False)


@asynccontextmanager
async def serving_mail(
    tls: ssl.SSLContext | None = None,
    *,
    is_implicit: bool = False,
    takes: tuple[str, ...] = (),
) -> AsyncIterator[MailServer]:
    """A server with STARTTLS if it has a context, or under TLS at once; `takes` are ways to log in."""
    handler = MailServer()
    others = {"PLAIN", "LOGIN", "CRAM-MD5"} - set(takes)
    make = partial(
        SMTP,
        handler,
        hostname="mail.example",
        tls_context=None if is_implicit else tls,
        require_starttls=False,
        authenticator=handler.authenticate if takes else None,
        auth_require_tls=False,
        auth_exclude_mechanism=others,
        loop=asyncio.get_running_loop(),
    )
    server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0, ssl=tls if is_implicit else None)
    handler.port = server.sockets[0].getsockname()[1]
    try:
        yield handler
    finally:
        server.close()
        await server.wait_closed()


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(trustme.CA(), tmp_path_factory.mktemp("authority"))


@pytest.fixture
def notifier() -> EmailNotifier:
    return EmailNotifier(Renderer("http://tocsin.example", lambda: NOON), lambda: NOON)


def email(server: MailServer, lines: str = "", *, require_tls: bool = False) -> EmailIntegration:
    integration: EmailIntegration = reads(
        "email",
        f"to: me@example.com\nfrom: Tocsin <tocsin@example.com>\nsmarthost: 127.0.0.1:{server.port}\n"
        f"require_tls: {str(require_tls).lower()}\n{lines}",
    )
    return integration


async def test_a_message_on_the_wire(notifier: EmailNotifier) -> None:
    async with serving_mail() as server:
        lines = "text: '{{ .Status }} größer'\nhello: tocsin.example"
        assert await notifier.notify(email(server, lines), told(), incident="abc-1") == "250 queued as 4711"
    (arrived,) = server.arrived
    assert (arrived.sender, arrived.recipients) == ("tocsin@example.com", ["me@example.com"])
    assert (arrived.hello, arrived.is_encrypted, arrived.login) == ("tocsin.example", False, ())
    message = arrived.message
    assert message["From"] == "Tocsin <tocsin@example.com>"
    assert message["To"] == "me@example.com"
    assert message["Subject"] == "[FIRING:1] Disk (instance=0, team=db)"
    assert message["Date"] == "Sun, 22 Nov 2026 12:00:00 +0000"
    assert message["MIME-Version"] == "1.0"
    assert message["Message-Id"].endswith("@example.com>")
    assert message["References"] is None
    assert message.get_content_type() == "multipart/alternative"
    text, html = message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert text.get_content_type() == "text/plain"
    assert text.get_content().strip() == "firing größer"
    assert html.get_content_type() == "text/html"
    assert "disk 0 is full" in html.get_content()
    assert 'href="http://tocsin.example/incidents/abc-1"' in html.get_content()
    assert arrived.content.isascii()
    assert all(len(line) <= 998 for line in arrived.content.split(b"\r\n"))


async def test_html_alone_is_an_alternative_too(notifier: EmailNotifier) -> None:
    async with serving_mail() as server:
        await notifier.notify(email(server), told())
        await notifier.notify(email(server, "html: ''\ntext: x"), told())
        await notifier.notify(email(server, "html: ''"), told())
    kinds = [[part.get_content_type() for part in one.message.iter_parts()] for one in server.arrived]
    assert kinds[:2] == [["text/html"], ["text/plain"]]
    assert [one.message.get_content_type() for one in server.arrived[:2]] == ["multipart/alternative"] * 2


async def test_what_an_alert_says_is_no_markup(notifier: EmailNotifier) -> None:
    labels = {"alertname": "<script>alert(1)</script>"}
    alert = Alert(fingerprint(labels), labels, {"summary": "<b>bold</b>"}, NOON, NOON, NOON)
    async with serving_mail() as server:
        await notifier.notify(email(server, "text: '{{ .CommonAnnotations.summary }}'"), told(alert))
    text, html = server.arrived[0].message.iter_parts()
    assert isinstance(text, EmailMessage)
    assert isinstance(html, EmailMessage)
    assert text.get_content().strip() == "<b>bold</b>"
    assert "<script>" not in html.get_content()
    assert "<b>bold" not in html.get_content()


async def test_headers_are_templates_and_encoded(notifier: EmailNotifier) -> None:
    lines = """\
headers:
  subject: 'Größe {{ .GroupLabels.alertname }} 😀'
  x-team: '{{ .CommonLabels.team }}'
  reply-to: Ops <ops@example.com>
  message-id: <mine@example.com>
  date: Mon, 01 Jan 2024 00:00:00 +0000
  to: Everyböddy <all@example.com>
"""
    async with serving_mail() as server:
        await notifier.notify(email(server, lines), told())
    (arrived,) = server.arrived
    head = arrived.content.partition(b"\r\n\r\n")[0]
    assert head.isascii()
    assert b"=?utf-8?" in head
    message = arrived.message
    assert message["Subject"] == "Größe Disk 😀"
    assert message["X-Team"] == "db"
    assert message["Reply-To"] == "Ops <ops@example.com>"
    assert message.get_all("Message-Id") == ["<mine@example.com>"]
    assert message.get_all("Date") == ["Mon, 01 Jan 2024 00:00:00 +0000"]
    assert message["To"] == "Everyböddy <all@example.com>"
    assert arrived.recipients == ["me@example.com"]


@pytest.mark.parametrize("injected", ["x\r\nBcc: evil@example.com", "x\nBcc: evil@example.com", "x\r\n\r\n<h1>evil"])
async def test_no_alert_can_add_a_header(notifier: EmailNotifier, injected: str) -> None:
    labels = {"alertname": injected}
    alert = Alert(fingerprint(labels), labels, {}, NOON, NOON, NOON)
    lines = "headers: {subject: '{{ .CommonLabels.alertname }}', x-name: '{{ .CommonLabels.alertname }}'}"
    async with serving_mail() as server:
        await notifier.notify(email(server, lines), told(alert))
    (arrived,) = server.arrived
    message = arrived.message
    assert message["Bcc"] is None
    assert message["X-Name"] == message["Subject"] == " ".join(injected.split())
    assert arrived.recipients == ["me@example.com"]


async def test_several_recipients_and_one_that_is_refused(notifier: EmailNotifier) -> None:
    async with serving_mail() as server:
        server.answers["no@example.com"] = "550 no such user"
        integration = replace(
            email(server), to="Me <me@example.com>, no@example.com, {{ .CommonLabels.team }}@example.com"
        )
        answer = await notifier.notify(integration, told())
    assert answer == "250 queued as 4711, but not for no@example.com: 550 no such user"
    assert server.arrived[0].recipients == ["me@example.com", "db@example.com"]


# Encryption.


async def test_starttls(notifier: EmailNotifier, authority: Authority) -> None:
    async with serving_mail(authority.server()) as server:
        integration = replace(email(server, require_tls=True), tls=TlsConfig(ca_file=authority.ca_file))
        assert await notifier.notify(integration, told()) == "250 queued as 4711"
    assert server.arrived[0].is_encrypted


async def test_implicit_tls(notifier: EmailNotifier, authority: Authority) -> None:
    async with serving_mail(authority.server("mail.example"), is_implicit=True) as server:
        tls = TlsConfig(ca_file=authority.ca_file, server_name="mail.example")
        integration = replace(email(server, "force_implicit_tls: true", require_tls=True), tls=tls)
        assert await notifier.notify(integration, told()) == "250 queued as 4711"
    assert server.arrived[0].is_encrypted


@pytest.mark.parametrize("is_implicit", [True, False])
async def test_a_certificate_that_is_not_trusted(
    notifier: EmailNotifier, authority: Authority, is_implicit: bool
) -> None:
    async with serving_mail(authority.server(), is_implicit=is_implicit) as server:
        integration = replace(email(server, require_tls=True), implicit_tls=is_implicit)
        with pytest.raises(UnavailableError, match=r"^TLS: the receiver's certificate is not trusted: unable to get"):
            await notifier.notify(integration, told())
        tls = TlsConfig(ca_file=authority.ca_file, server_name="other.example")
        with pytest.raises(UnavailableError, match=r"^TLS: the receiver's certificate is not trusted: Hostname mism"):
            await notifier.notify(replace(integration, tls=tls), told())
    assert server.arrived == []


async def test_nothing_goes_in_the_clear_where_tls_is_required(notifier: EmailNotifier) -> None:
    async with serving_mail(takes=("PLAIN",)) as server:
        integration = email(server, f"auth_username: bob\nauth_password: {SECRET}", require_tls=True)
        with pytest.raises(RejectedError, match=r"^the mail server offers no STARTTLS, which require_tls asks for$"):
            await notifier.notify(integration, told())
    assert (server.arrived, server.logins) == ([], [])


# Logging in.


@pytest.mark.parametrize(
    ("takes", "lines", "expected"),
    [
        (("PLAIN",), f"auth_password: {SECRET}", ("PLAIN", "bob")),
        (("PLAIN",), f"auth_password: {SECRET}\nauth_identity: bob", ("PLAIN", "bob")),
        (("LOGIN",), f"auth_password: {SECRET}", ("LOGIN", "bob")),
        (("CRAM-MD5",), f"auth_secret: {SECRET}", ("CRAM-MD5", "bob")),
        (("CRAM-MD5", "LOGIN"), f"auth_password: {SECRET}", ("LOGIN", "bob")),
    ],
)
async def test_logging_in(
    notifier: EmailNotifier, authority: Authority, takes: tuple[str, ...], lines: str, expected: tuple[str, str]
) -> None:
    async with serving_mail(authority.server(), takes=takes) as server:
        integration = email(server, f"auth_username: bob\n{lines}", require_tls=True)
        await notifier.notify(replace(integration, tls=TlsConfig(ca_file=authority.ca_file)), told())
    assert server.arrived[0].login == expected


async def test_a_password_comes_from_a_file_or_a_variable(
    notifier: EmailNotifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "password").write_text(f"{SECRET}\n")
    monkeypatch.setenv("SMTP_PASSWORD", SECRET)
    async with serving_mail(takes=("LOGIN",)) as server:
        for line in (f"auth_password_file: {tmp_path}/password", "auth_password: '${env:SMTP_PASSWORD}'"):
            await notifier.notify(email(server, f"auth_username: bob\n{line}"), told())
    assert len(server.arrived) == len(server.logins) == 2


async def test_without_a_name_nobody_logs_in(notifier: EmailNotifier) -> None:
    async with serving_mail(takes=("PLAIN",)) as server:
        await notifier.notify(email(server, f"auth_password: {SECRET}"), told())
    assert (len(server.arrived), server.logins) == (1, [])


@pytest.mark.parametrize(
    ("takes", "lines", "expected", "message"),
    [
        (
            ("PLAIN",),
            "auth_password: wrong-password",
            RejectedError,
            "refused the log-in: 535 5.7.8 Authentication credentials invalid",
        ),
        (("PLAIN", "LOGIN"), "hello: x", RejectedError, "cannot log in at the mail server: it takes auth_password"),
        (
            ("CRAM-MD5",),
            f"auth_password: {SECRET}",
            RejectedError,
            "cannot log in at the mail server: it takes auth_secret for CRAM-MD5",
        ),
    ],
)
async def test_a_log_in_that_fails(
    notifier: EmailNotifier, takes: tuple[str, ...], lines: str, expected: type[DomainError], message: str
) -> None:
    async with serving_mail(takes=takes) as server:
        with pytest.raises(expected) as caught:
            await notifier.notify(email(server, f"auth_username: bob\n{lines}"), told())
    assert str(caught.value) == message
    assert server.arrived == []


# Answers and failures.


@pytest.mark.parametrize(
    ("answers", "expected", "message"),
    [
        ({"DATA": "451 try later"}, UnavailableError, "answered: 451 try later"),
        ({"DATA": "554 spam"}, RejectedError, "answered: 554 spam"),
        (
            {"me@example.com": "550 no such user"},
            RejectedError,
            "the mail server takes no recipient: me@example.com: 550 no such user",
        ),
        (
            {"me@example.com": "450 busy"},
            UnavailableError,
            "the mail server takes no recipient: me@example.com: 450 busy",
        ),
    ],
)
async def test_refusals(
    notifier: EmailNotifier, answers: dict[str, str], expected: type[DomainError], message: str
) -> None:
    async with serving_mail() as server:
        server.answers = answers
        with pytest.raises(expected) as caught:
            await notifier.notify(email(server), told())
    assert str(caught.value) == message


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"to": "nobody"}, "to is no list of e-mail addresses"),
        ({"to": "{{ .CommonLabels.none }}"}, "to is no list of e-mail addresses"),
        ({"to": "a@x, b"}, "to is no list of e-mail addresses"),
        ({"to": "größe@example.com"}, "to is no list of e-mail addresses"),
        ({"sender": "a@x, b@x"}, "from must be one address"),
        ({"hello": "two words"}, "the message cannot be written: an address or hello holds a character it must not"),
    ],
)
async def test_what_cannot_be_sent_is_refused(notifier: EmailNotifier, changes: dict[str, str], message: str) -> None:
    async with serving_mail() as server:
        with pytest.raises(RejectedError) as caught:
            await notifier.notify(replace(email(server), **changes), told())  # type: ignore[arg-type]
    assert str(caught.value) == message
    assert server.arrived == []


async def test_a_server_that_is_not_there(notifier: EmailNotifier) -> None:
    async with serving_mail() as server:
        gone = email(server)
    with pytest.raises(UnavailableError, match=r"^cannot connect: Connection refused$"):
        await notifier.notify(gone, told())
    with pytest.raises(UnavailableError, match=r"^the host's name cannot be resolved$"):
        await notifier.notify(replace(gone, host="nowhere.invalid"), told())


@pytest.mark.parametrize("greeting", [b"", b"HTTP/1.1 400 Bad\r\n", b"554 go away\r\n"])
async def test_a_server_that_is_none(notifier: EmailNotifier, greeting: bytes) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(greeting)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        with pytest.raises(DomainError):
            await notifier.notify(email(MailServer(port)), told())


async def test_a_server_that_hangs_is_left_when_the_caller_gives_up(notifier: EmailNotifier) -> None:
    came, gone = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        came.set()
        await reader.read()
        writer.close()
        gone.set()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        attempt = asyncio.create_task(notifier.notify(email(MailServer(port)), told()))
        await asyncio.wait_for(came.wait(), 5)
        attempt.cancel()
        await asyncio.wait_for(gone.wait(), 5)
        with pytest.raises(asyncio.CancelledError):
            await attempt


async def test_threads(notifier: EmailNotifier) -> None:
    async with serving_mail() as server:
        daily = email(server, "threading: {enabled: true, thread_by_date: daily}")
        for_good = replace(daily, threading="none")
        for integration in (daily, for_good):
            await notifier.notify(integration, told())
            await notifier.notify(integration, told(firing=0, resolved=1))
        await notifier.notify(for_good, told(group_key="another"))
    roots = [one.message["References"] for one in server.arrived]
    assert roots == [one.message["In-Reply-To"] for one in server.arrived]
    key = hashlib.sha256(told().group_key.encode()).hexdigest()[:16]
    assert roots[:2] == [f"<alert-{key}-2026-11-22@alertmanager>"] * 2
    assert roots[2:4] == [f"<alert-{key}-@alertmanager>"] * 2
    assert roots[4] != roots[3]


async def test_no_error_and_no_log_holds_a_secret(notifier: EmailNotifier, caplog: pytest.LogCaptureFixture) -> None:
    encoded = base64.b64encode(SECRET.encode()).decode()
    plain = base64.b64encode(f"\0bob-the-user\0{SECRET}".encode()).decode()
    caplog.set_level(logging.DEBUG, logger="tocsin")
    async with serving_mail(takes=("PLAIN",)) as server:
        integration = email(server, f"auth_username: bob-the-user\nauth_password: {SECRET}")
        with pytest.raises(RejectedError) as refused:
            await notifier.notify(integration, told())
    assert server.logins == [("PLAIN", "bob-the-user")]
    async with serving_mail(takes=("LOGIN",)) as server:
        server.answers["DATA"] = f"554 {SECRET} {encoded} {plain} bob-the-user"
        good = replace(integration, port=server.port, username="bob", password=Secret(SECRET))
        with pytest.raises(RejectedError) as echoed:
            await notifier.notify(good, told())
    assert str(echoed.value).startswith("answered: 554 <hidden> <hidden> ")
    for error in (refused.value, echoed.value):
        assert SECRET not in str(error)
        assert encoded not in str(error)
        assert error.__cause__ is None
    ours = "\n".join(record.getMessage() for record in caplog.records if not record.name.startswith("mail"))
    assert SECRET not in ours
    assert encoded not in ours
