"""Tokens: who may listen to what, signed; HS256 by hand, for nothing here is ever negotiated."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Mapping
from typing import Any

LONGEST_TOKEN = 16_000
_HEADER = base64.urlsafe_b64encode(b'{"alg":"HS256","typ":"JWT"}').rstrip(b"=")


def sign(claims: Mapping[str, Any], key: bytes) -> str:
    """A JSON Web Token with these claims."""
    body = base64.urlsafe_b64encode(json.dumps(claims, separators=(",", ":")).encode()).rstrip(b"=")
    signed = _HEADER + b"." + body
    return (signed + b"." + _signature(signed, key)).decode()


def verify(token: str, key: bytes) -> Mapping[str, Any] | None:
    """The claims of a token that `sign` made with this key; None for any other.

    Its times are the caller's to judge.
    """
    if len(token) > LONGEST_TOKEN or not token.isascii():
        return None
    signed, _, signature = token.encode().rpartition(b".")
    # The header is compared, not read: what it says about the algorithm is the forger's word.
    if not signed.startswith(_HEADER + b".") or not hmac.compare_digest(signature, _signature(signed, key)):
        return None
    claims: Mapping[str, Any] = json.loads(_decoded(signed[len(_HEADER) + 1 :]))
    return claims


def _signature(signed: bytes, key: bytes) -> bytes:
    return base64.urlsafe_b64encode(hmac.digest(key, signed, "sha256")).rstrip(b"=")


def _decoded(text: bytes) -> bytes:
    return base64.urlsafe_b64decode(text + b"=" * (-len(text) % 4))
