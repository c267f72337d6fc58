"""E-mail: one message to everybody whom `to` names, handed to a mail server over SMTP.

Source: notify/email/email.go in Alertmanager 0.34; RFC 5321, 5322, 3207 and 4954.
"""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import uuid
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP as MAIL
from email.utils import format_datetime
from hashlib import sha256

import aiosmtplib

from adapters.http_client import CONNECT_SECONDS, certificate_words, os_words
from adapters.rendering import Page, Renderer
from adapters.secrets import Mask, read_secret
from adapters.tls import TlsContexts
from domain.configuration import EmailIntegration, Secret
from domain.configuration.bundle import Templates
from domain.errors import DomainError, RejectedError, UnavailableError
from domain.notifications import Notification

COMMAND_SECONDS = 60.0
QUIT_SECONDS = 1.0


class EmailNotifier:
    """Implements `Notifier` for e-mail, over one connection for each message.

    Unlike Alertmanager it sends to those whom the server takes where it refuses some, and says whom it refused.
    """

    def __init__(self, renderer: Renderer, clock: Callable[[], datetime]) -> None:
        self._renderer = renderer
        self._clock = clock
        self._tls_contexts = TlsContexts()

    async def notify(
        self,
        integration: EmailIntegration,
        notification: Notification,
        *,
        incident: str = "",
        templates: Templates = (),
    ) -> str:
        page = self._renderer.page(notification, incident, templates)
        senders = _addresses(page.text(integration.sender), "from")
        if len(senders) != 1:
            raise RejectedError("from must be one address")
        recipients = _addresses(page.text(integration.to), "to")
        message = mail(integration, page, self._clock())
        mask = Mask([integration.username])
        try:
            return await self._send(integration, senders[0], recipients, message, mask)
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            failure = _failure(error, mask)
        # Raised out here, so without a cause, which may quote what was sent.
        raise failure

    async def _send(
        self, integration: EmailIntegration, sender: str, recipients: list[str], message: bytes, mask: Mask
    ) -> str:
        tls_context = self._tls_contexts.get(integration.tls)
        name = integration.tls.server_name or integration.host
        smtp = aiosmtplib.SMTP(
            hostname=name,
            local_hostname=integration.hello,
            use_tls=integration.implicit_tls,
            start_tls=False,
            tls_context=tls_context,
            timeout=COMMAND_SECONDS,
        )
        try:
            # Its socket is ours, so that the server may be called otherwise than it is reached.
            await smtp.connect(sock=await _connect(integration.host, integration.port))
            await _greet(smtp)
            if integration.require_tls and not integration.implicit_tls:
                if not smtp.supports_extension("starttls"):
                    raise RejectedError("the mail server offers no STARTTLS, which require_tls asks for")
                await smtp.starttls(tls_context=tls_context, server_hostname=name)
                await _greet(smtp)
            if integration.username and smtp.supports_extension("auth"):
                await _log_in(smtp, integration, mask)
            refused, answer = await smtp.sendmail(sender, recipients, message)
            with suppress(aiosmtplib.SMTPException, OSError):
                await asyncio.wait_for(smtp.quit(), QUIT_SECONDS)
        finally:
            smtp.close()
        words = mask.hide(f"250 {answer}")
        if refused:
            details = "; ".join(f"{address}: {reply.code} {reply.message}" for address, reply in refused.items())
            return f"{words}, but not for {mask.hide(details)}"
        return words


def mail(integration: EmailIntegration, page: Page, now: datetime) -> bytes:
    """The message with its headers, as it is sent; a value of several lines becomes one, so none adds a header."""
    message = EmailMessage(MAIL)
    text, html = page.text(integration.text), page.html(integration.html)
    message.make_alternative()
    # The preferred one comes last (RFC 2046, 5.1.4).
    for part, subtype in ((text, "plain"), (html, "html")):
        if part:
            message.add_alternative(_encodable(part), subtype=subtype, cte="quoted-printable")
    own = {name: " ".join(_encodable(page.text(template)).split()) for name, template in integration.headers}
    domain = _addresses(page.text(integration.sender), "from")[0].rpartition("@")[2]
    headers = own | {
        name: value
        for name, value in {
            "Date": format_datetime(now.astimezone(UTC)),
            "Message-Id": f"<{uuid.uuid4().hex}@{domain}>",
            "MIME-Version": "1.0",
            **_thread(integration, page, now),
        }.items()
        if name not in own
    }
    for name, value in headers.items():
        try:
            message[name] = value
        except (ValueError, IndexError):
            raise RejectedError(f"header {name} cannot hold what its template says") from None
    return message.as_bytes()


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _thread(integration: EmailIntegration, page: Page, now: datetime) -> dict[str, str]:
    """The headers by which mail programs show the mails of a group together, under a first one that nobody sent."""
    if integration.threading is None:
        return {}
    key = sha256(page.notification.group_key.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    day = f"{now.astimezone(UTC):%Y-%m-%d}" if integration.threading == "daily" else ""
    root = f"<alert-{key}-{day}@alertmanager>"
    return {"References": root, "In-Reply-To": root}


def _addresses(text: str, setting: str) -> list[str]:
    """The bare addresses of a list as a header has it: `Ops <ops@example.com>, me@example.com`."""
    try:
        parsed: tuple[Address, ...] = MAIL.header_factory("to", " ".join(text.split())).addresses
        found = [f"{address.username}@{address.domain.encode('idna').decode()}" for address in parsed if address.domain]
        is_sound = len(found) == len(parsed) > 0 and all(address.isascii() and address[0] != "@" for address in found)
    except (ValueError, IndexError, AttributeError):
        found, is_sound = [], False
    if not is_sound:
        raise RejectedError(f"{setting} is no list of e-mail addresses")
    return found


async def _connect(host: str, port: int) -> socket.socket:
    """A connection to the first of the host's addresses that answers."""
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
            failure: OSError | None = None
            for family, kind, protocol, _, address in found:
                connection = socket.socket(family, kind, protocol)
                connection.setblocking(False)
                try:
                    await loop.sock_connect(connection, address)
                except OSError as error:
                    connection.close()
                    failure = error
                except BaseException:
                    connection.close()
                    raise
                else:
                    return connection
    except TimeoutError:
        raise UnavailableError(f"cannot connect within {CONNECT_SECONDS:g} s") from None
    except socket.gaierror:
        raise UnavailableError("the host's name cannot be resolved") from None
    raise UnavailableError(f"cannot connect: {os_words(failure) if failure else 'no address'}")


async def _greet(smtp: aiosmtplib.SMTP) -> None:
    try:
        await smtp.ehlo()
    except aiosmtplib.SMTPHeloError:
        await smtp.helo()


async def _log_in(smtp: aiosmtplib.SMTP, integration: EmailIntegration, mask: Mask) -> None:
    """Log in by the first way of those that the server offers for which there is a secret."""
    is_encrypted = smtp.get_transport_info("sslcontext") is not None
    username, missing = integration.username, []
    for method in smtp.server_auth_methods:
        if method not in ("cram-md5", "plain", "login"):
            continue
        secret = _secret(integration.secret if method == "cram-md5" else integration.password, method, mask)
        if not secret:
            missing.append("auth_secret for CRAM-MD5" if method == "cram-md5" else "auth_password")
        elif method == "cram-md5":
            await smtp.auth_crammd5(username, secret)
            return
        elif method == "login":
            await smtp.auth_login(username, secret)
            return
        elif is_encrypted or integration.host in ("localhost", "127.0.0.1", "::1"):
            await _log_in_plain(smtp, integration.identity, username, secret, mask)
            return
        else:
            missing.append("TLS for PLAIN")
    wanted = ", ".join(dict.fromkeys(missing)) or "a way to log in that both know"
    raise RejectedError(f"cannot log in at the mail server: it takes {wanted}")


async def _log_in_plain(smtp: aiosmtplib.SMTP, identity: str, username: str, password: str, mask: Mask) -> None:
    response = base64.b64encode(f"{identity}\0{username}\0{password}".encode())
    mask.add_words([response.decode()])
    answer = await smtp.execute_command(b"AUTH", b"PLAIN", response)
    if answer.code != aiosmtplib.SMTPStatus.auth_successful:
        raise aiosmtplib.SMTPAuthenticationError(answer.code, answer.message)


def _secret(secret: Secret | None, method: str, mask: Mask) -> str:
    if secret is None:
        return ""
    value = read_secret(secret, "auth_secret" if method == "cram-md5" else "auth_password")
    mask.add_words([value, base64.b64encode(value.encode()).decode()])
    return value


def _failure(error: Exception, mask: Mask) -> DomainError:
    """The error of the tree: what the server says with 4yz may pass, what it says with 5yz will not."""
    match error:
        case aiosmtplib.SMTPRecipientsRefused():
            answers = "; ".join(f"{one.recipient}: {one.code} {one.message}" for one in error.recipients)
            message = f"the mail server takes no recipient: {mask.hide(answers)}"
            is_passing = any(one.code < 500 for one in error.recipients)
            refused: DomainError = UnavailableError(message) if is_passing else RejectedError(message)
            refused.loggable = "the mail server takes no recipient"
            return refused
        case aiosmtplib.SMTPResponseException():
            what = "refused the log-in" if isinstance(error, aiosmtplib.SMTPAuthenticationError) else "answered"
            message = f"{what}: {mask.hide(f'{error.code} {error.message}')}"
            refused = RejectedError(message) if error.code >= 500 else UnavailableError(message)
            refused.loggable = f"{what}: {error.code}"
            return refused
        case aiosmtplib.SMTPTimeoutError():
            return UnavailableError(f"the mail server did not answer within {COMMAND_SECONDS:g} s")
        case aiosmtplib.SMTPException() | OSError():
            return UnavailableError(_network_words(error))
        case _:
            return RejectedError("the message cannot be written: an address or hello holds a character it must not")


def _network_words(error: BaseException) -> str:
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return certificate_words(cause)
            case ssl.SSLError():
                return f"TLS: the handshake failed: {cause.reason or 'no reason given'}"
            case _:
                pass
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, aiosmtplib.SMTPServerDisconnected | aiosmtplib.SMTPConnectError):
        return "closed the connection without an answer"
    return f"the connection broke: {os_words(error) if isinstance(error, OSError) else type(error).__name__}"
