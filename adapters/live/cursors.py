"""Cursors of the live log: a place of its source, and up to when everything before it has been seen."""

from __future__ import annotations

import base64
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime

from domain.errors import RejectedError
from domain.live import RETENTION, TooOldError

LONGEST_CURSOR = 8_000
LONGEST_PLACE = 64_000
_PLAIN_BYTES = 200
"""Longer, and it is compressed: a place in a change feed names every range."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """Where a reader is."""

    place: str
    """As the source knows it."""
    at: datetime
    """Everything that was committed before this instant lies before the place."""

    def __str__(self) -> str:
        """As it is given out: opaque, and fit for a query string."""
        raw = f"{int(self.at.timestamp() * 1000)}:{self.place}".encode()
        kind, body = ("p", raw) if len(raw) <= _PLAIN_BYTES else ("z", zlib.compress(raw, 9))
        return kind + base64.urlsafe_b64encode(body).decode().rstrip("=")


def read_cursor(text: str, now: datetime) -> Cursor:
    """The cursor that was given out.

    Raises:
        RejectedError: It is none.
        TooOldError: What follows it is not kept any more.
    """
    wrong = RejectedError("query parameter 'after': not a cursor that was given out here")
    if not 1 < len(text) <= LONGEST_CURSOR or not text.isascii() or text[0] not in "pz":
        raise wrong
    try:
        body = base64.b64decode(text[1:] + "=" * (-len(text[1:]) % 4), b"-_", validate=True)
        raw = zlib.decompressobj().decompress(body, LONGEST_PLACE) if text[0] == "z" else body
        milliseconds, _, place = raw.decode().partition(":")
        at = datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (ValueError, zlib.error, OverflowError, OSError):
        raise wrong from None
    if now - at > RETENTION:
        raise TooOldError(f"the cursor is from {at:%Y-%m-%d %H:%M} UTC; events are kept for 48 hours")
    return Cursor(place, at)
