"""Instants as other programs write them: RFC 3339 and its relatives in, Go's forms of it out."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, timezone
from functools import lru_cache

ZERO_TIME = "0001-01-01T00:00:00Z"
"""How Go prints the instant that was never set (WH-6)."""

MONTHS = (
    "january",
    "february",
    "march",
    "april",
    "may",
    "june",
    "july",
    "august",
    "september",
    "october",
    "november",
    "december",
)
WEEKDAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
EARLIEST = datetime.min.replace(tzinfo=UTC)
LATEST = datetime.max.replace(tzinfo=UTC)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_RFC3339 = re.compile(
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.(?P<fraction>\d+))?(?:Z|[+-](?:[01]\d|2[0-3]):[0-5]\d)", re.ASCII
)

# What Alertmanager's API takes beside it; a group is empty or missing where its part is.
_VARIANT = re.compile(
    r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)"
    r"(?:(?P<between>[T ])(?P<hour>\d\d?):(?P<minute>\d\d)(?::(?P<second>\d\d)(?:[.,](?P<fraction>\d+))?)?"
    r"(?P<zone>Z|[+-]\d\d(?P<colon>:?)\d\d)?)?",
    re.ASCII,
)


LONGEST_KEPT = 64
"""In characters: a fraction may have a million digits, and what is cached must not hold thousands of such texts."""


def read_instant(text: str) -> tuple[datetime, str] | None:
    """The instant, and its text where Python cannot hold all of it (nanoseconds); None for Go's zero time.

    As Alertmanager's API reads it: without an offset it is UTC, seconds or the whole time of day may be missing, and
    the empty text is the epoch.  What lies outside of Python's calendar (year 0) is moved to its border.  Cached: the
    alerts of one request share their times.

    Raises:
        ValueError: Alertmanager would not read it either.

    Source: `ParseDateTime` in go-openapi/strfmt, time.go, as of Alertmanager 0.34; measured on 0.25.
    """
    return _read_kept(text) if len(text) <= LONGEST_KEPT else _read(text)


def _read(text: str) -> tuple[datetime, str] | None:
    if not text:
        return EPOCH, ""
    match = _RFC3339.fullmatch(text)
    try:
        if match is None:
            raise ValueError
        instant = datetime.fromisoformat(text)
    except ValueError:
        match = _VARIANT.fullmatch(text)
        if match is None or not _is_known_variant(match):
            raise ValueError(f"{text[:64]!r} is not an RFC 3339 date-time") from None
        try:
            instant = _read_variant(match)
        except (ValueError, OverflowError) as error:
            raise ValueError(f"{text[:64]!r} is not an RFC 3339 date-time: {error}") from None
    if instant == EARLIEST:
        return None
    if not EARLIEST < instant <= LATEST:  # its offset puts it beyond the calendar
        return min(max(instant, EARLIEST), LATEST), ""
    fraction = match["fraction"] or ""
    if len(fraction.rstrip("0")) <= 6:
        return instant, ""
    return instant, _in_go(instant, fraction[:9])


_read_kept = lru_cache(maxsize=16384)(_read)


def _is_known_variant(match: re.Match[str]) -> bool:
    zone, fraction = match["zone"], match["fraction"]
    if match["between"] == " ":
        return match["second"] is not None and zone is None
    if zone is None or zone == "Z":
        return True
    return match["second"] is not None and (bool(match["colon"]) or len(fraction or "") in (3, 6))


def _read_variant(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second = (
        int(match[part] or 0) for part in ("year", "month", "day", "hour", "minute", "second")
    )
    # Year 0 is a leap year, as 4 is; its days must exist too.
    instant = datetime(year or 4, month, day, hour, minute, second, int(f"{match['fraction'] or '':0<6}"[:6]), UTC)
    zone = match["zone"]
    if zone and zone != "Z":
        hours, minutes = int(zone[1:3]), int(zone[-2:])
        if hours > 24 or minutes > 60:  # Go takes just these
            raise ValueError("no such offset")
        offset = timedelta(hours=hours, minutes=minutes) * (-1 if zone[0] == "-" else 1)
        is_known = abs(offset) < timedelta(hours=24)
        instant = instant.replace(tzinfo=timezone(offset)) if is_known else instant - offset
    # Not the border itself, which would read as never set.
    return instant if year else EARLIEST + timedelta(microseconds=1)


def print_instant(instant: datetime, text: str = "") -> str:
    """As Go prints it (RFC3339Nano): the offset it came with, no trailing zeros in the fraction."""
    return text or _in_go(instant, f"{instant.microsecond:06d}")


def print_milliseconds(instant: datetime) -> str:
    """As Alertmanager's API prints it: milliseconds, with the offset it came with (WH-9)."""
    # Instants that differ in their offsets only are equal, so no cache can tell them apart.
    return _print_utc(instant) if instant.tzinfo is UTC else _print_milliseconds(instant)


def _print_milliseconds(instant: datetime) -> str:
    text = instant.isoformat("T", "milliseconds")
    return f"{text[:-6]}Z" if text.endswith("+00:00") else text


# Printing costs most of what showing an alert does, and the alerts of one request share their times.
_print_utc = lru_cache(maxsize=16384)(_print_milliseconds)


def _in_go(instant: datetime, fraction: str) -> str:
    fraction = fraction.rstrip("0")
    offset = instant.strftime("%:z")
    text = instant.strftime("%Y-%m-%dT%H:%M:%S")
    return f"{text:0>19}" + (f".{fraction}" if fraction else "") + ("Z" if offset == "+00:00" else offset)
