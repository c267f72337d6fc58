"""Webhook: Alertmanager's payload, version 4, and the HTTP request that carries it."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import ssl
import tempfile
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from multidict import CIMultiDict
from yarl import URL

from domain.configuration import HttpConfig, Integration, Secret, TlsConfig
from domain.errors import DomainError, RejectedError, UnavailableError
from domain.notifications import Notification, ToldAlert, common_annotations, common_labels, status

COMPATIBLE_VERSION = "0.34.0"
"""The Alertmanager whose webhooks these are; receivers may look for it in the User-Agent."""

NO_END = "0001-01-01T00:00:00Z"
"""How Alertmanager prints the end of an alert that fires (WH-6)."""

MOST_REDIRECTS = 10
MOST_BODY_BYTES = 64 * 1024
MOST_SHOWN_CHARACTERS = 200
LONGEST_RETRY_AFTER = timedelta(days=1)
CONNECT_SECONDS = 10.0
ANSWER_BODY_SECONDS = 1.0
SUCCESS_BODY_SECONDS = 0.2

_TLS_VERSIONS = {
    "TLS10": ssl.TLSVersion.TLSv1,
    "TLS11": ssl.TLSVersion.TLSv1_1,
    "TLS12": ssl.TLSVersion.TLSv1_2,
    "TLS13": ssl.TLSVersion.TLSv1_3,
}


def payload(notification: Notification, external_url: str, max_alerts: int) -> dict[str, Any]:
    """The message of version 4, about the first `max_alerts` alerts (0 for all); of more it tells only how many.

    Source: notify/webhook/webhook.go and template/template.go in Alertmanager 0.34 (WH-1 to WH-6, WH-9).
    """
    told = notification.alerts[:max_alerts] if max_alerts else notification.alerts
    return {
        "receiver": quote_meta(notification.receiver),
        "status": status(notification, told),
        "alerts": [_alert(one) for one in told],
        "notification_reason": str(notification.reason),
        "groupLabels": notification.group_labels,
        "commonLabels": common_labels(told),
        "commonAnnotations": common_annotations(told),
        "routeLabels": notification.route_labels,
        "externalURL": external_url,
        "version": "4",
        "groupKey": notification.group_key,
        "truncatedAlerts": notification.truncated + len(notification.alerts) - len(told),
    }


def _alert(told: ToldAlert) -> dict[str, Any]:
    alert = told.alert
    return {
        "status": "firing" if told.is_firing else "resolved",
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "startsAt": alert.starts_text or go_time(alert.starts_at),
        "endsAt": NO_END if told.is_firing else alert.ends_text or go_time(alert.ends_at),
        "generatorURL": alert.generator_url,
        "fingerprint": alert.fingerprint,
    }


def quote_meta(text: str) -> str:
    """Escapes what a Go regular expression would read as more than itself, and nothing else: `regexp.QuoteMeta`."""
    return re.sub(r"[\\.+*?()|\[\]{}^$]", r"\\\g<0>", text)


def go_time(instant: datetime) -> str:
    """The instant as Go's `time.RFC3339Nano` prints it: no trailing zeros of a second, and `Z` for any zero offset."""
    offset = instant.utcoffset() or timedelta(0)
    local = instant.replace(tzinfo=None)
    text = local.isoformat(timespec="microseconds").rstrip("0").rstrip(".") if local.microsecond else local.isoformat()
    if not offset:
        return f"{text}Z"
    minutes = abs(offset) // timedelta(minutes=1)
    return f"{text}{'-' if offset < timedelta(0) else '+'}{minutes // 60:02}:{minutes % 60:02}"


class WebhookNotifier:
    """Implements `Notifier` for webhooks over one pool of connections, made at the first use on the running loop.

    No error, and no part of an answer shown in one, holds the URL or a credential: the URL is often the only secret.
    Connections are shared only where address, proxy and TLS settings are equal: aiohttp's pool sees to the first two,
    one TLS context for each setting to the third.
    """

    def __init__(self, external_url: str, version: str, clock: Callable[[], datetime]) -> None:
        self._external_url = external_url
        self._user_agent = f"Alertmanager/{COMPATIBLE_VERSION} Tocsin/{version}"
        self._clock = clock
        self._tls_contexts = _TlsContexts()
        self._session: aiohttp.ClientSession | None = None

    async def notify(self, integration: Integration, notification: Notification) -> str:
        http = integration.http
        url = _url(integration.url)
        secrets = _Secrets(url)
        headers = _headers(http, url, secrets)
        headers["Content-Type"] = "application/json"
        headers["User-Agent"] = self._user_agent
        proxy = _proxy(http.proxy_url, secrets)
        tls_context = self._tls_contexts.get(http.tls)
        body = msgspec.json.encode(payload(notification, self._external_url, integration.max_alerts))
        try:
            async with self._open_session().post(
                url.with_user(None),
                data=body,
                headers=headers,
                ssl=tls_context,
                server_hostname=http.tls.server_name,
                proxy=proxy,
                allow_redirects=http.follow_redirects,
                max_redirects=MOST_REDIRECTS,
            ) as response:
                return await self._judge(response, secrets)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure(error)
        # Raised out here, so without a cause: aiohttp's errors carry the URL, and a logged traceback would print it.
        raise failure

    async def close(self) -> None:
        """Close all connections; requests that still run fail as unavailable."""
        if self._session is not None:
            await self._session.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._session = aiohttp.ClientSession(
                # How many requests run at once is the deliverer's affair; a common limit would let one slow receiver
                # hold up the others.
                connector=aiohttp.TCPConnector(limit=0),
                # The caller bounds an attempt; only a connection that does not come about is given up here.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                # A compressed answer could be a bomb, and is shown to nobody.
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding"),
            )
        return self._session

    async def _judge(self, response: aiohttp.ClientResponse, secrets: _Secrets) -> str:
        secrets.add_url(response.url)
        answer = secrets.hide(f"{response.status} {response.reason or ''}")
        if 200 <= response.status < 300:
            # Read only so that the connection can be used again; the answer is known.
            await _read_body(response, SUCCESS_BODY_SECONDS)
            return answer
        text = secrets.hide((await _read_body(response, ANSWER_BODY_SECONDS)).decode(errors="replace"))
        message = f"answered {answer}: {text}" if text else f"answered {answer}"
        if response.status == 429 or response.status >= 500:
            raise UnavailableError(message, _retry_after(response.headers.get("Retry-After", ""), self._clock()))
        raise RejectedError(message)


def _url(secret: Secret) -> URL:
    try:
        url = URL(_read(secret, "url"))
    except ValueError:
        url = URL()
    # No cause either way: it would quote the URL.
    if url.scheme not in ("http", "https") or not url.host:
        raise RejectedError("the webhook's url is not an HTTP address")
    return url


def _headers(http: HttpConfig, url: URL, secrets: _Secrets) -> CIMultiDict[str]:
    """The configured headers and the authorization; their values join the secrets."""
    headers = CIMultiDict(http.headers)
    secrets.add_words(headers.values())
    # As in Go, credentials in the URL come before the configured ones.
    if url.user is not None or url.password is not None:
        headers["Authorization"] = _basic(url.user or "", url.password or "", secrets)
    elif http.username is not None or http.username_file is not None or http.password is not None:
        username = _read(Secret(http.username, http.username_file), "basic_auth.username")
        password = _read(http.password or Secret(""), "basic_auth.password")
        headers["Authorization"] = _basic(username, password, secrets)
    elif http.bearer is not None:
        credentials = _read(http.bearer, "authorization.credentials")
        secrets.add_words([credentials])
        headers["Authorization"] = f"{http.bearer_type} {credentials}"
    return headers


def _proxy(proxy_url: str | None, secrets: _Secrets) -> URL | None:
    """The proxy's address; aiohttp takes its credentials from there, for plain requests as for tunnels."""
    if not proxy_url:
        return None
    try:
        url = URL(proxy_url)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise RejectedError("proxy_url is not the HTTP address of a proxy")
    secrets.add_url(url)
    return url


def _basic(username: str, password: str, secrets: _Secrets) -> str:
    encoded = base64.b64encode(f"{username}:{password}".encode()).decode()
    secrets.add_words([username, password, encoded])
    return f"Basic {encoded}"


def _read(secret: Secret, setting: str) -> str:
    """The secret's value; a file is read at each use, so that a rotated one needs no reload."""
    if secret.file is None:
        return secret.value or ""
    try:
        return Path(secret.file).read_text("utf-8").strip()
    except OSError as error:
        raise UnavailableError(f"{setting} cannot be read from {secret.file}: {error.strerror}") from error
    except UnicodeDecodeError:
        failure = UnavailableError(f"{setting} cannot be read from {secret.file}: not UTF-8")
    # Without its cause, which quotes the file.
    raise failure


async def _read_body(response: aiohttp.ClientResponse, seconds: float) -> bytes:
    """What came of the body in that time, cut off at `MOST_BODY_BYTES`."""
    body = bytearray()
    with suppress(aiohttp.ClientError, OSError):  # TimeoutError is an OSError
        async with asyncio.timeout(seconds):
            while len(body) < MOST_BODY_BYTES and (chunk := await response.content.read(MOST_BODY_BYTES - len(body))):
                body += chunk
    return bytes(body)


def _retry_after(header: str, now: datetime) -> timedelta | None:
    """What the header asks for, in seconds or as a date; None when it says nothing that can be read."""
    header = header.strip()
    if re.fullmatch("[0-9]+", header):
        return LONGEST_RETRY_AFTER if len(header) > 6 else min(timedelta(seconds=int(header)), LONGEST_RETRY_AFTER)
    try:
        date = parsedate_to_datetime(header)
    except ValueError:
        return None
    if date.tzinfo is None:
        date = date.replace(tzinfo=UTC)
    return min(max(date - now, timedelta(0)), LONGEST_RETRY_AFTER)


def _failure(error: Exception) -> DomainError:
    """The error of the tree for one of aiohttp's, in words of our own: theirs quote addresses."""
    match error:
        # Before its bases: the receiver chose that address, so another time it may choose better.
        case aiohttp.RedirectClientError():
            return UnavailableError("redirected to something that is not an HTTP address")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return RejectedError("the webhook's url is not an HTTP address")
        case aiohttp.ClientError() | OSError():
            return UnavailableError(_network_words(error))
        case _:
            return RejectedError("the request cannot be written: a header or the url holds a character it must not")


def _network_words(error: aiohttp.ClientError | OSError) -> str:
    match error:
        case aiohttp.TooManyRedirects():
            return f"redirected {MOST_REDIRECTS} times"
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as refusal):
            # What follows the comma is the host's name.
            return f"TLS: the receiver's certificate is not trusted: {refusal.verify_message.partition(',')[0]}"
        case aiohttp.ClientSSLError():
            return f"TLS: the handshake failed: {getattr(error.os_error, 'reason', None) or 'no reason given'}"
        case aiohttp.ClientProxyConnectionError():
            return f"cannot connect to the proxy: {_os_words(error.os_error)}"
        case aiohttp.ClientConnectorDNSError():
            return "the host's name cannot be resolved"
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {_os_words(error.os_error)}"
        case aiohttp.ClientHttpProxyError():
            return f"the proxy answered {error.status}"
        case aiohttp.ClientResponseError():
            return "answered something that is not HTTP"
        case aiohttp.ServerTimeoutError():
            return f"cannot connect within {CONNECT_SECONDS:g} s"
        case aiohttp.ServerDisconnectedError():
            return "closed the connection without an answer"
        case ssl.SSLError():
            return f"TLS: the connection failed: {error.reason or 'no reason given'}"
        case OSError():
            return f"the connection broke: {_os_words(error)}"
        case _:
            return f"the request failed: {type(error).__name__}"


def _os_words(error: OSError) -> str:
    # Not `strerror`: asyncio writes addresses into it.
    return os.strerror(error.errno) if error.errno else type(error).__name__


class _Secrets:
    """What an answer must not show, however it came to echo it: the parts of the URL, the credentials."""

    def __init__(self, url: URL) -> None:
        self._words: set[str] = set()
        self.add_url(url)

    def add_words(self, words: Iterable[str]) -> None:
        self._words.update(words)

    def add_url(self, url: URL) -> None:
        self.add_words([str(url), url.human_repr(), url.host or "", url.raw_query_string, url.query_string])
        self.add_words([*url.parts, *url.raw_parts, *url.query.values(), url.user or "", url.password or ""])

    def hide(self, text: str) -> str:
        """The text in one line, without the secrets and what no terminal should get, cut to what is shown."""
        # The longest first, else a part would be hidden and leave the rest; what is shorter than four hides nothing.
        for word in sorted(self._words, key=len, reverse=True):
            if len(word) >= 4:
                text = text.replace(word, "<hidden>")
        line = "".join(character if character.isprintable() else " " for character in text)
        line = " ".join(line.split())
        return line if len(line) <= MOST_SHOWN_CHARACTERS else f"{line[: MOST_SHOWN_CHARACTERS - 1]}…"


class _TlsContexts:
    """One context for each TLS setting, made anew when one of its files has changed."""

    def __init__(self) -> None:
        self._contexts: dict[TlsConfig, tuple[object, ssl.SSLContext]] = {}

    def get(self, tls: TlsConfig) -> ssl.SSLContext:
        try:
            stamp = [_stamp(path) for path in (tls.ca_file, tls.cert_file, tls.key and tls.key.file) if path]
            known = self._contexts.get(tls)
            if known is None or known[0] != stamp:
                known = self._contexts[tls] = (stamp, _tls_context(tls))
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            reason = getattr(error, "reason", None) or getattr(error, "strerror", None) or type(error).__name__
            failure = UnavailableError(f"tls_config cannot be used: {reason}")
        else:
            return known[1]
        raise failure


def _stamp(path: str) -> tuple[int, int, int]:
    facts = Path(path).stat()
    return facts.st_mtime_ns, facts.st_size, facts.st_ino


def _tls_context(tls: TlsConfig) -> ssl.SSLContext:
    # Not create_default_context(): since Python 3.13 its VERIFY_X509_STRICT refuses private CAs that Go accepts.
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if tls.insecure_skip_verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.ca_file:
        context.load_verify_locations(cafile=tls.ca_file)
    elif tls.ca:
        context.load_verify_locations(cadata=tls.ca.encode("ascii", "ignore").decode())
    else:
        context.load_default_certs()
    if (tls.cert or tls.cert_file) and tls.key:
        with ExitStack() as files:
            cert = tls.cert_file or files.enter_context(_private_file(tls.cert or ""))
            key = tls.key.file or files.enter_context(_private_file(tls.key.value or ""))
            # An empty password, because OpenSSL would ask the terminal for that of an encrypted key, and wait.
            context.load_cert_chain(cert, key, password="")
    with warnings.catch_warnings(action="ignore", category=DeprecationWarning):  # TLS 1.0 and 1.1
        if tls.min_version:
            context.minimum_version = _TLS_VERSIONS[tls.min_version]
        if tls.max_version:
            context.maximum_version = _TLS_VERSIONS[tls.max_version]
    if "TLS10" in (tls.min_version, tls.max_version) or "TLS11" in (tls.min_version, tls.max_version):
        # Who asks for the old versions wants them to work; OpenSSL 3 has them only at this level.
        context.set_ciphers("DEFAULT:@SECLEVEL=0")
    return context


@contextmanager
def _private_file(text: str) -> Iterator[str]:
    """A file that only we can read, for as long as OpenSSL, which takes nothing else, reads it."""
    with tempfile.NamedTemporaryFile("w", encoding="utf-8", suffix=".pem") as file:
        file.write(text)
        file.flush()
        yield file.name
