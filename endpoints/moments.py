"""Moments: instants in requests, given as such or as how long ago."""

from __future__ import annotations

from datetime import UTC, datetime

from domain.errors import InputError


def read_moment_or_age(text: str, name: str, now: datetime, *, called: str = "") -> datetime:
    """The instant, or the one so long ago.

    Args:
        text: As it was given.
        name: Of the field, for programs.
        now: The clock.
        called: The field, for people; by default its name.

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
            raise InputError(f"{called or name}: {words}", ((name, words),)) from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)
