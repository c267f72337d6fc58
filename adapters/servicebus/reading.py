"""Reading: what the SDK leaves of a received message in bytes, as text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from azure.servicebus import ServiceBusReceivedMessage


def read_properties(message: ServiceBusReceivedMessage) -> dict[str, Any]:
    """The application properties."""
    properties = message.application_properties or {}
    return {str(_text(key)): _text(value) for key, value in properties.items()}


def read_body(message: ServiceBusReceivedMessage) -> bytes:
    """The whole body, as the Functions host hands it out; a producer may have sent it as text, or in parts."""
    match message.body:
        case str() as text:
            return text.encode()
        case bytes() as body:
            return body
        case None:
            return b""
        case parts:
            return b"".join([part if isinstance(part, bytes) else str(part).encode() for part in parts])


def _text(value: Any) -> Any:
    # Whoever may send to `intake` may send anything, and no message may stop the reading of the others.
    return value.decode(errors="replace") if isinstance(value, bytes) else value
