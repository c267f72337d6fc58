"""SNS: the certificates that it signs with, and the confirmation of subscriptions; no other address is ever asked."""

from __future__ import annotations

import asyncio
import logging
import ssl
import time
from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from domain.errors import UnauthenticatedError, UnavailableError
from domain.signatures.sns import Envelope, is_certificate_url, is_confirmation_url

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

log = logging.getLogger("tocsin.sns")

FETCH_SECONDS = 5.0
MOST_BYTES = 16 * 1024
MOST_KEPT = 32
KEPT_SECONDS = 24 * 3600.0
LEAST_KEY_BITS = 2048

FETCHES_PER_MINUTE = 20
"""Whoever forges messages names a new certificate in each, and must not make us ask AWS as often as he asks us."""


@dataclass(frozen=True, slots=True)
class _Certificate:
    key: RSAPublicKey
    not_before: datetime
    not_after: datetime
    fetched_at: float


class SnsCertificates:
    """Asks SNS over HTTPS, without redirects, within bounds of time and size; certificates are kept for a day."""

    def __init__(
        self,
        *,
        resolver: Callable[[], AbstractResolver] | None = None,
        tls: ssl.SSLContext | None = None,
        seconds: Callable[[], float] = time.monotonic,
    ) -> None:
        """`resolver` and `tls` are for tests, to which SNS is a server on this machine."""
        self._resolver = resolver
        self._tls = tls
        self._seconds = seconds
        self._kept: OrderedDict[str, _Certificate] = OrderedDict()
        self._asked: deque[float] = deque(maxlen=FETCHES_PER_MINUTE)
        self._turns: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def check(self, envelope: Envelope, now: datetime) -> None:
        """Whether SNS signed this.

        Raises:
            UnauthenticatedError: It did not, or there is no such certificate, or that one is not valid now.
            UnavailableError: The certificate could not be fetched.
        """
        from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15

        certificate = await self._get(envelope.certificate_url)
        if not certificate.not_before <= now <= certificate.not_after:
            raise UnauthenticatedError("the certificate of SNS is not valid now")
        # SHA-1 is what version 1 has, and version 1 is what a topic has unless somebody changed it.
        digest = hashes.SHA256() if envelope.digest == "sha256" else hashes.SHA1()
        try:
            certificate.key.verify(envelope.signature, envelope.signed, PKCS1v15(), digest)
        except InvalidSignature:
            raise UnauthenticatedError("the message does not have the signature of SNS") from None
        except UnsupportedAlgorithm as error:
            raise UnauthenticatedError("this machine refuses SHA-1: let the topic sign with SHA-256") from error

    async def confirm(self, url: str, topic: str) -> None:
        """Confirm a subscription to this topic, whose offer was signed.

        Raises:
            UnauthenticatedError: The address is not that of SNS for this; it was not asked.
            UnavailableError: SNS did not confirm it now.
        """
        if not is_confirmation_url(url, topic):
            raise UnauthenticatedError("the SubscribeURL is not one of SNS that confirms this topic")
        status, _ = await self._fetch(url)
        if status != 200:
            raise UnavailableError(f"SNS answered {status} to the confirmation of {topic}")
        log.info("confirmed the subscription to %s", topic)

    async def _get(self, url: str) -> _Certificate:
        if not is_certificate_url(url):  # asked again here, where it is fetched
            raise UnauthenticatedError("the SigningCertURL is none of SNS")
        if (kept := self._find(url)) is not None:
            return kept
        async with self._turns.setdefault(url, asyncio.Lock()):  # one asks; the others find what it found
            if (kept := self._find(url)) is None:
                kept = self._kept[url] = await self._fetch_certificate(url, self._seconds())
                if len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            return kept

    def _find(self, url: str) -> _Certificate | None:
        kept = self._kept.get(url)
        if kept is None or self._seconds() - kept.fetched_at >= KEPT_SECONDS:
            return None
        self._kept.move_to_end(url)
        return kept

    async def _fetch_certificate(self, url: str, now: float) -> _Certificate:
        if len(self._asked) == FETCHES_PER_MINUTE and now - self._asked[0] < 60:
            raise UnavailableError("too many certificates of SNS are asked for")
        self._asked.append(now)
        status, body = await self._fetch(url)
        if 400 <= status < 500 and status != 429:
            raise UnauthenticatedError("SNS has no such certificate")
        if status != 200:
            raise UnavailableError(f"SNS answered {status} when asked for its certificate")
        return _read_certificate(body, now)

    async def _fetch(self, url: str) -> tuple[int, bytes]:
        """The status, and the body where that is 200."""
        import aiohttp
        from yarl import URL

        try:
            async with (
                aiohttp.ClientSession(
                    connector=self._make_connector(),
                    timeout=aiohttp.ClientTimeout(total=FETCH_SECONDS),
                    cookie_jar=aiohttp.DummyCookieJar(),
                    auto_decompress=False,
                ) as session,
                session.get(
                    URL(url, encoded=True), allow_redirects=False, headers={"Accept-Encoding": "identity"}
                ) as answer,
            ):
                body = b""
                while answer.status == 200 and not answer.content.at_eof() and len(body) <= MOST_BYTES:
                    body += await answer.content.read(MOST_BYTES + 1 - len(body))
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            raise UnavailableError(f"SNS did not answer: {type(error).__name__}") from error
        if len(body) > MOST_BYTES:
            raise UnavailableError("the answer of SNS is too long")
        return answer.status, body

    def _make_connector(self) -> aiohttp.TCPConnector:
        import aiohttp

        resolver = self._resolver() if self._resolver is not None else None
        return aiohttp.TCPConnector(resolver=resolver, ssl=self._tls if self._tls is not None else True)


def _read_certificate(body: bytes, fetched_at: float) -> _Certificate:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    try:
        # Nothing before it: a reader of PEM takes it also out of the midst of something else.
        if not body.startswith(b"-----BEGIN CERTIFICATE-----"):
            raise ValueError
        certificate = x509.load_pem_x509_certificate(body)
        key = certificate.public_key()
    except (ValueError, TypeError) as error:
        raise UnauthenticatedError("what SNS has there is no certificate") from error
    if not isinstance(key, RSAPublicKey) or key.key_size < LEAST_KEY_BITS:
        raise UnauthenticatedError("the certificate has no key that SNS would use")
    return _Certificate(key, certificate.not_valid_before_utc, certificate.not_valid_after_utc, fetched_at)
