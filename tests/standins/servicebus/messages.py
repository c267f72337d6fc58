"""A message: what its sender wrote, kept byte for byte, and what the broker knows of it."""

import enum
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from tests.standins.servicebus.amqp import (
    AmqpError,
    Encoded,
    Long,
    Symbol,
    Timestamp,
    UInt,
    decode,
    decode_map_shallow,
    encode,
    section,
    sections,
)
from tests.standins.servicebus.clock import Clock

if TYPE_CHECKING:
    from tests.standins.servicebus.sessions import Consumer

BATCH_FORMAT = 0x80013700  # each data section of such a transfer is a message of its own
LONGEST_ID = 128  # characters, for a message id and for a session id

HEADER, DELIVERY_ANNOTATIONS, ANNOTATIONS, PROPERTIES, APPLICATION, DATA = 0x70, 0x71, 0x72, 0x73, 0x74, 0x75
FOOTER = 0x78


class State(enum.IntEnum):
    """As a peek shows it."""

    ACTIVE = 0
    DEFERRED = 1
    SCHEDULED = 2


@dataclass(frozen=True, eq=False)
class Content:
    """What a sender sent. The bytes of properties and body go to receivers as they came."""

    header: tuple[Any, ...]
    raw_delivery_annotations: bytes
    annotations: dict[str, Encoded]
    properties: tuple[Any, ...]
    raw_properties: bytes
    raw_application: dict[str, Encoded]
    raw_body: bytes
    size: int

    @property
    def message_id(self) -> Any:
        return _at(self.properties, 0)

    @property
    def subject(self) -> str | None:
        value: str | None = _at(self.properties, 3)
        return value

    @property
    def correlation_id(self) -> Any:
        return _at(self.properties, 5)

    @property
    def content_type(self) -> str | None:
        value: str | None = _at(self.properties, 6)
        return value

    @property
    def session_id(self) -> str | None:
        value: str | None = _at(self.properties, 10)
        return value

    @property
    def lifetime(self) -> float | None:
        """Seconds; None where the sender set no end."""
        milliseconds = _at(self.header, 2)
        return milliseconds / 1000 if milliseconds else None

    @cached_property
    def scheduled_at(self) -> float | None:
        """When it is to appear in the queue, in seconds since 1970; None means at once."""
        raw = self.annotations.get("x-opt-scheduled-enqueue-time")
        instant = decode(raw)[0] if raw else None
        return instant / 1000 if instant else None

    @cached_property
    def application_properties(self) -> dict[str, Any]:
        return {key: decode(raw)[0] for key, raw in self.raw_application.items()}

    @cached_property
    def body(self) -> bytes:
        """The data sections joined; empty where the body is no data."""
        return b"".join(decode(self.raw_body, at)[0] for code, at, _ in sections(self.raw_body) if code == DATA)


def _at(fields: Sequence[Any], place: int) -> Any:
    return fields[place] if place < len(fields) else None


def parse(message: bytes) -> Content:
    """Raises AmqpError where the bytes are no message, or an id is too long."""
    header: list[Any] = []
    delivery_annotations = b""
    annotations: dict[str, Encoded] = {}
    properties: list[Any] = []
    raw_properties = b""
    application: dict[str, Encoded] = {}
    body = bytearray()
    for code, at, end in sections(message):
        if code == HEADER:
            header = decode(message, at)[0]
        elif code == DELIVERY_ANNOTATIONS:
            delivery_annotations = _section(code, message[at:end])
        elif code == ANNOTATIONS:
            annotations = decode_map_shallow(message, at)
        elif code == PROPERTIES:
            properties = decode(message, at)[0]
            raw_properties = _section(code, message[at:end])
        elif code == APPLICATION:
            application = decode_map_shallow(message, at)
        elif DATA <= code <= FOOTER:
            body += _section(code, message[at:end])
    content = Content(
        tuple(header),
        delivery_annotations,
        annotations,
        tuple(properties),
        raw_properties,
        application,
        bytes(body),
        len(message),
    )
    for name, value in (("MessageId", content.message_id), ("SessionId", content.session_id)):
        if isinstance(value, str) and len(value) > LONGEST_ID:
            raise AmqpError("com.microsoft:argument-error", f"{name} {value!r} is longer than {LONGEST_ID} characters")
    return content


def parse_transfer(payload: bytes, message_format: int) -> list[Content]:
    """The messages of one transfer: one, or all of a batch in their order."""
    if message_format == BATCH_FORMAT:
        return [parse(decode(payload, at)[0]) for code, at, _ in sections(payload) if code == DATA]
    if message_format != 0:
        raise AmqpError("amqp:not-implemented", f"the Service Bus stand-in has no message format {message_format:#x}")
    return [parse(payload)]


def _section(code: int, value: bytes) -> bytes:
    # The SDK for Python takes the short form of the descriptor for granted; a client may have sent the long one.
    return bytes((0, 0x53, code)) + value


@dataclass(eq=False, slots=True)
class Stored:
    """A message in a queue."""

    content: Content
    number: int
    enqueued_at: float
    state: State = State.ACTIVE
    delivery_count: int = 0
    token: uuid.UUID | None = None
    locked_until: float = 0.0
    holder: "Consumer | None" = None
    added: dict[str, object] = field(default_factory=dict)
    dead_letter_source: str | None = None

    def encode(self, clock: Clock) -> bytes:
        """As a receiver, or one who peeks, gets it."""
        annotations: dict[object, object] = {Symbol(key): value for key, value in self.content.annotations.items()}
        annotations[Symbol("x-opt-sequence-number")] = Long(self.number)
        annotations[Symbol("x-opt-enqueued-time")] = Timestamp(round(self.enqueued_at * 1000))
        annotations[Symbol("x-opt-message-state")] = int(self.state)
        if self.token is not None:
            annotations[Symbol("x-opt-locked-until")] = Timestamp(clock.wall_milliseconds(self.locked_until))
        if self.dead_letter_source is not None:
            annotations[Symbol("x-opt-deadletter-source")] = self.dead_letter_source
        header = [*self.content.header[:4], *[None] * (4 - len(self.content.header)), UInt(self.delivery_count)]
        application = {**self.content.raw_application, **self.added}
        return b"".join(
            (
                section(HEADER, header),
                self.content.raw_delivery_annotations,
                section(ANNOTATIONS, annotations),
                self.content.raw_properties,
                b"\x00\x53\x74" + encode(application) if application else b"",
                self.content.raw_body,
            )
        )
