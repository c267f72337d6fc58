"""AMQP 1.0 values as bytes: every type that Service Bus clients send is read, and what is passed on keeps its type.

Source: OASIS AMQP 1.0, part 1 (types), https://docs.oasis-open.org/amqp/core/v1.0/os/amqp-core-types-v1.0-os.html
"""

import struct
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple


class Symbol(str):
    """A name from a fixed vocabulary; the wire tells it from a string."""

    __slots__ = ()


class Timestamp(int):
    """Milliseconds since 1970, UTC."""


class UByte(int):
    pass


class UShort(int):
    pass


class UInt(int):
    pass


class ULong(int):
    pass


class Long(int):
    pass


class Encoded(bytes):
    """A value in its wire form, constructor included: written as it stands."""


class Described(NamedTuple):
    """A value whose meaning the descriptor tells: performatives, outcomes, filters, errors."""

    descriptor: Any
    value: Any


class Array(NamedTuple):
    """Values of one type that share a constructor; `items` are in wire form without it."""

    constructor: int
    items: list[bytes]


class AmqpError(Exception):
    """What the broker tells a client that it refuses."""

    def __init__(self, condition: str, description: str) -> None:
        super().__init__(f"{condition}: {description}")
        self.condition = condition
        self.description = description


class NotImplementedByStandInError(AmqpError):
    """A client wants something of Service Bus that this stand-in leaves out."""

    def __init__(self, what: str) -> None:
        super().__init__("amqp:not-implemented", f"the Service Bus stand-in has no {what}")


def array_of_longs(numbers: Iterable[int]) -> Array:
    return Array(0x81, [struct.pack(">q", number) for number in numbers])


def array_of_timestamps(milliseconds: Iterable[int]) -> Array:
    return Array(0x83, [struct.pack(">q", instant) for instant in milliseconds])


def array_of_strings(texts: Iterable[str]) -> Array:
    encoded = [text.encode() for text in texts]
    return Array(0xB1, [struct.pack(">I", len(text)) + text for text in encoded])


def array_of_symbols(texts: Iterable[str]) -> Array:
    encoded = [text.encode("ascii") for text in texts]
    return Array(0xB3, [struct.pack(">I", len(text)) + text for text in encoded])


# Reading

type Decoder = Callable[[bytes, int], tuple[Any, int]]


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value that begins at `at`, and where the next one begins."""
    decoder = _DECODERS[data[at]]
    if decoder is None:
        raise AmqpError("amqp:decode-error", f"no AMQP type has the constructor 0x{data[at]:02x}")
    return decoder(data, at + 1)


def end_of(data: bytes, at: int) -> int:
    """Where the value that begins at `at` ends; cheaper than `decode`."""
    constructor = data[at]
    if constructor == 0:
        return end_of(data, end_of(data, at + 1))
    kind = constructor >> 4
    if kind in (0xA, 0xC, 0xE):
        return at + 2 + data[at + 1]
    if kind in (0xB, 0xD, 0xF):
        return at + 5 + int.from_bytes(data[at + 1 : at + 5])
    return at + 1 + (0, 1, 2, 4, 8, 16)[kind - 4]


def decode_map_shallow(data: bytes, at: int) -> dict[str, Encoded]:
    """A map whose values stay as they came, so that they go on with the very type they had."""
    constructor = data[at]
    if constructor == 0x45:
        return {}
    if constructor not in (0xC1, 0xD1):
        raise AmqpError("amqp:decode-error", f"expected a map, found constructor 0x{constructor:02x}")
    width = 1 if constructor == 0xC1 else 4
    count = int.from_bytes(data[at + 1 + width : at + 1 + 2 * width])
    at += 1 + 2 * width
    entries = {}
    for _ in range(count // 2):
        key, at = decode(data, at)
        end = end_of(data, at)
        entries[str(key)] = Encoded(data[at:end])
        at = end
    return entries


def sections(message: bytes) -> Iterator[tuple[int, int, int]]:
    """The sections of a message: code (0x70 header … 0x78 footer), where its value begins, where it ends."""
    at = 0
    while at < len(message):
        code, value_at = decode(message, at + 1)
        end = end_of(message, value_at)
        yield int(code), value_at, end
        at = end


def _fixed(layout: str, make: Callable[[Any], Any] | None = None) -> Decoder:
    form = struct.Struct(layout)

    def read(data: bytes, at: int) -> tuple[Any, int]:
        (value,) = form.unpack_from(data, at)
        return value if make is None else make(value), at + form.size

    return read


def _constant(value: Any) -> Decoder:
    return lambda _, at: (value, at)


def _variable(width: int, make: Callable[[bytes], Any]) -> Decoder:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        start = at + width
        end = start + int.from_bytes(data[at:start])
        if end > len(data):
            raise AmqpError("amqp:decode-error", "a value ends behind its frame")
        return make(data[start:end]), end

    return read


def _decode_items(data: bytes, at: int, width: int) -> tuple[list[Any], int]:
    end = at + width + int.from_bytes(data[at : at + width])
    count = int.from_bytes(data[at + width : at + 2 * width])
    at += 2 * width
    items = []
    for _ in range(count):
        item, at = decode(data, at)
        items.append(item)
    return items, end


def _list(width: int) -> Decoder:
    return lambda data, at: _decode_items(data, at, width)


def _map(width: int) -> Decoder:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        items, end = _decode_items(data, at, width)
        return dict(zip(items[::2], items[1::2], strict=True)), end

    return read


def _array(width: int) -> Decoder:
    def read(data: bytes, at: int) -> tuple[Any, int]:
        end = at + width + int.from_bytes(data[at : at + width])
        count = int.from_bytes(data[at + width : at + 2 * width])
        at += 2 * width
        if data[at] == 0:
            raise NotImplementedByStandInError("arrays of described values")
        decoder = _DECODERS[data[at]]
        if decoder is None:
            raise AmqpError("amqp:decode-error", f"no AMQP type has the constructor 0x{data[at]:02x}")
        at += 1
        items = []
        for _ in range(count):
            item, at = decoder(data, at)
            items.append(item)
        return items, end

    return read


def _described(data: bytes, at: int) -> tuple[Any, int]:
    descriptor, at = decode(data, at)
    value, at = decode(data, at)
    return Described(descriptor, value), at


def _opaque(constructor: int, size: int) -> Decoder:
    return lambda data, at: (Encoded(bytes((constructor,)) + data[at : at + size]), at + size)


_DECODERS: list[Decoder | None] = [None] * 256
for _constructor, _decoder in {
    0x00: _described,
    0x40: _constant(None),
    0x41: _constant(True),
    0x42: _constant(False),
    0x43: _constant(UInt(0)),
    0x44: _constant(ULong(0)),
    0x45: lambda _, at: ([], at),
    0x50: _fixed(">B", UByte),
    0x51: _fixed(">b"),
    0x52: _fixed(">B", UInt),
    0x53: _fixed(">B", ULong),
    0x54: _fixed(">b"),
    0x55: _fixed(">b", Long),
    0x56: _fixed(">?"),
    0x60: _fixed(">H", UShort),
    0x61: _fixed(">h"),
    0x70: _fixed(">I", UInt),
    0x71: _fixed(">i"),
    0x72: _fixed(">f"),
    0x73: _opaque(0x73, 4),
    0x74: _opaque(0x74, 4),
    0x80: _fixed(">Q", ULong),
    0x81: _fixed(">q", Long),
    0x82: _fixed(">d"),
    0x83: _fixed(">q", Timestamp),
    0x84: _opaque(0x84, 8),
    0x94: _opaque(0x94, 16),
    0x98: lambda data, at: (uuid.UUID(bytes=bytes(data[at : at + 16])), at + 16),
    0xA0: _variable(1, bytes),
    0xA1: _variable(1, bytes.decode),
    0xA3: _variable(1, lambda raw: Symbol(raw.decode("ascii"))),
    0xB0: _variable(4, bytes),
    0xB1: _variable(4, bytes.decode),
    0xB3: _variable(4, lambda raw: Symbol(raw.decode("ascii"))),
    0xC0: _list(1),
    0xC1: _map(1),
    0xD0: _list(4),
    0xD1: _map(4),
    0xE0: _array(1),
    0xF0: _array(4),
}.items():
    _DECODERS[_constructor] = _decoder


# Writing


def encode(value: object) -> bytes:
    """The wire form; a plain `int` becomes an int where it fits, else a long, and a `float` a double."""
    encoder = _ENCODERS.get(type(value))
    if encoder is None:
        raise TypeError(f"no AMQP type for {type(value).__name__}")
    return encoder(value)


def section(code: int, value: object) -> bytes:
    return bytes((0, 0x53, code)) + encode(value)


def _sized(constructor: int, content: bytes) -> bytes:
    if len(content) < 256:
        return bytes((constructor, len(content))) + content
    return bytes((constructor + 0x10,)) + struct.pack(">I", len(content)) + content


def _counted(constructor: int, parts: list[bytes]) -> bytes:
    content = b"".join(parts)
    if len(content) < 255 and len(parts) < 256:
        return bytes((constructor, len(content) + 1, len(parts))) + content
    return bytes((constructor + 0x10,)) + struct.pack(">II", len(content) + 4, len(parts)) + content


def _encode_map(entries: Mapping[object, object]) -> bytes:
    return _counted(0xC1, [part for key, value in entries.items() for part in (encode(key), encode(value))])


def _encode_array(array: Array) -> bytes:
    content = bytes((array.constructor,)) + b"".join(array.items)
    return b"\xf0" + struct.pack(">II", len(content) + 4, len(array.items)) + content


def _encode_int(number: int) -> bytes:
    return struct.pack(">Bi", 0x71, number) if -(2**31) <= number < 2**31 else struct.pack(">Bq", 0x81, number)


def _encode_uint(number: int) -> bytes:
    if number == 0:
        return b"\x43"
    return bytes((0x52, number)) if number < 256 else struct.pack(">BI", 0x70, number)


def _encode_ulong(number: int) -> bytes:
    if number == 0:
        return b"\x44"
    return bytes((0x53, number)) if number < 256 else struct.pack(">BQ", 0x80, number)


_ENCODERS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda _: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    int: _encode_int,
    float: lambda number: struct.pack(">Bd", 0x82, number),
    str: lambda text: _sized(0xA1, text.encode()),
    bytes: lambda raw: _sized(0xA0, raw),
    uuid.UUID: lambda value: b"\x98" + value.bytes,
    list: lambda items: _counted(0xC0, [encode(item) for item in items]) if items else b"\x45",
    dict: _encode_map,
    Symbol: lambda text: _sized(0xA3, text.encode("ascii")),
    Timestamp: lambda number: struct.pack(">Bq", 0x83, number),
    UByte: lambda number: bytes((0x50, number)),
    UShort: lambda number: struct.pack(">BH", 0x60, number),
    UInt: _encode_uint,
    ULong: _encode_ulong,
    Long: lambda number: struct.pack(">Bq", 0x81, number),
    Encoded: bytes,
    Described: lambda described: b"\x00" + encode(described.descriptor) + encode(described.value),
    Array: _encode_array,
}
