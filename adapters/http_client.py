"""HTTP client: one POST to a receiver as its `http_config` wants it, and what its answer means."""

from __future__ import annotations

import asyncio
import base64
import os
import re
import ssl
from collections.abc import Callable, Container, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
from aiohttp.abc import AbstractResolver
from multidict import CIMultiDict
from yarl import URL

from adapters.guard import UNGUARDED, Guard
from adapters.secrets import Mask, read_secret
from adapters.tls import TlsContexts
from domain.configuration import HttpConfig, Secret
from domain.errors import DomainError, RejectedError, UnavailableError

COMPATIBLE_VERSION = "0.34.0"
"""The Alertmanager whose requests these are; receivers may look for it in the User-Agent."""

MOST_REDIRECTS = 10
MOST_BODY_BYTES = 64 * 1024
LONGEST_RETRY_AFTER = timedelta(days=1)
CONNECT_SECONDS = 10.0
ANSWER_BODY_SECONDS = 1.0
SUCCESS_BODY_SECONDS = 0.2
MEANT_BODY_SECONDS = 10.0

_NOT_SET = HttpConfig()
_STATUSES = frozenset(HTTPStatus)
_REDIRECTS = (301, 302, 303, 307, 308)


@dataclass(frozen=True, slots=True)
class Reply:
    """What a receiver answered; its text may hold anything, so show only what `mask` hides."""

    status: int
    words: str
    """The status line without secrets: `200 OK`."""
    content_type: str
    text: str
    mask: Mask

    def refusal(self, details: str = "") -> RejectedError:
        """The error that says that trying this again does not help."""
        return self._without_words(RejectedError(self._message(details or self.text)))

    def unavailable(self, details: str = "", retry_after: timedelta | None = None) -> UnavailableError:
        """The error that says that trying this again may help."""
        return self._without_words(UnavailableError(self._message(details or self.text), retry_after))

    def _without_words[E: DomainError](self, error: E) -> E:
        # The receiver chooses the status line's words, too.
        known = HTTPStatus(self.status).phrase if self.status in _STATUSES else ""
        error.loggable = f"answered {self.status} {known}".rstrip()
        return error

    def _message(self, details: str) -> str:
        shown = self.mask.hide(details)
        return f"answered {self.words}: {shown}" if shown else f"answered {self.words}"


class HttpClient:
    """Posts to receivers over one pool of connections, made at the first use on the running loop.

    No error, and no part of an answer shown in one, holds the URL or a credential: the URL is often the only secret.
    Connections are shared only where address, proxy and TLS settings are equal: aiohttp's pool sees to the first two,
    one TLS context for each setting to the third.
    """

    def __init__(self, version: str, clock: Callable[[], datetime], guard: Guard = UNGUARDED) -> None:
        """`guard`: to which addresses nothing is sent; while it refuses any, no redirect is followed either."""
        self._guard = guard
        self._user_agent = f"Alertmanager/{COMPATIBLE_VERSION} Tocsin/{version}"
        self._clock = clock
        self._tls_contexts = TlsContexts()
        self._session: aiohttp.ClientSession | None = None
        self._resolver: AbstractResolver | None = None

    async def post(
        self,
        address: str,
        body: bytes,
        http: HttpConfig = _NOT_SET,
        *,
        setting: str,
        secrets: Iterable[str] = (),
        signature: Mapping[str, str] | None = None,
        retried: Container[int] = (429,),
        wants_text: bool = False,
    ) -> Reply:
        """Post this JSON once; the caller bounds the time it takes.

        Args:
            address: The URL; its every part counts as a secret.
            body: The JSON.
            http: How to post it.
            setting: What the URL is called in the configuration: `the webhook's url`.
            secrets: What stands in the body and must not be shown, should the answer echo it.
            signature: Headers that say who sent the body; they come before the configured ones.
            retried: The statuses beside 5xx after which trying again may help.
            wants_text: Whether success is told by the answer's text; else that is not waited for.

        Returns:
            The answer, its status a 2xx.

        Raises:
            UnavailableError: It did not answer, or with a status to try again on.
            RejectedError: It answered with any other status, or the request cannot be made.
        """
        url = _parse(address, setting)
        mask = Mask(secrets)
        mask.add_url(url)
        headers = _headers(http, url, mask)
        headers["Content-Type"] = "application/json"
        headers["User-Agent"] = self._user_agent
        headers.update(signature or {})
        proxy = _proxy(http.proxy_url, mask)
        # The name of either is looked at when it is resolved; a proxy's by us, and what it resolves itself by nobody.
        for host in (url.host, proxy and proxy.host):
            self._guard.check_host(host or "")
        tls_context = self._tls_contexts.get(http.tls)
        try:
            async with self._open_session().post(
                url.with_user(None),
                data=body,
                headers=headers,
                ssl=tls_context,
                server_hostname=http.tls.server_name,
                proxy=proxy,
                allow_redirects=http.follow_redirects and not self._guard.is_on,
                max_redirects=MOST_REDIRECTS,
            ) as response:
                return await self._judge(response, mask, retried, wants_text=wants_text)
        except (aiohttp.ClientError, OSError, ValueError) as error:
            failure = _failure(error, setting)
        # Raised out here, so without a cause: aiohttp's errors carry the URL, and a logged traceback would print it.
        raise failure

    async def close(self) -> None:
        """Close all connections; requests that still run fail as unavailable."""
        if self._session is not None:
            await self._session.close()
        if self._resolver is not None:
            await self._resolver.close()

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None or self._session.closed:
            self._resolver = self._guard.make_resolver()
            self._session = aiohttp.ClientSession(
                # How many requests run at once is the deliverer's affair; a common limit would let one slow receiver
                # hold up the others.
                connector=aiohttp.TCPConnector(limit=0, resolver=self._resolver),
                # The caller bounds an attempt; only a connection that does not come about is given up here.
                timeout=aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS),
                cookie_jar=aiohttp.DummyCookieJar(),
                # A compressed answer could be a bomb, and is shown to nobody.
                auto_decompress=False,
                skip_auto_headers=("Accept", "Accept-Encoding"),
            )
        return self._session

    async def _judge(
        self, response: aiohttp.ClientResponse, mask: Mask, retried: Container[int], *, wants_text: bool
    ) -> Reply:
        mask.add_url(response.url)
        is_success = 200 <= response.status < 300
        # After a success often read only so that the connection can be used again; the answer is known.
        patience = (MEANT_BODY_SECONDS if wants_text else SUCCESS_BODY_SECONDS) if is_success else ANSWER_BODY_SECONDS
        body = await _read_body(response, patience)
        reply = Reply(
            response.status,
            mask.hide(f"{response.status} {response.reason or ''}"),
            response.content_type,
            body.decode(errors="replace"),
            mask,
        )
        if is_success:
            return reply
        if response.status >= 500 or response.status in retried:
            raise reply.unavailable(retry_after=_retry_after(response.headers.get("Retry-After", ""), self._clock()))
        if response.status in _REDIRECTS and self._guard.is_on:
            raise reply.refusal("redirects are not followed here: set the url to where it leads")
        raise reply.refusal()


def _parse(address: str, setting: str) -> URL:
    try:
        url = URL(address)
    except ValueError:
        url = URL()
    # No cause either way: it would quote the URL.
    if url.scheme not in ("http", "https") or not url.host:
        raise RejectedError(f"{setting} is not an HTTP address")
    return url


def _headers(http: HttpConfig, url: URL, mask: Mask) -> CIMultiDict[str]:
    """The configured headers and the authorization; their values join what is masked."""
    headers = CIMultiDict(http.headers)
    mask.add_words(headers.values())
    # As in Go, credentials in the URL come before the configured ones.
    if url.user is not None or url.password is not None:
        headers["Authorization"] = _basic(url.user or "", url.password or "", mask)
    elif http.username is not None or http.username_file is not None or http.password is not None:
        username = read_secret(Secret(http.username, http.username_file), "basic_auth.username")
        password = read_secret(http.password or Secret(""), "basic_auth.password")
        headers["Authorization"] = _basic(username, password, mask)
    elif http.bearer is not None:
        credentials = read_secret(http.bearer, "authorization.credentials")
        mask.add_words([credentials])
        headers["Authorization"] = f"{http.bearer_type} {credentials}"
    return headers


def _proxy(proxy_url: str | None, mask: Mask) -> URL | None:
    """The proxy's address; aiohttp takes its credentials from there, for plain requests as for tunnels."""
    if not proxy_url:
        return None
    try:
        url = URL(proxy_url)
    except ValueError:
        url = URL()
    if url.scheme not in ("http", "https") or not url.host:
        raise RejectedError("proxy_url is not the HTTP address of a proxy")
    mask.add_url(url)
    return url


def _basic(username: str, password: str, mask: Mask) -> str:
    encoded = base64.b64encode(f"{username}:{password}".encode()).decode()
    mask.add_words([username, password, encoded])
    return f"Basic {encoded}"


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


def _failure(error: Exception, setting: str) -> DomainError:
    """The error of the tree for one of aiohttp's, in words of our own: theirs quote addresses."""
    match error:
        # Before its bases: the receiver chose that address, so another time it may choose better.
        case aiohttp.RedirectClientError():
            return UnavailableError("redirected to something that is not an HTTP address")
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return RejectedError(f"{setting} is not an HTTP address")
        case aiohttp.ClientError() | OSError():
            return UnavailableError(_network_words(error))
        case _:
            return RejectedError("the request cannot be written: a header or the url holds a character it must not")


def _network_words(error: aiohttp.ClientError | OSError) -> str:
    match error:
        case aiohttp.TooManyRedirects():
            return f"redirected {MOST_REDIRECTS} times"
        case aiohttp.ClientConnectorCertificateError(certificate_error=ssl.SSLCertVerificationError() as refusal):
            return certificate_words(refusal)
        case aiohttp.ClientSSLError():
            return f"TLS: the handshake failed: {getattr(error.os_error, 'reason', None) or 'no reason given'}"
        case aiohttp.ClientProxyConnectionError():
            return f"cannot connect to the proxy: {os_words(error.os_error)}"
        case aiohttp.ClientConnectorDNSError():
            return "the host's name cannot be resolved"
        case aiohttp.ClientConnectorError():
            return f"cannot connect: {os_words(error.os_error)}"
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
            return f"the connection broke: {os_words(error)}"
        case _:
            return f"the request failed: {type(error).__name__}"


def certificate_words(refusal: ssl.SSLCertVerificationError) -> str:
    """Why a certificate is not trusted, without the host's name, which follows the comma."""
    return f"TLS: the receiver's certificate is not trusted: {refusal.verify_message.partition(',')[0]}"


def os_words(error: OSError) -> str:
    """What the system says; not `strerror`, into which asyncio writes addresses."""
    return os.strerror(error.errno) if error.errno else type(error).__name__
