"""Documents: the domain's values as stored and sent, JSON by msgspec; the one place that knows their encoding."""

from __future__ import annotations

import base64
import zlib
from typing import Any, Literal

import msgspec

from domain.errors import RejectedError
from domain.groups import GroupEvents, Outgoing, Tick
from domain.notifications import Delivery

encode = msgspec.json.Encoder().encode

_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def decode[T](kind: type[T], document: bytes | str) -> T:
    """The value that `encode` wrote.

    Raises:
        RejectedError: It is no such document, and never will be.
    """
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind)
    try:
        value: T = decoder.decode(document)
    except msgspec.MsgspecError as error:
        raise RejectedError(f"not a {kind.__name__}: {error}") from error
    return value


# --- inside a document of another ------------------------------------------------------------------------------------

ZIPPED_BYTES = 4096
"""Above this a body is stored compressed: a store that charges by the kilobyte then charges a tenth."""


def embed(value: Any) -> Any:
    """The value as a part of a JSON document: readable while it is small, compressed when it is not."""
    encoded = encode(value)
    if len(encoded) > ZIPPED_BYTES:
        return {"zip": base64.b64encode(zlib.compress(encoded, 1)).decode()}
    return msgspec.json.decode(encoded)


def extract[T](kind: type[T], embedded: Any) -> T:
    """The value that `embed` put into a document.

    Raises:
        RejectedError: It is no such value, and never will be.
    """
    if isinstance(embedded, dict) and embedded.keys() == {"zip"}:
        try:
            encoded = zlib.decompress(base64.b64decode(embedded["zip"]))
        except (ValueError, zlib.error) as error:
            raise RejectedError(f"not a compressed {kind.__name__}: {error}") from error
        return decode(kind, encoded)
    try:
        return msgspec.convert(embedded, kind)
    except msgspec.MsgspecError as error:
        raise RejectedError(f"not a {kind.__name__}: {error}") from error


type OutgoingKind = Literal["tick", "delivery", "events"]

_OUTGOING: dict[OutgoingKind, type[Outgoing]] = {"tick": Tick, "delivery": Delivery, "events": GroupEvents}


def kind_of(outgoing: Outgoing) -> OutgoingKind:
    """Under which name an outbox keeps it."""
    match outgoing:
        case Tick():
            return "tick"
        case Delivery():
            return "delivery"
        case GroupEvents():
            return "events"


def extract_outgoing(kind: OutgoingKind, embedded: Any) -> Outgoing:
    """What an outbox kept under that name."""
    return extract(_OUTGOING[kind], embedded)
