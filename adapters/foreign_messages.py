"""Foreign messages: those that a producer put on a queue in a form of its own, and how they are kept as dead letters.

A dead letter is a body, and the body of such a message does not say what it is: its application properties and its
content type do.  So it is kept with them, and read again with them when it is sent again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from domain.errors import RejectedError

DEFAULT = "default"
CLOUDEVENTS = "cloudevents"

_PREFIXES = ("cloudevents:", "cloudevents_")
"""Of the properties of a CloudEvent in binary mode; some clients take no colon in a name.

Source: https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/bindings/amqp-protocol-binding.md
"""

_BEGIN = b'{"intake":'


@dataclass(frozen=True, slots=True)
class Foreign:
    """A message of a form that its body alone does not tell."""

    kind: str
    key: str
    headers: dict[str, str]
    text: str = ""
    """The body, where it is UTF-8."""
    data: bytes = b""
    """The body, where it is not."""

    @property
    def body(self) -> bytes:
        """As it came."""
        return self.data or self.text.encode()


def read_foreign(body: bytes, properties: Mapping[str, Any], content_type: str | None) -> Foreign | None:
    """The message with what says which form it has, also where it was kept as a dead letter; None for our own form."""
    headers = {str(name).lower(): _text(value) for name, value in properties.items()}
    if content_type:
        headers["content-type"] = content_type
    kind = _kind_of(headers)
    if kind is None:
        return _kept(body)
    try:
        return Foreign(kind, headers.get("key") or DEFAULT, headers, text=body.decode())
    except UnicodeDecodeError:
        return Foreign(kind, headers.get("key") or DEFAULT, headers, data=body)


def keep_foreign(message: Foreign) -> bytes:
    """The body of the dead letter."""
    from adapters.documents import encode

    return encode({"intake": message})


def _kept(body: bytes) -> Foreign | None:
    if not body.startswith(_BEGIN):
        return None
    from adapters.documents import decode

    try:
        return decode(dict[str, Foreign], body)["intake"]
    except RejectedError:
        return None


def _kind_of(headers: Mapping[str, str]) -> str | None:
    """The kind of source whose form the message has; None for that of Alertmanager's API."""
    if kind := headers.get("kind"):
        return kind
    if headers.get("content-type", "").strip().lower().startswith("application/cloudevents"):
        return CLOUDEVENTS
    if any(prefix + "type" in headers and prefix + "source" in headers for prefix in _PREFIXES):
        return CLOUDEVENTS
    return None


def _text(value: Any) -> str:
    """A property as CloudEvents writes it where it is a text."""
    match value:
        case bool():
            return "true" if value else "false"
        case bytes():
            return value.decode("utf-8", "replace")
        case datetime():
            return (value.replace(tzinfo=UTC) if value.tzinfo is None else value).isoformat()
        case _:
            return str(value)
