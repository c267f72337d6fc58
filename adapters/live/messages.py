"""Messages: what is said on a channel, the same in every home."""

from __future__ import annotations

from collections.abc import Sequence

from adapters.documents import encode
from domain.live import LiveEvent

MESSAGE_BYTES = 200_000
"""What is longer is said in several messages: Web PubSub takes a megabyte, and a client may take less."""


def messages_of(events: Sequence[LiveEvent]) -> list[bytes]:
    """These events as JSON, `{"events": [...]}`, in order, in one message or several."""
    messages: list[bytes] = []
    part: list[bytes] = []
    size = 0
    for event in events:
        encoded = encode(event)
        if part and size + len(encoded) > MESSAGE_BYTES:
            messages.append(_message(part))
            part, size = [], 0
        part.append(encoded)
        size += len(encoded)
    return [*messages, _message(part)] if part else messages


def _message(encoded: Sequence[bytes]) -> bytes:
    return b'{"events":[' + b",".join(encoded) + b"]}"
