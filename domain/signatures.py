"""Signatures: whether who claims to have sent a request has signed it, judged before a byte of it is read."""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

from domain.errors import UnauthenticatedError

WINDOW = timedelta(minutes=5)
"""How far the time in a signature may be from ours: what was recorded earlier cannot be sent again."""


def check_slack(body: bytes, timestamp: str, signature: str, secret: str, now: datetime) -> None:
    """Whether Slack sent this.

    Args:
        body: As it came.
        timestamp: Header `X-Slack-Request-Timestamp`, seconds since 1970.
        signature: Header `X-Slack-Signature`, `v0=` and 64 hexadecimal digits.
        secret: The signing secret of the Slack app.
        now: The clock.

    Raises:
        UnauthenticatedError: It was not signed with this secret, or too long ago.

    Source: https://docs.slack.dev/authentication/verifying-requests-from-slack/
    """
    signed = hmac.digest(secret.encode(), b"v0:" + timestamp.encode() + b":" + body, "sha256").hex()
    if not hmac.compare_digest(f"v0={signed}".encode(), signature.encode()):
        raise UnauthenticatedError("the request does not have Slack's signature")
    # Only what is signed is read as a number; ASCII digits alone, for int() takes more.
    if not (timestamp.isascii() and timestamp.isdigit() and len(timestamp) <= 12):
        raise UnauthenticatedError("the time of Slack's signature is no number")
    if abs(now.timestamp() - int(timestamp)) > WINDOW.total_seconds():
        raise UnauthenticatedError("Slack's signature is too old, or a clock is wrong")
