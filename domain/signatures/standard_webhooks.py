"""Standard Webhooks: the scheme of that specification, checked on what comes in and used on what goes out.

Source: https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md (version 1.0.0)
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from domain.errors import UnauthenticatedError
from domain.signatures import check_seconds, is_any, octets

SECRET_PREFIX = "whsec_"
PUBLIC_KEY_PREFIX = "whpk_"

MOST_SIGNATURES = 20
"""In one header; the specification wants one for each secret that the sender uses."""

LEAST_KEY_BYTES, MOST_KEY_BYTES = 24, 64
"""What the specification says of a secret; only what we sign with is held to it."""

_WHOSE = "the sender"


def read_key(secret: str) -> bytes:
    """The key that `whsec_...` stands for, also without the prefix or the padding.

    Raises:
        ValueError: It is not in base64, or empty; the words do not repeat it.
    """
    return _decode(secret.strip().removeprefix(SECRET_PREFIX), SECRET_PREFIX)


def read_public_key(text: str) -> bytes:
    """The 32 bytes of the Ed25519 key that `whpk_...` stands for.

    Raises:
        ValueError: They are not.
    """
    key = _decode(text.strip().removeprefix(PUBLIC_KEY_PREFIX), PUBLIC_KEY_PREFIX)
    if len(key) != 32:
        raise ValueError("an Ed25519 key has 32 bytes")
    return key


@dataclass(frozen=True, slots=True)
class Message:
    """What the headers of one request say, once they are known to be there."""

    timestamp: str
    signed: bytes
    symmetric: tuple[bytes, ...]
    """The signatures of version `v1`, in base64."""
    asymmetric: tuple[bytes, ...]
    """Those of version `v1a`, Ed25519, decoded."""

    def is_signed_with(self, keys: Sequence[bytes]) -> bool:
        """Whether one of these symmetric keys signed it."""
        right = [_signature(key, self.signed).rstrip(b"=") for key in keys]
        return is_any([one.rstrip(b"=") for one in self.symmetric], right)

    def check_time(self, now: datetime) -> None:
        """Raises UnauthenticatedError when its time, whose signature is right, is outside of the window."""
        check_seconds(self.timestamp, _WHOSE, now)


def read_message(headers: Mapping[str, str], body: bytes) -> Message:
    """What is signed, and the signatures; those of other versions are left out.

    Raises:
        UnauthenticatedError: A header is missing.
    """
    id, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = headers.get("webhook-signature", "").split()[:MOST_SIGNATURES]
    if not (id and timestamp and signatures):
        raise UnauthenticatedError("the request lacks webhook-id, webhook-timestamp or webhook-signature")
    pairs = [signature.partition(",") for signature in signatures]
    return Message(
        timestamp,
        octets(id) + b"." + octets(timestamp) + b"." + body,
        tuple(octets(text) for version, _, text in pairs if version == "v1"),
        tuple(decoded for version, _, text in pairs if version == "v1a" and (decoded := _try_decode(text)) is not None),
    )


def check_standard(headers: Mapping[str, str], body: bytes, keys: Sequence[bytes], now: datetime) -> None:
    """Whether the owner of one of these symmetric keys sent this, within the window.

    Raises:
        UnauthenticatedError: It was not, or too long ago.
    """
    message = read_message(headers, body)
    if not message.is_signed_with(keys):
        raise UnauthenticatedError("the request does not have the sender's signature")
    message.check_time(now)


def sign(id: str, body: bytes, keys: Sequence[bytes], now: datetime) -> dict[str, str]:
    """The headers of one attempt to send this body.

    Args:
        id: Of the message, the same for every attempt; without a full stop.
        body: The bytes that are sent.
        keys: All sign, so that whoever receives it can change from one to the next.
        now: The attempt's time.
    """
    timestamp = str(int(now.timestamp()))
    signed = b".".join((octets(id), timestamp.encode(), body))
    return {
        "webhook-id": id,
        "webhook-timestamp": timestamp,
        "webhook-signature": " ".join(f"v1,{_signature(key, signed).decode()}" for key in keys),
    }


def _signature(key: bytes, signed: bytes) -> bytes:
    return base64.b64encode(hmac.digest(key, signed, "sha256"))


def _decode(text: str, prefix: str) -> bytes:
    decoded = _try_decode(text)
    if not decoded:
        raise ValueError(f"expected {prefix} and a key in base64")
    return decoded


def _try_decode(text: str) -> bytes | None:
    try:
        return base64.b64decode(octets(text) + b"=" * (-len(text) % 4), validate=True)
    except binascii.Error:
        return None
