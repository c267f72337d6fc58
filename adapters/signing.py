"""Signer: signs the webhooks of those receivers for which the `tocsin.yml` has secrets."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime
from hashlib import blake2b

from adapters.secrets import read_secret
from domain.configuration.integrations import Secret
from domain.errors import UnavailableError
from domain.notifications import Delivery
from domain.signatures.standard_webhooks import read_key, sign

type Signing = Callable[[str], tuple[Secret, ...]]
"""The secrets of the receiver of that name, the newest first; none where it is not signed for."""

_message: ContextVar[str] = ContextVar("message", default="")
"""The id of the message that is being delivered: one for all attempts, which no notifier but this one wants to know."""


def name_message(delivery: Delivery) -> None:
    """Say which delivery the attempts that follow in this task are of."""
    name = f"{delivery.group_id} {delivery.id} {delivery.notification.receiver}"
    _message.set(f"msg_{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}")


class Signer:
    """Signs by Standard Webhooks."""

    def __init__(self, signing: Signing, clock: Callable[[], datetime]) -> None:
        self._signing = signing
        self._clock = clock

    def sign(self, receiver: str, body: bytes) -> dict[str, str]:
        """The headers of one attempt; none where the receiver's webhooks are not signed.

        Raises:
            UnavailableError: None of its secrets can be used, for an unsigned webhook would be refused as a forged one.
            RejectedError: An environment variable that would hold one is not set.
        """
        keys = []
        for place, secret in enumerate(self._signing(receiver)):
            setting = f"sign: secret {place + 1} of the receiver"
            try:
                keys.append(read_key(read_secret(secret, setting)))
            except ValueError as error:
                raise UnavailableError(f"{setting} cannot be used: {error}") from None
        # A test page has no delivery.
        return sign(_message.get() or f"msg_{uuid.uuid4().hex}", body, keys, self._clock()) if keys else {}
