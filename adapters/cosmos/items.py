"""Items: how the domain's values become parts of a stored item, and names become ids."""

from __future__ import annotations

import base64
import re
import zlib
from datetime import UTC, datetime
from hashlib import blake2b
from typing import Any

import msgspec

from domain.errors import RejectedError

PART_CHARACTERS = 900_000
"""Less than the 2 MB that the service takes: aiohttp warns of bodies beyond 1 MiB, which hold up the event loop."""

to_stored = msgspec.to_builtins
"""A value as part of an item: instants and bytes become text, exactly as `adapters.documents.encode` writes them."""


def from_stored[T](kind: type[T], stored: Any) -> T:
    """The value that `to_stored` made this of.

    Raises:
        RejectedError: It is no such value, and never will be.
    """
    try:
        return msgspec.convert(stored, kind)
    except msgspec.ValidationError as error:
        raise RejectedError(f"not a stored {kind}: {error}") from error


_PLAIN = re.compile(r"[A-Za-z0-9_.=,:@+-]{1,200}")


def item_id(prefix: str, name: str) -> str:
    """The id of the item about what has this name, whatever the name is made of.

    The service refuses some characters and long ids, and whoever asks for one may ask for anything.
    """
    if _PLAIN.fullmatch(name):
        return f"{prefix}-{name}"
    return f"{prefix}~{blake2b(name.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"


def sortable(instant: datetime) -> str:
    """Text whose order is that of the instants: the service compares strings, and knows no dates."""
    return instant.astimezone(UTC).isoformat(timespec="microseconds")


def pack(document: bytes) -> str:
    """Compressed: request units are counted by the kilobyte."""
    return base64.b64encode(zlib.compress(document)).decode()


def unpack(packed: str) -> bytes:
    """What `pack` was given."""
    return zlib.decompress(base64.b64decode(packed))


def split(text: str) -> list[str]:
    """In pieces that fit into one item each; one at least."""
    return [text[start : start + PART_CHARACTERS] for start in range(0, len(text), PART_CHARACTERS)] or [""]
