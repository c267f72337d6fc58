"""Instants as other programs write them: RFC 3339 in, Go's form of it out."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(?::\d\d(?:\.(?P<fraction>\d+))?)?(?:Z|[+-]\d\d:?\d\d)?", re.ASCII
)

ZERO_TIME = "0001-01-01T00:00:00Z"
"""How Go prints the instant that was never set (WH-6)."""


@lru_cache(maxsize=16384)
def read_instant(text: str) -> tuple[datetime, str] | None:
    """The instant, and its text where Python cannot hold all of it (nanoseconds); None for Go's zero time.

    An instant without an offset is UTC, as the strfmt library of Alertmanager's API takes it; the same for a minute
    without seconds.  Cached: the alerts of one request share their times.

    Raises:
        ValueError: It is no RFC 3339 instant, or of no year that can be reckoned with.
    """
    match = _RFC3339.fullmatch(text)
    if match is None:
        raise ValueError(f"{text[:64]!r} is not an RFC 3339 date-time")
    try:
        instant = datetime.fromisoformat(text)
        if instant.tzinfo is None:
            instant = instant.replace(tzinfo=UTC)
        year = instant.astimezone(UTC).year
    except (ValueError, OverflowError) as error:
        raise ValueError(f"{text[:64]!r} is not an RFC 3339 date-time: {error}") from error
    if year == 1:
        return None
    if year > 9998:
        raise ValueError(f"{text[:64]!r} is too far in the future")
    fraction = match["fraction"] or ""
    if len(fraction.rstrip("0")) <= 6:
        return instant, ""
    return instant, _in_go(instant, fraction[:9])


def print_instant(instant: datetime, text: str = "") -> str:
    """As Go prints it (RFC3339Nano): the offset it came with, no trailing zeros in the fraction."""
    return text or _in_go(instant, f"{instant.microsecond:06d}")


def print_milliseconds(instant: datetime) -> str:
    """As Alertmanager's API prints it: milliseconds, with the offset it came with (WH-9)."""
    offset = instant.strftime("%:z")
    text = instant.strftime("%Y-%m-%dT%H:%M:%S") + f".{instant.microsecond // 1000:03d}"
    return f"{text:0>23}" + ("Z" if offset == "+00:00" else offset)


def _in_go(instant: datetime, fraction: str) -> str:
    fraction = fraction.rstrip("0")
    offset = instant.strftime("%:z")
    text = instant.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text:0>19}" + (f".{fraction}" if fraction else "") + ("Z" if offset == "+00:00" else offset)
