"""Cursors: where a list goes on, as text that means nothing to the caller; stable while others write.

A cursor holds the place of the last thing shown in the order of the list, not how many were shown: what is added or
removed in between neither repeats nor hides anything.
"""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from domain.errors import InputError

VERSION = 1
LONGEST = 1024


def write_cursor(kind: str, *place: str | int | float) -> str:
    """The cursor of a place.

    Args:
        kind: Of which list it is: no other takes it.
        place: What `read_cursor` gives back: the sort key of the last one shown.
    """
    text = json.dumps([VERSION, kind, *place], separators=(",", ":"), ensure_ascii=False)
    return urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


def read_cursor(cursor: str | None, kind: str, *types: type[str | int | float]) -> tuple[Any, ...] | None:
    """The place that `write_cursor` put into it; None where there is no cursor.

    Raises:
        InputError: It is not one of this list's, or of another version (422).
    """
    if cursor is None:
        return None
    try:
        padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
        version, of, *place = json.loads(urlsafe_b64decode(padded)) if len(cursor) <= LONGEST else (0, "")
    except (ValueError, TypeError, RecursionError):
        raise refused("it is not one that was given out here") from None
    if version != VERSION or of != kind or [type(part) for part in place] != list(types):
        raise refused(f"it is no cursor of {kind}, or one of another version")
    return tuple(place)


def read_moment(text: str) -> datetime:
    """An instant that `isoformat` wrote into a place; raises InputError when it is none."""
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise refused("it is not one that was given out here") from None
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def refused(words: str) -> InputError:
    """What is wrong with the parameter `cursor`; to be raised."""
    return InputError(f"query parameter 'cursor': {words}", (("cursor", words),))


def cut[T](found: Sequence[T], limit: int, cursor_of: Callable[[T], str]) -> tuple[Sequence[T], str | None]:
    """The first `limit` of what was found, one more having been asked for, and the `next` of the answer."""
    if len(found) <= limit:
        return found, None
    return found[:limit], cursor_of(found[limit - 1])
