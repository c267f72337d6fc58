"""Frames and performatives of AMQP 1.0, from the broker's side.

Source: OASIS AMQP 1.0, part 2 (transport), https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-transport-v1.0-os.html
"""

import struct
from collections.abc import Sequence
from typing import Any, NamedTuple

from tests.standins.servicebus.amqp import AmqpError, Described, Symbol, ULong, decode, encode

OPEN, BEGIN, ATTACH, FLOW, TRANSFER, DISPOSITION, DETACH, END, CLOSE = range(0x10, 0x19)
SASL_MECHANISMS, SASL_INIT, SASL_OUTCOME = 0x40, 0x41, 0x44
ERROR, SOURCE, TARGET = 0x1D, 0x28, 0x29
ACCEPTED, REJECTED, RELEASED, MODIFIED = 0x24, 0x25, 0x26, 0x27

AMQP_HEADER = b"AMQP\x00\x01\x00\x00"
SASL_HEADER = b"AMQP\x03\x01\x00\x00"
HEARTBEAT = struct.pack(">IBBH", 8, 2, 0, 0)

MAX_FRAME = 65_536
WINDOW = 65_536


class Frame(NamedTuple):
    """A frame as it came in; `code` is None for a heartbeat."""

    sasl: bool
    channel: int
    code: int | None
    fields: list[Any]
    payload: bytes


def read_frame(frame: bytes) -> Frame:
    """From one whole frame, its size included."""
    start = frame[4] * 4
    channel = int.from_bytes(frame[6:8])
    if len(frame) == start:
        return Frame(frame[5] == 1, channel, None, [], b"")
    performative, end = decode(frame, start)
    if not isinstance(performative, Described) or not isinstance(performative.descriptor, int):
        raise AmqpError("amqp:decode-error", "a frame holds no performative")
    return Frame(frame[5] == 1, channel, int(performative.descriptor), fields_of(performative, 14), frame[end:])


def fields_of(described: Described | None, count: int) -> list[Any]:
    """The fields of a described list; those left out at its end are None."""
    fields = list(described.value) if described is not None else []
    return fields + [None] * (count - len(fields))


def write_frame(
    channel: int, code: int, fields: Sequence[object], payload: bytes = b"", *, sasl: bool = False
) -> bytes:
    body = bytes((0, 0x53, code)) + encode(list(fields))
    return struct.pack(">IBBH", 8 + len(body) + len(payload), 2, sasl, channel) + body + payload


def described(code: int, fields: Sequence[object] = ()) -> Described:
    return Described(ULong(code), list(fields))


def error_value(error: AmqpError) -> Described:
    # The SDK for Python reads three entries, and dies of an IndexError where there are two.
    return described(ERROR, [Symbol(error.condition), error.description, None])
