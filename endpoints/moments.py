"""Moments: instants in requests, given as such or as how long ago."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.errors import InputError


def read_moment_or_age(text: str, name: str, now: datetime) -> datetime:
    """The instant, or the one so long ago.

    Raises:
        InputError: It is neither; it names the field (422).
    """
    from domain.durations import parse_duration

    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        try:
            return now - parse_duration(text)
        except (ValueError, OverflowError):
            words = f"{text[:64]!r} is neither a time (2026-11-22T12:00:00Z) nor a duration (1h)"
            raise InputError(f"{name}: {words}", ((name, words),)) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
