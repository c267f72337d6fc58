"""Sessions of a queue, and those who hold or want them."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from tests.standins.servicebus.amqp import AmqpError
from tests.standins.servicebus.messages import Stored


class Consumer(Protocol):
    """A receiver's link, as its queue sees it."""

    session: str | None
    keeps: bool  # receive and delete: what is delivered is gone

    def has_credit(self) -> bool: ...

    def deliver(self, message: Stored) -> None: ...

    def detach(self, error: AmqpError | None) -> None:
        """Ends the link; it calls `Queue.leave`."""

    def drop(self) -> None:
        """Cuts the connection."""


@dataclass(eq=False)
class Session:
    ready: list[int] = field(default_factory=list)
    locks: set[uuid.UUID] = field(default_factory=set)
    owner: Consumer | None = None
    locked_until: float = 0.0
    late_until: float = 0.0
    state: bytes | None = None
    state_at: float = 0.0


@dataclass(frozen=True, eq=False)
class SessionRequest:
    """A receiver that asks for a session: `wanted`, or, where that is None, any that has messages."""

    wanted: str | None
    consumer: Consumer
    grant: Callable[[str, float], None]
    refuse: Callable[[AmqpError], None]
