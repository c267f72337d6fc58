"""Verifier: proves that a payload was sent by its source, in the way that the `tocsin.yml` wants of it."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from adapters.secrets import read_secret
from domain.configuration.integrations import Secret
from domain.errors import RejectedError, UnauthenticatedError, UnavailableError
from domain.signatures.verification import (
    EntraToken,
    GithubHmac,
    GrafanaHmac,
    PagerdutyHmac,
    SentryHmac,
    SharedBasic,
    SharedBearer,
    SharedHeader,
    SnsTopics,
    StandardWebhooks,
    Verification,
)

if TYPE_CHECKING:
    from adapters.entra import Entra
    from adapters.sns_certificates import SnsCertificates
    from domain.sources.definitions import Source
    from domain.sources.reading import Payload
    from domain.sources.sns import Subscription

log = logging.getLogger("tocsin.sources")


class Verifier:
    """One for each process, for it keeps the certificates and the keys that others publish."""

    def __init__(
        self,
        tenants: Sequence[str],
        authority: str,
        *,
        certificates: SnsCertificates | None = None,
    ) -> None:
        """`tenants` count where a source names none; `certificates` are made when first asked for, unless given."""
        self._tenants = tenants
        self._authority = authority
        self._made_certificates = certificates
        self._entra: dict[tuple[tuple[str, ...], tuple[str, ...]], Entra] = {}
        self._in_trouble: dict[tuple[Secret, ...], str] = {}
        """What of which secrets cannot be read: logged once, not for everybody who sends something wrong."""

    async def verify(self, source: Source, payload: Payload, now: datetime) -> None:
        """Hold a payload to its source's `verify`; one without it is content with the API key.

        Raises:
            UnauthenticatedError: It was not sent by this source, or too long ago.
            UnavailableError: That cannot be told now: a secret cannot be read, or a certificate or key not fetched.
        """
        if source.verification is not None:
            await self._verify(source, source.verification, payload, now)

    async def confirm(self, source: Source, subscription: Subscription) -> str:
        """Do what SNS asks for, once the message that asks for it has been verified.

        Only a topic that the source lists is confirmed; of any other one a person must decide.

        Returns:
            A line that says what was left to do; empty where nothing is.

        Raises:
            UnavailableError: SNS could not be told now: it asks again.
        """
        if not subscription.is_offered:
            return ""
        topic = subscription.topic[:300]
        wanted = source.verification
        if not isinstance(wanted, SnsTopics) or subscription.topic not in wanted.topics:
            log.warning(
                "SNS offers source %s the subscription to %r; to take it, list the topic under verify.sns.topics of"
                " this source in the tocsin.yml, and have SNS ask once more",
                source.name,
                topic,
            )
            return f"the subscription to {topic} is not confirmed: the source does not list the topic"
        await self._certificates.confirm(subscription.url, subscription.topic)
        return ""

    async def _verify(self, source: Source, wanted: Verification, payload: Payload, now: datetime) -> None:
        headers, body = payload.headers, payload.body
        match wanted:
            case SnsTopics(topics=topics):
                from domain.signatures.sns import read_envelope

                await self._certificates.check(read_envelope(body, topics, now), now)
            case EntraToken():
                await self._verify_token(wanted, headers)
            case StandardWebhooks():
                self._verify_standard(source, wanted, payload, now)
            case GrafanaHmac() as grafana:
                from domain.signatures.digests import check_grafana

                names = {"header": grafana.header, "timestamp_header": grafana.timestamp_header}
                self._check(
                    source, grafana.secrets, lambda secrets: check_grafana(headers, body, secrets, now, **names)
                )
            case GithubHmac(secrets=kept):
                from domain.signatures.digests import check_github

                self._check(source, kept, lambda secrets: check_github(headers, body, secrets))
            case SentryHmac(secrets=kept):
                from domain.signatures.digests import check_sentry

                self._check(source, kept, lambda secrets: check_sentry(headers, body, secrets))
            case PagerdutyHmac(secrets=kept):
                from domain.signatures.digests import check_pagerduty

                self._check(source, kept, lambda secrets: check_pagerduty(headers, body, secrets))
            case SharedHeader(name=name, secrets=kept):
                from domain.signatures.shared import check_header

                self._check(source, kept, lambda secrets: check_header(headers, name, secrets))
            case SharedBearer(secrets=kept):
                from domain.signatures.shared import check_bearer

                self._check(source, kept, lambda secrets: check_bearer(headers, secrets))
            case SharedBasic(secrets=kept, username=username):
                from domain.signatures.shared import check_basic

                self._check(source, kept, lambda secrets: check_basic(headers, username, secrets))

    def _verify_standard(self, source: Source, wanted: StandardWebhooks, payload: Payload, now: datetime) -> None:
        from domain.signatures.standard_webhooks import check_standard, read_key, read_message, read_public_key

        if wanted.public_keys:
            message = read_message(payload.headers, payload.body)
            keys = [read_public_key(key) for key in wanted.public_keys]
            if _is_signed_by_any(keys, message.asymmetric, message.signed):
                message.check_time(now)
                return
        self._check(
            source,
            wanted.secrets,
            lambda secrets: check_standard(
                payload.headers, payload.body, [read_key(secret) for secret in secrets], now
            ),
            read_key,
        )

    async def _verify_token(self, wanted: EntraToken, headers: Mapping[str, str]) -> None:
        scheme, _, token = headers.get("authorization", "").strip().partition(" ")
        if scheme.lower() != "bearer" or not token:
            raise UnauthenticatedError("the request has no token of Entra ID")
        tenants = wanted.tenants or tuple(self._tenants)
        if not tenants:
            raise UnavailableError("no tenant is listed: name it under `verify`, or in TOCSIN_ENTRA_TENANTS")
        entra = self._entra.get((tenants, wanted.audiences))
        if entra is None:
            from adapters.entra import Entra

            entra = self._entra[tenants, wanted.audiences] = Entra(tenants, wanted.audiences, self._authority)
        claims = await entra.validate(token.strip())
        # `azp` in tokens of version 2, `appid` in those of version 1.
        app = claims.get("azp") or claims.get("appid")
        if not isinstance(app, str) or app.lower() not in wanted.app_ids:
            raise UnauthenticatedError("the token is of an app that may not send for this source")

    def _check(
        self,
        source: Source,
        secrets: tuple[Secret, ...],
        check: Callable[[Sequence[str]], None],
        judge: Callable[[str], object] = str,
    ) -> None:
        """Ask `check` with what of the secrets can be read: what cannot be must not make the right sender a wrong one.

        `judge` raises ValueError for a secret that cannot be one.
        """
        values, trouble = [], ""
        for place, secret in enumerate(secrets):
            try:
                value = read_secret(secret, f"secret {place + 1}")
                if not value:
                    raise ValueError("it is empty")
                judge(value)
            except (RejectedError, UnavailableError) as error:
                trouble = str(error)
            except ValueError as error:
                trouble = f"secret {place + 1} cannot be used: {error}"
            else:
                values.append(value)
        if trouble and self._in_trouble.get(secrets) != trouble:
            log.error("source %s: %s", source.name, trouble)
        self._in_trouble[secrets] = trouble
        try:
            check(values)
        except UnauthenticatedError:
            if trouble:
                raise UnavailableError(f"the secrets of source {source.name} cannot all be read now") from None
            raise

    @property
    def _certificates(self) -> SnsCertificates:
        if self._made_certificates is None:
            from adapters.sns_certificates import SnsCertificates

            self._made_certificates = SnsCertificates()
        return self._made_certificates


def _is_signed_by_any(keys: Iterable[bytes], signatures: Sequence[bytes], signed: bytes) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    for key in keys:
        for signature in signatures:
            try:
                Ed25519PublicKey.from_public_bytes(key).verify(signature, signed)
            except (InvalidSignature, ValueError):
                continue
            return True
    return False
