"""Documents: the domain's values as stored and sent, JSON by msgspec; the one place that knows their encoding."""

from __future__ import annotations

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


def decode_outgoing(kind: OutgoingKind, document: bytes | str) -> Outgoing:
    """What an outbox kept under that name."""
    return decode(_OUTGOING[kind], document)
