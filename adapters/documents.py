"""Documents: the domain's values as stored and sent, JSON by msgspec; the one place that knows their encoding."""

from __future__ import annotations

import base64
import zlib
from typing import Any, Literal

import msgspec

from domain.errors import RejectedError
from domain.groups import GroupEvents, Head, Outgoing, Tick
from domain.looks import Triage
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


HEAD_WORDS = (
    b'{"id":"","route_id":0,"configuration_version":"","receiver":"","labels":{"alertname":""},"revision":1,"present":1'
    b',"firing":1,"flushed_at":"2026-11-22T12:00:00.000000Z","next_due_at":"2026-11-22T12:00:00.000000Z"'
    b',"armed_at":"2026-11-22T12:00:00.000000Z","earliest_end":"2026-11-22T12:00:00.000000Z","repeat_at":null'
    b',"has_news":false,"pending":[],"has_muted":false,"is_flush_failed":false,"incidents":1,"incident":{"id":""'
    b',"group_id":"","receiver":"","group_key":"{}:{alertname=\\"\\"}","group_labels":{"alertname":""},"title":""'
    b',"opened_at":"2026-11-22T12:00:00.000000Z","resolved_at":null,"firing":1,"alerts":1,"pages":0,"failed":0'
    b',"response":null,"severity":"warning"},"folded":{"":1},"responded":[]}'
)
"""What every head says: with it known beforehand one is a quarter as long.  What is stored needs it as it is."""


def embed_head(head: Head) -> Any:
    """The head as a part of a JSON document, always compressed: it is written by each fold and read by each listing."""
    compressor = zlib.compressobj(zdict=HEAD_WORDS)
    return {"zip": base64.b64encode(compressor.compress(encode(head)) + compressor.flush()).decode()}


def extract[T](kind: type[T], embedded: Any) -> T:
    """The value that `embed` or `embed_head` put into a document.

    Raises:
        RejectedError: It is no such value, and never will be.
    """
    if isinstance(embedded, dict) and embedded.keys() == {"zip"}:
        try:
            decompressor = zlib.decompressobj(zdict=HEAD_WORDS)  # of no meaning to what was compressed without it
            encoded = decompressor.decompress(base64.b64decode(embedded["zip"]))
        except (ValueError, zlib.error) as error:
            raise RejectedError(f"not a compressed {kind.__name__}: {error}") from error
        if not decompressor.eof:
            raise RejectedError(f"not a compressed {kind.__name__}: it ends too early")
        return decode(kind, encoded)
    try:
        return msgspec.convert(embedded, kind)
    except msgspec.MsgspecError as error:
        raise RejectedError(f"not a {kind.__name__}: {error}") from error


type OutgoingKind = Literal["tick", "delivery", "events", "triage"]

_OUTGOING: dict[OutgoingKind, type[Outgoing]] = {
    "tick": Tick,
    "delivery": Delivery,
    "events": GroupEvents,
    "triage": Triage,
}


def kind_of(outgoing: Outgoing) -> OutgoingKind:
    """Under which name an outbox keeps it."""
    match outgoing:
        case Tick():
            return "tick"
        case Delivery():
            return "delivery"
        case GroupEvents():
            return "events"
        case Triage():
            return "triage"


def extract_outgoing(kind: OutgoingKind, embedded: Any) -> Outgoing:
    """What an outbox kept under that name."""
    return extract(_OUTGOING[kind], embedded)
