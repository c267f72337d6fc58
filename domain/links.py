"""Link: what a notification carries so that whoever was told can acknowledge without signing in.

It is signed, expires, and names one incident and the receiver that it was sent to.  Whoever has it may acknowledge that
incident, and nothing else: it is as secret as the message that carries it.
"""

from __future__ import annotations

import base64
import binascii
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from domain.errors import NotFoundError, RejectedError

LIFETIME = timedelta(hours=24)
"""From when it was sent; a repeat brings a new one."""

ACKNOWLEDGE = "acknowledge"
"""What a button is called that carries a token where messages have buttons, and by which its answer is known."""

_MAC_BYTES = 18
_PURPOSE = b"tocsin link 1\0"
"""The same secret signs other things as well."""


class ExpiredError(RejectedError):
    """It was a link, and is none any more: answer 410."""


@dataclass(frozen=True, slots=True)
class Invitation:
    """What a link lets its bearer do: acknowledge this incident."""

    incident: str
    receiver: str
    expires_at: datetime
    """To the second."""


def sign(invitation: Invitation, key: bytes) -> str:
    """The link's token, of characters that need no quoting in a URL."""
    fields = [invitation.incident, invitation.receiver, int(invitation.expires_at.timestamp())]
    body = json.dumps(fields, separators=(",", ":"), ensure_ascii=False).encode("utf-8", "surrogatepass")
    return f"{_text(body)}.{_text(_mac(body, key))}"


def read(token: str, key: bytes, now: datetime) -> Invitation:
    """What the token's signer said.

    Raises:
        NotFoundError: Nobody who has the key signed it.
        ExpiredError: It is too old.
    """
    body, _, mac = token.partition(".")
    try:
        signed, signature = _bytes(body), _bytes(mac)
    except (binascii.Error, ValueError):
        signed = signature = b""
    if not hmac.compare_digest(_mac(signed, key), signature):
        raise NotFoundError("no such link: it was cut, or another Tocsin made it")
    incident, receiver, expires_at = json.loads(signed.decode("utf-8", "surrogatepass"))
    invitation = Invitation(incident, receiver, datetime.fromtimestamp(expires_at, UTC))
    if invitation.expires_at <= now:
        raise ExpiredError("this link has expired")
    return invitation


def _mac(body: bytes, key: bytes) -> bytes:
    return hmac.digest(key, _PURPOSE + body, "sha256")[:_MAC_BYTES]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True)
